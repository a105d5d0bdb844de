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


BEGIN;
INSERT INTO leadflow.rep (rep_id, name) VALUES (1, '田中'), (2, '佐藤');
SELECT version FROM leadflow.set_form('lead', $$tags "タグ" multiselect; rank "ランク" select('a' "上", 'b' "下", 'z' retired); budget "予算" number min 0; memo text max_length 5; kinds multiselect('x' "X線", 'y'); since date required; old text retired$$);
INSERT INTO leadflow.lead (lead_id, created_at, updated_at, email, rep_id, prefecture, fields)
SELECT n, '2000-01-01', '2000-01-01', 'l' || n || '@example.jp', CASE n % 3 WHEN 0 THEN 1 WHEN 1 THEN 2 END, '県' || n,
       CASE WHEN n % 2 = 0 THEN '{"since": "2026-01-01", "tags": ["VIP", "a"], "rank": "b", "kinds": ["x"]}' ELSE '{"since": "2026-01-01"}' END::jsonb
  FROM generate_series(1, 30) AS n;
UPDATE leadflow.lead SET deleted_at = now() WHERE lead_id = 29;
UPDATE leadflow.lead SET merged_into = 1 WHERE lead_id = 30;

-- by names and labels, of fields, choices and reps; as a dry run first, which changes nothing
SELECT * FROM leadflow.update_leads('lead(lead_id <= 10)'::leadflow.segment, '{"営業担当者": "田中", "ランク": "上", "nurturing": false, "タグ": {"add": ["新規", "VIP"], "remove": ["a"]}, "予算": 100.50}', dry_run => true);
SELECT count(*) FROM leadflow.lead WHERE (updated_at > '2000-01-01' OR rep_id IS NULL) AND email LIKE 'l%@example.jp';
SELECT * FROM leadflow.update_leads('lead(lead_id <= 10)'::leadflow.segment, '{"営業担当者": "田中", "ランク": "上", "nurturing": false, "タグ": {"add": ["新規", "VIP"], "remove": ["a"]}, "予算": 100.50}');
SELECT lead_id, rep_id, nurturing, fields, form_version, updated_at = now() AS touched FROM leadflow.lead WHERE lead_id IN (1, 2, 11, 12) ORDER BY 1;
-- who has the values is not touched; null and what is empty clears
UPDATE leadflow.lead SET updated_at = '2000-01-01';
SELECT * FROM leadflow.update_leads('{1-12}'::leadflow.leadset, '{"rep_id": 1, "rank": "a", "tags": {"add": ["VIP"]}}');
SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead WHERE updated_at = now();
SELECT * FROM leadflow.update_leads('{1-12}'::leadflow.leadset, '{"rep": null, "rank": null, "tags": [], "memo": "", "budget": null, "email": null, "kinds": {"remove": ["X線"]}}');
SELECT rep_id, email, fields FROM leadflow.lead WHERE lead_id IN (1, 2) ORDER BY lead_id;
SELECT * FROM leadflow.update_leads('{1,2}'::leadflow.leadset, '{"kinds": ["y", "X線"], "employees": "250", "competitor": "yes", "company": "会社''s \\ \"x\"", "memo": "it''s"}');
SELECT kinds, employees, competitor, company, memo FROM leadflow.lead_view WHERE lead_id = 1;
-- twenty old values are shown, and the rest together
SELECT * FROM leadflow.update_leads('everyone'::leadflow.segment, '{"prefecture": "東京都", "rep": "佐藤"}');
-- deleted and merged leads are left alone; no lead is no error, an id that is none is
SELECT * FROM leadflow.update_leads('{28-30}'::leadflow.leadset, '{"country": "日本"}');
SELECT * FROM leadflow.update_leads('{}'::leadflow.leadset, '{"country": "日本"}') UNION ALL SELECT * FROM leadflow.update_leads('no one'::leadflow.segment, '{"country": "日本"}');

SELECT changes, pg_temp.refused(format('SELECT leadflow.update_leads(''{1-3}''::leadflow.leadset, %L)', changes)) FROM unnest(ARRAY[
    '[]', '"x"', '{}', '{"employes": 1}', '{"タク": []}', '{"zzzzzz": 1}', '{"lead_id": 1}', '{"fields": {}}', '{"form_version": 1}', '{"更新日時": "2026-01-01"}', '{"deleted_at": null}', '{"merged_into": 5}',
    '{"rep": "田申"}', '{"rep": "zzzzzz"}', '{"rep": 1}', '{"rep_id": 7}', '{"rep_id": "x"}', '{"rep": "田中", "rep_id": 1}', '{"email": "x", "メールアドレス": "y"}', '{"tags": [], "タグ": null}',
    '{"employees": "many"}', '{"employees": 1.5}', '{"employees": 99999999999}', '{"employees": true}', '{"employees": [1]}', '{"email": 5}', '{"nurturing": null}', '{"nurturing": "perhaps"}', '{"nurturing": 1}',
    '{"rank": "c"}', '{"rank": "z"}', '{"rank": ["a"]}', '{"budget": "100"}', '{"budget": -1, "memo": "123456", "old": "x", "since": null, "rank": "中"}', '{"since": "2026-02-30"}', '{"memo": {"add": ["x"]}}',
    '{"tags": "x"}', '{"tags": [1]}', '{"tags": ["x", "x"]}', '{"tags": {"add": ["x"], "set": []}}', '{"tags": {"add": "x"}}', '{"tags": {"add": ["x"], "remove": ["x"]}}', '{"kinds": {"add": ["z"]}}', '{"kinds": {"remove": ["z"]}}', '{"kinds": ["X線", "x"]}']) AS changes;
