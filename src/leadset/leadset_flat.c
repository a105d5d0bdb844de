/*
 * leadset_flat.c
 *		Reads a flat set in place: its containers, cardinality, ids in order.
 *
 * The portable serialisation of a bitmap is public and fixed:
 * https://github.com/RoaringBitmap/RoaringFormatSpec
 */
#include "postgres.h"

#include "leadset_internal.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

/* Reads the header of a serialised bitmap. */
void
OpenBitmap(LeadsetBitmap *bitmap, const char *bytes)
{
	uint32		cookie = ReadUint32(bytes, 0);
	bool		has_offsets;

	bitmap->start = bytes;
	if ((cookie & 0xFFFF) == COOKIE_RUNS)
	{
		bitmap->ncontainers = (cookie >> 16) + 1;
		bitmap->run_flags = bytes + sizeof(uint32);
		bitmap->keys = bitmap->run_flags + (bitmap->ncontainers + 7) / 8;
		has_offsets = bitmap->ncontainers >= NO_OFFSETS_BELOW;
	}
	else
	{
		Assert(cookie == COOKIE_NO_RUNS);
		bitmap->ncontainers = ReadUint32(bytes, 1);
		bitmap->run_flags = NULL;
		bitmap->keys = bytes + 2 * sizeof(uint32);
		has_offsets = true;
	}

	bitmap->containers = bitmap->keys + bitmap->ncontainers * 2 * sizeof(uint16);
	bitmap->offsets = NULL;
	if (has_offsets)
	{
		bitmap->offsets = bitmap->containers;
		bitmap->containers += bitmap->ncontainers * sizeof(uint32);
	}
}

int64
BitmapCardinality(const LeadsetBitmap *bitmap)
{
	int64		cardinality = 0;

	for (uint32 n = 0; n < bitmap->ncontainers; n++)
		cardinality += ContainerCardinality(bitmap, n);
	return cardinality;
}

/* What the header says of the n-th container. */
void
DescribeContainer(const LeadsetBitmap *bitmap, uint32 n, LeadsetContainer *container)
{
	container->key = ContainerKey(bitmap, n);
	container->cardinality = ContainerCardinality(bitmap, n);
	if (bitmap->run_flags && (bitmap->run_flags[n / 8] & (1 << (n % 8))))
		container->kind = LEADSET_RUN;
	else if (container->cardinality <= ARRAY_MAX)
		container->kind = LEADSET_ARRAY;
	else
		container->kind = LEADSET_BITSET;
	container->nruns = 0;
}

/* The bytes of a container that was described; of one with runs, its first two are read. */
void
OpenContainer(LeadsetContainer *container, const char *data)
{
	container->data = data;
	switch (container->kind)
	{
		case LEADSET_RUN:
			container->nruns = ReadUint16(data, 0);
			container->data += sizeof(uint16);
			container->end = data + RUN_BYTES(container->nruns);
			break;
		case LEADSET_ARRAY:
			container->end = data + ARRAY_BYTES(container->cardinality);
			break;
		case LEADSET_BITSET:
			container->end = data + BITSET_BYTES;
			break;
	}
}

/* Reads the n-th container, whose bytes are at data. */
void
ReadContainer(const LeadsetBitmap *bitmap, uint32 n, const char *data,
			  LeadsetContainer *container)
{
	DescribeContainer(bitmap, n, container);
	OpenContainer(container, data);
}

/* Opens the bitmap of the set's n-th entry. */
static void
OpenEntry(const Leadset *set, uint32 n, LeadsetBitmap *bitmap)
{
	const char *bytes = (const char *) &set->entries[set->nentries];

	OpenBitmap(bitmap, bytes + (n == 0 ? 0 : set->entries[n - 1].end));
}

/*
 * The number of ids: the sum of what the containers' headers say, so no
 * container is read.
 */
int64
LeadsetCardinality(const Leadset *set)
{
	int64		cardinality = 0;

	for (uint32 i = 0; i < set->nentries; i++)
	{
		LeadsetBitmap bitmap;

		CHECK_FOR_INTERRUPTS();
		OpenEntry(set, i, &bitmap);
		cardinality += BitmapCardinality(&bitmap);
	}
	return cardinality;
}

bool
ContainerContains(const LeadsetContainer *container, uint16 low)
{
	uint32		begin = 0;
	uint32		end;
	uint32		step;

	if (container->kind == LEADSET_BITSET)
		return (ReadUint64(container->data, low / 64) >> (low % 64)) & 1;

	/* Find the first value, or start of a run, that is beyond low. */
	step = container->kind == LEADSET_RUN ? 2 : 1;
	end = container->kind == LEADSET_RUN ? container->nruns : container->cardinality;
	while (begin < end)
	{
		uint32		middle = (begin + end) / 2;

		if (ReadUint16(container->data, middle * step) <= low)
			begin = middle + 1;
		else
			end = middle;
	}
	if (begin == 0)
		return false;
	if (container->kind == LEADSET_ARRAY)
		return ReadUint16(container->data, begin - 1) == low;
	return low - ReadUint16(container->data, 2 * (begin - 1)) <=
		ReadUint16(container->data, 2 * (begin - 1) + 1);
}

/*
 * The first bit at or after pos that is set, or that is clear; 65536 if there
 * is none.
 */
uint32
FindBit(const char *words, uint32 pos, bool set)
{
	uint64		mask = ~UINT64CONST(0) << (pos % 64);

	for (uint32 i = pos / 64; i < BITSET_WORDS; i++)
	{
		uint64		word = ReadUint64(words, i);

		word = (set ? word : ~word) & mask;
		if (word != 0)
			return i * 64 + pg_rightmost_one_pos64(word);
		mask = ~UINT64CONST(0);
	}
	return BITSET_WORDS * 64;
}

