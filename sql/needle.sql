-- Segments that find a few leads by the texts of fields: one plan is kept for all of
-- a shape, whatever the texts are, and says what an evaluation would.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
BEGIN;
\pset format unaligned
\pset tuples_only on
SET LOCAL timezone = 'Asia/Tokyo';

CREATE TYPE public.needle_mood AS ENUM ('sad', 'ok');
CREATE DOMAIN public.needle_code AS text;
CREATE TABLE public.needle (lead_id bigint, t text, v varchar(4), c char(4), e public.needle_mood, d public.needle_code, day date, n int, b boolean, rep_id bigint, i text COLLATE "C");
SELECT leadflow.register_source('needle', 'public.needle', lookups => '{"rep": {"column": "rep_id", "relation": "leadflow.rep", "key": "rep_id", "name": "name"}}');
INSERT INTO leadflow.rep (rep_id, name) VALUES (901, '田中'), (902, 'it''s');
INSERT INTO leadflow.lead (lead_id, email, company, rep_id, created_at, deleted_at)
SELECT i, 'lead' || i || '@x.jp', (ARRAY['a', 'A', 'it''s', E'back\\slash', '$4', '', NULL])[1 + i % 7], nullif(900 + i % 3, 900), '2026-01-01', CASE WHEN i % 50 = 0 THEN now() END FROM generate_series(1, 200) AS i;
INSERT INTO public.needle SELECT i, (ARRAY['a', 'A', 'a ', 'it''s', '1', '2026-01-01', 'true', NULL])[1 + i % 8], (ARRAY['a', 'A', 'a ', '1'])[1 + i % 4], (ARRAY['a', 'A', '1', NULL])[1 + i % 4], (ARRAY['sad', 'ok', NULL])[1 + i % 3]::public.needle_mood,
    (ARRAY['a', 'A', 'sad'])[1 + i % 3], date '2026-01-01' + i % 4, i % 4, i % 2 = 0, 901 + i % 3, (ARRAY['a', 'A'])[1 + i % 2] FROM generate_series(1, 200) AS i;
CREATE INDEX ON public.needle (lead_id);
ANALYZE leadflow.lead, public.needle;

