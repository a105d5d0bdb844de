/*
 * form_view.c
 *		activity_view, application_view, deal_view and lead_view: the records of a
 *		table with a typed and labelled column for each field of its forms.
 *
 * Users make views of their own over these, so a view is replaced, which leaves
 * those alone, as long as that is possible: its columns stay where they are and
 * of their types, new ones come last, and the field of any version of the form
 * keeps its column. Only a field whose type changes has the view dropped and made
 * anew, and that is refused where something depends on it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lead/lead.h"
#include "miscadmin.h"
#include "source/hidden.h"
#include "source/source.h"
#include "spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(form_view);
PG_FUNCTION_INFO_V1(sees_hidden);

/* The time zone of local times in documents */
#define ZONE_SQL	"(SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone')"

typedef struct ViewColumn
{
	const char *name;
	const char *type;
	const char *sql;
	const char *comment;		/* or NULL */
	bool		generated;		/* in the table */
} ViewColumn;

/* A column of the table beside which the view has the name it stands for. */
typedef struct NameColumn
{
	const char *column;
	const char *name;			/* of the view's column and of the table of names */
	const char *comment;
} NameColumn;

static const NameColumn name_columns[] = {
	{"campaign_id", "campaign", "campaign (キャンペーン)"},
	{"list_id", "list", "list (リスト)"},
	{"rep_id", "rep", "rep (担当者)"},
};

/* What the view of an entity is made of. */
typedef struct FormView
{
	const Entity *entity;
	char	   *name;			/* qualified */
	List	   *columns;		/* of ViewColumn */
	StringInfoData joins;
} FormView;

static ViewColumn *
find_column(List *columns, const char *name)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		ViewColumn *column = lfirst(lc);

		if (strcmp(column->name, name) == 0)
			return column;
	}
	return NULL;
}

static ViewColumn *
add_column(FormView *view, const char *name, const char *type, const char *sql,
		   const char *comment)
{
	ViewColumn *column = palloc0(sizeof(ViewColumn));

	column->name = name;
	column->type = type;
	column->sql = sql;
	column->comment = comment;
	view->columns = lappend(view->columns, column);
	return column;
}

/* ---- what the view is to have ------------------------------------------------------- */

/* The table's columns but the document itself, and the names that ids stand for. */
static void
add_table_columns(FormView *view)
{
	SpiArgs		args = {0};
	uint64		rows;

	AddTextArg(&args, psprintf("leadflow.%s", view->entity->name));
	rows = SpiRun("SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum),"
				  " attgenerated <> ''"
				  " FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0"
				  " AND NOT attisdropped AND attname <> 'fields' ORDER BY attnum", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		char	   *column = SpiText(row, 1);

		add_column(view, column, SpiText(row, 2), psprintf("t.%s", quote_identifier(column)),
				   SpiText(row, 3))->generated = strcmp(SpiText(row, 4), "t") == 0;
		for (size_t i = 0; i < lengthof(name_columns); i++)
		{
			const NameColumn *name = &name_columns[i];

			if (strcmp(column, name->column) != 0)
				continue;
			add_column(view, name->name, "text", psprintf("%s.name", name->name), name->comment);
			appendStringInfo(&view->joins, " LEFT JOIN leadflow.%s AS %s ON %s.%s = t.%s", name->name,
							 name->name, name->name, column, column);
		}
	}
}

/* The forms of an entity, the latest first; form is about to be, or NULL. */
static List *
all_forms(const Entity *entity, const char *form)
{
	List	   *forms = form ? list_make1(FormParse(form)) : NIL;
	SpiArgs		args = {0};
	uint64		rows;

	AddTextArg(&args, entity->name);
	rows = SpiRun("SELECT form FROM leadflow.form_version WHERE entity = $1"
				  " ORDER BY version DESC", &args);
	for (uint64 row = 1; row <= rows; row++)
		forms = lappend(forms, FormParse(SpiText(row, 1)));
	return forms;
}

static bool
is_choice(List *choices, const char *key)
{
	ListCell   *lc;

	CHECK_FOR_INTERRUPTS();
	foreach(lc, choices)
		if (strcmp(((FormChoice *) lfirst(lc))->key, key) == 0)
			return true;
	return false;
}

/*
 * The choices of a field in any of the forms, as the latest that has them; NIL
 * when none ever had a label of its own.
 */
static List *
labelled_choices(List *forms, const char *field)
{
	List	   *choices = NIL;
	bool		labelled = false;
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, forms)
	{
		FormField  *found = FormFindField(lfirst(lc), field);

		if (found == NULL)
			continue;
		foreach(lc2, found->choices)
		{
			FormChoice *choice = lfirst(lc2);

			labelled = labelled || strcmp(choice->key, choice->label) != 0;
			if (!is_choice(choices, choice->key))
				choices = lappend(choices, choice);
		}
	}
	return labelled ? choices : NIL;
}

