-- Leads handed to sales, as a view and as files.
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS leadflow CASCADE;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
SET TimeZone = 'America/St_Johns';
SET DateStyle = 'SQL, DMY';
CREATE FUNCTION pg_temp.file(bytea) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT replace(l, E'\r', '↵') FROM string_to_table(convert_from($1, 'UTF8'), E'\n') AS l
$$;

SELECT version FROM leadflow.set_form('lead', $form$tags "タグ" multiselect('a' "A社", 'b' "B社"); budget "予算" number;
    size "規模" radio('s' "小", 'l' "大"); old "旧" text retired$form$);
INSERT INTO leadflow.rep (name) VALUES ('田中');
INSERT INTO leadflow.campaign (name, kind) VALUES ('春の展示会', '展示会'), ('セミナー', NULL);
INSERT INTO leadflow.lead (company, last_name, phone, email, employees, fields, created_at) VALUES
    ('みどり工業', '髙橋', '+81-3-1234-5678', 'a@example.jp', 120, '{"tags": ["b", "a"], "budget": -5, "size": "s"}', '2020-01-01 23:30:00.123+09'),
    ('引用"社, 東京', '吉𠮷', '-5', '@example', NULL, '{"size": "l"}', '2020-01-01 10:00+09'),
    ('波〜ダッシュ−', '﨑', '03-1234-5678', 'c@example.jp', NULL, '{}', '2020-01-01 10:00+09');
INSERT INTO leadflow.visit (lead_id, visited_at, pages, entry_url) VALUES
    (1, '2020-02-01 10:00+09', 5, '/a'), (1, '2020-02-03 00:30+09', 7, '/b');
INSERT INTO leadflow.application (lead_id, campaign_id, applied_at, status) VALUES
    (1, 1, '2020-02-02 10:00+09', '受付'), (1, 2, '2020-01-31 23:59+09', NULL), (2, 2, '2020-02-29 23:59+09', '=1+1');
INSERT INTO leadflow.activity (lead_id, rep_id, fields, recorded_at) VALUES
    (1, 1, '{"acted_on": "2020-02-04", "kind": "電話", "result": "継続フォロー", "content": "不在\n折返し"}', '2020-02-04'),
    (1, 1, '{"acted_on": "2020-02-01", "kind": "メール"}', '2020-02-05');
INSERT INTO leadflow.deal (lead_id, name, stage) VALUES (1, 'a', '提案'), (1, 'b', '失注');
SELECT leadflow.create_list('送客') > 0 AS made;
INSERT INTO leadflow.member (lead_id, list_id, entered_at, due_on, rep_id, memo)
SELECT lead_id, (SELECT list_id FROM leadflow.list WHERE name = '送客'), '2020-03-01 09:00+09', date '2020-03-08' + lead_id::int, 1, '@' || lead_id
  FROM leadflow.lead;
UPDATE leadflow.member SET left_at = '2020-03-02' WHERE lead_id = 3;
INSERT INTO leadflow.member (lead_id, list_id, entered_at, state) SELECT 3, list_id, '2020-03-03', 'in_progress' FROM leadflow.list WHERE name = '送客';

SELECT * FROM leadflow.handoff_member WHERE list = '送客' AND lead_id = 1 \gx
SELECT lead_id, state_label, visits, last_visit_at, applications, activities, open_deals, history FROM leadflow.handoff_member WHERE lead_id > 1;
-- as a function, which knows lists that do not exist, and reads no more than the query names
SELECT lead_id, memo, activities FROM leadflow.handoff('送客');
SELECT count(*) FROM leadflow.handoff(leadflow.list_id('送客'));
SELECT lead_id FROM leadflow.handoff('送り客');
SELECT leadflow.list_id(4711);
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN ' || query;
END
$$;
SELECT bool_or(line ~ 'lead_pkey|on lead') AS leads, bool_or(line ~ 'visit|application|activity') AS records
  FROM pg_temp.plan($$SELECT lead_id, phone FROM leadflow.handoff('送客')$$) AS line;

