/*
 * bind_test.c
 *		Tests and their values against the type they are applied to.
 */
#include "postgres.h"

#include "engine/bind.h"
#include "iso.h"
#include "lexer.h"
#include "utils/builtins.h"

static bool
is_time_type(FieldType type)
{
	return type == FIELD_DATE || type == FIELD_TIMESTAMP || type == FIELD_TIMESTAMPTZ;
}

/* What a test needs that a type is not, as a message says it; NULL if it fits. */
static const char *
unmet_need(const SegmentTest *test, FieldType type)
{
	switch (test->kind)
	{
		case SEGMENT_IS_NULL:
		case SEGMENT_IS_EMPTY:
			return NULL;
		case SEGMENT_COMPARE:
			if (test->op == SEGMENT_BEFORE || test->op == SEGMENT_AFTER)
				return is_time_type(type) ? NULL : "a date or a time";
			if (type == FIELD_BOOLEAN && test->op != SEGMENT_EQ && test->op != SEGMENT_NE)
				return "something with an order";
			break;
		case SEGMENT_IN:
			break;
		case SEGMENT_BETWEEN:
			if (type == FIELD_BOOLEAN)
				return "something with an order";
			break;
		case SEGMENT_CONTAINS:
			return type == FIELD_TEXT || type == FIELD_CHOICES ? NULL : "text";
		case SEGMENT_STARTS_WITH:
		case SEGMENT_ENDS_WITH:
		case SEGMENT_LIKE:
		case SEGMENT_MATCHES:
			return type == FIELD_TEXT ? NULL : "text";
		case SEGMENT_WITHIN:
		case SEGMENT_WITHIN_NEXT:
		case SEGMENT_AGO:
		case SEGMENT_AT_LEAST_AGO:
		case SEGMENT_MORE_THAN_AGO:
		case SEGMENT_AT_MOST_AGO:
		case SEGMENT_LESS_THAN_AGO:
		case SEGMENT_BETWEEN_AGO:
			if (test->unit <= SEGMENT_HOUR && type == FIELD_DATE)
				return "a time of day";
			return is_time_type(type) ? NULL : "a date or a time";
		case SEGMENT_PERIOD:
			return is_time_type(type) ? NULL : "a date or a time";
	}
	return type == FIELD_CHOICES || type == FIELD_OTHER ? "a single comparable value" : NULL;
}

/* How a message names the test. */
static const char *
test_words(const SegmentTest *test)
{
	if (test->kind == SEGMENT_COMPARE)
		return SegmentOperatorName(test->op);
	if (test->kind == SEGMENT_PERIOD)
		return test->unit != SEGMENT_DAY ? psprintf("in ... %s", SegmentUnitName(test->unit)) :
			test->n < 0 ? "yesterday" : test->n > 0 ? "tomorrow" : "today";
	if (test->unit <= SEGMENT_HOUR && unmet_need(test, FIELD_DATE) != NULL &&
		unmet_need(test, FIELD_TIMESTAMPTZ) == NULL)
		return psprintf("%s ... %ss", SegmentTestName(test->kind), SegmentUnitName(test->unit));
	return SegmentTestName(test->kind);
}

/* Does a string hold a plain decimal number? */
static bool
is_number(const char *text)
{
	if (*text == '-' || *text == '+')
		text++;
	if (*text < '0' || *text > '9')
		return false;
	text += strspn(text, "0123456789");
	if (*text == '.')
	{
		text++;
		if (*text < '0' || *text > '9')
			return false;
		text += strspn(text, "0123456789");
	}
	return *text == '\0';
}

static void
report_literal(BindContext *context, int sqlstate, const SegmentValue *value, const char *what,
			   const char *tested, char *hint)
{
	BindReport(context, sqlstate, value->location,
			   psprintf("invalid %s for \"%s\": \"%s\"", what, tested, value->text), NULL, hint);
}

static void
report_kind(BindContext *context, const SegmentValue *value, const char *type_name,
			const char *tested, char *hint)
{
	BindReport(context, ERRCODE_DATATYPE_MISMATCH, value->location,
			   value->kind == SEGMENT_STRING ?
			   psprintf("\"%s\" is %s and cannot be compared with '%s'", tested, type_name,
						value->text) :
			   psprintf("\"%s\" is %s and cannot be compared with %s", tested, type_name,
						value->text), NULL, hint);
}

