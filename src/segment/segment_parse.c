/*
 * segment_parse.c
 *		From text to tree: width folding, the nodes' constructors with their
 *		limits, and the errors of scanner and grammar.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "segment/segment_parse.h"
#include "utils/memutils.h"

/* Windows reach this far at the most, whatever their unit. */
#define MAX_WINDOW_YEARS	2000

/* Digits of a number literal, sign and point aside */
#define MAX_NUMBER_DIGITS	1000

/* How much of an offending literal an error message shows. */
#define SHOWN_CHARACTERS	60

/* The ASCII twin of a sign an IME types, or 0. */
static char
narrow_twin(pg_wchar wide)
{
	if (wide == 0x3000 || wide == 0x00A0)	/* ideographic and no-break space */
		return ' ';
	if (wide >= 0xFF10 && wide <= 0xFF19)	/* full-width digits */
		return '0' + (wide - 0xFF10);
	switch (wide)
	{
		case 0xFF01:
			return '!';
		case 0xFF08:
			return '(';
		case 0xFF09:
			return ')';
		case 0xFF0C:
			return ',';
		case 0xFF0D:
			return '-';
		case 0xFF0E:
			return '.';
		case 0xFF1C:
			return '<';
		case 0xFF1D:
			return '=';
		case 0xFF1E:
			return '>';
	}
	return 0;
}

/* The character at a place in UTF-8 text as the scanner will read it; 0 beyond ASCII. */
static char
read_as(const unsigned char *at)
{
	return IS_HIGHBIT_SET(*at) ? narrow_twin(utf8_to_unicode(at)) : *at;
}

/*
 * Replace full-width signs outside quotes by their ASCII twins, one character
 * by one, so that character positions stay what the user sees. Comments may
 * contain quotes, hence they are followed too. The work is done in UTF-8, the
 * only encoding whose code points we know.
 */
char *
SegmentFoldWidth(const char *text)
{
	int			length = strlen(text);
	const unsigned char *from;
	char	   *folded;
	char	   *to;
	char		quote = '\0';	/* ' or " inside quotes, - or * in comments */
	int			comments = 0;
	bool		ascii = true;

	for (const char *c = text; *c && ascii; c++)
		ascii = !IS_HIGHBIT_SET(*c);
	if (ascii)
		return pstrdup(text);

	from = pg_do_encoding_conversion((unsigned char *) unconstify(char *, text), length,
									 GetDatabaseEncoding(), PG_UTF8);
	to = folded = palloc(strlen((const char *) from) + 1);

	while (*from)
	{
		int			width = pg_utf_mblen(from);
		char		twin = 0;

		if (quote == '\0')
		{
			if (width > 1)
				twin = read_as(from);
			if (*from == '\'' || *from == '"')
				quote = *from;
			else if (read_as(from) == '-' && read_as(from + width) == '-')
			{
				/* both of them now: what follows is in the comment */
				quote = '-';
				twin = '-';
				*to++ = '-';
				from += width;
				width = pg_utf_mblen(from);
			}
			else if (from[0] == '/' && from[1] == '*')
				quote = '*';
		}
		else if (*from == (unsigned char) quote && quote != '-' && quote != '*')
			quote = '\0';		/* a doubled quote reopens at once */
		else if (quote == '-' && (*from == '\n' || *from == '\r'))
			quote = '\0';

		if (quote == '*')
		{
			/* two characters at a time where they open or close a comment */
			bool		opens = from[0] == '/' && from[1] == '*';
			bool		closes = from[0] == '*' && from[1] == '/';

			if (opens || closes)
			{
				*to++ = *from++;
				comments += opens ? 1 : -1;
				if (comments == 0)
					quote = '\0';
			}
		}

		if (twin)
			*to++ = twin;
		else
		{
			memcpy(to, from, width);
			to += width;
		}
		from += width;
	}
	*to = '\0';

	return (char *) pg_do_encoding_conversion((unsigned char *) folded, to - folded,
											  PG_UTF8, GetDatabaseEncoding());
}

