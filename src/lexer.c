/*
 * lexer.c
 *		What the languages share beside their scanner: width folding, words and
 *		names, errors, and the writing of what can be read again.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "lexer.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

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
		case 0xFF1B:
			return ';';
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
FoldWidth(const char *text)
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

/*
 * The same for a language without quotes or names: there, letters and all other
 * signs can be nothing but their ASCII twins.
 */
char *
FoldWidthOfAll(const char *text)
{
	const unsigned char *from;
	char	   *folded;
	char	   *to;

	from = pg_do_encoding_conversion((unsigned char *) unconstify(char *, text), strlen(text),
									 GetDatabaseEncoding(), PG_UTF8);
	to = folded = palloc(strlen((const char *) from) + 1);
	while (*from)
	{
		int			width = pg_utf_mblen(from);
		pg_wchar	wide = utf8_to_unicode(from);

		if (wide >= 0xFF01 && wide <= 0xFF5E)
			*to++ = '!' + (wide - 0xFF01);
		else if (narrow_twin(wide) != 0)
			*to++ = narrow_twin(wide);
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

/* The 1-based position, in characters, of a byte offset. */
int
CharacterPosition(const char *text, int location)
{
	return pg_mbstrlen_with_len(text, location) + 1;
}

/* The beginning of a text of the given length, marked where something is cut off. */
static char *
shown(const char *text, int length)
{
	int			kept = pg_mbcharcliplen(text, length, SHOWN_CHARACTERS);

	return kept < length ? psprintf("%.*s...", kept, text) : pnstrdup(text, length);
}

char *
ShownLiteral(const char *text)
{
	return shown(text, strlen(text));
}

/* Signs that stand for an operator elsewhere. */
static const struct
{
	const char *sign;
	const char *meant;
} signs[] = {
	{"≧", ">="}, {"≥", ">="}, {"⩾", ">="}, {"≦", "<="}, {"≤", "<="}, {"⩽", "<="}, {"≠", "<>"},
	{"&", "and"}, {"|", "or"}
};

int
LengthBeforeSign(const char *word, int length)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		return length;
	for (int i = pg_utf_mblen((const unsigned char *) word); i < length;
		 i += pg_utf_mblen((const unsigned char *) word + i))
		for (size_t j = 0; j < lengthof(signs); j++)
			if (strncmp(word + i, signs[j].sign, strlen(signs[j].sign)) == 0)
				return i;
	return length;
}

/* Quotes, but for those of names, opening and closing. */
static const char *const quotes[] = {"\"\"", "“”", "””", "„“", "‘’", "’’", "「」", "『』", "＂＂", "＇＇", "``"};

/* What is within quotes that are not those of values, where a text begins with such. */
static char *
unquoted(const char *text)
{
	for (size_t i = 0; i < lengthof(quotes); i++)
	{
		int			length = pg_utf_mblen((const unsigned char *) quotes[i]);
		const char *end;

		if (strncmp(text, quotes[i], length) == 0 &&
			(end = strstr(text + length, quotes[i] + length)) != NULL)
			return pnstrdup(text + length, end - text - length);
	}
	return NULL;
}

/*
 * What was probably meant by a token that is none here, to be pasted; NULL if
 * nothing comes to mind. before is the last sign before it, text what begins with it.
 */
static char *
guess_meant(char before, const char *token, const char *text)
{
	char	   *value = unquoted(text);
	bool		compared = before != '\0' && strchr("=<>", before) != NULL;

	for (size_t i = 0; i < lengthof(signs); i++)
		if (strncmp(token, signs[i].sign, strlen(signs[i].sign)) == 0)
			return psprintf("Write %s.", signs[i].meant);
	if (before == '=' && strchr("=<>", token[0]) != NULL)
		return token[0] == '=' ? pstrdup("Write =.") : psprintf("Write %c=.", token[0]);
	if (value == NULL && compared && (isalpha((unsigned char) token[0]) || IS_HIGHBIT_SET(token[0])))
		value = unconstify(char *, token);
	if (value == NULL)
		return NULL;
	value = pg_any_to_server(value, strlen(value), PG_UTF8);
	return psprintf("A value is written in single quotes: %s.", quote_literal_cstr(ShownLiteral(value)));
}

static char *
token_hint(const Lexer *lexer, int location, int length)
{
	int			before = location;

	while (before > 0 && isspace((unsigned char) lexer->text[before - 1]))
		before--;
	return guess_meant(before > 0 ? lexer->text[before - 1] : '\0',
					   pg_server_to_any(pnstrdup(lexer->text + location, length), length, PG_UTF8),
					   pg_server_to_any(lexer->text + location, strlen(lexer->text + location),
										PG_UTF8));
}

void
LexerError(const Lexer *lexer, int location, int length, const char *problem)
{
	int			text_length = strlen(lexer->text);
	char	   *hint = NULL;

	location = Min(location, text_length);
	length = Min(length, text_length - location);
	if (location < text_length)
		length = Max(length, pg_mblen(lexer->text + location));
	if (problem == NULL && length > 0)
		hint = token_hint(lexer, location, length);

	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("invalid input syntax for %s: \"%s\"", lexer->what,
					ShownLiteral(lexer->given)),
			 location == text_length ?
			 errdetail("Unexpected end of input at character %d%s%s.",
					   CharacterPosition(lexer->text, location),
					   problem ? ": " : "", problem ? problem : "") :
			 errdetail("Syntax error at or near \"%s\" at character %d%s%s.",
					   shown(lexer->text + location, length),
					   CharacterPosition(lexer->text, location),
					   problem ? ": " : "", problem ? problem : ""),
			 hint ? errhint("%s", hint) : 0));
}

