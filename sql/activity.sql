SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

BEGIN;
INSERT INTO leadflow.rep (rep_id, name) VALUES (1001, '田中'), (1002, '鈴木');
UPDATE leadflow.rep SET db_role = current_user WHERE rep_id = 1002;
INSERT INTO leadflow.lead (lead_id, email, created_at)
SELECT n, n || '@example.jp', '2026-01-01' FROM generate_series(1, 12) AS n;
INSERT INTO leadflow.list (list_id, name) VALUES (1001, 'A'), (1002, 'B');
INSERT INTO leadflow.member (lead_id, list_id, entered_at, next_contact_on)
SELECT n, 1001, timestamptz '2026-06-01 09:00+09', date '2026-06-09' FROM generate_series(1, 8) AS n
UNION ALL
SELECT n, 1002, '2026-06-01 09:00+09', NULL FROM generate_series(1, 4) AS n;
CREATE FUNCTION pg_temp.stays(leads bigint[]) RETURNS TABLE (line text) LANGUAGE sql AS $$
    SELECT concat_ws(' ', lead_id, l.name, state, 'contact ' || next_contact_on,
                     'left ' || to_char(left_at AT TIME ZONE 'Asia/Tokyo', 'YYYY-MM-DD HH24:MI'), left_reason)
      FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id) WHERE lead_id = ANY (leads)
     ORDER BY lead_id, l.name $$;

-- a result that closes ends the stay on the list given, or on all
SELECT closed, continued FROM leadflow.record_activity(1, '2026-06-08', '電話', '商談化', rep => '田中', list => 'A', recorded_at => '2026-06-08 12:00+09');
SELECT closed, continued FROM leadflow.record_activity(2, '2026-06-08', '電話', 'アーカイブ', recorded_at => '2026-06-08 12:00+09');
-- any other puts it in progress, and the next contact moves to it; one that is served goes
SELECT closed, continued FROM leadflow.record_activity(3, '2026-06-08', '電話', '継続フォロー', next_contact_on => '2026-06-10', list => 'A', recorded_at => '2026-06-08 12:00+09');
SELECT closed, continued FROM leadflow.record_activity(4, '2026-06-09', '電話', '継続フォロー', recorded_at => '2026-06-09 12:00+09');
SELECT pg_temp.stays('{1,2,3,4}');
SELECT lead_id, list_id, rep_id, fields, form_version FROM leadflow.activity ORDER BY activity_id;
-- what was done before the lead entered means nothing to the stay; the day is the list's
SELECT closed, continued FROM leadflow.record_activity(5, '2026-05-31', '電話', '商談化', recorded_at => '2026-06-08 12:00+09');
UPDATE leadflow.list SET zone = 'America/New_York' WHERE list_id = 1001;
SELECT closed, continued FROM leadflow.record_activity(5, '2026-05-31', '電話', '商談化', recorded_at => '2026-06-08 12:00+09');
-- a stay does not end before it began
SELECT closed FROM leadflow.record_activity(6, '2026-06-08', '電話', '商談化', recorded_at => '2026-05-08 12:00+09');
SELECT pg_temp.stays('{5,6}');

-- many at once, by labels; the day is the one of the record, the rep the caller
SELECT * FROM leadflow.record_activities('[
    {"lead_id": 7, "活動結果": "継続フォロー", "次回対応日": "2026-06-15", "recorded_at": "2026-06-08T23:30:00+09:00"},
    {"lead_id": 7, "種別": "メール", "list": "A", "acted_on": "2026-06-07"},
    {"lead_id": 9, "result": "アーカイブ", "rep_id": 1001}]', dry_run => true);
SELECT lead_id, closed, continued FROM leadflow.record_activities('[
    {"lead_id": 7, "活動結果": "継続フォロー", "次回対応日": "2026-06-15", "recorded_at": "2026-06-08T23:30:00+09:00"},
    {"lead_id": 7, "種別": "メール", "list": "A", "acted_on": "2026-06-07"},
    {"lead_id": 9, "result": "アーカイブ", "rep_id": 1001, "acted_on": "2026-06-07"}]');
