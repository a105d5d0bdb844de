-- What is kept of conditions by day: that it is used, by whom, and when not.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
SET timezone = 'UTC';
SET search_path = '';

CREATE TABLE public.rolled (id bigserial PRIMARY KEY, lead_id bigint NOT NULL, at timestamptz, n int);
CREATE INDEX ON public.rolled (at);
SELECT leadflow.register_source('rolled', 'public.rolled', 'lead_id', 'id', 'at');
INSERT INTO leadflow.lead (lead_id, created_at) SELECT i, '2020-01-01' FROM generate_series(9001, 9005) AS i;
INSERT INTO public.rolled (lead_id, at, n) SELECT 9001 + i % 4, timestamptz '2020-05-01 03:00+09' + i * interval '1 day', i FROM generate_series(1, 30) AS i;
INSERT INTO public.rolled (lead_id, at, n) VALUES (9005, NULL, 99);
SELECT leadflow.save_segment('rolled', 'rolled(n > 20 and at within 10 days)');
SELECT leadflow.save_segment('rolled sum', 'sum(rolled.n where at within 10 days) >= 50');
SELECT leadflow.save_segment('rolled ever', 'rolled(n > 90)');
SELECT leadflow.save_segment('rolled last', 'max(rolled.at) at least 3 days ago and not last(rolled)(n = 27)');

-- how the conditions on that source are got, and who meets them
CREATE FUNCTION public.ways(OUT name text, OUT way text, OUT leads leadflow.leadset) RETURNS SETOF record
LANGUAGE sql AS $$
    SELECT s.name, string_agg(CASE WHEN e.way = 'known' THEN 'known' ELSE 'read' END, ', ' ORDER BY e.part), leadflow.evaluate(s.segment, '2020-05-31 12:00+09')
      FROM leadflow.saved_segment AS s, leadflow.explain_segment(s.segment, '2020-05-31 12:00+09') AS e
     WHERE s.name LIKE 'rolled%' AND e.part LIKE '%rolled%' GROUP BY s.name, s.segment ORDER BY s.name $$;
SELECT * FROM public.ways();
CALL leadflow.build_rollups('2020-06-01');
SELECT * FROM public.ways();
SELECT condition, kind, complete, sealed_through, marks, waits_for, faults FROM leadflow.rollup_progress
 WHERE relation = 'public.rolled'::regclass ORDER BY condition;

-- writes: to days that are kept, and to the present; the mark goes with the next build
INSERT INTO public.rolled (lead_id, at, n) VALUES (9005, '2020-05-30 12:00+09', 60);
INSERT INTO public.rolled (lead_id, at, n) VALUES (9004, '2020-06-30 12:00+09', 60);
SELECT days, leads FROM leadflow.rollup_dirty ORDER BY dirty_id;
SELECT * FROM public.ways();
CALL leadflow.build_rollups('2020-06-01');
SELECT count(*) FROM leadflow.rollup_dirty;
SELECT * FROM public.ways();

-- not used: when turned off, in a trigger, by others than the owner
SET leadflow.use_rollups = off;
SELECT * FROM public.ways();
RESET leadflow.use_rollups;
CREATE TABLE public.fires (way text);
CREATE FUNCTION public.fires() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT w.way INTO NEW.way FROM public.ways() AS w LIMIT 1;
    RETURN NEW;
END $$;
CREATE TRIGGER fires BEFORE INSERT ON public.fires FOR EACH ROW EXECUTE FUNCTION public.fires();
INSERT INTO public.fires VALUES (NULL) RETURNING way;
CREATE ROLE rollup_reader;
GRANT USAGE ON SCHEMA leadflow TO rollup_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO rollup_reader;
GRANT SELECT ON public.rolled TO rollup_reader;
SET ROLE rollup_reader;
SELECT * FROM public.ways();
SELECT leadflow.plan_rollups();
RESET ROLE;
-- who may write records needs no rights on what is kept
GRANT INSERT ON public.rolled TO rollup_reader;
GRANT USAGE ON SEQUENCE public.rolled_id_seq TO rollup_reader;
SET ROLE rollup_reader;
INSERT INTO public.rolled (lead_id, at, n) VALUES (9003, '2020-05-30 12:00+09', 70);
RESET ROLE;
SELECT leads FROM leadflow.rollup_dirty;

