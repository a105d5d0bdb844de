/*
 * share.c
 *		The arithmetic of a distribution: how many leads each rep gets.
 *
 * Shares are by largest remainder. Leads come whole, so a distribution owes each
 * rep the rest of its part, or has given it too much; that is carried over and
 * decides who gets the leads left over the next time. So each distribution is
 * as even as it can be, and no rep is favoured over many.
 */
#include "postgres.h"

#include <math.h>

#include "list/share.h"
#include "miscadmin.h"

/* A part that is a whole number but for the rounding of its computation is one. */
#define ROUNDING	1e-9

/* A rep while one distribution ranks them. */
typedef struct Ranked
{
	int			share;
	int64		claim;
} Ranked;

/* The larger claim first; of equal ones, the lower id. */
static int
compare_claims(const void *a, const void *b)
{
	const Ranked *x = a;
	const Ranked *y = b;

	if (x->claim != y->claim)
		return x->claim > y->claim ? -1 : 1;
	return x->share - y->share;
}

/*
 * Give all they have room for to those whose part is more than that, until there
 * is none. Returns the sum of the weights of the others; *n is what is left for
 * them, and filled says who is not one of them.
 */
static double
fill_up(Share *shares, int nshares, int64 *n, bool *filled)
{
	double		weights;
	bool		again;

	do
	{
		int64		rest = *n;

		weights = 0;
		for (int i = 0; i < nshares; i++)
			if (!filled[i])
				weights += shares[i].weight;
		again = false;
		for (int i = 0; i < nshares; i++)
		{
			if (filled[i] || shares[i].room > floor(*n * shares[i].weight / weights + ROUNDING))
				continue;
			shares[i].given = shares[i].room;
			rest -= shares[i].room;
			filled[i] = again = true;
		}
		*n = rest;
	} while (again);
	return weights;
}

int64
ShareByWeight(Share *shares, int nshares, int64 n)
{
	bool	   *filled = palloc0(nshares * sizeof(bool));
	Ranked	   *ranked = palloc(nshares * sizeof(Ranked));
	int			nranked = 0;
	int64		left = n;
	int64		extra;
	double		weights;

	for (int i = 0; i < nshares; i++)
	{
		shares[i].given = 0;
		filled[i] = shares[i].weight <= 0 || shares[i].room <= 0;
	}
	weights = fill_up(shares, nshares, &left, filled);

	/* now each of the others has room for its part rounded up */
	extra = left;
	for (int i = 0; i < nshares; i++)
	{
		double		part;

		if (filled[i])
			continue;
		part = left * shares[i].weight / weights;
		shares[i].given = floor(part + ROUNDING);
		shares[i].owed += rint((part - shares[i].given) * WHOLE_LEAD);
		extra -= shares[i].given;
		ranked[nranked].share = i;
		/* a part without a remainder is not rounded up, whatever is owed */
		ranked[nranked].claim = part - shares[i].given < ROUNDING ? PG_INT64_MIN : shares[i].owed;
		nranked++;
	}
	qsort(ranked, nranked, sizeof(Ranked), compare_claims);
	Assert(extra >= 0 && (nranked == 0 || extra <= nranked));
	for (int i = 0; i < nranked && i < extra; i++)
	{
		shares[ranked[i].share].given++;
		shares[ranked[i].share].owed -= WHOLE_LEAD;
	}
	return nranked == 0 ? n - left : n;
}

int *
Rotation(const Share *shares, int nshares)
{
	Ranked	   *ranked = palloc(nshares * sizeof(Ranked));
	int		   *places = palloc(nshares * sizeof(int));

	for (int i = 0; i < nshares; i++)
	{
		ranked[i].share = i;
		ranked[i].claim = shares[i].weight > 0 && shares[i].room > 0 ? shares[i].owed : PG_INT64_MIN;
	}
	qsort(ranked, nshares, sizeof(Ranked), compare_claims);
	for (int i = 0; i < nshares; i++)
		places[ranked[i].share] = i + 1;
	return places;
}

/* One lead of a rep's, where it stands between the first and the last of all. */
typedef struct Turn
{
	double		at;				/* 0 to 1 */
	int			place;			/* of the rep in the rotation */
	int			share;
} Turn;

static int
compare_turns(const void *a, const void *b)
{
	const Turn *x = a;
	const Turn *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->place - y->place;
}

int *
ShareOrder(const Share *shares, int nshares, const int *places, int64 given)
{
	Turn	   *turns = MemoryContextAllocHuge(CurrentMemoryContext, (given + 1) * sizeof(Turn));
	int		   *order = MemoryContextAllocHuge(CurrentMemoryContext, (given + 1) * sizeof(int));
	int64		n = 0;

	for (int i = 0; i < nshares; i++)
		for (int64 j = 0; j < shares[i].given; j++, n++)
		{
			turns[n].at = (j + 0.5) / shares[i].given;
			turns[n].place = places[i];
			turns[n].share = i;
		}
	Assert(n == given);
	CHECK_FOR_INTERRUPTS();
	qsort(turns, n, sizeof(Turn), compare_turns);
	for (int64 i = 0; i < n; i++)
		order[i] = turns[i].share;
	pfree(turns);
	return order;
}

int
ShareByLoad(Share *shares, int nshares)
{
	int			chosen = -1;
	int			ties = 0;

	for (int i = 0; i < nshares; i++)
	{
		if (shares[i].room <= 0)
			continue;
		if (chosen < 0 || shares[i].load < shares[chosen].load)
		{
			chosen = i;
			ties = 1;
		}
		else if (shares[i].load == shares[chosen].load)
		{
			ties++;
			if (shares[i].owed > shares[chosen].owed)
				chosen = i;
		}
	}
	if (chosen < 0)
		return -1;
	if (ties > 1)
	{
		for (int i = 0; i < nshares; i++)
			if (shares[i].room > 0 && shares[i].load == shares[chosen].load)
				shares[i].owed += WHOLE_LEAD / ties;
		shares[chosen].owed -= WHOLE_LEAD;
	}
	shares[chosen].load++;
	return chosen;
}
