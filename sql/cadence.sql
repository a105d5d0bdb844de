SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
RESET client_min_messages;

-- what is written and what it is kept as
SELECT input, input::leadflow.cadence AS cadence,
       input::leadflow.cadence::text::leadflow.cadence OPERATOR(leadflow.=) input::leadflow.cadence AS same
  FROM unnest(ARRAY[
         'hourly', 'HOURLY From 2026-01-05', 'Continuous', 'continuous from 2026-01-05',
         'daily at 8:00', 'every day at 00:00', 'every 3 days at 23:59 from 2026-11-23',
         'weekly on monday at 07:00', 'Every 1 Week on Sun at 07:00',
         'every 2 weeks on thu,MON , Thursday at 7:00 from 2026-11-23',
         'weekly on sun,sat,fri,thu,wed,tue,mon at 07:00',
         'monthly on day 1 at 06:00', E'  every\t0003 months\non day 31 at 6:30 from 0001-01-01 ',
         'every 1000 months on day 29 at 06:00 from 9999-12-31',
         'ｅｖｅｒｙ　２　ｗｅｅｋｓ　ｏｎ　ＭＯＮ，thu　at　０７：００ from ２０２６－１１－２３']) AS input;

SELECT 'weekly on mon at 7:00'::leadflow.cadence OPERATOR(leadflow.=) 'every week on monday at 07:00' AS same,
       'weekly on mon at 7:00'::leadflow.cadence OPERATOR(leadflow.<>) 'weekly on tue at 7:00' AS different;

