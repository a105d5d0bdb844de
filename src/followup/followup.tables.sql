-- When things happen by themselves.

CREATE TABLE IF NOT EXISTS leadflow.schedule (
    name text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('not_followed_up', 'none_left', 'due_tomorrow', 'contact_today')),
    cadence leadflow.cadence NOT NULL,
    zone text,
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
