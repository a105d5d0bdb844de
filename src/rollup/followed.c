/*
 * followed.c
 *		Relations whose writes are followed by triggers: which can be, and what
 *		tells that something else than a write has changed their rows.
 *
 * A relation may have others below it: partitions, or what inherits from it.
 * Statement triggers fire on the relation that a statement names, with all rows
 * that it wrote below it; so each has triggers.
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
#include "source/source.h"
#include "spi.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
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

/* The relation and all below it, the relation first. */
static List *
members_of(Relation relation)
{
	if (!relation->rd_rel->relhassubclass)
		return list_make1_oid(RelationGetRelid(relation));
	return find_all_inheritors(RelationGetRelid(relation), NoLock, NULL);
}

/* The same of one of them. */
static const char *
why_not_member(Oid relation)
{
	char		persistence = get_rel_persistence(relation);

	if (get_rel_relkind(relation) == RELKIND_FOREIGN_TABLE)
		return "a part of it is a foreign table";
	if (persistence == RELPERSISTENCE_TEMP)
		return "it is temporary";
	/* a crash empties it without a trace */
	if (persistence == RELPERSISTENCE_UNLOGGED)
		return "it is unlogged";
	/* its rows come by a worker that fires no statement triggers */
	if (is_subscribed(relation))
		return "a subscription writes to it";
	return NULL;
}

const char *
WhyNotKept(Relation relation, bool followed)
{
	char		kind = relation->rd_rel->relkind;
	ListCell   *lc;

	if (!followed)
		return relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP ? "it is temporary" : NULL;
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		return "it is not a table, and its source has no settles_after";
	if (HasVirtualColumns(RelationGetDescr(relation)))
		return "it has virtual generated columns";
	/* who writes to what it is part of would have to be followed as well */
	if (relation->rd_rel->relispartition || has_superclass(RelationGetRelid(relation)))
		return "it is part of another table";
	foreach(lc, members_of(relation))
	{
		const char *reason = why_not_member(lfirst_oid(lc));

		if (reason != NULL)
			return reason;
	}
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

/* The transaction that put a relation below others, added up where it is several. */
static uint64
linked_by(Oid relation)
{
	Relation	catalog = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	uint64		sum = 0;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		sum += ((uint64) ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent << 32) +
			HeapTupleHeaderGetRawXmin(tuple->t_data);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return sum;
}

/*
 * The triggers and the storage of one of the relations. Triggers that were
 * disabled for a while have been altered since. So have the rows of a table that
 * was rewritten.
 */
static bool
append_member(StringInfo text, Oid relation)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));

	if (!HeapTupleIsValid(tuple))
		return false;
	appendStringInfo(text, "/%u/%u", relation, ((Form_pg_class) GETSTRUCT(tuple))->relfilenode);
	ReleaseSysCache(tuple);
	for (int i = 0; i < (int) lengthof(events); i++)
	{
		Oid			oid;
		TransactionId altered;

		if (!find_trigger(relation, events[i], &oid, &altered))
			return false;
		appendStringInfo(text, " %u.%u", oid, altered);
	}
	return true;
}

static uint64
hash_text(const StringInfo text)
{
	return hash_bytes_extended((unsigned char *) text->data, text->len, 0);
}

/* What a view says, by the transaction that last said so; 0 for what is none. */
static TransactionId
defined_by(Relation relation)
{
	HeapTuple	tuple = SearchSysCache2(RULERELNAME, ObjectIdGetDatum(RelationGetRelid(relation)),
										CStringGetDatum("_RETURN"));
	TransactionId xid = 0;

	if (HeapTupleIsValid(tuple))
	{
		xid = HeapTupleHeaderGetRawXmin(tuple->t_data);
		ReleaseSysCache(tuple);
	}
	return xid;
}

/* The labels of an enum, by the transactions that made or renamed them; 0 for any other type. */
static uint64
labelled_by(Oid type)
{
	uint64		sum = 0;

	if (type_is_enum(type))
	{
		CatCList   *labels = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));

		for (int i = 0; i < labels->n_members; i++)
			sum = sum * 31 + HeapTupleHeaderGetRawXmin(labels->members[i]->tuple.t_data);
		ReleaseSysCacheList(labels);
	}
	return sum;
}

