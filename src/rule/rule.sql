-- Rules: when something happens, if a segment has the lead, then do this and that.

CREATE FUNCTION leadflow.create_rule(
    name text,
    event jsonb,
    actions jsonb,
    condition leadflow.segment DEFAULT NULL,
    description text DEFAULT NULL,
    enabled boolean DEFAULT true,
    "position" integer DEFAULT 0,
    replace boolean DEFAULT false) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.create_rule(text, jsonb, jsonb, leadflow.segment, text, boolean, integer, boolean) IS
    'make a rule: what is done when something happens to a lead that a segment has; returns its id';

CREATE FUNCTION leadflow.try_rule(rule text, since timestamptz, until timestamptz DEFAULT now(),
    OUT lead_id bigint, OUT caused_at timestamptz, OUT cause text, OUT status text, OUT did text[], OUT error text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION leadflow.try_rule(text, timestamptz, timestamptz) IS
    'what a rule would have done since some time; changes nothing';

CREATE FUNCTION leadflow.run_rule(rule_id bigint, at timestamptz) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION leadflow.run_rule(bigint, timestamptz) IS
    'part of run_due: the causes of a rule that come with time, and what failed before; returns how many causes are new';

CREATE FUNCTION leadflow.watch_rows() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION leadflow.watch_rows() IS 'trigger of the tables that rules watch';
