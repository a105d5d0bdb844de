-- What became of lists: how far their leads came, their deals and their tasks.

-- A lead counts once for a list, a rep and the week in which it entered, at the
-- furthest it came. What is done with it counts from the day it entered through the
-- day it left, a deal of the list until the lead enters the next time.
CREATE OR REPLACE VIEW leadflow.funnel WITH (security_invoker = true) AS
SELECT c.list,
       c.source,
       c.rep,
       c.cohort_week,
       s.step,
       s.stage,
       s.leads
  FROM (SELECT f.list, f.source, f.rep, f.cohort_week,
               count(*) AS listed,
               count(*) FILTER (WHERE f.step >= 2) AS worked,
               count(*) FILTER (WHERE f.step >= 3) AS effective,
               count(*) FILTER (WHERE f.step >= 4) AS appointment,
               count(*) FILTER (WHERE f.step >= 5) AS deal,
               count(*) FILTER (WHERE f.step >= 6) AS won
          FROM (SELECT l.name AS list, r.name AS rep, date_trunc('week', w.entered_on::timestamp)::date AS cohort_week,
                       greatest(1, max(CASE WHEN leadflow.is_appointment(a.form_version, a.result) THEN 4
                                             WHEN leadflow.is_effective(a.form_version, a.result) THEN 3
                                             WHEN a.lead_id IS NOT NULL THEN 2 END),
                                max(CASE WHEN s.kind = 'won' THEN 6 WHEN e.lead_id IS NOT NULL THEN 5 END)) AS step,
                       (array_agg(a.source ORDER BY a.acted_on, a.activity_id) FILTER (WHERE a.source IS NOT NULL))[1] AS source
                  FROM leadflow.member AS m
                  JOIN leadflow.list AS l USING (list_id)
                  JOIN leadflow.lead AS d USING (lead_id)
                  LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
                 CROSS JOIN LATERAL (SELECT coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone')) AS zone) AS z
                 CROSS JOIN LATERAL (SELECT leadflow.local_date(m.entered_at, z.zone) AS entered_on, leadflow.local_date(m.left_at, z.zone) AS left_on) AS w
                  LEFT JOIN leadflow.activity AS a
                    ON a.lead_id = m.lead_id AND (a.list_id = m.list_id OR a.list_id IS NULL)
                       AND coalesce(a.acted_on, leadflow.local_date(a.recorded_at, z.zone)) BETWEEN w.entered_on AND coalesce(w.left_on, 'infinity')
                  LEFT JOIN leadflow.deal AS e
                    ON e.lead_id = m.lead_id AND e.list_id = m.list_id AND leadflow.local_date(e.opened_at, z.zone) >= w.entered_on
                       AND NOT EXISTS (SELECT FROM leadflow.member AS n
                                        WHERE n.lead_id = m.lead_id AND n.list_id = m.list_id AND (n.entered_at, n.member_id) > (m.entered_at, m.member_id)
                                          AND leadflow.local_date(n.entered_at, z.zone) <= leadflow.local_date(e.opened_at, z.zone))
                  LEFT JOIN leadflow.deal_stage AS s ON s.name = e.stage
                 WHERE d.deleted_at IS NULL AND d.merged_into IS NULL
                 GROUP BY l.list_id, l.name, r.rep_id, r.name, 3, m.lead_id) AS f
         GROUP BY f.list, f.source, f.rep, f.cohort_week) AS c
 CROSS JOIN LATERAL (VALUES (1, 'listed', c.listed), (2, 'worked', c.worked), (3, 'effective', c.effective),
                            (4, 'appointment', c.appointment), (5, 'deal', c.deal), (6, 'won', c.won)) AS s (step, stage, leads);
COMMENT ON VIEW leadflow.funnel IS 'how many leads of a list came how far, by the week in which they entered (ファネル)';
COMMENT ON COLUMN leadflow.funnel.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.funnel.source IS 'what led to the first activity that says so; null where none does (活動ソース)';
COMMENT ON COLUMN leadflow.funnel.rep IS 'rep who has the lead there, or had it last; null for nobody (担当者)';
COMMENT ON COLUMN leadflow.funnel.cohort_week IS 'Monday of the ISO week in which the leads entered (追加週)';
COMMENT ON COLUMN leadflow.funnel.step IS 'order of the stages: 1 to 6 (順番)';
COMMENT ON COLUMN leadflow.funnel.stage IS 'listed, worked, effective, appointment, deal or won (段階)';
COMMENT ON COLUMN leadflow.funnel.leads IS 'leads that came at least that far (リード数)';

CREATE OR REPLACE VIEW leadflow.deal_summary WITH (security_invoker = true) AS
SELECT c.list,
       c.rep,
       s.position,
       c.stage,
       s.kind,
       c.deals,
       c.amount
  FROM (SELECT l.name AS list, r.name AS rep, e.stage, count(*) AS deals, coalesce(sum(e.amount), 0) AS amount
          FROM leadflow.deal AS e
          LEFT JOIN leadflow.list AS l USING (list_id)
          LEFT JOIN leadflow.rep AS r ON r.rep_id = e.rep_id
         GROUP BY l.list_id, l.name, r.rep_id, r.name, e.stage) AS c
  JOIN leadflow.deal_stage AS s ON s.name = c.stage;
COMMENT ON VIEW leadflow.deal_summary IS 'deals by list, rep and stage (商談サマリー)';
COMMENT ON COLUMN leadflow.deal_summary.list IS 'list the deals came from; null for none (リスト名)';
COMMENT ON COLUMN leadflow.deal_summary.rep IS 'rep in charge of the deals; null for nobody (担当者)';
COMMENT ON COLUMN leadflow.deal_summary.position IS 'place of the stage in the order of stages (並び順)';
COMMENT ON COLUMN leadflow.deal_summary.stage IS 'stage they are at (商談ステージ)';
COMMENT ON COLUMN leadflow.deal_summary.kind IS 'open, won 受注 or lost 失注 (区分)';
COMMENT ON COLUMN leadflow.deal_summary.deals IS 'number of deals (商談数)';
COMMENT ON COLUMN leadflow.deal_summary.amount IS 'sum of their amounts (金額)';

CREATE OR REPLACE VIEW leadflow.task_summary WITH (security_invoker = true) AS
SELECT l.name AS list,
       r.name AS rep,
       k.status,
       count(*) AS tasks,
       count(*) FILTER (WHERE k.status = 'open' AND k.due_on = coalesce(t.today, n.today)) AS due_today,
       count(*) FILTER (WHERE k.status = 'open' AND k.due_on < coalesce(t.today, n.today)) AS overdue
  FROM leadflow.task AS k
  LEFT JOIN (leadflow.list AS l CROSS JOIN LATERAL (SELECT leadflow.local_date(now(), l.zone) OFFSET 0) AS t (today)) USING (list_id)
  LEFT JOIN leadflow.rep AS r ON r.rep_id = k.rep_id
 CROSS JOIN LATERAL (SELECT (SELECT leadflow.local_date(now(), s.value) FROM leadflow.setting AS s WHERE s.name = 'zone')) AS n (today)
 GROUP BY l.list_id, l.name, r.rep_id, r.name, k.status;
COMMENT ON VIEW leadflow.task_summary IS 'tasks by list, rep and status (タスクサマリー)';
COMMENT ON COLUMN leadflow.task_summary.list IS 'list the tasks came from; null for none (リスト名)';
COMMENT ON COLUMN leadflow.task_summary.rep IS 'who is to do them; null for nobody (担当者)';
COMMENT ON COLUMN leadflow.task_summary.status IS 'open, done or cancelled (状態)';
COMMENT ON COLUMN leadflow.task_summary.tasks IS 'number of tasks (タスク数)';
COMMENT ON COLUMN leadflow.task_summary.due_today IS 'open and due today (本日期限)';
COMMENT ON COLUMN leadflow.task_summary.overdue IS 'open and past their day (期限超過)';
