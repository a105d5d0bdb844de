SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
BEGIN;
\pset format unaligned
\pset tuples_only on
\pset null '-'

INSERT INTO leadflow.rep (rep_id, name) VALUES (901, '田中');
INSERT INTO leadflow.campaign (campaign_id, name) VALUES (901, '春の展示会');
INSERT INTO leadflow.lead (lead_id, email, company, employees, rep_id, created_at, deleted_at, merged_into) VALUES
    (1, 'a@x.jp', 'Acme', 10, 901, '2026-01-01 00:00+09', NULL, NULL), (2, NULL, repeat('長い会社名', 20), NULL, NULL, '2026-01-01 00:00+09', NULL, NULL),
    (3, NULL, NULL, NULL, NULL, '2026-01-01 00:00+09', '2026-06-01 00:00+09', NULL), (4, NULL, NULL, NULL, NULL, '2026-01-01 00:00+09', NULL, 1), (4294967297, NULL, NULL, NULL, NULL, '2026-07-01 00:00+09', NULL, NULL);
INSERT INTO leadflow.visit (lead_id, visit_id, visited_at, pages) VALUES
    (1, 901, '2026-04-01 10:00+09', 40), (1, 902, '2026-05-12 23:30+09', 14), (1, 903, '2026-06-02 10:00+09', 3), (1, 904, '2026-12-01 10:00+09', 50), (2, 905, 'infinity', 1), (2, 906, '-infinity', 2);
INSERT INTO leadflow.application (lead_id, application_id, campaign_id, applied_at) VALUES (1, 901, 901, '2026-05-01 10:00+09'), (1, 902, NULL, '2026-05-02 10:00+09');
INSERT INTO leadflow.activity (lead_id, activity_id, form_version, fields) VALUES
    (1, 901, 0, '{"acted_on": "2026-03-31", "result": "継続フォロー", "note": "secret"}'), (1, 902, 0, '{"acted_on": "2026-05-31", "result": "商談化"}'), (2, 903, 0, '{"result": "商談化"}');

CREATE FUNCTION pg_temp.why(lead_id bigint, input text, as_of timestamptz DEFAULT '2026-06-03 12:00+09', zone text DEFAULT 'Asia/Tokyo') RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT repeat('  ', w.depth) || w.part || ': ' || CASE WHEN w.holds THEN 'yes' ELSE 'no' END || coalesce(' | ' || w.found, '') || coalesce(' | ' || w.evidence::text, '')
                   FROM leadflow.why(lead_id, input::leadflow.segment, as_of, zone) AS w;
EXCEPTION WHEN OTHERS THEN
    RETURN NEXT concat_ws(' | ', SQLSTATE, SQLERRM);
END $$;

-- the record that satisfies the condition, or the nearest: by the conditions it satisfies, on the event time first, then by how far it falls short
SELECT pg_temp.why(1, input) FROM unnest(ARRAY[
    'visit(pages >= 15 and visited_at within 30 days)', 'visit(pages >= 15)', 'visit(pages < 3)', 'visit(pages > 40 or pages = 4)', 'visit(pages >= 15 and visited_at in this year)', 'visit(visited_at within 2 days)', 'visit', 'visit(entry_url = ''/'' and not pages = 3)',
    'application(campaign = ''春の展示会'')', 'application(campaign is null and status is not null)', 'lead(rep = ''田中'' and employees > 10)', 'lead(company contains ''acme'')', 'lead', 'activity(fields is null)', 'everyone', 'no one']) AS input;
-- without records, with times that are none, texts that are long; another zone
SELECT pg_temp.why(2, input) FROM unnest(ARRAY['visit(pages > 0)', 'activity', 'not application', 'lead(company is null)', 'lead(employees is not null and email is not null)', 'max(visit.visited_at) today', 'max(activity.acted_on) at least 60 days ago', 'last(activity)(result = ''商談化'')', 'sum(visit.pages) > 3', 'avg(application.campaign_id) > 1']) AS input;
SELECT pg_temp.why(1, 'visit(pages = 14 and visited_at within 30 days)', zone => 'America/New_York');
-- aggregates and first and last
SELECT pg_temp.why(1, input) FROM unnest(ARRAY[
    'count(visit) >= 4', 'count(visit where pages > 100) = 0', 'count(application.campaign) = 2', 'count(distinct activity.result) between 1 and 2', 'sum(visit.pages where visited_at within 30 days) >= 20', 'sum(visit.pages) > 50', 'avg(visit.pages) > 20', 'min(visit.pages) not in (3, 4)',
    'max(activity.acted_on) at least 60 days ago', 'max(visit.visited_at) within 30 days', 'min(activity.result) = ''x''', 'last(visit)(pages >= 15 and entry_url is null)', 'first(visit where pages < 40)(pages = 14)', 'last(application)(campaign is not null)']) AS input;
-- what must not be is told as what there is
SELECT pg_temp.why(1, input) FROM unnest(ARRAY['not activity(result = ''商談化'')', 'not visit(pages > 100)', 'not count(visit) = 3', 'not last(visit)(pages = 3)', 'not lead(email is not null)', 'not (visit and application)', 'not not visit', 'not segment(''appointment'')', 'not everyone']) AS input;
-- chains, saved segments within saved segments
SELECT leadflow.save_segment('inner', 'visit(pages >= 15) or application(status = ''new'')'), leadflow.save_segment('outer', 'segment(''inner'') and not activity'), leadflow.save_segment('one', 'segment(''inner'')');
SELECT pg_temp.why(1, 'segment(''outer'') or lead(email is null) and (no one or visit(pages = 1)) or segment(''one'')');
-- lists: since when, or until when; as of the instant
INSERT INTO leadflow.list (list_id, name) VALUES (901, 'A'), (902, 'B''s');
INSERT INTO leadflow.member (lead_id, list_id, member_id, entered_at, left_at) VALUES
    (1, 901, 901, '2026-05-01 07:00+09', '2026-05-08 07:00+09'), (1, 901, 902, '2026-06-01 07:00+09', NULL), (1, 902, 903, '2026-05-04 07:00+09', '2026-06-01 07:00+09');
