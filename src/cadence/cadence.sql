
-- ---- cadence: recurring local times ----------------------------------------

CREATE TYPE leadflow.cadence;

CREATE FUNCTION leadflow.cadence_in(cstring) RETURNS leadflow.cadence
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.cadence_in(cstring) IS 'I/O';

CREATE FUNCTION leadflow.cadence_out(leadflow.cadence) RETURNS cstring
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.cadence_out(leadflow.cadence) IS 'I/O';

CREATE FUNCTION leadflow.cadence_recv(internal) RETURNS leadflow.cadence
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.cadence_recv(internal) IS 'I/O';

CREATE FUNCTION leadflow.cadence_send(leadflow.cadence) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.cadence_send(leadflow.cadence) IS 'I/O';

CREATE TYPE leadflow.cadence (
    INPUT = leadflow.cadence_in,
    OUTPUT = leadflow.cadence_out,
    RECEIVE = leadflow.cadence_recv,
    SEND = leadflow.cadence_send,
    INTERNALLENGTH = 12,
    ALIGNMENT = int4,
    STORAGE = plain
);
COMMENT ON TYPE leadflow.cadence IS
    'recurring local times, such as ''weekly on monday at 07:00'' or ''every 2 weeks on mon, thu at 07:00 from 2026-11-23''';

CREATE FUNCTION leadflow.cadence_eq(leadflow.cadence, leadflow.cadence) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF;
COMMENT ON FUNCTION leadflow.cadence_eq(leadflow.cadence, leadflow.cadence) IS 'implementation of = operator';

CREATE FUNCTION leadflow.cadence_ne(leadflow.cadence, leadflow.cadence) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF;
COMMENT ON FUNCTION leadflow.cadence_ne(leadflow.cadence, leadflow.cadence) IS 'implementation of <> operator';

CREATE OPERATOR leadflow.= (
    LEFTARG = leadflow.cadence,
    RIGHTARG = leadflow.cadence,
    FUNCTION = leadflow.cadence_eq,
    COMMUTATOR = OPERATOR(leadflow.=),
    NEGATOR = OPERATOR(leadflow.<>),
    RESTRICT = pg_catalog.eqsel,
    JOIN = pg_catalog.eqjoinsel
);
COMMENT ON OPERATOR leadflow.= (leadflow.cadence, leadflow.cadence) IS 'the same cadence';

CREATE OPERATOR leadflow.<> (
    LEFTARG = leadflow.cadence,
    RIGHTARG = leadflow.cadence,
    FUNCTION = leadflow.cadence_ne,
    COMMUTATOR = OPERATOR(leadflow.<>),
    NEGATOR = OPERATOR(leadflow.=),
    RESTRICT = pg_catalog.neqsel,
    JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR leadflow.<> (leadflow.cadence, leadflow.cadence) IS 'not the same cadence';

-- IMMUTABLE as timezone(text, timestamptz) is: the zones are taken for fixed.

CREATE FUNCTION leadflow.next_run(cadence leadflow.cadence, after timestamptz, zone text) RETURNS timestamptz
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.next_run(leadflow.cadence, timestamptz, text) IS
    'the first time the cadence runs after an instant on the clocks of a zone, or null';

CREATE FUNCTION leadflow.last_run(cadence leadflow.cadence, upto timestamptz, zone text) RETURNS timestamptz
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.last_run(leadflow.cadence, timestamptz, text) IS
    'the last time the cadence ran at or before an instant on the clocks of a zone, or null';

-- ---- local days -------------------------------------------------------------

CREATE FUNCTION leadflow.day_start(day date, zone text) RETURNS timestamptz
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.day_start(date, text) IS
    'the instant at which a local day begins: the first midnight of two, the next instant if there is none';

CREATE FUNCTION leadflow.local_date(at timestamptz, zone text) RETURNS date
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.local_date(timestamptz, text) IS
    'the date that the clocks of a zone show at an instant';

CREATE FUNCTION leadflow.local_time(at timestamptz, zone text) RETURNS timestamp
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.local_time(timestamptz, text) IS
    'what the clocks of a time zone show at an instant';
CREATE FUNCTION leadflow.instant(local timestamp, zone text) RETURNS timestamptz
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.instant(timestamp, text) IS
    'the instant at which the clocks of a time zone show a local time';
