/*
 * hidden.c
 *		Fields that a form marks as hidden; see hidden.h.
 *
 * The form is read without asking for privileges or policies: who may not read
 * the forms must not therefore see what they hide.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "form/form.h"
#include "miscadmin.h"
#include "source/hidden.h"
#include "spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The form in force for a table of schema leadflow. */
typedef struct EntityForm
{
	char	   *entity;
	int32		version;
	char	   *form;
} EntityForm;

static void
note_form(List **forms, char *entity, int32 version, char *form)
{
	EntityForm *noted;
	ListCell   *lc;

	foreach(lc, *forms)
	{
		noted = lfirst(lc);
		if (strcmp(noted->entity, entity) != 0)
			continue;
		if (noted->version < version)
		{
			noted->version = version;
			noted->form = form;
		}
		return;
	}
	noted = palloc(sizeof(EntityForm));
	noted->entity = entity;
	noted->version = version;
	noted->form = form;
	*forms = lappend(*forms, noted);
}

/* The forms in force: a list of EntityForm. */
static List *
forms_in_force(void)
{
	Oid			relid = get_relname_relid("form_version", get_namespace_oid("leadflow", false));
	Relation	relation = table_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(relation);
	AttrNumber	entity = get_attnum(relid, "entity");
	AttrNumber	version = get_attnum(relid, "version");
	AttrNumber	form = get_attnum(relid, "form");
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, GetActiveSnapshot(), 0, NULL);
	List	   *forms = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;

		note_form(&forms, TextDatumGetCString(heap_getattr(tuple, entity, desc, &isnull)),
				  DatumGetInt32(heap_getattr(tuple, version, desc, &isnull)),
				  FormGetText(DatumGetFormPP(heap_getattr(tuple, form, desc, &isnull))));
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
	return forms;
}

/* What a generated column is made of, or NULL. */
static char *
generation_expression(Oid relation, const char *column)
{
	SpiArgs		args = {0};

	AddArg(&args, OIDOID, ObjectIdGetDatum(relation));
	AddTextArg(&args, column);
	if (SpiRead("SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute AS a"
				" JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
				" WHERE a.attrelid = $1 AND quote_ident(a.attname) = $2 AND a.attgenerated <> ''",
				&args) == 0)
		return NULL;
	return SpiText(1, 1);
}

/*
 * A hidden field is known by its name: a column that has it, also one of a view,
 * or that is generated from an expression in which it stands.
 */
static bool
form_hides(const Form *form, Oid relation, const char *column)
{
	char	   *expression = generation_expression(relation, column);
	ListCell   *lc;

	foreach(lc, form->fields)
	{
		FormField  *hidden = lfirst(lc);

		if (!hidden->hidden)
			continue;
		if (strcmp(quote_identifier(hidden->name), column) == 0)
			return true;
		if (expression != NULL && strstr(expression, quote_literal_cstr(hidden->name)) != NULL)
			return true;
	}
	return false;
}

/* By the policy that grant_access() makes, which is there for every table of leads. */
static bool
is_marketing(Oid lead)
{
	return OidIsValid(lead) && HasPolicy(lead, "marketing");
}

bool
SeesHidden(void)
{
	Oid			lead = get_relname_relid("lead", get_namespace_oid("leadflow", false));

	return OidIsValid(lead) &&
		(object_ownercheck(RelationRelationId, lead, GetUserId()) || is_marketing(lead));
}

bool
FieldIsHidden(const Source *source, const SourceField *field)
{
	Oid			namespace = get_namespace_oid("leadflow", false);
	SpiArgs		args = {0};
	Oid			relation;
	bool		is_table;
	bool		isnull;
	ListCell   *lc;

	if (is_marketing(get_relname_relid("lead", namespace)))
		return false;
	AddTextArg(&args, source->relation);
	(void) SpiRead("SELECT to_regclass($1)::oid", &args);
	relation = DatumGetObjectId(SpiDatum(1, 1, &isnull));
	is_table = strchr("rp", get_rel_relkind(relation)) != NULL;
	foreach(lc, forms_in_force())
	{
		EntityForm *form = lfirst(lc);
		Oid			table = get_relname_relid(form->entity, namespace);

		if (!OidIsValid(table) || (is_table && table != relation) ||
			object_ownercheck(RelationRelationId, table, GetUserId()))
			continue;
		if (form_hides(FormParse(form->form), relation,
					   field->column ? field->column : quote_identifier(field->name)))
			return true;
	}
	return false;
}
