/*
 * tick.c
 *		What run_due() does: which lists are due, in which order, and the run of
 *		one of them. run_due() itself is a procedure, since it commits after
 *		each list; what it loops over is here.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "engine/engine.h"
#include "followup/followup.h"
#include "funcapi.h"
#include "list/list.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timeout.h"

PG_FUNCTION_INFO_V1(tick_may_run);
PG_FUNCTION_INFO_V1(due_lists);
PG_FUNCTION_INFO_V1(run_list);

/* leadflow.list_timeout, in milliseconds; 0 is none */
static int	list_timeout = 0;

static TimeoutId list_timeout_id = MAX_TIMEOUTS;
static volatile sig_atomic_t list_timed_out = false;

/* In a signal handler: make the next CHECK_FOR_INTERRUPTS() cancel the run. */
static void
list_timeout_handler(void)
{
	list_timed_out = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

void
FollowupInit(void)
{
	DefineCustomIntVariable("leadflow.list_timeout",
							"Sets how long the tick may take to refresh one list.",
							"A list that takes longer fails and is tried again later; 0 is no limit.",
							&list_timeout, 0, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

/*
 * May the tick run here, for an instant? Quietly not on a standby; with an error where it could
 * not commit, or for a caller who does not own the tables, whose view of them
 * might be partial.
 */
Datum
tick_may_run(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(0)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the time to run what is due at must be finite and not null"),
				 errhint("Leave it out to run what is due now.")));
	if (RecoveryInProgress())
		PG_RETURN_BOOL(false);
	if (!SPI_inside_nonatomic_context())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("leadflow.run_due() cannot run inside a transaction"),
				 errdetail("It commits after each list."),
				 errhint("Send CALL leadflow.run_due() by itself: not in a transaction block, a function, or a query of several statements.")));
	RequireTableOwner();
	PG_RETURN_BOOL(true);
}

/* ---- what is due, in the order of reference ------------------------------------ */

typedef struct DueList
{
	int64		list_id;
	char	   *name;
	TimestampTz due_at;
	List	   *refers_to;		/* of char *: names of lists */
	bool		entered;		/* the walk has reached it */
} DueList;

/*
 * Place a list after the due ones its segment refers to. Lists that refer to
 * each other have no order; the walk then takes them as it finds them.
 */
static List *
place(List *placed, List *due, DueList *list)
{
	ListCell   *name;
	ListCell   *other;

	check_stack_depth();

	if (list->entered)
		return placed;
	list->entered = true;
	foreach(name, list->refers_to)
		foreach(other, due)
			if (strcmp(((DueList *) lfirst(other))->name, lfirst(name)) == 0)
				placed = place(placed, due, lfirst(other));
	return lappend(placed, list);
}

/*
 * A list is due when its cadence has come round since it was made or last done.
 * One whose run failed waits, longer after each attempt; to a continuous one that
 * stays the run which is due, where others go on to the next.
 */
