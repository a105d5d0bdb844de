/*
 * shape.h
 *		What of an atom can be kept, and how its leads follow from that.
 */
#ifndef LEADFLOW_ROLLUP_SHAPE_H
#define LEADFLOW_ROLLUP_SHAPE_H

#include "engine/atom.h"

typedef enum RollupKind
{
	ROLLUP_DAYS,				/* the leads with a record, by day */
	ROLLUP_SUMS,				/* sums by lead, by day */
	ROLLUP_WHOLE				/* leads, whatever the time */
} RollupKind;

typedef struct RollupShape
{
	RollupKind	kind;
	Oid			relation;
	const char *lead_column;	/* quoted */
	const char *lead_id;		/* the same of r, as bigint */
	const char *time_column;	/* quoted; NULL: WHOLE */
	Oid			time_type;
	bool		time_not_null;
	const char *settles_after;	/* NULL where writes are followed */
	const char *zone;			/* "" where days need none */
	const char *value;			/* SUMS: what is added up of r; "" for 1 */
	const char *condition;		/* of r, "" for none; WHOLE: the query of leads */
	bool		universe;		/* WHOLE: of leads as they are created */

	/* what the atom asks for, at its clock */
	Ranges	   *times;			/* a record, or the sum of those, in these times */
	Ranges	   *without;		/* DAYS: and none in these; or NULL */
	Ranges	   *test;			/* SUMS: of the sum */
	struct RollupShape *except; /* the leads of this one are none; or NULL */
} RollupShape;

/* The shape of an atom; false when it cannot be kept. */
extern bool ShapeAtom(const Atom *atom, const Clock *clock, RollupShape *shape);

extern const char *KindName(RollupKind kind);

/* ---- days of event times as numbers -------------------------------------------- */

/* Before every day that a record can have; DATEVAL_NOBEGIN and _NOEND have their own rows. */
#define FIRST_DAY	((DateADT) (DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE))

extern int64 DayFirst(DateADT day, Oid type, pg_tz *zone);
extern DateADT DayOf(int64 number, Oid type, pg_tz *zone);
extern int64 LowestTime(Oid type);	/* that is finite */
extern bool IsBeginning(int64 number, Oid type);	/* -infinity */

/* The days that marks speak of, in the order of instants. */
extern int64 MarkDay(int64 number, Oid type);
extern Datum TimeDatum(int64 number, Oid type);
extern int64 TimeNumber(Datum value, Oid type);

#endif							/* LEADFLOW_ROLLUP_SHAPE_H */
