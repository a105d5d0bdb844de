/*
 * followup.h
 *		The tick and its settings.
 */
#ifndef LEADFLOW_FOLLOWUP_H
#define LEADFLOW_FOLLOWUP_H

#include "list/list.h"

/* Define the settings of this room; from _PG_init. */
extern void FollowupInit(void);

/* Run something that may take no longer than a list may. */
extern void RunLimited(AttemptBody body, void *state);

/*
 * The leads of the segment of a list, locked, that due_lists() has given for this
 * time earlier in the statement; 0 where they have not been found together with
 * those of others.
 */
extern Datum DueLeads(const LeadList *list, TimestampTz at);

#endif							/* LEADFLOW_FOLLOWUP_H */
