-- What is handed to sales: the open members of lists and the applications of
-- leads, each with what a caller needs to know of the lead.

CREATE OR REPLACE VIEW leadflow.handoff_member WITH (security_invoker = true) AS
SELECT l.list_id,
       l.name AS list,
       m.lead_id,
       m.member_id,
       d.external_id,
       d.company,
       d.department,
       d.job_title,
       d.last_name,
       d.first_name,
       d.phone,
       d.email,
       d.email_opt_out,
       d.postal_code,
       d.prefecture,
       d.address,
       d.country,
       d.industry,
       d.employees,
       d.created_at AS acquired_at,
       r.name AS rep,
       m.state,
       CASE m.state WHEN 'not_started' THEN '未着手' WHEN 'in_progress' THEN '継続' ELSE '完了' END AS state_label,
       m.entered_at,
       m.due_on,
       m.next_contact_on,
       m.memo,
       v.visits,
       v.pages,
       v.last_visit_at,
       v.last_entry_url,
       p.applications,
       p.last_applied_at,
       p.last_campaign,
       a.activities,
       a.last_acted_on,
       a.last_kind,
       a.last_result,
       a.last_content,
       (SELECT count(*) FROM leadflow.deal AS e JOIN leadflow.deal_stage AS s ON s.name = e.stage
         WHERE e.lead_id = m.lead_id AND s.kind = 'open') AS open_deals,
       (SELECT string_agg(h.line, E'\n' ORDER BY h.day, h.at, h.id)
          FROM (SELECT leadflow.local_date(e.visited_at, z.zone), e.visited_at, e.visit_id,
                       concat_ws(' ', to_char(leadflow.local_date(e.visited_at, z.zone), 'YYYY-MM-DD'), 'トラッキング', e.pages || 'ページ', e.entry_url)
                  FROM leadflow.visit AS e WHERE e.lead_id = m.lead_id
                UNION ALL
                SELECT leadflow.local_date(e.applied_at, z.zone), e.applied_at, e.application_id,
                       concat_ws(' ', to_char(leadflow.local_date(e.applied_at, z.zone), 'YYYY-MM-DD'), '申込', c.name, e.status)
                  FROM leadflow.application AS e LEFT JOIN leadflow.campaign AS c USING (campaign_id)
                 WHERE e.lead_id = m.lead_id
                UNION ALL
                SELECT coalesce(e.acted_on, leadflow.local_date(e.recorded_at, z.zone)), e.recorded_at, e.activity_id,
                       concat_ws(' ', to_char(coalesce(e.acted_on, leadflow.local_date(e.recorded_at, z.zone)), 'YYYY-MM-DD'), '活動',
                                 leadflow.activity_label(e.form_version, 'kind', e.kind), leadflow.activity_label(e.form_version, 'result', e.result), e.content)
                  FROM leadflow.activity AS e WHERE e.lead_id = m.lead_id) AS h (day, at, id, line)) AS history
  FROM leadflow.member AS m
  JOIN leadflow.list AS l USING (list_id)
  JOIN leadflow.lead AS d USING (lead_id)
  LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
 CROSS JOIN LATERAL (SELECT coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone')) AS zone) AS z
  LEFT JOIN LATERAL (SELECT count(*) AS visits, coalesce(sum(e.pages), 0) AS pages, max(e.visited_at) AS last_visit_at,
                            (array_agg(e.entry_url ORDER BY e.visited_at DESC, e.visit_id DESC))[1] AS last_entry_url
                       FROM leadflow.visit AS e WHERE e.lead_id = m.lead_id) AS v ON true
  LEFT JOIN LATERAL (SELECT count(*) AS applications, max(e.applied_at) AS last_applied_at,
                            (array_agg(c.name ORDER BY e.applied_at DESC, e.application_id DESC))[1] AS last_campaign
                       FROM leadflow.application AS e LEFT JOIN leadflow.campaign AS c USING (campaign_id)
                      WHERE e.lead_id = m.lead_id) AS p ON true
  LEFT JOIN LATERAL (SELECT count(*) AS activities, max(e.acted_on) AS last_acted_on,
                            (array_agg(leadflow.activity_label(e.form_version, 'kind', e.kind) ORDER BY e.acted_on DESC NULLS LAST, e.activity_id DESC))[1] AS last_kind,
                            (array_agg(leadflow.activity_label(e.form_version, 'result', e.result) ORDER BY e.acted_on DESC NULLS LAST, e.activity_id DESC))[1] AS last_result,
                            (array_agg(e.content ORDER BY e.acted_on DESC NULLS LAST, e.activity_id DESC))[1] AS last_content
                       FROM leadflow.activity AS e WHERE e.lead_id = m.lead_id) AS a ON true
 WHERE m.left_at IS NULL AND NOT d.do_not_contact AND d.deleted_at IS NULL AND d.merged_into IS NULL;
COMMENT ON VIEW leadflow.handoff_member IS 'open members of lists that may be contacted, with what sales needs to know of them (送客)';
COMMENT ON COLUMN leadflow.handoff_member.list_id IS 'list (リストID)';
COMMENT ON COLUMN leadflow.handoff_member.list IS 'name of the list (リスト名)';
COMMENT ON COLUMN leadflow.handoff_member.lead_id IS 'lead (リードID)';
COMMENT ON COLUMN leadflow.handoff_member.member_id IS 'stay on the list, together with lead_id (メンバーID)';
COMMENT ON COLUMN leadflow.handoff_member.external_id IS 'id in another system (外部ID)';
COMMENT ON COLUMN leadflow.handoff_member.company IS 'company (会社名)';
COMMENT ON COLUMN leadflow.handoff_member.department IS 'department (部署)';
COMMENT ON COLUMN leadflow.handoff_member.job_title IS 'job title (役職)';
COMMENT ON COLUMN leadflow.handoff_member.last_name IS 'family name (姓)';
COMMENT ON COLUMN leadflow.handoff_member.first_name IS 'given name (名)';
COMMENT ON COLUMN leadflow.handoff_member.phone IS 'phone number (電話番号)';
COMMENT ON COLUMN leadflow.handoff_member.email IS 'e-mail address (メールアドレス)';
COMMENT ON COLUMN leadflow.handoff_member.email_opt_out IS 'wants no mass e-mail (メール配信停止)';
COMMENT ON COLUMN leadflow.handoff_member.postal_code IS 'postal code (郵便番号)';
COMMENT ON COLUMN leadflow.handoff_member.prefecture IS 'prefecture (都道府県)';
COMMENT ON COLUMN leadflow.handoff_member.address IS 'rest of the address (住所)';
COMMENT ON COLUMN leadflow.handoff_member.country IS 'country (国)';
COMMENT ON COLUMN leadflow.handoff_member.industry IS 'industry (業種)';
COMMENT ON COLUMN leadflow.handoff_member.employees IS 'number of employees (従業員数)';
COMMENT ON COLUMN leadflow.handoff_member.acquired_at IS 'when the lead was acquired (登録日時)';
COMMENT ON COLUMN leadflow.handoff_member.rep IS 'rep in charge (担当者)';
COMMENT ON COLUMN leadflow.handoff_member.state IS 'not_started, in_progress or done (状態コード)';
COMMENT ON COLUMN leadflow.handoff_member.state_label IS 'the same in Japanese (状態)';
COMMENT ON COLUMN leadflow.handoff_member.entered_at IS 'when the lead entered (追加日時)';
COMMENT ON COLUMN leadflow.handoff_member.due_on IS 'day by which it is to be worked (対応期限)';
COMMENT ON COLUMN leadflow.handoff_member.next_contact_on IS 'day of the next contact (次回対応日)';
COMMENT ON COLUMN leadflow.handoff_member.memo IS 'free text (メモ)';
COMMENT ON COLUMN leadflow.handoff_member.visits IS 'number of visits (訪問回数)';
COMMENT ON COLUMN leadflow.handoff_member.pages IS 'pages viewed in all visits (閲覧ページ数合計)';
COMMENT ON COLUMN leadflow.handoff_member.last_visit_at IS 'when the latest visit began (最終訪問日時)';
COMMENT ON COLUMN leadflow.handoff_member.last_entry_url IS 'first page of the latest visit (最終訪問の入口ページ)';
COMMENT ON COLUMN leadflow.handoff_member.applications IS 'number of applications (申込回数)';
COMMENT ON COLUMN leadflow.handoff_member.last_applied_at IS 'when the lead applied last (最終申込日時)';
COMMENT ON COLUMN leadflow.handoff_member.last_campaign IS 'campaign of the latest application (最終申込キャンペーン)';
COMMENT ON COLUMN leadflow.handoff_member.activities IS 'number of activities (活動回数)';
COMMENT ON COLUMN leadflow.handoff_member.last_acted_on IS 'day of the latest activity (最終活動日)';
COMMENT ON COLUMN leadflow.handoff_member.last_kind IS 'kind of the latest activity (最終活動の種別)';
COMMENT ON COLUMN leadflow.handoff_member.last_result IS 'result of the latest activity (最終活動の結果)';
COMMENT ON COLUMN leadflow.handoff_member.last_content IS 'content of the latest activity (最終活動の内容)';
COMMENT ON COLUMN leadflow.handoff_member.open_deals IS 'number of open deals (進行中の商談)';
COMMENT ON COLUMN leadflow.handoff_member.history IS 'visits, applications and activities, a line each, the oldest first (履歴)';

-- These become part of the query, so that what it does not name is not read.
CREATE OR REPLACE FUNCTION leadflow.handoff(list text) RETURNS SETOF leadflow.handoff_member
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT h.* FROM leadflow.handoff_member AS h WHERE h.list_id = (SELECT leadflow.list_id($1));
END;
COMMENT ON FUNCTION leadflow.handoff(text) IS 'the open members of a list that may be contacted, with what sales needs to know of them (送客)';
CREATE OR REPLACE FUNCTION leadflow.handoff(list bigint) RETURNS SETOF leadflow.handoff_member
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT h.* FROM leadflow.handoff_member AS h WHERE h.list_id = (SELECT leadflow.list_id($1));
END;
COMMENT ON FUNCTION leadflow.handoff(bigint) IS 'the open members of a list that may be contacted, with what sales needs to know of them (送客)';

CREATE OR REPLACE VIEW leadflow.application_history WITH (security_invoker = true) AS
SELECT p.lead_id,
       p.application_id,
       p.applied_at,
       c.name AS campaign,
       c.kind AS campaign_kind,
       p.status,
       p.source,
       d.external_id,
       d.company,
       d.department,
       d.job_title,
       d.last_name,
       d.first_name,
       d.phone,
       d.email,
       d.prefecture,
       d.industry,
       d.employees,
       d.created_at AS acquired_at,
       r.name AS rep
  FROM leadflow.application AS p
  JOIN leadflow.lead AS d USING (lead_id)
  LEFT JOIN leadflow.campaign AS c USING (campaign_id)
  LEFT JOIN leadflow.rep AS r ON r.rep_id = d.rep_id;
COMMENT ON VIEW leadflow.application_history IS 'applications with their leads (申込履歴)';
COMMENT ON COLUMN leadflow.application_history.lead_id IS 'lead (リードID)';
COMMENT ON COLUMN leadflow.application_history.application_id IS 'application, together with lead_id (申込ID)';
COMMENT ON COLUMN leadflow.application_history.applied_at IS 'when the lead applied (申込日時)';
COMMENT ON COLUMN leadflow.application_history.campaign IS 'campaign (キャンペーン)';
COMMENT ON COLUMN leadflow.application_history.campaign_kind IS 'kind of campaign (キャンペーン種別)';
COMMENT ON COLUMN leadflow.application_history.status IS 'status (ステータス)';
COMMENT ON COLUMN leadflow.application_history.source IS 'where the application came from (流入元)';
COMMENT ON COLUMN leadflow.application_history.external_id IS 'id of the lead in another system (外部ID)';
COMMENT ON COLUMN leadflow.application_history.company IS 'company (会社名)';
COMMENT ON COLUMN leadflow.application_history.department IS 'department (部署)';
COMMENT ON COLUMN leadflow.application_history.job_title IS 'job title (役職)';
COMMENT ON COLUMN leadflow.application_history.last_name IS 'family name (姓)';
COMMENT ON COLUMN leadflow.application_history.first_name IS 'given name (名)';
COMMENT ON COLUMN leadflow.application_history.phone IS 'phone number (電話番号)';
COMMENT ON COLUMN leadflow.application_history.email IS 'e-mail address (メールアドレス)';
COMMENT ON COLUMN leadflow.application_history.prefecture IS 'prefecture (都道府県)';
COMMENT ON COLUMN leadflow.application_history.industry IS 'industry (業種)';
COMMENT ON COLUMN leadflow.application_history.employees IS 'number of employees (従業員数)';
COMMENT ON COLUMN leadflow.application_history.acquired_at IS 'when the lead was acquired (登録日時)';
COMMENT ON COLUMN leadflow.application_history.rep IS 'sales person in charge of the lead (営業担当者)';
