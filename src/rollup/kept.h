/*
 * kept.h
 *		What is kept of one atom, as the tables say.
 */
#ifndef LEADFLOW_ROLLUP_KEPT_H
#define LEADFLOW_ROLLUP_KEPT_H

#include "rollup/shape.h"
#include "utils/date.h"

#define NO_DAY	DATEVAL_NOBEGIN	/* for dates that are null */
#define NO_PART	PG_INT64_MAX	/* the same for part_before */

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
	int64		part_before;	/* or NO_PART */
	int64		part_from;		/* of records that are read, those from here on */
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

/* Before when an atom's records are kept: through its last day, or a part of the next. */
extern int64 KeptBefore(const RollupSource *source, const RollupAtom *atom);

#endif							/* LEADFLOW_ROLLUP_KEPT_H */
