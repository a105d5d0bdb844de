/*
 * sieve.c
 *		The aggregate leadflow.sieve(); what it does is in sieve.h.
 *
 * What the leads have met lies in chunks of 64 leads. When these outgrow what a
 * hash table may take (work_mem times hash_mem_multiplier), they are emptied
 * into the sets that are asked for. Only tallies cannot be: then the sieve gives
 * up, and its result is null.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/sieve_internal.h"
#include "executor/nodeHash.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(sieve_add);
PG_FUNCTION_INFO_V1(sieve_combine);
PG_FUNCTION_INFO_V1(sieve_serialize);
PG_FUNCTION_INFO_V1(sieve_deserialize);
PG_FUNCTION_INFO_V1(sieve_result);

#define SH_PREFIX			sieve_chunks
#define SH_ELEMENT_TYPE		Chunk
#define SH_KEY_TYPE			int64
#define SH_KEY				key
#define SH_HASH_KEY(tb, k)	((uint32) (((uint64) (k) * UINT64CONST(0x9E3779B97F4A7C15)) >> 32))
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE			static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

/* A state travels between processes in one value. */
#define MAX_MEMORY	((Size) 512 * 1024 * 1024)

static void
start_chunks(Sieve *sieve)
{
	MemoryContextReset(sieve->chunk_context);
	sieve->chunks = sieve_chunks_create(sieve->chunk_context, 256, NULL);
	sieve->latest = NULL;
	sieve->memory = 0;
}

