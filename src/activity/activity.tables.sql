-- What sales did. fields is the document of the activity form; the generated
-- columns read from it what reports and segments use most.

CREATE TABLE IF NOT EXISTS leadflow.activity (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    activity_id bigserial,
    external_id text,
    list_id bigint REFERENCES leadflow.list,
    rep_id bigint REFERENCES leadflow.rep,
    fields jsonb NOT NULL DEFAULT '{}',
    form_version integer NOT NULL DEFAULT 0,
    acted_on date GENERATED ALWAYS AS (leadflow.form_date(fields, 'acted_on')) STORED,
    kind text GENERATED ALWAYS AS (fields ->> 'kind') STORED,
    action text GENERATED ALWAYS AS (fields ->> 'action') STORED,
    result text GENERATED ALWAYS AS (fields ->> 'result') STORED,
    source text GENERATED ALWAYS AS (fields ->> 'source') STORED,
    content text GENERATED ALWAYS AS (fields ->> 'content') STORED,
    note text GENERATED ALWAYS AS (fields ->> 'note') STORED,
    next_contact_on date GENERATED ALWAYS AS (leadflow.form_date(fields, 'next_contact_on')) STORED,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    recorded_by text NOT NULL DEFAULT current_user,
    updated_at timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz,
    PRIMARY KEY (lead_id, activity_id)
);
COMMENT ON TABLE leadflow.activity IS 'what sales did with leads (活動履歴)';
COMMENT ON COLUMN leadflow.activity.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.activity.activity_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.activity.external_id IS 'id in another system (外部ID)';
COMMENT ON COLUMN leadflow.activity.list_id IS 'list the lead was worked from (リスト)';
COMMENT ON COLUMN leadflow.activity.rep_id IS 'who did it (活動者)';
COMMENT ON COLUMN leadflow.activity.fields IS 'the document of the activity form';
COMMENT ON COLUMN leadflow.activity.form_version IS 'version of the form the fields were entered under; 0 for none';
COMMENT ON COLUMN leadflow.activity.acted_on IS 'day of the activity (日付)';
COMMENT ON COLUMN leadflow.activity.kind IS 'kind of activity (種別)';
COMMENT ON COLUMN leadflow.activity.action IS 'what was done (作業内容)';
COMMENT ON COLUMN leadflow.activity.result IS 'result (活動結果)';
COMMENT ON COLUMN leadflow.activity.source IS 'what led to the activity (活動ソース)';
COMMENT ON COLUMN leadflow.activity.content IS 'content (内容)';
COMMENT ON COLUMN leadflow.activity.note IS 'other (その他)';
COMMENT ON COLUMN leadflow.activity.next_contact_on IS 'day of the next contact (次回対応日)';
COMMENT ON COLUMN leadflow.activity.recorded_at IS 'when it was recorded (登録日時)';
COMMENT ON COLUMN leadflow.activity.recorded_by IS 'role that recorded it (登録者)';
COMMENT ON COLUMN leadflow.activity.updated_at IS 'when it was last changed, here or where it came from (更新日時)';
COMMENT ON COLUMN leadflow.activity.applied_at IS 'when the lists were told of it; null until then';

CREATE INDEX IF NOT EXISTS activity_acted_on ON leadflow.activity (acted_on);
CREATE INDEX IF NOT EXISTS activity_external_id ON leadflow.activity (external_id);
CREATE INDEX IF NOT EXISTS activity_list ON leadflow.activity (list_id);
CREATE INDEX IF NOT EXISTS activity_rep ON leadflow.activity (rep_id);
CREATE INDEX IF NOT EXISTS activity_unapplied ON leadflow.activity (lead_id, activity_id) WHERE applied_at IS NULL;

