%{
/*
 * segment_gram.y
 *		Grammar of the segment language.
 *
 * A word is a keyword only where it opens or continues a term or a comparison;
 * everywhere else it is a name. Hence the classes of names below: each says
 * which words may stand as a name in that position.
 */
#include "postgres.h"

#include "segment/segment_parse.h"

/* The parser's stack lives in the caller's memory context. */
#define YYMALLOC palloc
#define YYFREE   pfree

/* A location is the byte offset at which a token starts. */
#define YYLLOC_DEFAULT(Current, Rhs, N) \
	((Current) = (N) ? (Rhs)[1] : (Rhs)[0])
%}

%define api.pure full
%define api.prefix {segment_yy}
%define api.location.type {int}
%locations
%expect 0
%parse-param {SegmentParser *parser}
%parse-param {yyscan_t scanner}
%lex-param   {yyscan_t scanner}

%union
{
	char	   *str;
	SegmentNode *node;
	SegmentTest *test;
	SegmentValue *value;
	List	   *list;
	int			number;
}

%{
#define segment_yyerror(location, parser, scanner, message) \
	LexerGrammarError(&(parser)->lexer, *(location), scanner, message)

static SegmentNode *make_aggregate(SegmentParser *parser, SegmentFunction function, SegmentNode *of,
								   SegmentTest *test, int location);
static SegmentTest *make_string_test(SegmentParser *parser, SegmentTestKind kind, char *string,
									 int location, int string_location);
static SegmentTest *negate(SegmentTest *test);
%}

/* The lexer's tokens, numbered as it numbers them. */
%token <str> IDENT 258 QUOTED_IDENT 259 STRING 260 NUMBER 261
%token LESS_EQUALS 262 GREATER_EQUALS 263 NOT_EQUALS 264

/* Words, in the order of segment_words.c. */
%token <str> AFTER AGO AND AT AVG BEFORE BETWEEN CONTAINS COUNT DAY DAYS DISTINCT EMPTY ENDS
%token <str> EVERYONE FALSE_P FIRST HOUR HOURS IN_P IS LAST LEAST LESS LIKE MATCHES MAX MIN
%token <str> MINUTE MINUTES MONTH MONTHS MORE MOST NEXT NO NOT NULL_P ONE OR QUARTER STARTS SUM
%token <str> THAN THE THIS TODAY TOMORROW TRUE_P WEEK WEEKS WHERE WITH WITHIN YEAR YEARS YESTERDAY

%left OR
%left AND
%right NOT

%type <node> segment term row opt_row counted recorded recorded_by_field
%type <test> comparison value_comparison negatable
%type <value> value
%type <list> values
%type <str> name source any_name common_word opening_word
%type <number> function edge operator string_operator ago_operator unit period which

%%

top:
	segment						{ parser->result = $1; }
	;

segment:
	segment OR segment			{ $$ = SegmentMakeBool(SEGMENT_OR, $1, $3); }
	| segment AND segment		{ $$ = SegmentMakeBool(SEGMENT_AND, $1, $3); }
	| NOT segment
		{
			$$ = SegmentMakeNode(parser, SEGMENT_NOT, @1);
			$$->args = list_make1($2);
		}
	| '(' segment ')'			{ $$ = $2; }
	| term
	;

