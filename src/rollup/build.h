/*
 * build.h
 *		What builders share. They take turns: each first takes a lock, then its
 *		snapshot, and reads the records under that alone.
 */
#ifndef LEADFLOW_ROLLUP_BUILD_H
#define LEADFLOW_ROLLUP_BUILD_H

#include "rollup/kept.h"
#include "utils/rel.h"

/* Adjoining days that are kept as one, usually a single day. */
typedef struct Tile
{
	DateADT		first;
	DateADT		last;
} Tile;

/* Take the turn; refused where the snapshot would be older than it. */
extern void TakeTurn(const char *function);

/* The sources that are followed and built on, and the atoms of one. */
extern List *FollowedSources(void);
extern List *SourceAtoms(const RollupSource *source);

/* Forget what is kept of a source; it is built anew. */
extern void ForgetKept(int64 source_id);

/*
 * The leads of each atom in each tile, as read from the records; of some leads
 * alone if an array of them is given. The result is by atom, then tile.
 */
extern ExpandedLeadset **ReadTiles(const RollupSource *source, const List *atoms, const Tile *tiles,
								   int ntiles, Datum among);

/* A kept row; an empty set where there is none. And put one in its place. */
extern ExpandedLeadset *GetKept(int64 atom_id, DateADT first_day);
extern void PutKept(int64 atom_id, Tile tile, ExpandedLeadset *leads);

/* Leads whatever the time; with the newest of those. */
extern ExpandedLeadset *ReadWhole(const RollupAtom *atom, const RollupSource *source, Datum among);
extern void PutWhole(const RollupAtom *atom, const RollupSource *source, ExpandedLeadset *leads,
					 Datum among);

/* Work off marks of the source; false when there are none. */
extern bool RepairKept(const RollupSource *source, const List *atoms);

#endif							/* LEADFLOW_ROLLUP_BUILD_H */
