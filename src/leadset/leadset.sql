-- leadset: a compressed set of lead ids

CREATE TYPE leadflow.leadset;

CREATE FUNCTION leadflow.leadset_in(cstring) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.leadset_in(cstring) IS 'reads the text of a set';

CREATE FUNCTION leadflow.leadset_out(leadflow.leadset) RETURNS cstring
    AS 'MODULE_PATHNAME', 'leadset_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.leadset_out(leadflow.leadset) IS 'writes a set as text';

CREATE FUNCTION leadflow.leadset_recv(internal) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.leadset_recv(internal) IS 'reads the binary form of a set';

CREATE FUNCTION leadflow.leadset_send(leadflow.leadset) RETURNS bytea
    AS 'MODULE_PATHNAME', 'leadset_send' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.leadset_send(leadflow.leadset) IS 'writes the binary form of a set';

-- STORAGE external: a set is compressed already. pglz finds nothing in ids that
-- are close together, and to save half where they are far apart it would be
-- paid for at every reading.
CREATE TYPE leadflow.leadset (
    INPUT = leadflow.leadset_in,
    OUTPUT = leadflow.leadset_out,
    RECEIVE = leadflow.leadset_recv,
    SEND = leadflow.leadset_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = int4,
    STORAGE = external
);
COMMENT ON TYPE leadflow.leadset IS 'compressed set of lead ids, as {1,2,5-9}';

-- ---- casts ----

CREATE FUNCTION leadflow.leadset(bigint[]) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION leadflow.leadset(bigint[]) IS 'the set of the ids in an array; nulls are left out';

CREATE FUNCTION leadflow.to_array(leadflow.leadset) RETURNS bigint[]
    AS 'MODULE_PATHNAME', 'leadset_to_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION leadflow.to_array(leadflow.leadset) IS 'the ids of a set as an array, ascending';

CREATE CAST (bigint[] AS leadflow.leadset) WITH FUNCTION leadflow.leadset(bigint[]) AS ASSIGNMENT;
COMMENT ON CAST (bigint[] AS leadflow.leadset) IS 'the set of the ids in an array; nulls are left out';
-- Explicit, as a small set can be an array of a gigabyte.
CREATE CAST (leadflow.leadset AS bigint[]) WITH FUNCTION leadflow.to_array(leadflow.leadset);
COMMENT ON CAST (leadflow.leadset AS bigint[]) IS 'the ids of a set as an array, ascending';

CREATE FUNCTION leadflow.leadset(bytea) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_from_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION leadflow.leadset(bytea) IS 'the set that a Roaring library wrote for sets of 64 bits';

CREATE FUNCTION leadflow.to_bytea(leadflow.leadset) RETURNS bytea
    AS 'MODULE_PATHNAME', 'leadset_to_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION leadflow.to_bytea(leadflow.leadset) IS 'a set as Roaring libraries read it, in the portable format for 64 bits';

CREATE CAST (bytea AS leadflow.leadset) WITH FUNCTION leadflow.leadset(bytea);
COMMENT ON CAST (bytea AS leadflow.leadset) IS 'the set that a Roaring library wrote for sets of 64 bits';
CREATE CAST (leadflow.leadset AS bytea) WITH FUNCTION leadflow.to_bytea(leadflow.leadset);
COMMENT ON CAST (leadflow.leadset AS bytea) IS 'a set as Roaring libraries read it, in the portable format for 64 bits';

-- ---- reading ----

CREATE FUNCTION leadflow.contains(leadflow.leadset, bigint) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_contains' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.contains(leadflow.leadset, bigint) IS 'is the id in the set?';

