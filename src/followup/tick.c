/*
 * tick.c
 *		What run_due() does: whether it may, and the run of one list of those that
 *		are due (due.c). run_due() itself is a procedure, since it commits after
 *		each list.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "followup/followup.h"
#include "list/list.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timeout.h"

PG_FUNCTION_INFO_V1(tick_may_run);
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

/* The run of a list that is locked. */
typedef struct ListRun
{
	const LeadList *list;
	TimestampTz due_at;
	TimestampTz as_of;
	Datum		leads;			/* or 0 */
} ListRun;

static void
run_locked_list(void *state)
{
	const ListRun *run = state;
	int64		list_id = run->list->list_id;
	SpiArgs		args = {0};

	(void) RefreshList(run->list, begin_run(list_id, run->due_at, run->as_of), run->as_of,
					   run->leads);
	AddBigintArg(&args, list_id);
	AddTimeArg(&args, run->due_at);
	SpiRun("UPDATE leadflow.list SET done_through = $2 WHERE list_id = $1", &args);
}

/*
 * A statement_timeout would end the whole tick and cannot be caught, so a list has
 * a timeout of its own, which is an error like any other.
 */
void
RunLimited(AttemptBody body, void *state)
{
	bool		timed = list_timeout > 0;

	/* registered when first needed: there are only few ids for the whole server */
	if (timed && list_timeout_id == MAX_TIMEOUTS)
		list_timeout_id = RegisterTimeout(USER_TIMEOUT, list_timeout_handler);
	list_timed_out = false;
	PG_TRY();
	{
		if (timed)
			enable_timeout_after(list_timeout_id, list_timeout);
		body(state);
		if (timed)
		{
			disable_timeout(list_timeout_id, false);
			/* a cancel that came too late for the body must not reach the tick */
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
}

/*
 * Refresh a list for a due time. Somebody else at work on it, or done with it
 * since, leaves nothing to do.
 */
Datum
run_list(PG_FUNCTION_ARGS)
{
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(2);
	ListRun		run = {.due_at = PG_GETARG_TIMESTAMPTZ(1)};
	SpiFrame	frame = EnterSpi(true);
	LeadList   *list = LockListById(PG_GETARG_INT64(0), true);

	if (list == NULL || !list->open || list->done_through >= run.due_at)
	{
		LeaveSpi(frame);
		PG_RETURN_BOOL(false);
	}
	run.list = list;
	/* lists before this one may have taken a while */
	run.as_of = PresentTime(list, at);
	if (run.as_of == at)
		run.leads = DueLeads(list, at);
	RunLimited(run_locked_list, &run);
	LeaveSpi(frame);
	PG_RETURN_BOOL(true);
}
