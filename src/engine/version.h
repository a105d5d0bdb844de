/*
 * version.h
 *		Which versions of rows a snapshot sees: how what is kept of definitions
 *		learns that they have changed.
 */
#ifndef LEADFLOW_VERSION_H
#define LEADFLOW_VERSION_H

#include "compat.h"
#include "access/htup.h"

/*
 * A number that tells apart what the active snapshot sees of a table of schema
 * leadflow: of all its rows, or of the one whose column "name" has this value.
 * Two numbers taken in a session differ if a row came, went or was updated
 * between them, unless the table was rewritten, which its relcache entry tells.
 * No privileges are asked for: nothing of the rows is given away.
 */
extern uint64 TableVersion(const char *table);
extern uint64 RowVersion(const char *table, const char *name);

/*
 * What the active snapshot sees, of any row, as far as it can be told without
 * looking at one. Equal stamps see the same; compare them with SameStamp().
 */
typedef struct SnapshotStamp
{
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	bool		suboverflowed;
	bool		in_recovery;

	/* of a transaction that writes */
	TransactionId xid;
	SubTransactionId subxact;
	CommandId	curcid;
} SnapshotStamp;

extern SnapshotStamp StampSnapshot(void);
extern bool SameStamp(const SnapshotStamp *a, const SnapshotStamp *b);

#endif							/* LEADFLOW_VERSION_H */
