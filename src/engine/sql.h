/*
 * sql.h
 *		A bound segment as plain SQL over $1, the instant of evaluation, and
 *		$2, the time zone.
 */
#ifndef LEADFLOW_SQL_H
#define LEADFLOW_SQL_H

#include "engine/bind.h"

/* The query of the segment's leads; its one column is lead_id. */
extern char *SegmentSql(const BoundNode *node);

/*
 * Its parts, for statements on the records r of a source: a row; the conditions
 * that follow "where ..." for records that exist and satisfy a row; an aggregate
 * of the records of a group, with a FILTER clause or "".
 */
extern char *RowSql(const BoundNode *row, const char *alias);
extern char *RecordsSql(const Source *source, const BoundNode *row, bool time_known);
extern char *AggregateSql(const BoundNode *node, const char *filter);

/* Is an aggregate's test met by a lead that has no records (4)? */
extern bool HoldsWithoutRecords(const BoundNode *node);

/* Are the source's records the leads of the universe? */
extern bool IsUniverse(const Source *source);

/* A test of an expression. True, false, or NULL for what meaning 3 calls false. */
extern char *TestSql(const BoundTest *test, const char *expression);

/* Would the test of a count or sum hold for a lead without records? */
extern bool TestHoldsForZero(const BoundTest *test);

#define TODAY_SQL	"leadflow.local_date($1, $2)"

#endif							/* LEADFLOW_SQL_H */
