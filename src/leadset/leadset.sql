-- leadset: a compressed set of lead ids

CREATE TYPE leadflow.leadset;

CREATE FUNCTION leadflow.leadset_in(cstring) RETURNS leadflow.leadset
    AS 'MODULE_PATHNAME', 'leadset_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.leadset_in(cstring) IS 'reads the text of a set';

CREATE FUNCTION leadflow.leadset_out(leadflow.leadset) RETURNS cstring
    AS 'MODULE_PATHNAME', 'leadset_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION leadflow.leadset_out(leadflow.leadset) IS 'writes a set as text';

-- STORAGE external: a set is compressed already. pglz finds nothing in ids that
-- are close together, and to save half where they are far apart it would be
-- paid for at every reading.
CREATE TYPE leadflow.leadset (
    INPUT = leadflow.leadset_in,
    OUTPUT = leadflow.leadset_out,
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

-- ---- reading ----

CREATE FUNCTION leadflow.contains(leadflow.leadset, bigint) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_contains' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.contains(leadflow.leadset, bigint) IS 'is the id in the set?';

CREATE FUNCTION leadflow.cardinality(leadflow.leadset) RETURNS bigint
    AS 'MODULE_PATHNAME', 'leadset_cardinality' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.cardinality(leadflow.leadset) IS 'number of ids in a set';

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

CREATE FUNCTION leadflow.leadset_eq(leadflow.leadset, leadflow.leadset) RETURNS boolean
    AS 'MODULE_PATHNAME', 'leadset_eq' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5;
COMMENT ON FUNCTION leadflow.leadset_eq(leadflow.leadset, leadflow.leadset) IS 'do the sets hold the same ids?';
CREATE OPERATOR leadflow.= (
    FUNCTION = leadflow.leadset_eq, LEFTARG = leadflow.leadset, RIGHTARG = leadflow.leadset,
    COMMUTATOR = OPERATOR(leadflow.=), NEGATOR = OPERATOR(leadflow.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel
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
