/*
 * sums.h
 *		A number for each of many leads, added up from parts.
 */
#ifndef LEADFLOW_ROLLUP_SUMS_H
#define LEADFLOW_ROLLUP_SUMS_H

#include "engine/ranges.h"
#include "leadset/leadset.h"

typedef struct Sums Sums;

extern Sums *SumsCreate(MemoryContext context);
extern void SumsFree(Sums *sums);

extern void SumsAdd(Sums *sums, int64 lead, int64 number);

/* Was anything added? */
extern bool SumsAreThere(const Sums *sums);

/* Add, or take away, all of the other's numbers. */
extern void SumsAddAll(Sums *sums, Sums *other);
extern void SumsSubtractAll(Sums *sums, Sums *other);

/*
 * As they are kept: the leads whose number is not 0, and the numbers in the
 * order of these, a bytea: a byte that says how many bytes each takes, then
 * these, the lowest first.
 */
extern void SumsAddKept(Sums *sums, Datum leads, Datum numbers);
extern ExpandedLeadset *SumsToKeep(Sums *sums, Datum *numbers);

/* Forget the numbers that some leads have by now. */
extern void SumsDrop(Sums *sums, ExpandedLeadset *leads);

/* The leads whose number, if it is not 0, is in the ranges. */
extern ExpandedLeadset *SumsWithin(Sums *sums, const Ranges *ranges);

#endif							/* LEADFLOW_ROLLUP_SUMS_H */
