/*
 * cadence.c
 *		Input, output and equality of the type cadence; see cadence.h for what
 *		the text may be.
 */
#include "postgres.h"

#include "compat.h"
#include "cadence/cadence.h"
#include "canonical.h"
#include "lexer.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "parser/scansup.h"
#include "utils/datetime.h"

/* how much of a faulty text an error message repeats, in bytes */
#define QUOTED_LENGTH	64

typedef struct CadenceParser
{
	const char *text;
	const char *next;			/* what is still to be read */
	const char *example;		/* of what the text seems to be meant for */
	Node	   *escontext;		/* where errors go if they are not to be raised */
} CadenceParser;

static const char *const weekday_names[DAYS_PER_WEEK] = {
	"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
};

PG_FUNCTION_INFO_V1(cadence_in);
PG_FUNCTION_INFO_V1(cadence_out);
PG_FUNCTION_INFO_V1(cadence_recv);
PG_FUNCTION_INFO_V1(cadence_send);
PG_FUNCTION_INFO_V1(cadence_eq);
PG_FUNCTION_INFO_V1(cadence_ne);

/* ---- errors ------------------------------------------------------------- */

/* Where a piece of the text stands, in words. */
static char *
Place(CadenceParser *parser, const char *piece)
{
	if (*piece == '\0')
		return pstrdup("at the end of the text");
	return psprintf("at character %d",
					pg_mbstrlen_with_len(parser->text, piece - parser->text) + 1);
}

/* The text as an error message repeats it. */
static char *
Quoted(CadenceParser *parser)
{
	int			length = strlen(parser->text);
	int			quoted = pg_mbcliplen(parser->text, length, QUOTED_LENGTH);

	return psprintf("%.*s%s", quoted, parser->text, quoted < length ? "..." : "");
}

/* Both return false, for a caller to hand on. */
static bool
SyntaxError(CadenceParser *parser, const char *expected)
{
	errsave(parser->escontext,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", "cadence",
					Quoted(parser)),
			 errdetail("Expected %s %s.", expected, Place(parser, parser->next)),
			 errhint("For example: %s", parser->example)));
	return false;
}

static bool
RangeError(CadenceParser *parser, const char *number, const char *what,
		   int min, int max)
{
	errsave(parser->escontext,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("value out of range for type %s: \"%s\"", "cadence",
					Quoted(parser)),
			 errdetail("The %s %s must be between %d and %d.",
					   what, Place(parser, number), min, max),
			 errhint("For example: %s", parser->example)));
	return false;
}

/* ---- reading the text ---------------------------------------------------- */

static bool
IsDigit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
IsLetter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IS_HIGHBIT_SET(c);
}

static void
SkipSpace(CadenceParser *parser)
{
	while (scanner_isspace(*parser->next))
		parser->next++;
}

/* Reads a word if it comes next; of a longer word, no part does. */
static bool
AcceptWord(CadenceParser *parser, const char *word, size_t length)
{
	SkipSpace(parser);
	if (pg_strncasecmp(parser->next, word, length) != 0 ||
		IsLetter(parser->next[length]))
		return false;
	parser->next += length;
	return true;
}

static bool
Accept(CadenceParser *parser, const char *word)
{
	return AcceptWord(parser, word, strlen(word));
}

static bool
Expect(CadenceParser *parser, const char *word)
{
	return Accept(parser, word) ||
		SyntaxError(parser, psprintf("\"%s\"", word));
}

/* The sign before the next number of a time or a date, where no space may be. */
static bool
ExpectSign(CadenceParser *parser, char sign, const char *number)
{
	if (*parser->next != sign)
		return SyntaxError(parser, psprintf("\"%c\" and the %s", sign, number));
	parser->next++;
	return true;
}

/* A number from min to max, of exactly this many digits unless that is 0. */
static bool
ParseNumber(CadenceParser *parser, const char *what, int digits,
			int min, int max, int *result)
{
	const char *number = parser->next;

	for (*result = 0; IsDigit(*parser->next); parser->next++)
		*result = Min(*result * 10 + (*parser->next - '0'), max + 1);

	if (parser->next == number ||
		(digits > 0 && parser->next - number != digits))
	{
		parser->next = number;
		return SyntaxError(parser, digits == 0 ? psprintf("the %s", what) :
						   psprintf("the %s in %d digits", what, digits));
	}
	if (*result < min || *result > max)
		return RangeError(parser, number, what, min, max);
	return true;
}

