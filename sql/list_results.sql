SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
SET datestyle = ISO;
SET timezone = 'UTC';

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
\pset null NULL


CREATE VIEW pg_temp.results AS
SELECT c.key, c.label, c.effective, c.closes, c.retired, c.only_lists, c.except_lists
  FROM leadflow.choices((SELECT form FROM leadflow.form_version WHERE entity = 'activity' ORDER BY version DESC LIMIT 1)) AS c WHERE c.field = 'result' ORDER BY c.position;
-- what can be entered for a list
CREATE FUNCTION pg_temp.enterable(bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(r.key, ', ') FROM pg_temp.results AS r
     WHERE NOT EXISTS (SELECT FROM leadflow.violations((SELECT form FROM leadflow.form_version WHERE entity = 'activity' ORDER BY version DESC LIMIT 1),
                                                       jsonb_build_object('acted_on', '2026-06-01', 'result', r.key), $1)) $$;

BEGIN;
INSERT INTO leadflow.list (list_id, name) VALUES (901, '架電'), (902, '展示会'), (903, '休眠');
-- of all lists' choices, those not named are for all lists except this one; new ones are for this one only
SELECT version FROM leadflow.set_list_results('架電', ARRAY['商談化', $$'留守'$$, $$'資料送付' "資料を送付" effective$$]);
TABLE pg_temp.results;
SELECT list_id, pg_temp.enterable(list_id) FROM unnest(ARRAY[901, 902, NULL]) AS list_id;
-- by id, keys and labels; a choice of some lists gets another; the same results are no new version
SELECT version FROM leadflow.set_list_results(902, ARRAY['資料を送付', '継続フォロー', '継続フォロー']);
SELECT version FROM leadflow.set_list_results(902, ARRAY['継続フォロー', '資料送付']);
SELECT version FROM leadflow.set_list_results('展示会', ARRAY['継続フォロー', $$ '資料送付'$$]);
SELECT version FROM leadflow.set_list_results('展示会', ARRAY['継続フォロー', $$'資料送付'$$]);
TABLE pg_temp.results;
-- for no list any more, a choice is retired; for one again, it is for that one alone
SELECT version FROM leadflow.set_list_results('架電', ARRAY['商談化']);
SELECT version FROM leadflow.set_list_results('休眠', ARRAY['留守', 'アーカイブ', '商談化', '継続フォロー']);
SELECT version FROM leadflow.set_list_results('架電', ARRAY['商談化', '継続フォロー', 'アーカイブ']);
TABLE pg_temp.results;
SELECT list_id, pg_temp.enterable(list_id) FROM unnest(ARRAY[901, 902, 903, NULL]) AS list_id;
-- activities are held to it
INSERT INTO leadflow.lead (lead_id) VALUES (1);
SELECT pg_temp.refused(format($$INSERT INTO leadflow.activity (lead_id, activity_id, list_id, fields) VALUES (1, 1, %s, '{"acted_on": "2026-06-01", "result": "留守"}')$$, list_id)) FROM unnest(ARRAY[903, 901]) AS list_id;
-- a dry run says which rows would not conform, and does nothing
SELECT version, lead_id, field, rule, value, message FROM leadflow.set_list_results(903, ARRAY['商談化'], dry_run => true);
SELECT max(version) FROM leadflow.form_version WHERE entity = 'activity';

SELECT pg_temp.refused(command) FROM unnest(ARRAY[
    $$SELECT leadflow.set_list_results('架電リスト', ARRAY['商談化'])$$, $$SELECT leadflow.set_list_results(99, ARRAY['商談化'])$$, $$SELECT leadflow.set_list_results(NULL::text, ARRAY['商談化'])$$,
    $$SELECT leadflow.set_list_results('架電', NULL)$$, $$SELECT leadflow.set_list_results('架電', '{}')$$, $$SELECT leadflow.set_list_results('架電', ARRAY[NULL])$$,
    $$SELECT leadflow.set_list_results('架電', ARRAY['商談'])$$, $$SELECT leadflow.set_list_results('架電', ARRAY['不在'])$$, $$SELECT leadflow.set_list_results('架電', ARRAY['''不在'' efective'])$$,
    $$SELECT leadflow.set_list_results('架電', ARRAY['''不在'', ''多忙'''])$$, $$SELECT leadflow.set_list_results('架電', ARRAY['''不在''); x radio(''y'''])$$, $$SELECT leadflow.set_list_results('架電', ARRAY['''不在'' only list (902)'])$$,
    $$SELECT leadflow.set_list_results('架電', ARRAY['''商談化'' closes'])$$]) AS command;
SELECT version FROM leadflow.set_form('activity', $$acted_on date; result radio('a' "同", 'b' "同", '商談化', '継続フォロー', '留守', 'アーカイブ', '資料送付')$$);
SELECT pg_temp.refused($$SELECT leadflow.set_list_results('架電', ARRAY['同'])$$);
UPDATE leadflow.activity SET form_version = 0, fields = '{}';
DELETE FROM leadflow.saved_segment WHERE segment::text ~ 'result';
UPDATE leadflow.list SET segment = NULL, cadence = NULL WHERE segment::text ~ 'result';
SELECT version FROM leadflow.set_form('activity', 'acted_on date');
SELECT pg_temp.refused($$SELECT leadflow.set_list_results('架電', ARRAY['商談化'])$$);
ROLLBACK;
