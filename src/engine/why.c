/*
 * why.c
 *		leadflow.why(): why a lead is in a segment, or is not.
 *
 * The tree of conditions, a row for each, above those it consists of. Whether a
 * term holds is asked of the SQL of that term alone, so the root holds where
 * matches() says so.
 */
#include "postgres.h"

#include "engine/engine.h"
#include "engine/sql.h"
#include "engine/why.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "zone.h"

PG_FUNCTION_INFO_V1(why);

/* One row of the answer. */
typedef struct WhyRow
{
	int			depth;
	const char *part;
	WhyFound	found;
} WhyRow;

typedef struct WhyWalk
{
	WhyContext	context;
	List	   *rows;			/* of WhyRow, in the order they are given out */
} WhyWalk;

static bool explain(WhyWalk *walk, const SegmentNode *node, int depth);

static WhyRow *
add_row(WhyWalk *walk, int depth, const char *part)
{
	WhyRow	   *row = palloc0(sizeof(WhyRow));

	row->depth = depth;
	row->part = part;
	walk->rows = lappend(walk->rows, row);
	return row;
}

/* AND or OR: its operands, and how many of them hold. */
static WhyFound
explain_chain(WhyWalk *walk, const SegmentNode *node, int depth)
{
	WhyFound	found = {0};
	bool		all = node->kind == SEGMENT_AND;
	int			nparts = list_length(node->args);
	int			nholding = 0;
	ListCell   *lc;

	foreach(lc, node->args)
		if (explain(walk, lfirst(lc), depth))
			nholding++;
	found.holds = all ? nholding == nparts : nholding > 0;
	found.text = psprintf("%d of %d parts %s%s", nholding, nparts, nholding == 1 ? "holds" : "hold",
						  found.holds ? "" : all ? "; needs all" : "; needs one");
	return found;
}

/* segment('x'): the parts of its definition stand below it. */
static WhyFound
explain_saved(WhyWalk *walk, const SegmentNode *node, int depth)
{
	WhyFound	found = {0};
	SegmentNode *definition;
	SpiArgs		args = {0};

	AddTextArg(&args, node->name);
	(void) SpiRead("SELECT segment FROM leadflow.saved_segment WHERE name = $1", &args);
	definition = SegmentParse(SpiText(1, 1));
	if (definition->kind == SEGMENT_AND || definition->kind == SEGMENT_OR)
		return explain_chain(walk, definition, depth);
	found.holds = explain(walk, definition, depth);
	return found;
}

/* A condition on records, or a named set. */
static WhyFound
explain_term(WhyWalk *walk, const SegmentNode *node, bool must_hold)
{
	/* each term is bound by itself, and is small enough since the whole was */
	walk->context.binding.nnodes = 0;
	return WhyTerm(&walk->context, node,
				   BindSegment(&walk->context.binding, SegmentDeparse(node)), must_hold);
}

static bool
is_term(const SegmentNode *node)
{
	return node->kind == SEGMENT_BLOCK || node->kind == SEGMENT_AGGREGATE ||
		node->kind == SEGMENT_EDGE ||
		(node->kind == SEGMENT_NAMED && strcmp(node->source, "segment") != 0);
}

