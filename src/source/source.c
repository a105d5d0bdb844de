/*
 * source.c
 *		The registry of sources, read from its table, and that of named sets,
 *		filled by the rooms when the library is loaded.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "source/source.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct NamedSet
{
	const char *kind;
	NamedSetCondition condition;
} NamedSet;

static List *named_sets = NIL;
static List *described_sets = NIL;	/* of NamedSetDetails */

static const char *
quoted_or_null(const char *identifier)
{
	return identifier ? quote_identifier(identifier) : NULL;
}

List *
LoadSources(void)
{
	List	   *sources = NIL;
	uint64		rows = SpiReadKept("SELECT name, label, lead_column, key_column, time_column,"
							   " extract(epoch FROM settles_after), relation"
							   " FROM leadflow.source ORDER BY name", NULL);

	for (uint64 row = 1; row <= rows; row++)
	{
		Source	   *source = palloc0(sizeof(Source));

		source->name = SpiText(row, 1);
		source->label = SpiText(row, 2);
		source->lead_column = quoted_or_null(SpiText(row, 3));
		source->key_column = quoted_or_null(SpiText(row, 4));
		source->time_column = SpiText(row, 5);
		source->settles_after = SpiText(row, 6);
		source->registered = SpiText(row, 7);
		sources = lappend(sources, source);
	}
	return sources;
}

static FieldType
field_type(Oid type, char category)
{
	switch (type)
	{
		case BOOLOID:
			return FIELD_BOOLEAN;
		case DATEOID:
			return FIELD_DATE;
		case TIMESTAMPOID:
			return FIELD_TIMESTAMP;
		case TIMESTAMPTZOID:
			return FIELD_TIMESTAMPTZ;
		case TEXTARRAYOID:
			return FIELD_CHOICES;
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return FIELD_NUMBER;
	}
	return category == TYPCATEGORY_STRING || category == TYPCATEGORY_ENUM ?
		FIELD_TEXT : FIELD_OTHER;
}

void
SourceSetType(SourceField *field, Oid type)
{
	char		category;
	bool		is_preferred;

	field->base_type = getBaseType(type);
	get_type_category_preferred(field->base_type, &category, &is_preferred);
	field->type = field_type(field->base_type, category);
	field->is_enum = category == TYPCATEGORY_ENUM;
}

/* The labels that a source gives to columns. */
typedef struct Label
{
	char	   *column;
	char	   *label;
} Label;

static List *
load_labels(const Source *source)
{
	List	   *labels = NIL;
	SpiArgs		args = {0};
	uint64		rows;

	AddTextArg(&args, source->name);
	rows = SpiReadKept("SELECT l.key, l.value FROM leadflow.source s, jsonb_each_text(s.labels) l"
					   " WHERE s.name = $1", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		Label	   *label = palloc(sizeof(Label));

		label->column = SpiText(row, 1);
		label->label = SpiText(row, 2);
		labels = lappend(labels, label);
	}
	return labels;
}

static const char *
find_label(const List *labels, const char *column)
{
	ListCell   *lc;

	foreach(lc, labels)
	{
		const Label *label = lfirst(lc);

		if (strcmp(label->column, column) == 0)
			return label->label;
	}
	return NULL;
}

