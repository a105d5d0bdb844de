SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
BEGIN;
\pset format unaligned
\pset tuples_only on

INSERT INTO leadflow.rep (rep_id, name) VALUES (901, '田中'), (902, 'O''Hara');
INSERT INTO leadflow.campaign (campaign_id, name) VALUES (901, '春の展示会'), (902, '春の展示会'), (903, '夏');
INSERT INTO leadflow.lead (lead_id, email, company, employees, rep_id, created_at) VALUES
    (1, 'a@x.jp', 'Acme', 10, 901, '2026-01-01 00:00+09'), (2, NULL, '', NULL, NULL, '2026-01-01 00:00+09'),
    (4294967303, 'b\c@x.jp', 'O''Brien $1 -- ; %', 500, 902, '2026-01-01 00:00+09');
INSERT INTO leadflow.visit (lead_id, visit_id, visited_at, pages, entry_url) VALUES
    (1, 901, '2026-06-01 10:00+09', 15, '/price'), (1, 902, '2026-06-02 10:00+09', 3, NULL), (2, 903, '2026-06-03 10:00+09', 1, '/');
INSERT INTO leadflow.application (lead_id, application_id, campaign_id, applied_at, status) VALUES
    (1, 901, 901, '2026-05-01 10:00+09', 'new'), (2, 902, 902, '2026-05-01 10:00+09', 'done'), (4294967303, 903, NULL, '2026-05-01 10:00+09', NULL);

-- The leads of a segment; or what is said, in one line.
CREATE FUNCTION pg_temp.leads(input text, as_of timestamptz DEFAULT '2026-06-10 12:00+09', zone text DEFAULT 'Asia/Tokyo') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    RETURN leadflow.evaluate(input::leadflow.segment, as_of, zone);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;

-- names, labels, looked-up names
SELECT input, pg_temp.leads(input) FROM unnest(ARRAY[
    'everyone', 'no one', 'visit', 'トラッキング', 'トラッキング(閲覧ページ数 >= 15)', 'visit(閲覧ページ数 < 15 and トラッキング.x)', '"visit"("pages" = 15)', 'VISIT(Pages = 15)', '"VISIT"',
    'lead(rep = ''田中'')', 'lead(営業担当者 contains ''o''''h'')', 'lead(rep <> ''田中'')', 'lead(not rep = ''田中'')', 'lead(rep is null)', 'lead(rep is not empty)', 'lead(rep in (''田中'', ''x''))', 'application(campaign = ''春の展示会'')',
    'application(campaign is null)', 'not application(campaign is null)', 'count(distinct application.campaign) = 1', 'max(lead.rep) = ''x''', 'sum(lead.rep) > 1',
    'segment(''hot'')', 'not segment(''hot'') and lead']) AS input;
-- what is not known, with the nearest name
SELECT input, pg_temp.leads(input) FROM unnest(ARRAY[
    'visits', 'トラキング', 'xyzzy_plugh', 'hot', 'visit(page > 1)', 'visit(閲覧ページ > 1)', 'lead(e_mail is null)', 'sum(visit.duraton) > 1', 'segment(''hott'')', 'segment('''')', 'segment(''hot'') > 3', 'score(''fit'')', 'score(''fit'') > 80',
    'application and segment(''re-engagement'')', 'lead and visit(pages > 1 or　頁 > 2)', 'lead(rep_id = ''田中'')']) AS input;
-- types
SELECT input, pg_temp.leads(input) FROM unnest(ARRAY[
    'visit(pages contains ''1'')', 'visit(pages within 3 days)', 'visit(pages = ''many'')', 'visit(pages = ''15'')', 'visit(pages = ''-0'')', 'visit(pages in (15, ''x''))', 'visit(pages = true)', 'visit(pages before 3)', 'visit(pages)', 'visit(pages = 15.0)',
    'visit(pages < 99999999999999999999999)', 'visit(pages matches ''1'')', 'visit(pages today)', 'visit(entry_url = 5)', 'visit(entry_url between 1 and 2)', 'visit(entry_url within 1 day)', 'visit(duration = ''1 hour'')', 'visit(duration is null)', 'visit(fields = ''{}'')',
    'visit(visited_at = 5)', 'visit(visited_at = ''yesterday'')', 'visit(visited_at = ''2026-02-30'')', 'visit(visited_at = ''2026-06-01T10:00+09:00'')', 'visit(visited_at > ''2026-06-01 25:00'')', 'visit(visited_at > ''06/01/2026'')', 'visit(visited_at contains ''2026'')',
    'visit(visited_at in (''2026-06-01'', ''now''))', 'activity(acted_on = ''2026-06-01 10:00'')', 'activity(acted_on within 3 hours)', 'lead(competitor > false)', 'lead(competitor = ''maybe'')', 'lead(competitor = ''no'')', 'lead(competitor = 0)', 'lead(competitor between true and false)',
    'lead(email like ''a\'')', 'lead(email like ''%\\%'')', 'lead(email matches ''('')', 'lead(email matches ''a{99999}'')', 'lead(email matches ''^b\\'')', 'lead(email contains ''\'')',
    'count(visit) = ''x''', 'count(visit) contains ''1''', 'count(visit) today', 'count(visit) = true', 'sum(visit.entry_url) > 1', 'avg(visit.visited_at) > 1', 'min(visit.entry_url) < 1', 'max(lead.competitor) = true', 'count(distinct visit.fields) > 1', 'count(distinct visit.duration) > 1', 'max(visit.visited_at) > 3']) AS input;
