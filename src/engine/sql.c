/*
 * sql.c
 *		A bound segment as plain SQL: one query over the universe of leads, with
 *		an [NOT] EXISTS correlated on lead_id for each condition on records.
 *
 * The SQL of a condition may be NULL where the condition does not hold, as that
 * of a WHERE clause may. Only NOT tells the two apart, so what stands under a
 * NOT is made two-valued: EXISTS is by itself, a row becomes IS [NOT] TRUE.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/sql.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

/* The relation the universe is taken from; conditions on it need no subquery. */
#define LEAD_RELATION	"leadflow.lead"

/*
 * PostgreSQL makes a join of each [NOT] EXISTS under an AND, and the time it
 * takes to plan n joins grows faster than n cubed: a second for a hundred, an
 * hour for a thousand. What comes after the first few stays a subquery.
 */
#define MAX_JOINS	8

typedef struct SqlWriter
{
	StringInfoData out;
	int			indent;
	int			nsubqueries;
} SqlWriter;

static void put_row(SqlWriter *writer, const BoundNode *node, const char *alias, SegmentKind parent);
static void put_condition(SqlWriter *writer, const BoundNode *node, bool two_valued, SegmentKind parent);

static void
put(SqlWriter *writer, const char *text)
{
	appendStringInfoString(&writer->out, text);
}

static void
new_line(SqlWriter *writer)
{
	appendStringInfoChar(&writer->out, '\n');
	appendStringInfoSpaces(&writer->out, writer->indent * 2);
}

static void
next_condition(SqlWriter *writer)
{
	writer->indent++;
	new_line(writer);
	writer->indent--;
	put(writer, "and ");
}

/* ---- rows -------------------------------------------------------------------- */

/* The test of a name in another table; a lookup that finds nothing is NULL. */
static void
put_lookup(SqlWriter *writer, const BoundNode *node, const char *alias)
{
	const SourceField *field = node->field;
	SegmentTest test = *node->test->test;
	BoundTest	bound = *node->test;
	bool		holds_for_null = !test.negated &&
		(test.kind == SEGMENT_IS_NULL || test.kind == SEGMENT_IS_EMPTY);

	/* What holds where nothing is found is asked for by its opposite. */
	if (holds_for_null)
		test.negated = true;
	bound.test = &test;
	appendStringInfo(&writer->out, "%s%s.%s in (select k.%s from %s as k where %s)%s",
					 holds_for_null ? "(" : "", alias, field->column, field->lookup_key,
					 field->lookup_relation,
					 TestSql(&bound, psprintf("k.%s", field->lookup_name)),
					 holds_for_null ? " is not true)" : "");
}

static void
put_field(SqlWriter *writer, const BoundNode *node, const char *alias, SegmentKind parent)
{
	char	   *test;

	if (node->field->lookup_relation != NULL)
		put_lookup(writer, node, alias);
	else if (node->test == NULL)
		put(writer, FieldSql(node->field, alias));
	else
	{
		/* a test may be several comparisons */
		test = TestSql(node->test, FieldSql(node->field, alias));
		appendStringInfo(&writer->out, parent == SEGMENT_OR && strstr(test, " and ") ? "(%s)" : "%s",
						 test);
	}
}

/* Does a row hold only for records whose event time is known? */
static bool
row_needs_time(const BoundNode *row, const SourceField *time)
{
	ListCell   *lc;

	if (row == NULL)
		return false;
	if (row->kind == SEGMENT_FIELD)
		return row->field == time && row->test != NULL &&
			(row->test->test->negated ||
			 (row->test->test->kind != SEGMENT_IS_NULL && row->test->test->kind != SEGMENT_IS_EMPTY));
	if (row->kind == SEGMENT_AND)
		foreach(lc, row->args)
			if (row_needs_time(lfirst(lc), time))
				return true;
	return false;
}

/* The conditions of a row, as an operand of its parent. */
static void
put_row(SqlWriter *writer, const BoundNode *node, const char *alias, SegmentKind parent)
{
	const BoundNode *operand;
	bool		parenthesize;
	ListCell   *lc;

	check_stack_depth();

	switch (node->kind)
	{
		case SEGMENT_AND:
		case SEGMENT_OR:
			parenthesize = parent != node->kind && parent != SEGMENT_BLOCK;
			if (parenthesize)
				put(writer, "(");
			foreach(lc, node->args)
			{
				if (lc != list_head(node->args))
					put(writer, node->kind == SEGMENT_AND ? " and " : " or ");
				put_row(writer, lfirst(lc), alias, node->kind);
			}
			if (parenthesize)
				put(writer, ")");
			break;
		case SEGMENT_NOT:
			operand = linitial(node->args);
			parenthesize = operand->kind != SEGMENT_FIELD || operand->test != NULL;
			if (parenthesize)
				put(writer, "(");
			put_row(writer, operand, alias, SEGMENT_BLOCK);
			put(writer, parenthesize ? ") is not true" : " is not true");
			break;
		default:
			put_field(writer, node, alias, parent);
			break;
	}
}

