/*
 * scan.c
 *		One pass over a source for many atoms: by a sieve; or, where aggregates
 *		are beyond one, by one GROUP BY.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/estimate.h"
#include "engine/pass.h"
#include "engine/scan.h"
#include "engine/sql.h"
#include "lib/stringinfo.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/memutils.h"

/* ---- by a sieve ------------------------------------------------------------------------ */

/* The arguments that every statement has. */
static void
add_clock(SpiArgs *args, const Clock *clock)
{
	AddTimeArg(args, clock->as_of);
	AddTextArg(args, clock->zone_name);
}

static Datum
number_datum(int64 number, Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return BoolGetDatum(number != 0);
		case INT2OID:
			return Int16GetDatum((int16) number);
		case INT4OID:
		case DATEOID:
			return Int32GetDatum((int32) number);
		default:
			return Int64GetDatum(number);
	}
}

/*
 * What all terms ask of a field, as conditions that an index can serve: bounds
 * within which every record lies that meets any of them.
 */
static void
put_bounds(StringInfo sql, const Pass *pass, SpiArgs *args, int number)
{
	const PassField *field = list_nth(pass->fields, number);
	int64		first = PG_INT64_MAX;
	int64		last = PG_INT64_MIN;
	int64		lowest = field->type == INT2OID ? PG_INT16_MIN :
		field->type == INT4OID || field->type == DATEOID ? PG_INT32_MIN : PG_INT64_MIN;
	int64		highest = field->type == INT2OID ? PG_INT16_MAX :
		field->type == INT4OID || field->type == DATEOID ? PG_INT32_MAX : PG_INT64_MAX;
	ListCell   *lc;

	foreach(lc, pass->program.terms)
	{
		const SieveTerm *term = lfirst(lc);
		const Ranges *ranges = term->ranges[number];

		if (term->of_edge)
			continue;
		if (ranges == NULL || ranges->null)
			return;
		if (ranges->n == 0)
			continue;
		first = Min(first, ranges->range[0].first);
		last = Max(last, ranges->range[ranges->n - 1].last);
	}
	if (first > lowest && first <= highest && args->n < SPI_ARGS_MAX)
	{
		AddArg(args, field->type, number_datum(first, field->type));
		appendStringInfo(sql, " and %s >= $%d", field->sql, args->n);
	}
	if (last < highest && last >= lowest && args->n < SPI_ARGS_MAX)
	{
		AddArg(args, field->type, number_datum(last, field->type));
		appendStringInfo(sql, " and %s <= $%d", field->sql, args->n);
	}
}

static char *
sieve_sql(Pass *pass, SpiArgs *args)
{
	StringInfoData sql;
	ListCell   *lc;

	/* the lead alone asks for none */
	if (pass->fields == NIL)
		(void) FindPassField(pass, "true", BOOLOID);
	pass->program.nfields = list_length(pass->fields);
	add_clock(args, pass->clock);
	AddArg(args, INT8ARRAYOID, SieveEncode(&pass->program));

	initStringInfo(&sql);
	appendStringInfo(&sql, "select leadflow.sieve(%s, $3", LeadIdSql(pass->source));
	foreach(lc, pass->fields)
		appendStringInfo(&sql, ", %s", ((PassField *) lfirst(lc))->sql);
	appendStringInfo(&sql, ") from %s as r where true", pass->source->relation);
	if (IsUniverse(pass->source))
		appendStringInfoString(&sql, " and r.created_at <= $1 and r.deleted_at is null"
							   " and r.merged_into is null");
	foreach(lc, pass->fields)
		if (((PassField *) lfirst(lc))->type != BOOLOID)
			put_bounds(&sql, pass, args, foreach_current_index(lc));
	return sql.data;
}

/* False when its tallies did not fit into memory. */
static bool
run_sieve(Pass *pass, MemoryContext context)
{
	SpiArgs		args = {0};
	bool		isnull;
	Datum		result;
	Datum	   *sets;
	int			nsets = 0;
	ListCell   *lc;

	SpiRead(sieve_sql(pass, &args), &args);
	result = SpiDatum(1, 1, &isnull);
	/* without any record it is null as well */
	if (isnull && pass->program.tallies != NIL)
		return false;
	if (!isnull)
		deconstruct_array(DatumGetArrayTypeP(result), LeadflowType("leadset"), -1, false, TYPALIGN_INT,
						  &sets, NULL, &nsets);
	foreach(lc, pass->atoms)
	{
		Atom	   *atom = lfirst(lc);

		atom->leads = isnull ? LeadsetCreate(context) :
			DatumGetWritableLeadset(sets[foreach_current_index(lc)], context);
		atom->way = ATOM_SCANNED;
	}
	SPI_freetuptable(SPI_tuptable);
	return true;
}

/* ---- aggregates by GROUP BY ------------------------------------------------------------ */

