-- Sources whose relations are changed after they were registered, and those that cannot be read.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;

CREATE SCHEMA "営業";
CREATE TABLE "営業"."Customer" (customer_code text PRIMARY KEY, "会社名" text, "登録 日時" timestamp);
INSERT INTO leadflow.lead (lead_id, external_id, created_at) SELECT i, 'C-' || i, '2020-01-01' FROM generate_series(1, 3) AS i;
INSERT INTO "営業"."Customer" SELECT 'C-' || i, '会社' || i, '2020-01-02' FROM generate_series(1, 3) AS i;
CREATE FUNCTION pg_temp.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE state text; message text; detail text; hint text;
BEGIN
    EXECUTE statement INTO message;
    RETURN message;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', state || ' ' || message, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE FUNCTION pg_temp.leads(segment text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.failure(format('SELECT leadflow.evaluate(%L, ''2020-06-01'')', segment)) $$;
\pset format unaligned
\pset tuples_only

-- what is registered is checked, and the view that is missing can be pasted
SELECT pg_temp.failure($$SELECT leadflow.register_source('customer', '"営業"."Customer"', 'customer_code')$$);
SELECT pg_temp.failure($$SELECT leadflow.register_source('customer', '"営業"."Customer"', 'customer_cod')$$);
CREATE VIEW "営業"."顧客" AS SELECT l.lead_id, r.* FROM "営業"."Customer" AS r JOIN leadflow.lead AS l ON l.external_id = r.customer_code::text;
SELECT pg_temp.failure($$SELECT leadflow.register_source('customer', '"営業"."顧客"', time_column => '登録日時')$$);
SELECT pg_temp.failure($$SELECT leadflow.register_source('customer', '"営業"."顧客"', lookups =>
    '{"name": {"column": "customer_code", "relation": "営業.Customer", "key": "customer_code", "name": "会社名"}}')$$);
SELECT leadflow.register_source('customer', '"営業"."顧客"', time_column => '登録 日時', key_column => 'customer_code', lookups =>
    '{"name": {"column": "customer_code", "relation": "営業.\"Customer\"", "key": "customer_code", "name": "会社名"}}');
SELECT pg_temp.leads('customer(name = ''会社2'')'), pg_temp.leads('last(customer)(name = ''会社3'')');

-- what it rests on is renamed, retyped, dropped: an error names that, and only what rests on it fails
ALTER VIEW "営業"."顧客" RENAME lead_id TO "リード";
SELECT pg_temp.leads('customer');
ALTER VIEW "営業"."顧客" RENAME "リード" TO lead_id;
ALTER VIEW "営業"."顧客" RENAME customer_code TO code;
SELECT pg_temp.leads('customer'), pg_temp.leads('last(customer)(lead_id = 3)'), pg_temp.leads('customer(name = ''会社2'')');
ALTER VIEW "営業"."顧客" RENAME code TO customer_code;
ALTER TABLE "営業"."Customer" RENAME "会社名" TO "社名";
SELECT pg_temp.leads('customer(customer_code = ''C-2'')'), pg_temp.leads('customer(name = ''会社2'')');
ALTER TABLE "営業"."Customer" RENAME "社名" TO "会社名";
ALTER TABLE "営業"."Customer" RENAME TO customers;
SELECT pg_temp.leads('customer'), pg_temp.leads('customer(name = ''会社2'')');
ALTER TABLE "営業".customers RENAME TO "Customer";
BEGIN;
DROP VIEW "営業"."顧客";
SELECT pg_temp.leads('customer');
CREATE VIEW "営業"."顧客" AS SELECT 1::bigint AS lead_id, 'C-1'::text AS customer_code, '2020-01-01'::text AS "登録 日時";
SELECT pg_temp.leads('customer');
ROLLBACK;
BEGIN;
DROP VIEW "営業"."顧客";
CREATE VIEW "営業"."顧客" AS SELECT '1'::text AS lead_id;
SELECT pg_temp.leads('customer');
ROLLBACK;

-- out of reach of a role, and of that alone which asks for it
CREATE ROLE regress_source_reader;
GRANT USAGE ON SCHEMA leadflow TO regress_source_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_source_reader;
SET ROLE regress_source_reader;
SELECT pg_temp.leads('lead(external_id = ''C-1'')'), pg_temp.leads('customer');
RESET ROLE;

