/*
 * ranges.c
 *		Sets of 64-bit numbers, and the tests that are such sets. The numbers of
 *		the rules are those of "Meaning" in doc/segment-language.md.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/ranges.h"
#include "iso.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "zone.h"

/* Windows of more units than these are left to SQL, and so is its complaint. */
#define MAX_WINDOW			100000
#define MAX_WINDOW_MONTHS	2000	/* or years */

/* ---- algebra ------------------------------------------------------------------ */

static Ranges *
make_ranges(bool null, int max)
{
	Ranges	   *ranges = palloc(sizeof(Ranges));

	ranges->null = null;
	ranges->n = 0;
	ranges->max = Max(max, 1);
	ranges->range = palloc(ranges->max * sizeof(Range));
	return ranges;
}

/* Append a range that begins after all others, or within the last. */
static void
append_range(Ranges *ranges, int64 first, int64 last)
{
	if (first > last)
		return;
	if (ranges->n > 0)
	{
		Range	   *latest = &ranges->range[ranges->n - 1];

		if (latest->last == PG_INT64_MAX || first <= latest->last + 1)
		{
			latest->last = Max(latest->last, last);
			return;
		}
	}
	if (ranges->n == ranges->max)
	{
		ranges->max *= 2;
		ranges->range = repalloc(ranges->range, ranges->max * sizeof(Range));
	}
	ranges->range[ranges->n].first = first;
	ranges->range[ranges->n].last = last;
	ranges->n++;
}

Ranges *
RangesOf(int64 first, int64 last)
{
	Ranges	   *ranges = make_ranges(false, 1);

	append_range(ranges, first, last);
	return ranges;
}

Ranges *
RangesComplement(const Ranges *ranges)
{
	Ranges	   *rest = make_ranges(!ranges->null, ranges->n + 1);
	int64		first = PG_INT64_MIN;

	for (int i = 0; i < ranges->n; i++)
	{
		if (ranges->range[i].first > first)
			append_range(rest, first, ranges->range[i].first - 1);
		if (ranges->range[i].last == PG_INT64_MAX)
			return rest;
		first = ranges->range[i].last + 1;
	}
	append_range(rest, first, PG_INT64_MAX);
	return rest;
}

Ranges *
RangesIntersect(const Ranges *a, const Ranges *b)
{
	Ranges	   *both = make_ranges(a->null && b->null, a->n + b->n);
	int			i = 0;
	int			j = 0;

	while (i < a->n && j < b->n)
	{
		append_range(both, Max(a->range[i].first, b->range[j].first),
					 Min(a->range[i].last, b->range[j].last));
		if (a->range[i].last < b->range[j].last)
			i++;
		else
			j++;
	}
	return both;
}

Ranges *
RangesUnion(const Ranges *a, const Ranges *b)
{
	Ranges	   *either = make_ranges(a->null || b->null, a->n + b->n);
	int			i = 0;
	int			j = 0;

	while (i < a->n || j < b->n)
	{
		const Range *next = j == b->n || (i < a->n && a->range[i].first <= b->range[j].first) ?
			&a->range[i++] : &b->range[j++];

		append_range(either, next->first, next->last);
	}
	return either;
}

bool
RangesContain(const Ranges *ranges, int64 value)
{
	for (int i = 0; i < ranges->n; i++)
		if (value <= ranges->range[i].last)
			return value >= ranges->range[i].first;
	return false;
}

/* ---- numbers ------------------------------------------------------------------ */

bool
HasRanges(Oid base_type)
{
	switch (base_type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			return false;
	}
}

/* The whole numbers at or below and at or above a decimal one; false beyond 64 bits. */
static bool
read_decimal(const char *constant, int64 *below, int64 *above)
{
	bool		negative = strchr(constant, '-') != NULL;
	const char *digit = constant + strspn(constant, "(-+");
	int64		whole = 0;
	bool		fraction = false;

	for (; *digit >= '0' && *digit <= '9'; digit++)
	{
		if (whole > (PG_INT64_MAX - 9) / 10 - 1)
			return false;
		whole = whole * 10 + (*digit - '0');
	}
	if (*digit == '.')
		fraction = strspn(digit + 1, "0") != strspn(digit + 1, "0123456789");
	*below = negative ? -whole - (fraction ? 1 : 0) : whole;
	*above = *below + (fraction ? 1 : 0);
	return true;
}

