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

#ifndef WIN32
#include <sys/mman.h>
#endif

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

#define SH_PREFIX			sieve_blocks
#define SH_ELEMENT_TYPE		SieveBlock
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

#define MAX_SLAB	((Size) 8 * 1024 * 1024)
#define HUGE_PAGE	((Size) 2 * 1024 * 1024)

static void
start_chunks(Sieve *sieve)
{
	MemoryContextReset(sieve->chunk_context);
	sieve->blocks = sieve_blocks_create(sieve->chunk_context, 64, NULL);
	sieve->latest = NULL;
	sieve->nchunks = 0;
	sieve->nfree = 0;
	sieve->memory = 0;
}

/*
 * Memory for chunks, the more the more there are. Records come in any order of
 * leads, and most of the time would go into finding out where each page is; so
 * the system is asked for large ones.
 */
static void
get_slab(Sieve *sieve, Size least)
{
	Size		size = Max(Min(Max(sieve->memory, 64 * 1024), MAX_SLAB), least);

#ifdef MADV_HUGEPAGE
	if (size >= 2 * HUGE_PAGE)
	{
		size = TYPEALIGN(HUGE_PAGE, size);
		sieve->free = (char *) TYPEALIGN(HUGE_PAGE, MemoryContextAllocHuge(sieve->chunk_context,
																		  size + HUGE_PAGE));
		/* to be refused is no harm */
		(void) madvise(sieve->free, size, MADV_HUGEPAGE);
		sieve->nfree = size;
		return;
	}
#endif
	sieve->free = MemoryContextAllocHuge(sieve->chunk_context, size);
	sieve->nfree = size;
}

static uint64 *
get_words(Sieve *sieve)
{
	Size		size = CHUNK_LEADS * sieve->stride * sizeof(uint64);
	uint64	   *words;

	if (sieve->nfree < size)
		get_slab(sieve, size);
	words = (uint64 *) sieve->free;
	memset(words, 0, size);
	sieve->free += size;
	sieve->nfree -= size;
	return words;
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
	sieve->memory_limit = Min(get_hash_memory_limit(), MAX_MEMORY);
	sieve->met = palloc0(RECENT_RECORDS * sieve->nwords * sizeof(uint64));
	sieve->values = palloc0(RECENT_RECORDS * sieve->nfields * sizeof(int64));
	sieve->nulls = palloc0(RECENT_RECORDS * sieve->nfields * sizeof(bool));
	sieve->chunk_context = AllocSetContextCreate(context, "sieve chunks", ALLOCSET_DEFAULT_SIZES);
	start_chunks(sieve);
	MemoryContextSwitchTo(old);
	return sieve;
}

/* ---- the leads of an output ------------------------------------------------------ */

/* A chunk, and the id of its first lead. */
typedef struct Chunk
{
	int64		first;
	uint64	   *words;
} Chunk;

static int
compare_chunks(const void *a, const void *b)
{
	int64		x = ((const Chunk *) a)->first;
	int64		y = ((const Chunk *) b)->first;

	return x < y ? -1 : x > y;
}

/* All chunks, in any order. */
static Chunk *
list_chunks(Sieve *sieve)
{
	Chunk	   *chunks = palloc_extended(Max(sieve->nchunks, 1) * sizeof(Chunk), MCXT_ALLOC_HUGE);
	sieve_blocks_iterator it;
	SieveBlock *block;
	int			n = 0;

	sieve_blocks_start_iterate(sieve->blocks, &it);
	while ((block = sieve_blocks_iterate(sieve->blocks, &it)) != NULL)
	{
		for (int i = 0; i < BLOCK_CHUNKS; i++)
		{
			if (block->chunks[i] == NULL)
				continue;
			chunks[n].first = (block->key * BLOCK_CHUNKS + i) << CHUNK_BITS;
			chunks[n++].words = block->chunks[i];
		}
	}
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
	Chunk	   *chunks = list_chunks(sieve);

	qsort(chunks, sieve->nchunks, sizeof(Chunk), compare_chunks);
	for (int n = 0; n < sieve->noutputs; n++)
	{
		if (sieve->sets[n] == NULL)
			sieve->sets[n] = LeadsetCreate(sieve->context);
		for (int i = 0; i < sieve->nchunks; i++)
			add_leads(sieve->sets[n], chunks[i].first,
					  output_leads(sieve, &sieve->outputs[n], chunks[i].words));
		CHECK_FOR_INTERRUPTS();
	}
	pfree(chunks);
	start_chunks(sieve);
}