-- a list is not refreshed by half: not by a role that sees all leads, but not all records of a source of one's own
BEGIN;
CREATE TABLE "営業".contract (lead_id bigint);
INSERT INTO "営業".contract VALUES (1), (2), (3);
SELECT leadflow.register_source('contract', '"営業".contract');
SET client_min_messages = warning;
SELECT count(*) > 0 FROM leadflow.grant_access('regress_source_reader', 'marketing');
RESET client_min_messages;
GRANT USAGE ON SCHEMA "営業" TO regress_source_reader;
GRANT SELECT ON "営業".contract TO regress_source_reader;
ALTER TABLE "営業".contract ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON "営業".contract TO regress_source_reader USING (lead_id < 2);
SET ROLE regress_source_reader;
SELECT leadflow.create_list('契約先', segment => 'contract', mode => 'mirror') > 0 AS made;
SELECT pg_temp.leads('contract'), pg_temp.failure($$SELECT added FROM leadflow.refresh_list('契約先')$$);
SELECT pg_temp.leads('contract'), pg_temp.failure($$SELECT leadflow.add_to_list('契約先', 'contract'::leadflow.segment)$$);
RESET ROLE;
ALTER POLICY few ON "営業".contract USING (true);
SET ROLE regress_source_reader;
SELECT pg_temp.failure($$SELECT added FROM leadflow.refresh_list('契約先')$$);
ROLLBACK;

-- quoting all names changes nothing
SET quote_all_identifiers = on;
SELECT leadflow.create_rule('商談化', '{"result": "商談化"}', '[{"set": {"industry": "製造"}}]') > 0 AS made;
SELECT pg_temp.leads('customer(name = ''会社2'')');
RESET quote_all_identifiers;
DELETE FROM leadflow.rule WHERE name = '商談化';

-- a relation that cannot be read stops neither the building of the others nor the tick
CREATE TABLE "営業".remote (lead_id bigint, seen_on date);
INSERT INTO "営業".remote SELECT i, '2020-05-01' FROM generate_series(1, 3) AS i;
CREATE FUNCTION "営業".reach() RETURNS SETOF "営業".remote LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('leadflow_test.down', true) = 'yes' THEN
        RAISE 'could not connect to server' USING ERRCODE = '08001';
    END IF;
    RETURN QUERY SELECT * FROM "営業".remote;
END $$;
CREATE VIEW "営業".reached AS SELECT * FROM "営業".reach();
SELECT leadflow.register_source('reached', '"営業".reached', time_column => 'seen_on', settles_after => '1 day');
SELECT leadflow.save_segment('out of reach', 'reached(seen_on within 1 year)');
SELECT leadflow.save_segment('in reach', 'visit(pages >= 3)');
CREATE FUNCTION pg_temp.kept() RETURNS TABLE (relation text, complete boolean, waits_for text) LANGUAGE sql AS $$
    SELECT DISTINCT p.relation::text, p.complete, p.waits_for FROM leadflow.rollup_progress AS p
     WHERE p.condition = 'r.pages >= 3' OR p.relation = '"営業".reached'::regclass ORDER BY 1 $$;
SET leadflow_test.down = yes;
CALL leadflow.build_rollups('2020-06-01');
SELECT * FROM pg_temp.kept();
CALL leadflow.run_due('2020-06-01');
SET leadflow_test.down = no;
CALL leadflow.build_rollups('2020-06-01');
SELECT * FROM pg_temp.kept();
-- what it has, it keeps; and it is verified when it can be read
SET leadflow_test.down = yes;
SELECT count(*) FILTER (WHERE relation = '"営業".reached'::regclass) AS verified FROM leadflow.verify_rollups(1000);
CALL leadflow.build_rollups('2020-06-03');
SELECT * FROM pg_temp.kept();
SET leadflow_test.down = no;
SELECT pg_temp.leads('segment(''out of reach'')'), way FROM leadflow.explain_segment('segment(''out of reach'')', '2020-06-01') WHERE part LIKE '%reached%';
CALL leadflow.build_rollups('2020-06-03');
SELECT * FROM pg_temp.kept();

-- no lead has an id that no leadset could hold
SELECT split_part(pg_temp.failure($$INSERT INTO leadflow.lead (lead_id) VALUES (-1) RETURNING lead_id$$), E'\n', 1);

SET client_min_messages = warning;
DELETE FROM leadflow.saved_segment WHERE name IN ('out of reach', 'in reach');
DELETE FROM leadflow.source WHERE name IN ('customer', 'reached');
DROP SCHEMA "営業" CASCADE;
DELETE FROM leadflow.lead WHERE lead_id BETWEEN 1 AND 3;
DROP OWNED BY regress_source_reader;
DROP ROLE regress_source_reader;
DELETE FROM leadflow.rollup; DELETE FROM leadflow.rollup_atom; DELETE FROM leadflow.rollup_source; DELETE FROM leadflow.rollup_dirty;
