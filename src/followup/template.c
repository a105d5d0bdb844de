/*
 * template.c
 *		Templates: checked when they are saved, and compiled to SQL, so that one
 *		statement fills in the fields of however many messages.
 *
 * A field is {{name}} or {{name|default}}. In a mail to a customer, a field
 * without a value and without a default leaves the message unwritten, never
 * blank; in a notice to colleagues it is blank.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "followup/template.h"
#include "form/form.h"
#include "lexer.h"
#include "lib/stringinfo.h"
#include "source/hidden.h"
#include "source/source.h"
#include "spi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(save_template);
PG_FUNCTION_INFO_V1(merge_value);
PG_FUNCTION_INFO_V1(mail_address);

/* ---- values ---------------------------------------------------------------------- */

/* How a value is written, so that it stays text whatever is in it. */
typedef struct Escape
{
	const char *format;
	const char *special;		/* characters with a meaning ... */
	const char *written[5];		/* ... and what stands for them */
} Escape;

static const Escape escapes[] = {
	{"line", "", {NULL}},
	{"text", "", {NULL}},
	{"html", "&<>\"'", {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"}},
	{"slack", "&<>", {"&amp;", "&lt;", "&gt;"}},
};

/* Offered as the formats of templates; "line" is that of their subjects. */
static List *
format_names(void)
{
	List	   *names = NIL;

	for (size_t i = 1; i < lengthof(escapes); i++)
		names = lappend(names, unconstify(char *, escapes[i].format));
	return names;
}

/* The length of a space or a control character at the start of text, or 0. */
static int
blank_length(const char *text)
{
	if ((unsigned char) *text <= ' ')
		return *text != '\0';
	if (*text == 0x7F)
		return 1;
	/* U+0080 to U+00A0, U+2028 and U+2029, U+3000 */
	if (strncmp(text, "\xC2", 1) == 0 && (unsigned char) text[1] <= 0xA0)
		return 2;
	return strncmp(text, "\xE2\x80\xA8", 3) == 0 || strncmp(text, "\xE2\x80\xA9", 3) == 0 ||
		strncmp(text, "\xE3\x80\x80", 3) == 0 ? 3 : 0;
}

/* A value without the blanks around it, escaped; null when nothing is left. */
Datum
merge_value(PG_FUNCTION_ARGS)
{
	char	   *value = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *format = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bool		one_line = strcmp(format, "line") == 0;
	const Escape *escape = NULL;
	StringInfoData out;
	char	   *end = value;
	int			length;

	for (size_t i = 0; i < lengthof(escapes); i++)
		if (strcmp(escapes[i].format, format) == 0)
			escape = &escapes[i];
	if (escape == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("format \"%s\" is unknown", format),
				 errhint("The formats are line, text, html and slack.")));

	while ((length = blank_length(value)) > 0)
		value += length;
	for (char *c = value; *c; c += length)
	{
		length = Max(blank_length(c), 1);
		if (blank_length(c) == 0)
			end = c + 1;
	}
	*end = '\0';
	if (*value == '\0')
		PG_RETURN_NULL();

	initStringInfo(&out);
	for (char *c = value; *c; c++)
	{
		const char *special = strchr(escape->special, *c);

		/* a line ends in one way */
		if (*c == '\r' && c[1] == '\n')
			continue;
		if (one_line && (length = blank_length(c)) > 0 && strncmp(c, "\xE3", 1) != 0)
		{
			appendStringInfoChar(&out, ' ');
			c += length - 1;
		}
		else if (special != NULL)
			appendStringInfoString(&out, escape->written[special - escape->special]);
		else if (*c == '\n' && strcmp(format, "html") == 0)
			appendStringInfoString(&out, "<br>\n");
		else
			appendStringInfoChar(&out, *c);
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}

/* An e-mail address as mail is sent to it; null for what is none. */
Datum
mail_address(PG_FUNCTION_ARGS)
{
	char	   *address = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *end;
	int			length;

	while ((length = blank_length(address)) > 0)
		address += length;
	for (end = address; *end && blank_length(end) == 0; end++)
		*end = pg_tolower((unsigned char) *end);
	for (char *c = end; *c; c += length)
		if ((length = blank_length(c)) == 0)
			PG_RETURN_NULL();
	*end = '\0';
	if (!IsEmailAddress(address))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(address));
}

/* ---- fields ------------------------------------------------------------------------ */

/* A field whose SQL is known beforehand, and the kinds of template that may have it */
typedef struct FixedField
{
	const char *name;
	const char *kinds;
	const char *sql;
} FixedField;

static const FixedField fixed_fields[] = {
	{"rep.name", "lead", "r.name"},
	{"rep.email", "lead", "r.email"},
	{"rep.team", "lead", "r.team"},
	{"list.name", "lead", "t.name"},
	{"list.name", "list members check", "x.list_name"},
	{"list.purpose", "list members check", "x.purpose"},
	{"list.link", "list members check", "x.link"},
	{"recipient.name", "list members check", "x.name"},
	{"rep.name", "members", "x.name"},
	{"day", "list members check", "x.shown_day"},
	{"count", "list members check", "x.count"},
	{"members", "members check", "x.lines"},
	{"worked", "check", "x.worked"},
	{"total", "check", "x.total"},
	{"report", "check", "x.report"},
	{"added", "list", "x.added"},
	{"removed", "list", "x.removed"},
	{"kept", "list", "x.kept"},
};

static const char *const kinds[] = {"lead", "list", "members", "check"};

/* What a template may name: of a lead, all that segments can. */
typedef struct Fields
{
	const Template *template;
	Source	   *lead;			/* or NULL */
} Fields;

static Fields
template_fields(const Template *template)
{
	Fields		fields = {template, NULL};
	ListCell   *lc;

	if (strcmp(template->kind, "lead") != 0)
		return fields;
	foreach(lc, LoadSources())
	{
		Source	   *source = lfirst(lc);

		if (strcmp(source->name, "lead") == 0 && SourceLoadFields(source))
			fields.lead = source;
	}
	return fields;
}

static bool
is_of_kind(const FixedField *field, const char *kind)
{
	return strstr(field->kinds, kind) != NULL;
}

static List *
field_names(const Fields *fields)
{
	List	   *names = NIL;
	ListCell   *lc;

	for (size_t i = 0; i < lengthof(fixed_fields); i++)
		if (is_of_kind(&fixed_fields[i], fields->template->kind))
			names = lappend(names, unconstify(char *, fixed_fields[i].name));
	if (fields->lead == NULL)
		return names;
	foreach(lc, fields->lead->fields)
	{
		SourceField *field = lfirst(lc);

		if (field->type == FIELD_OTHER)
			continue;
		names = lappend(names, psprintf("lead.%s", field->name));
		if (field->label && fields->lead->label)
			names = lappend(names, psprintf("%s.%s", fields->lead->label, field->label));
	}
	return names;
}

/* The label of a choice, by its key; documents hold keys, people read labels. */
static char *
choice_label_sql(const FormField *form, const char *key)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CASE %s", key);
	foreach(lc, form->choices)
	{
		FormChoice *choice = lfirst(lc);

		appendStringInfo(&sql, " WHEN %s THEN %s", quote_literal_cstr(choice->key),
						 quote_literal_cstr(choice->label));
	}
	appendStringInfo(&sql, " ELSE %s END", key);
	return sql.data;
}

