/*
 * choice.c
 *		What the choices of activities are called and count as, by the form that
 *		each was entered under: for the views, which ask it of every activity. A
 *		join would take a sixth of the time in which activities are counted.
 */
#include "postgres.h"

#include "engine/version.h"
#include "fmgr.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(is_effective);
PG_FUNCTION_INFO_V1(is_appointment);
PG_FUNCTION_INFO_V1(activity_label);

/* A text that need not end. */
typedef struct Key
{
	const char *text;
	int			length;
} Key;

typedef struct Choice
{
	int32		form_version;
	Key			field;
	Key			key;
	text	   *label;
	bool		effective;
	bool		closes;
} Choice;

/* All of them, as the session has read them last. */
static struct
{
	MemoryContext context;		/* NULL: there are none */
	SnapshotStamp seen;			/* by which snapshot */
	int			n;
	Choice	   *choices;		/* in the order of compare_choices */
	const Choice *latest;		/* the one found last; or NULL */
} kept;

static int
compare_keys(const Key *a, const Key *b)
{
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return memcmp(a->text, b->text, a->length);
}

static int
compare_choices(const void *a, const void *b)
{
	const Choice *x = a;
	const Choice *y = b;
	int			order;

	if (x->form_version != y->form_version)
		return x->form_version < y->form_version ? -1 : 1;
	order = compare_keys(&x->key, &y->key);
	return order != 0 ? order : compare_keys(&x->field, &y->field);
}

static Key
key_of(const char *string)
{
	return (Key) {string, strlen(string)};
}

static void
forget(void)
{
	if (kept.context != NULL)
		MemoryContextDelete(kept.context);
	memset(&kept, 0, sizeof(kept));
}

/* Choices are read as the owner: who has a key may know what it means. */
static void
read_choices(void)
{
	SpiFrame	frame = EnterSpi(false);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "leadflow choices",
												  ALLOCSET_SMALL_SIZES);
	uint64		rows = SpiReadAsOwner("SELECT f.version, k.field, k.key, k.label, k.effective, k.closes"
									  " FROM leadflow.form_version AS f, leadflow.choices(f.form) AS k"
									  " WHERE f.entity = 'activity'", NULL);
	Choice	   *choices;
	bool		isnull;

	MemoryContextSwitchTo(context);
	choices = MemoryContextAllocHuge(context, Max(rows, 1) * sizeof(Choice));
	for (uint64 row = 1; row <= rows; row++)
	{
		Choice	   *choice = &choices[row - 1];

		choice->form_version = DatumGetInt32(SpiDatum(row, 1, &isnull));
		choice->field = key_of(SpiText(row, 2));
		choice->key = key_of(SpiText(row, 3));
		choice->label = cstring_to_text(SpiText(row, 4));
		choice->effective = DatumGetBool(SpiDatum(row, 5, &isnull));
		choice->closes = DatumGetBool(SpiDatum(row, 6, &isnull));
	}
	qsort(choices, rows, sizeof(Choice), compare_choices);
	MemoryContextSetParent(context, TopMemoryContext);
	LeaveSpi(frame);
	kept.context = context;
	kept.n = rows;
	kept.choices = choices;
}

/* The choice that a key of a field was, or NULL. */
static const Choice *
find_choice(int32 form_version, Key field, const text *key)
{
	SnapshotStamp stamp = StampSnapshot();
	Choice		wanted = {.form_version = form_version, .field = field,
		.key = {VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)}};

	if (kept.context == NULL || !SameStamp(&kept.seen, &stamp))
	{
		forget();
		read_choices();
		kept.seen = stamp;
	}
	if (kept.latest == NULL || compare_choices(&wanted, kept.latest) != 0)
		kept.latest = bsearch(&wanted, kept.choices, kept.n, sizeof(Choice), compare_choices);
	return kept.latest;
}

static const Choice *
find_result(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return NULL;
	return find_choice(PG_GETARG_INT32(0), key_of("result"), PG_GETARG_TEXT_PP(1));
}

Datum
is_effective(PG_FUNCTION_ARGS)
{
	const Choice *choice = find_result(fcinfo);

	PG_RETURN_BOOL(choice != NULL && choice->effective);
}

Datum
is_appointment(PG_FUNCTION_ARGS)
{
	const Choice *choice = find_result(fcinfo);

	PG_RETURN_BOOL(choice != NULL && choice->effective && choice->closes);
}

/* What is no choice is shown as it is. */
Datum
activity_label(PG_FUNCTION_ARGS)
{
	text	   *field = PG_GETARG_TEXT_PP(1);
	const Choice *choice = find_choice(PG_GETARG_INT32(0),
									   (Key) {VARDATA_ANY(field), VARSIZE_ANY_EXHDR(field)},
									   PG_GETARG_TEXT_PP(2));

	PG_RETURN_DATUM(choice != NULL ? PointerGetDatum(PG_DETOAST_DATUM_COPY(PointerGetDatum(choice->label))) :
					PG_GETARG_DATUM(2));
}
