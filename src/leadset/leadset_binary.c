/*
 * leadset_binary.c
 *		Sets as bytes, and bytes that may be anything as sets.
 *
 * The bytes are those that Roaring libraries read and write for sets of 64 bits
 * (https://github.com/RoaringBitmap/RoaringFormatSpec): the number of bitmaps in
 * 8 bytes; then of each the high word, and the bitmap of the low words. Nothing
 * is read from them before it is known to be there, and nothing is believed:
 * neither CRoaring nor our readers of flat sets look again.
 */
#include "postgres.h"

#include "leadset_internal.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"

/* The first byte of a binary value. */
#define BINARY_VERSION		1

#define COUNT_BYTES			sizeof(uint64)
#define HIGH_BYTES			sizeof(uint32)

#define CONTAINERS_MAX		65536

PG_FUNCTION_INFO_V1(leadset_recv);
PG_FUNCTION_INFO_V1(leadset_send);
PG_FUNCTION_INFO_V1(leadset_from_bytea);
PG_FUNCTION_INFO_V1(leadset_to_bytea);

/* ---- reading what may be anything ---------------------------------------- */

typedef struct ByteReader
{
	const char *start;
	const char *next;
	const char *end;
	bool		canonical;		/* has all been in the encoding that equal sets share? */
} ByteReader;

pg_noreturn static void
Reject(const ByteReader *reader, const char *at, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid binary value of type %s", "leadset"),
			 errdetail("At byte %zu: %s.", (Size) (at - reader->start) + 1, problem)));
}

/* So many bytes more, which must be there. */
static const char *
Take(ByteReader *reader, Size length)
{
	const char *bytes = reader->next;

	if (length > (Size) (reader->end - bytes))
		Reject(reader, reader->end, "the bytes end too early");
	reader->next += length;
	return bytes;
}

/* Reads a bitmap's header, its containers' keys in order and their offsets aside. */
static void
TakeHeader(ByteReader *reader, LeadsetBitmap *bitmap)
{
	const char *start = reader->next;
	uint32		cookie = ReadUint32(Take(reader, sizeof(uint32)), 0);

	if ((cookie & 0xFFFF) != COOKIE_RUNS)
	{
		uint32		ncontainers;

		if (cookie != COOKIE_NO_RUNS)
			Reject(reader, start, "a bitmap was expected");
		ncontainers = ReadUint32(Take(reader, sizeof(uint32)), 0);
		if (ncontainers == 0 || ncontainers > CONTAINERS_MAX)
			Reject(reader, start, "a bitmap has 1 to 65536 containers");
	}
	OpenBitmap(bitmap, start);
	Take(reader, bitmap->containers - reader->next);

	for (uint32 n = 1; n < bitmap->ncontainers; n++)
	{
		if (ContainerKey(bitmap, n - 1) >= ContainerKey(bitmap, n))
			Reject(reader, bitmap->keys, "the keys of containers do not ascend");
	}

	if (bitmap->run_flags)
	{
		bool		any = false;

		for (uint32 n = 0; n < (uint32) (bitmap->keys - bitmap->run_flags) * 8; n++)
		{
			bool		flag = bitmap->run_flags[n / 8] & (1 << (n % 8));

			if (flag && n >= bitmap->ncontainers)
				Reject(reader, bitmap->run_flags, "a flag is set for a container that is not there");
			any |= flag;
		}
		reader->canonical &= any;
	}
}

/* The runs of an array, whose ids must ascend. */
static uint32
CheckArray(ByteReader *reader, const LeadsetContainer *container)
{
	uint32		nruns = 1;

	for (uint32 i = 1; i < container->cardinality; i++)
	{
		uint16		before = ReadUint16(container->data, i - 1);
		uint16		id = ReadUint16(container->data, i);

		if (before >= id)
			Reject(reader, container->data, "the ids of a container do not ascend");
		nruns += before + 1 != id;
	}
	return nruns;
}

