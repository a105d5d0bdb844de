/*
 * version.c
 *		Versions of rows; see version.h.
 *
 * A version of a row is known by where it lies and which transaction put it
 * there. They are read without the executor, as catalogs are: this takes a
 * microsecond, and is done at every probe.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "common/hashfn.h"
#include "engine/version.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

/* What is seen of the rows that a key, if there is one, finds; in whatever order. */
static uint64
version_of(Relation relation, Oid index, int nkeys, ScanKey key)
{
	SysScanDesc scan = systable_beginscan(relation, index, OidIsValid(index), GetActiveSnapshot(),
										  nkeys, key);
	uint64		version = 0;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		uint32		row[3] = {
			ItemPointerGetBlockNumber(&tuple->t_self),
			ItemPointerGetOffsetNumber(&tuple->t_self),
			HeapTupleHeaderGetRawXmin(tuple->t_data)
		};

		version += hash_bytes_extended((unsigned char *) row, sizeof(row), 0);
	}
	systable_endscan(scan);
	return version;
}

/* The index of a table in which each value of the column stands once, or InvalidOid. */
static Oid
unique_index(Relation relation, AttrNumber column)
{
	Oid			collation = TupleDescAttr(RelationGetDescr(relation), column - 1)->attcollation;
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(relation))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indisunique &&
			index->rd_index->indisvalid && index->rd_index->indnkeyatts == 1 &&
			index->rd_index->indkey.values[0] == column &&
			index->rd_indcollation[0] == collation &&
			RelationGetIndexPredicate(index) == NIL)
			found = RelationGetRelid(index);
		index_close(index, NoLock);
	}
	return found;
}

static Relation
open_table(const char *table)
{
	return table_open(get_relname_relid(table, get_namespace_oid("leadflow", false)),
					  AccessShareLock);
}

uint64
TableVersion(const char *table)
{
	Relation	relation = open_table(table);
	uint64		version = version_of(relation, InvalidOid, 0, NULL);

	table_close(relation, NoLock);
	return version;
}

uint64
RowVersion(const char *table, const char *name)
{
	Relation	relation = open_table(table);
	AttrNumber	column = get_attnum(RelationGetRelid(relation), "name");
	ScanKeyData key;
	uint64		version;

	ScanKeyEntryInitialize(&key, 0, column, BTEqualStrategyNumber, InvalidOid,
						   TupleDescAttr(RelationGetDescr(relation), column - 1)->attcollation,
						   F_TEXTEQ, CStringGetTextDatum(name));
	version = version_of(relation, unique_index(relation, column), 1, &key);
	table_close(relation, NoLock);
	return version;
}

/*
 * Below the bounds of a snapshot, transactions end and none begins. So as many
 * that are in progress as before, below the same bounds, are the same ones, and
 * counting them does. That leaves what a transaction wrote itself: what it sees of
 * it depends on its commands, and what another subtransaction did may have been
 * undone.
 */
SnapshotStamp
StampSnapshot(void)
{
	Snapshot	snapshot = GetActiveSnapshot();

	return (SnapshotStamp) {
		.xmin = snapshot->xmin,
		.xmax = snapshot->xmax,
		.xcnt = snapshot->xcnt,
		.subxcnt = snapshot->subxcnt,
		.suboverflowed = snapshot->suboverflowed,
		.in_recovery = snapshot->takenDuringRecovery,
		.xid = GetTopTransactionIdIfAny(),
		.subxact = GetCurrentSubTransactionId(),
		.curcid = snapshot->curcid
	};
}

bool
SameStamp(const SnapshotStamp *a, const SnapshotStamp *b)
{
	return a->xmin == b->xmin && a->xmax == b->xmax && a->xcnt == b->xcnt &&
		a->subxcnt == b->subxcnt && a->suboverflowed == b->suboverflowed &&
		a->in_recovery == b->in_recovery && a->xid == b->xid &&
		(!TransactionIdIsValid(a->xid) || (a->subxact == b->subxact && a->curcid == b->curcid));
}
