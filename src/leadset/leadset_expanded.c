/*
 * leadset_expanded.c
 *		The expanded set: who owns its memory, how it comes from the flat form
 *		and goes back to it.
 *
 * malloc'd memory follows the flat size, which is held under
 * LEADSET_MAX_BYTES: about as much for dense sets, some 10 times as much at
 * worst, where every bitmap holds a single id.
 */
#include "postgres.h"

#include "leadset_internal.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* What an entry with a single id takes in the flat form. */
#define ENTRY_MIN_BYTES		(sizeof(LeadsetEntry) + 18)

static Size GetFlatSize(ExpandedObjectHeader *eohptr);
static void FlattenInto(ExpandedObjectHeader *eohptr, void *result, Size allocated_size);

static const ExpandedObjectMethods leadset_methods = {
	.get_flat_size = GetFlatSize,
	.flatten_into = FlattenInto,
};

/* The object's context is being deleted or reset: free what is malloc'd. */
static void
FreeBitmaps(void *arg)
{
	ExpandedLeadset *set = arg;

	for (int i = 0; i < set->nentries; i++)
	{
		if (set->entries[i].bitmap)
			roaring_bitmap_free(set->entries[i].bitmap);
	}
	if (set->scratch)
		roaring_bitmap_free(set->scratch);
}

ExpandedLeadset *
LeadsetCreate(MemoryContext parent)
{
	MemoryContext context;
	ExpandedLeadset *set;

	context = AllocSetContextCreate(parent, "leadset", ALLOCSET_SMALL_SIZES);
	set = MemoryContextAllocZero(context, sizeof(ExpandedLeadset));
	EOH_init_header(&set->hdr, &leadset_methods, context);
	set->size = offsetof(Leadset, entries);
	set->pending_sorted = true;
	set->callback.func = FreeBitmaps;
	set->callback.arg = set;
	MemoryContextRegisterResetCallback(context, &set->callback);
	return set;
}

void
LeadsetDelete(ExpandedLeadset *set)
{
	MemoryContextDelete(set->hdr.eoh_context);
}

Datum
LeadsetGetDatum(ExpandedLeadset *set)
{
	return EOHPGetRWDatum(&set->hdr);
}

/* What CRoaring returned, which is NULL if malloc failed. */
roaring_bitmap_t *
CheckBitmap(roaring_bitmap_t *bitmap)
{
	if (bitmap == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("A bitmap of a leadset could not be allocated.")));
	return bitmap;
}

void
ReportTooLarge(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("leadset is too large"),
			 errdetail("Stored, it would take more than %zu MB.",
					   LEADSET_MAX_BYTES / (1024 * 1024))));
}

/* Makes room for n entries more. */
static void
ReserveEntries(ExpandedLeadset *set, int n)
{
	int			needed = set->nentries + n;

	if (needed <= set->maxentries)
		return;
	needed = Max(needed, set->maxentries * 2);
	if (set->entries == NULL)
		set->entries = MemoryContextAlloc(set->hdr.eoh_context,
										  needed * sizeof(ExpandedEntry));
	else
		set->entries = repalloc(set->entries, needed * sizeof(ExpandedEntry));
	set->maxentries = needed;
}

/*
 * The entry of a high word, NULL if there is none. The search begins at *pos
 * and leaves the place there, so a caller who asks in ascending order starts
 * at 0 and hands the same variable on.
 */
ExpandedEntry *
FindEntry(ExpandedLeadset *set, uint32 high, int *pos)
{
	int			begin = *pos;
	int			end = set->nentries;

	/* Most often it is here or it is beyond the last. */
	if (begin < end && set->entries[begin].high >= high)
		end = begin;
	else if (begin < end && set->entries[end - 1].high < high)
		begin = end;

	while (begin < end)
	{
		int			middle = begin + (end - begin) / 2;

		if (set->entries[middle].high < high)
			begin = middle + 1;
		else
			end = middle;
	}
	*pos = begin;
	if (begin < set->nentries && set->entries[begin].high == high)
		return &set->entries[begin];
	return NULL;
}

/*
 * Makes the entries that are missing among n ascending high words, without a
 * bitmap: the caller gives each one, or drops the empty ones at the end.
 */
void
MakeEntries(ExpandedLeadset *set, const uint32 *highs, int n)
{
	int			missing = 0;
	int			pos = 0;
	int			from;
	int			to;

	for (int i = 0; i < n; i++)
	{
		if (FindEntry(set, highs[i], &pos) == NULL)
			missing++;
	}
	if (missing == 0)
		return;
	if (set->size + missing * ENTRY_MIN_BYTES > LEADSET_MAX_BYTES)
		ReportTooLarge();
	ReserveEntries(set, missing);
	set->size += missing * sizeof(LeadsetEntry);

	/*
	 * Merge from the end, in place. Nothing in here can fail, so no bitmap is
	 * ever seen in two entries, or in none.
	 */
	from = set->nentries - 1;
	to = set->nentries + missing - 1;
	set->nentries += missing;
	for (int i = n - 1; to > from;)
	{
		if (from >= 0 && set->entries[from].high >= highs[i])
		{
			if (set->entries[from].high == highs[i])
				i--;
			set->entries[to--] = set->entries[from--];
		}
		else
		{
			ExpandedEntry made = {.high = highs[i--]};

			set->entries[to--] = made;
		}
	}
}

