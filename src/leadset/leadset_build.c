/*
 * leadset_build.c
 *		Adds ids to an expanded set.
 *
 * Ids are kept as ranges in pending first, which makes adding one cheap and
 * joins those that come in order, and are then sorted and put into the
 * bitmaps together. A set of few ids thus has no bitmap until it is read.
 */
#include "postgres.h"

#include "leadset_internal.h"
#include "miscadmin.h"

/*
 * Ranges pending before they are flushed, at least: 1 MB of them. Where the
 * set has more entries, as many as it has, since a flush may move them all.
 */
#define PENDING_MAX			65536

/* The low words of one container. */
#define CONTAINER_IDS		65536

/* The ids of a whole bitmap take this at least: 65536 containers of one run. */
#define FULL_BITMAP_BYTES	(65536 * 14)

#define FULL_BITMAPS_MAX	((int64) (LEADSET_MAX_BYTES / FULL_BITMAP_BYTES))

static void
GrowPending(ExpandedLeadset *set)
{
	if (set->maxpending == 0)
	{
		set->maxpending = 16;
		set->pending = MemoryContextAlloc(set->hdr.eoh_context,
										  set->maxpending * sizeof(IdRange));
	}
	else
	{
		set->pending = repalloc(set->pending, 2 * set->maxpending * sizeof(IdRange));
		set->maxpending *= 2;
	}
}

void
LeadsetAddRange(ExpandedLeadset *set, int64 first, int64 last)
{
	if (first < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("lead id %lld is out of range", (long long) first),
				 errdetail("A leadset holds ids from 0 to %lld.",
						   (long long) PG_INT64_MAX)));

	if (set->npending > 0)
	{
		IdRange    *latest = &set->pending[set->npending - 1];

		if (first >= latest->first && first - 1 <= latest->last)
		{
			latest->last = Max(latest->last, last);
			return;
		}
		if (first < latest->first)
			set->pending_sorted = false;
		if (set->npending >= Max(PENDING_MAX, set->nentries))
			FlushPending(set);
	}

	if (set->npending == set->maxpending)
		GrowPending(set);
	set->pending[set->npending].first = first;
	set->pending[set->npending].last = last;
	set->npending++;
}

void
LeadsetAdd(ExpandedLeadset *set, int64 id)
{
	LeadsetAddRange(set, id, id);
}

/*
 * Sorts ranges by their first ids, byte by byte from the lowest, which takes a
 * fraction of the time of comparing them: most of a set's ids have few bytes that
 * differ.
 */
