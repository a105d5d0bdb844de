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

CREATE FUNCTION leadflow.run_reminder(schedule text, at timestamptz) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.run_reminder(text, timestamptz) IS
    'part of run_due: write the notices of a reminder for the lists it is due for, and announce it on channel leadflow; returns how many notices';

-- Each list has a transaction of its own, which only a procedure without a SET
-- clause can do: hence every name below is qualified.
CREATE PROCEDURE leadflow.run_due(at timestamptz DEFAULT now())
LANGUAGE plpgsql
AS $$
DECLARE
    due record;
    reminder record;
    rule record;
    failure text;
    failure_detail text;
    failure_hint text;
BEGIN
    IF leadflow.tick_may_run(run_due.at) THEN
        -- what was recorded comes before what is refreshed
        PERFORM leadflow.apply_activities();
        COMMIT;
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
        FOR rule IN SELECT r.rule_id FROM leadflow.rule AS r ORDER BY r.position, r.rule_id LOOP
            PERFORM leadflow.run_rule(rule.rule_id, run_due.at);
            COMMIT;
        END LOOP;
        FOR reminder IN SELECT s.name FROM leadflow.schedule AS s WHERE s.enabled ORDER BY s.name LOOP
            BEGIN
                PERFORM leadflow.run_reminder(reminder.name, run_due.at);
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS failure = MESSAGE_TEXT,
                    failure_detail = PG_EXCEPTION_DETAIL, failure_hint = PG_EXCEPTION_HINT;
                failure := pg_catalog.rtrim(pg_catalog.concat_ws(E'\n', failure, failure_detail, failure_hint), E'\n');
                UPDATE leadflow.schedule AS s SET error = failure
                 WHERE s.name OPERATOR(pg_catalog.=) reminder.name AND (s.error OPERATOR(pg_catalog.=) failure) IS NOT TRUE;
            END;
            COMMIT;
        END LOOP;
        PERFORM leadflow.prune_changes();
        COMMIT;
        PERFORM leadflow.validate_forms();
        COMMIT;
        -- whose builders look at what others have done since they took their turn
        IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed' THEN
            CALL leadflow.build_rollups(run_due.at, '0');
            PERFORM leadflow.verify_rollups(2, '1 day');
            COMMIT;
        END IF;
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

-- The outbox: notices and mails, from those who cause them to the workers that deliver them.

CREATE FUNCTION leadflow.claim_notifications(
    n integer DEFAULT 10,
    lease interval DEFAULT '5 minutes',
    channels text[] DEFAULT NULL,
    worker text DEFAULT NULL,
    OUT notification_id bigint, OUT kind text, OUT channel text, OUT address text, OUT name text,
    OUT rep_id bigint, OUT role text, OUT lead_id bigint, OUT list_id bigint, OUT subject text,
    OUT body text, OUT payload jsonb, OUT attempts integer, OUT claimed_until timestamptz) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.claim_notifications(integer, interval, text[], text) IS
    'take up to n notices to deliver them, each for nobody else until the lease runs out';

CREATE FUNCTION leadflow.ack(ids bigint[]) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.ack(bigint[]) IS
    'note that claimed notices were delivered; returns how many that was news of';

CREATE FUNCTION leadflow.fail(ids bigint[], error text, permanent boolean DEFAULT false, worker text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.fail(bigint[], text, boolean, text) IS
    'give claimed notices back that could not be delivered: to be tried again after a pause, or never when permanent; returns how many';

CREATE FUNCTION leadflow.retry_dead(ids bigint[] DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.retry_dead(bigint[]) IS
    'have dead notices, by default all, tried again; returns how many';

CREATE FUNCTION leadflow.notification_queued() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.notification_queued() IS 'trigger of leadflow.notification';

-- Templates of what is delivered.

CREATE FUNCTION leadflow.save_template(
    name text,
    subject text,
    body text,
    kind text DEFAULT NULL,
    channel text DEFAULT NULL,
    format text DEFAULT NULL) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.save_template(text, text, text, text, text, text) IS
    'keep a template under a name, replacing what was kept under it, once its fields are known to exist; returns the name';

CREATE FUNCTION leadflow.merge_value(value text, format text) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.merge_value(text, text) IS
    'a value as it goes into a line, text, html or slack message: trimmed, escaped, null when empty';

CREATE FUNCTION leadflow.mail_address(address text) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.mail_address(text) IS
    'an e-mail address trimmed and in lower case; null for what is none';

-- Mails to many leads.

CREATE FUNCTION leadflow.queue_mail(list text, template text, segment leadflow.segment DEFAULT NULL,
    name text DEFAULT NULL, send_at timestamptz DEFAULT NULL, dry_run boolean DEFAULT false,
    OUT outcome text, OUT count bigint, OUT lead_ids leadflow.leadset, OUT missing text[], OUT mailing_id bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION leadflow.queue_mail(text, text, leadflow.segment, text, timestamptz, boolean) IS
    'write a mail to each member of a list, or to those that a segment names; says who gets one and who does not, and why';

CREATE FUNCTION leadflow.queue_mail(list bigint, template text, segment leadflow.segment DEFAULT NULL,
    name text DEFAULT NULL, send_at timestamptz DEFAULT NULL, dry_run boolean DEFAULT false,
    OUT outcome text, OUT count bigint, OUT lead_ids leadflow.leadset, OUT missing text[], OUT mailing_id bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION leadflow.queue_mail(bigint, text, leadflow.segment, text, timestamptz, boolean) IS
    'write a mail to each member of a list, or to those that a segment names; says who gets one and who does not, and why';

CREATE FUNCTION leadflow.queue_mail(leads leadflow.leadset, template text,
    name text DEFAULT NULL, send_at timestamptz DEFAULT NULL, dry_run boolean DEFAULT false,
    OUT outcome text, OUT count bigint, OUT lead_ids leadflow.leadset, OUT missing text[], OUT mailing_id bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION leadflow.queue_mail(leadflow.leadset, text, text, timestamptz, boolean) IS
    'write a mail to each of some leads; says who gets one and who does not, and why';

CREATE FUNCTION leadflow.queue_mail(leads leadflow.segment, template text,
    name text DEFAULT NULL, send_at timestamptz DEFAULT NULL, dry_run boolean DEFAULT false,
    OUT outcome text, OUT count bigint, OUT lead_ids leadflow.leadset, OUT missing text[], OUT mailing_id bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION leadflow.queue_mail(leadflow.segment, text, text, timestamptz, boolean) IS
    'write a mail to each of some leads; says who gets one and who does not, and why';

CREATE FUNCTION leadflow.preview_mail(template text, lead_id bigint, list text DEFAULT NULL,
    OUT address text, OUT subject text, OUT body text, OUT outcome text, OUT missing text[]) RETURNS record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION leadflow.preview_mail(text, bigint, text) IS
    'the mail that a lead would get, and whether it would';

CREATE FUNCTION leadflow.test_mail(template text, lead_id bigint, address text, list text DEFAULT NULL) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.test_mail(text, bigint, text, text) IS
    'write the mail that a lead would get to another address, to see it arrive; returns the id of the notice';
