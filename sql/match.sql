SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
BEGIN;
\pset format unaligned
\pset tuples_only on

INSERT INTO leadflow.rep (rep_id, name) VALUES (901, '田中');
INSERT INTO leadflow.lead (lead_id, email, rep_id, created_at, deleted_at, merged_into) VALUES
    (1, 'a@x.jp', 901, '2026-01-01 00:00+09', NULL, NULL), (2, NULL, NULL, '2026-01-01 00:00+09', NULL, NULL),
    (3, 'c@x.jp', NULL, '2026-01-01 00:00+09', '2026-06-01 00:00+09', NULL), (4, 'd@x.jp', NULL, '2026-01-01 00:00+09', NULL, 1),
    (5, 'e@x.jp', NULL, '2026-07-01 00:00+09', NULL, NULL), (4294967297, 'f@x.jp', NULL, '2026-01-01 00:00+09', NULL, NULL);
INSERT INTO leadflow.visit (lead_id, visit_id, visited_at, pages) VALUES
    (1, 901, '2026-06-01 10:00+09', 15), (1, 902, '2026-06-02 10:00+09', 3), (2, 903, '2026-06-03 10:00+09', 1), (3, 904, '2026-06-03 10:00+09', 20), (4294967297, 905, '2026-06-10 23:30+09', 15);

-- What is said of a lead, by evaluate as well; or what an error says, in one line.
CREATE FUNCTION pg_temp.matched(lead_id bigint, input text, as_of timestamptz DEFAULT '2026-06-10 12:00+09', zone text DEFAULT 'Asia/Tokyo') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
    said boolean;
BEGIN
    said := leadflow.matches(lead_id, input::leadflow.segment, as_of, zone);
    IF said IS NOT NULL THEN
        IF said <> leadflow.contains(leadflow.evaluate(input::leadflow.segment, as_of, zone), lead_id) THEN
            RETURN 'evaluate says ' || NOT said;
        END IF;
    END IF;
    RETURN coalesce(said::text, 'null');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;

-- lead 3 is deleted, 4 merged, 5 not there yet, 6 was never there
SELECT input, string_agg(pg_temp.matched(id, input), ' ' ORDER BY id) FROM unnest(ARRAY[
    'everyone', 'no one', 'visit', 'not visit', 'トラッキング(閲覧ページ数 >= 15)', 'lead(rep = ''田中'')', 'lead(rep is null)', 'sum(visit.pages) = 18', 'count(visit) = 0', 'last(visit)(pages = 3)', 'first(visit)(pages = 3)',
    'visit(pages = 1) or visit(pages = 3) and lead(email is not null)', 'visit or no one', 'list(''HOTリードリスト'')', 'segment(''hot'')', 'not segment(''hot'')']) WITH ORDINALITY AS i (input, n),
    unnest('{1,2,3,4,5,6,4294967297}'::bigint[]) AS id GROUP BY input, n ORDER BY n;
-- days are the zone's, records exist as of the instant
SELECT pg_temp.matched(1, 'visit(visited_at within 9 days)'), pg_temp.matched(1, 'visit(visited_at within 7 days)'), pg_temp.matched(4294967297, 'visit'), pg_temp.matched(4294967297, 'visit', '2026-06-11'), pg_temp.matched(4294967297, 'visit(visited_at today)', '2026-06-11 00:00+09'),
       pg_temp.matched(4294967297, 'visit(visited_at today)', '2026-06-11 00:00+09', 'Europe/London'), pg_temp.matched(5, 'lead'), pg_temp.matched(5, 'lead', '2026-07-01 00:00+09'), pg_temp.matched(1, 'lead', '2025-01-01');
-- the errors are those of evaluate
SELECT pg_temp.matched(1, 'visit(page > 1)'), pg_temp.matched(1, 'segment(''hott'')'), pg_temp.matched(1, 'lead', NULL), pg_temp.matched(1, 'lead', 'infinity'), pg_temp.matched(1, 'lead', '2026-01-01', 'JST'), pg_temp.matched(NULL, 'visit(page > 1)'), pg_temp.matched(1, NULL), pg_temp.matched(NULL, 'lead', NULL);
SELECT leadflow.matches(1, 'lead'), leadflow.matches(1, 'lead', zone => 'Asia/Tokyo'), leadflow.matches(-1, 'lead');

