/*
 * export.c
 *		leadflow.export_csv() and export_query(): rows as a file for a
 *		spreadsheet.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "form/form.h"
#include "handoff/csv.h"
#include "handoff/export.h"
#include "lexer.h"
#include "list/list.h"
#include "miscadmin.h"
#include "source/hidden.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/portal.h"

PG_FUNCTION_INFO_V1(export_csv);
PG_FUNCTION_INFO_V1(export_query);

/* Rows fetched at a time */
#define BATCH	1000

/* ---- labels ----------------------------------------------------------------------------- */

/* What stands in parentheses at the end of a column's comment, or NULL. */
static char *
column_label(Oid relation, AttrNumber column)
{
	char	   *comment = OidIsValid(relation) ? GetComment(relation, RelationRelationId, column) : NULL;
	char	   *open = comment ? strrchr(comment, '(') : NULL;
	size_t		length = open ? strlen(open) : 0;

	if (length < 3 || open[length - 1] != ')')
		return NULL;
	return pnstrdup(open + 1, length - 2);
}

/* The label of a column of a query that is a column of a relation under its own name, or the name. */
static char *
target_label(const TargetEntry *target)
{
	char	   *label = NULL;

	if (OidIsValid(target->resorigtbl) && target->resorigcol > 0 &&
		strcmp(get_attname(target->resorigtbl, target->resorigcol, false), target->resname) == 0)
		label = column_label(target->resorigtbl, target->resorigcol);
	return label ? label : pstrdup(target->resname);
}

static List *
plan_labels(SPIPlanPtr plan)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));
	Query	   *query = linitial(source->query_list);
	List	   *labels = NIL;
	ListCell   *lc;

	foreach(lc, query->targetList)
		if (!((TargetEntry *) lfirst(lc))->resjunk)
			labels = lappend(labels, target_label(lfirst(lc)));
	return labels;
}

/* ---- values ----------------------------------------------------------------------------- */

/* A value as spreadsheets read it: dates and times as ISO, times in the zone set and to the second. */
static char *
value_text(Oid type, char category, Datum value)
{
	Oid			output;
	bool		is_varlena;
	char	   *shown;

	if (category == TYPCATEGORY_ARRAY)
		return TextDatumGetCString(OidFunctionCall2(F_ARRAY_TO_STRING_ANYARRAY_TEXT, value,
													CStringGetTextDatum("; ")));
	if (type == TIMESTAMPTZOID)
	{
		type = TIMESTAMPOID;
		value = OidFunctionCall1(F_TIMESTAMP_TIMESTAMPTZ, value);
	}
	getTypeOutputInfo(type, &output, &is_varlena);
	shown = OidOutputFunctionCall(output, value);
	if (type == TIMESTAMPOID && strchr(shown, '.') != NULL)
		*strchr(shown, '.') = '\0';
	else if (type == BOOLOID)
		shown = shown[0] == 't' ? "true" : "false";
	return shown;
}

/* Categories whose values no spreadsheet takes for a formula */
static bool
is_text_category(char category)
{
	return category != TYPCATEGORY_NUMERIC && category != TYPCATEGORY_DATETIME &&
		category != TYPCATEGORY_BOOLEAN;
}

typedef struct OutputColumn
{
	char	   *name;			/* in the report */
	Oid			type;
	char		category;
} OutputColumn;

/* Where a replaced character is: by the lead, where the row says it. */
static char *
row_name(HeapTuple tuple, TupleDesc desc, int lead_column, uint64 row)
{
	if (lead_column > 0)
	{
		char	   *lead = SPI_getvalue(tuple, desc, lead_column);

		if (lead != NULL)
			return psprintf("lead %s", lead);
	}
	return psprintf("row " UINT64_FORMAT, row);
}

/*
 * The rows of a query as a file, in a memory context of its own. Columns beyond
 * the labels are not written.
 */
