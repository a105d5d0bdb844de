/*
 * evaluation.c
 *		Segments as sets over atoms: what is asked for first, and what need not
 *		be asked for at all.
 *
 * The operands of an AND are taken cheapest first, each among the leads that
 * the ones before have left; when these are few, atoms are probed for them
 * alone. The first time an atom has to be scanned for, every atom of its source
 * that any segment may still need comes with it.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "engine/estimate.h"
#include "engine/evaluation.h"
#include "engine/scan.h"
#include "engine/sql.h"
#include "engine/walk.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "spi.h"
#include "utils/array.h"

/* Leads are few when they are fewer than one in this, and than that many. */
#define FEW_SHARE		10
#define FEW_LEADS		100000

/* Operators that the planner reckons a descent of an index at, at least. */
#define DESCENT_OPERATORS	100

/* What an atom costs of few leads, as a share of what it does of all. */
#define FEW_COST		0.4

/* An atom is queried by itself when that costs less than this share of a scan. */
#define QUERY_SHARE		0.3

/* Atoms after these are scanned for without further thought. */
#define MAX_ESTIMATES	300

static ExpandedLeadset *evaluate_part(Evaluation *evaluation, Part *part, ExpandedLeadset *among);

/* ---- expressions ------------------------------------------------------------------ */

static Part *
make_part(PartKind kind, const BoundNode *node)
{
	Part	   *part = palloc0(sizeof(Part));

	part->kind = kind;
	part->node = node;
	return part;
}

static Part *
make_not(Part *operand, const BoundNode *node)
{
	Part	   *part;

	if (operand->kind == PART_NOT)
		return linitial(operand->args);
	if (operand->kind == PART_EVERYONE)
		return make_part(PART_NO_ONE, node);
	if (operand->kind == PART_NO_ONE)
		return make_part(PART_EVERYONE, node);
	part = make_part(PART_NOT, node);
	part->args = list_make1(operand);
	return part;
}

static Part *
atom_part(Evaluation *evaluation, const BoundNode *node)
{
	Part	   *part = make_part(PART_ATOM, node);

	part->atom = FindAtom(&evaluation->table, node);
	return part->atom->fails ? make_not(part, node) : part;
}

static Part *
build_part(Evaluation *evaluation, const BoundNode *node)
{
	bool		both = node->kind == SEGMENT_AND;
	Part	   *part;
	ListCell   *lc;

	check_stack_depth();

	switch (node->kind)
	{
		case SEGMENT_AND:
		case SEGMENT_OR:
			part = make_part(both ? PART_AND : PART_OR, node);
			foreach(lc, node->args)
			{
				Part	   *operand = build_part(evaluation, lfirst(lc));

				if (operand->kind == (both ? PART_NO_ONE : PART_EVERYONE))
					return operand;
				if (operand->kind != (both ? PART_EVERYONE : PART_NO_ONE))
					part->args = lappend(part->args, operand);
			}
			if (part->args == NIL)
				return make_part(both ? PART_EVERYONE : PART_NO_ONE, node);
			return list_length(part->args) == 1 ? linitial(part->args) : part;
		case SEGMENT_NOT:
			return make_not(build_part(evaluation, linitial(node->args)), node);
		case SEGMENT_EVERYONE:
			return make_part(PART_EVERYONE, node);
		case SEGMENT_NO_ONE:
			return make_part(PART_NO_ONE, node);
		default:
			return atom_part(evaluation, node);
	}
}

/* Are all leads of the expression in the universe, without a look at it? */
static bool
is_live(const Part *part)
{
	ListCell   *lc;

	check_stack_depth();

	switch (part->kind)
	{
		case PART_AND:
			foreach(lc, part->args)
				if (is_live(lfirst(lc)))
					return true;
			return false;
		case PART_OR:
			foreach(lc, part->args)
				if (!is_live(lfirst(lc)))
					return false;
			return true;
		case PART_ATOM:
			return part->atom->live;
		case PART_NO_ONE:
			return true;
		default:
			return false;
	}
}

