-- Turns an access log in Apache's and nginx's "combined" format into leads and visits:
--
--     psql -v log=/var/log/nginx/access.log -f load.sql DATABASE
--
-- An address is a lead. Its requests are one visit until 30 minutes or more pass without
-- one. What counts as a page is said below. Lines that cannot be read are counted and
-- left out. Loading the same log again adds nothing.

\set ON_ERROR_STOP on
\set QUIET on
\setenv LEADFLOW_ACCESS_LOG :log

BEGIN;
SET LOCAL client_min_messages = warning;

-- One line of the log, one row. Servers escape quotes, backslashes and control bytes
-- (\x22), but a damaged or hostile log holds anything:
--   - control bytes, NUL among them, are dropped, so that two of them can serve CSV as
--     delimiter and quote and never occur; backslashes then mean nothing to COPY
--   - a line \. would end the data for psql: it is replaced by another unreadable line
--   - bytes that are not UTF-8 cannot be refused when read as LATIN1: each is a letter.
--     An address, a time and an encoded URL are ASCII and come to no harm
CREATE TEMPORARY TABLE log_line (
    line_no bigint GENERATED ALWAYS AS IDENTITY,
    line text
) ON COMMIT DROP;

\copy log_line (line) FROM PROGRAM 'LC_ALL=C sed -e "s/[[:cntrl:]]//g" -e "s/^\\\\\.$/end-of-data mark/" -- "$LEADFLOW_ACCESS_LOG"' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02', ENCODING 'LATIN1')

-- A line is: address identity user [time] "request" status bytes "referrer" "user agent",
-- and perhaps more. It is cut at its quotes, the escaped ones and escaped backslashes put
-- aside as control bytes; what is between them is small work for a regular expression.
-- No server accepts more than some kilobytes of a header: a longer line is unreadable
-- without a look.
CREATE TEMPORARY TABLE log_request ON COMMIT DROP AS
WITH cut AS MATERIALIZED (
    SELECT line_no, string_to_array(replace(replace(line, '\\', E'\x02'), '\"', E'\x01'), '"') AS part
      FROM log_line
     WHERE length(line) <= 65536),
timed AS MATERIALIZED (
    SELECT line_no, part, split_part(part[1], ' ', 1) AS address,
           split_part(split_part(part[1], '[', 2), ']', 1) AS time -- 17/May/2015:10:05:03 +0000
      FROM cut
     WHERE part[1] ~ '^\S+ \S+ [^[]+ \[[^]]+\] $' AND part[3] ~ '^ \d{3} (\d+|-) $'
       AND part[5] = ' ' AND (part[7] = '' OR part[7] LIKE ' %')),
dated AS MATERIALIZED (
    SELECT *, make_date(substr(time, 8, 4)::integer,
                        (strpos('JanFebMarAprMayJunJulAugSepOctNovDec', substr(time, 4, 3)) + 2) / 3, 1) AS month
      FROM timed
     WHERE time ~ '^(0[1-9]|[12]\d|3[01])/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/(19|20)\d\d:([01]\d|2[0-3]):[0-5]\d:[0-5]\d [+-](0\d|1[0-4])[0-5]\d$')
SELECT line_no, address,
       (month + (left(time, 2)::integer - 1) + substr(time, 13, 8)::time)
           AT TIME ZONE overlay(right(time, 5) placing ':' from 4 for 0)::interval AS requested_at,
       split_part(part[2], ' ', 1) AS method,
       replace(replace(nullif(split_part(part[2], ' ', 2), ''), E'\x01', '\"'), E'\x02', '\\') AS target,
       substr(part[3], 2, 3) AS status,
       replace(replace(nullif(part[4], '-'), E'\x01', '\"'), E'\x02', '\\') AS referrer,
       part[6] AS agent
  FROM dated
 -- not 31 February
 WHERE date_trunc('month', month + (left(time, 2)::integer - 1)) = month;

