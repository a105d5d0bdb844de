/*
 * standing.h
 *		What a kept binding of a segment stands on, and whether it still does.
 *
 * Definitions are rows of plain tables, whose changes nothing announces: the
 * sources, the forms, the saved segments and named sets it refers to, the time zone
 * of the installation. Who uses a binding therefore looks at the versions of their
 * rows (see version.h) in the snapshot he works under; where they are other ones, also
 * because the snapshot is an older one, the segment is bound anew. Where
 * row-level security decides which of them the caller sees, nothing is kept.
 *
 * Changes of relations, schemas and roles are announced by cache invalidation,
 * and the binding is forgotten: columns, types, views, policies, privileges, and
 * statistics too, so that a plan made for small tables is not kept for large
 * ones.
 *
 * A binding is kept for the role and the row_security it was made under.
 */
#ifndef LEADFLOW_STANDING_H
#define LEADFLOW_STANDING_H

#include "compat.h"
#include "engine/version.h"
#include "lib/ilist.h"
#include "nodes/pg_list.h"

typedef struct Standing
{
	dlist_node	node;			/* among those that are told of invalidations */
	MemoryContext context;		/* of what is noted */
	Oid			role;
	bool		row_security;
	bool		valid;			/* until an invalidation */
	uint64		sources;		/* TableVersion() of them */
	uint64		settings;
	uint64		forms;
	List	   *names;			/* of the rows of saved segments and named sets */
	SnapshotStamp seen;			/* by which all of these were last current */
	List	   *relations;		/* Oids */
	bool		asks_again;		/* of a named set it is not known what it stands on */
} Standing;

/*
 * Note what the definitions are, before a segment is bound, by the caller under the
 * active snapshot; then that of the segment, and the relations it is about. Needs a
 * connection to SPI.
 */
extern void StartStanding(Standing *standing, MemoryContext context);
extern void StandOnSegment(Standing *standing, const char *text);
extern void StandOnRelations(Standing *standing, const List *relations);

/* Can the binding be kept at all? If it is, it is to be told of invalidations. */
extern bool CanBeKept(const Standing *standing);
extern void KeepStanding(Standing *standing);
extern void EndStanding(Standing *standing);

/* Was it made by the caller, for all we have been told? */
extern bool IsCallers(const Standing *standing);

/*
 * Does it still mean what it meant, to the active snapshot? Its relations
 * are locked as running it will: one that somebody is about to change is waited
 * for here, where the segment can still be bound anew.
 */
extern bool IsStanding(Standing *standing);

#endif							/* LEADFLOW_STANDING_H */
