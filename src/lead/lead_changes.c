/*
 * lead_changes.c
 *		What update_leads() is to set: names resolved as in segments, values read
 *		as their columns' types and held against the form in force.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "lead/lead.h"
#include "lead/lead_changes.h"
#include "lexer.h"
#include "source/source.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

/* The table, and the source whose names its columns and fields go by */
#define LEAD_SOURCE		"lead"
#define LEAD_RELATION	"leadflow.lead"

/* Columns that are kept by leadflow, or by what happens to leads. */
static const char *const kept_columns[] = {
	"created_at", "deleted_at", "fields", "form_version", "lead_id", "merged_into", "updated_at"
};

typedef struct ChangeReader
{
	Source	   *source;
	LeadChanges *changes;
	StringInfoData assignments;
	List	   *targets;		/* of char *: what is set so far */
	List	   *violations;		/* of FormViolation */

	/* what becomes of the document */
	StringInfoData merged;		/* members of a JSON object */
	StringInfoData cleared;		/* elements of an SQL array */
	List	   *reselected;		/* of char *: the last arguments of form_change_choices() */
} ChangeReader;

static Source *
lead_source(void)
{
	ListCell   *lc;

	foreach(lc, LoadSources())
	{
		Source	   *source = lfirst(lc);

		if (strcmp(source->name, LEAD_SOURCE) == 0 && SourceLoadFields(source) &&
			strcmp(source->relation, LEAD_RELATION) == 0)
			return source;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the source \"%s\" is not that of the table %s", LEAD_SOURCE, LEAD_RELATION),
			 errhint("Register it with: SELECT leadflow.register_source('%s', '%s', 'lead_id', 'lead_id', 'created_at');",
					 LEAD_SOURCE, LEAD_RELATION)));
}

/* The field that a name or label of the JSON names. */
static SourceField *
find_field(const Source *source, const char *name)
{
	SourceField *second;
	SourceField *field = SourceFindField(source, name, &second);
	const char *nearest;

	if (field == NULL)
	{
		nearest = NearestName(name, SourceFieldNames(source));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("leads have no field \"%s\"", name),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
	}
	if (second != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("field label \"%s\" is ambiguous", name),
				 errdetail("Fields \"%s\" and \"%s\" both have it.", field->name, second->name),
				 errhint("Use the field's name.")));
	for (size_t i = 0; i < lengthof(kept_columns); i++)
		if (field->form == NULL && strcmp(field->name, kept_columns[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is not to be set", field->name),
					 errdetail("The columns created_at, deleted_at, fields, form_version, lead_id, merged_into and updated_at are kept by leadflow."),
					 strcmp(field->name, "fields") == 0 ?
					 errhint("Name the fields of the form themselves, for instance {\"tags\": [\"VIP\"]}.") : 0));
	if (field->form == NULL && field->generated)
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("\"%s\" is not to be set", field->name),
				 errdetail("It is a generated column.")));
	return field;
}

/* Nothing is set twice: not by name and label, not by rep and rep_id. */
static void
require_once(ChangeReader *reader, const SourceField *field, const char *target)
{
	ListCell   *lc;

	foreach(lc, reader->targets)
		if (strcmp(lfirst(lc), target) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("\"%s\" is set twice", field->name),
					 errhint("Set it once, by its name or by its label.")));
	reader->targets = lappend(reader->targets, unconstify(char *, target));
}

static FieldChange *
add_change(ChangeReader *reader, const SourceField *field)
{
	FieldChange *change = palloc0(sizeof(FieldChange));

	change->name = field->name;
	change->shown = "g.old";
	reader->changes->fields = lappend(reader->changes->fields, change);
	return change;
}

static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static char *
json_of(JsonbValue *value)
{
	Jsonb	   *json = JsonbValueToJsonb(value);

	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

/* The elements of an array of texts; an error when it is none. */
static List *
strings_of(const SourceField *field, JsonbValue *value)
{
	List	   *strings = NIL;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data))
	{
		iterator = JsonbIteratorInit(value->val.binary.data);
		while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
		{
			if (token == WJB_ELEM && element.type != jbvString)
				break;
			if (token == WJB_ELEM)
				strings = lappend(strings, string_of(&element));
		}
		if (token == WJB_DONE)
			return strings;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("\"%s\" needs an array of texts, not %s", field->name, json_of(value)),
			 errhint("Write it as [\"VIP\"].")));
}

