-- Segments on what load.sql has loaded, as of the end of the log's last day:
--
--     psql -v zone=Europe/Berlin -f report.sql DATABASE
--
-- zone, UTC unless given, is where that day ends and in which days are counted.

\set ON_ERROR_STOP on
\set QUIET on
\if :{?zone}
\else
\set zone UTC
\endif

SELECT date_trunc('day', max(visited_at + coalesce(duration, '0')) AT TIME ZONE :'zone')
           + interval '1 day - 1 microsecond' AS last_instant
  FROM leadflow.visit \gset
SELECT :'last_instant'::timestamp AT TIME ZONE :'zone' AS as_of \gset

\echo 'As of' :last_instant :zone
SELECT leadflow.cardinality(leadflow.evaluate(segment::leadflow.segment, as_of => :'as_of', zone => :'zone')) AS leads,
       segment, meaning
  FROM (VALUES
    (1, 'everyone', 'every address'),
    (2, 'lead(nurturing)', 'no crawler'),
    (3, 'visit(pages >= 15)', 'hot by a single visit'),
    (4, 'visit(pages >= 15) and lead(nurturing)', 'and no crawler'),
    (5, 'visit(pages >= 5 and visited_at within 1 day) and lead(nurturing)', 'warm, yesterday or today'),
    (6, 'sum(visit.pages where visited_at within 3 days) >= 15 and not visit(pages >= 15) and lead(nurturing)',
        'hot only over several visits'),
    (7, 'count(visit where pages > 0) >= 3 and lead(nurturing)', 'came back and back'),
    (8, 'first(visit)(referrer contains ''google'') and visit(pages >= 3) and lead(nurturing)',
        'found by a search, then read'),
    (9, 'max(visit.visited_at) at least 2 days ago and visit(pages >= 5) and lead(nurturing)',
        'read, then silent'))
    AS s (n, segment, meaning)
 ORDER BY n;

\echo 'The hottest leads that do not call themselves crawlers'
SELECT l.external_id AS address, count(*) AS visits, sum(v.pages) AS pages,
       max(v.pages) AS longest_visit, max(v.visited_at) AT TIME ZONE :'zone' AS last_visit
  FROM leadflow.unnest(leadflow.evaluate('visit(pages >= 15) and lead(nurturing)'::leadflow.segment,
                                         as_of => :'as_of', zone => :'zone')) AS hot (lead_id)
  JOIN leadflow.lead AS l USING (lead_id)
  JOIN leadflow.visit AS v USING (lead_id)
 GROUP BY l.lead_id
 ORDER BY sum(v.pages) DESC, l.lead_id
 LIMIT 10;