-- and what is refused: the details say why and where
CREATE FUNCTION pg_temp.refused(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    RETURN input::leadflow.cadence::text;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN format('%s %s %s', SQLSTATE, detail, hint);
END $$;
SELECT input, pg_temp.refused(input)
  FROM unnest(ARRAY[
         '', 'sometimes', '毎週', 'hourly at 00:30', 'hourlyfrom 2026-01-01', 'continuous at 07:00',
         'daily', 'daily at', 'daily at noon', 'daily at 7', 'daily at 7:5', 'daily at 07 : 00', 'daily at 07:00:00', 'daily at 24:00', 'daily at 23:60',
         'every', 'every 2 hours', 'every 0 days at 07:00', 'every 1001 days at 07:00', 'every 99999999999999999999 days at 07:00', 'every -1 days at 07:00',
         'weekly', 'weekly on', 'weekly on monday', 'weekly on mond at 07:00', 'weekly on mon, at 07:00', 'weekly on mon tue at 07:00', 'weekly on 月 at 07:00', 'ｗｅｅｋｌｙ　on　ｍｏｎ　at　７時',
         'monthly at 07:00', 'monthly on 1 at 07:00', 'monthly on day 0 at 07:00', 'monthly on day 32 at 07:00',
         'daily at 07:00 from monday', 'daily at 07:00 from 26-01-01', 'daily at 07:00 from 2026/01/01', 'daily at 07:00 from 2026-13-01',
         'daily at 07:00 from 2026-02-29', 'daily at 07:00 from 0000-01-01', 'daily at 07:00 from 2026-01-01 twice']) AS input;
SELECT 'every 2 weeks on monday, funday at 07:00'::leadflow.cadence;
SELECT repeat('あ', 10000)::leadflow.cadence;
SELECT length(pg_temp.refused('weekly on mon' || repeat(',mon', 100000) || ',' || chr(7))) < 100 AS brief;

-- the binary form is the text after a version
CREATE TEMP TABLE kept (cadence leadflow.cadence);
INSERT INTO kept VALUES ('every 2 weeks on thu, mon at 7:00'), (NULL);
SELECT leadflow.cadence_send(cadence) = '\x01'::bytea || convert_to(cadence::text, 'UTF8') AS sent FROM kept;

-- Monday 07:00 in Tokyo
CREATE FUNCTION pg_temp.shown(at timestamptz, zone text) RETURNS text LANGUAGE sql AS
$$ SELECT to_char(timezone(zone, at), 'Dy YYYY-MM-DD HH24:MI:SS') || ' = ' || to_char(timezone('UTC', at), 'DD HH24:MI') || 'Z' $$;
SELECT pg_temp.shown(leadflow.last_run('weekly on monday at 07:00', at, 'Asia/Tokyo'), 'Asia/Tokyo') AS last,
       pg_temp.shown(leadflow.next_run('weekly on monday at 07:00', at, 'Asia/Tokyo'), 'Asia/Tokyo') AS next
  FROM unnest('{2026-11-22 21:59:59.999999+00, 2026-11-22 22:00+00, 2026-11-22 22:00:00.000001+00}'::timestamptz[]) AS at;

-- runs one after the other, and whether the last run is each of them until the next
CREATE FUNCTION pg_temp.runs(cadence leadflow.cadence, after timestamptz, zone text, runs int DEFAULT 4)
RETURNS TABLE (run text, consistent boolean) LANGUAGE sql AS $$
    WITH RECURSIVE run AS (
        SELECT 1 AS number, after AS previous, leadflow.next_run(cadence, after, zone) AS at
         UNION ALL
        SELECT number + 1, at, leadflow.next_run(cadence, at, zone) FROM run WHERE number < runs)
    SELECT pg_temp.shown(at, zone),
           at > previous AND leadflow.last_run(cadence, at, zone) = at
           AND (number = 1 OR leadflow.last_run(cadence, at - interval '1 microsecond', zone) = previous)
      FROM run ORDER BY number $$;

-- periods: counted from Monday 1970-01-05, or from "from", before which nothing runs
SELECT * FROM pg_temp.runs('every 2 weeks on mon, thu at 07:00', '2026-11-20 00:00+00', 'Asia/Tokyo');
SELECT * FROM pg_temp.runs('every 2 weeks on mon, thu at 07:00 from 2026-11-25', '2020-01-01 00:00+00', 'Asia/Tokyo');
SELECT * FROM pg_temp.runs('every 10 days at 07:00', '1970-01-01 00:00+00', 'Asia/Tokyo', 2);
SELECT * FROM pg_temp.runs('every 10 days at 07:00 from 2026-02-20', '2026-02-20 00:00+00', 'Asia/Tokyo', 2);
SELECT * FROM pg_temp.runs('monthly on day 31 at 06:00', '2027-12-31 00:00+00', 'Asia/Tokyo', 3);
SELECT * FROM pg_temp.runs('every 5 months on day 30 at 06:00 from 2026-09-30', '2026-09-29 21:00+00', 'Asia/Tokyo', 2);
SELECT * FROM pg_temp.runs('every 1000 months on day 31 at 06:00', '2026-01-01 00:00+00', 'Asia/Tokyo', 2);
SELECT leadflow.last_run('daily at 07:00 from 2026-11-23', '2026-11-22 21:59:59+00', 'Asia/Tokyo') IS NULL AS before_from,
       leadflow.last_run('hourly from 2026-11-23', '2026-11-22 14:59:59+00', 'Asia/Tokyo') IS NULL AS before_from_hourly,
       pg_temp.shown(leadflow.last_run('hourly from 2026-11-23', '2026-11-22 15:00+00', 'Asia/Tokyo'), 'Asia/Tokyo') AS first;

-- clocks set forward: at the jump, once
SELECT * FROM pg_temp.runs('daily at 02:30', '2026-03-07 05:00+00', 'America/New_York', 3);
SELECT * FROM pg_temp.runs('daily at 02:30', '2026-09-25 00:00+00', 'Antarctica/McMurdo', 3);
SELECT * FROM pg_temp.runs('daily at 02:15', '2026-10-02 00:00+00', 'Australia/Lord_Howe', 3);
SELECT * FROM pg_temp.runs('daily at 00:00', '2010-04-28 23:00+00', 'Africa/Cairo', 2);
SELECT * FROM pg_temp.runs('daily at 00:00', '2018-11-03 12:00+00', 'America/Sao_Paulo', 2);
SELECT * FROM pg_temp.runs('daily at 00:00', '2022-03-26 12:00+00', 'Asia/Beirut', 2);
-- a whole day skipped: its run comes at the jump, and is the next day's where that is the same instant
SELECT * FROM pg_temp.runs('daily at 07:00', '2011-12-29 10:00+00', 'Pacific/Apia');
SELECT * FROM pg_temp.runs('daily at 00:00', '2011-12-29 09:00+00', 'Pacific/Apia', 3);

-- clocks set back: the first time
SELECT * FROM pg_temp.runs('daily at 01:30', '2026-10-31 12:00+00', 'America/New_York', 2);
SELECT * FROM pg_temp.runs('daily at 02:30', '2026-04-04 00:00+00', 'Antarctica/McMurdo', 2);
SELECT * FROM pg_temp.runs('daily at 00:00', '2019-11-02 12:00+00', 'America/Havana', 2);
SELECT * FROM pg_temp.runs('daily at 00:30', '2026-10-24 12:00+00', 'Atlantic/Azores', 2);
SELECT * FROM pg_temp.runs('daily at 00:00', '2006-10-28 12:00+00', 'America/St_Johns', 2);

-- hourly: whenever the clock shows a whole hour
SELECT * FROM pg_temp.runs('hourly', '2026-11-01 04:00+00', 'America/New_York');
SELECT * FROM pg_temp.runs('hourly', '2026-03-08 05:00+00', 'America/New_York', 3);
SELECT * FROM pg_temp.runs('hourly', '2026-10-03 14:00+00', 'Australia/Lord_Howe', 3);
SELECT * FROM pg_temp.runs('hourly from 2026-11-23', '2026-01-01 00:00+00', 'Asia/Kolkata', 2);

-- where there is no run
SELECT cadence,
       leadflow.next_run(cadence, '-infinity', 'Asia/Tokyo') = leadflow.next_run(cadence, '2025-12-31 14:59:59+00', 'Asia/Tokyo') AS first,
       leadflow.next_run(cadence, 'infinity', 'Asia/Tokyo') IS NULL AS none_after,
       leadflow.next_run(cadence, '294276-12-31 23:59:59+00', 'Asia/Tokyo') IS NULL AS none_at_the_end,
       leadflow.last_run(cadence, '-infinity', 'Asia/Tokyo') IS NULL AS none_before,
       leadflow.last_run(cadence, '4714-11-24 00:00+00 BC', 'Asia/Tokyo') IS NULL AS none_at_the_beginning,
       leadflow.last_run(cadence, 'infinity', 'Asia/Tokyo') IS NULL AS no_last
  FROM unnest('{hourly, hourly from 2026-01-01, daily at 07:00 from 2026-01-01, every 1000 weeks on mon at 07:00, every 999 months on day 31 at 23:59}'::leadflow.cadence[]) AS cadence;

-- local days
SELECT zone, day, pg_temp.shown(leadflow.day_start(day::date, zone), zone) AS start,
       leadflow.local_date(leadflow.day_start(day::date, zone), zone) = day::date AS shown
  FROM (VALUES ('Asia/Tokyo', '2026-11-23'), ('asia/TOKYO', '1999-12-31'), ('UTC', '2026-11-23'), ('EST5EDT', '2026-11-23'),
               ('Africa/Cairo', '2010-04-30'), ('America/Sao_Paulo', '2018-11-04'), ('Asia/Beirut', '2022-03-27'),
               ('America/Havana', '2019-11-03'), ('Atlantic/Azores', '2026-10-25'), ('America/St_Johns', '2006-10-29'),
               ('Pacific/Apia', '2011-12-30'), ('Pacific/Apia', '2011-12-31')) AS case_of (zone, day);
SELECT leadflow.local_date('2026-11-22 14:59:59.999999+00', 'Asia/Tokyo') = date '2026-11-22' AS before_midnight,
       leadflow.local_date('1989-12-31 14:59:59.999999+00', 'Asia/Tokyo') = date '1989-12-31' AS before_2000,
       leadflow.local_date('2026-11-22 15:00+00', 'Asia/Tokyo') = date '2026-11-23' AS midnight,
       leadflow.local_date('-infinity', 'Asia/Tokyo') = '-infinity' AND leadflow.local_date('infinity', 'Asia/Tokyo') = 'infinity'
       AND leadflow.day_start('-infinity', 'Asia/Tokyo') = '-infinity' AND leadflow.day_start('infinity', 'Asia/Tokyo') = 'infinity' AS infinite;
SELECT leadflow.day_start('5874897-12-31', 'Asia/Tokyo');

-- zones are IANA names
SELECT leadflow.next_run('hourly', '2026-01-01 00:00+00', 'Asia/Tokio');
\set VERBOSITY terse
SELECT leadflow.local_date('2026-01-01 00:00+00', 'JST');
SELECT leadflow.local_date('2026-01-01 00:00+00', 'UTC+9');
SELECT leadflow.local_date('2026-01-01 00:00+00', 'Asia/Tokio-9');
SELECT leadflow.day_start('2026-01-01', '');
SELECT leadflow.day_start('2026-01-01', '../UTC');
SELECT leadflow.last_run('hourly', '2026-01-01 00:00+00', repeat('あ', 10000));
