/*
 * record.c
 *		leadflow.record_activities(): activities as people enter them, by names
 *		and labels, checked all at once and inserted in one statement.
 */
#include "postgres.h"

#include "access/xact.h"
#include "activity/activity.h"
#include "activity/outcome.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "form/form.h"
#include "funcapi.h"
#include "lexer.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "zone.h"

PG_FUNCTION_INFO_V1(record_activities);

/* Activities an error message describes */
#define SHOWN_ACTIVITIES	20

typedef struct Record
{
	int64		lead_id;
	int64		list_id;		/* 0 is none */
	int64		rep_id;			/* 0 is none */
	char	   *recorded_at;	/* ISO with an offset, or NULL */
	Jsonb	   *document;
	int64		activity_id;
	Jsonb	   *create[2];		/* by OutcomeKind: what it says of the task, the deal; or NULL */
	int64		created[2];
} Record;

static const char *const outcome_names[] = {
	[OUTCOME_TASK] = "create_task",
	[OUTCOME_DEAL] = "create_deal"
};

/* A small table looked up by name, what was found kept. */
typedef struct Names
{
	const char *what;
	const char *lookup;			/* SQL: the id of the name $1 */
	const char *all;			/* SQL: every name */
	List	   *found;			/* of FoundName */
} Names;

typedef struct FoundName
{
	char	   *name;
	int64		id;
} FoundName;

/* What becomes of the array, in the order of its elements. */
typedef struct Recording
{
	Form	   *form;
	char	   *zone;
	Names		reps;
	Names		lists;
	int64		own_rep;		/* the caller's, or 0 */
	int			n;
	Record	   *records;
	EffectLog	log;
	List	   *list_names;		/* of FoundName */
} Recording;

/* ---- reading ------------------------------------------------------------------------ */

static int64
find_name(Names *names, const char *name, int position)
{
	SpiArgs		args = {0};
	FoundName  *found;
	const char *nearest;
	ListCell   *lc;

	foreach(lc, names->found)
	{
		found = lfirst(lc);
		if (strcmp(found->name, name) == 0)
			return found->id;
	}
	AddTextArg(&args, name);
	if (SpiRun(names->lookup, &args) == 0)
	{
		nearest = NearestName(name, SpiNames(names->all));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s \"%s\" does not exist", names->what, name),
				 errdetail("It is named by activity %d.", position),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) :
				 errhint("SELECT %s_id, name FROM leadflow.%s lists them.", names->what, names->what)));
	}
	found = palloc(sizeof(FoundName));
	found->name = pstrdup(name);
	found->id = SpiBigint(1, 1);
	names->found = lappend(names->found, found);
	return found->id;
}

pg_noreturn static void
report_bad_value(const char *key, JsonbValue *value, const char *wanted, int position)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" of activity %d must be %s", key, position, wanted),
			 errdetail(value->type == jbvString ? "It is the text \"%s\"." : "It is %s.",
					   ShownLiteral(FormShownValue(value)))));
}

static int64
id_value(const char *key, JsonbValue *value, int position)
{
	char	   *end;
	int64		id;

	if (value->type != jbvNumeric)
		report_bad_value(key, value, "an integer", position);
	errno = 0;
	id = strtoi64(FormShownValue(value), &end, 10);
	if (errno != 0 || *end != '\0')
		report_bad_value(key, value, "an integer", position);
	return id;
}

