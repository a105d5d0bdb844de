-- The views for BI, each filtered to one list or one month, and the query that
-- somebody would write for the same answer who knows the tables, the zone and what
-- counts. Ten stays and ten activities for each of the first 100k leads, over a year.

SET client_min_messages = warning;
SELECT setseed(0.42) \g /dev/null
TRUNCATE leadflow.activity, leadflow.member, leadflow.deal, leadflow.task CASCADE;
SELECT leadflow.create_list('リスト' || i) FROM generate_series(1, 10) AS i \g /dev/null

CREATE TEMPORARY TABLE stay AS
SELECT d.lead_id, l.list_id, 1 + floor(random() * 50)::bigint AS rep_id, random() AS fate,
       date_trunc('week', now(), 'Asia/Tokyo') - interval '1 week' * floor(random() * 52) + interval '7 hours' AS entered_at
  FROM leadflow.lead AS d, (SELECT list_id FROM leadflow.list WHERE name LIKE 'リスト%') AS l WHERE d.lead_id <= 100000;
INSERT INTO leadflow.activity (lead_id, list_id, rep_id, fields, recorded_at, applied_at)
SELECT lead_id, list_id, rep_id,
       jsonb_build_object('acted_on', leadflow.local_date(at, 'Asia/Tokyo'),
                          'kind', (ARRAY['電話', '電話', 'メール', '訪問'])[1 + floor(random() * 4)::int],
                          'result', CASE WHEN fate < 0.1 THEN '商談化' WHEN fate < 0.4 THEN 'アーカイブ' ELSE '継続フォロー' END,
                          'source', (ARRAY['ホワイトペーパー', '資料請求', 'セミナー', 'HOTリードリスト'])[1 + floor(random() * 4)::int]), at, at
  FROM (SELECT *, entered_at + interval '1 day' * floor(random() * 5) + interval '3 hours' AS at FROM stay ORDER BY entered_at) AS s;
INSERT INTO leadflow.member (lead_id, list_id, rep_id, entered_at, left_at, due_on, state)
SELECT lead_id, list_id, rep_id, entered_at, CASE WHEN fate < 0.8 THEN entered_at + interval '5 days' END,
       leadflow.local_date(entered_at + interval '7 days', 'Asia/Tokyo'),
       CASE WHEN fate < 0.4 THEN 'done' WHEN fate < 0.6 THEN 'in_progress' ELSE 'not_started' END
  FROM stay ORDER BY entered_at;
INSERT INTO leadflow.deal (lead_id, list_id, rep_id, name, stage, stage_since, amount, opened_at, activity_id)
SELECT a.lead_id, a.list_id, a.rep_id, '商談', (ARRAY['提案', '受注', '失注'])[1 + a.activity_id % 3], a.recorded_at,
       1000 * (a.activity_id % 1000), a.recorded_at + interval '1 day', a.activity_id
  FROM leadflow.activity AS a WHERE a.result = '商談化' AND a.recorded_at < now() - interval '1 day';
INSERT INTO leadflow.task (lead_id, list_id, rep_id, title, due_on, status, created_at)
SELECT a.lead_id, a.list_id, a.rep_id, '資料送付', a.acted_on + 3, CASE WHEN a.activity_id % 5 > 0 THEN 'done' ELSE 'open' END, a.recorded_at
  FROM leadflow.activity AS a WHERE a.activity_id % 10 = 0;
INSERT INTO leadflow.refresh_run (list_id, due_at, as_of, started, finished, added, removed, kept)
SELECT s.list_id, s.entered_at, s.entered_at, s.entered_at, s.entered_at + interval '1 second', count(*), 0, 0 FROM stay AS s GROUP BY 1, 2;
DROP TABLE stay;
VACUUM ANALYZE leadflow.activity, leadflow.member, leadflow.deal, leadflow.task, leadflow.list, leadflow.rep, leadflow.lead, leadflow.refresh_run;