/* The values that compare so with something between two neighbours, or equal to both. */
static Ranges *
compare_ranges(SegmentOperator op, int64 below, int64 above)
{
	Ranges	   *equal;

	switch (op)
	{
		case SEGMENT_LT:
		case SEGMENT_BEFORE:
			return RangesOf(PG_INT64_MIN, above - 1);
		case SEGMENT_LE:
			return RangesOf(PG_INT64_MIN, below);
		case SEGMENT_GT:
		case SEGMENT_AFTER:
			return RangesOf(below + 1, PG_INT64_MAX);
		case SEGMENT_GE:
			return RangesOf(above, PG_INT64_MAX);
		case SEGMENT_EQ:
			return RangesOf(above, below);
		case SEGMENT_NE:
			equal = RangesOf(above, below);
			equal->null = true;
			return RangesComplement(equal);
	}
	pg_unreachable();
}

static Ranges *
number_ranges(const BoundTest *bound)
{
	const SegmentTest *test = bound->test;
	Ranges	   *ranges = make_ranges(false, 1);
	int64		below;
	int64		above;
	ListCell   *lc;

	if (test->kind == SEGMENT_BETWEEN)
	{
		int64		last;

		if (!read_decimal(linitial(bound->constants), &below, &above) ||
			!read_decimal(lsecond(bound->constants), &last, &below))
			return NULL;
		return RangesOf(above, last);
	}
	foreach(lc, bound->constants)
	{
		if (!read_decimal(lfirst(lc), &below, &above))
			return NULL;
		if (test->kind == SEGMENT_COMPARE)
			return compare_ranges(test->op, below, above);
		ranges = RangesUnion(ranges, RangesOf(above, below));
	}
	return ranges;
}

static Ranges *
boolean_ranges(const BoundTest *bound)
{
	Ranges	   *ranges = make_ranges(false, 1);
	ListCell   *lc;

	foreach(lc, bound->constants)
	{
		int64		value = strcmp(lfirst(lc), "true") == 0 ? 1 : 0;

		if (bound->test->kind == SEGMENT_COMPARE)
			return compare_ranges(bound->test->op, value, value);
		ranges = RangesUnion(ranges, RangesOf(value, value));
	}
	return ranges;
}

/* ---- days (6) ------------------------------------------------------------------ */

/* The first number of a local day. */
static int64
day_first(DateADT day, Oid type, const Clock *clock)
{
	if (type == DATEOID)
		return day;
	if (type == TIMESTAMPOID)
		return (int64) day * USECS_PER_DAY;
	return DayStart(day, clock->zone);
}

/* From one local day through another. */
static Ranges *
days_ranges(DateADT first, DateADT last, Oid type, const Clock *clock)
{
	return RangesOf(day_first(first, type, clock), day_first(last + 1, type, clock) - 1);
}

/* All finite values through a local day. */
static Ranges *
through_day(DateADT last, Oid type, const Clock *clock)
{
	int64		first = type == DATEOID ? (int64) DATEVAL_NOBEGIN + 1 : DT_NOBEGIN + 1;

	return RangesOf(first, day_first(last + 1, type, clock) - 1);
}

static DateADT
add_months(DateADT day, int months)
{
	Interval	interval = {.month = months};
	Datum		result = DirectFunctionCall2(date_pl_interval, DateADTGetDatum(day),
											 IntervalPGetDatum(&interval));

	return DatumGetDateADT(DirectFunctionCall1(timestamp_date, result));
}

static DateADT
day_from_today(int n, SegmentUnit unit, const Clock *clock)
{
	switch (unit)
	{
		case SEGMENT_DAY:
			return clock->today + n;
		case SEGMENT_WEEK:
			return clock->today + n * 7;
		case SEGMENT_MONTH:
			return add_months(clock->today, n);
		case SEGMENT_YEAR:
			return add_months(clock->today, n * MONTHS_PER_YEAR);
		default:
			elog(ERROR, "unexpected unit of a window in days: %d", unit);
	}
}