static Sieve *
make_sieve(MemoryContext parent, const ArrayType *program)
{
	MemoryContext context = AllocSetContextCreate(parent, "sieve", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Sieve	   *sieve = palloc0(sizeof(Sieve));

	sieve->context = context;
	sieve->program = palloc(VARSIZE(program));
	memcpy(sieve->program, program, VARSIZE(program));
	SieveRead(sieve, sieve->program);
	sieve->sets = palloc0(sieve->noutputs * sizeof(ExpandedLeadset *));
	sieve->values = palloc0(sieve->nfields * sizeof(int64));
	sieve->nulls = palloc0(sieve->nfields * sizeof(bool));
	sieve->met = palloc0(sieve->nwords * sizeof(uint64));
	sieve->chunk_context = AllocSetContextCreate(context, "sieve chunks", ALLOCSET_DEFAULT_SIZES);
	start_chunks(sieve);
	MemoryContextSwitchTo(old);
	return sieve;
}

/* ---- the leads of an output ------------------------------------------------------ */

static int
compare_chunks(const void *a, const void *b)
{
	int64		x = (*(Chunk *const *) a)->key;
	int64		y = (*(Chunk *const *) b)->key;

	return x < y ? -1 : x > y;
}

static Chunk **
sorted_chunks(Sieve *sieve, int *n)
{
	Chunk	  **chunks = palloc_extended(Max(sieve->chunks->members, 1) * sizeof(Chunk *), MCXT_ALLOC_HUGE);
	sieve_chunks_iterator it;
	Chunk	   *chunk;

	*n = 0;
	sieve_chunks_start_iterate(sieve->chunks, &it);
	while ((chunk = sieve_chunks_iterate(sieve->chunks, &it)) != NULL)
		chunks[(*n)++] = chunk;
	qsort(chunks, *n, sizeof(Chunk *), compare_chunks);
	return chunks;
}

static inline bool
overlap(const uint64 *a, const uint64 *b, int nwords)
{
	for (int i = 0; i < nwords; i++)
		if (a[i] & b[i])
			return true;
	return false;
}

static inline bool
has_term(const uint64 *words, int term)
{
	return (words[term / 64] >> (term % 64)) & 1;
}

/* The leads of a chunk that are in an output, as bits. */
static uint64
output_leads(const Sieve *sieve, const Output *output, const uint64 *words)
{
	uint64		leads = 0;

	if (output->tally >= 0)
	{
		const Tally *tally = &sieve->tallies[output->tally];

		for (int i = 0; i < CHUNK_LEADS; i++, words += sieve->stride)
			if (has_term(words, tally->term) &&
				RangesContain(&output->ranges, (int64) words[tally->offset]))
				leads |= UINT64CONST(1) << i;
	}
	else if (sieve->nwords == 1)
	{
		for (int i = 0; i < CHUNK_LEADS; i++, words += sieve->stride)
			leads |= (uint64) ((words[0] & output->terms[0]) != 0) << i;
	}
	else
	{
		for (int i = 0; i < CHUNK_LEADS; i++, words += sieve->stride)
			leads |= (uint64) overlap(words, output->terms, sieve->nwords) << i;
	}
	return leads;
}

static void
add_leads(ExpandedLeadset *set, int64 first, uint64 leads)
{
	while (leads != 0)
	{
		int			start = pg_rightmost_one_pos64(leads);
		uint64		rest = ~(leads >> start);
		int			length = rest == 0 ? CHUNK_LEADS : pg_rightmost_one_pos64(rest);

		LeadsetAddRange(set, first + start, first + start + length - 1);
		if (start + length >= CHUNK_LEADS)
			return;
		leads &= ~UINT64CONST(0) << (start + length);
	}
}

/* Put the leads into the sets of the outputs, and forget the chunks. */
static void
empty_chunks(Sieve *sieve)
{
	int			nchunks;
	Chunk	  **chunks = sorted_chunks(sieve, &nchunks);

	for (int n = 0; n < sieve->noutputs; n++)
	{
		if (sieve->sets[n] == NULL)
			sieve->sets[n] = LeadsetCreate(sieve->context);
		for (int i = 0; i < nchunks; i++)
			add_leads(sieve->sets[n], chunks[i]->key << CHUNK_BITS,
					  output_leads(sieve, &sieve->outputs[n], chunks[i]->words));
		CHECK_FOR_INTERRUPTS();
	}
	pfree(chunks);
	start_chunks(sieve);
}

/* The chunks take more than they may. */
static void
relieve(Sieve *sieve)
{
	if (sieve->ntallies == 0)
		empty_chunks(sieve);
	else
	{
		start_chunks(sieve);
		sieve->overflowed = true;
	}
}

/* ---- one record -------------------------------------------------------------------- */

static uint64 *
lead_words(Sieve *sieve, int64 lead_id)
{
	int64		key = lead_id >> CHUNK_BITS;

	if (sieve->latest == NULL || sieve->latest->key != key)
	{
		bool		found;
		Chunk	   *chunk = sieve_chunks_insert(sieve->chunks, key, &found);

		if (!found)
		{
			Size		size = CHUNK_LEADS * sieve->stride * sizeof(uint64);

			chunk->words = MemoryContextAllocZero(sieve->chunk_context, size);
			sieve->memory += size + 2 * sizeof(Chunk);
		}
		sieve->latest = chunk;
	}
	return sieve->latest->words + (lead_id & (CHUNK_LEADS - 1)) * sieve->stride;
}

/* How many of the bounds the value reaches. */
static inline int
place_among(const SieveField *field, int64 value)
{
	const int64 *base = field->bounds;
	int			n = field->nbounds;

	while (n > 1)
	{
		int			half = n / 2;

		base += base[half - 1] <= value ? half : 0;
		n -= half;
	}
	return base - field->bounds + (n == 1 && *base <= value);
}

static inline int64
field_value(Oid type, Datum value)
{
	switch (type)
	{
		case BOOLOID:
			return DatumGetBool(value);
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
		case DATEOID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* Is the other record the first or last, rather than the one kept? 0 when they tie. */
static inline int
edge_order(const Tally *tally, int64 time, int64 key, const uint64 *kept)
{
	int64		kept_time = (int64) kept[0];

	if (time != kept_time)
		return (time < kept_time) == (tally->function == SIEVE_FIRST) ? 1 : -1;
	if (tally->key < 0)
		return 0;
	return key > (int64) kept[1] ? 1 : -1;
}

static void
keep_edge(const Sieve *sieve, const Tally *tally, uint64 *words, const uint64 *met, int64 time,
		  int64 key)
{
	uint64	   *kept = words + tally->offset;
	int			order = has_term(words, tally->term) ? edge_order(tally, time, key, kept) : 1;

	if (order < 0)
		return;
	for (int i = 0; i < sieve->nwords; i++)
	{
		if (order > 0)
			words[i] &= ~tally->edge_terms[i];
		words[i] |= met[i] & tally->edge_terms[i];
	}
	kept[0] = (uint64) time;
	if (tally->key >= 0)
		kept[1] = (uint64) key;
}

static inline void
keep_extreme(SieveFunction function, uint64 *word, bool first, int64 value)
{
	int64		kept = (int64) *word;

	if (first || (function == SIEVE_MIN ? value < kept : value > kept))
		*word = (uint64) value;
}

static void
keep_tally(const Sieve *sieve, const Tally *tally, uint64 *words, const uint64 *met)
{
	bool		null = tally->field >= 0 && sieve->nulls[tally->field];
	int64		value = tally->field >= 0 ? sieve->values[tally->field] : 0;

	switch (tally->function)
	{
		case SIEVE_COUNT:
			words[tally->offset]++;
			break;
		case SIEVE_SUM:
			if (!null)
				words[tally->offset] += (uint64) value;
			break;
		case SIEVE_MIN:
		case SIEVE_MAX:
			keep_extreme(tally->function, &words[tally->offset], !has_term(words, tally->term), value);
			break;
		case SIEVE_FIRST:
		case SIEVE_LAST:
			keep_edge(sieve, tally, words, met, value,
					  tally->key >= 0 ? sieve->values[tally->key] : 0);
			break;
	}
}

/* What argument n of the aggregate is, when it is first seen. */
static void
find_types(FunctionCallInfo fcinfo, Sieve *sieve)
{
	if (PG_NARGS() != sieve->nfields + 3)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("leadflow.sieve was given %d fields, and its program speaks of %d",
						PG_NARGS() - 3, sieve->nfields)));
	for (int i = 0; i < sieve->nfields; i++)
	{
		Oid			type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, i + 3));

		if (!HasRanges(type))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("leadflow.sieve takes integers, booleans, dates and times")));
		sieve->fields[i].type = type;
	}
}

