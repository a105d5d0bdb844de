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

DROP FUNCTION estimate;
RESET search_path;
