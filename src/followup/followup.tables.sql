-- What is to be delivered to people: the outbox. A row is written in the
-- transaction that causes it:
--     INSERT INTO leadflow.notification AS n (kind, rep_id, subject, body, payload, dedup_key)
--     VALUES (…) ON CONFLICT (dedup_key) DO NOTHING
-- and a worker delivers it once that has committed.

CREATE TABLE IF NOT EXISTS leadflow.recipient (
    role text PRIMARY KEY CHECK (char_length(role) <= 200),
    name text,
    address text
);
COMMENT ON TABLE leadflow.recipient IS 'where notices to a role go (通知先)';
COMMENT ON COLUMN leadflow.recipient.role IS 'role, as notices name it: inside_sales, marketing, or the owner of a list (ロール)';
COMMENT ON COLUMN leadflow.recipient.name IS 'name, as in 〇〇様 (名称)';
COMMENT ON COLUMN leadflow.recipient.address IS 'e-mail address, or what the channel has instead; without one nothing can be delivered (送信先)';

IF first_time THEN
    INSERT INTO leadflow.recipient (role, name)
    VALUES ('inside_sales', 'インサイドセールス'), ('marketing', 'マーケティング部')
    ON CONFLICT (role) DO NOTHING;
END IF;

CREATE TABLE IF NOT EXISTS leadflow.notification (
    notification_id bigserial PRIMARY KEY,
    kind text NOT NULL,
    channel text NOT NULL DEFAULT 'mail' CHECK (char_length(channel) BETWEEN 1 AND 100),
    rep_id bigint REFERENCES leadflow.rep,
    role text,
    address text,
    lead_id bigint,
    list_id bigint REFERENCES leadflow.list,
    subject text,
    body text,
    payload jsonb NOT NULL DEFAULT '{}',
    dedup_key text UNIQUE CHECK (char_length(dedup_key) <= 600),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'claimed', 'sent', 'failed', 'dead')),
    due_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    claimed_by text,
    claimed_until timestamptz CHECK ((state = 'claimed') = (claimed_until IS NOT NULL)),
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
    CHECK (num_nonnulls(rep_id, role, address) > 0)
);
COMMENT ON TABLE leadflow.notification IS 'notices and mails to be delivered, and those that were (通知)';
COMMENT ON COLUMN leadflow.notification.notification_id IS 'key';
COMMENT ON COLUMN leadflow.notification.kind IS 'what it is about: a kind of reminder, mail, … (種別)';
COMMENT ON COLUMN leadflow.notification.channel IS 'how it is delivered: mail, slack, …; workers take those of theirs (送信方法)';
COMMENT ON COLUMN leadflow.notification.rep_id IS 'rep it is for (宛先の担当者)';
COMMENT ON COLUMN leadflow.notification.role IS 'role it is for, of leadflow.recipient (宛先のロール)';
COMMENT ON COLUMN leadflow.notification.address IS 'address it goes to; that of the rep or the role when null (宛先)';
COMMENT ON COLUMN leadflow.notification.lead_id IS 'lead it is about, when it is one (リード)';
COMMENT ON COLUMN leadflow.notification.list_id IS 'list it is about (リスト)';
COMMENT ON COLUMN leadflow.notification.subject IS 'subject, one line (件名)';
COMMENT ON COLUMN leadflow.notification.body IS 'text (本文)';
COMMENT ON COLUMN leadflow.notification.payload IS 'the same for programs';
COMMENT ON COLUMN leadflow.notification.dedup_key IS 'what there is only one notice of; null for as many as there are';
COMMENT ON COLUMN leadflow.notification.state IS 'pending, claimed by a worker, sent, failed and to be tried again, dead: not tried any more (状態)';
COMMENT ON COLUMN leadflow.notification.due_at IS 'not delivered before this (送信予定日時)';
COMMENT ON COLUMN leadflow.notification.expires_at IS 'not delivered from then on: it would be of no use any more; null for never (有効期限)';
COMMENT ON COLUMN leadflow.notification.attempts IS 'how often it was claimed (試行回数)';
COMMENT ON COLUMN leadflow.notification.claimed_by IS 'worker that claimed it last';
COMMENT ON COLUMN leadflow.notification.claimed_until IS 'when its lease runs out and others may claim it';
COMMENT ON COLUMN leadflow.notification.last_error IS 'why the last attempt failed (エラー)';
COMMENT ON COLUMN leadflow.notification.created_at IS 'when it was written (登録日時)';
COMMENT ON COLUMN leadflow.notification.sent_at IS 'when it was delivered (送信日時)';

-- lead_id has no foreign key, so that what was delivered outlives its lead
CREATE INDEX IF NOT EXISTS notification_due ON leadflow.notification (due_at, notification_id) WHERE state IN ('pending', 'failed');
CREATE INDEX IF NOT EXISTS notification_expires ON leadflow.notification (expires_at) WHERE state IN ('pending', 'failed') AND expires_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS notification_claimed ON leadflow.notification (claimed_until) WHERE state = 'claimed';
CREATE INDEX IF NOT EXISTS notification_lead ON leadflow.notification (lead_id) WHERE lead_id IS NOT NULL;

CREATE OR REPLACE TRIGGER notification_queued AFTER INSERT ON leadflow.notification
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.notification_queued();

-- When things happen by themselves.

