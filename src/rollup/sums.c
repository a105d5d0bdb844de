/*
 * sums.c
 *		Numbers by lead. What is added is put aside, in parts as they are kept;
 *		only when the sums are asked for are the parts gone through together, a
 *		container of leads after the other, whose sums fit into the cache.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "rollup/sums.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Leads of a chunk that are looked at only where there are some of the block. */
#define BLOCK_LEADS		64
#define CHUNK_BLOCKS	(LEADSET_CONTAINER_IDS / BLOCK_LEADS)

/* Parts are made one when they take more than this, and twice what they took as one. */
#define MAX_BYTES		((Size) 64 * 1024 * 1024)

/* Numbers that were added one by one become a part when they are this many. */
#define MAX_SINGLES		(1024 * 1024)

typedef struct Single
{
	int64		lead;
	int64		number;
} Single;

typedef struct SumsPart
{
	Leadset    *leads;
	const char *numbers;		/* in their order */
	int			width;			/* bytes of each; 0: what the leads have before is dropped */
	bool		negative;
} SumsPart;

struct Sums
{
	MemoryContext context;
	MemoryContext part_context; /* of the parts, a child of it */
	List	   *parts;			/* of SumsPart, in the order in which they count */
	Size		bytes;			/* that these take */
	Size		max_bytes;
	int			nsingles;		/* not in a part yet */
	int			max_singles;
	Single	   *singles;
};

Sums *
SumsCreate(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "sums", ALLOCSET_SMALL_SIZES);
	Sums	   *sums = MemoryContextAllocZero(context, sizeof(Sums));

	sums->context = context;
	sums->part_context = AllocSetContextCreate(context, "parts of sums", ALLOCSET_SMALL_SIZES);
	sums->max_bytes = MAX_BYTES;
	return sums;
}

void
SumsFree(Sums *sums)
{
	MemoryContextDelete(sums->context);
}

/* ---- adding ------------------------------------------------------------------------ */

/* Make one part of all. */
static void
join_parts(Sums *sums)
{
	Datum		numbers;
	ExpandedLeadset *leads = SumsToKeep(sums, &numbers);

	MemoryContextReset(sums->part_context);
	sums->parts = NIL;
	sums->bytes = 0;
	sums->max_bytes = PG_INT64_MAX;
	SumsAddKept(sums, LeadsetGetDatum(leads), numbers);
	sums->max_bytes = Max(MAX_BYTES, 2 * sums->bytes);
	LeadsetDelete(leads);
	pfree(DatumGetPointer(numbers));
}

/* Put a part aside; numbers is 0 to drop what the leads have. */
static void
add_part(Sums *sums, Datum leads, Datum numbers, bool negative)
{
	MemoryContext caller;
	SumsPart   *part;
	bytea	   *bytes;

	if (sums->bytes > sums->max_bytes)
		join_parts(sums);
	caller = MemoryContextSwitchTo(sums->part_context);
	part = palloc0(sizeof(SumsPart));
	part->leads = (Leadset *) PG_DETOAST_DATUM_COPY(leads);
	sums->bytes += VARSIZE(part->leads);
	if (numbers != (Datum) 0)
	{
		bytes = (bytea *) PG_DETOAST_DATUM_COPY(numbers);
		part->width = VARSIZE(bytes) > VARHDRSZ ? *VARDATA(bytes) : 0;
		part->numbers = VARDATA(bytes) + 1;
		part->negative = negative;
		sums->bytes += VARSIZE(bytes);
		if ((part->width != 1 && part->width != 2 && part->width != 4 && part->width != 8) ||
			(int64) VARSIZE(bytes) - VARHDRSZ != 1 + LeadsetCardinality(part->leads) * part->width)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("a row of leadflow.rollup has other sums than leads"),
					 errhint("Build all anew with: CALL leadflow.rebuild_rollups();")));
	}
	sums->parts = lappend(sums->parts, part);
	MemoryContextSwitchTo(caller);
}

static int
compare_singles(const void *a, const void *b)
{
	int64		x = ((const Single *) a)->lead;
	int64		y = ((const Single *) b)->lead;

	return x < y ? -1 : x > y;
}

/* Make a part of what was added one by one. */
static void
flush_singles(Sums *sums)
{
	ExpandedLeadset *leads;
	bytea	   *bytes;
	Size		size;
	int			last = 0;

	if (sums->nsingles == 0)
		return;
	qsort(sums->singles, sums->nsingles, sizeof(Single), compare_singles);
	for (int i = 1; i < sums->nsingles; i++)
	{
		if (sums->singles[i].lead == sums->singles[last].lead)
			sums->singles[last].number += sums->singles[i].number;
		else
			sums->singles[++last] = sums->singles[i];
	}
	leads = LeadsetCreate(CurrentMemoryContext);
	size = VARHDRSZ + 1 + (last + 1) * sizeof(int64);
	bytes = palloc(size);
	SET_VARSIZE(bytes, size);
	*VARDATA(bytes) = sizeof(int64);
	for (int i = 0; i <= last; i++)
	{
		LeadsetAdd(leads, sums->singles[i].lead);
		memcpy(VARDATA(bytes) + 1 + i * sizeof(int64), &sums->singles[i].number, sizeof(int64));
	}
	sums->nsingles = 0;
	add_part(sums, LeadsetGetDatum(leads), PointerGetDatum(bytes), false);
	LeadsetDelete(leads);
	pfree(bytes);
}

