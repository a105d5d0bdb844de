/*
 * evaluate.c
 *		The SQL functions evaluate and evaluate_all.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/binding.h"
#include "engine/engine.h"
#include "engine/evaluation.h"
#include "engine/probe.h"
#include "engine/question.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"

PG_FUNCTION_INFO_V1(evaluate);
PG_FUNCTION_INFO_V1(evaluate_names);
PG_FUNCTION_INFO_V1(evaluate_segments);

TimestampTz
AsOfArgument(FunctionCallInfo fcinfo, int argument)
{
	TimestampTz as_of;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("as_of must not be null"),
				 errhint("Leave it out to evaluate as of now.")));
	as_of = PG_GETARG_TIMESTAMPTZ(argument);
	if (TIMESTAMP_NOT_FINITE(as_of))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("as_of must be finite"),
				 errdetail("Days are counted from it.")));
	return as_of;
}

/*
 * All that an evaluation takes is freed at its end but what it returns: false,
 * and nothing, where it is to be of what is known alone and that is not all.
 */
static bool
evaluate_one(const char *text, TimestampTz as_of, const char *zone, bool known_only, Datum *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "evaluation", ALLOCSET_DEFAULT_SIZES);
	Binding    *binding;
	ExpandedLeadset *volatile leads = NULL;

	MemoryContextSwitchTo(context);
	binding = HoldBinding(text);
	PG_TRY();
	{
		Evaluation *evaluation = StartEvaluation(as_of, zone);
		Part	   *root = AddBound(evaluation, BoundTree(binding));

		if (!known_only || IsKnown(evaluation))
			leads = EvaluatePart(evaluation, root);
	}
	PG_FINALLY();
	{
		ReleaseBinding(binding);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	if (leads != NULL)
		*result = PointerGetDatum(DatumGetLeadset(LeadsetGetDatum(leads)));
	MemoryContextDelete(context);
	return leads != NULL;
}

Datum
EvaluateSegment(const char *text, TimestampTz as_of, const char *zone)
{
	Datum		leads;

	(void) evaluate_one(text, as_of, zone, false, &leads);
	return leads;
}

bool
EvaluateKnown(const char *text, TimestampTz as_of, const char *zone, Datum *leads)
{
	return evaluate_one(text, as_of, zone, true, leads);
}

static bool
does_bind(const char *text)
{
	BindContext binding = {.collect = true};

	(void) BindSegment(&binding, text);
	return binding.problems == NIL;
}

List *
EvaluateSegments(List *texts, TimestampTz as_of, const char *zone)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "evaluation", ALLOCSET_DEFAULT_SIZES);
	Evaluation *evaluation;
	List	   *parts = NIL;
	List	   *results = NIL;
	ListCell   *lc;

	MemoryContextSwitchTo(context);
	evaluation = StartEvaluation(as_of, zone);
	foreach(lc, texts)
		parts = lappend(parts, does_bind(lfirst(lc)) ? AddSegment(evaluation, lfirst(lc)) : NULL);
	foreach(lc, parts)
	{
		ExpandedLeadset *leads = lfirst(lc) ? EvaluatePart(evaluation, lfirst(lc)) : NULL;

		MemoryContextSwitchTo(caller);
		results = lappend(results, leads ? DatumGetLeadset(LeadsetGetDatum(leads)) : NULL);
		MemoryContextSwitchTo(context);
		if (leads != NULL)
			LeadsetDelete(leads);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return results;
}

/* What a call in a query keeps, or each row of a WHERE would be evaluated for. */
typedef struct Answer
{
	Question	question;
	struct varlena *leads;		/* NULL when there is none yet, or it is too large */
} Answer;

Datum
evaluate(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = AsOfArgument(fcinfo, 1);
	text	   *zone_text = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	char	   *zone;
	Segment    *segment;
	Answer	   *answer;
	SpiFrame	frame;
	Datum		result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();

	segment = PG_GETARG_SEGMENT_PP(0);
	answer = AskedQuestion(fcinfo, sizeof(Answer), segment, as_of, zone_text);
	if (answer != NULL && answer->leads != NULL)
		PG_RETURN_POINTER(answer->leads);

	zone = zone_text ? text_to_cstring(zone_text) : NULL;
	frame = EnterSpi(false);
	if (KeptLeads(segment, as_of, zone, &result))
	{
		MemoryContextSwitchTo(frame.caller);
		result = datumCopy(result, false, -1);
	}
	else
	{
		zone = ResolveZone(zone);
		MemoryContextSwitchTo(frame.caller);
		result = EvaluateSegment(SegmentText(segment), as_of, zone);
	}
	if (answer != NULL && VARSIZE_ANY(DatumGetPointer(result)) / 1024 < (Size) work_mem / QUESTIONS_KEPT)
	{
		MemoryContextSwitchTo(answer->question.context);
		answer->leads = (struct varlena *) DatumGetPointer(datumCopy(result, false, -1));
	}
	LeaveSpi(frame);
	PG_RETURN_DATUM(result);
}

/* ---- many at once ----------------------------------------------------------------- */

static void
require_elements(bool missing, const char *what)
{
	if (missing)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
}

/* A row for each segment: what it is known by, and its leads. */
static void
put_results(FunctionCallInfo fcinfo, Evaluation *evaluation, const Datum *keys)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	foreach(lc, evaluation->roots)
	{
		ExpandedLeadset *leads = EvaluatePart(evaluation, lfirst(lc));
		Datum		values[2] = {keys[foreach_current_index(lc)], LeadsetGetDatum(leads)};
		bool		nulls[2] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		LeadsetDelete(leads);
	}
}

Datum
evaluate_names(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = AsOfArgument(fcinfo, 1);
	SpiFrame	frame;
	Evaluation *evaluation;
	Datum	   *names;
	bool	   *nulls;
	int			n;

	require_elements(PG_ARGISNULL(0), "names");
	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	frame = EnterSpi(false);
	evaluation = StartEvaluation(as_of, ResolveZone(PG_ARGISNULL(2) ? NULL :
													text_to_cstring(PG_GETARG_TEXT_PP(2))));
	for (int i = 0; i < n; i++)
	{
		SegmentNode node = {.kind = SEGMENT_NAMED, .source = "segment"};

		require_elements(nulls[i], "a name");
		node.name = TextDatumGetCString(names[i]);
		(void) AddSegment(evaluation, SegmentDeparse(&node));
	}
	put_results(fcinfo, evaluation, names);
	LeaveSpi(frame);
	return (Datum) 0;
}

Datum
evaluate_segments(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = AsOfArgument(fcinfo, 1);
	SpiFrame	frame;
	Evaluation *evaluation;
	Datum	   *segments;
	bool	   *nulls;
	int			n;

	require_elements(PG_ARGISNULL(0), "segments");
	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), ARR_ELEMTYPE(PG_GETARG_ARRAYTYPE_P(0)), -1, false,
					  TYPALIGN_INT, &segments, &nulls, &n);
	frame = EnterSpi(false);
	evaluation = StartEvaluation(as_of, ResolveZone(PG_ARGISNULL(2) ? NULL :
													text_to_cstring(PG_GETARG_TEXT_PP(2))));
	for (int i = 0; i < n; i++)
	{
		require_elements(nulls[i], "a segment");
		(void) AddSegment(evaluation, SegmentText(DatumGetSegmentPP(segments[i])));
		segments[i] = Int32GetDatum(i + 1);
	}
	put_results(fcinfo, evaluation, segments);
	LeaveSpi(frame);
	return (Datum) 0;
}