/* A field of the lead l as text. */
static char *
lead_field_sql(const SourceField *field)
{
	char	   *value = FieldSql(field, "l");
	bool		has_choices = field->form != NULL && field->form->choices != NIL;

	if (field->lookup_relation != NULL)
		return psprintf("(SELECT k.%s::text FROM %s AS k WHERE k.%s = %s)", field->lookup_name,
						field->lookup_relation, field->lookup_key, value);
	switch (field->type)
	{
		case FIELD_DATE:
			return psprintf("to_char(%s, 'YYYY-MM-DD')", value);
		case FIELD_TIMESTAMP:
			return psprintf("to_char(%s, 'YYYY-MM-DD HH24:MI')", value);
		case FIELD_TIMESTAMPTZ:
			return psprintf("to_char(leadflow.local_time(%s, $2), 'YYYY-MM-DD HH24:MI')", value);
		case FIELD_CHOICES:
			return psprintf("(SELECT string_agg(%s, '、' ORDER BY c.n) FROM unnest(%s)"
							" WITH ORDINALITY AS c (key, n))",
							has_choices ? choice_label_sql(field->form, "c.key") : "c.key", value);
		default:
			value = psprintf("(%s)::text", value);
			return has_choices ? choice_label_sql(field->form, value) : value;
	}
}

