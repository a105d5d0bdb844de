/*
 * form.c
 *		The SQL type "form" and the functions that hold a document against one.
 */
#include "postgres.h"

#include "canonical.h"
#include "catalog/pg_type.h"
#include "form/form.h"
#include "lexer.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(form_in);
PG_FUNCTION_INFO_V1(form_recv);
PG_FUNCTION_INFO_V1(form_fields);
PG_FUNCTION_INFO_V1(form_choices);
PG_FUNCTION_INFO_V1(form_violations);
PG_FUNCTION_INFO_V1(form_conforms);

char *
FormGetText(const FormText *form)
{
	return text_to_cstring((const text *) form);
}

static Datum
canonical_form(const char *text)
{
	return CStringGetTextDatum(FormDeparse(FormParse(text)));
}

Datum
form_in(PG_FUNCTION_ARGS)
{
	return canonical_form(PG_GETARG_CSTRING(0));
}

Datum
form_recv(PG_FUNCTION_ARGS)
{
	return canonical_form(CanonicalReceive((StringInfo) PG_GETARG_POINTER(0), "form"));
}

/* ---- what a form holds, for a GUI or a BI tool ------------------------------------ */

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

static Datum
value_or_null(const FormValue *value, bool *isnull)
{
	return text_or_null(value ? value->text : NULL, isnull);
}

Datum
form_fields(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Form	   *form = FormParse(FormGetText(PG_GETARG_FORM_PP(0)));
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, form->fields)
	{
		FormField  *field = lfirst(lc);
		Datum		values[12];
		bool		nulls[12] = {false};

		values[0] = Int32GetDatum(foreach_current_index(lc) + 1);
		values[1] = CStringGetTextDatum(field->name);
		values[2] = CStringGetTextDatum(field->label);
		values[3] = CStringGetTextDatum(FormTypeName(field->type));
		values[4] = BoolGetDatum(field->required);
		values[5] = value_or_null(field->min, &nulls[5]);
		values[6] = value_or_null(field->max, &nulls[6]);
		values[7] = Int32GetDatum(field->max_length);
		nulls[7] = field->max_length == 0;
		values[8] = text_or_null(field->pattern, &nulls[8]);
		values[9] = value_or_null(field->default_value, &nulls[9]);
		values[10] = BoolGetDatum(field->hidden);
		values[11] = BoolGetDatum(field->retired);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* List ids as an array; null for none. */
static Datum
list_ids(List *lists, bool *isnull)
{
	int			n = list_length(lists);
	Datum	   *ids = palloc(n * sizeof(Datum));
	ListCell   *lc;

	*isnull = n == 0;
	if (n == 0)
		return (Datum) 0;
	foreach(lc, lists)
		ids[foreach_current_index(lc)] = Int64GetDatum(*(int64 *) lfirst(lc));
	return PointerGetDatum(construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

Datum
form_choices(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Form	   *form = FormParse(FormGetText(PG_GETARG_FORM_PP(0)));
	ListCell   *lc;
	ListCell   *lc2;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, form->fields)
	{
		FormField  *field = lfirst(lc);

		foreach(lc2, field->choices)
		{
			FormChoice *choice = lfirst(lc2);
			Datum		values[9];
			bool		nulls[9] = {false};

			values[0] = CStringGetTextDatum(field->name);
			values[1] = Int32GetDatum(foreach_current_index(lc2) + 1);
			values[2] = CStringGetTextDatum(choice->key);
			values[3] = CStringGetTextDatum(choice->label);
			values[4] = BoolGetDatum(choice->effective);
			values[5] = BoolGetDatum(choice->closes);
			values[6] = BoolGetDatum(choice->retired);
			values[7] = list_ids(choice->only_lists, &nulls[7]);
			values[8] = list_ids(choice->except_lists, &nulls[8]);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

/* ---- holding a document against a form -------------------------------------------- */

/* A form parsed for a call site, and the text it was parsed from. */
typedef struct FormCache
{
	FormText   *source;
	Form	   *form;
	MemoryContext context;
} FormCache;

/* The form of an argument; parsed once per call site, as long as it stays the same. */
static Form *
cached_form(FunctionCallInfo fcinfo, int argument)
{
	FormText   *source = PG_GETARG_FORM_PP(argument);
	FormCache  *cache = fcinfo->flinfo->fn_extra;
	MemoryContext old;

	if (cache != NULL && VARSIZE_ANY_EXHDR(source) == VARSIZE_ANY_EXHDR(cache->source) &&
		memcmp(VARDATA_ANY(source), VARDATA_ANY(cache->source), VARSIZE_ANY_EXHDR(source)) == 0)
		return cache->form;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(FormCache));
		cache->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "leadflow form",
											   ALLOCSET_DEFAULT_SIZES);
	}
	/* no cache while it is being changed, lest an error leave half of one */
	fcinfo->flinfo->fn_extra = NULL;
	MemoryContextReset(cache->context);
	old = MemoryContextSwitchTo(cache->context);
	cache->source = (FormText *) cstring_to_text_with_len(VARDATA_ANY(source),
														  VARSIZE_ANY_EXHDR(source));
	cache->form = FormParse(FormGetText(cache->source));
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = cache;
	return cache->form;
}

/* The violations of the call's document; that which is null is an empty one. */
static List *
argument_violations(FunctionCallInfo fcinfo)
{
	JsonbParseState *state = NULL;
	Jsonb	   *document;
	Form	   *form;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the form must not be null"),
				 errhint("A form without fields is ''::leadflow.form.")));
	form = cached_form(fcinfo, 0);
	if (PG_ARGISNULL(1))
	{
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		document = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	}
	else
		document = PG_GETARG_JSONB_P(1);
	return FormViolations(form, document, !PG_ARGISNULL(2),
						  PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2));
}

Datum
form_violations(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *violations = argument_violations(fcinfo);
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, violations)
	{
		FormViolation *violation = lfirst(lc);
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = CStringGetTextDatum(violation->field);
		values[1] = CStringGetTextDatum(violation->label);
		values[2] = CStringGetTextDatum(violation->rule);
		values[3] = text_or_null(violation->value, &nulls[3]);
		values[4] = CStringGetTextDatum(violation->message);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Violations as an error's detail shows them, a line each. */
void
FormAppendViolations(StringInfo detail, List *violations)
{
	ListCell   *lc;

	foreach(lc, violations)
	{
		FormViolation *violation = lfirst(lc);

		if (lc != list_head(violations))
			appendStringInfoChar(detail, '\n');
		appendStringInfoString(detail, violation->field);
		if (strcmp(violation->field, violation->label) != 0)
			appendStringInfo(detail, " \"%s\"", violation->label);
		if (violation->value != NULL)
			appendStringInfo(detail, " is \"%s\"", ShownLiteral(violation->value));
		appendStringInfo(detail, ": %s%s", violation->message,
						 violation->message[strlen(violation->message) - 1] == '?' ? "" : ".");
	}
}

void
FormRaise(List *violations)
{
	StringInfoData detail;

	initStringInfo(&detail);
	FormAppendViolations(&detail, violations);
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg_plural("%d field does not conform to the form",
						   "%d fields do not conform to the form",
						   list_length(violations), list_length(violations)),
			 errdetail_internal("%s", detail.data)));
}

/* True, or an error that names all violations. */
Datum
form_conforms(PG_FUNCTION_ARGS)
{
	List	   *violations = argument_violations(fcinfo);

	if (violations != NIL)
		FormRaise(violations);
	PG_RETURN_BOOL(true);
}
