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
CREATE FUNCTION pg_temp.due(at timestamptz) RETURNS TABLE (name text, due_at timestamptz) LANGUAGE sql AS $$
    SELECT l.name, d.due_at FROM leadflow.due_lists(due.at) WITH ORDINALITY AS d (list_id, due_at, n)
      JOIN leadflow.list AS l USING (list_id) ORDER BY d.n
$$;
-- run_due() without its commits: whose lists were refreshed
CREATE FUNCTION pg_temp.tick(at timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(d.name, ', ') FILTER (WHERE leadflow.run_list(d.list_id, d.due_at, tick.at))
      FROM (SELECT due.list_id, due.due_at, (SELECT l.name FROM leadflow.list AS l WHERE l.list_id = due.list_id) AS name
              FROM leadflow.due_lists(tick.at) AS due) AS d
$$;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'ISO';

-- the tick commits after each list, so it has to be a statement of its own
BEGIN;
CALL leadflow.run_due();
ROLLBACK;
SELECT pg_temp.refused('CALL leadflow.run_due()');

-- 2099-01-05 is a Monday of an odd week; the lists are made on the Wednesday after it
BEGIN;
DELETE FROM leadflow.list;
SELECT count(leadflow.create_list(name, segment::leadflow.segment, cadence::leadflow.cadence, zone => zone)) AS made
  FROM (VALUES ('weekly', 'everyone', 'weekly on monday at 07:00', NULL),
               ('fortnightly', 'everyone', 'every 2 weeks on monday at 07:00 from 2099-01-12', NULL),
               ('new york', 'everyone', 'weekly on monday at 07:00', 'America/New_York'),
               ('by hand', 'everyone', NULL, NULL),
               ('shut', 'everyone', 'hourly', NULL)) AS l (name, segment, cadence, zone);
UPDATE leadflow.list SET created_at = '2099-01-07 12:00';
UPDATE leadflow.list SET status = 'closed' WHERE name = 'shut';

-- not for a time before it was made, nor a moment early
SELECT at, (SELECT string_agg(name, ', ') FROM pg_temp.due(at::timestamptz))
  FROM unnest(ARRAY['2099-01-05 07:00', '2099-01-08', '2099-01-12 06:59:59.999', '2099-01-12 07:00', '2099-01-12 20:59', '2099-01-12 21:00']) AS at;
SELECT * FROM pg_temp.due('2099-01-14 12:00');

-- once, and not again before it comes round
SELECT at, pg_temp.tick(at::timestamptz)
  FROM unnest(ARRAY['2099-01-12 07:00', '2099-01-12 07:00', '2099-01-12 07:05', '2099-01-13', '2099-01-13', '2099-01-19 07:00', '2099-01-20']) AS at;

-- three Mondays missed happen once, late, and for the last of them
SELECT at, pg_temp.tick(at::timestamptz)
  FROM unnest(ARRAY['2099-02-11 15:00', '2099-02-11 15:05', '2099-02-15', '2099-02-16 07:00']) AS at;
SELECT l.name, r.due_at, r.as_of, r.attempts, r.finished IS NOT NULL AS finished, r.error, r.due_at = l.done_through AS latest
  FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id) WHERE l.name <> 'new york' ORDER BY r.due_at, l.name;
SELECT leadflow.run_list(list_id, '2099-02-16 07:00', '2099-02-16 07:00') AS run
  FROM leadflow.list WHERE name = 'weekly';
ROLLBACK;

-- lists due together run in the order in which they refer to each other, through saved segments too
BEGIN;
DELETE FROM leadflow.list;
INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, 4) AS n;
SELECT count(leadflow.create_list(name)) AS made FROM unnest(ARRAY['first', 'second', 'third', 'around', 'about']) AS name;
SELECT leadflow.save_segment('seconds', 'list(''second'') and lead(lead_id >= 3)');
UPDATE leadflow.list SET cadence = 'daily at 07:00', created_at = '2099-01-01', priority = list.list_id,
       segment = CASE name WHEN 'first' THEN 'lead(lead_id >= 2)' WHEN 'second' THEN 'list(''first'')' WHEN 'third' THEN 'segment(''seconds'')'
                           WHEN 'around' THEN 'list(''about'')' ELSE 'list(''around'')' END::leadflow.segment;