-- arguments
SELECT pg_temp.leads('lead', NULL), pg_temp.leads('lead', 'infinity'), pg_temp.leads('lead', '-infinity'), pg_temp.leads('lead', '2026-01-01', 'Asia/Tokio'), pg_temp.leads('lead', '2026-01-01', 'JST'), pg_temp.leads('lead', '2026-01-01', ''), leadflow.evaluate(NULL) IS NULL;
SELECT pg_temp.leads('lead', '2025-12-31 15:00+00'), pg_temp.leads('lead', '2025-12-31 14:59:59.999999+00'), leadflow.evaluate('lead'), leadflow.evaluate('visit(pages = 15 and visited_at = ''2026-06-01'')', zone => 'America/New_York'), leadflow.evaluate('visit(pages = 15 and visited_at = ''2026-05-31'')', zone => 'America/New_York');
-- hostile strings are but strings, whatever the session's settings
SET LOCAL standard_conforming_strings = off;
SET LOCAL escape_string_warning = off;
SET LOCAL quote_all_identifiers = on;
SET LOCAL IntervalStyle = 'sql_standard';
SET LOCAL DateStyle = 'SQL, DMY';
SELECT input, pg_temp.leads(input) FROM unnest(ARRAY[
    $$lead(company = 'O''Brien $1 -- ; %')$$, $$lead(company contains '$1 -- ;')$$, $$lead(company ends with '%')$$, $$lead(company contains '_')$$, $$lead(email contains 'b\c')$$, $$lead(email = 'b\c@x.jp')$$, $$lead(email like 'b\\_@%')$$, $$lead(email matches '^b\\c')$$,
    $$lead(email = 'x'') or true --')$$, $$lead(email = '\'' or true --')$$, $$segment('x'' or true --')$$, $$lead(created_at = '2026-01-01' and created_at in last year)$$, $$lead(created_at = '2026-01-01' and created_at in this year)$$, $$visit(visited_at > '2026-06-02 09:59:59.999999')$$]) AS input;
RESET standard_conforming_strings;
RESET escape_string_warning;
RESET quote_all_identifiers;
RESET IntervalStyle;
RESET DateStyle;

-- all problems at once
SELECT * FROM leadflow.check_segment('visit(page > 1 and pages contains ''x'') and not hot or count(visit) = ''x'' and segment(''nope'') or トラッキング(頁 = ''1'')');
SELECT count(*) FROM leadflow.check_segment('visit(pages > 1)');
-- plain SQL
SELECT leadflow.to_sql('visit(pages >= 15 and visited_at within 30 days) and not activity and count(visit) < 3 and last(visit)(pages = 1 or pages = 3) and lead(email is not null and not competitor)');
SELECT leadflow.to_sql('visit(pages >= 15 and visited_at within 30 days) or lead(rep = ''田中'') and sum(visit.pages) > 3') AS query \gset
SET LOCAL search_path = '';
PREPARE plain(timestamptz, text) AS :query;
EXECUTE plain('2026-06-10 12:00+09', 'Asia/Tokyo');
DEALLOCATE plain;
RESET search_path;

-- saved segments: named by name, no way around in a circle
SELECT leadflow.save_segment('base', 'トラッキング(閲覧ページ数 > 1) or sum(トラッキング.閲覧ページ数 where 訪問日時 today) > 1', 'first');
SELECT leadflow.save_segment('left', 'segment(''base'') and lead'), leadflow.save_segment('right', 'lead or segment(''base'')'), leadflow.save_segment('diamond', 'segment(''left'') and segment(''right'')'), leadflow.save_segment('base', 'visit(pages > 14)');
SELECT name, segment, description FROM leadflow.saved_segment WHERE name IN ('base', 'left') ORDER BY name;
SELECT pg_temp.leads('segment(''diamond'')'), pg_temp.leads('diamond');
CREATE FUNCTION pg_temp.saved(name text, input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    RETURN 'saved ' || leadflow.save_segment(name, input::leadflow.segment);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, detail);
END $$;
SELECT pg_temp.saved(name, input) FROM (VALUES ('self', 'segment(''self'')'), ('base', 'not segment(''diamond'')'), ('', 'lead'), (NULL, 'lead'), ('x', NULL), ('bad', 'visit(page > 1)')) AS v (name, input);
UPDATE leadflow.saved_segment SET segment = 'visit and not segment(''diamond'')' WHERE name = 'base';
SELECT pg_temp.leads('segment(''left'')'), pg_temp.saved('other', 'segment(''right'')');
SELECT * FROM leadflow.check_segment('lead and segment(''base'')');
-- definitions that double at each of 60 steps are refused at once
INSERT INTO leadflow.saved_segment (name, segment) SELECT 'step ' || n, CASE n WHEN 0 THEN 'visit' ELSE format('segment(%1$L) or not segment(%1$L)', 'step ' || n - 1) END::leadflow.segment FROM generate_series(0, 60) AS n;
SET LOCAL statement_timeout = '20s';
SELECT pg_temp.leads('segment(''step 60'')'), leadflow.cardinality(leadflow.evaluate('segment(''step 5'')'));
-- many conditions, deep conditions
SET LOCAL jit = off;
SELECT pg_temp.leads(string_agg(format('visit(pages <> %s)', n), ' and ')) FROM generate_series(100, 499) AS n;
SELECT pg_temp.leads(string_agg(format('not (visit(pages = %s) or first(visit)(pages = %1$s))', n), ' and ')) FROM generate_series(100, 399) AS n;
RESET jit;
SELECT pg_temp.leads(string_agg(format('count(visit where pages <> %s) >= 0 and not visit(pages = %s)', n, n), ' and ')) FROM generate_series(100, 129) AS n;
SELECT pg_temp.leads(string_agg(format('lead(employees < %s)', n), ' and ')) FROM generate_series(20, 3000) AS n;
SELECT pg_temp.leads(repeat('not ', 2000) || 'visit'), pg_temp.leads('visit(' || repeat('not ', 2001) || 'pages = 1)'), split_part(pg_temp.leads(repeat('not ', 9000) || 'visit'), ' ', 1);
-- and patterns that take long to compile, or to match, can be cancelled
CREATE FUNCTION pg_temp.cancelled(input text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN leadflow.evaluate(input::leadflow.segment, '2026-06-10 12:00+09');
EXCEPTION WHEN QUERY_CANCELED OR OTHERS THEN
    RETURN SQLSTATE;
END $$;
UPDATE leadflow.lead SET company = repeat('a', 2000) || 'b' WHERE lead_id = 2;
SET LOCAL statement_timeout = '200ms';
SELECT pg_temp.cancelled('lead(company matches ''' || repeat('(a|b)*[a-z]{1,9}', 400) || ''')');
SELECT pg_temp.cancelled('lead(company matches ''^(a+)(a+)(a+)(a+)\4\3\2\1b$'')');
RESET statement_timeout;
-- a source of the user's own, its names chosen to hurt
CREATE SCHEMA "s""1; --";
CREATE TYPE "s""1; --".mood AS ENUM ('sad', 'Happy');
CREATE DOMAIN "s""1; --".points AS integer CHECK (VALUE >= 0);
CREATE DOMAIN "s""1; --".score AS "s""1; --".points;
CREATE DOMAIN "s""1; --".ratio AS double precision;
CREATE DOMAIN "s""1; --".choices AS text[];
CREATE TABLE "s""1; --"."t'1" ("lead's id" bigint, "select" integer, "at" timestamp, mood "s""1; --".mood, points "s""1; --".points, score "s""1; --".score, ratio "s""1; --".ratio, weight real, tags text[],
    choices "s""1; --".choices, code char(4), short varchar(3), "a"" = 1 or true --" text, big numeric, rep integer);
INSERT INTO "s""1; --"."t'1" VALUES
    (1, 1, '2026-06-01 10:00', 'Happy', 3, 7, 0.1, 0.1, '{a,b}', '{a}', 'ab', 'xyz', 'here', 12345678901234567890.5, 901),
    (1, 2, '2026-06-01 10:00', 'sad', 4, 8, 0.2, 0.2, '{}', '{}', '', '', '', 0, 902),
    (2, 3, '2026-06-01 10:00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1);
INSERT INTO leadflow.source (name, label, relation, lead_column, key_column, time_column, labels, lookups) VALUES
    ('own', '自作', '"s""1; --"."t''1"', 'lead''s id', 'select', 'at', '{"points": "点", "score": "点", "weight": "重さ"}',
     '{"person": {"column": "rep", "relation": "leadflow.rep", "key": "rep_id", "name": "name", "label": "人"}}');
SELECT input, pg_temp.leads(input) FROM unnest(ARRAY[
    'own', '自作(重さ = 0.1)', '自作(点 = 3)', 'own(人 = ''田中'')', 'own(person is null)', 'own("select" = 3)', 'own("a"" = 1 or true --" = ''here'')', 'own("a"" = 1 or true --" is empty)', 'last(own)("select" = 2)', 'first(own)("select" = 1)',
    'own(mood = ''Happy'')', 'own(mood contains ''HAPP'')', 'own(mood = ''nobody'')', 'own(mood in (''sad'', ''x''))', 'min(own.mood) = ''Happy''', 'count(distinct own.mood) = 2', 'own(mood is empty)',
    'own(points between 3 and 4)', 'own(score = 7)', 'sum(own.score) = 15', 'own(ratio = 0.1)', 'sum(own.ratio) = 0.3', 'own(weight = 0.1)', 'own(weight in (0.3, ''0.2''))', 'own(weight between 0.1 and 0.1)', 'max(own.weight) = 0.2', 'sum(own.weight) = 0.3',
    'own(tags contains ''a'')', 'own(tags not contains ''a'')', 'own(tags is empty)', 'own(tags is not empty)', 'own(choices contains ''a'')', 'own(choices is empty)', 'own(tags = ''a'')', 'own(tags in (''a''))', 'count(distinct own.tags) = 2',
    'own(code = ''ab'')', 'own(code starts with ''AB'')', 'own(code is empty)', 'own(short = ''xyz and more'')', 'own(short like ''x_z'')', 'own(big = 12345678901234567890.5)', 'sum(own.big) > 12345678901234567890']) AS input;
INSERT INTO leadflow.source (name, label, relation, time_column) VALUES ('twin', '自作', 'leadflow.visit', NULL), ('gone', NULL, 'leadflow.nothing', NULL), ('late', NULL, 'leadflow.visit', 'nothing');
SELECT pg_temp.leads('自作'), pg_temp.leads('twin'), pg_temp.leads('first(twin)(pages = 1)'), pg_temp.leads('gone'), pg_temp.leads('late');
SAVEPOINT sources;
-- what is wrong with one source is not the others' trouble
INSERT INTO leadflow.source (name, relation) VALUES ('long', 'a.b.c.d'), ('quote', '"'), ('empty', '');
SELECT input, pg_temp.leads(input) FROM unnest(ARRAY['visit(pages = 1)', 'long', 'quote', 'visits']) AS input;
CREATE ROLE regress_leadflow_analyst;
SET LOCAL ROLE regress_leadflow_analyst;
SELECT has_schema_privilege('leadflow', 'USAGE'), bool_or(has_any_column_privilege(oid, 'SELECT')), count(*) > 10 FROM pg_class WHERE relnamespace = 'leadflow'::regnamespace AND relkind IN ('r', 'v');
RESET ROLE;
GRANT USAGE ON SCHEMA leadflow TO regress_leadflow_analyst;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_leadflow_analyst;
CREATE SCHEMA closed;
CREATE TABLE closed.thing (lead_id bigint);
INSERT INTO leadflow.source (name, relation) VALUES ('thing', 'closed.thing');
SET LOCAL ROLE regress_leadflow_analyst;
SELECT pg_temp.leads('visit(pages = 1)'), pg_temp.leads('segment(''hot'')'), pg_temp.leads('thing');
ROLLBACK TO sources;
-- a name as long as a book is not repeated
SELECT input, length(pg_temp.leads(repeat('頁', 100000) || input)), length(pg_temp.leads('lead(email = ''' || repeat('x', 1000000) || input)) FROM unnest(ARRAY['', '(pages > 1)', ''' and employees = ''x'')']) AS input;
SELECT length(message), length(hint) FROM leadflow.check_segment(('visit(pages = ''' || repeat('頁', 100000) || ''') or segment(''' || repeat('x', 100000) || ''')')::leadflow.segment);
-- lookups that are none
SAVEPOINT lookups;
UPDATE leadflow.source SET lookups = '{"a": {"relation": "leadflow.rep", "key": "rep_id", "name": "name"}}' WHERE name = 'visit';
UPDATE leadflow.source SET lookups = '{"a": {"relation": "leadflow.rep", "column": "lead_id", "key": "rep_id"}}' WHERE name = 'activity';
UPDATE leadflow.source SET lookups = '["a"]' WHERE name = 'application';
UPDATE leadflow.source SET lookups = '{"a": 3}' WHERE name = 'lead';
SELECT input, pg_temp.leads(input) FROM unnest(ARRAY['visit(pages = 1)', 'activity(a = ''x'')', 'application', 'lead(a = ''x'')']) AS input;
ROLLBACK TO lookups;
-- the leads' own table can be another source too: who was merged into whom
INSERT INTO leadflow.lead (lead_id, merged_into, created_at, updated_at, employees) VALUES (3, 2, '2026-01-01 00:00+09', '2026-06-09 00:00+09', 77), (4, 1, '2026-01-01 00:00+09', '2026-07-01 00:00+09', 78);
INSERT INTO leadflow.source (name, relation, lead_column, key_column, time_column) VALUES ('absorbed', 'leadflow.lead', 'merged_into', 'lead_id', 'updated_at');
SELECT input, pg_temp.leads(input) FROM unnest(ARRAY['absorbed', 'not absorbed', 'absorbed(employees = 77)', 'count(absorbed) = 1', 'last(absorbed)(employees > 1)', 'absorbed(updated_at within 30 days)']) AS input;
UPDATE leadflow.source SET time_column = 'updated_at' WHERE name = 'lead';
UPDATE leadflow.lead SET updated_at = '2026-06-30 00:00+09' WHERE lead_id = 1;
UPDATE leadflow.lead SET updated_at = '2026-06-05 00:00+09' WHERE lead_id <> 1;
SELECT pg_temp.leads('lead(updated_at within 30 days)'), pg_temp.leads('count(lead) = 0');
-- a label is found whatever its case
SELECT count(*) FROM leadflow.check_segment('リード(リードID = 1 and 外部id is null)');
ROLLBACK;

-- a zone is an IANA name throughout: CET has summer time, which the abbreviation has not
BEGIN;
INSERT INTO leadflow.lead (lead_id, created_at) VALUES (1, '2026-01-01');
CREATE TABLE local_event (lead_id bigint, at timestamp);
INSERT INTO local_event VALUES (1, '2026-07-01 12:30');
SELECT leadflow.register_source('local', 'local_event', time_column => 'at');
SELECT leadflow.evaluate('local', '2026-07-01 10:45+00', 'CET'), leadflow.evaluate('local', '2026-07-01 10:15+00', 'CET'),
       leadflow.evaluate('local(at within 30 minutes)', '2026-07-01 10:45+00', 'CET'), leadflow.evaluate('local(at = ''2026-07-01 10:30Z'')', '2026-07-01 10:45+00', 'CET');
SELECT leadflow.local_time('2026-07-01 10:30+00', 'CET') = '2026-07-01 12:30', leadflow.instant('2026-07-01 12:30', 'CET') = '2026-07-01 10:30+00',
       leadflow.local_time('infinity', 'CET'), leadflow.instant('-infinity', 'CET');
SELECT leadflow.register_source('index', 'leadflow.lead_email');
ROLLBACK;
