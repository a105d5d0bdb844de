SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;

CREATE FUNCTION pg_temp.refused(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END $$;
CREATE FUNCTION pg_temp.members(list text) RETURNS text LANGUAGE sql AS $$
    SELECT leadflow.leadset_agg(m.lead_id)::text FROM leadflow.members(members.list, 'infinity') AS m
$$;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'ISO';

BEGIN;
INSERT INTO leadflow.rep (rep_id, name) VALUES (101, '田中'), (102, '佐藤');
INSERT INTO leadflow.lead (lead_id, employees, created_at) SELECT n, n, '2000-01-01' FROM generate_series(1, 8) AS n;

-- ---- who was on a list when, and who had them ----
SELECT leadflow.create_list('small', 'lead(employees <= 4)', mode => 'mirror') AS small \gset
SELECT leadflow.create_list('big', 'lead(employees >= 4)') AS big \gset
SELECT added FROM leadflow.refresh_list('small', '2020-01-06') UNION ALL SELECT added FROM leadflow.refresh_list('big', '2020-01-06');
SELECT sum(assigned) FROM leadflow.distribute('small', reps => ARRAY['田中'], as_of => '2020-01-07');
SELECT sum(assigned) FROM leadflow.distribute('small', as_of => '2020-01-08');
INSERT INTO leadflow.assignment (lead_id, member_id, list_id, from_rep_id, to_rep_id, assigned_at, strategy)
SELECT lead_id, member_id, list_id, 101, 102, '2020-01-10', 'assign' FROM leadflow.member WHERE lead_id = 2;
UPDATE leadflow.lead SET employees = CASE lead_id WHEN 1 THEN 9 WHEN 6 THEN 3 ELSE lead_id END;
SELECT added, removed FROM leadflow.refresh_list('small', '2020-01-13');
SELECT at, string_agg(lead_id || coalesce(' ' || rep, ''), ', ' ORDER BY lead_id) AS members
  FROM unnest(ARRAY['2020-01-05', '2020-01-06', '2020-01-07', '2020-01-12 23:59:59', '2020-01-13']::timestamptz[]) AS at, LATERAL leadflow.members('small', at) GROUP BY at ORDER BY at;
-- nobody had it before it was given first, nor between two reps
INSERT INTO leadflow.assignment (lead_id, member_id, list_id, from_rep_id, to_rep_id, assigned_at, strategy)
SELECT m.lead_id, m.member_id, m.list_id, f, t, at, 'update' FROM leadflow.member AS m,
       (VALUES (102, NULL, timestamptz '2020-01-11'), (NULL, 101, '2020-01-12')) AS v (f, t, at) WHERE m.lead_id = 2;
SELECT at::date, rep FROM unnest(ARRAY['2020-01-06', '2020-01-09', '2020-01-10', '2020-01-11', '2020-01-12']::timestamptz[]) AS at, LATERAL leadflow.members('small', at) WHERE lead_id = 2 ORDER BY at;
SELECT leadflow.leadset_agg(lead_id) OPERATOR(leadflow.=) leadflow.evaluate('list(''small'')', '2020-01-12') AS as_list FROM leadflow.members(:small, '2020-01-12');
SELECT lead_id, rep, entered_at, left_at FROM leadflow.members(:small, '2020-01-12') WHERE lead_id = 1;
SELECT lead_id, change, at, by = current_user AS by_me, reason FROM leadflow.member_diff('small', '2020-01-07', '2020-01-14');
SELECT leadflow.leadset_agg(lead_id) FILTER (WHERE change = 'entered') AS entered, count(*) FILTER (WHERE change = 'left') AS left
  FROM leadflow.member_diff(:small, '2020-01-01');
SELECT count(*) AS backwards FROM leadflow.member_diff(:small, '2020-01-14', '2020-01-07') WHERE change = 'left';
SELECT command, pg_temp.refused('SELECT leadflow.' || command)
  FROM unnest(ARRAY[$$members('smal')$$, $$members(-1)$$, $$members('small', null)$$, $$member_diff('small', null)$$, $$member_diff(null::text, now())$$]) AS command;
SELECT * FROM leadflow.list_overlap('2020-01-12') UNION ALL SELECT * FROM leadflow.list_overlap();
SELECT lead_id, list, entered_at, entered_reason ~ '^refresh [0-9]+$' AS by_refresh, left_at, left_reason, rep, state FROM leadflow.member_history WHERE lead_id IN (1, 6) ORDER BY lead_id, entered_at, list;

-- ---- a worked lead does not come back while it still matches ----
UPDATE leadflow.member SET state = 'done', left_at = '2020-01-20 10:00+09', left_reason = 'アーカイブ' WHERE list_id = :big AND lead_id IN (7, 8);
SELECT added, kept FROM leadflow.refresh_list('big', '2020-01-20 12:00+09');
SELECT pg_temp.members('big'), (SELECT leadflow.leadset_agg(lead_id) FROM leadflow.hold WHERE worked AND reason = 'アーカイブ') AS held;
UPDATE leadflow.lead SET employees = 1 WHERE lead_id = 7;
SELECT added FROM leadflow.refresh_list('big', '2020-01-27');
UPDATE leadflow.lead SET employees = 7 WHERE lead_id = 7;
SELECT added FROM leadflow.refresh_list('big', '2020-02-03');
SELECT pg_temp.members('big'), (SELECT leadflow.leadset_agg(lead_id) FROM leadflow.hold WHERE worked) AS held;
-- by hand it does, and with return_after when that is over
SELECT leadflow.add_to_list('big', '{8}'::leadflow.leadset);
UPDATE leadflow.list SET return_after = '7 days', changed_at = '2020-02-03' WHERE name = 'big';
UPDATE leadflow.member SET entered_at = '2020-02-03', state = 'done', left_at = '2020-02-04' WHERE list_id = :big AND lead_id = 8 AND left_at IS NULL;
SELECT at, (SELECT added FROM leadflow.refresh_list('big', at)) FROM unnest(ARRAY['2020-02-10 23:59', '2020-02-11']::timestamptz[]) AS at;
SELECT count(*) AS held FROM leadflow.hold WHERE worked;

-- ---- exclusive lists leave each other's leads alone ----
SELECT leadflow.create_list('first', 'lead(lead_id <= 4)', priority => 5, exclusive => true) > 0 AS first,
       leadflow.create_list('second', 'lead(lead_id <= 6)', priority => 5, exclusive => true) > 0 AS second,
       leadflow.create_list('higher', 'lead(lead_id in (1, 5))', priority => 6, exclusive => true) > 0 AS higher,
       leadflow.create_list('any', 'everyone') > 0 AS plain;
SELECT name, (SELECT added FROM leadflow.refresh_list(name, '2020-03-02')) FROM unnest(ARRAY['first', 'second', 'higher', 'any']) AS name;
SELECT pg_temp.members('first'), pg_temp.members('second') AS second, pg_temp.members('higher') AS higher;
SELECT leadflow.add_to_list('second', '{1}'::leadflow.leadset) AS by_hand;
ROLLBACK;

-- ---- what a rep, a manager and a reader of a lead see ----
BEGIN;
SELECT leadflow.local_date(now(), 'Pacific/Kiritimati') AS today \gset
CREATE ROLE regress_rep;
GRANT USAGE ON SCHEMA leadflow TO regress_rep;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_rep;
INSERT INTO leadflow.rep (rep_id, name, db_role) VALUES (101, '田中', 'regress_rep'), (102, '佐藤', NULL);
INSERT INTO leadflow.campaign (campaign_id, name) VALUES (901, '展示会');
INSERT INTO leadflow.lead (lead_id, company, last_name, first_name, phone, created_at, do_not_contact)
SELECT n, '会社' || n, '姓', '名' || n, '03', '2000-01-01', n = 6 FROM generate_series(1, 9) AS n;
SELECT leadflow.create_list('calls', zone => 'Pacific/Kiritimati', talk_script => 'もしもし') AS list_id \gset
INSERT INTO leadflow.member (lead_id, list_id, entered_at, rep_id, state, due_on, next_contact_on, left_at)
SELECT lead_id, :list_id, '2020-01-06', rep_id, state, :'today'::date + due, :'today'::date + contact, CASE WHEN gone THEN '2020-01-10'::date END
  FROM (VALUES (1, 101, 'not_started', 0, NULL, false), (2, 101, 'in_progress', -1, 0, false), (3, 101, 'in_progress', 1, -1, false), (4, 101, 'not_started', 1, 1, false),
               (5, 102, 'not_started', -1, NULL, false), (6, 101, 'not_started', 0, NULL, false), (7, 101, 'done', 0, NULL, true), (8, 101, 'not_started', 0, NULL, true),
               (9, NULL, 'not_started', -1, NULL, false)) AS v (lead_id, rep_id, state, due, contact, gone);
INSERT INTO leadflow.visit (lead_id, visited_at, pages, entry_url)
VALUES (1, '2020-01-02 09:00+09', 3, 'https://example.jp/'), (1, '2020-01-01 09:00+09', 5, NULL);
INSERT INTO leadflow.application (lead_id, campaign_id, applied_at, status) VALUES (1, 901, '2020-01-03 09:00+09', '受付'), (1, NULL, '2020-01-02 09:00+09', NULL);
INSERT INTO leadflow.activity (lead_id, list_id, rep_id, fields, recorded_at)
VALUES (1, :list_id, 101, '{"acted_on": "2020-01-07", "kind": "電話", "result": "継続フォロー", "content": "折り返し"}', '2020-01-09 10:00+09'),
       (7, :list_id, 102, '{"acted_on": "2020-01-10", "kind": "電話", "result": "商談化"}', '2020-01-10 03:00+14'),
       (7, :list_id, 101, '{"acted_on": "2020-01-10", "kind": "電話", "result": "アーカイブ"}', '2020-01-10 03:00+14'),
       (7, NULL, 101, '{"acted_on": "2020-01-10", "kind": "電話", "result": "商談化"}', '2020-01-10 03:00+14');
INSERT INTO leadflow.deal (lead_id, name, stage, opened_at, closed_at, lost_reason, rep_id) VALUES (7, '導入', '失注', '2020-01-11', '2020-02-11', '予算', 102);
INSERT INTO leadflow.task (lead_id, title, created_at, done_at, status, rep_id) VALUES (7, '資料送付', '2020-01-12', '2020-01-13', 'done', 102), (7, '電話', '2020-01-14', NULL, 'open', 102);
SET LOCAL ROLE regress_rep;
SELECT rank, urgency, lead_id, company, name, phone, state, talk_script FROM leadflow.my_members ORDER BY rank, due_on, lead_id;
SELECT last_visit_at, last_applied_at, last_campaign, last_acted_on, last_kind, last_result, last_content FROM leadflow.my_members WHERE lead_id = 1;
RESET ROLE;
-- who is to be contacted on a later day has the time until then, as for next_lead()
SAVEPOINT later;
UPDATE leadflow.member SET next_contact_on = current_date + 10 WHERE rep_id = 101;
SET LOCAL ROLE regress_rep;
SELECT DISTINCT rank, urgency FROM leadflow.my_members;
ROLLBACK TO later;
SELECT count(*) AS not_a_rep FROM leadflow.my_members;
SELECT list, rep, members, not_started, in_progress, done, activities, effective_calls, appointments, deals, overdue FROM leadflow.rep_progress WHERE list = 'calls' ORDER BY rep;
SELECT * FROM leadflow.list_summary WHERE list = 'calls';
SELECT lead_id, at, kind, what, list, rep, regexp_replace(detail, '^' || current_user || '$', 'me') AS detail FROM leadflow.lead_timeline WHERE lead_id IN (1, 7) ORDER BY lead_id, at, kind, what, detail;
ROLLBACK;

-- what is read of one lead, or by one rep, is found by indexes
BEGIN;
SET LOCAL enable_seqscan = off;
CREATE FUNCTION pg_temp.scanned(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        RETURN QUERY SELECT substring(line, 'Seq Scan on (lead|member|visit|application|activity|assignment|deal|task) ');
    END LOOP;
END $$;
SELECT scanned FROM pg_temp.scanned('SELECT * FROM leadflow.my_members') AS scanned WHERE scanned IS NOT NULL
 UNION ALL SELECT scanned FROM pg_temp.scanned('SELECT * FROM leadflow.lead_timeline WHERE lead_id = 1') AS scanned WHERE scanned IS NOT NULL
 UNION ALL SELECT scanned FROM pg_temp.scanned('SELECT * FROM leadflow.assignment_history WHERE lead_id = 1') AS scanned WHERE scanned IS NOT NULL;
ROLLBACK;
