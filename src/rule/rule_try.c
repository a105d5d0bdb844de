/*
 * rule_try.c
 *		leadflow.try_rule(): what a rule would have done since some time.
 *
 * It is fired for the causes of that time, its condition as of the end of each of
 * their days, and all of it is rolled back.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "engine/engine.h"
#include "funcapi.h"
#include "lexer.h"
#include "miscadmin.h"
#include "rule/rule.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(try_rule);

/* Days of evaluating a segment, one by one */
#define MAX_SEGMENT_DAYS	400

typedef struct Trial
{
	const Rule *rule;
	RuleEvent  *event;
	TimestampTz since;
	TimestampTz until;
	char	   *zone;
} Trial;

static Rule *
find_rule(FunctionCallInfo fcinfo)
{
	SpiArgs		args = {0};
	char	   *name;
	const char *nearest;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the rule, since and until must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	AddTextArg(&args, name);
	if (SpiRun("SELECT rule_id FROM leadflow.rule WHERE name = $1", &args) > 0)
		return linitial(LoadRules(NULL, SpiBigint(1, 1)));
	nearest = NearestName(name, SpiNames("SELECT name FROM leadflow.rule ORDER BY name"));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("rule \"%s\" does not exist", name),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) :
			 errhint("SELECT name FROM leadflow.rule lists them.")));
}

/* Who entered or left the segment from one day to the next. */
static void
note_segment_causes(const Trial *trial)
{
	SpiArgs		args = {0};
	TimestampTz *times;
	uint64		n;
	bool		isnull;
	bool		enters = trial->event->kind == EVENT_ENTERS_SEGMENT;
	Datum		before = (Datum) 0;
	uint64		noted;

	AddTimeArg(&args, trial->since);
	AddTimeArg(&args, trial->until);
	AddTextArg(&args, trial->zone);
	n = SpiRun("SELECT least(greatest($1, leadflow.day_start(leadflow.local_date($1, $3) + d.n, $3)), $2)"
			   " FROM generate_series(0, leadflow.local_date($2, $3) - leadflow.local_date($1, $3) + 1) AS d (n)"
			   " ORDER BY d.n LIMIT " CppAsString2(MAX_SEGMENT_DAYS) " + 2", &args);
	if (n > MAX_SEGMENT_DAYS + 1)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a rule on a segment can be tried for at most %d days", MAX_SEGMENT_DAYS),
				 errdetail("The segment is evaluated for each day.")));
	times = palloc(n * sizeof(TimestampTz));
	for (uint64 i = 0; i < n; i++)
		times[i] = DatumGetTimestampTz(SpiDatum(i + 1, 1, &isnull));
	for (uint64 i = 0; i < n; i++)
	{
		Datum		now;
		SpiArgs		sets = {0};
		SpiArgs		changed = {0};

		CHECK_FOR_INTERRUPTS();
		PushFreshSnapshot();
		now = EvaluateSegment(trial->event->segment, times[i], trial->zone);
		PopActiveSnapshot();
		if (i > 0)
		{
			AddArg(&sets, LeadflowType("leadset"), enters ? now : before);
			AddArg(&sets, LeadflowType("leadset"), enters ? before : now);
			SpiRun("SELECT $1 OPERATOR(leadflow.-) $2", &sets);
			AddArg(&changed, LeadflowType("leadset"), SpiDatum(1, 1, &isnull));
			(void) NoteCauses(trial->rule, trial->event,
							  psprintf("SELECT u.lead_id, '%s segment at ' || to_char($4 AT TIME ZONE 'UTC',"
									   " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS cause, $4 AS at, '{}'::jsonb AS detail"
									   " FROM leadflow.unnest($6) AS u (lead_id)", enters ? "entered" : "left"),
							  times[i], trial->zone, &changed, &noted);
		}
		before = now;
	}
}

