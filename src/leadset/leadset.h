/*
 * leadset.h
 *		A compressed set of lead ids, 0 to 2^63 - 1.
 *
 * The type has two forms. A Leadset is flat: a varlena, on disk and on the
 * wire, read in place. An ExpandedLeadset is what a set is built and altered
 * in: an expanded object over CRoaring bitmaps.
 */
#ifndef LEADSET_H
#define LEADSET_H

#include "compat.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/expandeddatum.h"

#define LEADSET_VERSION		1

/* What a flat set may take; a set that would take more is error 54000. */
#define LEADSET_MAX_BYTES	((Size) 256 * 1024 * 1024)

/* One of a flat set's bitmaps: the ids that share their high 32 bits. */
typedef struct LeadsetEntry
{
	uint32		high;
	uint32		end;			/* of its bytes, counted from the first bitmap */
} LeadsetEntry;

/*
 * The flat form. Entries ascend by high word, and none is empty; the bitmaps
 * of the low words follow them, each in CRoaring's portable serialisation.
 * Equal sets have equal bytes: each container is in its smallest encoding,
 * and is a run container only where that is smaller than the others.
 */
typedef struct Leadset
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	uint8		version;
	uint8		unused[3];		/* zero */
	uint32		nentries;
	LeadsetEntry entries[FLEXIBLE_ARRAY_MEMBER];
} Leadset;

/*
 * Flattens an expanded set into the current memory context; detoasts a flat
 * one there if need be.
 */
static inline Leadset *
DatumGetLeadset(Datum d)
{
	return (Leadset *) PG_DETOAST_DATUM(d);
}

#define PG_GETARG_LEADSET(n)	DatumGetLeadset(PG_GETARG_DATUM(n))

extern int64 LeadsetCardinality(const Leadset *set);

/* ---- reading in order ---------------------------------------------------- */

/* A container of a bitmap: the ids that share their high 48 bits. */
typedef struct LeadsetContainer
{
	enum
	{
		LEADSET_ARRAY,			/* ascending uint16 */
		LEADSET_BITSET,			/* 1024 words of 64 bits */
		LEADSET_RUN				/* nruns pairs of uint16: start, length - 1 */
	}			kind;
	uint16		key;
	uint32		cardinality;
	uint32		nruns;
	const char *data;
	const char *end;
} LeadsetContainer;

/* A bitmap in its portable serialisation. */
typedef struct LeadsetBitmap
{
	uint32		ncontainers;
	const char *run_flags;		/* NULL if no container is of runs */
	const char *keys;
	const char *offsets;		/* NULL in a bitmap too short to have them */
	const char *start;
	const char *containers;
} LeadsetBitmap;

typedef struct LeadsetIterator
{
	const Leadset *set;
	uint32		entry;			/* the next to open */
	LeadsetBitmap bitmap;
	uint32		container_no;	/* the next to open */
	LeadsetContainer container;
	uint32		pos;			/* in container */

	bool		ahead;			/* is there a range read, not yet given out? */
	int64		ahead_first;
	int64		ahead_last;

	uint64		left;			/* of the range that LeadsetNext is in */
	int64		next_id;
} LeadsetIterator;

/*
 * Give out the ids, or the longest ranges of ids, in ascending order. Use one
 * of the two on an iterator, not both. The set must outlive the iterator,
 * which itself owns nothing.
 */
extern void LeadsetIterate(LeadsetIterator *it, const Leadset *set);
extern bool LeadsetNext(LeadsetIterator *it, int64 *id);
extern bool LeadsetNextRange(LeadsetIterator *it, int64 *first, int64 *last);

/*
 * Or the containers one by one: each is in the iterator, and base is 65536 times
 * its high 48 bits. Its ids, as many as its cardinality, ascend from there.
 */
#define LEADSET_CONTAINER_IDS	65536

extern void LeadsetIterateContainers(LeadsetIterator *it, const Leadset *set);
extern bool LeadsetNextContainer(LeadsetIterator *it, int64 *base);
extern void LeadsetContainerIds(const LeadsetContainer *container, uint16 *ids);

/* The union of a list of sets: for many at once, where altering one in turn costs more. */
extern Leadset *LeadsetUnionAll(const List *sets);

/* ---- building ------------------------------------------------------------ */

typedef struct ExpandedLeadset ExpandedLeadset;

/*
 * An expanded set lives in a context of its own, a child of parent. Deleting
 * or resetting either frees all of it, what CRoaring allocated included.
 */
extern ExpandedLeadset *LeadsetCreate(MemoryContext parent);
extern void LeadsetDelete(ExpandedLeadset *set);

/*
 * The set in d, to be read only: d's own object if it is an expanded one,
 * else a copy under parent.
 */
extern ExpandedLeadset *DatumGetExpandedLeadset(Datum d, MemoryContext parent);

/*
 * The set in d, to be altered: d's own object if d is a read-write pointer to
 * one, else a copy under parent.
 */
extern ExpandedLeadset *DatumGetWritableLeadset(Datum d, MemoryContext parent);

/* A datum that points at the object, read-write. */
extern Datum LeadsetGetDatum(ExpandedLeadset *set);

/* An id outside 0 to 2^63 - 1 is error 22003. */
extern void LeadsetAdd(ExpandedLeadset *set, int64 id);
extern void LeadsetAddRange(ExpandedLeadset *set, int64 first, int64 last);

/*
 * set becomes set | other, set & other, set - other, set # other. They must be
 * two objects. After an error in here, set is of no use but to be deleted.
 */
extern void LeadsetUnion(ExpandedLeadset *set, ExpandedLeadset *other);
extern void LeadsetIntersect(ExpandedLeadset *set, ExpandedLeadset *other);
extern void LeadsetSubtract(ExpandedLeadset *set, ExpandedLeadset *other);
extern void LeadsetSymmetricDifference(ExpandedLeadset *set, ExpandedLeadset *other);

extern int64 ExpandedLeadsetCardinality(ExpandedLeadset *set);
extern bool ExpandedLeadsetContains(ExpandedLeadset *set, int64 id);

/* False if there is none. */
extern bool ExpandedLeadsetFirst(ExpandedLeadset *set, int64 *id);
extern bool ExpandedLeadsetLast(ExpandedLeadset *set, int64 *id);

#endif							/* LEADSET_H */
