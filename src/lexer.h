/*
 * lexer.h
 *		The words of leadflow's two languages, segments and forms: what their
 *		scanner reads, and how their errors are reported.
 */
#ifndef LEADFLOW_LEXER_H
#define LEADFLOW_LEXER_H

#include "compat.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#ifndef YY_TYPEDEF_YY_SCANNER_T
#define YY_TYPEDEF_YY_SCANNER_T
typedef void *yyscan_t;
#endif

/*
 * Tokens of more than one character. The grammars declare them with these
 * numbers.
 */
typedef enum LexerToken
{
	LEXER_WORD = 258,			/* letters of any script, digits and _; folded */
	LEXER_QUOTED = 259,			/* "anything" */
	LEXER_STRING = 260,			/* 'anything' */
	LEXER_NUMBER = 261,
	LEXER_LESS_EQUALS = 262,
	LEXER_GREATER_EQUALS = 263,
	LEXER_NOT_EQUALS = 264
} LexerToken;

typedef struct Lexer
{
	const char *given;			/* the text as it was given */
	const char *text;			/* width-folded; locations are offsets into it */
	const char *what;			/* what the text is to be: "type segment" */

	/* the scanner's own */
	char	   *scanned;		/* its copy of text */
	StringInfoData literal;		/* the quoted thing being read ... */
	int			literal_start;	/* ... and where it began */
	int			nested_comments;
} Lexer;

/* Replace full-width signs outside quotes by their ASCII twins, character by character. */
extern char *FoldWidth(const char *text);

/* Replace all full-width signs and letters by their ASCII twins, character by character. */
extern char *FoldWidthOfAll(const char *text);

/* Set a scanner up to read text; it lives in the current memory context. */
extern void LexerBegin(Lexer *lexer, const char *text, const char *what, yyscan_t *scanner);

/* The next token; words, quoted things and numbers come with their text. */
extern int	lexer_yylex(char **text, int *location, yyscan_t scanner);

/* A grammar's keyword, and the token it stands for; tables of them are sorted by name. */
typedef struct LexerKeyword
{
	const char *name;
	int			token;
} LexerKeyword;

/* The token of a word, or 0 when it is no keyword. */
extern int	FindKeyword(const LexerKeyword *keywords, int n, const char *word);

/*
 * How much of a word comes before a sign such as ≧, which is a letter to the scanner;
 * the sign is then in error as it is between spaces. Only UTF8 tells signs.
 */
extern int	LengthBeforeSign(const char *word, int length);

/* Where the token read last ends. */
extern int	LexerTokenEnd(yyscan_t scanner);

/* Raise 42601 at a token; problem may be NULL. */
pg_noreturn extern void LexerError(const Lexer *lexer, int location, int length, const char *problem);

/* What bison's error function does: 54001 when its stack is full, else 42601. */
pg_noreturn extern void LexerGrammarError(const Lexer *lexer, int location, yyscan_t scanner,
							  const char *message);

/* The 1-based position, in characters, of a byte offset. */
extern int	CharacterPosition(const char *text, int location);

/* A literal as error messages show it: whole when short, else its beginning. */
extern char *ShownLiteral(const char *text);

/* A number without superfluous zeros; an error when it is absurdly long. */
extern char *NormalizeNumber(const Lexer *lexer, const char *number, int location);

/* Append text between quotes, doubling those in it. */
extern void AppendQuoted(StringInfo out, const char *text, char quote);

/* Append a name, in double quotes where it would not be read as that name. */
extern void AppendName(StringInfo out, const char *name, bool is_keyword);

/* What is wrong with a regular expression, or NULL. */
extern char *RegexProblem(const char *pattern);

/* The name among candidates (a list of char *) nearest to a mistyped one, or NULL. */
extern const char *NearestName(const char *name, List *candidates);

#endif							/* LEADFLOW_LEXER_H */