/* The runs of a bitset, which must hold as many ids as it says. */
static uint32
CheckBitset(ByteReader *reader, const LeadsetContainer *container)
{
	uint32		cardinality = 0;
	uint32		nruns = 0;
	uint64		carry = 0;

	for (uint32 i = 0; i < BITSET_WORDS; i++)
	{
		uint64		word = ReadUint64(container->data, i);

		cardinality += pg_popcount64(word);
		nruns += pg_popcount64(word & ~((word << 1) | carry));
		carry = word >> 63;
	}
	if (cardinality != container->cardinality)
		Reject(reader, container->data, "a container has another number of ids than it says");
	return nruns;
}

/* Runs must ascend with ids between them, and hold as many ids as they say. */
static uint32
CheckRuns(ByteReader *reader, const LeadsetContainer *container)
{
	uint32		cardinality = 0;
	uint32		free = 0;		/* the first id at which a run may begin */

	for (uint32 i = 0; i < container->nruns; i++)
	{
		uint32		first = ReadUint16(container->data, 2 * i);
		uint32		last = first + ReadUint16(container->data, 2 * i + 1);

		if (first < free || last > PG_UINT16_MAX)
			Reject(reader, container->data, "the runs of a container do not ascend with ids between them");
		free = last + 2;
		cardinality += last - first + 1;
	}
	if (cardinality != container->cardinality)
		Reject(reader, container->data, "a container has another number of ids than it says");
	return container->nruns;
}

static void
TakeContainer(ByteReader *reader, const LeadsetBitmap *bitmap, uint32 n)
{
	LeadsetContainer container;
	Size		size;
	Size		other;

	CHECK_FOR_INTERRUPTS();
	if (bitmap->offsets && reader->next - bitmap->start != ReadUint32(bitmap->offsets, n))
		Reject(reader, reader->next, "a container is not where its offset says");

	DescribeContainer(bitmap, n, &container);
	switch (container.kind)
	{
		case LEADSET_ARRAY:
			size = ARRAY_BYTES(container.cardinality);
			OpenContainer(&container, Take(reader, size));
			other = RUN_BYTES(CheckArray(reader, &container));
			reader->canonical &= size <= other;
			break;

		case LEADSET_BITSET:
			size = BITSET_BYTES;
			OpenContainer(&container, Take(reader, size));
			other = RUN_BYTES(CheckBitset(reader, &container));
			reader->canonical &= size <= other;
			break;

		case LEADSET_RUN:
			{
				const char *data = Take(reader, sizeof(uint16));

				size = RUN_BYTES(ReadUint16(data, 0));
				Take(reader, size - sizeof(uint16));
				OpenContainer(&container, data);
				CheckRuns(reader, &container);
				other = Min(ARRAY_BYTES(container.cardinality), BITSET_BYTES);
				reader->canonical &= size < other;
				break;
			}
	}
}

static void
TakeBitmap(ByteReader *reader)
{
	LeadsetBitmap bitmap;

	TakeHeader(reader, &bitmap);
	for (uint32 n = 0; n < bitmap.ncontainers; n++)
		TakeContainer(reader, &bitmap, n);
}

/*
 * The set in bytes that are read to their end. Only then is it certain that
 * the bitmaps fill the room made for them, so that they are copied last.
 */
