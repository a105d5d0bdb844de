/*
 * build.h
 *		What builders share. They take turns: each first takes a lock, then its
 *		snapshot, and reads the records under that alone.
 */
#ifndef LEADFLOW_ROLLUP_BUILD_H
#define LEADFLOW_ROLLUP_BUILD_H

#include "rollup/kept.h"
#include "rollup/sums.h"
#include "utils/rel.h"

/* Adjoining days that are kept as one, usually a single day. */
typedef struct Tile
{
	DateADT		first;
	DateADT		last;
} Tile;

/* Take the turn; refused where the snapshot would be older than it. */
extern void TakeTurn(const char *function);

/* The sources that are followed and could be read, and the atoms of one. */
extern List *FollowedSources(void);
extern List *SourceAtoms(const RollupSource *source);

/* Warn of a source that could not be read, which is no trouble of the others. */
extern void ReportUnread(const RollupSource *source, const ErrorData *error);

/* Forget what is kept of a source; it is built anew. */
extern void ForgetKept(int64 source_id);

/* What a row of rollup holds: leads, or sums. */
typedef struct Content
{
	ExpandedLeadset *leads;
	Sums	   *sums;
} Content;

extern Content MakeContent(const RollupAtom *atom);
extern bool IsEmpty(const Content *content);
extern void FreeContent(Content *content);

/* Add what is kept; and put something in its place. */
extern void AddKept(Content *content, const RollupAtom *atom, DateADT first_day);
extern void PutKept(const RollupAtom *atom, Tile tile, Content *content);

/*
 * What each atom has in each tile, as read from the records; of some leads
 * alone if an array of them is given. The result is by atom, then tile.
 */
extern Content *ReadTiles(const RollupSource *source, const List *atoms, const Tile *tiles,
						  int ntiles, Datum among);

/* Leads whatever the time, of some alone if given; putting them notes the newest of these. */
extern ExpandedLeadset *ReadWhole(const RollupAtom *atom, const RollupSource *source, Datum among);
extern void PutWhole(const RollupAtom *atom, ExpandedLeadset *leads, Datum among);

/* Work off marks of the source; false when there are none. */
extern bool RepairKept(const RollupSource *source, const List *atoms);

#endif							/* LEADFLOW_ROLLUP_BUILD_H */
