/*
 * sums.c
 *		Numbers by lead. Leads mostly lie close to each other and come in
 *		ascending order, so they are in blocks of some, and the latest is at hand.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "rollup/sums.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define BLOCK_BITS	6
#define BLOCK_LEADS	(1 << BLOCK_BITS)

typedef struct SumsBlock
{
	int64		key;
	char		status;
	int64	   *numbers;
} SumsBlock;

#define SH_PREFIX			sums_blocks
#define SH_ELEMENT_TYPE		SumsBlock
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
	sums_blocks_hash *blocks;
	int64		latest_key;
	int64	   *latest;			/* its numbers; NULL for none */
};

Sums *
SumsCreate(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "sums", ALLOCSET_DEFAULT_SIZES);
	Sums	   *sums = MemoryContextAllocZero(context, sizeof(Sums));

	sums->context = context;
	sums->blocks = sums_blocks_create(context, 256, NULL);
	return sums;
}

void
SumsFree(Sums *sums)
{
	MemoryContextDelete(sums->context);
}

static inline int64 *
find_number(Sums *sums, int64 lead)
{
	int64		key = lead >> BLOCK_BITS;

	if (sums->latest == NULL || sums->latest_key != key)
	{
		bool		found;
		SumsBlock  *block = sums_blocks_insert(sums->blocks, key, &found);

		if (!found)
			block->numbers = MemoryContextAllocZero(sums->context, BLOCK_LEADS * sizeof(int64));
		sums->latest_key = key;
		sums->latest = block->numbers;
	}
	return &sums->latest[lead & (BLOCK_LEADS - 1)];
}

void
SumsAdd(Sums *sums, int64 lead, int64 number)
{
	*find_number(sums, lead) += number;
}

int64
SumsOf(Sums *sums, int64 lead)
{
	SumsBlock  *block = sums_blocks_lookup(sums->blocks, lead >> BLOCK_BITS);

	return block == NULL ? 0 : block->numbers[lead & (BLOCK_LEADS - 1)];
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
	while (LeadsetNext(&it, &lead))
	{
		*find_number(sums, lead) += read_number(next, width);
		next += width;
	}
}

static int
compare_blocks(const void *a, const void *b)
{
	int64		x = (*(SumsBlock *const *) a)->key;
	int64		y = (*(SumsBlock *const *) b)->key;

	return x < y ? -1 : x > y;
}

/* The blocks in the order of their leads. */
static SumsBlock **
sorted_blocks(Sums *sums)
{
	SumsBlock **blocks = MemoryContextAllocHuge(sums->context,
												Max(sums->blocks->members, 1) * sizeof(SumsBlock *));
	sums_blocks_iterator it;
	SumsBlock  *block;
	int			n = 0;

	sums_blocks_start_iterate(sums->blocks, &it);
	while ((block = sums_blocks_iterate(sums->blocks, &it)) != NULL)
		blocks[n++] = block;
	qsort(blocks, n, sizeof(SumsBlock *), compare_blocks);
	return blocks;
}

ExpandedLeadset *
SumsToKeep(Sums *sums, Datum *numbers)
{
	ExpandedLeadset *leads = LeadsetCreate(CurrentMemoryContext);
	SumsBlock **blocks = sorted_blocks(sums);
	Size		count = 0;
	int			width = 1;
	bytea	   *bytes;
	uint8	   *next;

	for (uint32 i = 0; i < sums->blocks->members; i++)
		for (int j = 0; j < BLOCK_LEADS; j++)
			if (blocks[i]->numbers[j] != 0)
			{
				width = Max(width, number_width(blocks[i]->numbers[j]));
				count++;
			}
	bytes = palloc(VARHDRSZ + 1 + count * width);
	SET_VARSIZE(bytes, VARHDRSZ + 1 + count * width);
	next = (uint8 *) VARDATA(bytes);
	*next++ = width;
	for (uint32 i = 0; i < sums->blocks->members; i++)
		for (int j = 0; j < BLOCK_LEADS; j++)
		{
			int64		number = blocks[i]->numbers[j];

			if (number == 0)
				continue;
			LeadsetAdd(leads, (blocks[i]->key << BLOCK_BITS) + j);
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
		SumsBlock  *block = sums_blocks_lookup(sums->blocks, lead >> BLOCK_BITS);

		if (block != NULL)
			block->numbers[lead & (BLOCK_LEADS - 1)] = 0;
	}
}

ExpandedLeadset *
SumsWithin(Sums *sums, const Ranges *ranges)
{
	ExpandedLeadset *leads = LeadsetCreate(CurrentMemoryContext);
	SumsBlock **blocks = sorted_blocks(sums);

	for (uint32 i = 0; i < sums->blocks->members; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < BLOCK_LEADS; j++)
			if (blocks[i]->numbers[j] != 0 && RangesContain(ranges, blocks[i]->numbers[j]))
				LeadsetAdd(leads, (blocks[i]->key << BLOCK_BITS) + j);
	}
	pfree(blocks);
	return leads;
}
