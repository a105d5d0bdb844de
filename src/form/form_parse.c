/*
 * form_parse.c
 *		From text to form: the grammar's constructors, which check what a text
 *		alone can be checked for.
 */
#include "postgres.h"

#include "form/form_parse.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* Raise 42601 for what is grammatical but makes no sense. */
pg_noreturn static void
reject(FormParser *parser, int location, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("invalid input syntax for type form: \"%s\"", ShownLiteral(parser->lexer.given)),
			 errdetail("At character %d: %s.", CharacterPosition(parser->lexer.text, location),
					   problem)));
}

static bool
has_choices(FormType type)
{
	return type == FORM_RADIO || type == FORM_SELECT || type == FORM_MULTISELECT;
}

static bool
is_number(FormType type)
{
	return type == FORM_NUMBER || type == FORM_INTEGER;
}

static bool
is_time(FormType type)
{
	return type == FORM_DATE || type == FORM_TIMESTAMP;
}

static bool
is_text(FormType type)
{
	return type == FORM_TEXT || type == FORM_TEXTAREA || type == FORM_EMAIL ||
		type == FORM_PHONE || type == FORM_URL;
}

FormValue *
FormMakeValue(FormParser *parser, int kind, char *text, bool negative, int location)
{
	FormValue  *value = palloc0(sizeof(FormValue));

	value->kind = kind;
	value->text = text;
	value->location = location;
	if (kind == FORM_VALUE_NUMBER)
	{
		value->text = NormalizeNumber(&parser->lexer, text, location);
		if (negative && strcmp(value->text, "0") != 0)
			value->text = psprintf("-%s", value->text);
	}
	return value;
}

FormOption *
FormMakeOption(FormOptionKind kind, FormValue *value, int location)
{
	FormOption *option = palloc0(sizeof(FormOption));

	option->kind = kind;
	option->value = value;
	option->location = location;
	return option;
}

FormChoice *
FormMakeChoice(FormParser *parser, char *key, char *label, int location)
{
	FormChoice *choice = palloc0(sizeof(FormChoice));

	if (++parser->nchoices > FORM_MAX_CHOICES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("form has too many choices"),
				 errdetail("A form may have at most %d choices.", FORM_MAX_CHOICES)));
	if (key[0] == '\0')
		reject(parser, location, "the key of a choice is empty");
	choice->key = key;
	choice->label = label ? label : key;
	choice->location = location;
	return choice;
}

int64 *
FormMakeListId(FormParser *parser, char *number, int location)
{
	int64	   *list_id = palloc(sizeof(int64));
	char	   *end;

	errno = 0;
	*list_id = strtoi64(number, &end, 10);
	if (errno != 0 || *end != '\0')
		reject(parser, location, "a list is named by its id, a whole number; set_list_results() takes its name");
	return list_id;
}

static int
by_id(const ListCell *a, const ListCell *b)
{
	int64		x = *(int64 *) lfirst(a);
	int64		y = *(int64 *) lfirst(b);

	return (x > y) - (x < y);
}

/* Lists are a set: ascending, and each once. */
static List *
sorted_lists(List *all)
{
	List	   *lists = NIL;
	ListCell   *lc;

	list_sort(all, by_id);
	foreach(lc, all)
		if (lists == NIL || *(int64 *) llast(lists) != *(int64 *) lfirst(lc))
			lists = lappend(lists, lfirst(lc));
	return lists;
}

/* ---- options ------------------------------------------------------------------ */

int64
FormTimeOrder(const IsoTime *iso)
{
	return iso->date * USECS_PER_DAY + (iso->has_time ? iso->time : 0) -
		(iso->has_offset ? iso->offset * USECS_PER_SEC : 0);
}