CREATE FUNCTION leadflow.cardinality(leadflow.leadset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'leadset_cardinality' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.cardinality(leadflow.leadset) IS 'number of ids in a set';

CREATE FUNCTION leadflow.is_empty(leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_is_empty' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.is_empty(leadflow.leadset) IS 'is there no id in the set?';

CREATE FUNCTION leadflow.min_id(leadflow.leadset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'leadset_min_id' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.min_id(leadflow.leadset) IS 'the smallest id of a set; null of the empty one';

CREATE FUNCTION leadflow.max_id(leadflow.leadset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'leadset_max_id' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.max_id(leadflow.leadset) IS 'the largest id of a set; null of the empty one';

CREATE FUNCTION leadflow.unnest_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'leadset_unnest_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.unnest_support(internal) IS 'tells the planner how many rows unnest returns';

CREATE FUNCTION leadflow.unnest(leadflow.leadset) RETURNS SETOF bigint
    AS 'MODULE_PATHNAME', 'leadset_unnest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 1000 SUPPORT leadflow.unnest_support;
COMMENT ON FUNCTION leadflow.unnest(leadflow.leadset) IS 'the ids of a set as rows, ascending';

-- ---- operators ----

CREATE FUNCTION leadflow.leadset_union(leadflow.leadset, leadflow.leadset) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_union' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION leadflow.leadset_union(leadflow.leadset, leadflow.leadset) IS 'ids in either set';
CREATE OPERATOR leadflow.| (
    FUNCTION = leadflow.leadset_union, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.|)
);
COMMENT ON OPERATOR leadflow.| (leadflow.leadset, leadflow.leadset) IS 'ids in either set';

CREATE FUNCTION leadflow.leadset_intersection(leadflow.leadset, leadflow.leadset) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_intersection' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION leadflow.leadset_intersection(leadflow.leadset, leadflow.leadset) IS 'ids in both sets';
CREATE OPERATOR leadflow.& (
    FUNCTION = leadflow.leadset_intersection, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.&)
);
COMMENT ON OPERATOR leadflow.& (leadflow.leadset, leadflow.leadset) IS 'ids in both sets';

CREATE FUNCTION leadflow.leadset_difference(leadflow.leadset, leadflow.leadset) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_difference' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION leadflow.leadset_difference(leadflow.leadset, leadflow.leadset) IS 'ids in the left set that are not in the right one';
CREATE OPERATOR leadflow.- (
    FUNCTION = leadflow.leadset_difference, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset
);
COMMENT ON OPERATOR leadflow.- (leadflow.leadset, leadflow.leadset) IS 'ids in the left set that are not in the right one';

CREATE FUNCTION leadflow.leadset_symmetric_difference(leadflow.leadset, leadflow.leadset) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_symmetric_difference' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION leadflow.leadset_symmetric_difference(leadflow.leadset, leadflow.leadset) IS 'ids in one of the sets but not in both';
CREATE OPERATOR leadflow.# (
    FUNCTION = leadflow.leadset_symmetric_difference, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.#)
);
COMMENT ON OPERATOR leadflow.# (leadflow.leadset, leadflow.leadset) IS 'ids in one of the sets but not in both';

CREATE FUNCTION leadflow.leadset_contains_set(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_contains_set' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION leadflow.leadset_contains_set(leadflow.leadset, leadflow.leadset) IS 'does the left set hold all ids of the right one?';
CREATE OPERATOR leadflow.@> (
    FUNCTION = leadflow.leadset_contains_set, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.<@),
    RESTRICT = contsel, JOIN = contjoinsel
);
COMMENT ON OPERATOR leadflow.@> (leadflow.leadset, leadflow.leadset) IS 'does the left set hold all ids of the right one?';

CREATE FUNCTION leadflow.leadset_contained(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_contained' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION leadflow.leadset_contained(leadflow.leadset, leadflow.leadset) IS 'are all ids of the left set in the right one?';
CREATE OPERATOR leadflow.<@ (
    FUNCTION = leadflow.leadset_contained, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.@>),
    RESTRICT = contsel, JOIN = contjoinsel
);
COMMENT ON OPERATOR leadflow.<@ (leadflow.leadset, leadflow.leadset) IS 'are all ids of the left set in the right one?';

CREATE FUNCTION leadflow.leadset_overlaps(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_overlaps' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION leadflow.leadset_overlaps(leadflow.leadset, leadflow.leadset) IS 'do the sets share an id?';
CREATE OPERATOR leadflow.&& (
    FUNCTION = leadflow.leadset_overlaps, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.&&),
    RESTRICT = areasel, JOIN = areajoinsel
);
COMMENT ON OPERATOR leadflow.&& (leadflow.leadset, leadflow.leadset) IS 'do the sets share an id?';

-- ---- equality, order and hash ----
-- The order is that of the arrays of the ids, so {} < {1} < {1,2} < {1,3} < {2}.

CREATE FUNCTION leadflow.leadset_eq(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_eq(leadflow.leadset, leadflow.leadset) IS 'do the sets hold the same ids?';
CREATE OPERATOR leadflow.= (
    FUNCTION = leadflow.leadset_eq, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.=), NEGATOR = OPERATOR(leadflow.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR leadflow.= (leadflow.leadset, leadflow.leadset) IS 'do the sets hold the same ids?';

CREATE FUNCTION leadflow.leadset_ne(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_ne' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_ne(leadflow.leadset, leadflow.leadset) IS 'do the sets differ?';
CREATE OPERATOR leadflow.<> (
    FUNCTION = leadflow.leadset_ne, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.<>), NEGATOR = OPERATOR(leadflow.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR leadflow.<> (leadflow.leadset, leadflow.leadset) IS 'do the sets differ?';

CREATE FUNCTION leadflow.leadset_lt(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_lt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_lt(leadflow.leadset, leadflow.leadset) IS 'does the left set come before the right one, in the order of their ids as arrays?';
CREATE OPERATOR leadflow.< (
    FUNCTION = leadflow.leadset_lt, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.>), NEGATOR = OPERATOR(leadflow.>=),
    RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR leadflow.< (leadflow.leadset, leadflow.leadset) IS 'does the left set come before the right one, in the order of their ids as arrays?';

CREATE FUNCTION leadflow.leadset_le(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_le' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_le(leadflow.leadset, leadflow.leadset) IS 'does the left set come before the right one, or are they the same?';
CREATE OPERATOR leadflow.<= (
    FUNCTION = leadflow.leadset_le, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.>=), NEGATOR = OPERATOR(leadflow.>),
    RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR leadflow.<= (leadflow.leadset, leadflow.leadset) IS 'does the left set come before the right one, or are they the same?';

CREATE FUNCTION leadflow.leadset_gt(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_gt' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_gt(leadflow.leadset, leadflow.leadset) IS 'does the left set come after the right one, in the order of their ids as arrays?';
CREATE OPERATOR leadflow.> (
    FUNCTION = leadflow.leadset_gt, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.<), NEGATOR = OPERATOR(leadflow.<=),
    RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR leadflow.> (leadflow.leadset, leadflow.leadset) IS 'does the left set come after the right one, in the order of their ids as arrays?';

CREATE FUNCTION leadflow.leadset_ge(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_ge' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_ge(leadflow.leadset, leadflow.leadset) IS 'does the left set come after the right one, or are they the same?';
CREATE OPERATOR leadflow.>= (
    FUNCTION = leadflow.leadset_ge, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.<=), NEGATOR = OPERATOR(leadflow.<),
    RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR leadflow.>= (leadflow.leadset, leadflow.leadset) IS 'does the left set come after the right one, or are they the same?';

CREATE FUNCTION leadflow.leadset_cmp(leadflow.leadset, leadflow.leadset) RETURNS integer
    AS 'MODULE_PATHNAME', 'leadset_cmp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_cmp(leadflow.leadset, leadflow.leadset) IS 'less than 0 if the left set comes first, 0 if they are the same, else more';

CREATE OPERATOR CLASS leadflow.leadset_ops DEFAULT FOR TYPE leadflow.leadset USING btree AS
    OPERATOR 1 leadflow.<,
    OPERATOR 2 leadflow.<=,
    OPERATOR 3 leadflow.=,
    OPERATOR 4 leadflow.>=,
    OPERATOR 5 leadflow.>,
    FUNCTION 1 leadflow.leadset_cmp(leadflow.leadset, leadflow.leadset);

CREATE FUNCTION leadflow.leadset_hash(leadflow.leadset) RETURNS integer
    AS 'MODULE_PATHNAME', 'leadset_hash' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_hash(leadflow.leadset) IS 'hash for indexes and hash joins';

CREATE FUNCTION leadflow.leadset_hash_extended(leadflow.leadset, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'leadset_hash_extended' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_hash_extended(leadflow.leadset, bigint) IS 'hash with a seed, for hash partitioning';

CREATE OPERATOR CLASS leadflow.leadset_hash_ops DEFAULT FOR TYPE leadflow.leadset USING hash AS
    OPERATOR 1 leadflow.=,
    FUNCTION 1 leadflow.leadset_hash(leadflow.leadset),
    FUNCTION 2 leadflow.leadset_hash_extended(leadflow.leadset, bigint);

-- ---- aggregates ----
-- The state is a leadset too, so that it can be combined across workers and
-- nodes. SSPACE is what the smallest one takes while it grows.

CREATE FUNCTION leadflow.leadset_add(leadflow.leadset, bigint) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_add' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_add(leadflow.leadset, bigint) IS 'the set with an id added';

CREATE AGGREGATE leadflow.leadset_agg(bigint) (
    SFUNC = leadflow.leadset_add, STYPE = leadflow.leadset, SSPACE = 1024, INITCOND = '{}',
    COMBINEFUNC = leadflow.leadset_union, PARALLEL = SAFE
);
COMMENT ON AGGREGATE leadflow.leadset_agg(bigint) IS 'the set of the ids; nulls are left out';

CREATE AGGREGATE leadflow.union_agg(leadflow.leadset) (
    SFUNC = leadflow.leadset_union, STYPE = leadflow.leadset, SSPACE = 1024, INITCOND = '{}',
    COMBINEFUNC = leadflow.leadset_union, PARALLEL = SAFE
);
COMMENT ON AGGREGATE leadflow.union_agg(leadflow.leadset) IS 'ids in any of the sets';

CREATE AGGREGATE leadflow.intersect_agg(leadflow.leadset) (
    SFUNC = leadflow.leadset_intersection, STYPE = leadflow.leadset, SSPACE = 1024,
    COMBINEFUNC = leadflow.leadset_intersection, PARALLEL = SAFE
);
COMMENT ON AGGREGATE leadflow.intersect_agg(leadflow.leadset) IS 'ids in all of the sets; null of no set';
