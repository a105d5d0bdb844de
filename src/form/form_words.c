/*
 * form_words.c
 *		The keywords of forms, and their scanner: the common one, with words that
 *		are keywords turned into them.
 */
#include "postgres.h"

#include "form/form_parse.h"
#include "form/form_gram.h"

/* Sorted by name. */
static const LexerKeyword keywords[] = {
	{"checkbox", CHECKBOX},
	{"closes", CLOSES},
	{"date", DATE},
	{"default", DEFAULT},
	{"effective", EFFECTIVE},
	{"email", EMAIL},
	{"false", FALSE_P},
	{"hidden", HIDDEN},
	{"integer", INTEGER},
	{"list", LIST},
	{"max", MAX},
	{"max_length", MAX_LENGTH},
	{"min", MIN},
	{"multiselect", MULTISELECT},
	{"number", NUMBER_P},
	{"only", ONLY},
	{"pattern", PATTERN},
	{"phone", PHONE},
	{"radio", RADIO},
	{"required", REQUIRED},
	{"retired", RETIRED},
	{"select", SELECT},
	{"text", TEXT},
	{"textarea", TEXTAREA},
	{"timestamp", TIMESTAMP},
	{"true", TRUE_P},
	{"url", URL},
};

int
FormKeyword(const char *word)
{
	return FindKeyword(keywords, lengthof(keywords), word);
}

int
form_yylex(FORM_YYSTYPE *value, int *location, yyscan_t scanner)
{
	int			token = lexer_yylex(&value->str, location, scanner);
	int			keyword = token == LEXER_WORD ? FormKeyword(value->str) : 0;

	return keyword ? keyword : token;
}

void
FormUnknownWord(FormParser *parser, const char *what, const char *word, int location)
{
	List	   *known = NIL;
	const char *nearest;

	for (size_t i = 0; i < lengthof(keywords); i++)
		known = lappend(known, unconstify(char *, keywords[i].name));
	nearest = NearestName(word, known);
	LexerError(&parser->lexer, location, strlen(word),
			   nearest ? psprintf("this is no %s; perhaps \"%s\" is meant", what, nearest) :
			   psprintf("this is no %s", what));
}