/* A bound of a field, read as the field's type. */
static void
read_bound(FormParser *parser, const FormField *field, const FormValue *value, Numeric *number,
		   int64 *time)
{
	IsoTime		iso;

	if (is_number(field->type))
	{
		if (value->kind != FORM_VALUE_NUMBER)
			reject(parser, value->location, "min and max of a number are numbers");
		*number = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(value->text),
													  ObjectIdGetDatum(InvalidOid),
													  Int32GetDatum(-1)));
	}
	else if (is_time(field->type))
	{
		if (value->kind != FORM_VALUE_STRING || !ParseIsoTime(value->text, &iso) ||
			(field->type == FORM_DATE && iso.has_time))
			reject(parser, value->location, field->type == FORM_DATE ?
				   "min and max of a date are dates such as '2026-06-01'" :
				   "min and max of a timestamp are times such as '2026-06-01 09:30'");
		*time = FormTimeOrder(&iso);
	}
	else
		reject(parser, value->location, "only dates, timestamps and numbers have min and max");
}

static void
set_max_length(FormParser *parser, FormField *field, const FormValue *value)
{
	if (!is_text(field->type))
		reject(parser, value->location, "only texts have a max_length");
	if (value->kind != FORM_VALUE_NUMBER || strlen(value->text) > 9 ||
		strchr(value->text, '.') || atoi(value->text) < 1)
		reject(parser, value->location, "max_length is a whole number from 1 to 999999999");
	field->max_length = atoi(value->text);
}

/* An error unless the text is a regular expression. */
static void
check_pattern(FormParser *parser, const char *pattern, int location)
{
	char	   *problem = RegexProblem(pattern);

	if (problem != NULL)
		reject(parser, location, psprintf("the pattern is no regular expression: %s", problem));
}

/*
 * A pattern is for the whole value. It must be one by itself as well: between
 * our parentheses also "a)|(?:b" would be.
 */
static void
set_pattern(FormParser *parser, FormField *field, const FormValue *value)
{
	char	   *whole = psprintf("^(?:%s)$", value->text);

	if (!is_text(field->type) || value->kind != FORM_VALUE_STRING)
		reject(parser, value->location, "only texts have a pattern, which is a string");
	if (pg_mbstrlen(value->text) > FORM_MAX_PATTERN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("pattern \"%s\" is too long", ShownLiteral(value->text)),
				 errdetail("A pattern may have at most %d characters.", FORM_MAX_PATTERN)));
	check_pattern(parser, value->text, value->location);
	check_pattern(parser, whole, value->location);
	field->pattern = value->text;
	field->whole_pattern = cstring_to_text(whole);
}

static void
set_option(FormParser *parser, FormField *field, const FormOption *option)
{
	switch (option->kind)
	{
		case FORM_REQUIRED:
			field->required = true;
			break;
		case FORM_MIN:
			field->min = option->value;
			read_bound(parser, field, option->value, &field->min_number, &field->min_time);
			break;
		case FORM_MAX:
			field->max = option->value;
			read_bound(parser, field, option->value, &field->max_number, &field->max_time);
			break;
		case FORM_MAX_LENGTH:
			set_max_length(parser, field, option->value);
			break;
		case FORM_PATTERN:
			set_pattern(parser, field, option->value);
			break;
		case FORM_DEFAULT:
			field->default_value = option->value;
			break;
		case FORM_HIDDEN:
			field->hidden = true;
			break;
		case FORM_RETIRED:
			field->retired = true;
			break;
	}
}

/* ---- fields ----------------------------------------------------------------------- */

static int
by_key(const ListCell *a, const ListCell *b)
{
	const FormChoice *x = lfirst(a);
	const FormChoice *y = lfirst(b);
	int			order = strcmp(x->key, y->key);

	return order != 0 ? order : x->location - y->location;
}

/* Sorted, as there may be thousands. Of several keys that are there again, the first is told. */
static void
check_keys(FormParser *parser, const FormField *field)
{
	List	   *choices = list_copy(field->choices);
	const FormChoice *before = NULL;
	const FormChoice *again = NULL;
	ListCell   *lc;

	list_sort(choices, by_key);
	foreach(lc, choices)
	{
		const FormChoice *choice = lfirst(lc);

		if (before != NULL && strcmp(before->key, choice->key) == 0 &&
			(again == NULL || choice->location < again->location))
			again = choice;
		before = choice;
	}
	if (again != NULL)
		reject(parser, again->location, psprintf("choice '%s' is there twice", again->key));
	list_free(choices);
}

