/*
 * sql_test.c
 *		Tests of a value as SQL. The numbers are those of "Meaning" in
 *		doc/segment-language.md.
 */
#include "postgres.h"

#include "engine/sql.h"
#include "iso.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

/* ---- days (6): expr falls on a local day, whatever its type --------------- */

/* expr is on local day "day" or later */
static char *
from_day(FieldType type, const char *expr, const char *day)
{
	if (type == FIELD_TIMESTAMPTZ)
		return psprintf("%s >= leadflow.day_start(%s, $2)", expr, day);
	return psprintf("%s >= %s", expr, day);
}

/* expr is before local day "day" */
static char *
before_day(FieldType type, const char *expr, const char *day)
{
	if (type == FIELD_TIMESTAMPTZ)
		return psprintf("%s < leadflow.day_start(%s, $2)", expr, day);
	return psprintf("%s < %s", expr, day);
}

static char *
through_day(FieldType type, const char *expr, const char *day)
{
	if (type == FIELD_DATE)
		return psprintf("%s <= %s", expr, day);
	return before_day(type, expr, psprintf("%s + 1", day));
}

/* The local day n units before or after today, by the calendar. */
static char *
day_from_today(char sign, int n, SegmentUnit unit)
{
	switch (unit)
	{
		case SEGMENT_DAY:
			return psprintf(TODAY_SQL " %c %d", sign, n);
		case SEGMENT_WEEK:
			return psprintf(TODAY_SQL " %c %d", sign, n * 7);
		case SEGMENT_MONTH:
		case SEGMENT_YEAR:
			return psprintf("(" TODAY_SQL " %c interval '%d %ss')::date", sign, n,
							SegmentUnitName(unit));
		default:
			elog(ERROR, "unexpected unit of a window in days: %d", unit);
	}
}

static char *
days_ago(int n, SegmentUnit unit)
{
	return day_from_today('-', n, unit);
}

/* A window in days, weeks, months or years; one open to the past excludes -infinity. */
static char *
day_window_sql(const BoundTest *bound, const char *expr)
{
	const SegmentTest *test = bound->test;
	FieldType	type = bound->type;
	const char *today = TODAY_SQL;
	const char *first = NULL;	/* the days from first ... */
	const char *last = NULL;	/* ... through last, or before end */
	const char *end = NULL;
	char	   *sql;

	switch (test->kind)
	{
		case SEGMENT_WITHIN:
		case SEGMENT_AT_MOST_AGO:
			first = days_ago(test->n, test->unit);
			last = today;
			break;
		case SEGMENT_WITHIN_NEXT:
			first = today;
			last = day_from_today('+', test->n, test->unit);
			break;
		case SEGMENT_AGO:
			first = last = days_ago(test->n, test->unit);
			break;
		case SEGMENT_AT_LEAST_AGO:
			last = days_ago(test->n, test->unit);
			break;
		case SEGMENT_MORE_THAN_AGO:
			end = days_ago(test->n, test->unit);
			break;
		case SEGMENT_LESS_THAN_AGO:
			first = psprintf("%s + 1", days_ago(test->n, test->unit));
			last = today;
			break;
		case SEGMENT_BETWEEN_AGO:
			first = days_ago(test->m, test->unit);
			last = days_ago(test->n, test->unit);
			break;
		default:
			elog(ERROR, "unexpected window: %d", test->kind);
	}
	if (bound->is_event_time && last == today)
		sql = from_day(type, expr, first);
	else
		sql = psprintf("%s and %s",
					   first ? from_day(type, expr, first) : psprintf("isfinite(%s)", expr),
					   last ? through_day(type, expr, last) : before_day(type, expr, end));
	return test->negated ? psprintf("not (%s)", sql) : sql;
}

/* A window in minutes or hours: instants, not days. */
static char *
instant_window_sql(const BoundTest *bound, const char *expr)
{
	const SegmentTest *test = bound->test;
	const char *unit = SegmentUnitName(test->unit);
	char	   *n = psprintf("interval '%d %ss'", test->n, unit);
	char	   *sql;

	if (bound->type == FIELD_TIMESTAMP)
		expr = psprintf("leadflow.instant(%s, $2)", expr);

	switch (test->kind)
	{
		case SEGMENT_WITHIN:
		case SEGMENT_LESS_THAN_AGO:
			sql = psprintf("%s > $1 - %s and %s <= $1", expr, n, expr);
			break;
		case SEGMENT_AT_MOST_AGO:
			sql = psprintf("%s >= $1 - %s and %s <= $1", expr, n, expr);
			break;
		case SEGMENT_WITHIN_NEXT:
			sql = psprintf("%s >= $1 and %s < $1 + %s", expr, expr, n);
			break;
		case SEGMENT_AT_LEAST_AGO:
			sql = psprintf("isfinite(%s) and %s <= $1 - %s", expr, expr, n);
			break;
		case SEGMENT_MORE_THAN_AGO:
			sql = psprintf("isfinite(%s) and %s < $1 - %s", expr, expr, n);
			break;
		case SEGMENT_BETWEEN_AGO:
			sql = psprintf("%s >= $1 - interval '%d %ss' and %s <= $1 - %s",
						   expr, test->m, unit, expr, n);
			break;
		default:
			elog(ERROR, "unexpected window: %d", test->kind);
	}
	return test->negated ? psprintf("not (%s)", sql) : sql;
}