/* Texts as array_in() reads them. */
static char *
array_text(List *strings)
{
	Datum	   *elements = palloc(list_length(strings) * sizeof(Datum));
	ListCell   *lc;

	foreach(lc, strings)
		elements[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	return OidOutputFunctionCall(F_ARRAY_OUT,
								 PointerGetDatum(construct_array(elements, list_length(strings),
																 TEXTOID, -1, false,
																 TYPALIGN_INT)));
}

/* An SQL array of texts. */
static char *
array_sql(List *strings)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	foreach(lc, strings)
		appendStringInfo(&sql, "%s%s", lc == list_head(strings) ? "" : ", ",
						 quote_literal_cstr(lfirst(lc)));
	return psprintf("ARRAY[%s]::text[]", sql.data);
}

/* ---- columns ------------------------------------------------------------------------- */

/* A value as text that the column's type can be read from. */
static char *
column_text(const SourceField *field, JsonbValue *value)
{
	const char *needs = NULL;

	switch (field->type)
	{
		case FIELD_TEXT:
			needs = value->type == jbvString ? NULL : "a text, in quotes";
			break;
		case FIELD_NUMBER:
			needs = value->type == jbvNumeric || value->type == jbvString ? NULL : "a number";
			break;
		case FIELD_BOOLEAN:
			needs = value->type == jbvBool || value->type == jbvString ? NULL : "true or false";
			break;
		case FIELD_CHOICES:
			return array_text(strings_of(field, value));
		default:
			break;
	}
	if (needs != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" is %s and cannot become %s", field->name, field->type_name,
						json_of(value)),
				 errhint("It needs %s.", needs)));
	return value->type == jbvString ? string_of(value) : json_of(value);
}

/*
 * A text as an SQL constant of a column's type, read as a write to it would be: a
 * cast would cut what is too long.
 */
static char *
typed_constant(const SourceField *column, char *text)
{
	Oid			table = get_relname_relid("lead", get_namespace_oid("leadflow", false));
	MemoryContext context = CurrentMemoryContext;
	Oid			type;
	int32		typmod;
	Oid			collation;
	Oid			input;
	Oid			input_param;

	get_atttypetypmodcoll(table, get_attnum(table, column->name), &type, &typmod, &collation);
	getTypeInputInfo(type, &input, &input_param);
	PG_TRY();
	{
		(void) OidInputFunctionCall(input, text, input_param, typmod);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		/* the same error, with the name of the field */
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		error->detail = error->detail ? psprintf("%s. %s", error->message, error->detail) :
			psprintf("%s.", error->message);
		error->message = psprintf("invalid value for \"%s\": \"%s\"", column->name,
								  ShownLiteral(text));
		ReThrowError(error);
	}
	PG_END_TRY();
	return psprintf("%s::%s", quote_literal_cstr(text),
					format_type_extended(type, typmod,
										 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
}

/* The key of what a lookup's name stands for, as an SQL constant. */
static char *
looked_up(const SourceField *field, JsonbValue *value)
{
	SpiArgs		args = {0};
	char	   *name;
	const char *nearest;
	uint64		found;

	name = column_text(field, value);
	AddTextArg(&args, name);
	found = SpiRun(psprintf("SELECT %s::text FROM %s WHERE %s = $1", field->lookup_key,
							field->lookup_relation, field->lookup_name), &args);
	if (found > 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("%s \"%s\" is ambiguous", field->name, name),
				 errhint("Set %s instead.", field->column)));
	if (found == 1)
		return SpiText(1, 1);
	nearest = NearestName(name, SpiNames(psprintf("SELECT %s::text FROM %s", field->lookup_name,
												  field->lookup_relation)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("%s \"%s\" does not exist", field->name, name),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) :
			 errhint("SELECT %s, %s FROM %s lists them.", field->lookup_key, field->lookup_name,
					 field->lookup_relation)));
}

/* The column that a field is, or looks up by. */
static const SourceField *
column_of(const Source *source, const SourceField *field)
{
	ListCell   *lc;

	foreach(lc, source->fields)
	{
		SourceField *column = lfirst(lc);

		if (column->lookup_relation == NULL && column->column != NULL &&
			strcmp(column->column, field->column) == 0)
			return column;
	}
	elog(ERROR, "field %s of leads has no column", field->name);
}

/* A key of another table must be one. */
static void
require_key(const Source *source, const SourceField *column, const char *constant,
			const char *text)
{
	ListCell   *lc;

	foreach(lc, source->fields)
	{
		SourceField *field = lfirst(lc);

		if (field->lookup_relation != NULL && strcmp(field->column, column->column) == 0 &&
			SpiRun(psprintf("SELECT FROM %s WHERE %s = %s", field->lookup_relation,
							field->lookup_key, constant), NULL) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("%s %s does not exist", field->name, text),
					 errhint("SELECT %s, %s FROM %s lists them.", field->lookup_key,
							 field->lookup_name, field->lookup_relation)));
	}
}

