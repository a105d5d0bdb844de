-- The rules of "Meaning", one after the other: what each case should give is
-- written beside it, and every query lists the cases that give something else.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
BEGIN;
CREATE FUNCTION pg_temp.leads(input text, as_of timestamptz DEFAULT '2026-06-30 12:00+09', zone text DEFAULT 'Asia/Tokyo') RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN RETURN leadflow.evaluate(input::leadflow.segment, as_of, zone); END $$;

-- ---- HOT: one visit of 15 pages within 30 days, an application, no activity, e-mail, no competitor, nurturing
INSERT INTO leadflow.lead (lead_id, email, created_at) SELECT id, 'x@x.jp', '2020-01-01' FROM generate_series(1, 49) AS id;
INSERT INTO leadflow.application (lead_id, applied_at) SELECT id, CASE id WHEN 7 THEN timestamptz '2026-06-30 12:00:00.000001+09' ELSE '2025-01-01' END FROM generate_series(1, 49) AS id WHERE id <> 6;
INSERT INTO leadflow.visit (lead_id, visited_at, pages)
SELECT id, CASE id WHEN 1 THEN timestamptz '2026-05-31 00:00+09' WHEN 2 THEN '2026-05-30 23:59:59.999999+09' WHEN 14 THEN '2026-06-30 12:00:00.000001+09' WHEN 20 THEN '2026-05-21 12:00+09' ELSE '2026-06-30 12:00+09' END,
       CASE id WHEN 4 THEN 8 WHEN 5 THEN 14 ELSE 15 END FROM generate_series(1, 49) AS id;
INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (4, '2026-06-29 12:00+09', 8), (20, '2026-06-29 12:00+09', 1);
-- one of them without a day, as rows from before there was a form may be
INSERT INTO leadflow.activity (lead_id, fields, form_version) VALUES (8, '{"acted_on": "2025-01-01"}', 0), (9, '{"acted_on": "2026-07-01"}', 0), (10, '{"acted_on": "2026-06-30"}', 0), (19, '{}', 0);
UPDATE leadflow.lead SET email = NULL WHERE lead_id = 11;
UPDATE leadflow.lead SET competitor = true WHERE lead_id = 12;
UPDATE leadflow.lead SET nurturing = false WHERE lead_id = 13;
UPDATE leadflow.lead SET created_at = '2026-06-30 12:00:00.000001+09' WHERE lead_id = 15;
UPDATE leadflow.lead SET created_at = '2026-06-30 12:00+09' WHERE lead_id = 16;
UPDATE leadflow.lead SET deleted_at = '2027-01-01' WHERE lead_id = 17;
UPDATE leadflow.lead SET merged_into = 1 WHERE lead_id = 18;
-- re-engagement: the latest activity at least 60 days ago, that is on 1 May
INSERT INTO leadflow.activity (lead_id, form_version, fields) SELECT id, 0, jsonb_build_object('acted_on', day)
  FROM (VALUES (31, '2026-05-01'), (32, '2026-05-02'), (33, '2026-03-22'), (33, '2026-06-29'), (35, '2026-03-22'), (35, '2026-07-01'), (36, '2026-07-01'), (37, NULL), (38, '2026-03-22'), (38, NULL), (39, '2026-03-22'), (39, '2026-06-30')) AS v (id, day);
SELECT pg_temp.leads('segment(''hot'') and lead(lead_id <= 20)') = '{1,3,9,16}' AS hot, pg_temp.leads('segment(''reengagement'') and lead(lead_id between 31 and 39)') = '{31,35,38}' AS reengagement,
       pg_temp.leads('visit(pages >= 15 and visited_at within 30 days) and lead(lead_id in (4, 20))') = '{}' AND pg_temp.leads('sum(visit.pages where visited_at within 30 days) >= 16 and lead(lead_id in (4, 20))') = '{4}' AS one_record,
       pg_temp.leads('visit(pages = 15) and visit(pages = 1)') = '{20}' AND pg_temp.leads('visit(pages = 15 and pages = 1)') = '{}' AS two_blocks;