/* The label of a choice, from its key. */
static char *
label_sql(List *choices, const char *key)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CASE %s", key);
	foreach(lc, choices)
	{
		FormChoice *choice = lfirst(lc);

		appendStringInfo(&sql, " WHEN %s THEN %s", quote_literal_cstr(choice->key),
						 quote_literal_cstr(choice->label));
	}
	appendStringInfo(&sql, " ELSE %s END", key);
	return sql.data;
}

/* Only marketing sees a hidden field. */
static char *
visible_sql(const FormField *field, char *sql)
{
	return field->hidden ?
		psprintf("CASE WHEN (SELECT leadflow.sees_hidden()) THEN %s END", sql) : sql;
}

/* The labels of what a field of choices holds, where they differ from its keys. */
static void
add_label_column(FormView *view, const FormField *field, const char *value, List *forms)
{
	List	   *choices = labelled_choices(forms, field->name);
	char	   *name = psprintf("%s_label", field->name);
	char	   *label;

	if (choices == NIL || strlen(name) >= NAMEDATALEN || find_column(view->columns, name) != NULL)
		return;
	if (field->type == FORM_MULTISELECT)
	{
		label = psprintf("CASE WHEN %s IS NOT NULL THEN ARRAY(SELECT %s"
						 " FROM unnest(%s) WITH ORDINALITY AS e (key, n) ORDER BY e.n) END",
						 value, label_sql(choices, "e.key"), value);
		add_column(view, name, "text[]", visible_sql(field, label), field->label);
	}
	else
		add_column(view, name, "text", visible_sql(field, label_sql(choices, value)), field->label);
}

/*
 * A field of a form. A column of the table goes before a field of its name: where
 * it is generated from the field, it has the field's label, and is hidden as that.
 */
static void
add_field(FormView *view, const FormField *field, List *forms)
{
	ViewColumn *column = find_column(view->columns, field->name);
	char	   *value;

	if (column == NULL)
	{
		value = FormFieldSql(field, "t.fields", ZONE_SQL);
		add_column(view, field->name, format_type_be(FormFieldType(field)),
				   visible_sql(field, value), field->label);
	}
	else
	{
		if (!column->generated)
			return;
		value = pstrdup(column->sql);
		column->sql = visible_sql(field, value);
		if (strcmp(field->label, field->name) != 0)
			column->comment = field->label;
		if (strcmp(column->type, format_type_be(FormFieldType(field))) != 0)
			return;
	}
	if (FormFieldType(field) == TEXTOID || field->type == FORM_MULTISELECT)
		add_label_column(view, field, value, forms);
}

static bool
is_member(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/* The fields of all forms, each as the latest that has it. */
static void
add_fields(FormView *view, List *forms)
{
	List	   *seen = NIL;
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, forms)
		foreach(lc2, ((Form *) lfirst(lc))->fields)
		{
			FormField  *field = lfirst(lc2);

			if (is_member(seen, field->name))
				continue;
			seen = lappend(seen, field->name);
			add_field(view, field, forms);
		}
}

/* ---- from what there is to that ------------------------------------------------------- */

/*
 * The columns in the order in which the view there is can be replaced: its own as
 * they are, new ones last. Where it cannot be, what is in the way.
 */
static char *
order_columns(FormView *view)
{
	List	   *ordered = NIL;
	SpiArgs		args = {0};
	uint64		rows;
	ListCell   *lc;

	AddTextArg(&args, view->name);
	rows = SpiRun("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
				  " WHERE attrelid = to_regclass($1) AND attnum > 0 ORDER BY attnum", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		ViewColumn *column = find_column(view->columns, SpiText(row, 1));

		if (column == NULL)
			return psprintf("It would lose its column \"%s\".", SpiText(row, 1));
		if (strcmp(column->type, SpiText(row, 2)) != 0)
			return psprintf("Its column \"%s\" would change from %s to %s.", column->name,
							SpiText(row, 2), column->type);
		ordered = lappend(ordered, column);
	}
	foreach(lc, view->columns)
		ordered = list_append_unique_ptr(ordered, lfirst(lc));
	view->columns = ordered;
	return NULL;
}

