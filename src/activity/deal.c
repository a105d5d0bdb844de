/*
 * deal.c
 *		Deals and tasks: what follows from a change of their state, however it is
 *		made, and the verb that moves a deal to another stage.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lexer.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(deal_moves);
PG_FUNCTION_INFO_V1(deal_changed);
PG_FUNCTION_INFO_V1(task_changes);
PG_FUNCTION_INFO_V1(set_deal_stage);

/* Is there such a stage? One that is not was renamed, which moves no deal. */
static bool
stage_exists(const char *stage)
{
	SpiArgs		args = {0};
	OwnerFrame	frame = EnterAsOwner();
	bool		exists;

	AddTextArg(&args, stage);
	exists = SpiRun("SELECT FROM leadflow.deal_stage WHERE name = $1", &args) > 0;
	LeaveAsOwner(frame);
	return exists;
}

/* Before each row that has another stage: it has it from now on. */
Datum
deal_moves(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = RequireTrigger(fcinfo, "deal");
	TupleDesc	descriptor = RelationGetDescr(trigger->tg_relation);
	bool		is_new = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	HeapTuple	row = is_new ? trigger->tg_trigtuple : trigger->tg_newtuple;
	int			column = SPI_fnumber(descriptor, "stage_since");
	Datum		now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	bool		isnull = false;

	if (!is_new && !stage_exists(SPI_getvalue(trigger->tg_trigtuple, descriptor,
											  SPI_fnumber(descriptor, "stage"))))
		PG_RETURN_POINTER(row);
	PG_RETURN_POINTER(heap_modify_tuple_by_cols(row, descriptor, 1, &column, &now, &isnull));
}

/*
 * The deals of the statement with what they were before; the rows before and
 * after come in the same order.
 */
#define OPENED \
	"SELECT r.lead_id, r.deal_id, r.stage, r.closed_at, r.stage_since, NULL::text AS from_stage," \
	" NULL::timestamptz AS was_closed_at FROM new_rows AS r"
#define CHANGED \
	"SELECT n.lead_id, n.deal_id, n.stage, n.closed_at, n.stage_since, o.stage AS from_stage," \
	" o.closed_at AS was_closed_at" \
	" FROM (SELECT r.stage, r.closed_at, row_number() OVER () AS n FROM old_rows AS r) AS o" \
	" JOIN (SELECT r.lead_id, r.deal_id, r.stage, r.closed_at, r.stage_since, row_number() OVER () AS n" \
	"  FROM new_rows AS r) AS n USING (n)"

/* Of such a deal c, the stages; and is it closed and should not be, or the other way round? */
#define STAGES \
	" JOIN leadflow.deal_stage AS s ON s.name = c.stage" \
	" LEFT JOIN leadflow.deal_stage AS o ON o.name = c.from_stage"
#define INCONSISTENT \
	"((s.kind = 'open') <> (c.closed_at IS NULL)" \
	" OR (s.kind <> 'open' AND s.kind <> o.kind AND c.closed_at = c.was_closed_at))"

/*
 * After a statement on deals: those that came to be won or lost are closed, those
 * that are open again are not, and the change is noted.
 */
Datum
deal_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = RequireTrigger(fcinfo, "deal");
	const char *changes = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? OPENED : CHANGED;
	SpiArgs		args = {0};
	OwnerFrame	frame;

	AddTextArg(&args, GetUserNameFromId(GetUserId(), false));
	frame = EnterAsOwner();
	SPI_register_trigger_data(trigger);

	/*
	 * Before it is noted: who is told of the change finds the deal as it is now.
	 * And not for nothing: an update of no rows has its triggers fire as well.
	 * They are counted: for a LIMIT 1, which finds none in most statements, each
	 * row would be compared with each.
	 */
	if (SpiRun(psprintf("SELECT FROM (%s) AS c" STAGES " WHERE " INCONSISTENT " HAVING count(*) > 0", changes),
			   NULL) > 0)
		SpiRun(psprintf("UPDATE leadflow.deal AS d SET"
						" closed_at = CASE WHEN s.kind <> 'open' THEN greatest(now(), d.opened_at) END,"
						" lost_reason = CASE WHEN s.kind = 'lost' THEN d.lost_reason END"
						" FROM (%s) AS c" STAGES
						" WHERE d.lead_id = c.lead_id AND d.deal_id = c.deal_id AND " INCONSISTENT, changes),
			   NULL);

	/* a stage that is there no more was renamed, which changes no deal */
	SpiRun(psprintf("INSERT INTO leadflow.deal_change AS l"
					" (lead_id, deal_id, changed_by, from_stage, to_stage)"
					" SELECT c.lead_id, c.deal_id, $1, c.from_stage, c.stage FROM (%s) AS c"
					" LEFT JOIN leadflow.deal_stage AS o ON o.name = c.from_stage"
					" WHERE (c.from_stage IS NULL AND c.stage_since = now())"
					"  OR (c.from_stage <> c.stage AND o.name IS NOT NULL)"
					" ORDER BY c.deal_id", changes), &args);
	LeaveAsOwner(frame);
	PG_RETURN_POINTER(NULL);
}