bool
ColumnHasNoNulls(Relation relation, int column)
{
	/* what inherits from a table may have dropped its constraint, a partition may not */
	if (relation->rd_rel->relhassubclass && relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	return NotNullHolds(RelationGetDescr(relation), column);
}

static const SourceFault *
make_fault(int sqlstate, char *message, char *detail, char *hint)
{
	SourceFault *fault = palloc(sizeof(SourceFault));

	fault->sqlstate = sqlstate;
	fault->message = message;
	fault->detail = detail;
	fault->hint = hint ? hint : pstrdup("Correct it with leadflow.register_source().");
	return fault;
}

/* Of something, as "source \"visit\"", whose relation does not exist. */
static const SourceFault *
relation_fault(const char *what, const char *registered)
{
	return make_fault(ERRCODE_UNDEFINED_TABLE, psprintf("the relation of %s does not exist", what),
					  psprintf("It is registered as %s.", registered), NULL);
}

/* The same where it is in a schema that the current user may not look into. */
static const SourceFault *
schema_fault(const char *what, const char *registered, const char *schema)
{
	return make_fault(ERRCODE_INSUFFICIENT_PRIVILEGE, psprintf("permission denied for schema %s", schema),
					  psprintf("The relation of %s is registered as %s.", what, registered),
					  psprintf("GRANT USAGE ON SCHEMA %s TO %s;", quote_identifier(schema),
							   quote_identifier(GetUserNameFromId(GetUserId(), false))));
}

/*
 * A name that was registered, as SQL: the relation of that name or null; and its
 * schema, where looking for the relation there would be an error. The relation is
 * the column of that name, within a query from FOUND_IN.
 */
#define FOUND_IN(relation) \
	" CROSS JOIN LATERAL (SELECT (SELECT n.nspname FROM pg_namespace AS n" \
	" WHERE n.nspname = (parse_ident(" relation "))[1]" \
	" AND NOT has_schema_privilege(n.oid, 'USAGE'))) AS d (denied)" \
	" CROSS JOIN LATERAL (SELECT CASE WHEN d.denied IS NULL THEN to_regclass(" relation ") END) AS f (found)"

/* The field that a column is, by its quoted name. */
static const SourceField *
find_column(const Source *source, const char *column)
{
	ListCell   *lc;

	foreach(lc, source->fields)
	{
		const SourceField *field = lfirst(lc);

		if (strcmp(field->column, column) == 0)
			return field;
	}
	return NULL;
}

/* Of a column of the registration that is not what it must be; NULL when it is. */
static const SourceFault *
column_fault(const Source *source, const char *role, const char *column, const SourceField *field,
			 bool fits, const char *wanted)
{
	if (column[0] != '"')
		column = psprintf("\"%s\"", column);
	if (field == NULL)
		return make_fault(ERRCODE_UNDEFINED_COLUMN,
						  psprintf("the %s %s of source \"%s\" is not a column of it", role, column,
								   source->name), NULL, NULL);
	if (!fits)
		return make_fault(ERRCODE_DATATYPE_MISMATCH,
						  psprintf("the %s %s of source \"%s\" is %s; it must be %s", role, column,
								   source->name, field->type_name, wanted), NULL, NULL);
	return NULL;
}

/* What was required when the source was registered is required as long as it is used. */
static void
check_columns(Source *source)
{
	const SourceField *field = find_column(source, source->lead_column);

	source->fault = column_fault(source, "lead column", source->lead_column, field,
								 field != NULL && field->type == FIELD_NUMBER,
								 "an integer or bigint");
	if (source->fault == NULL && source->time_column != NULL)
		source->fault = column_fault(source, "event time", quote_identifier(source->time_column),
									 source->time,
									 source->time != NULL && (source->time->type == FIELD_DATE ||
															  source->time->type == FIELD_TIMESTAMP ||
															  source->time->type == FIELD_TIMESTAMPTZ),
									 "a date or a timestamp");
	if (source->key_column != NULL)
		source->key_fault = column_fault(source, "key column", source->key_column,
										 find_column(source, source->key_column), true, NULL);
}

/*
 * The columns of the relation; a domain is what it is over. The lock is kept until
 * the transaction ends, so that they are what the segment's query will find. False
 * for a relation that was dropped just now.
 */
static bool
load_columns(Source *source, Oid relation_id)
{
	Relation	relation = try_relation_open(relation_id, AccessShareLock);
	List	   *labels;

	if (relation == NULL)
		return false;
	labels = load_labels(source);
	for (int i = 0; i < RelationGetDescr(relation)->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation), i);
		SourceField *field;

		if (column->attisdropped)
			continue;
		field = palloc0(sizeof(SourceField));
		field->name = pstrdup(NameStr(column->attname));
		field->label = find_label(labels, field->name);
		SourceSetType(field, column->atttypid);
		field->type_name = format_type_with_typemod(column->atttypid, column->atttypmod);
		field->not_null = ColumnHasNoNulls(relation, i);
		field->generated = column->attgenerated != '\0';
		field->column = quote_identifier(field->name);
		source->fields = lappend(source->fields, field);
		if (source->time_column != NULL && strcmp(field->name, source->time_column) == 0)
			source->time = field;
	}
	relation_close(relation, NoLock);
	check_columns(source);
	return true;
}

/* Of a lookup whose columns or relation are not what they were; NULL when they are. */
static const SourceFault *
lookup_fault(const Source *source, const SourceField *field, Oid relation, uint64 row)
{
	char	   *what = psprintf("lookup \"%s\" of source \"%s\"", field->name, source->name);
	Oid			relations[] = {linitial_oid(source->relations), relation, relation};

	if (SpiText(row, 9) != NULL)
		return schema_fault(what, SpiText(row, 4), SpiText(row, 9));
	if (!OidIsValid(relation))
		return relation_fault(what, SpiText(row, 4));
	for (int i = 0; i < (int) lengthof(relations); i++)
	{
		/* column 4 is the relation, between those of the columns */
		char	   *column = SpiText(row, i == 0 ? 3 : 4 + i);

		if (get_attnum(relations[i], column) == InvalidAttrNumber)
			return make_fault(ERRCODE_UNDEFINED_COLUMN,
							  psprintf("%s needs column \"%s\", which does not exist", what, column),
							  psprintf("It was to be a column of %s.",
									   i == 0 ? source->relation : SpiText(row, 7)), NULL);
	}
	return NULL;
}