/* Fold the case of ASCII letters, as identifiers do. */
char *
SegmentFoldCase(const char *word, int length)
{
	char	   *folded = pnstrdup(word, length);

	for (char *c = folded; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	return folded;
}

/* The 1-based position, in characters, of a byte offset. */
int
SegmentCharacter(const char *text, int location)
{
	return pg_mbstrlen_with_len(text, location) + 1;
}

/* A literal as error messages show it: whole when short, else its beginning. */
static char *
shown(const char *text, int length)
{
	int			kept = pg_mbcharcliplen(text, length, SHOWN_CHARACTERS);

	return kept < length ? psprintf("%.*s...", kept, text) : pnstrdup(text, length);
}

/* Report bad syntax at a token; the problem is NULL where the grammar has no more to say. */
void
SegmentSyntaxError(SegmentParser *parser, int location, int length, const char *problem)
{
	int			text_length = strlen(parser->text);
	char	   *near;

	location = Min(location, text_length);
	length = Min(length, text_length - location);
	if (length > 0)
		length = Max(length, pg_mblen(parser->text + location));
	else
		length = location < text_length ? pg_mblen(parser->text + location) : 0;
	near = shown(parser->text + location, length);

	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("invalid input syntax for %s: \"%s\"",
					parser->blocks ? "segment formula" : "type segment",
					shown(parser->text, text_length)),
			 location == text_length ?
			 errdetail("Unexpected end of input at character %d%s%s.",
					   SegmentCharacter(parser->text, location),
					   problem ? ": " : "", problem ? problem : "") :
			 errdetail("Syntax error at or near \"%s\" at character %d%s%s.",
					   near, SegmentCharacter(parser->text, location),
					   problem ? ": " : "", problem ? problem : "")));
}

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
SegmentMakeTest(SegmentParser *parser, SegmentTestKind kind, int location)
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
		SegmentSyntaxError(parser, location, 0, "a window is a whole number, not below zero");
	if (strlen(number) > 10 || strtoll(number, NULL, 10) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("window of %s %ss is too long", shown(number, strlen(number)),
						SegmentUnitName(unit)),
				 errdetail("The window at character %d reaches more than %d years.",
						   SegmentCharacter(parser->text, location), MAX_WINDOW_YEARS)));
	return (int) strtoll(number, NULL, 10);
}

/* A number without superfluous zeros. */
static char *
normalize_number(SegmentParser *parser, const char *number, int location)
{
	int			length = strlen(number);

	if (length > MAX_NUMBER_DIGITS)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number \"%s\" is too long", shown(number, length)),
				 errdetail("The number at character %d has more than %d digits.",
						   SegmentCharacter(parser->text, location), MAX_NUMBER_DIGITS)));
	while (number[0] == '0' && number[1] >= '0' && number[1] <= '9')
	{
		number++;
		length--;
	}
	if (strchr(number, '.') != NULL)
	{
		while (number[length - 1] == '0')
			length--;
		if (number[length - 1] == '.')
			length--;
	}
	return pnstrdup(number, length);
}

SegmentTest *
SegmentMakeWindow(SegmentParser *parser, SegmentTestKind kind, char *n, char *m, SegmentUnit unit,
				  int location)
{
	SegmentTest *test = SegmentMakeTest(parser, kind, location);

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
							   SegmentCharacter(parser->text, location)),
					 errhint("Write the smaller number first: between %d and %d %ss ago.",
							 test->m, test->n, SegmentUnitName(unit))));
	}
	else if (kind == SEGMENT_AGO && unit <= SEGMENT_HOUR)
		SegmentSyntaxError(parser, location, 0,
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
		value->text = normalize_number(parser, text, location);
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
		SegmentSyntaxError(parser, location, strlen(number), NULL);
	if (strchr(number, '.') != NULL || strlen(number) > 6 ||
		(block = atoi(number)) < 1 || block > parser->nblocks)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("formula refers to block %s, but there are %d blocks",
						shown(number, strlen(number)), parser->nblocks),
				 errdetail("The number is at character %d of the formula.",
						   SegmentCharacter(parser->text, location)),
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

/* Run scanner and grammar over the parser's text. */
static SegmentNode *
run_parser(SegmentParser *parser)
{
	yyscan_t	scanner;

	segment_scan_begin(parser, &scanner);
	if (segment_yyparse(parser, scanner) != 0)
		elog(ERROR, "segment grammar failed without an error");
	return parser->result;
}

SegmentNode *
SegmentParse(const char *text)
{
	SegmentParser parser = {0};

	parser.text = SegmentFoldWidth(text);
	return run_parser(&parser);
}

/* Parse a formula such as "1 and not 2" over the blocks its numbers stand for. */
SegmentNode *
SegmentParseFormula(const char *formula, SegmentNode **blocks, int nblocks)
{
	SegmentParser parser = {0};
	SegmentNode *result;

	parser.text = SegmentFoldWidth(formula);
	parser.blocks = blocks;
	parser.nblocks = nblocks;
	parser.block_used = palloc0(nblocks * sizeof(bool));
	result = run_parser(&parser);

	for (int i = 0; i < nblocks; i++)
		if (!parser.block_used[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("formula does not use block %d", i + 1),
					 errdetail("Block %d is: %s.", i + 1, SegmentDeparse(blocks[i])),
					 errhint("Name the block in the formula, or leave it out.")));
	return result;
}