-- what a kept plan stands on can change: a saved segment, also one that another refers to
SELECT leadflow.save_segment('inner', 'visit(pages = 15)'), leadflow.save_segment('outer', 'segment(''inner'') or no one');
SELECT pg_temp.matched(1, 'segment(''outer'')'), pg_temp.matched(2, 'segment(''outer'')');
SELECT leadflow.save_segment('inner', 'visit(pages = 1)');
SELECT pg_temp.matched(1, 'segment(''outer'')'), pg_temp.matched(2, 'segment(''outer'')');
SAVEPOINT undone;
UPDATE leadflow.saved_segment SET segment = 'everyone' WHERE name = 'inner';
SELECT pg_temp.matched(1, 'segment(''outer'')'), pg_temp.matched(2, 'segment(''outer'')');
ROLLBACK TO undone;
SELECT pg_temp.matched(1, 'segment(''outer'')'), pg_temp.matched(2, 'segment(''outer'')');
DELETE FROM leadflow.saved_segment WHERE name = 'inner';
SELECT pg_temp.matched(1, 'segment(''outer'')');
ROLLBACK TO undone;
-- a table truncated and filled again in the same transaction: the rows lie where others lay
TRUNCATE leadflow.saved_segment;
INSERT INTO leadflow.saved_segment (name, segment) VALUES ('outer', 'visit(pages = 3)');
SELECT pg_temp.matched(1, 'segment(''outer'')'), pg_temp.matched(2, 'segment(''outer'')');
TRUNCATE leadflow.saved_segment;
INSERT INTO leadflow.saved_segment (name, segment) VALUES ('outer', 'visit(pages = 1)');
SELECT pg_temp.matched(1, 'segment(''outer'')'), pg_temp.matched(2, 'segment(''outer'')');
ROLLBACK TO undone;
-- the name of a list
INSERT INTO leadflow.list (list_id, name) VALUES (901, 'A'), (902, 'B');
INSERT INTO leadflow.member (lead_id, list_id, entered_at) VALUES (1, 901, '2026-06-01 00:00+09'), (2, 902, '2026-06-01 00:00+09');
SELECT pg_temp.matched(1, 'list(''A'')'), pg_temp.matched(2, 'list(''A'')');
UPDATE leadflow.list SET name = CASE name WHEN 'A' THEN 'C' ELSE 'A' END WHERE list_id IN (901, 902);
SELECT pg_temp.matched(1, 'list(''A'')'), pg_temp.matched(2, 'list(''A'')'), pg_temp.matched(1, 'list(''B'')');
-- the time zone of the installation
SELECT leadflow.matches(1, 'visit(pages = 3 and visited_at = ''2026-06-02'')', '2026-06-10');
UPDATE leadflow.setting SET value = 'Pacific/Honolulu' WHERE name = 'zone';
SELECT leadflow.matches(1, 'visit(pages = 3 and visited_at = ''2026-06-02'')', '2026-06-10'), leadflow.matches(1, 'visit(pages = 3 and visited_at = ''2026-06-01'')', '2026-06-10');
ROLLBACK TO undone;
-- a source, its labels, and another source that takes the label away
CREATE TABLE public.match_probe (lead_id bigint, n integer);
INSERT INTO public.match_probe VALUES (1, 1), (2, 2);
SELECT leadflow.register_source('probe', 'public.match_probe', label => '試');
SELECT pg_temp.matched(1, 'probe(n = 1)'), pg_temp.matched(1, '試'), pg_temp.matched(4294967297, 'probe');
SELECT leadflow.register_source('probe', 'leadflow.visit');
SELECT pg_temp.matched(1, 'probe(n = 1)'), pg_temp.matched(1, '試'), pg_temp.matched(4294967297, 'probe', '2027-01-01');
SELECT leadflow.register_source('probe', 'public.match_probe', label => '試'), leadflow.register_source('試', 'leadflow.visit');
SELECT pg_temp.matched(1, '試(pages = 3)'), pg_temp.matched(1, '試(n = 1)');
-- the columns of its relation
ALTER TABLE public.match_probe ALTER n TYPE text;
SELECT pg_temp.matched(1, 'probe(n = 1)'), pg_temp.matched(1, 'probe(n = ''1'')');
ALTER TABLE public.match_probe RENAME n TO m;
SELECT pg_temp.matched(1, 'probe(n = ''1'')'), pg_temp.matched(1, 'probe(m = ''1'')');
ALTER TABLE public.match_probe DROP m, ADD n integer DEFAULT 7;
SELECT pg_temp.matched(1, 'probe(m = ''1'')'), pg_temp.matched(1, 'probe(n = 7)');
ALTER TABLE public.match_probe RENAME TO match_other;
SELECT pg_temp.matched(1, 'probe(n = 7)');
CREATE VIEW public.match_probe AS SELECT 2::bigint AS lead_id, 8 AS n;
SELECT pg_temp.matched(1, 'probe(n = 7)'), pg_temp.matched(2, 'probe(n = 8)');
CREATE OR REPLACE VIEW public.match_probe AS SELECT 1::bigint AS lead_id, 8 AS n;
SELECT pg_temp.matched(1, 'probe(n = 8)'), pg_temp.matched(2, 'probe(n = 8)');
-- more segments than are kept
SELECT count(*), count(*) FILTER (WHERE pg_temp.matched(1, format('visit(pages = %s)', n % 100)) = 'true') FROM generate_series(1, 300) AS n;
ROLLBACK TO undone;
-- a form in force changes nothing
INSERT INTO leadflow.application (lead_id, applied_at, status, fields) VALUES (1, '2026-06-01', 'new', '{"room": "A"}');
SELECT pg_temp.matched(1, 'application(status = ''new'')'), pg_temp.matched(2, 'application(status = ''new'')');
SELECT version > 0 FROM leadflow.set_form('application', 'room text; "from" text');
INSERT INTO leadflow.application (lead_id, applied_at, status, fields) VALUES (2, '2026-06-01', 'new', '{"from": "B"}');
SELECT pg_temp.matched(1, 'application(status = ''new'')'), pg_temp.matched(2, 'application(status = ''new'')');

