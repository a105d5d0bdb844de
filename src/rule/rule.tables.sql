-- What happens by itself when something happens.

CREATE TABLE IF NOT EXISTS leadflow.rule (
    rule_id bigserial PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 200),
    description text,
    enabled boolean NOT NULL DEFAULT true,
    position integer NOT NULL DEFAULT 0,
    event jsonb NOT NULL,
    condition leadflow.segment,
    actions jsonb NOT NULL,
    watches text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN event ? 'result' THEN 'activity'
             WHEN event ? 'field' THEN split_part(event ->> 'field', '.', 1)
             WHEN event ? 'enters' OR event ? 'leaves' THEN 'member'
             WHEN event ? 'stage' OR event ? 'deal' THEN 'deal_change'
             WHEN event ? 'date' THEN 'date'
             ELSE 'segment'
        END) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT current_user,
    seen leadflow.leadset,
    done_through timestamptz NOT NULL DEFAULT now(),
    error text
);
COMMENT ON TABLE leadflow.rule IS 'what is done by itself when something happens to a lead (ワークフロー)';
COMMENT ON COLUMN leadflow.rule.rule_id IS 'key';
COMMENT ON COLUMN leadflow.rule.name IS 'name (ルール名)';
COMMENT ON COLUMN leadflow.rule.description IS 'what it is for (説明)';
COMMENT ON COLUMN leadflow.rule.enabled IS 'in use (有効)';
COMMENT ON COLUMN leadflow.rule.position IS 'of several rules for one cause, the lower goes first (順番)';
COMMENT ON COLUMN leadflow.rule.event IS 'when (きっかけ)';
COMMENT ON COLUMN leadflow.rule.condition IS 'if: the segment that must have the lead; null for any lead (条件)';
COMMENT ON COLUMN leadflow.rule.actions IS 'then, in this order (アクション)';
COMMENT ON COLUMN leadflow.rule.watches IS 'table whose changes can be its cause; segment and date for those the tick looks for';
COMMENT ON COLUMN leadflow.rule.created_at IS 'when it was made; what happened before is no cause (登録日時)';
COMMENT ON COLUMN leadflow.rule.created_by IS 'role that made it (登録者)';
COMMENT ON COLUMN leadflow.rule.seen IS 'of a rule on a segment: who was in it at the last tick';
COMMENT ON COLUMN leadflow.rule.done_through IS 'of a rule on a date: the last tick that looked';
COMMENT ON COLUMN leadflow.rule.error IS 'why it cannot be followed; null when it can (エラー)';

CREATE TABLE IF NOT EXISTS leadflow.rule_log (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    log_id bigserial,
    rule_id bigint NOT NULL REFERENCES leadflow.rule,
    cause text NOT NULL,
    caused_at timestamptz NOT NULL,
    caused_by bigint,
    depth integer NOT NULL DEFAULT 0,
    detail jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'done', 'skipped', 'failed')),
    did text[] NOT NULL DEFAULT '{}',
    fired_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz DEFAULT '-infinity',
    error text,
    PRIMARY KEY (lead_id, log_id),
    UNIQUE (lead_id, rule_id, cause)
);
COMMENT ON TABLE leadflow.rule_log IS 'what rules did, and why (ワークフローの履歴)';
COMMENT ON COLUMN leadflow.rule_log.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.rule_log.log_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.rule_log.rule_id IS 'rule (ルール)';
COMMENT ON COLUMN leadflow.rule_log.cause IS 'what happened; a rule fires once for it (きっかけ)';
COMMENT ON COLUMN leadflow.rule_log.caused_at IS 'when it happened (発生日時)';
COMMENT ON COLUMN leadflow.rule_log.caused_by IS 'the row of the rule that made it happen, if one did';
COMMENT ON COLUMN leadflow.rule_log.depth IS 'how many rules caused one another before it';
COMMENT ON COLUMN leadflow.rule_log.detail IS 'the records it is about';
COMMENT ON COLUMN leadflow.rule_log.status IS 'pending, done, skipped as the condition did not hold, failed (状態)';
COMMENT ON COLUMN leadflow.rule_log.did IS 'what was done (結果)';
COMMENT ON COLUMN leadflow.rule_log.fired_at IS 'when the rule fired last (実行日時)';
COMMENT ON COLUMN leadflow.rule_log.attempts IS 'how often it fired (試行回数)';
COMMENT ON COLUMN leadflow.rule_log.retry_at IS 'when it is tried again; null for never (再試行日時)';
COMMENT ON COLUMN leadflow.rule_log.error IS 'why it failed (エラー)';

CREATE INDEX IF NOT EXISTS rule_log_key ON leadflow.rule_log (log_id);
CREATE INDEX IF NOT EXISTS rule_log_rule ON leadflow.rule_log (rule_id, caused_at);
CREATE INDEX IF NOT EXISTS rule_log_retry ON leadflow.rule_log (rule_id, retry_at) WHERE status IN ('pending', 'failed');

-- In the order of their names they come after the triggers of the tables themselves.
CREATE OR REPLACE TRIGGER watch_arrivals AFTER INSERT ON leadflow.activity
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_changes AFTER UPDATE ON leadflow.activity
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_arrivals AFTER INSERT ON leadflow.member
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_changes AFTER UPDATE ON leadflow.member
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_arrivals AFTER INSERT ON leadflow.deal
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_changes AFTER UPDATE ON leadflow.deal
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_arrivals AFTER INSERT ON leadflow.deal_change
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_arrivals AFTER INSERT ON leadflow.application
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_changes AFTER UPDATE ON leadflow.application
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_arrivals AFTER INSERT ON leadflow.lead
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();
CREATE OR REPLACE TRIGGER watch_changes AFTER UPDATE ON leadflow.lead
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.watch_rows();

IF first_time THEN
    PERFORM leadflow.create_rule('失注リードをナーチャリングへ', '{"deal": "lost"}',
        '[{"set": {"nurturing": true}}]', NULL,
        '失注したリードをナーチャリング対象に戻し、掘り起こしの対象にする', false);
    PERFORM leadflow.create_rule('長期化商談のWebアクセス通知',
        jsonb_build_object('enters_segment', 'visit(visited_at within 1 day) and deal(closed_at is null and opened_at at least 60 days ago)'),
        '[{"notify": "rep", "subject": "商談が長期化しているリードのWebアクセス"}]', NULL,
        '商談開始から60日以上経ったリードがWebサイトを訪れたら担当者に知らせる', false);
END IF;
