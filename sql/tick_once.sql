-- A tick looks for the leads of all lists that are due at once: what it reads is said by notices.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
SET TimeZone = 'Asia/Tokyo';
\pset format unaligned
\pset tuples_only on

INSERT INTO leadflow.lead (lead_id, created_at) SELECT i, '2000-01-01' FROM generate_series(1, 100) AS i;
CREATE TABLE public.once_record (lead_id bigint, n int, acted_at timestamptz);
INSERT INTO public.once_record SELECT i, i, '2099-01-01' FROM generate_series(1, 100) AS i;
CREATE FUNCTION public.once_read() RETURNS SETOF public.once_record LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'the records are read';
    RETURN QUERY SELECT * FROM public.once_record;
END $$;
CREATE VIEW public.once_view AS SELECT * FROM public.once_read();
SELECT leadflow.register_source('once', 'public.once_view', time_column => 'acted_at');
SELECT count(leadflow.create_list('once ' || i, format('once(n between %s and %s) and once(acted_at within %s days)', i, i + 4, 10 + i)::leadflow.segment, 'daily at 07:00', mode => 'mirror')) FROM generate_series(1, 20) AS i;
CREATE FUNCTION public.once_members() RETURNS TABLE (name text, members text) LANGUAGE sql AS $$
    SELECT l.name, leadflow.leadset_agg(m.lead_id)::text FROM leadflow.list AS l LEFT JOIN leadflow.member AS m ON m.list_id = l.list_id AND m.left_at IS NULL
     WHERE l.name LIKE 'once%' GROUP BY l.list_id, l.name ORDER BY l.list_id
$$;
-- other lists and reminders wait
UPDATE leadflow.list SET created_at = CASE WHEN name LIKE 'once%' THEN '2099-01-01'::timestamptz ELSE '2100-01-01' END;
UPDATE leadflow.schedule SET created_at = '2100-01-01';
SET client_min_messages = notice;

-- a list that was never refreshed is asked for by itself
SELECT string_agg(name, ', ') FROM leadflow.list WHERE CASE name WHEN 'once 20' THEN leadflow.run_list(list_id, '2099-01-01 07:00', '2099-01-01 07:00') END;
INSERT INTO leadflow.refresh_run (list_id, as_of, started, finished) SELECT list_id, '2099-01-01', now(), now() FROM leadflow.list WHERE name LIKE 'once%' AND name <> 'once 2';
-- twenty lists, one reading; each in a run of its own, but the one that is new
CALL leadflow.run_due('2099-01-02 07:00');
SELECT * FROM public.once_members();
SELECT count(*), count(DISTINCT list_id), min(added), max(added), max(attempts), count(error) FROM leadflow.refresh_run WHERE as_of = '2099-01-02 07:00';
-- nothing is due, nothing is read
CALL leadflow.run_due('2099-01-02 07:00');

-- a list of lists waits for them, by way of a saved segment too; then one reading for those that waited
SELECT leadflow.save_segment('once both', 'list(''once 1'') and list(''once 2'')');
SELECT count(leadflow.create_list(name, segment::leadflow.segment, 'daily at 07:00', mode => 'mirror', priority => 5))
  FROM (VALUES ('once not', 'once and not (list(''once 1'') or list(''once 2'')) and once(n < 9)'), ('once both', 'segment(''once both'') and once(n > 0)'), ('once last', 'list(''once not'') and once(n > 3)')) AS l (name, segment);
UPDATE leadflow.list SET created_at = '2099-01-02 08:00' WHERE name IN ('once not', 'once both', 'once last');
INSERT INTO leadflow.refresh_run (list_id, as_of, started, finished) SELECT list_id, '2099-01-01', now(), now() FROM leadflow.list WHERE name IN ('once not', 'once both', 'once last');
UPDATE public.once_record SET n = n + 1;
CALL leadflow.run_due('2099-01-03 07:00');
SELECT * FROM public.once_members() WHERE name IN ('once 1', 'once 2', 'once not', 'once both', 'once last');
SELECT l.name FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id) WHERE as_of = '2099-01-03 07:00' ORDER BY r.run_id;

-- a list that cannot be evaluated stops none of the others, nor that they are read for at once
UPDATE leadflow.list SET segment = 'once(m = 3)' WHERE name = 'once 3';
UPDATE leadflow.list SET zone = 'America/New_York' WHERE name IN ('once 4', 'once 5');
UPDATE leadflow.list SET status = 'closed' WHERE name IN ('once not', 'once both', 'once last');
CALL leadflow.run_due('2099-01-04 23:00');
SELECT l.name, r.error FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id) WHERE as_of = '2099-01-04 23:00' AND error IS NOT NULL;
SELECT count(*) FROM leadflow.refresh_run WHERE as_of = '2099-01-04 23:00' AND finished IS NOT NULL;
-- where the records cannot be read by one, each is left to itself
UPDATE leadflow.list SET status = 'closed' WHERE name LIKE 'once 1_' OR name = 'once 3';
UPDATE public.once_record SET n = NULL WHERE n = 0;
CREATE OR REPLACE VIEW public.once_view AS SELECT lead_id, CASE WHEN lead_id = 50 AND current_setting('leadflow_test.broken', true) = 'yes' THEN 1 / (n - n) ELSE n END AS n, acted_at FROM public.once_read();
SET leadflow_test.broken = 'yes';
CALL leadflow.run_due('2099-01-05 23:00');
SELECT l.name, r.error FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id) WHERE as_of = '2099-01-05 23:00' ORDER BY r.run_id;
RESET leadflow_test.broken;
-- one that takes too long fails, and no other with it
UPDATE leadflow.list SET status = 'closed' WHERE name LIKE 'once%' AND name NOT IN ('once 1', 'once 2');
UPDATE leadflow.list SET segment = 'lead(lead_id < 4)' WHERE name = 'once 1';
CREATE OR REPLACE VIEW public.once_view AS SELECT lead_id, n, acted_at FROM public.once_read() WHERE pg_sleep(30) IS NOT NULL;
SET leadflow.list_timeout = '1s';
CALL leadflow.run_due('2099-01-06 23:00');
SELECT l.name, r.added, r.removed, r.kept, r.error FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id) WHERE as_of = '2099-01-06 23:00' ORDER BY r.run_id;
RESET leadflow.list_timeout;

SET client_min_messages = warning;
DELETE FROM leadflow.member;
DELETE FROM leadflow.refresh_run;
DELETE FROM leadflow.list WHERE name LIKE 'once%';
DELETE FROM leadflow.saved_segment WHERE name = 'once both';
DELETE FROM leadflow.source WHERE name = 'once';
DELETE FROM leadflow.rollup;
DELETE FROM leadflow.rollup_atom;
DELETE FROM leadflow.rollup_source;
DELETE FROM leadflow.rollup_dirty;
DELETE FROM leadflow.lead;
UPDATE leadflow.list SET created_at = now();
UPDATE leadflow.schedule SET created_at = now();
DROP VIEW public.once_view;
DROP FUNCTION public.once_read(), public.once_members();
DROP TABLE public.once_record;
