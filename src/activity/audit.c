/*
 * audit.c
 *		What was recorded is not changed silently: corrections and deletions of
 *		activities leave a row in activity_change, written as the owner of the
 *		tables, so that who corrects need not be able to write there.
 */
#include "postgres.h"

#include "activity/activity.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(activity_corrected);
PG_FUNCTION_INFO_V1(activity_deleted);

/* Enter as the owner, with the name of who does it as the first argument. */
static OwnerFrame
enter_audit(FunctionCallInfo fcinfo, SpiArgs *args)
{
	OwnerFrame	frame;

	RequireTrigger(fcinfo, "activity");
	AddTextArg(args, GetUserNameFromId(GetUserId(), false));
	frame = EnterAsOwner();
	SPI_register_trigger_data((TriggerData *) fcinfo->context);
	return frame;
}

/* What leadflow notes of an activity itself */
#define UNNOTED	"'{applied_at,form_version,updated_at}'::text[]"

/*
 * After a statement that updates. The rows before and after come in the same
 * order, which pairs them even where the key has changed. What leadflow notes
 * of an activity is no correction of it.
 */
Datum
activity_corrected(PG_FUNCTION_ARGS)
{
	SpiArgs		args = {0};
	OwnerFrame	frame = enter_audit(fcinfo, &args);

	if (SpiRun("INSERT INTO leadflow.activity_change AS c"
			   " (lead_id, activity_id, action, changed_by, before, after)"
			   " SELECT o.lead_id, o.activity_id, 'correction', $1, o.document, n.document"
			   " FROM (SELECT r.lead_id, r.activity_id, to_jsonb(r) AS document, row_number() OVER () AS n"
			   "  FROM old_rows AS r) AS o"
			   " JOIN (SELECT to_jsonb(r) AS document, row_number() OVER () AS n"
			   "  FROM new_rows AS r) AS n USING (n)"
			   " WHERE o.document - " UNNOTED
			   "  <> n.document - " UNNOTED, &args) > 0)
		ApplyCorrections();
	LeaveAsOwner(frame);
	PG_RETURN_POINTER(NULL);
}

/* After a statement that deletes, and before one that truncates. */
Datum
activity_deleted(PG_FUNCTION_ARGS)
{
	SpiArgs		args = {0};
	OwnerFrame	frame = enter_audit(fcinfo, &args);
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	SpiRun(psprintf("INSERT INTO leadflow.activity_change AS c"
					" (lead_id, activity_id, action, changed_by, before)"
					" SELECT r.lead_id, r.activity_id, 'deletion', $1, to_jsonb(r) FROM %s AS r",
					TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) ? "leadflow.activity" : "old_rows"),
		   &args);
	LeaveAsOwner(frame);
	PG_RETURN_POINTER(NULL);
}