void
SumsAdd(Sums *sums, int64 lead, int64 number)
{
	if (sums->nsingles == MAX_SINGLES)
		flush_singles(sums);
	if (sums->singles == NULL)
	{
		sums->max_singles = 64;
		sums->singles = MemoryContextAlloc(sums->context, sums->max_singles * sizeof(Single));
	}
	else if (sums->nsingles == sums->max_singles)
	{
		sums->max_singles *= 2;
		sums->singles = repalloc(sums->singles, sums->max_singles * sizeof(Single));
	}
	sums->singles[sums->nsingles].lead = lead;
	sums->singles[sums->nsingles++].number = number;
}

bool
SumsAreThere(const Sums *sums)
{
	return sums->nsingles > 0 || sums->parts != NIL;
}

void
SumsAddKept(Sums *sums, Datum leads, Datum numbers)
{
	flush_singles(sums);
	add_part(sums, leads, numbers, false);
}

static void
add_all(Sums *sums, Sums *other, bool negative)
{
	Datum		numbers;
	ExpandedLeadset *leads = SumsToKeep(other, &numbers);

	flush_singles(sums);
	add_part(sums, LeadsetGetDatum(leads), numbers, negative);
	LeadsetDelete(leads);
	pfree(DatumGetPointer(numbers));
}

void
SumsAddAll(Sums *sums, Sums *other)
{
	add_all(sums, other, false);
}

void
SumsSubtractAll(Sums *sums, Sums *other)
{
	add_all(sums, other, true);
}

void
SumsDrop(Sums *sums, ExpandedLeadset *leads)
{
	flush_singles(sums);
	add_part(sums, LeadsetGetDatum(leads), (Datum) 0, false);
}

/* ---- going through them -------------------------------------------------------------- */

/* How far one part has been gone through. */
typedef struct Cursor
{
	const SumsPart *part;
	LeadsetIterator it;
	bool		more;			/* is there an open container? */
	int64		base;			/* of it */
	const char *numbers;		/* of its leads */
} Cursor;

/* The sums of a chunk of leads: those whose containers have the same base. */
typedef struct Walk
{
	int			ncursors;
	Cursor	   *cursors;
	int64	   *sums;			/* by lead - base */
	uint8	   *touched;		/* blocks of these that are not all 0 */
	uint16	   *ids;			/* of a container, and */
	int64	   *numbers;		/* the numbers to be added */
} Walk;

static void
start_walk(Walk *walk, Sums *sums)
{
	ListCell   *lc;

	flush_singles(sums);
	walk->ncursors = list_length(sums->parts);
	walk->cursors = palloc(Max(walk->ncursors, 1) * sizeof(Cursor));
	walk->sums = palloc0(LEADSET_CONTAINER_IDS * sizeof(int64));
	walk->touched = palloc0(CHUNK_BLOCKS);
	walk->ids = palloc(LEADSET_CONTAINER_IDS * sizeof(uint16));
	walk->numbers = palloc(LEADSET_CONTAINER_IDS * sizeof(int64));
	foreach(lc, sums->parts)
	{
		Cursor	   *cursor = &walk->cursors[foreach_current_index(lc)];

		cursor->part = lfirst(lc);
		cursor->numbers = cursor->part->numbers;
		LeadsetIterateContainers(&cursor->it, cursor->part->leads);
		cursor->more = LeadsetNextContainer(&cursor->it, &cursor->base);
	}
}

static void
end_walk(Walk *walk)
{
	pfree(walk->cursors);
	pfree(walk->sums);
	pfree(walk->touched);
	pfree(walk->ids);
	pfree(walk->numbers);
}

#define READ_NUMBERS(type) \
	for (uint32 i = 0; i < count; i++) \
	{ \
		type		number; \
\
		memcpy(&number, bytes + i * sizeof(number), sizeof(number)); \
		numbers[i] = number; \
	}

/* They are kept as this machine has them; leadsets know no other kind of machine. */
static void
read_numbers(const char *bytes, int width, uint32 count, int64 *numbers)
{
	switch (width)
	{
		case 1:
			READ_NUMBERS(int8);
			break;
		case 2:
			READ_NUMBERS(int16);
			break;
		case 4:
			READ_NUMBERS(int32);
			break;
		case 8:
			READ_NUMBERS(int64);
			break;
	}
}

