/*
 * outcome.h
 *		What an activity leads to: a task, a deal.
 */
#ifndef LEADFLOW_OUTCOME_H
#define LEADFLOW_OUTCOME_H

#include "compat.h"
#include "form/form.h"

typedef enum OutcomeKind
{
	OUTCOME_TASK,
	OUTCOME_DEAL
} OutcomeKind;

/* What may be said of it: as a form. Needs a connection to SPI. */
extern Form *OutcomeForm(OutcomeKind kind);

/* One of them, for the record it came of. */
typedef struct Outcome
{
	int64		lead_id;
	int64		activity_id;	/* 0 is none */
	int64		list_id;		/* 0 is none */
	int64		rep_id;			/* who is in charge when it does not say so; 0 is nobody */
	Jsonb	   *document;		/* which conforms */
	int64		id;				/* out */
} Outcome;

/* Make them all in one statement. */
extern void MakeOutcomes(OutcomeKind kind, Outcome **outcomes, int n);

#endif							/* LEADFLOW_OUTCOME_H */
