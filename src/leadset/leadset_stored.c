/*
 * leadset_stored.c
 *		Asks of a flat set that may lie on disk: the headers lead to the few
 *		bytes that hold the answer, and only those are fetched.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "leadset_internal.h"
#include "miscadmin.h"

#define ENTRIES_BEGIN		(offsetof(Leadset, entries) - VARHDRSZ)

/* The set in value, which is no expanded object. */
void
StoredOpen(StoredLeadset *set, Datum value)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);

	memset(set, 0, sizeof(*set));
	set->value = value;
	if (VARATT_IS_EXTERNAL_ONDISK(stored))
	{
		struct varatt_external pointer;

		VARATT_EXTERNAL_GET_POINTER(pointer, stored);
		set->size = VARATT_EXTERNAL_GET_EXTSIZE(pointer);
		if (set->size == (Size) pointer.va_rawsize - VARHDRSZ)
			return;				/* not compressed: any part can be had */
	}

	stored = PG_DETOAST_DATUM_PACKED(value);
	if ((Pointer) stored != DatumGetPointer(value))
		set->fetched = stored;
	set->bytes = VARDATA_ANY(stored);
	set->size = set->end = VARSIZE_ANY_EXHDR(stored);
}

void
StoredClose(StoredLeadset *set)
{
	if (set->fetched)
		pfree(set->fetched);
}

/*
 * So many bytes of the set; they stay until others are fetched. Whole chunks of
 * the TOAST table are, and for whoever reads on, twice as many each time.
 */
static const char *
Fetch(StoredLeadset *set, Size begin, Size length)
{
	Size		first;
	Size		last;

	Assert(length > 0 && begin + length <= set->size);
	if (begin >= set->begin && begin + length <= set->end)
		return set->bytes + (begin - set->begin);

	CHECK_FOR_INTERRUPTS();
	first = begin / TOAST_MAX_CHUNK_SIZE;
	last = (begin + length - 1) / TOAST_MAX_CHUNK_SIZE;
	if (begin >= set->begin && begin <= set->end)
		last = Max(last, first + 2 * (set->end - set->begin) / TOAST_MAX_CHUNK_SIZE);

	StoredClose(set);
	set->fetched = NULL;
	set->begin = first * TOAST_MAX_CHUNK_SIZE;
	set->end = Min(set->size, (last + 1) * TOAST_MAX_CHUNK_SIZE);
	set->fetched = PG_DETOAST_DATUM_SLICE(set->value, set->begin, set->end - set->begin);
	set->bytes = VARDATA_ANY(set->fetched);
	return set->bytes + (begin - set->begin);
}

static uint32
EntryCount(StoredLeadset *set)
{
	return ReadUint32(Fetch(set, 0, ENTRIES_BEGIN), 1);
}

static LeadsetEntry
GetEntry(StoredLeadset *set, uint32 n)
{
	LeadsetEntry entry;

	memcpy(&entry, Fetch(set, ENTRIES_BEGIN + n * sizeof(entry), sizeof(entry)), sizeof(entry));
	return entry;
}

/* A bitmap of the set: its header, valid until more is fetched, and its place. */
typedef struct StoredBitmap
{
	LeadsetBitmap header;
	Size		begin;
	Size		end;
} StoredBitmap;

static void
OpenStoredBitmap(StoredLeadset *set, Size begin, Size end, StoredBitmap *bitmap)
{
	const char *bytes = Fetch(set, begin, BITMAP_MIN_BYTES);

	bitmap->begin = begin;
	bitmap->end = end;
	OpenBitmap(&bitmap->header, bytes);
	bytes = Fetch(set, begin, bitmap->header.containers - bytes);
	OpenBitmap(&bitmap->header, bytes);
}

/* Opens the bitmap of the n-th of nentries entries. */
static void
OpenStoredEntry(StoredLeadset *set, uint32 nentries, uint32 n, StoredBitmap *bitmap)
{
	Size		bitmaps = ENTRIES_BEGIN + nentries * sizeof(LeadsetEntry);
	Size		begin = bitmaps + (n == 0 ? 0 : GetEntry(set, n - 1).end);

	OpenStoredBitmap(set, begin, bitmaps + GetEntry(set, n).end, bitmap);
}

