/*
 * segment.h
 *		The value type "segment": which leads.
 *
 * A segment is stored as its canonical text (in the database's encoding) and
 * nothing else: equal segments have equal bytes, there is no tree format on
 * disk to keep compatible, and whoever works on one parses it again, which
 * costs microseconds. Names are resolved when a segment is used, never here.
 */
#ifndef LEADFLOW_SEGMENT_H
#define LEADFLOW_SEGMENT_H

#include "compat.h"
#include "fmgr.h"
#include "nodes/pg_list.h"

typedef struct varlena Segment;

#define DatumGetSegmentPP(d)	((Segment *) PG_DETOAST_DATUM_PACKED(d))
#define PG_GETARG_SEGMENT_PP(n)	DatumGetSegmentPP(PG_GETARG_DATUM(n))

/* Nodes a segment may have, values of IN lists included */
#define SEGMENT_MAX_NODES	10000

typedef enum SegmentKind
{
	SEGMENT_AND,				/* args: two or more operands */
	SEGMENT_OR,
	SEGMENT_NOT,				/* args: one operand */
	SEGMENT_EVERYONE,
	SEGMENT_NO_ONE,
	SEGMENT_BLOCK,				/* one record of source satisfies row */
	SEGMENT_AGGREGATE,			/* function(source.field where ...) test */
	SEGMENT_EDGE,				/* first/last record of source satisfies row */
	SEGMENT_NAMED,				/* source('name') [test], as in list('HOT') */
	SEGMENT_FIELD				/* in a row: field [test] */
} SegmentKind;

typedef enum SegmentFunction
{
	SEGMENT_COUNT,
	SEGMENT_SUM,
	SEGMENT_MIN,
	SEGMENT_MAX,
	SEGMENT_AVG,
	SEGMENT_FIRST,
	SEGMENT_LAST
} SegmentFunction;

typedef enum SegmentOperator
{
	SEGMENT_EQ,
	SEGMENT_NE,
	SEGMENT_LT,
	SEGMENT_LE,
	SEGMENT_GT,
	SEGMENT_GE,
	SEGMENT_BEFORE,				/* means <, and is kept as written */
	SEGMENT_AFTER
} SegmentOperator;

typedef enum SegmentTestKind
{
	SEGMENT_COMPARE,			/* op, values: one */
	SEGMENT_IN,					/* values */
	SEGMENT_BETWEEN,			/* values: two */
	SEGMENT_IS_NULL,
	SEGMENT_IS_EMPTY,
	SEGMENT_CONTAINS,			/* values: one string, down to MATCHES */
	SEGMENT_STARTS_WITH,
	SEGMENT_ENDS_WITH,
	SEGMENT_LIKE,
	SEGMENT_MATCHES,
	SEGMENT_WITHIN,				/* n unit, as all below but PERIOD */
	SEGMENT_WITHIN_NEXT,
	SEGMENT_AGO,				/* exactly n ago */
	SEGMENT_AT_LEAST_AGO,
	SEGMENT_MORE_THAN_AGO,
	SEGMENT_AT_MOST_AGO,
	SEGMENT_LESS_THAN_AGO,
	SEGMENT_BETWEEN_AGO,		/* n and m unit ago */
	SEGMENT_PERIOD				/* in (last | this | next) unit: n is -1, 0, 1 */
} SegmentTestKind;

typedef enum SegmentUnit
{
	SEGMENT_MINUTE,
	SEGMENT_HOUR,
	SEGMENT_DAY,
	SEGMENT_WEEK,
	SEGMENT_MONTH,
	SEGMENT_QUARTER,
	SEGMENT_YEAR
} SegmentUnit;

typedef enum SegmentValueKind
{
	SEGMENT_NUMBER,				/* text is the number in plain decimal notation */
	SEGMENT_STRING,
	SEGMENT_BOOLEAN,			/* text is "true" or "false" */
	SEGMENT_PARAMETER			/* of no text that is parsed: SQL for a text given later, as $4 */
} SegmentValueKind;

typedef struct SegmentValue
{
	SegmentValueKind kind;
	char	   *text;
	int			location;
} SegmentValue;

typedef struct SegmentTest
{
	SegmentTestKind kind;
	bool		negated;		/* NOT IN, NOT BETWEEN, IS NOT NULL, ... */
	SegmentOperator op;
	SegmentUnit unit;
	int			n;
	int			m;
	List	   *values;			/* of SegmentValue */
	int			location;
} SegmentTest;

/*
 * One struct for all nodes: a field is meaningful for the kinds its comment
 * names and zero elsewhere. Locations are byte offsets into the parsed text.
 */
typedef struct SegmentNode
{
	SegmentKind kind;
	SegmentFunction function;	/* AGGREGATE, EDGE */
	bool		distinct;		/* AGGREGATE: count(distinct ...) */
	char	   *source;			/* BLOCK, AGGREGATE, EDGE; NAMED: the set's kind */
	char	   *field;			/* FIELD; AGGREGATE: what follows the dot, or NULL */
	char	   *name;			/* NAMED */
	List	   *args;			/* AND, OR, NOT */
	struct SegmentNode *where;	/* AGGREGATE, EDGE: which records count */
	struct SegmentNode *row;	/* BLOCK, EDGE: what the record satisfies */
	SegmentTest *test;			/* AGGREGATE; FIELD and NAMED: may be NULL */
	int			location;
	int			field_location;
} SegmentNode;

/* Parse a stored segment, or text that is to become one. */
extern SegmentNode *SegmentParse(const char *text);
extern SegmentNode *SegmentParseFormula(const char *formula, SegmentNode **blocks, int nblocks);
extern char *SegmentText(const Segment *segment);

/* The canonical text of a tree, and the value made of it. */
extern char *SegmentDeparse(const SegmentNode *node);
extern char *SegmentQuoteName(const char *name);
extern Segment *SegmentFromTree(const SegmentNode *node);

/* AND or OR of two trees; a left operand that is such a chain grows in place. */
extern SegmentNode *SegmentMakeBool(SegmentKind kind, SegmentNode *left, SegmentNode *right);

/* Words of the language, for messages. */
extern const char *SegmentFunctionName(SegmentFunction function);
extern const char *SegmentOperatorName(SegmentOperator op);
extern const char *SegmentTestName(SegmentTestKind kind);
extern const char *SegmentUnitName(SegmentUnit unit);

#endif							/* LEADFLOW_SEGMENT_H */
