/*
 * sync_in.c
 *		leadflow.sync_in(): leads, deals and activities of another system, known by
 *		their external ids.
 *
 * What is wrong with a record is found for all at once, by one statement; the
 * others are inserted and updated by two. Where those fail, as a value or a form
 * may have them do, the records are halved until the ones to blame are found.
 *
 * Two calls for the same table are made one after the other, so that none of
 * them inserts what the other just has.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lead/lead.h"
#include "lexer.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(sync_in);

/* A table that records can be taken into */
typedef struct SyncEntity
{
	const char *name;
	const char *key;			/* its key, with lead_id where it is another */
	bool		has_lead;		/* records are of a lead, which they name */
	bool		has_list;
} SyncEntity;

static const SyncEntity sync_entities[] = {
	{"activity", "activity_id", true, true},
	{"deal", "deal_id", true, true},
	{"lead", "lead_id", false, false}
};

/* Columns that are kept by leadflow, or set by other keys */
#define KEPT_COLUMNS \
	"{activity_id,applied_at,deal_id,deleted_at,external_id,fields,form_version,lead_id,list_id,merged_into," \
	"recorded_by,rep_id,stage_since,updated_at}"

/* Keys of a record that are neither columns nor fields of the form */
#define OWN_KEYS	"{external_id,updated_at,lead,lead_id,list,rep}"

typedef struct SyncRecord
{
	char	   *external_id;
	char	   *outcome;		/* NULL until it is known */
	char	   *reason;
	int64		lead_id;
	int64		record_id;		/* 0 for one to be inserted */
	Datum		document;		/* jsonb: its columns and fields */
	Datum		updated_at;
	bool		is_dated;
	int64		turn;			/* what one statement changes, it changes once */
} SyncRecord;

typedef struct Sync
{
	const SyncEntity *entity;
	MemoryContext context;		/* of what is returned */
	int			n;
	SyncRecord *records;

	/* SQL made of the table's columns */
	char	   *columns;		/* ", name" of each */
	char	   *inserted;		/* ", value" of each */
	char	   *assigned;		/* ", name = value" of each */
	char	   *names;			/* an array of them */
	int			form_version;

	/* the records at work on */
	SyncRecord **work;
	int			from;
	int			until;
} Sync;

static const SyncEntity *
find_entity(const char *name)
{
	List	   *known = NIL;
	const char *nearest;

	for (size_t i = 0; i < lengthof(sync_entities); i++)
	{
		if (strcmp(sync_entities[i].name, name) == 0)
			return &sync_entities[i];
		known = lappend(known, unconstify(char *, sync_entities[i].name));
	}
	nearest = NearestName(name, known);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("\"%s\" cannot be synchronised", name),
			 errdetail("There are activity, deal and lead."),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
}

/* ---- the table ---------------------------------------------------------------------- */

/*
 * What can be set of the table. What a record does not say is left alone: a
 * missing value, null or blank, takes nothing away.
 */
static void
read_columns(Sync *sync)
{
	SpiArgs		args = {0};
	StringInfoData parts[4];
	uint64		rows;

	for (int i = 0; i < 4; i++)
		initStringInfo(&parts[i]);
	AddTextArg(&args, psprintf("leadflow.%s", sync->entity->name));
	rows = SpiRun("SELECT quote_ident(a.attname), pg_get_expr(d.adbin, d.adrelid), quote_literal(a.attname)"
				  " FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
				  " WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped"
				  " AND a.attgenerated = '' AND a.attidentity <> 'a' AND a.attname <> ALL ('" KEPT_COLUMNS "')"
				  " ORDER BY a.attnum", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		char	   *name = SpiText(row, 1);
		char	   *default_value = SpiText(row, 2);

		appendStringInfo(&parts[0], ", %s", name);
		if (default_value != NULL)
			appendStringInfo(&parts[1], ", coalesce(p.%s, %s)", name, default_value);
		else
			appendStringInfo(&parts[1], ", p.%s", name);
		appendStringInfo(&parts[2], ", %s = coalesce(p.%s, t.%s)", name, name, name);
		appendStringInfo(&parts[3], "%s%s", row == 1 ? "" : ", ", SpiText(row, 3));
	}
	sync->columns = parts[0].data;
	sync->inserted = parts[1].data;
	sync->assigned = parts[2].data;
	sync->names = psprintf("ARRAY[%s, 'rep_id', 'list_id']::text[]", parts[3].data);
	(void) CurrentForm(FindEntity(sync->entity->name), &sync->form_version);
}

/* ---- finding and judging ------------------------------------------------------------ */