/* Reads the bitmap's n-th container. Its header is gone then. */
static void
ReadStoredContainer(StoredLeadset *set, StoredBitmap *bitmap, uint32 n,
					LeadsetContainer *container)
{
	LeadsetBitmap *header = &bitmap->header;
	Size		begin;
	Size		end = bitmap->end;

	if (header->offsets)
	{
		begin = bitmap->begin + ReadUint32(header->offsets, n);
		if (n + 1 < header->ncontainers)
			end = bitmap->begin + ReadUint32(header->offsets, n + 1);
		DescribeContainer(header, n, container);
		OpenContainer(container, Fetch(set, begin, end - begin));
		return;
	}

	/* One without offsets has few containers. */
	OpenBitmap(header, Fetch(set, bitmap->begin, end - bitmap->begin));
	container->end = header->containers;
	for (uint32 i = 0; i <= n; i++)
		ReadContainer(header, i, container->end, container);
}

bool
StoredContains(StoredLeadset *set, int64 id)
{
	uint32		high = (uint64) id >> 32;
	uint16		key = (uint32) id >> 16;
	uint32		nentries = EntryCount(set);
	uint32		begin = 0;
	uint32		end = nentries;
	StoredBitmap bitmap;
	LeadsetContainer container;

	while (begin < end)
	{
		uint32		middle = begin + (end - begin) / 2;

		if (GetEntry(set, middle).high < high)
			begin = middle + 1;
		else
			end = middle;
	}
	if (begin == nentries || GetEntry(set, begin).high != high)
		return false;

	OpenStoredEntry(set, nentries, begin, &bitmap);
	begin = 0;
	end = bitmap.header.ncontainers;
	while (begin < end)
	{
		uint32		middle = (begin + end) / 2;

		if (ContainerKey(&bitmap.header, middle) < key)
			begin = middle + 1;
		else
			end = middle;
	}
	if (begin == bitmap.header.ncontainers || ContainerKey(&bitmap.header, begin) != key)
		return false;

	ReadStoredContainer(set, &bitmap, begin, &container);
	return ContainerContains(&container, (uint16) id);
}

/* The sum of what the containers' headers say, so no container is read. */
int64
StoredCardinality(StoredLeadset *set)
{
	uint32		nentries = EntryCount(set);
	Size		bitmaps = ENTRIES_BEGIN + nentries * sizeof(LeadsetEntry);
	LeadsetEntry *entries;
	int64		cardinality = 0;

	if (nentries == 0)
		return 0;

	/* A copy, so that the bitmaps are read in one go. */
	entries = palloc(nentries * sizeof(LeadsetEntry));
	memcpy(entries, Fetch(set, ENTRIES_BEGIN, nentries * sizeof(LeadsetEntry)),
		   nentries * sizeof(LeadsetEntry));
	for (uint32 i = 0; i < nentries; i++)
	{
		StoredBitmap bitmap;

		OpenStoredBitmap(set, bitmaps + (i == 0 ? 0 : entries[i - 1].end),
						 bitmaps + entries[i].end, &bitmap);
		cardinality += BitmapCardinality(&bitmap.header);
	}
	pfree(entries);
	return cardinality;
}

bool
StoredFirst(StoredLeadset *set, int64 *id)
{
	uint32		nentries = EntryCount(set);
	StoredBitmap bitmap;
	LeadsetContainer container;
	uint64		high;

	if (nentries == 0)
		return false;
	high = GetEntry(set, 0).high;
	OpenStoredEntry(set, nentries, 0, &bitmap);
	ReadStoredContainer(set, &bitmap, 0, &container);
	*id = (high << 32) | ((uint32) container.key << 16) | ContainerFirst(&container);
	return true;
}

bool
StoredLast(StoredLeadset *set, int64 *id)
{
	uint32		nentries = EntryCount(set);
	StoredBitmap bitmap;
	LeadsetContainer container;
	uint64		high;

	if (nentries == 0)
		return false;
	high = GetEntry(set, nentries - 1).high;
	OpenStoredEntry(set, nentries, nentries - 1, &bitmap);
	ReadStoredContainer(set, &bitmap, bitmap.header.ncontainers - 1, &container);
	*id = (high << 32) | ((uint32) container.key << 16) | ContainerLast(&container);
	return true;
}