-- Without a foreign key: it outlives what it speaks of.
CREATE TABLE IF NOT EXISTS leadflow.activity_change (
    lead_id bigint NOT NULL,
    change_id bigserial,
    activity_id bigint NOT NULL,
    action text NOT NULL CHECK (action IN ('correction', 'deletion')),
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    before jsonb NOT NULL,
    after jsonb,
    PRIMARY KEY (lead_id, change_id)
);
COMMENT ON TABLE leadflow.activity_change IS 'corrections and deletions of activities (活動履歴の変更履歴)';
COMMENT ON COLUMN leadflow.activity_change.lead_id IS 'lead of the activity before the change (リード)';
COMMENT ON COLUMN leadflow.activity_change.change_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.activity_change.activity_id IS 'the activity (活動)';
COMMENT ON COLUMN leadflow.activity_change.action IS 'correction or deletion (操作)';
COMMENT ON COLUMN leadflow.activity_change.changed_at IS 'when (変更日時)';
COMMENT ON COLUMN leadflow.activity_change.changed_by IS 'role that did it (変更者)';
COMMENT ON COLUMN leadflow.activity_change.before IS 'the row before (変更前)';
COMMENT ON COLUMN leadflow.activity_change.after IS 'the row after; null when deleted (変更後)';

CREATE OR REPLACE TRIGGER activity_updated BEFORE UPDATE ON leadflow.activity
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at AND NEW.applied_at IS NOT DISTINCT FROM OLD.applied_at)
    EXECUTE FUNCTION leadflow.note_update();
CREATE OR REPLACE TRIGGER activity_arrives BEFORE INSERT ON leadflow.activity
    FOR EACH ROW WHEN (NEW.applied_at IS NULL) EXECUTE FUNCTION leadflow.activity_arrives();
CREATE OR REPLACE TRIGGER activity_arrived AFTER INSERT ON leadflow.activity
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.activity_arrived();
CREATE OR REPLACE TRIGGER activity_corrected AFTER UPDATE ON leadflow.activity
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.activity_corrected();
CREATE OR REPLACE TRIGGER activity_deleted AFTER DELETE ON leadflow.activity
    REFERENCING OLD TABLE AS old_rows EXECUTE FUNCTION leadflow.activity_deleted();
CREATE OR REPLACE TRIGGER activity_truncated BEFORE TRUNCATE ON leadflow.activity
    EXECUTE FUNCTION leadflow.activity_deleted();

IF first_time THEN
    PERFORM leadflow.set_form('activity', $form$
        acted_on "日付" date required;
        kind "種別" radio('メール', '電話', '訪問', 'WEBミーティング');
        content "内容" textarea;
        result "活動結果" radio('継続フォロー' effective, '商談化' effective closes, 'アーカイブ' closes);
        source "活動ソース" radio('ホワイトペーパー', '資料請求', 'セミナー', 'HOTリードリスト', '掘り起こしリスト');
        note "その他" textarea;
        next_contact_on "次回対応日" date
    $form$);
    PERFORM leadflow.validate_forms();
END IF;

-- What came of it: tasks to be done and deals that were opened.

CREATE TABLE IF NOT EXISTS leadflow.deal_stage (
    name text PRIMARY KEY,
    position integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('open', 'won', 'lost'))
);
COMMENT ON TABLE leadflow.deal_stage IS 'stages a deal goes through (商談ステージ)';
COMMENT ON COLUMN leadflow.deal_stage.name IS 'name (ステージ名)';
COMMENT ON COLUMN leadflow.deal_stage.position IS 'place in the order of stages (並び順)';
COMMENT ON COLUMN leadflow.deal_stage.kind IS 'open, won 受注 or lost 失注 (区分)';

IF first_time THEN
    INSERT INTO leadflow.deal_stage (name, position, kind)
    VALUES ('ヒアリング', 10, 'open'),
           ('提案', 20, 'open'),
           ('見積', 30, 'open'),
           ('受注', 40, 'won'),
           ('失注', 50, 'lost')
    ON CONFLICT (name) DO NOTHING;
END IF;

