-- The contract of the views for BI: their names, columns and types in this order, what
-- they are called in Japanese, and that they show no more than their reader may see.
-- A column may be appended; what is here stays.

BEGIN;
CREATE TEMPORARY TABLE contract (view text, columns text);
INSERT INTO contract VALUES
    ('list_summary',
     'list text, status text, members bigint, not_started bigint, in_progress bigint, done bigint, activities bigint, effective_calls bigint, appointments bigint, deals bigint, overdue bigint, last_refresh timestamptz, next_refresh timestamptz'),
    ('rep_progress',
     'list text, rep text, members bigint, not_started bigint, in_progress bigint, done bigint, activities bigint, effective_calls bigint, appointments bigint, deals bigint, due_today bigint, contact_today bigint, overdue bigint'),
    ('member_status',
     'list text, rep text, lead_id bigint, member_id bigint, company text, name text, department text, job_title text, prefecture text, industry text, employees integer, state text, entered_on date, due_on date, next_contact_on date, overdue boolean, last_acted_on date, last_kind text, last_result text, last_rep text'),
    ('unfollowed',
     'list text, rep text, lead_id bigint, member_id bigint, company text, name text, entered_on date, days_waiting integer, due_on date, overdue boolean'),
    ('activity_daily',
     'day date, list text, rep text, kind text, result text, activities bigint, effective bigint, appointments bigint'),
    ('activity_weekly',
     'week date, list text, rep text, kind text, result text, activities bigint, effective bigint, appointments bigint'),
    ('activity_monthly',
     'month date, list text, rep text, kind text, result text, activities bigint, effective bigint, appointments bigint'),
    ('activity_detail',
     'day date, list_id bigint, list text, rep_id bigint, rep text, lead_id bigint, activity_id bigint, kind text, result text, source text, effective boolean, appointment boolean'),
    ('activity_result',
     'form_version integer, result text, label text, effective boolean, appointment boolean'),
    ('activity_choice',
     'field text, key text, label text, position integer, retired boolean'),
    ('conversion_by_source',
     'month date, list text, rep text, source text, activities bigint, effective bigint, appointments bigint, deals bigint, won bigint, won_amount numeric'),
    ('funnel',
     'list text, source text, rep text, cohort_week date, step integer, stage text, leads bigint'),
    ('deal_summary',
     'list text, rep text, position integer, stage text, kind text, deals bigint, amount numeric'),
    ('task_summary',
     'list text, rep text, status text, tasks bigint, due_today bigint, overdue bigint'),
    ('lead_timeline',
     'lead_id bigint, at timestamptz, kind text, what text, list text, rep text, detail text'),
    ('list_history',
     'day date, list text, size bigint, added bigint, removed bigint'),
    ('refresh_history',
     'day date, list text, run_id bigint, cause text, as_of timestamptz, outcome text, attempts integer, added bigint, removed bigint, kept bigint, started_at timestamptz, finished_at timestamptz, seconds numeric, error text'),
    ('calendar',
     'day date, week date, month date, quarter date, year integer, iso_week text, weekday integer');

SELECT plan((SELECT 7 * count(*)::integer + 40 FROM contract));

-- ---- names, columns, types ----------------------------------------------------------------

