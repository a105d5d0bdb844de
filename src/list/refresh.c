/*
 * refresh.c
 *		Bring a list up to date with its segment: one transaction, a constant
 *		number of statements, and a line in the ledger.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "engine/engine.h"
#include "funcapi.h"
#include "list/list.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(refresh_list);

/*
 * Who matches, as of an instant. The list is locked, so a snapshot taken now
 * sees every change of it that came before.
 */
static Datum
matching_leads(const LeadList *list, TimestampTz as_of)
{
	Datum		leads;

	PushFreshSnapshot();
	leads = EvaluateSegment(list->segment, as_of, list->zone);
	PopActiveSnapshot();
	return leads;
}

/* Of leads found some time ago, those whose rows are still there: members refer to them. */
static Datum
remaining_leads(Datum leads)
{
	SpiArgs		args = {0};
	bool		isnull;

	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun("SELECT $1 OPERATOR(leadflow.-) leadflow.leadset_agg(u.lead_id)"
		   " FROM leadflow.unnest($1) AS u (lead_id)"
		   " WHERE NOT EXISTS (SELECT FROM leadflow.lead AS l WHERE l.lead_id = u.lead_id)", &args);
	return SpiDatum(1, 1, &isnull);
}

/* End the stays of leads that are gone or must not be contacted, whatever matches. */
static uint64
remove_unreachable(const LeadList *list, TimestampTz as_of)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, list->list_id);
	AddTimeArg(&args, as_of);
	return SpiRun("UPDATE leadflow.member AS m SET left_at = $2, left_by = current_user,"
				  " left_reason = CASE WHEN l.deleted_at IS NOT NULL THEN 'lead deleted'"
				  " WHEN l.merged_into IS NOT NULL THEN 'lead merged' ELSE 'do not contact' END"
				  " FROM leadflow.lead AS l"
				  " WHERE m.list_id = $1 AND m.left_at IS NULL AND l.lead_id = m.lead_id"
				  " AND (l.deleted_at IS NOT NULL OR l.merged_into IS NOT NULL OR l.do_not_contact)",
				  &args);
}

/* Mirror mode: end the stays a refresh began of leads that no longer match. */
static uint64
remove_unmatched(const LeadList *list, TimestampTz as_of, Datum leads)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, list->list_id);
	AddTimeArg(&args, as_of);
	AddArg(&args, LeadflowType("leadset"), leads);
	return SpiRun("UPDATE leadflow.member AS m SET left_at = $2, left_by = current_user,"
				  " left_reason = 'no longer matches'"
				  " WHERE m.list_id = $1 AND m.left_at IS NULL AND m.run_id IS NOT NULL"
				  " AND NOT leadflow.contains($3, m.lead_id)", &args);
}

/* How many members there are; and how many more there may be, less than 0 for any number. */
static int64
count_members(const LeadList *list, int64 *room)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, list->list_id);
	SpiRun("SELECT n.members, CASE WHEN l.max_members IS NULL THEN -1"
		   " ELSE greatest(l.max_members - n.members, 0) END"
		   " FROM leadflow.list AS l, (SELECT count(*) AS members FROM leadflow.member"
		   "  WHERE list_id = $1 AND left_at IS NULL) AS n WHERE l.list_id = $1", &args);
	*room = SpiBigint(1, 2);
	return SpiBigint(1, 1);
}

/*
 * A lead that was worked does not come back just because it still matches: it is
 * held until it no longer does, and may then match anew. With return_after, time
 * decides instead.
 */
static void
hold_worked(const LeadList *list, Datum leads)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, list->list_id);
	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun("DELETE FROM leadflow.hold AS h WHERE h.list_id = $1 AND h.worked"
		   " AND NOT leadflow.contains($2, h.lead_id)", &args);
	SpiRun("WITH ended AS (UPDATE leadflow.member AS m SET settled = true"
		   "  WHERE m.list_id = $1 AND m.state = 'done' AND m.left_at IS NOT NULL AND NOT m.settled"
		   "  RETURNING m.lead_id, m.left_reason)"
		   " INSERT INTO leadflow.hold AS h (lead_id, list_id, worked, reason)"
		   " SELECT DISTINCT ON (e.lead_id) e.lead_id, $1, true, e.left_reason"
		   " FROM ended AS e JOIN leadflow.list AS l ON l.list_id = $1"
		   " WHERE l.return_after = '0' AND leadflow.contains($2, e.lead_id)"
		   " ON CONFLICT (lead_id, list_id) DO NOTHING", &args);
}

/*
 * Begin the stays of leads that match, are not members, are not held and did
 * not leave too recently; the lowest ids where the list has a limit. A lead may
 * have been deleted since it was found to match, or must not be contacted. An
 * exclusive list leaves leads to another one that goes first.
 *
 * The limit is a value, or null: of one that it has to compute the planner
 * believes that it lets only a few through.
 */
