%{
/*
 * form_gram.y
 *		Grammar of forms: fields with their labels, types, choices and options.
 *
 * A word is a keyword only after a field's name, or after a choice's key: any
 * word may be a name.
 */
#include "postgres.h"

#include "form/form_parse.h"

/* The parser's stack lives in the caller's memory context. */
#define YYMALLOC palloc
#define YYFREE   pfree

/* A location is the byte offset at which a token starts. */
#define YYLLOC_DEFAULT(Current, Rhs, N) \
	((Current) = (N) ? (Rhs)[1] : (Rhs)[0])
%}

%define api.pure full
%define api.prefix {form_yy}
%define api.location.type {int}
%locations
%define parse.error custom
%define parse.lac full
%expect 0
%parse-param {FormParser *parser}
%parse-param {yyscan_t scanner}
%lex-param   {yyscan_t scanner}

%union
{
	char	   *str;
	int			number;
	List	   *list;
	FormField  *field;
	FormChoice *choice;
	FormOption *option;
	FormValue  *value;
}

%{
#define form_yyerror(location, parser, scanner, message) \
	LexerGrammarError(&(parser)->lexer, *(location), scanner, message)
%}

/* The lexer's tokens, numbered as it numbers them. */
%token <str> IDENT 258 QUOTED_IDENT 259 STRING 260 NUMBER 261
/* No part of forms, but what is not numbered here would be taken for a word below. */
%token LESS_EQUALS 262 GREATER_EQUALS 263 NOT_EQUALS 264

/* Words, in the order of form_words.c. */
%token <str> CHECKBOX CLOSES DATE DEFAULT EFFECTIVE EMAIL EXCEPT FALSE_P HIDDEN INTEGER LIST
%token <str> MAX MAX_LENGTH MIN MULTISELECT NUMBER_P ONLY PATTERN PHONE RADIO REQUIRED RETIRED
%token <str> SELECT TEXT TEXTAREA TIMESTAMP TRUE_P URL

%type <field> field
%type <choice> choice
%type <option> option
%type <value> value
%type <list> opt_choices choices options list_ids
%type <str> name opt_label
%type <number> type

%%

form:
	/* empty */					{ parser->result = palloc0(sizeof(Form)); }
	| fields
	| fields ';'
	;

fields:
	field
		{
			parser->result = palloc0(sizeof(Form));
			FormAddField(parser, $1);
		}
	| fields ';' field			{ FormAddField(parser, $3); }
	;

field:
	name opt_label type opt_choices options
		{ $$ = FormMakeField(parser, $1, $2, $3, $4, $5, @1); }
	;

opt_label:
	/* empty */					{ $$ = NULL; }
	| QUOTED_IDENT
	;

type:
	CHECKBOX					{ $$ = FORM_CHECKBOX; }
	| DATE						{ $$ = FORM_DATE; }
	| EMAIL						{ $$ = FORM_EMAIL; }
	| INTEGER					{ $$ = FORM_INTEGER; }
	| MULTISELECT				{ $$ = FORM_MULTISELECT; }
	| NUMBER_P					{ $$ = FORM_NUMBER; }
	| PHONE						{ $$ = FORM_PHONE; }
	| RADIO						{ $$ = FORM_RADIO; }
	| SELECT					{ $$ = FORM_SELECT; }
	| TEXT						{ $$ = FORM_TEXT; }
	| TEXTAREA					{ $$ = FORM_TEXTAREA; }
	| TIMESTAMP					{ $$ = FORM_TIMESTAMP; }
	| URL						{ $$ = FORM_URL; }
	| IDENT						{ FormUnknownWord(parser, FORM_WORD_TYPE, $1, @1); }
	;

opt_choices:
	/* empty */					{ $$ = NIL; }
	| '(' choices ')'			{ $$ = $2; }
	;

choices:
	choice						{ $$ = list_make1($1); }
	| choices ',' choice		{ $$ = lappend($1, $3); }
	;

choice:
	STRING opt_label			{ $$ = FormMakeChoice(parser, $1, $2, @1); }
	| choice RETIRED			{ $$ = $1; $$->retired = true; }
	| choice EFFECTIVE			{ $$ = $1; $$->effective = true; }
	| choice CLOSES				{ $$ = $1; $$->closes = true; }
	| choice ONLY LIST '(' list_ids ')'
		{
			$$ = $1;
			$$->only_lists = list_concat($$->only_lists, $5);
		}
	| choice EXCEPT LIST '(' list_ids ')'
		{
			$$ = $1;
			$$->except_lists = list_concat($$->except_lists, $5);
		}
	| choice IDENT				{ FormUnknownWord(parser, FORM_WORD_CHOICE_OPTION, $2, @2); }
	;

