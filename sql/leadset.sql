SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
RESET client_min_messages;
SET search_path = leadflow, public;

-- Text: any order, white space, duplicates and overlaps in; canonical out.
SELECT '{}'::leadset, ' { } '::leadset, '{7}'::leadset, '{1,2,5-9}'::leadset;
SELECT '{9, 5 - 8,2,1,6-7,2}'::leadset AS any_order,
       '{1,2}'::leadset AS two, '{1,2,3}'::leadset AS three, '{007}'::leadset AS zeros;
-- Ranges go on across containers, bitmaps and up to the last id.
SELECT '{65530-65545,4294967290-4294967300,0,9223372036854775806,9223372036854775807}'::leadset;
SELECT '{9223372036854775805-9223372036854775807}'::leadset;
-- A long range, some thousand ids alone and a range again, all in one container.
SELECT cardinality(s), contains(s, 90) AND contains(s, 4000) AND contains(s, 60090) AS yes, s::text::leadset = s AS same
  FROM (SELECT ('{0-99,60000-60099}'::leadset::bigint[] || array_agg(i * 2))::leadset AS s
          FROM generate_series(100, 2999) AS i) AS v;

-- What is not a set.
SELECT ''::leadset;
SELECT '1,2'::leadset;
SELECT '{1'::leadset;
SELECT '{1,}'::leadset;
SELECT '{1 2}'::leadset;
SELECT '{a}'::leadset;
SELECT '{é}'::leadset;
SELECT '{1,é}'::leadset;
SELECT '{1,2}, {3}'::leadset;
SELECT '{1-}'::leadset;
SELECT '{--1}'::leadset;
SELECT '{10, 7-5}'::leadset;
SELECT ('{' || repeat('1,', 100) || 'x}')::leadset;
SELECT '{-5}'::leadset;
SELECT '{1--5}'::leadset;
SELECT '{9223372036854775808}'::leadset;
SELECT '{0-9223372036854775807}'::leadset;
SELECT ('{' || string_agg(i || '-' || i + 1000000000000, ',') || '}')::leadset
  FROM generate_series(0, 1000000000000000, 2000000000000) AS i;
-- Larger than it looks: cheap to store, but not as text or as an array.
SELECT cardinality('{0-99999999999}'::leadset);
SELECT '{0-99999999999}'::leadset::bigint[];