SELECT name FROM pg_temp.due('2099-01-02');
SELECT pg_temp.tick('2099-01-02');
SELECT pg_temp.members(name) FROM leadflow.list WHERE name IN ('first', 'second', 'third') ORDER BY list_id;

-- without references the more important goes first
UPDATE leadflow.list SET segment = 'everyone';
SELECT string_agg(name, ', ') FROM pg_temp.due('2099-01-03');
ROLLBACK;

-- a failed run is tried again, after a pause that grows to a day
BEGIN;
DELETE FROM leadflow.list;
SELECT leadflow.create_list('first', 'everyone', 'weekly on monday at 07:00') > 0 AS made;
UPDATE leadflow.list SET created_at = '2099-01-07';
INSERT INTO leadflow.refresh_run (list_id, due_at, as_of, started, error)
SELECT list_id, '2099-01-12 07:00', '2099-01-12 12:00', now(), 'failed' FROM leadflow.list;
CREATE FUNCTION pg_temp.pause(attempts int) RETURNS interval LANGUAGE sql AS $$
    UPDATE leadflow.refresh_run SET attempts = pause.attempts;
    SELECT minutes * interval '1 minute' FROM generate_series(1, 2000) AS minutes
     WHERE EXISTS (SELECT FROM leadflow.due_lists('2099-01-12 12:00'::timestamptz + minutes * interval '1 minute')) LIMIT 1
$$;
SELECT attempts, pg_temp.pause(attempts) FROM unnest(ARRAY[1, 2, 3, 9, 10, 1000000]) AS attempts;
SELECT pg_temp.tick('2099-01-13 11:59'), pg_temp.tick('2099-01-13 12:00');
SELECT due_at, as_of, attempts, finished IS NOT NULL AS finished, error FROM leadflow.refresh_run;
ROLLBACK;

-- a continuous list is due at every tick; runs that change nothing leave one line
BEGIN;
DELETE FROM leadflow.list;
INSERT INTO leadflow.rep (name, email) VALUES ('sato', 'sato@example.jp');
INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, 3) AS n;
SELECT leadflow.create_list('now', 'visit(pages >= 15 and visited_at within 1 day)', 'continuous') > 0 AS made;
UPDATE leadflow.list SET created_at = '2098-12-31';
SELECT leadflow.create_rule('at once', '{"enters": "now"}', '[{"notify": "sato", "subject": "came in"}]') > 0 AS made;
SELECT at, pg_temp.tick(at::timestamptz) FROM unnest(ARRAY['2099-01-01 00:00:30', '2099-01-01 00:00:59', '2099-01-01 00:01', '2099-01-01 00:05:02']) AS at;
INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (2, '2099-01-01 00:07', 20);
SELECT at, pg_temp.tick(at::timestamptz), pg_temp.members('now') FROM unnest(ARRAY['2099-01-01 00:06', '2099-01-01 00:10', '2099-01-01 00:15', '2099-01-01 00:20']) AS at;
SELECT due_at, as_of, attempts, added, removed, kept FROM leadflow.refresh_run ORDER BY run_id;
SELECT kind, subject, lead_id, due_at <= '2099-01-01 00:10' AS at_once FROM leadflow.notification WHERE subject = 'came in';
-- one that fails is tried again as others are, on one line
INSERT INTO leadflow.refresh_run (list_id, due_at, as_of, started, error, attempts)
SELECT list_id, '2099-01-01 00:25', '2099-01-01 00:26', now(), 'failed', 4 FROM leadflow.list;
SELECT at, (SELECT d.due_at FROM pg_temp.due(at::timestamptz) AS d) FROM unnest(ARRAY['2099-01-01 00:30', '2099-01-01 01:05', '2099-01-01 01:06']) AS at;
SELECT at, pg_temp.tick(at::timestamptz) FROM unnest(ARRAY['2099-01-01 01:07', '2099-01-01 01:07', '2099-01-01 01:07:59']) AS at;
SELECT due_at, as_of, attempts, error FROM leadflow.refresh_run ORDER BY run_id DESC LIMIT 2;
ROLLBACK;