/* Let the open container of a part count. */
static void
add_container(Walk *walk, Cursor *cursor)
{
	const SumsPart *part = cursor->part;
	uint32		count = cursor->it.container.cardinality;

	LeadsetContainerIds(&cursor->it.container, walk->ids);
	if (part->width == 0)
	{
		for (uint32 i = 0; i < count; i++)
			walk->sums[walk->ids[i]] = 0;
		return;
	}
	read_numbers(cursor->numbers, part->width, count, walk->numbers);
	cursor->numbers += count * part->width;
	if (part->negative)
		for (uint32 i = 0; i < count; i++)
			walk->numbers[i] = -walk->numbers[i];
	for (uint32 i = 0; i < count; i++)
	{
		walk->sums[walk->ids[i]] += walk->numbers[i];
		walk->touched[walk->ids[i] / BLOCK_LEADS] = 1;
	}
}

/* Add up the next chunk that has leads, if there is one. */
static bool
next_chunk(Walk *walk, int64 *base)
{
	bool		found = false;

	for (int i = 0; i < CHUNK_BLOCKS; i++)
		if (walk->touched[i])
			memset(&walk->sums[i * BLOCK_LEADS], 0, BLOCK_LEADS * sizeof(int64));
	memset(walk->touched, 0, CHUNK_BLOCKS);
	for (int i = 0; i < walk->ncursors; i++)
	{
		const Cursor *cursor = &walk->cursors[i];

		if (cursor->more && (!found || cursor->base < *base))
		{
			*base = cursor->base;
			found = true;
		}
	}
	for (int i = 0; found && i < walk->ncursors; i++)
	{
		Cursor	   *cursor = &walk->cursors[i];

		if (!cursor->more || cursor->base != *base)
			continue;
		add_container(walk, cursor);
		cursor->more = LeadsetNextContainer(&cursor->it, &cursor->base);
	}
	return found;
}

/* ---- what is asked of them ----------------------------------------------------------- */

static int
number_width(int64 number)
{
	if (number >= PG_INT8_MIN && number <= PG_INT8_MAX)
		return 1;
	if (number >= PG_INT16_MIN && number <= PG_INT16_MAX)
		return 2;
	return number >= PG_INT32_MIN && number <= PG_INT32_MAX ? 4 : 8;
}

ExpandedLeadset *
SumsToKeep(Sums *sums, Datum *numbers)
{
	ExpandedLeadset *leads = LeadsetCreate(CurrentMemoryContext);
	Walk		walk;
	int64		base;
	Size		count = 0;
	Size		max = LEADSET_CONTAINER_IDS;
	int64	   *found = palloc(max * sizeof(int64));
	int			width = 1;
	bytea	   *bytes;
	char	   *next;

	start_walk(&walk, sums);
	while (next_chunk(&walk, &base))
	{
		if (count + LEADSET_CONTAINER_IDS > max)
		{
			max *= 2;
			found = repalloc_huge(found, max * sizeof(int64));
		}
		for (int i = 0; i < LEADSET_CONTAINER_IDS; i++)
		{
			if (i % BLOCK_LEADS == 0 && !walk.touched[i / BLOCK_LEADS])
				i += BLOCK_LEADS - 1;
			else if (walk.sums[i] != 0)
			{
				width = Max(width, number_width(walk.sums[i]));
				found[count++] = walk.sums[i];
				LeadsetAdd(leads, base + i);
			}
		}
	}
	end_walk(&walk);

	bytes = palloc(VARHDRSZ + 1 + count * width);
	SET_VARSIZE(bytes, VARHDRSZ + 1 + count * width);
	next = VARDATA(bytes);
	*next++ = width;
	/* the lowest bytes come first */
	for (Size i = 0; i < count; i++, next += width)
		memcpy(next, &found[i], width);
	pfree(found);
	*numbers = PointerGetDatum(bytes);
	return leads;
}

ExpandedLeadset *
SumsWithin(Sums *sums, const Ranges *ranges)
{
	ExpandedLeadset *leads = LeadsetCreate(CurrentMemoryContext);
	Walk		walk;
	int64		base;
	int64		lowest;
	uint64		span;

	if (ranges->n == 0)
		return leads;
	lowest = ranges->range[0].first;
	span = (uint64) ranges->range[ranges->n - 1].last - lowest;
	start_walk(&walk, sums);
	while (next_chunk(&walk, &base))
	{
		for (int block = 0; block < CHUNK_BLOCKS; block++)
		{
			const int64 *of_block = &walk.sums[block * BLOCK_LEADS];
			uint64		among = 0;

			if (!walk.touched[block])
				continue;
			for (int i = 0; i < BLOCK_LEADS; i++)
				among |= (uint64) (of_block[i] != 0 && (uint64) of_block[i] - lowest <= span) << i;
			for (; among != 0; among &= among - 1)
			{
				int			i = pg_rightmost_one_pos64(among);

				if (ranges->n == 1 || RangesContain(ranges, of_block[i]))
					LeadsetAdd(leads, base + block * BLOCK_LEADS + i);
			}
		}
	}
	end_walk(&walk);
	return leads;
}