/* An error that names what depends on the view. */
static void
refuse_dependents(const FormView *view, const char *reason)
{
	SpiArgs		args = {0};

	AddTextArg(&args, view->name);
	SpiRun("SELECT string_agg(DISTINCT coalesce('view ' || r.ev_class::regclass,"
		   " pg_describe_object(d.classid, d.objid, d.objsubid)), ', ')"
		   " FROM pg_depend AS d LEFT JOIN pg_rewrite AS r"
		   " ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid"
		   " WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::regclass"
		   " AND d.deptype = 'n' AND r.ev_class IS DISTINCT FROM d.refobjid", &args);
	if (SpiText(1, 1) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("%s would have to be dropped and made anew", view->name),
				 errdetail("%s It is used by %s.", reason, SpiText(1, 1)),
				 errhint("Drop these first and make them again afterwards, or give the field another name.")));
}

/* Statements that grant again what is granted on the view. */
static List *
grants(const FormView *view)
{
	List	   *statements = NIL;
	SpiArgs		args = {0};
	uint64		rows;

	AddTextArg(&args, view->name);
	rows = SpiRun("SELECT format('GRANT %s%s ON %s TO %s%s', a.privilege_type,"
				  "  CASE WHEN g.attname IS NOT NULL THEN format(' (%I)', g.attname) END, $1,"
				  "  CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,"
				  "  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"
				  " FROM pg_class AS c"
				  " CROSS JOIN LATERAL (SELECT NULL::name AS attname, c.relacl AS acl UNION ALL"
				  "  SELECT attname, attacl FROM pg_attribute WHERE attrelid = c.oid) AS g"
				  " CROSS JOIN LATERAL aclexplode(g.acl) AS a"
				  " WHERE c.oid = $1::regclass AND a.grantee <> c.relowner", &args);
	for (uint64 row = 1; row <= rows; row++)
		statements = lappend(statements, SpiText(row, 1));
	return statements;
}

static void
create_view(const FormView *view)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS SELECT ",
					 view->name);
	foreach(lc, view->columns)
	{
		ViewColumn *column = lfirst(lc);

		appendStringInfo(&sql, "%s%s AS %s", lc == list_head(view->columns) ? "" : ", ", column->sql,
						 quote_identifier(column->name));
	}
	appendStringInfo(&sql, " FROM leadflow.%s AS t%s", view->entity->name, view->joins.data);
	SpiRun(sql.data, NULL);
	SpiRun(psprintf("COMMENT ON VIEW %s IS 'records of leadflow.%s, with a column for each field of its forms'",
					view->name, view->entity->name), NULL);
	foreach(lc, view->columns)
	{
		ViewColumn *column = lfirst(lc);

		if (column->comment != NULL)
			SpiRun(psprintf("COMMENT ON COLUMN %s.%s IS %s", view->name,
							quote_identifier(column->name), quote_literal_cstr(column->comment)),
				   NULL);
	}
}

/* A view made by another member of the owner's role is the owner's all the same. */
static void
give_to_owner(const FormView *view)
{
	SpiArgs		args = {0};

	AddTextArg(&args, psprintf("leadflow.%s", view->entity->name));
	AddTextArg(&args, view->name);
	if (SpiRun("SELECT t.relowner::regrole FROM pg_class AS t JOIN pg_class AS v ON v.oid = $2::regclass"
			   " WHERE t.oid = $1::regclass AND t.relowner <> v.relowner", &args) > 0)
		SpiRun(psprintf("ALTER VIEW %s OWNER TO %s", view->name, SpiText(1, 1)), NULL);
}

void
MakeFormView(const Entity *entity, const char *form, bool dry_run)
{
	FormView	view = {.entity = entity};
	List	   *forms = all_forms(entity, form);
	Oid			table = get_relname_relid(entity->name, get_namespace_oid("leadflow", false));
	List	   *granted = NIL;
	char	   *obstacle;
	ListCell   *lc;

	view.name = psprintf("leadflow.%s_view", entity->name);
	initStringInfo(&view.joins);
	add_table_columns(&view);
	add_fields(&view, forms);
	obstacle = order_columns(&view);
	if (obstacle != NULL)
		refuse_dependents(&view, obstacle);
	if (dry_run)
		return;
	if (!object_ownercheck(RelationRelationId, table, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, entity->name);
	if (obstacle != NULL)
	{
		granted = grants(&view);
		SpiRun(psprintf("DROP VIEW %s", view.name), NULL);
	}
	create_view(&view);
	give_to_owner(&view);
	foreach(lc, granted)
		SpiRun(lfirst(lc), NULL);
}

Datum
form_view(PG_FUNCTION_ARGS)
{
	const Entity *entity;
	SpiFrame	frame;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the entity must not be null")));
	entity = FindEntity(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	frame = EnterSpi(true);
	MakeFormView(entity, NULL, false);
	RestoreForms(entity);
	LeaveSpi(frame);
	PG_RETURN_VOID();
}

Datum
sees_hidden(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(SeesHidden());
}