void
LexerGrammarError(const Lexer *lexer, int location, yyscan_t scanner, const char *message)
{
	if (strcmp(message, "memory exhausted") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("input for %s is nested too deeply", lexer->what),
				 errdetail("The limit was reached at character %d.",
						   CharacterPosition(lexer->text, location))));
	LexerError(lexer, location, LexerTokenEnd(scanner) - location, NULL);
}

char *
NormalizeNumber(const Lexer *lexer, const char *number, int location)
{
	int			length = strlen(number);

	if (length > MAX_NUMBER_DIGITS)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number \"%s\" is too long", shown(number, length)),
				 errdetail("The number at character %d has more than %d digits.",
						   CharacterPosition(lexer->text, location), MAX_NUMBER_DIGITS)));
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

int
FindKeyword(const LexerKeyword *keywords, int n, const char *word)
{
	int			low = 0;
	int			high = n - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			order = strcmp(word, keywords[middle].name);

		if (order == 0)
			return keywords[middle].token;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return 0;
}

void
AppendQuoted(StringInfo out, const char *text, char quote)
{
	appendStringInfoChar(out, quote);
	for (const char *c = text; *c; c++)
	{
		if (*c == quote)
			appendStringInfoChar(out, quote);
		appendStringInfoChar(out, *c);
	}
	appendStringInfoChar(out, quote);
}

/* Would the scanner read the bare name as a word, and as that one? */
static bool
is_word(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || *c == '_' || IS_HIGHBIT_SET(*c) ||
			  (*c >= '0' && *c <= '9' && c > name)))
			return false;
	return LengthBeforeSign(name, strlen(name)) == (int) strlen(name) &&
		strcmp(FoldWidth(name), name) == 0;
}

void
AppendName(StringInfo out, const char *name, bool is_keyword)
{
	if (!is_keyword && is_word(name))
		appendStringInfoString(out, name);
	else
		AppendQuoted(out, name, '"');
}

char *
RegexProblem(const char *pattern)
{
	int			length = strlen(pattern);
	pg_wchar   *wide = palloc((length + 1) * sizeof(pg_wchar));
	int			wide_length = pg_mb2wchar_with_len(pattern, wide, length);
	regex_t		compiled;
	char		problem[256];
	int			result;

	result = pg_regcomp(&compiled, wide, wide_length, REG_ADVANCED, DEFAULT_COLLATION_OID);
	pfree(wide);
	if (result == REG_OKAY)
	{
		pg_regfree(&compiled);
		return NULL;
	}

	/* a cancel ends the compilation too; it is no fault of the pattern */
	CHECK_FOR_INTERRUPTS();
	pg_regerror(result, &compiled, problem, sizeof(problem));
	return pstrdup(problem);
}

const char *
NearestName(const char *name, List *candidates)
{
	/* the longest name varstr_levenshtein() takes */
	const int	longest = 255;
	int			length = strlen(name);
	int			best_distance = pg_mbstrlen(name) / 2 + 1;
	const char *best = NULL;
	ListCell   *lc;

	if (length > longest)
		return NULL;
	foreach(lc, candidates)
	{
		const char *candidate = lfirst(lc);
		int			distance;

		if (strlen(candidate) > (size_t) longest)
			continue;
		/* a name cut short is nearer than its length tells */
		if (pg_mbstrlen(name) > 1 && strstr(candidate, name) != NULL)
			return candidate;
		distance = varstr_levenshtein_less_equal(name, length, candidate, strlen(candidate),
												 1, 1, 1, best_distance, true);
		if (distance < best_distance)
		{
			best_distance = distance;
			best = candidate;
		}
	}
	return best;
}
