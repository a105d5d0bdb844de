/*
 * verify.c
 *		Compute some of what is kept anew, and tell of differences. There must be
 *		none; should there be one, what is kept of the condition is thrown away.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "rollup/build.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(verify_rollups);
PG_FUNCTION_INFO_V1(forget_rollups);

/* The leads that two contents disagree about. */
static ExpandedLeadset *
differing(Content *kept, Content *read)
{
	Datum		numbers;

	if (kept->sums == NULL)
	{
		LeadsetSymmetricDifference(kept->leads, read->leads);
		return kept->leads;
	}
	SumsSubtractAll(kept->sums, read->sums);
	return SumsToKeep(kept->sums, &numbers);
}

/* The leads of the source that have marks: of these what is kept may be out of date. */
static bool
marked_leads(const RollupSource *source, ExpandedLeadset *leads)
{
	SpiArgs		args = {0};
	uint64		rows;

	AddBigintArg(&args, source->source_id);
	rows = SpiRead("SELECT leads FROM leadflow.rollup_dirty WHERE source_id = $1", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		bool		isnull;
		Datum		set = SpiDatum(row, 1, &isnull);

		if (isnull)
			return false;
		LeadsetUnion(leads, DatumGetExpandedLeadset(set, CurrentMemoryContext));
	}
	return true;
}

/* A tile of an atom to be looked at: one that is kept, or a day that has nothing. */
static bool
choose_tile(const RollupSource *source, const RollupAtom *atom, Tile *tile)
{
	SpiArgs		args = {0};
	bool		isnull;
	DateADT		day;

	if (!atom->complete)
		return false;
	if (atom->kind == ROLLUP_WHOLE)
	{
		tile->first = DATEVAL_NOBEGIN;
		tile->last = DATEVAL_NOEND;
		return true;
	}
	AddBigintArg(&args, atom->atom_id);
	if (SpiRead("SELECT first_day, last_day FROM leadflow.rollup WHERE atom_id = $1"
				" ORDER BY random() LIMIT 1", &args) == 1 && pg_prng_uint64_range(&pg_global_prng_state, 0, 3) != 0)
	{
		tile->first = DatumGetDateADT(SpiDatum(1, 1, &isnull));
		tile->last = DatumGetDateADT(SpiDatum(1, 2, &isnull));
		return true;
	}
	day = atom->sealed_through - (int) pg_prng_uint64_range(&pg_global_prng_state, 0, 59);
	tile->first = tile->last = day;
	if (source->folded_through != NO_DAY && day <= source->folded_through)
	{
		tile->first = FIRST_DAY;
		tile->last = source->folded_through;
	}
	return true;
}

static ExpandedLeadset *
verify_tile(const RollupSource *source, RollupAtom *atom, Tile tile, ExpandedLeadset *marked)
{
	Content		kept = MakeContent(atom);
	Content    *read;
	Content		whole = {0};
	ExpandedLeadset *wrong;

	AddKept(&kept, atom, tile.first);
	if (atom->kind == ROLLUP_WHOLE)
	{
		whole.leads = ReadWhole(atom, source, (Datum) 0);
		read = &whole;
	}
	else
		read = ReadTiles(source, list_make1(atom), &tile, 1, (Datum) 0);
	wrong = differing(&kept, read);
	LeadsetSubtract(wrong, marked);
	return wrong;
}

/* A fault is reported, remembered, and mended by building anew. */
static void
note_fault(const RollupSource *source, const RollupAtom *atom, Tile tile, ExpandedLeadset *wrong)
{
	SpiArgs		args = {0};
	char	   *day = DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(tile.last)));
	char	   *days = atom->kind == ROLLUP_WHOLE ? "" :
		DATE_IS_NOEND(tile.last) ? ", of records without an event time" : tile.first == tile.last ?
		psprintf(" on %s", day) : psprintf(" through %s", day);
	char	   *fault = psprintf("leads that differ: " INT64_FORMAT "%s", ExpandedLeadsetCardinality(wrong), days);

	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("what was kept of \"%s\" on %s did not agree with its records", atom->condition,
					source->relation_name),
			 errdetail("%s.", fault),
			 errhint("It is not used any more and is built anew. The rows must have been changed past their triggers.")));
	AddBigintArg(&args, atom->atom_id);
	AddTextArg(&args, fault);
	SpiRun("UPDATE leadflow.rollup_atom SET faults = faults + 1, last_fault = $2, complete = false,"
		   " sealed_through = NULL, newest = NULL WHERE atom_id = $1", &args);
	args.n = 1;
	SpiRun("DELETE FROM leadflow.rollup WHERE atom_id = $1", &args);
}

