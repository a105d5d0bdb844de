/*
 * source_register.c
 *		leadflow.register_source(): put a relation into the registry, checked.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lexer.h"
#include "source/source.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(register_source);

/* The name of the column that is nearest to one that does not exist; or NULL. */
static const char *
nearest_column(Oid relation, const char *column)
{
	SpiArgs		args = {0};
	List	   *columns = NIL;
	uint64		rows;

	AddArg(&args, OIDOID, ObjectIdGetDatum(relation));
	rows = SpiRead("SELECT attname::text FROM pg_attribute"
				   " WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum", &args);
	for (uint64 row = 1; row <= rows; row++)
		columns = lappend(columns, SpiText(row, 1));
	return NearestName(column, columns);
}

/* A column of the relation, required to be of one of some types; the hint is for one of another. */
static void
require_column(Oid relation, const char *role, const char *column, const Oid *types, int ntypes,
			   const char *wanted, const char *hint)
{
	AttrNumber	attribute = get_attnum(relation, column);
	Oid			type;

	if (attribute == InvalidAttrNumber)
	{
		const char *nearest = nearest_column(relation, column);

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s \"%s\" is not a column of \"%s\"", role, column,
						get_rel_name(relation)),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
	}
	type = getBaseType(get_atttype(relation, attribute));
	for (int i = 0; i < ntypes; i++)
		if (type == types[i])
			return;
	if (ntypes > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s \"%s\" is %s; it must be %s", role, column, format_type_be(type),
						wanted),
				 hint ? errhint("%s", hint) : 0));
}

/* Records of another system know its ids, which leads have as well. */
static void
require_lead_column(Oid relation, const char *column)
{
	static const Oid types[] = {INT8OID, INT4OID, INT2OID};
	char	   *hint = psprintf("Where it is the id of another system, register a view: CREATE VIEW ... AS SELECT l.lead_id, r.* FROM %s AS r JOIN leadflow.lead AS l ON l.external_id = r.%s::text;",
								quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
														   get_rel_name(relation)),
								quote_identifier(column));

	require_column(relation, "lead column", column, types, lengthof(types), "an integer or bigint", hint);
}

/* labels and lookups are objects, by column and by field */
static void
require_object(const char *argument, Datum json)
{
	if (!JB_ROOT_IS_OBJECT(DatumGetJsonbP(json)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", argument),
				 errhint("Write it as {\"pages\": \"Pages viewed\"}, for instance.")));
}

/* Each label is a column's, and a text. */
static void
require_labels(Oid relation, Datum labels)
{
	SpiArgs		args = {0};
	uint64		rows;
	List	   *columns = NIL;
	ListCell   *lc;

	require_object("labels", labels);
	AddArg(&args, JSONBOID, labels);
	rows = SpiRead("SELECT l.key, jsonb_typeof(l.value) FROM jsonb_each($1) AS l", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		if (strcmp(SpiText(row, 2), "string") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the label of \"%s\" must be a text", SpiText(row, 1))));
		columns = lappend(columns, SpiText(row, 1));
	}
	foreach(lc, columns)
		require_column(relation, "labelled column", lfirst(lc), NULL, 0, NULL, NULL);
}

/* Each lookup names its column, and the key and the name in a table that exists. */
static void
require_lookups(Oid relation, Datum lookups)
{
	static const Oid name_types[] = {TEXTOID, VARCHAROID, BPCHAROID, NAMEOID};
	SpiArgs		args = {0};
	uint64		rows;

	require_object("lookups", lookups);
	AddArg(&args, JSONBOID, lookups);
	rows = SpiRead("SELECT l.key, l.value ->> 'column', to_regclass(l.value ->> 'relation'),"
				   " l.value ->> 'key', l.value ->> 'name', l.value ->> 'relation'"
				   " FROM jsonb_each($1) AS l", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		bool		isnull;
		Oid			table = DatumGetObjectId(SpiDatum(row, 3, &isnull));

		if (SpiText(row, 2) == NULL || SpiText(row, 4) == NULL || SpiText(row, 5) == NULL ||
			SpiText(row, 6) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("lookup \"%s\" is incomplete", SpiText(row, 1)),
					 errhint("Write it as {\"rep\": {\"column\": \"rep_id\", \"relation\": \"leadflow.rep\", \"key\": \"rep_id\", \"name\": \"name\"}}.")));
		if (isnull)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("relation \"%s\" of lookup \"%s\" does not exist",
							SpiText(row, 6), SpiText(row, 1)),
					 errhint("Write it with its schema and, where SQL needs them, double quotes: sales.\"Customer\"")));
		require_column(relation, "lookup column", SpiText(row, 2), NULL, 0, NULL, NULL);
		require_column(table, "lookup key", SpiText(row, 4), NULL, 0, NULL, NULL);
		require_column(table, "lookup name", SpiText(row, 5), name_types, lengthof(name_types),
					   "a text", NULL);
	}
}

