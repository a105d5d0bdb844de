-- What sales did, counted: of each activity its day, its names and what its result
-- counts as, and the sums over that.

-- a week or a month of activity_weekly, activity_monthly and conversion_by_source is found by these
CREATE INDEX IF NOT EXISTS activity_week ON leadflow.activity ((date_trunc('week', acted_on::timestamp)::date));
CREATE INDEX IF NOT EXISTS activity_month ON leadflow.activity ((date_trunc('month', acted_on::timestamp)::date));

CREATE OR REPLACE VIEW leadflow.calendar WITH (security_invoker = true) AS
SELECT g.day,
       date_trunc('week', g.day::timestamp)::date AS week,
       date_trunc('month', g.day::timestamp)::date AS month,
       date_trunc('quarter', g.day::timestamp)::date AS quarter,
       extract(year FROM g.day)::integer AS year,
       to_char(g.day, 'IYYY-"W"IW') AS iso_week,
       extract(isodow FROM g.day)::integer AS weekday
  FROM (SELECT date '2000-01-01' + n AS day
          FROM generate_series(0, make_date(extract(year FROM now())::integer + 1, 12, 31) - date '2000-01-01') AS n) AS g;
COMMENT ON VIEW leadflow.calendar IS 'days from 2000 through the end of next year, so that those without anything appear (カレンダー)';
COMMENT ON COLUMN leadflow.calendar.day IS 'day (日)';
COMMENT ON COLUMN leadflow.calendar.week IS 'Monday of its ISO week (週)';
COMMENT ON COLUMN leadflow.calendar.month IS 'first day of its month (月)';
COMMENT ON COLUMN leadflow.calendar.quarter IS 'first day of its quarter (四半期)';
COMMENT ON COLUMN leadflow.calendar.year IS 'year (年)';
COMMENT ON COLUMN leadflow.calendar.iso_week IS 'ISO week, as in 2026-W47 (ISO週)';
COMMENT ON COLUMN leadflow.calendar.weekday IS '1 Monday to 7 Sunday (曜日)';

CREATE OR REPLACE VIEW leadflow.activity_result WITH (security_invoker = true) AS
SELECT f.version AS form_version,
       k.key AS result,
       k.label,
       k.effective,
       k.effective AND k.closes AS appointment
  FROM leadflow.form_version AS f, LATERAL leadflow.choices(f.form) AS k
 WHERE f.entity = 'activity' AND k.field = 'result';
COMMENT ON VIEW leadflow.activity_result IS 'what the results of activities count as, by the form they were entered under (活動結果)';
COMMENT ON COLUMN leadflow.activity_result.form_version IS 'version of the form of activities (フォームの版)';
COMMENT ON COLUMN leadflow.activity_result.result IS 'result, as it is kept (活動結果)';
COMMENT ON COLUMN leadflow.activity_result.label IS 'and as it is shown (表示名)';
COMMENT ON COLUMN leadflow.activity_result.effective IS 'counts as an effective call (有効コール)';
COMMENT ON COLUMN leadflow.activity_result.appointment IS 'counts as an appointment: it is effective and ends the stay on the list (アポイント)';

-- One row for each key, so that facts keep their number when they are joined with it.
CREATE OR REPLACE VIEW leadflow.activity_choice WITH (security_invoker = true) AS
SELECT DISTINCT ON (k.field, k.key)
       k.field, k.key, k.label, k."position", k.retired
  FROM leadflow.form_version AS f, LATERAL leadflow.choices(f.form) AS k
 WHERE f.entity = 'activity'
 ORDER BY k.field, k.key, f.version DESC;
COMMENT ON VIEW leadflow.activity_choice IS 'choices of activities, each as the newest form has it that has it (活動の選択肢)';
COMMENT ON COLUMN leadflow.activity_choice.field IS 'field of the form: kind, result, source or another (項目)';
COMMENT ON COLUMN leadflow.activity_choice.key IS 'as it is kept (値)';
COMMENT ON COLUMN leadflow.activity_choice.label IS 'and as it is shown (表示名)';
COMMENT ON COLUMN leadflow.activity_choice."position" IS 'place among the choices of the field, from 1 on (並び順)';
COMMENT ON COLUMN leadflow.activity_choice.retired IS 'can no longer be entered (廃止)';