CREATE TABLE IF NOT EXISTS leadflow.deal (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    deal_id bigserial,
    external_id text,
    name text NOT NULL,
    stage text NOT NULL REFERENCES leadflow.deal_stage ON UPDATE CASCADE,
    stage_since timestamptz,
    amount numeric,
    rep_id bigint REFERENCES leadflow.rep,
    opened_at timestamptz NOT NULL DEFAULT now(),
    expected_close_on date,
    closed_at timestamptz CHECK (closed_at >= opened_at),
    lost_reason text,
    note text,
    list_id bigint REFERENCES leadflow.list,
    activity_id bigint,
    fields jsonb NOT NULL DEFAULT '{}',
    form_version integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (lead_id, deal_id),
    FOREIGN KEY (lead_id, activity_id) REFERENCES leadflow.activity ON DELETE SET NULL (activity_id)
);
COMMENT ON TABLE leadflow.deal IS 'deals with leads (商談)';
COMMENT ON COLUMN leadflow.deal.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.deal.deal_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.deal.external_id IS 'id in another system (外部ID)';
COMMENT ON COLUMN leadflow.deal.name IS 'name (商談名)';
COMMENT ON COLUMN leadflow.deal.stage IS 'stage (商談ステージ)';
COMMENT ON COLUMN leadflow.deal.stage_since IS 'since when it has been at this stage; one that is given with a new deal says that it comes with its history (ステージ変更日時)';
COMMENT ON COLUMN leadflow.deal.amount IS 'amount (金額)';
COMMENT ON COLUMN leadflow.deal.rep_id IS 'rep in charge (担当者)';
COMMENT ON COLUMN leadflow.deal.opened_at IS 'when it was opened (商談開始日時)';
COMMENT ON COLUMN leadflow.deal.expected_close_on IS 'day on which it is expected to be closed (完了予定日)';
COMMENT ON COLUMN leadflow.deal.closed_at IS 'when it was won or lost (完了日時)';
COMMENT ON COLUMN leadflow.deal.lost_reason IS 'why it was lost (失注理由)';
COMMENT ON COLUMN leadflow.deal.note IS 'more about it; of a deal that came of an activity, what was recorded (備考)';
COMMENT ON COLUMN leadflow.deal.list_id IS 'list it came from (リスト)';
COMMENT ON COLUMN leadflow.deal.activity_id IS 'activity it came from (活動)';
COMMENT ON COLUMN leadflow.deal.fields IS 'further fields (追加項目)';
COMMENT ON COLUMN leadflow.deal.form_version IS 'version of the form the fields were entered under; 0 for none';
COMMENT ON COLUMN leadflow.deal.updated_at IS 'when it was last changed, here or where it came from (更新日時)';

CREATE INDEX IF NOT EXISTS deal_key ON leadflow.deal (deal_id);
CREATE INDEX IF NOT EXISTS deal_opened_at ON leadflow.deal (opened_at);
CREATE INDEX IF NOT EXISTS deal_external_id ON leadflow.deal (external_id);
CREATE INDEX IF NOT EXISTS deal_rep ON leadflow.deal (rep_id);
CREATE INDEX IF NOT EXISTS deal_list ON leadflow.deal (list_id);