SELECT list_id AS list, date_trunc('month', current_date - interval '2 months')::date AS month FROM leadflow.list WHERE name = 'リスト3' \gset
SELECT (:'month'::date + interval '1 month')::date AS next_month, date_trunc('week', :'month'::timestamp)::date + 7 AS week \gset
SELECT leadflow.day_start(:'month', 'Asia/Tokyo') AS since, leadflow.day_start(:'next_month', 'Asia/Tokyo') AS until,
       leadflow.day_start(:'week', 'Asia/Tokyo') AS week_since, leadflow.day_start(:'week'::date + 7, 'Asia/Tokyo') AS week_until \gset
SET jit = off;

-- Names in braces stand for what is asked for. Both must have the same answer, else there
-- is nothing to compare.
CREATE TEMPORARY TABLE word (name text, value text);
INSERT INTO word
VALUES ('list', :'list'), ('month', quote_literal(:'month')), ('next_month', quote_literal(:'next_month')), ('week', quote_literal(:'week')),
       ('since', quote_literal(:'since')), ('until', quote_literal(:'until')), ('week_since', quote_literal(:'week_since')), ('week_until', quote_literal(:'week_until')),
       ('counts', $$count(*), count(*) FILTER (WHERE a.form_version = 1 AND a.result IN ('継続フォロー', '商談化')), count(*) FILTER (WHERE a.form_version = 1 AND a.result = '商談化')$$),
       ('live', 'd.deleted_at IS NULL AND d.merged_into IS NULL AND NOT d.do_not_contact');
CREATE PROCEDURE public.compare(what text, ours text, theirs text) LANGUAGE plpgsql AS $$
DECLARE
    w record;
    differ bigint;
BEGIN
    FOR w IN SELECT * FROM word ORDER BY name LIKE '%funnel' DESC LOOP
        ours := replace(ours, '{' || w.name || '}', w.value);
        theirs := replace(theirs, '{' || w.name || '}', w.value);
    END LOOP;
    EXECUTE format('SELECT count(*) FROM ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s)) AS d', ours, theirs) INTO differ;
    IF differ > 0 THEN
        RAISE EXCEPTION '%: % rows differ', what, differ;
    END IF;
    CALL public.measure(what || ' / by hand', ours, theirs, '≤ 1.2', rounds => 5);
END
$$;

CALL public.compare('activity_daily of a list', $$SELECT * FROM leadflow.activity_daily WHERE list = 'リスト3'$$, $$
    SELECT a.acted_on, 'リスト3', r.name, a.kind, a.result, {counts} FROM leadflow.activity AS a LEFT JOIN leadflow.rep AS r USING (rep_id)
     WHERE a.list_id = {list} GROUP BY a.acted_on, r.rep_id, a.kind, a.result$$);
CALL public.compare('activity_daily of a month', $$SELECT * FROM leadflow.activity_daily WHERE day >= {month} AND day < {next_month}$$, $$
    SELECT a.acted_on, l.name, r.name, a.kind, a.result, {counts}
      FROM leadflow.activity AS a LEFT JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r USING (rep_id)
     WHERE a.acted_on >= {month} AND a.acted_on < {next_month} GROUP BY a.acted_on, l.list_id, r.rep_id, a.kind, a.result$$);
CALL public.compare('activity_weekly of a week', $$SELECT * FROM leadflow.activity_weekly WHERE week = {week}$$, $$
    SELECT date {week}, l.name, r.name, a.kind, a.result, {counts}
      FROM leadflow.activity AS a LEFT JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r USING (rep_id)
     WHERE a.acted_on >= {week} AND a.acted_on < date {week} + 7 GROUP BY l.list_id, r.rep_id, a.kind, a.result$$);
CALL public.compare('activity_weekly of a rep', $$SELECT * FROM leadflow.activity_weekly WHERE rep = '営業7'$$, $$
    SELECT date_trunc('week', a.acted_on::timestamp)::date, l.name, '営業7', a.kind, a.result, {counts}
      FROM leadflow.activity AS a LEFT JOIN leadflow.list AS l USING (list_id)
     WHERE a.rep_id = (SELECT rep_id FROM leadflow.rep WHERE name = '営業7') GROUP BY 1, l.list_id, a.kind, a.result$$);