static char *
text_value(const char *key, JsonbValue *value, int position)
{
	if (value->type != jbvString)
		report_bad_value(key, value, "a text", position);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static Jsonb *
object_value(const char *key, JsonbValue *value, int position)
{
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		report_bad_value(key, value, "an object, such as {\"title\": \"...\", \"due_on\": \"2026-06-30\"}",
						 position);
	return JsonbValueToJsonb(value);
}

static char *
instant_value(const char *key, JsonbValue *value, int position)
{
	char	   *text = text_value(key, value, position);
	IsoTime		iso;

	if (!ParseIsoTime(text, &iso) || !iso.has_offset)
		report_bad_value(key, value, "a time with an offset, such as 2026-06-01T10:00:00+09:00",
						 position);
	return text;
}

/* What is not a field of the form; true if it was read. */
static bool
read_attribute(Recording *recording, Record *record, const char *key, JsonbValue *value,
			   int position)
{
	if (strcmp(key, "lead_id") == 0)
		record->lead_id = id_value(key, value, position);
	else if (strcmp(key, "list_id") == 0)
		record->list_id = id_value(key, value, position);
	else if (strcmp(key, "rep_id") == 0)
		record->rep_id = id_value(key, value, position);
	else if (strcmp(key, "list") == 0)
		record->list_id = find_name(&recording->lists, text_value(key, value, position), position);
	else if (strcmp(key, "rep") == 0)
		record->rep_id = find_name(&recording->reps, text_value(key, value, position), position);
	else if (strcmp(key, "recorded_at") == 0)
		record->recorded_at = instant_value(key, value, position);
	else if (strcmp(key, outcome_names[OUTCOME_TASK]) == 0)
		record->create[OUTCOME_TASK] = object_value(key, value, position);
	else if (strcmp(key, outcome_names[OUTCOME_DEAL]) == 0)
		record->create[OUTCOME_DEAL] = object_value(key, value, position);
	else
		return false;
	return true;
}

/* A field by its name or, where none has it as its name, its label. */
static FormField *
find_field(const Form *form, const char *key)
{
	FormField  *field = FormFindField(form, key);
	ListCell   *lc;

	foreach(lc, form->fields)
	{
		if (field != NULL)
			break;
		if (strcmp(((FormField *) lfirst(lc))->label, key) == 0)
			field = lfirst(lc);
	}
	return field;
}

static bool
is_text(const JsonbValue *value, const char *text)
{
	return value->val.string.len == (int) strlen(text) &&
		memcmp(value->val.string.val, text, value->val.string.len) == 0;
}

/* People choose by labels, documents hold keys. */
static void
label_to_key(const FormField *field, JsonbValue *value)
{
	FormChoice *labelled = NULL;
	ListCell   *lc;

	if (value->type != jbvString)
		return;
	foreach(lc, field->choices)
	{
		FormChoice *choice = lfirst(lc);

		if (is_text(value, choice->key))
			return;
		if (labelled == NULL && is_text(value, choice->label))
			labelled = choice;
	}
	if (labelled == NULL)
		return;
	value->val.string.val = labelled->key;
	value->val.string.len = strlen(labelled->key);
}

/* Put a value under its field's name; the elements of an array one by one. */
static void
push_value(JsonbParseState **state, const FormField *field, JsonbValue *value)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (field == NULL || value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
	{
		if (field != NULL)
			label_to_key(field, value);
		pushJsonbValue(state, WJB_VALUE, value);
		return;
	}
	iterator = JsonbIteratorInit(value->val.binary.data);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
		if (token == WJB_ELEM)
		{
			label_to_key(field, &element);
			pushJsonbValue(state, WJB_ELEM, &element);
		}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* An activity without a day is of the day it is recorded on. */
static void
push_today(Recording *recording, Record *record, JsonbParseState **state)
{
	FormField  *field = FormFindField(recording->form, "acted_on");
	SpiArgs		args = {0};
	JsonbValue	key = {.type = jbvString};
	JsonbValue	value = {.type = jbvString};

	if (field == NULL || field->type != FORM_DATE)
		return;
	AddTextArg(&args, record->recorded_at);
	AddTextArg(&args, recording->zone);
	SpiRun("SELECT to_char(leadflow.local_date(coalesce($1::timestamptz, now()), $2), 'YYYY-MM-DD')",
		   &args);
	key.val.string.val = field->name;
	key.val.string.len = strlen(field->name);
	value.val.string.val = SpiText(1, 1);
	value.val.string.len = strlen(value.val.string.val);
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_VALUE, &value);
}

static void
read_record(Recording *recording, Record *record, JsonbContainer *object, int position)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbParseState *state = NULL;
	JsonbValue	key;
	JsonbValue	value;
	List	   *seen = NIL;
	bool		has_day = false;

	record->rep_id = recording->own_rep;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		char	   *name;
		FormField  *field;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (value.type == jbvNull)
			continue;
		name = pnstrdup(key.val.string.val, key.val.string.len);
		if (read_attribute(recording, record, name, &value, position))
			continue;
		field = find_field(recording->form, name);
		if (field != NULL)
		{
			if (list_member_ptr(seen, field))
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("\"%s\" of activity %d is given twice", field->name, position),
						 errhint("Give it once, by its name or by its label \"%s\".", field->label)));
			seen = lappend(seen, field);
			has_day |= strcmp(field->name, "acted_on") == 0;
			key.val.string.val = field->name;
			key.val.string.len = strlen(field->name);
		}
		pushJsonbValue(&state, WJB_KEY, &key);
		push_value(&state, field, &value);
	}
	if (record->lead_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("activity %d has no lead", position),
				 errhint("Each activity is an object with a \"lead_id\".")));
	if (!has_day)
		push_today(recording, record, &state);
	record->document = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
