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
