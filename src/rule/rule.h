/*
 * rule.h
 *		Rules: when something happens to a lead, and if a segment has the lead,
 *		then do this and that.
 *
 * A cause is a transition: an activity with a result, a lead that enters a list,
 * a deal that changes its stage. Each cause of each rule has a row in rule_log,
 * which has a unique key: it is written in the transaction that brings the cause,
 * or by the tick for causes that come with time, and what the rule does is done in
 * the transaction that marks the row as done. So a rule fires once for a cause,
 * whatever breaks off or is restored in between.
 *
 * Lock order: the rule's row is locked by the tick alone; then come the locks of
 * the verbs a rule calls, in the order of its actions.
 */
#ifndef LEADFLOW_RULE_H
#define LEADFLOW_RULE_H

#include "compat.h"
#include "fmgr.h"
#include "source/source.h"
#include "spi.h"
#include "utils/jsonb.h"

/* From _PG_init. */
extern void RuleInit(void);

/* How many rules may cause each other, one after the other */
#define RULE_MAX_DEPTH	8

typedef enum RuleEventKind
{
	EVENT_FIELD,				/* a field of a record becomes a value, or another */
	EVENT_ENTERS,				/* a lead enters a list */
	EVENT_LEAVES,
	EVENT_STAGE,				/* a deal comes to a stage */
	EVENT_DEAL,					/* a deal comes to be open, won or lost */
	EVENT_ENTERS_SEGMENT,
	EVENT_LEAVES_SEGMENT,
	EVENT_DATE					/* a day is so many days after a date of a record */
} RuleEventKind;

typedef struct RuleEvent
{
	RuleEventKind kind;
	const char *entity;			/* FIELD, DATE: the table of the record */
	const char *key;			/* and what tells its records apart */
	const SourceField *field;	/* or NULL, and instead: */
	const char *column;			/* of a kept event, or of member */
	List	   *values;			/* FIELD, STAGE, DEAL: of char *, JSON; NIL for any */
	char	   *list;			/* its name; FIELD: NULL for any */
	char	   *segment;		/* its text */
	int			days;			/* DATE: negative before it */
	Jsonb	   *normal;			/* the event with names for labels, as it is kept */
} RuleEvent;

/*
 * Read an event; an error where it is none, or names what is not there. One that
 * is kept is known to be good. Needs a connection to SPI.
 */
extern RuleEvent *ReadRuleEvent(Jsonb *event, bool is_kept);

/* Where the causes of an event are looked for. */
typedef enum CauseSource
{
	CAUSES_INSERTED,			/* new_rows of a trigger */
	CAUSES_UPDATED,				/* old_rows and new_rows of a trigger */
	CAUSES_PAST					/* the table, since $6 until $4 */
} CauseSource;

/*
 * The causes of an event: SQL of rows (lead_id, cause, at, detail) over $1, the
 * rule, $2, the zone, $3, its values as jsonb[], $4, the instant, and $5, the name
 * of its list. NULL where it cannot be told from there.
 */
extern char *CausesSql(const RuleEvent *event, CauseSource source);

/* The same of EVENT_DATE, for days after $6, a date, until the day of $4. */
extern char *DateCausesSql(const RuleEvent *event);

extern Datum RuleEventValues(const RuleEvent *event);

/* What a rule does. */
typedef struct RuleAction RuleAction;

/* Read the actions; an error where they are none, or name what is not there. Needs SPI. */
extern List *ReadRuleActions(Jsonb *actions, const RuleEvent *event);

typedef struct Rule
{
	int64		rule_id;
	char	   *name;
	Jsonb	   *event;
	char	   *condition;		/* a segment's text, or NULL */
	Jsonb	   *actions;
} Rule;

/* A rule that fires for some rows of the log. */
typedef struct Firing
{
	const Rule *rule;
	Datum		rows;			/* int8[]: log_id */
	Datum		leads;			/* leadset: those of the rows for which it does something */
	TimestampTz at;
	char	   *zone;
	int			deeds;			/* actions begun */
	List	   *did;			/* of RuleDeed */
} Firing;

/* What was done, for some of the leads. */
typedef struct RuleDeed
{
	char	   *line;
	Datum		leads;			/* leadset */
} RuleDeed;

extern void PerformRuleAction(const RuleAction *action, Firing *firing);

/* The rules that watch a table, or all, in their order: a list of Rule. */
extern List *LoadRules(const char *watches, int64 rule_id);

/* Write the causes a query finds into the log; int8[] of the new rows, and how many. */
extern Datum NoteCauses(const Rule *rule, const RuleEvent *event, const char *sql, TimestampTz at,
						const char *zone, SpiArgs *more, uint64 *n);

/*
 * Fire a rule for rows of the log, its condition as of an instant. What fails is
 * rolled back and noted in the log, to be tried again.
 */
extern void FireRule(const Rule *rule, Datum rows, uint64 n, TimestampTz as_of, TimestampTz at);

/* Keep why a rule could not be looked at; NULL for that it could. */
extern void NoteRuleError(const Rule *rule, const ErrorData *error);

/* rule_fire.c: an int8[] as a datum. */
extern Datum BigintArray(const int64 *values, int n);

#endif							/* LEADFLOW_RULE_H */