-- not used: past the triggers, until built anew
ALTER TABLE public.rolled DISABLE TRIGGER ALL;
DELETE FROM public.rolled WHERE lead_id = 9005;
ALTER TABLE public.rolled ENABLE TRIGGER ALL;
SELECT * FROM public.ways();
CALL leadflow.build_rollups('2020-06-01');
SELECT * FROM public.ways();
ALTER TABLE public.rolled ALTER n TYPE int USING -n;
SELECT * FROM public.ways();
CALL leadflow.build_rollups('2020-06-01');
SELECT * FROM public.ways();

-- written to while a new condition takes in the days that are folded for others
INSERT INTO public.rolled (lead_id, at, n) SELECT 9001 + i % 5, timestamptz '2019-05-01 03:00+09' + i * interval '3 days', i FROM generate_series(1, 100) AS i;
CALL leadflow.build_rollups('2020-06-01');
SELECT folded_through FROM leadflow.rollup_source WHERE relation = 'public.rolled'::regclass;
SELECT leadflow.save_segment('rolled new', 'rolled(n = 2) and count(rolled where n = 2) >= 1');
SELECT leadflow.plan_rollups('2020-06-01') > 0 AS planned;
SELECT leadflow.settle_rollups();
SELECT leadflow.build_rollup_batch();
SELECT leadflow.build_rollup_batch();
SELECT kind, complete, sealed_through FROM leadflow.rollup_progress WHERE relation = 'public.rolled'::regclass AND condition LIKE '%r.n = 2%';
DELETE FROM public.rolled WHERE n = 2;
CALL leadflow.build_rollups('2020-06-01');
SELECT w.name, w.way, w.leads FROM public.ways() AS w WHERE w.name = 'rolled new';
DELETE FROM leadflow.saved_segment WHERE name = 'rolled new';
DELETE FROM public.rolled WHERE at < '2020-05-01';
CALL leadflow.build_rollups('2020-06-01');

-- a fault is found, reported, and mended
UPDATE leadflow.rollup AS r SET leads = '{7}' FROM leadflow.rollup_atom AS a
 WHERE a.atom_id = r.atom_id AND a.condition = 'r.n > 90';
INSERT INTO leadflow.rollup (atom_id, first_day, last_day, leads)
SELECT atom_id, 'infinity', 'infinity', '{7}' FROM leadflow.rollup_atom WHERE condition = 'r.n > 90';
DO $$
BEGIN
    FOR i IN 1 .. 200 LOOP
        PERFORM leadflow.verify_rollups(1000);
        EXIT WHEN EXISTS (SELECT FROM leadflow.rollup_atom WHERE faults > 0);
    END LOOP;
END $$;
SELECT condition, complete, faults, last_fault FROM leadflow.rollup_progress WHERE faults > 0;
CALL leadflow.build_rollups('2020-06-01');
SELECT count(*) FROM leadflow.verify_rollups(1000) WHERE wrong OPERATOR(leadflow.<>) '{}';
CALL leadflow.rebuild_rollups('2020-06-01');
SELECT count(*) > 0 AS kept, sum(bytes) > 0 AS has_size FROM leadflow.rollup_size WHERE relation = 'public.rolled'::regclass;

BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT leadflow.build_rollup_batch();
ROLLBACK;
BEGIN;
CALL leadflow.build_rollups();
ROLLBACK;
SELECT leadflow.plan_rollups('-infinity');

-- a source that is not a table is read
CREATE VIEW public.rolled_view AS SELECT * FROM public.rolled;
SELECT leadflow.register_source('rolled view', 'public.rolled_view', 'lead_id', 'id', 'at');
SELECT leadflow.save_segment('rolled by view', '"rolled view"(n < 0 and at within 10 days)');
CALL leadflow.build_rollups('2020-06-01');
SELECT condition, complete, waits_for FROM leadflow.rollup_progress WHERE relation = 'public.rolled_view'::regclass;
SELECT way = 'known' AS known FROM leadflow.explain_segment('segment(''rolled by view'')') WHERE part LIKE '%rolled view%';

DELETE FROM leadflow.saved_segment WHERE name LIKE 'rolled%';
DELETE FROM leadflow.source WHERE name LIKE 'rolled%';
DROP VIEW public.rolled_view;
DROP FUNCTION public.ways();
DROP TABLE public.rolled, public.fires;
DROP FUNCTION public.fires();
DELETE FROM leadflow.lead WHERE lead_id BETWEEN 9001 AND 9005;
CALL leadflow.build_rollups('2020-06-01');
DROP OWNED BY rollup_reader;
DROP ROLE rollup_reader;
DELETE FROM leadflow.rollup; DELETE FROM leadflow.rollup_atom; DELETE FROM leadflow.rollup_source; DELETE FROM leadflow.rollup_dirty;
