/*
 * kept.h
 *		What is kept of one atom, as the tables say.
 */
#ifndef LEADFLOW_ROLLUP_KEPT_H
#define LEADFLOW_ROLLUP_KEPT_H

#include "rollup/shape.h"
#include "utils/date.h"

#define NO_DAY	DATEVAL_NOBEGIN	/* for dates that are null */

/* A row of rollup_source and what stands in it. */
typedef struct RollupSource
{
	int64		source_id;
	Oid			relation;
	const char *relation_name;	/* qualified and quoted; builders only */
	const char *lead_column;
	const char *time_column;	/* or NULL */
	const char *zone_name;
	pg_tz	   *zone;			/* NULL where the name is empty */
	bool		followed;		/* or else records are only ever added */
	char	   *fingerprint;	/* or NULL */
	int64		marked_before;
	int64		settled_before;
	DateADT		folded_through;	/* or NO_DAY */
	/* of the relation's columns */
	const char *lead_id;
	Oid			time_type;
	bool		time_not_null;
} RollupSource;

typedef struct RollupAtom
{
	int64		atom_id;
	RollupKind	kind;
	const char *value;
	const char *condition;
	DateADT		sealed_through; /* or NO_DAY */
	bool		complete;
	TimestampTz newest;			/* DT_NOBEGIN for null */
} RollupAtom;

/* Register with the engine; from RollupInit(). */
extern ExpandedLeadset *ProvideRollup(const Atom *atom, const Clock *clock, MemoryContext context);

/*
 * What is covered of one range by whole days that are kept: from first through
 * last, none when first > last.
 */
extern void CoveredDays(const Range *range, Oid type, pg_tz *zone, DateADT sealed_through,
						DateADT folded_through, DateADT *first, DateADT *last);

#endif							/* LEADFLOW_ROLLUP_KEPT_H */