static void
sift(Sieve *sieve, FunctionCallInfo fcinfo, int64 lead_id)
{
	uint64	   *met = sieve->met;
	uint64		any;
	uint64	   *words;
	bool		first = true;

	for (int i = 0; i < sieve->nfields; i++)
	{
		const SieveField *field = &sieve->fields[i];
		const uint64 *mask = field->masks;

		sieve->nulls[i] = PG_ARGISNULL(i + 3);
		if (!sieve->nulls[i])
			sieve->values[i] = field_value(field->type, PG_GETARG_DATUM(i + 3));
		if (!field->tells)
			continue;
		if (!sieve->nulls[i])
			mask += (1 + place_among(field, sieve->values[i])) * sieve->nwords;
		any = 0;
		for (int w = 0; w < sieve->nwords; w++)
		{
			met[w] = first ? mask[w] : met[w] & mask[w];
			any |= met[w];
		}
		if (any == 0)
			return;
		first = false;
	}
	if (first)
	{
		/* none tells anything: its masks are of all terms */
		memcpy(met, sieve->fields[0].masks, sieve->nwords * sizeof(uint64));
	}

	words = lead_words(sieve, lead_id);
	for (int i = 0; i < sieve->ntallies; i++)
		if (has_term(met, sieve->tallies[i].term))
			keep_tally(sieve, &sieve->tallies[i], words, met);
	for (int w = 0; w < sieve->nwords; w++)
		words[w] |= met[w] & ~sieve->edge_terms[w];
}

