/*
 * form_check.c
 *		Hold a document against a form.
 *
 * A field that is missing, null, an empty string or an empty array is empty,
 * and then only "required" is asked of it. The checks read nothing but their
 * arguments, as a CHECK constraint must.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "form/form_parse.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"

/* Digits of a phone number, by E.164 at most 15 */
#define PHONE_MIN_DIGITS	6
#define PHONE_MAX_DIGITS	15

/* Choices that a message offers: the prefectures of Japan, all of them */
#define SHOWN_CHOICES	47

/* By RFC 5321 */
#define EMAIL_MAX_LENGTH	254

/* A JSON value as messages and violations show it. */
char *
FormShownValue(JsonbValue *value)
{
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type == jbvBinary)
		return JsonbToCString(NULL, value->val.binary.data, value->val.binary.len);
	if (value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->val.numeric)));
	if (value->type == jbvBool)
		return pstrdup(value->val.boolean ? "true" : "false");
	return pstrdup("null");
}

static FormViolation *
violation(const FormField *field, const char *rule, JsonbValue *value, char *message)
{
	FormViolation *result = palloc0(sizeof(FormViolation));

	result->field = field->name;
	result->label = field->label;
	result->rule = rule;
	result->value = value ? FormShownValue(value) : NULL;
	result->message = message;
	return result;
}

static bool
is_empty(JsonbValue *value)
{
	return value == NULL || value->type == jbvNull ||
		(value->type == jbvString && value->val.string.len == 0) ||
		(value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data) &&
		 JsonContainerSize(value->val.binary.data) == 0);
}

/* ---- texts ---------------------------------------------------------------------- */

/* local@domain.tld, all of it printable ASCII without spaces */
bool
IsEmailAddress(const char *text)
{
	const char *at = strchr(text, '@');
	const char *dot;

	if (at == NULL || at == text || strchr(at + 1, '@') != NULL || strlen(text) > EMAIL_MAX_LENGTH)
		return false;
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c >= 0x7F || strchr("<>()[],;:\\\"", *c) != NULL)
			return false;
	if (text[0] == '.' || at[-1] == '.' || at[1] == '.' || strstr(text, ".."))
		return false;
	for (const char *c = at + 1; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			  (*c >= '0' && *c <= '9') || *c == '-' || *c == '.') ||
			(*c == '-' && (strchr("@.", c[-1]) != NULL || strchr(".", c[1]) != NULL)))
			return false;
	dot = strrchr(at, '.');
	return dot != NULL && strlen(dot) > 2;
}

/* Digits with the signs people put between them. */
static bool
is_phone(const char *text)
{
	int			digits = 0;

	for (const char *c = text; *c; c++)
	{
		if (*c >= '0' && *c <= '9')
			digits++;
		else if (!(*c == '+' && c == text) && strchr("-() .", *c) == NULL)
			return false;
	}
	return digits >= PHONE_MIN_DIGITS && digits <= PHONE_MAX_DIGITS;
}

/* http(s)://host..., without spaces or control characters */
static bool
is_url(const char *text)
{
	const char *host = pg_strncasecmp(text, "http://", 7) == 0 ? text + 7 :
		pg_strncasecmp(text, "https://", 8) == 0 ? text + 8 : NULL;

	if (host == NULL || *host == '\0' || strchr("/?#:@.", *host) != NULL)
		return false;
	for (const unsigned char *c = (const unsigned char *) host; *c; c++)
		if (*c <= ' ' || *c == 0x7F || *c == '<' || *c == '>' || *c == '"')
			return false;
	return true;
}

