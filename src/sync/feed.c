/*
 * feed.c
 *		The feed of changes: which records changed, for other systems to follow.
 *
 * A token is a snapshot: it says which transactions its holder has seen, so one
 * that began early and commits late is not missed, as it would be by the time or
 * the number of its changes.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "lexer.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(follow_changes);
PG_FUNCTION_INFO_V1(unfollow_changes);
PG_FUNCTION_INFO_V1(change_token);
PG_FUNCTION_INFO_V1(changes_since);
PG_FUNCTION_INFO_V1(prune_changes);
PG_FUNCTION_INFO_V1(note_changes);

/* The tables that can be followed; the key of each is lead_id with its name and _id. */
static const char *const followed[] = {"lead", "application", "activity", "deal", "task", "member"};

/* ---- tokens ------------------------------------------------------------------------- */

/* What a token begins with: transaction ids mean nothing in another database. */
static char *
token_prefix(void)
{
	return psprintf(UINT64_FORMAT "/%u/", GetSystemIdentifier(), MyDatabaseId);
}

#define CURRENT_TOKEN	"SELECT $1 || pg_current_snapshot()::text"

/* The snapshot of a token; an error where it is none of this database. */
static char *
snapshot_of(const char *token)
{
	char	   *prefix = token_prefix();
	SpiArgs		args = {0};

	AddTextArg(&args, token + Min(strlen(prefix), strlen(token)));
	if (strncmp(token, prefix, strlen(prefix)) != 0 ||
		SpiRead("SELECT WHERE $1 ~ '^[0-9]{1,19}:[0-9]{1,19}:([0-9]{1,19}(,[0-9]{1,19})*)?$'", &args) == 0 ||
		SpiRead("SELECT WHERE pg_snapshot_xmax($1::pg_snapshot) <= pg_snapshot_xmax(pg_current_snapshot())",
				&args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no token of this database", ShownLiteral(token)),
				 errdetail("A token is good for the database it came from, not for one restored from it."),
				 errhint("Begin anew: take a token with leadflow.change_token(), then copy the tables.")));
	AddTextArg(&args, prefix);
	if (SpiRead("SELECT FROM leadflow.setting WHERE name = 'changes_pruned' AND starts_with(value, $2)"
				" AND substr(value, length($2) + 1)::xid8 >= pg_snapshot_xmin($1::pg_snapshot)", &args) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_SNAPSHOT_TOO_OLD),
				 errmsg("changes since this token are no longer all there"),
				 errdetail("They are kept for as long as the setting \"keep_changes\" says."),
				 errhint("Begin anew: take a token with leadflow.change_token(), then copy the tables.")));
	return pstrdup(token + strlen(prefix));
}

Datum
change_token(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(false);
	SpiArgs		args = {0};
	char	   *token;

	AddTextArg(&args, token_prefix());
	SpiRead(CURRENT_TOKEN, &args);
	token = MemoryContextStrdup(frame.caller, SpiText(1, 1));
	LeaveSpi(frame);
	PG_RETURN_TEXT_P(cstring_to_text(token));
}

/* ---- following ---------------------------------------------------------------------- */

static const char *
followed_table(const char *name)
{
	List	   *known = NIL;
	const char *nearest;

	for (size_t i = 0; i < lengthof(followed); i++)
	{
		if (strcmp(followed[i], name) == 0)
			return followed[i];
		known = lappend(known, unconstify(char *, followed[i]));
	}
	nearest = NearestName(name, known);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("\"%s\" cannot be followed", name),
			 errdetail("There are lead, application, activity, deal, task and member."),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
}

static void
follow_table(const char *table)
{
	SpiRun(psprintf("CREATE OR REPLACE TRIGGER note_inserts AFTER INSERT ON leadflow.%s"
					" REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.note_changes()", table), NULL);
	SpiRun(psprintf("CREATE OR REPLACE TRIGGER note_updates AFTER UPDATE ON leadflow.%s"
					" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"
					" EXECUTE FUNCTION leadflow.note_changes()", table), NULL);
	SpiRun(psprintf("CREATE OR REPLACE TRIGGER note_deletes AFTER DELETE ON leadflow.%s"
					" REFERENCING OLD TABLE AS old_rows EXECUTE FUNCTION leadflow.note_changes()", table), NULL);
}

/*
 * A table's lock waits for those who write to it; so a snapshot taken after it
 * has all that was not noted, and none of what will be.
 */
Datum
follow_changes(PG_FUNCTION_ARGS)
{
	SpiFrame	frame;
	SpiArgs		args = {0};
	Datum	   *names;
	bool	   *nulls;
	int			n;
	char	   *token;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the entities must not be null")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &n);
	frame = EnterSpi(false);
	/* in the order of the tables' names here, so that two calls cannot wait for each other */
	for (size_t i = 0; i < lengthof(followed); i++)
		for (int j = 0; j < n; j++)
			if (!nulls[j] && followed_table(TextDatumGetCString(names[j])) == followed[i])
			{
				follow_table(followed[i]);
				break;
			}
	AddTextArg(&args, token_prefix());
	SpiRun(CURRENT_TOKEN, &args);
	token = MemoryContextStrdup(frame.caller, SpiText(1, 1));
	LeaveSpi(frame);
	PG_RETURN_TEXT_P(cstring_to_text(token));
}

