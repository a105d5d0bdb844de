/*
 * result.c
 *		What the results of activities count as: the view activity_result, for the
 *		views that ask it of every activity. A join with it would take a sixth of
 *		the time in which activities are counted.
 */
#include "postgres.h"

#include "engine/version.h"
#include "fmgr.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(is_effective);
PG_FUNCTION_INFO_V1(is_appointment);

typedef struct CountedResult
{
	int32		form_version;
	int			length;			/* of the key */
	const char *key;
	bool		effective;
	bool		appointment;
} CountedResult;

/* All results, as a call site has read them. */
typedef struct CountedResults
{
	MemoryContext context;
	SnapshotStamp seen;
	int			n;
	CountedResult	   *results;		/* in the order of compare_results */
	const CountedResult *latest;		/* the one found last; or NULL */
} CountedResults;

static int
compare_results(const void *a, const void *b)
{
	const CountedResult *x = a;
	const CountedResult *y = b;

	if (x->form_version != y->form_version)
		return x->form_version < y->form_version ? -1 : 1;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return memcmp(x->key, y->key, x->length);
}

static void
read_results(CountedResults *results)
{
	SpiFrame	frame = EnterSpi(false);
	bool		isnull;

	SpiReadKept("SELECT form_version, result, effective, appointment FROM leadflow.activity_result", NULL);
	MemoryContextReset(results->context);
	MemoryContextSwitchTo(results->context);
	results->n = SPI_processed;
	results->results = palloc(SPI_processed * sizeof(CountedResult));
	for (int i = 0; i < results->n; i++)
	{
		CountedResult	   *result = &results->results[i];

		result->form_version = DatumGetInt32(SpiDatum(i + 1, 1, &isnull));
		result->key = SpiText(i + 1, 2);
		result->length = strlen(result->key);
		result->effective = DatumGetBool(SpiDatum(i + 1, 3, &isnull));
		result->appointment = DatumGetBool(SpiDatum(i + 1, 4, &isnull));
	}
	LeaveSpi(frame);
	qsort(results->results, results->n, sizeof(CountedResult), compare_results);
	results->latest = NULL;
}

/* The results that the active snapshot sees. */
static CountedResults *
get_results(FunctionCallInfo fcinfo)
{
	CountedResults    *results = fcinfo->flinfo->fn_extra;
	SnapshotStamp stamp = StampSnapshot();

	if (results != NULL && SameStamp(&results->seen, &stamp))
		return results;
	if (results == NULL)
	{
		results = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(CountedResults));
		results->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "leadflow results",
												 ALLOCSET_SMALL_SIZES);
	}
	/* no cache while it is being changed, lest an error leave half of one */
	fcinfo->flinfo->fn_extra = NULL;
	read_results(results);
	results->seen = stamp;
	fcinfo->flinfo->fn_extra = results;
	return results;
}

/* What the result of the call counts as; NULL for nothing. */
static const CountedResult *
find_result(FunctionCallInfo fcinfo)
{
	CountedResults    *results;
	text	   *key;
	CountedResult		wanted;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return NULL;
	results = get_results(fcinfo);
	key = PG_GETARG_TEXT_PP(1);
	wanted.form_version = PG_GETARG_INT32(0);
	wanted.key = VARDATA_ANY(key);
	wanted.length = VARSIZE_ANY_EXHDR(key);
	if (results->latest == NULL || compare_results(&wanted, results->latest) != 0)
		results->latest = bsearch(&wanted, results->results, results->n, sizeof(CountedResult),
								  compare_results);
	return results->latest;
}

Datum
is_effective(PG_FUNCTION_ARGS)
{
	const CountedResult *result = find_result(fcinfo);

	PG_RETURN_BOOL(result != NULL && result->effective);
}

Datum
is_appointment(PG_FUNCTION_ARGS)
{
	const CountedResult *result = find_result(fcinfo);

	PG_RETURN_BOOL(result != NULL && result->appointment);
}