read_records(Recording *recording, Jsonb *array)
{
	JsonbIterator *iterator = JsonbIteratorInit(&array->root);
	JsonbIteratorToken token;
	JsonbValue	element;

	recording->records = palloc0(JB_ROOT_COUNT(array) * sizeof(Record));
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		int			position = recording->n + 1;

		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (element.type != jbvBinary || !JsonContainerIsObject(element.val.binary.data))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("activity %d is no JSON object", position),
					 errhint("Write it as {\"lead_id\": 1, \"kind\": \"...\", \"result\": \"...\"}.")));
		read_record(recording, &recording->records[recording->n++], element.val.binary.data,
					position);
	}
}

/* ---- checking ------------------------------------------------------------------------ */

/* Every violation of every activity at once. */
static void
require_conforming(const Recording *recording)
{
	Form	   *outcome_forms[2] = {OutcomeForm(OUTCOME_TASK), OutcomeForm(OUTCOME_DEAL)};
	StringInfoData detail;
	int			wrong = 0;

	initStringInfo(&detail);
	for (int i = 0; i < recording->n; i++)
	{
		Record	   *record = &recording->records[i];
		List	   *violations = FormViolations(recording->form, record->document,
												record->list_id != 0, record->list_id);

		CHECK_FOR_INTERRUPTS();
		for (int kind = OUTCOME_TASK; kind <= OUTCOME_DEAL; kind++)
			if (record->create[kind] != NULL)
				violations = list_concat(violations, FormViolations(outcome_forms[kind], record->create[kind],
																	false, 0));
		if (violations == NIL || ++wrong > SHOWN_ACTIVITIES)
			continue;
		if (detail.len > 0)
			appendStringInfoChar(&detail, '\n');
		if (recording->n > 1)
			appendStringInfo(&detail, "Activity %d, of lead " INT64_FORMAT ":\n", i + 1,
							 record->lead_id);
		FormAppendViolations(&detail, violations);
	}
	if (wrong > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg_plural("%d activity does not conform to the form",
							   "%d activities do not conform to the form", wrong, wrong),
				 errdetail_internal("%s%s", detail.data,
									wrong > SHOWN_ACTIVITIES ? "\n..." : "")));
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

/* The foreign key would name one of them only. */
static void
require_leads(Datum leads)
{
	SpiArgs		args = {0};

	AddArg(&args, INT8ARRAYOID, leads);
	SpiRun("SELECT string_agg(u.lead_id::text, ', ' ORDER BY u.lead_id) FROM (SELECT DISTINCT u.lead_id"
		   " FROM unnest($1) AS u (lead_id) WHERE NOT EXISTS (SELECT FROM leadflow.lead AS l"
		   "  WHERE l.lead_id = u.lead_id) ORDER BY 1 LIMIT " CppAsString2(SHOWN_ACTIVITIES) ") AS u", &args);
	if (SpiText(1, 1) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("there are activities of no lead: %s", SpiText(1, 1)),
				 errdetail("These ids are not in leadflow.lead.")));
}