Datum
unfollow_changes(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(false);
	SpiArgs		args = {0};
	int64		tables = 0;

	for (size_t i = 0; i < lengthof(followed); i++)
	{
		args.n = 0;
		AddTextArg(&args, psprintf("leadflow.%s", followed[i]));
		if (SpiRun("SELECT FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = 'note_inserts'", &args) == 0)
			continue;
		SpiRun(psprintf("DROP TRIGGER note_inserts ON leadflow.%s", followed[i]), NULL);
		SpiRun(psprintf("DROP TRIGGER note_updates ON leadflow.%s", followed[i]), NULL);
		SpiRun(psprintf("DROP TRIGGER note_deletes ON leadflow.%s", followed[i]), NULL);
		tables++;
	}
	LeaveSpi(frame);
	PG_RETURN_INT64(tables);
}

/* After a statement on a table that is followed. A record that got another key is two. */
Datum
note_changes(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const char *table = CALLED_AS_TRIGGER(fcinfo) ? RelationGetRelationName(trigger->tg_relation) : "lead";
	SpiArgs		args = {0};
	OwnerFrame	frame;
	char	   *rows;

	(void) RequireTrigger(fcinfo, table);
	AddTextArg(&args, followed_table(table));
	AddTextArg(&args, GetUserNameFromId(GetUserId(), false));
	frame = EnterAsOwner();
	SPI_register_trigger_data(trigger);
	rows = psprintf("SELECT r.lead_id, r.%s_id AS record_id FROM %s AS r", table,
					TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? "old_rows" : "new_rows");
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		rows = psprintf("%s UNION SELECT r.lead_id, r.%s_id FROM old_rows AS r", rows, table);
	SpiRun(psprintf("INSERT INTO leadflow.record_change AS c (entity, changed_by, lead_id, record_id)"
					" SELECT $1, $2, r.lead_id, r.record_id FROM (%s) AS r", rows), &args);
	LeaveAsOwner(frame);
	PG_RETURN_POINTER(NULL);
}

/* ---- asking ------------------------------------------------------------------------- */

/* The record as it is now; null when it is gone. */
static char *
record_sql(void)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "CASE c.entity");
	for (size_t i = 0; i < lengthof(followed); i++)
		appendStringInfo(&sql, " WHEN '%s' THEN (SELECT to_jsonb(t) FROM leadflow.%s AS t"
						 " WHERE t.lead_id = c.lead_id AND t.%s_id = c.record_id)",
						 followed[i], followed[i], followed[i]);
	appendStringInfoString(&sql, " END");
	return sql.data;
}

/* A record is as the last of its changes left it, whoever made them. */
Datum
changes_since(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiFrame	frame;
	SpiArgs		args = {0};

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(true);
	AddTextArg(&args, snapshot_of(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	AddTextArg(&args, token_prefix());
	SpiRead(psprintf("SELECT c.entity, c.lead_id, c.record_id, CASE WHEN r.record IS NULL THEN 'deleted' ELSE 'written' END,"
					 " r.record, c.changed_at, c.changed_by, $2 || pg_current_snapshot()::text"
					 " FROM (SELECT f.entity, f.lead_id, f.record_id, max(f.changed_at) AS changed_at,"
					 "   array_agg(DISTINCT f.changed_by) AS changed_by, max(f.change_id) AS change_id"
					 "  FROM leadflow.record_change AS f"
					 "  WHERE f.xid >= pg_snapshot_xmin($1::pg_snapshot)"
					 "  AND NOT pg_visible_in_snapshot(f.xid, $1::pg_snapshot)"
					 "  AND pg_visible_in_snapshot(f.xid, pg_current_snapshot())"
					 "  GROUP BY f.entity, f.lead_id, f.record_id) AS c"
					 " CROSS JOIN LATERAL (SELECT %s AS record) AS r ORDER BY c.change_id", record_sql()), &args);
	for (uint64 row = 0; row < SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	LeaveSpi(frame);
	return (Datum) 0;
}

/* Remember up to which transaction they are gone: a token from before is refused. */
Datum
prune_changes(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(true);
	SpiArgs		args = {0};
	int64		pruned;

	AddTextArg(&args, token_prefix());
	SpiRun("WITH gone AS (DELETE FROM leadflow.record_change AS c"
		   "  WHERE c.changed_at < now() - coalesce((SELECT s.value::interval FROM leadflow.setting AS s"
		   "   WHERE s.name = 'keep_changes'), interval '30 days') RETURNING c.xid),"
		   " noted AS (INSERT INTO leadflow.setting AS s (name, value)"
		   "  SELECT 'changes_pruned', $1 || greatest(max(xid), (SELECT substr(s.value, length($1) + 1)::xid8"
		   "   FROM leadflow.setting AS s WHERE s.name = 'changes_pruned' AND starts_with(s.value, $1)))::text"
		   "  FROM gone HAVING count(*) > 0"
		   "  ON CONFLICT (name) DO UPDATE SET value = excluded.value)"
		   " SELECT count(*) FROM gone", &args);
	pruned = SpiBigint(1, 1);
	LeaveSpi(frame);
	PG_RETURN_INT64(pruned);
}