Atom *
UniverseAtom(Evaluation *evaluation)
{
	static const SegmentNode everyone = {.kind = SEGMENT_EVERYONE};

	if (evaluation->universe == NULL)
	{
		BoundNode  *node = palloc0(sizeof(BoundNode));

		node->kind = SEGMENT_EVERYONE;
		node->written = &everyone;
		evaluation->universe = FindAtom(&evaluation->table, node);
	}
	return evaluation->universe;
}

Evaluation *
StartEvaluation(TimestampTz as_of, const char *zone)
{
	Evaluation *evaluation = palloc0(sizeof(Evaluation));

	evaluation->clock = MakeClock(as_of, zone);
	evaluation->context = CurrentMemoryContext;
	evaluation->universe_size = EstimatedUniverse();
	return evaluation;
}

static void
require_all_rows(const AtomTable *table)
{
	ListCell   *lc;
	ListCell   *relation;

	foreach(lc, table->atoms)
	{
		const Source *source = ((const Atom *) lfirst(lc))->source;

		if (source != NULL)
			foreach(relation, source->relations)
				RequireAllRows(lfirst_oid(relation), source->name);
	}
}

/* Where the leads are not in the universe by themselves, it is one more operand. */
Part *
AddBound(Evaluation *evaluation, const BoundNode *node)
{
	Part	   *root = build_part(evaluation, node);

	require_all_rows(&evaluation->table);

	if (!is_live(root))
	{
		Part	   *universe = make_part(PART_ATOM, NULL);

		universe->atom = UniverseAtom(evaluation);
		if (root->kind == PART_AND)
			root->args = lappend(root->args, universe);
		else
		{
			Part	   *both = make_part(PART_AND, node);

			both->args = list_make2(root, universe);
			root = both;
		}
	}
	evaluation->roots = lappend(evaluation->roots, root);
	evaluation->waiting++;
	return root;
}

Part *
AddSegment(Evaluation *evaluation, const char *text)
{
	return AddBound(evaluation, BindSegment(&evaluation->binding, text));
}

/* ---- costs ------------------------------------------------------------------------ */

static double
source_cost(Evaluation *evaluation, const Source *source)
{
	SourceCost *known;
	double		rows;
	ListCell   *lc;

	foreach(lc, evaluation->source_costs)
	{
		known = lfirst(lc);
		if (known->source == source)
			return known->cost;
	}
	known = palloc(sizeof(SourceCost));
	known->source = source;
	EstimateQuery(psprintf("select r from %s as r", source->relation), &evaluation->clock, (Datum) 0,
				  &known->cost, &rows);
	evaluation->source_costs = lappend(evaluation->source_costs, known);
	return known->cost;
}

/* Is the atom got by a statement of its own rather than with the others of its source? */
static bool
is_queried(Evaluation *evaluation, const Atom *atom)
{
	return atom->source == NULL ||
		(evaluation->weighed && atom->cost < QUERY_SHARE * source_cost(evaluation, atom->source));
}

/* What the statement costs that gets the atom. */
static double
atom_cost(Evaluation *evaluation, const Atom *atom)
{
	if (atom->leads != NULL)
		return 0;
	return is_queried(evaluation, atom) ? atom->cost : source_cost(evaluation, atom->source);
}

/* Many cheap queries of a source may cost more than to scan it. */
static void
weigh_together(Evaluation *evaluation)
{
	ListCell   *lc;
	ListCell   *other;

	foreach(lc, evaluation->source_costs)
	{
		SourceCost *scan = lfirst(lc);
		double		queries = 0;

		foreach(other, evaluation->table.atoms)
		{
			Atom	   *atom = lfirst(other);

			if (atom->source == scan->source && is_queried(evaluation, atom))
				queries += atom->cost;
		}
		if (queries < QUERY_SHARE * scan->cost)
			continue;
		foreach(other, evaluation->table.atoms)
		{
			Atom	   *atom = lfirst(other);

			if (atom->source == scan->source)
				atom->cost = Max(atom->cost, scan->cost);
		}
	}
}

