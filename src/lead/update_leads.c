/*
 * update_leads.c
 *		leadflow.update_leads(): set columns and fields of many leads at once.
 *
 * What is to be set is read and checked once, for all leads. Then the leads that
 * it changes are locked, in the order of their ids so that two calls cannot wait
 * for each other, counted by what they have, and updated in one statement.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lead/lead.h"
#include "lead/lead_changes.h"
#include "spi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(update_leads);

/* Old values of a field that are shown by themselves */
#define SHOWN_VALUES	"20"

/* Leads that are named one by one must be there; say how many are left alone. */
static void
check_named_leads(Datum leads)
{
	SpiArgs		args = {0};

	RequireLeads(leads);
	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun("SELECT count(*) FROM leadflow.unnest($1) AS u (lead_id)"
		   " JOIN leadflow.lead AS l USING (lead_id)"
		   " WHERE l.deleted_at IS NOT NULL OR l.merged_into IS NOT NULL", &args);
	if (SpiBigint(1, 1) > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld lead is not changed", "%lld leads are not changed",
							   SpiBigint(1, 1), (long long) SpiBigint(1, 1)),
				 errdetail("They are deleted or merged.")));
}

/*
 * The condition that a lead t is among the leads $1. To look up a large part of the
 * table costs more than to read all of it, which the planner cannot know.
 */
static const char *
is_among(Datum leads)
{
	SpiArgs		args = {0};
	bool		isnull;

	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun("SELECT leadflow.cardinality($1) > reltuples / 20 FROM pg_class"
		   " WHERE oid = 'leadflow.lead'::regclass", &args);
	return DatumGetBool(SpiDatum(1, 1, &isnull)) ? "leadflow.contains($1, t.lead_id)" :
		"t.lead_id = ANY ($1::bigint[])";
}

/*
 * Lock the leads that the changes change, and return them. To those among them
 * whose document changes and was entered under another form, the one in force
 * is to apply.
 */
static Datum
lock_leads(const LeadChanges *changes, Datum leads, Datum *lifted)
{
	const char *among = is_among(leads);
	SpiArgs		args = {0};
	bool		isnull;

	AddArg(&args, LeadflowType("leadset"), leads);
	AddArg(&args, INT4OID, Int32GetDatum(changes->form_version));
	SpiRun(psprintf("SELECT leadflow.leadset_agg(s.lead_id),"
					" leadflow.leadset_agg(s.lead_id) FILTER (WHERE s.lifted)"
					" FROM (SELECT t.lead_id, t.form_version <> $2 AND (%s) AS lifted"
					"  FROM leadflow.lead AS t WHERE %s"
					"  AND t.deleted_at IS NULL AND t.merged_into IS NULL AND (%s)"
					"  ORDER BY t.lead_id FOR NO KEY UPDATE OF t) AS s",
					changes->document_differs, among, changes->differs), &args);
	*lifted = SpiDatum(1, 2, &isnull);
	return SpiDatum(1, 1, &isnull);
}

/* For each field, how many of the locked leads have which value that is to change. */
static void
return_counts(FunctionCallInfo fcinfo, const LeadChanges *changes, Datum leads)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *among = is_among(leads);
	StringInfoData sql;
	SpiArgs		args = {0};
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT c.field, c.shown, c.new, c.leads FROM (");
	foreach(lc, changes->fields)
	{
		FieldChange *change = lfirst(lc);

		appendStringInfo(&sql,
						 "%sSELECT %d AS n, g.rank, %s AS field,"
						 " CASE WHEN g.rank <= " SHOWN_VALUES " THEN %s ELSE '(others)' END AS shown,"
						 " CASE WHEN g.rank <= " SHOWN_VALUES " OR min(g.new) IS NOT DISTINCT FROM max(g.new)"
						 "  THEN min(g.new) ELSE '(others)' END AS new, sum(g.leads)::bigint AS leads"
						 " FROM (SELECT least(r.rank, " SHOWN_VALUES " + 1) AS rank,"
						 "   CASE WHEN r.rank <= " SHOWN_VALUES " THEN r.old END AS old, r.new, r.leads"
						 "   FROM (SELECT v.old, v.new, count(*) AS leads, row_number() OVER"
						 "     (ORDER BY count(*) DESC, v.old COLLATE \"C\", v.new COLLATE \"C\") AS rank"
						 "    FROM (SELECT %s AS old, %s AS new FROM leadflow.lead AS t WHERE %s AND %s) AS v"
						 "    GROUP BY v.old, v.new) AS r) AS g"
						 " GROUP BY g.rank, g.old",
						 lc == list_head(changes->fields) ? "" : " UNION ALL ",
						 foreach_current_index(lc), quote_literal_cstr(change->name), change->shown,
						 change->old, change->new, among, change->differs);
	}
	appendStringInfoString(&sql, ") AS c ORDER BY c.n, c.rank");
	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun(sql.data, &args);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
}