/* The lead that a lead was merged into, at the end; or itself */
#define SURVIVOR(alias) \
	"WITH RECURSIVE chain AS (SELECT " alias ".lead_id, " alias ".merged_into" \
	" UNION SELECT n.lead_id, n.merged_into FROM chain AS c JOIN leadflow.lead AS n ON n.lead_id = c.merged_into)" \
	" SELECT c.lead_id FROM chain AS c WHERE c.merged_into IS NULL"

/*
 * Each record with what it is here and, if anything, what is wrong with it. A
 * lead that was merged stands for the one it was merged into.
 */
#define JUDGED \
	"WITH given AS (SELECT e.n, CASE WHEN jsonb_typeof(e.doc) = 'object' THEN e.doc ->> 'external_id' END AS external_id," \
	"  CASE WHEN jsonb_typeof(e.doc) = 'object' THEN (SELECT coalesce(jsonb_object_agg(f.key, f.value), '{}')" \
	"   FROM jsonb_each(e.doc) AS f WHERE f.value NOT IN ('null', '[]') AND btrim(f.value #>> '{}', E' \\t\\r\\n\u3000') <> '') END AS doc" \
	"  FROM jsonb_array_elements($1) WITH ORDINALITY AS e (doc, n))," \
	" known AS (SELECT t.external_id, array_agg(DISTINCT s.lead_id) AS lead_ids," \
	"  array_agg(DISTINCT t.%1$s) AS record_ids FROM leadflow.%2$s AS t, LATERAL (%3$s) AS s" \
	"  WHERE t.external_id IN (SELECT g.external_id FROM given AS g) GROUP BY t.external_id)," \
	" leads AS (SELECT l.external_id, array_agg(DISTINCT s.lead_id) AS lead_ids FROM leadflow.lead AS l," \
	"  LATERAL (" SURVIVOR("l") ") AS s" \
	"  WHERE l.external_id IN (SELECT g.doc ->> 'lead' FROM given AS g) GROUP BY l.external_id)," \
	" found AS (SELECT g.n, g.external_id, g.doc, k.record_ids, leadflow.form_timestamp(g.doc, 'updated_at', $2) AS updated_at," \
	"  CASE WHEN %4$s THEN CASE WHEN g.doc ? 'lead' THEN a.lead_ids[1]" \
	"   WHEN g.doc ->> 'lead_id' ~ '^[0-9]{1,18}$' THEN (SELECT l.lead_id FROM leadflow.lead AS l" \
	"    WHERE l.lead_id = (g.doc ->> 'lead_id')::bigint)" \
	"   ELSE k.lead_ids[1] END ELSE k.lead_ids[1] END AS lead_id," \
	"  k.lead_ids, cardinality(a.lead_ids) > 1 AS ambiguous_lead, r.rep_id, i.list_id," \
	"  row_number() OVER (PARTITION BY g.external_id ORDER BY g.n DESC) > 1 AS repeated" \
	"  FROM given AS g LEFT JOIN known AS k USING (external_id)" \
	"  LEFT JOIN leads AS a ON a.external_id = g.doc ->> 'lead'" \
	"  LEFT JOIN leadflow.rep AS r ON r.name = g.doc ->> 'rep'" \
	"  LEFT JOIN leadflow.list AS i ON i.name = g.doc ->> 'list')"

