/*
 * why_found.c
 *		What the records of one lead have to say on one term of a segment.
 *
 * Of a condition on one record we show the record that satisfies it, or else the
 * one that is nearest to it: which satisfies the most of the conditions joined by
 * AND, those on the event time first, which falls short by least, and is latest.
 */
#include "postgres.h"

#include "engine/sql.h"
#include "engine/why.h"
#include "mb/pg_wchar.h"
#include "source/hidden.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "zone.h"

/* Of a row's conditions joined by AND, no more are told apart than this. */
#define MAX_CONJUNCTS	50

/* Fields shown of a record, and how much of a text, in bytes */
#define MAX_FIELDS		10
#define SHOWN_LENGTH	80

/* The columns of the query of records, before those of conjuncts and fields */
#define COLUMN_KEY			1
#define COLUMN_SATISFIES	2
#define COLUMN_RECORDS		3
#define COLUMN_SATISFYING	4
#define COLUMN_MORE			5

/* A row condition, taken apart. */
typedef struct Row
{
	const BoundNode *whole;		/* NULL where there is no condition */
	List	   *conjuncts;		/* of BoundNode */
	List	   *written;		/* of SegmentNode: the same */
	List	   *fields;			/* of SourceField: to be shown */
} Row;

/* ---- values -------------------------------------------------------------------- */

static char *
days_away(const WhyContext *context, DateADT day)
{
	int64		days = (int64) context->today - day;

	if (days == 0)
		return "today";
	if (days > 0)
		return psprintf(INT64_FORMAT " day%s ago", days, days == 1 ? "" : "s");
	return psprintf("in " INT64_FORMAT " day%s", -days, days == -1 ? "" : "s");
}