/* Sales records what it did itself; the policy would only say that a row violates it. */
static void
require_own(const Recording *recording)
{
	Oid			activity = get_relname_relid("activity", get_namespace_oid("leadflow", false));
	SpiArgs		args = {0};
	Datum	   *reps;
	bool	   *nulls;

	if (check_enable_rls(activity, InvalidOid, true) != RLS_ENABLED ||
		!HasPolicy(activity, "sales_insert") || HasPolicy(activity, "marketing"))
		return;
	reps = palloc(recording->n * sizeof(Datum));
	nulls = palloc(recording->n * sizeof(bool));
	for (int i = 0; i < recording->n; i++)
	{
		reps[i] = Int64GetDatum(recording->records[i].rep_id);
		nulls[i] = recording->records[i].rep_id == 0;
	}
	AddArg(&args, INT8ARRAYOID, array_of(reps, nulls, recording->n, INT8OID));
	if (SpiRun("SELECT u.n, u.rep_id FROM unnest($1) WITH ORDINALITY AS u (rep_id, n)"
			   " WHERE u.rep_id <> ALL (leadflow.my_reps()) ORDER BY u.n LIMIT 1", &args) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("activities can be recorded in one's own name only"),
				 errdetail("Activity " INT64_FORMAT " is of rep " INT64_FORMAT ", which is no active rep of role \"%s\".",
						   SpiBigint(1, 1), SpiBigint(1, 2),
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Leave \"rep\" out to record it as yourself.")));
}

/* ---- recording ------------------------------------------------------------------------ */

static void
insert_records(Recording *recording)
{
	int			n = recording->n;
	SpiArgs		args = {0};
	Datum	   *values[5];
	bool	   *nulls[5];
	int64	   *unapplied = palloc(n * sizeof(int64));
	int			n_unapplied = 0;
	bool		has_times = false;
	bool		isnull;

	for (int i = 0; i < 5; i++)
	{
		values[i] = palloc(n * sizeof(Datum));
		nulls[i] = palloc0(n * sizeof(bool));
	}
	for (int i = 0; i < n; i++)
	{
		Record	   *record = &recording->records[i];

		values[0][i] = Int64GetDatum(record->lead_id);
		values[1][i] = Int64GetDatum(record->list_id);
		nulls[1][i] = record->list_id == 0;
		values[2][i] = Int64GetDatum(record->rep_id);
		nulls[2][i] = record->rep_id == 0;
		values[3][i] = JsonbPGetDatum(record->document);
		nulls[4][i] = record->recorded_at == NULL;
		if (record->recorded_at == NULL)
			continue;
		values[4][i] = CStringGetTextDatum(record->recorded_at);
		has_times = true;
	}
	AddArg(&args, INT8ARRAYOID, array_of(values[0], nulls[0], n, INT8OID));
	require_leads(args.values[0]);
	AddArg(&args, INT8ARRAYOID, array_of(values[1], nulls[1], n, INT8OID));
	AddArg(&args, INT8ARRAYOID, array_of(values[2], nulls[2], n, INT8OID));
	AddArg(&args, JSONBARRAYOID, array_of(values[3], nulls[3], n, JSONBOID));
	AddArg(&args, TEXTARRAYOID, array_of(values[4], nulls[4], n, TEXTOID));
	/* a time of its own is only for those who may write it */
	SpiRun(psprintf("INSERT INTO leadflow.activity AS a (lead_id, list_id, rep_id, fields%s)"
					" SELECT u.lead_id, u.list_id, u.rep_id, u.fields%s"
					" FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY"
					"  AS u (lead_id, list_id, rep_id, fields, recorded_at, n) ORDER BY u.n"
					" RETURNING a.activity_id, a.applied_at",
					has_times ? ", recorded_at" : "",
					has_times ? ", coalesce(u.recorded_at::timestamptz, now())" : ""), &args);
	for (int i = 0; i < n; i++)
	{
		recording->records[i].activity_id = SpiBigint(i + 1, 1);
		(void) SpiDatum(i + 1, 2, &isnull);
		if (isnull)
			unapplied[n_unapplied++] = recording->records[i].activity_id;
	}
	if (n_unapplied > 0)
		ApplyActivities(unapplied, n_unapplied);
}