static uint64
add_matching(const LeadList *list, int64 run_id, TimestampTz as_of, Datum leads, int64 room)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, list->list_id);
	AddTimeArg(&args, as_of);
	AddArg(&args, LeadflowType("leadset"), leads);
	AddTextArg(&args, list->zone);
	AddBigintArg(&args, run_id);
	if (room < 0)
		AddNullArg(&args, INT8OID);
	else
		AddBigintArg(&args, room);
	return SpiRun(psprintf("INSERT INTO leadflow.member AS m (lead_id, list_id, entered_at, run_id, due_on)"
				  " SELECT u.lead_id, $1, $2, $5,"
				  " (SELECT (leadflow.local_date($2, $4) + due_after)::date"
				  "  FROM leadflow.list WHERE list_id = $1)"
				  " FROM leadflow.unnest($3) AS u (lead_id)"
				  " WHERE NOT EXISTS (SELECT FROM leadflow.lead AS l"
				  "  WHERE l.lead_id = u.lead_id"
				  "  AND (l.do_not_contact OR l.deleted_at IS NOT NULL OR l.merged_into IS NOT NULL))"
				  " AND NOT EXISTS (SELECT FROM leadflow.member AS s"
				  "  WHERE s.lead_id = u.lead_id AND s.list_id = $1 AND (s.left_at IS NULL OR"
				  "  leadflow.instant(leadflow.local_time(s.left_at, $4)"
				  "   + (SELECT return_after FROM leadflow.list WHERE list_id = $1), $4) > $2))"
				  " AND NOT EXISTS (SELECT FROM leadflow.hold AS h"
				  "  WHERE h.lead_id = u.lead_id AND h.list_id = $1"
				  "  AND (h.until IS NULL OR h.until > $2))"
				  "%s"
				  " ORDER BY u.lead_id LIMIT $6",
				  list->exclusive ?
				  " AND NOT EXISTS (SELECT FROM leadflow.member AS s JOIN leadflow.list AS o USING (list_id)"
				  "  WHERE s.lead_id = u.lead_id AND s.left_at IS NULL AND o.list_id <> $1 AND o.exclusive"
				  "  AND o.priority >= (SELECT priority FROM leadflow.list WHERE list_id = $1))" : ""),
				  &args);
}

RefreshResult
RefreshList(const LeadList *list, int64 run_id, TimestampTz as_of, Datum leads)
{
	RefreshResult result = {0};
	SpiArgs		args = {0};
	int64		room;

	RequireOpen(list);
	if (list->segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("list \"%s\" has no segment to be refreshed from", list->name),
				 errhint("It is filled by hand, with leadflow.add_to_list().")));
	if (TIMESTAMP_NOT_FINITE(as_of))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("as_of must be finite"),
				 errdetail("Days are counted from it.")));
	if (as_of < list->changed_at)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("list \"%s\" cannot be refreshed as of %s", list->name,
						timestamptz_to_str(as_of)),
				 errdetail("It was last changed at %s.", timestamptz_to_str(list->changed_at)),
				 errhint("The history of a list only grows: refresh it as of a later time.")));

	/* two exclusive lists must not take a lead at the same time, unseen by each other */
	if (list->exclusive)
		SpiRun("SELECT pg_advisory_xact_lock(hashtext('leadflow.exclusive'))", NULL);
	leads = DatumGetPointer(leads) ? remaining_leads(leads) : matching_leads(list, as_of);
	result.removed = remove_unreachable(list, as_of);
	if (list->mirror)
		result.removed += remove_unmatched(list, as_of, leads);
	hold_worked(list, leads);
	result.kept = count_members(list, &room);
	result.added = add_matching(list, run_id, as_of, leads, room);
	if (result.added > 0 || result.removed > 0)
		SetChangedAt(list, as_of);

	AddBigintArg(&args, run_id);
	AddBigintArg(&args, result.added);
	AddBigintArg(&args, result.removed);
	AddBigintArg(&args, result.kept);
	SpiRun("UPDATE leadflow.refresh_run SET finished = clock_timestamp(), error = NULL,"
		   " added = $2, removed = $3, kept = $4 WHERE run_id = $1", &args);
	return result;
}

/* Refresh by hand: a run that no cadence asked for. */
typedef struct HandRefresh
{
	RefreshResult result;
	int64		run_id;
} HandRefresh;

static void
refresh_body(FunctionCallInfo fcinfo, void *state)
{
	HandRefresh *refresh = state;
	SpiArgs		args = {0};
	LeadList   *list = LockList(fcinfo, 0);
	TimestampTz as_of = PG_GETARG_TIMESTAMPTZ(1);

	if (as_of == GetCurrentTransactionStartTimestamp())
		as_of = PresentTime(list, as_of);
	AddBigintArg(&args, list->list_id);
	AddTimeArg(&args, as_of);
	SpiRun("INSERT INTO leadflow.refresh_run AS r (list_id, as_of, started)"
		   " VALUES ($1, $2, clock_timestamp()) RETURNING r.run_id", &args);
	refresh->run_id = SpiBigint(1, 1);
	refresh->result = RefreshList(list, refresh->run_id, as_of, (Datum) 0);
}

Datum
refresh_list(PG_FUNCTION_ARGS)
{
	HandRefresh refresh;
	Datum		values[4];
	bool		nulls[4] = {false};
	bool		dry_run = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	TupleDesc	descriptor;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("as_of must not be null"),
				 errhint("Leave it out to refresh as of now.")));
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "refresh_list must return a row");

	RunVerb(refresh_body, dry_run, fcinfo, &refresh);

	values[0] = Int64GetDatum(refresh.result.added);
	values[1] = Int64GetDatum(refresh.result.removed);
	values[2] = Int64GetDatum(refresh.result.kept);
	values[3] = Int64GetDatum(refresh.run_id);
	nulls[3] = dry_run;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
