SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;

-- everything says what it is: what does not is listed here
SELECT c.relkind, c.relname, a.attname
  FROM pg_class AS c
  LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'leadflow'::regnamespace AND c.relkind IN ('r', 'v')
   AND (obj_description(c.oid, 'pg_class') IS NULL OR col_description(c.oid, a.attnum) IS NULL);
SELECT oid::regprocedure FROM pg_proc
 WHERE pronamespace = 'leadflow'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL;
SELECT oid::regtype FROM pg_type
 WHERE typnamespace = 'leadflow'::regnamespace AND typrelid = 0 AND typelem = 0
   AND obj_description(oid, 'pg_type') IS NULL;
SELECT oid::regoperator FROM pg_operator
 WHERE oprnamespace = 'leadflow'::regnamespace AND obj_description(oid, 'pg_operator') IS NULL;

-- a C function is parallel unsafe only because it writes, and none runs as somebody else
SELECT p.oid::regprocedure
  FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
 WHERE p.pronamespace = 'leadflow'::regnamespace AND l.lanname = 'c'
   AND (p.provolatile = 'v') <> (p.proparallel = 'u')
 ORDER BY 1;
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'leadflow'::regnamespace AND prosecdef;

-- functions in other languages have their search_path pinned, but for those that were parsed
-- when they were defined; run_due, which commits, cannot
SELECT p.oid::regprocedure
  FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
 WHERE p.pronamespace = 'leadflow'::regnamespace AND l.lanname IN ('sql', 'plpgsql')
   AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false) AND p.prosqlbody IS NULL;

-- no view shows what its reader may not see
SELECT relname FROM pg_class
 WHERE relnamespace = 'leadflow'::regnamespace AND relkind = 'v'
   AND NOT coalesce('security_invoker=true' = ANY (reloptions), false);

CREATE FUNCTION pg_temp.refused(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN format('%s %s', SQLSTATE, SQLERRM);
END $$;

-- what is in the database now, to be compared with what is there later
CREATE FUNCTION pg_temp.state() RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(x, '' ORDER BY x))
      FROM (SELECT query_to_xml(format('SELECT t::text FROM %s AS t', oid::regclass), true, false, '')::text
              FROM pg_class WHERE relnamespace = 'leadflow'::regnamespace AND relkind = 'r'
             UNION ALL
            SELECT format('%s %s %s', attrelid::regclass, attname, atttypid) FROM pg_attribute
             WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'leadflow'::regnamespace)
             UNION ALL
            SELECT pg_get_constraintdef(oid) FROM pg_constraint
             WHERE connamespace = 'leadflow'::regnamespace
           ) AS s (x)
$$;

-- once more changes nothing, whatever the time zone
BEGIN;
SET LOCAL TimeZone = 'America/New_York';
CREATE TEMP TABLE before AS SELECT pg_temp.state();
CALL leadflow.install();
CALL leadflow.install('Asia/Tokyo');
CALL leadflow.install(zone => null);
SELECT state = pg_temp.state() AS unchanged FROM before;

-- what a user has deleted or changed stays so
DELETE FROM leadflow.list WHERE name = '商談化リスト';
DELETE FROM leadflow.saved_segment WHERE name = 'appointment';
DELETE FROM leadflow.schedule WHERE name = '対応期限通知';
DELETE FROM leadflow.source WHERE name = 'application';
UPDATE leadflow.source SET name = 'web' WHERE name = 'visit';
UPDATE leadflow.list SET cadence = NULL WHERE name = 'HOTリードリスト';
UPDATE leadflow.setting SET value = 'America/New_York' WHERE name = 'zone';
DROP TABLE before;
CREATE TEMP TABLE before AS SELECT pg_temp.state();
CALL leadflow.install();
SELECT state = pg_temp.state() AS unchanged FROM before;

-- a zone that does not exist is refused, and nothing changes
SELECT pg_temp.refused($$CALL leadflow.install('Asia/Tokio')$$);
SELECT pg_temp.refused($$CALL leadflow.install('')$$);
SELECT pg_temp.refused($$CALL leadflow.install('JST')$$);
SELECT state = pg_temp.state() AS unchanged FROM before;
SELECT command, pg_temp.refused(command)
  FROM unnest(ARRAY[
         $$UPDATE leadflow.setting SET value = 'Asia/Tokio' WHERE name = 'zone'$$,
         $$UPDATE leadflow.list SET zone = 'Asia/Tokio'$$,
         $$UPDATE leadflow.schedule SET zone = 'Asia/Tokio'$$,
         $$UPDATE leadflow.list SET zone = 'Asia/Seoul'$$]) AS command;
