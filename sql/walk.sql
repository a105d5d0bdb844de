-- Few leads, whose records are walked to along an index.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
SET timezone = 'Asia/Tokyo';
SET search_path = '';
CREATE TABLE public.call (lead_id bigint, call_id bigint, at timestamptz, n int, note text DEFAULT repeat('x', 300), PRIMARY KEY (lead_id, call_id));
SELECT leadflow.register_source('call', 'public.call', 'lead_id', 'call_id', 'at');
INSERT INTO leadflow.lead (lead_id, created_at) SELECT i * 3, '2020-01-01' FROM generate_series(1, 3000) AS i;
INSERT INTO leadflow.visit (lead_id, visited_at, pages) SELECT 3 * (1 + i * 7919 % 2999), timestamptz '2020-05-01' + i * interval '5 minutes', (i * 2654435761 >> 10) % 31 FROM generate_series(1, 6000) AS i;
INSERT INTO public.call (lead_id, call_id, at, n) SELECT 3 * (1 + i * 104729::bigint % 2999), i, timestamptz '2020-05-01' + i % 30 * interval '1 day', (i * 2654435761 >> 14) % 10 FROM generate_series(1, 2000) AS i;
-- versions of records: in their page, in another, gone, and of a lead that is not there any more
UPDATE public.call SET n = n + 1 WHERE call_id % 3 = 0;
UPDATE public.call SET call_id = -call_id WHERE call_id % 7 = 0;
DELETE FROM public.call WHERE call_id % 11 = 0;
UPDATE public.call SET lead_id = -1 WHERE call_id % 13 = 0;
UPDATE leadflow.lead SET deleted_at = '2020-05-15' WHERE lead_id % 30 = 0;
ANALYZE leadflow.lead, leadflow.visit, public.call;

CREATE FUNCTION public.walked(segment leadflow.segment, OUT leads bigint, OUT as_by_sql boolean, OUT ways text) LANGUAGE plpgsql AS $$
DECLARE
    found leadflow.leadset := leadflow.evaluate(segment, '2020-05-25');
BEGIN
    leads := leadflow.cardinality(found);
    EXECUTE format('SELECT leadflow.leadset_agg(lead_id) OPERATOR(leadflow.=) $3 FROM (%s) AS q', leadflow.to_sql(segment)) INTO as_by_sql USING timestamptz '2020-05-25', 'Asia/Tokyo', found;
    ways := (SELECT string_agg(way, ', ' ORDER BY step) FROM leadflow.explain_segment(segment, '2020-05-25') WHERE way <> '');
END $$;
CREATE TABLE public.asked (n int, segment leadflow.segment);
INSERT INTO public.asked VALUES
    (1, 'visit(pages = 7) and call(n > 8)'), (2, 'visit(pages = 7) and not call'), (3, 'visit(pages = 7) and sum(call.n) > 4'),
    (4, 'visit(pages = 7) and last(call)(n > 4)'), (5, 'visit(pages = 7) and call(n = 99)'), (6, 'visit(pages = 7) and (call(n = 2) or count(call where n > 3) < 2)'),
    (7, 'visit(pages = 7) and call(n = 3 and at within 10 days) and everyone');
SELECT n, leads, as_by_sql, ways LIKE '%walk%' AS walked FROM public.asked, public.walked(segment) AS w ORDER BY n;

-- once the versions that are gone are vacuumed away, and their places taken
VACUUM public.call;
INSERT INTO public.call (lead_id, call_id, at, n) SELECT 3 * (1 + i * 104729::bigint % 2999), i, '2020-05-20', 9 FROM generate_series(20001, 20500) AS i;
SELECT n, leads, as_by_sql, ways LIKE '%walk%' AS walked FROM public.asked, public.walked(segment) AS w ORDER BY n;

-- a record that this transaction has changed, and the one before it, by a cursor opened before
BEGIN;
DECLARE before CURSOR FOR SELECT leadflow.cardinality(leadflow.evaluate('visit(pages = 7) and call(n = 77)', '2020-05-25'));
DECLARE after CURSOR FOR SELECT leadflow.cardinality(leadflow.evaluate('visit(pages = 7) and call(n = 77)', '2020-05-25'));
UPDATE public.call SET n = 77 WHERE lead_id IN (SELECT lead_id FROM leadflow.visit WHERE pages = 7) AND call_id > 20000;
FETCH before;
SELECT leads, as_by_sql, ways LIKE '%walk%' AS walked FROM public.walked('visit(pages = 7) and call(n = 77)');
UPDATE public.call SET n = 78 WHERE n = 77 AND lead_id % 2 = 0;
FETCH after;
SELECT leads, as_by_sql FROM public.walked('visit(pages = 7) and call(n = 77)');
ROLLBACK;

-- policies and privileges are those of any other query
CREATE ROLE walker;
GRANT USAGE ON SCHEMA leadflow TO walker;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow, public TO walker;
ALTER TABLE public.call ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON public.call TO walker USING (call_id % 2 <> 0);
SET ROLE walker;
SELECT n, leads, as_by_sql, ways LIKE '%walk%' AS walked FROM public.asked, public.walked(segment) AS w WHERE n <= 2 ORDER BY n;
RESET ROLE;
REVOKE SELECT ON public.call FROM walker;
SET ROLE walker;
SELECT leadflow.evaluate('visit(pages = 7) and call');
RESET ROLE;
-- who may read some columns alone may not read where a record lies
GRANT SELECT (lead_id, call_id, at, n) ON public.call TO walker;
SET ROLE walker;
SELECT n, leads, as_by_sql, ways LIKE '%walk%' AS walked FROM public.asked, public.walked(segment) AS w WHERE n <= 2 ORDER BY n;
RESET ROLE;

-- an index in another order is none to walk along
ALTER TABLE public.call DISABLE ROW LEVEL SECURITY, DROP CONSTRAINT call_pkey;
CREATE FUNCTION public.backwards(bigint, bigint) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT btint8cmp($2, $1)';
CREATE OPERATOR CLASS public.backwards FOR TYPE bigint USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 public.backwards(bigint, bigint);
CREATE INDEX ON public.call (lead_id public.backwards);
SELECT n, leads, as_by_sql, ways LIKE '%walk%' AS walked FROM public.asked, public.walked(segment) AS w WHERE n <= 2 ORDER BY n;
DROP OPERATOR FAMILY public.backwards USING btree CASCADE;
CREATE INDEX ON public.call (lead_id);
SELECT n, leads, as_by_sql, ways LIKE '%walk%' AS walked FROM public.asked, public.walked(segment) AS w WHERE n <= 2 ORDER BY n;

-- nor is there one where the records are a child's
CREATE TABLE public.old_call () INHERITS (public.call);
INSERT INTO public.old_call (lead_id, call_id, at, n) SELECT 3 * i, -i, '2020-05-02', 5 FROM generate_series(1, 500) AS i;
SELECT n, leads, as_by_sql, ways LIKE '%walk%' AS walked FROM public.asked, public.walked(segment) AS w WHERE n <= 2 ORDER BY n;

SET client_min_messages = warning;
DELETE FROM leadflow.source WHERE name = 'call';
DROP FUNCTION public.walked, public.backwards;
DROP TABLE public.call, public.old_call, public.asked;
DROP OWNED BY walker;
DROP ROLE walker;
TRUNCATE leadflow.lead CASCADE;