SELECT pg_temp.refused(command) FROM unnest(ARRAY[
    $$SELECT leadflow.update_leads('{1,98,99}'::leadflow.leadset, '{"country": "x"}')$$, $$SELECT leadflow.update_leads(NULL::leadflow.leadset, '{"country": "x"}')$$, $$SELECT leadflow.update_leads('{1}'::leadflow.leadset, NULL)$$,
    $$SELECT leadflow.update_leads('lead(emial = ''x'')'::leadflow.segment, '{"country": "x"}')$$]) AS command;

-- under an earlier form: what conforms to the one in force is lifted to it, the rest is named
UPDATE leadflow.lead SET form_version = 0, fields = CASE WHEN lead_id < 8 THEN '{"color": "red"}' WHEN lead_id < 10 THEN '{}' ELSE '{"since": "2025-01-01"}' END::jsonb WHERE lead_id < 20;
SELECT pg_temp.refused($$SELECT leadflow.update_leads('everyone'::leadflow.segment, '{"rank": "a"}')$$);
SELECT pg_temp.refused($$SELECT leadflow.update_leads('{8-12}'::leadflow.leadset, '{"rank": "a"}', dry_run => true)$$);
SELECT * FROM leadflow.update_leads('{8-25}'::leadflow.leadset, '{"since": "2025-01-01", "tags": {"add": ["VIP"]}}');
SELECT form_version, leadflow.leadset_agg(lead_id) FROM leadflow.lead GROUP BY 1 ORDER BY 1;
-- columns may change whatever the document is
SELECT field, "to", leads FROM leadflow.update_leads('{1-7}'::leadflow.leadset, '{"country": "日本"}');

-- columns of one's own, of any type
ALTER TABLE leadflow.lead ADD code varchar(3), ADD met date, ADD langs text[], ADD extra jsonb, ADD score numeric(5, 2), ADD twice numeric GENERATED ALWAYS AS (score * 2) STORED;
SELECT * FROM leadflow.update_leads('{1,2}'::leadflow.leadset, '{"code": "abc", "met": "2026-06-01", "langs": ["ja", "e,n"], "extra": {"a": [1]}, "score": 1.005}') ORDER BY 1;
SELECT code, met, langs, extra, score FROM leadflow.lead WHERE lead_id = 1;
SELECT changes, pg_temp.refused(format('SELECT leadflow.update_leads(''{1-3}''::leadflow.leadset, %L)', changes)) FROM unnest(ARRAY['{"code": "abcd"}', '{"met": "soon"}', '{"langs": "ja"}', '{"score": 1000}', '{"twice": 1}']) AS changes;
SELECT leadflow.register_source('lead', 'leadflow.visit', 'lead_id');
SELECT pg_temp.refused($$SELECT leadflow.update_leads('{1}'::leadflow.leadset, '{"country": "x"}')$$);
ROLLBACK;

-- a caller who does not see every lead, or may not change them, changes none
BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (1);
CREATE ROLE regress_update_rep;
GRANT USAGE ON SCHEMA leadflow TO regress_update_rep;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_update_rep;
SET LOCAL ROLE regress_update_rep;
SELECT pg_temp.refused($$SELECT leadflow.update_leads('{1}'::leadflow.leadset, '{"country": "x"}')$$);
RESET ROLE;
GRANT UPDATE ON leadflow.lead TO regress_update_rep;
ALTER TABLE leadflow.lead ENABLE ROW LEVEL SECURITY;
SET LOCAL ROLE regress_update_rep;
SELECT pg_temp.refused($$SELECT leadflow.update_leads('{1}'::leadflow.leadset, '{"country": "x"}')$$);
ROLLBACK;

-- what is empty empties a column
BEGIN;
INSERT INTO leadflow.lead (lead_id, country, employees) VALUES (1, '日本', 10), (2, NULL, NULL);
SELECT * FROM leadflow.update_leads('{1,2}'::leadflow.leadset, '{"country": "", "employees": "", "rep": ""}');
SELECT lead_id, country, employees FROM leadflow.lead ORDER BY 1;
SELECT pg_temp.refused($$SELECT leadflow.update_leads('{1}'::leadflow.leadset, '{"competitor": ""}')$$);
ROLLBACK;
