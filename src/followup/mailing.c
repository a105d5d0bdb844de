/*
 * mailing.c
 *		Mails to many leads: who gets one, who does not and why, and what it says.
 *
 * One statement judges, writes and queues them all. Who asked not to be mailed
 * is asked for by address: leads that share one share the wish.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "followup/template.h"
#include "funcapi.h"
#include "lead/lead.h"
#include "lexer.h"
#include "list/list.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(queue_mail);
PG_FUNCTION_INFO_V1(preview_mail);
PG_FUNCTION_INFO_V1(test_mail);

/*
 * Each of some leads with its mail and, as outcome, why it does not get it; $1
 * says which leads, $2 is the zone, $3 the list they are members of, or null,
 * and $4 the present. A list's holds count for it; else those of every list.
 */
#define JUDGED_MAILS \
	"WITH judged AS MATERIALIZED (SELECT l.lead_id, leadflow.mail_address(l.email) AS address," \
	"  CASE WHEN l.deleted_at IS NOT NULL OR l.merged_into IS NOT NULL THEN 'gone'" \
	"   WHEN l.do_not_contact THEN 'do_not_contact'" \
	"   WHEN l.email_opt_out THEN 'opted_out'" \
	"   WHEN EXISTS (SELECT FROM leadflow.hold AS h WHERE h.lead_id = l.lead_id" \
	"    AND ($3 IS NULL OR h.list_id = $3) AND (h.until IS NULL OR h.until > $4)) THEN 'held'" \
	"   WHEN leadflow.mail_address(l.email) IS NULL THEN 'no_address'" \
	"   WHEN EXISTS (SELECT FROM leadflow.lead AS o WHERE (o.email_opt_out OR o.do_not_contact)" \
	"    AND leadflow.mail_address(o.email) = leadflow.mail_address(l.email))" \
	"   THEN 'opted_out' END AS refused" \
	"  FROM %s AS u (lead_id) JOIN leadflow.lead AS l USING (lead_id))," \
	" written AS (SELECT j.lead_id, j.address, j.refused, r.email AS reply_to," \
	"  %s AS subject, %s AS body, %s AS missing" \
	"  FROM judged AS j JOIN leadflow.lead AS l USING (lead_id)" \
	"  LEFT JOIN leadflow.list AS t ON t.list_id = $3" \
	"  LEFT JOIN leadflow.member AS m ON m.lead_id = l.lead_id AND m.list_id = $3 AND m.left_at IS NULL" \
	"  LEFT JOIN leadflow.rep AS r ON r.rep_id = coalesce(m.rep_id, l.rep_id))," \
	" mails AS (SELECT w.*, CASE WHEN w.refused IS NOT NULL THEN w.refused" \
	"   WHEN cardinality(w.missing) > 0 THEN 'incomplete'" \
	"   WHEN row_number() OVER (PARTITION BY w.address, w.refused IS NULL AND cardinality(w.missing) = 0" \
	"    ORDER BY w.lead_id) > 1 THEN 'duplicate' END AS outcome" \
	"  FROM written AS w)"

static char *
judged_mails(const char *leads, const TemplateSql *text)
{
	return psprintf(JUDGED_MAILS, leads, text->subject, text->body, text->missing);
}

static char *
required_text(FunctionCallInfo fcinfo, int argument, const char *what)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the %s must not be null", what)));
	return TextArgument(fcinfo, argument);
}

/* ---- to many -------------------------------------------------------------------------- */

/* queue_mail() is declared for a list, by name or id, and for leads as a set or segment. */
typedef struct Mailing
{
	LeadList   *list;			/* or NULL */
	Datum		leads;
	char	   *zone;
	TimestampTz now;
	List	   *results;		/* of HeapTuple */
	MemoryContext context;		/* of the results */
} Mailing;

/* The members of the list, or those of them that a segment names. */
static Datum
list_members(FunctionCallInfo fcinfo, const Mailing *mailing)
{
	SpiArgs		args = {0};
	bool		isnull;

	AddBigintArg(&args, mailing->list->list_id);
	if (PG_ARGISNULL(2))
		AddNullArg(&args, LeadflowType("leadset"));
	else
		AddArg(&args, LeadflowType("leadset"),
			   LeadsArgument(fcinfo, 2, mailing->now, mailing->zone));
	SpiRun("SELECT leadflow.leadset_agg(m.lead_id) FROM leadflow.member AS m"
		   " WHERE m.list_id = $1 AND m.left_at IS NULL"
		   " AND ($2 IS NULL OR leadflow.contains($2, m.lead_id))", &args);
	return SpiDatum(1, 1, &isnull);
}

