-- What people look at: plain views, to be filtered by lead_id, list or rep.

-- Each lead and its list by their keys, one after the other (that is what OFFSET 0 is
-- for): a rep has few, though the planner, who does not know which rep will ask, may
-- expect many. It must not go through all members in the order of lists either, as it
-- may while it takes new lists for higher than any there is.
-- The name of the user is made to compare as texts do: names have a collation of
-- their own, in which rep_db_role is not sorted.
CREATE OR REPLACE VIEW leadflow.my_members WITH (security_invoker = true) AS
SELECT CASE WHEN m.next_contact_on > t.today THEN 4
            WHEN m.due_on = t.today THEN 1
            WHEN m.due_on < t.today THEN 2
            WHEN m.next_contact_on <= t.today THEN 3
            ELSE 4
       END AS rank,
       CASE WHEN m.next_contact_on > t.today THEN 'open'
            WHEN m.due_on = t.today THEN 'due today'
            WHEN m.due_on < t.today THEN 'overdue'
            WHEN m.next_contact_on <= t.today THEN 'contact again'
            ELSE 'open'
       END AS urgency,
       l.name AS list,
       m.lead_id,
       m.member_id,
       d.company,
       d.department,
       d.job_title,
       concat_ws(' ', d.last_name, d.first_name) AS name,
       d.phone,
       d.email,
       m.state,
       m.due_on,
       m.next_contact_on,
       m.memo,
       (SELECT max(v.visited_at) FROM leadflow.visit AS v WHERE v.lead_id = m.lead_id) AS last_visit_at,
       p.applied_at AS last_applied_at,
       (SELECT c.name FROM leadflow.campaign AS c WHERE c.campaign_id = p.campaign_id) AS last_campaign,
       a.acted_on AS last_acted_on,
       leadflow.activity_label(a.form_version, 'kind', a.kind) AS last_kind,
       leadflow.activity_label(a.form_version, 'result', a.result) AS last_result,
       a.content AS last_content,
       l.talk_script
  FROM leadflow.rep AS r
  JOIN leadflow.member AS m USING (rep_id)
 CROSS JOIN LATERAL (SELECT e.name, e.zone, e.talk_script FROM leadflow.list AS e WHERE e.list_id = m.list_id OFFSET 0) AS l
 CROSS JOIN LATERAL (SELECT e.company, e.department, e.job_title, e.last_name, e.first_name, e.phone, e.email FROM leadflow.lead AS e
                      WHERE e.lead_id = m.lead_id AND NOT e.do_not_contact AND e.deleted_at IS NULL AND e.merged_into IS NULL OFFSET 0) AS d
 CROSS JOIN LATERAL (SELECT leadflow.local_date(now(), coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone'))) OFFSET 0) AS t (today)
  LEFT JOIN LATERAL (SELECT e.applied_at, e.campaign_id FROM leadflow.application AS e
                      WHERE e.lead_id = m.lead_id ORDER BY e.applied_at DESC, e.application_id DESC LIMIT 1) AS p ON true
  LEFT JOIN LATERAL (SELECT e.acted_on, e.form_version, e.kind, e.result, e.content FROM leadflow.activity AS e
                      WHERE e.lead_id = m.lead_id ORDER BY e.acted_on DESC NULLS LAST, e.activity_id DESC LIMIT 1) AS a ON true
 WHERE r.db_role = (SELECT current_user COLLATE "default") AND m.left_at IS NULL AND m.state <> 'done';
COMMENT ON VIEW leadflow.my_members IS 'the open members of the rep one is connected as; to be read in the order of rank, due_on (自分の担当リード)';
COMMENT ON COLUMN leadflow.my_members.rank IS 'order of work: 1 due today, 2 overdue, 3 contact again, 4 the rest, and who is to be contacted on a later day (順位)';
COMMENT ON COLUMN leadflow.my_members.urgency IS 'the same in words (緊急度)';
COMMENT ON COLUMN leadflow.my_members.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.my_members.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.my_members.member_id IS 'stay on the list, together with lead_id (メンバー)';
COMMENT ON COLUMN leadflow.my_members.company IS 'company (会社名)';
COMMENT ON COLUMN leadflow.my_members.department IS 'department (部署)';
COMMENT ON COLUMN leadflow.my_members.job_title IS 'job title (役職)';
COMMENT ON COLUMN leadflow.my_members.name IS 'name (氏名)';
COMMENT ON COLUMN leadflow.my_members.phone IS 'phone number (電話番号)';
COMMENT ON COLUMN leadflow.my_members.email IS 'e-mail address (メールアドレス)';
COMMENT ON COLUMN leadflow.my_members.state IS 'not_started 未着手 or in_progress 継続 (状態)';
COMMENT ON COLUMN leadflow.my_members.due_on IS 'day by which it is to be worked (対応期限)';
COMMENT ON COLUMN leadflow.my_members.next_contact_on IS 'day of the next contact (次回対応日)';
COMMENT ON COLUMN leadflow.my_members.memo IS 'free text (メモ)';
COMMENT ON COLUMN leadflow.my_members.last_visit_at IS 'when the lead last visited the web site (最終訪問日時)';
COMMENT ON COLUMN leadflow.my_members.last_applied_at IS 'when the lead last applied (最終申込日時)';
COMMENT ON COLUMN leadflow.my_members.last_campaign IS 'and to which campaign (最終申込キャンペーン)';
COMMENT ON COLUMN leadflow.my_members.last_acted_on IS 'day of the last activity, whoever did it (最終活動日)';
COMMENT ON COLUMN leadflow.my_members.last_kind IS 'its kind (最終活動の種別)';
COMMENT ON COLUMN leadflow.my_members.last_result IS 'its result (最終活動の結果)';
COMMENT ON COLUMN leadflow.my_members.last_content IS 'its content (最終活動の内容)';
COMMENT ON COLUMN leadflow.my_members.talk_script IS 'what to say on the phone (トークスクリプト)';

-- An activity has a day: it stands where it was recorded, if on that day, else at
-- the start of the day.
CREATE OR REPLACE VIEW leadflow.lead_timeline WITH (security_invoker = true) AS
SELECT v.lead_id, v.visited_at AS at, 'visit' AS kind, v.entry_url AS what, NULL::text AS list, NULL::text AS rep,
       format('%s pages', v.pages) AS detail
  FROM leadflow.visit AS v
 UNION ALL
SELECT p.lead_id, p.applied_at, 'application', c.name, NULL, NULL, concat_ws(', ', p.status, p.source)
  FROM leadflow.application AS p LEFT JOIN leadflow.campaign AS c USING (campaign_id)
 UNION ALL
SELECT a.lead_id,
       CASE WHEN a.acted_on = leadflow.local_date(a.recorded_at, z.zone) OR a.acted_on IS NULL THEN a.recorded_at
            ELSE leadflow.day_start(a.acted_on, z.zone) END,
       'activity', leadflow.activity_label(a.form_version, 'kind', a.kind), l.name, r.name,
       concat_ws(': ', leadflow.activity_label(a.form_version, 'result', a.result), a.content)
  FROM leadflow.activity AS a
  LEFT JOIN leadflow.list AS l USING (list_id)
  LEFT JOIN leadflow.rep AS r ON r.rep_id = a.rep_id
 CROSS JOIN LATERAL (SELECT coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone'))) AS z (zone)
 UNION ALL
SELECT m.lead_id, m.entered_at, 'entered', m.entered_reason, l.name, NULL, m.entered_by
  FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id)
 UNION ALL
SELECT m.lead_id, m.left_at, 'left', m.left_reason, l.name, r.name, m.left_by
  FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
 WHERE m.left_at IS NOT NULL
 UNION ALL
SELECT g.lead_id, g.assigned_at, 'assigned', g.strategy, l.name, r.name, g.reason
  FROM leadflow.assignment AS g JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = g.to_rep_id
 UNION ALL
SELECT d.lead_id, d.opened_at, 'deal opened', d.name, l.name, r.name, d.stage
  FROM leadflow.deal AS d LEFT JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = d.rep_id
 UNION ALL
SELECT d.lead_id, d.closed_at, 'deal closed', d.name, l.name, r.name, concat_ws(': ', d.stage, d.lost_reason)
  FROM leadflow.deal AS d LEFT JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = d.rep_id
 WHERE d.closed_at IS NOT NULL
 UNION ALL
SELECT k.lead_id, k.created_at, 'task', k.title, l.name, r.name, k.note
  FROM leadflow.task AS k LEFT JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = k.rep_id
 UNION ALL
SELECT k.lead_id, k.done_at, 'task ' || k.status, k.title, l.name, r.name, k.note
  FROM leadflow.task AS k LEFT JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = k.rep_id
 WHERE k.done_at IS NOT NULL
 UNION ALL
SELECT e.lead_id, e.sent_at, 'mail', e.subject, l.name, NULL, concat_ws(': ', g.name, e.template)
  FROM leadflow.mail AS e LEFT JOIN leadflow.mailing AS g USING (mailing_id) LEFT JOIN leadflow.list AS l USING (list_id);
COMMENT ON VIEW leadflow.lead_timeline IS 'what happened with a lead; to be read for a lead_id in the order of at (タイムライン)';
COMMENT ON COLUMN leadflow.lead_timeline.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.lead_timeline.at IS 'when (日時)';
COMMENT ON COLUMN leadflow.lead_timeline.kind IS 'visit, application, activity, entered, left, assigned, deal opened, deal closed, task, task done, task cancelled or mail (種別)';
COMMENT ON COLUMN leadflow.lead_timeline.what IS 'entry page, campaign, kind of activity, reason, strategy, name of the deal, title of the task or subject of the mail (内容)';
COMMENT ON COLUMN leadflow.lead_timeline.list IS 'list it came from (リスト名)';
COMMENT ON COLUMN leadflow.lead_timeline.rep IS 'rep (担当者)';
COMMENT ON COLUMN leadflow.lead_timeline.detail IS 'more about it (詳細)';

CREATE OR REPLACE VIEW leadflow.member_history WITH (security_invoker = true) AS
SELECT m.lead_id,
       m.member_id,
       l.name AS list,
       d.company,
       concat_ws(' ', d.last_name, d.first_name) AS name,
       m.entered_at,
       m.entered_by,
       CASE WHEN m.run_id IS NULL THEN coalesce(m.entered_reason, 'added by hand') ELSE format('refresh %s', m.run_id) END AS entered_reason,
       m.left_at,
       m.left_by,
       m.left_reason,
       r.name AS rep,
       m.state
  FROM leadflow.member AS m
  JOIN leadflow.list AS l USING (list_id)
  JOIN leadflow.lead AS d USING (lead_id)
  LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id;
COMMENT ON VIEW leadflow.member_history IS 'all stays on lists, past and present, with names (リストの履歴)';
COMMENT ON COLUMN leadflow.member_history.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.member_history.member_id IS 'key of the stay, together with lead_id (メンバーID)';
COMMENT ON COLUMN leadflow.member_history.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.member_history.company IS 'company (会社名)';
COMMENT ON COLUMN leadflow.member_history.name IS 'name (氏名)';
COMMENT ON COLUMN leadflow.member_history.entered_at IS 'when the lead entered (追加日時)';
COMMENT ON COLUMN leadflow.member_history.entered_by IS 'role that added it (追加者)';
COMMENT ON COLUMN leadflow.member_history.entered_reason IS 'the refresh that added it, or why it was added by hand (追加理由)';
COMMENT ON COLUMN leadflow.member_history.left_at IS 'when the lead left; null while it is a member (除外日時)';
COMMENT ON COLUMN leadflow.member_history.left_by IS 'role that removed it (除外者)';
COMMENT ON COLUMN leadflow.member_history.left_reason IS 'why it left (除外理由)';
COMMENT ON COLUMN leadflow.member_history.rep IS 'rep who has it, or had it last (担当者)';
COMMENT ON COLUMN leadflow.member_history.state IS 'not_started 未着手, in_progress 継続, done 完了 (状態)';

CREATE OR REPLACE FUNCTION leadflow.list_overlap(at timestamptz DEFAULT now(),
    OUT list text, OUT other_list text, OUT lead_count bigint, OUT leads leadflow.leadset) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
    WITH members AS MATERIALIZED (
        SELECT m.list_id, leadflow.leadset_agg(m.lead_id) AS leads
          FROM leadflow.member AS m
         WHERE m.entered_at <= $1 AND (m.left_at IS NULL OR m.left_at > $1)
         GROUP BY m.list_id
    )
    SELECT a.name, b.name, leadflow.cardinality(o.leads), o.leads
      FROM members AS x
      JOIN members AS y ON x.list_id < y.list_id AND x.leads OPERATOR(leadflow.&&) y.leads
      JOIN leadflow.list AS a ON a.list_id = x.list_id
      JOIN leadflow.list AS b ON b.list_id = y.list_id,
     LATERAL (SELECT x.leads OPERATOR(leadflow.&) y.leads) AS o (leads)
     ORDER BY 3 DESC, x.list_id, y.list_id
$function$;
COMMENT ON FUNCTION leadflow.list_overlap(timestamptz) IS
    'pairs of lists that share members at a time, and whom';