static void
weigh(Evaluation *evaluation)
{
	ListCell   *lc;

	if (evaluation->weighed)
		return;
	foreach(lc, evaluation->table.atoms)
	{
		Atom	   *atom = lfirst(lc);

		if (atom->leads != NULL)
			continue;
		if (atom->source != NULL)
			atom->cost = source_cost(evaluation, atom->source);
		if (atom->source == NULL || foreach_current_index(lc) < MAX_ESTIMATES)
			EstimateQuery(atom->records_sql, &evaluation->clock, (Datum) 0, &atom->cost, &atom->rows);
	}
	evaluation->weighed = true;
	weigh_together(evaluation);
}

static void
weigh_part(Evaluation *evaluation, Part *part)
{
	ListCell   *lc;

	check_stack_depth();

	part->cost = 0;
	part->rows = part->kind == PART_AND ? evaluation->universe_size : 0;
	foreach(lc, part->args)
	{
		Part	   *operand = lfirst(lc);

		weigh_part(evaluation, operand);
		part->cost += operand->cost;
		part->rows = part->kind == PART_AND ? Min(part->rows, operand->rows) :
			part->rows + operand->rows;
	}
	if (part->kind == PART_ATOM)
	{
		part->cost = atom_cost(evaluation, part->atom);
		part->rows = part->atom->leads ? ExpandedLeadsetCardinality(part->atom->leads) :
			part->atom->rows < 0 ? evaluation->universe_size : part->atom->rows;
	}
	else if (part->kind == PART_NOT)
		part->rows = Max(evaluation->universe_size - part->rows, 0);
}

/* What it costs to be rid of a lead; for an OR, simply what it costs. */
static int
compare_operands(const ListCell *a, const ListCell *b)
{
	const Part *x = lfirst(a);
	const Part *y = lfirst(b);

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->rows < y->rows ? -1 : x->rows > y->rows;
}

static bool
is_few(const Evaluation *evaluation, double leads)
{
	return leads <= Max(evaluation->universe_size / FEW_SHARE, 100) && leads <= FEW_LEADS;
}

/* What the operands of an AND cost one after another, the nth before all others. */
static double
cost_in_order(const Evaluation *evaluation, const List *operands, int nth)
{
	double		universe = Max(evaluation->universe_size, 1);
	double		left = ((Part *) list_nth(operands, nth))->rows;
	double		cost = ((Part *) list_nth(operands, nth))->cost;
	ListCell   *lc;

	foreach(lc, operands)
	{
		const Part *operand = lfirst(lc);

		if (foreach_current_index(lc) == nth)
			continue;
		cost += operand->cost * (is_few(evaluation, left) ? FEW_COST : 1);
		left *= Min(operand->rows / universe, 1);
	}
	return cost;
}

/*
 * An AND starts from a set, not from what is not in one: from the first operand
 * that is one or, where that leaves so few leads that the others cost less by
 * more than it takes itself, from another.
 */
static List *
with_best_first(const Evaluation *evaluation, List *operands)
{
	int			best = -1;
	double		least = 0;
	double		total = 0;
	Part	   *first;
	ListCell   *lc;

	foreach(lc, operands)
		total += ((Part *) lfirst(lc))->cost;
	foreach(lc, operands)
	{
		const Part *operand = lfirst(lc);
		double		cost;

		if (operand->kind == PART_NOT)
			continue;
		if (best < 0)
			cost = cost_in_order(evaluation, operands, foreach_current_index(lc));
		else if (evaluation->waiting > 1)
			break;
		else if (is_few(evaluation, operand->rows))
			cost = operand->cost + (total - operand->cost) * FEW_COST;
		else
			continue;
		if (best < 0 || cost < least)
		{
			best = foreach_current_index(lc);
			least = cost;
		}
	}
	if (best < 0)
		return operands;
	first = list_nth(operands, best);
	return lcons(first, list_delete_nth_cell(operands, best));
}

