SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
\set SHOW_CONTEXT never
\pset format unaligned
\pset null -

BEGIN;
INSERT INTO leadflow.rep (rep_id, name) VALUES (1001, '田中');
INSERT INTO leadflow.list (list_id, name) VALUES (1001, 'A');
INSERT INTO leadflow.lead (lead_id, external_id, company, employees, email, updated_at) VALUES (1, 'L1', '旧', 10, 'a@example.jp', '2026-06-01 09:00+09'), (2, 'twice', 'a', NULL, NULL, now()), (3, 'twice', 'b', NULL, NULL, now());
INSERT INTO leadflow.lead (lead_id, external_id, merged_into, deleted_at) VALUES (4, 'merged', 1, NULL), (5, 'gone', NULL, now());
SELECT setval('leadflow.lead_lead_id_seq', 100) > 0;
-- one answer a record, in their order; what is blank takes nothing away
SELECT n, external_id, outcome, lead_id = record_id AS lead, reason FROM leadflow.sync_in('lead', '[
    {"external_id": "L1", "company": "新", "email": "", "employees": null, "updated_at": "2026-06-01T09:00:01+09:00"},
    {"external_id": "L2", "company": "ACME", "employees": "100", "rep": "田中", "tags": ["VIP"], "created_at": "2026-01-01"},
    {"external_id": "L3", "employees": "many"}, {"external_id": "L4", "予算": 1}, {"company": "x"}, 5, {"external_id": " "}, {"external_id": "twice"},
    {"external_id": "merged", "phone": "03-1234"}, {"external_id": "gone"}, {"external_id": "L5", "rep": "田仲"}, {"external_id": "L6", "updated_at": "yesterday"},
    {"external_id": "L7", "company": "first"}, {"external_id": "L7", "company": "last"}, {"external_id": "L8", "merged_into": 3}, {"external_id": "L9", "lead": "L1"}, {"external_id": "L10", "company": " "}]');
SELECT lead_id, external_id, company, employees, email, phone, rep_id, fields, CASE WHEN created_at = now() THEN 'now' ELSE to_char(created_at AT TIME ZONE 'Asia/Tokyo', 'YYYY-MM-DD HH24:MI') END AS created, updated_at = now() AS now FROM leadflow.lead WHERE external_id IN ('L1', 'L2', 'L7', 'L10') ORDER BY external_id;
-- the later writer wins, by the clocks of both
UPDATE leadflow.lead SET updated_at = '2026-06-05 09:00+09' WHERE lead_id = 1;
SELECT external_id, outcome, reason FROM leadflow.sync_in('lead', '[{"external_id": "L1", "company": "older", "updated_at": "2026-06-04T09:00:00+09:00"},
    {"external_id": "L2", "company": "ACME", "employees": 100, "tags": ["VIP"]}]');
SELECT external_id, outcome, reason FROM leadflow.sync_in('lead', '[{"external_id": "L1", "company": "newer", "updated_at": "2026-06-06T09:00:00+09:00"}]', dry_run => true);
SELECT company FROM leadflow.lead WHERE lead_id = 1;
SELECT external_id, outcome FROM leadflow.sync_in('lead', '[{"external_id": "L1", "company": "newer", "updated_at": "2026-06-06T09:00:00+09:00"}]');
SELECT external_id, outcome, reason FROM leadflow.sync_in('lead', '[{"external_id": "L1", "company": "between", "updated_at": "2026-06-05T10:00:00+09:00"}]');
SELECT company, updated_at AT TIME ZONE 'Asia/Tokyo' FROM leadflow.lead WHERE lead_id = 1;

-- deals of leads known by either id; stages close and open them
SELECT n, external_id, outcome, lead_id > 0 AS lead, reason FROM leadflow.sync_in('deal', '[
    {"external_id": "O1", "lead": "L2", "name": "導入", "stage": "提案", "amount": "100", "expected_close_on": "2026-06-30", "list": "A"}, {"external_id": "O2", "lead": "L99", "name": "x", "stage": "提案"},
    {"external_id": "O3", "lead_id": 1, "name": "x", "stage": "提安"}, {"external_id": "O4", "name": "x"}, {"external_id": "O5", "lead_id": 1, "stage": "提案"}, {"external_id": "O6", "lead_id": 99, "name": "x"},
    {"external_id": "O7", "lead": "twice"}, {"external_id": "O8", "lead": "merged", "name": "統合先", "stage": "見積"}, {"external_id": "O9", "lead": "gone", "name": "x"}, {"external_id": "O10", "lead_id": 1, "name": "x", "list": "B"}]');
