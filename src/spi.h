/*
 * spi.h
 *		The few SPI helpers all rooms share.
 */
#ifndef LEADFLOW_SPI_H
#define LEADFLOW_SPI_H

#include "compat.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/timestamp.h"

/* What EnterSpi() changed and LeaveSpi() puts back; an error does so by itself. */
typedef struct SpiFrame
{
	int			guc_level;
	MemoryContext caller;		/* results that outlive the frame go here */
} SpiFrame;

/*
 * Connect to SPI with search_path pinned. A verb that reads or writes a whole
 * list asks for everything: where row-level security would hide rows from the
 * caller it then fails instead of doing half the work. Policies that are true
 * hide none.
 */
extern SpiFrame EnterSpi(bool everything);
extern void LeaveSpi(SpiFrame frame);

/* Called from _PG_init. */
extern void SpiInit(void);

/*
 * While everything is asked for: an error where row-level security would keep rows
 * of a relation that a source reads from the caller.
 */
extern void RequireAllRows(Oid relation, const char *source);

/* Set a parameter until the frame is left. */
extern void PinSetting(const char *name, const char *value);

/* Is the policy of that name on a table for the current user? */
extern bool HasPolicy(Oid table, const char *name);

/*
 * The same around the body of a verb, which works on everything. A dry run is a
 * real run in a subtransaction that is rolled back: it cannot disagree with one.
 */
typedef void (*VerbBody) (FunctionCallInfo fcinfo, void *result);

extern void RunVerb(VerbBody body, bool dry_run, FunctionCallInfo fcinfo, void *result);

/* The same for a verb on single rows, which row-level security may keep from others. */
extern void RunRowVerb(VerbBody body, bool dry_run, FunctionCallInfo fcinfo, void *result);

/*
 * The same as the owner of the tables: for what a caller's action causes beyond
 * what the caller may see. An error ends it.
 */
typedef struct OwnerFrame
{
	SpiFrame	spi;
	Oid			user;
	int			security;
} OwnerFrame;

extern OwnerFrame EnterAsOwner(void);
extern void LeaveAsOwner(OwnerFrame frame);

/* An error for who does not own the tables, nor may act for who does. */
extern void RequireTableOwner(void);

/*
 * Run something that may fail: NULL or, when what it did is rolled back, the
 * error. One after which the transaction cannot go on is raised.
 */
typedef void (*AttemptBody) (void *state);

extern ErrorData *Attempt(AttemptBody body, void *state);

/* An error in full: its message, detail and hint, a line each. */
extern char *ErrorText(const ErrorData *error);

/* Arguments of a statement, collected one by one. */
#define SPI_ARGS_MAX	16

typedef struct SpiArgs
{
	int			n;
	Oid			types[SPI_ARGS_MAX];
	Datum		values[SPI_ARGS_MAX];
	char		nulls[SPI_ARGS_MAX];
	bool		unplanned[SPI_ARGS_MAX];
} SpiArgs;

extern void AddArg(SpiArgs *args, Oid type, Datum value);
extern void AddNullArg(SpiArgs *args, Oid type);
extern void AddTextArg(SpiArgs *args, const char *value);	/* NULL is null */
extern void AddBigintArg(SpiArgs *args, int64 value);
extern void AddTimeArg(SpiArgs *args, TimestampTz value);

/* For the two below, one that the planner is not shown: it looks at each element of an array. */
extern void AddUnplannedArg(SpiArgs *args, Oid type, Datum value);

/* Read under the active snapshot; run with a new one. Both return SPI_processed. */
extern uint64 SpiRead(const char *sql, SpiArgs *args);
extern uint64 SpiRun(const char *sql, SpiArgs *args);

/* Read definitions that a caller goes by who need not have the privilege to. */
extern uint64 SpiReadAsOwner(const char *sql, SpiArgs *args);

/*
 * As SpiRead(), for statements that are run again and again: their plans are kept
 * for the session. The second makes one plan for all values.
 */
extern uint64 SpiReadKept(const char *sql, SpiArgs *args);
extern uint64 SpiReadPlanned(const char *sql, SpiArgs *args);

/*
 * Make a snapshot active, for SpiRead(), that sees what this transaction has
 * done so far and what others have committed; to be popped.
 */
extern void PushFreshSnapshot(void);

/* A column of a row of the last result, 1-based; text is NULL when null. */
extern char *SpiText(uint64 row, int column);
extern int64 SpiBigint(uint64 row, int column);
extern Datum SpiDatum(uint64 row, int column, bool *isnull);

/* The first column of a query without arguments: a list of char *. */
extern List *SpiNames(const char *sql);

/* The declared type of an argument: where one C function serves several signatures. */
extern Oid	ArgumentType(FunctionCallInfo fcinfo, int argument);

/* An argument of type text; NULL when null. */
extern char *TextArgument(FunctionCallInfo fcinfo, int argument);

/* The data of a trigger of a table of leadflow; an error for a function that is called otherwise. */
extern TriggerData *RequireTrigger(FunctionCallInfo fcinfo, const char *table);

/* The type "name" of schema leadflow. */
extern Oid	LeadflowType(const char *name);

/* The zone to count days in: the given one, or the installation's; checked. */
extern char *ResolveZone(const char *zone);

#endif							/* LEADFLOW_SPI_H */