SELECT lead_id, list_id, rep_id, acted_on, kind, result, next_contact_on FROM leadflow.activity WHERE lead_id IN (7, 9) ORDER BY activity_id;
SELECT pg_temp.stays('{7}');
SELECT count(*) FROM leadflow.record_activities('[]');
ROLLBACK;

-- the label of a choice stands for its key
BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (10);
SELECT count(*) FROM leadflow.set_form('activity', 'acted_on date required; kind radio(''tel'' "電話", ''mail'' "メール"); tags multiselect(''a'' "甲", ''b''); result radio(''商談化'')');
SELECT count(*) FROM leadflow.record_activity(10, '2026-06-07', kind => '電話', fields => '{"tags": ["甲", "b"]}');
SELECT fields FROM leadflow.activity WHERE lead_id = 10;
ROLLBACK;

-- errors
BEGIN;
INSERT INTO leadflow.rep (rep_id, name) VALUES (1001, '田中');
INSERT INTO leadflow.lead (lead_id) VALUES (1), (2);
\set ON_ERROR_ROLLBACK on
SELECT * FROM leadflow.record_activity(1, '2026-06-08', '電話', '商談', rep => '田中', fields => '{"memo": 1, "予算": 2}');
SELECT * FROM leadflow.record_activity(1, rep => '田仲');
SELECT * FROM leadflow.record_activity(1, list => 'HOTリード');
SELECT * FROM leadflow.record_activity(3, result => '商談化');
SELECT * FROM leadflow.record_activity(NULL, result => '商談化');
SELECT * FROM leadflow.record_activities('[{"lead_id": 1, "kind": "FAX"}, {"lead_id": 2, "acted_on": "2026-02-30"}, {"lead_id": 2}]');
SELECT * FROM leadflow.record_activities('[{"lead_id": 3}, {"lead_id": 4}, {"lead_id": 3}]');
SELECT * FROM leadflow.record_activities('[{"lead_id": "1"}]');
SELECT * FROM leadflow.record_activities('[{"lead_id": 1.5}]');
SELECT * FROM leadflow.record_activities('[{"lead_id": 1e30}]');
SELECT * FROM leadflow.record_activities('[{"lead_id": 1, "recorded_at": "2026-06-01"}]');
SELECT * FROM leadflow.record_activities('[{"lead_id": 1, "rep": 5}]');
SELECT * FROM leadflow.record_activities('[1]');
SELECT * FROM leadflow.record_activities('{"lead_id": 1}');
SELECT * FROM leadflow.record_activities('1');
SELECT * FROM leadflow.record_activities(NULL);
SELECT leadflow.activity_arrived();
CREATE TEMP TABLE other (lead_id bigint);
CREATE TRIGGER t AFTER INSERT ON other REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.activity_arrived();
INSERT INTO other VALUES (1);
SELECT count(*) FROM leadflow.activity;
ROLLBACK;

-- a plain INSERT and COPY do the same; where no trigger fires, the tick does, once
BEGIN;
INSERT INTO leadflow.lead (lead_id) SELECT n FROM generate_series(1, 6) AS n;
INSERT INTO leadflow.list (list_id, name) VALUES (1001, 'A');
INSERT INTO leadflow.member (lead_id, list_id, entered_at) SELECT n, 1001, '2026-06-01 09:00+09' FROM generate_series(1, 6) AS n;
CREATE FUNCTION pg_temp.states() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(lead_id || ' ' || state || coalesce(' ' || left_reason, ''), ', ' ORDER BY lead_id) FROM leadflow.member $$;
INSERT INTO leadflow.activity (lead_id, fields) VALUES (1, '{"acted_on": "2026-06-08", "result": "商談化"}'), (2, '{"acted_on": "2026-06-08"}');
COPY leadflow.activity (lead_id, list_id, fields) FROM stdin;
3	1001	{"acted_on": "2026-06-08", "result": "アーカイブ"}
\.
SELECT pg_temp.states();
-- a time in applied_at says that there is nothing to tell the lists
INSERT INTO leadflow.activity (lead_id, fields, applied_at) VALUES (4, '{"acted_on": "2026-06-08", "result": "商談化"}', '2026-06-08');
SET LOCAL session_replication_role = replica;
INSERT INTO leadflow.activity (lead_id, fields) VALUES (5, '{"acted_on": "2026-06-08", "result": "商談化"}');
SET LOCAL session_replication_role = origin;
SELECT pg_temp.states();
SELECT leadflow.apply_activities(), leadflow.apply_activities();
SELECT pg_temp.states();
SELECT count(*) FROM leadflow.activity WHERE applied_at IS NULL;
-- a correction means what the activity would have meant, and is noted, as a deletion is
UPDATE leadflow.activity SET fields = fields || '{"result": "アーカイブ"}' WHERE lead_id IN (1, 2);
UPDATE leadflow.activity SET form_version = 0, applied_at = now() WHERE lead_id = 3;
UPDATE leadflow.activity SET lead_id = 6 WHERE lead_id = 4;
DELETE FROM leadflow.activity WHERE lead_id = 5;
SELECT pg_temp.states();
SELECT lead_id, action, changed_by = current_user, before ->> 'result', after ->> 'result', after ->> 'lead_id' FROM leadflow.activity_change ORDER BY change_id;
SET LOCAL client_min_messages = warning;
TRUNCATE leadflow.activity CASCADE;
SELECT action, count(*) FROM leadflow.activity_change GROUP BY action ORDER BY action;
ROLLBACK;