static Size
memory_limit(void)
{
	return Min(get_hash_memory_limit(), MAX_MEMORY);
}

Datum
sieve_add(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	Sieve	   *sieve = PG_ARGISNULL(0) ? NULL : (Sieve *) PG_GETARG_POINTER(0);
	int64		lead_id;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "sieve_add called outside of an aggregate");
	if (sieve == NULL)
	{
		if (PG_ARGISNULL(2))
			PG_RETURN_NULL();
		sieve = make_sieve(context, PG_GETARG_ARRAYTYPE_P(2));
	}
	/* known only here: a state from another process comes without them */
	if (!OidIsValid(sieve->fields[0].type))
		find_types(fcinfo, sieve);

	/* an id below 0 is no lead's */
	lead_id = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT64(1);
	if (lead_id >= 0 && !sieve->overflowed)
	{
		sift(sieve, fcinfo, lead_id);
		if (sieve->memory > memory_limit())
			relieve(sieve);
	}
	PG_RETURN_POINTER(sieve);
}

/* ---- states of several processes ----------------------------------------------------- */

static void
combine_lead(const Sieve *sieve, uint64 *words, const uint64 *other)
{
	for (int i = 0; i < sieve->ntallies; i++)
	{
		const Tally *tally = &sieve->tallies[i];
		int64		value = (int64) other[tally->offset];

		if (!has_term(other, tally->term))
			continue;
		switch (tally->function)
		{
			case SIEVE_COUNT:
			case SIEVE_SUM:
				words[tally->offset] += (uint64) value;
				break;
			case SIEVE_MIN:
			case SIEVE_MAX:
				keep_extreme(tally->function, &words[tally->offset],
							 !has_term(words, tally->term), value);
				break;
			case SIEVE_FIRST:
			case SIEVE_LAST:
				keep_edge(sieve, tally, words, other, value,
						  tally->key >= 0 ? (int64) other[tally->offset + 1] : 0);
				break;
		}
	}
	for (int w = 0; w < sieve->nwords; w++)
		words[w] |= other[w] & ~sieve->edge_terms[w];
}

static void
combine_chunk(Sieve *sieve, int64 key, const uint64 *other)
{
	if (sieve->memory > memory_limit())
		relieve(sieve);
	if (sieve->overflowed)
		return;
	for (int i = 0; i < CHUNK_LEADS; i++, other += sieve->stride)
		combine_lead(sieve, lead_words(sieve, (key << CHUNK_BITS) + i), other);
}

