/*
 * sums.c
 *		Numbers by lead. Leads mostly lie close to each other and come in
 *		ascending order, so they are in chunks of blocks of some: the latest chunk
 *		is at hand, and of a chunk there are only the blocks that have leads.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "rollup/sums.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define BLOCK_BITS	6
#define BLOCK_LEADS	(1 << BLOCK_BITS)
#define CHUNK_BITS	12
#define CHUNK_BLOCKS	(1 << (CHUNK_BITS - BLOCK_BITS))

typedef struct SumsChunk
{
	int64		key;
	char		status;
	int64	  **blocks;			/* each of BLOCK_LEADS numbers, or NULL */
} SumsChunk;

#define SH_PREFIX			sums_chunks
#define SH_ELEMENT_TYPE		SumsChunk
#define SH_KEY_TYPE			int64
#define SH_KEY				key
#define SH_HASH_KEY(tb, k)	murmurhash32((uint32) (k) ^ (uint32) ((k) >> 32))
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE			static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

struct Sums
{
	MemoryContext context;
	sums_chunks_hash *chunks;
	int64		latest_key;
	int64	  **latest;			/* its blocks; NULL for none */
};

Sums *
SumsCreate(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "sums", ALLOCSET_DEFAULT_SIZES);
	Sums	   *sums = MemoryContextAllocZero(context, sizeof(Sums));

	sums->context = context;
	sums->chunks = sums_chunks_create(context, 64, NULL);
	return sums;
}

void
SumsFree(Sums *sums)
{
	MemoryContextDelete(sums->context);
}

static int64 **
find_chunk(Sums *sums, int64 key)
{
	bool		found;
	SumsChunk  *chunk = sums_chunks_insert(sums->chunks, key, &found);

	if (!found)
		chunk->blocks = MemoryContextAllocZero(sums->context, CHUNK_BLOCKS * sizeof(int64 *));
	sums->latest_key = key;
	return sums->latest = chunk->blocks;
}

static inline int64 *
find_number(Sums *sums, int64 lead)
{
	int64		key = lead >> CHUNK_BITS;
	int64	  **blocks = likely(sums->latest != NULL && sums->latest_key == key) ? sums->latest :
		find_chunk(sums, key);
	int64	  **block = &blocks[(lead >> BLOCK_BITS) & (CHUNK_BLOCKS - 1)];

	if (unlikely(*block == NULL))
		*block = MemoryContextAllocZero(sums->context, BLOCK_LEADS * sizeof(int64));
	return &(*block)[lead & (BLOCK_LEADS - 1)];
}

void
SumsAdd(Sums *sums, int64 lead, int64 number)
{
	*find_number(sums, lead) += number;
}

/* A lead's number, if there is room for it. */
static int64 *
look_up(Sums *sums, int64 lead)
{
	SumsChunk  *chunk = sums_chunks_lookup(sums->chunks, lead >> CHUNK_BITS);
	int64	   *block = chunk ? chunk->blocks[(lead >> BLOCK_BITS) & (CHUNK_BLOCKS - 1)] : NULL;

	return block ? &block[lead & (BLOCK_LEADS - 1)] : NULL;
}

int64
SumsOf(Sums *sums, int64 lead)
{
	int64	   *number = look_up(sums, lead);

	return number ? *number : 0;
}

/* ---- as kept ---------------------------------------------------------------------- */

static inline int64
read_number(const uint8 *bytes, int width)
{
	uint64		number = 0;

	for (int i = 0; i < width; i++)
		number |= (uint64) bytes[i] << (8 * i);
	/* the sign of what is narrower */
	if (width < 8 && (number & (UINT64CONST(1) << (8 * width - 1))))
		number |= ~UINT64CONST(0) << (8 * width);
	return (int64) number;
}

static int
number_width(int64 number)
{
	if (number >= PG_INT8_MIN && number <= PG_INT8_MAX)
		return 1;
	if (number >= PG_INT16_MIN && number <= PG_INT16_MAX)
		return 2;
	return number >= PG_INT32_MIN && number <= PG_INT32_MAX ? 4 : 8;
}

void
SumsAddKept(Sums *sums, Datum leads, Datum numbers)
{
	Leadset    *set = DatumGetLeadset(leads);
	bytea	   *bytes = DatumGetByteaPP(numbers);
	const uint8 *next = (const uint8 *) VARDATA_ANY(bytes);
	int			width = VARSIZE_ANY_EXHDR(bytes) > 0 ? *next++ : 0;
	int64		count = LeadsetCardinality(set);
	LeadsetIterator it;
	int64		lead;

	if ((width != 1 && width != 2 && width != 4 && width != 8) ||
		(int64) VARSIZE_ANY_EXHDR(bytes) != 1 + count * width)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a row of leadflow.rollup has other sums than leads"),
				 errhint("Build all anew with: CALL leadflow.rebuild_rollups();")));
	LeadsetIterate(&it, set);
	/* most are pages and counts */
	if (width == 1)
		while (LeadsetNext(&it, &lead))
			*find_number(sums, lead) += (int8) *next++;
	else
		while (LeadsetNext(&it, &lead))
		{
			*find_number(sums, lead) += read_number(next, width);
			next += width;
		}
}

