/*
 * estimate.h
 *		What the planner thinks of a query, without running it.
 */
#ifndef LEADFLOW_ESTIMATE_H
#define LEADFLOW_ESTIMATE_H

#include "engine/ranges.h"

/* Of a query over $1, $2 and, where there are candidates, $3. */
extern void EstimateQuery(const char *sql, const Clock *clock, Datum candidates, double *cost,
						  double *rows);

/* How many leads there are, as the statistics have it. */
extern double EstimatedUniverse(void);

#endif							/* LEADFLOW_ESTIMATE_H */