-- privileges are asked for each time, and so are policies
CREATE ROLE regress_leadflow_caller;
GRANT USAGE ON SCHEMA leadflow TO regress_leadflow_caller;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_leadflow_caller;
SET LOCAL ROLE regress_leadflow_caller;
SELECT pg_temp.matched(1, 'visit(pages = 15)'), pg_temp.matched(1, 'segment(''outer'')');
RESET ROLE;
REVOKE SELECT ON leadflow.saved_segment FROM regress_leadflow_caller;
ALTER TABLE leadflow.visit ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON leadflow.visit USING (pages < coalesce(current_setting('leadflow_test.most', true), '10')::int);
SET LOCAL ROLE regress_leadflow_caller;
SELECT pg_temp.matched(1, 'visit(pages = 15)'), pg_temp.matched(1, 'visit(pages = 3)'), pg_temp.matched(1, 'segment(''outer'')');
SET LOCAL leadflow_test.most = 20;
SELECT pg_temp.matched(1, 'visit(pages = 15)'), pg_temp.matched(1, 'visit(pages = 3)');
SET LOCAL row_security = off;
SELECT pg_temp.matched(1, 'visit(pages = 15)');
RESET row_security;
RESET ROLE;
SELECT pg_temp.matched(1, 'visit(pages = 15)'), pg_temp.matched(1, 'segment(''outer'')');
-- which definitions there are to be seen is asked each time where policies decide
GRANT SELECT ON leadflow.saved_segment TO regress_leadflow_caller;
ALTER TABLE leadflow.saved_segment ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON leadflow.saved_segment USING (name <> current_setting('leadflow_test.unseen', true));
SET LOCAL leadflow_test.unseen = '';
SET LOCAL ROLE regress_leadflow_caller;
SELECT pg_temp.matched(2, 'segment(''outer'')');
SET LOCAL leadflow_test.unseen = 'inner';
SELECT pg_temp.matched(2, 'segment(''outer'')');
RESET ROLE;

-- in a trigger: each row sees what the statement has done before
CREATE TABLE public.match_log (lead_id bigint, pages integer, is_hot boolean);
CREATE FUNCTION public.match_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.match_log VALUES (NEW.lead_id, NEW.pages, leadflow.matches(NEW.lead_id, 'sum(visit.pages) >= 20', '2026-06-10 12:00+09'));
    RETURN NULL;
END $$;
CREATE TRIGGER match_log AFTER INSERT ON leadflow.visit FOR EACH ROW EXECUTE FUNCTION public.match_log();
INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (2, '2026-06-04', 10);
INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (2, '2026-06-04', 9), (1, '2026-06-04', 1);
SELECT * FROM public.match_log;

-- many leads in a query are answered from one evaluation, which is that of the query
INSERT INTO leadflow.lead (lead_id, employees, created_at) SELECT n, n, '2026-01-01 00:00+09' FROM generate_series(1001, 1500) AS n;
SELECT count(*), min(lead_id), max(lead_id) FROM leadflow.lead WHERE leadflow.matches(lead_id, 'lead(employees > 1100)', '2026-06-10 12:00+09');
SELECT n, count(*) FROM (VALUES (1200), (1300), (1400)) AS v (n), leadflow.lead AS l WHERE leadflow.matches(l.lead_id, format('lead(employees > %s)', n)::leadflow.segment) GROUP BY n ORDER BY n;
SELECT as_of, count(*) FROM (VALUES (date '2025-01-01'), ('2026-06-10')) AS v (as_of), leadflow.lead AS l WHERE leadflow.matches(l.lead_id, 'lead(employees > 1100)', as_of) GROUP BY as_of ORDER BY as_of;
SELECT count(*) FROM leadflow.lead WHERE leadflow.matches(lead_id, (SELECT 'segment(''outer'')'::leadflow.segment)) IS NULL;
UPDATE leadflow.lead SET employees = 0 WHERE leadflow.matches(lead_id, 'lead(employees > 1100)');
SELECT count(*) FROM leadflow.lead WHERE leadflow.matches(lead_id, 'lead(employees > 1100)');
-- PL/pgSQL asks anew at each expression, whatever it has done meanwhile
CREATE FUNCTION pg_temp.counted() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before integer := 0;
    after integer := 0;