CREATE OR REPLACE VIEW leadflow.activity_detail WITH (security_invoker = true) AS
SELECT a.acted_on AS day,
       l.list_id,
       l.name AS list,
       r.rep_id,
       r.name AS rep,
       a.lead_id,
       a.activity_id,
       a.kind,
       a.result,
       a.source,
       leadflow.is_effective(a.form_version, a.result) AS effective,
       leadflow.is_appointment(a.form_version, a.result) AS appointment
  FROM leadflow.activity AS a
  LEFT JOIN leadflow.list AS l USING (list_id)
  LEFT JOIN leadflow.rep AS r ON r.rep_id = a.rep_id;
COMMENT ON VIEW leadflow.activity_detail IS 'activities, each with what it counts as (活動明細)';
COMMENT ON COLUMN leadflow.activity_detail.day IS 'day of the activity (日)';
COMMENT ON COLUMN leadflow.activity_detail.list_id IS 'key of the list (リストID)';
COMMENT ON COLUMN leadflow.activity_detail.list IS 'list the lead was worked from; null for none (リスト名)';
COMMENT ON COLUMN leadflow.activity_detail.rep_id IS 'key of the rep (担当者ID)';
COMMENT ON COLUMN leadflow.activity_detail.rep IS 'who did it; null where nobody is named (担当者)';
COMMENT ON COLUMN leadflow.activity_detail.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.activity_detail.activity_id IS 'key of the activity, together with lead_id (活動ID)';
COMMENT ON COLUMN leadflow.activity_detail.kind IS 'kind of activity (種別)';
COMMENT ON COLUMN leadflow.activity_detail.result IS 'result (活動結果)';
COMMENT ON COLUMN leadflow.activity_detail.source IS 'what led to the activity (活動ソース)';
COMMENT ON COLUMN leadflow.activity_detail.effective IS 'its result counts as an effective call (有効コール)';
COMMENT ON COLUMN leadflow.activity_detail.appointment IS 'its result counts as an appointment (アポイント)';

CREATE OR REPLACE VIEW leadflow.activity_daily WITH (security_invoker = true) AS
SELECT a.day,
       a.list,
       a.rep,
       a.kind,
       a.result,
       count(*) AS activities,
       count(*) FILTER (WHERE a.effective) AS effective,
       count(*) FILTER (WHERE a.appointment) AS appointments
  FROM leadflow.activity_detail AS a
 GROUP BY a.day, a.list_id, a.list, a.rep_id, a.rep, a.kind, a.result;
COMMENT ON VIEW leadflow.activity_daily IS 'activities by day, list, rep, kind and result (日別活動実績)';
COMMENT ON COLUMN leadflow.activity_daily.day IS 'day of the activities (日)';
COMMENT ON COLUMN leadflow.activity_daily.list IS 'list the leads were worked from; null for none (リスト名)';
COMMENT ON COLUMN leadflow.activity_daily.rep IS 'who did them; null where nobody is named (担当者)';
COMMENT ON COLUMN leadflow.activity_daily.kind IS 'kind of activity (種別)';
COMMENT ON COLUMN leadflow.activity_daily.result IS 'result (活動結果)';
COMMENT ON COLUMN leadflow.activity_daily.activities IS 'number of activities (活動件数)';
COMMENT ON COLUMN leadflow.activity_daily.effective IS 'of these the effective calls (有効コール数)';
COMMENT ON COLUMN leadflow.activity_daily.appointments IS 'of these the appointments (アポイント数)';

CREATE OR REPLACE VIEW leadflow.activity_weekly WITH (security_invoker = true) AS
SELECT date_trunc('week', a.day::timestamp)::date AS week,
       a.list,
       a.rep,
       a.kind,
       a.result,
       count(*) AS activities,
       count(*) FILTER (WHERE a.effective) AS effective,
       count(*) FILTER (WHERE a.appointment) AS appointments
  FROM leadflow.activity_detail AS a
 GROUP BY 1, a.list_id, a.list, a.rep_id, a.rep, a.kind, a.result;
COMMENT ON VIEW leadflow.activity_weekly IS 'activities by ISO week, list, rep, kind and result (週別活動実績)';
COMMENT ON COLUMN leadflow.activity_weekly.week IS 'Monday of the ISO week (週)';
COMMENT ON COLUMN leadflow.activity_weekly.list IS 'list the leads were worked from; null for none (リスト名)';
COMMENT ON COLUMN leadflow.activity_weekly.rep IS 'who did them; null where nobody is named (担当者)';
COMMENT ON COLUMN leadflow.activity_weekly.kind IS 'kind of activity (種別)';
COMMENT ON COLUMN leadflow.activity_weekly.result IS 'result (活動結果)';
COMMENT ON COLUMN leadflow.activity_weekly.activities IS 'number of activities (活動件数)';
COMMENT ON COLUMN leadflow.activity_weekly.effective IS 'of these the effective calls (有効コール数)';
COMMENT ON COLUMN leadflow.activity_weekly.appointments IS 'of these the appointments (アポイント数)';