static void
note_past_causes(const Trial *trial)
{
	SpiArgs		since = {0};
	uint64		noted;
	char	   *sql;
	bool		isnull;

	if (trial->event->segment != NULL)
	{
		note_segment_causes(trial);
		return;
	}
	AddTimeArg(&since, trial->since);
	if (trial->event->kind == EVENT_DATE)
	{
		AddTextArg(&since, trial->zone);
		SpiRun("SELECT leadflow.local_date($1, $2) - 1", &since);
		since.n = 0;
		AddArg(&since, DATEOID, SpiDatum(1, 1, &isnull));
		sql = DateCausesSql(trial->event);
	}
	else
		sql = CausesSql(trial->event, CAUSES_PAST);
	if (sql == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rule \"%s\" cannot be tried", trial->rule->name),
				 errdetail("What the fields of %ss were before is not kept.", trial->event->entity),
				 errhint("Rules on activities, lists, deals' stages, segments and dates can be tried.")));
	(void) NoteCauses(trial->rule, trial->event, sql, trial->until, trial->zone, &since, &noted);
}

/* Day by day, as the rule would have come to them. */
static void
fire_past(const Trial *trial)
{
	SpiArgs		args = {0};
	uint64		days;
	Datum	   *rows;
	TimestampTz *ends;
	uint64	   *counts;
	bool		isnull;

	AddBigintArg(&args, trial->rule->rule_id);
	AddTextArg(&args, trial->zone);
	days = SpiRun("SELECT array_agg(g.log_id ORDER BY g.log_id), max(g.caused_at), count(*)"
				  " FROM leadflow.rule_log AS g WHERE g.rule_id = $1 AND g.status = 'pending'"
				  " GROUP BY leadflow.local_date(g.caused_at, $2) ORDER BY 2", &args);
	rows = palloc(days * sizeof(Datum));
	ends = palloc(days * sizeof(TimestampTz));
	counts = palloc(days * sizeof(uint64));
	for (uint64 i = 0; i < days; i++)
	{
		rows[i] = SpiDatum(i + 1, 1, &isnull);
		ends[i] = DatumGetTimestampTz(SpiDatum(i + 1, 2, &isnull));
		counts[i] = SpiBigint(i + 1, 3);
	}
	for (uint64 i = 0; i < days; i++)
		FireRule(trial->rule, rows[i], counts[i], ends[i], ends[i]);
}

/* Who may change rules may see what they would do, which is done as the owner. */
static void
require_access(void)
{
	Oid			relation = get_relname_relid("rule", get_namespace_oid("leadflow", false));

	if (pg_class_aclcheck(relation, GetUserId(), ACL_UPDATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "rule");
}

static void
try_body(FunctionCallInfo fcinfo, void *state)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Trial		trial = {.rule = find_rule(fcinfo)};
	SpiArgs		args = {0};
	OwnerFrame	frame;

	require_access();
	frame = EnterAsOwner();
	PinSetting("client_min_messages", "error");
	trial.since = PG_GETARG_TIMESTAMPTZ(1);
	trial.until = PG_GETARG_TIMESTAMPTZ(2);
	if (TIMESTAMP_NOT_FINITE(trial.since) || TIMESTAMP_NOT_FINITE(trial.until) || trial.since > trial.until)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a rule is tried from a time until a later one"),
				 errhint("SELECT * FROM leadflow.try_rule('...', now() - interval '30 days');")));
	trial.zone = ResolveZone(NULL);
	trial.event = ReadRuleEvent(trial.rule->event, true);

	/* what it has done already counts as not done, for the trial */
	AddBigintArg(&args, trial.rule->rule_id);
	SpiRun("DELETE FROM leadflow.rule_log AS g WHERE g.rule_id = $1", &args);
	note_past_causes(&trial);
	fire_past(&trial);
	SpiRun("SELECT g.lead_id, g.caused_at, g.cause, g.status, g.did, g.error FROM leadflow.rule_log AS g"
		   " WHERE g.rule_id = $1 ORDER BY g.caused_at, g.lead_id, g.cause", &args);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	LeaveAsOwner(frame);
}

Datum
try_rule(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	RunVerb(try_body, true, fcinfo, NULL);
	return (Datum) 0;
}