static FormViolation *
check_text(const FormField *field, JsonbValue *value)
{
	char	   *text;

	if (value->type != jbvString)
		return violation(field, "type", value, pstrdup("it must be a text"));
	text = pnstrdup(value->val.string.val, value->val.string.len);

	if (field->type == FORM_EMAIL && !IsEmailAddress(text))
		return violation(field, "email", value,
						 pstrdup("it is no e-mail address such as taro@example.jp"));
	if (field->type == FORM_PHONE && !is_phone(text))
		return violation(field, "phone", value,
						 pstrdup("it is no phone number such as 03-1234-5678"));
	if (field->type == FORM_URL && !is_url(text))
		return violation(field, "url", value,
						 pstrdup("it is no URL such as https://example.jp/"));
	if (field->type == FORM_TEXT && strpbrk(text, "\r\n") != NULL)
		return violation(field, "type", value,
						 pstrdup("it must be a single line; a textarea holds several"));
	if (field->max_length > 0 && pg_mbstrlen(text) > field->max_length)
		return violation(field, "max_length", value,
						 psprintf("it has %d characters; at most %d are allowed",
								  pg_mbstrlen(text), field->max_length));
	if (field->pattern != NULL &&
		!RE_compile_and_execute(field->whole_pattern, text, strlen(text), REG_ADVANCED,
								DEFAULT_COLLATION_OID, 0, NULL))
		return violation(field, "pattern", value,
						 psprintf("it does not match the pattern %s", field->pattern));
	return NULL;
}

/* ---- numbers and times ----------------------------------------------------------- */

static FormViolation *
check_number(const FormField *field, JsonbValue *value)
{
	Datum		number;

	if (value->type != jbvNumeric)
		return violation(field, "type", value, pstrdup("it must be a number, without quotes"));
	number = NumericGetDatum(value->val.numeric);
	if (field->type == FORM_INTEGER &&
		!DatumGetBool(DirectFunctionCall2(numeric_eq, number,
										  DirectFunctionCall2(numeric_trunc, number,
															  Int32GetDatum(0)))))
		return violation(field, "type", value, pstrdup("it must be a whole number"));
	if (field->min != NULL &&
		DatumGetBool(DirectFunctionCall2(numeric_lt, number, NumericGetDatum(field->min_number))))
		return violation(field, "min", value, psprintf("it is below %s", field->min->text));
	if (field->max != NULL &&
		DatumGetBool(DirectFunctionCall2(numeric_gt, number, NumericGetDatum(field->max_number))))
		return violation(field, "max", value, psprintf("it is above %s", field->max->text));
	return NULL;
}

static FormViolation *
check_time(const FormField *field, JsonbValue *value)
{
	IsoTime		iso;

	if (value->type != jbvString ||
		!ParseIsoTime(pnstrdup(value->val.string.val, value->val.string.len), &iso) ||
		iso.has_time != (field->type == FORM_TIMESTAMP))
		return violation(field, "date", value, pstrdup(field->type == FORM_DATE ?
													   "it is no date such as 2026-06-01" :
													   "it is no time such as 2026-06-01 09:30"));
	if (field->min != NULL && FormTimeOrder(&iso) < field->min_time)
		return violation(field, "min", value, psprintf("it is before %s", field->min->text));
	if (field->max != NULL && FormTimeOrder(&iso) > field->max_time)
		return violation(field, "max", value, psprintf("it is after %s", field->max->text));
	return NULL;
}

/* ---- choices ------------------------------------------------------------------------- */

bool
FormHasList(List *lists, int64 list_id)
{
	ListCell   *lc;

	foreach(lc, lists)
		if (*(int64 *) lfirst(lc) == list_id)
			return true;
	return false;
}

static bool
is_for_list(const FormChoice *choice, bool has_list, int64 list_id)
{
	if (choice->only_lists != NIL)
		return has_list && FormHasList(choice->only_lists, list_id);
	return !has_list || !FormHasList(choice->except_lists, list_id);
}

