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

#include "engine/version.h"
#include "fmgr.h"
#include "segment/segment.h"
#include "utils/timestamp.h"

#define QUESTIONS_KEPT	16

typedef struct Question
{
	struct Question *next;
	MemoryContext context;		/* of what follows, and of the answer */
	Segment    *segment;
	TimestampTz as_of;
	text	   *zone;			/* or NULL */

	/* and when: in which query */
	SnapshotStamp seen;
	TimestampTz statement;
	Oid			role;
} Question;

/*
 * The structure of this call, of that size, which begins with a Question: all
 * zero behind it when this was not asked before. NULL outside of a query, as in
 * an expression of PL/pgSQL, whose calls live for a transaction.
 */
extern void *AskedQuestion(FunctionCallInfo fcinfo, Size size, const Segment *segment,
						   TimestampTz as_of, const text *zone);

#endif							/* LEADFLOW_QUESTION_H */
