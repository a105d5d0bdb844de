/*
 * pass.c
 *		Atoms as the program of a sieve.
 *
 * A row becomes terms, each a range per field; it is met if any of them is. A
 * test that is no range, such as a comparison of texts, is a boolean field that
 * SQL computes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/pass.h"
#include "engine/sql.h"
#include "miscadmin.h"

/* A row that would be more terms than these is one boolean field instead. */
#define MAX_ROW_TERMS	16

/* ---- fields ----------------------------------------------------------------------- */

int
FindPassField(Pass *pass, char *sql, Oid type)
{
	PassField  *field;
	ListCell   *lc;

	foreach(lc, pass->fields)
		if (strcmp(((PassField *) lfirst(lc))->sql, sql) == 0)
			return foreach_current_index(lc);
	if (list_length(pass->fields) == SIEVE_MAX_FIELDS)
		return -1;
	field = palloc(sizeof(PassField));
	field->sql = sql;
	field->type = type;
	pass->fields = lappend(pass->fields, field);
	return list_length(pass->fields) - 1;
}

static bool
is_number(const SourceField *field)
{
	return field->lookup_relation == NULL && !field->is_enum && HasRanges(field->base_type);
}

static int
find_column(Pass *pass, const SourceField *field)
{
	return FindPassField(pass, FieldSql(field, "r"), field->base_type);
}

/* ---- terms ------------------------------------------------------------------------ */

static SieveTerm *
copy_term(const SieveTerm *term)
{
	SieveTerm  *copy = palloc0(sizeof(SieveTerm));

	if (term)
		*copy = *term;
	return copy;
}

static void
narrow(SieveTerm *term, int field, Ranges *ranges)
{
	term->ranges[field] = term->ranges[field] ?
		RangesIntersect(term->ranges[field], ranges) : ranges;
}

/* The only field that a term asks something of, or -1. */
static int
only_field(const SieveTerm *term)
{
	int			only = -1;

	for (int i = 0; i < SIEVE_MAX_FIELDS; i++)
	{
		if (term->ranges[i] == NULL)
			continue;
		if (only >= 0)
			return -1;
		only = i;
	}
	return only;
}

/* Terms any of which may be met; several of one field are one. */
static List *
either(List *terms, List *others)
{
	ListCell   *lc;

	foreach(lc, others)
	{
		SieveTerm  *other = lfirst(lc);
		int			field = only_field(other);
		ListCell   *known;
		bool		joined = false;

		foreach(known, terms)
		{
			SieveTerm  *term = lfirst(known);

			if (field < 0 || only_field(term) != field)
				continue;
			term->ranges[field] = RangesUnion(term->ranges[field], other->ranges[field]);
			joined = true;
			break;
		}
		if (!joined)
			terms = lappend(terms, other);
	}
	return terms;
}

static List *
both(const List *terms, const List *others)
{
	List	   *result = NIL;
	ListCell   *lc;
	ListCell   *other_lc;

	foreach(lc, terms)
	{
		foreach(other_lc, others)
		{
			SieveTerm  *term = copy_term(lfirst(lc));
			SieveTerm  *other = lfirst(other_lc);

			for (int i = 0; i < SIEVE_MAX_FIELDS; i++)
				if (other->ranges[i])
					narrow(term, i, other->ranges[i]);
			result = lappend(result, term);
		}
	}
	return result;
}

static List *
one_term(int field, Ranges *ranges)
{
	SieveTerm  *term;

	if (field < 0)
		return NIL;
	term = copy_term(NULL);
	term->ranges[field] = ranges;
	return list_make1(term);
}

/* The row, computed by SQL, is true; or it is not. */
static List *
computed_terms(Pass *pass, const BoundNode *row, bool negated)
{
	Ranges	   *ranges = RangesOf(1, 1);

	return one_term(FindPassField(pass, RowSql(row, "r"), BOOLOID),
					negated ? RangesComplement(ranges) : ranges);
}

static List *
field_terms(Pass *pass, const BoundNode *node, bool negated)
{
	Ranges	   *ranges = NULL;

	if (is_number(node->field))
		ranges = node->test == NULL ? RangesOf(1, 1) :
			TestRanges(node->test, node->field->base_type, pass->clock);
	if (ranges == NULL)
		return computed_terms(pass, node, negated);
	return one_term(find_column(pass, node->field), negated ? RangesComplement(ranges) : ranges);
}

/* The terms of a row, or of its opposite; NIL when it cannot be had in so few. */
static List *
row_terms(Pass *pass, const BoundNode *row, bool negated)
{
	List	   *terms = NIL;
	ListCell   *lc;
	bool		any;

	check_stack_depth();

	if (row->kind == SEGMENT_FIELD)
		return field_terms(pass, row, negated);
	if (row->kind == SEGMENT_NOT)
		return row_terms(pass, linitial(row->args), !negated);
	any = (row->kind == SEGMENT_OR) != negated;
	foreach(lc, row->args)
	{
		List	   *operand = row_terms(pass, lfirst(lc), negated);

		if (operand == NIL)
			return NIL;
		if (lc == list_head(row->args))
			terms = operand;
		else
			terms = any ? either(terms, operand) : both(terms, operand);
		if (list_length(terms) > MAX_ROW_TERMS)
			return NIL;
	}
	return terms;
}

