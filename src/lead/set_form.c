/*
 * set_form.c
 *		leadflow.set_form() and revalidate(): forms in force for the documents of
 *		a table.
 *
 * A row is held to the form it was entered under. A new form, version N, comes
 * as a constraint CHECK (form_version <> N OR leadflow.conforms(form, ...)) and
 * as the new default of form_version, so rows entered before stay as they are
 * and can still be updated, and a dump restores in any order.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lead/lead.h"
#include "lexer.h"
#include "miscadmin.h"
#include "segment/segment.h"
#include "source/source.h"
#include "spi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(set_form);
PG_FUNCTION_INFO_V1(revalidate);
PG_FUNCTION_INFO_V1(validate_forms);

static const Entity entities[] = {
	{"activity", "activity_id", "fields, list_id"},
	{"application", "application_id", "fields"},
	{"deal", "deal_id", "fields"},
	{"lead", "lead_id", "fields"},
};

const Entity *
FindEntity(const char *name)
{
	List	   *known = NIL;
	const char *nearest;

	for (size_t i = 0; i < lengthof(entities); i++)
	{
		if (strcmp(entities[i].name, name) == 0)
			return &entities[i];
		known = lappend(known, unconstify(char *, entities[i].name));
	}
	nearest = NearestName(name, known);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("\"%s\" has no form", name),
			 errdetail("Forms are for activity, application, deal and lead."),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
}

static const Entity *
entity_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("neither argument must be null"),
				 errhint("A form without fields is ''::leadflow.form.")));
	return FindEntity(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

char *
CurrentForm(const Entity *entity, int *version)
{
	SpiArgs		args = {0};
	bool		isnull;

	AddTextArg(&args, entity->name);
	if (SpiRun("SELECT form, version FROM leadflow.form_version"
			   " WHERE entity = $1 ORDER BY version DESC LIMIT 1", &args) == 0)
	{
		*version = 0;
		return NULL;
	}
	*version = DatumGetInt32(SpiDatum(1, 2, &isnull));
	return SpiText(1, 1);
}

/* ---- what a new form would drop ---------------------------------------------------- */

/* Does a row of a segment test the field, by name or label, for the choice (or at all)? */
static bool
row_uses(const SegmentNode *row, const FormField *field, const FormChoice *choice)
{
	ListCell   *lc;

	check_stack_depth();

	if (row == NULL)
		return false;
	foreach(lc, row->args)
		if (row_uses(lfirst(lc), field, choice))
			return true;
	if (row->field == NULL || (strcmp(row->field, field->name) != 0 &&
							   pg_strcasecmp(row->field, field->label) != 0))
		return false;
	if (choice == NULL)
		return true;
	if (row->test != NULL)
		foreach(lc, row->test->values)
		{
			SegmentValue *value = lfirst(lc);

			if (strcmp(value->text, choice->key) == 0 || strcmp(value->text, choice->label) == 0)
				return true;
		}
	return false;
}

static bool
segment_uses(const SegmentNode *node, List *sources, const FormField *field,
			 const FormChoice *choice)
{
	ListCell   *lc;

	check_stack_depth();

	foreach(lc, node->args)
		if (segment_uses(lfirst(lc), sources, field, choice))
			return true;
	if (node->source == NULL || node->kind == SEGMENT_NAMED)
		return false;
	foreach(lc, sources)
		if (strcmp(node->source, lfirst(lc)) == 0)
			return row_uses(node->where, field, choice) || row_uses(node->row, field, choice) ||
				(node->field != NULL && choice == NULL && row_uses(node, field, NULL));
	return false;
}

/* One more that uses it; a rule can do so in several ways. */
static void
put_user(StringInfo out, const char *what, const char *name)
{
	char	   *user = psprintf("%s \"%s\"", what, name);

	if (strstr(out->data, user) == NULL)
		appendStringInfo(out, "%s%s", out->len > 0 ? ", " : "", user);
}