Datum
due_lists(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiFrame	frame;
	SpiArgs		args = {0};
	List	   *due = NIL;
	List	   *segments = NIL;
	List	   *placed = NIL;
	ListCell   *lc;
	ListCell   *segment;
	uint64		rows;
	bool		isnull;

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(false);
	AddTimeArg(&args, PG_GETARG_TIMESTAMPTZ(0));
	AddTextArg(&args, ResolveZone(NULL));
	rows = SpiRead("SELECT l.list_id, l.name, d.due_at, l.segment"
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
		due = lappend(due, list);
		segments = lappend(segments, SpiText(row, 4));
	}
	forboth(lc, due, segment, segments)
		((DueList *) lfirst(lc))->refers_to = ReferredNames(lfirst(segment), "list");
	foreach(lc, due)
		placed = place(placed, due, lfirst(lc));

	foreach(lc, placed)
	{
		DueList    *list = lfirst(lc);
		Datum		values[2] = {Int64GetDatum(list->list_id), TimestampTzGetDatum(list->due_at)};
		bool		nulls[2] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	LeaveSpi(frame);
	return (Datum) 0;
}

/* ---- the run of one list ---------------------------------------------------------- */

/*
 * Note in the ledger that a run begins, whether for the first time or again. Of
 * the runs of a continuous list that one after the other change nothing, the
 * ledger has the last.
 */
static int64
begin_run(int64 list_id, TimestampTz due_at, TimestampTz at)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, list_id);
	AddTimeArg(&args, due_at);
	AddTimeArg(&args, at);
	if (SpiRun("UPDATE leadflow.refresh_run AS r SET due_at = $2, as_of = $3, started = clock_timestamp(),"
			   " finished = NULL, attempts = 1"
			   " FROM leadflow.list AS l WHERE l.list_id = $1 AND l.cadence::text LIKE 'continuous%'"
			   " AND r.run_id = (SELECT max(o.run_id) FROM leadflow.refresh_run AS o WHERE o.list_id = $1)"
			   " AND r.due_at < $2 AND r.finished IS NOT NULL AND r.error IS NULL"
			   " AND r.added = 0 AND r.removed = 0 RETURNING r.run_id", &args) > 0)
		return SpiBigint(1, 1);
	SpiRun("INSERT INTO leadflow.refresh_run AS r (list_id, due_at, as_of, started)"
		   " VALUES ($1, $2, $3, clock_timestamp())"
		   " ON CONFLICT (list_id, due_at) DO UPDATE SET as_of = excluded.as_of,"
		   " started = excluded.started, attempts = r.attempts + 1, error = NULL"
		   " RETURNING r.run_id", &args);
	return SpiBigint(1, 1);
}

static void
run_locked_list(const LeadList *list, TimestampTz due_at, TimestampTz at)
{
	SpiArgs		args = {0};

	/* lists before this one may have taken a while */
	at = PresentTime(list, at);
	(void) RefreshList(list, begin_run(list->list_id, due_at, at), at);
	AddBigintArg(&args, list->list_id);
	AddTimeArg(&args, due_at);
	SpiRun("UPDATE leadflow.list SET done_through = $2 WHERE list_id = $1", &args);
}

/*
 * Refresh a list for a due time. Somebody else at work on it, or done with it
 * since, leaves nothing to do. A statement_timeout would end the whole tick and
 * cannot be caught, so a list has a timeout of its own, which is an error like
 * any other.
 */
Datum
run_list(PG_FUNCTION_ARGS)
{
	TimestampTz due_at = PG_GETARG_TIMESTAMPTZ(1);
	SpiFrame	frame = EnterSpi(true);
	LeadList   *list = LockListById(PG_GETARG_INT64(0), true);
	bool		timed = list_timeout > 0;

	if (list == NULL || !list->open || list->done_through >= due_at)
	{
		LeaveSpi(frame);
		PG_RETURN_BOOL(false);
	}

	/* registered when first needed: there are only few ids for the whole server */
	if (timed && list_timeout_id == MAX_TIMEOUTS)
		list_timeout_id = RegisterTimeout(USER_TIMEOUT, list_timeout_handler);
	list_timed_out = false;
	PG_TRY();
	{
		if (timed)
			enable_timeout_after(list_timeout_id, list_timeout);
		run_locked_list(list, due_at, PG_GETARG_TIMESTAMPTZ(2));
		if (timed)
		{
			disable_timeout(list_timeout_id, false);
			/* a cancel that came too late for the refresh must not reach the tick */
			CHECK_FOR_INTERRUPTS();
		}
	}
	PG_CATCH();
	{
		if (timed)
			disable_timeout(list_timeout_id, false);
		if (list_timed_out)
			QueryCancelPending = false;
		if (list_timed_out && geterrcode() == ERRCODE_QUERY_CANCELED)
		{
			FlushErrorState();
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("refresh took longer than leadflow.list_timeout (%d ms)", list_timeout)));
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	LeaveSpi(frame);
	PG_RETURN_BOOL(true);
}