/* Frees the entries that hold no id. As above, nothing in here can fail. */
void
DropEmptyEntries(ExpandedLeadset *set)
{
	int			kept = 0;

	for (int i = 0; i < set->nentries; i++)
	{
		ExpandedEntry *entry = &set->entries[i];

		if (entry->bitmap && !roaring_bitmap_is_empty(entry->bitmap))
			set->entries[kept++] = *entry;
		else
		{
			if (entry->bitmap)
				roaring_bitmap_free(entry->bitmap);
			set->size -= sizeof(LeadsetEntry) + entry->size;
		}
	}
	set->nentries = kept;
}

/* ---- canonical encoding -------------------------------------------------- */

static void
UpdateSize(ExpandedLeadset *set, ExpandedEntry *entry)
{
	uint32		size = roaring_bitmap_portable_size_in_bytes(entry->bitmap);

	set->size += (Size) size - entry->size;
	entry->size = size;
}

/* Adds to scratch a run container that would be no larger as an array. */
static void
CollectTie(ExpandedLeadset *set, const LeadsetContainer *container)
{
	uint32		ids[4096];
	uint32		nids = 0;

	Assert(container->cardinality <= lengthof(ids));
	for (uint32 i = 0; i < container->nruns; i++)
	{
		uint16		start_length[2];

		memcpy(start_length, container->data + i * sizeof(start_length),
			   sizeof(start_length));
		for (uint32 j = 0; j <= start_length[1]; j++)
			ids[nids++] = ((uint32) container->key << 16) | (start_length[0] + j);
	}
	if (set->scratch == NULL)
		set->scratch = CheckBitmap(roaring_bitmap_create());
	roaring_bitmap_add_many(set->scratch, nids, ids);
}

/*
 * Makes arrays of the run containers that would be no larger as arrays.
 *
 * CRoaring keeps such a container as whichever of the two it happens to be,
 * and does not let us look at it. So look at its serialisation, take the ids
 * of these containers out, and put them back in as arrays.
 */
static void
BreakTies(ExpandedLeadset *set, ExpandedEntry *entry)
{
	Size		size = roaring_bitmap_portable_size_in_bytes(entry->bitmap);
	char	   *bytes = palloc_extended(size, MCXT_ALLOC_HUGE);
	LeadsetBitmap reader;
	LeadsetContainer container;
	roaring_bitmap_t *whole;

	roaring_bitmap_portable_serialize(entry->bitmap, bytes);
	OpenBitmap(&reader, bytes);
	container.end = reader.containers;
	for (uint32 n = 0; n < reader.ncontainers; n++)
	{
		ReadContainer(&reader, n, container.end, &container);
		if (container.kind == LEADSET_RUN && RUN_BYTES(container.nruns) >= ARRAY_BYTES(container.cardinality))
			CollectTie(set, &container);
	}
	pfree(bytes);
	if (set->scratch == NULL)
		return;

	roaring_bitmap_andnot_inplace(entry->bitmap, set->scratch);
	whole = CheckBitmap(roaring_bitmap_or(entry->bitmap, set->scratch));
	roaring_bitmap_free(entry->bitmap);
	entry->bitmap = whole;
	roaring_bitmap_free(set->scratch);
	set->scratch = NULL;
}

/* Brings every bitmap that changed into the encoding that equal sets share. */
static void
Canonicalise(ExpandedLeadset *set)
{
	for (int i = 0; i < set->nentries; i++)
	{
		ExpandedEntry *entry = &set->entries[i];

		if (entry->canonical || entry->bitmap == NULL)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (roaring_bitmap_run_optimize(entry->bitmap))
			BreakTies(set, entry);
		UpdateSize(set, entry);
		entry->canonical = true;
	}
}

/*
 * Call it after altering a bitmap. Raises the error when the set has become
 * too large, be it in its smallest encoding.
 */
void
EntryChanged(ExpandedLeadset *set, ExpandedEntry *entry)
{
	entry->canonical = false;
	UpdateSize(set, entry);
	if (set->size > LEADSET_MAX_BYTES)
	{
		Canonicalise(set);
		if (set->size > LEADSET_MAX_BYTES)
			ReportTooLarge();
	}
}

/* ---- to and from the flat form ------------------------------------------- */

/*
 * A sort asks for the size in a context of its own, which from version 17 on
 * frees nothing but all of it; what we need for a moment is not for there.
 */