uint32
ContainerFirst(const LeadsetContainer *container)
{
	if (container->kind == LEADSET_BITSET)
		return FindBit(container->data, 0, true);
	return ReadUint16(container->data, 0);
}

uint32
ContainerLast(const LeadsetContainer *container)
{
	uint32		i = BITSET_WORDS - 1;

	switch (container->kind)
	{
		case LEADSET_ARRAY:
			return ReadUint16(container->data, container->cardinality - 1);

		case LEADSET_BITSET:
			while (ReadUint64(container->data, i) == 0)
				i--;
			return i * 64 + pg_leftmost_one_pos64(ReadUint64(container->data, i));

		case LEADSET_RUN:
			return ReadUint16(container->data, 2 * (container->nruns - 1)) +
				ReadUint16(container->data, 2 * (container->nruns - 1) + 1);
	}
	pg_unreachable();
}

/* The next range of low words in the open container, if there is one. */
static bool
NextInContainer(LeadsetIterator *it, uint32 *first, uint32 *last)
{
	const LeadsetContainer *container = &it->container;

	switch (container->kind)
	{
		case LEADSET_ARRAY:
			if (it->pos == container->cardinality)
				return false;
			*first = *last = ReadUint16(container->data, it->pos++);
			while (it->pos < container->cardinality &&
				   ReadUint16(container->data, it->pos) == *last + 1)
			{
				(*last)++;
				it->pos++;
			}
			return true;

		case LEADSET_BITSET:
			if (it->pos == BITSET_WORDS * 64)
				return false;
			*first = FindBit(container->data, it->pos, true);
			if (*first == BITSET_WORDS * 64)
				return false;
			it->pos = FindBit(container->data, *first, false);
			*last = it->pos - 1;
			return true;

		case LEADSET_RUN:
			if (it->pos == container->nruns)
				return false;
			*first = ReadUint16(container->data, 2 * it->pos);
			*last = *first + ReadUint16(container->data, 2 * it->pos + 1);
			it->pos++;
			return true;
	}
	pg_unreachable();
}

/* Opens the next container, if there is one. */
static bool
NextContainer(LeadsetIterator *it)
{
	CHECK_FOR_INTERRUPTS();

	if (it->container_no == it->bitmap.ncontainers)
	{
		if (it->entry == it->set->nentries)
			return false;
		OpenEntry(it->set, it->entry++, &it->bitmap);
		it->container_no = 0;
		it->container.end = it->bitmap.containers;
	}
	ReadContainer(&it->bitmap, it->container_no++, it->container.end, &it->container);
	it->pos = 0;
	return true;
}

/* Where the ids of the open container begin. */
static int64
ContainerBase(const LeadsetIterator *it)
{
	return (int64) (((uint64) it->set->entries[it->entry - 1].high << 32) |
					((uint64) it->container.key << 16));
}

/* Reads the next range that lies in one container into ahead. */
static void
ReadAhead(LeadsetIterator *it)
{
	uint32		first;
	uint32		last;

	while (it->container.data == NULL || !NextInContainer(it, &first, &last))
	{
		if (!NextContainer(it))
		{
			it->ahead = false;
			return;
		}
	}
	it->ahead = true;
	it->ahead_first = ContainerBase(it) + first;
	it->ahead_last = ContainerBase(it) + last;
}

static void
StartIterator(LeadsetIterator *it, const Leadset *set)
{
	memset(it, 0, sizeof(*it));
	it->set = set;
}

void
LeadsetIterate(LeadsetIterator *it, const Leadset *set)
{
	StartIterator(it, set);
	ReadAhead(it);
}

void
LeadsetIterateContainers(LeadsetIterator *it, const Leadset *set)
{
	StartIterator(it, set);
}

bool
LeadsetNextContainer(LeadsetIterator *it, int64 *base)
{
	if (!NextContainer(it))
		return false;
	*base = ContainerBase(it);
	return true;
}

void
LeadsetContainerIds(const LeadsetContainer *container, uint16 *ids)
{
	uint32		n = 0;

	switch (container->kind)
	{
		case LEADSET_ARRAY:
			memcpy(ids, container->data, ARRAY_BYTES(container->cardinality));
			break;
		case LEADSET_BITSET:
			for (uint32 i = 0; i < BITSET_WORDS; i++)
				for (uint64 word = ReadUint64(container->data, i); word != 0; word &= word - 1)
					ids[n++] = i * 64 + pg_rightmost_one_pos64(word);
			break;
		case LEADSET_RUN:
			for (uint32 i = 0; i < container->nruns; i++)
			{
				uint32		first = ReadUint16(container->data, 2 * i);
				uint32		last = first + ReadUint16(container->data, 2 * i + 1);

				for (uint32 id = first; id <= last; id++)
					ids[n++] = id;
			}
			break;
	}
}

/* Joins what adjoins across the borders of containers and bitmaps. */
bool
LeadsetNextRange(LeadsetIterator *it, int64 *first, int64 *last)
{
	if (!it->ahead)
		return false;

	*first = it->ahead_first;
	do
	{
		*last = it->ahead_last;
		ReadAhead(it);
	} while (it->ahead && it->ahead_first - 1 == *last);
	return true;
}

bool
LeadsetNext(LeadsetIterator *it, int64 *id)
{
	if (it->left == 0)
	{
		int64		last;

		if (!LeadsetNextRange(it, &it->next_id, &last))
			return false;
		it->left = (uint64) last - it->next_id + 1;
	}

	*id = it->next_id;
	if (--it->left > 0)
		it->next_id++;
	return true;
}