static char *
group_sql(const List *atoms)
{
	const Source *source = ((Atom *) linitial(atoms))->source;
	StringInfoData outer;
	StringInfoData inner;
	ListCell   *lc;

	initStringInfo(&outer);
	initStringInfo(&inner);
	foreach(lc, atoms)
	{
		const Atom *atom = lfirst(lc);
		const BoundNode *node = atom->node;
		int			number = foreach_current_index(lc) + 1;
		char	   *filter = node->where == NULL ? "" :
			psprintf(" filter (where %s)", RowSql(node->where, "r"));

		appendStringInfo(&outer, "%sleadflow.leadset_agg(g.lead_id) filter (where g.t%d)",
						 number > 1 ? ", " : "", number);
		appendStringInfo(&inner, ", (%s) %s as t%d", TestSql(node->test, AggregateSql(node, filter)),
						 atom->fails ? "is not true" : "is true", number);
	}
	return psprintf("select %s from (select %s as lead_id%s from %s as r where r.%s >= 0%s"
					" group by r.%s) as g",
					outer.data, LeadIdSql(source), inner.data, source->relation, source->lead_column,
					RecordsSql(source, NULL, false), source->lead_column);
}

/* As many as a row of the inner query has room for. */
#define MAX_GROUP_ATOMS	200

static void
group_atoms(List *atoms, const Clock *clock, MemoryContext context)
{
	SpiArgs		args = {0};
	ListCell   *lc;

	if (list_length(atoms) > MAX_GROUP_ATOMS)
	{
		group_atoms(list_copy_tail(atoms, MAX_GROUP_ATOMS), clock, context);
		atoms = list_truncate(list_copy(atoms), MAX_GROUP_ATOMS);
	}
	add_clock(&args, clock);
	SpiRead(group_sql(atoms), &args);
	foreach(lc, atoms)
	{
		Atom	   *atom = lfirst(lc);
		bool		isnull;

		atom->leads = DatumGetWritableLeadset(SpiDatum(1, foreach_current_index(lc) + 1, &isnull),
											  context);
		atom->way = ATOM_SCANNED;
	}
	SPI_freetuptable(SPI_tuptable);
}

/* ---- all ways ----------------------------------------------------------------------------- */

/* Leads, or where records are: of these the planner need not know. */
static void
add_candidates(SpiArgs *args, ArrayType *candidates)
{
	if (ARR_ELEMTYPE(candidates) == TIDOID)
		AddUnplannedArg(args, TIDARRAYOID, PointerGetDatum(candidates));
	else
		AddArg(args, INT8ARRAYOID, PointerGetDatum(candidates));
}

ExpandedLeadset *
QueryLeads(const char *leads_sql, const Clock *clock, Datum candidates, MemoryContext context)
{
	SpiArgs		args = {0};
	ExpandedLeadset *leads;
	bool		isnull;

	add_clock(&args, clock);
	if (DatumGetPointer(candidates) != NULL)
		add_candidates(&args, DatumGetArrayTypeP(candidates));
	SpiRead(psprintf("select leadflow.leadset_agg(s.lead_id) from (%s) as s", leads_sql), &args);
	leads = DatumGetWritableLeadset(SpiDatum(1, 1, &isnull), context);
	SPI_freetuptable(SPI_tuptable);
	return leads;
}

/* What a lead takes in a set where all the others are far away. */
#define LONELY_LEAD_BYTES	32

/* The sets of a sieve come in one value, which is at most a gigabyte. */
static int
max_atoms(void)
{
	double		set_bytes = EstimatedUniverse() * LONELY_LEAD_BYTES;
	bool		isnull;
	Datum		last;

	SpiRead("SELECT max(lead_id) FROM leadflow.lead", NULL);
	last = SpiDatum(1, 1, &isnull);
	if (!isnull)
		set_bytes = Min(set_bytes, DatumGetInt64(last) / 8);
	SPI_freetuptable(SPI_tuptable);
	return Max(1, Min(SIEVE_MAX_TERMS, MaxAllocSize / 2 / (set_bytes + 1)));
}

/* Sieve as many of the atoms as one pass takes; returns the others. */
static List *
sieve_some(List *atoms, bool *tallies, const Clock *clock, MemoryContext context)
{
	Pass		pass = {0};
	List	   *others = NIL;
	ListCell   *lc;

	pass.source = ((Atom *) linitial(atoms))->source;
	pass.clock = clock;
	pass.tallies = *tallies;
	pass.max_atoms = max_atoms();
	foreach(lc, atoms)
		if (!AddPassAtom(&pass, lfirst(lc)))
			others = lappend(others, lfirst(lc));
	if (pass.atoms != NIL && !run_sieve(&pass, context))
	{
		*tallies = false;
		return atoms;
	}
	return others;
}

void
ScanAtoms(List *atoms, const Clock *clock, MemoryContext context)
{
	List	   *aggregates = NIL;
	bool		tallies = true;
	bool		had_tallies;
	int			before;
	ListCell   *lc;

	do
	{
		before = list_length(atoms);
		had_tallies = tallies;
		atoms = sieve_some(atoms, &tallies, clock, context);
	} while (atoms != NIL && (list_length(atoms) < before || tallies != had_tallies));

	foreach(lc, atoms)
	{
		Atom	   *atom = lfirst(lc);

		if (atom->node->kind == SEGMENT_AGGREGATE)
			aggregates = lappend(aggregates, atom);
		else
		{
			atom->leads = QueryLeads(atom->leads_sql, clock, (Datum) 0, context);
			atom->way = ATOM_QUERIED;
		}
	}
	if (aggregates != NIL)
		group_atoms(aggregates, clock, context);
}
