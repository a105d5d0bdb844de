/*
 * activity.h
 *		Activities: what they mean to the lists, and the record of their changes.
 *
 * Lock order: what an activity means to the lists is done to the rows of the
 * stays alone, locked in the order of their keys, and not under the lock of the
 * list: reps who record calls do not wait for each other. A refresh that runs
 * at the same time sees the stay either before or after.
 */
#ifndef LEADFLOW_ACTIVITY_H
#define LEADFLOW_ACTIVITY_H

#include "compat.h"
#include "fmgr.h"
#include "nodes/pg_list.h"

/* What an activity did to a stay. */
typedef struct ActivityEffect
{
	int64		lead_id;
	int64		list_id;
	bool		closed;			/* else it goes on */
} ActivityEffect;

typedef struct EffectLog
{
	MemoryContext context;		/* of what is noted */
	List	   *effects;		/* of ActivityEffect */
} EffectLog;

/* Note effects in a log from now on, or in none; returns where they were noted before. */
extern EffectLog *CollectEffects(EffectLog *log);

/*
 * Apply what has not been applied yet, of some activities or, NULL, of all;
 * returns how many stays changed.
 */
extern uint64 ApplyActivities(const int64 *activity_ids, int n);

/* Apply what an UPDATE made of activities; in its trigger, its rows registered with SPI. */
extern void ApplyCorrections(void);

#endif							/* LEADFLOW_ACTIVITY_H */
