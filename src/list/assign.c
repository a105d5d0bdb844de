/*
 * assign.c
 *		Giving members to a rep, and the log of who was given what.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "lead/lead.h"
#include "lexer.h"
#include "list/assign.h"
#include "lead/lead.h"
#include "list/list.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(assign);
PG_FUNCTION_INFO_V1(log_assignments);

/* ---- reps ------------------------------------------------------------------------ */

void
UnknownRep(const char *name)
{
	const char *nearest = NearestName(name, SpiNames("SELECT name FROM leadflow.rep WHERE active ORDER BY name"));

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("rep \"%s\" does not exist", name),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) :
			 errhint("SELECT rep_id, name FROM leadflow.rep lists them.")));
}

void
RequireActive(bool active, const char *name, int64 rep_id)
{
	if (!active)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rep \"%s\" is not active", name),
				 errdetail("Leads given to such a rep would be worked by nobody."),
				 errhint("If the rep is back: UPDATE leadflow.rep SET active = true WHERE rep_id = " INT64_FORMAT ";",
						 rep_id)));
}

/* Verbs are declared for a rep's name and for its id. */
int64
RepArgument(FunctionCallInfo fcinfo, int argument)
{
	SpiArgs		args = {0};
	bool		by_id;
	bool		isnull;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the rep must not be null"),
				 errhint("To take leads from their rep: UPDATE leadflow.member SET rep_id = NULL WHERE ...;")));
	by_id = ArgumentType(fcinfo, argument) == INT8OID;
	AddArg(&args, by_id ? INT8OID : TEXTOID, PG_GETARG_DATUM(argument));
	if (SpiRead(psprintf("SELECT rep_id, name, active FROM leadflow.rep WHERE %s = $1",
						 by_id ? "rep_id" : "name"), &args) == 0)
	{
		if (!by_id)
			UnknownRep(TextArgument(fcinfo, argument));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("rep " INT64_FORMAT " does not exist", PG_GETARG_INT64(argument)),
				 errhint("SELECT rep_id, name FROM leadflow.rep lists them.")));
	}
	RequireActive(DatumGetBool(SpiDatum(1, 3, &isnull)), SpiText(1, 2), SpiBigint(1, 1));
	return SpiBigint(1, 1);
}

/* ---- the log of a plain UPDATE ------------------------------------------------------- */

/* Is a verb at work that writes the log itself? */
static bool verb_logs = false;

uint64
UpdateMembers(const char *sql, SpiArgs *args)
{
	uint64		rows = 0;

	verb_logs = true;
	PG_TRY();
	{
		rows = SpiRun(sql, args);
	}
	PG_FINALLY();
	{
		verb_logs = false;
	}
	PG_END_TRY();
	return rows;
}

/*
 * Did an UPDATE change the rep of any row? Most change none, and need no query:
 * the two tables have the versions of a row at the same place.
 */
static bool
reps_changed(TriggerData *trigger)
{
	TupleDesc	descriptor = RelationGetDescr(trigger->tg_relation);
	int			rep_id = SPI_fnumber(descriptor, "rep_id");
	TupleTableSlot *was = MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
	TupleTableSlot *became = MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
	bool		changed = false;

	tuplestore_rescan(trigger->tg_oldtable);
	tuplestore_rescan(trigger->tg_newtable);
	while (!changed && tuplestore_gettupleslot(trigger->tg_oldtable, true, false, was) &&
		   tuplestore_gettupleslot(trigger->tg_newtable, true, false, became))
	{
		bool		was_null;
		bool		became_null;
		Datum		from = slot_getattr(was, rep_id, &was_null);
		Datum		to = slot_getattr(became, rep_id, &became_null);

		changed = was_null != became_null || (!was_null && from != to);
	}
	ExecDropSingleTupleTableSlot(was);
	ExecDropSingleTupleTableSlot(became);
	return changed;
}

/*
 * Trigger after an UPDATE of members: log who was given to another rep, unless a
 * verb does so; as the owner of the tables, so that who may change a member need
 * not be able to write the log. A change of the key is logged as nothing.
 */