/* Does it take long to look into the texts this row asks for? */
static bool
is_dear(const BoundNode *row)
{
	ListCell   *lc;

	check_stack_depth();

	if (row->kind == SEGMENT_FIELD)
		return row->test != NULL && row->field->type == FIELD_TEXT &&
			row->test->test->kind >= SEGMENT_CONTAINS && row->test->test->kind <= SEGMENT_MATCHES;
	foreach(lc, row->args)
		if (is_dear(lfirst(lc)))
			return true;
	return false;
}

/* The same row, what is dear last: there it is only computed where the rest holds. */
static BoundNode *
dear_last(const BoundNode *row)
{
	BoundNode  *copy = palloc(sizeof(BoundNode));
	ListCell   *lc;

	*copy = *row;
	copy->args = NIL;
	foreach(lc, row->args)
		if (!is_dear(lfirst(lc)))
			copy->args = lappend(copy->args, lfirst(lc));
	foreach(lc, row->args)
		if (is_dear(lfirst(lc)))
			copy->args = lappend(copy->args, lfirst(lc));
	return copy;
}

/* The terms of the records that exist (5) and satisfy a row; NIL when there is no room. */
static List *
record_terms(Pass *pass, const BoundNode *row, bool single)
{
	const SourceField *time = pass->source->time;
	int			nfields = list_length(pass->fields);
	List	   *terms;

	if (row == NULL)
		terms = list_make1(copy_term(NULL));
	else if (row->kind == SEGMENT_AND && is_dear(row))
		terms = computed_terms(pass, dear_last(row), false);
	else
	{
		terms = row_terms(pass, row, false);
		if (terms == NIL || (single && list_length(terms) > 1))
		{
			pass->fields = list_truncate(pass->fields, nfields);
			terms = computed_terms(pass, row, false);
		}
	}
	if (time != NULL && terms != NIL)
		terms = both(terms, one_term(find_column(pass, time),
									 ExistingTimes(time->base_type, !time->not_null, pass->clock)));
	return terms;
}

static bool
same_ranges(const Ranges *a, const Ranges *b)
{
	if (a == b)
		return true;
	return a && b && a->null == b->null && a->n == b->n &&
		memcmp(a->range, b->range, a->n * sizeof(Range)) == 0;
}

static bool
same_term(const SieveTerm *a, const SieveTerm *b)
{
	for (int i = 0; i < SIEVE_MAX_FIELDS; i++)
		if (!same_ranges(a->ranges[i], b->ranges[i]))
			return false;
	return true;
}

/* The number of a term of the program, known or new. */
static int
find_term(Pass *pass, SieveTerm *term)
{
	ListCell   *lc;

	foreach(lc, pass->program.terms)
		if (!((SieveTerm *) lfirst(lc))->of_edge && same_term(lfirst(lc), term))
			return foreach_current_index(lc);
	pass->program.terms = lappend(pass->program.terms, term);
	return list_length(pass->program.terms) - 1;
}

static List *
find_terms(Pass *pass, List *terms)
{
	List	   *numbers = NIL;
	ListCell   *lc;

	foreach(lc, terms)
		numbers = lappend_int(numbers, find_term(pass, lfirst(lc)));
	return numbers;
}

/* ---- tallies ------------------------------------------------------------------------ */

static SieveTally *
find_tally(Pass *pass, SieveFunction function, int term, int field, int key, int *number)
{
	SieveTally *tally;
	ListCell   *lc;

	foreach(lc, pass->program.tallies)
	{
		tally = lfirst(lc);
		*number = foreach_current_index(lc);
		if (tally->function == function && tally->term == term && tally->field == field &&
			tally->key == key)
			return tally;
	}
	tally = palloc0(sizeof(SieveTally));
	tally->function = function;
	tally->term = term;
	tally->field = field;
	tally->key = key;
	*number = list_length(pass->program.tallies);
	pass->program.tallies = lappend(pass->program.tallies, tally);
	return tally;
}

/* The function of a sieve that an aggregate is, if it is one; its test as ranges. */
static bool
tally_function(const BoundNode *node, const Clock *clock, SieveFunction *function, Ranges **ranges)
{
	const SourceField *field = node->field;
	Oid			type = INT8OID;

	switch (node->function)
	{
		case SEGMENT_COUNT:
			*function = SIEVE_COUNT;
			if (node->distinct)
				return false;
			break;
		case SEGMENT_SUM:
			/* of as many as there can be, it fits into 64 bits */
			*function = SIEVE_SUM;
			if (field->base_type != INT2OID && field->base_type != INT4OID)
				return false;
			break;
		case SEGMENT_MIN:
		case SEGMENT_MAX:
			*function = node->function == SEGMENT_MIN ? SIEVE_MIN : SIEVE_MAX;
			if (!is_number(field))
				return false;
			type = field->base_type;
			break;
		default:
			return false;
	}
	*ranges = TestRanges(node->test, type, clock);
	return *ranges != NULL;
}

