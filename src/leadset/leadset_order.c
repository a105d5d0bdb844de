/*
 * leadset_order.c
 *		Equality, hash and a total order: that of the arrays of the ids.
 *
 * The first id that only one of two sets has decides. The set that has it
 * comes first, unless the other ends before it: {} < {1} < {1,2} < {1,3} < {2}.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "common/hashfn.h"
#include "leadset.h"
#include "miscadmin.h"

PG_FUNCTION_INFO_V1(leadset_eq);
PG_FUNCTION_INFO_V1(leadset_ne);
PG_FUNCTION_INFO_V1(leadset_lt);
PG_FUNCTION_INFO_V1(leadset_le);
PG_FUNCTION_INFO_V1(leadset_gt);
PG_FUNCTION_INFO_V1(leadset_ge);
PG_FUNCTION_INFO_V1(leadset_cmp);
PG_FUNCTION_INFO_V1(leadset_hash);
PG_FUNCTION_INFO_V1(leadset_hash_extended);

/* Equal sets have equal bytes; sets of unequal length need no detoasting. */
static bool
Equal(FunctionCallInfo fcinfo)
{
	Size		size = toast_raw_datum_size(PG_GETARG_DATUM(0));
	Leadset    *a;
	Leadset    *b;
	bool		equal;

	if (size != toast_raw_datum_size(PG_GETARG_DATUM(1)))
		return false;

	a = PG_GETARG_LEADSET(0);
	b = PG_GETARG_LEADSET(1);
	equal = memcmp(a, b, size) == 0;
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return equal;
}

/*
 * As the ranges are the longest there are, the first pair of them that differs
 * decides: what goes on after the shorter one is beyond an id it lacks.
 */
static int
CompareSets(const Leadset *a, const Leadset *b)
{
	LeadsetIterator it_a;
	LeadsetIterator it_b;
	int64		first_a;
	int64		last_a;
	int64		first_b;
	int64		last_b;

	LeadsetIterate(&it_a, a);
	LeadsetIterate(&it_b, b);
	for (;;)
	{
		bool		more_a = LeadsetNextRange(&it_a, &first_a, &last_a);
		bool		more_b = LeadsetNextRange(&it_b, &first_b, &last_b);

		CHECK_FOR_INTERRUPTS();
		if (!more_a || !more_b)
			return (int) more_a - (int) more_b;
		if (first_a != first_b)
			return first_a < first_b ? -1 : 1;
		if (last_a < last_b)
			return LeadsetNextRange(&it_a, &first_a, &last_a) ? 1 : -1;
		if (last_a > last_b)
			return LeadsetNextRange(&it_b, &first_b, &last_b) ? -1 : 1;
	}
}

static int
Compare(FunctionCallInfo fcinfo)
{
	Leadset    *a = PG_GETARG_LEADSET(0);
	Leadset    *b = PG_GETARG_LEADSET(1);
	int			order = CompareSets(a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

Datum
leadset_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(Equal(fcinfo));
}

Datum
leadset_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!Equal(fcinfo));
}

Datum
leadset_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(Compare(fcinfo) < 0);
}

Datum
leadset_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(Compare(fcinfo) <= 0);
}

Datum
leadset_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(Compare(fcinfo) > 0);
}

Datum
leadset_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(Compare(fcinfo) >= 0);
}

Datum
leadset_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(Compare(fcinfo));
}

Datum
leadset_hash(PG_FUNCTION_ARGS)
{
	Leadset    *set = PG_GETARG_LEADSET(0);
	Datum		hash = hash_any((unsigned char *) VARDATA(set), VARSIZE(set) - VARHDRSZ);

	PG_FREE_IF_COPY(set, 0);
	return hash;
}

Datum
leadset_hash_extended(PG_FUNCTION_ARGS)
{
	Leadset    *set = PG_GETARG_LEADSET(0);
	Datum		hash = hash_any_extended((unsigned char *) VARDATA(set),
										 VARSIZE(set) - VARHDRSZ, PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(set, 0);
	return hash;
}