/* The records that exist at $1 (5) and satisfy a row, as conditions after "where ...". */
static void
put_records_where(SqlWriter *writer, const Source *source, const BoundNode *row, bool time_known)
{
	ListCell   *lc;

	if (source->time != NULL)
	{
		const char *time = psprintf("r.%s", source->time->column);
		const char *now = source->time->type == FIELD_DATE ? TODAY_SQL :
			source->time->type == FIELD_TIMESTAMP ? "leadflow.local_time($1, $2)" : "$1";

		next_condition(writer);
		if (source->time->not_null || row_needs_time(row, source->time))
			appendStringInfo(&writer->out, "%s <= %s", time, now);
		else if (time_known)
			appendStringInfo(&writer->out, "%s is not null and %s <= %s", time, time, now);
		else
			appendStringInfo(&writer->out, "(%s is null or %s <= %s)", time, time, now);
	}
	if (row == NULL)
		return;
	if (row->kind != SEGMENT_AND)
	{
		next_condition(writer);
		put_row(writer, row, "r", SEGMENT_AND);
		return;
	}
	foreach(lc, row->args)
	{
		next_condition(writer);
		put_row(writer, lfirst(lc), "r", SEGMENT_AND);
	}
}

char *
RowSql(const BoundNode *row, const char *alias)
{
	SqlWriter	writer = {.indent = 0};

	initStringInfo(&writer.out);
	put_row(&writer, row, alias, SEGMENT_BLOCK);
	return writer.out.data;
}

char *
RecordsSql(const Source *source, const BoundNode *row, bool time_known)
{
	SqlWriter	writer = {.indent = 0};

	initStringInfo(&writer.out);
	put_records_where(&writer, source, row, time_known);
	return writer.out.data;
}

/* ---- conditions on a lead ------------------------------------------------------ */

/* The lead itself satisfies a row. */
static void
put_lead_block(SqlWriter *writer, const BoundNode *node, bool two_valued, SegmentKind parent)
{
	if (node->row == NULL)
		put(writer, "true");
	else if (two_valued)
	{
		put(writer, "((");
		put_row(writer, node->row, "l", SEGMENT_BLOCK);
		put(writer, ") is true)");
	}
	else
		put_row(writer, node->row, "l", parent);
}

/* Are the source's records the leads of the universe, each its own and existing as it does? */
bool
IsUniverse(const Source *source)
{
	return strcmp(source->relation, LEAD_RELATION) == 0 &&
		strcmp(source->lead_column, "lead_id") == 0 &&
		source->time_column != NULL && strcmp(source->time_column, "created_at") == 0;
}

/* One record of the lead satisfies the row (2). */
static void
put_block(SqlWriter *writer, const BoundNode *node)
{
	const Source *source = node->source;

	put(writer, "exists (");
	writer->indent++;
	new_line(writer);
	appendStringInfo(&writer->out, "select from %s as r", source->relation);
	new_line(writer);
	appendStringInfo(&writer->out, "where r.%s = l.lead_id", source->lead_column);
	put_records_where(writer, source, node->row, false);
	writer->indent--;
	put(writer, ")");
}

/* The aggregate itself, over the records of a group. */
char *
AggregateSql(const BoundNode *node, const char *filter)
{
	const SourceField *field = node->field;
	const char *column = field ? FieldSql(field, "r") : "*";
	bool		inexact = field && (field->base_type == FLOAT4OID || field->base_type == FLOAT8OID);

	switch (node->function)
	{
		case SEGMENT_COUNT:
			return psprintf("count(%s%s)%s", node->distinct ? "distinct " : "", column, filter);
		case SEGMENT_SUM:
			return psprintf(inexact ? "coalesce(sum(%s::numeric)%s, 0)" : "coalesce(sum(%s)%s, 0)",
							column, filter);
		case SEGMENT_AVG:
			return psprintf(inexact ? "avg(%s::numeric)%s" : "avg(%s)%s", column, filter);
		default:
			return psprintf("%s(%s)%s", SegmentFunctionName(node->function), column, filter);
	}
}

bool
HoldsWithoutRecords(const BoundNode *node)
{
	return (node->function == SEGMENT_COUNT || node->function == SEGMENT_SUM) &&
		TestHoldsForZero(node->test);
}

/*
 * An aggregate over a lead's records compares (4). Leads without records are in
 * no group; where a count or sum of 0 satisfies the test, we therefore ask that
 * there be no group that fails it.
 */
