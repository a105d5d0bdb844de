/*
 * leadset_access.c
 *		What is asked of a set in SQL: is an id in it, how many are, which.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "funcapi.h"
#include "leadset_internal.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(leadset_contains);
PG_FUNCTION_INFO_V1(leadset_cardinality);
PG_FUNCTION_INFO_V1(leadset_is_empty);
PG_FUNCTION_INFO_V1(leadset_min_id);
PG_FUNCTION_INFO_V1(leadset_max_id);
PG_FUNCTION_INFO_V1(leadset_unnest);
PG_FUNCTION_INFO_V1(leadset_unnest_support);

/*
 * An expanded set is asked as it is, since to flatten it is to read all of it;
 * and of a stored one, no more is read than what the answer takes.
 */
static bool
IsExpanded(Datum set)
{
	return VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(set));
}

/*
 * What a call site of contains() was last asked of, if that lies on disk. It
 * is most often asked of the same set again, so from the second time on, all
 * of it is kept at hand. A pointer to what is on disk stands for the same
 * bytes for as long as a transaction at least.
 */
typedef struct ContainsCache
{
	struct varatt_external pointer;
	TimestampTz transaction;
	MemoryContext context;
	struct varlena *whole;		/* NULL while asked but once */
} ContainsCache;

/* The set at a pointer to disk, or all of it, if it is worth having. */
static Datum
CachedSet(FunctionCallInfo fcinfo, Datum set)
{
	ContainsCache *cache = fcinfo->flinfo->fn_extra;
	TimestampTz transaction = GetCurrentTransactionStartTimestamp();
	struct varatt_external pointer;

	VARATT_EXTERNAL_GET_POINTER(pointer, DatumGetPointer(set));
	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ContainsCache));
		cache->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "leadset contains",
											   ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = cache;
	}

	if (memcmp(&cache->pointer, &pointer, sizeof(pointer)) != 0 ||
		cache->transaction != transaction)
	{
		cache->whole = NULL;
		MemoryContextReset(cache->context);
		cache->pointer = pointer;
		cache->transaction = transaction;
		return set;
	}

	if (cache->whole == NULL && pointer.va_rawsize <= work_mem * INT64CONST(1024))
	{
		MemoryContext old = MemoryContextSwitchTo(cache->context);

		cache->whole = PG_DETOAST_DATUM(set);
		MemoryContextSwitchTo(old);
	}
	return cache->whole ? PointerGetDatum(cache->whole) : set;
}

Datum
leadset_contains(PG_FUNCTION_ARGS)
{
	Datum		set = PG_GETARG_DATUM(0);
	int64		id = PG_GETARG_INT64(1);
	StoredLeadset stored;
	bool		contains;

	if (IsExpanded(set))
		PG_RETURN_BOOL(ExpandedLeadsetContains(DatumGetExpandedLeadset(set, CurrentMemoryContext), id));

	if (VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(set)))
		set = CachedSet(fcinfo, set);
	StoredOpen(&stored, set);
	contains = StoredContains(&stored, id);
	StoredClose(&stored);
	PG_RETURN_BOOL(contains);
}

Datum
leadset_cardinality(PG_FUNCTION_ARGS)
{
	Datum		set = PG_GETARG_DATUM(0);
	StoredLeadset stored;
	int64		cardinality;

	if (IsExpanded(set))
		PG_RETURN_INT64(ExpandedLeadsetCardinality(DatumGetExpandedLeadset(set, CurrentMemoryContext)));

	StoredOpen(&stored, set);
	cardinality = StoredCardinality(&stored);
	StoredClose(&stored);
	PG_RETURN_INT64(cardinality);
}

/* Of the empty set there is but the header. */
Datum
leadset_is_empty(PG_FUNCTION_ARGS)
{
	Datum		set = PG_GETARG_DATUM(0);
	int64		id;

	if (IsExpanded(set))
		PG_RETURN_BOOL(!ExpandedLeadsetFirst(DatumGetExpandedLeadset(set, CurrentMemoryContext), &id));
	PG_RETURN_BOOL(toast_raw_datum_size(set) == offsetof(Leadset, entries));
}

Datum
leadset_min_id(PG_FUNCTION_ARGS)
{
	Datum		set = PG_GETARG_DATUM(0);
	StoredLeadset stored;
	bool		found;
	int64		id;

	if (IsExpanded(set))
		found = ExpandedLeadsetFirst(DatumGetExpandedLeadset(set, CurrentMemoryContext), &id);
	else
	{
		StoredOpen(&stored, set);
		found = StoredFirst(&stored, &id);
		StoredClose(&stored);
	}
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_INT64(id);
}

Datum
leadset_max_id(PG_FUNCTION_ARGS)
{
	Datum		set = PG_GETARG_DATUM(0);
	StoredLeadset stored;
	bool		found;
	int64		id;

	if (IsExpanded(set))
		found = ExpandedLeadsetLast(DatumGetExpandedLeadset(set, CurrentMemoryContext), &id);
	else
	{
		StoredOpen(&stored, set);
		found = StoredLast(&stored, &id);
		StoredClose(&stored);
	}
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_INT64(id);
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
