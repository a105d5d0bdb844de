/*
 * cadence_run.c
 *		When a cadence runs next, and when it last ran.
 *
 * All but "hourly" and "continuous" is a matter of local times: the furthest one the clocks have
 * shown leads to the scheduled one after it or up to it, and that to the
 * instant at which it is reached. As neither step ever decreases, runs neither
 * repeat nor go backwards, whatever the clocks do.
 */
#include "postgres.h"

#include "compat.h"
#include "cadence/cadence.h"
#include "utils/datetime.h"
#include "zone.h"

/* Monday 1970-01-05, from which periods are counted unless "from" is said */
#define EPOCH_MONDAY	(UNIX_EPOCH_JDATE + 4 - POSTGRES_EPOCH_JDATE)

/* No two runs of "hourly" are further apart, as clocks do not jump that often */
#define MAX_HOURLY_GAP	(2 * SECS_PER_HOUR)

PG_FUNCTION_INFO_V1(next_run);
PG_FUNCTION_INFO_V1(last_run);

/*
 * How far a period, numbered like "origin", is from the nearest one to run in
 * that lies in this direction: 1 to later ones, -1 to earlier ones.
 */
static int
PeriodsTo(const Cadence *cadence, int origin, int period, int direction)
{
	return FloorMod(direction * (origin - period), cadence->every);
}

static DateADT
NearestInWeeks(const Cadence *cadence, DateADT origin, DateADT day,
			   int direction)
{
	int			origin_week = FloorDiv(origin - EPOCH_MONDAY, DAYS_PER_WEEK);
	int			week = FloorDiv(day - EPOCH_MONDAY, DAYS_PER_WEEK);
	int			weekday = FloorMod(day - EPOCH_MONDAY, DAYS_PER_WEEK);

	/* twice at most: a whole week to run in has a day to run on */
	for (;;)
	{
		if (PeriodsTo(cadence, origin_week, week, direction) == 0)
		{
			for (; weekday >= 0 && weekday < DAYS_PER_WEEK; weekday += direction)
			{
				if (cadence->days & (1 << weekday))
					return EPOCH_MONDAY + week * DAYS_PER_WEEK + weekday;
			}
			week += direction;
		}
		week += direction * PeriodsTo(cadence, origin_week, week, direction);
		weekday = direction > 0 ? 0 : DAYS_PER_WEEK - 1;
	}
}

/* Months are numbered from the year 0. */
static int
MonthOf(DateADT day)
{
	int			year;
	int			month;
	int			mday;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	return year * MONTHS_PER_YEAR + month - 1;
}

static DateADT
DayInMonth(const Cadence *cadence, int number)
{
	int			year = FloorDiv(number, MONTHS_PER_YEAR);
	int			month = FloorMod(number, MONTHS_PER_YEAR);
	int			day = Min(cadence->days, day_tab[isleap(year)][month]);

	return date2j(year, month + 1, day) - POSTGRES_EPOCH_JDATE;
}

static DateADT
NearestInMonths(const Cadence *cadence, DateADT origin, DateADT day,
				int direction)
{
	int			month = MonthOf(day);
	int			skip = PeriodsTo(cadence, MonthOf(origin), month, direction);
	DateADT		result = DayInMonth(cadence, month + direction * skip);

	/* of this month, the day may be over (or still to come) */
	if (direction * (result - day) < 0)
		result = DayInMonth(cadence, month + direction * cadence->every);
	return result;
}

/*
 * The first scheduled day from this day on, or with direction -1 the last one
 * up to it, as if there were no "from" but to count by.
 */
static DateADT
NearestDay(const Cadence *cadence, DateADT day, int direction)
{
	DateADT		origin = cadence->from == DATEVAL_NOBEGIN ?
		EPOCH_MONDAY : cadence->from;

	if (cadence->unit == CADENCE_WEEK)
		return NearestInWeeks(cadence, origin, day, direction);
	if (cadence->unit == CADENCE_MONTH)
		return NearestInMonths(cadence, origin, day, direction);
	return day + direction * PeriodsTo(cadence, origin, day, direction);
}

/* The first scheduled local time after this one, not looking at "from". */
static int64
NextLocal(const Cadence *cadence, int64 local)
{
	int64		time = cadence->minute * SECS_PER_MINUTE;

	/* the day on which that time of day comes next */
	DateADT		day = LocalDay(local - time) + 1;

	return LocalMidnight(NearestDay(cadence, day, 1)) + time;
}

