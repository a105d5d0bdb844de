/*
 * leadset_internal.h
 *		What the files of this folder share: the expanded set from inside.
 */
#ifndef LEADSET_INTERNAL_H
#define LEADSET_INTERNAL_H

#include <roaring/roaring.h>

#include "leadset.h"

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

/* leadset_flat.c */
extern void OpenBitmap(LeadsetBitmap *bitmap, const char *bytes);
extern void ReadContainer(const LeadsetBitmap *bitmap, uint32 n, const char *data,
						  LeadsetContainer *container);

/* leadset_expanded.c */
extern roaring_bitmap_t *CheckBitmap(roaring_bitmap_t *bitmap);
extern ExpandedEntry *FindEntry(ExpandedLeadset *set, uint32 high, int *pos);
extern void MakeEntries(ExpandedLeadset *set, const uint32 *highs, int n);
extern void EntryChanged(ExpandedLeadset *set, ExpandedEntry *entry);
extern void DropEmptyEntries(ExpandedLeadset *set);
extern void ReportTooLarge(void);

/* leadset_build.c */
extern void FlushPending(ExpandedLeadset *set);

#endif							/* LEADSET_INTERNAL_H */
