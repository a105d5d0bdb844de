/*
 * question.h
 *		What one call in a query was asked before.
 *
 * A query asks for each row, and most often the same again: with WHERE, or where
 * the planner has no reason to ask once. What a call keeps of its answer follows
 * the question in a structure of its own. It may ask several in turn, as when
 * members are asked for the segment of their list.
 */
#ifndef LEADFLOW_QUESTION_H
#define LEADFLOW_QUESTION_H

#include "fmgr.h"
#include "segment/segment.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#define QUESTIONS_KEPT	16

/* Which query asks, or which part of a cursor's. */
typedef struct Asker
{
	Snapshot	snapshot;
	TimestampTz statement;
	Oid			role;
} Asker;

typedef struct Question
{
	struct Question *next;
	MemoryContext context;		/* of what follows, and of the answer */
	Segment    *segment;
	TimestampTz as_of;
	text	   *zone;			/* or NULL */
	Asker		asker;
} Question;

/*
 * Is the call one of a query? Those in an expression of PL/pgSQL live for a
 * transaction: one query after the other asks by them, each with other settings
 * perhaps, which policies may go by, or after a subtransaction was undone.
 */
extern bool IsOfQuery(const FmgrInfo *function);

/* Of a call that is: who asks, and is it the same one again? */
extern Asker ThisAsker(void);
extern bool AsksAgain(const Asker *asker);

/*
 * The structure of this call, of that size, which begins with a Question: all
 * zero behind it when this was not asked before. NULL for a call of no query.
 */
extern void *AskedQuestion(FunctionCallInfo fcinfo, Size size, const Segment *segment,
						   TimestampTz as_of, const text *zone);

#endif							/* LEADFLOW_QUESTION_H */
