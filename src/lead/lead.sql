-- Forms in force for the documents of a table.

CREATE FUNCTION leadflow.set_form(entity text, form leadflow.form, dry_run boolean DEFAULT false,
    OUT version integer, OUT lead_id bigint, OUT record_id bigint, OUT field text, OUT label text,
    OUT rule text, OUT value text, OUT message text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.set_form(text, leadflow.form, boolean) IS
    'put a form in force for what is entered from now on; returns its version, or as a dry run which rows would not conform';

CREATE FUNCTION leadflow.revalidate(entity text, leads leadflow.leadset,
    OUT version integer, OUT lead_id bigint, OUT record_id bigint, OUT field text, OUT label text,
    OUT rule text, OUT value text, OUT message text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.revalidate(text, leadflow.leadset) IS
    'hold the rows of leads to the form in force; returns what is wrong with those that do not conform and stay as they are';

CREATE FUNCTION leadflow.validate_forms() RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.validate_forms() IS
    'part of run_due: validate the constraints of set_form; returns how many';

CREATE FUNCTION leadflow.note_update() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.note_update() IS 'trigger of leadflow.lead, leadflow.activity and leadflow.deal: keep updated_at';
