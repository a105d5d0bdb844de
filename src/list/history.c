/*
 * history.c
 *		Which list a name means, and who was on it, at any time.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/question.h"
#include "funcapi.h"
#include "list/list.h"
#include "utils/builtins.h"
#include "utils/datum.h"

PG_FUNCTION_INFO_V1(list_id);
PG_FUNCTION_INFO_V1(members);
PG_FUNCTION_INFO_V1(member_diff);

/* What a call was asked last: in a WHERE it is asked the same for each row. */
typedef struct ListAsked
{
	Asker		asker;
	text	   *name;			/* NULL where it was asked by id */
	int64		list_id;
} ListAsked;

static bool
is_asked_again(const ListAsked *asked, FunctionCallInfo fcinfo)
{
	if (asked == NULL || PG_ARGISNULL(0) || !AsksAgain(&asked->asker))
		return false;
	return asked->name == NULL ? asked->list_id == PG_GETARG_INT64(0) :
		datum_image_eq(PointerGetDatum(asked->name), PG_GETARG_DATUM(0), false, -1);
}

Datum
list_id(PG_FUNCTION_ARGS)
{
	bool		of_query = IsOfQuery(fcinfo->flinfo);
	ListAsked  *asked = fcinfo->flinfo->fn_extra;
	SpiFrame	frame;
	int64		list_id;

	if (of_query && is_asked_again(asked, fcinfo))
		PG_RETURN_INT64(asked->list_id);

	frame = EnterSpi(false);
	list_id = FindList(fcinfo, 0)->list_id;
	LeaveSpi(frame);
	if (!of_query)
		PG_RETURN_INT64(list_id);

	if (asked == NULL)
		fcinfo->flinfo->fn_extra = asked =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ListAsked));
	else if (asked->name != NULL)
		pfree(asked->name);
	asked->name = NULL;
	if (ArgumentType(fcinfo, 0) == TEXTOID)
	{
		MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		asked->name = PG_GETARG_TEXT_P_COPY(0);
		MemoryContextSwitchTo(caller);
	}
	asked->asker = ThisAsker();
	asked->list_id = list_id;
	PG_RETURN_INT64(list_id);
}

static TimestampTz
time_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the time must not be null"),
				 errhint("Leave it out to ask about now.")));
	return PG_GETARG_TIMESTAMPTZ(argument);
}

/* Return the rows of a query about a list, at one or two times. */
static Datum
return_rows(FunctionCallInfo fcinfo, int times, const char *sql)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiFrame	frame;
	SpiArgs		args = {0};

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(false);
	AddBigintArg(&args, FindList(fcinfo, 0)->list_id);
	for (int i = 1; i <= times; i++)
		AddTimeArg(&args, time_argument(fcinfo, i));
	SpiRead(sql, &args);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	LeaveSpi(frame);
	return (Datum) 0;
}

/* The same as list('...') means in a segment. */
#define MEMBER_AT(time)	"m.list_id = $1 AND m.entered_at <= " time \
						" AND (m.left_at IS NULL OR m.left_at > " time ")"

/* With the rep of that time, by the log; the present one where the log says nothing. */
Datum
members(PG_FUNCTION_ARGS)
{
	return return_rows(fcinfo, 1,
					   "SELECT m.lead_id, m.member_id, r.name, m.entered_at, m.left_at"
					   " FROM leadflow.member AS m"
					   " LEFT JOIN LATERAL (SELECT true AS known, a.to_rep_id FROM leadflow.assignment AS a"
					   "  WHERE a.lead_id = m.lead_id AND a.member_id = m.member_id"
					   "  AND a.assigned_at <= $2 ORDER BY a.assignment_id DESC LIMIT 1) AS b ON true"
					   " LEFT JOIN LATERAL (SELECT true AS known, a.from_rep_id FROM leadflow.assignment AS a"
					   "  WHERE a.lead_id = m.lead_id AND a.member_id = m.member_id"
					   "  AND a.assigned_at > $2 ORDER BY a.assignment_id LIMIT 1) AS c ON true"
					   " LEFT JOIN leadflow.rep AS r ON r.rep_id = CASE WHEN b.known THEN b.to_rep_id"
					   "  WHEN c.known THEN c.from_rep_id ELSE m.rep_id END"
					   " WHERE " MEMBER_AT("$2") " ORDER BY m.lead_id");
}

Datum
member_diff(PG_FUNCTION_ARGS)
{
	return return_rows(fcinfo, 2,
					   "SELECT m.lead_id, 'entered', m.entered_at, m.entered_by, m.entered_reason"
					   " FROM leadflow.member AS m WHERE " MEMBER_AT("$3")
					   " AND NOT EXISTS (SELECT FROM leadflow.member AS o WHERE o.lead_id = m.lead_id"
					   "  AND o.list_id = $1 AND o.entered_at <= $2"
					   "  AND (o.left_at IS NULL OR o.left_at > $2))"
					   " UNION ALL"
					   " SELECT m.lead_id, 'left', m.left_at, m.left_by, m.left_reason"
					   " FROM leadflow.member AS m WHERE " MEMBER_AT("$2")
					   " AND NOT EXISTS (SELECT FROM leadflow.member AS o WHERE o.lead_id = m.lead_id"
					   "  AND o.list_id = $1 AND o.entered_at <= $3"
					   "  AND (o.left_at IS NULL OR o.left_at > $3))"
					   " ORDER BY 1, 3");
}
