-- The notices of the week: who is told what about which members.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'ISO';

-- two lists; 部長 leads 田中 and 鈴木, 鈴木 has left; 2099-01-05 is a Monday
BEGIN;
INSERT INTO leadflow.rep (rep_id, name, active, manager_id) VALUES (1, '部長', true, NULL), (2, '田中', true, 1), (3, '鈴木', false, 1), (4, '佐藤', true, 3);
INSERT INTO leadflow.lead (lead_id, company, last_name, created_at)
SELECT n, CASE WHEN n <> 9 THEN '会社' || n END, CASE WHEN n <> 9 THEN '姓' || n END, '2000-01-01' FROM generate_series(1, 12) AS n;
DELETE FROM leadflow.list WHERE name <> 'HOTリードリスト';
UPDATE leadflow.list SET segment = 'lead(lead_id <= 9)', owner = 'marketing lead';
SELECT leadflow.create_list('by hand', owner => 'sales lead') > 0 AS made;
UPDATE leadflow.list SET created_at = '2099-01-01';
UPDATE leadflow.schedule SET created_at = '2099-01-01';
INSERT INTO leadflow.setting (name, value) VALUES ('base_url', 'https://crm.example/');
CREATE FUNCTION pg_temp.tick(at timestamptz) RETURNS TABLE (kind text, list text, told text, subject text, leads text) LANGUAGE plpgsql AS $$
DECLARE
    last_id bigint := (SELECT coalesce(max(notification_id), 0) FROM leadflow.notification);
BEGIN
    PERFORM leadflow.run_list(d.list_id, d.due_at, tick.at) FROM leadflow.due_lists(tick.at) AS d;
    PERFORM leadflow.run_reminder(s.name, tick.at) FROM leadflow.schedule AS s;
    RETURN QUERY SELECT n.kind, l.name, coalesce(r.name, n.role), n.subject, n.payload ->> 'leads'
                   FROM leadflow.notification AS n JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r USING (rep_id)
                  WHERE n.notification_id > last_id ORDER BY n.kind, l.name COLLATE "C", coalesce(r.name, n.role) COLLATE "C";