char *
WhyTime(const WhyContext *context, FieldType type, Datum value)
{
	struct pg_tm tm = {0};
	fsec_t		fraction;
	int			offset;
	DateADT		day;
	char	   *time = "";
	bool		before_christ;

	if (type == FIELD_DATE)
	{
		day = DatumGetDateADT(value);
		if (DATE_NOT_FINITE(day))
			return DATE_IS_NOBEGIN(day) ? "-infinity" : "infinity";
		j2date(day + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	}
	else
	{
		Timestamp	at = DatumGetTimestamp(value);

		if (TIMESTAMP_NOT_FINITE(at))
			return TIMESTAMP_IS_NOBEGIN(at) ? "-infinity" : "infinity";
		/* near the ends of time an instant may have no local time */
		if (timestamp2tm(at, type == FIELD_TIMESTAMPTZ ? &offset : NULL, &tm, &fraction, NULL,
						 type == FIELD_TIMESTAMPTZ ? context->zone : NULL) != 0)
			return "out of range";
		day = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
		time = psprintf(" %02d:%02d", tm.tm_hour, tm.tm_min);
	}
	before_christ = tm.tm_year <= 0;
	return psprintf("%04d-%02d-%02d%s%s (%s)", before_christ ? 1 - tm.tm_year : tm.tm_year, tm.tm_mon,
					tm.tm_mday, time, before_christ ? " BC" : "", days_away(context, day));
}

/* A column of a row of the last result, as a value of a type; NULL when null. */
static char *
shown_value(const WhyContext *context, uint64 row, int column, FieldType type)
{
	char	   *text = SpiText(row, column);
	bool		isnull;
	int			length;

	if (text == NULL)
		return NULL;
	switch (type)
	{
		case FIELD_DATE:
		case FIELD_TIMESTAMP:
		case FIELD_TIMESTAMPTZ:
			return WhyTime(context, type, SpiDatum(row, column, &isnull));
		case FIELD_BOOLEAN:
			return text[0] == 't' ? "true" : "false";
		case FIELD_NUMBER:
			return text;
		case FIELD_OTHER:
			return "something";
		default:
			length = pg_mbcliplen(text, strlen(text), SHOWN_LENGTH);
			return psprintf("'%.*s%s'", length, text, text[length] == '\0' ? "" : "...");
	}
}

/* A field of record "r", in its own type but for enums and names looked up. */
static char *
field_sql(const SourceField *field)
{
	if (field->lookup_relation != NULL)
		return psprintf("(select k.%s::text from %s as k where k.%s = r.%s order by 1 limit 1)",
						field->lookup_name, field->lookup_relation, field->lookup_key,
						field->column);
	return FieldSql(field, "r");
}

/* A test as it is written, without what is tested. */
static char *
written_test(const SegmentNode *node)
{
	SegmentNode field = {.kind = SEGMENT_FIELD, .field = "n", .test = node->test};

	return SegmentDeparse(&field) + strlen("n ");
}

/* Are the source's records the leads themselves? */
static bool
is_of_leads(const Source *source)
{
	return strcmp(source->relation, "leadflow.lead") == 0 &&
		strcmp(source->lead_column, "lead_id") == 0;
}

/* ---- rows ----------------------------------------------------------------------- */

static void
add_fields(Row *row, const BoundNode *node)
{
	ListCell   *lc;

	if (node->field != NULL && list_length(row->fields) < MAX_FIELDS)
		row->fields = list_append_unique_ptr(row->fields, node->field);
	foreach(lc, node->args)
		add_fields(row, lfirst(lc));
}

static Row
take_apart(const Source *source, const SegmentNode *node, const BoundNode *bound)
{
	Row			row = {.whole = bound};

	if (bound != NULL)
	{
		bool		several = bound->kind == SEGMENT_AND && list_length(bound->args) <= MAX_CONJUNCTS;

		row.conjuncts = several ? bound->args : list_make1(unconstify(BoundNode *, bound));
		row.written = several ? node->args : list_make1(unconstify(SegmentNode *, node));
		add_fields(&row, bound);
	}
	if (source->time != NULL && !is_of_leads(source))
		row.fields = list_append_unique_ptr(row.fields, source->time);
	return row;
}

/* Has the source a key, and its relation the column? */
static bool
has_key(const Source *source)
{
	ListCell   *lc;

	if (source->key_column == NULL)
		return false;
	foreach(lc, source->fields)
	{
		SourceField *field = lfirst(lc);

		if (field->column != NULL && strcmp(field->column, source->key_column) == 0)
			return true;
	}
	return false;
}

/* The key of record "r" as JSON; null where the source has none. */
static const char *
key_sql(const Source *source)
{
	return has_key(source) ? psprintf("to_jsonb(r.%s)::text", source->key_column) : "null::text";
}

/* The latest record first, and among those of the same time the highest key. */
static void
put_latest_first(StringInfo sql, const Source *source)
{
	if (source->time != NULL)
		appendStringInfo(sql, "r.%s desc nulls last, ", source->time->column);
	appendStringInfoString(sql, has_key(source) ?
						   psprintf("r.%s desc nulls last", source->key_column) : "1");
}

/* The order of records by how near they are to satisfying a row. */
static void
put_nearest_first(StringInfo sql, const Source *source, const Row *row)
{
	ListCell   *lc;

	appendStringInfo(sql, "%d desc, ", COLUMN_SATISFIES);
	if (list_length(row->conjuncts) > 1)
	{
		foreach(lc, row->conjuncts)
			appendStringInfo(sql, "%s((%s) is true)::int", lc == list_head(row->conjuncts) ? "" : " + ",
							 RowSql(lfirst(lc), "r"));
		appendStringInfoString(sql, " desc, ");
		foreach(lc, row->conjuncts)
			if (((BoundNode *) lfirst(lc))->field == source->time && source->time != NULL)
				appendStringInfo(sql, "(%s) is true desc, ", RowSql(lfirst(lc), "r"));
	}
	foreach(lc, row->conjuncts)
	{
		BoundNode  *node = lfirst(lc);
		const SegmentTest *test = node->test ? node->test->test : NULL;
		bool		wants_more;

		if (test == NULL || node->test->type != FIELD_NUMBER || test->kind != SEGMENT_COMPARE ||
			test->op == SEGMENT_EQ || test->op == SEGMENT_NE)
			continue;
		wants_more = test->op == SEGMENT_GE || test->op == SEGMENT_GT;
		appendStringInfo(sql, "%s(%s, %s) %s nulls last, ", wants_more ? "least" : "greatest",
						 FieldSql(node->field, "r"), (char *) linitial(node->test->constants),
						 wants_more ? "desc" : "asc");
	}
	put_latest_first(sql, source);
}

/*
 * Query records "r" of what follows "from", each with whether it satisfies the row
 * and its conjuncts, and the values of the fields.
 */
static uint64
read_records(WhyContext *context, const Source *source, const Row *row, const char *from)
{
	const char *satisfies = row->whole ? psprintf("(%s) is true", RowSql(row->whole, "r")) : "true";
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "select %s, %s, count(*) over (), count(*) filter (where %s) over ()",
					 key_sql(source), satisfies, satisfies);
	foreach(lc, row->conjuncts)
		appendStringInfo(&sql, ", (%s) is true", RowSql(lfirst(lc), "r"));
	foreach(lc, row->fields)
		appendStringInfo(&sql, ", %s", field_sql(lfirst(lc)));
	appendStringInfo(&sql, " from %s order by ", from);
	put_nearest_first(&sql, source, row);
	appendStringInfo(&sql, " limit %d", WHY_MAX_EVIDENCE);
	return SpiRead(sql.data, &context->args);
}