CALL public.compare('activity_monthly of a list', $$SELECT * FROM leadflow.activity_monthly WHERE list = 'リスト3'$$, $$
    SELECT date_trunc('month', a.acted_on::timestamp)::date, 'リスト3', r.name, a.kind, a.result, {counts}
      FROM leadflow.activity AS a LEFT JOIN leadflow.rep AS r USING (rep_id) WHERE a.list_id = {list} GROUP BY 1, r.rep_id, a.kind, a.result$$);
CALL public.compare('activity_monthly of a month', $$SELECT * FROM leadflow.activity_monthly WHERE month = {month}$$, $$
    SELECT date {month}, l.name, r.name, a.kind, a.result, {counts}
      FROM leadflow.activity AS a LEFT JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r USING (rep_id)
     WHERE a.acted_on >= {month} AND a.acted_on < {next_month} GROUP BY l.list_id, r.rep_id, a.kind, a.result$$);
CALL public.compare('activity_detail of a list and a month', $$SELECT * FROM leadflow.activity_detail WHERE list = 'リスト3' AND day >= {month} AND day < {next_month}$$, $$
    SELECT a.acted_on, a.list_id, 'リスト3', a.rep_id, r.name, a.lead_id, a.activity_id, a.kind, a.result, a.source,
           a.form_version = 1 AND a.result IN ('継続フォロー', '商談化'), a.form_version = 1 AND a.result = '商談化'
      FROM leadflow.activity AS a LEFT JOIN leadflow.rep AS r USING (rep_id)
     WHERE a.list_id = {list} AND a.acted_on >= {month} AND a.acted_on < {next_month}$$);

-- an activity may have several deals, so they are counted by themselves
CALL public.compare('conversion_by_source of a list', $$SELECT * FROM leadflow.conversion_by_source WHERE list = 'リスト3'$$, $$
    SELECT a.month, 'リスト3', r.name, a.source, a.n, a.e, a.p, coalesce(e.n, 0), coalesce(e.won, 0), coalesce(e.amount, 0)
      FROM (SELECT date_trunc('month', a.acted_on::timestamp)::date AS month, a.rep_id, a.source, {counts}
              FROM leadflow.activity AS a WHERE a.list_id = {list} GROUP BY 1, 2, 3) AS a (month, rep_id, source, n, e, p)
      LEFT JOIN (SELECT date_trunc('month', a.acted_on::timestamp)::date AS month, a.rep_id, a.source, count(*) AS n, count(*) FILTER (WHERE e.stage = '受注') AS won, sum(e.amount) FILTER (WHERE e.stage = '受注') AS amount
                   FROM leadflow.deal AS e JOIN leadflow.activity AS a USING (lead_id, activity_id) WHERE a.list_id = {list} GROUP BY 1, 2, 3) AS e
        ON e.month = a.month AND e.rep_id = a.rep_id AND e.source = a.source
      LEFT JOIN leadflow.rep AS r ON r.rep_id = a.rep_id$$);
CALL public.compare('conversion_by_source of a month', $$SELECT * FROM leadflow.conversion_by_source WHERE month = {month}$$, $$
    SELECT date {month}, l.name, r.name, a.source, a.n, a.e, a.p, coalesce(e.n, 0), coalesce(e.won, 0), coalesce(e.amount, 0)
      FROM (SELECT a.list_id, a.rep_id, a.source, {counts}
              FROM leadflow.activity AS a WHERE a.acted_on >= {month} AND a.acted_on < {next_month} GROUP BY 1, 2, 3) AS a (list_id, rep_id, source, n, e, p)
      LEFT JOIN (SELECT a.list_id, a.rep_id, a.source, count(*) AS n, count(*) FILTER (WHERE e.stage = '受注') AS won, sum(e.amount) FILTER (WHERE e.stage = '受注') AS amount
                   FROM leadflow.deal AS e JOIN leadflow.activity AS a USING (lead_id, activity_id) WHERE a.acted_on >= {month} AND a.acted_on < {next_month} GROUP BY 1, 2, 3) AS e
        ON e.list_id = a.list_id AND e.rep_id = a.rep_id AND e.source = a.source
      LEFT JOIN leadflow.list AS l ON l.list_id = a.list_id LEFT JOIN leadflow.rep AS r ON r.rep_id = a.rep_id$$);

