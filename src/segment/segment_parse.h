/*
 * segment_parse.h
 *		What scanner, grammar and their caller share; nobody else's business.
 */
#ifndef LEADFLOW_SEGMENT_PARSE_H
#define LEADFLOW_SEGMENT_PARSE_H

#include "lib/stringinfo.h"
#include "segment/segment.h"

#ifndef YY_TYPEDEF_YY_SCANNER_T
#define YY_TYPEDEF_YY_SCANNER_T
typedef void *yyscan_t;
#endif

/* One parse; the scanner carries it as its extra data. */
typedef struct SegmentParser
{
	const char *text;			/* width-folded; locations are offsets into it */
	SegmentNode **blocks;		/* of a formula: what its numbers stand for */
	int			nblocks;
	bool	   *block_used;
	int			nnodes;
	SegmentNode *result;

	/* the scanner's */
	char	   *scanned;		/* its copy of text */
	StringInfoData literal;		/* the quoted thing being read ... */
	int			literal_start;	/* ... and where it began */
	int			nested_comments;
} SegmentParser;

/* segment_scan.l */
extern void segment_scan_begin(SegmentParser *parser, yyscan_t *scanner);
extern int	segment_token_end(yyscan_t scanner);
extern int	SegmentKeyword(const char *word);

/* segment_gram.y */
extern int	segment_yyparse(SegmentParser *parser, yyscan_t scanner);

/* segment_parse.c */
extern char *SegmentFoldCase(const char *word, int length);
extern char *SegmentFoldWidth(const char *text);

/* Errors of all three end here: never return. */
extern void SegmentSyntaxError(SegmentParser *parser, int location, int length, const char *problem)
			pg_attribute_noreturn();

extern SegmentNode *SegmentMakeNode(SegmentParser *parser, SegmentKind kind, int location);
extern SegmentTest *SegmentMakeTest(SegmentParser *parser, SegmentTestKind kind, int location);
extern SegmentTest *SegmentMakeWindow(SegmentParser *parser, SegmentTestKind kind, char *n, char *m,
									  SegmentUnit unit, int location);
extern SegmentValue *SegmentMakeValue(SegmentParser *parser, SegmentValueKind kind, char *text,
									  bool negative, int location);
extern SegmentNode *SegmentFormulaBlock(SegmentParser *parser, char *number, int location);

#endif							/* LEADFLOW_SEGMENT_PARSE_H */