/* The keys in the first column of the last result, as {"source": [...]}; or NULL. */
static char *
evidence(const char *source, uint64 rows)
{
	StringInfoData json;

	if (rows == 0 || SpiText(1, COLUMN_KEY) == NULL)
		return NULL;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	escape_json(&json, source);
	appendStringInfoString(&json, ": [");
	for (uint64 row = 1; row <= rows; row++)
		appendStringInfo(&json, "%s%s", row > 1 ? ", " : "",
						 SpiText(row, COLUMN_KEY) ? SpiText(row, COLUMN_KEY) : "null");
	appendStringInfoString(&json, "]}");
	return json.data;
}

/* The record in the first row of the last result: pages 14, visited_at ... */
static void
put_record(StringInfo text, const Row *row, char **values)
{
	ListCell   *lc;
	int			i = 0;

	foreach(lc, row->fields)
	{
		const SourceField *field = lfirst(lc);

		appendStringInfo(text, "%s%s %s", i == 0 ? "" : ", ", field->name,
						 values[i] ? values[i] : "is null");
		i++;
	}
}

/* What the first record of the last result fails of the row. */
static void
put_needs(StringInfo text, const Row *row)
{
	const char *separator = "; needs ";
	int			column = COLUMN_MORE;
	ListCell   *lc;

	foreach(lc, row->written)
	{
		bool		isnull;

		if (DatumGetBool(SpiDatum(1, column++, &isnull)))
			continue;
		appendStringInfo(text, "%s%s", separator, SegmentDeparse(lfirst(lc)));
		separator = " and ";
	}
}

/* The values of the first record's fields. */
static char **
record_values(const WhyContext *context, const Source *source, const Row *row)
{
	char	  **values = palloc(sizeof(char *) * Max(list_length(row->fields), 1));
	int			column = COLUMN_MORE + list_length(row->conjuncts);
	SPITupleTable *table = SPI_tuptable;
	ListCell   *lc;
	int			i = 0;

	foreach(lc, row->fields)
		values[i++] = shown_value(context, 1, column++, ((SourceField *) lfirst(lc))->type);

	/* asking for what is hidden takes queries of its own */
	i = 0;
	foreach(lc, row->fields)
		if (FieldIsHidden(source, lfirst(lc)))
			values[i++] = "(hidden)";
		else
			i++;
	SPI_tuptable = table;
	return values;
}

/* ---- terms ------------------------------------------------------------------------ */

