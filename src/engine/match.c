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
#include "engine/question.h"
#include "leadset/leadset.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "spi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(matches);
PG_FUNCTION_INFO_V1(matches_support);

/* As many probes as it takes time to put together what is known. */
#define KNOWN_WORTH		200

/* What is known to a call of the answer to all such questions. */
typedef struct Search
{
	Question	question;
	double		nprobes;
	ExpandedLeadset *leads;		/* NULL while it pays to probe */
} Search;

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
	Search	   *search;
	double		worth;
	bool		found;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	lead_id = PG_GETARG_INT64(0);
	segment = PG_GETARG_SEGMENT_PP(1);

	search = AskedQuestion(fcinfo, sizeof(Search), segment, as_of, zone_text);
	if (search != NULL && search->leads != NULL)
		PG_RETURN_BOOL(ExpandedLeadsetContains(search->leads, lead_id));

	zone = zone_text ? text_to_cstring(zone_text) : NULL;
	found = ProbeSegment(segment, lead_id, as_of, zone, &worth);
	if (search != NULL)
	{
		search->nprobes++;
		if (search->nprobes >= worth)
			search->leads = all_leads(&search->question, zone, false);
		else if (search->nprobes == KNOWN_WORTH)
			search->leads = all_leads(&search->question, zone, true);
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
