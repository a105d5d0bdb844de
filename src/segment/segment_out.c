/*
 * segment_out.c
 *		From tree to canonical text: one spacing, keywords in lower case,
 *		parentheses and quotes only where they are needed.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "segment/segment_parse.h"

static void put_node(StringInfo out, const SegmentNode *node);

const char *
SegmentFunctionName(SegmentFunction function)
{
	switch (function)
	{
		case SEGMENT_COUNT:
			return "count";
		case SEGMENT_SUM:
			return "sum";
		case SEGMENT_MIN:
			return "min";
		case SEGMENT_MAX:
			return "max";
		case SEGMENT_AVG:
			return "avg";
		case SEGMENT_FIRST:
			return "first";
		case SEGMENT_LAST:
			return "last";
	}
	pg_unreachable();
}

const char *
SegmentOperatorName(SegmentOperator op)
{
	switch (op)
	{
		case SEGMENT_EQ:
			return "=";
		case SEGMENT_NE:
			return "<>";
		case SEGMENT_LT:
			return "<";
		case SEGMENT_LE:
			return "<=";
		case SEGMENT_GT:
			return ">";
		case SEGMENT_GE:
			return ">=";
		case SEGMENT_BEFORE:
			return "before";
		case SEGMENT_AFTER:
			return "after";
	}
	pg_unreachable();
}

/* The words that open a test, as a message would name it. */
const char *
SegmentTestName(SegmentTestKind kind)
{
	switch (kind)
	{
		case SEGMENT_COMPARE:
			return "a comparison";
		case SEGMENT_IN:
			return "in";
		case SEGMENT_BETWEEN:
			return "between";
		case SEGMENT_IS_NULL:
			return "is null";
		case SEGMENT_IS_EMPTY:
			return "is empty";
		case SEGMENT_CONTAINS:
			return "contains";
		case SEGMENT_STARTS_WITH:
			return "starts with";
		case SEGMENT_ENDS_WITH:
			return "ends with";
		case SEGMENT_LIKE:
			return "like";
		case SEGMENT_MATCHES:
			return "matches";
		case SEGMENT_WITHIN:
			return "within";
		case SEGMENT_WITHIN_NEXT:
			return "within the next";
		case SEGMENT_AGO:
			return "ago";
		case SEGMENT_AT_LEAST_AGO:
			return "at least";
		case SEGMENT_MORE_THAN_AGO:
			return "more than";
		case SEGMENT_AT_MOST_AGO:
			return "at most";
		case SEGMENT_LESS_THAN_AGO:
			return "less than";
		case SEGMENT_BETWEEN_AGO:
			return "between ... ago";
		case SEGMENT_PERIOD:
			return "a period";
	}
	pg_unreachable();
}

const char *
SegmentUnitName(SegmentUnit unit)
{
	switch (unit)
	{
		case SEGMENT_MINUTE:
			return "minute";
		case SEGMENT_HOUR:
			return "hour";
		case SEGMENT_DAY:
			return "day";
		case SEGMENT_WEEK:
			return "week";
		case SEGMENT_MONTH:
			return "month";
		case SEGMENT_QUARTER:
			return "quarter";
		case SEGMENT_YEAR:
			return "year";
	}
	pg_unreachable();
}

/*
 * Keywords are quoted even where they could stand bare: a reader need not know
 * the rule.
 */
static void
put_name(StringInfo out, const char *name)
{
	AppendName(out, name, SegmentKeyword(name) != 0);
}

/* A name as it is written in a segment, quoted where it must be. */
char *
SegmentQuoteName(const char *name)
{
	StringInfoData out;

	initStringInfo(&out);
	put_name(&out, name);
	return out.data;
}

static void
put_value(StringInfo out, const SegmentValue *value)
{
	if (value->kind == SEGMENT_STRING)
		AppendQuoted(out, value->text, '\'');
	else
		appendStringInfoString(out, value->text);
}

static void
put_window(StringInfo out, int n, SegmentUnit unit)
{
	appendStringInfo(out, "%d %s%s", n, SegmentUnitName(unit), n == 1 ? "" : "s");
}

static void
put_period(StringInfo out, int which, SegmentUnit unit)
{
	static const char *const days[] = {"yesterday", "today", "tomorrow"};
	static const char *const words[] = {"last", "this", "next"};

	if (unit == SEGMENT_DAY)
		appendStringInfoString(out, days[which + 1]);
	else
		appendStringInfo(out, "in %s %s", words[which + 1], SegmentUnitName(unit));
}

