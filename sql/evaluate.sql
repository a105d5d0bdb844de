-- How segments are evaluated: together, explained, previewed.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
BEGIN;
\pset format unaligned
\pset tuples_only on
SET LOCAL timezone = 'Asia/Tokyo';

INSERT INTO leadflow.lead (lead_id, email, company, email_opt_out, do_not_contact, created_at, deleted_at)
SELECT i, CASE WHEN i % 10 <> 0 THEN 'lead' || i || '@x.jp' WHEN i % 20 = 0 THEN '' END, 'Company ' || i % 7, i % 15 = 0, i % 25 = 0, '2026-01-01', CASE WHEN i > 990 THEN now() END
  FROM generate_series(1, 1000) AS i;
INSERT INTO leadflow.visit (lead_id, visit_id, visited_at, pages)
SELECT i % 997, i, timestamptz '2026-06-10 12:00+09' - i * interval '17 minutes', i % 23 FROM generate_series(1, 20000) AS i WHERE i % 997 BETWEEN 1 AND 1000;
INSERT INTO leadflow.application (lead_id, application_id, applied_at) SELECT i, i, '2026-06-01' FROM generate_series(2, 1000, 2) AS i;
INSERT INTO leadflow.activity (lead_id, activity_id, fields) SELECT i, i, '{"acted_on": "2026-06-01", "kind": "電話", "result": "アーカイブ"}' FROM generate_series(3, 1000, 3) AS i;
ANALYZE leadflow.lead, leadflow.visit, leadflow.application, leadflow.activity;

CREATE FUNCTION pg_temp.at() RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$ SELECT timestamptz '2026-06-10 12:00+09' $$;
-- the leads that the plain query gives
CREATE FUNCTION pg_temp.plain(segment leadflow.segment) RETURNS leadflow.leadset LANGUAGE plpgsql AS $$
DECLARE
    leads leadflow.leadset;
BEGIN
    EXECUTE format('SELECT leadflow.leadset_agg(lead_id) FROM (%s) AS s', leadflow.to_sql(segment)) INTO leads USING pg_temp.at(), 'Asia/Tokyo';
    RETURN leads;
END $$;
CREATE FUNCTION pg_temp.said(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    EXECUTE sql INTO said;
    RETURN said;
EXCEPTION WHEN OTHERS THEN
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM);
END $$;

-- many at once: as each alone, as the plain queries
CREATE TEMPORARY TABLE segments AS
SELECT row_number() OVER () AS n, segment::leadflow.segment FROM unnest(ARRAY[
    'visit(pages >= 15 and visited_at within 30 days)', 'visit(pages >= 15 and visited_at within 30 days) and application', 'visit(pages >= 5 or visited_at today) and not activity',
    'count(visit where visited_at within 30 days) >= 3', 'count(visit where visited_at within 30 days) < 3', 'sum(visit.pages) between 100 and 200', 'sum(visit.pages where pages > 20) = 0', 'avg(visit.pages) > 11.5',
    'max(visit.visited_at) at least 5 days ago', 'min(visit.visited_at) within 300 days and max(visit.pages) <> 22', 'last(visit)(pages >= 10)', 'not first(visit where pages > 3)(pages < 7 or visited_at within 200 days)', 'count(distinct visit.pages) > 15',
    'lead(email is not empty and company contains ''y 3'')', 'lead(company = ''Company 3'' or email is null)', 'everyone', 'no one', 'not lead', 'visit or application or activity', 'not (visit(pages = 4) or not application)']) AS segment;
SELECT n, position = n AS in_order, leadflow.cardinality(leads), leads OPERATOR(leadflow.=) leadflow.evaluate(segment, pg_temp.at()) AS as_alone, leads OPERATOR(leadflow.=) pg_temp.plain(segment) AS as_plain
  FROM leadflow.evaluate_all((SELECT array_agg(segment ORDER BY n) FROM segments), pg_temp.at()), segments WHERE n = position ORDER BY n;
