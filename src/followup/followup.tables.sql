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

-- What notices and mails say, with fields in {{braces}}; save_template() checks them.

CREATE TABLE IF NOT EXISTS leadflow.template (
    name text PRIMARY KEY CHECK (char_length(name) <= 200),
    kind text NOT NULL DEFAULT 'lead' CHECK (kind IN ('lead', 'list', 'members', 'check')),
    channel text NOT NULL DEFAULT 'mail' CHECK (char_length(channel) BETWEEN 1 AND 100),
    format text NOT NULL DEFAULT 'text' CHECK (format IN ('text', 'html', 'slack')),
    subject text NOT NULL CHECK (subject !~ '[[:cntrl:]]'),
    body text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE leadflow.template IS 'texts of notices and mails (テンプレート)';
COMMENT ON COLUMN leadflow.template.name IS 'name (テンプレート名)';
COMMENT ON COLUMN leadflow.template.kind IS 'what it is about, hence which fields it may have: a lead, a list, members of a list, a check of a list (種別)';
COMMENT ON COLUMN leadflow.template.channel IS 'how its notices are delivered (送信方法)';
COMMENT ON COLUMN leadflow.template.format IS 'text, html or slack: how the values of its fields are escaped (形式)';
COMMENT ON COLUMN leadflow.template.subject IS 'subject, one line (件名)';
COMMENT ON COLUMN leadflow.template.body IS 'text (本文)';
COMMENT ON COLUMN leadflow.template.updated_at IS 'when it was last saved (更新日時)';

IF first_time THEN
    INSERT INTO leadflow.template (name, kind, subject, body)
    VALUES ('リスト共有', 'list', '【リスト共有】{{list.name}} {{day}}',
$template${{recipient.name|ご担当者}} 各位

「{{list.name}}」を更新しました。

更新日: {{day}}
追加: {{added}}件 / 除外: {{removed}}件 / 継続: {{kept}}件
現在の対象: {{count}}件
目的: {{list.purpose|-}}
{{list.link}}

対応担当者の割り振りと、架電をお願いします。
$template$),
           ('未フォローのリマインド', 'members', '【リマインド】{{list.name}}: 未フォロー {{count}}件',
$template${{recipient.name|ご担当者}} 様

「{{list.name}}」で、まだフォローできていないリードが {{count}}件あります({{day}} 現在)。

{{members}}
{{list.link}}

対応後は、活動履歴の登録をお願いします。
$template$),
           ('週末のフォロー漏れ確認', 'check', '【週次確認】{{list.name}}: 未フォロー {{count}}件',
$template${{recipient.name|ご担当者}} 各位

「{{list.name}}」の今週のフォロー状況です({{day}} 現在)。

対象: {{total}}件 / 対応済み: {{worked}}件 / 未フォロー: {{count}}件

担当者別
{{report|対象のリードはありません。}}

未フォローのリード
{{members|ありません。}}
{{list.link}}
$template$),
           ('対応期限通知', 'members', '【対応期限】{{list.name}}: 明日が期限のリード {{count}}件',
$template${{recipient.name|ご担当者}} 様

「{{list.name}}」で、明日が対応期限のリードが {{count}}件あります。

{{members}}
{{list.link}}
$template$),
           ('再アプローチ通知', 'members', '【再アプローチ】{{list.name}}: 本日対応予定のリード {{count}}件',
$template${{recipient.name|ご担当者}} 様

「{{list.name}}」で、本日が次回対応日のリードが {{count}}件あります({{day}})。

{{members}}
{{list.link}}
$template$),
           ('初回のご挨拶', 'lead', '{{lead.company|お客様}} {{lead.last_name|ご担当者}}様へのご案内',
$template${{lead.company|}}
{{lead.last_name|ご担当者}} 様

先日は資料をご請求いただき、ありがとうございました。
お電話を差し上げましたがご不在でしたので、メールにてご連絡いたします。

ご不明な点がございましたら、本メールへのご返信にてお知らせください。

{{rep.name|営業担当}}
$template$)
    ON CONFLICT (name) DO NOTHING;
END IF;

-- When things happen by themselves.

CREATE TABLE IF NOT EXISTS leadflow.schedule (
    name text PRIMARY KEY CHECK (char_length(name) <= 200),
    kind text NOT NULL CHECK (kind IN ('list_shared', 'not_followed_up', 'none_left', 'due_tomorrow', 'contact_today')),
    cadence leadflow.cadence NOT NULL,
    zone text CHECK (zone IS NULL OR leadflow.local_date('epoch', zone) IS NOT NULL),
    template text REFERENCES leadflow.template ON UPDATE CASCADE,
    role text,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    error text
);
COMMENT ON TABLE leadflow.schedule IS 'reminders of the week, beside the refreshes of lists (リマインダー)';
COMMENT ON COLUMN leadflow.schedule.name IS 'name';
COMMENT ON COLUMN leadflow.schedule.kind IS 'what the reminder is about: a refreshed list, members not yet followed up, the check of the week, members due tomorrow, members to be contacted today';
COMMENT ON COLUMN leadflow.schedule.cadence IS 'when (周期)';
COMMENT ON COLUMN leadflow.schedule.zone IS 'IANA time zone of its days; each list''s own when null (タイムゾーン)';
COMMENT ON COLUMN leadflow.schedule.template IS 'what its notices say; without one it is only announced (テンプレート)';
COMMENT ON COLUMN leadflow.schedule.role IS 'role that gets what no rep does; the owner of the list when null (通知先)';
COMMENT ON COLUMN leadflow.schedule.enabled IS 'in use (有効)';
COMMENT ON COLUMN leadflow.schedule.created_at IS 'when it was made';
COMMENT ON COLUMN leadflow.schedule.error IS 'why it failed the last time; null when it did not (エラー)';

IF first_time THEN
    INSERT INTO leadflow.schedule (name, kind, cadence, template, role)
    VALUES ('リスト共有', 'list_shared', 'weekly on monday at 07:00', 'リスト共有', 'inside_sales'),
           ('未フォローのリマインド', 'not_followed_up', 'weekly on thursday at 09:00', '未フォローのリマインド', NULL),
           ('週末のフォロー漏れ確認', 'none_left', 'weekly on friday at 17:00', '週末のフォロー漏れ確認', 'marketing'),
           ('対応期限通知', 'due_tomorrow', 'daily at 08:00', '対応期限通知', NULL),
           ('再アプローチ通知', 'contact_today', 'daily at 08:00', '再アプローチ通知', NULL)
    ON CONFLICT (name) DO NOTHING;
END IF;

-- A row is written with the notices it stands for: so a reminder is for a list
-- once a day, whatever happens.
CREATE TABLE IF NOT EXISTS leadflow.schedule_run (
    schedule text NOT NULL REFERENCES leadflow.schedule ON UPDATE CASCADE ON DELETE CASCADE,
    list_id bigint NOT NULL REFERENCES leadflow.list ON DELETE CASCADE,
    day date NOT NULL,
    due_at timestamptz NOT NULL,
    ran_at timestamptz NOT NULL,
    PRIMARY KEY (schedule, list_id, day)
);
COMMENT ON TABLE leadflow.schedule_run IS 'which reminders were done for which list (リマインダーの実行履歴)';
COMMENT ON COLUMN leadflow.schedule_run.schedule IS 'reminder (リマインダー)';
COMMENT ON COLUMN leadflow.schedule_run.list_id IS 'list (リスト)';
COMMENT ON COLUMN leadflow.schedule_run.day IS 'day it was for, in its zone (対象日)';
COMMENT ON COLUMN leadflow.schedule_run.due_at IS 'time of the cadence it was for (予定日時)';
COMMENT ON COLUMN leadflow.schedule_run.ran_at IS 'instant it was done at (実行日時)';

-- Mails to many: who was to get one, and what became of that.

-- Who shares an address with a lead that wants no mail gets none either.
CREATE INDEX IF NOT EXISTS lead_unmailable ON leadflow.lead (leadflow.mail_address(email)) WHERE email_opt_out OR do_not_contact;

CREATE TABLE IF NOT EXISTS leadflow.mailing (
    mailing_id bigserial PRIMARY KEY,
    name text,
    template text NOT NULL,
    list_id bigint REFERENCES leadflow.list,
    send_at timestamptz NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT now(),
    queued_by text NOT NULL DEFAULT current_user
);
COMMENT ON TABLE leadflow.mailing IS 'mails to many (一斉配信)';
COMMENT ON COLUMN leadflow.mailing.mailing_id IS 'key';
COMMENT ON COLUMN leadflow.mailing.name IS 'name: no address gets a mail of one name twice (配信名)';
COMMENT ON COLUMN leadflow.mailing.template IS 'template it was written with (テンプレート)';
COMMENT ON COLUMN leadflow.mailing.list_id IS 'list it was to (リスト)';
COMMENT ON COLUMN leadflow.mailing.send_at IS 'when it was to be sent (配信日時)';
COMMENT ON COLUMN leadflow.mailing.queued_at IS 'when it was written (登録日時)';
COMMENT ON COLUMN leadflow.mailing.queued_by IS 'role that wrote it (登録者)';

CREATE TABLE IF NOT EXISTS leadflow.mailing_result (
    mailing_id bigint NOT NULL REFERENCES leadflow.mailing ON DELETE CASCADE,
    outcome text NOT NULL CHECK (outcome IN ('queued', 'gone', 'do_not_contact', 'opted_out', 'held', 'no_address', 'incomplete', 'duplicate', 'already')),
    count bigint NOT NULL,
    lead_ids leadflow.leadset NOT NULL,
    missing text[],
    PRIMARY KEY (mailing_id, outcome)
);
COMMENT ON TABLE leadflow.mailing_result IS 'who got a mail of a mailing, and who did not and why (一斉配信の結果)';
COMMENT ON COLUMN leadflow.mailing_result.mailing_id IS 'mailing (一斉配信)';
COMMENT ON COLUMN leadflow.mailing_result.outcome IS 'queued, or why there is none: gone, do_not_contact, opted_out, held, no_address, incomplete, duplicate, already (結果)';
COMMENT ON COLUMN leadflow.mailing_result.count IS 'how many leads (件数)';
COMMENT ON COLUMN leadflow.mailing_result.lead_ids IS 'which leads (リード)';
COMMENT ON COLUMN leadflow.mailing_result.missing IS 'of incomplete: fields of the template that some of them have no value for (不足項目)';

-- A row is written when the delivery of a mail to a lead is acknowledged.
CREATE TABLE IF NOT EXISTS leadflow.mail (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    mail_id bigserial,
    mailing_id bigint REFERENCES leadflow.mailing ON DELETE SET NULL,
    template text,
    subject text,
    address text,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (lead_id, mail_id)
);
COMMENT ON TABLE leadflow.mail IS 'mails that leads were sent (メール)';
COMMENT ON COLUMN leadflow.mail.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.mail.mail_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.mail.mailing_id IS 'mailing it was of (一斉配信)';
COMMENT ON COLUMN leadflow.mail.template IS 'template it was written with (テンプレート)';
COMMENT ON COLUMN leadflow.mail.subject IS 'subject (件名)';
COMMENT ON COLUMN leadflow.mail.address IS 'address it went to (送信先)';
COMMENT ON COLUMN leadflow.mail.sent_at IS 'when it was delivered (送信日時)';

CREATE INDEX IF NOT EXISTS mail_mailing ON leadflow.mail (mailing_id);
CREATE INDEX IF NOT EXISTS mail_sent_at ON leadflow.mail (sent_at);

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
