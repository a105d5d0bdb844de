-- The leads of which a rep had a stay, for visible_leads().
CREATE INDEX IF NOT EXISTS member_past_rep ON leadflow.member (rep_id, lead_id) WHERE left_at IS NOT NULL;

CREATE OR REPLACE TRIGGER form_changes_access AFTER INSERT OR UPDATE OR DELETE ON leadflow.form_version
    EXECUTE FUNCTION leadflow.form_changes_access();
PERFORM leadflow.apply_access();