ROLLBACK;

-- presets for the form of leads, for which nothing but the form changes, and once
BEGIN;
CALL leadflow.install(presets => '{bantch}');
SELECT count(*) AS all_fields, count(*) FILTER (WHERE f.name IN ('tags', 'budget', 'authority', 'needs', 'timeframe', 'rivals', 'human_resources')) AS fields
  FROM leadflow.form_version AS v, leadflow.fields(v.form) AS f WHERE v.entity = 'lead' AND v.version = 2;
INSERT INTO leadflow.lead (lead_id, fields) VALUES (1, '{"budget": 100}');
SELECT budget FROM leadflow.lead_view WHERE lead_id = 1;
CREATE TEMP TABLE before AS SELECT pg_temp.state();
CALL leadflow.install(presets => '{bantch,bantch}');
CALL leadflow.install('Asia/Tokyo', NULL);
SELECT state = pg_temp.state() AS unchanged FROM before;
SELECT pg_temp.refused($$CALL leadflow.install(presets => '{bant}')$$);
SELECT pg_temp.refused($$CALL leadflow.install(presets => '{NULL}')$$);
ROLLBACK;

-- another role, even one that may create in the schema, touches nothing
CREATE ROLE regress_leadflow_other;
GRANT USAGE, CREATE ON SCHEMA leadflow TO regress_leadflow_other;
SET ROLE regress_leadflow_other;
SELECT pg_temp.refused($$CALL leadflow.install('Europe/Paris')$$);
\set VERBOSITY terse
CALL leadflow.run_due();
\set VERBOSITY default
RESET ROLE;

-- and reads nothing
SELECT c.relname
  FROM pg_class AS c
 WHERE c.relnamespace = 'leadflow'::regnamespace AND c.relkind IN ('r', 'v')
   AND (has_table_privilege('regress_leadflow_other', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        OR has_any_column_privilege('regress_leadflow_other', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'));
SELECT c.relname
  FROM pg_class AS c
 WHERE c.relnamespace = 'leadflow'::regnamespace AND CASE WHEN c.relkind = 'S'
       THEN has_sequence_privilege('regress_leadflow_other', c.oid, 'USAGE, SELECT, UPDATE') END;
SET ROLE regress_leadflow_other;
SELECT call, pg_temp.refused(call)
  FROM unnest(ARRAY[
         $$SELECT leadflow.evaluate('everyone')$$,
         $$SELECT leadflow.evaluate('list(''HOTリードリスト'')')$$,
         $$SELECT leadflow.to_sql('segment(''hot'')')$$,
         $$SELECT * FROM leadflow.check_segment('segment(''hot'')')$$,
         $$SELECT leadflow.save_segment('mine', 'visit')$$,
         $$SELECT leadflow.create_list('mine')$$,
         $$SELECT leadflow.refresh_list('HOTリードリスト', dry_run => true)$$,
         $$SELECT leadflow.add_to_list('HOTリードリスト', '{1}'::leadflow.leadset)$$,
         $$SELECT leadflow.remove_from_list('HOTリードリスト', '{1}'::leadflow.leadset)$$,
         $$SELECT leadflow.close_list('HOTリードリスト')$$,
         $$SELECT * FROM leadflow.due_lists(now())$$,
         $$SELECT leadflow.run_list(1, now(), now())$$,
         $$SELECT leadflow.run_reminder('対応期限通知', now())$$,
         $$SELECT * FROM leadflow.claim_notifications()$$,
         $$SELECT leadflow.ack('{1}')$$,
         $$SELECT leadflow.save_template('mine', 'a', 'b')$$,
         $$SELECT * FROM leadflow.queue_mail('HOTリードリスト', '初回のご挨拶')$$,
         $$SELECT * FROM leadflow.preview_mail('初回のご挨拶', 1)$$,
         $$SELECT * FROM leadflow.schedule_status$$]) AS call;
RESET ROLE;
REVOKE ALL ON SCHEMA leadflow FROM regress_leadflow_other;
DROP ROLE regress_leadflow_other;

-- names that need quotes are names too; this role may not do it for another reason
\set SHOW_CONTEXT never
CREATE ROLE "Regress Leadflow Owner";
GRANT USAGE ON SCHEMA leadflow TO "Regress Leadflow Owner";
SET ROLE "Regress Leadflow Owner";
CALL leadflow.install();
RESET ROLE;
REVOKE ALL ON SCHEMA leadflow FROM "Regress Leadflow Owner";
DROP ROLE "Regress Leadflow Owner";

-- the extension does not go while there are tables
\set VERBOSITY terse
DROP EXTENSION leadflow;