static Ranges *
day_window(const SegmentTest *test, Oid type, const Clock *clock)
{
	DateADT		ago = day_from_today(-test->n, test->unit, clock);

	switch (test->kind)
	{
		case SEGMENT_WITHIN:
		case SEGMENT_AT_MOST_AGO:
			return days_ranges(ago, clock->today, type, clock);
		case SEGMENT_WITHIN_NEXT:
			return days_ranges(clock->today, day_from_today(test->n, test->unit, clock), type, clock);
		case SEGMENT_AGO:
			return days_ranges(ago, ago, type, clock);
		case SEGMENT_AT_LEAST_AGO:
			return through_day(ago, type, clock);
		case SEGMENT_MORE_THAN_AGO:
			return through_day(ago - 1, type, clock);
		case SEGMENT_LESS_THAN_AGO:
			return days_ranges(ago + 1, clock->today, type, clock);
		case SEGMENT_BETWEEN_AGO:
			return days_ranges(day_from_today(-test->m, test->unit, clock), ago, type, clock);
		default:
			elog(ERROR, "unexpected window: %d", test->kind);
	}
}

/* Minutes and hours: instants, not days. */
static Ranges *
instant_window(const SegmentTest *test, const Clock *clock)
{
	int64		unit = test->unit == SEGMENT_MINUTE ? USECS_PER_MINUTE : USECS_PER_HOUR;
	int64		ago = clock->as_of - test->n * unit;

	switch (test->kind)
	{
		case SEGMENT_WITHIN:
		case SEGMENT_LESS_THAN_AGO:
			return RangesOf(ago + 1, clock->as_of);
		case SEGMENT_AT_MOST_AGO:
			return RangesOf(ago, clock->as_of);
		case SEGMENT_WITHIN_NEXT:
			return RangesOf(clock->as_of, clock->as_of + test->n * unit - 1);
		case SEGMENT_AT_LEAST_AGO:
			return RangesOf(DT_NOBEGIN + 1, ago);
		case SEGMENT_MORE_THAN_AGO:
			return RangesOf(DT_NOBEGIN + 1, ago - 1);
		case SEGMENT_BETWEEN_AGO:
			return RangesOf(clock->as_of - test->m * unit, ago);
		default:
			elog(ERROR, "unexpected window: %d", test->kind);
	}
}

/* In this, the last or the next day, week, month, quarter or year. */
static Ranges *
period_ranges(const SegmentTest *test, Oid type, const Clock *clock)
{
	DateADT		first;
	DateADT		end;
	int			year,
				month,
				day;
	int			months = test->unit == SEGMENT_MONTH ? 1 : test->unit == SEGMENT_QUARTER ? 3 : 12;

	if (test->unit == SEGMENT_DAY)
		first = end = clock->today + test->n;
	else if (test->unit == SEGMENT_WEEK)
	{
		/* j2day() counts from Sunday */
		first = clock->today - (j2day(clock->today + POSTGRES_EPOCH_JDATE) + 6) % 7 + test->n * 7;
		end = first + 6;
	}
	else
	{
		j2date(clock->today + POSTGRES_EPOCH_JDATE, &year, &month, &day);
		first = date2j(year, (month - 1) / months * months + 1, 1) - POSTGRES_EPOCH_JDATE;
		first = add_months(first, test->n * months);
		end = add_months(first, months) - 1;
	}
	return days_ranges(first, end, type, clock);
}

/* ---- dates and times (7) --------------------------------------------------------- */

/* The number a literal with a time of day stands for. */
static int64
time_number(const IsoTime *iso, Oid type, const Clock *clock)
{
	Datum		zone = CStringGetTextDatum(clock->zone_name);
	int64		local = iso->date * USECS_PER_DAY + iso->time;

	if (!iso->has_offset)
		return type == TIMESTAMPOID ? local :
			DatumGetTimestampTz(DirectFunctionCall2(instant, TimestampGetDatum(local), zone));
	local -= iso->offset * USECS_PER_SEC;
	return type == TIMESTAMPTZOID ? local :
		DatumGetTimestamp(DirectFunctionCall2(local_time, TimestampTzGetDatum(local), zone));
}