/* The tasks, or the deals, that the records ask for. */
static void
create_outcomes(Recording *recording, OutcomeKind kind)
{
	Outcome   **outcomes = palloc(recording->n * sizeof(Outcome *));
	Record	  **of = palloc(recording->n * sizeof(Record *));
	int			n = 0;

	for (int i = 0; i < recording->n; i++)
	{
		Record	   *record = &recording->records[i];

		if (record->create[kind] == NULL)
			continue;
		outcomes[n] = palloc0(sizeof(Outcome));
		outcomes[n]->lead_id = record->lead_id;
		outcomes[n]->activity_id = record->activity_id;
		outcomes[n]->list_id = record->list_id;
		outcomes[n]->rep_id = record->rep_id;
		outcomes[n]->document = record->create[kind];
		of[n++] = record;
	}
	if (n == 0)
		return;
	MakeOutcomes(kind, outcomes, n);
	for (int i = 0; i < n; i++)
		of[i]->created[kind] = outcomes[i]->id;
}

/* The names of the lists something was done to, as far as the caller may see them. */
static void
name_lists(Recording *recording)
{
	SpiArgs		args = {0};
	Datum	   *ids = palloc(list_length(recording->log.effects) * sizeof(Datum));
	int			n = 0;
	uint64		rows;
	ListCell   *lc;
	MemoryContext old;

	foreach(lc, recording->log.effects)
		ids[n++] = Int64GetDatum(((ActivityEffect *) lfirst(lc))->list_id);
	AddArg(&args, INT8ARRAYOID, array_of(ids, palloc0(n * sizeof(bool)), n, INT8OID));
	rows = SpiRun("SELECT list_id, name FROM leadflow.list WHERE list_id = ANY ($1) ORDER BY name",
				  &args);
	old = MemoryContextSwitchTo(recording->log.context);
	for (uint64 row = 1; row <= rows; row++)
	{
		FoundName  *list = palloc(sizeof(FoundName));

		list->id = SpiBigint(row, 1);
		list->name = SPI_getvalue(SPI_tuptable->vals[row - 1], SPI_tuptable->tupdesc, 2);
		recording->list_names = lappend(recording->list_names, list);
	}
	MemoryContextSwitchTo(old);
}

static void
record_body(FunctionCallInfo fcinfo, void *state)
{
	Recording  *recording = state;
	SpiArgs		args = {0};
	Jsonb	   *array = PG_GETARG_JSONB_P(0);

	if (SpiRun("SELECT form FROM leadflow.form_version WHERE entity = 'activity'"
			   " ORDER BY version DESC LIMIT 1", NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no form is in force for \"activity\""),
				 errhint("Put one in force with leadflow.set_form().")));
	recording->form = FormParse(SpiText(1, 1));
	recording->zone = ResolveZone(NULL);
	AddTextArg(&args, GetUserNameFromId(GetUserId(), false));
	if (SpiRun("SELECT rep_id FROM leadflow.rep WHERE db_role = $1"
			   " ORDER BY active DESC, rep_id LIMIT 1", &args) > 0)
		recording->own_rep = SpiBigint(1, 1);

	read_records(recording, array);
	require_conforming(recording);
	require_own(recording);
	if (recording->n > 0)
	{
		insert_records(recording);
		create_outcomes(recording, OUTCOME_TASK);
		create_outcomes(recording, OUTCOME_DEAL);
	}
	if (recording->log.effects != NIL)
		name_lists(recording);

	/* what is returned outlives the connection to SPI, and a dry run */
	if (recording->n > 0)
		recording->records = memcpy(MemoryContextAlloc(recording->log.context,
													   recording->n * sizeof(Record)),
									recording->records, recording->n * sizeof(Record));
}

