/*
 * outbox.c
 *		The outbox from the side of those who deliver: workers claim notices, and
 *		say what became of them.
 *
 * A claim is a lease. A worker that dies loses nothing: its notices are claimed
 * anew when the lease has run out. Delivery is thus at least once; a notice is
 * delivered twice only where a worker dies between delivering and saying so, or
 * takes longer than its lease.
 *
 * Locks: rows of the outbox alone. Claiming passes over those that are locked.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(claim_notifications);
PG_FUNCTION_INFO_V1(ack);
PG_FUNCTION_INFO_V1(fail);
PG_FUNCTION_INFO_V1(retry_dead);
PG_FUNCTION_INFO_V1(notification_queued);

/* Attempts after which a notice is dead: with the pauses between them, 8 hours and a half */
#define MAX_ATTEMPTS	"10"

/* Wakes who listens for the channels of some notices. */
#define ANNOUNCE(notices) \
	"SELECT pg_notify('leadflow', json_build_object('queued', c.channel)::text)" \
	" FROM (SELECT DISTINCT channel FROM " notices ") AS c"

/* Who claims: as the caller says, else this session. */
static char *
worker_name(FunctionCallInfo fcinfo, int argument)
{
	if (!PG_ARGISNULL(argument))
		return text_to_cstring(PG_GETARG_TEXT_PP(argument));
	return psprintf("%s %d", application_name ? application_name : "", MyProcPid);
}

static void
require_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", name)));
}

/* ---- claiming ------------------------------------------------------------------- */

/* Claim up to n notices that meet a condition, and return them; how many. */
static uint64
claim(FunctionCallInfo fcinfo, int32 n, const char *condition)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiArgs		args = {0};
	uint64		rows;

	AddArg(&args, INT4OID, Int32GetDatum(n));
	AddArg(&args, INTERVALOID, PG_GETARG_DATUM(1));
	AddTextArg(&args, worker_name(fcinfo, 3));
	if (PG_ARGISNULL(2))
		AddNullArg(&args, TEXTARRAYOID);
	else
		AddArg(&args, TEXTARRAYOID, PG_GETARG_DATUM(2));
	rows = SpiRun(psprintf("WITH next AS MATERIALIZED (SELECT n.notification_id FROM leadflow.notification AS n"
						   "  WHERE %s AND ($4 IS NULL OR n.channel = ANY ($4))"
						   "  ORDER BY n.due_at, n.notification_id LIMIT $1 FOR UPDATE SKIP LOCKED),"
						   " claimed AS (UPDATE leadflow.notification AS n"
						   "  SET state = 'claimed', attempts = n.attempts + 1, claimed_by = $3,"
						   "  claimed_until = clock_timestamp() + $2"
						   "  FROM next WHERE next.notification_id = n.notification_id RETURNING n.*)"
						   " SELECT c.notification_id, c.kind, c.channel,"
						   " coalesce(c.address, r.email, t.address, o.email), coalesce(r.name, t.name, o.name),"
						   " c.rep_id, c.role, c.lead_id, c.list_id, c.subject, c.body, c.payload,"
						   " c.attempts, c.claimed_until"
						   " FROM claimed AS c LEFT JOIN leadflow.rep AS r ON r.rep_id = c.rep_id"
						   " LEFT JOIN leadflow.recipient AS t ON t.role = c.role"
						   /* a role without an entry may be that of a rep */
						   " LEFT JOIN LATERAL (SELECT e.name, e.email FROM leadflow.rep AS e"
						   "  WHERE e.db_role = c.role ORDER BY e.email IS NULL, e.rep_id LIMIT 1) AS o ON true"
						   " ORDER BY c.due_at, c.notification_id", condition), &args);
	for (uint64 row = 0; row < rows; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	return rows;
}

/*
 * What nobody will deliver any more: what came too late, and what has taken its
 * workers with it again and again.
 */
static void
bury(void)
{
	SpiRun("UPDATE leadflow.notification AS n SET state = 'dead', last_error = 'expired'"
		   " FROM (SELECT e.notification_id FROM leadflow.notification AS e"
		   "  WHERE e.state IN ('pending', 'failed') AND e.expires_at IS NOT NULL"
		   "  AND e.expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED) AS e"
		   " WHERE e.notification_id = n.notification_id", NULL);
	SpiRun("UPDATE leadflow.notification AS n SET state = 'dead', claimed_until = NULL,"
		   " last_error = format('the lease of %s ran out', n.claimed_by)"
		   " FROM (SELECT e.notification_id FROM leadflow.notification AS e"
		   "  WHERE e.state = 'claimed' AND e.claimed_until <= clock_timestamp()"
		   "  AND (e.attempts >= " MAX_ATTEMPTS " OR e.expires_at <= clock_timestamp())"
		   "  FOR UPDATE SKIP LOCKED) AS e"
		   " WHERE e.notification_id = n.notification_id", NULL);
}

