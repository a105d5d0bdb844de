/*
 * leadset_merge.c
 *		The union of many flat sets as a flat set: what they have of a container is
 *		put together bit by bit, and written once.
 */
#include "postgres.h"

#include "leadset_internal.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

/* How far one of the sets has been read. */
typedef struct Cursor
{
	LeadsetIterator it;
	bool		more;			/* is there an open container? */
	int64		base;			/* of it */
} Cursor;

/* A set that is being written, its containers in ascending order. */
typedef struct Writer
{
	StringInfoData entries;		/* of LeadsetEntry */
	StringInfoData bitmaps;

	/* of the bitmap of the latest entry */
	uint32		high;
	uint32		ncontainers;
	bool		has_runs;
	char		run_flags[65536 / 8];
	StringInfoData keys;		/* of uint16: key, cardinality - 1 */
	StringInfoData offsets;		/* of uint32: where containers begin */
	StringInfoData containers;
} Writer;

static void
AppendUint16(StringInfo bytes, uint16 value)
{
	appendBinaryStringInfo(bytes, (char *) &value, sizeof(value));
}

static void
AppendUint32(StringInfo bytes, uint32 value)
{
	appendBinaryStringInfo(bytes, (char *) &value, sizeof(value));
}

/* Write the containers of the latest entry as its bitmap. */
static void
FinishBitmap(Writer *writer)
{
	StringInfo	bitmaps = &writer->bitmaps;
	uint32		n = writer->ncontainers;
	int			start = bitmaps->len;
	bool		has_offsets = !writer->has_runs || n >= NO_OFFSETS_BELOW;
	LeadsetEntry entry = {.high = writer->high};

	if (n == 0)
		return;
	if (writer->has_runs)
	{
		AppendUint32(bitmaps, COOKIE_RUNS | (n - 1) << 16);
		appendBinaryStringInfo(bitmaps, writer->run_flags, (n + 7) / 8);
	}
	else
	{
		AppendUint32(bitmaps, COOKIE_NO_RUNS);
		AppendUint32(bitmaps, n);
	}
	appendBinaryStringInfo(bitmaps, writer->keys.data, writer->keys.len);
	if (has_offsets)
	{
		uint32		header = bitmaps->len - start + n * sizeof(uint32);

		for (uint32 i = 0; i < n; i++)
			AppendUint32(bitmaps, header + ReadUint32(writer->offsets.data, i));
	}
	appendBinaryStringInfo(bitmaps, writer->containers.data, writer->containers.len);
	if (bitmaps->len + writer->entries.len + offsetof(Leadset, entries) + sizeof(entry) > LEADSET_MAX_BYTES)
		ReportTooLarge();
	entry.end = bitmaps->len;
	appendBinaryStringInfo(&writer->entries, (char *) &entry, sizeof(entry));

	writer->ncontainers = 0;
	writer->has_runs = false;
	memset(writer->run_flags, 0, (n + 7) / 8);
	resetStringInfo(&writer->keys);
	resetStringInfo(&writer->offsets);
	resetStringInfo(&writer->containers);
}

/* What the header says of a container that is about to be written. */
static void
StartContainer(Writer *writer, int64 base, uint32 cardinality, bool is_run)
{
	uint32		n;

	if (writer->high != (uint32) (base >> 32))
		FinishBitmap(writer);
	writer->high = (uint32) (base >> 32);
	n = writer->ncontainers++;
	AppendUint16(&writer->keys, (uint16) (base >> 16));
	AppendUint16(&writer->keys, cardinality - 1);
	AppendUint32(&writer->offsets, writer->containers.len);
	if (is_run)
	{
		writer->has_runs = true;
		writer->run_flags[n / 8] |= 1 << (n % 8);
	}
}

/* Write one that no other set has. */
static void
CopyContainer(Writer *writer, int64 base, const LeadsetContainer *container)
{
	bool		is_run = container->kind == LEADSET_RUN;

	StartContainer(writer, base, container->cardinality, is_run);
	if (is_run)
		AppendUint16(&writer->containers, container->nruns);
	appendBinaryStringInfo(&writer->containers, container->data, container->end - container->data);
}