/* The key that tells records of one time apart, as a field; -1 for none. */
static bool
edge_key(Pass *pass, int *key)
{
	const Source *source = pass->source;
	ListCell   *lc;

	*key = -1;
	if (source->key_column == NULL)
		return true;
	foreach(lc, source->fields)
	{
		const SourceField *field = lfirst(lc);

		if (IsColumn(field, source->key_column))
		{
			if (!field->not_null || !is_number(field))
				return false;
			*key = find_column(pass, field);
			return *key >= 0;
		}
	}
	return false;
}

/* ---- atoms -------------------------------------------------------------------------- */

static bool
add_block(Pass *pass, const BoundNode *node, SieveOutput *output)
{
	List	   *terms = record_terms(pass, node->row, false);

	output->terms = find_terms(pass, terms);
	return terms != NIL;
}

static bool
add_aggregate(Pass *pass, const Atom *atom, SieveOutput *output)
{
	const BoundNode *node = atom->node;
	SieveFunction function;
	List	   *terms;
	int			field = -1;

	if (!tally_function(node, pass->clock, &function, &output->ranges))
		return false;
	if (atom->fails)
		output->ranges = RangesComplement(output->ranges);
	terms = record_terms(pass, node->where, true);
	if (terms == NIL)
		return false;
	if (node->field != NULL && node->function != SEGMENT_SUM)
	{
		/* a record without a value is none */
		Ranges	   *known = RangesOf(PG_INT64_MIN, PG_INT64_MAX);
		bool		number = is_number(node->field);

		field = number ? find_column(pass, node->field) :
			FindPassField(pass, psprintf("%s is not null", FieldSql(node->field, "r")), BOOLOID);
		if (field < 0)
			return false;
		narrow(linitial(terms), field, number ? known : RangesOf(1, 1));
	}
	if (function == SIEVE_COUNT)
		field = -1;
	else if ((field = find_column(pass, node->field)) < 0)
		return false;
	(void) find_tally(pass, function, find_term(pass, linitial(terms)), field, -1, &output->tally);
	return true;
}

/* The terms of the row are this tally's alone: they are met by one record only. */
static bool
add_edge(Pass *pass, const BoundNode *node, SieveOutput *output)
{
	const SourceField *time = pass->source->time;
	List	   *where = record_terms(pass, node->where, true);
	List	   *row = record_terms(pass, node->row, false);
	int			field = find_column(pass, time);
	SieveTally *tally;
	int			number;
	int			key;
	ListCell   *lc;

	if (where == NIL || row == NIL || field < 0 || !edge_key(pass, &key) ||
		list_length(pass->program.terms) + list_length(row) >= SIEVE_MAX_TERMS)
		return false;
	narrow(linitial(where), field, RangesOf(PG_INT64_MIN, PG_INT64_MAX));
	tally = find_tally(pass, node->function == SEGMENT_FIRST ? SIEVE_FIRST : SIEVE_LAST,
					   find_term(pass, linitial(where)), field, key, &number);
	foreach(lc, row)
	{
		((SieveTerm *) lfirst(lc))->of_edge = true;
		output->terms = lappend_int(output->terms, list_length(pass->program.terms));
		pass->program.terms = lappend(pass->program.terms, lfirst(lc));
	}
	tally->edge_terms = list_concat_copy(tally->edge_terms, output->terms);
	return true;
}

bool
AddPassAtom(Pass *pass, Atom *atom)
{
	int			nfields = list_length(pass->fields);
	int			nterms = list_length(pass->program.terms);
	int			ntallies = list_length(pass->program.tallies);
	SieveOutput *output = palloc0(sizeof(SieveOutput));
	bool		added = false;

	if (list_length(pass->atoms) == pass->max_atoms)
		return false;
	switch (atom->node->kind)
	{
		case SEGMENT_BLOCK:
			added = add_block(pass, atom->node, output);
			break;
		case SEGMENT_AGGREGATE:
			added = pass->tallies && add_aggregate(pass, atom, output);
			break;
		case SEGMENT_EDGE:
			added = pass->tallies && add_edge(pass, atom->node, output);
			break;
		default:
			break;
	}
	if (!added || list_length(pass->program.terms) > SIEVE_MAX_TERMS)
	{
		pass->fields = list_truncate(pass->fields, nfields);
		pass->program.terms = list_truncate(pass->program.terms, nterms);
		pass->program.tallies = list_truncate(pass->program.tallies, ntallies);
		return false;
	}
	pass->program.outputs = lappend(pass->program.outputs, output);
	pass->atoms = lappend(pass->atoms, atom);
	return true;
}