term:
	source
		{
			$$ = SegmentMakeNode(parser, SEGMENT_BLOCK, @1);
			$$->source = $1;
		}
	| source '(' row ')'
		{
			$$ = SegmentMakeNode(parser, SEGMENT_BLOCK, @1);
			$$->source = $1;
			$$->row = $3;
		}
	| source '(' STRING ')'
		{
			$$ = SegmentMakeNode(parser, SEGMENT_NAMED, @1);
			$$->source = $1;
			$$->name = $3;
		}
	| source '(' STRING ')' value_comparison
		{
			$$ = SegmentMakeNode(parser, SEGMENT_NAMED, @1);
			$$->source = $1;
			$$->name = $3;
			$$->test = $5;
		}
	| COUNT '(' counted ')' value_comparison
		{ $$ = make_aggregate(parser, SEGMENT_COUNT, $3, $5, @1); }
	| function '(' recorded_by_field ')' value_comparison
		{ $$ = make_aggregate(parser, $1, $3, $5, @1); }
	| edge '(' recorded ')' '(' row ')'
		{
			$$ = $3;
			$$->kind = SEGMENT_EDGE;
			$$->function = $1;
			$$->row = $6;
			$$->location = @1;
		}
	| EVERYONE					{ $$ = SegmentMakeNode(parser, SEGMENT_EVERYONE, @1); }
	| NO ONE					{ $$ = SegmentMakeNode(parser, SEGMENT_NO_ONE, @1); }
	| NUMBER					{ $$ = SegmentFormulaBlock(parser, $1, @1); }
	;

function:
	SUM							{ $$ = SEGMENT_SUM; }
	| MIN						{ $$ = SEGMENT_MIN; }
	| MAX						{ $$ = SEGMENT_MAX; }
	| AVG						{ $$ = SEGMENT_AVG; }
	;

edge:
	FIRST						{ $$ = SEGMENT_FIRST; }
	| LAST						{ $$ = SEGMENT_LAST; }
	;

counted:
	name opt_row
		{
			$$ = SegmentMakeNode(parser, SEGMENT_AGGREGATE, @1);
			$$->source = $1;
			$$->where = $2;
		}
	| name '.' any_name opt_row
		{
			$$ = SegmentMakeNode(parser, SEGMENT_AGGREGATE, @1);
			$$->source = $1;
			$$->field = $3;
			$$->field_location = @3;
			$$->where = $4;
		}
	| DISTINCT recorded_by_field
		{
			$$ = $2;
			$$->distinct = true;
		}
	;

recorded:
	any_name opt_row
		{
			$$ = SegmentMakeNode(parser, SEGMENT_AGGREGATE, @1);
			$$->source = $1;
			$$->where = $2;
		}
	;

recorded_by_field:
	any_name '.' any_name opt_row
		{
			$$ = SegmentMakeNode(parser, SEGMENT_AGGREGATE, @1);
			$$->source = $1;
			$$->field = $3;
			$$->field_location = @3;
			$$->where = $4;
		}
	;

opt_row:
	/* empty */					{ $$ = NULL; }
	| WHERE row					{ $$ = $2; }
	;

row:
	row OR row					{ $$ = SegmentMakeBool(SEGMENT_OR, $1, $3); }
	| row AND row				{ $$ = SegmentMakeBool(SEGMENT_AND, $1, $3); }
	| NOT row
		{
			$$ = SegmentMakeNode(parser, SEGMENT_NOT, @1);
			$$->args = list_make1($2);
		}
	| '(' row ')'				{ $$ = $2; }
	| any_name
		{
			$$ = SegmentMakeNode(parser, SEGMENT_FIELD, @1);
			$$->field = $1;
			$$->field_location = @1;
		}
	| any_name comparison
		{
			$$ = SegmentMakeNode(parser, SEGMENT_FIELD, @1);
			$$->field = $1;
			$$->field_location = @1;
			$$->test = $2;
		}
	;

comparison:
	value_comparison
	| IS NULL_P					{ $$ = SegmentMakeTest(SEGMENT_IS_NULL, @1); }
	| IS NOT NULL_P				{ $$ = negate(SegmentMakeTest(SEGMENT_IS_NULL, @1)); }
	| IS EMPTY					{ $$ = SegmentMakeTest(SEGMENT_IS_EMPTY, @1); }
	| IS NOT EMPTY				{ $$ = negate(SegmentMakeTest(SEGMENT_IS_EMPTY, @1)); }
	;