CREATE TABLE IF NOT EXISTS leadflow.deal_change (
    lead_id bigint NOT NULL,
    change_id bigserial,
    deal_id bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    from_stage text REFERENCES leadflow.deal_stage ON UPDATE CASCADE,
    to_stage text NOT NULL REFERENCES leadflow.deal_stage ON UPDATE CASCADE,
    reason text,
    PRIMARY KEY (lead_id, change_id),
    FOREIGN KEY (lead_id, deal_id) REFERENCES leadflow.deal ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE leadflow.deal_change IS 'the stages deals went through (商談ステージの変更履歴)';
COMMENT ON COLUMN leadflow.deal_change.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.deal_change.change_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.deal_change.deal_id IS 'the deal (商談)';
COMMENT ON COLUMN leadflow.deal_change.changed_at IS 'when (変更日時)';
COMMENT ON COLUMN leadflow.deal_change.changed_by IS 'role that did it (変更者)';
COMMENT ON COLUMN leadflow.deal_change.from_stage IS 'stage before; null when the deal was opened (変更前)';
COMMENT ON COLUMN leadflow.deal_change.to_stage IS 'stage after (変更後)';
COMMENT ON COLUMN leadflow.deal_change.reason IS 'why, as set_deal_stage() was told (理由)';

CREATE INDEX IF NOT EXISTS deal_change_deal ON leadflow.deal_change (lead_id, deal_id);
CREATE INDEX IF NOT EXISTS deal_change_changed_at ON leadflow.deal_change (changed_at);

CREATE OR REPLACE TRIGGER deal_updated BEFORE UPDATE ON leadflow.deal
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION leadflow.note_update();
CREATE OR REPLACE TRIGGER deal_arrives BEFORE INSERT ON leadflow.deal
    FOR EACH ROW WHEN (NEW.stage_since IS NULL) EXECUTE FUNCTION leadflow.deal_moves();
CREATE OR REPLACE TRIGGER deal_moves BEFORE UPDATE ON leadflow.deal
    FOR EACH ROW WHEN (NEW.stage <> OLD.stage AND NEW.stage_since IS NOT DISTINCT FROM OLD.stage_since)
    EXECUTE FUNCTION leadflow.deal_moves();
CREATE OR REPLACE TRIGGER deal_opened AFTER INSERT ON leadflow.deal
    REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.deal_changed();
CREATE OR REPLACE TRIGGER deal_changed AFTER UPDATE ON leadflow.deal
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows EXECUTE FUNCTION leadflow.deal_changed();

CREATE TABLE IF NOT EXISTS leadflow.task (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    task_id bigserial,
    title text NOT NULL,
    due_on date,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done', 'cancelled')),
    rep_id bigint REFERENCES leadflow.rep,
    note text,
    list_id bigint REFERENCES leadflow.list,
    activity_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    PRIMARY KEY (lead_id, task_id),
    FOREIGN KEY (lead_id, activity_id) REFERENCES leadflow.activity ON DELETE SET NULL (activity_id)
);
COMMENT ON TABLE leadflow.task IS 'what is to be done with leads (タスク)';
COMMENT ON COLUMN leadflow.task.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.task.task_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.task.title IS 'what is to be done (件名)';
COMMENT ON COLUMN leadflow.task.due_on IS 'day by which it is to be done (期限)';
COMMENT ON COLUMN leadflow.task.status IS 'open, done or cancelled (状態)';
COMMENT ON COLUMN leadflow.task.rep_id IS 'who is to do it (担当者)';
COMMENT ON COLUMN leadflow.task.note IS 'more about it (備考)';
COMMENT ON COLUMN leadflow.task.list_id IS 'list it came from (リスト)';
COMMENT ON COLUMN leadflow.task.activity_id IS 'activity it came from (活動)';
COMMENT ON COLUMN leadflow.task.created_at IS 'when it was made (登録日時)';
COMMENT ON COLUMN leadflow.task.done_at IS 'when it was done or cancelled (完了日時)';

CREATE INDEX IF NOT EXISTS task_due ON leadflow.task (due_on) WHERE status = 'open';
CREATE INDEX IF NOT EXISTS task_rep ON leadflow.task (rep_id);
CREATE INDEX IF NOT EXISTS task_list ON leadflow.task (list_id);

CREATE OR REPLACE TRIGGER task_changes BEFORE INSERT OR UPDATE OF status, done_at ON leadflow.task
    FOR EACH ROW EXECUTE FUNCTION leadflow.task_changes();

PERFORM leadflow.form_view('activity');
PERFORM leadflow.form_view('deal');
