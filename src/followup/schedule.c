/*
 * schedule.c
 *		Handing the tick to pg_cron, and taking it back. pg_cron is looked for
 *		when asked, never required: any scheduler can CALL leadflow.run_due().
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(schedule_jobs);
PG_FUNCTION_INFO_V1(unschedule_jobs);

/* The whole command: with a second statement beside it, its COMMIT would fail. */
#define TICK_COMMAND	"CALL leadflow.run_due()"

/* A job's name must tell databases apart: pg_cron keeps all jobs in one. */
static char *
job_name(void)
{
	return psprintf("leadflow %s", get_database_name(MyDatabaseId));
}

/* The statement that does in pg_cron's database what cannot be done from here. */
static char *
statement_elsewhere(const char *every)
{
	const char *database = quote_literal_cstr(get_database_name(MyDatabaseId));

	if (every == NULL)
		return psprintf("SELECT cron.unschedule(%s);", quote_literal_cstr(job_name()));
	return psprintf("SELECT cron.schedule_in_database(%s, %s, '%s', %s, username => %s);",
					quote_literal_cstr(job_name()), quote_literal_cstr(every), TICK_COMMAND, database,
					quote_literal_cstr(GetUserNameFromId(GetUserId(), false)));
}

/* Raise what keeps us from talking to pg_cron, with what to do instead. */
static void
require_cron(const char *every)
{
	const char *home = GetConfigOption("cron.database_name", true, false);
	const char *here = get_database_name(MyDatabaseId);

	if (OidIsValid(get_extension_oid("pg_cron", true)))
		return;
	if (home != NULL && strcmp(home, here) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension pg_cron is not created in this database"),
				 errhint("CREATE EXTENSION pg_cron;")));
	if (home != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("pg_cron runs in database \"%s\", not in this one", home),
				 errdetail("Its jobs can only be changed there."),
				 errhint("In database \"%s\", run: %s", home, statement_elsewhere(every))));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("pg_cron is not loaded in this server"),
			 errdetail("Any scheduler can run the tick: %s.", TICK_COMMAND),
			 errhint("With pg_cron in shared_preload_libraries, run in the database it lives in: %s",
					 statement_elsewhere(every))));
}

/* Put the tick into pg_cron; called again, change when it runs. */
Datum
schedule_jobs(PG_FUNCTION_ARGS)
{
	char	   *every = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SpiFrame	frame;
	SpiArgs		args = {0};

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(false);
	require_cron(every);

	/* literals, since the types of the function's arguments vary with its version */
	SpiRun(psprintf("SELECT cron.schedule(%s, %s, '%s')", quote_literal_cstr(job_name()),
					quote_literal_cstr(every), TICK_COMMAND), NULL);
	AddTextArg(&args, job_name());
	SpiRun("SELECT jobid, jobname::text, schedule, command, database, username, active"
		   " FROM cron.job WHERE jobname::name = $1::name AND username = current_user", &args);
	for (uint64 row = 1; row <= SPI_processed; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row - 1]);
	LeaveSpi(frame);
	return (Datum) 0;
}

/* Take the tick out of pg_cron; how many jobs that were, 0 the second time. */
Datum
unschedule_jobs(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(false);
	SpiArgs		args = {0};
	int64		jobs;

	require_cron(NULL);
	AddTextArg(&args, job_name());
	jobs = SpiRun("SELECT cron.unschedule(jobid) FROM cron.job"
				  " WHERE jobname::name = $1::name AND username = current_user", &args);
	LeaveSpi(frame);
	PG_RETURN_INT64(jobs);
}
