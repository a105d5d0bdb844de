/*
 * leadset_access.c
 *		What is asked of a set in SQL: is an id in it, how many are, which.
 */
#include "postgres.h"

#include "funcapi.h"
#include "leadset.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"

PG_FUNCTION_INFO_V1(leadset_contains);
PG_FUNCTION_INFO_V1(leadset_cardinality);
PG_FUNCTION_INFO_V1(leadset_unnest);
PG_FUNCTION_INFO_V1(leadset_unnest_support);

/* An expanded set is asked as it is, since to flatten it is to read all of it. */
Datum
leadset_contains(PG_FUNCTION_ARGS)
{
	Datum		set = PG_GETARG_DATUM(0);
	int64		id = PG_GETARG_INT64(1);
	Leadset    *flat;
	bool		contains;

	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(set)))
		PG_RETURN_BOOL(ExpandedLeadsetContains(DatumGetExpandedLeadset(set, CurrentMemoryContext), id));

	flat = DatumGetLeadset(set);
	contains = LeadsetContains(flat, id);
	PG_FREE_IF_COPY(flat, 0);
	PG_RETURN_BOOL(contains);
}

Datum
leadset_cardinality(PG_FUNCTION_ARGS)
{
	Datum		set = PG_GETARG_DATUM(0);
	Leadset    *flat;
	int64		cardinality;

	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(set)))
		PG_RETURN_INT64(ExpandedLeadsetCardinality(DatumGetExpandedLeadset(set, CurrentMemoryContext)));

	flat = DatumGetLeadset(set);
	cardinality = LeadsetCardinality(flat);
	PG_FREE_IF_COPY(flat, 0);
	PG_RETURN_INT64(cardinality);
}

/* An id at a call, so a LIMIT reads no more than it wants. */
Datum
leadset_unnest(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	int64		id;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext oldcontext;
		LeadsetIterator *it;

		funcctx = SRF_FIRSTCALL_INIT();
		oldcontext = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		it = palloc(sizeof(LeadsetIterator));
		LeadsetIterate(it, PG_GETARG_LEADSET(0));
		funcctx->user_fctx = it;
		MemoryContextSwitchTo(oldcontext);
	}

	funcctx = SRF_PERCALL_SETUP();
	if (LeadsetNext(funcctx->user_fctx, &id))
		SRF_RETURN_NEXT(funcctx, Int64GetDatum(id));
	SRF_RETURN_DONE(funcctx);
}

/* Tells the planner how many rows unnest() of a known set returns. */
Datum
leadset_unnest_support(PG_FUNCTION_ARGS)
{
	Node	   *rawreq = (Node *) PG_GETARG_POINTER(0);
	SupportRequestRows *req;
	Node	   *arg;

	if (!IsA(rawreq, SupportRequestRows))
		PG_RETURN_POINTER(NULL);
	req = (SupportRequestRows *) rawreq;
	if (req->root == NULL || !is_funcclause(req->node))
		PG_RETURN_POINTER(NULL);

	arg = estimate_expression_value(req->root, linitial(((FuncExpr *) req->node)->args));
	if (!IsA(arg, Const))
		PG_RETURN_POINTER(NULL);
	if (((Const *) arg)->constisnull)
		req->rows = 0;
	else
		req->rows = LeadsetCardinality(DatumGetLeadset(((Const *) arg)->constvalue));
	PG_RETURN_POINTER(req);
}
