-- form: what is valid

CREATE FUNCTION leadflow.form_date(document jsonb, field text) RETURNS date
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.form_date(jsonb, text) IS
    'a field of a document as a date; null unless it is an ISO date';