/* ---- what is returned ------------------------------------------------------------------ */

static int
compare_effects(const ListCell *a, const ListCell *b)
{
	const ActivityEffect *left = lfirst(a);
	const ActivityEffect *right = lfirst(b);

	return left->lead_id < right->lead_id ? -1 : left->lead_id > right->lead_id;
}

static char *
list_name(const Recording *recording, int64 list_id)
{
	ListCell   *lc;

	foreach(lc, recording->list_names)
		if (((FoundName *) lfirst(lc))->id == list_id)
			return ((FoundName *) lfirst(lc))->name;
	return NULL;
}

/* The first effect on a lead, in the order of compare_effects(). */
static int
first_effect(List *effects, int64 lead_id)
{
	int			low = 0;
	int			high = list_length(effects);

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (((ActivityEffect *) list_nth(effects, middle))->lead_id < lead_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The names of the lists whose stay of a lead ended, or goes on. */
static Datum
effect_names(const Recording *recording, int64 lead_id, bool closed)
{
	List	   *effects = recording->log.effects;
	List	   *names = NIL;
	Datum	   *elements;
	int			n = 0;
	ListCell   *lc;

	for (int i = first_effect(effects, lead_id); i < list_length(effects); i++)
	{
		ActivityEffect *effect = list_nth(effects, i);
		char	   *name = list_name(recording, effect->list_id);

		if (effect->lead_id != lead_id)
			break;
		if (effect->closed == closed && name != NULL)
			names = lappend(names, name);
	}
	elements = palloc(list_length(names) * sizeof(Datum));
	foreach(lc, names)
		elements[n++] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
record_activities(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		dry_run = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	EffectLog  *outer;
	Recording	recording = {
		.log.context = CurrentMemoryContext,
		.reps = {"rep", "SELECT rep_id FROM leadflow.rep WHERE name = $1",
		"SELECT name FROM leadflow.rep ORDER BY name"},
		.lists = {"list", "SELECT list_id FROM leadflow.list WHERE name = $1",
		"SELECT name FROM leadflow.list ORDER BY name"},
	};

	InitMaterializedSRF(fcinfo, 0);
	/* what a query without rows aggregates to */
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	if (!JB_ROOT_IS_ARRAY(PG_GETARG_JSONB_P(0)) || JB_ROOT_IS_SCALAR(PG_GETARG_JSONB_P(0)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("activities must be a JSON array"),
				 errhint("Those of a query: SELECT * FROM leadflow.record_activities((SELECT jsonb_agg(q) FROM (SELECT lead_id, acted_on, result FROM ...) AS q));")));

	outer = CollectEffects(&recording.log);
	PG_TRY();
	{
		RunRowVerb(record_body, dry_run, fcinfo, &recording);
	}
	PG_FINALLY();
	{
		CollectEffects(outer);
	}
	PG_END_TRY();

	list_sort(recording.log.effects, compare_effects);
	for (int i = 0; i < recording.n; i++)
	{
		Record	   *record = &recording.records[i];
		Datum		values[6];
		bool		nulls[6] = {false};

		values[0] = Int64GetDatum(record->lead_id);
		values[1] = Int64GetDatum(record->activity_id);
		nulls[1] = dry_run;
		values[2] = effect_names(&recording, record->lead_id, true);
		values[3] = effect_names(&recording, record->lead_id, false);
		for (int kind = OUTCOME_TASK; kind <= OUTCOME_DEAL; kind++)
		{
			values[4 + kind] = Int64GetDatum(record->created[kind]);
			nulls[4 + kind] = dry_run || record->created[kind] == 0;
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