static void
check_choices(FormParser *parser, const FormField *field)
{
	ListCell   *lc;

	if (field->choices != NIL && !has_choices(field->type))
		reject(parser, field->location,
			   psprintf("a field of type %s has no choices", FormTypeName(field->type)));
	if (field->choices == NIL && has_choices(field->type) && field->type != FORM_MULTISELECT)
		reject(parser, field->location,
			   psprintf("a field of type %s needs choices: %s('a', 'b')",
						FormTypeName(field->type), FormTypeName(field->type)));
	foreach(lc, field->choices)
	{
		FormChoice *choice = lfirst(lc);

		if (choice->only_lists != NIL && choice->except_lists != NIL)
			reject(parser, choice->location, "a choice is only for some lists or for all except some");
		if ((choice->effective || choice->closes) && field->type == FORM_MULTISELECT)
			reject(parser, choice->location, "only one of several choices can be a result");
	}
	check_keys(parser, field);
}

/* min must not be above max, and a default must be a value of the field. */
static void
check_values(FormParser *parser, const FormField *field)
{
	JsonbValue	value;
	FormViolation *violation;

	if (field->min != NULL && field->max != NULL &&
		(is_number(field->type) ?
		 DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(field->min_number),
										  NumericGetDatum(field->max_number))) :
		 field->min_time > field->max_time))
		reject(parser, field->max->location, "max is below min");
	if (field->default_value == NULL)
		return;
	FormValueToJsonb(field->default_value, &value);
	violation = FormCheckValue(field, &value, false, 0);
	if (violation != NULL)
		reject(parser, field->default_value->location,
			   psprintf("the default is no value of the field: %s", violation->message));
}

FormField *
FormMakeField(FormParser *parser, char *name, char *label, FormType type, List *choices,
			  List *options, int location)
{
	FormField  *field = palloc0(sizeof(FormField));
	ListCell   *lc;
	ListCell   *other;

	/* it is to be a column of a view */
	if (strlen(name) >= NAMEDATALEN)
		reject(parser, location, psprintf("a field's name has less than %d bytes", NAMEDATALEN));
	field->name = name;
	field->label = label ? label : name;
	field->type = type;
	field->choices = choices;
	foreach(lc, choices)
	{
		FormChoice *choice = lfirst(lc);

		choice->only_lists = sorted_lists(choice->only_lists);
		choice->except_lists = sorted_lists(choice->except_lists);
	}
	field->location = location;
	foreach(lc, options)
	{
		FormOption *option = lfirst(lc);

		for_each_cell(other, options, lnext(options, lc))
			if (((FormOption *) lfirst(other))->kind == option->kind)
				reject(parser, ((FormOption *) lfirst(other))->location, "an option is there twice");
		set_option(parser, field, option);
	}
	if (field->required && field->retired)
		reject(parser, location, "a retired field cannot be required");
	check_choices(parser, field);
	check_values(parser, field);
	return field;
}

void
FormAddField(FormParser *parser, FormField *field)
{
	Form	   *form = parser->result;
	ListCell   *lc;

	if (list_length(form->fields) >= FORM_MAX_FIELDS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("form has too many fields"),
				 errdetail("A form may have at most %d fields.", FORM_MAX_FIELDS)));
	foreach(lc, form->fields)
	{
		const FormField *other = lfirst(lc);

		if (strcmp(other->name, field->name) == 0)
			reject(parser, field->location, psprintf("field \"%s\" is there twice", field->name));
		if (strcmp(other->label, field->label) == 0)
			reject(parser, field->location,
				   psprintf("fields \"%s\" and \"%s\" have the same label \"%s\"",
							other->name, field->name, field->label));
	}
	form->fields = lappend(form->fields, field);
}

FormField *
FormFindField(const Form *form, const char *name)
{
	ListCell   *lc;

	foreach(lc, form->fields)
	{
		FormField  *field = lfirst(lc);

		if (strcmp(field->name, name) == 0)
			return field;
	}
	return NULL;
}

Form *
FormParse(const char *text)
{
	FormParser	parser = {0};
	yyscan_t	scanner;

	LexerBegin(&parser.lexer, text, "type form", &scanner);
	if (form_yyparse(&parser, scanner) != 0)
		elog(ERROR, "form grammar failed without an error");
	return parser.result;
}