CALL public.compare('rep_progress of a list', $$SELECT rep, not_started, in_progress, done, activities, effective_calls, appointments, deals, due_today, overdue
      FROM leadflow.rep_progress WHERE list = 'リスト3'$$, $$
    SELECT r.name, coalesce(o.not_started, 0), coalesce(o.in_progress, 0), coalesce(w.done, 0), coalesce(a.n, 0), coalesce(a.e, 0), coalesce(a.p, 0),
           coalesce(e.n, 0), coalesce(o.due, 0), coalesce(o.late, 0)
      FROM (SELECT m.rep_id, count(*) FILTER (WHERE m.state = 'not_started') AS not_started, count(*) FILTER (WHERE m.state = 'in_progress') AS in_progress,
                   count(*) FILTER (WHERE m.due_on = current_date) AS due, count(*) FILTER (WHERE m.due_on < current_date) AS late
              FROM leadflow.member AS m JOIN leadflow.lead AS d USING (lead_id)
             WHERE m.list_id = {list} AND m.left_at IS NULL AND m.state <> 'done' AND {live} GROUP BY 1) AS o
      FULL JOIN (SELECT m.rep_id, count(*) AS done FROM leadflow.member AS m WHERE m.list_id = {list} AND m.left_at IS NOT NULL AND m.state = 'done' GROUP BY 1) AS w USING (rep_id)
      FULL JOIN (SELECT a.rep_id, {counts} FROM leadflow.activity AS a WHERE a.list_id = {list} GROUP BY 1) AS a (rep_id, n, e, p) USING (rep_id)
      FULL JOIN (SELECT e.rep_id, count(*) AS n FROM leadflow.deal AS e WHERE e.list_id = {list} GROUP BY 1) AS e USING (rep_id)
      LEFT JOIN leadflow.rep AS r USING (rep_id)$$);
CALL public.compare('list_summary of a list', $$SELECT members, not_started, in_progress, done, activities, effective_calls, appointments, deals, overdue, last_refresh
      FROM leadflow.list_summary WHERE list = 'リスト3'$$, $$
    SELECT o.not_started + o.in_progress + w.done, o.not_started, o.in_progress, w.done, a.n, a.e, a.p, e.n, o.late, r.at
      FROM (SELECT count(*) FILTER (WHERE m.state = 'not_started') AS not_started, count(*) FILTER (WHERE m.state = 'in_progress') AS in_progress,
                   count(*) FILTER (WHERE m.due_on < current_date) AS late
              FROM leadflow.member AS m JOIN leadflow.lead AS d USING (lead_id)
             WHERE m.list_id = {list} AND m.left_at IS NULL AND m.state <> 'done' AND {live}) AS o,
           (SELECT count(*) AS done FROM leadflow.member AS m WHERE m.list_id = {list} AND m.left_at IS NOT NULL AND m.state = 'done') AS w,
           (SELECT {counts} FROM leadflow.activity AS a WHERE a.list_id = {list}) AS a (n, e, p),
           (SELECT count(*) AS n FROM leadflow.deal AS e WHERE e.list_id = {list}) AS e,
           (SELECT max(as_of) AS at FROM leadflow.refresh_run WHERE list_id = {list} AND finished IS NOT NULL) AS r$$);
