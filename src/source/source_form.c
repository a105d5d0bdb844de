/*
 * source_form.c
 *		The fields of a form in force as fields of the source of its records.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "source/source.h"
#include "spi.h"
#include "utils/builtins.h"

/* Forms go by the names of the tables here whose documents they are for. */
#define SCHEMA_PREFIX	"leadflow."

Oid
FormFieldType(const FormField *field)
{
	switch (field->type)
	{
		case FORM_INTEGER:
		case FORM_NUMBER:
			return NUMERICOID;
		case FORM_DATE:
			return DATEOID;
		case FORM_TIMESTAMP:
			return TIMESTAMPTZOID;
		case FORM_CHECKBOX:
			return BOOLOID;
		case FORM_MULTISELECT:
			return TEXTARRAYOID;
		default:
			return TEXTOID;
	}
}

/* As an expression index would be written: so a condition can use one. */
char *
FormFieldSql(const FormField *field, const char *document, const char *zone)
{
	char	   *name = quote_literal_cstr(field->name);

	switch (FormFieldType(field))
	{
		case NUMERICOID:
			return psprintf("leadflow.form_number(%s, %s)", document, name);
		case DATEOID:
			return psprintf("leadflow.form_date(%s, %s)", document, name);
		case TIMESTAMPTZOID:
			return psprintf("leadflow.form_timestamp(%s, %s, %s)", document, name, zone);
		case BOOLOID:
			return psprintf("leadflow.form_boolean(%s, %s)", document, name);
		case TEXTARRAYOID:
			return psprintf("leadflow.form_choices(%s, %s)", document, name);
		default:
			return psprintf("(%s ->> %s)", document, name);
	}
}

/*
 * A column generated from a field of the form is that field, with its label and
 * choices; any other column or lookup of the name hides it.
 */
static void
add_field(Source *source, const FormField *form)
{
	SourceField *field;
	const char *label = strcmp(form->label, form->name) != 0 ? form->label : NULL;
	ListCell   *lc;

	foreach(lc, source->fields)
	{
		field = lfirst(lc);
		if (strcmp(field->name, form->name) != 0)
			continue;
		if (field->generated)
		{
			field->form = form;
			if (label != NULL)
				field->label = label;
		}
		return;
	}
	field = palloc0(sizeof(SourceField));
	field->name = form->name;
	field->label = label;
	SourceSetType(field, FormFieldType(form));
	field->type_name = FormTypeName(form->type);
	field->form = form;
	source->fields = lappend(source->fields, field);
}

void
LoadFormFields(Source *source)
{
	SpiArgs		args = {0};
	ListCell   *lc;

	if (strncmp(source->relation, SCHEMA_PREFIX, strlen(SCHEMA_PREFIX)) != 0)
		return;
	source->entity = source->relation + strlen(SCHEMA_PREFIX);
	AddTextArg(&args, source->entity);
	if (SpiReadAsOwner("SELECT form FROM leadflow.form_version"
					   " WHERE entity = $1 ORDER BY version DESC LIMIT 1", &args) == 0)
		return;
	foreach(lc, FormParse(SpiText(1, 1))->fields)
		add_field(source, lfirst(lc));
}

/* The key of a field's choice that a text names; second as in SourceFindChoice(). */
static const char *
find_choice(const FormField *field, const char *text, const char **second)
{
	const FormChoice *found = NULL;
	ListCell   *lc;

	foreach(lc, field->choices)
	{
		FormChoice *choice = lfirst(lc);

		if (strcmp(choice->key, text) == 0)
			return choice->key;
	}
	foreach(lc, field->choices)
	{
		FormChoice *choice = lfirst(lc);

		if (strcmp(choice->label, text) != 0)
			continue;
		if (found != NULL)
		{
			*second = choice->key;
			break;
		}
		found = choice;
	}
	return found ? found->key : NULL;
}

const char *
SourceFindChoice(const Source *source, const SourceField *field, const char *text,
				 const char **second)
{
	const char *key;
	SpiArgs		args = {0};
	uint64		rows;

	*second = NULL;
	key = find_choice(field->form, text, second);
	if (key != NULL)
		return key;

	/* rows may still hold what could be chosen before */
	AddTextArg(&args, source->entity);
	AddTextArg(&args, field->name);
	rows = SpiReadAsOwner("SELECT f.form FROM leadflow.form_version AS f"
						  " WHERE f.entity = $1"
						  " AND EXISTS (SELECT FROM leadflow.choices(f.form) AS c WHERE c.field = $2)"
						  " ORDER BY f.version DESC", &args);
	for (uint64 row = 1; row <= rows && key == NULL; row++)
		key = find_choice(FormFindField(FormParse(SpiText(row, 1)), field->name), text, second);
	return key;
}
