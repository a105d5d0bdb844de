/*
 * estimate.c
 *		Ask the planner.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "engine/estimate.h"
#include "nodes/params.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static void
set_param(ParamListInfo params, int n, Oid type, Datum value)
{
	params->params[n].ptype = type;
	params->params[n].value = value;
	params->params[n].isnull = false;
	params->params[n].pflags = PARAM_FLAG_CONST;
}

void
EstimateQuery(const char *sql, const Clock *clock, Datum candidates, double *cost, double *rows)
{
	Oid			types[3] = {TIMESTAMPTZOID, TEXTOID, INT8ARRAYOID};
	int			ntypes = DatumGetPointer(candidates) != NULL ? 3 : 2;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "estimate",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	ParamListInfo params = makeParamList(ntypes);
	List	   *rewritten;
	PlannedStmt *planned;

	set_param(params, 0, TIMESTAMPTZOID, TimestampTzGetDatum(clock->as_of));
	set_param(params, 1, TEXTOID, CStringGetTextDatum(clock->zone_name));
	if (ntypes == 3)
		set_param(params, 2, INT8ARRAYOID, candidates);

	rewritten = pg_analyze_and_rewrite_fixedparams(linitial(pg_parse_query(sql)), sql, types, ntypes,
												   NULL);
	planned = pg_plan_query(linitial(rewritten), sql, CURSOR_OPT_PARALLEL_OK, params);
	*cost = planned->planTree->total_cost;
	*rows = planned->planTree->plan_rows;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

double
EstimatedUniverse(void)
{
	Oid			lead = get_relname_relid("lead", get_namespace_oid("leadflow", false));
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lead));
	double		leads = 0;

	if (HeapTupleIsValid(tuple))
	{
		leads = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
		ReleaseSysCache(tuple);
	}
	return Max(leads, 0);
}
