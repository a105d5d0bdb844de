SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;

CREATE FUNCTION pg_temp.refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, '| ' || nullif(detail, ''));
END $$;
CREATE FUNCTION pg_temp.members(list text) RETURNS text LANGUAGE sql AS $$
    SELECT leadflow.leadset_agg(m.lead_id)::text FROM leadflow.member AS m
      JOIN leadflow.list AS l USING (list_id) WHERE l.name = members.list AND m.left_at IS NULL
$$;
CREATE FUNCTION pg_temp.ledger(list text) RETURNS TABLE (due_at timestamptz, as_of timestamptz, attempts int, done boolean,
    added bigint, removed bigint, kept bigint, error text) LANGUAGE sql AS $$
    SELECT r.due_at, r.as_of, r.attempts, r.finished >= r.started, r.added, r.removed, r.kept, r.error
      FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id) WHERE l.name = ledger.list ORDER BY r.run_id
$$;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'ISO';

BEGIN;
INSERT INTO leadflow.lead (lead_id, employees, created_at) SELECT n, 10, '2000-01-01' FROM generate_series(1, 12) AS n;
SELECT leadflow.create_list('big', 'lead(employees >= 10)', due_after => '7 days', zone => 'America/New_York') > 0 AS made;

-- a dry run says the same as the run, and leaves nothing
SELECT added, removed, kept, run_id FROM leadflow.refresh_list('big', '2100-01-04 07:00', dry_run => true);
SELECT * FROM pg_temp.ledger('big');
SELECT added, removed, kept, run_id > 0 AS run FROM leadflow.refresh_list('big', '2100-01-04 07:00');
SELECT pg_temp.members('big');

-- 07:00 in Tokyo is the evening before in New York, from where the days are counted
SELECT DISTINCT entered_at, entered_by = current_user AS by_me, due_on, state, run_id IS NOT NULL AS run, left_at FROM leadflow.member;

-- who no longer matches stays; who is gone or must not be contacted leaves, whatever the dry run
UPDATE leadflow.lead SET employees = 1 WHERE lead_id = 1;
UPDATE leadflow.lead SET do_not_contact = true WHERE lead_id = 2;
UPDATE leadflow.lead SET deleted_at = '2100-01-05' WHERE lead_id = 3;
UPDATE leadflow.lead SET merged_into = 1 WHERE lead_id = 4;
SELECT added, removed, kept FROM leadflow.refresh_list('big', '2100-01-11 07:00', true);
SELECT added, removed, kept FROM leadflow.refresh_list('big', '2100-01-11 07:00');
SELECT lead_id, left_at, left_by = current_user AS by_me, left_reason FROM leadflow.member WHERE left_at IS NOT NULL ORDER BY 1;
SELECT pg_temp.members('big');

-- the same again changes nothing, and the ledger says so
SELECT added, removed, kept FROM leadflow.refresh_list('big', '2100-01-11 07:00');
SELECT * FROM pg_temp.ledger('big');

-- history only grows
SELECT pg_temp.refused($$SELECT leadflow.refresh_list('big', '2100-01-11 06:59')$$);
SELECT leadflow.evaluate('list(''big'')', at::timestamptz)
  FROM unnest(ARRAY['2100-01-04 06:59', '2100-01-04 07:00', '2100-01-11 06:59', '2100-01-11 07:00']) AS at;
UPDATE leadflow.lead SET do_not_contact = false, deleted_at = NULL, merged_into = NULL, employees = 10;

-- another list may start from it, as it was
SELECT leadflow.create_list('rest', 'not list(''big'')', mode => 'mirror') > 0 AS made;
SELECT added, removed, kept FROM leadflow.refresh_list('rest', '2100-01-11 07:00');
SELECT pg_temp.members('rest');
SELECT added, removed, kept FROM leadflow.refresh_list('big', '2100-01-18 07:00');
SELECT added, removed, kept FROM leadflow.refresh_list('rest', '2100-01-18 07:00');
SELECT left_reason, count(*) FROM leadflow.member JOIN leadflow.list USING (list_id) WHERE name = 'rest' GROUP BY 1;

-- holds: until lifted, and for a time; both after the refresh before them
SELECT leadflow.remove_from_list('big', '{5}'::leadflow.leadset), leadflow.remove_from_list('big', '{6}'::leadflow.leadset, hold_for => '14 days');
SELECT lead_id, until FROM leadflow.hold ORDER BY 1;
SELECT added, removed, kept FROM leadflow.refresh_list('big', '2100-02-01 07:00');
SELECT added, removed, kept FROM leadflow.refresh_list('big', '2100-02-01 07:00:00.000003');
SELECT pg_temp.members('big');
SELECT leadflow.add_to_list('big', '{5}'::leadflow.leadset);
SELECT added, removed, kept FROM leadflow.refresh_list('big', '2100-02-02');

