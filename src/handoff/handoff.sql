-- Leads as files for who has no database.

CREATE FUNCTION leadflow.export_csv(list text, columns text[] DEFAULT NULL, history boolean DEFAULT false,
    encoding text DEFAULT 'UTF8', labels boolean DEFAULT true) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION leadflow.export_csv(text, text[], boolean, text, boolean) IS
    'the open members of a list as a CSV file for a spreadsheet: columns of handoff_member and fields of the lead form, by name or label';

CREATE FUNCTION leadflow.export_csv(list bigint, columns text[] DEFAULT NULL, history boolean DEFAULT false,
    encoding text DEFAULT 'UTF8', labels boolean DEFAULT true) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION leadflow.export_csv(bigint, text[], boolean, text, boolean) IS
    'the open members of a list as a CSV file for a spreadsheet: columns of handoff_member and fields of the lead form, by name or label';

CREATE FUNCTION leadflow.export_query(query text, encoding text DEFAULT 'UTF8', labels boolean DEFAULT true) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION leadflow.export_query(text, text, boolean) IS
    'the rows of a query as a CSV file for a spreadsheet, columns headed by the labels that their comments give';

CREATE FUNCTION leadflow.shown_fields(entity text, lead_id bigint, record_id bigint DEFAULT NULL) RETURNS jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION leadflow.shown_fields(text, bigint, bigint) IS
    'the document of a record, without the fields that are hidden from the current user; null when the record itself is';