static void
find_audience(FunctionCallInfo fcinfo, Mailing *mailing)
{
	Oid			type = ArgumentType(fcinfo, 0);

	mailing->now = GetCurrentTransactionStartTimestamp();
	if (type == TEXTOID || type == INT8OID)
	{
		mailing->list = LockList(fcinfo, 0);
		mailing->zone = mailing->list->zone;
		mailing->leads = list_members(fcinfo, mailing);
		return;
	}
	mailing->zone = ResolveZone(NULL);
	mailing->leads = LeadsArgument(fcinfo, 0, mailing->now, mailing->zone);
}

static void
add_list_arg(SpiArgs *args, const LeadList *list)
{
	if (list == NULL)
		AddNullArg(args, INT8OID);
	else
		AddBigintArg(args, list->list_id);
}

/* Note that there is a mailing; returns its id. */
static int64
begin_mailing(const Mailing *mailing, const char *name, const char *template, TimestampTz send_at)
{
	SpiArgs		args = {0};

	if (name != NULL && (name[0] == '\0' || pg_mbstrlen(name) > 200))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a mailing must have 1 to 200 characters")));
	AddTextArg(&args, name);
	AddTextArg(&args, template);
	add_list_arg(&args, mailing->list);
	AddTimeArg(&args, send_at);
	SpiRun("INSERT INTO leadflow.mailing AS m (name, template, list_id, send_at)"
		   " VALUES ($1, $2, $3, $4) RETURNING m.mailing_id", &args);
	return SpiBigint(1, 1);
}

static void
queue_body(FunctionCallInfo fcinfo, void *state)
{
	Mailing    *mailing = state;
	int			name_argument = ArgumentType(fcinfo, 0) == TEXTOID ||
		ArgumentType(fcinfo, 0) == INT8OID ? 3 : 2;
	Template   *template = LoadTemplate(required_text(fcinfo, 1, "template"), "lead");
	TemplateSql text = CompileTemplate(template);
	char	   *name = TextArgument(fcinfo, name_argument);
	MemoryContext work = CurrentMemoryContext;
	SpiArgs		args = {0};
	TimestampTz send_at;
	int64		mailing_id;
	uint64		rows;

	find_audience(fcinfo, mailing);
	send_at = PG_ARGISNULL(name_argument + 1) ? mailing->now :
		PG_GETARG_TIMESTAMPTZ(name_argument + 1);
	mailing_id = begin_mailing(mailing, name, template->name, send_at);

	AddArg(&args, LeadflowType("leadset"), mailing->leads);
	AddTextArg(&args, mailing->zone);
	add_list_arg(&args, mailing->list);
	AddTimeArg(&args, mailing->now);
	AddBigintArg(&args, mailing_id);
	AddTextArg(&args, template->name);
	AddTextArg(&args, name ? psprintf("mailing %s", name) :
			   psprintf("mail " INT64_FORMAT, mailing_id));
	AddTimeArg(&args, send_at);
	AddTextArg(&args, template->channel);
	AddTextArg(&args, template->format);
	rows = SpiRun(psprintf("%s, queued AS (INSERT INTO leadflow.notification AS n"
						   "   (kind, channel, address, lead_id, list_id, subject, body, payload, dedup_key, due_at)"
						   "  SELECT 'mail', $9, address, lead_id, $3, subject, body,"
						   "   jsonb_build_object('mailing_id', $5, 'template', $6, 'format', $10, 'reply_to', reply_to),"
						   "   concat_ws(':', $7, address), $8"
						   "  FROM mails WHERE outcome IS NULL ORDER BY address"
						   "  ON CONFLICT (dedup_key) DO NOTHING RETURNING n.notification_id, n.lead_id),"
						   " result AS (SELECT s.lead_id, coalesce(s.outcome,"
						   "   CASE WHEN q.lead_id IS NULL THEN 'already' ELSE 'queued' END) AS outcome, s.missing"
						   "  FROM mails AS s LEFT JOIN queued AS q USING (lead_id))"
						   " INSERT INTO leadflow.mailing_result AS r (mailing_id, outcome, count, lead_ids, missing)"
						   " SELECT $5, j.outcome, count(*), leadflow.leadset_agg(j.lead_id),"
						   "  CASE WHEN j.outcome = 'incomplete' THEN (SELECT array_agg(DISTINCT f.name ORDER BY f.name)"
						   "   FROM result AS o, unnest(o.missing) AS f (name) WHERE o.outcome = 'incomplete') END"
						   " FROM result AS j GROUP BY j.outcome ORDER BY j.outcome <> 'queued', j.outcome"
						   " RETURNING r.outcome, r.count, r.lead_ids, r.missing, r.mailing_id",
						   judged_mails("leadflow.unnest($1)", &text)), &args);

	MemoryContextSwitchTo(mailing->context);
	for (uint64 row = 0; row < rows; row++)
		mailing->results = lappend(mailing->results,
								   heap_copytuple(SPI_tuptable->vals[row]));
	MemoryContextSwitchTo(work);
}

