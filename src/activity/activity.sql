-- Activities: recording them, what can be entered, and what they mean to the lists.

CREATE FUNCTION leadflow.record_activities(activities jsonb, dry_run boolean DEFAULT false,
    OUT lead_id bigint, OUT activity_id bigint, OUT closed text[], OUT continued text[],
    OUT task_id bigint, OUT deal_id bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION leadflow.record_activities(jsonb, boolean) IS
    'record activities, each an object of lead_id, rep, list, create_task, create_deal and the fields of the form; returns for each the lists its lead left and those it stays on';

CREATE FUNCTION leadflow.record_activity(
    lead_id bigint,
    acted_on date DEFAULT NULL,
    kind text DEFAULT NULL,
    result text DEFAULT NULL,
    content text DEFAULT NULL,
    source text DEFAULT NULL,
    action text DEFAULT NULL,
    note text DEFAULT NULL,
    next_contact_on date DEFAULT NULL,
    rep text DEFAULT NULL,
    list text DEFAULT NULL,
    fields jsonb DEFAULT NULL,
    recorded_at timestamptz DEFAULT NULL,
    dry_run boolean DEFAULT false,
    create_task jsonb DEFAULT NULL,
    create_deal jsonb DEFAULT NULL,
    OUT activity_id bigint, OUT closed text[], OUT continued text[], OUT task_id bigint, OUT deal_id bigint) RETURNS record
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.activity_id, r.closed, r.continued, r.task_id, r.deal_id
      FROM leadflow.record_activities(
          jsonb_build_array(coalesce($12, '{}') || jsonb_strip_nulls(jsonb_build_object(
              'lead_id', $1, 'acted_on', $2, 'kind', $3, 'result', $4, 'content', $5, 'source', $6,
              'action', $7, 'note', $8, 'next_contact_on', $9, 'rep', $10, 'list', $11,
              'recorded_at', $13))
              || CASE WHEN $15 IS NULL THEN '{}' ELSE jsonb_build_object('create_task', $15) END
              || CASE WHEN $16 IS NULL THEN '{}' ELSE jsonb_build_object('create_deal', $16) END), $14) AS r
$$;
COMMENT ON FUNCTION leadflow.record_activity(bigint, date, text, text, text, text, text, text, date, text, text, jsonb, timestamptz, boolean, jsonb, jsonb) IS
    'record an activity; returns its id, the lists its lead left and those it stays on, and the task and the deal it made';

CREATE FUNCTION leadflow.set_list_results(list text, results text[], dry_run boolean DEFAULT false,
    OUT version integer, OUT lead_id bigint, OUT record_id bigint, OUT field text, OUT label text,
    OUT rule text, OUT value text, OUT message text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.set_list_results(text, text[], boolean) IS
    'choose which results of activities can be entered for a list; returns what set_form() does';

CREATE FUNCTION leadflow.set_list_results(list bigint, results text[], dry_run boolean DEFAULT false,
    OUT version integer, OUT lead_id bigint, OUT record_id bigint, OUT field text, OUT label text,
    OUT rule text, OUT value text, OUT message text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.set_list_results(bigint, text[], boolean) IS
    'choose which results of activities can be entered for a list; returns what set_form() does';

CREATE FUNCTION leadflow.apply_activities() RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.apply_activities() IS
    'part of run_due: tell the lists of activities that came where no trigger was; returns how many stays changed';

CREATE FUNCTION leadflow.activity_arrives() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.activity_arrives() IS 'trigger of leadflow.activity';
CREATE FUNCTION leadflow.activity_arrived() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.activity_arrived() IS 'trigger of leadflow.activity';
CREATE FUNCTION leadflow.activity_corrected() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.activity_corrected() IS 'trigger of leadflow.activity';
CREATE FUNCTION leadflow.activity_deleted() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.activity_deleted() IS 'trigger of leadflow.activity';

-- Deals and tasks.

CREATE FUNCTION leadflow.set_deal_stage(deal bigint, stage text, reason text DEFAULT NULL, dry_run boolean DEFAULT false,
    OUT lead_id bigint, OUT from_stage text, OUT to_stage text, OUT closed_at timestamptz) RETURNS record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.set_deal_stage(bigint, text, text, boolean) IS
    'move a deal to another stage, with a reason; returns its lead, both stages and when it was closed, if it is';

CREATE FUNCTION leadflow.deal_moves() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.deal_moves() IS 'trigger of leadflow.deal';
CREATE FUNCTION leadflow.deal_changed() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.deal_changed() IS 'trigger of leadflow.deal';
CREATE FUNCTION leadflow.task_changes() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.task_changes() IS 'trigger of leadflow.task';
