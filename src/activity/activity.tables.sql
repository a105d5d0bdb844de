-- What sales did. fields is the document of the activity form; the generated
-- columns read from it what reports and segments use most.

CREATE TABLE IF NOT EXISTS leadflow.activity (
    lead_id bigint NOT NULL REFERENCES leadflow.lead,
    activity_id bigserial,
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
    PRIMARY KEY (lead_id, activity_id)
);
COMMENT ON TABLE leadflow.activity IS 'what sales did with leads (活動履歴)';
COMMENT ON COLUMN leadflow.activity.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.activity.activity_id IS 'key, together with lead_id';
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

CREATE INDEX IF NOT EXISTS activity_acted_on ON leadflow.activity (acted_on);
CREATE INDEX IF NOT EXISTS activity_list ON leadflow.activity (list_id);
CREATE INDEX IF NOT EXISTS activity_rep ON leadflow.activity (rep_id);
