/*
 * rollup.h
 *		The leads of conditions by day, kept so that a refresh reads only what
 *		changed: a provider of atoms.
 *
 * Why it is never wrong. What is kept lies in ordinary tables, read under the
 * same snapshot as the rest of an evaluation. Say a builder B computed a day
 * under its snapshot S_B, and a reader R sees what B wrote. The records of the
 * day that R sees differ from those that S_B saw only by transactions W that
 * are visible to R and were not to S_B; the other way round is impossible, as
 * what S_B saw had committed before B did. Every such W has left a mark, in the
 * table rollup_dirty, by triggers, in its own transaction: R sees the mark
 * where it sees the records. B deletes only the marks that S_B saw, having
 * taken them into account; builders take turns (a lock, and the snapshot after
 * it). So to R the leads of visible marks are in doubt, and it probes for them
 * alone; of all others the day is as it was computed. Rollback, savepoints,
 * prepared transactions and crashes need no thought of their own.
 *
 * A statement leaves its mark when it has ended. A trigger that it fires before, and
 * that might see its records without the mark, reads the records. A volatile function
 * that it calls for a value cannot be told from any other: to that it has not begun.
 *
 * A statement trigger fires on the relation that a statement names; so each that
 * is below another has triggers, and a mark is of every source at or above it.
 * What can put records there unseen (ATTACH, DETACH, DROP, a rewrite, triggers
 * disabled for a while) changes the fingerprint of the relation, and what is kept
 * counts under the fingerprint it was built under alone.
 *
 * Marking every write would make the present dear. So a source has an instant,
 * marked_before, and writes of later records are not marked; what is from there on
 * is not kept but looked up. Before a later instant can be used every writer
 * must know of it, and those who did not must have ended:
 *
 * 1. plan_rollups() stores it and sends a relcache invalidation of the source
 *	  with its commit. A trigger takes in invalidations before it looks at the
 *	  instant it remembers. So a trigger that went by the old one ran before the
 *	  invalidation was sent; and its transaction had its id by then, since the
 *	  record was written before.
 * 2. settle_rollups(), in a transaction that began its work when the lock of
 *	  plan_rollups() was released, which is after the invalidations are sent,
 *	  stores the next transaction id to be given out: all those writers are older.
 * 3. When the oldest transaction in progress of a later snapshot is not older
 *	  than that, they have all ended. What is before the instant is computed under
 *	  snapshots taken after this, which therefore see what they have committed.
 *
 * Nothing in this asks that a day begins at the instant. The day that it is in is
 * kept as a part, of the records before part_before, an earlier or the latest
 * instant of step 3; each later one adds the records between the two. To a mark the
 * part is a day like others, which ends at part_before: what a mark says of later
 * records is seen when these are added. A day that is over is read anew, as a whole.
 */
#ifndef LEADFLOW_ROLLUP_H
#define LEADFLOW_ROLLUP_H

#include "nodes/pg_list.h"

/* Register the provider and its settings; from _PG_init. */
extern void RollupInit(void);

/*
 * A room whose segments are in use, as a query of (segment, zone), null for the
 * installation's; from _PG_init. Saved segments are.
 */
extern void RegisterSegmentsInUse(const char *sql);

#endif							/* LEADFLOW_ROLLUP_H */