-- return_after: not before, and then at once
UPDATE leadflow.list SET return_after = '1 month' WHERE name = 'big';
UPDATE leadflow.member SET left_at = '2100-02-08 07:00' WHERE lead_id = 7 AND left_at IS NULL AND list_id = (SELECT list_id FROM leadflow.list WHERE name = 'big');
SELECT at, (SELECT added FROM leadflow.refresh_list('big', at::timestamptz))
  FROM unnest(ARRAY['2100-02-09', '2100-03-08 06:59:59', '2100-03-08 07:00']) AS at;

-- max_members takes the lowest, and only what there is room for
SELECT leadflow.create_list('few', 'everyone', max_members => 3) > 0 AS made;
SELECT leadflow.add_to_list('few', '{9}'::leadflow.leadset);
SELECT added, removed, kept FROM leadflow.refresh_list('few', '2100-01-01');
SELECT pg_temp.members('few');
SELECT added, removed, kept FROM leadflow.refresh_list('few', '2100-01-02');
UPDATE leadflow.list SET max_members = 1 WHERE name = 'few';
SELECT added, removed, kept FROM leadflow.refresh_list('few', '2100-01-03');
SELECT leadflow.remove_from_list('few', '{1,2,9}'::leadflow.leadset);
SELECT added, removed, kept FROM leadflow.refresh_list('few', '2100-01-04');
SELECT pg_temp.members('few');

-- mirror: exactly who matches, but for what was done by hand
SELECT leadflow.create_list('mirror', 'lead(employees < 5)', mode => 'mirror') > 0 AS made;
UPDATE leadflow.lead SET employees = 1 WHERE lead_id <= 4;
SELECT added, removed, kept FROM leadflow.refresh_list('mirror', '2000-01-02');
SELECT leadflow.add_to_list('mirror', '{11}'::leadflow.leadset), leadflow.remove_from_list('mirror', '{1}'::leadflow.leadset);
UPDATE leadflow.lead SET employees = CASE WHEN lead_id IN (2, 3) THEN 10 ELSE 1 END WHERE lead_id <= 5;
SELECT added, removed, kept FROM leadflow.refresh_list('mirror', '2100-01-02', true);
SELECT added, removed, kept FROM leadflow.refresh_list('mirror', '2100-01-02');
SELECT pg_temp.members('mirror');

-- no stay overlaps another of the same lead on the same list
SELECT count(*) AS overlaps FROM leadflow.member AS a JOIN leadflow.member AS b USING (lead_id, list_id)
 WHERE a.member_id < b.member_id AND tstzrange(a.entered_at, a.left_at) && tstzrange(b.entered_at, b.left_at);
ROLLBACK;

-- a large list: the ids are taken as a set, not one by one
BEGIN;
INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, 100000) AS n;
SELECT leadflow.create_list('large', 'everyone') > 0 AS made;
SELECT added, removed, kept FROM leadflow.refresh_list('large', '2100-01-01');
-- what was counted while others did not see it yet says that the tables are empty
ANALYZE leadflow.lead, leadflow.member;
SELECT leadflow.cardinality(leadflow.evaluate('list(''large'')', '2100-01-01')), count(*) FROM leadflow.member;
ROLLBACK;

-- return_after is counted by the clocks of the list, whatever the session's are
BEGIN;
INSERT INTO leadflow.lead (lead_id, created_at) VALUES (1, '2026-01-01');
SELECT leadflow.create_list('tokyo', segment => 'everyone', zone => 'Asia/Tokyo', return_after => '1 day') AS list_id \gset
UPDATE leadflow.list SET changed_at = '2026-03-07 17:00+00' WHERE list_id = :list_id;
INSERT INTO leadflow.member (lead_id, list_id, entered_at, left_at) VALUES (1, :list_id, '2026-03-01', '2026-03-07 17:00+00');
SET LOCAL TimeZone = 'America/New_York';
SELECT (leadflow.refresh_list('tokyo', '2026-03-08 16:30+00', dry_run => true)).added,
       (leadflow.refresh_list('tokyo', '2026-03-08 17:00+00', dry_run => true)).added AS added_later;
ROLLBACK;
