-- The engine: what a segment gives.

CREATE FUNCTION leadflow.evaluate(segment leadflow.segment, as_of timestamptz DEFAULT now(), zone text DEFAULT NULL)
    RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION leadflow.evaluate(leadflow.segment, timestamptz, text) IS
    'the leads of a segment as of an instant, days counted in a time zone (the installation''s when null)';

CREATE FUNCTION leadflow.to_sql(segment leadflow.segment) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 10000;
COMMENT ON FUNCTION leadflow.to_sql(leadflow.segment) IS
    'the plain SQL query that gives the leads of a segment; $1 is the instant (timestamptz) and $2 the time zone (text)';

CREATE FUNCTION leadflow.check_segment(segment leadflow.segment,
    OUT "position" integer, OUT sqlstate text, OUT message text, OUT detail text, OUT hint text,
    OUT saved_segment text) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 10000 ROWS 1;
COMMENT ON FUNCTION leadflow.check_segment(leadflow.segment) IS
    'what is wrong with a segment, one row per problem: none when it can be evaluated';

CREATE FUNCTION leadflow.save_segment(name text, segment leadflow.segment, description text DEFAULT NULL)
    RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.save_segment(text, leadflow.segment, text) IS
    'keep a segment under a name, replacing what was kept under it; returns the name';

-- One lead.

CREATE FUNCTION leadflow.matches_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION leadflow.matches_support(internal) IS 'tells the planner how many leads matches finds, and at what cost';

CREATE FUNCTION leadflow.matches(lead_id bigint, segment leadflow.segment, as_of timestamptz DEFAULT now(),
    zone text DEFAULT NULL) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT leadflow.matches_support;
COMMENT ON FUNCTION leadflow.matches(bigint, leadflow.segment, timestamptz, text) IS
    'is a lead in a segment as of an instant, days counted in a time zone (the installation''s when null)';

CREATE FUNCTION leadflow.why(lead_id bigint, segment leadflow.segment, as_of timestamptz DEFAULT now(),
    zone text DEFAULT NULL,
    OUT depth integer, OUT part text, OUT holds boolean, OUT found text, OUT evidence jsonb) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 10;
COMMENT ON FUNCTION leadflow.why(bigint, leadflow.segment, timestamptz, text) IS
    'why a lead is in a segment or is not: each condition, whether it holds, what was found and in which records';