list_ids:
	NUMBER						{ $$ = list_make1(FormMakeListId(parser, $1, @1)); }
	| STRING					{ $$ = list_make1(FormMakeListId(parser, $1, @1)); }
	| list_ids ',' NUMBER		{ $$ = lappend($1, FormMakeListId(parser, $3, @3)); }
	;

options:
	/* empty */					{ $$ = NIL; }
	| options option			{ $$ = lappend($1, $2); }
	;

option:
	REQUIRED					{ $$ = FormMakeOption(FORM_REQUIRED, NULL, @1); }
	| MIN value					{ $$ = FormMakeOption(FORM_MIN, $2, @1); }
	| MAX value					{ $$ = FormMakeOption(FORM_MAX, $2, @1); }
	| MAX_LENGTH value			{ $$ = FormMakeOption(FORM_MAX_LENGTH, $2, @1); }
	| PATTERN value				{ $$ = FormMakeOption(FORM_PATTERN, $2, @1); }
	| DEFAULT value				{ $$ = FormMakeOption(FORM_DEFAULT, $2, @1); }
	| HIDDEN					{ $$ = FormMakeOption(FORM_HIDDEN, NULL, @1); }
	| RETIRED					{ $$ = FormMakeOption(FORM_RETIRED, NULL, @1); }
	| IDENT						{ FormUnknownWord(parser, FORM_WORD_OPTION, $1, @1); }
	;

value:
	NUMBER						{ $$ = FormMakeValue(parser, FORM_VALUE_NUMBER, $1, false, @1); }
	| '-' NUMBER				{ $$ = FormMakeValue(parser, FORM_VALUE_NUMBER, $2, true, @1); }
	| STRING					{ $$ = FormMakeValue(parser, FORM_VALUE_STRING, $1, false, @1); }
	| TRUE_P					{ $$ = FormMakeValue(parser, FORM_VALUE_BOOLEAN, "true", false, @1); }
	| FALSE_P					{ $$ = FormMakeValue(parser, FORM_VALUE_BOOLEAN, "false", false, @1); }
	;

name:
	IDENT | QUOTED_IDENT | CHECKBOX | CLOSES | DATE | DEFAULT | EFFECTIVE | EMAIL | EXCEPT | FALSE_P
	| HIDDEN | INTEGER | LIST | MAX | MAX_LENGTH | MIN | MULTISELECT | NUMBER_P | ONLY | PATTERN | PHONE
	| RADIO | REQUIRED | RETIRED | SELECT | TEXT | TEXTAREA | TIMESTAMP | TRUE_P | URL
	;

%%

/* What can stand in a place, of the tokens that are possible there, as a message says it. */
static char *
possible(const bool *due)
{
	List	   *what = NIL;
	StringInfoData out;
	ListCell   *lc;

	if (due[YYSYMBOL_LIST] && due[YYSYMBOL_TEXT])
		return pstrdup("the name of a field");
	if (due[YYSYMBOL_QUOTED_IDENT])
		what = lappend(what, "a label in double quotes");
	if (due[YYSYMBOL_CHECKBOX])
		what = lappend(what, "a field type");
	if (due[YYSYMBOL_REQUIRED])
		what = lappend(what, "an option");
	if (due[YYSYMBOL_EFFECTIVE])
		what = lappend(what, "an option of the choice");
	if (due[YYSYMBOL_TRUE_P])
		what = lappend(what, "a value");
	else if (due[YYSYMBOL_STRING] && due[YYSYMBOL_NUMBER])
		what = lappend(what, "the id of a list");
	else if (due[YYSYMBOL_STRING])
		what = lappend(what, "a choice in single quotes");
	else if (due[YYSYMBOL_NUMBER])
		what = lappend(what, "a number");
	if (due[YYSYMBOL_LIST])
		what = lappend(what, "\"list\"");
	for (int symbol = 0; symbol < YYNTOKENS; symbol++)
		if (due[symbol] && yysymbol_name(symbol)[0] == '\'' && yysymbol_name(symbol)[1] != '-')
			what = lappend(what, psprintf("\"%c\"", yysymbol_name(symbol)[1]));

	initStringInfo(&out);
	foreach(lc, what)
		appendStringInfo(&out, "%s%s", lc == list_head(what) ? "" : lnext(what, lc) ? ", " : " or ",
						 (char *) lfirst(lc));
	return out.data;
}

/* What bison calls for a token that cannot be. */
static int
yyreport_syntax_error(const yypcontext_t *context, FormParser *parser, yyscan_t scanner)
{
	yysymbol_kind_t expected[YYNTOKENS];
	int			n = yypcontext_expected_tokens(context, expected, YYNTOKENS);
	bool		due[YYNTOKENS] = {false};
	int			location = *yypcontext_location(context);

	for (int i = 0; i < n; i++)
		due[expected[i]] = true;
	LexerError(&parser->lexer, location, LexerTokenEnd(scanner) - location,
			   psprintf("what can stand here is %s", possible(due)));
}