/* Before each row: a task that is done or cancelled has a time at which it was. */
Datum
task_changes(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = RequireTrigger(fcinfo, "task");
	HeapTuple	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple :
		trigger->tg_trigtuple;
	TupleDesc	descriptor = RelationGetDescr(trigger->tg_relation);
	int			column = SPI_fnumber(descriptor, "done_at");
	char	   *status = SPI_getvalue(row, descriptor, SPI_fnumber(descriptor, "status"));
	bool		is_open = status != NULL && strcmp(status, "open") == 0;
	Datum		now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	bool		isnull;

	(void) SPI_getbinval(row, descriptor, column, &isnull);
	if (isnull != is_open)
		row = heap_modify_tuple_by_cols(row, descriptor, 1, &column, &now, &is_open);
	PG_RETURN_POINTER(row);
}

/* ---- the verb ----------------------------------------------------------------------- */

typedef struct StageChange
{
	int64		lead_id;
	char	   *from_stage;
	char	   *to_stage;
	TimestampTz closed_at;
	bool		is_open;
	MemoryContext context;
} StageChange;

static char *
required_text(FunctionCallInfo fcinfo, int argument, const char *problem)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s", problem)));
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

static void
require_stage(const char *stage)
{
	SpiArgs		args = {0};
	const char *nearest;

	AddTextArg(&args, stage);
	if (SpiRun("SELECT FROM leadflow.deal_stage WHERE name = $1", &args) > 0)
		return;
	nearest = NearestName(stage, SpiNames("SELECT name FROM leadflow.deal_stage ORDER BY position, name"));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("deal stage \"%s\" does not exist", stage),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) :
			 errhint("SELECT name FROM leadflow.deal_stage ORDER BY position lists them.")));
}

static void
stage_body(FunctionCallInfo fcinfo, void *state)
{
	StageChange *change = state;
	SpiArgs		args = {0};
	SpiArgs		key = {0};
	char	   *reason = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	int64		deal_id;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the deal must not be null")));
	deal_id = PG_GETARG_INT64(0);
	change->to_stage = required_text(fcinfo, 1, "the stage must not be null");
	require_stage(change->to_stage);
	AddBigintArg(&args, deal_id);
	if (SpiRun("SELECT lead_id, stage FROM leadflow.deal WHERE deal_id = $1 FOR NO KEY UPDATE", &args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("deal " INT64_FORMAT " does not exist", deal_id),
				 errhint("SELECT deal_id, name FROM leadflow.deal lists them.")));
	change->lead_id = SpiBigint(1, 1);
	change->from_stage = MemoryContextStrdup(change->context, SpiText(1, 2));

	AddBigintArg(&key, change->lead_id);
	AddBigintArg(&key, deal_id);
	args = key;
	AddTextArg(&args, change->to_stage);
	AddTextArg(&args, reason);
	SpiRun("UPDATE leadflow.deal AS d SET stage = $3,"
		   " lost_reason = CASE WHEN s.kind = 'lost' THEN coalesce($4, d.lost_reason) ELSE d.lost_reason END"
		   " FROM leadflow.deal_stage AS s WHERE d.lead_id = $1 AND d.deal_id = $2 AND s.name = $3", &args);
	SpiRun("SELECT closed_at FROM leadflow.deal WHERE lead_id = $1 AND deal_id = $2", &key);
	change->closed_at = DatumGetTimestampTz(SpiDatum(1, 1, &change->is_open));

	/* the log is the owner's, as the trigger's row in it */
	if (reason != NULL && strcmp(change->from_stage, change->to_stage) != 0)
	{
		OwnerFrame	frame = EnterAsOwner();

		AddTextArg(&key, reason);
		SpiRun("UPDATE leadflow.deal_change AS c SET reason = $3 WHERE c.lead_id = $1 AND c.change_id ="
			   " (SELECT max(l.change_id) FROM leadflow.deal_change AS l"
			   "  WHERE l.lead_id = $1 AND l.deal_id = $2)", &key);
		LeaveAsOwner(frame);
	}
}

Datum
set_deal_stage(PG_FUNCTION_ARGS)
{
	StageChange change = {.context = CurrentMemoryContext};
	TupleDesc	descriptor;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "set_deal_stage must return a row");
	RunRowVerb(stage_body, !PG_ARGISNULL(3) && PG_GETARG_BOOL(3), fcinfo, &change);
	values[0] = Int64GetDatum(change.lead_id);
	values[1] = CStringGetTextDatum(change.from_stage);
	values[2] = PG_GETARG_DATUM(1);
	values[3] = TimestampTzGetDatum(change.closed_at);
	nulls[3] = change.is_open;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
