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
	{"except", EXCEPT},
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

/* What is due in a place, and the words there are for it, as a message lists them. */
static const struct
{
	const char *what;
	const char *words[14];
}			kinds[] = {
	[FORM_WORD_TYPE] = {
		"field type", {
			"checkbox", "date", "email", "integer", "multiselect", "number", "phone",
			"radio", "select", "text", "textarea", "timestamp", "url"
		}
	},
	[FORM_WORD_OPTION] = {
		"option", {
			"required", "min", "max", "max_length", "pattern", "default", "hidden", "retired"
		}
	},
	[FORM_WORD_CHOICE_OPTION] = {
		"option of a choice", {
			"effective", "closes", "retired", "only list", "except list"
		}
	}
};

void
FormUnknownWord(FormParser *parser, FormWordKind kind, const char *word, int location)
{
	const char *what = kinds[kind].what;
	StringInfoData list;
	List	   *known = NIL;
	const char *nearest;

	initStringInfo(&list);
	for (int i = 0; kinds[kind].words[i] != NULL; i++)
	{
		known = lappend(known, unconstify(char *, kinds[kind].words[i]));
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", kinds[kind].words[i]);
	}
	nearest = NearestName(FoldWidthOfAll(word), known);
	/* what follows a field may well be the next one */
	LexerError(&parser->lexer, location, strlen(word),
			   psprintf("this is no %s%s; %s", what,
						kind == FORM_WORD_OPTION ? ", or \";\" is missing before it" : "",
						nearest ? psprintf("perhaps \"%s\" is meant", nearest) :
						psprintf("there are %s", list.data)));
}