Datum
sieve_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	Sieve	   *sieve = PG_ARGISNULL(0) ? NULL : (Sieve *) PG_GETARG_POINTER(0);
	Sieve	   *other = PG_ARGISNULL(1) ? NULL : (Sieve *) PG_GETARG_POINTER(1);
	sieve_chunks_iterator it;
	Chunk	   *chunk;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "sieve_combine called outside of an aggregate");
	if (other == NULL)
	{
		if (sieve == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(sieve);
	}
	if (sieve == NULL)
		sieve = make_sieve(context, other->program);

	sieve->overflowed |= other->overflowed;
	sieve_chunks_start_iterate(other->chunks, &it);
	while ((chunk = sieve_chunks_iterate(other->chunks, &it)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		combine_chunk(sieve, chunk->key, chunk->words);
	}
	for (int i = 0; i < sieve->noutputs; i++)
	{
		if (other->sets[i] == NULL)
			continue;
		if (sieve->sets[i] == NULL)
			sieve->sets[i] = LeadsetCreate(sieve->context);
		LeadsetUnion(sieve->sets[i], other->sets[i]);
	}
	PG_RETURN_POINTER(sieve);
}

/* Program, flag, chunks, and the sets of the outputs where there are any. */
Datum
sieve_serialize(PG_FUNCTION_ARGS)
{
	Sieve	   *sieve = (Sieve *) PG_GETARG_POINTER(0);
	Size		chunk_size = CHUNK_LEADS * sieve->stride * sizeof(uint64);
	StringInfoData buffer;
	sieve_chunks_iterator it;
	Chunk	   *chunk;

	pq_begintypsend(&buffer);
	pq_sendint32(&buffer, VARSIZE(sieve->program));
	pq_sendbytes(&buffer, (char *) sieve->program, VARSIZE(sieve->program));
	pq_sendbyte(&buffer, sieve->overflowed);
	pq_sendint32(&buffer, sieve->chunks->members);
	enlargeStringInfo(&buffer, sieve->chunks->members * (chunk_size + sizeof(int64)));
	sieve_chunks_start_iterate(sieve->chunks, &it);
	while ((chunk = sieve_chunks_iterate(sieve->chunks, &it)) != NULL)
	{
		pq_sendint64(&buffer, chunk->key);
		pq_sendbytes(&buffer, (char *) chunk->words, chunk_size);
	}
	for (int i = 0; i < sieve->noutputs; i++)
	{
		Leadset    *set = sieve->sets[i] ? DatumGetLeadset(LeadsetGetDatum(sieve->sets[i])) : NULL;

		pq_sendint32(&buffer, set ? VARSIZE(set) : 0);
		if (set)
			pq_sendbytes(&buffer, (char *) set, VARSIZE(set));
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* A piece of the message, aligned as a value of its own. */
static void *
take_bytes(StringInfo buffer, int n)
{
	return memcpy(palloc_extended(Max(n, 1), MCXT_ALLOC_HUGE), pq_getmsgbytes(buffer, n), n);
}

Datum
sieve_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	StringInfoData buffer;
	ArrayType  *program;
	Sieve	   *sieve;
	Size		chunk_size;
	int			nchunks;

	buffer.data = VARDATA_ANY(bytes);
	buffer.len = buffer.maxlen = VARSIZE_ANY_EXHDR(bytes);
	buffer.cursor = 0;
	program = take_bytes(&buffer, pq_getmsgint(&buffer, 4));
	sieve = make_sieve(CurrentMemoryContext, program);
	sieve->overflowed = pq_getmsgbyte(&buffer);
	nchunks = pq_getmsgint(&buffer, 4);
	chunk_size = CHUNK_LEADS * sieve->stride * sizeof(uint64);
	for (int i = 0; i < nchunks; i++)
	{
		int64		key = pq_getmsgint64(&buffer);
		uint64	   *words = lead_words(sieve, key << CHUNK_BITS);

		memcpy(words, pq_getmsgbytes(&buffer, chunk_size), chunk_size);
	}
	for (int i = 0; i < sieve->noutputs; i++)
	{
		int			size = pq_getmsgint(&buffer, 4);

		if (size > 0)
			sieve->sets[i] = DatumGetWritableLeadset(PointerGetDatum(take_bytes(&buffer, size)),
													 sieve->context);
	}
	pq_getmsgend(&buffer);
	PG_RETURN_POINTER(sieve);
}

/* The sets in the order of the program's outputs; null when memory did not suffice. */
Datum
sieve_result(PG_FUNCTION_ARGS)
{
	Sieve	   *sieve;
	Datum	   *sets;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sieve = (Sieve *) PG_GETARG_POINTER(0);
	if (sieve->overflowed)
		PG_RETURN_NULL();

	empty_chunks(sieve);
	sets = palloc(sieve->noutputs * sizeof(Datum));
	for (int i = 0; i < sieve->noutputs; i++)
	{
		sets[i] = PointerGetDatum(DatumGetLeadset(LeadsetGetDatum(sieve->sets[i])));
		LeadsetDelete(sieve->sets[i]);
		sieve->sets[i] = NULL;
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(sets, sieve->noutputs, LeadflowType("leadset"), -1, false,
										  TYPALIGN_INT));
}
