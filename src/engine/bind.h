/*
 * bind.h
 *		A segment whose names are resolved: what the engine works on.
 */
#ifndef LEADFLOW_BIND_H
#define LEADFLOW_BIND_H

#include "segment/segment.h"
#include "source/source.h"

/* Nodes a segment may have once the definitions it refers to stand in it. */
#define BOUND_MAX_NODES	100000

/*
 * A test with its type. The values are ready for SQL, but for dates and times,
 * whose SQL depends on what they are compared with.
 */
typedef struct BoundTest
{
	const SegmentTest *test;
	FieldType	type;			/* of what is tested */
	bool		is_event_time;	/* which is not after the instant of evaluation */
	List	   *constants;		/* of char *: SQL constants, in the order of the values */
	List	   *times;			/* of IsoTime *, instead, where the type is one of time */
} BoundTest;

/* Mirrors SegmentNode; segment('x') has become what it stands for. */
typedef struct BoundNode
{
	SegmentKind kind;
	SegmentFunction function;
	bool		distinct;
	Source	   *source;
	SourceField *field;
	List	   *args;			/* of BoundNode */
	struct BoundNode *where;
	struct BoundNode *row;
	BoundTest  *test;
	char	   *condition;		/* NAMED: SQL over l.lead_id, $1 and $2 */
	const SegmentNode *written; /* what it was bound from */
} BoundNode;

/* What is wrong with a segment, in the words an error would use. */
typedef struct BindProblem
{
	int			sqlstate;
	int			position;		/* of the character, from 1 */
	char	   *within;			/* the saved segment it is in, or NULL */
	char	   *message;
	char	   *detail;			/* or NULL */
	char	   *hint;			/* or NULL */
} BindProblem;

typedef struct BindContext
{
	List	   *sources;		/* of Source */
	List	   *definitions;	/* of SavedDefinition: those read so far */
	List	   *problems;		/* of BindProblem; when collecting */
	bool		collect;		/* gather problems instead of raising the first */
	int			nnodes;

	/* where we are */
	const char *text;			/* the segment being bound */
	List	   *within;			/* of char *: the saved segments entered, outermost first */
} BindContext;

/*
 * Resolve the names of a segment. Needs a connection to SPI; the result lives
 * in the current memory context. When problems are collected, the result is
 * only good for use if there are none.
 */
extern BoundNode *BindSegment(BindContext *context, const char *text);

/*
 * Bind the definition of saved segment "name" as if it were the given text, so
 * that a definition about to be saved is checked for reaching itself.
 */
extern BoundNode *BindDefinition(BindContext *context, const char *name, const char *text);

/* For bind_test.c: the test of a field, an aggregate or a record's value. */
extern BoundTest *BindTest(BindContext *context, const SegmentTest *test, FieldType type,
						   const char *type_name, const char *tested);

extern void BindReport(BindContext *context, int sqlstate, int location, char *message,
					   char *detail, char *hint);

#endif							/* LEADFLOW_BIND_H */