/* Add the rows of a condition; returns whether it holds. */
static bool
explain(WhyWalk *walk, const SegmentNode *node, int depth)
{
	WhyRow	   *row;
	SegmentNode *operand;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	if (is_term(node))
	{
		row = add_row(walk, depth, SegmentDeparse(node));
		row->found = explain_term(walk, node, true);
		return row->found.holds;
	}
	switch (node->kind)
	{
		case SEGMENT_AND:
		case SEGMENT_OR:
			row = add_row(walk, depth, node->kind == SEGMENT_AND ? "all of" : "any of");
			row->found = explain_chain(walk, node, depth + 1);
			break;
		case SEGMENT_NOT:
			operand = linitial(node->args);
			if (is_term(operand))
			{
				row = add_row(walk, depth, SegmentDeparse(node));
				row->found = explain_term(walk, operand, false);
				row->found.holds = !row->found.holds;
			}
			else
			{
				row = add_row(walk, depth, "not");
				row->found.holds = !explain(walk, operand, depth + 1);
				row->found.text = row->found.holds ? "it does not hold" : "it holds; must not";
			}
			break;
		case SEGMENT_NAMED:
			row = add_row(walk, depth, SegmentDeparse(node));
			row->found = explain_saved(walk, node, depth + 1);
			break;
		default:
			row = add_row(walk, depth, SegmentDeparse(node));
			row->found.holds = node->kind == SEGMENT_EVERYONE;
			row->found.text = row->found.holds ? "every lead" : "no lead";
			break;
	}
	return row->found.holds;
}

/* Why no segment holds for a lead, whatever it asks; NULL when there is no such reason. */
static char *
outside_universe(WhyContext *context)
{
	int64		lead_id = DatumGetInt64(context->args.values[2]);
	bool		isnull;

	if (SpiRead("SELECT l.deleted_at, l.merged_into, l.created_at, l.created_at <= $1"
				" FROM leadflow.lead AS l WHERE l.lead_id = $3",
				&context->args) == 0)
		return psprintf("there is no lead " INT64_FORMAT, lead_id);
	if (SpiText(1, 1) != NULL)
		return psprintf("lead " INT64_FORMAT " was deleted on %s", lead_id,
						WhyTime(context, FIELD_TIMESTAMPTZ, SpiDatum(1, 1, &isnull)));
	if (SpiText(1, 2) != NULL)
		return psprintf("lead " INT64_FORMAT " was merged into lead %s", lead_id, SpiText(1, 2));
	if (!DatumGetBool(SpiDatum(1, 4, &isnull)))
		return psprintf("lead " INT64_FORMAT " was not there yet; it was created on %s", lead_id,
						WhyTime(context, FIELD_TIMESTAMPTZ, SpiDatum(1, 3, &isnull)));
	return NULL;
}

static void
give_rows(ReturnSetInfo *result, List *rows)
{
	ListCell   *lc;

	foreach(lc, rows)
	{
		WhyRow	   *row = lfirst(lc);
		Datum		values[5] = {
			Int32GetDatum(row->depth),
			CStringGetTextDatum(row->part),
			BoolGetDatum(row->found.holds)
		};
		bool		nulls[5] = {false, false, false, !row->found.text, !row->found.evidence};

		if (row->found.text)
			values[3] = CStringGetTextDatum(row->found.text);
		if (row->found.evidence)
			values[4] = DirectFunctionCall1(jsonb_in, CStringGetDatum(row->found.evidence));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

Datum
why(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = AsOfArgument(fcinfo, 2);
	WhyWalk		walk = {0};
	SpiFrame	frame;
	char	   *segment;
	char	   *zone;
	char	   *outside;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	segment = SegmentText(PG_GETARG_SEGMENT_PP(1));

	frame = EnterSpi(false);
	zone = ResolveZone(PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)));
	AddTimeArg(&walk.context.args, as_of);
	AddTextArg(&walk.context.args, zone);
	AddBigintArg(&walk.context.args, PG_GETARG_INT64(0));
	walk.context.zone = LookupZone(cstring_to_text(zone));
	walk.context.today = LocalDate(as_of, walk.context.zone);

	/* of what is wrong with it, it is the segment's own text that should be spoken of */
	(void) BindSegment(&walk.context.binding, segment);
	outside = outside_universe(&walk.context);
	if (outside != NULL)
		add_row(&walk, 0, segment)->found.text = outside;
	else
		(void) explain(&walk, SegmentParse(segment), 0);
	give_rows((ReturnSetInfo *) fcinfo->resultinfo, walk.rows);
	LeaveSpi(frame);
	return (Datum) 0;
}