-- who may record need not see what it means to the lists
CREATE ROLE regress_caller;
GRANT USAGE ON SCHEMA leadflow TO regress_caller;
GRANT SELECT, INSERT ON leadflow.activity TO regress_caller;
GRANT SELECT ON leadflow.form_version, leadflow.setting, leadflow.rep, leadflow.list, leadflow.lead TO regress_caller;
GRANT USAGE ON SEQUENCE leadflow.activity_activity_id_seq TO regress_caller;
BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (1);
INSERT INTO leadflow.list (list_id, name) VALUES (1001, 'A'), (1002, 'hidden');
INSERT INTO leadflow.member (lead_id, list_id, entered_at) VALUES (1, 1001, '2026-06-01 09:00+09'), (1, 1002, '2026-06-01 09:00+09');
ALTER TABLE leadflow.list ENABLE ROW LEVEL SECURITY;
CREATE POLICY shown ON leadflow.list USING (name = 'A');
SET LOCAL ROLE regress_caller;
SELECT closed, continued FROM leadflow.record_activity(1, '2026-06-08', result => '商談化');
SELECT current_user;
RESET ROLE;
SELECT list_id, left_by, left_reason FROM leadflow.member ORDER BY 1;
SELECT recorded_by FROM leadflow.activity;
ROLLBACK;
DROP OWNED BY regress_caller;
DROP ROLE regress_caller;

-- a query without rows records nothing; a field by its name and its label is one too many
BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (1);
SELECT * FROM leadflow.record_activities((SELECT jsonb_agg(q) FROM (SELECT lead_id FROM leadflow.lead WHERE false) AS q));
SELECT leadflow.record_activity(1, kind => '電話', fields => '{"種別": "訪問"}');
ROLLBACK;
-- a correction that changes nothing of what an activity means leaves a later stay alone
BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (1);
INSERT INTO leadflow.list (list_id, name) VALUES (1001, 'A');
SELECT leadflow.add_to_list('A', '{1}'::leadflow.leadset);
SELECT closed FROM leadflow.record_activity(1, kind => '電話', result => 'アーカイブ');
SELECT leadflow.add_to_list('A', '{1}'::leadflow.leadset);
UPDATE leadflow.activity SET fields = fields || '{"note": "折り返し"}';
SELECT count(*) FROM leadflow.member WHERE left_at IS NULL AND state = 'not_started';
UPDATE leadflow.activity SET fields = fields || '{"result": "商談化"}';
SELECT left_reason FROM leadflow.member ORDER BY member_id;
ROLLBACK;
-- of several reps of one role, who is active records
BEGIN;
INSERT INTO leadflow.lead (lead_id) VALUES (1);
INSERT INTO leadflow.rep (rep_id, name, db_role, active) VALUES (1001, '退職', current_user, false), (1002, '現役', current_user, true);
SELECT activity_id IS NOT NULL FROM leadflow.record_activity(1, kind => '電話');
SELECT rep_id FROM leadflow.activity;
ROLLBACK;
