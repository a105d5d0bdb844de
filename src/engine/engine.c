/*
 * engine.c
 *		The SQL functions on segments that look at no lead: to_sql, check_segment,
 *		save_segment.
 */
#include "postgres.h"

#include "engine/bind.h"
#include "engine/engine.h"
#include "engine/sql.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(to_sql);
PG_FUNCTION_INFO_V1(check_segment);
PG_FUNCTION_INFO_V1(save_segment);

static char *
segment_sql(const char *text)
{
	BindContext context = {0};

	return SegmentSql(BindSegment(&context, text));
}

Datum
to_sql(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(false);
	char	   *sql = segment_sql(SegmentText(PG_GETARG_SEGMENT_PP(0)));

	sql = MemoryContextStrdup(frame.caller, sql);
	LeaveSpi(frame);
	PG_RETURN_TEXT_P(cstring_to_text(sql));
}

/* One row per problem. */
Datum
check_segment(PG_FUNCTION_ARGS)
{
	char	   *text = SegmentText(PG_GETARG_SEGMENT_PP(0));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	BindContext context = {.collect = true};
	SpiFrame	frame;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(false);
	(void) BindSegment(&context, text);
	foreach(lc, context.problems)
	{
		BindProblem *problem = lfirst(lc);
		Datum		values[6] = {
			Int32GetDatum(problem->position),
			CStringGetTextDatum(unpack_sql_state(problem->sqlstate)),
			CStringGetTextDatum(problem->message)
		};
		bool		nulls[6] = {false, false, false, !problem->detail, !problem->hint, !problem->within};

		if (problem->detail)
			values[3] = CStringGetTextDatum(problem->detail);
		if (problem->hint)
			values[4] = CStringGetTextDatum(problem->hint);
		if (problem->within)
			values[5] = CStringGetTextDatum(problem->within);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	LeaveSpi(frame);
	return (Datum) 0;
}

/*
 * The segment with sources, fields and choices by name where it has labels, so that a
 * saved definition survives a change of labels.
 */
static void
name_fields(SegmentNode *node, const BoundNode *bound)
{
	ListCell   *lc;
	ListCell   *bound_lc;

	check_stack_depth();

	if (node == NULL || node->kind == SEGMENT_NAMED)
		return;
	if (bound->source != NULL)
		node->source = unconstify(char *, bound->source->name);
	if (bound->field != NULL)
		node->field = unconstify(char *, bound->field->name);
	if (bound->test != NULL)
		node->test = unconstify(SegmentTest *, bound->test->test);
	forboth(lc, node->args, bound_lc, bound->args)
		name_fields(lfirst(lc), lfirst(bound_lc));
	name_fields(node->where, bound->where);
	name_fields(node->row, bound->row);
}

Datum
NamedSegment(const char *text)
{
	BindContext context = {0};
	SegmentNode *tree = SegmentParse(text);

	name_fields(tree, BindSegment(&context, text));
	return PointerGetDatum(SegmentFromTree(tree));
}

Datum
save_segment(PG_FUNCTION_ARGS)
{
	char	   *name;
	char	   *definition;
	SegmentNode *tree;
	BindContext context = {0};
	SpiFrame	frame;
	SpiArgs		args = {0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a saved segment needs a name and a segment")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	definition = SegmentText(PG_GETARG_SEGMENT_PP(1));
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a saved segment must not be empty")));

	frame = EnterSpi(false);

	/*
	 * Two sessions could each save one half of a cycle without seeing the
	 * other's; so saving is done by one at a time, and looked at after that.
	 */
	SpiRun("LOCK TABLE leadflow.saved_segment IN SHARE ROW EXCLUSIVE MODE", NULL);
	tree = SegmentParse(definition);
	PushActiveSnapshot(GetLatestSnapshot());
	name_fields(tree, BindDefinition(&context, name, definition));
	PopActiveSnapshot();

	AddTextArg(&args, name);
	AddArg(&args, LeadflowType("segment"), PointerGetDatum(SegmentFromTree(tree)));
	AddTextArg(&args, PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)));
	SpiRun("INSERT INTO leadflow.saved_segment AS s (name, segment, description)"
		   " VALUES ($1, $2, $3)"
		   " ON CONFLICT (name) DO UPDATE SET segment = excluded.segment,"
		   " description = coalesce(excluded.description, s.description),"
		   " updated_at = now()", &args);
	LeaveSpi(frame);
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* Collect from one tree; seen holds the saved segments already looked into. */
static void
collect_names(const SegmentNode *node, const char *kind, List **names, List **seen)
{
	ListCell   *lc;

	check_stack_depth();

	if (node->kind == SEGMENT_NAMED)
	{
		if (strcmp(node->source, kind) == 0)
			*names = lappend(*names, node->name);
		if (strcmp(node->source, "segment") == 0)
		{
			SpiArgs		args = {0};

			foreach(lc, *seen)
				if (strcmp(lfirst(lc), node->name) == 0)
					return;
			*seen = lappend(*seen, node->name);
			AddTextArg(&args, node->name);
			if (SpiRead("SELECT segment FROM leadflow.saved_segment WHERE name = $1", &args) == 1)
				collect_names(SegmentParse(SpiText(1, 1)), kind, names, seen);
		}
	}
	foreach(lc, node->args)
		collect_names(lfirst(lc), kind, names, seen);
}

List *
ReferredNames(const char *text, const char *kind)
{
	List	   *names = NIL;
	List	   *seen = NIL;

	collect_names(SegmentParse(text), kind, &names, &seen);
	return names;
}
