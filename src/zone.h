/*
 * zone.h
 *		Local clocks: what one shows at an instant, and when it first shows a
 *		local time.
 *
 * Three kinds of numbers meet here. An instant is a TimestampTz, or in seconds
 * a pg_time_t as the time zone library has it. A local time is what the clocks
 * of a zone show, in seconds since they would have shown 1970-01-01 00:00. A
 * local day is a DateADT.
 *
 * Clocks jump: forward over times that are never shown, and back over times
 * that are shown again. What makes the rules below hold without exception is
 * to ask how far a clock has got, which never decreases: a local time is
 * reached at the first instant at which the clock shows it or a later one.
 */
#ifndef LEADFLOW_ZONE_H
#define LEADFLOW_ZONE_H

#include "fmgr.h"
#include "pgtime.h"
#include "utils/date.h"
#include "utils/timestamp.h"

/* from start, for as long as the zone's clocks do not jump: start <= t < end */
typedef struct ZoneStretch
{
	pg_time_t	start;
	pg_time_t	end;
	int64		offset;			/* what the clocks show, less the instant */
} ZoneStretch;

extern pg_tz *LookupZone(text *zone);

extern DateADT LocalDate(TimestampTz at, pg_tz *zone);
extern TimestampTz DayStart(DateADT day, pg_tz *zone);

/* The SQL functions, to be called directly: of (timestamptz, text) and of (timestamp, text). */
extern Datum local_time(PG_FUNCTION_ARGS);
extern Datum instant(PG_FUNCTION_ARGS);

extern ZoneStretch StretchFrom(pg_time_t start, pg_tz *zone);
extern pg_time_t ReachedAt(int64 local, pg_tz *zone);
extern int64 FurthestLocal(pg_time_t at, pg_tz *zone);
extern bool SecondsToInstant(pg_time_t seconds, TimestampTz *at);

/* The number of whole units in n, rounded down on either side of zero. */
static inline int64
FloorDiv(int64 n, int64 unit)
{
	return n / unit - (n % unit < 0 ? 1 : 0);
}

/* What FloorDiv leaves: 0 <= result < unit. */
static inline int64
FloorMod(int64 n, int64 unit)
{
	return n - FloorDiv(n, unit) * unit;
}

/* The second an instant falls in. */
static inline pg_time_t
InstantSeconds(TimestampTz at)
{
	return FloorDiv(at, USECS_PER_SEC) +
		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY;
}

/* The local time at which a day begins. */
static inline int64
LocalMidnight(DateADT day)
{
	return (day + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)) * SECS_PER_DAY;
}

/* The day a local time is on. */
static inline DateADT
LocalDay(int64 local)
{
	return FloorDiv(local, SECS_PER_DAY) - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE);
}

/* The SQL function: the instant at which the clocks of a zone show a local time. */
extern Datum instant(PG_FUNCTION_ARGS);

#endif							/* LEADFLOW_ZONE_H */
