-- Leads, changed many at once; and forms in force for the documents of a table.

CREATE FUNCTION leadflow.update_leads(leads leadflow.leadset, changes jsonb, dry_run boolean DEFAULT false,
    OUT field text, OUT "from" text, OUT "to" text, OUT leads bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.update_leads(leadflow.leadset, jsonb, boolean) IS
    'set columns and fields of leads; returns, for each field, what it was and became, and for how many leads';

CREATE FUNCTION leadflow.update_leads(leads leadflow.segment, changes jsonb, dry_run boolean DEFAULT false,
    OUT field text, OUT "from" text, OUT "to" text, OUT leads bigint) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.update_leads(leadflow.segment, jsonb, boolean) IS
    'set columns and fields of leads; returns, for each field, what it was and became, and for how many leads';

CREATE FUNCTION leadflow.set_form(entity text, form leadflow.form, dry_run boolean DEFAULT false,
    OUT version integer, OUT lead_id bigint, OUT record_id bigint, OUT field text, OUT label text,
    OUT rule text, OUT value text, OUT message text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.set_form(text, leadflow.form, boolean) IS
    'put a form in force for what is entered from now on; returns its version, or as a dry run which rows would not conform';

CREATE FUNCTION leadflow.add_form_preset(entity text, preset text, dry_run boolean DEFAULT false,
    OUT version integer, OUT lead_id bigint, OUT record_id bigint, OUT field text, OUT label text,
    OUT rule text, OUT value text, OUT message text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.add_form_preset(text, text, boolean) IS
    'add well-known fields to a form, such as those of BANTCH; returns what set_form() does';

CREATE FUNCTION leadflow.revalidate(entity text, leads leadflow.leadset,
    OUT version integer, OUT lead_id bigint, OUT record_id bigint, OUT field text, OUT label text,
    OUT rule text, OUT value text, OUT message text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION leadflow.revalidate(text, leadflow.leadset) IS
    'hold the rows of leads to the form in force; returns what is wrong with those that do not conform and stay as they are';

CREATE FUNCTION leadflow.form_view(entity text) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.form_view(text) IS
    'part of install: make the view of the records of a table with a column for each field of its forms, and the constraints of forms that were restored without';

CREATE FUNCTION leadflow.sees_hidden() RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.sees_hidden() IS
    'does the current user see the hidden fields of forms in views? who has the rights of the owner of the tables does, and marketing';

CREATE FUNCTION leadflow.validate_forms() RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.validate_forms() IS
    'part of run_due: validate the constraints of set_form; returns how many';

CREATE FUNCTION leadflow.note_update() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.note_update() IS 'trigger of leadflow.lead, leadflow.activity and leadflow.deal: keep updated_at';