/* The last scheduled local time up to this one, not looking at "from". */
static int64
LastLocal(const Cadence *cadence, int64 local)
{
	int64		time = cadence->minute * SECS_PER_MINUTE;
	DateADT		day = LocalDay(local - time);

	return LocalMidnight(NearestDay(cadence, day, -1)) + time;
}

/* The first instant, from this one on, at which the clocks show a whole hour. */
static pg_time_t
WholeHourFrom(pg_time_t at, pg_tz *zone)
{
	for (;;)
	{
		ZoneStretch stretch = StretchFrom(at, zone);
		pg_time_t	hour = at + FloorMod(-(at + stretch.offset), SECS_PER_HOUR);

		if (hour < stretch.end)
			return hour;
		at = stretch.end;
	}
}

/* The last instant, up to this one, at which the clocks show a whole hour. */
static pg_time_t
WholeHourUpTo(pg_time_t at, pg_tz *zone)
{
	pg_time_t	hour = WholeHourFrom(at - MAX_HOURLY_GAP, zone);
	pg_time_t	next;

	while ((next = WholeHourFrom(hour + 1, zone)) <= at)
		hour = next;
	return hour;
}

static pg_time_t
WholeMinuteFrom(pg_time_t at)
{
	return at + FloorMod(-at, SECS_PER_MINUTE);
}

/*
 * next_run(cadence, after, zone): the first run after an instant. None follows
 * infinity, and none is the first after -infinity unless there is a "from".
 */
Datum
next_run(PG_FUNCTION_ARGS)
{
	Cadence    *cadence = PG_GETARG_CADENCE_P(0);
	TimestampTz after = PG_GETARG_TIMESTAMPTZ(1);
	pg_tz	   *zone = LookupZone(PG_GETARG_TEXT_PP(2));
	bool		has_from = cadence->from != DATEVAL_NOBEGIN;
	pg_time_t	seconds;
	pg_time_t	run;
	TimestampTz result;

	if (TIMESTAMP_IS_NOEND(after) || (TIMESTAMP_IS_NOBEGIN(after) && !has_from))
		PG_RETURN_NULL();
	seconds = InstantSeconds(Max(after, MIN_TIMESTAMP));

	if (cadence->unit == CADENCE_HOUR || cadence->unit == CADENCE_MINUTE)
	{
		pg_time_t	start = seconds + 1;

		if (has_from)
			start = Max(start, ReachedAt(LocalMidnight(cadence->from), zone));
		run = cadence->unit == CADENCE_HOUR ? WholeHourFrom(start, zone) : WholeMinuteFrom(start);
	}
	else
	{
		int64		local = FurthestLocal(seconds, zone);

		if (has_from)
			local = Max(local, LocalMidnight(cadence->from) - 1);
		run = ReachedAt(NextLocal(cadence, local), zone);
	}

	if (!SecondsToInstant(run, &result))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(result);
}

/*
 * last_run(cadence, upto, zone): the last run at or before an instant. None is
 * the last up to infinity, and none came before -infinity or "from".
 */
Datum
last_run(PG_FUNCTION_ARGS)
{
	Cadence    *cadence = PG_GETARG_CADENCE_P(0);
	TimestampTz upto = PG_GETARG_TIMESTAMPTZ(1);
	pg_tz	   *zone = LookupZone(PG_GETARG_TEXT_PP(2));
	bool		has_from = cadence->from != DATEVAL_NOBEGIN;
	pg_time_t	seconds;
	pg_time_t	run;
	TimestampTz result;

	if (TIMESTAMP_NOT_FINITE(upto))
		PG_RETURN_NULL();
	seconds = InstantSeconds(upto);

	if (cadence->unit == CADENCE_HOUR || cadence->unit == CADENCE_MINUTE)
	{
		run = cadence->unit == CADENCE_HOUR ? WholeHourUpTo(seconds, zone) :
			seconds - FloorMod(seconds, SECS_PER_MINUTE);
		if (has_from && run < ReachedAt(LocalMidnight(cadence->from), zone))
			PG_RETURN_NULL();
	}
	else
	{
		int64		local = LastLocal(cadence, FurthestLocal(seconds, zone));

		if (has_from && local < LocalMidnight(cadence->from))
			PG_RETURN_NULL();
		run = ReachedAt(local, zone);
	}

	if (!SecondsToInstant(run, &result))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(result);
}
