/*
 * sieve_program.c
 *		The program of a sieve as numbers: written by the engine, read by the
 *		aggregate, which anybody may call and which therefore believes nothing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/sieve_internal.h"
#include "utils/array.h"

/* ---- writing ------------------------------------------------------------------ */

typedef struct Writer
{
	int			n;
	int			max;
	Datum	   *numbers;
} Writer;

static void
put(Writer *writer, int64 number)
{
	if (writer->n == writer->max)
	{
		writer->max *= 2;
		writer->numbers = repalloc(writer->numbers, writer->max * sizeof(Datum));
	}
	writer->numbers[writer->n++] = Int64GetDatum(number);
}

static void
put_words(Writer *writer, const uint64 *words, int n)
{
	for (int i = 0; i < n; i++)
		put(writer, (int64) words[i]);
}

static void
put_terms(Writer *writer, const List *terms, int nwords)
{
	uint64	   *words = palloc0(nwords * sizeof(uint64));
	ListCell   *lc;

	foreach(lc, terms)
		words[lfirst_int(lc) / 64] |= UINT64CONST(1) << (lfirst_int(lc) % 64);
	put_words(writer, words, nwords);
}

static int
compare_numbers(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Where the ranges that are asked of a field begin and end: a value's place is how many it reaches. */
static int
find_bounds(const SieveProgram *program, int field, int64 **result)
{
	int64	   *bounds;
	int			max = 0;
	int			n = 0;
	int			kept = 0;
	ListCell   *lc;

	foreach(lc, program->terms)
	{
		const Ranges *ranges = ((SieveTerm *) lfirst(lc))->ranges[field];

		max += ranges ? 2 * ranges->n : 0;
	}
	bounds = palloc((max + 1) * sizeof(int64));
	foreach(lc, program->terms)
	{
		const Ranges *ranges = ((SieveTerm *) lfirst(lc))->ranges[field];

		for (int i = 0; ranges && i < ranges->n; i++)
		{
			if (ranges->range[i].first > PG_INT64_MIN)
				bounds[n++] = ranges->range[i].first;
			if (ranges->range[i].last < PG_INT64_MAX)
				bounds[n++] = ranges->range[i].last + 1;
		}
	}
	qsort(bounds, n, sizeof(int64), compare_numbers);
	for (int i = 0; i < n; i++)
		if (i == 0 || bounds[i] != bounds[kept - 1])
			bounds[kept++] = bounds[i];
	*result = bounds;
	return kept;
}

/* A field's bounds, and for null and for each place among them the terms it meets. */
static void
put_field(Writer *writer, const SieveProgram *program, int field, int nwords)
{
	int64	   *bounds;
	int			nbounds = find_bounds(program, field, &bounds);
	uint64	   *words = palloc(nwords * sizeof(uint64));
	ListCell   *lc;

	put(writer, nbounds);
	for (int i = 0; i < nbounds; i++)
		put(writer, bounds[i]);
	for (int place = -1; place <= nbounds; place++)
	{
		memset(words, 0, nwords * sizeof(uint64));
		foreach(lc, program->terms)
		{
			const Ranges *ranges = ((SieveTerm *) lfirst(lc))->ranges[field];
			int			term = foreach_current_index(lc);

			if (ranges == NULL ||
				(place < 0 ? ranges->null :
				 RangesContain(ranges, place == 0 ? PG_INT64_MIN : bounds[place - 1])))
				words[term / 64] |= UINT64CONST(1) << (term % 64);
		}
		put_words(writer, words, nwords);
	}
}

Datum
SieveEncode(const SieveProgram *program)
{
	Writer		writer = {.max = 256};
	int			nwords = SIEVE_WORDS(list_length(program->terms));
	ListCell   *lc;

	writer.numbers = palloc(writer.max * sizeof(Datum));
	put(&writer, list_length(program->terms));
	put(&writer, program->nfields);
	for (int field = 0; field < program->nfields; field++)
		put_field(&writer, program, field, nwords);

	put(&writer, list_length(program->tallies));
	foreach(lc, program->tallies)
	{
		const SieveTally *tally = lfirst(lc);

		put(&writer, tally->function);
		put(&writer, tally->term);
		put(&writer, tally->field);
		put(&writer, tally->key);
		put_terms(&writer, tally->edge_terms, nwords);
	}

	put(&writer, list_length(program->outputs));
	foreach(lc, program->outputs)
	{
		const SieveOutput *output = lfirst(lc);

		put(&writer, output->terms != NIL ? -1 : output->tally);
		if (output->terms != NIL)
		{
			put_terms(&writer, output->terms, nwords);
			continue;
		}
		put(&writer, output->ranges->n);
		for (int i = 0; i < output->ranges->n; i++)
		{
			put(&writer, output->ranges->range[i].first);
			put(&writer, output->ranges->range[i].last);
		}
	}
	return PointerGetDatum(construct_array(writer.numbers, writer.n, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* ---- reading ------------------------------------------------------------------ */

typedef struct Reader
{
	const int64 *next;
	const int64 *end;
} Reader;

static int64
take(Reader *reader, int64 min, int64 max)
{
	if (reader->next == reader->end || *reader->next < min || *reader->next > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid program for leadflow.sieve"),
				 errdetail("Programs are written by leadflow.evaluate().")));
	return *reader->next++;
}

static const int64 *
take_many(Reader *reader, int64 n)
{
	const int64 *numbers = reader->next;

	if (n > reader->end - reader->next)
		(void) take(reader, 1, 0);
	reader->next += n;
	return numbers;
}

/* A word of the set of all terms. */
static uint64
all_terms(const Sieve *sieve, int word)
{
	int			terms = sieve->nterms - word * 64;

	return terms >= 64 ? ~UINT64CONST(0) : (UINT64CONST(1) << terms) - 1;
}

static void
read_field(Reader *reader, Sieve *sieve, SieveField *field)
{
	field->nbounds = take(reader, 0, SIEVE_MAX_BOUNDS);
	field->bounds = take_many(reader, field->nbounds);
	field->masks = (const uint64 *) take_many(reader, (field->nbounds + 2) * (int64) sieve->nwords);
	for (int i = 1; i < field->nbounds; i++)
		if (field->bounds[i] <= field->bounds[i - 1])
			(void) take(reader, 1, 0);
	for (int i = 0; i < (field->nbounds + 2) * sieve->nwords; i++)
		if (field->masks[i] != all_terms(sieve, i % sieve->nwords))
			field->tells = true;
}

static void
read_tally(Reader *reader, Sieve *sieve, Tally *tally)
{
	bool		edge;

	tally->function = take(reader, SIEVE_COUNT, SIEVE_LAST);
	tally->term = take(reader, 0, sieve->nterms - 1);
	tally->field = take(reader, tally->function == SIEVE_COUNT ? -1 : 0, sieve->nfields - 1);
	edge = tally->function >= SIEVE_FIRST;
	tally->key = take(reader, -1, edge ? sieve->nfields - 1 : -1);
	tally->edge_terms = (const uint64 *) take_many(reader, sieve->nwords);
	tally->offset = sieve->stride;
	sieve->stride += edge && tally->key >= 0 ? 2 : 1;
	for (int i = 0; edge && i < sieve->nwords; i++)
		sieve->edge_terms[i] |= tally->edge_terms[i];
}

static void
read_output(Reader *reader, Sieve *sieve, Output *output)
{
	output->tally = take(reader, -1, sieve->ntallies - 1);
	if (output->tally < 0)
		output->terms = (const uint64 *) take_many(reader, sieve->nwords);
	else
	{
		output->ranges.n = take(reader, 0, SIEVE_MAX_BOUNDS);
		output->ranges.range = unconstify(Range *, (const Range *) take_many(reader, 2 * output->ranges.n));
	}
}

/* The numbers stay where they are in the array. */
void
SieveRead(Sieve *sieve, ArrayType *program)
{
	Reader		reader;

	if (ARR_NDIM(program) != 1 || ARR_HASNULL(program) || ARR_ELEMTYPE(program) != INT8OID)
		reader.next = reader.end = NULL;
	else
	{
		reader.next = (const int64 *) ((char *) program + ARR_OVERHEAD_NONULLS(1));
		reader.end = reader.next + ARR_DIMS(program)[0];
	}

	sieve->nterms = take(&reader, 1, SIEVE_MAX_TERMS);
	sieve->nwords = SIEVE_WORDS(sieve->nterms);
	sieve->stride = sieve->nwords;
	sieve->edge_terms = palloc0(sieve->nwords * sizeof(uint64));
	sieve->nfields = take(&reader, 1, SIEVE_MAX_FIELDS);
	sieve->fields = palloc0(sieve->nfields * sizeof(SieveField));
	for (int i = 0; i < sieve->nfields; i++)
		read_field(&reader, sieve, &sieve->fields[i]);
	sieve->ntallies = take(&reader, 0, SIEVE_MAX_TERMS);
	sieve->tallies = palloc0(sieve->ntallies * sizeof(Tally));
	for (int i = 0; i < sieve->ntallies; i++)
		read_tally(&reader, sieve, &sieve->tallies[i]);
	sieve->noutputs = take(&reader, 1, SIEVE_MAX_TERMS);
	sieve->outputs = palloc0(sieve->noutputs * sizeof(Output));
	for (int i = 0; i < sieve->noutputs; i++)
		read_output(&reader, sieve, &sieve->outputs[i]);
}
