/*
 * question.c
 *		Is a call in a query asked the same again? The latest question comes first;
 *		the last one makes room for another.
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
	return datum_image_eq(PointerGetDatum(a), PointerGetDatum(b), false, -1);
}

static struct varlena *
copy_text(const struct varlena *value)
{
	if (value == NULL)
		return NULL;
	return (struct varlena *) DatumGetPointer(datumCopy(PointerGetDatum(value), false, -1));
}

Asker
ThisAsker(void)
{
	return (Asker) {
		.snapshot = GetActiveSnapshot(),
		.statement = GetCurrentStatementStartTimestamp(),
		.role = GetUserId()
	};
}

/* A query keeps its snapshot; between statements that fetch from it settings may change. */
bool
AsksAgain(const Asker *asker)
{
	return asker->snapshot == GetActiveSnapshot() &&
		asker->statement == GetCurrentStatementStartTimestamp() && asker->role == GetUserId();
}

static bool
is_asked_again(const Question *question, const Segment *segment, TimestampTz as_of,
			   const text *zone)
{
	return AsksAgain(&question->asker) && question->as_of == as_of &&
		same_text(question->zone, zone) && same_text(question->segment, segment);
}

/*
 * The snapshot of a query is registered; that which an expression takes is not, but
 * a stable function goes by that of the query which calls it.
 */
bool
IsOfQuery(const FmgrInfo *function)
{
	return function != NULL && GetActiveSnapshot()->regd_count > 0 &&
		MemoryContextGetParent(function->fn_mcxt) != TopTransactionContext;
}

void *
AskedQuestion(FunctionCallInfo fcinfo, Size size, const Segment *segment, TimestampTz as_of,
			  const text *zone)
{
	Question   *first;
	Question   *question;
	Question   *before = NULL;
	MemoryContext context,
				caller;
	int			n = 1;

	if (!IsOfQuery(fcinfo->flinfo))
		return NULL;
	first = question = fcinfo->flinfo->fn_extra;
	while (question != NULL && n < QUESTIONS_KEPT &&
		   !is_asked_again(question, segment, as_of, zone))
	{
		before = question;
		question = question->next;
		n++;
	}

	/* to the front: the one asked for, else the last to be replaced, else a new one */
	if (question == NULL)
	{
		question = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, size);
		question->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "leadflow question",
												  ALLOCSET_SMALL_SIZES);
	}
	else if (before != NULL)
		before->next = question->next;
	if (question != first)
		question->next = first;
	fcinfo->flinfo->fn_extra = question;
	if (question->segment != NULL && is_asked_again(question, segment, as_of, zone))
		return question;

	first = question->next;
	context = question->context;
	memset(question, 0, size);
	MemoryContextReset(context);
	question->context = context;
	question->next = first;

	caller = MemoryContextSwitchTo(context);
	question->segment = copy_text(segment);
	question->as_of = as_of;
	question->zone = copy_text(zone);
	question->asker = ThisAsker();
	MemoryContextSwitchTo(caller);
	return question;
}
