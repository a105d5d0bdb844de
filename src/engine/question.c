/*
 * question.c
 *		Is a call in a query asked the same again?
 */
#include "postgres.h"

#include "access/xact.h"
#include "engine/question.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static bool
same_text(const struct varlena *a, const struct varlena *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static struct varlena *
copy_text(const struct varlena *value)
{
	if (value == NULL)
		return NULL;
	return (struct varlena *) DatumGetPointer(datumCopy(PointerGetDatum(value), false, -1));
}

void *
AskedQuestion(FunctionCallInfo fcinfo, Size size, const Segment *segment, TimestampTz as_of,
			  const text *zone)
{
	Question   *question;
	SnapshotStamp seen;
	MemoryContext context,
				caller;

	/* the snapshot of a query is registered; that of an expression of PL/pgSQL is not */
	if (fcinfo->flinfo == NULL || GetActiveSnapshot()->regd_count == 0)
		return NULL;
	question = fcinfo->flinfo->fn_extra;
	seen = StampSnapshot();
	if (question == NULL)
	{
		question = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, size);
		question->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "leadflow question",
												  ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = question;
	}
	else if (SameStamp(&question->seen, &seen) &&
			 question->statement == GetCurrentStatementStartTimestamp() &&
			 question->role == GetUserId() && question->as_of == as_of &&
			 same_text(question->zone, zone) && same_text(question->segment, segment))
		return question;

	context = question->context;
	memset(question, 0, size);
	MemoryContextReset(context);
	question->context = context;

	caller = MemoryContextSwitchTo(context);
	question->segment = copy_text(segment);
	question->as_of = as_of;
	question->zone = copy_text(zone);
	question->seen = seen;
	question->statement = GetCurrentStatementStartTimestamp();
	question->role = GetUserId();
	MemoryContextSwitchTo(caller);
	return question;
}
