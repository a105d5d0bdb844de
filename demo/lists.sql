-- Runs the tick of the coming Monday and shows what came out of it, then a week of calls.

\pset border 2
\pset linestyle unicode
\pset null '-'
\pset footer off

\echo
\echo '== The sample'
SELECT (SELECT count(*) FROM leadflow.lead) AS "リード",
       (SELECT count(*) FROM leadflow.visit) AS "トラッキング",
       (SELECT count(*) FROM leadflow.application) AS "申込",
       (SELECT count(*) FROM leadflow.activity) AS "活動履歴",
       (SELECT count(*) FROM leadflow.rep) AS "営業担当者";

SELECT leadflow.next_run('weekly on monday at 07:00'::leadflow.cadence, now(), 'Asia/Tokyo') AS monday \gset

\echo '== The coming Monday: CALL leadflow.run_due(at => ':'monday'')'
CALL leadflow.run_due(at => :'monday');

SELECT l.name AS "リスト", count(m.lead_id) AS "件数", l.cadence AS "更新周期",
       r.added AS "追加", r.removed AS "除外", r.error AS "エラー"
  FROM leadflow.list AS l
  LEFT JOIN leadflow.member AS m ON m.list_id = l.list_id AND m.left_at IS NULL
  LEFT JOIN leadflow.refresh_run AS r ON r.list_id = l.list_id
 GROUP BY l.list_id, r.run_id
 ORDER BY l.list_id;

-- What brought a member in: its longest visit of the month before, and when it was last talked to.
CREATE TEMPORARY VIEW shown AS
SELECT l.name AS list, d.lead_id AS "ID", d.company AS "会社名", d.department AS "部署",
       d.last_name || ' ' || d.first_name AS "氏名", d.prefecture AS "都道府県",
       v.pages AS "閲覧ページ数", (v.visited_at AT TIME ZONE 'Asia/Tokyo')::date AS "訪問日",
       a.acted_on AS "最終活動日", m.due_on AS "対応期限"
  FROM leadflow.member AS m
  JOIN leadflow.list AS l USING (list_id)
  JOIN leadflow.lead AS d USING (lead_id)
  LEFT JOIN LATERAL (SELECT v.pages, v.visited_at
                       FROM leadflow.visit AS v
                      WHERE v.lead_id = m.lead_id AND v.visited_at BETWEEN m.entered_at - interval '31 days' AND m.entered_at
                      ORDER BY v.pages DESC, v.visited_at DESC LIMIT 1) AS v ON true
  LEFT JOIN LATERAL (SELECT max(a.acted_on) AS acted_on
                       FROM leadflow.activity AS a
                      WHERE a.lead_id = m.lead_id
                        AND a.acted_on <= leadflow.local_date(m.entered_at, 'Asia/Tokyo')) AS a ON true
 WHERE m.left_at IS NULL;

\echo '== HOTリードリスト: the first members'
SELECT "ID", "会社名", "部署", "氏名", "都道府県", "閲覧ページ数", "訪問日", "対応期限"
  FROM shown WHERE list = 'HOTリードリスト' ORDER BY "ID" LIMIT 8;

\echo '== 掘り起こしリードリスト: the first members'
SELECT "ID", "会社名", "部署", "氏名", "都道府県", "閲覧ページ数", "訪問日", "最終活動日", "対応期限"
  FROM shown WHERE list = '掘り起こしリードリスト' ORDER BY "ID" LIMIT 8;

\echo '== The segment of each, and the plain SQL it stands for ($1 the instant, $2 the time zone)'
\pset format unaligned
\pset tuples_only on
\pset recordsep '\n\n'
SELECT l.name || E'\n\n    ' || s.segment::text || E'\n\n' || leadflow.to_sql(s.segment)
  FROM leadflow.saved_segment AS s
  JOIN leadflow.list AS l ON l.segment::text = 'segment(''' || s.name || ''')'
 WHERE s.name IN ('hot', 'reengagement')
 ORDER BY l.list_id;
\pset recordsep '\n'
\pset tuples_only off
\pset format aligned

\ir week.sql

\echo
\echo '== From now on by pg_cron: SELECT * FROM leadflow.schedule_jobs()'
SELECT * FROM leadflow.schedule_jobs();

\echo '== What runs when: leadflow.schedule_status'
SELECT * FROM leadflow.schedule_status;
