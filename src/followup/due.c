/*
 * due.c
 *		Which lists are due, in which order, and who matches them: found for many
 *		lists at once, so that a tick reads each source once.
 *
 * Each list is refreshed in a transaction of its own. The first to come has the
 * segments of all that can go with it evaluated: those that refer to no list that
 * is still to be refreshed, so that a list of lists sees what the tick did to
 * these. What is found is kept until the turn of each comes.
 *
 * A list's leads so come from one evaluation, under one snapshot that was taken
 * after the tick began, as of the tick's clock. It is as if all these lists had
 * been asked for at that moment; what others commit later on comes with the next
 * refresh, as it would have had the list been the first. What must be known at
 * the moment of the change is read then: who is a member, held, deleted or not to
 * be contacted (refresh.c). A list that has changed since the tick began, or whose
 * segment or zone has, is evaluated anew.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/engine.h"
#include "followup/followup.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(due_lists);

typedef struct DueList
{
	int64		list_id;
	char	   *name;
	TimestampTz due_at;			/* for due_lists() */
	char	   *segment;
	char	   *zone;
	List	   *refers_to;		/* of char *: names of lists */
	bool		entered;		/* the walk has reached it */
	bool		asked;			/* was it evaluated, whatever came of it? */
	Datum		leads;			/* a leadset, or 0 */
} DueList;

/*
 * What due_lists() last gave, for run_list() in the same statement; that is what a
 * CALL is, however often it commits.
 */
static struct
{
	MemoryContext context;		/* of the lists; NULL when there are none */
	TimestampTz at;
	TimestampTz statement;
	List	   *lists;			/* of DueList, in order */
} due;

static void
forget_due(void)
{
	if (due.context != NULL)
		MemoryContextDelete(due.context);
	due.context = NULL;
	due.lists = NIL;
}

/* ---- what is due, in the order of reference ------------------------------------ */

static bool
refers_to(const DueList *list, const DueList *other)
{
	ListCell   *lc;

	foreach(lc, list->refers_to)
		if (strcmp(lfirst(lc), other->name) == 0)
			return true;
	return false;
}

/*
 * Place a list after the due ones its segment refers to. Lists that refer to
 * each other have no order; the walk then takes them as it finds them.
 */
static List *
place(List *placed, List *lists, DueList *list)
{
	ListCell   *name;
	ListCell   *other;

	check_stack_depth();

	if (list->entered)
		return placed;
	list->entered = true;
	foreach(name, list->refers_to)
		foreach(other, lists)
			if (strcmp(((DueList *) lfirst(other))->name, lfirst(name)) == 0)
				placed = place(placed, lists, lfirst(other));
	return lappend(placed, list);
}

/*
 * A list is due when its cadence has come round since it was made or last done.
 * One whose run failed waits, longer after each attempt; to a continuous one that
 * stays the run which is due, where others go on to the next.
 */
static List *
find_due(TimestampTz at)
{
	SpiArgs		args = {0};
	List	   *lists = NIL;
	List	   *placed = NIL;
	ListCell   *lc;
	uint64		rows;
	bool		isnull;

	AddTimeArg(&args, at);
	AddTextArg(&args, ResolveZone(NULL));
	rows = SpiRead("SELECT l.list_id, l.name, d.due_at, l.segment, coalesce(l.zone, $2)"
				   " FROM leadflow.list AS l,"
				   " LATERAL (SELECT coalesce(CASE WHEN l.cadence::text LIKE 'continuous%' THEN"
				   "  (SELECT min(f.due_at) FROM leadflow.refresh_run AS f WHERE f.list_id = l.list_id"
				   "   AND f.due_at > l.done_through AND f.error IS NOT NULL) END,"
				   "  leadflow.last_run(l.cadence, $1, coalesce(l.zone, $2)))) AS d (due_at)"
				   " WHERE l.status = 'open' AND l.segment IS NOT NULL"
				   " AND d.due_at > greatest(l.created_at, l.done_through)"
				   " AND NOT EXISTS (SELECT FROM leadflow.refresh_run AS r"
				   "  WHERE r.list_id = l.list_id AND r.due_at = d.due_at AND r.error IS NOT NULL"
				   "  AND $1 < r.as_of + least(interval '5 minutes' * power(2, least(r.attempts, 10) - 1),"
				   "                           interval '1 day'))"
				   " ORDER BY l.priority DESC, l.list_id", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		DueList    *list = palloc0(sizeof(DueList));

		list->list_id = SpiBigint(row, 1);
		list->name = SpiText(row, 2);
		list->due_at = DatumGetTimestampTz(SpiDatum(row, 3, &isnull));
		list->segment = SpiText(row, 4);
		list->zone = SpiText(row, 5);
		lists = lappend(lists, list);
	}
	foreach(lc, lists)
	{
		DueList    *list = lfirst(lc);

		list->refers_to = ReferredNames(list->segment, "list");
	}
	foreach(lc, lists)
		placed = place(placed, lists, lfirst(lc));
	return placed;
}

