/*
 * leadset_internal.h
 *		What the files of this folder share: the flat and the expanded set from inside.
 */
#ifndef LEADSET_INTERNAL_H
#define LEADSET_INTERNAL_H

#include <roaring/roaring.h>

#include "leadset.h"

/* ---- the flat set -------------------------------------------------------- */

#ifdef WORDS_BIGENDIAN
#error "leadset keeps CRoaring's bytes, which are little-endian"
#endif

#define COOKIE_NO_RUNS		12346
#define COOKIE_RUNS			12347
#define NO_OFFSETS_BELOW	4	/* containers, in a bitmap with run flags */
#define BITMAP_MIN_BYTES	8	/* none is shorter, and its header's length shows within */
#define ARRAY_MAX			4096	/* ids; a bitset holds more */
#define BITSET_WORDS		1024

/* What a container takes. It is of runs only where that is less than else. */
#define ARRAY_BYTES(cardinality)	((cardinality) * sizeof(uint16))
#define BITSET_BYTES				(BITSET_WORDS * sizeof(uint64))
#define RUN_BYTES(nruns)			(sizeof(uint16) + (nruns) * 2 * sizeof(uint16))

/* The n-th of an array of values that need not be aligned. */
static inline uint16
ReadUint16(const char *data, uint32 n)
{
	uint16		value;

	memcpy(&value, data + n * sizeof(value), sizeof(value));
	return value;
}

static inline uint32
ReadUint32(const char *data, uint32 n)
{
	uint32		value;

	memcpy(&value, data + n * sizeof(value), sizeof(value));
	return value;
}

static inline uint64
ReadUint64(const char *data, uint32 n)
{
	uint64		value;

	memcpy(&value, data + n * sizeof(value), sizeof(value));
	return value;
}

/*
 * A flat set that may lie on disk, of which only the bytes asked for are
 * fetched. Positions count from behind the varlena header.
 */
typedef struct StoredLeadset
{
	Datum		value;
	Size		size;
	struct varlena *fetched;	/* palloc'd; NULL if the bytes are value's own */
	const char *bytes;			/* what is in memory: from begin to end */
	Size		begin;
	Size		end;
} StoredLeadset;

static inline uint16
ContainerKey(const LeadsetBitmap *bitmap, uint32 n)
{
	return ReadUint16(bitmap->keys, 2 * n);
}

static inline uint32
ContainerCardinality(const LeadsetBitmap *bitmap, uint32 n)
{
	return (uint32) ReadUint16(bitmap->keys, 2 * n + 1) + 1;
}

/* leadset_flat.c */
extern void OpenBitmap(LeadsetBitmap *bitmap, const char *bytes);
extern int64 BitmapCardinality(const LeadsetBitmap *bitmap);
extern void DescribeContainer(const LeadsetBitmap *bitmap, uint32 n, LeadsetContainer *container);
extern void OpenContainer(LeadsetContainer *container, const char *data);
extern void ReadContainer(const LeadsetBitmap *bitmap, uint32 n, const char *data,
						  LeadsetContainer *container);
extern uint32 FindBit(const char *words, uint32 pos, bool set);
extern bool ContainerContains(const LeadsetContainer *container, uint16 low);
extern uint32 ContainerFirst(const LeadsetContainer *container);
extern uint32 ContainerLast(const LeadsetContainer *container);

/* leadset_stored.c */
extern void StoredOpen(StoredLeadset *set, Datum value);
extern void StoredClose(StoredLeadset *set);
extern bool StoredContains(StoredLeadset *set, int64 id);
extern int64 StoredCardinality(StoredLeadset *set);
extern bool StoredFirst(StoredLeadset *set, int64 *id);
extern bool StoredLast(StoredLeadset *set, int64 *id);

/* ---- the expanded set ---------------------------------------------------- */

/* The ids that share their high 32 bits. */
typedef struct ExpandedEntry
{
	uint32		high;
	uint32		size;			/* of bitmap, serialised as it is now */
	bool		canonical;		/* is that the encoding equal sets share? */
	roaring_bitmap_t *bitmap;	/* malloc'd; NULL while the entry is made */
} ExpandedEntry;

typedef struct IdRange
{
	int64		first;
	int64		last;
} IdRange;

/*
 * What CRoaring allocates it takes from malloc, so a bitmap is always assigned
 * to an entry (or to scratch) that exists already, and callback frees whatever
 * these hold when the object's context goes, be it by an error or a cancel.
 *
 * Added ids wait in pending, in ranges, and go into the bitmaps many at a
 * time. FlushPending() must come before anything reads the entries.
 */
struct ExpandedLeadset
{
	ExpandedObjectHeader hdr;
	MemoryContextCallback callback;

	Size		size;			/* of the set, flattened as it is now */
	int			nentries;
	int			maxentries;
	ExpandedEntry *entries;		/* ascending by high */
	roaring_bitmap_t *scratch;

	int			npending;
	int			maxpending;
	bool		pending_sorted;
	IdRange    *pending;
};

/* leadset_expanded.c */
extern roaring_bitmap_t *CheckBitmap(roaring_bitmap_t *bitmap);
extern ExpandedEntry *FindEntry(ExpandedLeadset *set, uint32 high, int *pos);
extern void MakeEntries(ExpandedLeadset *set, const uint32 *highs, int n);
extern void EntryChanged(ExpandedLeadset *set, ExpandedEntry *entry);
extern void DropEmptyEntries(ExpandedLeadset *set);
extern Leadset *Reencode(const Leadset *flat);
extern void ReportTooLarge(void);

/* leadset_build.c */
extern void FlushPending(ExpandedLeadset *set);

#endif							/* LEADSET_INTERNAL_H */