-- the universe; as of one microsecond or a zone later, other things hold
SELECT pg_temp.leads('everyone') = '{1-14,16,19-49}' AND pg_temp.leads('not everyone') = '{}' AND pg_temp.leads('everyone', '2026-06-30 12:00:00.000001+09') = '{1-16,19-49}' AND pg_temp.leads('not (visit(pages > 8) or application)') = '{}' AS universe,
       pg_temp.leads('visit(visited_at within 0 days) and lead(lead_id in (1, 14, 16))', '2026-06-30 12:00:00.000001+09') = '{14,16}' AS later,
       pg_temp.leads('segment(''hot'') and lead(lead_id in (1, 2))', '2026-06-30 12:00+09', 'America/New_York') = '{1,2}' AND pg_temp.leads('activity(acted_on today)', '2026-07-01 12:00+14', 'Asia/Tokyo') = '{9,35,36}' AND pg_temp.leads('activity(acted_on today)', '2026-07-01 12:00+09', 'America/New_York') = '{10,39}' AS zones;

-- ---- a source whose records exist at every time
CREATE TEMP TABLE probe (lead_id bigint, at timestamptz, d date, ts timestamp, n integer, x numeric, t text, b boolean, tags text[], k text);
INSERT INTO leadflow.source (name, relation, time_column, key_column) VALUES ('probe', 'pg_temp.probe', NULL, NULL), ('keyed', 'pg_temp.probe', 'at', 'n'), ('keyless', 'pg_temp.probe', 'd', NULL), ('local', 'pg_temp.probe', 'ts', 'n');
-- days: lead 10 + n has local day today - n, at its first or its last instant
CREATE FUNCTION pg_temp.day_windows(zone text, as_of timestamp) RETURNS TABLE (expr text, expected text, field text, found text) LANGUAGE plpgsql AS $$
DECLARE
    clock text;
BEGIN
    FOREACH clock IN ARRAY ARRAY['00:00', '23:59:59.999999'] LOOP
        DELETE FROM probe;
        INSERT INTO probe (lead_id, d, ts, at) SELECT 10 + n, day, day + clock::time, timezone(zone, day + clock::time) FROM unnest('{-2,-1,0,1,2,29,30,31}'::int[]) AS n, LATERAL (SELECT as_of::date - n) AS v (day);
        INSERT INTO probe (lead_id, d, ts, at) VALUES (49, 'infinity', 'infinity', 'infinity'), (48, '-infinity', '-infinity', '-infinity'), (47, NULL, NULL, NULL);
        RETURN QUERY
            SELECT v.*, f, pg_temp.leads(format('probe(%s %s)', f, v.column1), timezone(zone, as_of), zone) FROM unnest(ARRAY['d', 'ts', 'at']) AS f, (VALUES
                ('within 30 days', '{10-12,39-40}'), ('within 0 days', '{10}'), ('at most 30 days ago', '{10-12,39-40}'), ('less than 30 days ago', '{10-12,39}'), ('less than 0 days ago', '{}'), ('at least 30 days ago', '{40-41}'), ('at least 0 days ago', '{10-12,39-41}'),
                ('more than 30 days ago', '{41}'), ('30 days ago', '{40}'), ('0 days ago', '{10}'), ('between 2 and 30 days ago', '{12,39-40}'), ('between 0 and 0 days ago', '{10}'), ('not between 2 and 30 days ago', '{8-11,41,48-49}'), ('within the next 1 day', '{9-10}'),
                ('within the next 0 days', '{10}'), ('today', '{10}'), ('yesterday', '{11}'), ('tomorrow', '{9}'), ('within 1 week', '{10-12}'), ('is not null', '{8-12,39-41,48-49}'), ('> ''2020-01-01''', '{8-12,39-41,49}'), ('before ''2020-01-01''', '{48}')) AS v;
    END LOOP;
END $$;
SELECT zone, as_of, w.* FROM (VALUES ('Asia/Tokyo', timestamp '2026-06-30 00:00'), ('Asia/Tokyo', '2026-06-30 23:59:59.999999'), ('America/New_York', '2026-03-08 00:00'), ('America/New_York', '2026-03-31 00:00'), ('America/New_York', '2026-03-09 00:00'),
    ('America/New_York', '2026-11-01 23:59:59.999999'), ('America/New_York', '2026-11-02 00:00'), ('America/New_York', '2026-12-01 00:00'), ('Antarctica/McMurdo', '2026-04-05 23:59:59.999999'), ('Antarctica/McMurdo', '2026-04-06 00:00'), ('Antarctica/McMurdo', '2026-05-05 12:00'),
    ('Antarctica/McMurdo', '2026-09-27 00:00'), ('Antarctica/McMurdo', '2026-09-28 00:00'), ('Antarctica/McMurdo', '2026-10-27 12:00')) AS c (zone, as_of), pg_temp.day_windows(zone, as_of) AS w WHERE expected::leadflow.leadset::text <> found;