SELECT pg_temp.why(1, 'list(''A'') and not list(''B''''s'') and not list(''A'') and list(''B''''s'') and not list(''HOTリードリスト'') and list(''HOTリードリスト'')');
SELECT pg_temp.why(1, 'list(''B''''s'')', '2026-05-05'), pg_temp.why(1, 'list(''A'')', '2026-05-10 00:00+09');
-- leads outside of every segment
SELECT id, pg_temp.why(id, 'not visit') FROM unnest('{3,4,5,4294967297,-1}'::bigint[]) AS id;
SELECT count(*) FROM leadflow.why(NULL, 'lead');
SELECT count(*) FROM leadflow.why(1, NULL);
SELECT pg_temp.why(1, 'visit(page = 1)'), pg_temp.why(1, 'visit', NULL), pg_temp.why(1, 'visit', 'infinity'), pg_temp.why(1, 'visit', '2026-01-01', 'JST');
-- a source without key or time; with a key that is no longer a column; with keys of any kind; ties
CREATE TABLE public.why_probe (id text, lead_id bigint, on_day date, at timestamp, "the ""1" integer, j jsonb);
INSERT INTO public.why_probe VALUES ('a"b', 1, '2026-06-01', '2026-06-01 10:00', 1, '{}'), ('c', 1, '2026-06-01', '2026-06-01 11:00', 2, NULL), (NULL, 1, NULL, NULL, 3, NULL), ('4714 BC', 2, '4713-01-01 BC', '4713-01-01 BC', 4, NULL), ('late', 2, '5874897-12-31', '294276-12-31 23:59', 5, NULL);
INSERT INTO leadflow.source (name, relation, key_column, time_column) VALUES
    ('bare', 'public.why_probe', NULL, NULL), ('gone', 'public.why_probe', 'nothing', 'on_day'), ('keyed"', 'public.why_probe', 'id', 'on_day'), ('tied', 'public.why_probe', NULL, 'on_day'), ('timed', 'public.why_probe', 'id', 'at');
SELECT pg_temp.why(1, input) FROM unnest(ARRAY['bare("the ""1" > 5)', 'bare', 'gone("the ""1" > 1)', '"keyed"""("the ""1" > 0)', 'count("keyed""") = 0', 'last("keyed""")("the ""1" = 1)', 'last(tied)("the ""1" = 1)', 'last(tied)("the ""1" > 7)', 'timed(j is null and at is null)', 'timed(j is not null)']) AS input;
SELECT pg_temp.why(2, 'timed(on_day before ''2026-01-01'')', '294276-01-01'), pg_temp.why(2, 'min("keyed""".on_day) today'), pg_temp.why(2, 'max(bare.on_day) today'), pg_temp.why(2, 'max(bare.at) today');
-- whatever the session's settings
SET LOCAL search_path = '';
SET LOCAL standard_conforming_strings = off;
SET LOCAL escape_string_warning = off;
SET LOCAL DateStyle = 'SQL, DMY';
SET LOCAL TimeZone = 'America/St_Johns';
SELECT found, evidence FROM leadflow.why(1, 'visit(pages = 14 and entry_url = ''\\'')', '2026-06-03 12:00+09');
RESET search_path;
RESET standard_conforming_strings;
RESET escape_string_warning;
RESET DateStyle;
RESET TimeZone;

-- hidden fields are shown to those who have the privileges of the table's owner
SELECT version > 1 FROM leadflow.set_form('activity', 'acted_on date; result text hidden; note text hidden');
ALTER TABLE leadflow.activity ADD shout text GENERATED ALWAYS AS (upper(fields ->> 'note')) STORED;
CREATE VIEW public.why_view AS SELECT lead_id, activity_id, acted_on, note, list_id FROM leadflow.activity;
INSERT INTO leadflow.source (name, relation, key_column, time_column) VALUES ('seen', 'public.why_view', 'activity_id', 'acted_on');
SELECT pg_temp.why(1, 'activity(note = ''x'' or shout = ''x'' or kind = ''x'')');
CREATE ROLE regress_leadflow_rep;
CREATE ROLE regress_leadflow_owner;
GRANT USAGE ON SCHEMA leadflow, public TO regress_leadflow_rep, regress_leadflow_owner;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow, public TO regress_leadflow_rep, regress_leadflow_owner;
REVOKE SELECT ON leadflow.form_version FROM regress_leadflow_rep;
SET LOCAL ROLE regress_leadflow_rep;
SELECT pg_temp.why(1, input) FROM unnest(ARRAY['activity(note = ''x'' or shout = ''x'' or kind = ''x'')', 'seen(note = ''secret'')', 'min(activity.note) = ''x''', 'count(distinct activity.note) = 2', 'last(activity)(result = ''x'')', 'not activity(result is not null)', 'lead(email = ''x'')']) AS input;
RESET ROLE;
ALTER TABLE leadflow.activity OWNER TO regress_leadflow_owner;
SET LOCAL ROLE regress_leadflow_owner;
SELECT pg_temp.why(1, 'activity(note = ''x'')');
RESET ROLE;
GRANT regress_leadflow_owner TO regress_leadflow_rep;
SET LOCAL ROLE regress_leadflow_rep;
SELECT pg_temp.why(1, 'activity(note = ''x'')');
RESET ROLE;
ROLLBACK;
