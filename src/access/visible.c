/*
 * visible.c
 *		What a salesperson may see: the reps that the current user is, the lists
 *		that are visible to them and the leads.
 *
 * The policies of sales ask for these as sub-selects, which run once in a
 * statement and only when a row needs them; so a rep who reads what is assigned
 * to him does not pay for what his team shares. They are found as the owner of
 * the tables, or the policies would ask each other.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(my_reps);
PG_FUNCTION_INFO_V1(visible_lists);
PG_FUNCTION_INFO_V1(visible_leads);

#define REPS_SQL	"(SELECT r.rep_id FROM leadflow.rep AS r WHERE r.db_role = $1 AND r.active)"

#define SHARED_SQL \
	"EXISTS (SELECT FROM leadflow.rep AS r WHERE r.db_role = $1 AND r.active" \
	" AND (l.visibility IS NULL OR r.team = ANY (l.visibility)))"

/* Stays that are or were a rep's: an index for each. */
#define OPEN	"m.rep_id = ANY (ARRAY" REPS_SQL ") AND m.left_at IS NULL"
#define PAST	"m.rep_id = ANY (ARRAY" REPS_SQL ") AND m.left_at IS NOT NULL"

/* What can be asked for; the leads go by a name. */
typedef struct Question
{
	const char *name;
	const char *sql;
	SPIPlanPtr	plan;
} Question;

typedef enum Asked
{
	REPS,
	LISTS,
	FIRST_LEADS
} Asked;

static Question questions[] = {
	[REPS] = {NULL, "SELECT ARRAY" REPS_SQL},
	[LISTS] = {NULL, "SELECT ARRAY(SELECT l.list_id FROM leadflow.list AS l WHERE " SHARED_SQL
		" UNION SELECT m.list_id FROM leadflow.member AS m WHERE " OPEN
		" UNION SELECT m.list_id FROM leadflow.member AS m WHERE " PAST ")"},
	{"assigned", "SELECT leadflow.leadset_agg(s.lead_id) FROM"
		" (SELECT d.lead_id FROM leadflow.lead AS d WHERE d.rep_id = ANY (ARRAY" REPS_SQL ") UNION ALL"
		"  SELECT m.lead_id FROM leadflow.member AS m WHERE " OPEN ") AS s"},
	{"shared", "SELECT leadflow.leadset_agg(m.lead_id) FROM leadflow.member AS m"
		" WHERE m.left_at IS NULL AND m.list_id = ANY (ARRAY(SELECT l.list_id FROM leadflow.list AS l"
		"  WHERE l.status = 'open' AND " SHARED_SQL "))"},
	{"worked", "SELECT leadflow.leadset_agg(m.lead_id) FROM leadflow.member AS m"
		" WHERE " PAST},
};

/* ---- answers, kept while they hold ------------------------------------------------------ */

/*
 * Several tables of one statement ask the same. An answer is good for the same
 * user under the same snapshot, in the same subtransaction: what another one did
 * may have been undone.
 */
static struct
{
	MemoryContext context;		/* of the answers, gone with the transaction; or NULL */
	Oid			user;
	SubTransactionId subxact;
	Snapshot	snapshot;		/* a copy of what decides what is visible */
	bool		known[lengthof(questions)];
	Datum		answers[lengthof(questions)];
} kept;

static void
forget(void *arg)
{
	kept.context = NULL;
}

static bool
same_xids(const TransactionId *a, const TransactionId *b, int64 n)
{
	return n <= 0 || memcmp(a, b, n * sizeof(TransactionId)) == 0;
}

static bool
same_snapshot(Snapshot a, Snapshot b)
{
	return a->xmin == b->xmin && a->xmax == b->xmax && a->curcid == b->curcid &&
		a->xcnt == b->xcnt && a->subxcnt == b->subxcnt && a->suboverflowed == b->suboverflowed &&
		a->takenDuringRecovery == b->takenDuringRecovery &&
		same_xids(a->xip, b->xip, a->xcnt) && same_xids(a->subxip, b->subxip, a->subxcnt);
}

static TransactionId *
copy_xids(const TransactionId *xids, int64 n)
{
	return n <= 0 ? NULL : memcpy(palloc(n * sizeof(TransactionId)), xids, n * sizeof(TransactionId));
}

/* Forget answers that hold no longer. */
static void
keep_for(Snapshot snapshot)
{
	MemoryContextCallback *callback;
	MemoryContext old;

	if (kept.context != NULL && kept.user == GetUserId() &&
		kept.subxact == GetCurrentSubTransactionId() && same_snapshot(kept.snapshot, snapshot))
		return;
	if (kept.context != NULL)
		MemoryContextDelete(kept.context);
	kept.context = AllocSetContextCreate(TopTransactionContext, "leadflow visible",
										 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(kept.context);
	callback = palloc0(sizeof(MemoryContextCallback));
	callback->func = forget;
	MemoryContextRegisterResetCallback(kept.context, callback);
	kept.user = GetUserId();
	kept.subxact = GetCurrentSubTransactionId();
	kept.snapshot = memcpy(palloc(sizeof(SnapshotData)), snapshot, sizeof(SnapshotData));
	kept.snapshot->xip = copy_xids(snapshot->xip, snapshot->xcnt);
	kept.snapshot->subxip = copy_xids(snapshot->subxip, snapshot->subxcnt);
	memset(kept.known, 0, sizeof(kept.known));
	MemoryContextSwitchTo(old);
}

static Datum
ask(int question)
{
	Question   *asked = &questions[question];
	Oid			type = TEXTOID;
	Datum		user;
	OwnerFrame	frame;
	bool		isnull;
	MemoryContext old;

	keep_for(GetActiveSnapshot());
	if (kept.known[question])
		return kept.answers[question];

	user = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	frame = EnterAsOwner();
	if (asked->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(asked->sql, 1, &type, CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		asked->plan = plan;
	}
	if (SPI_execute_plan(asked->plan, &user, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan failed: %s", asked->sql);
	old = MemoryContextSwitchTo(kept.context);
	kept.answers[question] = datumCopy(SpiDatum(1, 1, &isnull), false, -1);
	kept.known[question] = true;
	MemoryContextSwitchTo(old);
	LeaveAsOwner(frame);
	return kept.answers[question];
}

/* ---- the functions ------------------------------------------------------------------------ */

/* The caller's copy: what is kept may go before the caller is done. */
static Datum
answer(int question)
{
	return datumCopy(ask(question), false, -1);
}

Datum
my_reps(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(answer(REPS));
}

Datum
visible_lists(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(answer(LISTS));
}

Datum
visible_leads(PG_FUNCTION_ARGS)
{
	char	   *by = text_to_cstring(PG_GETARG_TEXT_PP(0));

	for (int i = FIRST_LEADS; i < (int) lengthof(questions); i++)
		if (strcmp(questions[i].name, by) == 0)
			PG_RETURN_DATUM(answer(i));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("leads are not visible by \"%s\"", by),
			 errhint("They are by being assigned, shared or worked.")));
}
