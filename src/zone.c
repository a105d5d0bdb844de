/*
 * zone.c
 *		Local clocks; see zone.h.
 */
#include "postgres.h"

#include "compat.h"
#include "common/int.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "zone.h"

/* No clock is a day or more away from UTC, so none is ever set back by two. */
#define MAX_OFFSET		SECS_PER_DAY
#define MAX_SETBACK		(2 * SECS_PER_DAY)

/* how much of a name that is no zone an error message repeats, in bytes */
#define QUOTED_LENGTH	64

PG_FUNCTION_INFO_V1(local_date);
PG_FUNCTION_INFO_V1(day_start);
PG_FUNCTION_INFO_V1(local_time);
PG_FUNCTION_INFO_V1(instant);

/*
 * The zone of this IANA name, in any case. The colon keeps pg_tzset() from
 * reading a name it does not know as a POSIX rule: "UTC+9" would be nine hours
 * west of Greenwich, and "Asia/Tokio-8" a zone of its own.
 */
pg_tz *
LookupZone(text *zone)
{
	char	   *name = text_to_cstring(zone);
	pg_tz	   *result = pg_tzset(psprintf(":%s", name));

	if (result == NULL || !pg_tz_acceptable(result))
	{
		int			quoted = pg_mbcliplen(name, strlen(name), QUOTED_LENGTH);

		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%.*s%s\" not recognized",
						quoted, name, name[quoted] == '\0' ? "" : "..."),
				 errdetail("A zone is given by its IANA name, such as \"Asia/Tokyo\"; an abbreviation or an offset does not tell when clocks change."),
				 errhint("The names are: SELECT name FROM pg_catalog.pg_timezone_names ORDER BY name;")));
	}
	return result;
}

/* False where no timestamptz is that far from 2000. */
bool
SecondsToInstant(pg_time_t seconds, TimestampTz *at)
{
	seconds -= (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY;
	return !pg_mul_s64_overflow(seconds, USECS_PER_SEC, at) &&
		IS_VALID_TIMESTAMP(*at);
}

/* The stretch that an instant is in, from that instant on. */
ZoneStretch
StretchFrom(pg_time_t start, pg_tz *zone)
{
	ZoneStretch stretch = {.start = start};
	long int	before;
	long int	after;
	int			isdst;

	if (pg_next_dst_boundary(&start, &before, &isdst, &stretch.end,
							 &after, &isdst, zone) != 1)
		stretch.end = PG_INT64_MAX;
	stretch.offset = before;
	return stretch;
}

/*
 * The first instant at which the clocks show this local time or a later one:
 * of two that show it the first, and where it is skipped the one at which they
 * jump over it. Never decreases from one local time to the next.
 */
pg_time_t
ReachedAt(int64 local, pg_tz *zone)
{
	ZoneStretch stretch = StretchFrom(local - MAX_OFFSET, zone);

	while (local - stretch.offset >= stretch.end)
		stretch = StretchFrom(stretch.end, zone);
	return Max(stretch.start, local - stretch.offset);
}

/*
 * The furthest local time, to the second, that the clocks have shown by this
 * instant. The other side of ReachedAt(): FurthestLocal(at) >= local if and
 * only if ReachedAt(local) <= at.
 */
int64
FurthestLocal(pg_time_t at, pg_tz *zone)
{
	ZoneStretch stretch = StretchFrom(at - MAX_SETBACK, zone);
	int64		furthest = PG_INT64_MIN;

	while (stretch.end <= at)
	{
		furthest = Max(furthest, stretch.end - 1 + stretch.offset);
		stretch = StretchFrom(stretch.end, zone);
	}
	return Max(furthest, at + stretch.offset);
}

/* The day that the clocks show at an instant. */
DateADT
LocalDate(TimestampTz at, pg_tz *zone)
{
	pg_time_t	seconds;

	if (TIMESTAMP_IS_NOBEGIN(at))
		return DATEVAL_NOBEGIN;
	if (TIMESTAMP_IS_NOEND(at))
		return DATEVAL_NOEND;
	seconds = InstantSeconds(at);
	return LocalDay(seconds + StretchFrom(seconds, zone).offset);
}

/*
 * The first instant of a local day: where midnight comes twice the first, where
 * it or the whole day is skipped the one at which the clocks jump over it.
 */
TimestampTz
DayStart(DateADT day, pg_tz *zone)
{
	TimestampTz result;

	if (DATE_IS_NOBEGIN(day))
		return DT_NOBEGIN;
	if (DATE_IS_NOEND(day))
		return DT_NOEND;
	if (!SecondsToInstant(ReachedAt(LocalMidnight(day), zone), &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("date out of range for timestamp")));
	return result;
}

/*
 * What a call of local_date() keeps for the next: reports ask for the days of
 * many instants, nearly always in one zone and between two jumps of its clocks.
 */
typedef struct DateCache
{
	text	   *name;			/* NULL before the first */
	pg_tz	   *zone;
	ZoneStretch stretch;
} DateCache;

Datum
local_date(PG_FUNCTION_ARGS)
{
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
	text	   *name = PG_GETARG_TEXT_PP(1);
	DateCache  *cache = fcinfo->flinfo->fn_extra;
	pg_time_t	seconds;

	if (cache == NULL)
		fcinfo->flinfo->fn_extra = cache =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(DateCache));
	if (cache->name == NULL ||
		VARSIZE_ANY_EXHDR(cache->name) != VARSIZE_ANY_EXHDR(name) ||
		memcmp(VARDATA_ANY(cache->name), VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) != 0)
	{
		pg_tz	   *zone = LookupZone(name);
		MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		text	   *kept = cstring_to_text_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

		MemoryContextSwitchTo(caller);
		if (cache->name)
			pfree(cache->name);
		*cache = (DateCache) {.name = kept,.zone = zone};
	}

	if (TIMESTAMP_NOT_FINITE(at))
		PG_RETURN_DATEADT(LocalDate(at, cache->zone));
	seconds = InstantSeconds(at);
	if (seconds < cache->stretch.start || seconds >= cache->stretch.end)
		cache->stretch = StretchFrom(seconds, cache->zone);
	PG_RETURN_DATEADT(LocalDay(seconds + cache->stretch.offset));
}

