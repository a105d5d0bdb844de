/*
 * effects.c
 *		What an activity means to the lists its lead is on.
 *
 * A result that closes ends the stay, any other puts it in progress, and the
 * day of the next contact moves to it. That is done by triggers in the
 * statement that brings the activity, and by the tick for those that came
 * without one; applied_at says of which it is done, so that it is done once.
 */
#include "postgres.h"

#include "access/xact.h"
#include "activity/activity.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(activity_arrives);
PG_FUNCTION_INFO_V1(activity_arrived);
PG_FUNCTION_INFO_V1(apply_activities);

/*
 * The statement, around the query of the activities. Those of before the stay
 * mean nothing to it. Several of one lead count as one whose day is the latest.
 */
#define EFFECTS_SQL \
	"WITH closing AS (SELECT f.version, c.field, to_jsonb(c.key) AS key, c.label" \
	"  FROM leadflow.form_version AS f, leadflow.choices(f.form) AS c" \
	"  WHERE f.entity = 'activity' AND c.closes)," \
	" applied AS (%s)," \
	" stay AS MATERIALIZED (SELECT m.lead_id, m.member_id, m.list_id, m.entered_at" \
	"  FROM leadflow.member AS m" \
	"  WHERE m.left_at IS NULL AND m.lead_id IN (SELECT a.lead_id FROM applied AS a)" \
	"  ORDER BY m.lead_id, m.member_id FOR NO KEY UPDATE)," \
	" meaning AS (SELECT s.lead_id, s.member_id, max(a.acted_on) AS acted_on," \
	"  (array_agg(a.next_contact_on ORDER BY a.acted_on DESC, a.activity_id DESC))[1] AS next_contact_on," \
	"  max(a.recorded_at) FILTER (WHERE c.label IS NOT NULL) AS closed_at," \
	"  (array_agg(a.recorded_by ORDER BY a.acted_on DESC, a.activity_id DESC)" \
	"   FILTER (WHERE c.label IS NOT NULL))[1] AS closed_by," \
	"  (array_agg(c.label ORDER BY a.acted_on DESC, a.activity_id DESC)" \
	"   FILTER (WHERE c.label IS NOT NULL))[1] AS reason" \
	"  FROM stay AS s JOIN leadflow.list AS l USING (list_id) JOIN applied AS a" \
	"   ON a.lead_id = s.lead_id AND (a.list_id IS NULL OR a.list_id = s.list_id)" \
	"   AND (a.acted_on IS NULL OR" \
	"    a.acted_on >= leadflow.local_date(s.entered_at, coalesce(l.zone, $1)))" \
	"  LEFT JOIN LATERAL (SELECT c.label FROM closing AS c WHERE c.version = a.form_version" \
	"   AND a.fields -> c.field @> c.key LIMIT 1) AS c ON true" \
	"  GROUP BY s.lead_id, s.member_id)" \
	" UPDATE leadflow.member AS m SET" \
	"  state = CASE WHEN e.closed_at IS NOT NULL THEN 'done'" \
	"   WHEN m.state = 'not_started' THEN 'in_progress' ELSE m.state END," \
	"  next_contact_on = CASE WHEN e.next_contact_on IS NOT NULL THEN e.next_contact_on" \
	"   WHEN m.next_contact_on > e.acted_on OR e.acted_on IS NULL THEN m.next_contact_on END," \
	"  left_at = greatest(e.closed_at, CASE WHEN e.closed_at IS NOT NULL THEN m.entered_at END)," \
	"  left_by = e.closed_by, left_reason = e.reason" \
	" FROM meaning AS e" \
	" WHERE m.lead_id = e.lead_id AND m.member_id = e.member_id AND m.left_at IS NULL" \
	" RETURNING m.lead_id, m.list_id, m.left_at IS NOT NULL"

#define ACTIVITY_COLUMNS \
	"a.lead_id, a.activity_id, a.list_id, a.fields, a.form_version, a.acted_on," \
	" a.next_contact_on, a.recorded_at, a.recorded_by"

/* ---- whom to tell of the effects ------------------------------------------------- */

static EffectLog *current_log = NULL;

EffectLog *
CollectEffects(EffectLog *log)
{
	EffectLog  *previous = current_log;

	current_log = log;
	return previous;
}

static void
note_effects(uint64 rows)
{
	MemoryContext old;

	if (current_log == NULL)
		return;
	old = MemoryContextSwitchTo(current_log->context);
	for (uint64 row = 1; row <= rows; row++)
	{
		ActivityEffect *effect = palloc(sizeof(ActivityEffect));
		bool		isnull;

		effect->lead_id = SpiBigint(row, 1);
		effect->list_id = SpiBigint(row, 2);
		effect->closed = DatumGetBool(SpiDatum(row, 3, &isnull));
		current_log->effects = lappend(current_log->effects, effect);
	}
	MemoryContextSwitchTo(old);
}