/* A column, or the name in another table that a column stands for. */
static void
read_column(ChangeReader *reader, const SourceField *field, JsonbValue *value)
{
	const SourceField *column = column_of(reader->source, field);
	FieldChange *change = add_change(reader, field);
	bool		empty = value->type == jbvNull ||
		(value->type == jbvString && value->val.string.len == 0);
	char	   *constant = "NULL";

	require_once(reader, field, column->name);
	if (empty && column->not_null)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("\"%s\" must not be empty", field->name)));
	if (!empty)
	{
		char	   *text = field->lookup_relation ? looked_up(field, value) :
			column_text(field, value);

		constant = typed_constant(column, text);
		if (field->lookup_relation == NULL)
			require_key(reader->source, column, constant, text);
	}
	change->old = psprintf("t.%s::text", column->column);
	change->new = psprintf("(%s)::text", constant);
	change->differs = psprintf("%s IS DISTINCT FROM %s", change->old, change->new);
	if (field->lookup_relation != NULL)
	{
		change->shown = psprintf("(SELECT k.%s::text FROM %s AS k WHERE k.%s::text = g.old)",
								 field->lookup_name, field->lookup_relation, field->lookup_key);
		if (!empty)
			change->new = quote_literal_cstr(string_of(value));
	}
	appendStringInfo(&reader->assignments, ", %s = %s", column->column, constant);
}

/* ---- fields of the form ---------------------------------------------------------------- */

/* A choice by its key; what none has is left to the form to refuse. */
static char *
choice_key(const ChangeReader *reader, const SourceField *field, char *text)
{
	const char *second = NULL;
	const char *key;

	if (field->form->choices == NIL)
		return text;
	key = SourceFindChoice(reader->source, field, text, &second);
	if (second != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("the label \"%s\" is ambiguous", text),
				 errdetail("Choices '%s' and '%s' of field \"%s\" both have it.", key, second,
						   field->name),
				 errhint("Use the choice's key.")));
	return key ? unconstify(char *, key) : text;
}

/* Choices by their keys. */
static List *
choice_keys(const ChangeReader *reader, const SourceField *field, JsonbValue *value)
{
	List	   *keys = strings_of(field, value);
	ListCell   *lc;

	foreach(lc, keys)
		lfirst(lc) = choice_key(reader, field, lfirst(lc));
	return keys;
}

static JsonbValue
string_value(char *text)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = text;
	value.val.string.len = strlen(text);
	return value;
}

static JsonbValue
array_value(List *strings)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;
	Jsonb	   *array;
	ListCell   *lc;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, strings)
	{
		value = string_value(lfirst(lc));
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	array = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	value.type = jbvBinary;
	value.val.binary.data = &array->root;
	value.val.binary.len = VARSIZE(array) - VARHDRSZ;
	return value;
}

static void
check_value(ChangeReader *reader, const SourceField *field, JsonbValue *value)
{
	FormViolation *violation = FormCheckValue(field->form, value, false, 0);

	if (violation != NULL)
		reader->violations = lappend(reader->violations, violation);
}

/* {"add": [...], "remove": [...]} of a field of several choices */
static void
read_reselection(ChangeReader *reader, const SourceField *field, JsonbValue *value)
{
	FieldChange *change = add_change(reader, field);
	JsonbIterator *iterator = JsonbIteratorInit(value->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	element;
	List	   *add = NIL;
	List	   *remove = NIL;
	ListCell   *lc;
	char	   *arguments;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &element, true);
		if (strcmp(string_of(&key), "add") == 0)
			add = choice_keys(reader, field, &element);
		else if (strcmp(string_of(&key), "remove") == 0)
			remove = choice_keys(reader, field, &element);
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" can be set, or have choices added and removed", field->name),
					 errdetail("There is \"%s\" instead of \"add\" or \"remove\".", string_of(&key)),
					 errhint("Write it as {\"add\": [\"VIP\"], \"remove\": [\"old\"]}.")));
	}
	foreach(lc, add)
	{
		ListCell   *other;

		foreach(other, remove)
			if (strcmp(lfirst(lc), lfirst(other)) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("'%s' is both added to \"%s\" and removed from it",
								(char *) lfirst(lc), field->name)));
	}
	if (add != NIL)
	{
		element = array_value(add);
		check_value(reader, field, &element);
	}
	/* what no form has had is a mistake; what may no longer be entered may well go */
	foreach(lc, remove)
	{
		const char *second;

		if (field->form->choices != NIL &&
			SourceFindChoice(reader->source, field, lfirst(lc), &second) == NULL)
		{
			element = array_value(list_make1(lfirst(lc)));
			check_value(reader, field, &element);
		}
	}
	arguments = psprintf("%s, %s, %s", quote_literal_cstr(field->name), array_sql(add),
						 array_sql(remove));
	reader->reselected = lappend(reader->reselected, arguments);
	change->old = psprintf("(t.fields ->> %s)", quote_literal_cstr(field->name));
	change->new = psprintf("(leadflow.form_change_choices(t.fields, %s) ->> %s)", arguments,
						   quote_literal_cstr(field->name));
	change->differs = psprintf("leadflow.form_change_choices(t.fields, %s) <> t.fields", arguments);
}

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