SELECT has_view('leadflow', c.view, c.view || ' is a view') FROM contract AS c;
SELECT is((SELECT string_agg(a.attname || ' ' || replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz'), ', ' ORDER BY a.attnum)
             FROM pg_attribute AS a WHERE a.attrelid = ('leadflow.' || c.view)::regclass AND a.attnum > 0 AND NOT a.attisdropped),
          c.columns, c.view || ' has these columns') FROM contract AS c;
SELECT ok((SELECT 'security_invoker=true' = ANY (v.reloptions) FROM pg_class AS v WHERE v.oid = ('leadflow.' || c.view)::regclass),
          c.view || ' asks with the rights of its reader') FROM contract AS c;
SELECT matches(obj_description(('leadflow.' || c.view)::regclass), '\([^()]*[ぁ-んァ-ヶ一-龠][^()]*\)$', c.view || ' has a Japanese name') FROM contract AS c;
SELECT is((SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute AS a
            WHERE a.attrelid = ('leadflow.' || c.view)::regclass AND a.attnum > 0
              AND coalesce(col_description(a.attrelid, a.attnum), '') !~ '\([^()]*[ぁ-んァ-ヶ一-龠][^()]*\)$'),
          NULL, 'and so have the columns of ' || c.view) FROM contract AS c;

-- ---- who reads them -----------------------------------------------------------------------

CREATE ROLE pgtap_analyst;
SELECT ok(count(*) > 0, 'an analyst is let in') FROM leadflow.grant_access('pgtap_analyst', 'analyst');
SELECT table_privs_are('leadflow', c.view, 'pgtap_analyst', ARRAY['SELECT'], 'an analyst reads ' || c.view) FROM contract AS c;
GRANT SELECT ON contract TO pgtap_analyst;
SET LOCAL ROLE pgtap_analyst;
SELECT lives_ok(format('SELECT * FROM leadflow.%I', c.view), 'and ' || c.view || ' can be read') FROM contract AS c;
RESET ROLE;

-- ---- figures are never null -----------------------------------------------------------------

INSERT INTO leadflow.lead (lead_id, company, created_at) VALUES (1, '会社', '2020-01-01'), (2, '会社', '2020-01-01');
SELECT leadflow.create_list('空') AS empty, leadflow.create_list('暦', 'everyone', zone => 'America/New_York') AS filled \gset
SELECT is(t, ROW('空', 'open', 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL)::leadflow.list_summary, 'a list with nothing in it has zeros')
  FROM leadflow.list_summary AS t WHERE list = '空';
SELECT results_eq($$SELECT size, added, removed FROM leadflow.list_history WHERE list = '空'$$, $$VALUES (0::bigint, 0::bigint, 0::bigint)$$,
                  'and has a day in its history');
SELECT added FROM leadflow.refresh_list('暦', as_of => '2020-06-08 02:00+00') \gset
INSERT INTO leadflow.activity (lead_id, list_id, fields) VALUES (1, :filled, '{"acted_on": "2020-06-07"}');
INSERT INTO leadflow.deal (lead_id, list_id, name, stage, opened_at) VALUES (1, :filled, '商談', '提案', '2020-07-01 02:00+00');
INSERT INTO leadflow.refresh_run (list_id, as_of, started, error) VALUES (:filled, '2020-06-09 02:00+00', '2020-06-09 02:00+00', '失敗');
SELECT results_eq($$SELECT activities, effective, appointments FROM leadflow.activity_daily WHERE list = '暦'$$,
                  $$VALUES (1::bigint, 0::bigint, 0::bigint)$$, 'an activity without a result is one, and not effective');
SELECT results_eq($$SELECT deals, amount FROM leadflow.deal_summary WHERE list = '暦'$$, $$VALUES (1::bigint, 0::numeric)$$,
                  'a deal without an amount has 0');
SELECT results_eq($$SELECT outcome, added, removed, kept FROM leadflow.refresh_history WHERE list = '暦' ORDER BY day$$,
                  $$VALUES ('done', 2::bigint, 0::bigint, 0::bigint), ('failed', 0, 0, 0)$$, 'a refresh that failed did nothing');
SELECT results_eq($$SELECT stage, leads::integer FROM leadflow.funnel WHERE list = '暦' AND source IS NULL ORDER BY step$$,
                  $$VALUES ('listed', 2), ('worked', 1), ('effective', 1), ('appointment', 1), ('deal', 1), ('won', 0)$$, 'the funnel has all stages');

-- ---- days and weeks of the list's zone --------------------------------------------------------

SELECT results_eq($$SELECT DISTINCT cohort_week FROM leadflow.funnel WHERE list = '暦'$$, $$VALUES ('2020-06-01'::date)$$,
                  'who entered on Sunday evening in New York is of the week that ends');
SELECT results_eq($$SELECT min(day) FROM leadflow.list_history WHERE list = '暦' AND added > 0$$, $$VALUES ('2020-06-07'::date)$$, 'so is its day');
SELECT results_eq($$SELECT week, month FROM leadflow.calendar WHERE day = '2021-01-03'$$, $$VALUES ('2020-12-28'::date, '2021-01-01'::date)$$,
                  'weeks begin on Monday');
SELECT is((SELECT count(*) FROM leadflow.calendar AS c WHERE c.day BETWEEN '2020-01-01' AND '2020-12-31'), 366::bigint, 'no day is missing');

-- ---- conditions come down to the tables -----------------------------------------------------------

-- What a plan reads of the big tables otherwise than by an index with a condition.
CREATE FUNCTION pg_temp.read_whole(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN (SELECT string_agg(DISTINCT node ->> 'Relation Name', ', ')
              FROM jsonb_path_query(plan, 'strict $.** ? (@."Relation Name" like_regex "^(activity|member|lead|deal|task|refresh_run)$" && @."Node Type" like_regex "Scan")') AS node
             WHERE NOT node ?| '{Index Cond,Recheck Cond}');
END $$;
CREATE TEMPORARY TABLE question (view text, condition text);
INSERT INTO question
SELECT view, condition
  FROM (VALUES ('{activity_daily,activity_detail}'::text[], '{list,rep,day}'::text[]), ('{activity_weekly}', '{list,rep,week}'),
               ('{activity_monthly,conversion_by_source}', '{list,rep,month}'), ('{rep_progress,member_status,unfollowed,deal_summary,task_summary}', '{list,rep}'),
               ('{list_summary,list_history,refresh_history}', '{list}'), ('{lead_timeline}', '{lead_id}')) AS q (views, conditions),
       unnest(views) AS view, unnest(conditions) AS condition;
INSERT INTO leadflow.rep (name) SELECT 'rep ' || i FROM generate_series(1, 20) AS i;
INSERT INTO leadflow.list (name) SELECT 'list ' || i FROM generate_series(1, 20) AS i;
INSERT INTO leadflow.lead (lead_id, created_at) SELECT i, '2020-01-01' FROM generate_series(1001, 1200) AS i;
CREATE TEMPORARY TABLE stay AS
SELECT d.lead_id, l.list_id, r.rep_id, row_number() OVER () AS n
  FROM leadflow.lead AS d, leadflow.list AS l, leadflow.rep AS r
 WHERE d.lead_id > 1000 AND l.name LIKE 'list %' AND r.name = 'rep ' || 1 + (d.lead_id + l.list_id) % 20;
INSERT INTO leadflow.activity (lead_id, list_id, rep_id, fields, applied_at) SELECT lead_id, list_id, rep_id, jsonb_build_object('acted_on', date '2020-01-01' + n::integer % 365), now() - interval '1 day' FROM stay;
INSERT INTO leadflow.member (lead_id, list_id, rep_id, entered_at, left_at, state) SELECT lead_id, list_id, rep_id, '2020-01-01', CASE WHEN n % 2 = 0 THEN now() END, CASE n % 3 WHEN 0 THEN 'done' ELSE 'not_started' END FROM stay;
INSERT INTO leadflow.deal (lead_id, list_id, rep_id, name, stage) SELECT lead_id, list_id, rep_id, 'd', '提案' FROM stay;
INSERT INTO leadflow.task (lead_id, list_id, rep_id, title) SELECT lead_id, list_id, rep_id, 't' FROM stay;
INSERT INTO leadflow.refresh_run (list_id, as_of, started) SELECT list_id, now(), now() FROM stay;
ANALYZE leadflow.lead, leadflow.list, leadflow.rep, leadflow.activity, leadflow.member, leadflow.deal, leadflow.task, leadflow.refresh_run;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SELECT is(pg_temp.read_whole(format('SELECT * FROM leadflow.%I WHERE %I = %s', q.view, q.condition,
                                    CASE WHEN q.condition IN ('list', 'rep') THEN '''x''' WHEN q.condition = 'lead_id' THEN '1' ELSE '''2020-06-01''' END)),
          NULL, q.view || ' by ' || q.condition || ' reads no table whole') FROM question AS q;

SELECT * FROM finish();
ROLLBACK;
