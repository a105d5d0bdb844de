-- Rollups: the leads of a condition by day, kept so that a refresh reads only what changed.

CREATE FUNCTION leadflow.rollup_mark() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.rollup_mark() IS
    'trigger on the relations that rollups are kept of: notes which leads and days a statement wrote to';

CREATE FUNCTION leadflow.may_build_rollups() RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION leadflow.may_build_rollups() IS
    'part of build_rollups: false on a standby, an error in a transaction or for a role that does not own the tables';

CREATE FUNCTION leadflow.plan_rollups(at timestamptz DEFAULT now()) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.plan_rollups(timestamptz) IS
    'part of build_rollups: finds the conditions that saved segments and open lists use, and follows the writes to their relations; returns how many there are';

CREATE FUNCTION leadflow.settle_rollups() RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.settle_rollups() IS
    'part of build_rollups: have all transactions ended that may have written unmarked to days about to be kept?';

CREATE FUNCTION leadflow.build_rollup_batch() RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.build_rollup_batch() IS
    'part of build_rollups: does the next piece of work; false when there is none';

CREATE FUNCTION leadflow.verify_rollups(sample integer DEFAULT 20, older_than interval DEFAULT '0',
    OUT relation regclass, OUT kind text, OUT condition text, OUT first_day date, OUT last_day date,
    OUT wrong leadflow.leadset) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION leadflow.verify_rollups(integer, interval) IS
    'computes a random day anew of the conditions that were verified longest ago, and longer ago than older_than; one row for each, with the leads about which what is kept was wrong: such a condition is reported and built anew';

CREATE FUNCTION leadflow.forget_rollups() RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.forget_rollups() IS
    'part of rebuild_rollups: use nothing of what is kept any more';

-- Each piece of work has a transaction of its own, so that an interrupt loses
-- one at most: hence no SET clause, and every name qualified. Chained, they all
-- see what others have committed, whatever the default of the session is.
CREATE PROCEDURE leadflow.build_rollups(at timestamptz DEFAULT now(), patience interval DEFAULT '10 seconds')
LANGUAGE plpgsql
AS $$
DECLARE
    gives_up timestamptz := pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) patience;
BEGIN
    IF leadflow.may_build_rollups() THEN
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM leadflow.plan_rollups(build_rollups.at);
        COMMIT AND CHAIN;
        WHILE NOT leadflow.settle_rollups() AND pg_catalog.clock_timestamp() OPERATOR(pg_catalog.<) gives_up LOOP
            COMMIT AND CHAIN;
            PERFORM pg_catalog.pg_sleep(0.02);
        END LOOP;
        COMMIT AND CHAIN;
        WHILE leadflow.build_rollup_batch() LOOP
            COMMIT AND CHAIN;
        END LOOP;
        COMMIT;
    END IF;
END
$$;
COMMENT ON PROCEDURE leadflow.build_rollups(timestamptz, interval) IS
    'bring what is kept of the conditions of saved segments and open lists up to date, in batches, as of an instant; waits no longer than patience for transactions that are in progress';

CREATE PROCEDURE leadflow.rebuild_rollups(at timestamptz DEFAULT now(), patience interval DEFAULT '10 seconds')
LANGUAGE plpgsql
AS $$
BEGIN
    IF leadflow.may_build_rollups() THEN
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM leadflow.forget_rollups();
        COMMIT;
        CALL leadflow.build_rollups(rebuild_rollups.at, rebuild_rollups.patience);
    END IF;
END
$$;
COMMENT ON PROCEDURE leadflow.rebuild_rollups(timestamptz, interval) IS
    'throw away what is kept of conditions and build it anew: after rows were changed past their triggers, or days by a new version of the time zone data';
