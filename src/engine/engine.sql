-- The engine: what a segment gives.

CREATE FUNCTION leadflow.evaluate(segment leadflow.segment, as_of timestamptz DEFAULT now(), zone text DEFAULT NULL)
    RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION leadflow.evaluate(leadflow.segment, timestamptz, text) IS
    'the leads of a segment as of an instant, days counted in a time zone (the installation''s when null)';

CREATE FUNCTION leadflow.evaluate_all(names text[], as_of timestamptz DEFAULT now(), zone text DEFAULT NULL,
    OUT name text, OUT leads leadflow.leadset) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'evaluate_names' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 10;
COMMENT ON FUNCTION leadflow.evaluate_all(text[], timestamptz, text) IS
    'the leads of saved segments, one row each, in one evaluation';

CREATE FUNCTION leadflow.evaluate_all(segments leadflow.segment[], as_of timestamptz DEFAULT now(), zone text DEFAULT NULL,
    OUT "position" integer, OUT leads leadflow.leadset) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'evaluate_segments' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 10;
COMMENT ON FUNCTION leadflow.evaluate_all(leadflow.segment[], timestamptz, text) IS
    'the leads of segments, one row each, in one evaluation';

CREATE FUNCTION leadflow.preview(segment leadflow.segment, as_of timestamptz DEFAULT now(), zone text DEFAULT NULL,
    OUT leads bigint, OUT identified bigint, OUT mailable bigint, OUT sample bigint[], OUT per_part jsonb)
    AS 'MODULE_PATHNAME', 'preview_segment' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION leadflow.preview(leadflow.segment, timestamptz, text) IS
    'how many leads a segment has, how many of them have an e-mail address and may be mailed, some of them, and what each of its parts does';

CREATE FUNCTION leadflow.explain_segment(segment leadflow.segment, as_of timestamptz DEFAULT now(), zone text DEFAULT NULL,
    OUT part text, OUT way text, OUT step integer, OUT estimated bigint, OUT leads bigint, OUT ms numeric) RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL RESTRICTED COST 100000 ROWS 10;
COMMENT ON FUNCTION leadflow.explain_segment(leadflow.segment, timestamptz, text) IS
    'evaluate a segment and tell how: its parts, the way the leads of each were got, and what that took';

-- The pass over a source's records that serves many conditions at once.

CREATE FUNCTION leadflow.sieve_add(internal, bigint, bigint[], VARIADIC "any") RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.sieve_add(internal, bigint, bigint[], "any") IS 'part of sieve: takes a record';

CREATE FUNCTION leadflow.sieve_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.sieve_combine(internal, internal) IS 'part of sieve: joins what two processes have';

CREATE FUNCTION leadflow.sieve_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.sieve_serialize(internal) IS 'part of sieve: what a process has, to be sent';

CREATE FUNCTION leadflow.sieve_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.sieve_deserialize(bytea, internal) IS 'part of sieve: what a process had, received';

CREATE FUNCTION leadflow.sieve_result(internal) RETURNS leadflow.leadset[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.sieve_result(internal) IS 'part of sieve: the leads of each condition';

CREATE AGGREGATE leadflow.sieve(bigint, bigint[], VARIADIC "any") (
    SFUNC = leadflow.sieve_add, STYPE = internal, SSPACE = 1000000,
    FINALFUNC = leadflow.sieve_result, FINALFUNC_MODIFY = READ_WRITE,
    COMBINEFUNC = leadflow.sieve_combine, SERIALFUNC = leadflow.sieve_serialize,
    DESERIALFUNC = leadflow.sieve_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE leadflow.sieve(bigint, bigint[], "any") IS
    'the leads that meet each of many conditions: of a lead, a program, and the fields of its records; used by evaluate';

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