value_comparison:
	operator value
		{
			$$ = SegmentMakeTest(SEGMENT_COMPARE, @1);
			$$->op = $1;
			$$->values = list_make1($2);
		}
	| negatable
	| NOT negatable				{ $$ = negate($2); }
	| WITHIN NUMBER unit
		{ $$ = SegmentMakeWindow(parser, SEGMENT_WITHIN, $2, NULL, $3, @1); }
	| WITHIN THE LAST NUMBER unit
		{ $$ = SegmentMakeWindow(parser, SEGMENT_WITHIN, $4, NULL, $5, @1); }
	| WITHIN THE NEXT NUMBER unit
		{ $$ = SegmentMakeWindow(parser, SEGMENT_WITHIN_NEXT, $4, NULL, $5, @1); }
	| ago_operator NUMBER unit AGO
		{ $$ = SegmentMakeWindow(parser, $1, $2, NULL, $3, @1); }
	| NUMBER unit AGO
		{ $$ = SegmentMakeWindow(parser, SEGMENT_AGO, $1, NULL, $2, @1); }
	| IN_P which period
		{
			$$ = SegmentMakeTest(SEGMENT_PERIOD, @1);
			$$->n = $2;
			$$->unit = $3;
		}
	| TODAY
		{
			$$ = SegmentMakeTest(SEGMENT_PERIOD, @1);
			$$->unit = SEGMENT_DAY;
		}
	| YESTERDAY
		{
			$$ = SegmentMakeTest(SEGMENT_PERIOD, @1);
			$$->n = -1;
			$$->unit = SEGMENT_DAY;
		}
	| TOMORROW
		{
			$$ = SegmentMakeTest(SEGMENT_PERIOD, @1);
			$$->n = 1;
			$$->unit = SEGMENT_DAY;
		}
	;

negatable:
	IN_P '(' values ')'
		{
			$$ = SegmentMakeTest(SEGMENT_IN, @1);
			$$->values = $3;
		}
	| BETWEEN value AND value
		{
			$$ = SegmentMakeTest(SEGMENT_BETWEEN, @1);
			$$->values = list_make2($2, $4);
		}
	| BETWEEN value AND value unit AGO
		{
			if ($2->kind != SEGMENT_NUMBER)
				LexerError(&parser->lexer, @2, 0, "a window needs a number here");
			if ($4->kind != SEGMENT_NUMBER)
				LexerError(&parser->lexer, @4, 0, "a window needs a number here");
			$$ = SegmentMakeWindow(parser, SEGMENT_BETWEEN_AGO, $2->text, $4->text, $5, @1);
		}
	| string_operator STRING
		{ $$ = make_string_test(parser, $1, $2, @1, @2); }
	;

operator:
	'='							{ $$ = SEGMENT_EQ; }
	| NOT_EQUALS				{ $$ = SEGMENT_NE; }
	| '<'						{ $$ = SEGMENT_LT; }
	| LESS_EQUALS				{ $$ = SEGMENT_LE; }
	| '>'						{ $$ = SEGMENT_GT; }
	| GREATER_EQUALS			{ $$ = SEGMENT_GE; }
	| BEFORE					{ $$ = SEGMENT_BEFORE; }
	| AFTER						{ $$ = SEGMENT_AFTER; }
	;

string_operator:
	CONTAINS					{ $$ = SEGMENT_CONTAINS; }
	| STARTS WITH				{ $$ = SEGMENT_STARTS_WITH; }
	| ENDS WITH					{ $$ = SEGMENT_ENDS_WITH; }
	| LIKE						{ $$ = SEGMENT_LIKE; }
	| MATCHES					{ $$ = SEGMENT_MATCHES; }
	;

ago_operator:
	AT LEAST					{ $$ = SEGMENT_AT_LEAST_AGO; }
	| MORE THAN					{ $$ = SEGMENT_MORE_THAN_AGO; }
	| AT MOST					{ $$ = SEGMENT_AT_MOST_AGO; }
	| LESS THAN					{ $$ = SEGMENT_LESS_THAN_AGO; }
	;

