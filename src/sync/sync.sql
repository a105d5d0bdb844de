-- Other systems: what they send is taken in, and what changes here is told.

CREATE FUNCTION leadflow.sync_in(entity text, records jsonb, dry_run boolean DEFAULT false,
    OUT n integer, OUT external_id text, OUT outcome text, OUT lead_id bigint, OUT record_id bigint, OUT reason text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION leadflow.sync_in(text, jsonb, boolean) IS
    'take leads, deals or activities of another system, known by their external ids; returns what became of each';

CREATE FUNCTION leadflow.follow_changes(entities text[] DEFAULT '{lead,application,activity,deal,task,member}') RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.follow_changes(text[]) IS
    'note from now on which records change; returns the token to ask changes_since() for them';

CREATE FUNCTION leadflow.unfollow_changes() RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.unfollow_changes() IS
    'note no more which records change; returns how many tables that were';

CREATE FUNCTION leadflow.change_token() RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION leadflow.change_token() IS
    'the token of now: changes_since() it gives what is not to be seen yet';

CREATE FUNCTION leadflow.changes_since(token text,
    OUT entity text, OUT lead_id bigint, OUT record_id bigint, OUT change text, OUT record jsonb,
    OUT changed_at timestamptz, OUT changed_by text[], OUT token text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION leadflow.changes_since(text) IS
    'the records that changed since a token, as they are now, each once, and the token to ask with next time';

CREATE FUNCTION leadflow.prune_changes() RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.prune_changes() IS
    'part of run_due: forget changes older than the setting keep_changes; returns how many';

CREATE FUNCTION leadflow.note_changes() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.note_changes() IS 'trigger of the tables that are followed';
