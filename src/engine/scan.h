/*
 * scan.h
 *		Get the leads of many atoms of a source in one pass over its records.
 */
#ifndef LEADFLOW_SCAN_H
#define LEADFLOW_SCAN_H

#include "engine/atom.h"

/*
 * Get the atoms of one source, at least one, whose leads then live in context. Needs a
 * connection to SPI; reads under the active snapshot.
 */
extern void ScanAtoms(List *atoms, const Clock *clock, MemoryContext context);

/* The one set a query gives; candidates, a bigint[], are its $3 where it has one. */
extern ExpandedLeadset *QueryLeads(const char *leads_sql, const Clock *clock, Datum candidates,
								   MemoryContext context);

#endif							/* LEADFLOW_SCAN_H */
