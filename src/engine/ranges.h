/*
 * ranges.h
 *		What a test asks of a value, as ranges of 64-bit numbers.
 *
 * Integers, booleans, dates and times are such numbers. At a given instant and
 * in a given zone a test of one is a set of ranges, whatever it was written as:
 * that is what makes many tests of one field one search among their bounds.
 */
#ifndef LEADFLOW_RANGES_H
#define LEADFLOW_RANGES_H

#include "engine/bind.h"
#include "pgtime.h"
#include "utils/date.h"
#include "utils/timestamp.h"

typedef struct Range
{
	int64		first;
	int64		last;
} Range;

/* Ascending ranges that do not meet, and whether null is in the set. */
typedef struct Ranges
{
	bool		null;
	int			n;
	int			max;
	Range	   *range;
} Ranges;

/* When and where an evaluation is. */
typedef struct Clock
{
	TimestampTz as_of;
	const char *zone_name;
	pg_tz	   *zone;
	DateADT		today;
} Clock;

extern Clock MakeClock(TimestampTz as_of, const char *zone);

extern Ranges *RangesOf(int64 first, int64 last);	/* empty when last < first */
extern Ranges *RangesComplement(const Ranges *ranges);
extern Ranges *RangesIntersect(const Ranges *a, const Ranges *b);
extern Ranges *RangesUnion(const Ranges *a, const Ranges *b);
extern bool RangesContain(const Ranges *ranges, int64 value);

/* Is a value of this type such a number? */
extern bool HasRanges(Oid base_type);

/*
 * The values of a type for which a test holds, two-valued as a row is (3); NULL
 * where it must be left to SQL.
 */
extern Ranges *TestRanges(const BoundTest *test, Oid base_type, const Clock *clock);

/* The event times of records that exist (5). */
extern Ranges *ExistingTimes(Oid base_type, bool null, const Clock *clock);

#endif							/* LEADFLOW_RANGES_H */
