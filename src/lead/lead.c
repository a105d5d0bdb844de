/*
 * lead.c
 *		The leads that verbs are given.
 */
#include "postgres.h"

#include "engine/engine.h"
#include "lead/lead.h"
#include "segment/segment.h"
#include "spi.h"
#include "utils/snapmgr.h"

Datum
LeadsArgument(FunctionCallInfo fcinfo, int argument, TimestampTz at, const char *zone)
{
	Datum		leads;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the leads must not be null"),
				 errhint("No leads are '{}'::leadflow.leadset.")));
	if (ArgumentType(fcinfo, argument) != LeadflowType("segment"))
		return PG_GETARG_DATUM(argument);

	PushFreshSnapshot();
	leads = EvaluateSegment(SegmentText(PG_GETARG_SEGMENT_PP(argument)), at, zone);
	PopActiveSnapshot();
	return leads;
}

void
RequireLeads(Datum leads)
{
	SpiArgs		args = {0};

	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun("SELECT string_agg(u.lead_id::text, ', ' ORDER BY u.lead_id)"
		   " FILTER (WHERE u.n <= " CppAsString2(SHOWN_IDS) "), count(*)"
		   " FROM (SELECT u.lead_id, row_number() OVER (ORDER BY u.lead_id) AS n"
		   "  FROM leadflow.unnest($1) AS u (lead_id)"
		   "  WHERE NOT EXISTS (SELECT FROM leadflow.lead AS l WHERE l.lead_id = u.lead_id)) AS u",
		   &args);
	if (SpiBigint(1, 2) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("some of the ids are no leads: %s%s", SpiText(1, 1),
						SpiBigint(1, 2) > SHOWN_IDS ? ", ..." : ""),
				 errdetail_plural("%lld of the ids given is not in leadflow.lead.",
								  "%lld of the ids given are not in leadflow.lead.",
								  SpiBigint(1, 2), (long long) SpiBigint(1, 2))));
}
