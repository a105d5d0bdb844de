/*
 * iso.h
 *		ISO 8601 dates and times, read the same whatever DateStyle says.
 */
#ifndef LEADFLOW_ISO_H
#define LEADFLOW_ISO_H

#include "compat.h"
#include "utils/date.h"
#include "utils/timestamp.h"

typedef struct IsoTime
{
	DateADT		date;
	bool		has_time;		/* a time of day follows the date ... */
	TimeADT		time;			/* ... in microseconds since midnight */
	bool		has_offset;		/* and an offset from UTC, */
	int			offset;			/* in seconds, east positive */
} IsoTime;

/* Read yyyy-mm-dd[(T| )hh:mm[:ss[.ffffff]][Z|(+|-)hh[[:]mm]]]; false when it is not that. */
extern bool ParseIsoTime(const char *text, IsoTime *result);

#endif							/* LEADFLOW_ISO_H */
