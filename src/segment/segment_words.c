/*
 * segment_words.c
 *		The keywords of the segment language, and its scanner: the common one,
 *		with words that are keywords turned into them.
 */
#include "postgres.h"

#include "segment/segment_parse.h"
#include "segment/segment_gram.h"

/* Sorted by name. */
static const LexerKeyword keywords[] = {
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

int
SegmentKeyword(const char *word)
{
	return FindKeyword(keywords, lengthof(keywords), word);
}

int
segment_yylex(SEGMENT_YYSTYPE *value, int *location, yyscan_t scanner)
{
	int			token = lexer_yylex(&value->str, location, scanner);
	int			keyword = token == LEXER_WORD ? SegmentKeyword(value->str) : 0;

	return keyword ? keyword : token;
}
