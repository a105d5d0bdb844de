/*
 * member.c
 *		Putting leads on a list and taking them off by hand.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lead/lead.h"
#include "list/list.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

PG_FUNCTION_INFO_V1(add_to_list);
PG_FUNCTION_INFO_V1(remove_from_list);

/* A hold ends after it begins. */
static Datum
hold_argument(FunctionCallInfo fcinfo, int argument)
{
	Interval	none = {0};

	if (DatumGetBool(DirectFunctionCall2(interval_lt, PG_GETARG_DATUM(argument),
										 IntervalPGetDatum(&none))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hold_for must not be negative"),
				 errhint("Without it the hold lasts until leadflow.add_to_list() lifts it.")));
	return PG_GETARG_DATUM(argument);
}

/* Say how many leads are not added although asked for, and why. */
static void
notice_unreachable(Datum leads)
{
	SpiArgs		args = {0};

	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun("SELECT count(*) FROM leadflow.unnest($1) AS u (lead_id)"
		   " JOIN leadflow.lead AS l USING (lead_id)"
		   " WHERE l.do_not_contact OR l.deleted_at IS NOT NULL OR l.merged_into IS NOT NULL", &args);
	if (SpiBigint(1, 1) > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld lead is not added", "%lld leads are not added",
							   SpiBigint(1, 1), (long long) SpiBigint(1, 1)),
				 errdetail("They must not be contacted, or are deleted or merged.")));
}

/* A list with a limit takes no more by hand than by refresh. */
static void
require_room(const LeadList *list)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, list->list_id);
	if (SpiRun("SELECT l.max_members, count(*) FROM leadflow.list AS l"
			   " JOIN leadflow.member AS m USING (list_id)"
			   " WHERE l.list_id = $1 AND l.max_members IS NOT NULL AND m.left_at IS NULL"
			   " GROUP BY l.max_members HAVING count(*) > l.max_members", &args) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("list \"%s\" has no room for these leads", list->name),
				 errdetail("It would have %s members; its max_members is %s.",
						   SpiText(1, 2), SpiText(1, 1))));
}

static void
add_body(FunctionCallInfo fcinfo, void *result)
{
	LeadList   *list = LockList(fcinfo, 0);
	TimestampTz at = ChangeTime(list);
	SpiArgs		args = {0};
	Datum		leads;
	int64		added;

	RequireOpen(list);
	leads = LeadsArgument(fcinfo, 1, at, list->zone);
	RequireLeads(leads);
	notice_unreachable(leads);

	AddBigintArg(&args, list->list_id);
	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun("DELETE FROM leadflow.hold AS h USING leadflow.unnest($2) AS u (lead_id)"
		   " WHERE h.list_id = $1 AND h.lead_id = u.lead_id", &args);

	AddTimeArg(&args, at);
	AddTextArg(&args, list->zone);
	AddTextArg(&args, TextArgument(fcinfo, 2));
	added = SpiRun("INSERT INTO leadflow.member AS m"
				   " (lead_id, list_id, entered_at, entered_reason, due_on)"
				   " SELECT u.lead_id, $1, $3, $5,"
				   " (SELECT (leadflow.local_date($3, $4) + due_after)::date"
				   "  FROM leadflow.list WHERE list_id = $1)"
				   " FROM leadflow.unnest($2) AS u (lead_id) JOIN leadflow.lead AS l USING (lead_id)"
				   " WHERE NOT l.do_not_contact AND l.deleted_at IS NULL AND l.merged_into IS NULL"
				   " AND NOT EXISTS (SELECT FROM leadflow.member AS s"
				   "  WHERE s.lead_id = u.lead_id AND s.list_id = $1 AND s.left_at IS NULL)", &args);
	if (added > 0)
	{
		SetChangedAt(list, at);
		require_room(list);
	}
	*(int64 *) result = added;
}

Datum
add_to_list(PG_FUNCTION_ARGS)
{
	int64		added;

	RunVerb(add_body, !PG_ARGISNULL(3) && PG_GETARG_BOOL(3), fcinfo, &added);
	PG_RETURN_INT64(added);
}

static void
remove_body(FunctionCallInfo fcinfo, void *result)
{
	LeadList   *list = LockList(fcinfo, 0);
	TimestampTz at = ChangeTime(list);
	SpiArgs		args = {0};
	int64		removed;

	AddBigintArg(&args, list->list_id);
	AddArg(&args, LeadflowType("leadset"), LeadsArgument(fcinfo, 1, at, list->zone));
	AddTimeArg(&args, at);
	AddTextArg(&args, TextArgument(fcinfo, 2));
	if (PG_ARGISNULL(3))
		AddNullArg(&args, INTERVALOID);
	else
		AddArg(&args, INTERVALOID, hold_argument(fcinfo, 3));
	AddTextArg(&args, list->zone);

	/* a removal without an end holds until add_to_list() lifts it */
	removed = SpiRun("WITH gone AS (UPDATE leadflow.member AS m"
					 " SET left_at = $3, left_by = current_user, left_reason = $4"
					 " FROM leadflow.unnest($2) AS u (lead_id)"
					 " WHERE m.list_id = $1 AND m.left_at IS NULL AND m.lead_id = u.lead_id"
					 " RETURNING m.lead_id)"
					 " INSERT INTO leadflow.hold AS h (lead_id, list_id, until, reason)"
					 " SELECT lead_id, $1,"
					 " leadflow.instant(leadflow.local_time($3, $6) + $5, $6), $4 FROM gone"
					 " ON CONFLICT (lead_id, list_id) DO UPDATE"
					 " SET until = excluded.until, reason = excluded.reason, held_by = current_user,"
					 " worked = false",
					 &args);
	if (removed > 0)
		SetChangedAt(list, at);
	*(int64 *) result = removed;
}

Datum
remove_from_list(PG_FUNCTION_ARGS)
{
	int64		removed;

	RunVerb(remove_body, !PG_ARGISNULL(4) && PG_GETARG_BOOL(4), fcinfo, &removed);
	PG_RETURN_INT64(removed);
}