/* ---- one record -------------------------------------------------------------------- */

static uint64 **
block_chunks(Sieve *sieve, int64 key)
{
	if (sieve->latest == NULL || sieve->latest->key != key)
	{
		bool		found;

		sieve->latest = sieve_blocks_insert(sieve->blocks, key, &found);
		if (!found)
		{
			Size		size = BLOCK_CHUNKS * sizeof(uint64 *);

			sieve->latest->chunks = MemoryContextAllocZero(sieve->chunk_context, size);
			sieve->memory += size + 2 * sizeof(SieveBlock);
		}
	}
	return sieve->latest->chunks;
}

/* The words of a chunk, new ones if there are none yet. */
static inline uint64 *
chunk_words(Sieve *sieve, int64 lead_id)
{
	int64		chunk = lead_id >> CHUNK_BITS;
	uint64	  **words = &block_chunks(sieve, chunk / BLOCK_CHUNKS)[chunk % BLOCK_CHUNKS];

	if (*words == NULL)
	{
		*words = get_words(sieve);
		sieve->nchunks++;
		sieve->memory += CHUNK_LEADS * sieve->stride * sizeof(uint64);
	}
	return *words;
}

static inline uint64 *
lead_words(Sieve *sieve, int64 lead_id)
{
	return chunk_words(sieve, lead_id) + (lead_id & (CHUNK_LEADS - 1)) * sieve->stride;
}

