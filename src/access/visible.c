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

#include "catalog/pg_type.h"
#include "engine/version.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

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
 * user, as long as the snapshot sees the same.
 */
static struct
{
	MemoryContext context;		/* of the answers, gone with the transaction; or NULL */
	Oid			user;
	SnapshotStamp seen;
	bool		known[lengthof(questions)];
	Datum		answers[lengthof(questions)];
} kept;

static void
forget(void *arg)
{
	kept.context = NULL;
}

/* Forget answers that hold no longer. */
static void
forget_old(void)
{
	SnapshotStamp stamp = StampSnapshot();
	MemoryContextCallback *callback;

	if (kept.context != NULL && kept.user == GetUserId() && SameStamp(&kept.seen, &stamp))
		return;
	if (kept.context != NULL)
		MemoryContextDelete(kept.context);
	kept.context = AllocSetContextCreate(TopTransactionContext, "leadflow visible",
										 ALLOCSET_DEFAULT_SIZES);
	callback = MemoryContextAllocZero(kept.context, sizeof(MemoryContextCallback));
	callback->func = forget;
	MemoryContextRegisterResetCallback(kept.context, callback);
	kept.user = GetUserId();
	kept.seen = stamp;
	memset(kept.known, 0, sizeof(kept.known));
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

	forget_old();
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