/* An error that names leads whose document would not conform to the form in force. */
static void
require_conforming(const LeadChanges *changes, Datum lifted)
{
	const char *among = is_among(lifted);
	SpiArgs		args = {0};

	AddArg(&args, LeadflowType("leadset"), lifted);
	AddArg(&args, LeadflowType("form"), CStringGetTextDatum(changes->form));
	SpiRun(psprintf("SELECT string_agg(s.lead_id::text, ', ' ORDER BY s.lead_id)"
					" FILTER (WHERE s.n <= " CppAsString2(SHOWN_IDS) "), count(*)"
					" FROM (SELECT t.lead_id, row_number() OVER (ORDER BY t.lead_id) AS n"
					"  FROM leadflow.lead AS t WHERE %s"
					"  AND EXISTS (SELECT FROM leadflow.violations($2, %s))) AS s",
					among, changes->document), &args);
	if (SpiBigint(1, 2) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg_plural("%lld lead would not conform to the form in force",
							   "%lld leads would not conform to the form in force",
							   SpiBigint(1, 2), (long long) SpiBigint(1, 2)),
				 errdetail("What leads %s%s hold was entered under an earlier form.",
						   SpiText(1, 1), SpiBigint(1, 2) > SHOWN_IDS ? ", ..." : ""),
				 errhint("See what it is with: SELECT * FROM leadflow.revalidate('lead', '{%s}');",
						 SpiText(1, 1))));
}

/*
 * The version of the form is for the owner alone to write. So a change of the
 * document is made as the owner, once a statement that changes nothing has shown
 * that the caller may write all of the rest.
 */
static void
change_leads(const LeadChanges *changes, Datum leads)
{
	const char *among = is_among(leads);
	SpiArgs		args = {0};
	OwnerFrame	frame;
	char	   *set = psprintf("UPDATE leadflow.lead AS t SET updated_at = now()%s", changes->assignments);

	AddArg(&args, LeadflowType("leadset"), leads);
	if (changes->document == NULL)
	{
		SpiRun(psprintf("%s WHERE %s", set, among), &args);
		return;
	}
	set = psprintf("%s, fields = %s", set, changes->document);
	SpiRun(psprintf("%s WHERE false", set), &args);
	AddArg(&args, INT4OID, Int32GetDatum(changes->form_version));
	frame = EnterAsOwner();
	SpiRun(psprintf("%s, form_version = CASE WHEN %s THEN $2 ELSE t.form_version END WHERE %s", set,
					changes->document_differs, among), &args);
	LeaveAsOwner(frame);
}

static void
update_body(FunctionCallInfo fcinfo, void *result)
{
	LeadChanges *changes;
	Datum		leads;
	Datum		lifted;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the changes must not be null")));
	changes = ReadLeadChanges(PG_GETARG_JSONB_P(1));
	leads = LeadsArgument(fcinfo, 0, GetCurrentTransactionStartTimestamp(), ResolveZone(NULL));
	if (ArgumentType(fcinfo, 0) == LeadflowType("leadset"))
		check_named_leads(leads);
	leads = lock_leads(changes, leads, &lifted);
	if (changes->document != NULL)
		require_conforming(changes, lifted);
	return_counts(fcinfo, changes, leads);
	change_leads(changes, leads);
}

Datum
update_leads(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	RunVerb(update_body, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2), fcinfo, NULL);
	return (Datum) 0;
}
