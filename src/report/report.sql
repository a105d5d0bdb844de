-- What choices are called and count as, for the views.

CREATE FUNCTION leadflow.is_effective(form_version integer, result text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.is_effective(integer, text) IS
    'whether a result of an activity, entered under that version of the form, counts as an effective call';

CREATE FUNCTION leadflow.is_appointment(form_version integer, result text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.is_appointment(integer, text) IS
    'whether a result of an activity, entered under that version of the form, counts as an appointment';

CREATE FUNCTION leadflow.activity_label(form_version integer, field text, key text) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.activity_label(integer, text, text) IS
    'what a choice of an activity, entered under that version of the form, is called; what is no choice is given back as it is';