/* One record satisfies the row. */
static void
find_block(WhyContext *context, const SegmentNode *node, const BoundNode *bound, bool must_hold,
		   WhyFound *found)
{
	const Source *source = bound->source;
	bool		is_lead = is_of_leads(source);
	Row			row = take_apart(source, node->row, bound->row);
	uint64		rows = read_records(context, source, &row,
									psprintf("%s as r where r.%s = $3%s", source->relation,
											 source->lead_column,
											 RecordsSql(source, NULL, false)));
	int64		records = rows > 0 ? SpiBigint(1, COLUMN_RECORDS) : 0;
	int64		satisfying = rows > 0 ? SpiBigint(1, COLUMN_SATISFYING) : 0;
	StringInfoData text;

	initStringInfo(&text);
	if (records == 0)
		appendStringInfoString(&text, "no records");
	else if (!is_lead)
	{
		if (row.whole != NULL && satisfying == 0 && records > 1)
			appendStringInfoString(&text, "none of ");
		else if (satisfying < records && records > 1)
			appendStringInfo(&text, INT64_FORMAT " of ", satisfying);
		appendStringInfo(&text, INT64_FORMAT " record%s", records, records == 1 ? "" : "s");
		if (row.fields != NIL)
			appendStringInfoString(&text, records == 1 || satisfying == 1 ? ": " :
								   satisfying == 0 ? "; the nearest: " : "; the latest: ");
	}
	if (records > 0)
	{
		if (is_lead && row.fields == NIL)
			appendStringInfoString(&text, "the lead itself");
		put_record(&text, &row, record_values(context, source, &row));
		found->evidence = evidence(source->name, satisfying > 0 ? Min(rows, (uint64) satisfying) : 1);
		if (!found->holds && must_hold)
			put_needs(&text, &row);
	}
	if (found->holds && !must_hold)
		appendStringInfoString(&text, is_lead ? "; must not hold" : "; there must be none");
	found->text = text.data;
}

/* The first or last record satisfies the row. */
static void
find_edge(WhyContext *context, const SegmentNode *node, const BoundNode *bound, bool must_hold,
		  WhyFound *found)
{
	const Source *source = bound->source;
	bool		last = bound->function == SEGMENT_LAST;
	Row			row = take_apart(source, node->row, bound->row);
	char	   *order = psprintf("r.%s%s%s%s%s", source->time->column, last ? " desc" : "",
								 source->key_column ? ", r." : "",
								 source->key_column ? source->key_column : "",
								 source->key_column ? " desc nulls last" : "");
	uint64		rows = read_records(context, source, &row,
									psprintf("(select r.*, rank() over (order by %s) as leadflow_rank"
											 " from %s as r where r.%s = $3%s) as r"
											 " where r.leadflow_rank = 1", order, source->relation,
											 source->lead_column,
											 RecordsSql(source, bound->where, true)));
	StringInfoData text;

	initStringInfo(&text);
	if (rows == 0)
		appendStringInfoString(&text, "no records");
	else
	{
		appendStringInfo(&text, "the %s: ", SegmentFunctionName(bound->function));
		put_record(&text, &row, record_values(context, source, &row));
		found->evidence = evidence(source->name, rows);
		if (!found->holds && must_hold)
			put_needs(&text, &row);
	}
	if (found->holds && !must_hold)
		appendStringInfoString(&text, "; must not hold");
	found->text = text.data;
}

