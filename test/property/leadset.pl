# Holds leadset against bigint[]: on random sets, every operation must give
# the same ids, the order must be the same, and every way to build a set the
# same bytes. Bytes that are broken are refused, or those of another set.
#
# SEED=n repeats a run, ROUNDS=n sets its length.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{SEED} // int(rand(2**31));
my $rounds = $ENV{ROUNDS} // 100;
note "SEED=$seed ROUNDS=$rounds";

my $node = PostgreSQL::Test::Cluster->new('leadset');
$node->init;
$node->start;

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION leadflow;
ALTER DATABASE postgres SET search_path = leadflow, public;
-- Estimates are far too high for functions of few rows; compiling them takes most of the time.
ALTER DATABASE postgres SET jit = off;
SET jit = off;
SET search_path = leadflow, public;

-- The bytes of what recv makes of bytes: COPY writes those of a bytea as they are.
CREATE TABLE received (ids leadset);
CREATE FUNCTION received(bytes bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    file text := current_setting('data_directory') || '/leadset.copy';
BEGIN
    DELETE FROM received;
    EXECUTE format('COPY (SELECT %L::bytea) TO %L (FORMAT binary)', bytes, file);
    EXECUTE format('COPY received FROM %L (FORMAT binary)', file);
    RETURN ids::bytea FROM received;
END
$$;

-- Up to six chunks of ids, each in steps of one to ten of which so many are
-- taken: so arrays, bitsets and runs, within a container or across, within 32
-- bits or across, and at the ends.
CREATE FUNCTION random_ids() RETURNS bigint[] LANGUAGE sql VOLATILE AS $$
    WITH chunk AS MATERIALIZED (
        SELECT (ARRAY[0, 65536 - 50, 4294967296 - 60000, 1099511627776, 9223372036854775807 - 190000])
                   [1 + floor(random() * 5)::int] + floor(random() * 90000)::bigint AS start,
               floor(random() ^ 6 * 9000)::int AS steps,
               1 + floor(random() * 10)::int AS step,
               1 + floor(random() * 10)::int AS width
          FROM generate_series(1, floor(random() * 7)::int)
    )
    SELECT coalesce(array_agg(DISTINCT id ORDER BY id), '{}')
      FROM (SELECT start + i * step + j
              FROM chunk, generate_series(0, steps) AS i, generate_series(0, least(step, width) - 1) AS j
            UNION ALL
            SELECT x FROM unnest('{0, 9223372036854775807}'::bigint[]) AS x WHERE random() < 0.2) AS ids (id)
$$;

-- The same set by one of several ways.
CREATE FUNCTION build(ids bigint[]) RETURNS leadset LANGUAGE sql VOLATILE AS $$
    SELECT CASE floor(random() * 8)::int
           WHEN 0 THEN ids::leadset
           WHEN 1 THEN ('{' || array_to_string(ids, ' , ') || '}')::leadset
           WHEN 2 THEN (ids::leadset)::text::leadset
           WHEN 3 THEN (SELECT leadset_agg(id ORDER BY random()) FROM unnest(ids) AS id)
           WHEN 4 THEN (SELECT coalesce(union_agg(part), '{}')
                          FROM (SELECT leadset_agg(id) FROM unnest(ids) AS id
                                 GROUP BY floor(random() * 3)) AS parts (part))
           WHEN 5 THEN ids::leadset::bytea::leadset
           WHEN 6 THEN received(leadset_send(ids::leadset))::leadset
           ELSE ('{0-9000000}'::leadset | ids::leadset) - ('{0-9000000}'::leadset - ids::leadset)
           END
$$;

-- What is wrong, in one round.
CREATE FUNCTION wrong(round int, OUT what text, OUT a bigint[], OUT b bigint[]) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    a_set leadset;
    b_set leadset;
    shared bigint[];
    only_a bigint[];
    only_b bigint[];
BEGIN
    a := random_ids();
    -- Runs against themselves moved a little leave what has two encodings of
    -- the same length.
    b := CASE WHEN random() < 0.5 THEN random_ids()
              ELSE ARRAY(SELECT x + a[1] % 5 FROM unnest(a) AS x WHERE x < 9223372036854775800) END;
    a_set := build(a);
    b_set := build(b);
    shared := ARRAY(SELECT unnest(a) INTERSECT SELECT unnest(b));
    only_a := ARRAY(SELECT unnest(a) EXCEPT SELECT unnest(b));
    only_b := ARRAY(SELECT unnest(b) EXCEPT SELECT unnest(a));

    FOR what IN
        SELECT name
          FROM (VALUES
            ('text', a_set::text::leadset, a),
            ('another way', build(a), a),
            ('| ', a_set | b_set, a || b),
            ('& ', a_set & b_set, shared),
            ('- ', a_set - b_set, only_a),
            ('# ', a_set # b_set, only_a || only_b),
            ('union_agg', (SELECT union_agg(s) FROM (VALUES (a_set), (NULL), (b_set), (a_set)) AS v (s)), a || b),
            ('intersect_agg', (SELECT intersect_agg(s) FROM (VALUES (NULL), (b_set), (a_set), (b_set)) AS v (s)), shared),
            ('nested', ((a_set | b_set) # (a_set & b_set)) - (b_set - a_set), only_a)
          ) AS v (name, result, expected)
         WHERE record_image_ne(ROW(result), ROW(expected::leadset))
            OR result::bigint[] <> ARRAY(SELECT DISTINCT x FROM unnest(expected) AS x ORDER BY x)
            OR result <> expected::leadset
        UNION ALL
        SELECT name
          FROM (VALUES
            ('cardinality', cardinality(a_set) = cardinality(a)),
            ('unnest', ARRAY(SELECT unnest(a_set)) = a),
            ('=', (a_set = b_set) = (a = b)),
            ('<>', (a_set <> b_set) = (a <> b)),
            ('@>', (a_set @> b_set) = (only_b = '{}')),
            ('@> &', a_set @> (a_set & b_set)),
            ('<@', (a_set <@ b_set) = (only_a = '{}')),
            ('<@ |', a_set <@ (a_set | b_set)),
            ('&&', (a_set && b_set) = (shared <> '{}')),
            ('contains', (SELECT coalesce(bool_and(contains(a_set, x)), true) FROM unnest(shared) AS x)),
            ('contains not', (SELECT coalesce(bool_and(NOT contains(a_set, x)), true) FROM unnest(only_b) AS x)),
            ('contains, expanded', (SELECT coalesce(bool_and(contains(a_set | '{}', x) = (x = ANY (shared))), true)
                                      FROM (SELECT unnest(b) AS x LIMIT 20) AS few)),
            ('cardinality, expanded', cardinality(a_set | b_set) = cardinality(only_a) + cardinality(b)),
            ('is_empty', is_empty(a_set) = (a = '{}') AND is_empty(a_set & b_set) = (shared = '{}')),
            ('min_id', (min_id(a_set), min_id(a_set & b_set)) IS NOT DISTINCT FROM (a[1], (SELECT min(x) FROM unnest(shared) AS x))),
            ('max_id', (max_id(a_set), max_id(a_set & b_set)) IS NOT DISTINCT FROM (a[cardinality(a)], (SELECT max(x) FROM unnest(shared) AS x))),
            ('cmp', leadset_cmp(a_set, b_set) = btarraycmp(a, b) AND leadset_cmp(b_set, a_set) = btarraycmp(b, a)),
            ('cmp of itself', leadset_cmp(a_set, build(a)) = 0),
            ('<', (a_set < b_set) = (a < b) AND (a_set <= b_set) = (a <= b)),
            ('>', (a_set > b_set) = (a > b) AND (a_set >= b_set) = (a >= b)),
            ('hash', leadset_hash(a_set) = leadset_hash(build(a)) AND leadset_hash_extended(a_set, round) = leadset_hash_extended(build(a), round)),
            ('bytea', a_set::bytea::leadset::bytea = a_set::bytea AND leadset_send(a_set) = '\x01'::bytea || a_set::bytea)
          ) AS v (name, good)
         WHERE good IS NOT TRUE
    LOOP
        RETURN NEXT;
    END LOOP;
END
$$;
SQL

# The pairs that fail, not only their names: each is a test case.
my $wrong = $node->safe_psql('postgres', <<"SQL");
SELECT setseed($seed % 1000000 / 1000000.0) \\g /dev/null
SELECT w.what, w.a::leadset, w.b::leadset FROM generate_series(1, $rounds) AS round, wrong(round) AS w;
SQL
is($wrong, '', "leadset is bigint[] on $rounds pairs of random sets");

# Prefixes are what decides least, so sets that share one come by themselves.
is($node->safe_psql('postgres', <<"SQL"), '', 'the order is total, and that of the arrays');
SELECT setseed($seed % 1000000 / 1000000.0) \\g /dev/null
CREATE TABLE ordered AS
SELECT build(ids) AS s, ids
  FROM (SELECT ARRAY(SELECT g FROM generate_series(65530, 65542) AS g WHERE random() < 0.7) AS ids FROM generate_series(1, 60) AS i
        UNION ALL SELECT random_ids() FROM generate_series(1, 20) AS i) AS v;
SELECT 'pair', a.s, b.s FROM ordered AS a, ordered AS b
 WHERE leadset_cmp(a.s, b.s) <> btarraycmp(a.ids, b.ids) OR (a.s = b.s) <> (a.ids = b.ids);
SELECT 'sorted' WHERE (SELECT array_agg(s::text ORDER BY s) FROM ordered) <> (SELECT array_agg(s::text ORDER BY ids) FROM ordered);
SELECT 'grouped' WHERE (SELECT count(DISTINCT s) FROM ordered) <> (SELECT count(DISTINCT ids) FROM ordered)
                    OR (SELECT count(*) FROM (SELECT s FROM ordered GROUP BY s) AS g) <> (SELECT count(DISTINCT ids) FROM ordered);
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT 'hashed' WHERE (SELECT count(*) FROM ordered AS a JOIN ordered AS b USING (s)) <> (SELECT count(*) FROM ordered AS a JOIN ordered AS b USING (ids));
SET enable_hashjoin = off; SET enable_mergejoin = on;
SELECT 'merged' WHERE (SELECT count(*) FROM ordered AS a JOIN ordered AS b USING (s)) <> (SELECT count(*) FROM ordered AS a JOIN ordered AS b USING (ids));
SQL

# Bytes that were changed a little: an error, or the set whose bytes they are.
# The cast also takes encodings that are not ours, and none of them is shorter.
my $broken = $node->safe_psql('postgres', <<"SQL");
SELECT setseed($seed % 1000000 / 1000000.0) \\g /dev/null
CREATE FUNCTION broken(bytes bytea) RETURNS bytea LANGUAGE sql VOLATILE AS \$\$
    SELECT CASE floor(random() * 4)::int
           WHEN 0 THEN set_byte(bytes, (random() * (length(bytes) - 1))::int, (random() * 255)::int)
           WHEN 1 THEN set_bit(bytes, (random() ^ 4 * (length(bytes) * 8 - 1))::int, (random() * 1)::int)
           WHEN 2 THEN overlay(bytes placing substr(bytes, (random() * length(bytes))::int, 4) FROM 1 + (random() * length(bytes))::int)
           ELSE substr(bytes, 1, (random() * (length(bytes) + 1))::int) || CASE WHEN random() < 0.5 THEN '\\x00'::bytea ELSE '' END END
\$\$;
CREATE FUNCTION tried(bytes bytea, OUT outcome text, OUT by_cast bytea, OUT by_recv bytea) LANGUAGE plpgsql AS \$\$
BEGIN
    BEGIN
        by_cast := bytes::leadset::bytea;
    EXCEPTION WHEN SQLSTATE '22P03' OR SQLSTATE '54000' THEN
    END;
    BEGIN
        by_recv := received('\\x01' || bytes);
    EXCEPTION WHEN SQLSTATE '22P03' OR SQLSTATE '54000' THEN
    END;
    outcome := CASE WHEN by_recv <> bytes THEN 'recv makes another set'
                    WHEN by_cast = bytes AND by_recv IS NULL THEN 'recv refuses what is right'
                    WHEN by_recv IS NOT NULL AND by_cast IS NULL THEN 'the cast refuses what is right'
                    WHEN length(by_cast) > length(bytes) THEN 'the encoding is not the smallest'
                    WHEN by_cast::leadset::bytea <> by_cast THEN 'not stable'
                    WHEN by_recv IS NOT NULL THEN 'read' ELSE 'refused' END;
END
\$\$;
CREATE TABLE tried AS
SELECT bytes, t.* FROM (SELECT broken(build(random_ids())::bytea) AS bytes FROM generate_series(1, 4 * $rounds) AS i) AS v, tried(bytes) AS t;
SELECT outcome, left(bytes::text, 1000) FROM tried WHERE outcome NOT IN ('read', 'refused') LIMIT 3;
SELECT 'few are ' || o FROM unnest('{read,refused}'::text[]) AS o WHERE (SELECT count(*) FROM tried WHERE outcome = o) < $rounds / 10;
SQL
is($broken, '', 'broken bytes are refused, or are those of the set they make');

# Sets of every density, so that the bytes do not depend on what the
# containers were on the way.
my $bytes = $node->safe_psql('postgres', <<"SQL");
SELECT setseed($seed % 1000000 / 1000000.0) \\g /dev/null
CREATE TABLE made AS
    SELECT density, leadset_agg(id) AS one, union_agg(ARRAY[id::bigint]::leadset) AS many,
           leadset_agg(id ORDER BY id DESC) AS down,
           '{0-199999}'::leadset - ('{0-199999}'::leadset - leadset_agg(id)) AS hole
      FROM generate_series(1, 20) AS density, generate_series(0, 199999) AS id
     WHERE random() < density / 20.0
     GROUP BY density;
SELECT density FROM made
 WHERE record_image_ne(ROW(one), ROW(many))
    OR record_image_ne(ROW(one), ROW(down))
    OR record_image_ne(ROW(one), ROW(hole))
    OR pg_column_size(one) <> pg_column_size(hole);
SQL
is($bytes, '', 'four ways give the same bytes at every density');

# Workers hand their partial states over flat.
my $parallel = $node->safe_psql('postgres', <<"SQL");
SELECT setseed($seed % 1000000 / 1000000.0) \\g /dev/null
CREATE TABLE id (id bigint, part int);
INSERT INTO id SELECT (random() ^ 3 * 1e10)::bigint, i % 100 FROM generate_series(1, 100000) AS i;
CREATE TABLE part AS SELECT leadset_agg(id) AS ids FROM id GROUP BY part;
ALTER TABLE id SET (parallel_workers = 2);
ALTER TABLE part SET (parallel_workers = 2);
CREATE TABLE serial AS SELECT leadset_agg(id) AS ids FROM id;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT leadset_agg(id) FROM id;
SELECT record_image_eq(ROW(ids), ROW((SELECT leadset_agg(id) FROM id))) FROM serial;
SELECT record_image_eq(ROW(ids), ROW((SELECT union_agg(ids) FROM part))) FROM serial;
SELECT intersect_agg(ids | '{7}') OPERATOR(leadflow.@>) '{7}' FROM part;
SQL
like($parallel, qr/Partial Aggregate/, 'leadset_agg runs in parallel');
like($parallel, qr/\nt\nt\nt$/, 'and gives the same');

unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
