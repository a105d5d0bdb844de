/*
 * outcome.c
 *		Tasks and deals that come of an activity, made with it. What was recorded
 *		goes with them: the text of the activity is their note.
 */
#include "postgres.h"

#include "activity/outcome.h"
#include "catalog/pg_type.h"
#include "lexer.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* What a task and a deal can be given, beside the fields of the form of deals. */
#define TASK_FORM \
	"title \"件名\" text required; due_on \"期限\" date; rep \"担当者\" text; note \"備考\" textarea"
#define DEAL_FORM \
	"name \"商談名\" text; stage \"商談ステージ\" text; amount \"金額\" number; rep \"担当者\" text;" \
	" expected_close_on \"完了予定日\" date; note \"備考\" textarea; external_id \"外部ID\" text"
#define DEAL_COLUMNS	"{name,stage,amount,rep,expected_close_on,note,external_id}"

Form *
OutcomeForm(OutcomeKind kind)
{
	if (kind == OUTCOME_TASK)
		return FormParse(TASK_FORM);
	if (SpiRun("SELECT form FROM leadflow.form_version WHERE entity = 'deal' ORDER BY version DESC LIMIT 1",
			   NULL) > 0)
	{
		Form	   *form = FormParse(DEAL_FORM);

		form->fields = list_concat(form->fields, FormParse(SpiText(1, 1))->fields);
		return form;
	}
	return FormParse(DEAL_FORM);
}

/* An error for the first name in a table's documents that is none of another table. */
static void
require_names(SpiArgs *args, const char *key, const char *what, const char *relation)
{
	const char *nearest;
	char	   *name;

	if (SpiRun(psprintf("SELECT u.doc ->> '%s' FROM unnest($5) AS u (doc) WHERE u.doc ->> '%s' IS NOT NULL"
						" AND NOT EXISTS (SELECT FROM %s AS t WHERE t.name = u.doc ->> '%s') LIMIT 1",
						key, key, relation, key), args) == 0)
		return;
	name = SpiText(1, 1);
	nearest = NearestName(name, SpiNames(psprintf("SELECT name FROM %s ORDER BY name", relation)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("%s \"%s\" does not exist", what, name),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) :
			 errhint("SELECT name FROM %s lists them.", relation)));
}

static Datum
array_of(Datum *values, bool *nulls, int n, Oid type)
{
	int			lower = 1;
	bool		is_bigint = type == INT8OID;

	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower, type,
											  is_bigint ? 8 : -1,
											  is_bigint ? FLOAT8PASSBYVAL : false,
											  is_bigint ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

void
MakeOutcomes(OutcomeKind kind, Outcome **outcomes, int n)
{
	SpiArgs		args = {0};
	Datum	   *values[5];
	bool	   *nulls[5];

	for (int i = 0; i < 5; i++)
	{
		values[i] = palloc(n * sizeof(Datum));
		nulls[i] = palloc0(n * sizeof(bool));
	}
	for (int i = 0; i < n; i++)
	{
		Outcome    *outcome = outcomes[i];

		values[0][i] = Int64GetDatum(outcome->lead_id);
		values[1][i] = Int64GetDatum(outcome->activity_id);
		nulls[1][i] = outcome->activity_id == 0;
		values[2][i] = Int64GetDatum(outcome->list_id);
		nulls[2][i] = outcome->list_id == 0;
		values[3][i] = Int64GetDatum(outcome->rep_id);
		nulls[3][i] = outcome->rep_id == 0;
		values[4][i] = JsonbPGetDatum(outcome->document);
	}
	for (int i = 0; i < 4; i++)
		AddArg(&args, INT8ARRAYOID, array_of(values[i], nulls[i], n, INT8OID));
	AddArg(&args, JSONBARRAYOID, array_of(values[4], nulls[4], n, JSONBOID));
	require_names(&args, "rep", "rep", "leadflow.rep");
	if (kind == OUTCOME_DEAL)
		require_names(&args, "stage", "deal stage", "leadflow.deal_stage");

	/* a deal is named after the company where it is not named */
	SpiRun(kind == OUTCOME_TASK ?
		   "INSERT INTO leadflow.task AS t (lead_id, title, due_on, rep_id, note, list_id, activity_id)"
		   " SELECT u.lead_id, u.doc ->> 'title', leadflow.form_date(u.doc, 'due_on'),"
		   "  coalesce(r.rep_id, u.rep_id), coalesce(u.doc ->> 'note', a.content), u.list_id, u.activity_id"
		   " FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS u (lead_id, activity_id, list_id, rep_id, doc, n)"
		   " LEFT JOIN leadflow.activity AS a ON a.lead_id = u.lead_id AND a.activity_id = u.activity_id"
		   " LEFT JOIN leadflow.rep AS r ON r.name = u.doc ->> 'rep'"
		   " ORDER BY u.n RETURNING t.task_id" :
		   "INSERT INTO leadflow.deal AS d (lead_id, name, stage, amount, rep_id, expected_close_on, note,"
		   "  external_id, list_id, activity_id, fields)"
		   " SELECT u.lead_id, coalesce(u.doc ->> 'name', l.company, l.email, 'lead ' || u.lead_id),"
		   "  coalesce(u.doc ->> 'stage', (SELECT s.name FROM leadflow.deal_stage AS s WHERE s.kind = 'open'"
		   "   ORDER BY s.position, s.name LIMIT 1)),"
		   "  (u.doc ->> 'amount')::numeric, coalesce(r.rep_id, u.rep_id),"
		   "  leadflow.form_date(u.doc, 'expected_close_on'), coalesce(u.doc ->> 'note', a.content),"
		   "  u.doc ->> 'external_id', u.list_id, u.activity_id, u.doc - '" DEAL_COLUMNS "'::text[]"
		   " FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS u (lead_id, activity_id, list_id, rep_id, doc, n)"
		   " JOIN leadflow.lead AS l ON l.lead_id = u.lead_id"
		   " LEFT JOIN leadflow.activity AS a ON a.lead_id = u.lead_id AND a.activity_id = u.activity_id"
		   " LEFT JOIN leadflow.rep AS r ON r.name = u.doc ->> 'rep'"
		   " ORDER BY u.n RETURNING d.deal_id", &args);
	for (int i = 0; i < n; i++)
		outcomes[i]->id = SpiBigint(i + 1, 1);
}