static void
put_aggregate(SqlWriter *writer, const BoundNode *node)
{
	const Source *source = node->source;
	bool		by_failure = HoldsWithoutRecords(node);
	char	   *test = TestSql(node->test, AggregateSql(node, ""));

	put(writer, by_failure ? "not exists (" : "exists (");
	writer->indent++;
	new_line(writer);
	put(writer, "select from (");
	writer->indent++;
	new_line(writer);
	appendStringInfo(&writer->out, "select r.%s as lead_id from %s as r", source->lead_column,
					 source->relation);
	new_line(writer);
	appendStringInfo(&writer->out, "where r.%s is not null", source->lead_column);
	put_records_where(writer, source, node->where, false);
	new_line(writer);
	appendStringInfo(&writer->out, "group by r.%s", source->lead_column);
	new_line(writer);
	appendStringInfo(&writer->out, by_failure ? "having (%s) is not true) as g" : "having %s) as g",
					 test);
	writer->indent--;
	new_line(writer);
	put(writer, "where g.lead_id = l.lead_id)");
	writer->indent--;
}

/* The first or last record by event time satisfies the row; ties go to the higher key (5). */
static void
put_edge(SqlWriter *writer, const BoundNode *node)
{
	const Source *source = node->source;
	bool		last = node->function == SEGMENT_LAST;

	put(writer, "exists (");
	writer->indent++;
	new_line(writer);
	put(writer, "select from (");
	writer->indent++;
	new_line(writer);
	appendStringInfo(&writer->out,
					 "select r.*, rank() over (partition by r.%s order by r.%s%s%s%s%s) as leadflow_rank",
					 source->lead_column, source->time->column, last ? " desc" : "",
					 source->key_column ? ", r." : "",
					 source->key_column ? source->key_column : "",
					 source->key_column ? " desc nulls last" : "");
	new_line(writer);
	appendStringInfo(&writer->out, "from %s as r", source->relation);
	new_line(writer);
	appendStringInfo(&writer->out, "where r.%s is not null", source->lead_column);
	put_records_where(writer, source, node->where, true);
	put(writer, ") as r");
	writer->indent--;
	new_line(writer);
	appendStringInfo(&writer->out, "where r.%s = l.lead_id and r.leadflow_rank = 1 and ",
					 source->lead_column);
	put_row(writer, node->row, "r", SEGMENT_AND);
	put(writer, ")");
	writer->indent--;
}

static void
put_chain(SqlWriter *writer, const BoundNode *node, bool two_valued)
{
	ListCell   *lc;

	put(writer, "(");
	writer->indent++;
	foreach(lc, node->args)
	{
		if (lc != list_head(node->args))
		{
			new_line(writer);
			put(writer, node->kind == SEGMENT_AND ? "and " : "or ");
		}
		put_condition(writer, lfirst(lc), two_valued, node->kind);
	}
	writer->indent--;
	put(writer, ")");
}

/* A condition on the records of a lead. */
static void
put_records(SqlWriter *writer, const BoundNode *node)
{
	bool		keep_apart = ++writer->nsubqueries > MAX_JOINS;

	if (keep_apart)
		put(writer, "(");
	if (node->kind == SEGMENT_BLOCK)
		put_block(writer, node);
	else if (node->kind == SEGMENT_AGGREGATE)
		put_aggregate(writer, node);
	else
		put_edge(writer, node);
	if (keep_apart)
		put(writer, ") is true");
}

static void
put_condition(SqlWriter *writer, const BoundNode *node, bool two_valued, SegmentKind parent)
{
	check_stack_depth();

	switch (node->kind)
	{
		case SEGMENT_AND:
		case SEGMENT_OR:
			put_chain(writer, node, two_valued);
			break;
		case SEGMENT_NOT:
			put(writer, "not ");
			put_condition(writer, linitial(node->args), true, SEGMENT_NOT);
			break;
		case SEGMENT_EVERYONE:
			put(writer, "true");
			break;
		case SEGMENT_NO_ONE:
			put(writer, "false");
			break;
		case SEGMENT_BLOCK:
			if (IsUniverse(node->source))
				put_lead_block(writer, node, two_valued, parent);
			else
				put_records(writer, node);
			break;
		case SEGMENT_AGGREGATE:
		case SEGMENT_EDGE:
			put_records(writer, node);
			break;
		case SEGMENT_NAMED:
			put(writer, node->condition);
			break;
		case SEGMENT_FIELD:
			elog(ERROR, "a field outside of a row");
	}
}

char *
SegmentSql(const BoundNode *node)
{
	SqlWriter	writer = {.indent = 0};
	ListCell   *lc;

	initStringInfo(&writer.out);
	put(&writer, "select l.lead_id from " LEAD_RELATION " as l\n"
		"where l.created_at <= $1 and l.deleted_at is null and l.merged_into is null");
	if (node->kind == SEGMENT_AND)
	{
		foreach(lc, node->args)
		{
			next_condition(&writer);
			writer.indent++;
			put_condition(&writer, lfirst(lc), false, SEGMENT_AND);
			writer.indent--;
		}
	}
	else
	{
		next_condition(&writer);
		writer.indent++;
		put_condition(&writer, node, false, SEGMENT_AND);
		writer.indent--;
	}
	return writer.out.data;
}