/* The SQL of a field, by its name or labels; NULL when there is none. */
static char *
find_field(const Fields *fields, const char *name)
{
	const char *dot = strchr(name, '.');
	SourceField *field;
	SourceField *second;
	char	   *source;

	for (size_t i = 0; i < lengthof(fixed_fields); i++)
		if (is_of_kind(&fixed_fields[i], fields->template->kind) &&
			strcmp(fixed_fields[i].name, name) == 0)
			return psprintf("%s::text", fixed_fields[i].sql);
	if (fields->lead == NULL || dot == NULL)
		return NULL;
	source = pnstrdup(name, dot - name);
	if (strcmp(source, "lead") != 0 &&
		(fields->lead->label == NULL || pg_strcasecmp(source, fields->lead->label) != 0))
		return NULL;
	field = SourceFindField(fields->lead, dot + 1, &second);
	if (field == NULL || field->type == FIELD_OTHER)
		return NULL;
	if (second != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("more than one field is called \"%s\"", name),
				 errhint("Write {{lead.%s}} or {{lead.%s}}.", field->name, second->name)));
	if (FieldIsHidden(fields->lead, field))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("field \"%s\" is hidden", name),
				 errdetail("Only who has the privileges of the tables' owner may see its values.")));
	return lead_field_sql(field);
}

/* ---- compiling --------------------------------------------------------------------- */

typedef struct Compiling
{
	Fields		fields;
	const char *part;			/* "subject" or "body" */
	const char *format;
	StringInfo	missing;		/* elements of an array */
} Compiling;

pg_noreturn static void
report_at(const Compiling *compiling, const char *text, const char *at, const char *problem,
		  const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("%s", problem),
			 errdetail("It is at character %d of the %s of template \"%s\".",
					   CharacterPosition(text, at - text), compiling->part,
					   compiling->fields.template->name),
			 errhint("%s", hint)));
}

static char *
trimmed(const char *text, int length)
{
	while (length > 0 && isspace((unsigned char) *text))
		text++, length--;
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		length--;
	return pnstrdup(text, length);
}

/* Append the SQL of one field: from behind its {{ up to its }}. */
static void
compile_field(Compiling *compiling, StringInfo out, const char *text, const char *start,
			  const char *end)
{
	const char *bar = memchr(start, '|', end - start);
	char	   *name = trimmed(start, (bar ? bar : end) - start);
	char	   *sql = find_field(&compiling->fields, name);
	char	   *value;
	const char *nearest;

	if (sql == NULL)
	{
		nearest = NearestName(name, field_names(&compiling->fields));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("a template of kind %s has no field \"%s\"",
						compiling->fields.template->kind, name),
				 errdetail("It is at character %d of the %s of template \"%s\".",
						   CharacterPosition(text, start - text), compiling->part,
						   compiling->fields.template->name),
				 nearest ? errhint("Did you mean {{%s}}?", nearest) :
				 errhint("A field is written as {{%s}}.",
						 (char *) linitial(field_names(&compiling->fields)))));
	}

	value = psprintf("leadflow.merge_value(%s, %s)", sql, quote_literal_cstr(compiling->format));
	if (bar != NULL)
		appendStringInfo(out, "coalesce(%s, %s)", value,
						 quote_literal_cstr(trimmed(bar + 1, end - bar - 1)));
	else if (compiling->fields.lead == NULL)
		appendStringInfo(out, "coalesce(%s, '')", value);
	else
	{
		appendStringInfoString(out, value);
		appendStringInfo(compiling->missing, "%sCASE WHEN %s IS NULL THEN %s END",
						 compiling->missing->len > 0 ? ", " : "", value, quote_literal_cstr(name));
	}
}

/* A text as SQL: what is between its fields, and they, one after the other. */
static char *
compile_text(Compiling *compiling, const char *text)
{
	StringInfoData out;
	const char *rest = text;
	const char *start;
	const char *end;

	initStringInfo(&out);
	if ((start = strstr(text, "\xEF\xBD\x9B\xEF\xBD\x9B")) != NULL)
		report_at(compiling, text, start, "a field is in full-width braces",
				  "Write it in ASCII: {{lead.company}}.");
	while ((start = strstr(rest, "{{")) != NULL)
	{
		const char *next = strstr(start + 2, "{{");

		end = strstr(start + 2, "}}");
		if (end == NULL || (next != NULL && next < end))
			report_at(compiling, text, start, "a field has no end",
					  "Write it as {{lead.company}}, or {{lead.company|default}}.");
		appendStringInfo(&out, "%s || ", quote_literal_cstr(pnstrdup(rest, start - rest)));
		compile_field(compiling, &out, text, start + 2, end);
		appendStringInfoString(&out, " || ");
		rest = end + 2;
	}
	appendStringInfoString(&out, quote_literal_cstr(rest));
	return out.data;
}

