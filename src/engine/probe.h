/*
 * probe.h
 *		Is one lead in a segment? Answered by index probes, with a plan kept for
 *		the session.
 *
 * A kept plan is good as long as what it stands on (standing.h); the least
 * recently used makes room for another.
 */
#ifndef LEADFLOW_PROBE_H
#define LEADFLOW_PROBE_H

#include "compat.h"
#include "segment/segment.h"
#include "utils/timestamp.h"

/*
 * Is the lead in the segment? zone may be NULL for that of the installation.
 * Sets *worth to how many probes take as long as one evaluation, about.
 */
extern bool ProbeSegment(const Segment *segment, int64 lead_id, TimestampTz as_of,
						 const char *zone, double *worth);

/*
 * All leads of a segment by a kept plan, in SPI's memory, where that is as good as
 * an evaluation: one condition on the lead itself, or what finds a few leads by the
 * texts of fields, for which one plan is kept whatever the texts are. False for any
 * other, and for one not asked for before. zone as above. Needs a connection to SPI.
 */
extern bool KeptLeads(const Segment *segment, TimestampTz as_of, const char *zone, Datum *leads);

/* What a planner wants to know of a segment. */
typedef struct SegmentEstimate
{
	double		selectivity;	/* the part of the leads that is in it */
	double		probe_cost;
	double		evaluation_cost;
	double		leads;
} SegmentEstimate;

/* False where it cannot be said, for instance of a segment that does not bind. */
extern bool EstimateSegment(const Segment *segment, SegmentEstimate *estimate);

#endif							/* LEADFLOW_PROBE_H */