/* The operands in the order in which they are best asked for. */
static List *
ordered_operands(Evaluation *evaluation, const Part *part)
{
	List	   *operands = list_copy(part->args);
	ListCell   *lc;

	foreach(lc, operands)
	{
		Part	   *operand = lfirst(lc);
		double		kept;

		weigh_part(evaluation, operand);
		kept = operand->rows / Max(evaluation->universe_size, 1);
		operand->rank = operand->cost / (part->kind == PART_OR ? 1 : Max(1 - kept, 0.05));
	}
	list_sort(operands, compare_operands);
	return part->kind == PART_AND ? with_best_first(evaluation, operands) : operands;
}

/* ---- atoms ------------------------------------------------------------------------- */

/* Note what a statement took, for those who ask. */
static void
end_step(Evaluation *evaluation, instr_time start)
{
	instr_time	end;
	double	   *ms = MemoryContextAlloc(evaluation->context, sizeof(double));

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	*ms = INSTR_TIME_GET_MILLISEC(end);
	evaluation->steps = lappend(evaluation->steps, ms);
}

/* Does a provider know the leads? Each atom is asked about once. */
static void
ask_providers(Evaluation *evaluation, Atom *atom)
{
	instr_time	start;

	if (atom->asked || atom->leads != NULL)
		return;
	atom->asked = true;
	INSTR_TIME_SET_CURRENT(start);
	atom->leads = AskProviders(atom, &evaluation->clock, evaluation->context);
	if (atom->leads == NULL)
		return;
	atom->way = ATOM_PROVIDED;
	atom->step = list_length(evaluation->steps) + 1;
	atom->found = ExpandedLeadsetCardinality(atom->leads);
	end_step(evaluation, start);
}

static void
query_atom(Evaluation *evaluation, Atom *atom)
{
	atom->leads = QueryLeads(atom->leads_sql, &evaluation->clock, (Datum) 0, evaluation->context);
	atom->way = ATOM_QUERIED;
}

/* Scan the atom's source for it and for all others that would have to be scanned for. */
static void
scan_source(Evaluation *evaluation, Atom *atom)
{
	List	   *atoms = list_make1(atom);
	ListCell   *lc;

	foreach(lc, evaluation->table.atoms)
	{
		Atom	   *other = lfirst(lc);

		if (other != atom && other->source == atom->source && other->leads == NULL &&
			!is_queried(evaluation, other))
			atoms = lappend(atoms, other);
	}
	if (list_length(atoms) == 1 && atom->node->kind == SEGMENT_BLOCK)
		query_atom(evaluation, atom);
	else
		ScanAtoms(atoms, &evaluation->clock, evaluation->context);
	foreach(lc, atoms)
	{
		Atom	   *scanned = lfirst(lc);

		scanned->step = atom->step;
		scanned->found = ExpandedLeadsetCardinality(scanned->leads);
	}
}

/* The leads of an atom, to be read only. */
ExpandedLeadset *
AtomLeads(Evaluation *evaluation, Atom *atom)
{
	instr_time	start;

	ask_providers(evaluation, atom);
	if (atom->leads != NULL)
		return atom->leads;
	INSTR_TIME_SET_CURRENT(start);
	atom->step = list_length(evaluation->steps) + 1;
	if (is_queried(evaluation, atom))
		query_atom(evaluation, atom);
	else
		scan_source(evaluation, atom);
	atom->found = ExpandedLeadsetCardinality(atom->leads);
	end_step(evaluation, start);
	return atom->leads;
}