Datum
day_start(PG_FUNCTION_ARGS)
{
	DateADT		day = PG_GETARG_DATEADT(0);
	pg_tz	   *zone = LookupZone(PG_GETARG_TEXT_PP(1));

	PG_RETURN_TIMESTAMPTZ(DayStart(day, zone));
}

/*
 * What the clocks of a zone show at an instant, and the instant at which they
 * show it: AT TIME ZONE, but for IANA names alone, of which AT TIME ZONE takes
 * some, such as CET, for abbreviations.
 */
Datum
local_time(PG_FUNCTION_ARGS)
{
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
	pg_tz	   *zone = LookupZone(PG_GETARG_TEXT_PP(1));
	struct pg_tm tm;
	fsec_t		fraction;
	int			offset;
	Timestamp	result;

	if (TIMESTAMP_NOT_FINITE(at))
		PG_RETURN_TIMESTAMP(at);
	if (timestamp2tm(at, &offset, &tm, &fraction, NULL, zone) != 0 ||
		tm2timestamp(&tm, fraction, NULL, &result) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	PG_RETURN_TIMESTAMP(result);
}

Datum
instant(PG_FUNCTION_ARGS)
{
	Timestamp	local = PG_GETARG_TIMESTAMP(0);
	pg_tz	   *zone = LookupZone(PG_GETARG_TEXT_PP(1));
	struct pg_tm tm;
	fsec_t		fraction;
	int			offset;
	TimestampTz result;

	if (TIMESTAMP_NOT_FINITE(local))
		PG_RETURN_TIMESTAMPTZ(local);
	if (timestamp2tm(local, NULL, &tm, &fraction, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	offset = DetermineTimeZoneOffset(&tm, zone);
	if (tm2timestamp(&tm, fraction, &offset, &result) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	PG_RETURN_TIMESTAMPTZ(result);
}