static Leadset *
TakeLeadset(ByteReader *reader)
{
	Size		available = reader->end - reader->next;
	uint64		nentries = ReadUint64(Take(reader, COUNT_BYTES), 0);
	const char *next = reader->next;
	Size		size;
	Leadset    *set;
	char	   *bitmaps;
	uint32		end = 0;

	/* For more bitmaps than the bytes can hold, no room is made. */
	if (nentries > available / (HIGH_BYTES + BITMAP_MIN_BYTES))
		Reject(reader, reader->end, "the bytes end too early");
	size = offsetof(Leadset, entries) + nentries * sizeof(LeadsetEntry) +
		available - COUNT_BYTES - nentries * HIGH_BYTES;
	if (size > LEADSET_MAX_BYTES)
		ReportTooLarge();

	set = palloc0(size);
	SET_VARSIZE(set, size);
	set->version = LEADSET_VERSION;
	set->nentries = nentries;
	for (uint32 i = 0; i < nentries; i++)
	{
		const char *start = Take(reader, HIGH_BYTES);
		LeadsetEntry *entry = &set->entries[i];

		entry->high = ReadUint32(start, 0);
		if (entry->high > PG_INT32_MAX)
			Reject(reader, start, "an id is larger than 9223372036854775807");
		if (i > 0 && entry[-1].high >= entry->high)
			Reject(reader, start, "the high words of bitmaps do not ascend");
		TakeBitmap(reader);
		end += reader->next - start - HIGH_BYTES;
		entry->end = end;
	}
	if (reader->next != reader->end)
		Reject(reader, reader->next, "the set has ended before");

	bitmaps = (char *) &set->entries[nentries];
	for (uint32 i = 0; i < nentries; i++)
	{
		uint32		length = set->entries[i].end - (i == 0 ? 0 : set->entries[i - 1].end);

		memcpy(bitmaps, next + HIGH_BYTES, length);
		bitmaps += length;
		next += HIGH_BYTES + length;
	}
	Assert(bitmaps == (char *) set + size);
	return set;
}

/* ---- writing ------------------------------------------------------------- */

static void
AppendLeadset(StringInfo buf, const Leadset *set)
{
	const char *bitmaps = (const char *) &set->entries[set->nentries];
	uint64		nentries = set->nentries;
	uint32		begin = 0;

	enlargeStringInfo(buf, VARSIZE(set));
	appendBinaryStringInfo(buf, (char *) &nentries, COUNT_BYTES);
	for (uint32 i = 0; i < set->nentries; i++)
	{
		uint32		end = set->entries[i].end;

		CHECK_FOR_INTERRUPTS();
		appendBinaryStringInfo(buf, (const char *) &set->entries[i].high, HIGH_BYTES);
		appendBinaryStringInfo(buf, bitmaps + begin, end - begin);
		begin = end;
	}
}

/* ---- SQL ----------------------------------------------------------------- */

/* The bytes of send, which are the only ones for the set. */
Datum
leadset_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			version = pq_getmsgbyte(buf);
	ByteReader	reader;
	Leadset    *set;

	if (version != BINARY_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported binary version %d of type %s", version, "leadset"),
				 errdetail("This library reads version %d.", BINARY_VERSION)));
	reader.start = buf->data;
	reader.next = buf->data + buf->cursor;
	reader.end = buf->data + buf->len;
	reader.canonical = true;
	set = TakeLeadset(&reader);
	if (!reader.canonical)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary value of type %s", "leadset"),
				 errdetail("A container is not in its smallest encoding."),
				 errhint("Cast the bytes from bytea, which takes any encoding.")));
	buf->cursor = buf->len;
	PG_RETURN_POINTER(set);
}

Datum
leadset_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbyte(&buf, BINARY_VERSION);
	AppendLeadset(&buf, PG_GETARG_LEADSET(0));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* The bytes of any Roaring library, be they encoded as tightly as ours or not. */
Datum
leadset_from_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	ByteReader	reader;
	Leadset    *set;

	reader.start = reader.next = VARDATA_ANY(bytes);
	reader.end = reader.start + VARSIZE_ANY_EXHDR(bytes);
	reader.canonical = true;
	set = TakeLeadset(&reader);
	PG_RETURN_POINTER(reader.canonical ? set : Reencode(set));
}

Datum
leadset_to_bytea(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	pq_begintypsend(&buf);
	AppendLeadset(&buf, PG_GETARG_LEADSET(0));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
