/*
 * preview.c
 *		The SQL function preview: what a segment has, and what each part of it
 *		does to that, before anything is saved.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/engine.h"
#include "engine/evaluation.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(preview_segment);

/* Leads in a sample. */
#define SAMPLE_LEADS	20

/* The operands of the segment's outermost AND or OR; else the segment itself. */
static List *
parts_of(const Evaluation *evaluation, Part *root)
{
	List	   *parts = NIL;
	ListCell   *lc;

	if (root->kind != PART_AND && root->kind != PART_OR)
		return list_make1(root);
	foreach(lc, root->args)
	{
		Part	   *part = lfirst(lc);

		/* the universe is an operand that nobody wrote */
		if (part->node != NULL)
			parts = lappend(parts, part);
	}
	if (list_length(parts) == 1 && ((Part *) linitial(parts))->kind == PART_OR)
		return ((Part *) linitial(parts))->args;
	return parts;
}

/* The leads a part lets in, or the ones that an AND loses by it. */
static ExpandedLeadset *
counted_leads(Evaluation *evaluation, Part *part, bool lost, int64 *alone)
{
	ExpandedLeadset *everyone = AtomLeads(evaluation, UniverseAtom(evaluation));
	ExpandedLeadset *leads = EvaluateAmong(evaluation, part, everyone);
	ExpandedLeadset *others;

	*alone = ExpandedLeadsetCardinality(leads);
	if (!lost)
		return leads;
	others = CopyLeads(evaluation, everyone);
	LeadsetSubtract(others, leads);
	LeadsetDelete(leads);
	return others;
}

/*
 * The leads that a single part lets in to an OR, or that an AND loses by a
 * single one: those are what the segment would be without it.
 */
static ExpandedLeadset *
counted_once(Evaluation *evaluation, List *parts, bool lost)
{
	ExpandedLeadset *once = LeadsetCreate(evaluation->context);
	ExpandedLeadset *more = LeadsetCreate(evaluation->context);
	ListCell   *lc;
	int64		alone;

	foreach(lc, parts)
	{
		ExpandedLeadset *counted = counted_leads(evaluation, lfirst(lc), lost, &alone);
		ExpandedLeadset *again = CopyLeads(evaluation, counted);

		LeadsetIntersect(again, once);
		LeadsetUnion(more, again);
		LeadsetUnion(once, counted);
		LeadsetDelete(again);
		LeadsetDelete(counted);
	}
	LeadsetSubtract(once, more);
	LeadsetDelete(more);
	return once;
}

static void
push_string(JsonbParseState **state, int token, char *string)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = string;
	value.val.string.len = strlen(string);
	(void) pushJsonbValue(state, token, &value);
}

static void
push_count(JsonbParseState **state, char *key, int64 count)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = int64_to_numeric(count);
	push_string(state, WJB_KEY, key);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/* [{"part": …, "alone": …, "without": …}, …] */
static Datum
per_part(Evaluation *evaluation, Part *root, int64 leads)
{
	List	   *parts = parts_of(evaluation, root);
	bool		lost = root->kind == PART_AND;
	JsonbParseState *state = NULL;
	ExpandedLeadset *once;
	ListCell   *lc;

	/* an OR that is only kept within the universe */
	if (lost && ((Part *) linitial(root->args))->kind == PART_OR &&
		parts == ((Part *) linitial(root->args))->args)
		lost = false;
	once = counted_once(evaluation, parts, lost);
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, parts)
	{
		Part	   *part = lfirst(lc);
		int64		alone;
		ExpandedLeadset *counted = counted_leads(evaluation, part, lost, &alone);

		LeadsetIntersect(counted, once);
		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_string(&state, WJB_KEY, "part");
		push_string(&state, WJB_VALUE, SegmentDeparse(part->node->written));
		push_count(&state, "alone", alone);
		push_count(&state, "without", list_length(parts) == 1 ?
				   ExpandedLeadsetCardinality(AtomLeads(evaluation, UniverseAtom(evaluation))) :
				   lost ? leads + ExpandedLeadsetCardinality(counted) :
				   leads - ExpandedLeadsetCardinality(counted));
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
		LeadsetDelete(counted);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

/* Some of the leads, from the first to the last. */
static Datum
sample(ExpandedLeadset *leads)
{
	int64		n = ExpandedLeadsetCardinality(leads);
	int64		step = (n + SAMPLE_LEADS - 1) / SAMPLE_LEADS;
	Datum		ids[SAMPLE_LEADS];
	int			nids = 0;
	LeadsetIterator it;
	int64		id;

	LeadsetIterate(&it, DatumGetLeadset(LeadsetGetDatum(leads)));
	for (int64 i = 0; LeadsetNext(&it, &id); i++)
		if (i % step == 0)
			ids[nids++] = Int64GetDatum(id);
	return PointerGetDatum(construct_array(ids, nids, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* Of the leads, those with an e-mail address and those who may be sent something there. */
static void
count_reachable(ExpandedLeadset *leads, Datum *identified, Datum *mailable)
{
	SpiArgs		args = {0};

	AddArg(&args, LeadflowType("leadset"), LeadsetGetDatum(leads));
	SpiRead("SELECT count(*), count(*) FILTER (WHERE NOT l.email_opt_out AND NOT l.do_not_contact)"
			" FROM leadflow.unnest($1) AS u (lead_id) JOIN leadflow.lead AS l USING (lead_id)"
			" WHERE l.email <> ''", &args);
	*identified = Int64GetDatum(SpiBigint(1, 1));
	*mailable = Int64GetDatum(SpiBigint(1, 2));
}

Datum
preview_segment(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = AsOfArgument(fcinfo, 1);
	TupleDesc	descriptor;
	SpiFrame	frame;
	Evaluation *evaluation;
	Part	   *root;
	ExpandedLeadset *leads;
	int64		count;
	Datum		values[5];
	bool		nulls[5] = {false};
	HeapTuple	row;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "preview must return a row");
	descriptor = BlessTupleDesc(descriptor);

	frame = EnterSpi(false);
	evaluation = StartEvaluation(as_of, ResolveZone(PG_ARGISNULL(2) ? NULL :
													text_to_cstring(PG_GETARG_TEXT_PP(2))));
	root = AddSegment(evaluation, SegmentText(PG_GETARG_SEGMENT_PP(0)));
	(void) UniverseAtom(evaluation);
	leads = EvaluateAmong(evaluation, root, AtomLeads(evaluation, UniverseAtom(evaluation)));
	count = ExpandedLeadsetCardinality(leads);

	values[0] = Int64GetDatum(count);
	values[3] = sample(leads);
	values[4] = per_part(evaluation, root, count);
	count_reachable(leads, &values[1], &values[2]);
	MemoryContextSwitchTo(frame.caller);
	row = heap_form_tuple(descriptor, values, nulls);
	LeaveSpi(frame);
	PG_RETURN_DATUM(HeapTupleGetDatum(row));
}