static void
read_form_field(ChangeReader *reader, const SourceField *field, JsonbValue *value)
{
	char	   *name = quote_literal_cstr(field->name);
	FormType	type = field->form->type;
	FieldChange *change;
	JsonbValue	given = *value;
	char	   *json;

	require_once(reader, field, field->name);
	if (type == FORM_MULTISELECT && is_object(value))
	{
		read_reselection(reader, field, value);
		return;
	}
	if ((type == FORM_RADIO || type == FORM_SELECT) && value->type == jbvString)
		given = string_value(choice_key(reader, field, string_of(value)));
	else if (type == FORM_MULTISELECT && value->type != jbvNull)
		given = array_value(choice_keys(reader, field, value));
	check_value(reader, field, &given);

	change = add_change(reader, field);
	change->old = psprintf("(t.fields ->> %s)", name);
	json = json_of(&given);
	if (strcmp(json, "null") == 0 || strcmp(json, "\"\"") == 0 || strcmp(json, "[]") == 0)
	{
		change->new = "NULL";
		change->differs = psprintf("t.fields ? %s", name);
		appendStringInfo(&reader->cleared, "%s%s", reader->cleared.len > 0 ? ", " : "", name);
		return;
	}
	change->new = quote_literal_cstr(given.type == jbvString ? string_of(&given) : json);
	change->differs = psprintf("t.fields -> %s IS DISTINCT FROM %s::jsonb", name,
							   quote_literal_cstr(json));
	if (reader->merged.len > 0)
		appendStringInfoString(&reader->merged, ", ");
	escape_json(&reader->merged, field->name);
	appendStringInfo(&reader->merged, ": %s", json);
}

/* ---- all of it -------------------------------------------------------------------------- */

/* What the document becomes; NULL when it stays. */
static char *
document_sql(const ChangeReader *reader)
{
	char	   *sql = "t.fields";
	ListCell   *lc;

	if (reader->merged.len > 0)
		sql = psprintf("(%s || %s::jsonb)", sql,
					   quote_literal_cstr(psprintf("{%s}", reader->merged.data)));
	if (reader->cleared.len > 0)
		sql = psprintf("(%s - ARRAY[%s]::text[])", sql, reader->cleared.data);
	foreach(lc, reader->reselected)
		sql = psprintf("leadflow.form_change_choices(%s, %s)", sql, (char *) lfirst(lc));
	return strcmp(sql, "t.fields") == 0 ? NULL : sql;
}

static void
put_differs(StringInfo out, const FieldChange *change)
{
	appendStringInfo(out, "%s%s", out->len > 0 ? " OR " : "", change->differs);
}

LeadChanges *
ReadLeadChanges(Jsonb *json)
{
	LeadChanges *changes = palloc0(sizeof(LeadChanges));
	ChangeReader reader = {.source = lead_source(), .changes = changes};
	StringInfoData differs;
	StringInfoData document_differs;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the changes must be a JSON object"),
				 errhint("Write them as {\"rep\": \"田中\", \"nurturing\": true}, for instance.")));
	initStringInfo(&reader.assignments);
	initStringInfo(&reader.merged);
	initStringInfo(&reader.cleared);
	initStringInfo(&differs);
	initStringInfo(&document_differs);

	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		SourceField *field;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		field = find_field(reader.source, string_of(&key));
		if (field->form != NULL)
			read_form_field(&reader, field, &value);
		else
			read_column(&reader, field, &value);
		put_differs(&differs, llast(changes->fields));
		if (field->form != NULL)
			put_differs(&document_differs, llast(changes->fields));
	}
	if (changes->fields == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing to change")));
	if (reader.violations != NIL)
		FormRaise(reader.violations);

	changes->assignments = reader.assignments.data;
	changes->document = document_sql(&reader);
	changes->differs = differs.data;
	changes->document_differs = document_differs.len > 0 ? document_differs.data : "false";
	changes->form = CurrentForm(FindEntity("lead"), &changes->form_version);
	return changes;
}
