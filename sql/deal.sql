SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

BEGIN;
INSERT INTO leadflow.rep (rep_id, name) VALUES (1001, '田中'), (1002, '鈴木');
INSERT INTO leadflow.lead (lead_id, company, email) VALUES (1, 'ACME', 'a@example.jp'), (2, NULL, 'b@example.jp'), (3, NULL, NULL);
INSERT INTO leadflow.list (list_id, name) VALUES (1001, 'A');
CREATE FUNCTION pg_temp.deals() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', lead_id, d.name, stage, amount, r.name, expected_close_on, note, CASE WHEN closed_at = now() THEN 'closed now' WHEN closed_at IS NOT NULL THEN 'closed' END, lost_reason)
      FROM leadflow.deal AS d LEFT JOIN leadflow.rep AS r USING (rep_id) ORDER BY deal_id $$;
CREATE FUNCTION pg_temp.changes() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', lead_id, d.name || ':', from_stage, '->', to_stage, reason) FROM leadflow.deal_change JOIN leadflow.deal AS d USING (lead_id, deal_id) ORDER BY change_id $$;

-- a task and a deal come of an activity: its rep, list and text go with them
SELECT task_id IS NOT NULL, deal_id IS NOT NULL FROM leadflow.record_activity(1, '2026-06-08', '電話', '商談化', content => '来週訪問する', rep => '田中', list => 'A',
    create_task => '{"title": "訪問", "due_on": "2026-06-15"}', create_deal => '{"amount": 1000000}');
SELECT lead_id, task_id IS NOT NULL AS task, deal_id IS NOT NULL AS deal FROM leadflow.record_activities('[
    {"lead_id": 2, "content": "見積依頼", "create_deal": {"name": "導入", "stage": "見積", "rep": "鈴木", "note": "急ぎ", "expected_close_on": "2026-06-30"}},
    {"lead_id": 3, "create_task": {"title": "資料送付", "note": "PDF", "rep": "鈴木"}, "create_deal": {}}, {"lead_id": 1}]');
SELECT lead_id, title, due_on, status, rep_id, note, list_id, activity_id = (SELECT min(activity_id) FROM leadflow.activity AS a WHERE a.lead_id = t.lead_id) FROM leadflow.task AS t ORDER BY task_id;
SELECT pg_temp.deals();
SELECT lead_id, list_id, activity_id IS NOT NULL, stage_since = now() FROM leadflow.deal ORDER BY deal_id;
SELECT pg_temp.changes();
SELECT count(*) FROM leadflow.record_activity(1, create_task => '{"title": "x"}', dry_run => true) WHERE task_id IS NULL;
SELECT count(*) FROM leadflow.task;

-- won and lost close a deal, open again opens it: by the verb, by UPDATE, at once or from the beginning
SELECT s.lead_id, from_stage, to_stage, s.closed_at = now() FROM leadflow.deal AS d, leadflow.set_deal_stage(d.deal_id, '失注', '予算なし') AS s WHERE d.lead_id = 1;
UPDATE leadflow.deal SET stage = '受注' WHERE lead_id = 2;
INSERT INTO leadflow.deal (lead_id, name, stage, opened_at) VALUES (3, '完了済み', '受注', '2030-01-01');
INSERT INTO leadflow.deal (lead_id, name, stage, opened_at, closed_at) VALUES (3, '過去', '失注', '2020-01-01', '2020-02-01');
SELECT pg_temp.deals();
SELECT from_stage, to_stage, s.closed_at FROM leadflow.deal AS d, leadflow.set_deal_stage(d.deal_id, '提案', '予算がついた') AS s WHERE d.lead_id = 1;
UPDATE leadflow.deal SET stage = '失注', lost_reason = '競合' WHERE name = '導入';
UPDATE leadflow.deal SET closed_at = '2100-01-01' WHERE name = 'ACME';
UPDATE leadflow.deal SET amount = 5 WHERE name = 'ACME';
SELECT from_stage, to_stage, s.closed_at = now() FROM leadflow.deal AS d, leadflow.set_deal_stage(d.deal_id, '受注', dry_run => true) AS s WHERE d.lead_id = 1;
SELECT pg_temp.deals();
SELECT pg_temp.changes();
-- a stage that gets another name changes no deal
UPDATE leadflow.deal SET stage_since = '2026-01-01' WHERE name = 'ACME';
UPDATE leadflow.deal_stage SET name = 'プレゼン' WHERE name = '提案';
SELECT stage, stage_since AT TIME ZONE 'Asia/Tokyo' FROM leadflow.deal WHERE name = 'ACME';
SELECT count(*) FROM pg_temp.changes();
SELECT pg_temp.changes() LIMIT 1 OFFSET 5;
UPDATE leadflow.deal SET stage = '見積' WHERE name = 'ACME';
SELECT stage_since = now() FROM leadflow.deal WHERE name = 'ACME';
ROLLBACK;

BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (1);
-- a deal that comes with its history has none noted
INSERT INTO leadflow.deal (lead_id, name, stage, stage_since) VALUES (1, '移行', '提案', '2026-01-01');
SELECT count(*) FROM leadflow.deal_change;

-- a task has a time when it is done
INSERT INTO leadflow.task (lead_id, title, status, done_at) VALUES (1, 'a', 'open', '2026-01-01'), (1, 'b', 'done', NULL), (1, 'c', 'cancelled', '2026-01-01');
SELECT title, done_at = now(), done_at AT TIME ZONE 'Asia/Tokyo' = '2026-01-01' FROM leadflow.task ORDER BY 1;
UPDATE leadflow.task SET status = CASE title WHEN 'b' THEN 'open' ELSE 'done' END;
SELECT title, status, done_at = now() FROM leadflow.task ORDER BY 1;

-- updated_at is kept, unless it is given or nothing changes
UPDATE leadflow.lead SET updated_at = '2026-01-01';
UPDATE leadflow.lead SET company = company;
SELECT updated_at AT TIME ZONE 'Asia/Tokyo' FROM leadflow.lead;
UPDATE leadflow.lead SET company = 'x';
SELECT updated_at = now() FROM leadflow.lead;
UPDATE leadflow.deal SET updated_at = '2026-01-01', amount = 1;
SELECT updated_at AT TIME ZONE 'Asia/Tokyo' FROM leadflow.deal;

\set ON_ERROR_ROLLBACK on
SELECT * FROM leadflow.set_deal_stage(0, '提案');
SELECT * FROM leadflow.set_deal_stage(NULL, '提案');
SELECT * FROM leadflow.set_deal_stage(1, NULL);
SELECT * FROM leadflow.set_deal_stage(1, '提安');
SELECT * FROM leadflow.record_activity(1, '2026-06-08', create_task => '{"due_on": "2026-02-30"}', create_deal => '{"budget": 1, "amount": "x"}');
SELECT * FROM leadflow.record_activity(1, '2026-06-08', create_task => '"x"');
SELECT * FROM leadflow.record_activity(1, '2026-06-08', create_deal => '{"stage": "提安"}');
SELECT * FROM leadflow.record_activity(1, '2026-06-08', create_task => '{"title": "x", "rep": "田仲"}');
SELECT leadflow.note_update();
SELECT leadflow.deal_changed();
SELECT leadflow.task_changes();
-- a deal's own form
SELECT count(*) FROM leadflow.set_form('deal', 'product "製品" radio(''A'', ''B'') required');
SELECT * FROM leadflow.record_activity(1, '2026-06-08', create_deal => '{"name": "x"}');
SELECT deal_id IS NOT NULL FROM leadflow.record_activity(1, '2026-06-08', create_deal => '{"name": "x", "product": "A"}');
SELECT fields, form_version FROM leadflow.deal WHERE name = 'x';
ROLLBACK;

-- BANTCH, added to the form there is
BEGIN;
SELECT version FROM leadflow.add_form_preset('lead', 'bantch');
SELECT version FROM leadflow.add_form_preset('lead', 'bantch');
SELECT unnest(string_to_array(form::text, '; ')) FROM leadflow.form_version WHERE entity = 'lead' AND version = 2;
INSERT INTO leadflow.lead (lead_id, fields) VALUES (1, '{"budget": 5000000, "authority": "決裁者"}');
SELECT leadflow.evaluate('lead(予算 >= 1000000 and 決裁権 = ''決裁者'')');
SELECT version, lead_id, field, rule FROM leadflow.add_form_preset('application', 'bantch', dry_run => true);
\set ON_ERROR_ROLLBACK on
SELECT leadflow.add_form_preset('lead', 'bant');
SELECT leadflow.add_form_preset('visit', 'bantch');
SELECT leadflow.add_form_preset(NULL, 'bantch');
ROLLBACK;

-- who sells need not write to the log of it
CREATE ROLE regress_seller;
GRANT USAGE ON SCHEMA leadflow TO regress_seller;
GRANT SELECT, INSERT, UPDATE ON leadflow.deal TO regress_seller;
GRANT SELECT ON leadflow.lead, leadflow.deal_stage, leadflow.setting TO regress_seller;
GRANT USAGE ON SEQUENCE leadflow.deal_deal_id_seq TO regress_seller;
BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (1);
SET LOCAL ROLE regress_seller;
INSERT INTO leadflow.deal (lead_id, name, stage) VALUES (1, 'x', '提案');
SELECT from_stage, to_stage FROM leadflow.deal AS d, leadflow.set_deal_stage(d.deal_id, '失注', '他社') AS s;
RESET ROLE;
SELECT changed_by, from_stage, to_stage, reason FROM leadflow.deal_change ORDER BY change_id;
ROLLBACK;
DROP OWNED BY regress_seller;
DROP ROLE regress_seller;
