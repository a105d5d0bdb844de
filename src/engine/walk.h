/*
 * walk.h
 *		Where the records of a few leads are, by one walk along an index.
 */
#ifndef LEADFLOW_WALK_H
#define LEADFLOW_WALK_H

#include "leadset/leadset.h"
#include "source/source.h"

/*
 * The records of leads that are visible under the active snapshot, as a tid[].
 * False where the relation has no index by lead, where that is better descended
 * for each of the leads, or where to walk along it costs more than it may, as
 * the planner counts.
 */
extern bool WalkToRecords(const Source *source, ExpandedLeadset *leads, double most, Datum *records);

#endif							/* LEADFLOW_WALK_H */
