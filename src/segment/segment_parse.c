/*
 * segment_parse.c
 *		From text to tree: the nodes' constructors with their limits.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "segment/segment_parse.h"

/* Windows reach this far at the most, whatever their unit. */
#define MAX_WINDOW_YEARS	2000

static void
count_nodes(SegmentParser *parser, int n)
{
	parser->nnodes += n;
	if (parser->nnodes > SEGMENT_MAX_NODES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("segment has too many parts"),
				 errdetail("A segment may have at most %d conditions, operators and listed values.",
						   SEGMENT_MAX_NODES),
				 errhint("Put what the values have in common into a column or a list, and test that.")));
}

SegmentNode *
SegmentMakeNode(SegmentParser *parser, SegmentKind kind, int location)
{
	SegmentNode *node = palloc0(sizeof(SegmentNode));

	count_nodes(parser, 1);
	node->kind = kind;
	node->location = location;
	return node;
}

/* Join two operands, absorbing a left or right operand that is a chain of the same kind. */
SegmentNode *
SegmentMakeBool(SegmentKind kind, SegmentNode *left, SegmentNode *right)
{
	SegmentNode *node;

	if (left->kind == kind)
		node = left;
	else
	{
		node = palloc0(sizeof(SegmentNode));
		node->kind = kind;
		node->location = left->location;
		node->args = list_make1(left);
	}
	if (right->kind == kind)
		node->args = list_concat(node->args, right->args);
	else
		node->args = lappend(node->args, right);
	return node;
}

SegmentTest *
SegmentMakeTest(SegmentTestKind kind, int location)
{
	SegmentTest *test = palloc0(sizeof(SegmentTest));

	test->kind = kind;
	test->location = location;
	return test;
}

/* How many of a window's units make a year, rounded up. */
static int
units_per_year(SegmentUnit unit)
{
	switch (unit)
	{
		case SEGMENT_MINUTE:
			return 366 * 24 * 60;
		case SEGMENT_HOUR:
			return 366 * 24;
		case SEGMENT_DAY:
			return 366;
		case SEGMENT_WEEK:
			return 53;
		case SEGMENT_MONTH:
			return 12;
		case SEGMENT_QUARTER:
			return 4;
		case SEGMENT_YEAR:
			return 1;
	}
	pg_unreachable();
}

/* The whole number of units a window reaches. */
static int
window_size(SegmentParser *parser, const char *number, SegmentUnit unit, int location)
{
	int64		limit = (int64) MAX_WINDOW_YEARS * units_per_year(unit);

	if (strchr(number, '.') != NULL || number[0] == '-')
		LexerError(&parser->lexer, location, 0, "a window is a whole number, not below zero");
	if (strlen(number) > 10 || strtoll(number, NULL, 10) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("window of %s %ss is too long", ShownLiteral(number),
						SegmentUnitName(unit)),
				 errdetail("The window at character %d reaches more than %d years.",
						   CharacterPosition(parser->lexer.text, location), MAX_WINDOW_YEARS)));
	return (int) strtoll(number, NULL, 10);
}

SegmentTest *
SegmentMakeWindow(SegmentParser *parser, SegmentTestKind kind, char *n, char *m, SegmentUnit unit,
				  int location)
{
	SegmentTest *test = SegmentMakeTest(kind, location);

	test->unit = unit;
	test->n = window_size(parser, n, unit, location);
	if (m != NULL)
	{
		test->m = window_size(parser, m, unit, location);
		if (test->n > test->m)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("window between %d and %d %ss ago ends before it starts",
							test->n, test->m, SegmentUnitName(unit)),
					 errdetail("The window is at character %d.",
							   CharacterPosition(parser->lexer.text, location)),
					 errhint("Write the smaller number first: between %d and %d %ss ago.",
							 test->m, test->n, SegmentUnitName(unit))));
	}
	else if (kind == SEGMENT_AGO && unit <= SEGMENT_HOUR)
		LexerError(&parser->lexer, location, 0,
						   "an exact time ago needs days or more; write \"within\" or \"at least\" for hours");
	return test;
}

SegmentValue *
SegmentMakeValue(SegmentParser *parser, SegmentValueKind kind, char *text, bool negative,
				 int location)
{
	SegmentValue *value = palloc0(sizeof(SegmentValue));

	count_nodes(parser, 1);
	value->kind = kind;
	value->text = text;
	value->location = location;
	if (kind == SEGMENT_NUMBER)
	{
		value->text = NormalizeNumber(&parser->lexer, text, location);
		if (negative && strcmp(value->text, "0") != 0)
			value->text = psprintf("-%s", value->text);
	}
	return value;
}

/* How many nodes a tree was counted as when it was parsed. */
static int
tree_size(const SegmentNode *node)
{
	int			size = node->kind == SEGMENT_AND || node->kind == SEGMENT_OR ? 0 : 1;
	ListCell   *lc;

	check_stack_depth();

	foreach(lc, node->args)
		size += tree_size(lfirst(lc));
	if (node->where)
		size += tree_size(node->where);
	if (node->row)
		size += tree_size(node->row);
	if (node->test)
		size += list_length(node->test->values);
	return size;
}

/* What a number stands for in a formula; in a segment it stands for nothing. */
SegmentNode *
SegmentFormulaBlock(SegmentParser *parser, char *number, int location)
{
	int			block;
	SegmentNode *node;

	if (parser->blocks == NULL)
		LexerError(&parser->lexer, location, strlen(number), NULL);
	if (strchr(number, '.') != NULL || strlen(number) > 6 ||
		(block = atoi(number)) < 1 || block > parser->nblocks)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg_plural("formula refers to block %s, but there is %d block",
							   "formula refers to block %s, but there are %d blocks", parser->nblocks,
						ShownLiteral(number), parser->nblocks),
				 errdetail("The number is at character %d of the formula.",
						   CharacterPosition(parser->lexer.text, location)),
				 errhint("Blocks are numbered from 1: compose('1 AND NOT 2', 'application', 'activity').")));
	parser->block_used[block - 1] = true;

	/* counted now: a block named again and again must not outgrow memory first */
	count_nodes(parser, tree_size(parser->blocks[block - 1]));

	/* a copy: chains grow in place, and a block may be named twice */
	node = palloc(sizeof(SegmentNode));
	*node = *parser->blocks[block - 1];
	node->args = list_copy(node->args);
	return node;
}

/* Run scanner and grammar over a text. */
static SegmentNode *
run_parser(SegmentParser *parser, const char *text, const char *what)
{
	yyscan_t	scanner;

	LexerBegin(&parser->lexer, text, what, &scanner);
	if (segment_yyparse(parser, scanner) != 0)
		elog(ERROR, "segment grammar failed without an error");
	return parser->result;
}

SegmentNode *
SegmentParse(const char *text)
{
	SegmentParser parser = {0};

	return run_parser(&parser, text, "type segment");
}

/* Parse a formula such as "1 and not 2" over the blocks its numbers stand for. */
SegmentNode *
SegmentParseFormula(const char *formula, SegmentNode **blocks, int nblocks)
{
	SegmentParser parser = {0};
	SegmentNode *result;

	parser.blocks = blocks;
	parser.nblocks = nblocks;
	parser.block_used = palloc0(nblocks * sizeof(bool));
	result = run_parser(&parser, formula, "segment formula");

	for (int i = 0; i < nblocks; i++)
		if (!parser.block_used[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("formula does not use block %d", i + 1),
					 errdetail("Block %d is: %s.", i + 1, SegmentDeparse(blocks[i])),
					 errhint("Name the block in the formula, or leave it out.")));
	return result;
}