/* The saved segments, lists, territories and rules whose segments use a field, or one of its choices. */
static void
put_segments(StringInfo out, const Entity *entity, const FormField *field,
			 const FormChoice *choice)
{
	SpiArgs		args = {0};
	List	   *sources = list_make1(unconstify(char *, entity->name));
	uint64		rows;

	AddTextArg(&args, entity->name);
	if (SpiRun("SELECT label FROM leadflow.source WHERE name = $1 AND label IS NOT NULL", &args) > 0)
		sources = lappend(sources, SpiText(1, 1));
	rows = SpiRun("SELECT 'saved segment', name, segment FROM leadflow.saved_segment"
				  " UNION ALL SELECT 'list', name, segment FROM leadflow.list WHERE segment IS NOT NULL"
				  " UNION ALL SELECT 'territory', t.territory_id::text, t.segment FROM leadflow.territory AS t"
				  " UNION ALL SELECT 'rule', name, s.segment FROM leadflow.rule, LATERAL (VALUES (condition),"
				  "  (coalesce(event ->> 'enters_segment', event ->> 'leaves_segment')::leadflow.segment)) AS s (segment)"
				  " WHERE s.segment IS NOT NULL ORDER BY 1, 2", NULL);
	for (uint64 row = 1; row <= rows; row++)
		if (segment_uses(SegmentParse(SpiText(row, 3)), sources, field, choice))
			put_user(out, SpiText(row, 1), SpiText(row, 2));
}

/* The rules that wait for a field, or one of its choices, or set it. */
static void
put_rules(StringInfo out, const Entity *entity, const FormField *field, const FormChoice *choice)
{
	SpiArgs		args = {0};
	uint64		rows;

	AddTextArg(&args, entity->name);
	AddTextArg(&args, field->name);
	AddTextArg(&args, field->label);
	AddTextArg(&args, choice ? choice->key : NULL);
	AddTextArg(&args, choice ? choice->label : NULL);
	rows = SpiRun("SELECT r.name FROM leadflow.rule AS r,"
				  " LATERAL (SELECT CASE WHEN r.event ? 'result' THEN 'activity.result'"
				  "   ELSE coalesce(r.event ->> 'field', r.event ->> 'date') END AS path,"
				  "  coalesce(r.event -> 'result', r.event -> 'to') AS value"
				  "  UNION ALL SELECT 'lead.' || e.key, e.value FROM jsonb_array_elements(r.actions) AS a (action),"
				  "  LATERAL jsonb_each(a.action -> 'set') AS e WHERE a.action ? 'set') AS u"
				  " WHERE u.path IN ($1 || '.' || $2, $1 || '.' || $3)"
				  " AND ($4 IS NULL OR jsonb_path_exists(u.value, '$.** ? (@ == $key || @ == $label)',"
				  "  jsonb_build_object('key', $4, 'label', $5)))"
				  " GROUP BY r.name ORDER BY r.name", &args);
	for (uint64 row = 1; row <= rows; row++)
		put_user(out, "rule", SpiText(row, 1));
}

/* The rows that have a field, or one of its choices. */
static void
put_rows(StringInfo out, const Entity *entity, const FormField *field, const FormChoice *choice)
{
	SpiArgs		args = {0};

	AddTextArg(&args, field->name);
	AddTextArg(&args, choice ? choice->key : NULL);
	SpiRun(psprintf("SELECT count(*) FROM leadflow.%s WHERE fields ? $1"
					" AND ($2 IS NULL OR fields ->> $1 = $2 OR fields -> $1 @> to_jsonb($2))",
					entity->name), &args);
	if (SpiBigint(1, 1) > 0)
		appendStringInfo(out, INT64_FORMAT " %s of leadflow.%s", SpiBigint(1, 1),
						 SpiBigint(1, 1) == 1 ? "row" : "rows", entity->name);
}

static const FormChoice *
find_choice(const FormField *field, const char *key)
{
	ListCell   *lc;

	foreach(lc, field->choices)
	{
		FormChoice *choice = lfirst(lc);

		if (strcmp(choice->key, key) == 0)
			return choice;
	}
	return NULL;
}

/* One more problem, of something that is used. */
static void
put_problem(StringInfo problems, const char *what, const char *users)
{
	if (users[0] != '\0')
		appendStringInfo(problems, "%s%s %s.", problems->len > 0 ? "\n" : "", what, users);
}

static void
put_dropped(StringInfo problems, const Entity *entity, const FormField *field,
			const FormChoice *choice)
{
	StringInfoData users;

	initStringInfo(&users);
	put_rows(&users, entity, field, choice);
	put_segments(&users, entity, field, choice);
	put_rules(&users, entity, field, choice);
	put_problem(problems, choice ? psprintf("Choice '%s' of field \"%s\" is used by", choice->key,
											field->name) :
				psprintf("Field \"%s\" is used by", field->name), users.data);
}

/* Does what a segment may say of a field change with it? */
static bool
changes_meaning(const FormField *old, const FormField *new)
{
	return FormFieldType(old) != FormFieldType(new) || (old->choices == NIL && new->choices != NIL);
}

