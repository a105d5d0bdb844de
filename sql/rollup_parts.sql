SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'ISO';
INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, 9) AS n;

-- who was in, by what is kept and by the records, and how that came to be known
CREATE FUNCTION clicked(OUT leads leadflow.leadset, OUT is_true boolean, OUT way text) LANGUAGE plpgsql AS $$
DECLARE
    day CONSTANT timestamptz := '2020-03-12 08:00';
    segment CONSTANT leadflow.segment := 'click(n >= 2 and at within 60 days)';
BEGIN
    leads := leadflow.evaluate(segment, day);
    SELECT e.way INTO way FROM leadflow.explain_segment(segment, day) AS e WHERE part LIKE '%click%';
    way := CASE WHEN way = 'known' THEN way ELSE 'read' END;
    SET LOCAL leadflow.use_rollups = off;
    is_true := leads OPERATOR(leadflow.=) leadflow.evaluate(segment, day);
END $$;

-- ---- partitions: each has triggers, and those above it fire for what goes through them
CREATE TABLE click (lead_id bigint, at timestamptz, n int) PARTITION BY RANGE (at);
CREATE TABLE click_1 PARTITION OF click FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
CREATE TABLE click_2 PARTITION OF click FOR VALUES FROM ('2020-02-01') TO ('2020-03-01') PARTITION BY LIST (n);
CREATE TABLE click_2a PARTITION OF click_2 FOR VALUES IN (1, 2, 3);
CREATE TABLE click_2b PARTITION OF click_2 DEFAULT;
CREATE TABLE click_3 PARTITION OF click FOR VALUES FROM ('2020-03-01') TO ('2020-04-01');
INSERT INTO click VALUES (1, '2020-01-20', 2), (2, '2020-02-20', 2), (3, '2020-02-20', 9), (4, '2020-03-02', 3);
SELECT leadflow.register_source('click', 'click', time_column => 'at');
SELECT leadflow.save_segment('clicked', 'click(n >= 2 and at within 60 days)');
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT tgrelid::regclass, count(*), bool_and(tgenabled = 'A') AS always FROM pg_trigger WHERE tgname LIKE 'leadflow\_rollup\_%' AND tgrelid::regclass::text LIKE 'click%' GROUP BY 1 ORDER BY 1::text;
SELECT leads, is_true, way FROM clicked();
-- through the parent, from one partition to another, and past it
INSERT INTO click VALUES (5, '2020-01-21', 2);
UPDATE click SET n = 7 WHERE lead_id = 2;
SELECT leads, is_true, way FROM clicked();
INSERT INTO click_2a VALUES (6, '2020-02-03', 3);
DELETE FROM click_2b WHERE lead_id = 3;
UPDATE click_1 SET lead_id = 7 WHERE lead_id = 1;
SELECT leads, is_true, way, (SELECT count(*) FROM leadflow.rollup_dirty) AS marks FROM clicked();
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way, (SELECT count(*) FROM leadflow.rollup_dirty) AS marks FROM clicked();
-- one emptied by itself; nothing is known until that is worked off
TRUNCATE click_1;
SELECT leads, is_true, way FROM clicked();
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way FROM clicked();
-- a new one is followed from the next tick on, and what is kept stays
CREATE TEMP TABLE built AS SELECT atom_id, sealed_through, built_at FROM leadflow.rollup_atom;
CREATE TABLE click_4 PARTITION OF click FOR VALUES FROM ('2020-04-01') TO ('2020-05-01');
SELECT leads, is_true, way FROM clicked();
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way, NOT EXISTS (TABLE built EXCEPT SELECT atom_id, sealed_through, built_at FROM leadflow.rollup_atom) AS as_before FROM clicked();
SELECT count(*) AS triggers FROM pg_trigger WHERE tgrelid = 'click_4'::regclass;
-- attached with records, detached, attached again with others, dropped
CREATE TABLE click_0 (LIKE click);
INSERT INTO click_0 VALUES (8, '2020-01-15', 5);
DROP TABLE click_1;
SELECT leads, is_true, way FROM clicked();
ALTER TABLE click ATTACH PARTITION click_0 FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
SELECT leads, is_true, way FROM clicked();
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way FROM clicked();
ALTER TABLE click DETACH PARTITION click_0;
SELECT leads, is_true, way FROM clicked();
UPDATE click_0 SET lead_id = 9;
ALTER TABLE click ATTACH PARTITION click_0 FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
SELECT leads, is_true, way FROM clicked();
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way FROM clicked();
DROP TABLE click_2;
SELECT leads, is_true, way FROM clicked();
-- one that no trigger can follow: why, and after that all is well again
CREATE UNLOGGED TABLE click_5 PARTITION OF click FOR VALUES FROM ('2020-05-01') TO ('2020-06-01');
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way, (SELECT DISTINCT waits_for FROM leadflow.rollup_progress WHERE relation = 'click'::regclass) FROM clicked();
DROP TABLE click_5;
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way, (SELECT DISTINCT waits_for FROM leadflow.rollup_progress WHERE relation = 'click'::regclass) FROM clicked();
DROP TABLE click;