unit:
	MINUTE						{ $$ = SEGMENT_MINUTE; }
	| MINUTES					{ $$ = SEGMENT_MINUTE; }
	| HOUR						{ $$ = SEGMENT_HOUR; }
	| HOURS						{ $$ = SEGMENT_HOUR; }
	| DAY						{ $$ = SEGMENT_DAY; }
	| DAYS						{ $$ = SEGMENT_DAY; }
	| WEEK						{ $$ = SEGMENT_WEEK; }
	| WEEKS						{ $$ = SEGMENT_WEEK; }
	| MONTH						{ $$ = SEGMENT_MONTH; }
	| MONTHS					{ $$ = SEGMENT_MONTH; }
	| YEAR						{ $$ = SEGMENT_YEAR; }
	| YEARS						{ $$ = SEGMENT_YEAR; }
	;

which:
	LAST						{ $$ = -1; }
	| THIS						{ $$ = 0; }
	| NEXT						{ $$ = 1; }
	;

period:
	DAY							{ $$ = SEGMENT_DAY; }
	| WEEK						{ $$ = SEGMENT_WEEK; }
	| MONTH						{ $$ = SEGMENT_MONTH; }
	| QUARTER					{ $$ = SEGMENT_QUARTER; }
	| YEAR						{ $$ = SEGMENT_YEAR; }
	;

values:
	value						{ $$ = list_make1($1); }
	| values ',' value			{ $$ = lappend($1, $3); }
	;

value:
	NUMBER						{ $$ = SegmentMakeValue(parser, SEGMENT_NUMBER, $1, false, @1); }
	| '-' NUMBER				{ $$ = SegmentMakeValue(parser, SEGMENT_NUMBER, $2, true, @1); }
	| STRING					{ $$ = SegmentMakeValue(parser, SEGMENT_STRING, $1, false, @1); }
	| TRUE_P					{ $$ = SegmentMakeValue(parser, SEGMENT_BOOLEAN, "true", false, @1); }
	| FALSE_P					{ $$ = SegmentMakeValue(parser, SEGMENT_BOOLEAN, "false", false, @1); }
	;

/* ---- names: wherever a word opens nothing, it is one ---------------------- */

/* where a term starts */
source:
	IDENT | QUOTED_IDENT | common_word | DISTINCT
	;

/* after "count (", where "distinct" has a meaning */
name:
	IDENT | QUOTED_IDENT | common_word | opening_word
	;

/* everywhere else: and, or and not alone must be quoted */
any_name:
	name | DISTINCT
	;

opening_word:
	AVG | COUNT | EVERYONE | FIRST | LAST | MAX | MIN | NO | SUM
	;

common_word:
	AFTER | AGO | AT | BEFORE | BETWEEN | CONTAINS | DAY | DAYS | EMPTY | ENDS | FALSE_P | HOUR
	| HOURS | IN_P | IS | LEAST | LESS | LIKE | MATCHES | MINUTE | MINUTES | MONTH | MONTHS | MORE
	| MOST | NEXT | NULL_P | ONE | QUARTER | STARTS | THAN | THE | THIS | TODAY | TOMORROW | TRUE_P
	| WEEK | WEEKS | WHERE | WITH | WITHIN | YEAR | YEARS | YESTERDAY
	;

%%

static SegmentNode *
make_aggregate(SegmentParser *parser, SegmentFunction function, SegmentNode *of, SegmentTest *test,
			   int location)
{
	of->function = function;
	of->test = test;
	of->location = location;
	return of;
}

static SegmentTest *
make_string_test(SegmentParser *parser, SegmentTestKind kind, char *string, int location,
				 int string_location)
{
	SegmentTest *test = SegmentMakeTest(kind, location);

	test->values = list_make1(SegmentMakeValue(parser, SEGMENT_STRING, string, false,
											   string_location));
	return test;
}

static SegmentTest *
negate(SegmentTest *test)
{
	test->negated = true;
	return test;
}
