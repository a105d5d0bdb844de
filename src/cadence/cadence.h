/*
 * cadence.h
 *		The type cadence: recurring local times.
 *
 * A cadence says when something is to happen again and again on the clocks of
 * a place; which place, its readers are told. The text is
 *
 *		cadence:	period [from YYYY-MM-DD]
 *		period:		continuous
 *				|	hourly
 *				|	( daily | every [N] days ) at H:MM
 *				|	( weekly | every [N] weeks ) on weekday [, weekday ...] at H:MM
 *				|	( monthly | every [N] months ) on day D at H:MM
 *
 * in any case and width, and with as much white space as one likes, but none in a
 * time or a date. A weekday is an English name or its first three letters; "day", "week"
 * and "month" will do for their plurals. Hours go from 0 to 23, N from 1 to
 * 1000, and D from 1 to 31, which stands for the last day of a month that is
 * shorter than D.
 *
 * It means these instants:
 *
 * - continuous: every whole minute of the world's clock; whoever looks less
 *	 often finds that it is time whenever he looks.
 * - hourly: whenever the clock shows a whole hour. One that is shown twice
 *	 happens twice, one that is skipped not at all.
 * - else: the time of day on each of the days. Every N days, weeks (they begin
 *	 on Monday) or months are counted from the day, the week or the month of
 *	 "from", or else of Monday 1970-01-05. A time of day that is skipped happens
 *	 at the instant at which the clocks jump over it, one that is shown twice
 *	 happens the first time. Should two of them fall on one instant, as when a
 *	 whole day is skipped, that is one run.
 * - "from": nothing happens before that local day.
 */
#ifndef LEADFLOW_CADENCE_H
#define LEADFLOW_CADENCE_H

#include "fmgr.h"
#include "utils/date.h"

#define CADENCE_MAX_EVERY	1000

#define DAYS_PER_WEEK		7

/* On disk: values are never changed, new ones are appended. */
typedef enum CadenceUnit
{
	CADENCE_HOUR = 1,
	CADENCE_DAY = 2,
	CADENCE_WEEK = 3,
	CADENCE_MONTH = 4,
	CADENCE_MINUTE = 5
} CadenceUnit;

/*
 * 12 bytes without padding, and only one way to store each canonical text, so
 * that equal cadences have equal bytes.
 */
typedef struct Cadence
{
	DateADT		from;			/* DATEVAL_NOBEGIN if not said */
	int16		every;			/* that many units; 1 for hours and minutes */
	int16		unit;			/* CadenceUnit */
	int16		minute;			/* of the day; 0 for hours and minutes */
	int16		days;			/* week: bit 0 is Monday; month: day; else 0 */
} Cadence;

#define DatumGetCadenceP(x)		((Cadence *) DatumGetPointer(x))
#define PG_GETARG_CADENCE_P(n)	DatumGetCadenceP(PG_GETARG_DATUM(n))
#define PG_RETURN_CADENCE_P(x)	PG_RETURN_POINTER(x)

#endif							/* LEADFLOW_CADENCE_H */
