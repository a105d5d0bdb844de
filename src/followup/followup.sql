-- The tick: whatever is due, run by pg_cron or any other scheduler.

CREATE FUNCTION leadflow.tick_may_run(at timestamptz) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION leadflow.tick_may_run(timestamptz) IS
    'part of run_due: false on a standby, an error in a transaction or for a role that does not own the tables';

CREATE FUNCTION leadflow.due_lists(at timestamptz, OUT list_id bigint, OUT due_at timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION leadflow.due_lists(timestamptz) IS
    'the lists due for a refresh at an instant, each after those its segment refers to';

CREATE FUNCTION leadflow.run_list(list_id bigint, due_at timestamptz, at timestamptz) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.run_list(bigint, timestamptz, timestamptz) IS
    'part of run_due: refresh a list for a due time; false when there is nothing to do any more';

-- Each list has a transaction of its own, which only a procedure without a SET
-- clause can do: hence every name below is qualified.
CREATE PROCEDURE leadflow.run_due(at timestamptz DEFAULT now())
LANGUAGE plpgsql
AS $$
DECLARE
    due record;
    failure text;
    failure_detail text;
    failure_hint text;
BEGIN
    IF leadflow.tick_may_run(run_due.at) THEN
        FOR due IN SELECT d.list_id, d.due_at FROM leadflow.due_lists(run_due.at) AS d LOOP
            BEGIN
                PERFORM leadflow.run_list(due.list_id, due.due_at, run_due.at);
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS failure = MESSAGE_TEXT,
                    failure_detail = PG_EXCEPTION_DETAIL, failure_hint = PG_EXCEPTION_HINT;
                failure := pg_catalog.rtrim(pg_catalog.concat_ws(E'\n', failure, failure_detail, failure_hint), E'\n');
                INSERT INTO leadflow.refresh_run AS r (list_id, due_at, as_of, started, error)
                VALUES (due.list_id, due.due_at, run_due.at, pg_catalog.clock_timestamp(), failure)
                ON CONFLICT (list_id, due_at) DO UPDATE
                SET as_of = excluded.as_of, started = excluded.started, error = excluded.error,
                    attempts = r.attempts OPERATOR(pg_catalog.+) 1
                WHERE r.finished IS NULL;
            END;
            COMMIT;
        END LOOP;
        PERFORM leadflow.run_reminders(run_due.at);
        COMMIT;
        PERFORM leadflow.validate_forms();
        COMMIT;
        CALL leadflow.build_rollups(run_due.at, '0');
        PERFORM leadflow.verify_rollups(2, '1 day');
        COMMIT;
    END IF;
END
$$;
COMMENT ON PROCEDURE leadflow.run_due(timestamptz) IS
    'the tick: refresh every list and send every reminder that is due; safe to call at any time, from any scheduler';

CREATE FUNCTION leadflow.schedule_jobs(every text DEFAULT '*/5 * * * *',
    OUT jobid bigint, OUT jobname text, OUT schedule text, OUT command text, OUT database text,
    OUT username text, OUT active boolean) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION leadflow.schedule_jobs(text) IS
    'have pg_cron run the tick, by default every 5 minutes; returns its job';

CREATE FUNCTION leadflow.unschedule_jobs() RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.unschedule_jobs() IS
    'have pg_cron no longer run the tick; returns how many jobs that were';