/* ---- applying them ------------------------------------------------------------------ */

/* Apply the activities of a query, which has ACTIVITY_COLUMNS; returns how many stays changed. */
static uint64
apply(const char *activities, SpiArgs *more)
{
	SpiArgs		args = {0};
	uint64		stays;

	AddTextArg(&args, ResolveZone(NULL));
	if (more != NULL)
		AddArg(&args, more->types[0], more->values[0]);
	stays = SpiRun(psprintf(EFFECTS_SQL, activities), &args);
	note_effects(stays);
	return stays;
}

uint64
ApplyActivities(const int64 *activity_ids, int n)
{
	OwnerFrame	frame = EnterAsOwner();
	SpiArgs		args = {0};
	Datum	   *ids = palloc(n * sizeof(Datum));
	uint64		stays;

	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(activity_ids[i]);
	if (activity_ids != NULL)
		AddArg(&args, INT8ARRAYOID,
			   PointerGetDatum(construct_array(ids, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)));
	stays = apply(psprintf("UPDATE leadflow.activity AS a SET applied_at = now()"
						   " WHERE a.applied_at IS NULL%s RETURNING " ACTIVITY_COLUMNS,
						   activity_ids != NULL ? " AND a.activity_id = ANY ($2)" : ""),
				  activity_ids != NULL ? &args : NULL);
	LeaveAsOwner(frame);
	return stays;
}

/* For the tick: those that came where no trigger was. */
Datum
apply_activities(PG_FUNCTION_ARGS)
{
	RequireTableOwner();
	PG_RETURN_INT64(ApplyActivities(NULL, 0));
}

/* ---- the triggers ---------------------------------------------------------------------- */

/*
 * Before each row WHEN (NEW.applied_at IS NULL): the statement that brings it
 * will apply it. A time that was given says that it need not.
 */
Datum
activity_arrives(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = RequireTrigger(fcinfo, "activity");
	int			column = SPI_fnumber(RelationGetDescr(trigger->tg_relation), "applied_at");
	Datum		now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	bool		isnull = false;

	if (column <= 0)
		elog(ERROR, "relation \"%s\" has no column applied_at",
			 RelationGetRelationName(trigger->tg_relation));
	PG_RETURN_POINTER(heap_modify_tuple_by_cols(trigger->tg_trigtuple,
												RelationGetDescr(trigger->tg_relation),
												1, &column, &now, &isnull));
}

/* After the statement: most activities of a bulk load are of leads on no list. */
Datum
activity_arrived(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = RequireTrigger(fcinfo, "activity");
	OwnerFrame	frame = EnterAsOwner();

	SPI_register_trigger_data(trigger);
	if (SpiRun("SELECT FROM new_rows AS a JOIN leadflow.member AS m USING (lead_id)"
			   " WHERE a.applied_at = now() AND m.left_at IS NULL LIMIT 1", NULL) > 0)
		apply("SELECT " ACTIVITY_COLUMNS " FROM new_rows AS a WHERE a.applied_at = now()", NULL);
	LeaveAsOwner(frame);
	PG_RETURN_POINTER(NULL);
}

/* How an activity closes, if it does. */
#define CLOSES_SQL(a) \
	"(SELECT min(c.label) FROM closing AS c" \
	" WHERE c.version = " a ".form_version AND " a ".fields -> c.field @> c.key)"

/*
 * A correction means to the lists what the activity would have meant; what it
 * did mean is not undone, and one that changes nothing of it means nothing: the
 * lead may be on the list again since. In an AFTER trigger, with its rows
 * registered.
 */
void
ApplyCorrections(void)
{
	(void) apply("SELECT " ACTIVITY_COLUMNS
				 " FROM (SELECT r.*, row_number() OVER () AS n FROM new_rows AS r) AS a"
				 " JOIN (SELECT r.*, row_number() OVER () AS n FROM old_rows AS r) AS o USING (n)"
				 " WHERE a.applied_at IS NOT NULL"
				 " AND (a.lead_id, a.list_id, a.fields) IS DISTINCT FROM (o.lead_id, o.list_id, o.fields)"
				 " AND (a.lead_id, a.list_id, a.acted_on, a.next_contact_on, " CLOSES_SQL("a") ")"
				 "  IS DISTINCT FROM (o.lead_id, o.list_id, o.acted_on, o.next_contact_on, " CLOSES_SQL("o") ")",
				 NULL);
}