CALL public.compare('member_status of a list', $$SELECT rep, lead_id, member_id, company, name, state, entered_on, due_on, overdue, last_acted_on, last_kind, last_result, last_rep
      FROM leadflow.member_status WHERE list = 'リスト3'$$, $$
    SELECT r.name, m.lead_id, m.member_id, d.company, concat_ws(' ', d.last_name, d.first_name), m.state, (m.entered_at AT TIME ZONE 'Asia/Tokyo')::date,
           m.due_on, m.state <> 'done' AND m.due_on < current_date, a.acted_on, a.kind, a.result, b.name
      FROM leadflow.member AS m JOIN leadflow.lead AS d USING (lead_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
      LEFT JOIN LATERAL (SELECT e.acted_on, e.kind, e.result, e.rep_id FROM leadflow.activity AS e
                          WHERE e.lead_id = m.lead_id ORDER BY e.acted_on DESC NULLS LAST, e.activity_id DESC LIMIT 1) AS a ON true
      LEFT JOIN leadflow.rep AS b ON b.rep_id = a.rep_id
     WHERE m.list_id = {list} AND m.left_at IS NULL AND {live}$$);
CALL public.compare('unfollowed of a list', $$SELECT rep, lead_id, member_id, company, name, entered_on, days_waiting, due_on, overdue FROM leadflow.unfollowed WHERE list = 'リスト3'$$, $$
    SELECT r.name, m.lead_id, m.member_id, d.company, concat_ws(' ', d.last_name, d.first_name), (m.entered_at AT TIME ZONE 'Asia/Tokyo')::date,
           current_date - (m.entered_at AT TIME ZONE 'Asia/Tokyo')::date, m.due_on, m.due_on < current_date
      FROM leadflow.member AS m JOIN leadflow.lead AS d USING (lead_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
     WHERE m.list_id = {list} AND m.left_at IS NULL AND m.state = 'not_started' AND {live}$$);

INSERT INTO word VALUES ('funnel', $$
    SELECT l.name, f.source, r.name, f.week, s.step, s.stage, count(*) FILTER (WHERE f.came >= s.step)
      FROM (SELECT m.list_id, m.rep_id, m.lead_id, date_trunc('week', m.entered_at AT TIME ZONE 'Asia/Tokyo')::date AS week,
                   max(greatest(CASE WHEN e.stage = '受注' THEN 6 WHEN e.deal_id IS NOT NULL THEN 5 END,
                                CASE WHEN a.result = '商談化' THEN 4 WHEN a.result = '継続フォロー' THEN 3 WHEN a.activity_id IS NOT NULL THEN 2 ELSE 1 END)) AS came,
                   (array_agg(a.source ORDER BY a.acted_on, a.activity_id) FILTER (WHERE a.source IS NOT NULL))[1] AS source
              FROM leadflow.member AS m JOIN leadflow.lead AS d USING (lead_id)
              LEFT JOIN leadflow.activity AS a
                ON a.lead_id = m.lead_id AND (a.list_id = m.list_id OR a.list_id IS NULL)
                   AND a.acted_on BETWEEN (m.entered_at AT TIME ZONE 'Asia/Tokyo')::date AND coalesce((m.left_at AT TIME ZONE 'Asia/Tokyo')::date, 'infinity')
              LEFT JOIN leadflow.deal AS e
                ON e.lead_id = m.lead_id AND e.list_id = m.list_id AND (e.opened_at AT TIME ZONE 'Asia/Tokyo')::date >= (m.entered_at AT TIME ZONE 'Asia/Tokyo')::date
                   AND NOT EXISTS (SELECT FROM leadflow.member AS n
                                    WHERE n.lead_id = m.lead_id AND n.list_id = m.list_id AND n.entered_at > m.entered_at AND n.entered_at <= e.opened_at)
             WHERE {which} AND d.deleted_at IS NULL AND d.merged_into IS NULL
             GROUP BY m.list_id, m.rep_id, m.lead_id, week) AS f
      JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r USING (rep_id),
           (VALUES (1, 'listed'), (2, 'worked'), (3, 'effective'), (4, 'appointment'), (5, 'deal'), (6, 'won')) AS s (step, stage)
     GROUP BY l.list_id, f.source, r.rep_id, f.week, s.step, s.stage$$);
INSERT INTO word VALUES ('list_funnel', (SELECT replace(value, '{which}', 'm.list_id = {list}') FROM word WHERE name = 'funnel')),
    ('week_funnel', (SELECT replace(value, '{which}', 'm.entered_at >= {week_since} AND m.entered_at < {week_until}') FROM word WHERE name = 'funnel'));
CALL public.compare('funnel of a list', $$SELECT * FROM leadflow.funnel WHERE list = 'リスト3'$$, '{list_funnel}');
CALL public.compare('funnel of a week', $$SELECT * FROM leadflow.funnel WHERE cohort_week = {week}$$, '{week_funnel}');

CALL public.compare('deal_summary of a list', $$SELECT rep, stage, deals, amount FROM leadflow.deal_summary WHERE list = 'リスト3'$$, $$
    SELECT r.name, e.stage, count(*), coalesce(sum(e.amount), 0) FROM leadflow.deal AS e LEFT JOIN leadflow.rep AS r USING (rep_id)
     WHERE e.list_id = {list} GROUP BY r.rep_id, e.stage$$);
CALL public.compare('task_summary of a list', $$SELECT rep, status, tasks, overdue FROM leadflow.task_summary WHERE list = 'リスト3'$$, $$
    SELECT r.name, k.status, count(*), count(*) FILTER (WHERE k.status = 'open' AND k.due_on < current_date)
      FROM leadflow.task AS k LEFT JOIN leadflow.rep AS r USING (rep_id) WHERE k.list_id = {list} GROUP BY r.rep_id, k.status$$);

CALL public.compare('list_history of a list', $$SELECT day, size, added, removed FROM leadflow.list_history WHERE list = 'リスト3'$$, $$
    SELECT g.day, (sum(coalesce(c.added, 0) - coalesce(c.removed, 0)) OVER (ORDER BY g.day))::bigint, coalesce(c.added, 0), coalesce(c.removed, 0)
      FROM (SELECT min((m.entered_at AT TIME ZONE 'Asia/Tokyo')::date) AS first_day FROM leadflow.member AS m WHERE m.list_id = {list}) AS f
     CROSS JOIN LATERAL (SELECT f.first_day + n AS day FROM generate_series(0, current_date - f.first_day) AS n) AS g
      LEFT JOIN (SELECT day, sum(added)::bigint AS added, sum(removed)::bigint AS removed
                   FROM (SELECT (m.entered_at AT TIME ZONE 'Asia/Tokyo')::date AS day, count(*) AS added, 0 AS removed FROM leadflow.member AS m WHERE m.list_id = {list} GROUP BY 1
                          UNION ALL
                         SELECT (m.left_at AT TIME ZONE 'Asia/Tokyo')::date, 0, count(*) FROM leadflow.member AS m WHERE m.list_id = {list} AND m.left_at IS NOT NULL GROUP BY 1) AS e
                  GROUP BY day) AS c ON c.day = g.day$$);
CALL public.compare('list_history of a list and a month', $$SELECT day, size, added, removed FROM leadflow.list_history WHERE list = 'リスト3' AND day >= {month} AND day < {next_month}$$, $$
    SELECT g.day, (sum(coalesce(c.added, 0) - coalesce(c.removed, 0)) OVER (ORDER BY g.day) + b.size)::bigint, coalesce(c.added, 0), coalesce(c.removed, 0)
      FROM (SELECT date {month} + n AS day FROM generate_series(0, date {next_month} - date {month} - 1) AS n) AS g
     CROSS JOIN (SELECT count(*) AS size FROM leadflow.member AS m WHERE m.list_id = {list} AND m.entered_at < {since} AND (m.left_at IS NULL OR m.left_at >= {since})) AS b
      LEFT JOIN (SELECT day, sum(added)::bigint AS added, sum(removed)::bigint AS removed
                   FROM (SELECT (m.entered_at AT TIME ZONE 'Asia/Tokyo')::date AS day, count(*) AS added, 0 AS removed
                           FROM leadflow.member AS m WHERE m.list_id = {list} AND m.entered_at >= {since} AND m.entered_at < {until} GROUP BY 1
                          UNION ALL
                         SELECT (m.left_at AT TIME ZONE 'Asia/Tokyo')::date, 0, count(*)
                           FROM leadflow.member AS m WHERE m.list_id = {list} AND m.left_at >= {since} AND m.left_at < {until} GROUP BY 1) AS e
                  GROUP BY day) AS c ON c.day = g.day$$);
CALL public.compare('refresh_history of a month', $$SELECT day, list, outcome, added FROM leadflow.refresh_history WHERE day >= {month} AND day < {next_month}$$, $$
    SELECT (e.as_of AT TIME ZONE 'Asia/Tokyo')::date, l.name, CASE WHEN e.finished IS NOT NULL THEN 'done' ELSE 'failed' END, coalesce(e.added, 0)
      FROM leadflow.refresh_run AS e JOIN leadflow.list AS l USING (list_id) WHERE e.as_of >= {since} AND e.as_of < {until}$$);
