-- What a leadset takes, and set algebra against bigint[].

CREATE TEMPORARY TABLE sized AS
SELECT what, leadflow.leadset_agg(id) AS leads
  FROM (SELECT 'every lead of 1M' AS what, i AS id FROM generate_series(1, 1000000) AS i
        UNION ALL
        SELECT 'one in 3 of 1M, scattered', i FROM generate_series(1, 1000000) AS i WHERE hashint4(i) % 3 = 0
        UNION ALL
        SELECT 'one in 100 of 1M, scattered', i FROM generate_series(1, 1000000) AS i WHERE hashint4(i) % 100 = 0) AS s
 GROUP BY what;

SELECT what, leadflow.cardinality(leads) AS leads, pg_column_size(leads) AS bytes,
       round(pg_column_size(leads)::numeric / leadflow.cardinality(leads), 3) AS bytes_per_lead,
       round(8.0 * leadflow.cardinality(leads) / pg_column_size(leads), 1) AS times_smaller_than_bigint
  FROM sized ORDER BY 2 DESC;

CREATE TABLE public.sets AS
SELECT leadflow.leadset_agg(id) AS leads, array_agg(id) AS ids
  FROM generate_series(1, 2) AS s, generate_series(1, 1000000) AS id
 WHERE hashint4(id::int * 7 + s) % 10 = 0
 GROUP BY s;

CALL public.measure('intersection of two sets of 100k / the same of bigint[]',
    'SELECT leadflow.cardinality(leadflow.intersect_agg(leads)) FROM public.sets',
    'SELECT count(*) FROM (SELECT unnest(ids) FROM (SELECT ids FROM public.sets LIMIT 1) a
      INTERSECT SELECT unnest(ids) FROM (SELECT ids FROM public.sets OFFSET 1) b) AS i', '');

-- As the days of a window are put together.
CREATE TABLE public.days AS
SELECT leadflow.leadset_agg(id) AS leads, array_agg(id) AS ids
  FROM generate_series(1, 30) AS day, generate_series(1, 1000000) AS id
 WHERE hashint4(id::int * 37 + day) % 100 = 0
 GROUP BY day;

CALL public.measure('union of 30 sets of 10k / the same of bigint[]',
    'SELECT leadflow.cardinality(leadflow.union_agg(leads)) FROM public.days',
    'SELECT count(DISTINCT id) FROM public.days, unnest(ids) AS id', 'under 5 ms');

-- What is asked of a stored set without reading all of it.
CREATE TABLE public.big AS
SELECT leadflow.leadset_agg(id) AS leads FROM generate_series(1, 10000000) AS id WHERE hashint4(id) % 3 = 0;

CALL public.measure('contains, of a stored set of 3.3M / decoding it',
    'SELECT leadflow.contains(leads, 5000000) FROM public.big',
    $$SELECT leadflow.contains(leads OPERATOR(leadflow.|) '{}', 5000000) FROM public.big$$, '');
CALL public.measure('contains, of 100k ids one after the other / decoding it and a hash join',
    'SELECT count(*) FROM public.big, generate_series(1, 100000) AS id WHERE leadflow.contains(leads, id)',
    'SELECT count(*) FROM generate_series(1, 100000) AS id WHERE id IN (SELECT leadflow.unnest(leads) FROM public.big)', '');
CALL public.measure('cardinality, min_id and max_id of it / decoding it',
    'SELECT leadflow.cardinality(leads), leadflow.min_id(leads), leadflow.max_id(leads) FROM public.big',
    $$SELECT leadflow.cardinality(s), leadflow.min_id(s), leadflow.max_id(s) FROM (SELECT leads OPERATOR(leadflow.|) '{}' AS s FROM public.big OFFSET 0) AS decoded$$, '');
