-- Which records changed, for those that follow.

CREATE TABLE IF NOT EXISTS leadflow.record_change (
    lead_id bigint NOT NULL,
    change_id bigserial,
    entity text NOT NULL,
    record_id bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    PRIMARY KEY (lead_id, change_id)
);
COMMENT ON TABLE leadflow.record_change IS 'which records changed since follow_changes() (変更フィード)';
COMMENT ON COLUMN leadflow.record_change.lead_id IS 'lead (リード)';
COMMENT ON COLUMN leadflow.record_change.change_id IS 'key, together with lead_id';
COMMENT ON COLUMN leadflow.record_change.entity IS 'table of the record (対象)';
COMMENT ON COLUMN leadflow.record_change.record_id IS 'its key, together with lead_id';
COMMENT ON COLUMN leadflow.record_change.xid IS 'transaction that changed it';
COMMENT ON COLUMN leadflow.record_change.changed_at IS 'when that began (変更日時)';
COMMENT ON COLUMN leadflow.record_change.changed_by IS 'role that did it (変更者)';

CREATE INDEX IF NOT EXISTS record_change_xid ON leadflow.record_change (xid);
CREATE INDEX IF NOT EXISTS record_change_changed_at ON leadflow.record_change (changed_at);
