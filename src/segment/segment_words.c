/*
 * segment_words.c
 *		The keywords of the segment language, and its scanner: the common one,
 *		with words that are keywords turned into them.
 */
#include "postgres.h"

#include "segment/segment_parse.h"
#include "segment/segment_gram.h"

/* Sorted by name. */
static const struct
{
	const char *name;
	int			token;
}			keywords[] =
{
	{"after", AFTER},
	{"ago", AGO},
	{"and", AND},
	{"at", AT},
	{"avg", AVG},
	{"before", BEFORE},
	{"between", BETWEEN},
	{"contains", CONTAINS},
	{"count", COUNT},
	{"day", DAY},
	{"days", DAYS},
	{"distinct", DISTINCT},
	{"empty", EMPTY},
	{"ends", ENDS},
	{"everyone", EVERYONE},
	{"false", FALSE_P},
	{"first", FIRST},
	{"hour", HOUR},
	{"hours", HOURS},
	{"in", IN_P},
	{"is", IS},
	{"last", LAST},
	{"least", LEAST},
	{"less", LESS},
	{"like", LIKE},
	{"matches", MATCHES},
	{"max", MAX},
	{"min", MIN},
	{"minute", MINUTE},
	{"minutes", MINUTES},
	{"month", MONTH},
	{"months", MONTHS},
	{"more", MORE},
	{"most", MOST},
	{"next", NEXT},
	{"no", NO},
	{"not", NOT},
	{"null", NULL_P},
	{"one", ONE},
	{"or", OR},
	{"quarter", QUARTER},
	{"starts", STARTS},
	{"sum", SUM},
	{"than", THAN},
	{"the", THE},
	{"this", THIS},
	{"today", TODAY},
	{"tomorrow", TOMORROW},
	{"true", TRUE_P},
	{"week", WEEK},
	{"weeks", WEEKS},
	{"where", WHERE},
	{"with", WITH},
	{"within", WITHIN},
	{"year", YEAR},
	{"years", YEARS},
	{"yesterday", YESTERDAY},
};

/* The token of a word that is a keyword somewhere in the language, or 0. */
int
SegmentKeyword(const char *word)
{
	int			low = 0;
	int			high = (int) lengthof(keywords) - 1;

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


int
segment_yylex(SEGMENT_YYSTYPE *value, int *location, yyscan_t scanner)
{
	int			token = lexer_yylex(&value->str, location, scanner);
	int			keyword = token == LEXER_WORD ? SegmentKeyword(value->str) : 0;

	return keyword ? keyword : token;
}