SELECT external_id, outcome, reason FROM leadflow.sync_in('deal', '[{"external_id": "O1", "stage": "受注"}, {"external_id": "O8", "lead": "L2"}]');
SELECT external_id, lead_id = 1 AS lead_1, name, stage, amount, list_id, closed_at = now() AS closed FROM leadflow.deal ORDER BY deal_id;
-- activities do what they do when they are recorded
SELECT leadflow.add_to_list('A', '{1}'::leadflow.leadset);
SELECT external_id, outcome, reason FROM leadflow.sync_in('activity', '[{"external_id": "T1", "lead": "L1", "acted_on": "2100-01-01", "result": "商談化", "content": "電話した", "rep": "田中", "recorded_at": "2026-06-08T10:00:00+09:00"},
    {"external_id": "T2", "lead": "L2", "result": "商談"}]');
SELECT state, left_reason FROM leadflow.member;
SELECT external_id, outcome FROM leadflow.sync_in('activity', '[{"external_id": "T1", "content": "訪問した"}]');
SELECT fields, rep_id FROM leadflow.activity;
SELECT action, after ->> 'content' AS content FROM leadflow.activity_change;
-- several records of one lead, each in its turn
SELECT n, outcome FROM leadflow.sync_in('lead', '[{"external_id": "L1", "company": "a"}, {"external_id": "merged", "company": "b"}]');
SELECT company FROM leadflow.lead WHERE lead_id = 1;

\set ON_ERROR_ROLLBACK on
SELECT leadflow.sync_in('deel', '[]');
SELECT leadflow.sync_in('deal', '{}');
SELECT leadflow.sync_in('deal', NULL);
SELECT count(*) FROM leadflow.sync_in('deal', '[]');
-- a session that reads dates otherwise
SET LOCAL DateStyle = 'SQL, DMY';
SET LOCAL TimeZone = 'America/New_York';
SELECT outcome FROM leadflow.sync_in('lead', '[{"external_id": "D1", "created_at": "2026-02-03T04:05:06"}]');
SELECT to_char(created_at AT TIME ZONE 'Asia/Tokyo', 'YYYY-MM-DD HH24:MI:SS') FROM leadflow.lead WHERE external_id = 'D1';
ROLLBACK;

-- the feed: nothing until it is followed, then each record once, as it is
INSERT INTO leadflow.lead (lead_id, external_id) VALUES (9001, 'F1'), (9002, 'F2');
SELECT count(*) FROM leadflow.record_change;
SELECT leadflow.follow_changes('{deal,lead}') AS token \gset
INSERT INTO leadflow.deal (lead_id, name, stage) VALUES (9001, 'd', '提案');
UPDATE leadflow.lead SET company = 'a' WHERE lead_id = 9001;
UPDATE leadflow.lead SET company = 'b' WHERE lead_id = 9001;
UPDATE leadflow.lead SET company = 'c' WHERE false;
INSERT INTO leadflow.task (lead_id, title) VALUES (9001, 'not followed');
UPDATE leadflow.lead SET lead_id = 9003 WHERE lead_id = 9002;
SELECT entity, lead_id, change, record ->> 'company' AS company, record ->> 'name' AS name, cardinality(changed_by) FROM leadflow.changes_since(:'token');
SELECT max(token) AS token2 FROM leadflow.changes_since(:'token') \gset
SELECT count(*) FROM leadflow.changes_since(:'token2');
-- what is not committed is not told, not even to itself; what is rolled back never is
BEGIN;
DELETE FROM leadflow.lead WHERE lead_id = 9003;
SELECT count(*) FROM leadflow.changes_since(:'token2');
ROLLBACK;
SELECT count(*) FROM leadflow.changes_since(:'token2');
DELETE FROM leadflow.lead WHERE lead_id = 9003;
SELECT entity, lead_id, change, record FROM leadflow.changes_since(:'token2');
SELECT leadflow.change_token() AS token3 \gset
SELECT count(*) FROM leadflow.changes_since(:'token3');
SELECT count(*) FROM leadflow.changes_since(NULL);
SELECT leadflow.changes_since('abc');
SELECT leadflow.changes_since('1/2/3:4:');
-- a token of before what is forgotten is refused
UPDATE leadflow.record_change SET changed_at = now() - interval '31 days';
SELECT leadflow.prune_changes() > 0, leadflow.prune_changes();
\set VERBOSITY terse
SELECT leadflow.changes_since(:'token');
\set VERBOSITY default
SELECT count(*) FROM leadflow.changes_since(:'token3');
SELECT leadflow.follow_changes('{leed}');
SELECT leadflow.note_changes();
SELECT leadflow.unfollow_changes(), leadflow.unfollow_changes();
UPDATE leadflow.lead SET company = 'd' WHERE lead_id = 9001;
SELECT count(*) FROM leadflow.record_change;
DELETE FROM leadflow.setting WHERE name = 'changes_pruned';
DELETE FROM leadflow.task; DELETE FROM leadflow.deal; DELETE FROM leadflow.lead WHERE lead_id = 9001;