static Size
GetFlatSize(ExpandedObjectHeader *eohptr)
{
	ExpandedLeadset *set = (ExpandedLeadset *) eohptr;
	MemoryContext old = MemoryContextSwitchTo(eohptr->eoh_context);

	FlushPending(set);
	Canonicalise(set);
	MemoryContextSwitchTo(old);
	return set->size;
}

static void
FlattenInto(ExpandedObjectHeader *eohptr, void *result, Size allocated_size)
{
	ExpandedLeadset *set = (ExpandedLeadset *) eohptr;
	Leadset    *flat = result;
	char	   *bitmaps;
	uint32		end = 0;

	Assert(allocated_size == set->size);
	memset(flat, 0, offsetof(Leadset, entries));
	SET_VARSIZE(flat, allocated_size);
	flat->version = LEADSET_VERSION;
	flat->nentries = set->nentries;
	bitmaps = (char *) &flat->entries[flat->nentries];

	for (int i = 0; i < set->nentries; i++)
	{
		const ExpandedEntry *entry = &set->entries[i];

		CHECK_FOR_INTERRUPTS();
		roaring_bitmap_portable_serialize(entry->bitmap, bitmaps + end);
		end += entry->size;
		flat->entries[i].high = entry->high;
		flat->entries[i].end = end;
	}
}

static ExpandedLeadset *
Expand(const Leadset *flat, bool canonical, MemoryContext parent)
{
	ExpandedLeadset *set = LeadsetCreate(parent);
	const char *bitmaps = (const char *) &flat->entries[flat->nentries];
	uint32		begin = 0;

	ReserveEntries(set, flat->nentries);
	for (uint32 i = 0; i < flat->nentries; i++)
	{
		ExpandedEntry *entry = &set->entries[i];
		uint32		end = flat->entries[i].end;

		CHECK_FOR_INTERRUPTS();
		entry->high = flat->entries[i].high;
		entry->size = end - begin;
		entry->canonical = canonical;
		entry->bitmap = NULL;
		set->nentries++;
		entry->bitmap = CheckBitmap(roaring_bitmap_portable_deserialize_safe(bitmaps + begin, end - begin));
		begin = end;
	}
	set->size = VARSIZE(flat);
	return set;
}

/* The set of valid bytes in the encoding that equal sets share. */
Leadset *
Reencode(const Leadset *flat)
{
	ExpandedLeadset *set = Expand(flat, false, CurrentMemoryContext);
	Leadset    *result = DatumGetLeadset(LeadsetGetDatum(set));

	LeadsetDelete(set);
	return result;
}

static ExpandedLeadset *
GetExpanded(Datum d)
{
	Assert(DatumGetEOHP(d)->eoh_methods == &leadset_methods);
	return (ExpandedLeadset *) DatumGetEOHP(d);
}

static ExpandedLeadset *
ExpandCopy(Datum d, MemoryContext parent)
{
	Leadset    *flat = DatumGetLeadset(d);
	ExpandedLeadset *set = Expand(flat, true, parent);

	if ((Pointer) flat != DatumGetPointer(d))
		pfree(flat);
	return set;
}

ExpandedLeadset *
DatumGetExpandedLeadset(Datum d, MemoryContext parent)
{
	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(d)))
		return GetExpanded(d);
	return ExpandCopy(d, parent);
}

ExpandedLeadset *
DatumGetWritableLeadset(Datum d, MemoryContext parent)
{
	if (VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(d)))
		return GetExpanded(d);
	return ExpandCopy(d, parent);
}

/* ---- asking -------------------------------------------------------------- */

int64
ExpandedLeadsetCardinality(ExpandedLeadset *set)
{
	int64		cardinality = 0;

	FlushPending(set);
	for (int i = 0; i < set->nentries; i++)
	{
		CHECK_FOR_INTERRUPTS();
		cardinality += roaring_bitmap_get_cardinality(set->entries[i].bitmap);
	}
	return cardinality;
}

bool
ExpandedLeadsetContains(ExpandedLeadset *set, int64 id)
{
	ExpandedEntry *entry;
	int			pos = 0;

	FlushPending(set);
	entry = FindEntry(set, (uint64) id >> 32, &pos);
	return entry && roaring_bitmap_contains(entry->bitmap, (uint32) id);
}

bool
ExpandedLeadsetFirst(ExpandedLeadset *set, int64 *id)
{
	const ExpandedEntry *entry;

	FlushPending(set);
	if (set->nentries == 0)
		return false;
	entry = &set->entries[0];
	*id = ((int64) entry->high << 32) | roaring_bitmap_minimum(entry->bitmap);
	return true;
}

bool
ExpandedLeadsetLast(ExpandedLeadset *set, int64 *id)
{
	const ExpandedEntry *entry;

	FlushPending(set);
	if (set->nentries == 0)
		return false;
	entry = &set->entries[set->nentries - 1];
	*id = ((int64) entry->high << 32) | roaring_bitmap_maximum(entry->bitmap);
	return true;
}
