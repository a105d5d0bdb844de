/*
 * segment_parse.h
 *		What the grammar shares with its caller; nobody else's business.
 */
#ifndef LEADFLOW_SEGMENT_PARSE_H
#define LEADFLOW_SEGMENT_PARSE_H

#include "lexer.h"
#include "segment/segment.h"

/* One parse. */
typedef struct SegmentParser
{
	Lexer		lexer;
	SegmentNode **blocks;		/* of a formula: what its numbers stand for */
	int			nblocks;
	bool	   *block_used;
	int			nnodes;
	SegmentNode *result;
} SegmentParser;

/* segment_words.c: the grammar's scanner; the token of a word that is a keyword, or 0 */
union SEGMENT_YYSTYPE;
extern int	segment_yylex(union SEGMENT_YYSTYPE *value, int *location, yyscan_t scanner);
extern int	SegmentKeyword(const char *word);

/* segment_gram.y */
extern int	segment_yyparse(SegmentParser *parser, yyscan_t scanner);

/* segment_parse.c */
extern SegmentNode *SegmentMakeNode(SegmentParser *parser, SegmentKind kind, int location);
extern SegmentTest *SegmentMakeTest(SegmentTestKind kind, int location);
extern SegmentTest *SegmentMakeWindow(SegmentParser *parser, SegmentTestKind kind, char *n, char *m,
									  SegmentUnit unit, int location);
extern SegmentValue *SegmentMakeValue(SegmentParser *parser, SegmentValueKind kind, char *text,
									  bool negative, int location);
extern SegmentNode *SegmentFormulaBlock(SegmentParser *parser, char *number, int location);

#endif							/* LEADFLOW_SEGMENT_PARSE_H */