/* In this, the last or the next day, week, month, quarter or year. */
static char *
period_sql(const BoundTest *bound, const char *expr)
{
	int			n = bound->test->n;
	SegmentUnit unit = bound->test->unit;
	int			months = unit == SEGMENT_MONTH ? 1 : unit == SEGMENT_QUARTER ? 3 : 12;
	char	   *start;
	char	   *first;
	char	   *end;

	if (unit == SEGMENT_DAY)
	{
		first = psprintf(TODAY_SQL " + %d", n);
		end = psprintf(TODAY_SQL " + %d", n + 1);
	}
	else
	{
		start = psprintf("date_trunc('%s', " TODAY_SQL "::timestamp)", SegmentUnitName(unit));
		if (unit == SEGMENT_WEEK)
		{
			first = psprintf("%s::date + %d", start, n * 7);
			end = psprintf("%s::date + %d", start, (n + 1) * 7);
		}
		else
		{
			first = psprintf("(%s + interval '%d months')::date", start, n * months);
			end = psprintf("(%s + interval '%d months')::date", start, (n + 1) * months);
		}
	}
	return psprintf("%s and %s", from_day(bound->type, expr, first),
					before_day(bound->type, expr, end));
}

/* ---- comparisons with dates and times (7) ---------------------------------- */

