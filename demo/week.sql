-- A week of calls, from the tick of the coming Monday to that of Friday, and what a
-- manager reads then. Whom a rep reaches, and what comes of it, goes by the lead's id.

\echo
\echo '== The lists are dealt out: leadflow.distribute()'
SELECT l.name AS "リスト", d.rep AS "担当者", d.assigned AS "件数"
  FROM leadflow.list AS l, LATERAL leadflow.distribute(l.name, as_of => :'monday'::timestamptz + interval '2 hours') AS d
 WHERE l.name <> '商談化リスト' ORDER BY l.list_id, d.rep;

-- Four out of five are called, some days after Monday, and who is to be followed up again
-- two days later.
BEGIN;
CREATE TEMPORARY TABLE call ON COMMIT DROP AS
SELECT m.lead_id, l.list_id, l.name AS list, m.rep_id, c.nth, leadflow.local_date(:'monday', 'Asia/Tokyo') + m.lead_id::integer % 3 + 2 * (c.nth - 1) AS day,
       ('x' || substr(md5('result' || m.lead_id || c.nth), 1, 7))::bit(28)::integer % 10 AS fate
  FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id), generate_series(1, 2) AS c (nth)
 WHERE m.left_at IS NULL AND m.rep_id IS NOT NULL AND m.lead_id % 5 > 0;
DELETE FROM call AS c USING call AS first
 WHERE c.nth = 2 AND first.nth = 1 AND (first.lead_id, first.list_id) = (c.lead_id, c.list_id) AND first.fate < 4;
INSERT INTO leadflow.activity (lead_id, list_id, rep_id, fields, recorded_at)
SELECT lead_id, list_id, rep_id,
       jsonb_build_object('acted_on', day, 'kind', (ARRAY['電話', '電話', '電話', 'メール', 'WEBミーティング'])[1 + lead_id % 5],
                          'result', CASE WHEN fate < 2 THEN '商談化' WHEN fate < 4 THEN 'アーカイブ' ELSE '継続フォロー' END,
                          'source', CASE list WHEN 'HOTリードリスト' THEN list ELSE '掘り起こしリスト' END),
       (day + time '10:00' + interval '1 minute' * (lead_id % 400)) AT TIME ZONE 'Asia/Tokyo'
  FROM call ORDER BY day, lead_id, nth;
INSERT INTO leadflow.deal (lead_id, list_id, rep_id, activity_id, name, stage, amount, opened_at)
SELECT a.lead_id, a.list_id, a.rep_id, a.activity_id, d.company, CASE WHEN a.lead_id % 6 = 0 THEN '受注' ELSE '提案' END, 100000 * (5 + a.lead_id % 20), a.recorded_at + interval '1 hour'
  FROM leadflow.activity AS a JOIN leadflow.lead AS d USING (lead_id)
 WHERE a.list_id IS NOT NULL AND a.result = '商談化' AND a.lead_id % 3 < 2;
COMMIT;

SELECT :'monday'::timestamptz + interval '4 days 10 hours' AS friday, leadflow.local_date(:'monday', 'Asia/Tokyo') AS week \gset
\echo '== Calls later, Friday evening: CALL leadflow.run_due(at => ':'friday'')'
CALL leadflow.run_due(at => :'friday');

\echo '== The report of the week: leadflow.list_summary'
SELECT list AS "リスト", members AS "リード数", not_started AS "未着手", in_progress AS "継続", done AS "完了", activities AS "活動件数",
       effective_calls AS "有効コール", appointments AS "アポイント", deals AS "商談", overdue AS "期限超過"
  FROM leadflow.list_summary WHERE members > 0 ORDER BY members DESC;

\echo '== By whom, with what result: leadflow.activity_weekly'
SELECT rep AS "担当者", result, sum(activities) FROM leadflow.activity_weekly
 WHERE week = :'week' AND list IS NOT NULL GROUP BY rep, result ORDER BY rep, result
\crosstabview

\echo '== Day by day: leadflow.activity_daily with leadflow.calendar'
SELECT c.day AS "日", coalesce(sum(a.activities), 0) AS "活動件数", coalesce(sum(a.effective), 0) AS "有効コール", coalesce(sum(a.appointments), 0) AS "アポイント"
  FROM leadflow.calendar AS c LEFT JOIN leadflow.activity_daily AS a ON a.day = c.day AND a.list IS NOT NULL
       AND a.day BETWEEN :'week' AND :'week'::date + 4
 WHERE c.week = :'week' AND c.weekday <= 5 GROUP BY c.day ORDER BY c.day;

\echo '== What became of it: leadflow.funnel'
SELECT list AS "リスト", stage, sum(leads) FROM leadflow.funnel WHERE cohort_week = :'week' GROUP BY list, step, stage ORDER BY list, step
\crosstabview

\echo '== And the deals: leadflow.deal_summary'
SELECT rep AS "担当者", stage, sum(amount) FROM leadflow.deal_summary WHERE list IS NOT NULL GROUP BY rep, stage, position ORDER BY rep, position
\crosstabview

\echo '== Not followed up yet: leadflow.unfollowed'
SELECT list AS "リスト", rep AS "担当者", lead_id AS "ID", company AS "会社名", name AS "氏名", due_on AS "対応期限"
  FROM leadflow.unfollowed ORDER BY due_on, lead_id LIMIT 6;
