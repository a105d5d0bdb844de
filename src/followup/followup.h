/*
 * followup.h
 *		The tick and its settings.
 */
#ifndef LEADFLOW_FOLLOWUP_H
#define LEADFLOW_FOLLOWUP_H

/* Define the settings of this room; from _PG_init. */
extern void FollowupInit(void);

#endif							/* LEADFLOW_FOLLOWUP_H */
