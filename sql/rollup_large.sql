-- What is kept of many leads: sets and sums of containers of every kind, far apart.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
SET timezone = 'UTC';

-- all of them, every other, a few, and some beyond 32 bits; on days that share them and days that do not
CREATE TABLE act (lead_id bigint NOT NULL, at timestamptz NOT NULL, n int);
INSERT INTO act
SELECT i, timestamptz '2020-05-01 12:00+09', 1 FROM generate_series(1, 70000) AS i
UNION ALL SELECT 2 * i, timestamptz '2020-05-02 12:00+09', i % 3 FROM generate_series(1, 60000) AS i
UNION ALL SELECT 997 * i, timestamptz '2020-05-03 12:00+09', 40000 FROM generate_series(1, 200) AS i
UNION ALL SELECT 100000 + i, timestamptz '2020-05-03 12:00+09', -1 FROM generate_series(1, 5000) AS i
UNION ALL SELECT (i << 33) + 5, timestamptz '2020-05-04 12:00+09', 2000000000 FROM generate_series(1, 20) AS i
UNION ALL SELECT (i << 33) + 5, timestamptz '2020-05-05 12:00+09', 2000000000 FROM generate_series(10, 30) AS i;
INSERT INTO leadflow.lead (lead_id, created_at) SELECT DISTINCT lead_id, timestamptz '2020-01-01' FROM act;
SELECT leadflow.register_source('act', 'act', 'lead_id', NULL, 'at');
CREATE TABLE large (segment leadflow.segment);
INSERT INTO large VALUES ('act'), ('act(at within 9 days)'), ('act(at within 7 days)'), ('act(n = 1 and at within 8 days)'), ('act(at = ''2020-05-02'') and not act(at within 7 days)'),
    ('sum(act.n) > 1'), ('sum(act.n) < 0'), ('sum(act.n) >= 3000000000'), ('sum(act.n where at within 8 days) in (1, 2, 40002)'), ('count(act) >= 2'), ('count(act where n > 0) between 1 and 2');
SELECT count(leadflow.save_segment('large ' || segment, segment)) FROM large;
CREATE FUNCTION compare() RETURNS TABLE (segment leadflow.segment, way text, leads bigint, as_read boolean) LANGUAGE plpgsql AS $$
DECLARE
    kept leadflow.leadset;
BEGIN
    FOR segment IN SELECT l.segment FROM large AS l ORDER BY l.segment::text LOOP
        SET LOCAL leadflow.use_rollups = on;
        kept := leadflow.evaluate(segment, '2020-05-10 12:00+09');
        SELECT min(CASE WHEN e.way = 'known' THEN 'known' ELSE 'read' END) INTO way FROM leadflow.explain_segment(segment, '2020-05-10 12:00+09') AS e WHERE e.part LIKE '%act%';
        SET LOCAL leadflow.use_rollups = off;
        leads := leadflow.cardinality(kept);
        as_read := kept OPERATOR(leadflow.=) leadflow.evaluate(segment, '2020-05-10 12:00+09');
        RETURN NEXT;
    END LOOP;
END $$;
CALL leadflow.build_rollups('2020-05-11');
SELECT * FROM compare();

-- mended, of a few leads and of more than are worth it
DELETE FROM act WHERE lead_id % 9999 = 0;
UPDATE act SET n = -n WHERE lead_id > 4000000000 AND lead_id % 7 = 0;
CALL leadflow.build_rollups('2020-05-11');
SELECT * FROM compare();
UPDATE act SET n = n + 1 WHERE lead_id % 2 = 0;
CALL leadflow.build_rollups('2020-05-11');
SELECT * FROM compare();
SELECT count(*) FROM leadflow.verify_rollups(1000) WHERE wrong OPERATOR(leadflow.<>) '{}';

-- a query that asks for one lead after the other soon has them all from what is kept, though to read the records were dear
CREATE INDEX act_lead ON act (lead_id);
BEGIN;
UPDATE pg_class SET reltuples = 2e9 WHERE oid = 'act'::regclass;
CREATE FUNCTION ask(kept boolean, OUT leads bigint, OUT probes bigint) LANGUAGE plpgsql AS $$
BEGIN
    probes := -pg_stat_get_xact_numscans('act_lead'::regclass);
    PERFORM set_config('leadflow.use_rollups', kept::text, true);
    SELECT count(*) INTO leads FROM (SELECT lead_id FROM leadflow.lead ORDER BY lead_id LIMIT 1000) AS l
     WHERE leadflow.matches(l.lead_id, 'sum(act.n) > 1', '2020-05-10 12:00+09');
    probes := probes + pg_stat_get_xact_numscans('act_lead'::regclass);
END $$;
SELECT kept, leads, probes < 300 AS few_probes FROM unnest('{t,f}'::boolean[]) AS kept, ask(kept);
ROLLBACK;

DELETE FROM leadflow.saved_segment WHERE name LIKE 'large%';
DELETE FROM leadflow.source WHERE name = 'act';
DROP FUNCTION compare();
DROP TABLE act, large;
SET client_min_messages = warning;
TRUNCATE leadflow.lead CASCADE;
DELETE FROM leadflow.rollup; DELETE FROM leadflow.rollup_atom; DELETE FROM leadflow.rollup_source; DELETE FROM leadflow.rollup_dirty;