/* Refuse to drop or change what is still in use, naming all of it. */
static void
refuse_uses(const Entity *entity, const Form *old, const Form *new)
{
	StringInfoData problems;
	int			dropped;
	ListCell   *lc;
	ListCell   *lc2;

	initStringInfo(&problems);
	foreach(lc, old->fields)
	{
		FormField  *field = lfirst(lc);
		FormField  *kept = FormFindField(new, field->name);

		if (kept == NULL)
			put_dropped(&problems, entity, field, NULL);
		/* without choices, anything may be chosen */
		else if (kept->choices != NIL)
			foreach(lc2, field->choices)
				if (find_choice(kept, ((FormChoice *) lfirst(lc2))->key) == NULL)
					put_dropped(&problems, entity, field, lfirst(lc2));
	}
	dropped = problems.len;
	foreach(lc, old->fields)
	{
		FormField  *field = lfirst(lc);
		FormField  *kept = FormFindField(new, field->name);
		StringInfoData users;

		if (kept == NULL || !changes_meaning(field, kept))
			continue;
		initStringInfo(&users);
		put_segments(&users, entity, field, NULL);
		put_rules(&users, entity, field, NULL);
		put_problem(&problems, psprintf("Field \"%s\" would change from %s to %s, and is used by",
										field->name, FormTypeName(field->type),
										FormTypeName(kept->type)), users.data);
	}
	if (problems.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg(dropped ? "the new form of \"%s\" drops what is still in use" :
						"the new form of \"%s\" changes what is still in use", entity->name),
				 errdetail_internal("%s", problems.data),
				 dropped ? errhint("Keep it, marked as retired: it can then no longer be entered.") :
				 errhint("Give the field another name, or change what uses it first.")));
}

/* ---- the verbs ------------------------------------------------------------------------ */

/* Return the rows of an entity that do not conform to a form, each violation a row. */
static void
return_violations(FunctionCallInfo fcinfo, const Entity *entity, Datum form, int version,
				  const char *condition, SpiArgs *more)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiArgs		args = {0};

	AddArg(&args, LeadflowType("form"), form);
	AddArg(&args, INT4OID, Int32GetDatum(version));
	if (more != NULL)
		AddArg(&args, more->types[0], more->values[0]);
	SpiRun(psprintf("SELECT $2, t.lead_id, t.%s, v.field, v.label, v.rule, v.value, v.message"
					" FROM leadflow.%s AS t, LATERAL leadflow.violations($1, %s) AS v%s"
					" ORDER BY 2, 3", entity->key, entity->name, entity->document, condition),
		   &args);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
}

/* Put the form in force: a constraint that no row there is now concerned by. */
static void
apply_form(const Entity *entity, const char *form, int version)
{
	SpiRun(psprintf("ALTER TABLE leadflow.%s ADD CONSTRAINT %s_form_%d"
					" CHECK (form_version <> %d OR leadflow.conforms(%s::leadflow.form, %s)) NOT VALID,"
					" ALTER COLUMN form_version SET DEFAULT %d",
					entity->name, entity->name, version, version, quote_literal_cstr(form),
					entity->document, version), NULL);
}

/* Is the constraint of a version there? Rows restored alone come without it. */
static bool
is_applied(const Entity *entity, int version)
{
	SpiArgs		args = {0};

	AddTextArg(&args, psprintf("leadflow.%s", entity->name));
	AddTextArg(&args, psprintf("%s_form_%d", entity->name, version));
	return SpiRun("SELECT FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2",
				  &args) > 0;
}

void
RestoreForms(const Entity *entity)
{
	SpiArgs		args = {0};
	uint64		rows;
	List	   *forms = NIL;
	List	   *versions = NIL;
	ListCell   *lc;
	ListCell   *lc2;

	AddTextArg(&args, entity->name);
	AddTextArg(&args, psprintf("leadflow.%s", entity->name));
	rows = SpiRun("SELECT f.form, f.version::text FROM leadflow.form_version AS f"
				  " WHERE f.entity = $1 AND NOT EXISTS (SELECT FROM pg_constraint AS c"
				  "  WHERE c.conrelid = $2::regclass AND c.conname = format('%s_form_%s', f.entity, f.version))"
				  " ORDER BY f.version", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		forms = lappend(forms, SpiText(row, 1));
		versions = lappend_int(versions, atoi(SpiText(row, 2)));
	}
	forboth(lc, forms, lc2, versions)
		apply_form(entity, lfirst(lc), lfirst_int(lc2));
	if (forms != NIL)
	{
		int			version;

		(void) CurrentForm(entity, &version);
		SpiRun(psprintf("ALTER TABLE leadflow.%s ALTER COLUMN form_version SET DEFAULT %d",
						entity->name, version), NULL);
	}
}