/* Of an unusual record, an outcome and a reason, parted by a colon */
#define VERDICT \
	"CASE WHEN f.doc IS NULL THEN 'error:it is no JSON object'" \
	" WHEN btrim(coalesce(f.external_id, '')) = '' THEN 'error:it has no external_id'" \
	" WHEN f.repeated THEN 'skipped:a later record of the call has the same external_id'" \
	" WHEN f.doc ? 'updated_at' AND f.updated_at IS NULL" \
	"  THEN format('error:\"%%s\" in updated_at is no time such as 2026-06-01T10:00:00+09:00', f.doc ->> 'updated_at')" \
	" WHEN cardinality(f.record_ids) > 1 AND cardinality(f.lead_ids) > 1" \
	"  THEN format('error:several records have this external_id, of leads %%s', array_to_string(f.lead_ids, ', '))" \
	" WHEN cardinality(f.record_ids) > 1 AND %4$s" \
	"  THEN format('error:several records have this external_id: %%s', array_to_string(f.record_ids, ', '))" \
	" WHEN f.ambiguous_lead THEN format('error:several leads have the external_id \"%%s\"', f.doc ->> 'lead')" \
	" WHEN %4$s AND f.doc ? 'lead' AND f.lead_id IS NULL THEN format('error:lead \"%%s\" does not exist', f.doc ->> 'lead')" \
	" WHEN %4$s AND f.doc ? 'lead_id' AND f.lead_id IS NULL THEN format('error:lead %%s does not exist', f.doc ->> 'lead_id')" \
	" WHEN %4$s AND f.lead_id IS NULL THEN 'error:it does not say of which lead it is: give it a \"lead\"'" \
	" WHEN %4$s AND f.lead_ids IS NOT NULL AND f.lead_ids[1] <> f.lead_id" \
	"  THEN format('error:it is a record of lead %%s here', f.lead_ids[1])" \
	" WHEN NOT %4$s AND f.doc ?| '{lead,lead_id}' THEN 'error:a lead is known by its external_id alone'" \
	" WHEN f.doc ? 'rep' AND f.rep_id IS NULL THEN format('error:rep \"%%s\" does not exist', f.doc ->> 'rep')" \
	" WHEN f.doc ? 'list' AND f.list_id IS NULL THEN format('error:list \"%%s\" does not exist', f.doc ->> 'list')" \
	" WHEN '%2$s' = 'deal' AND f.record_ids IS NULL AND NOT f.doc ?& '{name,stage}'" \
	"  THEN 'error:a new deal needs a name and a stage'" \
	" WHEN '%2$s' = 'deal' AND NOT EXISTS (SELECT FROM leadflow.deal_stage AS s" \
	"  WHERE s.name = coalesce(f.doc ->> 'stage', s.name))" \
	"  THEN format('error:deal stage \"%%s\" does not exist', f.doc ->> 'stage')" \
	" WHEN f.doc ?| $3 THEN format('error:\"%%s\" is not to be set', (SELECT min(e.key)" \
	"  FROM jsonb_object_keys(f.doc) AS e (key) WHERE e.key = ANY ($3)))" \
	" WHEN l.deleted_at IS NOT NULL THEN format('skipped:lead %%s is deleted', l.lead_id)" \
	" WHEN o.updated_at > f.updated_at THEN format('skipped:it was changed later here, at %%s', to_json(o.updated_at) #>> '{}')" \
	" END"

static void
judge(Sync *sync, Datum records)
{
	const SyncEntity *entity = sync->entity;
	SpiArgs		args = {0};
	const char *survivor = entity->has_lead ? "SELECT t.lead_id" : SURVIVOR("t");
	const char *has_lead = entity->has_lead ? "true" : "false";
	char	   *sql;
	uint64		rows;
	bool		isnull;
	MemoryContext work = CurrentMemoryContext;

	AddArg(&args, JSONBOID, records);
	AddTextArg(&args, ResolveZone(NULL));
	SpiRun("SELECT array_agg(k) FROM unnest('" KEPT_COLUMNS "'::text[]) AS k WHERE k <> ALL ('" OWN_KEYS "')", NULL);
	AddArg(&args, TEXTARRAYOID, SpiDatum(1, 1, &isnull));
	sql = psprintf(JUDGED " SELECT f.n, f.external_id, coalesce(f.lead_id, 0), coalesce(%5$s, 0),"
				   " split_part(v.verdict, ':', 1), substr(v.verdict, strpos(v.verdict, ':') + 1),"
				   " (f.doc - '" OWN_KEYS "'::text[]) || jsonb_strip_nulls(jsonb_build_object('rep_id', f.rep_id, 'list_id', f.list_id)),"
				   " f.updated_at, row_number() OVER (PARTITION BY %5$s ORDER BY v.verdict IS NOT NULL, f.n)"
				   " FROM found AS f LEFT JOIN leadflow.lead AS l ON l.lead_id = f.lead_id"
				   " LEFT JOIN leadflow.%2$s AS o ON o.lead_id = coalesce(f.lead_id, f.lead_ids[1]) AND o.%1$s = %5$s"
				   " CROSS JOIN LATERAL (SELECT " VERDICT " AS verdict) AS v ORDER BY f.n",
				   entity->key, entity->name, survivor, has_lead,
				   entity->has_lead ? "f.record_ids[1]" : "f.lead_id");
	rows = SpiRun(sql, &args);

	MemoryContextSwitchTo(sync->context);
	sync->n = rows;
	sync->records = palloc0((rows + 1) * sizeof(SyncRecord));
	for (uint64 row = 1; row <= rows; row++)
	{
		SyncRecord *record = &sync->records[row - 1];
		char	   *verdict = SpiText(row, 5);

		record->external_id = SpiText(row, 2);
		record->lead_id = SpiBigint(row, 3);
		record->record_id = SpiBigint(row, 4);
		if (verdict != NULL)
		{
			record->outcome = verdict;
			record->reason = SpiText(row, 6);
			continue;
		}
		record->document = PointerGetDatum(DatumGetJsonbPCopy(SpiDatum(row, 7, &isnull)));
		record->updated_at = SpiDatum(row, 8, &isnull);
		record->is_dated = !isnull;
		record->turn = record->record_id == 0 ? 1 : SpiBigint(row, 9);
	}
	MemoryContextSwitchTo(work);
}