CREATE OR REPLACE VIEW leadflow.activity_monthly WITH (security_invoker = true) AS
SELECT date_trunc('month', a.day::timestamp)::date AS month,
       a.list,
       a.rep,
       a.kind,
       a.result,
       count(*) AS activities,
       count(*) FILTER (WHERE a.effective) AS effective,
       count(*) FILTER (WHERE a.appointment) AS appointments
  FROM leadflow.activity_detail AS a
 GROUP BY 1, a.list_id, a.list, a.rep_id, a.rep, a.kind, a.result;
COMMENT ON VIEW leadflow.activity_monthly IS 'activities by month, list, rep, kind and result (月別活動実績)';
COMMENT ON COLUMN leadflow.activity_monthly.month IS 'first day of the month (月)';
COMMENT ON COLUMN leadflow.activity_monthly.list IS 'list the leads were worked from; null for none (リスト名)';
COMMENT ON COLUMN leadflow.activity_monthly.rep IS 'who did them; null where nobody is named (担当者)';
COMMENT ON COLUMN leadflow.activity_monthly.kind IS 'kind of activity (種別)';
COMMENT ON COLUMN leadflow.activity_monthly.result IS 'result (活動結果)';
COMMENT ON COLUMN leadflow.activity_monthly.activities IS 'number of activities (活動件数)';
COMMENT ON COLUMN leadflow.activity_monthly.effective IS 'of these the effective calls (有効コール数)';
COMMENT ON COLUMN leadflow.activity_monthly.appointments IS 'of these the appointments (アポイント数)';

-- An activity may have several deals, so that activities and deals are counted side by
-- side. A rate is left to who reads: a sum of rates means nothing.
CREATE OR REPLACE VIEW leadflow.conversion_by_source WITH (security_invoker = true) AS
SELECT c.month,
       c.list,
       c.rep,
       c.source,
       count(*) FILTER (WHERE NOT c.deal) AS activities,
       count(*) FILTER (WHERE c.effective) AS effective,
       count(*) FILTER (WHERE c.appointment) AS appointments,
       count(*) FILTER (WHERE c.deal) AS deals,
       count(*) FILTER (WHERE c.won) AS won,
       coalesce(sum(c.amount) FILTER (WHERE c.won), 0) AS won_amount
  FROM (SELECT date_trunc('month', a.day::timestamp)::date AS month, a.list, a.rep, a.source,
               a.effective, a.appointment, false AS deal, false AS won, NULL::numeric AS amount
          FROM leadflow.activity_detail AS a
         UNION ALL
        SELECT date_trunc('month', a.acted_on::timestamp)::date, l.name, r.name, a.source,
               false, false, true, s.kind = 'won', e.amount
          FROM leadflow.deal AS e
          JOIN leadflow.deal_stage AS s ON s.name = e.stage
          JOIN leadflow.activity AS a ON a.lead_id = e.lead_id AND a.activity_id = e.activity_id
          LEFT JOIN leadflow.list AS l ON l.list_id = a.list_id
          LEFT JOIN leadflow.rep AS r ON r.rep_id = a.rep_id) AS c
 GROUP BY c.month, c.list, c.rep, c.source;
COMMENT ON VIEW leadflow.conversion_by_source IS 'what became of activities, by what led to them (活動ソース別転換)';
COMMENT ON COLUMN leadflow.conversion_by_source.month IS 'first day of the month of the activities (月)';
COMMENT ON COLUMN leadflow.conversion_by_source.list IS 'list the leads were worked from; null for none (リスト名)';
COMMENT ON COLUMN leadflow.conversion_by_source.rep IS 'who did them; null where nobody is named (担当者)';
COMMENT ON COLUMN leadflow.conversion_by_source.source IS 'what led to the activities; null where nothing is named (活動ソース)';
COMMENT ON COLUMN leadflow.conversion_by_source.activities IS 'number of activities (活動件数)';
COMMENT ON COLUMN leadflow.conversion_by_source.effective IS 'of these the effective calls (有効コール数)';
COMMENT ON COLUMN leadflow.conversion_by_source.appointments IS 'of these the appointments (アポイント数)';
COMMENT ON COLUMN leadflow.conversion_by_source.deals IS 'deals that came of these activities, whenever (商談数)';
COMMENT ON COLUMN leadflow.conversion_by_source.won IS 'of the deals those won (受注数)';
COMMENT ON COLUMN leadflow.conversion_by_source.won_amount IS 'and their amount (受注金額)';
