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
#include "form/form.h"
#include "funcapi.h"
#include "lexer.h"
#include "miscadmin.h"
#include "segment/segment.h"
#include "spi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(set_form);
PG_FUNCTION_INFO_V1(revalidate);
PG_FUNCTION_INFO_V1(validate_forms);

/* A table whose documents a form can be in force for */
typedef struct Entity
{
	const char *name;			/* of the table, and of the source of its rows */
	const char *key;
	const char *document;		/* what conforms() is given of a row */
} Entity;

static const Entity entities[] = {
	{"activity", "activity_id", "fields, list_id"},
	{"application", "application_id", "fields"},
	{"deal", "deal_id", "fields"},
	{"lead", "lead_id", "fields"},
};

static const Entity *
find_entity(const char *name)
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
	return find_entity(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

/* The form in force for an entity, and its version; NULL and 0 when there is none. */
static char *
current_form(const Entity *entity, int *version)
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
row_uses(const SegmentNode *row, const FormField *field, const char *choice)
{
	ListCell   *lc;

	check_stack_depth();

	if (row == NULL)
		return false;
	foreach(lc, row->args)
		if (row_uses(lfirst(lc), field, choice))
			return true;
	if (row->field == NULL ||
		(strcmp(row->field, field->name) != 0 && strcmp(row->field, field->label) != 0))
		return false;
	if (choice == NULL)
		return true;
	if (row->test != NULL)
		foreach(lc, row->test->values)
			if (strcmp(((SegmentValue *) lfirst(lc))->text, choice) == 0)
				return true;
	return false;
}

static bool
segment_uses(const SegmentNode *node, List *sources, const FormField *field, const char *choice)
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

/* Where a field, or one of its choices, is still used; NULL when nowhere. */
static char *
uses(const Entity *entity, const FormField *field, const char *choice)
{
	SpiArgs		args = {0};
	StringInfoData found;
	List	   *sources = list_make1(unconstify(char *, entity->name));
	uint64		rows;

	initStringInfo(&found);
	AddTextArg(&args, field->name);
	AddTextArg(&args, choice);
	SpiRun(psprintf("SELECT count(*) FROM leadflow.%s WHERE fields ? $1"
					" AND ($2 IS NULL OR fields ->> $1 = $2 OR fields -> $1 @> to_jsonb($2))",
					entity->name), &args);
	if (SpiBigint(1, 1) > 0)
		appendStringInfo(&found, INT64_FORMAT " rows of leadflow.%s", SpiBigint(1, 1),
						 entity->name);

	args.n = 0;
	AddTextArg(&args, entity->name);
	if (SpiRun("SELECT label FROM leadflow.source WHERE name = $1 AND label IS NOT NULL", &args) > 0)
		sources = lappend(sources, SpiText(1, 1));
	rows = SpiRun("SELECT 'saved segment', name, segment FROM leadflow.saved_segment"
				  " UNION ALL SELECT 'list', name, segment FROM leadflow.list"
				  " WHERE segment IS NOT NULL ORDER BY 1, 2", NULL);
	for (uint64 row = 1; row <= rows; row++)
		if (segment_uses(SegmentParse(SpiText(row, 3)), sources, field, choice))
			appendStringInfo(&found, "%s%s \"%s\"", found.len > 0 ? ", " : "", SpiText(row, 1),
							 SpiText(row, 2));
	return found.len > 0 ? found.data : NULL;
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

/* Refuse to drop what is still in use, naming all of it. */
static void
refuse_dropped_uses(const Entity *entity, const Form *old, const Form *new)
{
	StringInfoData problems;
	ListCell   *lc;
	ListCell   *lc2;

	initStringInfo(&problems);
	foreach(lc, old->fields)
	{
		FormField  *field = lfirst(lc);
		FormField  *kept = FormFindField(new, field->name);
		char	   *where;

		if (kept == NULL)
		{
			if ((where = uses(entity, field, NULL)) != NULL)
				appendStringInfo(&problems, "%sField \"%s\" is used by %s.",
								 problems.len > 0 ? "\n" : "", field->name, where);
			continue;
		}
		/* without choices, anything may be chosen */
		if (kept->choices == NIL)
			continue;
		foreach(lc2, field->choices)
		{
			FormChoice *choice = lfirst(lc2);

			if (find_choice(kept, choice->key) == NULL &&
				(where = uses(entity, field, choice->key)) != NULL)
				appendStringInfo(&problems, "%sChoice '%s' of field \"%s\" is used by %s.",
								 problems.len > 0 ? "\n" : "", choice->key, field->name, where);
		}
	}
	if (problems.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("the new form of \"%s\" drops what is still in use", entity->name),
				 errdetail_internal("%s", problems.data),
				 errhint("Keep it, marked as retired: it can then no longer be entered.")));
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

Datum
set_form(PG_FUNCTION_ARGS)
{
	const Entity *entity = entity_argument(fcinfo);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *form = FormGetText(PG_GETARG_FORM_PP(1));
	bool		dry_run = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	SpiFrame	frame;
	SpiArgs		args = {0};
	char	   *old;
	int			version;
	Datum		values[8] = {0};
	bool		nulls[8] = {false, true, true, true, true, true, true, true};

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(true);
	if (!dry_run)
		SpiRun("LOCK TABLE leadflow.form_version IN SHARE ROW EXCLUSIVE MODE", NULL);
	old = current_form(entity, &version);

	if (dry_run)
	{
		if (old != NULL)
			refuse_dropped_uses(entity, FormParse(old), FormParse(form));
		return_violations(fcinfo, entity, PG_GETARG_DATUM(1), version + 1, "", NULL);
		LeaveSpi(frame);
		return (Datum) 0;
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
			refuse_dropped_uses(entity, FormParse(old), FormParse(form));
		AddTextArg(&args, entity->name);
		AddArg(&args, INT4OID, Int32GetDatum(version));
		AddArg(&args, LeadflowType("form"), PG_GETARG_DATUM(1));
		SpiRun("INSERT INTO leadflow.form_version (entity, version, form) VALUES ($1, $2, $3)",
			   &args);
	}
	values[0] = Int32GetDatum(version);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
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
	form = current_form(entity, &version);
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