-- one value, one condition; local times in the zone
CREATE FUNCTION pg_temp.holds(zone text, as_of timestamp, field text, value text, condition text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM probe;
    EXECUTE format('INSERT INTO probe (lead_id, %I) SELECT 10, %s', field, CASE field WHEN 'at' THEN format('timezone(%L, timestamp %L)', zone, value) ELSE quote_literal(value) END);
    RETURN pg_temp.leads(format('probe(%I %s)', field, condition), timezone(zone, as_of), zone) = '{10}';
END $$;
SELECT * FROM (VALUES
    -- months and years end where the month ends
    ('Asia/Tokyo', timestamp '2026-03-31 12:00', 'd', '2026-02-28', 'within 1 month', true), ('Asia/Tokyo', '2026-03-31 12:00', 'd', '2026-02-27', 'within 1 month', false), ('Asia/Tokyo', '2024-03-31 12:00', 'at', '2024-02-29 00:00', '1 month ago', true), ('Asia/Tokyo', '2024-02-29 12:00', 'd', '2023-02-28', '1 year ago', true),
    ('Asia/Tokyo', '2026-01-31 12:00', 'd', '2026-02-28', 'within the next 1 month', true), ('Asia/Tokyo', '2026-01-31 12:00', 'd', '2026-03-01', 'within the next 1 month', false), ('Asia/Tokyo', '2026-05-31 12:00', 'at', '2026-02-28 23:59:59.999999', 'at least 3 months ago', true), ('Asia/Tokyo', '2026-05-31 12:00', 'at', '2026-03-01 00:00', 'at least 3 months ago', false),
    -- weeks begin on Monday; 28 June 2026 is a Sunday
    ('Asia/Tokyo', '2026-06-28 23:59', 'd', '2026-06-22', 'in this week', true), ('Asia/Tokyo', '2026-06-28 23:59', 'd', '2026-06-21', 'in this week', false), ('Asia/Tokyo', '2026-06-28 23:59', 'at', '2026-06-28 23:59:59.999999', 'in this week', true), ('Asia/Tokyo', '2026-06-28 23:59', 'at', '2026-06-29 00:00', 'in this week', false),
    ('Asia/Tokyo', '2026-06-28 23:59', 'at', '2026-06-29 00:00', 'in next week', true), ('Asia/Tokyo', '2026-06-29 00:00', 'at', '2026-06-28 23:59', 'in last week', true), ('Asia/Tokyo', '2027-01-01 00:00', 'd', '2026-12-28', 'in this week', true), ('Asia/Tokyo', '2026-06-30 00:00', 'd', '2026-06-16', '2 weeks ago', true),
    ('Asia/Tokyo', '2026-01-01 00:00', 'd', '2025-10-01', 'in last quarter', true), ('Asia/Tokyo', '2026-01-01 00:00', 'd', '2025-09-30', 'in last quarter', false), ('Asia/Tokyo', '2026-03-31 00:00', 'd', '2026-02-28', 'in last month', true), ('Asia/Tokyo', '2026-12-31 23:59', 'at', '2027-01-01 00:00', 'in next year', true), ('Asia/Tokyo', '2026-12-31 23:59', 'at', '2027-01-01 00:00', 'in this year', false),
    -- hours are instants, whatever the clocks do: they went back at 02:00, and forward over 02:00
    ('America/New_York', '2026-11-01 02:00', 'at', '2026-11-01 00:30', 'within 2 hours', false), ('America/New_York', '2026-11-01 02:00', 'at', '2026-11-01 00:30', 'within 3 hours', true), ('America/New_York', '2026-03-08 03:30', 'at', '2026-03-08 01:30', 'within 60 minutes', false), ('America/New_York', '2026-03-08 03:30', 'at', '2026-03-08 01:30:00.000001', 'within 60 minutes', true),
    ('America/New_York', '2026-03-08 03:30', 'ts', '2026-03-08 01:30', 'at most 1 hour ago', true), ('America/New_York', '2026-03-08 03:30', 'ts', '2026-03-08 01:30', 'less than 1 hour ago', false), ('America/New_York', '2026-03-08 03:30', 'at', '2026-03-08 01:30', 'at least 1 hour ago', true), ('America/New_York', '2026-03-08 03:30', 'at', '2026-03-08 01:30', 'more than 1 hour ago', false),
    ('Asia/Tokyo', '2026-06-30 12:00', 'at', '2026-06-30 12:00', 'within 0 hours', false), ('Asia/Tokyo', '2026-06-30 12:00', 'at', '2026-06-30 12:00', 'at most 0 hours ago', true), ('Asia/Tokyo', '2026-06-30 12:00', 'at', '2026-06-30 12:00', 'at least 0 hours ago', true), ('Asia/Tokyo', '2026-06-30 12:00', 'at', '2026-06-30 12:00:00.000001', 'within 1 hour', false),
    ('Asia/Tokyo', '2026-06-30 12:00', 'at', '2026-06-30 10:00', 'between 1 and 2 hours ago', true), ('Asia/Tokyo', '2026-06-30 12:00', 'at', '-infinity', 'at least 1 hour ago', false), ('Asia/Tokyo', '2026-06-30 12:00', 'at', '2026-06-30 12:59', 'within the next 1 hour', true)
    ) AS v (zone, as_of, field, value, condition, expected) WHERE pg_temp.holds(zone, as_of, field, value, condition) <> expected;

-- a date stands for its whole local day: 1 last instant before, 2 its first, 3 its last, 4 first instant after
CREATE FUNCTION pg_temp.around(zone text, day date) RETURNS void LANGUAGE sql AS $$
    DELETE FROM probe;
    INSERT INTO probe (lead_id, ts, at) SELECT id, ts, timezone(zone, ts) FROM (VALUES (1, day - interval '1 microsecond'), (2, day::timestamp), (3, day + interval '1 day' - interval '1 microsecond'), (4, day + interval '1 day'), (5, NULL)) AS v (id, ts) $$;
CREATE FUNCTION pg_temp.literals(zone text, day date) RETURNS TABLE (condition text, expected text, field text, found text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.around(zone, day);
    RETURN QUERY SELECT v.*, f, pg_temp.leads(format('probe(%s %s)', f, replace(replace(v.column1, 'DAY', to_char(day, 'YYYY-MM-DD')), 'NEXT', to_char(day + 1, 'YYYY-MM-DD'))), '2030-01-01', zone) FROM unnest(ARRAY['ts', 'at']) AS f, (VALUES
        ('= ''DAY''', '{2-3}'), ('<> ''DAY''', '{1,4}'), ('< ''DAY''', '{1}'), ('<= ''DAY''', '{1-3}'), ('> ''DAY''', '{4}'), ('>= ''DAY''', '{2-4}'), ('before ''DAY''', '{1}'), ('after ''DAY''', '{4}'), ('between ''DAY'' and ''DAY''', '{2-3}'), ('not between ''DAY'' and ''DAY''', '{1,4}'),
        ('between ''DAY'' and ''NEXT''', '{2-4}'), ('in (''DAY'', ''NEXT'')', '{2-4}'), ('not in (''DAY'')', '{1,4}'), ('= ''DAY 00:00''', '{2}'), ('<> ''DAY 00:00''', '{1,3-4}'), ('> ''DAYT00:00:00.000001''', '{3-4}'), ('<= ''DAY 23:59:59.999999''', '{1-3}'), ('in (''DAY 00:00'', ''NEXT'')', '{2,4}'), ('between ''DAY 00:00'' and ''NEXT 00:00''', '{2-4}')) AS v;
END $$;
SELECT zone, day, l.* FROM (VALUES ('Asia/Tokyo', date '2026-06-01'), ('America/New_York', '2026-03-08'), ('America/New_York', '2026-11-01'), ('Antarctica/McMurdo', '2026-09-27'), ('Antarctica/McMurdo', '2026-04-05')) AS c (zone, day), pg_temp.literals(zone, day) AS l WHERE expected::leadflow.leadset::text <> found;

-- ---- NULL: 10 has nothing but NULLs, 11 an empty text and array, 12 has values
DELETE FROM probe;
INSERT INTO probe (lead_id, at, d, ts, n, x, t, b, tags) VALUES (10, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (11, NULL, NULL, NULL, NULL, NULL, '', NULL, '{}'), (12, '2026-06-01 12:00+09', '2026-06-01', '2026-06-01 12:00', 3, 1.5, 'Ab%c', true, '{a,b}');
SELECT condition, expected, pg_temp.leads(format('probe(%s)', condition)), pg_temp.leads(format('probe(not %s) and lead(lead_id between 10 and 12)', condition)) FROM (VALUES
    ('n = 3', '{12}'), ('n <> 3', '{}'), ('n in (3, 4)', '{12}'), ('n not in (4)', '{12}'), ('n not between 5 and 6', '{12}'), ('x > 1', '{12}'), ('x <= -1', '{}'), ('b', '{12}'), ('b = false', '{}'), ('b <> false', '{12}'), ('t <> ''z''', '{11-12}'), ('t not contains ''z''', '{11-12}'), ('t contains ''B%''', '{12}'), ('t contains ''b_''', '{}'),
    ('t starts with ''aB''', '{12}'), ('t not starts with ''a''', '{11}'), ('t ends with ''%C''', '{12}'), ('t not ends with ''c''', '{11}'), ('t like ''ab%''', '{}'), ('t like ''Ab%''', '{12}'), ('t not like ''ab%''', '{11-12}'), ('t matches ''^A''', '{12}'), ('t not matches ''^A''', '{11}'), ('t = ''''', '{11}'), ('t is empty', '{10-11}'), ('t is not empty', '{12}'),
    ('t is null', '{10}'), ('t is not null', '{11-12}'), ('n is empty', '{10-11}'), ('n is not empty', '{12}'), ('tags contains ''a''', '{12}'), ('tags contains ''A''', '{}'), ('tags not contains ''z''', '{11-12}'), ('tags is empty', '{10-11}'), ('tags is not empty', '{12}'), ('tags is null', '{10}'), ('d <> ''2026-06-02''', '{12}'), ('d not in (''2026-06-02'')', '{12}'),
    ('at <> ''2026-06-02''', '{12}'), ('at not between ''2026-06-02'' and ''2026-06-03''', '{12}'), ('ts not in (''2026-06-02'', ''2026-06-03 10:00'')', '{12}'), ('at not between 1 and 2 days ago', '{12}'), ('at not between 1 and 2 hours ago', '{12}'), ('d in last month', '{}'), ('d in this month', '{12}'), ('(n > 5 or t is null)', '{10}'), ('(n > 5 and t = '''')', '{}'), ('(not n > 5 and t = '''')', '{11}')
    ) AS v (condition, expected) WHERE pg_temp.leads(format('probe(%s)', condition)) <> expected::leadflow.leadset::text OR pg_temp.leads(format('probe(not %s)', condition)) <> (leadflow.leadset '{10-12}' OPERATOR(leadflow.-) expected::leadflow.leadset)::text;

-- ---- no records, and records without a value: 10 none, 11 n NULL, 12 n 0, 13 n 2, 14 n -1 and 1
DELETE FROM probe;
INSERT INTO probe (lead_id, n, t) VALUES (11, NULL, 'x'), (12, 0, 'x'), (13, 2, 'x'), (14, -1, 'x'), (14, 1, 'y'), (NULL, 5, 'x'), (999999, 5, 'x');
SELECT segment, expected, found FROM (VALUES
    ('count(probe) = 0', '{10}'), ('count(probe) <> 0', '{11-14}'), ('count(probe) < 1', '{10}'), ('count(probe) <= 1', '{10-13}'), ('count(probe) > -1', '{10-14}'), ('count(probe) >= 0', '{10-14}'), ('count(probe) > 0', '{11-14}'), ('count(probe) in (0, 2)', '{10,14}'), ('count(probe) in (2)', '{14}'), ('count(probe) not in (0)', '{11-14}'), ('count(probe) not in (1)', '{10,14}'),
    ('count(probe) between -1 and 1', '{10-13}'), ('count(probe) between 1 and 2', '{11-14}'), ('count(probe) not between 0 and 1', '{14}'), ('count(probe) not between 1 and 2', '{10}'), ('count(probe) not between -2 and -1', '{10-14}'), ('count(probe) = -0.0', '{10}'), ('count(probe) = ''0''', '{10}'), ('count(probe) < 0.5', '{10}'), ('not count(probe) = 0', '{11-14}'),
    ('count(probe.n) = 0', '{10-11}'), ('count(probe.n) = 1', '{12-13}'), ('count(probe where n > 0) = 0', '{10-12}'), ('count(probe where n > 0) < 1', '{10-12}'), ('count(distinct probe.t) = 0', '{10}'), ('count(distinct probe.t) = 2', '{14}'), ('count(distinct probe.t where n < 0) <= 0', '{10-13}'),
    ('sum(probe.n) = 0', '{10-12,14}'), ('sum(probe.n) <> 0', '{13}'), ('sum(probe.n) < 1', '{10-12,14}'), ('sum(probe.n) <= 0', '{10-12,14}'), ('sum(probe.n) > -1', '{10-14}'), ('sum(probe.n) >= 0', '{10-14}'), ('sum(probe.n) > 0', '{13}'), ('sum(probe.n) < 0', '{}'), ('sum(probe.n where n < 0) < 0', '{14}'), ('sum(probe.n) in (-1, 0)', '{10-12,14}'), ('sum(probe.n) not in (0)', '{13}'), ('sum(probe.n) not in (2)', '{10-12,14}'),
    ('sum(probe.n) between -5 and 0', '{10-12,14}'), ('sum(probe.n) not between -5 and 0', '{13}'), ('sum(probe.n) not between 1 and 5', '{10-12,14}'), ('min(probe.n) <= 0', '{12,14}'), ('not min(probe.n) <= 0', '{10-11,13}'), ('max(probe.n) <> 7', '{12-14}'), ('max(probe.n) not in (7)', '{12-14}'), ('avg(probe.n) = 0', '{12,14}'), ('not avg(probe.n) = 0', '{10-11,13}'), ('avg(probe.n) < 9', '{12-14}'),
    ('min(probe.t) <> ''y''', '{11-14}'), ('max(probe.t) = ''y''', '{14}'), ('probe(n = 1) and probe(n = -1)', '{14}'), ('probe(n = 1 and n = -1)', '{}'), ('probe(not n = 2)', '{11-12,14}'), ('not probe(n = 2)', '{10-12,14}')) AS v (segment, expected),
    LATERAL pg_temp.leads(format('(%s) and lead(lead_id between 10 and 14)', segment)) AS found WHERE found <> expected::leadflow.leadset::text;

-- ---- event times: 10 at NULL; 11 now and a microsecond later; 12 ties; 13 -infinity and infinity; 14 only later
DELETE FROM probe;
INSERT INTO probe (lead_id, at, n, k) VALUES (10, NULL, 1, 'null'), (11, '2026-06-30 12:00+09', 1, 'now'), (11, '2026-06-30 12:00:00.000001+09', 2, 'later'), (12, '2026-06-01 12:00+09', 1, 'low'), (12, '2026-06-01 12:00+09', 2, 'high'), (12, NULL, 3, 'null'), (13, '-infinity', 1, 'ever'), (13, 'infinity', 2, 'never'), (14, '2026-07-01 00:00+09', 1, 'later');
UPDATE probe SET ts = timezone('Asia/Tokyo', at), d = timezone('Asia/Tokyo', at)::date;
SELECT segment, expected, found FROM (VALUES
    ('keyed', '{10-13}'), ('keyed(at yesterday or k = ''null'')', '{10,12}'), ('local(k = ''now'')', '{11}'), ('local(k = ''null'' or ts within 1 hour)', '{10-12}'), ('not lead(employees > 5)', '{10-14}'), ('not lead(employees <> 5 or employees < 9)', '{10-14}'), ('keyed(k = ''later'' or k = ''never'')', '{}'), ('local(k = ''later'' or k = ''never'')', '{}'), ('keyless(k = ''later'')', '{11}'), ('keyless(k = ''never'')', '{}'), ('keyed(at is null)', '{10,12}'), ('keyed(not at within 30 days)', '{10,12-13}'), ('keyed(at at least 0 days ago)', '{11-12}'), ('keyed(at within 3000 months)', '{11-12}'),
    ('last(keyed)(k = ''now'')', '{11}'), ('last(keyed)(k is not null)', '{11-13}'), ('not first(keyed)(k is null)', '{10-14}'), ('last(keyed)(k = ''high'')', '{12}'), ('first(keyed)(k = ''high'')', '{12}'), ('first(keyed)(k = ''low'')', '{}'), ('last(local)(k = ''high'')', '{12}'), ('first(keyed)(k = ''ever'')', '{13}'),
    ('last(keyless)(k = ''high'') and last(keyless)(k = ''low'')', '{12}'), ('last(keyless)(k = ''now'') and last(keyless)(k = ''later'')', '{11}'), ('last(keyed where n < 2)(k = ''low'')', '{12}'), ('last(keyed where k = ''null'')(n > 0)', '{}'), ('count(keyed) = 3', '{12}'), ('max(keyed.n) = 2', '{}'), ('sum(keyed.n where at is not null) = 3', '{12}')) AS v (segment, expected),
    LATERAL pg_temp.leads(format('(%s) and lead(lead_id between 10 and 14)', segment)) AS found WHERE found <> expected::leadflow.leadset::text;
ROLLBACK;