static bytea *
write_file(SPIPlanPtr plan, SpiArgs *args, List *labels, const char *encoding, bool with_labels,
		   MemoryContext context)
{
	CsvFile		file;
	Portal		portal = SPI_cursor_open(NULL, plan, args->values, args->nulls, true);
	TupleDesc	desc = portal->tupDesc;
	int			ncolumns = list_length(labels);
	OutputColumn *columns = palloc(ncolumns * sizeof(OutputColumn));
	int			lead_column = SPI_fnumber(desc, "lead_id");
	uint64		n = 0;
	MemoryContext old;
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "leadflow export",
													  ALLOCSET_DEFAULT_SIZES);

	old = MemoryContextSwitchTo(context);
	CsvBegin(&file, encoding);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < ncolumns; i++)
	{
		OutputColumn *column = &columns[i];
		bool		is_preferred;

		column->name = list_nth(labels, i);
		column->type = getBaseType(TupleDescAttr(desc, i)->atttypid);
		get_type_category_preferred(column->type, &column->category, &is_preferred);
		CsvCell(&file, with_labels ? column->name : NameStr(TupleDescAttr(desc, i)->attname), true,
				"header", column->name);
	}
	CsvEndRow(&file);

	for (;;)
	{
		SPI_cursor_fetch(portal, true, BATCH);
		if (SPI_processed == 0)
			break;
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			HeapTuple	tuple = SPI_tuptable->vals[row];
			char	   *name = NULL;

			CHECK_FOR_INTERRUPTS();
			old = MemoryContextSwitchTo(row_context);
			n++;
			if (OidIsValid(file.conversion))
				name = row_name(tuple, desc, lead_column, n);
			for (int i = 0; i < ncolumns; i++)
			{
				bool		isnull;
				Datum		value = SPI_getbinval(tuple, desc, i + 1, &isnull);

				CsvCell(&file, isnull ? NULL : value_text(columns[i].type, columns[i].category, value),
						is_text_category(columns[i].category), name, columns[i].name);
			}
			CsvEndRow(&file);
			MemoryContextSwitchTo(old);
			MemoryContextReset(row_context);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	return CsvEnd(&file);
}

/* ---- what a list can be exported with --------------------------------------------------- */

typedef struct Choosable
{
	char	   *name;
	char	   *label;
	char	   *sql;
	bool		by_default;
	bool		of_form;
	bool		hidden;
} Choosable;

static void
add_choosable(List **all, char *name, char *label, char *sql, bool by_default)
{
	Choosable  *column = palloc0(sizeof(Choosable));

	column->name = name;
	column->label = label;
	column->sql = sql;
	column->by_default = by_default;
	*all = lappend(*all, column);
}

/* The columns of the view; ids, codes and what is asked for apart are not there by default. */
static void
add_view_columns(List **all)
{
	static const char *const apart[] = {"list_id", "member_id", "state", "history"};
	Oid			view = get_relname_relid("handoff_member", get_namespace_oid("leadflow", false));
	char	   *name;

	for (AttrNumber n = 1; (name = get_attname(view, n, true)) != NULL; n++)
	{
		char	   *label = column_label(view, n);
		bool		by_default = true;

		for (size_t i = 0; i < lengthof(apart); i++)
			by_default = by_default && strcmp(name, apart[i]) != 0;
		add_choosable(all, name, label ? label : name, psprintf("m.%s", quote_identifier(name)),
					  by_default);
	}
}

/* A key as the label of the choice. */
static char *
choice_sql(const FormField *field, const char *key)
{
	StringInfoData sql;
	ListCell   *lc;

	if (field->choices == NIL)
		return pstrdup(key);
	initStringInfo(&sql);
	appendStringInfo(&sql, "CASE %s", key);
	foreach(lc, field->choices)
	{
		FormChoice *choice = lfirst(lc);

		appendStringInfo(&sql, " WHEN %s THEN %s", quote_literal_cstr(choice->key),
						 quote_literal_cstr(choice->label));
	}
	appendStringInfo(&sql, " ELSE %s END", key);
	return sql.data;
}

static char *
field_sql(const FormField *field)
{
	char	   *name = quote_literal_cstr(field->name);

	if (field->type != FORM_MULTISELECT)
		return choice_sql(field, psprintf("(f.document ->> %s)", name));
	return psprintf("(SELECT string_agg(%s, '; ' ORDER BY e.n) FROM jsonb_array_elements_text("
					"CASE jsonb_typeof(f.document -> %s) WHEN 'array' THEN f.document -> %s END)"
					" WITH ORDINALITY AS e (key, n))", choice_sql(field, "e.key"), name, name);
}