/* What was found in SPI's memory is kept for the statement. */
static void
keep_due(TimestampTz at, const List *lists)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "leadflow due lists",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	ListCell   *lc;
	ListCell   *name;

	forget_due();
	due.context = context;
	due.at = at;
	due.statement = GetCurrentStatementStartTimestamp();
	foreach(lc, lists)
	{
		const DueList *list = lfirst(lc);
		DueList    *kept = palloc0(sizeof(DueList));

		kept->list_id = list->list_id;
		kept->name = pstrdup(list->name);
		kept->segment = pstrdup(list->segment);
		kept->zone = pstrdup(list->zone);
		foreach(name, list->refers_to)
			kept->refers_to = lappend(kept->refers_to, pstrdup(lfirst(name)));
		due.lists = lappend(due.lists, kept);
	}
	MemoryContextSwitchTo(caller);
}

Datum
due_lists(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiFrame	frame;
	List	   *lists;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(false);
	lists = find_due(PG_GETARG_TIMESTAMPTZ(0));
	keep_due(PG_GETARG_TIMESTAMPTZ(0), lists);
	foreach(lc, lists)
	{
		DueList    *list = lfirst(lc);
		Datum		values[2] = {Int64GetDatum(list->list_id), TimestampTzGetDatum(list->due_at)};
		bool		nulls[2] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	LeaveSpi(frame);
	return (Datum) 0;
}

/* ---- who matches ---------------------------------------------------------------- */

/* Does a list refer to one of those from this place on? */
static bool
must_wait(const DueList *list, int place)
{
	ListCell   *lc;

	for_each_from(lc, due.lists, place)
		if (refers_to(list, lfirst(lc)))
			return true;
	return false;
}

/* The lists from this place on that can be evaluated now, in the zone of the first. */
static List *
find_batch(int place)
{
	const DueList *first = list_nth(due.lists, place);
	List	   *batch = NIL;
	ListCell   *lc;

	for_each_from(lc, due.lists, place)
	{
		DueList    *list = lfirst(lc);

		if (!list->asked && strcmp(list->zone, first->zone) == 0 && !must_wait(list, place))
			batch = lappend(batch, list);
	}
	return batch;
}

static void
evaluate_batch(void *state)
{
	List	   *batch = state;
	SpiFrame	frame = EnterSpi(true);
	List	   *segments = NIL;
	List	   *leads;
	ListCell   *lc;

	foreach(lc, batch)
		segments = lappend(segments, ((DueList *) lfirst(lc))->segment);
	PushFreshSnapshot();
	leads = EvaluateSegments(segments, due.at, ((DueList *) linitial(batch))->zone);
	PopActiveSnapshot();
	MemoryContextSwitchTo(due.context);
	foreach(lc, batch)
	{
		void	   *found = list_nth(leads, foreach_current_index(lc));

		if (found != NULL)
			((DueList *) lfirst(lc))->leads = datumCopy(PointerGetDatum(found), false, -1);
	}
	LeaveSpi(frame);
}

static void
evaluate_limited(void *batch)
{
	RunLimited(evaluate_batch, batch);
}

/* Evaluate what can be evaluated now. Should that fail, each list will say for itself why. */
static void
evaluate_from(int place)
{
	List	   *batch = find_batch(place);
	ErrorData  *error;
	ListCell   *lc;

	foreach(lc, batch)
		((DueList *) lfirst(lc))->asked = true;
	if (list_length(batch) < 2)
		return;
	error = Attempt(evaluate_limited, batch);
	if (error == NULL)
		return;
	ereport(DEBUG1, (errmsg_internal("lists are refreshed one by one: %s", error->message)));
	foreach(lc, batch)
		((DueList *) lfirst(lc))->leads = (Datum) 0;
}

Datum
DueLeads(const LeadList *list, TimestampTz at)
{
	DueList    *found = NULL;
	ListCell   *lc;

	/* what was read in another transaction would escape the checks of this one */
	if (due.at != at || due.statement != GetCurrentStatementStartTimestamp() ||
		IsolationIsSerializable())
		return (Datum) 0;
	foreach(lc, due.lists)
	{
		found = lfirst(lc);
		if (found->list_id != list->list_id)
			continue;
		if (!found->asked)
			evaluate_from(foreach_current_index(lc));
		return list->segment != NULL && strcmp(list->segment, found->segment) == 0 &&
			strcmp(list->zone, found->zone) == 0 ? found->leads : (Datum) 0;
	}
	return (Datum) 0;
}