static bool
ParseWeekday(CadenceParser *parser, int16 *weekdays)
{
	for (int i = 0; i < DAYS_PER_WEEK; i++)
	{
		if (Accept(parser, weekday_names[i]) ||
			AcceptWord(parser, weekday_names[i], 3))
		{
			*weekdays |= 1 << i;
			return true;
		}
	}
	return SyntaxError(parser, "a weekday");
}

static bool
ParseWeekdays(CadenceParser *parser, int16 *weekdays)
{
	for (;;)
	{
		if (!ParseWeekday(parser, weekdays))
			return false;
		SkipSpace(parser);
		if (*parser->next != ',')
			return true;
		parser->next++;
	}
}

static bool
ParseTime(CadenceParser *parser, int16 *minute_of_day)
{
	int			hour;
	int			minute;

	SkipSpace(parser);
	if (!ParseNumber(parser, "hour", 0, 0, 23, &hour) ||
		!ExpectSign(parser, ':', "minute") ||
		!ParseNumber(parser, "minute", 2, 0, 59, &minute))
		return false;
	*minute_of_day = hour * MINS_PER_HOUR + minute;
	return true;
}

static bool
ParseDate(CadenceParser *parser, DateADT *date)
{
	int			year;
	int			month;
	int			day;

	SkipSpace(parser);
	if (!ParseNumber(parser, "year", 4, 1, 9999, &year) ||
		!ExpectSign(parser, '-', "month") ||
		!ParseNumber(parser, "month", 2, 1, 12, &month) ||
		!ExpectSign(parser, '-', "day") ||
		!ParseNumber(parser, "day", 2, 1, day_tab[isleap(year)][month - 1], &day))
		return false;
	*date = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	return true;
}

/* What follows "every". */
static bool
ParseEvery(CadenceParser *parser, Cadence *cadence)
{
	SkipSpace(parser);
	if (IsDigit(*parser->next))
	{
		int			every;

		if (!ParseNumber(parser, "number of periods", 0,
						 1, CADENCE_MAX_EVERY, &every))
			return false;
		cadence->every = every;
	}

	if (Accept(parser, "days") || Accept(parser, "day"))
		cadence->unit = CADENCE_DAY;
	else if (Accept(parser, "weeks") || Accept(parser, "week"))
		cadence->unit = CADENCE_WEEK;
	else if (Accept(parser, "months") || Accept(parser, "month"))
		cadence->unit = CADENCE_MONTH;
	else
		return SyntaxError(parser, "\"days\", \"weeks\" or \"months\"");
	return true;
}

static bool
ParsePeriod(CadenceParser *parser, Cadence *cadence)
{
	parser->example = "weekly on monday at 07:00";

	if (Accept(parser, "continuous"))
		cadence->unit = CADENCE_MINUTE;
	else if (Accept(parser, "hourly"))
		cadence->unit = CADENCE_HOUR;
	else if (Accept(parser, "daily"))
		cadence->unit = CADENCE_DAY;
	else if (Accept(parser, "weekly"))
		cadence->unit = CADENCE_WEEK;
	else if (Accept(parser, "monthly"))
		cadence->unit = CADENCE_MONTH;
	else if (Accept(parser, "every"))
	{
		parser->example = "every 2 weeks on monday at 07:00";
		return ParseEvery(parser, cadence);
	}
	else
		return SyntaxError(parser, "\"continuous\", \"hourly\", \"daily\", \"weekly\", \"monthly\" or \"every\"");
	return true;
}

/* The days on which the period comes, and the time of day. */
static bool
ParseDays(CadenceParser *parser, Cadence *cadence)
{
	int			day;

	switch ((CadenceUnit) cadence->unit)
	{
		case CADENCE_MINUTE:
			parser->example = "continuous from 2026-11-23";
			return true;
		case CADENCE_HOUR:
			parser->example = "hourly from 2026-11-23";
			return true;
		case CADENCE_DAY:
			parser->example = "daily at 08:00";
			break;
		case CADENCE_WEEK:
			parser->example = "weekly on monday, thursday at 07:00";
			if (!Expect(parser, "on") || !ParseWeekdays(parser, &cadence->days))
				return false;
			break;
		case CADENCE_MONTH:
			parser->example = "monthly on day 1 at 06:00";
			if (!Expect(parser, "on") || !Expect(parser, "day"))
				return false;
			SkipSpace(parser);
			if (!ParseNumber(parser, "day", 0, 1, 31, &day))
				return false;
			cadence->days = day;
			break;
	}
	return Expect(parser, "at") && ParseTime(parser, &cadence->minute);
}