/* A message that ends with the choices that may be entered instead. */
static char *
choose_another(const char *problem, const FormField *field, bool has_list, int64 list_id)
{
	StringInfoData out;
	const char *separator = "; choose one of ";
	int			shown = 0;
	ListCell   *lc;

	initStringInfo(&out);
	appendStringInfoString(&out, problem);
	foreach(lc, field->choices)
	{
		FormChoice *choice = lfirst(lc);

		if (choice->retired || !is_for_list(choice, has_list, list_id))
			continue;
		if (++shown > SHOWN_CHOICES)
		{
			appendStringInfoString(&out, ", ...");
			break;
		}
		appendStringInfo(&out, "%s%s", separator, choice->key);
		separator = ", ";
	}
	return out.data;
}

static bool
is_text(const JsonbValue *value, const char *text)
{
	return strlen(text) == (size_t) value->val.string.len &&
		memcmp(text, value->val.string.val, value->val.string.len) == 0;
}

static FormViolation *
check_choice(const FormField *field, JsonbValue *value, bool has_list, int64 list_id)
{
	const char *rule = "choice";
	const char *problem = "there is no such choice";
	const FormChoice *labelled = NULL;
	ListCell   *lc;

	if (value->type != jbvString)
		return violation(field, "type", value, pstrdup("it must be the key of a choice, a text"));
	if (field->choices == NIL)
		return NULL;
	foreach(lc, field->choices)
	{
		FormChoice *choice = lfirst(lc);

		if (!is_text(value, choice->key))
		{
			if (is_text(value, choice->label) && !choice->retired &&
				is_for_list(choice, has_list, list_id))
				labelled = choice;
			continue;
		}
		labelled = NULL;
		if (choice->retired)
		{
			rule = "retired";
			problem = "the choice is retired";
		}
		else if (!is_for_list(choice, has_list, list_id))
		{
			rule = "only_list";
			problem = has_list ? "the choice is for other lists than this one" :
				"the choice is for some lists only, and this is for no list";
		}
		else
			return NULL;
		break;
	}
	if (labelled != NULL)
		return violation(field, rule, value,
						 psprintf("there is no such choice; it is the label of %s, which is to be entered",
								  labelled->key));
	return violation(field, rule, value, choose_another(problem, field, has_list, list_id));
}

/* Any order will do that brings equal strings together. */
static int
compare_strings(const void *a, const void *b)
{
	const JsonbValue *x = a;
	const JsonbValue *y = b;

	if (x->val.string.len != y->val.string.len)
		return x->val.string.len < y->val.string.len ? -1 : 1;
	return memcmp(x->val.string.val, y->val.string.val, x->val.string.len);
}

static FormViolation *
check_choices(const FormField *field, JsonbValue *value, bool has_list, int64 list_id)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;
	JsonbValue *elements;
	int			n = 0;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		return violation(field, "type", value, pstrdup("it must be an array of choices"));
	elements = palloc(JsonContainerSize(value->val.binary.data) * sizeof(JsonbValue));
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		FormViolation *result;

		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		result = check_choice(field, &element, has_list, list_id);
		if (result != NULL)
			return result;
		elements[n++] = element;
	}
	qsort(elements, n, sizeof(JsonbValue), compare_strings);
	for (int i = 1; i < n; i++)
		if (compare_strings(&elements[i - 1], &elements[i]) == 0)
			return violation(field, "choice", &elements[i], pstrdup("the choice is there twice"));
	return NULL;
}

FormViolation *
FormCheckValue(const FormField *field, JsonbValue *value, bool has_list, int64 list_id)
{
	if (is_empty(value))
		return field->required ?
			violation(field, "required", NULL, pstrdup("it is required")) : NULL;
	if (field->retired)
		return violation(field, "retired", value,
						 pstrdup("the field is retired and no longer to be entered"));
	switch (field->type)
	{
		case FORM_TEXT:
		case FORM_TEXTAREA:
		case FORM_EMAIL:
		case FORM_PHONE:
		case FORM_URL:
			return check_text(field, value);
		case FORM_NUMBER:
		case FORM_INTEGER:
			return check_number(field, value);
		case FORM_DATE:
		case FORM_TIMESTAMP:
			return check_time(field, value);
		case FORM_RADIO:
		case FORM_SELECT:
			return check_choice(field, value, has_list, list_id);
		case FORM_MULTISELECT:
			return check_choices(field, value, has_list, list_id);
		case FORM_CHECKBOX:
			return value->type == jbvBool ? NULL :
				violation(field, "type", value, pstrdup("it must be true or false"));
	}
	pg_unreachable();
}