/* The names that the relation's columns stand for in other tables. */
static void
load_lookups(Source *source)
{
	SpiArgs		args = {0};
	uint64		rows;
	bool		isnull;

	AddTextArg(&args, source->name);
	rows = SpiReadKept("SELECT l.key, l.value ->> 'label', l.value ->> 'column', l.value ->> 'relation',"
					   " l.value ->> 'key', l.value ->> 'name', f.found::text, f.found::oid, d.denied"
					   " FROM leadflow.source AS s CROSS JOIN jsonb_each(s.lookups) AS l"
					   FOUND_IN("l.value ->> 'relation'")
					   " WHERE s.name = $1",
					   &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		SourceField *field = palloc0(sizeof(SourceField));
		Oid			relation = DatumGetObjectId(SpiDatum(row, 8, &isnull));

		for (int column = 3; column <= 6; column++)
			if (SpiText(row, column) == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("lookup \"%s\" of source \"%s\" is incomplete",
								SpiText(row, 1), source->name),
						 errdetail("A lookup has \"column\", \"relation\", \"key\" and \"name\".")));
		field->name = SpiText(row, 1);
		field->label = SpiText(row, 2);
		field->type = FIELD_TEXT;
		field->base_type = TEXTOID;
		field->type_name = "text";
		field->column = quote_identifier(SpiText(row, 3));
		field->lookup_key = quote_identifier(SpiText(row, 5));
		field->lookup_name = quote_identifier(SpiText(row, 6));
		field->lookup_relation = SpiText(row, isnull ? 4 : 7);
		field->fault = lookup_fault(source, field, relation, row);
		if (!isnull)
			source->relations = lappend_oid(source->relations, relation);
		source->fields = lappend(source->fields, field);
	}
}

bool
SourceLoadFields(Source *source)
{
	SpiArgs		args = {0};
	Oid			relation = InvalidOid;
	bool		isnull;

	if (source->fault != NULL || source->fields != NIL)
		return source->fault == NULL;

	/* looked for only now: a relation out of reach is no trouble of the others */
	AddTextArg(&args, source->name);
	do
	{
		char	   *what = psprintf("source \"%s\"", source->name);
		char	   *denied = NULL;

		source->relation = NULL;
		if (SpiReadKept("SELECT f.found::text, f.found::oid, d.denied FROM leadflow.source AS s"
						FOUND_IN("s.relation") " WHERE s.name = $1", &args) == 1)
		{
			source->relation = SpiText(1, 1);
			relation = DatumGetObjectId(SpiDatum(1, 2, &isnull));
			denied = SpiText(1, 3);
		}
		if (source->relation == NULL)
		{
			source->fault = denied ? schema_fault(what, source->registered, denied) :
				relation_fault(what, source->registered);
			return false;
		}
	} while (!load_columns(source, relation));
	source->relations = list_make1_oid(relation);
	if (source->fault != NULL)
		return false;
	load_lookups(source);
	LoadFormFields(source);
	return true;
}

SourceField *
SourceFindField(const Source *source, const char *name, SourceField **second)
{
	SourceField *found = NULL;
	ListCell   *lc;

	*second = NULL;
	foreach(lc, source->fields)
	{
		SourceField *field = lfirst(lc);

		if (strcmp(field->name, name) == 0)
			return field;
	}
	foreach(lc, source->fields)
	{
		SourceField *field = lfirst(lc);

		if (field->label == NULL || pg_strcasecmp(field->label, name) != 0)
			continue;
		if (found != NULL)
		{
			*second = field;
			break;
		}
		found = field;
	}
	return found;
}

List *
SourceFieldNames(const Source *source)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, source->fields)
	{
		SourceField *field = lfirst(lc);

		names = lappend(names, unconstify(char *, field->name));
		if (field->label != NULL)
			names = lappend(names, unconstify(char *, field->label));
	}
	return names;
}

char *
FieldSql(const SourceField *field, const char *alias)
{
	if (field->column == NULL)
		return FormFieldSql(field->form, psprintf("%s.fields", alias), "$2");
	return psprintf(field->is_enum ? "%s.%s::text" : "%s.%s", alias, field->column);
}

void
RegisterNamedSet(const char *kind, NamedSetCondition condition)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	NamedSet   *set = palloc(sizeof(NamedSet));

	set->kind = kind;
	set->condition = condition;
	named_sets = lappend(named_sets, set);
	MemoryContextSwitchTo(old);
}

NamedSetCondition
FindNamedSet(const char *kind)
{
	ListCell   *lc;

	foreach(lc, named_sets)
	{
		NamedSet   *set = lfirst(lc);

		if (strcmp(set->kind, kind) == 0)
			return set->condition;
	}
	return NULL;
}

void
DescribeNamedSet(const NamedSetDetails *details)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	described_sets = lappend(described_sets, unconstify(NamedSetDetails *, details));
	MemoryContextSwitchTo(old);
}

const NamedSetDetails *
FindNamedSetDetails(const char *kind)
{
	ListCell   *lc;

	foreach(lc, described_sets)
	{
		const NamedSetDetails *details = lfirst(lc);

		if (strcmp(details->kind, kind) == 0)
			return details;
	}
	return NULL;
}