-- What is wrong about segments of a shape, each asked for often enough to have a plan: an
-- error, or leads other than those the plain query gives.
CREATE FUNCTION pg_temp.wrong(shape text, texts text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text := '';
    text text;
    segment leadflow.segment;
    plain leadflow.leadset;
    found leadflow.leadset;
BEGIN
    FOR round IN 1 .. 2 LOOP
        FOREACH text IN ARRAY texts LOOP
            BEGIN
                segment := replace(shape, '%', '''' || replace(text, '''', '''''') || '''')::leadflow.segment;
                EXECUTE format('SELECT leadflow.leadset_agg(lead_id) FROM (%s) AS s', leadflow.to_sql(segment)) INTO plain USING timestamptz '2026-06-10', 'Asia/Tokyo';
                found := leadflow.evaluate(segment, '2026-06-10');
                IF found OPERATOR(leadflow.<>) plain THEN
                    said := said || format('%s: %s, not %s; ', segment, found, plain);
                ELSIF round = 2 THEN
                    said := said || leadflow.cardinality(found) || ' ';
                END IF;
            EXCEPTION WHEN OTHERS THEN
                IF round = 2 THEN
                    said := said || SQLSTATE || ' ';
                END IF;
            END;
        END LOOP;
    END LOOP;
    RETURN said;
END $$;
CREATE FUNCTION pg_temp.plans() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'leadflow probe' $$;

SELECT pg_temp.wrong('lead(email = %)', ARRAY['lead1@x.jp', 'lead2@x.jp', 'nobody', '', 'lead50@x.jp', 'Lead3@x.jp']), pg_temp.plans();
SELECT shape, pg_temp.wrong(shape, ARRAY['a', 'A', 'A ', 'it''s', E'back\\slash', '$4', '', '1', '0001', '2026-01-01', 'true', 'sad', '田中', 'lead7@x.jp', E'two\nlines']) FROM unnest(ARRAY[
    'lead(company = %)', 'lead(company = % and email = ''lead7@x.jp'')', 'lead(email = ''lead7@x.jp'' or not company = %)', 'lead(company = % and employees is null and competitor = false)', 'lead(company <> %)', 'lead(company in (%, ''a''))',
    'lead(rep = %)', 'lead(created_at = %)', 'lead(employees = %)', 'lead(competitor = %)', 'not lead(company = %)', 'lead(email = ''lead9@x.jp'') and needle(t = %)', 'lead(email = %) and needle', 'lead(email = ''lead7@x.jp'') or lead(email = %)',
    'lead(email = %) and count(needle where t = ''a'') >= 1', 'needle(t = %)', 'needle(v = %)', 'needle(c = %)', 'needle(e = %)', 'needle(d = %)', 'needle(day = %)', 'needle(n = %)', 'needle(b = %)', 'needle(rep = %)', 'needle(i = %)',
    'lead(email = ''lead9@x.jp'') and needle(c = %)', 'lead(email = ''lead9@x.jp'') and needle(e = %)', 'lead(email = ''lead9@x.jp'') and needle(day = %)', 'lead(email = ''lead9@x.jp'') and needle(rep = %)',
    'lead(email = %) and max(needle.t) = ''a''', 'lead(email = %) and segment(''hot'')', 'lead("from" = %)', 'nowhere(x = %)']) AS shape;

-- one plan for all texts of a shape; more texts than a plan has parameters for are no shape
SELECT leadflow.cardinality(leadflow.evaluate('everyone'));
CREATE TEMPORARY TABLE before AS SELECT pg_temp.plans() AS n;
SELECT sum(leadflow.cardinality(leadflow.evaluate(format('lead(phone = %L)', i)::leadflow.segment))), pg_temp.plans() - max(n) <= 1 FROM generate_series(1, 100) AS i, before;
SELECT pg_temp.wrong('lead(company = ''a'' or company = ''A'' or company = ''b'' or company = ''c'' or company = ''d'' or company = ''e'' or company = ''f'' or company = ''g'' or company = %)', ARRAY['a', 'it''s', 'h']);

-- what a kept plan stands on can change
SELECT pg_temp.wrong('needle(t = %) and lead(email = ''lead8@x.jp'')', ARRAY['a', '1', '2026-01-01']);
ALTER TABLE public.needle ALTER t TYPE char(12);
SELECT pg_temp.wrong('needle(t = %) and lead(email = ''lead8@x.jp'')', ARRAY['a', 'a ', '1', '2026-01-01']);
ALTER TABLE public.needle ALTER t TYPE int USING 1;
SELECT pg_temp.wrong('needle(t = %) and lead(email = ''lead8@x.jp'')', ARRAY['a', '1', '01']);
ALTER TABLE public.needle RENAME t TO u;
SELECT pg_temp.wrong('needle(t = %) and lead(email = ''lead8@x.jp'')', ARRAY['a', '1']);
SELECT leadflow.register_source('needle', 'leadflow.lead');
SELECT pg_temp.wrong('needle(email = %) and lead(email = ''lead8@x.jp'')', ARRAY['a', 'lead8@x.jp']);

-- a text that is compared as it stands, and one that names a choice by its label
SELECT version > 0 FROM leadflow.set_form('lead', 'free text; grade radio(''x'' "High", ''y'' "Low")');
UPDATE leadflow.lead SET fields = jsonb_build_object('free', company, 'grade', CASE WHEN lead_id < 11 THEN 'x' ELSE 'y' END),
    form_version = (SELECT max(version) FROM leadflow.form_version WHERE entity = 'lead') WHERE lead_id < 31;
SELECT shape, pg_temp.wrong(shape, ARRAY['a', 'it''s', 'x', 'y', 'High', 'Low', 'Other']) FROM unnest(ARRAY['lead(free = %)', 'lead(email = ''lead8@x.jp'' and free = %)', 'lead(grade = %)', 'lead(email = ''lead8@x.jp'') and lead(grade = %)']) AS shape;
SELECT version > 0 FROM leadflow.set_form('lead', 'free text; grade radio(''y'' "High", ''x'' "Low")');
SELECT pg_temp.wrong('lead(grade = %)', ARRAY['x', 'y', 'High', 'Low', 'Other']);

-- who sees what
CREATE ROLE regress_leadflow_needle;
GRANT USAGE ON SCHEMA leadflow TO regress_leadflow_needle;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_leadflow_needle;
CREATE POLICY few ON leadflow.lead TO regress_leadflow_needle USING (lead_id < current_setting('leadflow_test.most')::bigint);
ALTER TABLE leadflow.lead ENABLE ROW LEVEL SECURITY;
SET LOCAL leadflow_test.most = 5;
SELECT pg_temp.wrong('lead(email = %)', ARRAY['lead4@x.jp', 'lead6@x.jp']);
GRANT USAGE ON SCHEMA public TO regress_leadflow_needle;
SET LOCAL ROLE regress_leadflow_needle;
SELECT leadflow.evaluate(format('lead(email = ''lead%s@x.jp'')', i)::leadflow.segment) FROM generate_series(2, 7) AS i;
SET LOCAL leadflow_test.most = 7;
SELECT leadflow.evaluate(format('lead(email = ''lead%s@x.jp'')', i)::leadflow.segment) FROM generate_series(4, 8) AS i;
RESET ROLE;
SELECT leadflow.evaluate(format('lead(email = ''lead%s@x.jp'')', i)::leadflow.segment) FROM generate_series(6, 8) AS i;
ROLLBACK;