BEGIN
    FOR n IN 1001 .. 1500 LOOP
        before := before + leadflow.matches(n, 'lead(employees = -1)')::int;
        UPDATE leadflow.lead SET employees = -1 WHERE lead_id = n;
        after := after + leadflow.matches(n, 'lead(employees = -1)')::int;
    END LOOP;
    RETURN concat_ws(' ', before, after);
END $$;
SELECT pg_temp.counted();
-- and so does a function of PL/pgSQL of each query that calls it: policies may go by settings
ALTER TABLE leadflow.lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON leadflow.lead USING (lead_id % 2 = current_setting('leadflow_test.tenant')::int);
CREATE FUNCTION public.is_found(lead bigint) RETURNS boolean STABLE LANGUAGE plpgsql AS 'BEGIN RETURN leadflow.matches(lead, ''lead(employees = -1)''); END';
CREATE FUNCTION pg_temp.found(tenant text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found leadflow.leadset;
BEGIN
    PERFORM set_config('leadflow_test.tenant', tenant, true);
    SELECT leadflow.leadset_agg(n) INTO found FROM generate_series(1001, 1300) AS n WHERE public.is_found(n);
    RETURN concat_ws(' ', leadflow.min_id(found), leadflow.cardinality(found));
END $$;
SET LOCAL ROLE regress_leadflow_caller;
SELECT pg_temp.found('0'), pg_temp.found('1');
RESET ROLE;
ALTER TABLE leadflow.lead DISABLE ROW LEVEL SECURITY;

-- the planner knows how many leads there are in a segment; of one that does not bind, nothing
ANALYZE leadflow.lead;
CREATE FUNCTION pg_temp.estimate(query text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END $$;
SELECT pg_temp.estimate('SELECT FROM leadflow.lead WHERE leadflow.matches(lead_id, ''everyone'')') > 490, pg_temp.estimate('SELECT FROM leadflow.lead WHERE leadflow.matches(lead_id, ''no one'')') < 10,
       pg_temp.estimate('SELECT FROM leadflow.lead WHERE leadflow.matches(lead_id, ''lead(employees = -1)'')') > 490, pg_temp.estimate('SELECT FROM leadflow.lead WHERE NOT leadflow.matches(lead_id, ''lead(employees = -1)'')') < 20,
       pg_temp.estimate('SELECT FROM leadflow.lead WHERE leadflow.matches(lead_id, ''visit(page = 1)'')') > 0;
EXPLAIN (COSTS OFF) SELECT FROM leadflow.lead WHERE leadflow.matches(lead_id, 'everyone', '2026-06-10') AND lead_id > 1400 AND email IS NULL;
-- a segment about a view that asks for more segments than are kept
UPDATE leadflow.lead SET employees = lead_id WHERE lead_id BETWEEN 1001 AND 1500;
ANALYZE leadflow.lead;
CREATE FUNCTION pg_temp.estimates() RETURNS integer[] LANGUAGE sql AS $$
SELECT array_agg(pg_temp.estimate(format('SELECT FROM leadflow.lead WHERE leadflow.matches(lead_id, ''lead(employees > %s)'')', 1000 + n * 5))) FROM generate_series(70, 1, -1) AS n
$$;
DO $$
BEGIN
    EXECUTE (SELECT format('CREATE VIEW public.match_any AS SELECT lead_id FROM leadflow.lead WHERE %s', string_agg(format('leadflow.matches(lead_id, ''lead(employees > %s)'')', 1000 + n * 5), ' OR ')) FROM generate_series(1, 70) AS n);
END $$;
SELECT leadflow.register_source('match_any', 'public.match_any');
SELECT pg_temp.estimates() AS before \gset
SELECT pg_temp.estimate('SELECT FROM leadflow.lead WHERE leadflow.matches(lead_id, ''match_any'')') > 0;
SELECT pg_temp.estimates() = :'before';
ROLLBACK;
