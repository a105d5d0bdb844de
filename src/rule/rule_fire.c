/*
 * rule_fire.c
 *		From causes to deeds: the log of both, the triggers that see causes come,
 *		and the tick, which sees those that come with time and tries again what
 *		failed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "engine/engine.h"
#include "miscadmin.h"
#include "rule/rule.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(watch_rows);
PG_FUNCTION_INFO_V1(run_rule);

/* A firing goes on within the actions of another: which, and on account of what. */
typedef struct FiringFrame
{
	const char *rule;
	Datum		rows;
	struct FiringFrame *outer;
} FiringFrame;

static FiringFrame *current_frame = NULL;

static int
current_depth(void)
{
	int			depth = 0;

	for (FiringFrame *frame = current_frame; frame != NULL; frame = frame->outer)
		depth++;
	return depth;
}

/* ---- small things ------------------------------------------------------------------- */

Datum
BigintArray(const int64 *values, int n)
{
	Datum	   *elements = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elements[i] = Int64GetDatum(values[i]);
	return PointerGetDatum(construct_array(elements, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

List *
LoadRules(const char *watches, int64 rule_id)
{
	SpiArgs		args = {0};
	List	   *rules = NIL;
	uint64		rows;

	AddTextArg(&args, watches);
	AddBigintArg(&args, rule_id);
	rows = SpiRun("SELECT rule_id, name, event, condition, actions FROM leadflow.rule"
				  " WHERE CASE WHEN $1 IS NULL THEN rule_id = $2 ELSE enabled AND watches = $1 END"
				  " ORDER BY position, rule_id", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		Rule	   *rule = palloc(sizeof(Rule));
		bool		isnull;

		rule->rule_id = SpiBigint(row, 1);
		rule->name = SpiText(row, 2);
		rule->event = DatumGetJsonbPCopy(SpiDatum(row, 3, &isnull));
		rule->condition = SpiText(row, 4);
		rule->actions = DatumGetJsonbPCopy(SpiDatum(row, 5, &isnull));
		rules = lappend(rules, rule);
	}
	return rules;
}

/*
 * What went wrong speaks of leads, lists and rules that not everybody sees who
 * brings a cause: who may not read the log of rules is not told, but the server's
 * log is. It is the client's role that counts, whoever the verb it called runs as.
 */
static int
warning_level(void)
{
	Oid			relation = get_relname_relid("rule_log", get_namespace_oid("leadflow", false));

	return pg_class_aclcheck(relation, GetOuterUserId(), ACL_SELECT) == ACLCHECK_OK ? WARNING : LOG_SERVER_ONLY;
}

void
NoteRuleError(const Rule *rule, const ErrorData *error)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, rule->rule_id);
	AddTextArg(&args, error ? ErrorText(error) : NULL);
	SpiRun("UPDATE leadflow.rule SET error = $2 WHERE rule_id = $1 AND error IS DISTINCT FROM $2", &args);
	if (error != NULL)
		ereport(warning_level(),
				(errmsg("rule \"%s\" cannot be followed: %s", rule->name, error->message),
				 error->detail ? errdetail_internal("%s", error->detail) : 0,
				 errhint("Define it anew with leadflow.create_rule(..., replace => true), or disable it: UPDATE leadflow.rule SET enabled = false WHERE rule_id = " INT64_FORMAT ";",
						 rule->rule_id)));
}

/* What the verbs say is for who calls them; what went wrong, for the client. */
static void
pin_messages(void)
{
	if (client_min_messages < WARNING)
		PinSetting("client_min_messages", "warning");
}

/* ---- causes ------------------------------------------------------------------------- */

Datum
NoteCauses(const Rule *rule, const RuleEvent *event, const char *sql, TimestampTz at, const char *zone,
		   SpiArgs *more, uint64 *n)
{
	SpiArgs		args = {0};
	int64	   *ids;

	AddBigintArg(&args, rule->rule_id);
	AddTextArg(&args, zone);
	AddArg(&args, JSONBARRAYOID, RuleEventValues(event));
	AddTimeArg(&args, at);
	AddTextArg(&args, event->list);
	if (more != NULL)
		AddArg(&args, more->types[0], more->values[0]);
	else
		AddNullArg(&args, TIMESTAMPTZOID);
	AddArg(&args, INT4OID, Int32GetDatum(current_depth()));
	if (current_frame != NULL)
		AddArg(&args, INT8ARRAYOID, current_frame->rows);
	else
		AddNullArg(&args, INT8ARRAYOID);
	*n = SpiRun(psprintf("INSERT INTO leadflow.rule_log AS g"
						 " (lead_id, rule_id, cause, caused_at, caused_by, depth, detail)"
						 " SELECT c.lead_id, $1, c.cause, c.at, p.log_id, $7, c.detail FROM (%s) AS c"
						 " LEFT JOIN (SELECT r.lead_id, max(r.log_id) AS log_id FROM leadflow.rule_log AS r"
						 "  WHERE r.log_id = ANY ($8) GROUP BY r.lead_id) AS p USING (lead_id)"
						 " ORDER BY c.lead_id ON CONFLICT (lead_id, rule_id, cause) DO NOTHING"
						 " RETURNING g.log_id", sql), &args);
	ids = palloc((*n + 1) * sizeof(int64));
	for (uint64 row = 1; row <= *n; row++)
		ids[row - 1] = SpiBigint(row, 1);
	return BigintArray(ids, *n);
}

/* ---- firing ------------------------------------------------------------------------- */

/* The leads of the rows that are there, and that the rule's condition holds for. */
static Datum
leads_of(const Rule *rule, Datum rows, TimestampTz as_of, const char *zone)
{
	SpiArgs		args = {0};
	char	   *sql = "SELECT l.lead_id FROM leadflow.lead AS l"
		" WHERE l.deleted_at IS NULL AND l.merged_into IS NULL";
	Datum		leads;
	bool		isnull;

	if (rule->condition != NULL)
	{
		AddTextArg(&args, rule->condition);
		SpiRun("SELECT leadflow.to_sql($1::leadflow.segment)", &args);
		sql = SpiText(1, 1);
		args.n = 0;
	}
	AddTimeArg(&args, as_of);
	AddTextArg(&args, zone);
	AddArg(&args, INT8ARRAYOID, rows);
	PushFreshSnapshot();
	SpiRead(psprintf("SELECT leadflow.leadset_agg(s.lead_id) FROM (%s) AS s"
					 " WHERE s.lead_id IN (SELECT g.lead_id FROM leadflow.rule_log AS g WHERE g.log_id = ANY ($3))",
					 sql), &args);
	PopActiveSnapshot();
	leads = SpiDatum(1, 1, &isnull);
	return leads;
}

/* Say what was done for whom, and for whom nothing was. */
static void
note_deeds(const Firing *firing)
{
	SpiArgs		args = {0};
	int			n = list_length(firing->did);
	Datum	   *lines = palloc((n + 1) * sizeof(Datum));
	Datum	   *leads = palloc((n + 1) * sizeof(Datum));
	Oid			leadset = LeadflowType("leadset");
	ListCell   *lc;

	foreach(lc, firing->did)
	{
		RuleDeed   *deed = lfirst(lc);

		lines[foreach_current_index(lc)] = CStringGetTextDatum(deed->line);
		leads[foreach_current_index(lc)] = PointerGetDatum(PG_DETOAST_DATUM(deed->leads));
	}
	AddArg(&args, INT8ARRAYOID, firing->rows);
	AddArg(&args, leadset, firing->leads);
	AddArg(&args, TEXTARRAYOID,
		   PointerGetDatum(construct_array(lines, n, TEXTOID, -1, false, TYPALIGN_INT)));
	AddArg(&args, get_array_type(leadset),
		   PointerGetDatum(construct_array(leads, n, leadset, -1, false, TYPALIGN_INT)));
	AddTimeArg(&args, firing->at);
	SpiRun("UPDATE leadflow.rule_log AS g SET fired_at = $5, attempts = g.attempts + 1,"
		   " retry_at = NULL, error = NULL,"
		   " status = CASE WHEN leadflow.contains($2, g.lead_id) THEN 'done' ELSE 'skipped' END,"
		   " did = CASE WHEN leadflow.contains($2, g.lead_id) THEN ARRAY(SELECT d.line"
		   "  FROM unnest($3, $4) WITH ORDINALITY AS d (line, leads, n)"
		   "  WHERE leadflow.contains(d.leads, g.lead_id) ORDER BY d.n) ELSE '{}' END"
		   " WHERE g.log_id = ANY ($1)", &args);
}

typedef struct FireState
{
	const Rule *rule;
	Datum		rows;
	TimestampTz as_of;
	TimestampTz at;
} FireState;

static void
fire_body(void *state)
{
	FireState  *fire = state;
	Firing		firing = {.rule = fire->rule, .rows = fire->rows, .at = fire->at};
	List	   *actions = ReadRuleActions(fire->rule->actions, ReadRuleEvent(fire->rule->event, true));
	FiringFrame frame = {fire->rule->name, fire->rows, current_frame};
	SpiArgs		args = {0};
	ListCell   *lc;

	firing.zone = ResolveZone(NULL);
	firing.leads = leads_of(fire->rule, fire->rows, fire->as_of, firing.zone);
	AddArg(&args, LeadflowType("leadset"), firing.leads);
	SpiRun("SELECT leadflow.cardinality($1)", &args);
	if (SpiBigint(1, 1) > 0)
	{
		current_frame = &frame;
		PG_TRY();
		{
			foreach(lc, actions)
				PerformRuleAction(lfirst(lc), &firing);
		}
		PG_FINALLY();
		{
			current_frame = frame.outer;
		}
		PG_END_TRY();
	}
	note_deeds(&firing);
}

/* Rules that cause each other without an end, in the order in which they did. */
static void
refuse_loop(const Rule *rule)
{
	StringInfoData chain;
	List	   *names = NIL;
	ListCell   *lc;

	if (current_depth() < RULE_MAX_DEPTH)
		return;
	for (FiringFrame *frame = current_frame; frame != NULL; frame = frame->outer)
		names = lcons(unconstify(char *, frame->rule), names);
	initStringInfo(&chain);
	foreach(lc, names)
		appendStringInfo(&chain, "\"%s\" -> ", (char *) lfirst(lc));
	ereport(ERROR,
			(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
			 errmsg("rules cause each other more than %d times", RULE_MAX_DEPTH),
			 errdetail("%s\"%s\".", chain.data, rule->name),
			 errhint("Give one of them a condition that no longer holds once it has fired.")));
}

/* What failed is tried again after growing pauses; a loop would be one again. */
static void
note_failure(const Rule *rule, Datum rows, TimestampTz at, const ErrorData *error)
{
	SpiArgs		args = {0};
	uint64		failed;

	AddArg(&args, INT8ARRAYOID, rows);
	AddTimeArg(&args, at);
	AddTextArg(&args, ErrorText(error));
	AddArg(&args, BOOLOID, BoolGetDatum(error->sqlerrcode == ERRCODE_STATEMENT_TOO_COMPLEX));
	failed = SpiRun("UPDATE leadflow.rule_log AS g SET status = 'failed', fired_at = $2,"
					" attempts = g.attempts + 1,"
					" error = $3, retry_at = CASE WHEN NOT $4 THEN $2 + least(interval '5 minutes'"
					"  * power(2, least(g.attempts, 10)), interval '1 day') END"
					" WHERE g.log_id = ANY ($1)", &args);
	ereport(warning_level(),
			(errmsg("rule \"%s\" failed: %s", rule->name, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 errhint_plural("What it did for %llu lead is undone; leadflow.rule_log says why and when it is tried again.",
							"What it did for %llu leads is undone; leadflow.rule_log says why and when it is tried again.",
							failed, (unsigned long long) failed)));
}

/*
 * The first of a chain of rules that cause each other is what succeeds or fails,
 * with all that it causes.
 */
void
FireRule(const Rule *rule, Datum rows, uint64 n, TimestampTz as_of, TimestampTz at)
{
	FireState	state = {rule, rows, as_of, at};
	ErrorData  *error;

	if (n == 0)
		return;
	refuse_loop(rule);
	if (current_frame != NULL)
	{
		fire_body(&state);
		return;
	}
	error = Attempt(fire_body, &state);
	if (error != NULL)
		note_failure(rule, rows, at, error);
}

/* ---- the trigger -------------------------------------------------------------------- */

typedef struct WatchState
{
	const Rule *rule;
	CauseSource source;
	TimestampTz at;
	const char *zone;
	Datum		rows;			/* out */
	uint64		n;
} WatchState;

static void
watch_body(void *state)
{
	WatchState *watch = state;
	RuleEvent  *event = ReadRuleEvent(watch->rule->event, true);
	char	   *sql = CausesSql(event, watch->source);

	watch->n = 0;
	if (sql != NULL)
		watch->rows = NoteCauses(watch->rule, event, sql, watch->at, watch->zone, NULL, &watch->n);
}

/* After a statement on a table that rules may watch. */
Datum
watch_rows(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	char	   *table = CALLED_AS_TRIGGER(fcinfo) ? RelationGetRelationName(trigger->tg_relation) : "rule";
	WatchState	watch = {.at = GetCurrentTransactionStartTimestamp()};
	OwnerFrame	frame;
	List	   *rules;
	ListCell   *lc;

	(void) RequireTrigger(fcinfo, table);
	watch.source = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? CAUSES_INSERTED : CAUSES_UPDATED;
	frame = EnterAsOwner();
	pin_messages();
	rules = LoadRules(table, 0);
	if (rules != NIL)
	{
		SPI_register_trigger_data(trigger);
		watch.zone = ResolveZone(NULL);
	}
	foreach(lc, rules)
	{
		ErrorData  *error;

		watch.rule = lfirst(lc);
		error = Attempt(watch_body, &watch);
		if (error != NULL)
			NoteRuleError(watch.rule, error);
		else
			FireRule(watch.rule, watch.rows, watch.n, watch.at, watch.at);
	}
	LeaveAsOwner(frame);
	PG_RETURN_POINTER(NULL);
}

/* ---- the tick ----------------------------------------------------------------------- */

/* Days that are caught up with at least, for dates that are entered late */
#define DATE_GRACE	"7"

typedef struct TickState
{
	const Rule *rule;
	TimestampTz at;
	char	   *zone;
	Datum		rows;
	uint64		n;
} TickState;

/*
 * Who entered or left the segment since the last tick; who was in it at the first
 * was in it before the rule was.
 */
static void
tick_segment(TickState *tick, const RuleEvent *event)
{
	SpiArgs		args = {0};
	SpiArgs		changed = {0};
	bool		enters = event->kind == EVENT_ENTERS_SEGMENT;
	Datum		now;
	Datum		seen;
	bool		isnull;

	PushFreshSnapshot();
	now = EvaluateSegment(event->segment, tick->at, tick->zone);
	PopActiveSnapshot();
	AddBigintArg(&args, tick->rule->rule_id);
	SpiRun("SELECT seen FROM leadflow.rule WHERE rule_id = $1", &args);
	seen = SpiDatum(1, 1, &isnull);
	if (!isnull)
	{
		AddArg(&changed, LeadflowType("leadset"), enters ? now : seen);
		AddArg(&changed, LeadflowType("leadset"), enters ? seen : now);
		SpiRun("SELECT $1 OPERATOR(leadflow.-) $2", &changed);
		changed.n = 0;
		AddArg(&changed, LeadflowType("leadset"), SpiDatum(1, 1, &isnull));
		tick->rows = NoteCauses(tick->rule, event,
								psprintf("SELECT u.lead_id, '%s segment at ' || to_char($4 AT TIME ZONE 'UTC',"
										 " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS cause, $4 AS at, '{}'::jsonb AS detail"
										 " FROM leadflow.unnest($6) AS u (lead_id)", enters ? "entered" : "left"),
								tick->at, tick->zone, &changed, &tick->n);
	}
	AddArg(&args, LeadflowType("leadset"), now);
	SpiRun("UPDATE leadflow.rule SET seen = $2 WHERE rule_id = $1"
		   " AND (seen IS NULL OR seen OPERATOR(leadflow.<>) $2)", &args);
}

/* Looked for when a day begins, and every hour for what is entered late. */
static void
tick_date(TickState *tick, const RuleEvent *event)
{
	SpiArgs		args = {0};
	SpiArgs		since = {0};
	bool		isnull;

	AddBigintArg(&args, tick->rule->rule_id);
	AddTimeArg(&args, tick->at);
	AddTextArg(&args, tick->zone);
	if (SpiRun("SELECT greatest(leadflow.local_date(created_at, $3) - 1,"
			   "  least(leadflow.local_date(done_through, $3), leadflow.local_date($2, $3) - " DATE_GRACE ")) AS since"
			   " FROM leadflow.rule WHERE rule_id = $1 AND (leadflow.local_date(done_through, $3)"
			   "  < leadflow.local_date($2, $3) OR done_through + interval '1 hour' <= $2 OR done_through = created_at)",
			   &args) == 0)
		return;
	AddArg(&since, DATEOID, SpiDatum(1, 1, &isnull));
	tick->rows = NoteCauses(tick->rule, event, DateCausesSql(event), tick->at, tick->zone, &since,
							&tick->n);
	SpiRun("UPDATE leadflow.rule SET done_through = greatest(done_through, $2) WHERE rule_id = $1", &args);
}

static void
tick_body(void *state)
{
	TickState  *tick = state;
	RuleEvent  *event = ReadRuleEvent(tick->rule->event, true);

	tick->n = 0;
	if (event->segment != NULL)
		tick_segment(tick, event);
	else if (event->kind == EVENT_DATE)
		tick_date(tick, event);
}

/* Causes that a tick lets fail again of one rule; the others wait for the next. */
#define MAX_FAILURES	100

/* Fire for all, or for halves of them down to the ones to blame. */
static void
fire_again(const Rule *rule, const int64 *ids, int n, TimestampTz at, int *failures)
{
	FireState	state = {rule, BigintArray(ids, n), at, at};
	ErrorData  *error;

	CHECK_FOR_INTERRUPTS();
	if (n == 0 || *failures >= MAX_FAILURES)
		return;
	error = Attempt(fire_body, &state);
	if (error == NULL)
		return;
	if (n == 1)
	{
		note_failure(rule, state.rows, at, error);
		(*failures)++;
		return;
	}
	fire_again(rule, ids, n / 2, at, failures);
	fire_again(rule, ids + n / 2, n - n / 2, at, failures);
}

/* What failed: a cause that fails again stops no other. */
static void
retry(const Rule *rule, TimestampTz at)
{
	SpiArgs		args = {0};
	uint64		rows;
	int64	   *ids;
	int			failures = 0;

	AddBigintArg(&args, rule->rule_id);
	AddTimeArg(&args, at);
	rows = SpiRun("SELECT g.log_id FROM leadflow.rule_log AS g WHERE g.rule_id = $1"
				  " AND g.status IN ('pending', 'failed') AND g.retry_at <= $2"
				  " ORDER BY g.log_id FOR NO KEY UPDATE SKIP LOCKED", &args);
	ids = palloc((rows + 1) * sizeof(int64));
	for (uint64 row = 1; row <= rows; row++)
		ids[row - 1] = SpiBigint(row, 1);
	fire_again(rule, ids, rows, at, &failures);
}

/*
 * Part of the tick: one rule. Somebody else at work on it leaves nothing to do. A
 * rule that is disabled forgets whom it has seen, and what time it is.
 */
Datum
run_rule(PG_FUNCTION_ARGS)
{
	TickState	tick = {.at = PG_GETARG_TIMESTAMPTZ(1)};
	OwnerFrame	frame;
	SpiArgs		args = {0};
	ErrorData  *error;
	List	   *rules;
	bool		enabled;
	bool		isnull;

	RequireTableOwner();
	frame = EnterAsOwner();
	pin_messages();
	AddBigintArg(&args, PG_GETARG_INT64(0));
	AddTimeArg(&args, tick.at);
	if (SpiRun("SELECT enabled FROM leadflow.rule WHERE rule_id = $1"
			   " FOR NO KEY UPDATE SKIP LOCKED", &args) == 0)
	{
		LeaveAsOwner(frame);
		PG_RETURN_INT64(0);
	}
	enabled = DatumGetBool(SpiDatum(1, 1, &isnull));
	if (!enabled)
	{
		SpiRun("UPDATE leadflow.rule SET seen = NULL, done_through = greatest(done_through, $2)"
			   " WHERE rule_id = $1 AND watches IN ('segment', 'date')"
			   " AND (seen IS NOT NULL OR done_through + interval '1 hour' <= $2)", &args);
		LeaveAsOwner(frame);
		PG_RETURN_INT64(0);
	}
	rules = LoadRules(NULL, PG_GETARG_INT64(0));
	tick.rule = linitial(rules);
	tick.zone = ResolveZone(NULL);
	error = Attempt(tick_body, &tick);
	if (error != NULL)
		tick.n = 0;
	NoteRuleError(tick.rule, error);
	FireRule(tick.rule, tick.rows, tick.n, tick.at, tick.at);
	retry(tick.rule, tick.at);
	LeaveAsOwner(frame);
	PG_RETURN_INT64(tick.n);
}
