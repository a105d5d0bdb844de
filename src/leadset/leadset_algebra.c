/*
 * leadset_algebra.c
 *		Union, intersection, difference and symmetric difference; containment; the aggregates.
 *
 * In SQL the operators alter their left operand in place where it is a
 * read-write expanded object, so they serve the aggregates as well.
 */
#include "postgres.h"

#include "leadset_internal.h"
#include "miscadmin.h"

/* Gives set copies of the bitmaps of other at the high words it lacks. */
static void
CopyMissing(ExpandedLeadset *set, ExpandedLeadset *other)
{
	uint32	   *highs = palloc(other->nentries * sizeof(uint32));
	int			pos = 0;

	for (int i = 0; i < other->nentries; i++)
		highs[i] = other->entries[i].high;
	MakeEntries(set, highs, other->nentries);
	pfree(highs);

	for (int i = 0; i < other->nentries; i++)
	{
		ExpandedEntry *entry = FindEntry(set, other->entries[i].high, &pos);

		if (entry->bitmap)
			continue;
		CHECK_FOR_INTERRUPTS();
		entry->bitmap = CheckBitmap(roaring_bitmap_copy(other->entries[i].bitmap));
		EntryChanged(set, entry);
	}
}

typedef void (*BitmapOperation) (roaring_bitmap_t *bitmap, const roaring_bitmap_t *other);

/* Applies an operation to the bitmaps at the high words that both sets have. */
static void
ApplyToShared(ExpandedLeadset *set, ExpandedLeadset *other, BitmapOperation operation)
{
	int			pos = 0;

	Assert(set != other);
	FlushPending(set);
	FlushPending(other);
	for (int i = 0; i < other->nentries; i++)
	{
		ExpandedEntry *entry = FindEntry(set, other->entries[i].high, &pos);

		if (entry == NULL)
			continue;
		CHECK_FOR_INTERRUPTS();
		operation(entry->bitmap, other->entries[i].bitmap);
		EntryChanged(set, entry);
	}
}

void
LeadsetUnion(ExpandedLeadset *set, ExpandedLeadset *other)
{
	ApplyToShared(set, other, roaring_bitmap_or_inplace);
	CopyMissing(set, other);
}

void
LeadsetSubtract(ExpandedLeadset *set, ExpandedLeadset *other)
{
	ApplyToShared(set, other, roaring_bitmap_andnot_inplace);
	DropEmptyEntries(set);
}

void
LeadsetSymmetricDifference(ExpandedLeadset *set, ExpandedLeadset *other)
{
	/* Keep the emptied entries until the end: they are not missing. */
	ApplyToShared(set, other, roaring_bitmap_xor_inplace);
	CopyMissing(set, other);
	DropEmptyEntries(set);
}

void
LeadsetIntersect(ExpandedLeadset *set, ExpandedLeadset *other)
{
	int			pos = 0;

	FlushPending(set);
	FlushPending(other);
	for (int i = 0; i < set->nentries; i++)
	{
		if (FindEntry(other, set->entries[i].high, &pos) == NULL)
		{
			roaring_bitmap_free(set->entries[i].bitmap);
			set->entries[i].bitmap = NULL;
		}
	}
	DropEmptyEntries(set);
	ApplyToShared(set, other, roaring_bitmap_and_inplace);
	DropEmptyEntries(set);
}

/* ---- SQL ----------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(leadset_add);
PG_FUNCTION_INFO_V1(leadset_union);
PG_FUNCTION_INFO_V1(leadset_intersection);
PG_FUNCTION_INFO_V1(leadset_difference);
PG_FUNCTION_INFO_V1(leadset_symmetric_difference);
PG_FUNCTION_INFO_V1(leadset_contains_set);
PG_FUNCTION_INFO_V1(leadset_contained);
PG_FUNCTION_INFO_V1(leadset_overlaps);

/*
 * The left argument, to be altered and returned. In an aggregate it is the
 * state, and so has to live in the aggregate's context.
 */
static ExpandedLeadset *
GetState(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		context = CurrentMemoryContext;
	return DatumGetWritableLeadset(PG_GETARG_DATUM(0), context);
}

#define PG_GETARG_EXPANDED_LEADSET(n) \
	DatumGetExpandedLeadset(PG_GETARG_DATUM(n), CurrentMemoryContext)

Datum
leadset_add(PG_FUNCTION_ARGS)
{
	ExpandedLeadset *set = GetState(fcinfo);

	LeadsetAdd(set, PG_GETARG_INT64(1));
	return LeadsetGetDatum(set);
}

Datum
leadset_union(PG_FUNCTION_ARGS)
{
	ExpandedLeadset *set = GetState(fcinfo);

	LeadsetUnion(set, PG_GETARG_EXPANDED_LEADSET(1));
	return LeadsetGetDatum(set);
}

Datum
leadset_intersection(PG_FUNCTION_ARGS)
{
	ExpandedLeadset *set = GetState(fcinfo);

	LeadsetIntersect(set, PG_GETARG_EXPANDED_LEADSET(1));
	return LeadsetGetDatum(set);
}

Datum
leadset_difference(PG_FUNCTION_ARGS)
{
	ExpandedLeadset *set = GetState(fcinfo);

	LeadsetSubtract(set, PG_GETARG_EXPANDED_LEADSET(1));
	return LeadsetGetDatum(set);
}

Datum
leadset_symmetric_difference(PG_FUNCTION_ARGS)
{
	ExpandedLeadset *set = GetState(fcinfo);

	LeadsetSymmetricDifference(set, PG_GETARG_EXPANDED_LEADSET(1));
	return LeadsetGetDatum(set);
}

/* Is every id of part in whole? */
static bool
ContainsSet(ExpandedLeadset *whole, ExpandedLeadset *part)
{
	int			pos = 0;

	FlushPending(whole);
	FlushPending(part);
	for (int i = 0; i < part->nentries; i++)
	{
		ExpandedEntry *entry = FindEntry(whole, part->entries[i].high, &pos);

		CHECK_FOR_INTERRUPTS();
		if (entry == NULL ||
			!roaring_bitmap_is_subset(part->entries[i].bitmap, entry->bitmap))
			return false;
	}
	return true;
}

static bool
Overlap(ExpandedLeadset *a, ExpandedLeadset *b)
{
	int			pos = 0;

	FlushPending(a);
	FlushPending(b);
	for (int i = 0; i < b->nentries; i++)
	{
		ExpandedEntry *entry = FindEntry(a, b->entries[i].high, &pos);

		CHECK_FOR_INTERRUPTS();
		if (entry && roaring_bitmap_intersect(entry->bitmap, b->entries[i].bitmap))
			return true;
	}
	return false;
}

Datum
leadset_contains_set(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ContainsSet(PG_GETARG_EXPANDED_LEADSET(0),
							   PG_GETARG_EXPANDED_LEADSET(1)));
}

Datum
leadset_contained(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ContainsSet(PG_GETARG_EXPANDED_LEADSET(1),
							   PG_GETARG_EXPANDED_LEADSET(0)));
}

Datum
leadset_overlaps(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(Overlap(PG_GETARG_EXPANDED_LEADSET(0),
						   PG_GETARG_EXPANDED_LEADSET(1)));
}
