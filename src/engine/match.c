/*
 * match.c
 *		leadflow.matches(): is a lead in a segment?
 *
 * One lead is answered by index probes (probe.h). A query that asks for many
 * leads would be better off with the set of all who are in the segment: after as
 * many probes as it takes time to make it, it is made, and kept for the rest of
 * the query. So no query takes more than about twice the time of the better way.
 * Where all its atoms are known without a look at records, that is soon.
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/engine.h"
#include "engine/probe.h"
#include "leadset/leadset.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(matches);
PG_FUNCTION_INFO_V1(matches_support);

/* As many probes as it takes time to put together what is known. */
#define KNOWN_WORTH		200

/* What one call in a query was asked before, and the answer to all such questions. */
typedef struct Question
{
	MemoryContext context;		/* of what follows, and of the answer */
	Segment    *segment;		/* NULL when nothing was asked yet */
	TimestampTz as_of;
	text	   *zone;			/* or NULL */

	/* and when: in which query, or part of a cursor's */
	Snapshot	snapshot;
	TimestampTz statement;
	Oid			role;

	double		nprobes;
	ExpandedLeadset *leads;		/* NULL while it pays to probe */
} Question;

static bool
same_text(const struct varlena *a, const struct varlena *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static struct varlena *
copy_text(const struct varlena *value)
{
	if (value == NULL)
		return NULL;
	return (struct varlena *) DatumGetPointer(datumCopy(PointerGetDatum(value), false, -1));
}

/* A query keeps its snapshot; between statements that fetch from it settings may change. */
static bool
is_asked_again(const Question *question, const Segment *segment, TimestampTz as_of,
			   const text *zone, Snapshot snapshot)
{
	return question->segment != NULL && question->snapshot == snapshot &&
		question->statement == GetCurrentStatementStartTimestamp() &&
		question->role == GetUserId() && question->as_of == as_of &&
		same_text(question->zone, zone) && same_text(question->segment, segment);
}

static void
ask(Question *question, const Segment *segment, TimestampTz as_of, const text *zone,
	Snapshot snapshot)
{
	MemoryContext caller;

	question->segment = NULL;
	question->leads = NULL;
	MemoryContextReset(question->context);

	caller = MemoryContextSwitchTo(question->context);
	question->zone = copy_text(zone);
	question->as_of = as_of;
	question->snapshot = snapshot;
	question->statement = GetCurrentStatementStartTimestamp();
	question->role = GetUserId();
	question->nprobes = 0;
	question->segment = copy_text(segment);
	MemoryContextSwitchTo(caller);
}

/*
 * Is the call one of a query? Those in an expression of PL/pgSQL live for a
 * transaction: one query after the other asks by them, each with other settings
 * perhaps, which policies may go by, or after a subtransaction was undone. The
 * snapshot of a query is registered; that which an expression takes is not, but a
 * stable function goes by that of the query which calls it.
 */
static bool
is_of_query(const FmgrInfo *function, Snapshot snapshot)
{
	return function != NULL && snapshot->regd_count > 0 &&
		MemoryContextGetParent(function->fn_mcxt) != TopTransactionContext;
}

/* The question of this call, if it is one of a query that asks it of several leads. */
static Question *
get_question(FunctionCallInfo fcinfo, const Segment *segment, TimestampTz as_of, const text *zone)
{
	Snapshot	snapshot = GetActiveSnapshot();
	Question   *question;

	if (!is_of_query(fcinfo->flinfo, snapshot))
		return NULL;
	question = fcinfo->flinfo->fn_extra;
	if (question == NULL)
	{
		question = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Question));
		question->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "leadflow matches",
												  ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = question;
	}
	if (!is_asked_again(question, segment, as_of, zone, snapshot))
		ask(question, segment, as_of, zone, snapshot);
	return question;
}

/* All leads of the question, in its memory; NULL where they are to be known, and are not. */
static ExpandedLeadset *
all_leads(const Question *question, const char *zone, bool known_only)
{
	SpiFrame	frame = EnterSpi(false);
	const char *text = SegmentText(question->segment);
	Datum		leads;
	bool		known = true;

	zone = ResolveZone(zone);
	MemoryContextSwitchTo(question->context);
	if (known_only)
		known = EvaluateKnown(text, question->as_of, zone, &leads);
	else
		leads = EvaluateSegment(text, question->as_of, zone);
	LeaveSpi(frame);
	return known ? DatumGetExpandedLeadset(leads, question->context) : NULL;
}

Datum
matches(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = AsOfArgument(fcinfo, 2);
	text	   *zone_text = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	char	   *zone;
	int64		lead_id;
	Segment    *segment;
	Question   *question;
	double		worth;
	bool		found;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	lead_id = PG_GETARG_INT64(0);
	segment = PG_GETARG_SEGMENT_PP(1);

	question = get_question(fcinfo, segment, as_of, zone_text);
	if (question != NULL && question->leads != NULL)
		PG_RETURN_BOOL(ExpandedLeadsetContains(question->leads, lead_id));

	zone = zone_text ? text_to_cstring(zone_text) : NULL;
	found = ProbeSegment(segment, lead_id, as_of, zone, &worth);
	if (question != NULL)
	{
		question->nprobes++;
		if (question->nprobes >= worth)
			question->leads = all_leads(question, zone, false);
		else if (question->nprobes == KNOWN_WORTH)
			question->leads = all_leads(question, zone, true);
	}
	PG_RETURN_BOOL(found);
}

/* ---- for the planner -------------------------------------------------------------- */

/* What is known of the segment among the arguments of a call, if it is a constant. */
static bool
estimate_call(PlannerInfo *root, List *args, SegmentEstimate *estimate)
{
	Node	   *segment = estimate_expression_value(root, lsecond(args));

	return IsA(segment, Const) && !((Const *) segment)->constisnull &&
		EstimateSegment(DatumGetSegmentPP(((Const *) segment)->constvalue), estimate);
}

/*
 * Tells the planner which part of the leads is in a segment, and what asking for
 * one costs: a probe, or its share of an evaluation where many are asked for.
 */
Datum
matches_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	SegmentEstimate estimate;

	if (IsA(request, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *wanted = (SupportRequestSelectivity *) request;

		if (!estimate_call(wanted->root, wanted->args, &estimate))
			PG_RETURN_POINTER(NULL);
		wanted->selectivity = estimate.selectivity;
		PG_RETURN_POINTER(wanted);
	}
	if (IsA(request, SupportRequestCost))
	{
		SupportRequestCost *wanted = (SupportRequestCost *) request;

		if (wanted->node == NULL || !is_funcclause(wanted->node) ||
			!estimate_call(wanted->root, ((FuncExpr *) wanted->node)->args, &estimate))
			PG_RETURN_POINTER(NULL);
		wanted->startup = 0;
		wanted->per_tuple = Min(estimate.probe_cost, 2 * estimate.evaluation_cost / estimate.leads);
		PG_RETURN_POINTER(wanted);
	}
	PG_RETURN_POINTER(NULL);
}
