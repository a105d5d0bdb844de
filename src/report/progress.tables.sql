-- How far lists are worked. What is left to do is of leads that can be worked:
-- neither deleted, merged nor do_not_contact; what was done is done.

-- Each part by itself, so that a list or a rep is found by the index of each.
CREATE OR REPLACE VIEW leadflow.rep_progress WITH (security_invoker = true) AS
SELECT p.list,
       p.rep,
       (sum(p.not_started) + sum(p.in_progress) + sum(p.done))::bigint AS members,
       sum(p.not_started)::bigint AS not_started,
       sum(p.in_progress)::bigint AS in_progress,
       sum(p.done)::bigint AS done,
       sum(p.activities)::bigint AS activities,
       sum(p.effective_calls)::bigint AS effective_calls,
       sum(p.appointments)::bigint AS appointments,
       sum(p.deals)::bigint AS deals,
       sum(p.due_today)::bigint AS due_today,
       sum(p.contact_today)::bigint AS contact_today,
       sum(p.overdue)::bigint AS overdue
  FROM (SELECT l.name AS list, r.name AS rep,
               count(*) FILTER (WHERE m.state = 'not_started') AS not_started, count(*) FILTER (WHERE m.state = 'in_progress') AS in_progress,
               count(*) FILTER (WHERE m.state = 'done') AS done,
               0 AS activities, 0 AS effective_calls, 0 AS appointments, 0 AS deals,
               count(*) FILTER (WHERE m.due_on = t.today AND m.state <> 'done') AS due_today,
               count(*) FILTER (WHERE m.next_contact_on = t.today AND m.state <> 'done') AS contact_today,
               count(*) FILTER (WHERE m.due_on < t.today AND m.state <> 'done') AS overdue
          FROM leadflow.list AS l
         CROSS JOIN LATERAL (SELECT leadflow.local_date(now(), coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone'))) OFFSET 0) AS t (today)
          JOIN leadflow.member AS m USING (list_id)
          LEFT JOIN leadflow.lead AS d USING (lead_id)
          LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
         WHERE m.left_at IS NULL AND (m.state = 'done' OR NOT d.do_not_contact AND d.deleted_at IS NULL AND d.merged_into IS NULL)
         GROUP BY l.list_id, l.name, r.rep_id, r.name
         UNION ALL
        SELECT l.name, r.name, 0, 0, count(*), 0, 0, 0, 0, 0, 0, 0
          FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
         WHERE m.state = 'done' AND m.left_at IS NOT NULL
         GROUP BY l.list_id, l.name, r.rep_id, r.name
         UNION ALL
        SELECT a.list, a.rep, 0, 0, 0, count(*), count(*) FILTER (WHERE a.effective), count(*) FILTER (WHERE a.appointment), 0, 0, 0, 0
          FROM leadflow.activity_detail AS a
         WHERE a.list_id IS NOT NULL
         GROUP BY a.list_id, a.list, a.rep_id, a.rep
         UNION ALL
        SELECT l.name, r.name, 0, 0, 0, 0, 0, 0, count(*), 0, 0, 0
          FROM leadflow.deal AS e JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = e.rep_id
         GROUP BY l.list_id, l.name, r.rep_id, r.name) AS p
 GROUP BY p.list, p.rep;
COMMENT ON VIEW leadflow.rep_progress IS 'how far the reps are with each list (担当者別の進捗)';
COMMENT ON COLUMN leadflow.rep_progress.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.rep_progress.rep IS 'rep in charge, of activities the one who did them; null for nobody (担当者)';
COMMENT ON COLUMN leadflow.rep_progress.members IS 'members to be worked, and those that were: the sum of the next three (リード数)';
COMMENT ON COLUMN leadflow.rep_progress.not_started IS 'open and not started (未着手)';
COMMENT ON COLUMN leadflow.rep_progress.in_progress IS 'open and in progress (継続)';
COMMENT ON COLUMN leadflow.rep_progress.done IS 'done, whether on the list still or not (完了)';
COMMENT ON COLUMN leadflow.rep_progress.activities IS 'activities for the list (活動件数)';
COMMENT ON COLUMN leadflow.rep_progress.effective_calls IS 'of these the effective calls (有効コール数)';
COMMENT ON COLUMN leadflow.rep_progress.appointments IS 'of these the appointments (アポイント数)';
COMMENT ON COLUMN leadflow.rep_progress.deals IS 'deals that came from the list (商談数)';
COMMENT ON COLUMN leadflow.rep_progress.due_today IS 'open, not done and due today (本日期限)';
COMMENT ON COLUMN leadflow.rep_progress.contact_today IS 'open, not done and to be contacted again today (本日再アプローチ)';
COMMENT ON COLUMN leadflow.rep_progress.overdue IS 'open, not done and past their due day (期限超過)';

-- The same of all lists, also of those with nothing to count; without the reps, whom to
-- tell apart takes time.
CREATE OR REPLACE VIEW leadflow.list_summary WITH (security_invoker = true) AS
SELECT p.list,
       max(p.status) AS status,
       (sum(p.not_started) + sum(p.in_progress) + sum(p.done))::bigint AS members,
       sum(p.not_started)::bigint AS not_started,
       sum(p.in_progress)::bigint AS in_progress,
       sum(p.done)::bigint AS done,
       sum(p.activities)::bigint AS activities,
       sum(p.effective_calls)::bigint AS effective_calls,
       sum(p.appointments)::bigint AS appointments,
       sum(p.deals)::bigint AS deals,
       sum(p.overdue)::bigint AS overdue,
       max(p.last_refresh) AS last_refresh,
       max(p.next_refresh) AS next_refresh
  FROM (SELECT l.name AS list, l.status, 0 AS not_started, 0 AS in_progress, 0 AS done, 0 AS activities, 0 AS effective_calls, 0 AS appointments,
               0 AS deals, 0 AS overdue,
               (SELECT max(u.as_of) FROM leadflow.refresh_run AS u WHERE u.list_id = l.list_id AND u.finished IS NOT NULL) AS last_refresh,
               CASE WHEN l.status = 'open' AND l.segment IS NOT NULL THEN
                   CASE WHEN t.due_at > t.done_through THEN t.due_at
                        ELSE leadflow.next_run(l.cadence, greatest(now(), t.done_through), z.zone)
                   END
               END AS next_refresh
          FROM leadflow.list AS l
         CROSS JOIN LATERAL (SELECT coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone')) AS zone) AS z
         CROSS JOIN LATERAL (SELECT leadflow.last_run(l.cadence, now(), z.zone) AS due_at,
                                    greatest(l.created_at, l.done_through) AS done_through OFFSET 0) AS t
         UNION ALL
        SELECT l.name, NULL::text AS status, count(*) FILTER (WHERE m.state = 'not_started'), count(*) FILTER (WHERE m.state = 'in_progress'),
               count(*) FILTER (WHERE m.state = 'done'), 0, 0, 0, 0, count(*) FILTER (WHERE m.due_on < t.today AND m.state <> 'done'),
               NULL::timestamptz AS last_refresh, NULL::timestamptz AS next_refresh
          FROM leadflow.list AS l
         CROSS JOIN LATERAL (SELECT leadflow.local_date(now(), coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone'))) OFFSET 0) AS t (today)
          JOIN leadflow.member AS m USING (list_id)
          LEFT JOIN leadflow.lead AS d USING (lead_id)
         WHERE m.left_at IS NULL AND (m.state = 'done' OR NOT d.do_not_contact AND d.deleted_at IS NULL AND d.merged_into IS NULL)
         GROUP BY l.list_id, l.name
         UNION ALL
        SELECT l.name, NULL::text AS status, 0, 0, count(*), 0, 0, 0, 0, 0,
               NULL::timestamptz AS last_refresh, NULL::timestamptz AS next_refresh
          FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id)
         WHERE m.state = 'done' AND m.left_at IS NOT NULL
         GROUP BY l.list_id, l.name
         UNION ALL
        SELECT l.name, NULL::text AS status, 0, 0, 0, count(*), count(*) FILTER (WHERE leadflow.is_effective(a.form_version, a.result)),
               count(*) FILTER (WHERE leadflow.is_appointment(a.form_version, a.result)), 0, 0,
               NULL::timestamptz AS last_refresh, NULL::timestamptz AS next_refresh
          FROM leadflow.activity AS a JOIN leadflow.list AS l USING (list_id)
         GROUP BY l.list_id, l.name
         UNION ALL
        SELECT l.name, NULL::text AS status, 0, 0, 0, 0, 0, 0, count(*), 0,
               NULL::timestamptz AS last_refresh, NULL::timestamptz AS next_refresh
          FROM leadflow.deal AS e JOIN leadflow.list AS l USING (list_id)
         GROUP BY l.list_id, l.name) AS p
 GROUP BY p.list;
COMMENT ON VIEW leadflow.list_summary IS 'how far each list is worked, and what came of it (リストサマリー)';
COMMENT ON COLUMN leadflow.list_summary.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.list_summary.status IS 'open or closed (ステータス)';
COMMENT ON COLUMN leadflow.list_summary.members IS 'members to be worked, and those that were: the sum of the next three (リード数)';
COMMENT ON COLUMN leadflow.list_summary.not_started IS 'open and not started (未着手)';
COMMENT ON COLUMN leadflow.list_summary.in_progress IS 'open and in progress (継続)';
COMMENT ON COLUMN leadflow.list_summary.done IS 'done, whether on the list still or not (完了)';
COMMENT ON COLUMN leadflow.list_summary.activities IS 'activities for the list (活動件数)';
COMMENT ON COLUMN leadflow.list_summary.effective_calls IS 'of these the effective calls (有効コール数)';
COMMENT ON COLUMN leadflow.list_summary.appointments IS 'of these the appointments (アポイント数)';
COMMENT ON COLUMN leadflow.list_summary.deals IS 'deals that came from the list (商談数)';
COMMENT ON COLUMN leadflow.list_summary.overdue IS 'open, not done and past their due day (期限超過)';
COMMENT ON COLUMN leadflow.list_summary.last_refresh IS 'instant of the last refresh that succeeded; null when there was none (最終更新)';
COMMENT ON COLUMN leadflow.list_summary.next_refresh IS 'when it is due next, past when it is overdue; null for a list without cadence or closed (次回更新)';

CREATE OR REPLACE VIEW leadflow.member_status WITH (security_invoker = true) AS
SELECT l.name AS list,
       r.name AS rep,
       m.lead_id,
       m.member_id,
       d.company,
       concat_ws(' ', d.last_name, d.first_name) AS name,
       d.department,
       d.job_title,
       d.prefecture,
       d.industry,
       d.employees,
       m.state,
       leadflow.local_date(m.entered_at, z.zone) AS entered_on,
       m.due_on,
       m.next_contact_on,
       coalesce(m.state <> 'done' AND m.due_on < t.today, false) AS overdue,
       a.acted_on AS last_acted_on,
       leadflow.activity_label(a.form_version, 'kind', a.kind) AS last_kind,
       leadflow.activity_label(a.form_version, 'result', a.result) AS last_result,
       (SELECT e.name FROM leadflow.rep AS e WHERE e.rep_id = a.rep_id) AS last_rep
  FROM leadflow.list AS l
 CROSS JOIN LATERAL (SELECT coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone')) AS zone) AS z
 CROSS JOIN LATERAL (SELECT leadflow.local_date(now(), z.zone) OFFSET 0) AS t (today)
  JOIN leadflow.member AS m USING (list_id)
  JOIN leadflow.lead AS d USING (lead_id)
  LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
  LEFT JOIN LATERAL (SELECT e.acted_on, e.form_version, e.kind, e.result, e.rep_id FROM leadflow.activity AS e
                      WHERE e.lead_id = m.lead_id ORDER BY e.acted_on DESC NULLS LAST, e.activity_id DESC LIMIT 1) AS a ON true
 WHERE m.left_at IS NULL AND NOT d.do_not_contact AND d.deleted_at IS NULL AND d.merged_into IS NULL;
COMMENT ON VIEW leadflow.member_status IS 'leads that are on lists, how far they are and when they were last talked to (リード対応状況)';
COMMENT ON COLUMN leadflow.member_status.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.member_status.rep IS 'rep in charge; null for nobody (担当者)';
COMMENT ON COLUMN leadflow.member_status.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.member_status.member_id IS 'key of the stay on the list, together with lead_id (メンバーID)';
COMMENT ON COLUMN leadflow.member_status.company IS 'company (会社名)';
COMMENT ON COLUMN leadflow.member_status.name IS 'name (氏名)';
COMMENT ON COLUMN leadflow.member_status.department IS 'department (部署)';
COMMENT ON COLUMN leadflow.member_status.job_title IS 'job title (役職)';
COMMENT ON COLUMN leadflow.member_status.prefecture IS 'prefecture (都道府県)';
COMMENT ON COLUMN leadflow.member_status.industry IS 'industry (業種)';
COMMENT ON COLUMN leadflow.member_status.employees IS 'number of employees (従業員数)';
COMMENT ON COLUMN leadflow.member_status.state IS 'not_started 未着手, in_progress 継続, done 完了 (状態)';
COMMENT ON COLUMN leadflow.member_status.entered_on IS 'day on which the lead entered the list (追加日)';
COMMENT ON COLUMN leadflow.member_status.due_on IS 'day by which it is to be worked (対応期限)';
COMMENT ON COLUMN leadflow.member_status.next_contact_on IS 'day of the next contact (次回対応日)';
COMMENT ON COLUMN leadflow.member_status.overdue IS 'not done and past its due day (期限超過)';
COMMENT ON COLUMN leadflow.member_status.last_acted_on IS 'day of the last activity, for whatever list; null when there was none (最終活動日)';
COMMENT ON COLUMN leadflow.member_status.last_kind IS 'its kind (最終活動の種別)';
COMMENT ON COLUMN leadflow.member_status.last_result IS 'its result (最終活動の結果)';
COMMENT ON COLUMN leadflow.member_status.last_rep IS 'who did it (最終活動の担当者)';

-- Whom the reminders of Thursday and Friday speak of.
CREATE OR REPLACE VIEW leadflow.unfollowed WITH (security_invoker = true) AS
SELECT l.name AS list,
       r.name AS rep,
       m.lead_id,
       m.member_id,
       d.company,
       concat_ws(' ', d.last_name, d.first_name) AS name,
       w.entered_on,
       t.today - w.entered_on AS days_waiting,
       m.due_on,
       coalesce(m.due_on < t.today, false) AS overdue
  FROM leadflow.list AS l
 CROSS JOIN LATERAL (SELECT coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone')) AS zone) AS z
 CROSS JOIN LATERAL (SELECT leadflow.local_date(now(), z.zone) OFFSET 0) AS t (today)
  JOIN leadflow.member AS m USING (list_id)
  JOIN leadflow.lead AS d USING (lead_id)
  LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
 CROSS JOIN LATERAL (SELECT leadflow.local_date(m.entered_at, z.zone) AS entered_on) AS w
 WHERE l.status = 'open' AND m.left_at IS NULL AND m.state = 'not_started'
   AND NOT d.do_not_contact AND d.deleted_at IS NULL AND d.merged_into IS NULL;
COMMENT ON VIEW leadflow.unfollowed IS 'leads on open lists that nobody has followed up yet (未フォロー)';
COMMENT ON COLUMN leadflow.unfollowed.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.unfollowed.rep IS 'rep in charge; null for nobody (担当者)';
COMMENT ON COLUMN leadflow.unfollowed.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.unfollowed.member_id IS 'key of the stay on the list, together with lead_id (メンバーID)';
COMMENT ON COLUMN leadflow.unfollowed.company IS 'company (会社名)';
COMMENT ON COLUMN leadflow.unfollowed.name IS 'name (氏名)';
COMMENT ON COLUMN leadflow.unfollowed.entered_on IS 'day on which the lead entered the list (追加日)';
COMMENT ON COLUMN leadflow.unfollowed.days_waiting IS 'days since (経過日数)';
COMMENT ON COLUMN leadflow.unfollowed.due_on IS 'day by which it is to be worked (対応期限)';
COMMENT ON COLUMN leadflow.unfollowed.overdue IS 'that day is past (期限超過)';

-- A row for each day, since the size of a list is one on each.
CREATE OR REPLACE VIEW leadflow.list_history WITH (security_invoker = true) AS
SELECT h.day,
       l.name AS list,
       h.size,
       h.added,
       h.removed
  FROM leadflow.list AS l
 CROSS JOIN LATERAL (SELECT coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone')) AS zone) AS z
 CROSS JOIN LATERAL (
        WITH change AS MATERIALIZED (
            SELECT c.day, count(*) FILTER (WHERE c.entered) AS added, count(*) FILTER (WHERE NOT c.entered) AS removed
              FROM (SELECT leadflow.local_date(m.entered_at, z.zone), true FROM leadflow.member AS m
                     WHERE m.list_id = l.list_id AND m.left_at IS NULL
                     UNION ALL
                    SELECT leadflow.local_date(CASE WHEN e.entered THEN m.entered_at ELSE m.left_at END, z.zone), e.entered
                      FROM leadflow.member AS m, (VALUES (true), (false)) AS e (entered)
                     WHERE m.list_id = l.list_id AND m.left_at IS NOT NULL) AS c (day, entered)
             GROUP BY c.day
        ), span AS (
            SELECT least(min(c.day), leadflow.local_date(l.created_at, z.zone)) AS first_day,
                   greatest(max(c.day), leadflow.local_date(now(), z.zone)) AS last_day
              FROM change AS c
        )
        SELECT g.day,
               (sum(coalesce(c.added, 0) - coalesce(c.removed, 0)) OVER (ORDER BY g.day))::bigint AS size,
               coalesce(c.added, 0) AS added,
               coalesce(c.removed, 0) AS removed
          FROM span AS s
         CROSS JOIN LATERAL (SELECT s.first_day + n AS day FROM generate_series(0, s.last_day - s.first_day) AS n) AS g
          LEFT JOIN change AS c ON c.day = g.day) AS h;
COMMENT ON VIEW leadflow.list_history IS 'the size of each list day by day, from its first through today (リスト件数の推移)';
COMMENT ON COLUMN leadflow.list_history.day IS 'day (日)';
COMMENT ON COLUMN leadflow.list_history.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.list_history.size IS 'leads on the list at the end of the day (件数)';
COMMENT ON COLUMN leadflow.list_history.added IS 'leads that entered on the day (追加)';
COMMENT ON COLUMN leadflow.list_history.removed IS 'leads that left on the day (除外)';

CREATE OR REPLACE VIEW leadflow.refresh_history WITH (security_invoker = true) AS
SELECT leadflow.local_date(e.as_of, coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone'))) AS day,
       l.name AS list,
       e.run_id,
       CASE WHEN e.due_at IS NULL THEN 'hand' ELSE 'cadence' END AS cause,
       e.as_of,
       CASE WHEN e.finished IS NOT NULL THEN 'done' WHEN e.error IS NOT NULL THEN 'failed' ELSE 'running' END AS outcome,
       e.attempts,
       coalesce(e.added, 0) AS added,
       coalesce(e.removed, 0) AS removed,
       coalesce(e.kept, 0) AS kept,
       e.started AS started_at,
       e.finished AS finished_at,
       round(extract(epoch FROM e.finished - e.started), 3) AS seconds,
       e.error
  FROM leadflow.refresh_run AS e
  JOIN leadflow.list AS l USING (list_id);
COMMENT ON VIEW leadflow.refresh_history IS 'refreshes of lists and what they did (更新履歴)';
COMMENT ON COLUMN leadflow.refresh_history.day IS 'day the list is as of since (更新日)';
COMMENT ON COLUMN leadflow.refresh_history.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.refresh_history.run_id IS 'key of the refresh (更新ID)';
COMMENT ON COLUMN leadflow.refresh_history.cause IS 'cadence, or hand for who asked for it (契機)';
COMMENT ON COLUMN leadflow.refresh_history.as_of IS 'instant the segment was evaluated at (基準日時)';
COMMENT ON COLUMN leadflow.refresh_history.outcome IS 'done, failed or running (結果)';
COMMENT ON COLUMN leadflow.refresh_history.attempts IS 'how often it was tried (試行回数)';
COMMENT ON COLUMN leadflow.refresh_history.added IS 'leads that entered (追加)';
COMMENT ON COLUMN leadflow.refresh_history.removed IS 'leads that left (除外)';
COMMENT ON COLUMN leadflow.refresh_history.kept IS 'leads that were members before and after (継続)';
COMMENT ON COLUMN leadflow.refresh_history.started_at IS 'when the last attempt began (開始日時)';
COMMENT ON COLUMN leadflow.refresh_history.finished_at IS 'when it succeeded; null until then (終了日時)';
COMMENT ON COLUMN leadflow.refresh_history.seconds IS 'how long that took (所要秒数)';
COMMENT ON COLUMN leadflow.refresh_history.error IS 'why the last attempt failed (エラー)';
