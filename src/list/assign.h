/*
 * assign.h
 *		What the verbs share that give members to reps.
 */
#ifndef LEADFLOW_ASSIGN_H
#define LEADFLOW_ASSIGN_H

#include "compat.h"
#include "fmgr.h"
#include "spi.h"

/* The members who can be given to a rep: of m, open and not done. */
#define WORKABLE	"m.left_at IS NULL AND m.state <> 'done'"

/* Whom to call at all, whatever list it is on. */
#define REACHABLE	"EXISTS (SELECT FROM leadflow.lead AS d WHERE d.lead_id = m.lead_id" \
					" AND NOT d.do_not_contact AND d.deleted_at IS NULL AND d.merged_into IS NULL)"

/* Of those, who is nobody's: a rep who is not active works no leads. */
#define NOBODYS		"(m.rep_id IS NULL OR m.rep_id IN" \
					" (SELECT r.rep_id FROM leadflow.rep AS r WHERE NOT r.active))"

/* The rep an argument names, by name or by id; an error where none is, or is not active. */
extern int64 RepArgument(FunctionCallInfo fcinfo, int argument);

/* Raise what an unknown, or an inactive, rep is to be told by. */
pg_noreturn extern void UnknownRep(const char *name);
extern void RequireActive(bool active, const char *name, int64 rep_id);

/* Run an UPDATE of members by a verb that logs the change of their reps itself. */
extern uint64 UpdateMembers(const char *sql, SpiArgs *args);

#endif							/* LEADFLOW_ASSIGN_H */
