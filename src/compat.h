/*
 * compat.h
 *		Every difference between PostgreSQL 15 and 18 that leadflow meets.
 *
 * Written against 15; each shim names the version that changed what. No other
 * file tests PG_VERSION_NUM.
 */
#ifndef LEADFLOW_COMPAT_H
#define LEADFLOW_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "leadflow needs PostgreSQL 15 or later"
#endif

/* 16 moved the varlena macros out of postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16 brought soft errors to input functions; before, they are raised */
#if PG_VERSION_NUM < 160000
#define errsave(context, ...)	ereport(ERROR, __VA_ARGS__)
#define ereturn(context, dummy_value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
	} while (0)
#endif

/* 17 dropped the name, with the feature that raised it; SQL knows the code */
#ifndef ERRCODE_SNAPSHOT_TOO_OLD
#define ERRCODE_SNAPSHOT_TOO_OLD	MAKE_SQLSTATE('7', '2', '0', '0', '0')
#endif

/* 18 writes pg_noreturn before a declaration; before, an attribute stands there as well */
#if PG_VERSION_NUM < 180000
#define pg_noreturn	pg_attribute_noreturn()
#endif

/* 16 made one check of many: we ask for owners of relations, and privileges on schemas */
#if PG_VERSION_NUM < 160000
#define object_ownercheck(class_id, object_id, role_id)	pg_class_ownercheck(object_id, role_id)
#define object_aclcheck(class_id, object_id, role_id, mode) \
	pg_namespace_aclcheck(object_id, role_id, mode)
#endif

/* 18 lets rows that were there before break a NOT NULL constraint */
#if PG_VERSION_NUM < 180000
#define NotNullHolds(columns, i)	(TupleDescAttr(columns, i)->attnotnull)
#else
#define NotNullHolds(columns, i) \
	(TupleDescCompactAttr(columns, i)->attnullability == ATTNULLABLE_VALID)
#endif

/* 18 brought generated columns that are computed when read; no trigger sees them */
#if PG_VERSION_NUM < 180000
#define HasVirtualColumns(columns)	false
#else
#define HasVirtualColumns(columns) \
	((columns)->constr != NULL && (columns)->constr->has_generated_virtual)
#endif

/* 18 counts what an index scan does, for EXPLAIN */
#if PG_VERSION_NUM < 180000
#define BeginIndexScan(relation, index, snapshot, nkeys) \
	index_beginscan(relation, index, snapshot, nkeys, 0)
#else
#define BeginIndexScan(relation, index, snapshot, nkeys) \
	index_beginscan(relation, index, snapshot, NULL, nkeys, 0)
#endif

#endif							/* LEADFLOW_COMPAT_H */