-- A page is what a GET brought (200) or found unchanged (304), other than images,
-- style sheets, scripts, fonts, feeds and robots.txt. HEAD shows nobody anything, a POST
-- and a redirection lead to a GET that is counted, an error is no page.
ALTER TABLE log_request ADD COLUMN is_page boolean;
UPDATE log_request
   SET is_page = method = 'GET' AND status IN ('200', '304')
             AND split_part(target, '?', 1) !~* '\.(png|jpe?g|gif|svg|ico|webp|avif|bmp|css|js|mjs|map|woff2?|ttf|otf|eot|xml|xsl|rss|atom)$'
             AND split_part(target, '?', 1) !~* '/(robots\.txt|feed/?)$'
             AND target !~* '[?&][a-z]+=(rss|atom)';

-- Crawlers say so themselves, those that do. They read more pages than anybody, and
-- nobody will call them: they become leads that are not nurtured, so that
-- lead(nurturing) leaves them out of a segment.
CREATE TEMPORARY TABLE log_address ON COMMIT DROP AS
SELECT address, min(requested_at) AS first_at,
       bool_or(agent ~* 'bot|crawl|spider|slurp|archive|feed|rss|curl|wget|python|java/') AS crawler,
       NULL::bigint AS lead_id, false AS is_new
  FROM log_request
 GROUP BY address;

ANALYZE log_address;
UPDATE log_address AS a
   SET is_new = NOT EXISTS (SELECT FROM leadflow.lead AS l WHERE l.external_id = a.address);

INSERT INTO leadflow.lead (external_id, nurturing, created_at, updated_at)
SELECT address, NOT crawler, first_at, first_at
  FROM log_address
 WHERE is_new
 ORDER BY first_at, address;

UPDATE log_address AS a
   SET lead_id = (SELECT min(l.lead_id) FROM leadflow.lead AS l WHERE l.external_id = a.address);

CREATE TEMPORARY TABLE log_visit ON COMMIT DROP AS
SELECT address,
       min(requested_at) AS visited_at,
       max(requested_at) - min(requested_at) AS duration,
       count(*) FILTER (WHERE is_page) AS pages,
       (array_agg(target ORDER BY requested_at, line_no))[1] AS entry_url,
       (array_agg(referrer ORDER BY requested_at, line_no))[1] AS referrer
  FROM (SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY address ORDER BY requested_at, line_no) AS visit_no
          FROM (SELECT *, coalesce(requested_at - lag(requested_at) OVER (PARTITION BY address ORDER BY requested_at, line_no)
                                       >= interval '30 minutes', true) AS begins
                  FROM log_request) AS request) AS request
 GROUP BY address, visit_no;

WITH added AS (
    INSERT INTO leadflow.visit (lead_id, visited_at, pages, duration, entry_url, referrer)
    SELECT a.lead_id, v.visited_at, v.pages, v.duration, v.entry_url, v.referrer
      FROM log_visit AS v
      JOIN log_address AS a USING (address)
     WHERE NOT EXISTS (SELECT FROM leadflow.visit AS old
                        WHERE old.lead_id = a.lead_id AND old.visited_at = v.visited_at)
     ORDER BY v.visited_at, a.lead_id
    RETURNING 1)
SELECT (SELECT count(*) FROM log_line) AS lines,
       (SELECT count(*) FROM log_line) - (SELECT count(*) FROM log_request) AS unreadable,
       (SELECT count(*) FROM log_request WHERE is_page) AS page_requests,
       (SELECT count(*) FROM log_address) AS addresses,
       (SELECT count(*) FROM log_address WHERE crawler) AS crawlers,
       (SELECT count(*) FROM log_address WHERE is_new) AS leads_added,
       (SELECT count(*) FROM added) AS visits_added;

SELECT line_no AS unreadable_line, left(line, 60) AS begins_with
  FROM log_line AS l
 WHERE NOT EXISTS (SELECT FROM log_request AS r WHERE r.line_no = l.line_no)
 ORDER BY line_no
 LIMIT 5;

COMMIT;

ANALYZE leadflow.lead, leadflow.visit;