-- reminders: for each list, at their own time, and only on the day itself
BEGIN;
CREATE FUNCTION pg_temp.remind(at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before text[] := ARRAY(SELECT format('%s %s %s', schedule, list_id, day) FROM leadflow.schedule_run);
BEGIN
    PERFORM leadflow.run_reminder(name, remind.at) FROM leadflow.schedule;
    RETURN (SELECT string_agg(format('%s %s', schedule, count), ', ' ORDER BY schedule COLLATE "C")
              FROM (SELECT schedule, count(*) FROM leadflow.schedule_run
                     WHERE format('%s %s %s', schedule, list_id, day) <> ALL (before) GROUP BY schedule) AS r);
END $$;
DELETE FROM leadflow.list WHERE name <> 'HOTリードリスト';
SELECT leadflow.create_list('new york', zone => 'America/New_York') > 0 AS made;
UPDATE leadflow.list SET created_at = '2099-01-01', cadence = NULL;
UPDATE leadflow.schedule SET created_at = '2099-01-01';
SELECT at, pg_temp.remind(at::timestamptz)
  FROM unnest(ARRAY['2099-01-01 07:59', '2099-01-01 08:00', '2099-01-01 08:00', '2099-01-01 22:59', '2099-01-01 23:00', '2099-01-02 00:00', '2099-01-02 07:59',
                    '2099-01-02 17:00', '2099-01-03 14:00', '2099-01-06 07:00', '2099-01-06 08:00', '2099-01-09 00:00']) AS at;
SELECT schedule, array_agg(to_char(due_at, 'MM-DD HH24:MI') ORDER BY due_at, list_id) AS due FROM leadflow.schedule_run GROUP BY schedule ORDER BY schedule COLLATE "C";
-- a cadence that is changed, or comes round more often, makes no second one that day; a list is reminded of from when it is there
UPDATE leadflow.schedule SET cadence = 'hourly' WHERE kind = 'due_tomorrow';
SELECT leadflow.create_list('later') > 0 AS made;
UPDATE leadflow.list SET created_at = '2099-01-09 10:30' WHERE name = 'later';
SELECT at, pg_temp.remind(at::timestamptz) FROM unnest(ARRAY['2099-01-09 09:00', '2099-01-09 10:00', '2099-01-09 11:00', '2099-01-09 12:00']) AS at;
-- a refresh that is due comes first, unless it has failed
UPDATE leadflow.list SET segment = 'everyone', cadence = 'daily at 07:00' WHERE name IN ('later', 'new york');
INSERT INTO leadflow.refresh_run (list_id, due_at, as_of, started, error) SELECT list_id, '2099-01-10 07:00', '2099-01-10 07:00', now(), 'failed' FROM leadflow.list WHERE name = 'later';
SELECT pg_temp.remind('2099-01-10 12:00') AS failed_and_by_hand, pg_temp.remind('2099-01-10 22:00') AS none_yet, pg_temp.tick('2099-01-10 22:00'), pg_temp.remind('2099-01-10 22:00') AS refreshed;
UPDATE leadflow.schedule SET enabled = false;
SELECT pg_temp.remind('2099-01-11 17:00');
-- an announcement has to fit into a notification
INSERT INTO leadflow.schedule (name, kind, cadence, created_at) VALUES (repeat(E'\x01', 200), 'none_left', 'hourly', '2099-01-01');
SELECT count(pg_temp.remind('2099-01-09 17:00'));
SELECT pg_temp.refused($$INSERT INTO leadflow.schedule (name, kind, cadence) VALUES (repeat('あ', 201), 'none_left', 'hourly')$$) LIKE '23514 %' AS refused;
ROLLBACK;