/* ---- taking in ---------------------------------------------------------------------- */

static Datum
array_of(Datum *values, bool *nulls, int n, Oid type)
{
	int			lower = 1;
	bool		is_word = type != JSONBOID && type != TEXTOID;

	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower, type, is_word ? 8 : -1,
											  is_word ? FLOAT8PASSBYVAL : false,
											  is_word ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

/* The records at work on that are there, or that are not, as arguments of a statement. */
static int
add_records(Sync *sync, bool there, SpiArgs *args, SyncRecord **chosen)
{
	int			total = sync->until - sync->from;
	Datum	   *columns[5];
	bool	   *nulls[5];
	int			n = 0;

	for (int i = 0; i < 5; i++)
	{
		columns[i] = palloc((total + 1) * sizeof(Datum));
		nulls[i] = palloc0((total + 1) * sizeof(bool));
	}
	for (int i = sync->from; i < sync->until; i++)
	{
		SyncRecord *record = sync->work[i];

		if ((record->record_id != 0) != there)
			continue;
		columns[0][n] = Int64GetDatum(record->lead_id);
		columns[1][n] = Int64GetDatum(record->record_id);
		columns[2][n] = CStringGetTextDatum(record->external_id);
		columns[3][n] = record->document;
		columns[4][n] = record->updated_at;
		nulls[4][n] = !record->is_dated;
		chosen[n++] = record;
	}
	AddArg(args, INT8ARRAYOID, array_of(columns[0], nulls[0], n, INT8OID));
	AddArg(args, INT8ARRAYOID, array_of(columns[1], nulls[1], n, INT8OID));
	AddArg(args, TEXTARRAYOID, array_of(columns[2], nulls[2], n, TEXTOID));
	AddArg(args, JSONBARRAYOID, array_of(columns[3], nulls[3], n, JSONBOID));
	AddArg(args, TIMESTAMPTZARRAYOID, array_of(columns[4], nulls[4], n, TIMESTAMPTZOID));
	return n;
}

#define GIVEN_RECORDS \
	"unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS u (lead_id, record_id, external_id, doc, updated_at, n)"

static void
insert_records(Sync *sync, SyncRecord **chosen)
{
	const SyncEntity *entity = sync->entity;
	SpiArgs		args = {0};
	int			n = add_records(sync, false, &args, chosen);
	const char *owned = entity->has_lead ? "lead_id, list_id, " : "";

	if (n == 0)
		return;
	SpiRun(psprintf("INSERT INTO leadflow.%s AS t (%sexternal_id, rep_id, updated_at, fields%s)"
					" SELECT %su.external_id, p.rep_id, coalesce(u.updated_at, now()), u.doc - %s%s"
					" FROM " GIVEN_RECORDS ", LATERAL jsonb_populate_record(NULL::leadflow.%s, u.doc) AS p"
					" ORDER BY u.n RETURNING t.lead_id, t.%s",
					entity->name, owned, sync->columns, entity->has_lead ? "u.lead_id, p.list_id, " : "",
					sync->names, sync->inserted, entity->name, entity->key), &args);
	for (int i = 0; i < n; i++)
	{
		chosen[i]->lead_id = SpiBigint(i + 1, 1);
		chosen[i]->record_id = SpiBigint(i + 1, 2);
		chosen[i]->outcome = "inserted";
	}
}

/* What already is as the record says stays untouched, and keeps its time. */
static void
update_records(Sync *sync, SyncRecord **chosen)
{
	const SyncEntity *entity = sync->entity;
	SpiArgs		args = {0};
	int			n = add_records(sync, true, &args, chosen);
	uint64		rows;

	if (n == 0)
		return;
	AddArg(&args, INT4OID, Int32GetDatum(sync->form_version));
	rows = SpiRun(psprintf("UPDATE leadflow.%s AS t SET updated_at = coalesce(u.updated_at, now()),"
						   " rep_id = coalesce(p.rep_id, t.rep_id)%s%s, fields = t.fields || f.fields,"
						   " form_version = CASE WHEN t.fields @> f.fields THEN t.form_version ELSE $6 END"
						   " FROM " GIVEN_RECORDS ", LATERAL jsonb_populate_record(NULL::leadflow.%s, u.doc) AS p,"
						   " LATERAL (SELECT u.doc - %s AS fields) AS f"
						   " WHERE t.lead_id = u.lead_id AND t.%s = u.record_id"
						   " AND NOT (t.fields @> f.fields AND to_jsonb(t) @> jsonb_strip_nulls(to_jsonb(p)))"
						   " RETURNING u.n", entity->name,
						   entity->has_lead ? ", list_id = coalesce(p.list_id, t.list_id)" : "", sync->assigned,
						   entity->name, sync->names, entity->key), &args);
	for (int i = 0; i < n; i++)
	{
		chosen[i]->outcome = "skipped";
		chosen[i]->reason = "it says nothing new";
	}
	for (uint64 row = 1; row <= rows; row++)
	{
		SyncRecord *record = chosen[SpiBigint(row, 1) - 1];

		record->outcome = "updated";
		record->reason = NULL;
	}
}

static void
take_in_body(void *state)
{
	Sync	   *sync = state;
	SyncRecord **chosen = palloc((sync->until - sync->from + 1) * sizeof(SyncRecord *));

	update_records(sync, chosen);
	insert_records(sync, chosen);
}

/* Halve what fails, until it is one record. */
static void
take_in(Sync *sync, int from, int until)
{
	ErrorData  *error;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (from >= until)
		return;
	sync->from = from;
	sync->until = until;
	error = Attempt(take_in_body, sync);
	if (error == NULL)
		return;
	for (int i = from; i < until; i++)
		sync->work[i]->reason = NULL;
	if (until - from == 1)
	{
		sync->work[from]->outcome = "error";
		sync->work[from]->reason = MemoryContextStrdup(sync->context, ErrorText(error));
		return;
	}
	take_in(sync, from, from + (until - from) / 2);
	take_in(sync, from + (until - from) / 2, until);
}

static void
sync_body(FunctionCallInfo fcinfo, void *state)
{
	Sync	   *sync = state;
	SpiArgs		args = {0};
	char	   *zone = ResolveZone(NULL);
	int			n = 1;

	/* what another system writes does not depend on how this session reads */
	PinSetting("TimeZone", zone);
	PinSetting("DateStyle", "ISO, YMD");
	PinSetting("IntervalStyle", "postgres");
	AddTextArg(&args, sync->entity->name);
	SpiRun("SELECT pg_advisory_xact_lock(hashtext('leadflow.sync_in'), hashtext($1))", &args);
	read_columns(sync);
	judge(sync, PG_GETARG_DATUM(1));

	sync->work = palloc((sync->n + 1) * sizeof(SyncRecord *));
	for (int64 turn = 1; n > 0; turn++)
	{
		n = 0;
		for (int i = 0; i < sync->n; i++)
			if (sync->records[i].outcome == NULL && sync->records[i].turn == turn)
				sync->work[n++] = &sync->records[i];
		take_in(sync, 0, n);
	}
}

Datum
sync_in(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		dry_run = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	Sync		sync = {.context = CurrentMemoryContext};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the entity and the records must not be null")));
	sync.entity = find_entity(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (!JB_ROOT_IS_ARRAY(PG_GETARG_JSONB_P(1)) || JB_ROOT_IS_SCALAR(PG_GETARG_JSONB_P(1)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the records must be a JSON array"),
				 errhint("SELECT * FROM leadflow.sync_in('lead', '[{\"external_id\": \"00Q1\", \"company\": \"...\"}]');")));
	InitMaterializedSRF(fcinfo, 0);
	RunVerb(sync_body, dry_run, fcinfo, &sync);

	for (int i = 0; i < sync.n; i++)
	{
		SyncRecord *record = &sync.records[i];
		bool		inserted = strcmp(record->outcome, "inserted") == 0;
		Datum		values[6] = {Int32GetDatum(i + 1)};
		bool		nulls[6] = {false};

		nulls[1] = record->external_id == NULL;
		if (!nulls[1])
			values[1] = CStringGetTextDatum(record->external_id);
		values[2] = CStringGetTextDatum(record->outcome);
		values[3] = Int64GetDatum(record->lead_id);
		nulls[3] = record->lead_id == 0 || (dry_run && inserted && !sync.entity->has_lead);
		values[4] = Int64GetDatum(record->record_id);
		nulls[4] = record->record_id == 0 || (dry_run && inserted);
		nulls[5] = record->reason == NULL;
		if (!nulls[5])
			values[5] = CStringGetTextDatum(record->reason);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
