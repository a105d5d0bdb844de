-- segment: which leads

CREATE TYPE leadflow.segment;

CREATE FUNCTION leadflow.segment_in(cstring) RETURNS leadflow.segment
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadflow.segment_out(leadflow.segment) RETURNS cstring
    AS 'MODULE_PATHNAME', 'canonical_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadflow.segment_recv(internal) RETURNS leadflow.segment
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION leadflow.segment_send(leadflow.segment) RETURNS bytea
    AS 'MODULE_PATHNAME', 'canonical_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE leadflow.segment (
    INPUT = leadflow.segment_in,
    OUTPUT = leadflow.segment_out,
    RECEIVE = leadflow.segment_recv,
    SEND = leadflow.segment_send,
    INTERNALLENGTH = VARIABLE,
    STORAGE = extended
);
COMMENT ON TYPE leadflow.segment IS
    'which leads: a condition on their records, such as visit(pages >= 15 and visited_at within 30 days) and not activity';
COMMENT ON FUNCTION leadflow.segment_in(cstring) IS 'I/O';
COMMENT ON FUNCTION leadflow.segment_out(leadflow.segment) IS 'I/O';
COMMENT ON FUNCTION leadflow.segment_recv(internal) IS 'I/O';
COMMENT ON FUNCTION leadflow.segment_send(leadflow.segment) IS 'I/O';

-- equality, of the canonical text

CREATE FUNCTION leadflow.segment_eq(leadflow.segment, leadflow.segment) RETURNS boolean
    AS 'MODULE_PATHNAME', 'canonical_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.segment_eq(leadflow.segment, leadflow.segment) IS
    'are the two the same condition, written the same way but for spacing, case and needless parentheses?';
CREATE FUNCTION leadflow.segment_ne(leadflow.segment, leadflow.segment) RETURNS boolean
    AS 'MODULE_PATHNAME', 'canonical_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.segment_ne(leadflow.segment, leadflow.segment) IS 'negation of =';
CREATE FUNCTION leadflow.segment_hash(leadflow.segment) RETURNS integer
    AS 'MODULE_PATHNAME', 'canonical_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.segment_hash(leadflow.segment) IS 'hash for indexes and hash joins';
CREATE FUNCTION leadflow.segment_hash_extended(leadflow.segment, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'canonical_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.segment_hash_extended(leadflow.segment, bigint) IS
    'hash with a seed, for hash partitioning';

CREATE OPERATOR leadflow.= (
    LEFTARG = leadflow.segment, RIGHTARG = leadflow.segment, FUNCTION = leadflow.segment_eq,
    COMMUTATOR = OPERATOR(leadflow.=), NEGATOR = OPERATOR(leadflow.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
COMMENT ON OPERATOR leadflow.= (leadflow.segment, leadflow.segment) IS 'the same condition?';
CREATE OPERATOR leadflow.<> (
    LEFTARG = leadflow.segment, RIGHTARG = leadflow.segment, FUNCTION = leadflow.segment_ne,
    COMMUTATOR = OPERATOR(leadflow.<>), NEGATOR = OPERATOR(leadflow.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR leadflow.<> (leadflow.segment, leadflow.segment) IS 'different conditions?';
CREATE OPERATOR CLASS leadflow.segment_hash_ops DEFAULT FOR TYPE leadflow.segment USING hash AS
    OPERATOR 1 leadflow.=,
    FUNCTION 1 leadflow.segment_hash(leadflow.segment),
    FUNCTION 2 leadflow.segment_hash_extended(leadflow.segment, bigint);

-- composition

CREATE FUNCTION leadflow.segment_and(leadflow.segment, leadflow.segment) RETURNS leadflow.segment
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.segment_and(leadflow.segment, leadflow.segment) IS 'leads in both segments';
CREATE FUNCTION leadflow.segment_or(leadflow.segment, leadflow.segment) RETURNS leadflow.segment
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.segment_or(leadflow.segment, leadflow.segment) IS 'leads in either segment';
CREATE FUNCTION leadflow.segment_not(leadflow.segment) RETURNS leadflow.segment
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.segment_not(leadflow.segment) IS 'every lead that is not in the segment';

CREATE OPERATOR leadflow.& (
    LEFTARG = leadflow.segment, RIGHTARG = leadflow.segment, FUNCTION = leadflow.segment_and
);
COMMENT ON OPERATOR leadflow.& (leadflow.segment, leadflow.segment) IS 'leads in both segments';
CREATE OPERATOR leadflow.| (
    LEFTARG = leadflow.segment, RIGHTARG = leadflow.segment, FUNCTION = leadflow.segment_or
);
COMMENT ON OPERATOR leadflow.| (leadflow.segment, leadflow.segment) IS 'leads in either segment';
CREATE OPERATOR leadflow.! (RIGHTARG = leadflow.segment, FUNCTION = leadflow.segment_not);
COMMENT ON OPERATOR leadflow.! (NONE, leadflow.segment) IS 'every lead that is not in the segment';

CREATE FUNCTION leadflow.compose(formula text, VARIADIC blocks leadflow.segment[]) RETURNS leadflow.segment
    AS 'MODULE_PATHNAME', 'segment_compose' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.compose(text, leadflow.segment[]) IS
    'the segment a numbered formula such as 1 AND 2 AND NOT 3 makes of its blocks';