static void
verify_atom(FunctionCallInfo fcinfo, const RollupSource *source, RollupAtom *atom, ExpandedLeadset *marked)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Tile		tile;
	ExpandedLeadset *wrong;
	Datum		values[6];
	bool		nulls[6] = {false};

	if (!choose_tile(source, atom, &tile))
		return;
	wrong = verify_tile(source, atom, tile, marked);
	values[0] = ObjectIdGetDatum(source->relation);
	values[1] = CStringGetTextDatum(KindName(atom->kind));
	values[2] = CStringGetTextDatum(atom->condition);
	values[3] = DateADTGetDatum(tile.first);
	values[4] = DateADTGetDatum(tile.last);
	values[5] = LeadsetGetDatum(wrong);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	if (ExpandedLeadsetCardinality(wrong) > 0)
		note_fault(source, atom, tile, wrong);
}

/* The atoms that were verified longest ago. */
static ExpandedLeadset *
choose_atoms(int sample, Datum older_than)
{
	SpiArgs		args = {0};
	ExpandedLeadset *chosen = LeadsetCreate(CurrentMemoryContext);
	uint64		rows;

	AddArg(&args, INT4OID, Int32GetDatum(Max(sample, 0)));
	AddArg(&args, INTERVALOID, older_than);
	rows = SpiRun("UPDATE leadflow.rollup_atom SET verified_at = clock_timestamp() WHERE atom_id IN"
				  " (SELECT atom_id FROM leadflow.rollup_atom"
				  "  WHERE coalesce(verified_at, '-infinity') <= clock_timestamp() - $2"
				  "  ORDER BY verified_at NULLS FIRST, atom_id LIMIT $1) RETURNING atom_id", &args);
	for (uint64 row = 1; row <= rows; row++)
		LeadsetAdd(chosen, SpiBigint(row, 1));
	return chosen;
}

typedef struct VerifyStep
{
	FunctionCallInfo fcinfo;
	const RollupSource *source;
	ExpandedLeadset *chosen;
} VerifyStep;

static void
verify_source(void *state)
{
	const VerifyStep *step = state;
	ExpandedLeadset *marked = LeadsetCreate(CurrentMemoryContext);
	ListCell   *lc;

	if (!marked_leads(step->source, marked))
		return;
	foreach(lc, SourceAtoms(step->source))
		if (ExpandedLeadsetContains(step->chosen, ((RollupAtom *) lfirst(lc))->atom_id))
			verify_atom(step->fcinfo, step->source, lfirst(lc), marked);
}

Datum
verify_rollups(PG_FUNCTION_ARGS)
{
	SpiFrame	frame;
	VerifyStep	step = {.fcinfo = fcinfo};
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(true);
	TakeTurn("verify_rollups");
	step.chosen = choose_atoms(PG_GETARG_INT32(0), PG_GETARG_DATUM(1));
	PushFreshSnapshot();
	foreach(lc, FollowedSources())
	{
		ErrorData  *error;

		step.source = lfirst(lc);
		error = Attempt(verify_source, &step);
		if (error != NULL)
			ReportUnread(step.source, error);
	}
	PopActiveSnapshot();
	LeaveSpi(frame);
	return (Datum) 0;
}

Datum
forget_rollups(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(true);

	TakeTurn("forget_rollups");
	SpiRun("UPDATE leadflow.rollup_source SET fingerprint = NULL", NULL);
	LeaveSpi(frame);
	PG_RETURN_VOID();
}
