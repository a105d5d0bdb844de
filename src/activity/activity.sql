-- Activities: what can be entered.

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