/* A literal without a time of day stands for its whole local day. */
static Ranges *
time_compare(SegmentOperator op, const IsoTime *iso, Oid type, const Clock *clock)
{
	int64		first;
	int64		last;
	Ranges	   *ranges;

	if (iso->has_time)
	{
		first = time_number(iso, type, clock);
		return compare_ranges(op, first, first);
	}
	first = day_first(iso->date, type, clock);
	last = day_first(iso->date + 1, type, clock) - 1;
	switch (op)
	{
		case SEGMENT_LT:
		case SEGMENT_BEFORE:
			return RangesOf(PG_INT64_MIN, first - 1);
		case SEGMENT_LE:
			return RangesOf(PG_INT64_MIN, last);
		case SEGMENT_GT:
		case SEGMENT_AFTER:
			return RangesOf(last + 1, PG_INT64_MAX);
		case SEGMENT_GE:
			return RangesOf(first, PG_INT64_MAX);
		case SEGMENT_EQ:
			return RangesOf(first, last);
		case SEGMENT_NE:
			ranges = RangesOf(first, last);
			ranges->null = true;
			return RangesComplement(ranges);
	}
	pg_unreachable();
}

static Ranges *
time_ranges(const BoundTest *bound, Oid type, const Clock *clock)
{
	const SegmentTest *test = bound->test;
	Ranges	   *ranges = make_ranges(false, 1);
	ListCell   *lc;

	if (test->kind == SEGMENT_BETWEEN)
		return RangesIntersect(time_compare(SEGMENT_GE, linitial(bound->times), type, clock),
							   time_compare(SEGMENT_LE, lsecond(bound->times), type, clock));
	foreach(lc, bound->times)
	{
		if (test->kind == SEGMENT_COMPARE)
			return time_compare(test->op, lfirst(lc), type, clock);
		ranges = RangesUnion(ranges, time_compare(SEGMENT_EQ, lfirst(lc), type, clock));
	}
	return ranges;
}

/* ---- all tests ------------------------------------------------------------------- */

static Ranges *
positive_ranges(const BoundTest *bound, Oid type, const Clock *clock)
{
	const SegmentTest *test = bound->test;

	switch (test->kind)
	{
		case SEGMENT_COMPARE:
		case SEGMENT_IN:
		case SEGMENT_BETWEEN:
			return type == BOOLOID ? boolean_ranges(bound) :
				bound->times != NIL ? time_ranges(bound, type, clock) : number_ranges(bound);
		case SEGMENT_PERIOD:
			return period_ranges(test, type, clock);
		case SEGMENT_WITHIN:
		case SEGMENT_WITHIN_NEXT:
		case SEGMENT_AGO:
		case SEGMENT_AT_LEAST_AGO:
		case SEGMENT_MORE_THAN_AGO:
		case SEGMENT_AT_MOST_AGO:
		case SEGMENT_LESS_THAN_AGO:
		case SEGMENT_BETWEEN_AGO:
			if (Max(test->n, test->m) > (test->unit < SEGMENT_MONTH ? MAX_WINDOW : MAX_WINDOW_MONTHS))
				return NULL;
			if (test->unit > SEGMENT_HOUR)
				return day_window(test, type, clock);
			/* local times lie in another order than the instants they stand for */
			return type == TIMESTAMPTZOID ? instant_window(test, clock) : NULL;
		default:
			return NULL;
	}
}

Ranges *
TestRanges(const BoundTest *bound, Oid base_type, const Clock *clock)
{
	const SegmentTest *test = bound->test;
	Ranges	   *ranges;

	if (test->kind == SEGMENT_IS_NULL || test->kind == SEGMENT_IS_EMPTY)
	{
		ranges = RangesComplement(RangesOf(PG_INT64_MIN, PG_INT64_MAX));
		return test->negated ? RangesComplement(ranges) : ranges;
	}
	ranges = positive_ranges(bound, base_type, clock);
	if (ranges != NULL && test->negated)
	{
		/* over null it does not hold either (3) */
		ranges->null = true;
		ranges = RangesComplement(ranges);
	}
	return ranges;
}

Ranges *
ExistingTimes(Oid base_type, bool null, const Clock *clock)
{
	int64		last = clock->as_of;
	Ranges	   *ranges;

	if (base_type == DATEOID)
		last = clock->today;
	else if (base_type == TIMESTAMPOID)
		last = DatumGetTimestamp(DirectFunctionCall2(local_time, TimestampTzGetDatum(clock->as_of),
													 CStringGetTextDatum(clock->zone_name)));
	ranges = RangesOf(PG_INT64_MIN, last);
	ranges->null = null;
	return ranges;
}

Clock
MakeClock(TimestampTz as_of, const char *zone)
{
	Clock		clock;

	clock.as_of = as_of;
	clock.zone_name = zone;
	clock.zone = LookupZone(cstring_to_text(zone));
	clock.today = LocalDate(as_of, clock.zone);
	return clock;
}
