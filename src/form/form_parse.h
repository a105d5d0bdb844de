/*
 * form_parse.h
 *		What the grammar shares with its caller; nobody else's business.
 */
#ifndef LEADFLOW_FORM_PARSE_H
#define LEADFLOW_FORM_PARSE_H

#include "form/form.h"
#include "lexer.h"

typedef struct FormParser
{
	Lexer		lexer;
	Form	   *result;
	int			nchoices;
} FormParser;

/* An option of a field as the grammar reads it, before it is put into the field. */
typedef enum FormOptionKind
{
	FORM_REQUIRED,
	FORM_MIN,
	FORM_MAX,
	FORM_MAX_LENGTH,
	FORM_PATTERN,
	FORM_DEFAULT,
	FORM_HIDDEN,
	FORM_RETIRED
} FormOptionKind;

typedef struct FormOption
{
	FormOptionKind kind;
	FormValue  *value;
	int			location;
} FormOption;

/* form_words.c: the grammar's scanner; the token of a word that is a keyword, or 0 */
union FORM_YYSTYPE;
extern int	form_yylex(union FORM_YYSTYPE *value, int *location, yyscan_t scanner);
extern int	FormKeyword(const char *word);

/* form_gram.y */
extern int	form_yyparse(FormParser *parser, yyscan_t scanner);

/* Places where one of a few words is due */
typedef enum FormWordKind
{
	FORM_WORD_TYPE,
	FORM_WORD_OPTION,
	FORM_WORD_CHOICE_OPTION
} FormWordKind;

/* form_words.c: raise 42601 for a word that is none of those due */
pg_noreturn extern void FormUnknownWord(FormParser *parser, FormWordKind kind, const char *word, int location);

/* form_parse.c: checked as far as a text alone can be */
extern FormValue *FormMakeValue(FormParser *parser, int kind, char *text, bool negative,
								int location);
extern FormOption *FormMakeOption(FormOptionKind kind, FormValue *value, int location);
extern FormChoice *FormMakeChoice(FormParser *parser, char *key, char *label, int location);
extern int64 *FormMakeListId(FormParser *parser, char *number, int location);
extern FormField *FormMakeField(FormParser *parser, char *name, char *label, FormType type,
								List *choices, List *options, int location);
extern void FormAddField(FormParser *parser, FormField *field);

#endif							/* LEADFLOW_FORM_PARSE_H */
