/*
 * followed.h
 *		Relations whose writes are followed by triggers.
 */
#ifndef LEADFLOW_FOLLOWED_H
#define LEADFLOW_FOLLOWED_H

#include "compat.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

/*
 * Why the writes to a relation cannot be followed at all, as one would tell its
 * owner; NULL when they can be. Where they are not to be followed, because its
 * records are only ever added, why nothing of it can be kept.
 */
extern const char *WhyNotKept(Relation relation, bool followed);

/*
 * The relation and those below it, their rows' storage, its columns and their
 * triggers, as text: what was computed under one fingerprint may differ from the
 * rows under another. NULL while one lacks the triggers, or has them not always
 * enabled. Of one that is not followed, what it is alone.
 */
extern char *Fingerprint(Relation relation, bool followed);

/* Are there only more relations below, by now? If so, which. */
extern bool OnlyAdded(const char *before, const char *now, List **added);

/*
 * Make what triggers the relation and those below it lack; NULL when that is done,
 * or why not. Needs a connection to SPI.
 */
extern const char *Follow(Oid relation);

/* Let nothing be put below the relation, or taken away; false when that is going on. */
extern bool HoldTree(Relation relation);

/* The relation and those it is below of; the relation and those below it. */
extern List *RelationsAbove(Oid relation);
extern List *FollowedMembers(Oid relation);

/* May the current user read all rows of the relation, by rights and by policy? */
extern bool SeesAllRows(Relation relation);

/* Is the current user an owner of the tables that hold what is kept? */
extern bool OwnsRollups(void);

/* The owner of those tables; InvalidOid where there are none. */
extern Oid	RollupOwner(void);

#endif							/* LEADFLOW_FOLLOWED_H */