TemplateSql
CompileTemplate(const Template *template)
{
	TemplateSql sql;
	StringInfoData missing;
	Compiling	compiling = {0};

	initStringInfo(&missing);
	compiling.fields = template_fields(template);
	compiling.missing = &missing;

	compiling.part = "subject";
	compiling.format = "line";
	sql.subject = compile_text(&compiling, template->subject);
	compiling.part = "body";
	compiling.format = template->format;
	sql.body = compile_text(&compiling, template->body);
	sql.missing = psprintf("array_remove(ARRAY[%s]::text[], NULL)", missing.data);
	return sql;
}

/* ---- saving and loading -------------------------------------------------------------- */

Template *
LoadTemplate(const char *name, const char *kind)
{
	SpiArgs		args = {0};
	Template   *template = palloc(sizeof(Template));

	AddTextArg(&args, name);
	if (SpiRead("SELECT name, kind, channel, format, subject, body FROM leadflow.template"
				" WHERE name = $1", &args) == 0)
	{
		const char *nearest =
			NearestName(name, SpiNames(psprintf("SELECT name FROM leadflow.template"
												" WHERE kind = %s ORDER BY name",
												quote_literal_cstr(kind))));

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("template \"%s\" does not exist", name),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) :
				 errhint("Make it with leadflow.save_template().")));
	}
	template->name = SpiText(1, 1);
	template->kind = SpiText(1, 2);
	template->channel = SpiText(1, 3);
	template->format = SpiText(1, 4);
	template->subject = SpiText(1, 5);
	template->body = SpiText(1, 6);
	if (strcmp(template->kind, kind) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("template \"%s\" is of kind %s, not %s", name, template->kind, kind)));
	return template;
}

/* A text argument that is one of a few; null is what there was, or the first. */
static char *
choice(FunctionCallInfo fcinfo, int argument, const char *what, char *old, List *choices)
{
	char	   *value;
	const char *nearest;
	ListCell   *lc;

	if (PG_ARGISNULL(argument))
		return old ? old : linitial(choices);
	value = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	foreach(lc, choices)
		if (strcmp(lfirst(lc), value) == 0)
			return value;
	nearest = NearestName(value, choices);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s \"%s\" of a template is unknown", what, value),
			 errhint("Did you mean \"%s\"?", nearest ? nearest : (char *) linitial(choices))));
}

Datum
save_template(PG_FUNCTION_ARGS)
{
	SpiFrame	frame;
	SpiArgs		args = {0};
	Template	template = {0};
	Template	old = {0};
	List	   *kind_names = NIL;

	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a template needs a name, a subject and a body")));
	template.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	template.subject = text_to_cstring(PG_GETARG_TEXT_PP(1));
	template.body = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (template.name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a template must not be empty")));
	for (char *c = template.subject; *c; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7F)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the subject of template \"%s\" is not one line", template.name),
					 errdetail("There is a control character at character %d.",
							   CharacterPosition(template.subject, c - template.subject))));

	frame = EnterSpi(false);
	AddTextArg(&args, template.name);
	if (SpiRun("SELECT kind, channel, format FROM leadflow.template WHERE name = $1", &args) > 0)
	{
		old.kind = SpiText(1, 1);
		old.channel = SpiText(1, 2);
		old.format = SpiText(1, 3);
	}
	for (size_t i = 0; i < lengthof(kinds); i++)
		kind_names = lappend(kind_names, unconstify(char *, kinds[i]));
	template.kind = choice(fcinfo, 3, "kind", old.kind, kind_names);
	template.channel = PG_ARGISNULL(4) ? old.channel : text_to_cstring(PG_GETARG_TEXT_PP(4));
	template.format = choice(fcinfo, 5, "format", old.format, format_names());
	(void) CompileTemplate(&template);

	AddTextArg(&args, template.subject);
	AddTextArg(&args, template.body);
	AddTextArg(&args, template.kind);
	AddTextArg(&args, template.channel);
	AddTextArg(&args, template.format);
	SpiRun("INSERT INTO leadflow.template AS t (name, subject, body, kind, channel, format)"
		   " VALUES ($1, $2, $3, $4, coalesce($5, 'mail'), $6)"
		   " ON CONFLICT (name) DO UPDATE SET subject = excluded.subject, body = excluded.body,"
		   " kind = excluded.kind, channel = excluded.channel, format = excluded.format,"
		   " updated_at = now()", &args);
	LeaveSpi(frame);
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