-- ---- files: by default, with the history, in an order of one's own, by name or label
\pset format unaligned
\pset tuples_only on
SELECT pg_temp.file(leadflow.export_csv('送客'));
SELECT pg_temp.file(leadflow.export_csv('送客', '{lead_id}', history => true));
SELECT pg_temp.file(leadflow.export_csv('送客', '{due_on,会社名,規模,tags,history}', true, labels => false));
SELECT leadflow.export_csv('送客') = leadflow.export_csv((SELECT list_id FROM leadflow.list WHERE name = '送客'));
SELECT pg_temp.file(leadflow.export_csv('HOTリードリスト', '{会社名}'));
-- who must not be contacted, or is gone, is not handed over, though no refresh has taken the lead off yet
BEGIN;
UPDATE leadflow.lead SET do_not_contact = lead_id = 1, deleted_at = CASE lead_id WHEN 2 THEN now() END;
SELECT pg_temp.file(leadflow.export_csv('送客', '{lead_id,会社名}'));
UPDATE leadflow.lead SET merged_into = 1 WHERE lead_id = 3;
SELECT count(*) FROM leadflow.handoff_member;
ROLLBACK;
-- a byte order mark, and lines that end as RFC 4180 says
SELECT leadflow.export_csv('送客', '{lead_id}', labels => false);
-- Shift_JIS: what has a twin there is that, the rest is told
SELECT leadflow.export_csv('送客', '{lead_id,会社名,姓}', encoding => 'SJIS') = leadflow.export_csv('送客', '{lead_id,会社名,姓}', encoding => 'cp932');
SELECT replace(convert_from(leadflow.export_csv('送客', '{lead_id,会社名,姓}', encoding => 'Shift_JIS'), 'SJIS'), E'\r', '↵');
-- the list's own zone
UPDATE leadflow.list SET zone = 'America/New_York' WHERE name = '送客';
SELECT pg_temp.file(leadflow.export_csv('送客', '{登録日時,最終訪問日時}'));

-- ---- of any query: the applications of a month
SELECT pg_temp.file(leadflow.export_query($$
    SELECT applied_at, campaign, status, company, phone AS "電話" FROM leadflow.application_history
     WHERE applied_at >= '2020-02-01 00:00+09' AND applied_at < '2020-03-01 00:00+09' ORDER BY applied_at$$));
SELECT pg_temp.file(leadflow.export_query('SELECT lead_id, fields, email FROM leadflow.lead ORDER BY 1', labels => false));
SELECT pg_temp.file(leadflow.export_query($$SELECT ARRAY[1, 2] AS a, NULL AS n, true AS b, -1.5 AS m, interval '1 day -2 hours' AS i, '12:30'::time AS t,
    '"q"' AS q, ' x' AS s, '' AS e$$));
-- what a spreadsheet would calculate, and what only looks like it
SELECT pg_temp.file(leadflow.export_query($$SELECT v FROM unnest(ARRAY['=1+1', '+1', '-1', '-1.5', '-1-1', '-', '-.5', '-1.', '@SUM(A1)', E'\t=1', E'\r=1',
    '＝1', '＋1', '－1', '＠x', 'a=1', '-1234567890123456', '=HYPERLINK("http://x","y")', '+81 90']) AS v$$));
SELECT leadflow.export_query(NULL) IS NULL;

-- ---- errors
\pset format aligned
\pset tuples_only off
SELECT leadflow.export_csv('送客', '{会社}');
SELECT leadflow.export_csv('送客', '{}');
SELECT leadflow.export_csv('送客', '{NULL}');
SELECT leadflow.export_csv('送客', encoding => 'KLINGON');
SELECT leadflow.export_csv('HOT');
SELECT leadflow.export_csv(999);
SELECT leadflow.export_query('DELETE FROM leadflow.lead');
SELECT leadflow.export_query('SELECT 1; SELECT 2');
SELECT leadflow.export_query('SELEC');
SELECT leadflow.export_query('SELECT 1 / 0');
SELECT leadflow.shown_fields('lead', 1), leadflow.shown_fields('application', 1, 1), leadflow.shown_fields('lead', 99) AS none;

-- what is not asked for is not read
CREATE FUNCTION pg_temp.reads(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (COSTS OFF, FORMAT JSON) ' || query INTO plan;
    RETURN (SELECT string_agg(DISTINCT m[1], ' ') FROM regexp_matches(plan::text, '"Relation Name": "(\w+)"', 'g') AS m);
END $$;
SELECT pg_temp.reads('SELECT company FROM leadflow.handoff_member WHERE list_id = 1'),
       pg_temp.reads('SELECT visits FROM leadflow.handoff_member WHERE list_id = 1');
SET client_min_messages = warning;
DROP SCHEMA leadflow CASCADE;