/* Write one in its smallest encoding. */
static void
WriteContainer(Writer *writer, int64 base, const uint64 *words)
{
	StringInfo	bytes = &writer->containers;
	uint64		firsts[BITSET_WORDS];	/* of runs: the bits that have none before them */
	uint32		cardinality = pg_popcount((const char *) words, BITSET_BYTES);
	uint32		nruns;
	bool		is_run;

	firsts[0] = words[0] & ~(words[0] << 1);
	for (int i = 1; i < BITSET_WORDS; i++)
		firsts[i] = words[i] & ~(words[i] << 1 | words[i - 1] >> 63);
	nruns = pg_popcount((const char *) firsts, BITSET_BYTES);
	is_run = RUN_BYTES(nruns) < Min(ARRAY_BYTES(cardinality), BITSET_BYTES);
	StartContainer(writer, base, cardinality, is_run);
	if (is_run)
	{
		uint32		pos = FindBit((const char *) words, 0, true);

		AppendUint16(bytes, nruns);
		for (uint32 i = 0; i < nruns; i++)
		{
			uint32		end = FindBit((const char *) words, pos, false);

			AppendUint16(bytes, pos);
			AppendUint16(bytes, end - 1 - pos);
			pos = FindBit((const char *) words, end, true);
		}
	}
	else if (cardinality <= ARRAY_MAX)
	{
		uint16		ids[ARRAY_MAX];
		uint32		count = 0;

		for (uint32 i = 0; i < BITSET_WORDS; i++)
			for (uint64 word = words[i]; word != 0; word &= word - 1)
				ids[count++] = i * 64 + pg_rightmost_one_pos64(word);
		appendBinaryStringInfo(bytes, (char *) ids, ARRAY_BYTES(count));
	}
	else
		appendBinaryStringInfo(bytes, (const char *) words, BITSET_BYTES);
}

/* Set the bits of a container's ids. */
static void
AddContainer(uint64 *words, const LeadsetContainer *container)
{
	switch (container->kind)
	{
		case LEADSET_ARRAY:
			for (uint32 i = 0; i < container->cardinality; i++)
			{
				uint16		id = ReadUint16(container->data, i);

				words[id / 64] |= UINT64CONST(1) << (id % 64);
			}
			break;
		case LEADSET_BITSET:
			for (uint32 i = 0; i < BITSET_WORDS; i++)
				words[i] |= ReadUint64(container->data, i);
			break;
		case LEADSET_RUN:
			for (uint32 i = 0; i < container->nruns; i++)
			{
				uint32		first = ReadUint16(container->data, 2 * i);
				uint32		last = first + ReadUint16(container->data, 2 * i + 1);

				for (uint32 word = first / 64; word <= last / 64; word++)
				{
					uint64		mask = ~UINT64CONST(0);

					if (word == first / 64)
						mask &= ~UINT64CONST(0) << (first % 64);
					if (word == last / 64)
						mask &= ~UINT64CONST(0) >> (63 - last % 64);
					words[word] |= mask;
				}
			}
			break;
	}
}

static Leadset *
FinishSet(Writer *writer)
{
	Size		size;
	Leadset    *set;

	FinishBitmap(writer);
	size = offsetof(Leadset, entries) + writer->entries.len + writer->bitmaps.len;
	set = palloc0(size);
	SET_VARSIZE(set, size);
	set->version = LEADSET_VERSION;
	set->nentries = writer->entries.len / sizeof(LeadsetEntry);
	memcpy(set->entries, writer->entries.data, writer->entries.len);
	memcpy(&set->entries[set->nentries], writer->bitmaps.data, writer->bitmaps.len);
	return set;
}

Leadset *
LeadsetUnionAll(const List *sets)
{
	Writer	   *writer = palloc0(sizeof(Writer));
	int			n = list_length(sets);
	Cursor	   *cursors = palloc(Max(n, 1) * sizeof(Cursor));
	uint64		words[BITSET_WORDS];

	initStringInfo(&writer->entries);
	initStringInfo(&writer->bitmaps);
	initStringInfo(&writer->keys);
	initStringInfo(&writer->offsets);
	initStringInfo(&writer->containers);
	for (int i = 0; i < n; i++)
	{
		LeadsetIterateContainers(&cursors[i].it, list_nth(sets, i));
		cursors[i].more = LeadsetNextContainer(&cursors[i].it, &cursors[i].base);
	}
	for (;;)
	{
		Cursor	   *lowest = NULL;
		int			sharing = 0;

		for (int i = 0; i < n; i++)
		{
			if (!cursors[i].more)
				continue;
			if (lowest == NULL || cursors[i].base < lowest->base)
			{
				lowest = &cursors[i];
				sharing = 0;
			}
			sharing += cursors[i].base == lowest->base;
		}
		if (lowest == NULL)
			return FinishSet(writer);
		if (sharing == 1)
		{
			CopyContainer(writer, lowest->base, &lowest->it.container);
			lowest->more = LeadsetNextContainer(&lowest->it, &lowest->base);
		}
		else
		{
			int64		base = lowest->base;

			memset(words, 0, sizeof(words));
			for (int i = 0; i < n; i++)
				if (cursors[i].more && cursors[i].base == base)
				{
					AddContainer(words, &cursors[i].it.container);
					cursors[i].more = LeadsetNextContainer(&cursors[i].it, &cursors[i].base);
				}
			WriteContainer(writer, base, words);
		}
	}
}