-- ---- children: the same, each with its own columns
CREATE TABLE click (lead_id bigint, at timestamptz, n int);
CREATE TABLE web_click (url text) INHERITS (click);
INSERT INTO click VALUES (1, '2020-02-20', 2);
INSERT INTO web_click VALUES (2, '2020-02-20', 2, '/');
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way FROM clicked();
INSERT INTO web_click VALUES (3, '2020-02-21', 2, '/');
UPDATE ONLY click SET n = 1;
SELECT leads, is_true, way FROM clicked();
UPDATE click SET lead_id = lead_id + 3 WHERE n = 2;
SELECT leads, is_true, way FROM clicked();
ALTER TABLE web_click NO INHERIT click;
SELECT leads, is_true, way FROM clicked();
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way FROM clicked();
DROP TABLE web_click, click;

-- ---- without triggers: records that are only added, and by when they have come
CREATE TABLE raw (who int, at timestamptz, n int);
CREATE VIEW click AS SELECT who AS lead_id, at, n FROM raw;
INSERT INTO raw VALUES (1, '2020-02-20', 2), (2, '2020-03-10', 2), (3, NULL, 2);
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way, (SELECT DISTINCT waits_for FROM leadflow.rollup_progress WHERE relation = 'click'::regclass) FROM clicked();
SELECT leadflow.register_source('click', 'click', settles_after => '1 day');
SELECT leadflow.register_source('click', 'click', time_column => 'at', settles_after => '-1 day');
SELECT leadflow.register_source('click', 'click', time_column => 'at', settles_after => '3 days');
SELECT leadflow.save_segment('ever', 'count(click where n >= 2) >= 1');
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT sealed_through, complete, waits_for FROM leadflow.rollup_progress WHERE relation = 'click'::regclass ORDER BY kind;
SELECT leads, is_true, way FROM clicked();
-- in time, and without a time
INSERT INTO raw VALUES (4, '2020-03-09 00:00', 3), (5, NULL, 3);
SELECT leads, is_true, way FROM clicked();
SELECT leadflow.evaluate('segment(''ever'')', '2020-03-12 08:00') AS ever;
SELECT way FROM leadflow.explain_segment('segment(''ever'')', '2020-03-12 08:00') WHERE part LIKE '%count%';
-- too late: not as promised, until all is built anew
INSERT INTO raw VALUES (6, '2020-03-08 23:59', 3);
SELECT leads, is_true, way FROM clicked();
CALL leadflow.rebuild_rollups('2020-03-12 07:00');
SELECT leads, is_true, way FROM clicked();
-- another view is another matter
CREATE OR REPLACE VIEW click AS SELECT who AS lead_id, at, n FROM raw WHERE who <> 2;
SELECT leads, is_true, way FROM clicked();
CALL leadflow.build_rollups('2020-03-12 07:00');
SELECT leads, is_true, way FROM clicked();

DROP VIEW click;
DROP TABLE raw;
DROP FUNCTION clicked();
DELETE FROM leadflow.saved_segment WHERE name IN ('clicked', 'ever');
DELETE FROM leadflow.source WHERE name = 'click';
DELETE FROM leadflow.rollup; DELETE FROM leadflow.rollup_atom; DELETE FROM leadflow.rollup_source; DELETE FROM leadflow.rollup_dirty;
DELETE FROM leadflow.lead;
