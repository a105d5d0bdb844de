/*
 * list.h
 *		Lists: what their verbs share.
 *
 * Lock order: a verb that changes who is on a list first locks the list's row
 * FOR NO KEY UPDATE, one list at a time, and takes its snapshots after that; so
 * changes of a list are made one after the other. Readers and foreign keys are
 * not blocked. After the list come the rows of members, by lead_id. Who changes
 * only what members are doing locks no more than these.
 */
#ifndef LEADFLOW_LIST_H
#define LEADFLOW_LIST_H

#include "compat.h"
#include "fmgr.h"
#include "spi.h"

typedef struct LeadList
{
	int64		list_id;
	char	   *name;
	bool		open;
	char	   *segment;		/* NULL for a list filled by hand */
	bool		mirror;
	bool		exclusive;
	char	   *zone;			/* resolved */
	TimestampTz changed_at;
	TimestampTz done_through;
} LeadList;

/*
 * Find and lock the list an argument names, by name or by id; an error where
 * there is none. With skip_locked, NULL where somebody else has it locked.
 */
extern LeadList *LockList(FunctionCallInfo fcinfo, int argument);
extern LeadList *LockListById(int64 list_id, bool skip_locked);

/* The same without a lock, under the active snapshot. */
extern LeadList *FindList(FunctionCallInfo fcinfo, int argument);

/* Raise 55000 for a list that is closed. */
extern void RequireOpen(const LeadList *list);

/*
 * The time of a change made by hand: now(), so that what a transaction did is
 * seen as of its now(); but after what others did to the list since then.
 */
extern TimestampTz ChangeTime(const LeadList *list);

/*
 * An instant that stands for the present: what was done to the list while we
 * were on the way to it, or waited for it, came first.
 */
extern TimestampTz PresentTime(const LeadList *list, TimestampTz at);

extern void SetChangedAt(const LeadList *list, TimestampTz changed_at);

/*
 * Bring a locked list up to date, its segment as of an instant. Its leads, a
 * leadset, may be known; 0 has them found.
 */
typedef struct RefreshResult
{
	int64		added;
	int64		removed;
	int64		kept;
} RefreshResult;

extern RefreshResult RefreshList(const LeadList *list, int64 run_id, TimestampTz as_of,
								 Datum leads);

/* Register list('...') for segments; from _PG_init. */
extern void ListInit(void);

#endif							/* LEADFLOW_LIST_H */