END $$;
CREATE FUNCTION pg_temp.text(body text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(body, 'lists/\d+', 'lists/N') $$;
-- shared on Monday once the refresh is done; a list filled by hand has none
SELECT * FROM pg_temp.tick('2099-01-05 06:59');
SELECT * FROM pg_temp.tick('2099-01-05 07:00');
SELECT pg_temp.text(body) AS body FROM leadflow.notification;
SELECT payload - '{run_id,list_id,link}'::text[] AS payload, expires_at, pg_temp.text(payload ->> 'link') AS link,
       replace(dedup_key, format(':%s:', list_id), ':N:') AS dedup_key FROM leadflow.notification;
SELECT leadflow.add_to_list('by hand', '{10-12}'::leadflow.leadset);
UPDATE leadflow.member SET rep_id = CASE WHEN lead_id <= 2 THEN 2 WHEN lead_id = 3 THEN 3 WHEN lead_id = 4 THEN 4 WHEN lead_id = 10 THEN 1 WHEN lead_id = 11 THEN 2 END;
-- due tomorrow and contact today, of whoever is neither done nor out of reach
UPDATE leadflow.member SET due_on = '2099-01-07', next_contact_on = '2099-01-06' WHERE lead_id IN (1, 3, 4, 5, 6, 7, 8, 11);
UPDATE leadflow.member SET state = 'in_progress' WHERE lead_id IN (4, 5);
UPDATE leadflow.member SET state = 'done' WHERE lead_id = 6;
UPDATE leadflow.lead SET do_not_contact = lead_id = 7, deleted_at = CASE WHEN lead_id = 8 THEN now() END WHERE lead_id IN (7, 8);
SELECT * FROM pg_temp.tick('2099-01-06 08:00');
SELECT pg_temp.text(body) AS body FROM leadflow.notification WHERE kind = 'due_tomorrow' AND rep_id = 2 AND list_id = (SELECT list_id FROM leadflow.list WHERE name = 'by hand');
-- nobody hears it twice, not even of a lead that has changed hands
UPDATE leadflow.member SET rep_id = 4 WHERE lead_id IN (1, 2);
SELECT * FROM pg_temp.tick('2099-01-06 23:59');
UPDATE leadflow.member SET rep_id = 2 WHERE lead_id IN (1, 2);
-- Thursday: reps, and managers for theirs; one notice for a manager who has some of their own
SELECT * FROM pg_temp.tick('2099-01-08 09:00');
SELECT pg_temp.text(body) AS body FROM leadflow.notification WHERE kind = 'not_followed_up' AND rep_id = 1 ORDER BY list_id;
-- Friday: the check, also where nothing is left
UPDATE leadflow.member SET state = 'in_progress' WHERE lead_id IN (2, 10, 11, 12);
UPDATE leadflow.member SET left_at = CASE WHEN lead_id = 10 THEN '2099-01-09'::timestamptz ELSE '2099-01-10' END WHERE lead_id IN (10, 11);
SELECT * FROM pg_temp.tick('2099-01-09 17:00');
SELECT pg_temp.text(body) AS body FROM leadflow.notification WHERE kind = 'none_left' ORDER BY list_id;
-- a refresh of Monday that came on Wednesday is shared on Wednesday
SELECT * FROM pg_temp.tick('2099-01-14 03:00');
SELECT * FROM pg_temp.tick('2099-01-14 07:00');
-- no list is shared before the refresh that is due; one that failed on Monday is with that of Tuesday, and only once
SELECT leadflow.create_list('daily', 'lead(lead_id <= 3)', 'daily at 07:00') > 0 AS made;
UPDATE leadflow.list SET created_at = '2099-01-17' WHERE name = 'daily';
SELECT kind FROM pg_temp.tick('2099-01-18 07:00');
INSERT INTO leadflow.refresh_run (list_id, due_at, as_of, started, error)
SELECT list_id, '2099-01-19 07:00', '2099-01-19 07:00', now(), 'failed' FROM leadflow.list WHERE name = 'daily';
SELECT leadflow.run_reminder('リスト共有', '2099-01-19 07:01');
SELECT * FROM pg_temp.tick('2099-01-20 07:00') WHERE kind = 'list_shared';
SELECT kind, list FROM pg_temp.tick('2099-01-21 07:00');
SELECT list, subject FROM pg_temp.tick('2099-01-26 07:00') WHERE kind = 'list_shared';

-- a daily list is shared with what all of its refreshes since then have brought, and the one by hand
UPDATE leadflow.lead SET fields = '{"tags": ["A"]}' WHERE lead_id <= 3;
UPDATE leadflow.list SET segment = 'lead(tags contains ''A'')', mode = 'mirror' WHERE name = 'daily';
SELECT count(*) FROM pg_temp.tick('2099-01-27 07:00');
UPDATE leadflow.lead SET fields = '{"tags": ["A"]}' WHERE lead_id IN (10, 11);
SELECT count(*) FROM pg_temp.tick('2099-01-28 07:00');
UPDATE leadflow.lead SET fields = '{}' WHERE lead_id IN (1, 10);
UPDATE leadflow.lead SET fields = '{"tags": ["A"]}' WHERE lead_id = 12;
SELECT added, removed, kept FROM leadflow.refresh_list('daily', '2099-01-28 12:00');
SELECT count(*) FROM pg_temp.tick('2099-01-29 07:00');
SELECT count(*) FROM pg_temp.tick('2099-02-01 07:00');
UPDATE leadflow.lead SET fields = '{"tags": ["A"]}' WHERE lead_id = 9;
SELECT list FROM pg_temp.tick('2099-02-02 07:00') WHERE kind = 'list_shared';
SELECT list FROM pg_temp.tick('2099-02-09 07:00') WHERE kind = 'list_shared';
SELECT n.payload ->> 'day' AS day, n.payload ->> 'added' AS added, n.payload ->> 'removed' AS removed, n.payload ->> 'kept' AS kept, n.payload ->> 'count' AS count, substring(n.body FROM '追加[^\n]*') AS body
  FROM leadflow.notification AS n JOIN leadflow.list AS l USING (list_id) WHERE n.kind = 'list_shared' AND l.name = 'daily' ORDER BY n.notification_id;

-- templates and roles are the users' own; without a template a reminder is announced alone
UPDATE leadflow.schedule SET role = 'inside_sales' WHERE kind = 'due_tomorrow';
UPDATE leadflow.schedule SET template = NULL WHERE kind = 'contact_today';
UPDATE leadflow.schedule SET enabled = false WHERE kind IN ('not_followed_up', 'none_left', 'list_shared');
SELECT leadflow.save_template('対応期限通知', '{{count}} of {{list.name}} for {{rep.name|somebody}}', '<p>{{members}}</p>', format => 'html', channel => 'chat');
UPDATE leadflow.lead SET company = E'<b>A & B</b>\nBcc: x@y.example', last_name = E'\u3000', first_name = NULL WHERE lead_id = 2;
UPDATE leadflow.member SET due_on = '2099-01-16', state = 'not_started' WHERE lead_id IN (2, 5, 9);
SELECT * FROM pg_temp.tick('2099-01-15 08:00');
SELECT channel, coalesce(rep_id::text, role) AS told, body FROM leadflow.notification WHERE channel = 'chat' ORDER BY 2;
SELECT schedule FROM leadflow.schedule_run WHERE day = '2099-01-15' GROUP BY 1 ORDER BY 1;
ROLLBACK;

-- long lists of members are cut, and counted
BEGIN;
INSERT INTO leadflow.lead (lead_id, company, created_at) SELECT n, '会社' || n, '2000-01-01' FROM generate_series(1, 250) AS n;
SELECT leadflow.create_list('long') > 0 AS made, leadflow.add_to_list('long', '{1-250}'::leadflow.leadset);
UPDATE leadflow.list SET created_at = '2099-01-01';
UPDATE leadflow.schedule SET created_at = '2099-01-01';
SELECT leadflow.run_reminder('未フォローのリマインド', '2099-01-08 09:00');
SELECT (regexp_split_to_array(body, E'\n'))[104:107] AS lines, payload ->> 'leads' AS leads FROM leadflow.notification;
ROLLBACK;