/* An aggregate: its value, and the records it is of. */
static void
find_aggregate(WhyContext *context, const SegmentNode *node, const BoundNode *bound,
			   bool must_hold, WhyFound *found)
{
	const Source *source = bound->source;
	const SourceField *field = bound->field;
	bool		counts = bound->function == SEGMENT_COUNT;
	bool		extreme = bound->function == SEGMENT_MIN || bound->function == SEGMENT_MAX;
	bool		hidden = field != NULL && !counts && FieldIsHidden(source, field);
	char	   *records = psprintf(" from %s as r where r.%s = $3%s%s", source->relation,
								   source->lead_column, RecordsSql(source, bound->where, false),
								   field ? psprintf(" and %s is not null", FieldSql(field, "r")) : "");
	char	   *aggregate = AggregateSql(bound, "");
	StringInfoData text;
	StringInfoData sql;
	char	   *value;
	int64		n;

	(void) SpiRead(psprintf(bound->function == SEGMENT_AVG ? "select trim_scale(%s), count(*)%s" :
							"select %s, count(*)%s", aggregate, records), &context->args);
	value = hidden ? "(hidden)" : shown_value(context, 1, 1, extreme ? field->type : FIELD_NUMBER);
	n = SpiBigint(1, 2);

	initStringInfo(&text);
	if (counts && !bound->distinct)
		appendStringInfo(&text, "%s record%s", value, n == 1 ? "" : "s");
	else if (counts)
		appendStringInfo(&text, "%s different in " INT64_FORMAT " record%s", value, n,
						 n == 1 ? "" : "s");
	else if (value == NULL || n == 0)
		appendStringInfoString(&text, "no records");
	else
		appendStringInfo(&text, "%s %s over " INT64_FORMAT " record%s",
						 SegmentFunctionName(bound->function), value, n, n == 1 ? "" : "s");
	if (!found->holds && must_hold)
		appendStringInfo(&text, "; needs %s", written_test(node));
	else if (found->holds && !must_hold)
		appendStringInfoString(&text, "; must not hold");
	found->text = text.data;

	initStringInfo(&sql);
	appendStringInfo(&sql, "select %s%s order by ", key_sql(source), records);
	if (extreme)
		appendStringInfo(&sql, "%s%s, ", FieldSql(field, "r"),
						 bound->function == SEGMENT_MIN ? "" : " desc");
	put_latest_first(&sql, source);
	appendStringInfo(&sql, " limit %d", extreme ? 1 : WHY_MAX_EVIDENCE);
	found->evidence = evidence(source->name, SpiRead(sql.data, &context->args));
}

/* A named set: since when the lead is in it, or when it last was. */
static void
find_named(WhyContext *context, const SegmentNode *node, bool must_hold, WhyFound *found)
{
	const NamedSetDetails *details = FindNamedSetDetails(node->source);
	StringInfoData text;
	uint64		rows;
	bool		isnull;

	if (details == NULL)
		return;
	rows = SpiRead(psprintf("select to_jsonb(s.key)::text, s.since, s.until"
							" from (%s) as s (key, since, until) limit %d",
							details->history(node->name), WHY_MAX_EVIDENCE), &context->args);
	initStringInfo(&text);
	if (rows == 0)
		appendStringInfoString(&text, "never a member");
	else if (SpiText(1, 3) == NULL)
		appendStringInfo(&text, "a member since %s",
						 WhyTime(context, FIELD_TIMESTAMPTZ, SpiDatum(1, 2, &isnull)));
	else
		appendStringInfo(&text, "a member from %s to %s",
						 WhyTime(context, FIELD_TIMESTAMPTZ, SpiDatum(1, 2, &isnull)),
						 WhyTime(context, FIELD_TIMESTAMPTZ, SpiDatum(1, 3, &isnull)));
	if (!found->holds && must_hold)
		appendStringInfoString(&text, "; needs to be one");
	else if (found->holds && !must_hold)
		appendStringInfoString(&text, "; must not be one");
	found->text = text.data;
	found->evidence = evidence(details->stays, rows);
}

WhyFound
WhyTerm(WhyContext *context, const SegmentNode *node, const BoundNode *bound, bool must_hold)
{
	WhyFound	found = {0};

	found.holds = SpiRead(psprintf("%s\n  and l.lead_id = $3", SegmentSql(bound)),
						  &context->args) > 0;
	switch (bound->kind)
	{
		case SEGMENT_BLOCK:
			find_block(context, node, bound, must_hold, &found);
			break;
		case SEGMENT_EDGE:
			find_edge(context, node, bound, must_hold, &found);
			break;
		case SEGMENT_AGGREGATE:
			find_aggregate(context, node, bound, must_hold, &found);
			break;
		case SEGMENT_NAMED:
			find_named(context, node, must_hold, &found);
			break;
		default:
			elog(ERROR, "unexpected term: %d", bound->kind);
	}
	return found;
}