Datum
claim_notifications(PG_FUNCTION_ARGS)
{
	SpiFrame	frame;
	Interval	none = {0};
	int32		n;

	require_argument(fcinfo, 0, "n");
	require_argument(fcinfo, 1, "lease");
	n = PG_GETARG_INT32(0);
	if (n <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d notices cannot be claimed", n),
				 errhint("Claim some: n => 10.")));
	if (DatumGetBool(DirectFunctionCall2(interval_le, PG_GETARG_DATUM(1), IntervalPGetDatum(&none))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a lease of %s is none",
						DatumGetCString(DirectFunctionCall1(interval_out, PG_GETARG_DATUM(1)))),
				 errhint("Make it longer than the delivery takes: lease => '5 minutes'.")));

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(false);
	bury();
	n -= claim(fcinfo, n, "n.state = 'claimed' AND n.claimed_until <= clock_timestamp()");
	if (n > 0)
		(void) claim(fcinfo, n, "n.state IN ('pending', 'failed') AND n.due_at <= clock_timestamp()");
	LeaveSpi(frame);
	return (Datum) 0;
}

/* ---- what became of it ---------------------------------------------------------- */

/*
 * What was delivered was, whoever holds the claim by now. What a lead was sent
 * stays known when the outbox is cleared.
 */
Datum
ack(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(false);
	SpiArgs		args = {0};
	int64		rows;

	AddArg(&args, INT8ARRAYOID, PG_GETARG_DATUM(0));
	SpiRun("WITH sent AS (UPDATE leadflow.notification AS n SET state = 'sent', sent_at = now(),"
		   "  claimed_until = NULL, last_error = NULL"
		   "  WHERE n.notification_id = ANY ($1) AND n.state <> 'sent' AND n.attempts > 0 RETURNING n.*),"
		   " noted AS (INSERT INTO leadflow.mail AS m"
		   "   (lead_id, mailing_id, template, subject, address, sent_at)"
		   "  SELECT l.lead_id, g.mailing_id, s.payload ->> 'template', s.subject, s.address, s.sent_at"
		   "  FROM sent AS s JOIN leadflow.lead AS l USING (lead_id)"
		   "  LEFT JOIN leadflow.mailing AS g ON to_jsonb(g.mailing_id) = s.payload -> 'mailing_id'"
		   "  WHERE s.kind = 'mail')"
		   " SELECT count(*) FROM sent", &args);
	rows = SpiBigint(1, 1);
	LeaveSpi(frame);
	PG_RETURN_INT64(rows);
}

/* Only the worker that holds the claim can give it back: it may be another's by now. */
Datum
fail(PG_FUNCTION_ARGS)
{
	SpiFrame	frame;
	SpiArgs		args = {0};
	int64		rows;

	require_argument(fcinfo, 0, "ids");
	require_argument(fcinfo, 1, "error");
	frame = EnterSpi(false);
	AddArg(&args, INT8ARRAYOID, PG_GETARG_DATUM(0));
	AddTextArg(&args, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	AddArg(&args, BOOLOID, BoolGetDatum(!PG_ARGISNULL(2) && PG_GETARG_BOOL(2)));
	AddTextArg(&args, worker_name(fcinfo, 3));
	rows = SpiRun("UPDATE leadflow.notification"
				  " SET state = CASE WHEN $3 OR attempts >= " MAX_ATTEMPTS " THEN 'dead' ELSE 'failed' END,"
				  " due_at = CASE WHEN $3 OR attempts >= " MAX_ATTEMPTS " THEN due_at"
				  "  ELSE clock_timestamp() + interval '1 minute' * power(2, attempts - 1) END,"
				  " claimed_until = NULL, last_error = $2"
				  " WHERE notification_id = ANY ($1) AND state = 'claimed' AND claimed_by = $4", &args);
	LeaveSpi(frame);
	PG_RETURN_INT64(rows);
}

/* What has expired is wanted all the same, since somebody asks for it. */
Datum
retry_dead(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(false);
	SpiArgs		args = {0};
	int64		rows;

	if (PG_ARGISNULL(0))
		AddNullArg(&args, INT8ARRAYOID);
	else
		AddArg(&args, INT8ARRAYOID, PG_GETARG_DATUM(0));
	SpiRun("WITH retried AS (UPDATE leadflow.notification"
		   "  SET state = 'pending', attempts = 0, due_at = clock_timestamp(), expires_at = NULL"
		   "  WHERE state = 'dead' AND ($1 IS NULL OR notification_id = ANY ($1)) RETURNING channel),"
		   " announced AS (" ANNOUNCE("retried") ")"
		   " SELECT (SELECT count(*) FROM retried), (SELECT count(*) FROM announced)", &args);
	rows = SpiBigint(1, 1);
	LeaveSpi(frame);
	PG_RETURN_INT64(rows);
}

/* After an INSERT: wake who listens for the channels of what is new. */
Datum
notification_queued(PG_FUNCTION_ARGS)
{
	SpiFrame	frame;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("notification_queued() is the trigger of leadflow.notification")));
	frame = EnterSpi(false);
	SPI_register_trigger_data((TriggerData *) fcinfo->context);
	SpiRun(ANNOUNCE("new_rows"), NULL);
	LeaveSpi(frame);
	PG_RETURN_POINTER(NULL);
}
