/*
 * followed.h
 *		Relations whose writes are followed by triggers.
 */
#ifndef LEADFLOW_FOLLOWED_H
#define LEADFLOW_FOLLOWED_H

#include "compat.h"
#include "utils/rel.h"

/*
 * Why the writes to a relation cannot be followed at all, as one would tell its
 * owner; NULL when they can be.
 */
extern const char *WhyNotFollowed(Relation relation);

/*
 * The relation, its rows' storage, its columns and its triggers, as text: what
 * was computed under one fingerprint may differ from the rows under another.
 * NULL while it lacks the triggers, or has them not always enabled.
 */
extern char *Fingerprint(Relation relation);

/* Make what triggers the relation lacks. Needs a connection to SPI. */
extern void Follow(Oid relation);

/* May the current user read all rows of the relation, by rights and by policy? */
extern bool SeesAllRows(Relation relation);

/* Is the current user an owner of the tables that hold what is kept? */
extern bool OwnsRollups(void);

/* The owner of those tables; InvalidOid where there are none. */
extern Oid	RollupOwner(void);

#endif							/* LEADFLOW_FOLLOWED_H */