-- Algebra.
\set a '''{1-10,4294967296,9223372036854775807}''::leadset'
\set b '''{5-15,4294967297,9223372036854775807}''::leadset'
SELECT :a | :b AS union, :a & :b AS intersection;
SELECT :a - :b AS difference, :a # :b AS symmetric_difference;
SELECT :a | '{}' AS union, :a & '{}' AS intersection, :a - '{}' AS difference, '{}' - :a AS difference, :a # :a AS nothing;
SELECT ((:a | :b) - (:a # :b)) = (:a & :b) AS nested;

SELECT :a @> '{2,3}' AS yes, :a @> :b AS no, :a @> '{}' AS yes, '{}'::leadset @> '{}' AS yes, '{}'::leadset @> :a AS no;
SELECT '{2,3}' <@ :a AS yes, :b <@ :a AS no;
SELECT :a && :b AS yes, :a && '{11,4294967297}' AS no, :a && '{}' AS no;
SELECT :a = :a AS yes, :a = :b AS no, :a <> :b AS yes, '{1-3}'::leadset = '{3,2,1}' AS yes;

-- Reading.
SELECT contains(:a, 1), contains(:a, 9223372036854775807), contains(:a, 0) AS no, contains(:a, -1) AS no, contains(:a, 4294967297) AS no;
SELECT contains(:a | :b, 15), contains(:a - :b, 15) AS no;
SELECT count(*) FILTER (WHERE contains(s, i)), min(cardinality(s))
  FROM (SELECT leadset_agg(i * 3) AS s FROM generate_series(0, 99999) AS i) AS dense,
       generate_series(0, 299999) AS i;
SELECT cardinality(:a), cardinality(:a | :b), cardinality('{}'::leadset);
SELECT unnest('{3,1,4294967295-4294967297}'::leadset);
SELECT unnest('{0-99999999999}'::leadset) LIMIT 2;
SELECT contains(NULL, 1), cardinality(NULL::leadset), NULL | :a AS null;

-- The planner knows how many rows come of a set that it can see.
CREATE FUNCTION estimate(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END
$$;
SELECT estimate($$SELECT * FROM leadflow.unnest('{1-12345}')$$) AS known,
       estimate($$SELECT * FROM leadflow.unnest('{1-12345}'::leadflow.leadset - '{1-345}')$$) AS folded,
       estimate($$SELECT * FROM leadflow.unnest((SELECT '{1}'::leadflow.leadset OFFSET 0))$$) AS not_known;

-- Arrays.
SELECT '{3,NULL,1,2,3}'::bigint[]::leadset, '{}'::bigint[]::leadset, '{{5,6},{6,7}}'::bigint[]::leadset;
SELECT :a::bigint[], '{}'::leadset::bigint[];
SELECT '{1,-1}'::bigint[]::leadset;
CREATE TEMP TABLE kept (s leadset);
INSERT INTO kept VALUES (ARRAY[2, 1, 3]::bigint[]), ('{}'), (NULL);
SELECT * FROM kept;

-- Aggregates, of nothing and of nulls too.
SELECT leadset_agg(i) FROM (VALUES (3::bigint), (NULL), (1), (2), (3)) AS v (i);
SELECT leadset_agg(i), union_agg(ARRAY[i]::leadset), intersect_agg(ARRAY[i]::leadset) FROM (SELECT 1::bigint WHERE false) AS v (i);
SELECT union_agg(s), intersect_agg(s) FROM (VALUES (NULL::leadset)) AS v (s);
SELECT union_agg(s), intersect_agg(s) FROM (VALUES (:a), (NULL), (:b)) AS v (s);
SELECT leadset_agg(i) FROM (VALUES (1::bigint), (-2)) AS v (i);
SELECT i % 3 AS third, leadset_agg(i) FROM generate_series(1, 9) AS i GROUP BY 1 ORDER BY 1;
-- Two uses of one state, and a state that is used before it is complete.
SELECT leadset_agg(i) | '{100}', leadset_agg(i) - '{1}', leadset_agg(i) FROM generate_series(1, 5) AS i;
SELECT i, leadset_agg(i) OVER (ORDER BY i DESC), cardinality(leadset_agg(i) OVER (ORDER BY i)),
       union_agg(ARRAY[i]::leadset) OVER (ORDER BY i) # '{1}' AS without_1,
       intersect_agg(ARRAY[i, i + 1, 3]::leadset) OVER (ORDER BY i)
  FROM generate_series(1::bigint, 4) AS i;
SELECT leadset_agg(i) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM generate_series(1, 4) AS i;

-- A variable is not altered by what is made of it.
DO $$
DECLARE
    s leadflow.leadset := '{1}'::leadflow.leadset | '{2}';
    t leadflow.leadset := s;
    u leadflow.leadset;
BEGIN
    u := leadflow.leadset_add(s, 3) | '{4}';
    s := s - '{1}';
    RAISE NOTICE '% % %', s, t, u;
END
$$;

-- Order, as of the arrays, and hash: {} < {1} < {1,2} < {1,3} < {2}.
CREATE TEMP TABLE ordered AS
SELECT s::leadset FROM unnest('{"{}","{1}","{1,2}","{1-3}","{1-4}","{1-3,5}","{1,3}","{2}","{65535}","{65535-65536}","{4294967295-4294967297}","{9223372036854775807}"}'::text[]) AS s;
SELECT string_agg(s::text, ' < ' ORDER BY s) FROM ordered;
SELECT count(*) AS wrong FROM ordered AS a, ordered AS b
 WHERE (a.s < b.s) <> (a.s::bigint[] < b.s::bigint[]) OR (a.s <= b.s) <> (a.s::bigint[] <= b.s::bigint[])
    OR (a.s > b.s) <> (a.s::bigint[] > b.s::bigint[]) OR (a.s >= b.s) <> (a.s::bigint[] >= b.s::bigint[])
    OR leadset_cmp(a.s, b.s) <> btarraycmp(a.s::bigint[], b.s::bigint[]);
SELECT s, count(*) FROM (SELECT s FROM ordered UNION ALL SELECT (s | '{1}') - '{2}' FROM ordered) AS twice GROUP BY s HAVING count(*) > 2 ORDER BY s DESC;
SELECT count(DISTINCT s), count(DISTINCT leadset_hash(s)), count(DISTINCT leadset_hash_extended(s, 1)), bool_and(leadset_hash(s) = leadset_hash_extended(s, 0)::bit(32)::int) FROM ordered;
CREATE UNIQUE INDEX ordered_s ON ordered (s);
INSERT INTO ordered VALUES ('{2,1}');
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM ordered WHERE s >= '{1,3}' ORDER BY s DESC;
SELECT * FROM ordered WHERE s >= '{1,3}' ORDER BY s DESC LIMIT 2;
DROP INDEX ordered_s;
CREATE INDEX ON ordered USING hash (s);
EXPLAIN (COSTS OFF) SELECT * FROM ordered WHERE s = '{3,2,1}';
SELECT * FROM ordered WHERE s = '{3,2,1}';
RESET enable_seqscan;
-- A set too long for a btree has its place in a hash index.
CREATE TEMP TABLE long AS SELECT leadset_agg(i * 7) AS s FROM generate_series(1, 100000) AS i;
CREATE INDEX ON long (s);
CREATE INDEX ON long USING hash (s);
EXPLAIN (COSTS OFF) SELECT a.s FROM ordered AS a JOIN long AS b ON a.s = b.s;

-- The ends, and whether there are any.
SELECT s, is_empty(s), min_id(s), max_id(s) FROM ordered ORDER BY s;
SELECT is_empty(s - s), is_empty(s | '{0}'), min_id(s | '{0}'), max_id(s - '{2}'), max_id(s & '{}') FROM ordered WHERE s IN ('{2}', '{1-3}') ORDER BY s;
-- Of a stored set, what is asked for is read where it lies, in one piece or
-- in many; wherever it is, it answers alike.
CREATE TEMP TABLE stored AS
SELECT what, leadset_agg(id) AS s
  FROM (SELECT 'array', i * 100::bigint FROM generate_series(1, 100000) AS i
        UNION ALL SELECT 'bitset', i * 2::bigint FROM generate_series(1, 300000) AS i
        UNION ALL SELECT 'run', i + i / 100 * 50::bigint FROM generate_series(1, 300000) AS i
        UNION ALL SELECT 'few runs', i / 60000 * 70000::bigint + i FROM generate_series(1, 180000) AS i
        UNION ALL SELECT 'few runs', 65536::bigint * 50 + i * 3 FROM generate_series(1, 5000) AS i
        UNION ALL SELECT 'bitmaps', i * 1234567890::bigint FROM generate_series(1, 20000) AS i) AS ids (what, id)
 GROUP BY what;
CREATE TEMP TABLE compressed (LIKE stored);
ALTER TABLE compressed ALTER s SET STORAGE extended;
INSERT INTO compressed SELECT what, s | '{}' FROM stored;
SELECT what, pg_column_size(a.s) > 2000 AS toasted, pg_column_size(b.s) < pg_column_size(a.s) AS compressed,
       cardinality(a.s), min_id(a.s), max_id(a.s), a.s = b.s AS same,
       cardinality(a.s) = cardinality(b.s) AND min_id(a.s) = min_id(b.s) AND max_id(a.s) = max_id(b.s) AS alike,
       cardinality(a.s) = cardinality(a.s | '{}') AND min_id(a.s) = min_id(a.s | '{}') AND max_id(a.s) = max_id(a.s | '{}') AS as_expanded
  FROM stored AS a JOIN compressed AS b USING (what) ORDER BY what;
-- One row after the other, so nothing is kept; and in a row, so all is.
SELECT count(*) AS differ
  FROM (SELECT id, what, contains(s, id) FROM (SELECT max_id(s) / 40 * i + i % 7 AS id FROM stored, generate_series(-1, 41) AS i) AS ids, LATERAL (SELECT what, s FROM stored OFFSET 0) AS each
        EXCEPT SELECT id, what, contains(s, id) FROM (SELECT max_id(s) / 40 * i + i % 7 AS id FROM stored, generate_series(-1, 41) AS i) AS ids, compressed) AS d;
SET work_mem = '64kB';
SELECT what, count(*), count(*) FILTER (WHERE contains(s, id)) FROM stored, unnest(s) WITH ORDINALITY AS u (id, n) WHERE n % 50 = 0 GROUP BY what ORDER BY what;
RESET work_mem;

-- Bytes: those of Roaring libraries for 64 bits.
SELECT s::bytea, s::bytea::leadset = s AS same FROM (VALUES ('{}'::leadset), ('{1-3,5}'), ('{1-100,4294967296,9223372036854775807}')) AS v (s);
SELECT leadset_send('{1-3,5}');
-- Other encodings than ours are read, and kept in ours.
SELECT leadset(bytes), leadset(bytes)::bytea = bytes AS ours
  FROM unnest('{"\\x0100000000000000000000003a3000000100000000000300100000000100020003000400","\\x0100000000000000000000003b3000000100000100010001000100"}'::bytea[]) AS bytes;
-- What is no set. (The binary form of COPY takes ours alone.)
\pset format unaligned
CREATE FUNCTION refused(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    RETURN leadflow.leadset(bytes);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN format('%s %s %s', SQLSTATE, SQLERRM, detail);
END
$$;
SELECT what, refused(decode(replace(bytes, ' ', ''), 'hex'))
  FROM (VALUES ('nothing', ''), ('no bitmap', '0100000000000000'), ('more bitmaps than bytes', 'ffffffffffffffff 00000000 3a300000'), ('bytes too many', '0000000000000000 00'),
    ('high word', '0100000000000000 00000080 3a300000 01000000 0000 0000 10000000 0100'),
    ('high words', '0200000000000000 01000000 3a300000 01000000 0000 0000 10000000 0100 01000000 3a300000 01000000 0000 0000 10000000 0100'),
    ('cookie', '0100000000000000 00000000 3c300000 01000000 0000 0000 10000000 0100'),
    ('no containers', '0100000000000000 00000000 3a300000 00000000 0000 0000 10000000 0100'),
    ('too many containers', '0100000000000000 00000000 3a300000 01000100 0000 0000 10000000 0100'),
    ('header cut off', '0100000000000000 00000000 3a300000 ffff0000 0000 0000 10000000 0100'),
    ('offset', '0100000000000000 00000000 3a300000 01000000 0000 0000 11000000 0100'),
    ('keys', '0100000000000000 00000000 3a300000 02000000 0000 0000 0000 0000 18000000 1a000000 0100 0200'),
    ('array', '0100000000000000 00000000 3a300000 01000000 0000 0100 10000000 0100 0100'),
    ('array cut off', '0100000000000000 00000000 3a300000 01000000 0000 0100 10000000 0100'),
    ('bitset cut off', '0100000000000000 00000000 3a300000 01000000 0000 ffff 10000000 0100'),
    ('bitset', '0100000000000000 00000000 3a300000 01000000 0000 ffff 10000000' || repeat('ff', 8191) || '7f'),
    ('run flags', '0100000000000000 00000000 3b300000 03 0000 0200 0100 0100 0200'),
    ('no runs', '0100000000000000 00000000 3b300000 01 0000 0200 0000'),
    ('runs cut off', '0100000000000000 00000000 3b300000 01 0000 0200 0200 0100 0200'),
    ('run out of range', '0100000000000000 00000000 3b300000 01 0000 0200 0100 feff 0200'),
    ('length of runs', '0100000000000000 00000000 3b300000 01 0000 0300 0100 0100 0200'),
    ('runs that meet', '0100000000000000 00000000 3b300000 01 0000 0500 0200 0100 0200 0400 0200')) AS v (what, bytes);
\pset format aligned
CREATE TEMP TABLE received (LIKE ordered);
\copy ordered to 'results/leadset.copy' (format binary)
\copy received from 'results/leadset.copy' (format binary)
SELECT count(*) AS sent, (SELECT count(*) FROM received) AS received, (SELECT count(*) FROM ordered JOIN received USING (s)) AS same FROM ordered;

DROP FUNCTION refused;
DROP FUNCTION estimate;
RESET search_path;