CREATE TABLE IF NOT EXISTS leadflow.schedule (
    name text PRIMARY KEY CHECK (char_length(name) <= 200),
    kind text NOT NULL CHECK (kind IN ('not_followed_up', 'none_left', 'due_tomorrow', 'contact_today')),
    cadence leadflow.cadence NOT NULL,
    zone text CHECK (zone IS NULL OR leadflow.local_date('epoch', zone) IS NOT NULL),
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    done_through timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE leadflow.schedule IS 'reminders of the week, beside the refreshes of lists (リマインダー)';
COMMENT ON COLUMN leadflow.schedule.name IS 'name';
COMMENT ON COLUMN leadflow.schedule.kind IS 'what the reminder counts: members not yet followed up, the same as the check of the week, members due tomorrow, members to be contacted today';
COMMENT ON COLUMN leadflow.schedule.cadence IS 'when (周期)';
COMMENT ON COLUMN leadflow.schedule.zone IS 'IANA time zone of its days; the installation''s when null (タイムゾーン)';
COMMENT ON COLUMN leadflow.schedule.enabled IS 'in use (有効)';
COMMENT ON COLUMN leadflow.schedule.created_at IS 'when it was made';
COMMENT ON COLUMN leadflow.schedule.done_through IS 'the due time it was last done or given up for';

IF first_time THEN
    INSERT INTO leadflow.schedule (name, kind, cadence)
    VALUES ('未フォローのリマインド', 'not_followed_up', 'weekly on thursday at 09:00'),
           ('週末のフォロー漏れ確認', 'none_left', 'weekly on friday at 17:00'),
           ('対応期限通知', 'due_tomorrow', 'daily at 08:00'),
           ('再アプローチ通知', 'contact_today', 'daily at 08:00')
    ON CONFLICT (name) DO NOTHING;
END IF;

-- A reminder is announced on channel leadflow, with how many members it is
-- about. One that was missed is caught up within its own local day only.
CREATE OR REPLACE FUNCTION leadflow.run_reminders(at timestamptz) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $function$
    WITH done AS (
        UPDATE leadflow.schedule AS s
           SET done_through = d.due_at
          FROM (SELECT e.name, z.zone, leadflow.last_run(e.cadence, $1, z.zone) AS due_at
                  FROM leadflow.schedule AS e,
                       LATERAL (SELECT coalesce(e.zone, (SELECT value FROM leadflow.setting WHERE name = 'zone'))) AS z (zone)
                 WHERE e.enabled) AS d
         WHERE d.name = s.name AND d.due_at > greatest(s.created_at, s.done_through)
        RETURNING s.name, s.kind, d.due_at, leadflow.local_date(d.due_at, d.zone) AS day,
                  leadflow.local_date($1, d.zone) AS today
    ), notice AS (
        SELECT d.name,
               jsonb_build_object('reminder', d.name, 'kind', d.kind, 'due_at', d.due_at, 'members',
                   (SELECT count(*)
                      FROM leadflow.member AS m
                     WHERE m.left_at IS NULL
                       AND CASE d.kind
                               WHEN 'due_tomorrow' THEN m.state <> 'done' AND m.due_on = d.day + 1
                               WHEN 'contact_today' THEN m.state <> 'done' AND m.next_contact_on = d.day
                               ELSE m.state = 'not_started'
                           END)) AS payload
          FROM done AS d
         WHERE d.day = d.today
    )
    SELECT count(*) FROM notice, LATERAL pg_notify('leadflow', payload::text)
$function$;
COMMENT ON FUNCTION leadflow.run_reminders(timestamptz) IS
    'part of run_due: announce the reminders that are due on channel leadflow; returns how many';

CREATE OR REPLACE VIEW leadflow.schedule_status WITH (security_invoker = true) AS
SELECT l.name AS list,
       l.cadence,
       z.zone,
       r.as_of AS last_run,
       CASE WHEN l.status = 'open' AND l.segment IS NOT NULL THEN
           CASE WHEN d.due_at > d.done_through THEN d.due_at
                ELSE leadflow.next_run(l.cadence, greatest(now(), d.done_through), z.zone)
           END
       END AS next_run,
       CASE WHEN r.error IS NOT NULL THEN format('failed (attempt %s): %s', r.attempts, split_part(r.error, E'\n', 1))
            WHEN r.finished IS NOT NULL THEN format('%s added, %s removed, %s kept', r.added, r.removed, r.kept)
            WHEN r.started IS NOT NULL THEN 'running'
            ELSE 'never run'
       END AS last_outcome
  FROM leadflow.list AS l
 CROSS JOIN LATERAL (SELECT coalesce(l.zone, (SELECT s.value FROM leadflow.setting AS s WHERE s.name = 'zone')) AS zone) AS z
 CROSS JOIN LATERAL (SELECT leadflow.last_run(l.cadence, now(), z.zone) AS due_at,
                            greatest(l.created_at, l.done_through) AS done_through) AS d
  LEFT JOIN LATERAL (SELECT * FROM leadflow.refresh_run AS e
                      WHERE e.list_id = l.list_id ORDER BY e.run_id DESC LIMIT 1) AS r ON true
 WHERE l.cadence IS NOT NULL;
COMMENT ON VIEW leadflow.schedule_status IS 'when each list was and will be refreshed, and how it went (更新予定)';
COMMENT ON COLUMN leadflow.schedule_status.list IS 'list (リスト名)';
COMMENT ON COLUMN leadflow.schedule_status.cadence IS 'cadence (更新周期)';
COMMENT ON COLUMN leadflow.schedule_status.zone IS 'time zone its days are counted in (タイムゾーン)';
COMMENT ON COLUMN leadflow.schedule_status.last_run IS 'instant of the last refresh (最終更新)';
COMMENT ON COLUMN leadflow.schedule_status.next_run IS 'when it is due next; past when it is overdue (次回更新)';
COMMENT ON COLUMN leadflow.schedule_status.last_outcome IS 'what the last refresh did, or why it failed (結果)';
