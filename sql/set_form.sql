SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;

-- SQLSTATE, message, detail and hint of a command's error, or "done"
CREATE FUNCTION pg_temp.refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n  ', SQLSTATE || ' ' || SQLERRM, nullif(detail, ''), nullif(hint, ''));
END
$$;
\pset format unaligned
\pset tuples_only on

BEGIN;
INSERT INTO leadflow.lead (lead_id, email) VALUES (1, 'a@example.jp'), (2, 'b@example.jp');
INSERT INTO leadflow.list (list_id, name) VALUES (1001, 'あるリスト');
-- entered before there was a form
INSERT INTO leadflow.activity (lead_id, activity_id, fields, form_version)
VALUES (1, 1001, '{"acted_on": "2026-01-05", "result": "留守"}', 0), (2, 1002, '{"memo": 1}', 0);

SELECT * FROM leadflow.set_form('activity', 'acted_on "日付" date required; result radio(''商談化'', ''留守'')', dry_run => true);
SELECT version FROM leadflow.set_form('activity', 'acted_on "日付" date required; result radio(''商談化'', ''留守'')');
-- the same form is no new version
SELECT version FROM leadflow.set_form('activity', 'acted_on "日付" date  required; result radio (''商談化'',''留守'');');

-- new rows are held to it, old ones are not, whatever is done to them
SELECT pg_temp.refused($$INSERT INTO leadflow.activity (lead_id, fields) VALUES (1, '{"memo": 1}')$$);
SELECT pg_temp.refused($$INSERT INTO leadflow.activity (lead_id, activity_id, fields) VALUES (1, 1003, '{"acted_on": "2026-02-05", "result": "留守"}')$$);
SELECT pg_temp.refused($$UPDATE leadflow.activity SET fields = '{"memo": 2}' WHERE activity_id = 1003$$);
SELECT pg_temp.refused($$UPDATE leadflow.activity SET fields = '{"memo": 2}' WHERE activity_id = 1002$$);
SELECT * FROM leadflow.revalidate('activity', '{1,2}');
SELECT activity_id, form_version FROM leadflow.activity ORDER BY 1;

-- what is in use is not dropped
SELECT leadflow.save_segment('留守だった', '活動履歴(活動結果 = ''留守'')');
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'acted_on date required; result radio(''商談化'')')$$);
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'result radio(''商談化'', ''留守'')', dry_run => true)$$);
SELECT version FROM leadflow.set_form('activity', 'acted_on date required; result radio(''商談化'', ''留守'' retired); note text');
SELECT pg_temp.refused($$INSERT INTO leadflow.activity (lead_id, fields) VALUES (1, '{"acted_on": "2026-03-05", "result": "留守"}')$$);
SELECT pg_temp.refused($$UPDATE leadflow.activity SET recorded_by = 'x' WHERE activity_id = 1003$$);
-- nobody has used the field, so it can go
SELECT version FROM leadflow.set_form('activity', 'acted_on date required; result radio(''商談化'', ''留守'' retired)');

-- a choice of one list only
SELECT version FROM leadflow.set_form('activity', 'acted_on date required; result radio(''商談化'', ''留守'' retired, ''資料送付'' only list (1001))');
SELECT pg_temp.refused($$INSERT INTO leadflow.activity (lead_id, fields) VALUES (1, '{"acted_on": "2026-03-05", "result": "資料送付"}')$$);
SELECT pg_temp.refused($$INSERT INTO leadflow.activity (lead_id, list_id, fields) VALUES (1, 1001, '{"acted_on": "2026-03-05", "result": "資料送付"}')$$);

-- the other entities
SELECT version FROM leadflow.set_form('lead', 'tags "タグ" multiselect; budget "予算" number min 0');
SELECT pg_temp.refused($$UPDATE leadflow.lead SET fields = '{"budget": -1}', form_version = 0 WHERE lead_id = 1$$);
SELECT pg_temp.refused($$INSERT INTO leadflow.lead (fields) VALUES ('{"budget": -1, "tags": "x"}')$$);
SELECT version FROM leadflow.set_form('application', 'plan radio(''A'', ''B'')');
SELECT pg_temp.refused($$INSERT INTO leadflow.application (lead_id, fields) VALUES (1, '{"plan": "C"}')$$);
SELECT pg_temp.refused($$SELECT leadflow.set_form('activty', 'a date')$$);
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', NULL)$$);

SELECT leadflow.validate_forms(), leadflow.validate_forms();
SELECT conname, convalidated FROM pg_constraint WHERE conname LIKE '%\_form\__' ORDER BY 1;
SELECT entity, version, form FROM leadflow.form_version ORDER BY 1, 2;
ROLLBACK;

BEGIN;
SELECT pg_temp.refused($$SELECT leadflow.revalidate('deal', '{1}')$$);
ROLLBACK;

-- only the owner of the table
CREATE ROLE regress_no_owner;
GRANT USAGE ON SCHEMA leadflow TO regress_no_owner;
GRANT ALL ON leadflow.form_version TO regress_no_owner;
SET ROLE regress_no_owner;
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'a date')$$);
RESET ROLE;
DROP OWNED BY regress_no_owner;
DROP ROLE regress_no_owner;

-- a territory uses a choice as a list does, and one row is one row
BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (1);
INSERT INTO leadflow.activity (lead_id, fields) VALUES (1, '{"acted_on": "2026-01-05", "kind": "訪問"}');
INSERT INTO leadflow.territory (territory_id, position, segment) VALUES (7, 1, '活動履歴(種別 = ''訪問'')');
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'acted_on date; kind "種別" radio(''電話'', ''メール'', ''WEBミーティング''); content text; result text; source text; note text; next_contact_on date')$$);
ROLLBACK;
-- what install() does for forms whose rows were restored alone
BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (1);
INSERT INTO leadflow.form_version (entity, version, form) VALUES ('activity', 2, 'acted_on date; a text'), ('activity', 3, 'acted_on date; b text required');
CALL leadflow.install();
SELECT pg_temp.refused($$INSERT INTO leadflow.activity (lead_id, fields, form_version) VALUES (1, '{"b": 1}', 2)$$);
SELECT pg_temp.refused($$INSERT INTO leadflow.activity (lead_id, fields) VALUES (1, '{"a": "x"}')$$);
ROLLBACK;
