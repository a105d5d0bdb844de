/*
 * leadset_io.c
 *		Text, as in {1,2,5-9}, and arrays of bigint.
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "leadset_internal.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/scansup.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(leadset_in);
PG_FUNCTION_INFO_V1(leadset_out);
PG_FUNCTION_INFO_V1(leadset_from_array);
PG_FUNCTION_INFO_V1(leadset_to_array);

/* An error message quotes this much of a literal, in bytes. */
#define QUOTED_MAX			64

/* An array of as many ids is no longer than palloc allows. */
#define ARRAY_MAX_IDS		((int64) ((MaxAllocSize - ARR_OVERHEAD_NONULLS(1)) / sizeof(int64)))

typedef struct LeadsetParser
{
	const char *str;
	const char *p;
	struct Node *escontext;
} LeadsetParser;

static const char *
QuotedLiteral(const LeadsetParser *parser)
{
	int			len = strlen(parser->str);

	if (len <= QUOTED_MAX)
		return parser->str;
	return psprintf("%.*s...", pg_mbcliplen(parser->str, len, QUOTED_MAX), parser->str);
}

/* Raises a syntax error. The detail has one %d: at counted in characters. */
static bool
SyntaxError(const LeadsetParser *parser, const char *at, const char *detail)
{
	int			character = pg_mbstrlen_with_len(parser->str, at - parser->str) + 1;

	ereturn(parser->escontext, false,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", "leadset",
					QuotedLiteral(parser)),
			 errdetail(detail, character)));
}

static void
SkipSpace(LeadsetParser *parser)
{
	while (scanner_isspace(*parser->p))
		parser->p++;
}

/* Reads an id and the white space around it. */
static bool
ParseId(LeadsetParser *parser, int64 *id)
{
	const char *start;
	bool		out_of_range;

	SkipSpace(parser);
	start = parser->p;
	out_of_range = (*start == '-');
	if (out_of_range)
		parser->p++;
	if (!isdigit((unsigned char) *parser->p))
		return SyntaxError(parser, start, "An id was expected at character %d.");

	*id = 0;
	for (; isdigit((unsigned char) *parser->p); parser->p++)
	{
		int			digit = *parser->p - '0';

		if (*id > (PG_INT64_MAX - digit) / 10)
			out_of_range = true;
		else
			*id = *id * 10 + digit;
	}
	if (out_of_range)
		ereturn(parser->escontext, false,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("lead id %.*s is out of range",
						(int) Min(parser->p - start, QUOTED_MAX), start),
				 errdetail("A leadset holds ids from 0 to %lld.",
						   (long long) PG_INT64_MAX)));
	SkipSpace(parser);
	return true;
}

/* Reads an id or a range and adds it to the set. */
static bool
ParseRange(LeadsetParser *parser, ExpandedLeadset *set)
{
	const char *start;
	int64		first;
	int64		last;

	SkipSpace(parser);
	start = parser->p;
	if (!ParseId(parser, &first))
		return false;
	last = first;
	if (*parser->p == '-')
	{
		parser->p++;
		if (!ParseId(parser, &last))
			return false;
		if (last < first)
			return SyntaxError(parser, start, "The range at character %d ends before it begins.");
	}
	LeadsetAddRange(set, first, last);
	return true;
}

static bool
ParseLeadset(LeadsetParser *parser, ExpandedLeadset *set)
{
	SkipSpace(parser);
	if (*parser->p != '{')
		return SyntaxError(parser, parser->p, "An opening brace was expected at character %d.");
	parser->p++;

	SkipSpace(parser);
	if (*parser->p == '}')
		parser->p++;
	else
	{
		do
		{
			CHECK_FOR_INTERRUPTS();
			if (!ParseRange(parser, set))
				return false;
			if (*parser->p != ',' && *parser->p != '}')
				return SyntaxError(parser, parser->p, "A comma or a closing brace was expected at character %d.");
		} while (*parser->p++ == ',');
	}

	SkipSpace(parser);
	if (*parser->p != '\0')
		return SyntaxError(parser, parser->p, "The end was expected at character %d.");
	return true;
}

Datum
leadset_in(PG_FUNCTION_ARGS)
{
	LeadsetParser parser;
	ExpandedLeadset *set = LeadsetCreate(CurrentMemoryContext);
	Leadset    *flat;

	parser.str = parser.p = PG_GETARG_CSTRING(0);
	parser.escontext = fcinfo->context;
	if (!ParseLeadset(&parser, set))
		PG_RETURN_NULL();

	flat = DatumGetLeadset(LeadsetGetDatum(set));
	LeadsetDelete(set);
	PG_RETURN_POINTER(flat);
}

static void
AppendId(StringInfo buf, int64 id)
{
	char		digits[MAXINT8LEN + 1];

	appendBinaryStringInfo(buf, digits, pg_lltoa(id, digits));
}

Datum
leadset_out(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	LeadsetIterator it;
	int64		first;
	int64		last;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	LeadsetIterate(&it, PG_GETARG_LEADSET(0));
	while (LeadsetNextRange(&it, &first, &last))
	{
		CHECK_FOR_INTERRUPTS();

		/* Two ids and what goes around them must still find room. */
		if ((Size) buf.len + 2 * MAXINT8LEN + 4 >= MaxAllocSize)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("leadset is too large to be written as text"),
					 errdetail("Its text would take more than 1 GB."),
					 errhint("Read the ids with leadflow.unnest().")));

		if (buf.len > 1)
			appendStringInfoChar(&buf, ',');
		AppendId(&buf, first);
		if (last > first)
		{
			appendStringInfoChar(&buf, last - first == 1 ? ',' : '-');
			AppendId(&buf, last);
		}
	}
	appendStringInfoChar(&buf, '}');
	PG_RETURN_CSTRING(buf.data);
}

Datum
leadset_from_array(PG_FUNCTION_ARGS)
{
	ExpandedLeadset *set = LeadsetCreate(CurrentMemoryContext);
	Datum	   *ids;
	bool	   *nulls;
	int			nids;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &ids, &nulls, &nids);
	for (int i = 0; i < nids; i++)
	{
		if (!nulls[i])
			LeadsetAdd(set, DatumGetInt64(ids[i]));
	}
	return LeadsetGetDatum(set);
}

Datum
leadset_to_array(PG_FUNCTION_ARGS)
{
	Leadset    *set = PG_GETARG_LEADSET(0);
	int64		cardinality = LeadsetCardinality(set);
	Size		size;
	ArrayType  *array;
	int64	   *ids;
	LeadsetIterator it;

	if (cardinality == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(INT8OID));
	if (cardinality > ARRAY_MAX_IDS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("leadset is too large to be an array"),
				 errdetail("It has %lld ids, and an array can have %lld.",
						   (long long) cardinality, (long long) ARRAY_MAX_IDS),
				 errhint("Read the ids with leadflow.unnest().")));

	size = ARR_OVERHEAD_NONULLS(1) + cardinality * sizeof(int64);
	array = palloc0(size);
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = INT8OID;
	ARR_DIMS(array)[0] = cardinality;
	ARR_LBOUND(array)[0] = 1;

	ids = (int64 *) ((char *) array + ARR_OVERHEAD_NONULLS(1));
	LeadsetIterate(&it, set);
	while (LeadsetNext(&it, ids))
		ids++;
	PG_RETURN_ARRAYTYPE_P(array);
}