-- in several processes; with memory for nothing; both
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT bool_and(leads OPERATOR(leadflow.=) pg_temp.plain(segment)) FROM leadflow.evaluate_all((SELECT array_agg(segment ORDER BY n) FROM segments), pg_temp.at()), segments WHERE n = position;
SET LOCAL work_mem = '64kB';
SET LOCAL hash_mem_multiplier = 1;
SELECT bool_and(leads OPERATOR(leadflow.=) pg_temp.plain(segment)) FROM leadflow.evaluate_all((SELECT array_agg(segment ORDER BY n) FROM segments), pg_temp.at()), segments WHERE n = position;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT bool_and(leads OPERATOR(leadflow.=) pg_temp.plain(segment)) FROM leadflow.evaluate_all((SELECT array_agg(segment ORDER BY n) FROM segments), pg_temp.at()), segments WHERE n = position;
RESET work_mem;
RESET hash_mem_multiplier;
-- by name, also twice
SELECT leadflow.save_segment('fifteen', 'visit(pages >= 15 and visited_at within 30 days)'), leadflow.save_segment('it''s "both"', 'segment(''fifteen'') and application');
SELECT name, leadflow.cardinality(leads) FROM leadflow.evaluate_all(ARRAY['it''s "both"', 'fifteen', 'fifteen'], pg_temp.at());
SELECT count(*) FROM leadflow.evaluate_all('{}'::text[]);
SELECT pg_temp.said(format('SELECT count(*) FROM leadflow.evaluate_all(%s)', arguments)) FROM unnest(ARRAY['ARRAY[''fiften'']', 'ARRAY[NULL]::text[]', 'NULL::text[]', 'ARRAY[''visit'', NULL]::leadflow.segment[]', 'ARRAY[''visit'', ''visits'']::leadflow.segment[]', 'ARRAY[''visit'']::leadflow.segment[], NULL', 'ARRAY[''visit'']::leadflow.segment[], zone => ''Asia/Tokio''']) AS arguments;

-- explained: an index for one, what is left looked up for it alone, one pass for what shares a source
CREATE FUNCTION pg_temp.explained(segment leadflow.segment) RETURNS TABLE (part text, way text, step int, leads bigint) LANGUAGE sql AS
    $$ SELECT part, way, step, leads FROM leadflow.explain_segment(segment, pg_temp.at()) $$;
SELECT * FROM pg_temp.explained('lead(email = ''lead44@x.jp'') and visit(pages > 3) and not activity and sum(visit.pages) > 10');
SELECT * FROM pg_temp.explained('visit(pages > 20) and (count(visit) > 19 or not last(visit)(pages > 11)) and application');
SELECT * FROM pg_temp.explained('lead(email = ''nobody'') and visit');
SELECT * FROM pg_temp.explained('count(visit) < 20 and everyone');
SELECT * FROM pg_temp.explained('visit and no one');
SELECT count(*), count(estimated), count(ms), min(ms) >= 0 FROM leadflow.explain_segment('visit and application');
SELECT count(*) FROM leadflow.explain_segment(NULL);
-- leads are estimated, not their records: there are a thousand of them, with twenty times as many visits
SELECT trim(part), estimated BETWEEN 1 AND 1000 FROM leadflow.explain_segment('visit(pages > 3) and count(visit) > 1 and last(visit)(pages > 3) and application', pg_temp.at()) WHERE estimated IS NOT NULL;

-- previewed
SELECT leads, identified, mailable, array_length(sample, 1), sample[1], sample[20] FROM leadflow.preview('everyone', pg_temp.at());
SELECT leads, identified, mailable, sample, jsonb_pretty(per_part) FROM leadflow.preview('visit(pages >= 21) and count(visit where visited_at within 30 days) >= 3 and not activity and lead(email is not null)', pg_temp.at());
SELECT leads, per_part FROM leadflow.preview('visit(pages = 22) or application or activity', pg_temp.at());
SELECT leads, per_part FROM leadflow.preview('lead(company = ''Company 1'') or lead(company = ''Company 2'')', pg_temp.at());
SELECT leads, per_part FROM leadflow.preview('no one', pg_temp.at());
-- every number of a preview is that of the segment it stands for
SELECT bool_and((part ->> 'alone')::bigint = leadflow.cardinality(leadflow.evaluate((part ->> 'part')::leadflow.segment, pg_temp.at()))), count(*)
  FROM leadflow.preview('visit(pages = 22) and (application or activity) and not last(visit)(pages > 11)', pg_temp.at()), jsonb_array_elements(per_part) AS part;