ExpandedLeadset *
CopyLeads(Evaluation *evaluation, ExpandedLeadset *leads)
{
	ExpandedLeadset *copy = LeadsetCreate(evaluation->context);

	LeadsetUnion(copy, leads);
	return copy;
}

static bool
is_empty(ExpandedLeadset *leads)
{
	return ExpandedLeadsetCardinality(leads) == 0;
}

Datum
LeadsArray(ExpandedLeadset *leads)
{
	int64		n = ExpandedLeadsetCardinality(leads);
	Datum	   *ids = palloc(Max(n, 1) * sizeof(Datum));
	LeadsetIterator it;
	int64		id;

	n = 0;
	LeadsetIterate(&it, DatumGetLeadset(LeadsetGetDatum(leads)));
	while (LeadsetNext(&it, &id))
		ids[n++] = Int64GetDatum(id);
	return PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* The leads of an atom among a few, by a walk to their records; NULL where that costs more than it may. */
static ExpandedLeadset *
walk_to_leads(Evaluation *evaluation, Atom *atom, ExpandedLeadset *among, double most)
{
	Datum		records;

	if (atom->source == NULL || !WalkToRecords(atom->source, among, most, &records))
		return NULL;
	atom->way = ATOM_WALKED;
	return QueryLeads(atom->walk_sql, &evaluation->clock, records, evaluation->context);
}

/* The same by an array of them. */
static ExpandedLeadset *
ask_for_leads(Evaluation *evaluation, Atom *atom, ExpandedLeadset *among, double most)
{
	Datum		array;
	double		cost;
	double		rows;

	/* to plan for a long array takes its time */
	if (ExpandedLeadsetCardinality(among) * DESCENT_OPERATORS * cpu_operator_cost > most)
		return NULL;
	array = LeadsArray(among);
	EstimateQuery(atom->probe_sql, &evaluation->clock, array, &cost, &rows);
	if (cost > most)
		return NULL;
	atom->way = ATOM_PROBED;
	return QueryLeads(atom->probe_sql, &evaluation->clock, array, evaluation->context);
}

/*
 * The leads of an atom among a few, if it costs less to ask for these than for
 * all; what others who wait would save by all being there is counted in.
 */
static ExpandedLeadset *
probe_atom(Evaluation *evaluation, Atom *atom, ExpandedLeadset *among)
{
	int64		candidates = ExpandedLeadsetCardinality(among);
	double		most = atom_cost(evaluation, atom) / Max(evaluation->waiting, 1);
	ExpandedLeadset *leads;
	instr_time	start;

	if (!is_few(evaluation, candidates))
		return NULL;
	INSTR_TIME_SET_CURRENT(start);
	leads = walk_to_leads(evaluation, atom, among, most);
	if (leads == NULL)
		leads = ask_for_leads(evaluation, atom, among, most);
	if (leads == NULL)
		return NULL;
	atom->step = list_length(evaluation->steps) + 1;
	atom->candidates = candidates;
	atom->found = ExpandedLeadsetCardinality(leads);
	end_step(evaluation, start);
	return leads;
}

/* ---- sets ----------------------------------------------------------------------------- */

static ExpandedLeadset *
evaluate_atom(Evaluation *evaluation, Atom *atom, ExpandedLeadset *among)
{
	ExpandedLeadset *leads;
	ExpandedLeadset *others;

	if (atom->leads == NULL && among != NULL && (leads = probe_atom(evaluation, atom, among)) != NULL)
		return leads;
	others = AtomLeads(evaluation, atom);
	if (among == NULL)
		return CopyLeads(evaluation, others);
	/* the smaller one is copied */
	if (ExpandedLeadsetCardinality(others) < ExpandedLeadsetCardinality(among))
	{
		leads = CopyLeads(evaluation, others);
		others = among;
	}
	else
		leads = CopyLeads(evaluation, among);
	LeadsetIntersect(leads, others);
	return leads;
}

static ExpandedLeadset *
evaluate_not(Evaluation *evaluation, Part *part, ExpandedLeadset *among)
{
	ExpandedLeadset *leads = CopyLeads(evaluation, among ? among :
									   AtomLeads(evaluation, UniverseAtom(evaluation)));
	ExpandedLeadset *others = evaluate_part(evaluation, linitial(part->args), among);

	LeadsetSubtract(leads, others);
	LeadsetDelete(others);
	return leads;
}

static ExpandedLeadset *
evaluate_and(Evaluation *evaluation, Part *part, ExpandedLeadset *among)
{
	ExpandedLeadset *leads = NULL;
	ListCell   *lc;

	foreach(lc, ordered_operands(evaluation, part))
	{
		ExpandedLeadset *fewer = evaluate_part(evaluation, lfirst(lc), leads ? leads : among);

		if (leads != NULL)
			LeadsetDelete(leads);
		leads = fewer;
		if (is_empty(leads))
			break;
	}
	return leads;
}

/* Each operand is only asked for the leads that those before have not. */
static ExpandedLeadset *
evaluate_or(Evaluation *evaluation, Part *part, ExpandedLeadset *among)
{
	ExpandedLeadset *leads = LeadsetCreate(evaluation->context);
	ExpandedLeadset *others = among ? CopyLeads(evaluation, among) : NULL;
	ListCell   *lc;

	foreach(lc, ordered_operands(evaluation, part))
	{
		ExpandedLeadset *more;

		if (others != NULL && is_empty(others))
			break;
		more = evaluate_part(evaluation, lfirst(lc), others);
		if (others != NULL)
			LeadsetSubtract(others, more);
		LeadsetUnion(leads, more);
		LeadsetDelete(more);
	}
	if (others != NULL)
		LeadsetDelete(others);
	return leads;
}

static ExpandedLeadset *
evaluate_kind(Evaluation *evaluation, Part *part, ExpandedLeadset *among)
{
	switch (part->kind)
	{
		case PART_AND:
			return evaluate_and(evaluation, part, among);
		case PART_OR:
			return evaluate_or(evaluation, part, among);
		case PART_NOT:
			return evaluate_not(evaluation, part, among);
		case PART_ATOM:
			return evaluate_atom(evaluation, part->atom, among);
		case PART_EVERYONE:
			return CopyLeads(evaluation, among ? among :
							 AtomLeads(evaluation, UniverseAtom(evaluation)));
		case PART_NO_ONE:
			return LeadsetCreate(evaluation->context);
	}
	pg_unreachable();
}

/*
 * The leads of a part: those among the given ones, or, where none are given,
 * all. They may be outside of the universe where those among which they are may.
 */
static ExpandedLeadset *
evaluate_part(Evaluation *evaluation, Part *part, ExpandedLeadset *among)
{
	ExpandedLeadset *leads;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	leads = evaluate_kind(evaluation, part, among);
	part->asked = true;
	if (evaluation->explain)
		part->found = ExpandedLeadsetCardinality(leads);
	return leads;
}

bool
IsKnown(Evaluation *evaluation)
{
	bool		known = true;
	ListCell   *lc;

	foreach(lc, evaluation->table.atoms)
	{
		Atom	   *atom = lfirst(lc);

		ask_providers(evaluation, atom);
		known &= atom->leads != NULL;
	}
	return known;
}

ExpandedLeadset *
EvaluateAmong(Evaluation *evaluation, Part *part, ExpandedLeadset *among)
{
	/* what a provider knows costs little, and saves to weigh the rest */
	(void) IsKnown(evaluation);
	/* of a single atom there is nothing to choose */
	if (list_length(evaluation->table.atoms) > 1)
		weigh(evaluation);
	return evaluate_part(evaluation, part, among);
}

ExpandedLeadset *
EvaluatePart(Evaluation *evaluation, Part *root)
{
	ExpandedLeadset *leads = EvaluateAmong(evaluation, root, NULL);

	evaluation->waiting--;
	return leads;
}
