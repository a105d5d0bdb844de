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
 * For why_found.c: a row; the conditions, each with "and" before it, under which a
 * record r exists at $1 (5), has a known event time, and satisfies a row if one is
 * given; an aggregate of records r.
 */
extern char *RowSql(const BoundNode *row, const char *alias);
extern char *RecordsSql(const Source *source, const BoundNode *row, bool time_known);
extern char *AggregateSql(const BoundNode *node);

/* For sql.c: a test of an expression. True, false, or NULL for what meaning 3 calls false. */
extern char *TestSql(const BoundTest *test, const char *expression);

/* For sql.c: would the test of a count or sum hold for a lead without records? */
extern bool TestHoldsForZero(const BoundTest *test);

#define TODAY_SQL	"leadflow.local_date($1, $2)"

#endif							/* LEADFLOW_SQL_H */