Datum
queue_mail(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			last = PG_NARGS() - 1;
	bool		dry_run = !PG_ARGISNULL(last) && PG_GETARG_BOOL(last);
	Mailing		mailing = {0};
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	mailing.context = CurrentMemoryContext;
	RunVerb(queue_body, dry_run, fcinfo, &mailing);
	foreach(lc, mailing.results)
	{
		Datum		values[5];
		bool		nulls[5];

		heap_deform_tuple(lfirst(lc), result->setDesc, values, nulls);
		nulls[4] |= dry_run;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- to one ----------------------------------------------------------------------------- */

/* Write the mail of a template to a lead: address, subject, body, outcome, missing. */
static void
write_mail(FunctionCallInfo fcinfo, const char *template_name, int lead_argument,
		   int list_argument)
{
	TemplateSql text = CompileTemplate(LoadTemplate(template_name, "lead"));
	LeadList   *list = PG_ARGISNULL(list_argument) ? NULL : FindList(fcinfo, list_argument);
	SpiArgs		args = {0};

	if (PG_ARGISNULL(lead_argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the lead must not be null")));
	AddBigintArg(&args, PG_GETARG_INT64(lead_argument));
	AddTextArg(&args, list ? list->zone : ResolveZone(NULL));
	add_list_arg(&args, list);
	AddTimeArg(&args, GetCurrentTransactionStartTimestamp());
	if (SpiRead(psprintf("%s SELECT address, subject, body, coalesce(outcome, 'queued'),"
						 " nullif(missing, '{}') FROM mails",
						 judged_mails("(SELECT $1)", &text)), &args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("lead " INT64_FORMAT " does not exist", PG_GETARG_INT64(lead_argument))));
}

Datum
preview_mail(PG_FUNCTION_ARGS)
{
	char	   *template = required_text(fcinfo, 0, "template");
	SpiFrame	frame;
	TupleDesc	descriptor;
	Datum		values[5];
	bool		nulls[5];
	Datum		result;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "preview_mail must return a row");
	BlessTupleDesc(descriptor);
	frame = EnterSpi(false);
	write_mail(fcinfo, template, 1, 2);
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	MemoryContextSwitchTo(frame.caller);
	result = HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
	LeaveSpi(frame);
	PG_RETURN_DATUM(result);
}

/* As the lead would get it, but to somebody else, and marked. */
Datum
test_mail(PG_FUNCTION_ARGS)
{
	char	   *template = required_text(fcinfo, 0, "template");
	char	   *address = required_text(fcinfo, 2, "address");
	SpiFrame	frame = EnterSpi(false);
	SpiArgs		args = {0};
	int64		notification_id;

	write_mail(fcinfo, template, 1, 3);
	if (SpiText(1, 5) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lead " INT64_FORMAT " has no value for some of the fields of template \"%s\"",
						PG_GETARG_INT64(1), template),
				 errdetail("Without a value: %s.", SpiText(1, 5)),
				 errhint("Take another lead, or give the fields a default: {{lead.last_name|...}}.")));
	AddTextArg(&args, address);
	AddTextArg(&args, psprintf("[テスト] %s", SpiText(1, 2)));
	AddTextArg(&args, SpiText(1, 3));
	AddTextArg(&args, template);
	AddBigintArg(&args, PG_GETARG_INT64(1));
	if (SpiRun("INSERT INTO leadflow.notification AS n"
			   " (kind, channel, address, lead_id, subject, body, payload)"
			   " SELECT 'test_mail', t.channel, leadflow.mail_address($1), $5, $2, $3,"
			   "  jsonb_build_object('template', t.name, 'format', t.format)"
			   " FROM leadflow.template AS t"
			   " WHERE t.name = $4 AND leadflow.mail_address($1) IS NOT NULL"
			   " RETURNING n.notification_id", &args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not an e-mail address", ShownLiteral(address))));
	notification_id = SpiBigint(1, 1);
	LeaveSpi(frame);
	PG_RETURN_INT64(notification_id);
}