void
LockForms(void)
{
	SpiRun("LOCK TABLE leadflow.form_version IN SHARE ROW EXCLUSIVE MODE", NULL);
}

void
SetForm(FunctionCallInfo fcinfo, const Entity *entity, const char *form, bool dry_run)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		form_datum = CStringGetTextDatum(form);
	SpiArgs		args = {0};
	char	   *old;
	int			version;
	Datum		values[8] = {0};
	bool		nulls[8] = {false, true, true, true, true, true, true, true};

	if (!dry_run)
		LockForms();
	old = CurrentForm(entity, &version);

	/* the view before the table, as who reads the view locks them */
	MakeFormView(entity, form, dry_run);
	if (dry_run)
	{
		if (old != NULL)
			refuse_uses(entity, FormParse(old), FormParse(form));
		return_violations(fcinfo, entity, form_datum, version + 1, "", NULL);
		return;
	}

	if (old != NULL && strcmp(old, form) == 0)
	{
		if (!is_applied(entity, version))
			apply_form(entity, form, version);
	}
	else
	{
		version++;
		apply_form(entity, form, version);
		/* nobody writes to the table now, so what is not in use stays so */
		if (old != NULL)
			refuse_uses(entity, FormParse(old), FormParse(form));
		AddTextArg(&args, entity->name);
		AddArg(&args, INT4OID, Int32GetDatum(version));
		AddArg(&args, LeadflowType("form"), form_datum);
		SpiRun("INSERT INTO leadflow.form_version (entity, version, form) VALUES ($1, $2, $3)",
			   &args);
	}
	values[0] = Int32GetDatum(version);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
set_form(PG_FUNCTION_ARGS)
{
	const Entity *entity = entity_argument(fcinfo);
	char	   *form = FormGetText(PG_GETARG_FORM_PP(1));
	SpiFrame	frame;

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(true);
	SetForm(fcinfo, entity, form, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2));
	LeaveSpi(frame);
	return (Datum) 0;
}

/* Hold the rows of some leads to the form in force; those that do not conform stay. */
Datum
revalidate(PG_FUNCTION_ARGS)
{
	const Entity *entity = entity_argument(fcinfo);
	SpiFrame	frame;
	SpiArgs		args = {0};
	char	   *form;
	Datum		form_datum;
	SpiArgs		leads = {0};
	int			version;

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(true);
	form = CurrentForm(entity, &version);
	if (form == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no form is in force for \"%s\"", entity->name),
				 errhint("Put one in force with leadflow.set_form().")));
	form_datum = CStringGetTextDatum(form);
	AddArg(&args, LeadflowType("leadset"), PG_GETARG_DATUM(1));
	leads = args;
	AddArg(&args, LeadflowType("form"), form_datum);
	AddArg(&args, INT4OID, Int32GetDatum(version));
	SpiRun(psprintf("UPDATE leadflow.%s AS t SET form_version = $3"
					" FROM leadflow.unnest($1) AS u (lead_id)"
					" WHERE t.lead_id = u.lead_id AND t.form_version <> $3"
					" AND NOT EXISTS (SELECT FROM leadflow.violations($2, %s))",
					entity->name, entity->document), &args);
	return_violations(fcinfo, entity, form_datum, version,
					  " JOIN leadflow.unnest($3) AS u (lead_id) ON true"
					  " WHERE t.lead_id = u.lead_id AND t.form_version <> $2", &leads);
	LeaveSpi(frame);
	return (Datum) 0;
}

/*
 * Validate the constraints set_form() has left to be: they scan the table, so
 * not under its lock. Returns how many.
 */
Datum
validate_forms(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(true);
	uint64		rows = SpiRun("SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I',"
							  " c.conrelid::regclass, c.conname)"
							  " FROM pg_constraint AS c JOIN leadflow.form_version AS f"
							  " ON c.conname = format('%s_form_%s', f.entity, f.version)"
							  " AND c.conrelid = to_regclass(format('leadflow.%I', f.entity))"
							  " WHERE NOT c.convalidated", NULL);
	List	   *statements = NIL;
	ListCell   *lc;

	for (uint64 row = 1; row <= rows; row++)
		statements = lappend(statements, SpiText(row, 1));
	foreach(lc, statements)
		SpiRun(lfirst(lc), NULL);
	LeaveSpi(frame);
	PG_RETURN_INT64(rows);
}
