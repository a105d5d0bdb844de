/*
 * engine.h
 *		Evaluate segments.
 */
#ifndef LEADFLOW_ENGINE_H
#define LEADFLOW_ENGINE_H

#include "compat.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/timestamp.h"

/*
 * The leads of a segment at an instant, as a leadset in the current memory
 * context. Needs a connection to SPI; reads under the active snapshot. The zone
 * must be resolved.
 */
extern Datum EvaluateSegment(const char *text, TimestampTz as_of, const char *zone);

/* The same where all of its atoms are known without a look at records; else false. */
extern bool EvaluateKnown(const char *text, TimestampTz as_of, const char *zone, Datum *leads);

/*
 * The same of several segments at once: a list of leadsets, in order, with NULL for
 * a segment that does not bind.
 */
extern List *EvaluateSegments(List *texts, TimestampTz as_of, const char *zone);

/* An argument that says as of when to evaluate, checked. */
extern TimestampTz AsOfArgument(FunctionCallInfo fcinfo, int argument);

/*
 * A segment as it is kept: by names where it has labels. Raises the first thing
 * that is wrong with it, if anything is.
 */
extern Datum NamedSegment(const char *text);

/*
 * The names a segment refers to as kind('name'), itself or by the saved segments
 * it stands on; a list of char *. Needs a connection to SPI.
 */
extern List *ReferredNames(const char *text, const char *kind);

#endif							/* LEADFLOW_ENGINE_H */