static uint64
hash_columns(Relation relation)
{
	TupleDesc	columns = RelationGetDescr(relation);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		appendStringInfo(&text, "%s %u %d %u %d " UINT64_FORMAT ";",
						 column->attisdropped ? "" : NameStr(column->attname), column->atttypid,
						 column->atttypmod, column->attcollation, ColumnHasNoNulls(relation, i),
						 labelled_by(column->attisdropped ? InvalidOid : getBaseType(column->atttypid)));
	}
	return hash_text(&text);
}

char *
Fingerprint(Relation relation, bool followed)
{
	Oid			relid = RelationGetRelid(relation);
	StringInfoData text;
	StringInfoData part;
	ListCell   *lc;

	initStringInfo(&text);
	initStringInfo(&part);
	appendStringInfo(&text, UINT64_FORMAT "/%u " UINT64_FORMAT, GetSystemIdentifier(), MyDatabaseId,
					 hash_columns(relation));
	if (!followed)
	{
		appendStringInfo(&text, "/%u %u", relid, defined_by(relation));
		return text.data;
	}
	if (!append_member(&text, relid))
		return NULL;
	foreach(lc, members_of(relation))
	{
		Oid			member = lfirst_oid(lc);

		if (member == relid)
			continue;
		resetStringInfo(&part);
		appendStringInfo(&part, UINT64_FORMAT, linked_by(member));
		if (!append_member(&part, member))
			return NULL;
		appendStringInfo(&text, ";%u " UINT64_FORMAT, member, hash_text(&part));
	}
	return text.data;
}

/* Its parts, the relation itself first. */
static List *
fingerprint_parts(const char *fingerprint)
{
	List	   *parts = NIL;
	char	   *next = pstrdup(fingerprint);
	char	   *part;

	while ((part = strsep(&next, ";")) != NULL)
		parts = lappend(parts, makeString(part));
	return parts;
}

bool
OnlyAdded(const char *before, const char *now, List **added)
{
	List	   *old = fingerprint_parts(before);
	List	   *new = fingerprint_parts(now);
	ListCell   *lc;

	*added = NIL;
	if (!equal(linitial(old), linitial(new)))
		return false;
	if (list_difference(old, new) != NIL)
		return false;
	foreach(lc, list_difference(new, old))
		*added = lappend_oid(*added, (Oid) strtoul(strVal(lfirst(lc)), NULL, 10));
	return true;
}

/* Make what triggers a relation lacks. */
static void
make_triggers(Oid relation)
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

/* whoever waits for a lock makes all who come after him wait; so we do not */
const char *
Follow(Oid relation)
{
	ListCell   *lc;

	foreach(lc, FollowedMembers(relation))
	{
		Oid			member = lfirst_oid(lc);
		StringInfoData unused;

		initStringInfo(&unused);
		if (append_member(&unused, member))
			continue;
		if (!object_ownercheck(RelationRelationId, member, GetUserId()))
			return "the relation belongs to another role, which would have to make the triggers";
		if (!ConditionalLockRelationOid(member, ShareRowExclusiveLock))
			return "a lock on the relation, to make triggers";
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(member)))
			return "a part of the relation is gone";
		make_triggers(member);
	}
	return NULL;
}

bool
HoldTree(Relation relation)
{
	ListCell   *lc;

	if (!relation->rd_rel->relhassubclass)
		return true;
	foreach(lc, members_of(relation))
		if (has_subclass(lfirst_oid(lc)) &&
			!ConditionalLockRelationOid(lfirst_oid(lc), ShareUpdateExclusiveLock))
			return false;
	return true;
}

List *
RelationsAbove(Oid relation)
{
	List	   *above = list_make1_oid(relation);
	ListCell   *lc;
	Relation	catalog;

	if (!has_superclass(relation))
		return above;
	catalog = table_open(InheritsRelationId, AccessShareLock);
	foreach(lc, above)
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;

		ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(lfirst_oid(lc)));
		scan = systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			above = list_append_unique_oid(above, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
		systable_endscan(scan);
	}
	table_close(catalog, AccessShareLock);
	return above;
}

List *
FollowedMembers(Oid relation)
{
	return find_all_inheritors(relation, NoLock, NULL);
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
