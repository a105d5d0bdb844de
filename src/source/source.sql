-- Sources: the relations whose records segments speak of.

CREATE FUNCTION leadflow.register_source(
    name text,
    relation regclass,
    lead_column name DEFAULT 'lead_id',
    key_column name DEFAULT NULL,
    time_column name DEFAULT NULL,
    label text DEFAULT NULL,
    labels jsonb DEFAULT NULL,
    lookups jsonb DEFAULT NULL,
    settles_after interval DEFAULT NULL
) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.register_source(text, regclass, name, name, name, text, jsonb, jsonb, interval) IS
    'let segments speak of the records of a table or view, or change how they do; returns the source''s name';