static bool
names_contain(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/* The fields of the form of leads, which no column of the view has the name of. */
static void
add_form_fields(List **all)
{
	List	   *hidden = SeesHidden() ? NIL : HiddenFields("lead");
	List	   *taken = NIL;
	ListCell   *lc;

	foreach(lc, *all)
		taken = lappend(taken, ((Choosable *) lfirst(lc))->name);
	if (SpiRead("SELECT form FROM leadflow.form_version WHERE entity = 'lead'"
				" ORDER BY version DESC LIMIT 1", NULL) == 0)
		return;
	foreach(lc, FormParse(SpiText(1, 1))->fields)
	{
		FormField  *field = lfirst(lc);
		Choosable  *column;

		if (names_contain(taken, field->name))
			continue;
		add_choosable(all, field->name, field->label, field_sql(field), !field->retired);
		column = llast(*all);
		column->of_form = true;
		column->hidden = names_contain(hidden, field->name);
	}
}

/* By name or, where none has it as its name, by label. */
static Choosable *
find_choosable(List *all, const char *name)
{
	List	   *known = NIL;
	const char *nearest;
	ListCell   *lc;

	foreach(lc, all)
		if (strcmp(((Choosable *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	foreach(lc, all)
	{
		Choosable  *column = lfirst(lc);

		if (strcmp(column->label, name) == 0)
			return column;
		known = lappend(lappend(known, column->name), column->label);
	}
	nearest = NearestName(name, known);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("there is no column \"%s\" to export", name),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) :
			 errhint("They are the columns of leadflow.handoff_member and the fields of the lead form.")));
}

/* The columns asked for, or those by default. */
static List *
choose(FunctionCallInfo fcinfo, List *all, bool history)
{
	List	   *chosen = NIL;
	ListCell   *lc;
	Datum	   *names;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(1))
	{
		foreach(lc, all)
			if (((Choosable *) lfirst(lc))->by_default && !((Choosable *) lfirst(lc))->hidden)
				chosen = lappend(chosen, lfirst(lc));
	}
	else
	{
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
		if (n == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("there are no columns to export"),
					 errhint("Leave the argument out for all of them.")));
		for (int i = 0; i < n; i++)
		{
			Choosable  *column;

			if (nulls[i])
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("a column to export must not be null")));
			column = find_choosable(all, TextDatumGetCString(names[i]));
			if (column->hidden)
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("field \"%s\" is hidden", column->name),
						 errdetail("The form of leads shows it to marketing alone.")));
			chosen = lappend(chosen, column);
		}
	}
	if (history)
		chosen = list_append_unique_ptr(chosen, find_choosable(all, "history"));
	return chosen;
}

/* ---- the functions ---------------------------------------------------------------------- */

static SPIPlanPtr
prepare(const char *sql, SpiArgs *args)
{
	SPIPlanPtr	plan = SPI_prepare(sql, args->n, args->types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	return plan;
}

static const char *
encoding_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? "UTF8" : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

static void
pin_formats(const char *zone)
{
	PinSetting("datestyle", "ISO, YMD");
	PinSetting("intervalstyle", "postgres");
	PinSetting("timezone", zone);
}

Datum
export_csv(PG_FUNCTION_ARGS)
{
	const char *encoding = encoding_argument(fcinfo, 3);
	bool		labelled = PG_ARGISNULL(4) || PG_GETARG_BOOL(4);
	SpiFrame	frame = EnterSpi(false);
	LeadList   *list = FindList(fcinfo, 0);
	SpiArgs		args = {0};
	StringInfoData sql;
	List	   *all = NIL;
	List	   *labels = NIL;
	bool		of_form = false;
	bytea	   *file;
	ListCell   *lc;

	add_view_columns(&all);
	add_form_fields(&all);
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	foreach(lc, choose(fcinfo, all, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2)))
	{
		Choosable  *column = lfirst(lc);

		appendStringInfo(&sql, "%s AS %s, ", column->sql, quote_identifier(column->name));
		labels = lappend(labels, column->label);
		of_form = of_form || column->of_form;
	}
	appendStringInfoString(&sql, "m.lead_id FROM leadflow.handoff_member AS m");
	if (of_form)
		appendStringInfo(&sql, " CROSS JOIN LATERAL (SELECT %s OFFSET 0) AS f (document)",
						 ReadsDocuments("lead") ?
						 "(SELECT d.fields FROM leadflow.lead AS d WHERE d.lead_id = m.lead_id)" :
						 "leadflow.shown_fields('lead', m.lead_id)");
	appendStringInfoString(&sql, " WHERE m.list_id = $1 ORDER BY m.due_on, m.lead_id");

	pin_formats(list->zone);
	AddBigintArg(&args, list->list_id);
	file = write_file(prepare(sql.data, &args), &args, labels, encoding, labelled, frame.caller);
	LeaveSpi(frame);
	PG_RETURN_BYTEA_P(file);
}

Datum
export_query(PG_FUNCTION_ARGS)
{
	const char *encoding = encoding_argument(fcinfo, 1);
	bool		labelled = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	char	   *search_path = pstrdup(namespace_search_path);
	SpiFrame	frame;
	SpiArgs		args = {0};
	SPIPlanPtr	plan;
	bytea	   *file;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	frame = EnterSpi(false);
	pin_formats(ResolveZone(NULL));
	/* the query is the caller's */
	PinSetting("search_path", search_path);
	plan = prepare(text_to_cstring(PG_GETARG_TEXT_PP(0)), &args);
	if (!SPI_is_cursor_plan(plan))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no rows to export"),
				 errhint("It must be one query, such as: SELECT * FROM leadflow.application_history")));
	file = write_file(plan, &args, plan_labels(plan), encoding, labelled, frame.caller);
	LeaveSpi(frame);
	PG_RETURN_BYTEA_P(file);
}
