/*
 * rule.c
 *		leadflow.create_rule(): a rule, once all that it names is known to be
 *		there.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "engine/engine.h"
#include "rollup/rollup.h"
#include "rule/rule.h"
#include "segment/segment.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(create_rule);

/* The tick evaluates the segments that leads enter or leave. */
void
RuleInit(void)
{
	RegisterSegmentsInUse("SELECT coalesce(event ->> 'enters_segment', event ->> 'leaves_segment')::leadflow.segment,"
						  " NULL FROM leadflow.rule WHERE enabled AND error IS NULL AND watches = 'segment'");
}

static void
require(bool given, const char *problem)
{
	if (!given)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s", problem),
				 errhint("SELECT leadflow.create_rule('name', '{\"result\": \"...\"}', '[{\"add_to_list\": \"...\"}]');")));
}

/* Who is in the segment now was in it before the rule was there. */
static void
add_seen(SpiArgs *args, const RuleEvent *event)
{
	if (event->segment == NULL)
	{
		AddNullArg(args, LeadflowType("leadset"));
		return;
	}
	PushFreshSnapshot();
	AddArg(args, LeadflowType("leadset"),
		   EvaluateSegment(event->segment, GetCurrentTransactionStartTimestamp(), ResolveZone(NULL)));
	PopActiveSnapshot();
}

Datum
create_rule(PG_FUNCTION_ARGS)
{
	bool		replace = !PG_ARGISNULL(7) && PG_GETARG_BOOL(7);
	SpiFrame	frame;
	SpiArgs		args = {0};
	RuleEvent  *event;
	char	   *name;
	int64		rule_id;

	require(!PG_ARGISNULL(0), "a rule needs a name");
	require(!PG_ARGISNULL(1), "a rule needs an event");
	require(!PG_ARGISNULL(2), "a rule needs actions");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	require(name[0] != '\0', "a rule needs a name");

	frame = EnterSpi(true);
	event = ReadRuleEvent(PG_GETARG_JSONB_P(1), false);
	(void) ReadRuleActions(PG_GETARG_JSONB_P(2), event);
	AddTextArg(&args, name);
	AddArg(&args, JSONBOID, JsonbPGetDatum(event->normal));
	AddArg(&args, JSONBOID, PG_GETARG_DATUM(2));
	if (PG_ARGISNULL(3))
		AddNullArg(&args, LeadflowType("segment"));
	else
	{
		PushFreshSnapshot();
		AddArg(&args, LeadflowType("segment"), NamedSegment(SegmentText(PG_GETARG_SEGMENT_PP(3))));
		PopActiveSnapshot();
	}
	AddTextArg(&args, PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4)));
	AddArg(&args, BOOLOID, BoolGetDatum(PG_ARGISNULL(5) || PG_GETARG_BOOL(5)));
	AddArg(&args, INT4OID, Int32GetDatum(PG_ARGISNULL(6) ? 0 : PG_GETARG_INT32(6)));
	add_seen(&args, event);
	if (SpiRun(psprintf("INSERT INTO leadflow.rule AS r"
						" (name, event, actions, condition, description, enabled, position, seen)"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) %s RETURNING r.rule_id",
						!replace ? "DO NOTHING" :
						"DO UPDATE SET event = excluded.event, actions = excluded.actions,"
						" condition = excluded.condition, description = coalesce(excluded.description, r.description),"
						" enabled = excluded.enabled, position = excluded.position, error = NULL,"
						" seen = CASE WHEN r.event = excluded.event THEN r.seen ELSE excluded.seen END,"
						" created_at = CASE WHEN r.event = excluded.event THEN r.created_at ELSE now() END,"
						" done_through = CASE WHEN r.event = excluded.event THEN r.done_through ELSE now() END"),
			   &args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("rule \"%s\" already exists", name),
				 errhint("To define it anew, add: replace => true.")));
	rule_id = SpiBigint(1, 1);
	LeaveSpi(frame);
	PG_RETURN_INT64(rule_id);
}