/* That records come late is said of their event time, and by how much. */
static void
require_settling(const char *time_column, Interval *settles_after)
{
	if (time_column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("settles_after needs a time column"),
				 errdetail("It is how long after their event time records may come.")));
	if (settles_after->time < 0 || settles_after->day < 0 || settles_after->month < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("settles_after must not be negative"),
				 errhint("For instance: settles_after => '2 days'")));
}

static char *
column_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : NameStr(*PG_GETARG_NAME(argument));
}

Datum
register_source(PG_FUNCTION_ARGS)
{
	static const Oid time_types[] = {TIMESTAMPTZOID, TIMESTAMPOID, DATEOID};
	SpiFrame	frame;
	SpiArgs		args = {0};
	Oid			relation;
	char	   *name;
	char	   *lead_column = column_argument(fcinfo, 2);
	char	   *key_column = column_argument(fcinfo, 3);
	char	   *time_column = column_argument(fcinfo, 4);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || lead_column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a source needs a name, a relation and a lead column")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	relation = PG_GETARG_OID(1);
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a source must not be empty")));

	if (get_rel_name(relation) == NULL ||
		strchr("rvmfp", get_rel_relkind(relation)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("a source is a table or a view"),
				 errdetail("%s is neither.",
						   DatumGetCString(DirectFunctionCall1(regclassout, ObjectIdGetDatum(relation))))));

	frame = EnterSpi(false);
	require_lead_column(relation, lead_column);
	if (key_column != NULL)
		require_column(relation, "key column", key_column, NULL, 0, NULL, NULL);
	if (time_column != NULL)
		require_column(relation, "time column", time_column, time_types, lengthof(time_types),
					   "a date or a timestamp", NULL);
	if (!PG_ARGISNULL(8))
		require_settling(time_column, PG_GETARG_INTERVAL_P(8));
	if (!PG_ARGISNULL(6))
		require_labels(relation, PG_GETARG_DATUM(6));
	if (!PG_ARGISNULL(7))
		require_lookups(relation, PG_GETARG_DATUM(7));

	AddTextArg(&args, name);
	AddArg(&args, REGCLASSOID, ObjectIdGetDatum(relation));
	AddTextArg(&args, lead_column);
	AddTextArg(&args, key_column);
	AddTextArg(&args, time_column);
	AddTextArg(&args, PG_ARGISNULL(5) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(5)));
	for (int i = 6; i <= 7; i++)
	{
		if (PG_ARGISNULL(i))
			AddNullArg(&args, JSONBOID);
		else
			AddArg(&args, JSONBOID, PG_GETARG_DATUM(i));
	}
	if (PG_ARGISNULL(8))
		AddNullArg(&args, INTERVALOID);
	else
		AddArg(&args, INTERVALOID, PG_GETARG_DATUM(8));
	SpiRun("INSERT INTO leadflow.source AS s"
		   " (name, relation, lead_column, key_column, time_column, label, labels, lookups, settles_after)"
		   " VALUES ($1, $2::text, $3, $4, $5, $6, coalesce($7, '{}'), coalesce($8, '{}'), $9)"
		   " ON CONFLICT (name) DO UPDATE SET relation = excluded.relation,"
		   " lead_column = excluded.lead_column, key_column = excluded.key_column,"
		   " time_column = excluded.time_column, label = excluded.label,"
		   " labels = excluded.labels, lookups = excluded.lookups,"
		   " settles_after = excluded.settles_after", &args);
	LeaveSpi(frame);
	PG_RETURN_TEXT_P(cstring_to_text(name));
}