static char *
date_constant(const IsoTime *iso)
{
	int			year,
				month,
				day;

	j2date(iso->date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return psprintf("date '%04d-%02d-%02d'", year, month, day);
}

/* A literal with a time of day, as a constant of the field's type. */
static char *
time_constant(const IsoTime *iso, FieldType type)
{
	int			year,
				month,
				day;
	int64		seconds = iso->time / USECS_PER_SEC;
	char	   *local;

	j2date(iso->date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	local = psprintf("%04d-%02d-%02d %02d:%02d:%02d.%06d", year, month, day,
					 (int) (seconds / SECS_PER_HOUR),
					 (int) (seconds / SECS_PER_MINUTE % MINS_PER_HOUR),
					 (int) (seconds % SECS_PER_MINUTE), (int) (iso->time % USECS_PER_SEC));
	if (iso->has_offset)
	{
		int			minutes = abs(iso->offset) / SECS_PER_MINUTE;
		char	   *instant = psprintf("timestamptz '%s%c%02d:%02d'", local,
									   iso->offset < 0 ? '-' : '+', minutes / 60, minutes % 60);

		return type == FIELD_TIMESTAMPTZ ? instant : psprintf("leadflow.local_time(%s, $2)", instant);
	}
	local = psprintf("timestamp '%s'", local);
	return type == FIELD_TIMESTAMPTZ ? psprintf("leadflow.instant(%s, $2)", local) : local;
}

/* A literal without a time of day stands for its whole local day. */
static char *
compare_time_sql(FieldType type, const char *expr, SegmentOperator op, const IsoTime *iso)
{
	char	   *day = date_constant(iso);
	const char *sign = op == SEGMENT_BEFORE ? "<" : op == SEGMENT_AFTER ? ">" :
		SegmentOperatorName(op);

	if (type == FIELD_DATE)
		return psprintf("%s %s %s", expr, sign, day);
	if (iso->has_time)
		return psprintf("%s %s %s", expr, sign, time_constant(iso, type));

	switch (op)
	{
		case SEGMENT_EQ:
			return psprintf("(%s and %s)", from_day(type, expr, day), through_day(type, expr, day));
		case SEGMENT_NE:
			return psprintf("not (%s and %s)", from_day(type, expr, day),
							through_day(type, expr, day));
		case SEGMENT_LT:
		case SEGMENT_BEFORE:
			return before_day(type, expr, day);
		case SEGMENT_LE:
			return through_day(type, expr, day);
		case SEGMENT_GT:
		case SEGMENT_AFTER:
			return from_day(type, expr, psprintf("%s + 1", day));
		case SEGMENT_GE:
			return from_day(type, expr, day);
	}
	pg_unreachable();
}

/* ---- all tests -------------------------------------------------------------- */

/* The text between the quotes of an ILIKE pattern that takes a string literally. */
static char *
contains_pattern(const char *text, bool starts, bool ends)
{
	StringInfoData pattern;

	initStringInfo(&pattern);
	if (!starts)
		appendStringInfoChar(&pattern, '%');
	for (; *text; text++)
	{
		if (*text == '%' || *text == '_' || *text == '\\')
			appendStringInfoChar(&pattern, '\\');
		appendStringInfoChar(&pattern, *text);
	}
	if (!ends)
		appendStringInfoChar(&pattern, '%');
	return quote_literal_cstr(pattern.data);
}

static char *
empty_sql(const BoundTest *bound, const char *expr)
{
	const char *empty = bound->type == FIELD_TEXT ? "''" :
		bound->type == FIELD_CHOICES ? "'{}'" : NULL;

	if (empty == NULL)
		return psprintf(bound->test->negated ? "%s is not null" : "%s is null", expr);
	if (bound->test->negated)
		return psprintf("%s <> %s", expr, empty);
	return psprintf("(%s is null or %s = %s)", expr, expr, empty);
}

static char *
in_sql(const BoundTest *bound, const char *expr)
{
	const char *not = bound->test->negated ? "not " : "";
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	if (bound->times != NIL)
	{
		appendStringInfo(&sql, "%s(", not);
		foreach(lc, bound->times)
			appendStringInfo(&sql, "%s%s", lc == list_head(bound->times) ? "" : " or ",
							 compare_time_sql(bound->type, expr, SEGMENT_EQ, lfirst(lc)));
	}
	else
	{
		appendStringInfo(&sql, "%s %sin (", expr, not);
		foreach(lc, bound->constants)
			appendStringInfo(&sql, "%s%s", lc == list_head(bound->constants) ? "" : ", ",
							 (char *) lfirst(lc));
	}
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

static char *
between_sql(const BoundTest *bound, const char *expr)
{
	const char *not = bound->test->negated ? "not " : "";

	if (bound->times != NIL)
		return psprintf("%s(%s and %s)", not,
						compare_time_sql(bound->type, expr, SEGMENT_GE, linitial(bound->times)),
						compare_time_sql(bound->type, expr, SEGMENT_LE, lsecond(bound->times)));
	return psprintf("%s %sbetween %s and %s", expr, not,
					(char *) linitial(bound->constants), (char *) lsecond(bound->constants));
}

char *
TestSql(const BoundTest *bound, const char *expr)
{
	const SegmentTest *test = bound->test;
	const char *not = test->negated ? "not " : "";
	const char *value = bound->constants ? linitial(bound->constants) : NULL;

	switch (test->kind)
	{
		case SEGMENT_COMPARE:
			if (bound->times != NIL)
				return compare_time_sql(bound->type, expr, test->op, linitial(bound->times));
			return psprintf("%s %s %s", expr, SegmentOperatorName(test->op), value);
		case SEGMENT_IN:
			return in_sql(bound, expr);
		case SEGMENT_BETWEEN:
			return between_sql(bound, expr);
		case SEGMENT_IS_NULL:
			return psprintf("%s is %snull", expr, not);
		case SEGMENT_IS_EMPTY:
			return empty_sql(bound, expr);
		case SEGMENT_CONTAINS:
			if (bound->type == FIELD_CHOICES)
				return psprintf("%s%s::text[] @> array[%s]", not, expr, quote_literal_cstr(value));
			return psprintf("%s %silike %s", expr, not, contains_pattern(value, false, false));
		case SEGMENT_STARTS_WITH:
			return psprintf("%s %silike %s", expr, not, contains_pattern(value, true, false));
		case SEGMENT_ENDS_WITH:
			return psprintf("%s %silike %s", expr, not, contains_pattern(value, false, true));
		case SEGMENT_LIKE:
			return psprintf("%s %slike %s", expr, not, quote_literal_cstr(value));
		case SEGMENT_MATCHES:
			return psprintf("%s %s %s", expr, test->negated ? "!~" : "~", quote_literal_cstr(value));
		case SEGMENT_PERIOD:
			return period_sql(bound, expr);
		default:
			return test->unit <= SEGMENT_HOUR ? instant_window_sql(bound, expr) :
				day_window_sql(bound, expr);
	}
}

/* The sign of a number constant, which may stand in parentheses. */
static int
constant_sign(const char *constant)
{
	if (strpbrk(constant, "123456789") == NULL)
		return 0;
	return strchr(constant, '-') ? -1 : 1;
}

bool
TestHoldsForZero(const BoundTest *bound)
{
	const SegmentTest *test = bound->test;
	int			first = constant_sign(linitial(bound->constants));
	ListCell   *lc;

	switch (test->kind)
	{
		case SEGMENT_COMPARE:
			switch (test->op)
			{
				case SEGMENT_EQ:
					return first == 0;
				case SEGMENT_NE:
					return first != 0;
				case SEGMENT_LT:
					return first > 0;
				case SEGMENT_LE:
					return first >= 0;
				case SEGMENT_GT:
					return first < 0;
				case SEGMENT_GE:
					return first <= 0;
				default:
					break;
			}
			break;
		case SEGMENT_IN:
			foreach(lc, bound->constants)
				if (constant_sign(lfirst(lc)) == 0)
					return !test->negated;
			return test->negated;
		case SEGMENT_BETWEEN:
			return (first <= 0 && constant_sign(lsecond(bound->constants)) >= 0) != test->negated;
		default:
			break;
	}
	elog(ERROR, "unexpected test of a count or sum: %d", test->kind);
}