static void
put_test(StringInfo out, const SegmentTest *test)
{
	const char *not = test->negated ? "not " : "";
	ListCell   *lc;

	switch (test->kind)
	{
		case SEGMENT_COMPARE:
			appendStringInfo(out, "%s ", SegmentOperatorName(test->op));
			put_value(out, linitial(test->values));
			break;
		case SEGMENT_IN:
			appendStringInfo(out, "%sin (", not);
			foreach(lc, test->values)
			{
				if (lc != list_head(test->values))
					appendStringInfoString(out, ", ");
				put_value(out, lfirst(lc));
			}
			appendStringInfoChar(out, ')');
			break;
		case SEGMENT_BETWEEN:
			appendStringInfo(out, "%sbetween ", not);
			put_value(out, linitial(test->values));
			appendStringInfoString(out, " and ");
			put_value(out, lsecond(test->values));
			break;
		case SEGMENT_IS_NULL:
			appendStringInfo(out, "is %snull", not);
			break;
		case SEGMENT_IS_EMPTY:
			appendStringInfo(out, "is %sempty", not);
			break;
		case SEGMENT_CONTAINS:
		case SEGMENT_STARTS_WITH:
		case SEGMENT_ENDS_WITH:
		case SEGMENT_LIKE:
		case SEGMENT_MATCHES:
			appendStringInfo(out, "%s%s ", not, SegmentTestName(test->kind));
			put_value(out, linitial(test->values));
			break;
		case SEGMENT_WITHIN:
		case SEGMENT_WITHIN_NEXT:
			appendStringInfo(out, "%s ", SegmentTestName(test->kind));
			put_window(out, test->n, test->unit);
			break;
		case SEGMENT_AGO:
			put_window(out, test->n, test->unit);
			appendStringInfoString(out, " ago");
			break;
		case SEGMENT_AT_LEAST_AGO:
		case SEGMENT_MORE_THAN_AGO:
		case SEGMENT_AT_MOST_AGO:
		case SEGMENT_LESS_THAN_AGO:
			appendStringInfo(out, "%s ", SegmentTestName(test->kind));
			put_window(out, test->n, test->unit);
			appendStringInfoString(out, " ago");
			break;
		case SEGMENT_BETWEEN_AGO:
			appendStringInfo(out, "%sbetween %d and ", not, test->n);
			put_window(out, test->m, test->unit);
			appendStringInfoString(out, " ago");
			break;
		case SEGMENT_PERIOD:
			put_period(out, test->n, test->unit);
			break;
	}
}

/* An operand of AND, OR or NOT; inner chains bind less tightly, except AND in OR. */
static void
put_operand(StringInfo out, SegmentKind outer, const SegmentNode *operand)
{
	bool		parenthesize = operand->kind == SEGMENT_OR ||
		(operand->kind == SEGMENT_AND && outer != SEGMENT_OR);

	if (parenthesize)
		appendStringInfoChar(out, '(');
	put_node(out, operand);
	if (parenthesize)
		appendStringInfoChar(out, ')');
}

static void
put_chain(StringInfo out, const SegmentNode *node, const char *between)
{
	ListCell   *lc;

	foreach(lc, node->args)
	{
		if (lc != list_head(node->args))
			appendStringInfoString(out, between);
		put_operand(out, node->kind, lfirst(lc));
	}
}

/* source[.field] [where row], inside the parentheses of a function */
static void
put_recorded(StringInfo out, const SegmentNode *node)
{
	put_name(out, node->source);
	if (node->field != NULL)
	{
		appendStringInfoChar(out, '.');
		put_name(out, node->field);
	}
	if (node->where != NULL)
	{
		appendStringInfoString(out, " where ");
		put_node(out, node->where);
	}
}

static void
put_node(StringInfo out, const SegmentNode *node)
{
	check_stack_depth();

	switch (node->kind)
	{
		case SEGMENT_AND:
			put_chain(out, node, " and ");
			break;
		case SEGMENT_OR:
			put_chain(out, node, " or ");
			break;
		case SEGMENT_NOT:
			appendStringInfoString(out, "not ");
			put_operand(out, SEGMENT_NOT, linitial(node->args));
			break;
		case SEGMENT_EVERYONE:
			appendStringInfoString(out, "everyone");
			break;
		case SEGMENT_NO_ONE:
			appendStringInfoString(out, "no one");
			break;
		case SEGMENT_BLOCK:
			put_name(out, node->source);
			if (node->row != NULL)
			{
				appendStringInfoChar(out, '(');
				put_node(out, node->row);
				appendStringInfoChar(out, ')');
			}
			break;
		case SEGMENT_AGGREGATE:
			appendStringInfo(out, "%s(%s", SegmentFunctionName(node->function),
							 node->distinct ? "distinct " : "");
			put_recorded(out, node);
			appendStringInfoString(out, ") ");
			put_test(out, node->test);
			break;
		case SEGMENT_EDGE:
			appendStringInfo(out, "%s(", SegmentFunctionName(node->function));
			put_recorded(out, node);
			appendStringInfoString(out, ")(");
			put_node(out, node->row);
			appendStringInfoChar(out, ')');
			break;
		case SEGMENT_NAMED:
			put_name(out, node->source);
			appendStringInfoChar(out, '(');
			AppendQuoted(out, node->name, '\'');
			appendStringInfoChar(out, ')');
			if (node->test != NULL)
			{
				appendStringInfoChar(out, ' ');
				put_test(out, node->test);
			}
			break;
		case SEGMENT_FIELD:
			put_name(out, node->field);
			if (node->test != NULL)
			{
				appendStringInfoChar(out, ' ');
				put_test(out, node->test);
			}
			break;
	}
}

char *
SegmentDeparse(const SegmentNode *node)
{
	StringInfoData out;

	initStringInfo(&out);
	put_node(&out, node);
	return out.data;
}