Datum
log_assignments(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	OwnerFrame	frame;
	SpiArgs		args = {0};

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		RelationGetRelid(trigger->tg_relation) !=
		get_relname_relid("member", get_namespace_oid("leadflow", false)) ||
		trigger->tg_oldtable == NULL || trigger->tg_newtable == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("leadflow.log_assignments() is not called as its trigger"),
				 errdetail("It is for AFTER UPDATE ON leadflow.member REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT."),
				 errhint("CALL leadflow.install() makes the trigger.")));
	if (verb_logs || !reps_changed(trigger))
		return PointerGetDatum(NULL);

	AddTextArg(&args, GetUserNameFromId(GetUserId(), false));
	frame = EnterAsOwner();
	if (SPI_register_trigger_data(trigger) < 0)
		elog(ERROR, "could not register the tables of the trigger");
	SpiRun("INSERT INTO leadflow.assignment AS a"
		   " (lead_id, member_id, list_id, from_rep_id, to_rep_id, assigned_by, strategy)"
		   " SELECT n.lead_id, n.member_id, n.list_id, o.rep_id, n.rep_id, $1, 'update'"
		   " FROM became AS n JOIN was AS o USING (lead_id, member_id)"
		   " WHERE n.rep_id IS DISTINCT FROM o.rep_id ORDER BY n.lead_id", &args);
	LeaveAsOwner(frame);
	return PointerGetDatum(NULL);
}

/* ---- assign --------------------------------------------------------------------------- */

/*
 * The members that assign() changes: by whom, or by when, they are to be worked. Up
 * to a thousand leads are looked up by their keys; for more, all members are read.
 */
#define TO_BE_CHANGED \
	" m.list_id = $1 AND " WORKABLE " AND ($3 IS NULL OR leadflow.contains($3, m.lead_id))" \
	" AND ($3 IS NULL OR leadflow.cardinality($3) > 1000 OR m.lead_id = ANY (leadflow.to_array($3)))" \
	" AND (m.rep_id IS DISTINCT FROM $2 OR m.due_on <> $4 OR (m.due_on IS NULL AND $4 IS NOT NULL))"

static void
assign_body(FunctionCallInfo fcinfo, void *result)
{
	LeadList   *list = LockList(fcinfo, 0);
	SpiArgs		args = {0};

	RequireOpen(list);
	AddBigintArg(&args, list->list_id);
	AddBigintArg(&args, RepArgument(fcinfo, 1));
	if (PG_ARGISNULL(2) && ArgumentType(fcinfo, 2) == LeadflowType("segment"))
		AddNullArg(&args, LeadflowType("leadset"));
	else
		AddArg(&args, LeadflowType("leadset"), LeadsArgument(fcinfo, 2, ChangeTime(list), list->zone));
	if (PG_ARGISNULL(3))
		AddNullArg(&args, DATEOID);
	else
		AddArg(&args, DATEOID, PG_GETARG_DATUM(3));

	/* what is locked stays as it is, so the statements agree on whom they are about */
	SpiRun("SELECT count(*) FROM (SELECT FROM leadflow.member AS m WHERE" TO_BE_CHANGED
		   " ORDER BY m.lead_id FOR NO KEY UPDATE) AS locked", &args);
	AddTimeArg(&args, GetCurrentTransactionStartTimestamp());
	AddTextArg(&args, TextArgument(fcinfo, 4));
	SpiRun("INSERT INTO leadflow.assignment AS a (lead_id, member_id, list_id, from_rep_id,"
		   " to_rep_id, assigned_at, strategy, reason)"
		   " SELECT m.lead_id, m.member_id, $1, m.rep_id, $2, $5, 'assign', $6"
		   " FROM leadflow.member AS m WHERE" TO_BE_CHANGED
		   " AND m.rep_id IS DISTINCT FROM $2 ORDER BY m.lead_id", &args);
	args.n = 5;
	*(int64 *) result =
		UpdateMembers("UPDATE leadflow.member AS m SET rep_id = $2, due_on = coalesce($4, m.due_on),"
					  " assigned_at = CASE WHEN m.rep_id = $2 THEN m.assigned_at ELSE $5 END"
					  " WHERE" TO_BE_CHANGED, &args);
}

Datum
assign(PG_FUNCTION_ARGS)
{
	int64		assigned;

	RunVerb(assign_body, !PG_ARGISNULL(5) && PG_GETARG_BOOL(5), fcinfo, &assigned);
	PG_RETURN_INT64(assigned);
}
