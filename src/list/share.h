/*
 * share.h
 *		The arithmetic of a distribution: how many leads each rep gets. It reads
 *		no table; the same numbers give the same shares.
 */
#ifndef LEADFLOW_SHARE_H
#define LEADFLOW_SHARE_H

#include "compat.h"

/* One lead, in the unit in which what reps are owed is counted. */
#define WHOLE_LEAD	INT64CONST(1000000)

/* A rep to share leads out to. Reps come in the order of their ids. */
typedef struct Share
{
	double		weight;			/* gets leads in this proportion; none of 0 */
	int64		room;			/* can take this many more */
	int64		load;			/* has this much open work */
	int64		owed;			/* by distributions before, in millionths of a lead */
	int64		given;			/* the result */
} Share;

/*
 * Share out n leads in proportion to the weights. A rep with room gets its part
 * rounded down or up; who has too little room gets all of it, and the others
 * share the rest. Returns how many are given; the others find no room.
 */
extern int64 ShareByWeight(Share *shares, int nshares, int64 n);

/*
 * The place of each rep that can be given leads in the rotation, from 1: who is
 * owed most comes first. The places of the others come after.
 */
extern int *Rotation(const Share *shares, int nshares);

/*
 * In which order leads go to the reps: the i-th lead to the rep order[i], each
 * rep's spread over all that are given, in turns by the places in the rotation.
 */
extern int *ShareOrder(const Share *shares, int nshares, const int *places, int64 given);

/*
 * Of the reps with room, the one with the least open work, or -1; the load of it
 * becomes one more. Of reps with the same work, one is owed more each time that
 * it is not chosen.
 */
extern int	ShareByLoad(Share *shares, int nshares);

#endif							/* LEADFLOW_SHARE_H */
