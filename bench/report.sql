-- The views for BI, each filtered to one list or one month, and the query that
-- somebody would write for the same answer who knows the tables, the zone and what
-- counts. Ten stays and ten activities for each lead, over a year: 1M each for 100k leads.

SET client_min_messages = warning;
SELECT setseed(0.42);
TRUNCATE leadflow.activity, leadflow.member, leadflow.deal, leadflow.task CASCADE;
SELECT leadflow.create_list('リスト' || i) FROM generate_series(1, 10) AS i \g /dev/null

CREATE TEMPORARY TABLE stay AS
SELECT d.lead_id, l.list_id, 1 + floor(random() * 50)::bigint AS rep_id, random() AS fate,
       date_trunc('week', now(), 'Asia/Tokyo') - interval '1 week' * floor(random() * 52) + interval '7 hours' AS entered_at
  FROM leadflow.lead AS d, (SELECT list_id FROM leadflow.list WHERE name LIKE 'リスト%') AS l;
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

SELECT date_trunc('month', current_date - interval '2 months')::date AS month, list_id, now() - interval '1 year' AS since
  FROM leadflow.list WHERE name = 'リスト3' \gset