/* False if an error was saved in escontext. */
static bool
ParseCadence(const char *str, Cadence *cadence, Node *escontext)
{
	CadenceParser parser = {.escontext = escontext};

	parser.text = parser.next = FoldWidthOfAll(str);
	memset(cadence, 0, sizeof(Cadence));
	cadence->from = DATEVAL_NOBEGIN;
	cadence->every = 1;

	if (!ParsePeriod(&parser, cadence) || !ParseDays(&parser, cadence))
		return false;
	if (Accept(&parser, "from"))
	{
		parser.example = "daily at 08:00 from 2026-11-23";
		if (!ParseDate(&parser, &cadence->from))
			return false;
	}

	SkipSpace(&parser);
	if (*parser.next == '\0')
		return true;
	return SyntaxError(&parser, cadence->from == DATEVAL_NOBEGIN ?
					   "\"from\" or the end" : "the end");
}

/* ---- writing it ---------------------------------------------------------- */

/* "daily", or "every 3 days" */
static void
AppendPeriod(StringInfo buf, const Cadence *cadence, const char *single,
			 const char *plural)
{
	if (cadence->every == 1)
		appendStringInfoString(buf, single);
	else
		appendStringInfo(buf, "every %d %s", cadence->every, plural);
}

static void
AppendCadence(StringInfo buf, const Cadence *cadence)
{
	const char *separator = " on ";

	switch ((CadenceUnit) cadence->unit)
	{
		case CADENCE_MINUTE:
			appendStringInfoString(buf, "continuous");
			break;
		case CADENCE_HOUR:
			appendStringInfoString(buf, "hourly");
			break;
		case CADENCE_DAY:
			AppendPeriod(buf, cadence, "daily", "days");
			break;
		case CADENCE_WEEK:
			AppendPeriod(buf, cadence, "weekly", "weeks");
			for (int i = 0; i < DAYS_PER_WEEK; i++)
			{
				if ((cadence->days & (1 << i)) == 0)
					continue;
				appendStringInfo(buf, "%s%s", separator, weekday_names[i]);
				separator = ", ";
			}
			break;
		case CADENCE_MONTH:
			AppendPeriod(buf, cadence, "monthly", "months");
			appendStringInfo(buf, " on day %d", cadence->days);
			break;
	}

	if (cadence->unit != CADENCE_HOUR && cadence->unit != CADENCE_MINUTE)
		appendStringInfo(buf, " at %02d:%02d",
						 cadence->minute / MINS_PER_HOUR,
						 cadence->minute % MINS_PER_HOUR);

	if (cadence->from != DATEVAL_NOBEGIN)
	{
		int			year;
		int			month;
		int			day;

		j2date(cadence->from + POSTGRES_EPOCH_JDATE, &year, &month, &day);
		appendStringInfo(buf, " from %04d-%02d-%02d", year, month, day);
	}
}

/* ---- the functions of the type ------------------------------------------- */

Datum
cadence_in(PG_FUNCTION_ARGS)
{
	Cadence    *cadence = palloc(sizeof(Cadence));

	if (!ParseCadence(PG_GETARG_CSTRING(0), cadence, fcinfo->context))
		PG_RETURN_NULL();
	PG_RETURN_CADENCE_P(cadence);
}

Datum
cadence_out(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	initStringInfo(&buf);
	AppendCadence(&buf, PG_GETARG_CADENCE_P(0));
	PG_RETURN_CSTRING(buf.data);
}

/* The binary form is the text after a version: one parser checks both. */
Datum
cadence_recv(PG_FUNCTION_ARGS)
{
	char	   *text = CanonicalReceive((StringInfo) PG_GETARG_POINTER(0), "cadence");
	Cadence    *cadence = palloc(sizeof(Cadence));

	ParseCadence(text, cadence, NULL);
	PG_RETURN_CADENCE_P(cadence);
}

Datum
cadence_send(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	StringInfoData canonical;

	initStringInfo(&canonical);
	AppendCadence(&canonical, PG_GETARG_CADENCE_P(0));

	pq_begintypsend(&buf);
	pq_sendbyte(&buf, CANONICAL_VERSION);
	pq_sendtext(&buf, canonical.data, canonical.len);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
cadence_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(memcmp(PG_GETARG_CADENCE_P(0), PG_GETARG_CADENCE_P(1),
						  sizeof(Cadence)) == 0);
}

Datum
cadence_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(memcmp(PG_GETARG_CADENCE_P(0), PG_GETARG_CADENCE_P(1),
						  sizeof(Cadence)) != 0);
}