static void
SortRanges(IdRange *ranges, int n)
{
	IdRange    *from = ranges;
	IdRange    *scratch = palloc(n * sizeof(IdRange));
	IdRange    *to = scratch;
	uint64		varying = 0;

	for (int i = 1; i < n; i++)
		varying |= ranges[i].first ^ ranges[0].first;
	for (int shift = 0; shift < 64; shift += 8)
	{
		int			place[256] = {0};
		int			next = 0;
		IdRange    *swapped = from;

		if (((varying >> shift) & 0xff) == 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			place[(from[i].first >> shift) & 0xff]++;
		for (int byte = 0; byte < 256; byte++)
		{
			int			count = place[byte];

			place[byte] = next;
			next += count;
		}
		for (int i = 0; i < n; i++)
			to[place[(from[i].first >> shift) & 0xff]++] = from[i];
		from = to;
		to = swapped;
	}
	if (from != ranges)
		memcpy(ranges, from, n * sizeof(IdRange));
	pfree(scratch);
}

/* Makes the pending ranges ascend, and joins those that meet. */
static void
SortPending(ExpandedLeadset *set)
{
	int			last = 0;

	if (!set->pending_sorted)
		SortRanges(set->pending, set->npending);
	set->pending_sorted = true;

	for (int i = 1; i < set->npending; i++)
	{
		IdRange		range = set->pending[i];

		if (range.first - 1 <= set->pending[last].last)
			set->pending[last].last = Max(set->pending[last].last, range.last);
		else
			set->pending[++last] = range;
	}
	set->npending = last + 1;
}

/*
 * Makes the entries that the pending ranges fall in. What the ranges take at
 * least is found out before, so one of an absurd length costs nothing.
 */
static void
MakePendingEntries(ExpandedLeadset *set)
{
	int64		full = 0;
	int64		prev = -1;
	int			nhighs = 0;
	uint32	   *highs;

	for (int i = 0; i < set->npending; i++)
	{
		int64		spanned = (set->pending[i].last >> 32) - (set->pending[i].first >> 32);

		full += Max(spanned - 1, 0);
		if (full > FULL_BITMAPS_MAX)
			ReportTooLarge();
	}

	highs = palloc((2 * set->npending + full) * sizeof(uint32));
	for (int i = 0; i < set->npending; i++)
	{
		int64		end = set->pending[i].last >> 32;

		for (int64 high = Max(set->pending[i].first >> 32, prev + 1); high <= end; high++)
			highs[nhighs++] = (uint32) high;
		prev = end;
	}
	MakeEntries(set, highs, nhighs);
	pfree(highs);
}

/* Ids on their way into one bitmap, many in one call. */
typedef struct Batch
{
	ExpandedEntry *entry;
	int			nids;
	uint32		ids[1024];
} Batch;

static void
FlushBatch(Batch *batch)
{
	CHECK_FOR_INTERRUPTS();
	if (batch->nids > 0)
		roaring_bitmap_add_many(batch->entry->bitmap, batch->nids, batch->ids);
	batch->nids = 0;
}

/*
 * Adds a range of low words to the bitmap: as a range where it fills containers,
 * id by id in the others. CRoaring up to 0.2.66, asked to add a range to a
 * container of many runs, makes a bitset of few ids of it, whose serialisation
 * says it were an array.
 */
static void
AddToBitmap(Batch *batch, uint32 first, uint32 last)
{
	uint64		end = (uint64) last + 1;

	for (uint64 id = first; id < end;)
	{
		uint64		whole = (end - id) / CONTAINER_IDS * CONTAINER_IDS;

		if (id % CONTAINER_IDS == 0 && whole > 0)
		{
			FlushBatch(batch);
			roaring_bitmap_add_range_closed(batch->entry->bitmap, id, id + whole - 1);
			id += whole;
			continue;
		}
		if (batch->nids == lengthof(batch->ids))
			FlushBatch(batch);
		batch->ids[batch->nids++] = id++;
	}
}

/*
 * Puts the pending ranges into the bitmaps. An error on the way leaves them
 * pending; to put some of them in twice does no harm.
 */
void
FlushPending(ExpandedLeadset *set)
{
	Batch		batch;
	int			pos = 0;

	if (set->npending == 0)
		return;
	SortPending(set);
	MakePendingEntries(set);

	batch.entry = NULL;
	batch.nids = 0;
	for (int i = 0; i < set->npending; i++)
	{
		int64		first = set->pending[i].first;
		int64		last = set->pending[i].last;

		for (int64 high = first >> 32; high <= last >> 32; high++)
		{
			if (batch.entry == NULL || batch.entry->high != high)
			{
				if (batch.entry)
				{
					FlushBatch(&batch);
					EntryChanged(set, batch.entry);
				}
				batch.entry = FindEntry(set, (uint32) high, &pos);
				if (batch.entry->bitmap == NULL)
					batch.entry->bitmap = CheckBitmap(roaring_bitmap_create());
			}
			AddToBitmap(&batch,
						high == first >> 32 ? (uint32) first : 0,
						high == last >> 32 ? (uint32) last : PG_UINT32_MAX);
		}
	}
	FlushBatch(&batch);
	EntryChanged(set, batch.entry);
	set->npending = 0;
}
