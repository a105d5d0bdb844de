/*
 * explain.c
 *		The SQL function explain_segment.
 */
#include "postgres.h"

#include <math.h>

#include "engine/engine.h"
#include "engine/estimate.h"
#include "engine/evaluation.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(explain_segment);

/* How an atom's leads were got. */
static char *
way_text(const Evaluation *evaluation, const Atom *atom)
{
	int			others = 0;
	ListCell   *lc;

	switch (atom->way)
	{
		case ATOM_NOT_GOT:
			return "not needed";
		case ATOM_PROVIDED:
			return "known";
		case ATOM_QUERIED:
			return "query";
		case ATOM_PROBED:
			return psprintf("probe of " INT64_FORMAT " leads", atom->candidates);
		case ATOM_WALKED:
			return psprintf("walk to " INT64_FORMAT " leads", atom->candidates);
		case ATOM_SCANNED:
			foreach(lc, evaluation->table.atoms)
			{
				const Atom *other = lfirst(lc);

				if (other != atom && other->way == ATOM_SCANNED && other->step == atom->step)
					others++;
			}
			return others == 0 ? psprintf("scan of %s", atom->source->relation) :
				psprintf("scan of %s with %d more", atom->source->relation, others);
	}
	pg_unreachable();
}

static char *
part_text(const Part *part, int depth)
{
	const Part *operand = part->kind == PART_NOT ? linitial(part->args) : part;
	bool		negated = part->kind == PART_NOT;
	const char *text;

	switch (operand->kind)
	{
		case PART_AND:
			text = "and";
			break;
		case PART_OR:
			text = "or";
			break;
		case PART_EVERYONE:
			text = "everyone";
			break;
		case PART_NO_ONE:
			text = "no one";
			break;
		default:
			text = SegmentDeparse(operand->atom->node->written);
			negated = negated != operand->atom->fails;
			break;
	}
	return psprintf("%*s%s%s", depth * 2, "", negated ? "not " : "", text);
}

/*
 * How many leads an atom was expected to have. What is chosen by is how many records
 * are looked at for it.
 */
static double
estimated_leads(const Evaluation *evaluation, const Atom *atom)
{
	const char *sql = atom->leads_sql;
	double		cost;
	double		leads;

	if (atom->live)
		return atom->rows;
	if (atom->node->kind != SEGMENT_AGGREGATE)
		sql = psprintf("select s.lead_id from (%s) as s group by s.lead_id", atom->records_sql);
	EstimateQuery(sql, &evaluation->clock, (Datum) 0, &cost, &leads);
	return leads;
}

/* A row for each part, indented by depth; a NOT and what it is of are one. */
static void
put_part(FunctionCallInfo fcinfo, const Evaluation *evaluation, const Part *part, int depth)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const Part *operand = part->kind == PART_NOT ? linitial(part->args) : part;
	const Atom *atom = operand->atom;
	Datum		values[6] = {CStringGetTextDatum(part_text(part, depth))};
	bool		nulls[6] = {false, true, true, true, !part->asked, true};
	ListCell   *lc;

	check_stack_depth();

	values[4] = Int64GetDatum(part->found);
	if (atom != NULL)
	{
		const char *way = way_text(evaluation, atom);

		nulls[1] = false;
		values[1] = CStringGetTextDatum(way);
		nulls[3] = atom->rows < 0 || part != operand;
		if (!nulls[3])
			values[3] = Int64GetDatum((int64) rint(estimated_leads(evaluation, atom)));
	}
	if (atom != NULL && atom->way != ATOM_NOT_GOT)
	{
		double	   *ms = list_nth(evaluation->steps, atom->step - 1);

		nulls[2] = nulls[5] = false;
		values[2] = Int32GetDatum(atom->step);
		values[5] = NumericGetDatum(int64_div_fast_to_numeric((int64) rint(*ms * 1000), 3));
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	foreach(lc, operand->args)
		put_part(fcinfo, evaluation, lfirst(lc), depth + 1);
}

Datum
explain_segment(PG_FUNCTION_ARGS)
{
	TimestampTz as_of = AsOfArgument(fcinfo, 1);
	SpiFrame	frame;
	Evaluation *evaluation;
	Part	   *root;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	frame = EnterSpi(false);
	evaluation = StartEvaluation(as_of, ResolveZone(PG_ARGISNULL(2) ? NULL :
													text_to_cstring(PG_GETARG_TEXT_PP(2))));
	evaluation->explain = true;
	root = AddSegment(evaluation, SegmentText(PG_GETARG_SEGMENT_PP(0)));
	(void) EvaluatePart(evaluation, root);
	put_part(fcinfo, evaluation, root, 0);
	LeaveSpi(frame);
	return (Datum) 0;
}
