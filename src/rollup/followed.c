/*
 * followed.c
 *		Relations whose writes are followed by triggers: which can be, and what
 *		tells that something else than a write has changed their rows.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_subscription_rel.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "rollup/followed.h"
#include "spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

/* One of each event: a trigger with transition tables has only one. */
static const char *const events[] = {"insert", "update", "delete", "truncate"};
static const char *const transition_tables[] = {
	" REFERENCING NEW TABLE AS leadflow_new",
	" REFERENCING OLD TABLE AS leadflow_old NEW TABLE AS leadflow_new",
	" REFERENCING OLD TABLE AS leadflow_old",
	""
};

static bool
is_subscribed(Oid relation)
{
	Relation	catalog = table_open(SubscriptionRelRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, Anum_pg_subscription_rel_srrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, SubscriptionRelSrrelidSrsubidIndexId, true, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

const char *
WhyNotFollowed(Relation relation)
{
	char		kind = relation->rd_rel->relkind;

	if (kind != RELKIND_RELATION)
		return kind == RELKIND_PARTITIONED_TABLE ? "it is partitioned" : "it is not a table";
	/* statement triggers fire on the table that a statement names, and on that alone */
	if (relation->rd_rel->relispartition || has_superclass(RelationGetRelid(relation)))
		return "it is part of another table";
	if (relation->rd_rel->relhassubclass && has_subclass(RelationGetRelid(relation)))
		return "other tables inherit from it";
	if (relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		return "it is temporary";
	/* a crash empties it without a trace */
	if (relation->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		return "it is unlogged";
	/* its rows come by a worker that fires no statement triggers */
	if (is_subscribed(RelationGetRelid(relation)))
		return "a subscription writes to it";
	return NULL;
}

static Oid
mark_function(void)
{
	Oid			no_arguments = InvalidOid;
	oidvector  *none = buildoidvector(&no_arguments, 0);

	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("rollup_mark"),
						   PointerGetDatum(none),
						   ObjectIdGetDatum(get_namespace_oid("leadflow", false)));
}

/* The event's trigger, with the transaction that last altered it; false when there is none in force. */
static bool
find_trigger(Oid relation, const char *event, Oid *oid, TransactionId *altered)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	char	   *name = psprintf("leadflow_rollup_%s", event);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(name));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		*oid = trigger->oid;
		*altered = HeapTupleHeaderGetRawXmin(tuple->t_data);
		found = trigger->tgenabled == TRIGGER_FIRES_ALWAYS && trigger->tgfoid == mark_function();
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/*
 * Triggers that were disabled for a while have been altered since, and so has
 * the fingerprint. So have the rows of a table that was rewritten.
 */
char *
Fingerprint(Relation relation)
{
	TupleDesc	columns = RelationGetDescr(relation);
	StringInfoData text;
	uint64		hash;

	initStringInfo(&text);
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		appendStringInfo(&text, "%s %u %d %u %d;", column->attisdropped ? "" : NameStr(column->attname),
						 column->atttypid, column->atttypmod, column->attcollation, column->attnotnull);
	}
	hash = hash_bytes_extended((unsigned char *) text.data, text.len, 0);
	resetStringInfo(&text);
	appendStringInfo(&text, UINT64_FORMAT "/%u/%u/%u " UINT64_FORMAT, GetSystemIdentifier(),
					 MyDatabaseId, RelationGetRelid(relation), relation->rd_rel->relfilenode, hash);
	for (int i = 0; i < (int) lengthof(events); i++)
	{
		Oid			oid;
		TransactionId altered;

		if (!find_trigger(RelationGetRelid(relation), events[i], &oid, &altered))
			return NULL;
		appendStringInfo(&text, " %u.%u", oid, altered);
	}
	return text.data;
}

void
Follow(Oid relation)
{
	char	   *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
												  get_rel_name(relation));

	for (int i = 0; i < (int) lengthof(events); i++)
	{
		Oid			oid;
		TransactionId altered;

		if (find_trigger(relation, events[i], &oid, &altered))
			continue;
		SpiRun(psprintf("CREATE OR REPLACE TRIGGER leadflow_rollup_%s AFTER %s ON %s%s"
						" FOR EACH STATEMENT EXECUTE FUNCTION leadflow.rollup_mark()",
						events[i], events[i], name, transition_tables[i]), NULL);
		SpiRun(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER leadflow_rollup_%s", name, events[i]), NULL);
		CommandCounterIncrement();
	}
}

bool
SeesAllRows(Relation relation)
{
	return pg_class_aclcheck(RelationGetRelid(relation), GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(RelationGetRelid(relation), InvalidOid, true) != RLS_ENABLED;
}

static Oid
rollup_table(void)
{
	return get_relname_relid("rollup", get_namespace_oid("leadflow", false));
}

bool
OwnsRollups(void)
{
	Oid			table = rollup_table();

	return OidIsValid(table) && object_ownercheck(RelationRelationId, table, GetUserId());
}

Oid
RollupOwner(void)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(rollup_table()));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}