/* A block that there is, and its first lead. */
typedef struct SumsBlock
{
	int64		first;
	int64	   *numbers;
} SumsBlock;

static int
compare_chunks(const void *a, const void *b)
{
	int64		x = (*(SumsChunk *const *) a)->key;
	int64		y = (*(SumsChunk *const *) b)->key;

	return x < y ? -1 : x > y;
}

/* The blocks in the order of their leads. */
static SumsBlock *
sorted_blocks(Sums *sums, Size *count)
{
	uint32		nchunks = sums->chunks->members;
	SumsChunk **chunks = palloc(Max(nchunks, 1) * sizeof(SumsChunk *));
	SumsBlock  *blocks = MemoryContextAllocHuge(CurrentMemoryContext,
												Max(nchunks, 1) * (Size) CHUNK_BLOCKS * sizeof(SumsBlock));
	sums_chunks_iterator it;
	SumsChunk  *chunk;
	Size		n = 0;

	sums_chunks_start_iterate(sums->chunks, &it);
	while ((chunk = sums_chunks_iterate(sums->chunks, &it)) != NULL)
		chunks[n++] = chunk;
	qsort(chunks, n, sizeof(SumsChunk *), compare_chunks);
	*count = 0;
	for (uint32 i = 0; i < nchunks; i++)
		for (int j = 0; j < CHUNK_BLOCKS; j++)
			if (chunks[i]->blocks[j] != NULL)
			{
				blocks[*count].first = (chunks[i]->key << CHUNK_BITS) + (j << BLOCK_BITS);
				blocks[(*count)++].numbers = chunks[i]->blocks[j];
			}
	pfree(chunks);
	return blocks;
}

ExpandedLeadset *
SumsToKeep(Sums *sums, Datum *numbers)
{
	ExpandedLeadset *leads = LeadsetCreate(CurrentMemoryContext);
	Size		nblocks;
	SumsBlock  *blocks = sorted_blocks(sums, &nblocks);
	Size		count = 0;
	int			width = 1;
	bytea	   *bytes;
	uint8	   *next;

	for (Size i = 0; i < nblocks; i++)
		for (int j = 0; j < BLOCK_LEADS; j++)
			if (blocks[i].numbers[j] != 0)
			{
				width = Max(width, number_width(blocks[i].numbers[j]));
				count++;
			}
	bytes = palloc(VARHDRSZ + 1 + count * width);
	SET_VARSIZE(bytes, VARHDRSZ + 1 + count * width);
	next = (uint8 *) VARDATA(bytes);
	*next++ = width;
	for (Size i = 0; i < nblocks; i++)
		for (int j = 0; j < BLOCK_LEADS; j++)
		{
			int64		number = blocks[i].numbers[j];

			if (number == 0)
				continue;
			LeadsetAdd(leads, blocks[i].first + j);
			for (int k = 0; k < width; k++)
				*next++ = (uint8) ((uint64) number >> (8 * k));
		}
	pfree(blocks);
	*numbers = PointerGetDatum(bytes);
	return leads;
}

/* ---- what is asked of them ----------------------------------------------------------- */

void
SumsDrop(Sums *sums, ExpandedLeadset *leads)
{
	LeadsetIterator it;
	int64		lead;

	LeadsetIterate(&it, DatumGetLeadset(LeadsetGetDatum(leads)));
	while (LeadsetNext(&it, &lead))
	{
		int64	   *number = look_up(sums, lead);

		if (number != NULL)
			*number = 0;
	}
}

ExpandedLeadset *
SumsWithin(Sums *sums, const Ranges *ranges)
{
	ExpandedLeadset *leads = LeadsetCreate(CurrentMemoryContext);
	Size		nblocks;
	SumsBlock  *blocks = sorted_blocks(sums, &nblocks);
	int64		lowest = ranges->n > 0 ? ranges->range[0].first : PG_INT64_MAX;
	int64		highest = ranges->n > 0 ? ranges->range[ranges->n - 1].last : PG_INT64_MIN;

	for (Size i = 0; i < nblocks; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < BLOCK_LEADS; j++)
		{
			int64		number = blocks[i].numbers[j];

			if (number == 0 || number < lowest || number > highest)
				continue;
			if (ranges->n == 1 || RangesContain(ranges, number))
				LeadsetAdd(leads, blocks[i].first + j);
		}
	}
	pfree(blocks);
	return leads;
}
