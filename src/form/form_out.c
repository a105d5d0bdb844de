/*
 * form_out.c
 *		From form to canonical text: one spacing, options in one order, labels
 *		only where they differ from what they label.
 */
#include "postgres.h"

#include "form/form_parse.h"

const char *
FormTypeName(FormType type)
{
	static const char *const names[] = {
		"checkbox", "date", "email", "integer", "multiselect", "number", "phone",
		"radio", "select", "text", "textarea", "timestamp", "url"
	};

	return names[type];
}

static void
put_name(StringInfo out, const char *name)
{
	AppendName(out, name, FormKeyword(name) != 0);
}

static void
put_label(StringInfo out, const char *label, const char *of)
{
	if (strcmp(label, of) == 0)
		return;
	appendStringInfoChar(out, ' ');
	AppendQuoted(out, label, '"');
}

static void
put_lists(StringInfo out, const char *option, List *lists)
{
	ListCell   *lc;

	if (lists == NIL)
		return;
	appendStringInfo(out, " %s list (", option);
	foreach(lc, lists)
		appendStringInfo(out, "%s" INT64_FORMAT, lc == list_head(lists) ? "" : ", ",
						 *(int64 *) lfirst(lc));
	appendStringInfoChar(out, ')');
}

static void
put_choice(StringInfo out, const FormChoice *choice)
{
	AppendQuoted(out, choice->key, '\'');
	put_label(out, choice->label, choice->key);
	appendStringInfo(out, "%s%s%s", choice->effective ? " effective" : "",
					 choice->closes ? " closes" : "", choice->retired ? " retired" : "");
	put_lists(out, "only", choice->only_lists);
	put_lists(out, "except", choice->except_lists);
}

static void
put_option(StringInfo out, const char *option, const FormValue *value)
{
	if (value == NULL)
		return;
	appendStringInfo(out, " %s ", option);
	if (value->kind == FORM_VALUE_STRING)
		AppendQuoted(out, value->text, '\'');
	else
		appendStringInfoString(out, value->text);
}

static void
put_field(StringInfo out, const FormField *field)
{
	ListCell   *lc;

	put_name(out, field->name);
	put_label(out, field->label, field->name);
	appendStringInfo(out, " %s", FormTypeName(field->type));
	if (field->choices != NIL)
	{
		appendStringInfoChar(out, '(');
		foreach(lc, field->choices)
		{
			if (lc != list_head(field->choices))
				appendStringInfoString(out, ", ");
			put_choice(out, lfirst(lc));
		}
		appendStringInfoChar(out, ')');
	}
	if (field->required)
		appendStringInfoString(out, " required");
	put_option(out, "min", field->min);
	put_option(out, "max", field->max);
	if (field->max_length > 0)
		appendStringInfo(out, " max_length %d", field->max_length);
	if (field->pattern != NULL)
	{
		appendStringInfoString(out, " pattern ");
		AppendQuoted(out, field->pattern, '\'');
	}
	put_option(out, "default", field->default_value);
	if (field->hidden)
		appendStringInfoString(out, " hidden");
	if (field->retired)
		appendStringInfoString(out, " retired");
}

char *
FormDeparse(const Form *form)
{
	StringInfoData out;
	ListCell   *lc;

	initStringInfo(&out);
	foreach(lc, form->fields)
	{
		if (lc != list_head(form->fields))
			appendStringInfoString(&out, "; ");
		put_field(&out, lfirst(lc));
	}
	return out.data;
}