/* The violation of a key that is no field, with the nearest that is. */
static FormViolation *
unknown_field(const Form *form, JsonbValue *key, JsonbValue *value)
{
	char	   *name = pnstrdup(key->val.string.val, key->val.string.len);
	FormField	unknown = {.name = name, .label = name};
	List	   *names = NIL;
	const char *nearest;
	ListCell   *lc;

	foreach(lc, form->fields)
	{
		FormField  *field = lfirst(lc);

		names = lappend(names, field->name);
		names = lappend(names, field->label);
	}
	nearest = NearestName(name, names);
	/* documents go by names, so a label stands for that of its field */
	foreach(lc, form->fields)
	{
		FormField  *field = lfirst(lc);

		if (nearest == field->label)
			nearest = field->name;
	}
	return violation(&unknown, "unknown", value,
					 nearest ? psprintf("there is no such field; did you mean \"%s\"?", nearest) :
					 pstrdup("there is no such field"));
}

void
FormValueToJsonb(const FormValue *value, JsonbValue *result)
{
	switch (value->kind)
	{
		case FORM_VALUE_NUMBER:
			result->type = jbvNumeric;
			result->val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in,
																	  CStringGetDatum(value->text),
																	  ObjectIdGetDatum(InvalidOid),
																	  Int32GetDatum(-1)));
			break;
		case FORM_VALUE_STRING:
			result->type = jbvString;
			result->val.string.val = value->text;
			result->val.string.len = strlen(value->text);
			break;
		case FORM_VALUE_BOOLEAN:
			result->type = jbvBool;
			result->val.boolean = strcmp(value->text, "true") == 0;
			break;
	}
}

List *
FormViolations(const Form *form, Jsonb *document, bool has_list, int64 list_id)
{
	List	   *violations = NIL;
	int			present = 0;
	ListCell   *lc;

	if (!JB_ROOT_IS_OBJECT(document))
	{
		FormField	whole = {.name = "document", .label = "document"};
		JsonbValue	value;

		if (!JB_ROOT_IS_SCALAR(document) || !JsonbExtractScalar(&document->root, &value))
		{
			value.type = jbvBinary;
			value.val.binary.data = &document->root;
			value.val.binary.len = VARSIZE(document) - VARHDRSZ;
		}
		return list_make1(violation(&whole, "type", &value, pstrdup("it must be a JSON object")));
	}
	foreach(lc, form->fields)
	{
		FormField  *field = lfirst(lc);
		JsonbValue	buffer;
		JsonbValue *value = getKeyJsonValueFromContainer(&document->root, field->name,
														 strlen(field->name), &buffer);
		FormViolation *found = FormCheckValue(field, value, has_list, list_id);

		if (value != NULL)
			present++;
		if (found != NULL)
			violations = lappend(violations, found);
	}
	if (present < (int) JB_ROOT_COUNT(document))
	{
		JsonbIterator *iterator = JsonbIteratorInit(&document->root);
		JsonbIteratorToken token;
		JsonbValue	key;
		JsonbValue	value;

		while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
			if (token == WJB_KEY)
			{
				CHECK_FOR_INTERRUPTS();
				(void) JsonbIteratorNext(&iterator, &value, true);
				if (FormFindField(form, pnstrdup(key.val.string.val, key.val.string.len)) == NULL)
					violations = lappend(violations, unknown_field(form, &key, &value));
			}
	}
	return violations;
}
