/*
 * why.h
 *		What was found of a lead: between why.c, which walks the conditions, and
 *		why_found.c, which looks at its records.
 */
#ifndef LEADFLOW_WHY_H
#define LEADFLOW_WHY_H

#include "engine/bind.h"
#include "pgtime.h"
#include "spi.h"
#include "utils/date.h"
#include "utils/timestamp.h"

/* Records whose keys are given as evidence */
#define WHY_MAX_EVIDENCE	20

typedef struct WhyContext
{
	BindContext binding;
	SpiArgs		args;			/* $1 as_of, $2 zone, $3 lead */
	pg_tz	   *zone;
	DateADT		today;
} WhyContext;

/* What is to be told of one condition. */
typedef struct WhyFound
{
	bool		holds;
	char	   *text;
	char	   *evidence;		/* as JSON, or NULL */
} WhyFound;

/*
 * What was found for a term: a condition on records, or a named set. node and
 * bound are the same term. One that must not hold is told what is there, not what
 * it lacks.
 */
extern WhyFound WhyTerm(WhyContext *context, const SegmentNode *node, const BoundNode *bound,
						bool must_hold);

/* A date or time as people read it in the zone, and how far away it is. */
extern char *WhyTime(const WhyContext *context, FieldType type, Datum value);

#endif							/* LEADFLOW_WHY_H */
