/*
 * set_list_results.c
 *		leadflow.set_list_results(): which results can be entered for a list, by
 *		way of the "only list" and "except list" of the activity form's choices.
 *
 * It changes what can be entered for that list, and nothing for any other list
 * nor for activities without one.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lead/lead.h"
#include "lexer.h"
#include "list/list.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(set_list_results);

/* The field whose choices they are */
#define RESULT_FIELD	"result"

static List *
add_list(List *lists, int64 list_id)
{
	int64	   *added = palloc(sizeof(int64));

	if (FormHasList(lists, list_id))
		return lists;
	*added = list_id;
	return lappend(lists, added);
}

static List *
remove_list(List *lists, int64 list_id)
{
	List	   *left = NIL;
	ListCell   *lc;

	foreach(lc, lists)
		if (*(int64 *) lfirst(lc) != list_id)
			left = lappend(left, lfirst(lc));
	return left;
}

/* Let a choice be entered for the list; one that is retired, for it alone. */
static void
allow(FormChoice *choice, int64 list_id)
{
	if (choice->retired)
	{
		choice->retired = false;
		choice->only_lists = add_list(NIL, list_id);
		choice->except_lists = NIL;
	}
	else if (choice->only_lists != NIL)
		choice->only_lists = add_list(choice->only_lists, list_id);
	else
		choice->except_lists = remove_list(choice->except_lists, list_id);
}

/* Let a choice be entered for the list no more. What is for no list is retired. */
static void
forbid(FormChoice *choice, int64 list_id)
{
	if (choice->only_lists == NIL)
		choice->except_lists = add_list(choice->except_lists, list_id);
	else if (FormHasList(choice->only_lists, list_id))
	{
		if (list_length(choice->only_lists) == 1)
			choice->retired = true;
		else
			choice->only_lists = remove_list(choice->only_lists, list_id);
	}
}

/* The choice of a key, or else of a label; NULL when there is none. */
static FormChoice *
find_choice(const FormField *field, const char *name)
{
	FormChoice *found = NULL;
	ListCell   *lc;

	foreach(lc, field->choices)
		if (strcmp(((FormChoice *) lfirst(lc))->key, name) == 0)
			return lfirst(lc);
	foreach(lc, field->choices)
	{
		FormChoice *choice = lfirst(lc);

		if (strcmp(choice->label, name) != 0)
			continue;
		if (found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("the label \"%s\" is ambiguous", name),
					 errdetail("Results '%s' and '%s' both have it.", found->key, choice->key),
					 errhint("Use the key of the result.")));
		found = choice;
	}
	return found;
}

/* A new choice, as a form has it: 'key' "label" effective closes */
static FormChoice *
new_choice(const FormField *field, const char *text)
{
	Form	   *form = FormParse(psprintf(RESULT_FIELD " %s(%s)", FormTypeName(field->type), text));
	FormField  *parsed = linitial(form->fields);
	FormChoice *choice = linitial(parsed->choices);

	if (list_length(form->fields) != 1 || list_length(parsed->choices) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("one result at a time: %s", text)));
	if (choice->retired || choice->only_lists != NIL || choice->except_lists != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("result '%s' is to be entered for this list", choice->key),
				 errdetail("It cannot be retired, nor for other lists."),
				 errhint("Write it with its label, \"effective\" and \"closes\" alone.")));
	return choice;
}

/* The choice that an element of the array names; a new one is added, for the list alone. */
static FormChoice *
named_choice(FormField *field, const char *text, int64 list_id)
{
	FormChoice *choice;
	FormChoice *written;
	List	   *known = NIL;
	const char *nearest;
	ListCell   *lc;

	if (text[strspn(text, " ")] == '\'')
	{
		written = new_choice(field, text);
		choice = find_choice(field, written->key);
		if (choice == NULL)
		{
			field->choices = lappend(field->choices, written);
			written->only_lists = add_list(NIL, list_id);
			return written;
		}
		if (strcmp(written->label, written->key) != 0 || written->effective || written->closes)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("there is a result '%s' already", choice->key),
					 errdetail("How it is labelled and what it counts as are the same for all lists."),
					 errhint("Name it alone: %s.", quote_literal_cstr(choice->key))));
		return choice;
	}

	choice = find_choice(field, text);
	if (choice != NULL)
		return choice;
	foreach(lc, field->choices)
	{
		known = lappend(known, ((FormChoice *) lfirst(lc))->key);
		known = lappend(known, ((FormChoice *) lfirst(lc))->label);
	}
	nearest = NearestName(text, known);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("the form of activities has no result \"%s\"", text),
			 errhint("%s%s%sA new one is written in single quotes, as in a form: array[$$%s$$].",
					 nearest ? "Did you mean \"" : "", nearest ? nearest : "",
					 nearest ? "\"? " : "", quote_literal_cstr(text))));
}

static void
set_results(FormField *field, ArrayType *results, int64 list_id)
{
	List	   *chosen = NIL;
	Datum	   *names;
	bool	   *nulls;
	int			n;
	ListCell   *lc;

	deconstruct_array(results, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a result must not be null")));
		chosen = list_append_unique_ptr(chosen, named_choice(field, TextDatumGetCString(names[i]),
															 list_id));
	}
	if (chosen == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a list needs at least one result")));
	foreach(lc, field->choices)
	{
		if (list_member_ptr(chosen, lfirst(lc)))
			allow(lfirst(lc), list_id);
		else
			forbid(lfirst(lc), list_id);
	}
}

Datum
set_list_results(PG_FUNCTION_ARGS)
{
	const Entity *entity = FindEntity("activity");
	bool		dry_run = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	LeadList   *list;
	SpiFrame	frame;
	char	   *text;
	int			version;
	Form	   *form;
	FormField  *field;

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(true);
	list = LockList(fcinfo, 0);
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the results must not be null")));
	if (!dry_run)
		LockForms();
	text = CurrentForm(entity, &version);
	form = text ? FormParse(text) : NULL;
	field = form ? FormFindField(form, RESULT_FIELD) : NULL;
	if (field == NULL || field->choices == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the form of activities has no field \"%s\" with choices", RESULT_FIELD),
				 errhint("Put one in force with leadflow.set_form().")));
	set_results(field, PG_GETARG_ARRAYTYPE_P(1), list->list_id);
	SetForm(fcinfo, entity, FormDeparse(form), dry_run);
	LeaveSpi(frame);
	return (Datum) 0;
}