/* Fetch what will be written soon; a cache line is half of what PostgreSQL assumes. */
static inline void
prefetch(const uint64 *words)
{
#if defined(__GNUC__) || defined(__clang__)
	__builtin_prefetch(words, 1);
#endif
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

/* Let one of the last records count. */
static void
keep_tally(const Sieve *sieve, const Tally *tally, int record)
{
	const int64 *values = sieve->values + record * sieve->nfields;
	const uint64 *met = sieve->met + record * sieve->nwords;
	uint64	   *words = sieve->recent_words[record];
	bool		null = tally->field >= 0 && sieve->nulls[record * sieve->nfields + tally->field];
	int64		value = tally->field >= 0 ? values[tally->field] : 0;

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
					  tally->key >= 0 ? values[tally->key] : 0);
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
keep_recent(Sieve *sieve)
{
	for (int record = 0; record < sieve->nrecent; record++)
	{
		const uint64 *met = sieve->met + record * sieve->nwords;
		uint64	   *words = sieve->recent_words[record];

		for (int i = 0; i < sieve->ntallies; i++)
			if (has_term(met, sieve->tallies[i].term))
				keep_tally(sieve, &sieve->tallies[i], record);
		for (int w = 0; w < sieve->nwords; w++)
			words[w] |= met[w] & ~sieve->edge_terms[w];
	}
	sieve->nrecent = 0;
}

/* The chunks take more than they may. */
static void
relieve(Sieve *sieve)
{
	keep_recent(sieve);
	if (sieve->ntallies == 0)
		empty_chunks(sieve);
	else
	{
		start_chunks(sieve);
		sieve->overflowed = true;
	}
}

/* The terms that a record meets, and its values; false when it meets none. */
static bool
find_met(const Sieve *sieve, FunctionCallInfo fcinfo, uint64 *met, int64 *values, bool *nulls)
{
	bool		first = true;

	for (int i = 0; i < sieve->nfields; i++)
	{
		const SieveField *field = &sieve->fields[i];
		const uint64 *mask = field->masks;
		uint64		any = 0;

		nulls[i] = PG_ARGISNULL(i + 3);
		if (!nulls[i])
			values[i] = field_value(field->type, PG_GETARG_DATUM(i + 3));
		if (!field->tells)
			continue;
		if (!nulls[i])
			mask += (1 + place_among(field, values[i])) * sieve->nwords;
		for (int w = 0; w < sieve->nwords; w++)
		{
			met[w] = first ? mask[w] : met[w] & mask[w];
			any |= met[w];
		}
		if (any == 0)
			return false;
		first = false;
	}
	if (first)
	{
		/* none tells anything: its masks are of all terms */
		memcpy(met, sieve->fields[0].masks, sieve->nwords * sizeof(uint64));
	}
	return true;
}

static void
sift(Sieve *sieve, FunctionCallInfo fcinfo, int64 lead_id)
{
	int			record = sieve->nrecent;
	uint64	   *words;

	if (!find_met(sieve, fcinfo, sieve->met + record * sieve->nwords,
				  sieve->values + record * sieve->nfields, sieve->nulls + record * sieve->nfields))
		return;
	words = lead_words(sieve, lead_id);
	for (int w = 0; w < sieve->stride; w += PG_CACHE_LINE_SIZE / 2 / sizeof(uint64))
		prefetch(words + w);
	sieve->recent_words[record] = words;
	if (++sieve->nrecent == RECENT_RECORDS)
		keep_recent(sieve);
	if (sieve->memory > sieve->memory_limit)
		relieve(sieve);
}

Datum
sieve_add(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	Sieve	   *sieve = PG_ARGISNULL(0) ? NULL : (Sieve *) PG_GETARG_POINTER(0);
	int64		lead_id;

	if (sieve == NULL)
	{
		if (!AggCheckCallContext(fcinfo, &context))
			elog(ERROR, "sieve_add called outside of an aggregate");
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
		sift(sieve, fcinfo, lead_id);
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
combine_chunk(Sieve *sieve, const Chunk *other)
{
	int			nchunks = sieve->nchunks;
	uint64	   *words;

	if (sieve->overflowed)
		return;
	words = chunk_words(sieve, other->first);
	if (sieve->nchunks > nchunks)
		memcpy(words, other->words, CHUNK_LEADS * sieve->stride * sizeof(uint64));
	else
		for (int i = 0; i < CHUNK_LEADS * sieve->stride; i += sieve->stride)
			combine_lead(sieve, words + i, other->words + i);
	if (sieve->memory > sieve->memory_limit)
		relieve(sieve);
}

Datum
sieve_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	Sieve	   *sieve = PG_ARGISNULL(0) ? NULL : (Sieve *) PG_GETARG_POINTER(0);
	Sieve	   *other = PG_ARGISNULL(1) ? NULL : (Sieve *) PG_GETARG_POINTER(1);
	Chunk	   *chunks;

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

	keep_recent(sieve);
	sieve->overflowed |= other->overflowed;
	chunks = list_chunks(other);
	for (int i = 0; i < other->nchunks; i++)
	{
		CHECK_FOR_INTERRUPTS();
		combine_chunk(sieve, &chunks[i]);
	}
	pfree(chunks);
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
	Chunk	   *chunks;

	keep_recent(sieve);
	pq_begintypsend(&buffer);
	pq_sendint32(&buffer, VARSIZE(sieve->program));
	pq_sendbytes(&buffer, (char *) sieve->program, VARSIZE(sieve->program));
	pq_sendbyte(&buffer, sieve->overflowed);
	pq_sendint32(&buffer, sieve->nchunks);
	enlargeStringInfo(&buffer, sieve->nchunks * (chunk_size + sizeof(int64)));
	chunks = list_chunks(sieve);
	for (int i = 0; i < sieve->nchunks; i++)
	{
		pq_sendint64(&buffer, chunks[i].first);
		pq_sendbytes(&buffer, (char *) chunks[i].words, chunk_size);
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
		int64		first = pq_getmsgint64(&buffer);

		memcpy(chunk_words(sieve, first), pq_getmsgbytes(&buffer, chunk_size), chunk_size);
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
	keep_recent(sieve);
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