SELECT (part ->> 'without')::bigint = leadflow.cardinality(leadflow.evaluate('(application or activity) and not last(visit)(pages > 11)', pg_temp.at()))
  FROM leadflow.preview('visit(pages = 22) and (application or activity) and not last(visit)(pages > 11)', pg_temp.at()), jsonb_array_elements(per_part) WITH ORDINALITY AS part (part, n) WHERE n = 1;
SELECT leadflow.preview(NULL) IS NULL, pg_temp.said('SELECT leadflow.preview(''visits'')');

-- sources whose lead is told in other ways, and records of no lead
CREATE TABLE probe (small int2, exact numeric, word text, n int, at date);
INSERT INTO probe SELECT i, i, i::text, i, '2026-06-01' FROM generate_series(-3, 2000) AS i;
INSERT INTO probe VALUES (NULL, 1.5, 'x', NULL, NULL);
INSERT INTO leadflow.source (name, relation, lead_column, time_column) VALUES ('small', 'public.probe', 'small', 'at'), ('exact', 'public.probe', 'exact', NULL);
SELECT input, leads OPERATOR(leadflow.=) pg_temp.plain(input), leadflow.cardinality(leads) FROM unnest(ARRAY['small(n < 5)', 'small and not small(n = 3)', 'sum(small.n) < 6', 'last(small)(n > 3 and n < 9)', 'exact(n < 5)', 'count(exact where n > 4) = 0 and exact', 'exact(n is null) or not exact']::leadflow.segment[]) AS input, leadflow.evaluate(input, pg_temp.at()) AS leads;

-- a query evaluates once what it asks for each row, and anew what is another question
CREATE FUNCTION public.tell() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'read'; RETURN true; END $$;
CREATE VIEW public.told AS SELECT n::bigint AS lead_id FROM generate_series(1, 2) AS n WHERE n = 1 OR public.tell();
SELECT leadflow.register_source('told', 'public.told');
SELECT count(*) FROM leadflow.lead WHERE lead_id <= 100 AND leadflow.contains(leadflow.evaluate('told', pg_temp.at()), lead_id);
SELECT i, leadflow.evaluate(s, pg_temp.at() - i * interval '1 year') FROM unnest('{lead(lead_id in (1\,2)),lead(lead_id = 3)}'::leadflow.segment[]) AS s, generate_series(0, 1) AS i ORDER BY i, s::text;
SELECT bool_and(hit = (lead_id > n)), bool_and(hit = leadflow.contains(leadflow.evaluate(s, pg_temp.at()), lead_id)), count(*)
  FROM (SELECT l.lead_id, n, s, leadflow.matches(l.lead_id, s, pg_temp.at()) AS hit
          FROM generate_series(1, 40) AS l (lead_id), LATERAL (SELECT n, ('lead(lead_id > ' || n || ')')::leadflow.segment AS s FROM generate_series(1, 12 + l.lead_id % 8) AS n OFFSET 0) AS segments OFFSET 0) AS asked;
CREATE FUNCTION pg_temp.after_writing() RETURNS leadflow.leadset[] LANGUAGE plpgsql AS $$
DECLARE
    found leadflow.leadset[];
BEGIN
    FOR i IN 5001 .. 5003 LOOP
        INSERT INTO leadflow.lead (lead_id, created_at) VALUES (i, '2026-01-01');
        found := found || leadflow.evaluate('lead(lead_id > 5000)', pg_temp.at());
    END LOOP;
    RETURN found;
END $$;
SELECT pg_temp.after_writing() FROM generate_series(1, 1);

-- anybody may call the aggregate; a program nobody wrote is refused
SELECT pg_temp.said(format('SELECT leadflow.sieve(1, %s)', arguments)) FROM unnest(ARRAY['NULL, 1', '''{}'', 1', '''{1}'', 1', '''{1,1,0,1,1,0,1,-1,1}'', 1', '''{1,1,0,1,1,0,1,-1}'', 1', '''{1,1,2,5,4,1,1,1,1,0,1,-1,1}'', 1', '''{1,1,0,1,1,0,1,-1,1}'', 1, 2', '''{1,1,0,1,1,0,1,-1,1}'', ''x''::text', '''{1,1,0,1,1,1,9,0,0,-1,1,1,-1,1}'', 1', '''{{1,1},{0,1}}'', 1', '''{1,9999999999,0,1,1,0,1,-1,1}'', 1']) AS arguments;
ROLLBACK;
