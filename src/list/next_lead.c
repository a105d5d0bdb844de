/*
 * next_lead.c
 *		leadflow.next_lead(): the lead a caller is to call next.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "list/assign.h"
#include "list/list.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(next_lead);

/*
 * Lock the first member that is free for a rep, and not at this moment somebody
 * else's; in the order of index member_next, so that few are read. The row of
 * the list stays unlocked: callers must not wait for each other, nor for a
 * refresh or a distribution, which lock the members they change themselves.
 */
static bool
take(SpiArgs *args, int64 *from_rep_id)
{
	if (SpiRun("SELECT m.lead_id, m.member_id, m.rep_id FROM leadflow.member AS m"
			   " WHERE m.list_id = $1 AND " WORKABLE " AND (m.rep_id = $2 OR " NOBODYS ")"
			   " AND (m.next_contact_on IS NULL OR m.next_contact_on <= $3)"
			   " AND NOT EXISTS (SELECT FROM leadflow.activity AS a"
			   "  WHERE a.lead_id = m.lead_id AND a.acted_on = $3)"
			   " AND " REACHABLE
			   " ORDER BY m.next_contact_on, m.due_on, m.entered_at, m.lead_id"
			   " LIMIT 1 FOR NO KEY UPDATE OF m SKIP LOCKED", args) == 0)
		return false;
	AddBigintArg(args, SpiBigint(1, 1));
	AddBigintArg(args, SpiBigint(1, 2));
	*from_rep_id = SpiBigint(1, 3);
	return true;
}

/* May the caller give members to reps, whoever they are? */
static bool
may_assign(void)
{
	Oid			member = get_relname_relid("member", get_namespace_oid("leadflow", false));

	return pg_class_aclcheck(member, GetUserId(), ACL_UPDATE) == ACLCHECK_OK ||
		pg_attribute_aclcheck(member, get_attnum(member, "rep_id"), GetUserId(), ACL_UPDATE) == ACLCHECK_OK;
}

/* Who works a list takes leads for himself. */
static void
require_own(int64 rep_id)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, rep_id);
	if (SpiRead("SELECT FROM leadflow.rep WHERE rep_id = $1 AND db_role = current_user", &args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("leads can be taken for oneself only"),
				 errdetail("Role \"%s\" is not the db_role of rep " INT64_FORMAT ".",
						   GetUserNameFromId(GetUserId(), false), rep_id)));
}

/*
 * Give a member to its new rep. The row is locked, so it still has the rep it was
 * found with. For who may not assign, but take, it is done as the owner.
 */
static void
claim(const SpiArgs *found)
{
	SpiArgs		args = *found;
	bool		may = may_assign();
	OwnerFrame	frame;

	args.types[2] = TIMESTAMPTZOID;
	args.values[2] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	AddTextArg(&args, GetUserNameFromId(GetUserId(), false));
	if (!may)
		frame = EnterAsOwner();
	SpiRun("INSERT INTO leadflow.assignment AS a (lead_id, member_id, list_id, from_rep_id,"
		   " to_rep_id, assigned_at, assigned_by, strategy, reason)"
		   " SELECT m.lead_id, m.member_id, $1, m.rep_id, $2, $3, $6, 'next_lead',"
		   " 'next_lead: taken from the queue'"
		   " FROM leadflow.member AS m WHERE m.lead_id = $4 AND m.member_id = $5", &args);
	UpdateMembers("UPDATE leadflow.member AS m SET rep_id = $2, assigned_at = $3"
				  " WHERE m.lead_id = $4 AND m.member_id = $5", &args);
	if (!may)
		LeaveAsOwner(frame);
}

Datum
next_lead(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiFrame	frame;
	SpiArgs		args = {0};
	SpiArgs		today = {0};
	LeadList   *list;
	int64		rep_id;
	int64		from_rep_id;
	bool		isnull;

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(false);
	list = FindList(fcinfo, 0);
	RequireOpen(list);
	rep_id = RepArgument(fcinfo, 1);
	if (!may_assign())
		require_own(rep_id);
	AddTimeArg(&today, GetCurrentTransactionStartTimestamp());
	AddTextArg(&today, list->zone);
	SpiRead("SELECT leadflow.local_date($1, $2)", &today);

	AddBigintArg(&args, list->list_id);
	AddBigintArg(&args, rep_id);
	AddArg(&args, DATEOID, SpiDatum(1, 1, &isnull));
	if (!take(&args, &from_rep_id))
	{
		LeaveSpi(frame);
		return (Datum) 0;
	}

	if (from_rep_id != rep_id)
		claim(&args);

	SpiRun("SELECT m.lead_id, m.member_id, l.name, d.company, d.department, d.job_title,"
		   " concat_ws(' ', d.last_name, d.first_name), d.phone, d.email, l.talk_script, m.due_on,"
		   " m.next_contact_on, m.memo, a.acted_on, leadflow.activity_label(a.form_version, 'kind', a.kind),"
		   " leadflow.activity_label(a.form_version, 'result', a.result), a.content"
		   " FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id)"
		   " JOIN leadflow.lead AS d USING (lead_id)"
		   " LEFT JOIN LATERAL (SELECT a.acted_on, a.form_version, a.kind, a.result, a.content"
		   "  FROM leadflow.activity AS a WHERE a.lead_id = m.lead_id"
		   "  ORDER BY a.acted_on DESC NULLS LAST, a.activity_id DESC LIMIT 1) AS a ON true"
		   " WHERE m.lead_id = $4 AND m.member_id = $5", &args);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	LeaveSpi(frame);
	return (Datum) 0;
}