/* A value as an SQL constant; NULL after a problem. */
static const char *
bind_constant(BindContext *context, const SegmentValue *value, FieldType type,
			  const char *type_name, const char *tested)
{
	bool		boolean;

	switch (type)
	{
		case FIELD_NUMBER:
			if (value->kind == SEGMENT_NUMBER)
				return value->text[0] == '-' ? psprintf("(%s)", value->text) : value->text;
			if (value->kind == SEGMENT_STRING)
			{
				if (is_number(value->text))
					return psprintf("(%s)", value->text);
				report_literal(context, ERRCODE_INVALID_TEXT_REPRESENTATION, value, "number",
							   tested, NULL);
				return NULL;
			}
			break;
		case FIELD_TEXT:
			if (value->kind == SEGMENT_STRING)
				return quote_literal_cstr(value->text);
			report_kind(context, value, type_name, tested,
						psprintf("Write it in quotes: '%s'.", value->text));
			return NULL;
		case FIELD_BOOLEAN:
			if (value->kind == SEGMENT_BOOLEAN)
				return value->text;
			if (value->kind == SEGMENT_STRING)
			{
				if (parse_bool(value->text, &boolean))
					return boolean ? "true" : "false";
				report_literal(context, ERRCODE_INVALID_TEXT_REPRESENTATION, value, "boolean",
							   tested, pstrdup("Write true or false."));
				return NULL;
			}
			break;
		default:
			break;
	}
	report_kind(context, value, type_name, tested, NULL);
	return NULL;
}

static IsoTime *
bind_time(BindContext *context, const SegmentValue *value, FieldType type,
		  const char *type_name, const char *tested)
{
	IsoTime    *iso = palloc(sizeof(IsoTime));

	if (value->kind != SEGMENT_STRING)
		report_kind(context, value, type_name, tested,
					pstrdup("Write a date as '2026-06-01'."));
	else if (!ParseIsoTime(value->text, iso))
		report_literal(context, ERRCODE_INVALID_DATETIME_FORMAT, value, "date or time", tested,
					   pstrdup("Dates and times are ISO 8601: '2026-06-01' or '2026-06-01 09:30'."));
	else if (type == FIELD_DATE && iso->has_time)
		report_literal(context, ERRCODE_INVALID_DATETIME_FORMAT, value, "date", tested,
					   psprintf("\"%s\" has no time of day: write '%.10s'.", tested, value->text));
	else
		return iso;
	return NULL;
}

/* A pattern of LIKE must not end in the middle of an escape. */
static bool
like_pattern_ends_well(const char *pattern)
{
	for (; *pattern; pattern++)
		if (*pattern == '\\' && *++pattern == '\0')
			return false;
	return true;
}

/* The argument of contains, like, matches and their kin; their values are strings by grammar. */
static const char *
bind_pattern(BindContext *context, const SegmentTest *test, const SegmentValue *value,
			 const char *tested)
{
	char	   *problem;

	if (test->kind == SEGMENT_LIKE && !like_pattern_ends_well(value->text))
		report_literal(context, ERRCODE_INVALID_ESCAPE_SEQUENCE, value, "pattern", tested,
					   pstrdup("A backslash at the end escapes nothing; double it to mean itself."));
	else if (test->kind == SEGMENT_MATCHES && (problem = RegexProblem(value->text)) != NULL)
		BindReport(context, ERRCODE_INVALID_REGULAR_EXPRESSION, value->location,
				   psprintf("invalid regular expression for \"%s\": \"%s\"", tested, value->text),
				   psprintf("The regular expression has an error: %s.", problem), NULL);
	return value->text;
}

BoundTest *
BindTest(BindContext *context, const SegmentTest *test, FieldType type, const char *type_name,
		 const char *tested)
{
	BoundTest  *bound = palloc0(sizeof(BoundTest));
	const char *need = unmet_need(test, type);
	ListCell   *lc;

	bound->test = test;
	bound->type = type;
	if (need != NULL)
	{
		BindReport(context, ERRCODE_DATATYPE_MISMATCH, test->location,
				   psprintf("\"%s\" is %s; \"%s\" needs %s", tested, type_name,
							test_words(test), need), NULL,
				   type == FIELD_CHOICES ?
				   psprintf("Of several choices, ask for each: \"%s\" contains '...'.", tested) :
				   type == FIELD_OTHER ?
				   psprintf("Of a field of such a type, ask whether it is there: \"%s\" is not null.", tested) : NULL);
		return bound;
	}
	foreach(lc, test->values)
	{
		SegmentValue *value = lfirst(lc);

		if (test->kind >= SEGMENT_CONTAINS && test->kind <= SEGMENT_MATCHES)
			bound->constants = lappend(bound->constants,
									   unconstify(char *, bind_pattern(context, test, value, tested)));
		else if (is_time_type(type))
			bound->times = lappend(bound->times,
								   bind_time(context, value, type, type_name, tested));
		else
			bound->constants = lappend(bound->constants,
									   unconstify(char *, bind_constant(context, value, type,
																		type_name, tested)));
	}
	return bound;
}
