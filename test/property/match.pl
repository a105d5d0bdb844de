# Random segments over random records: matches() finds a lead, one by one or many in a
# query, where evaluate() has it, and why() says the same of the whole and of each part.
# Saved segments change between the segments of a session, under the plans it keeps.
#
# SEED=n repeats a run, CASES=n sets the segments per round.
use strict;
use warnings;
use utf8;
use Encode qw(encode_utf8 decode_utf8);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use LeadflowTest;
use SegmentGenerator qw(one_of chance random_tree canonical);
use Test::More;

my $seed = seed();
my $cases = $ENV{CASES} // 600;

my $node = node('match', 'jit' => 'off', 'fsync' => 'off', 'DateStyle' => 'SQL, DMY');

sub psql { return decode_utf8($node->safe_psql('postgres', encode_utf8(shift))); }
sub sql_text { my $text = shift; $text =~ s/'/''/g; return "'$text'"; }

database($node, 'postgres');
psql(<<'SQL');
CREATE TYPE mood AS ENUM ('sad', 'ok', 'Happy');
CREATE DOMAIN points AS int;
CREATE TABLE probe (id bigint PRIMARY KEY, lead_id bigint, at timestamptz, d date, ts timestamp, n points, x numeric, f real,
    t text, b boolean, tags text[], kind mood, rep_id bigint, other interval);
CREATE INDEX ON probe (lead_id);
CREATE VIEW probe_view AS SELECT * FROM probe WHERE n IS DISTINCT FROM 3;
INSERT INTO leadflow.source (name, relation, key_column, time_column, lookups)
SELECT name, relation, key_column, time_column,
       '{"rep": {"column": "rep_id", "relation": "leadflow.rep", "key": "rep_id", "name": "name"}}'
  FROM (VALUES ('p', 'public.probe', 'id', 'at'), ('q', 'public.probe', NULL, 'd'), ('r', 'public.probe_view', 'id', 'ts'),
               ('s', 'public.probe', NULL, NULL)) AS source (name, relation, key_column, time_column);
INSERT INTO leadflow.rep (rep_id, name) VALUES (1, '田中'), (2, 'Abe'), (3, 'abe');

CREATE TABLE clock (as_of timestamptz, zone text);
CREATE TABLE trial (id int PRIMARY KEY, saved_as text, segment text);
CREATE TABLE asked (lead_id bigint PRIMARY KEY);    -- of leads there are and leads there are not

-- What disagrees about a segment; nothing else. The leads are asked in one query, and some alone.
CREATE FUNCTION disagreements(segment leadflow.segment, id int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    as_of timestamptz := (SELECT c.as_of FROM clock AS c);
    zone text := (SELECT c.zone FROM clock AS c);
    found leadflow.leadset := leadflow.evaluate(segment, as_of, zone);
    universe leadflow.leadset := leadflow.evaluate('everyone', as_of, zone);
    lead bigint;
    wrong text;
    has boolean;
BEGIN
    SELECT string_agg(a.lead_id::text, ',') INTO wrong FROM asked AS a
     WHERE leadflow.matches(a.lead_id, segment, as_of, zone) IS DISTINCT FROM leadflow.contains(found, a.lead_id);
    IF wrong IS NOT NULL THEN
        RETURN NEXT 'matches, in a query: ' || wrong;
    END IF;
    FOR lead IN SELECT a.lead_id FROM asked AS a ORDER BY (a.lead_id % 7 + id) % 7, random() LIMIT 3 LOOP
        has := leadflow.contains(found, lead);
        IF leadflow.matches(lead, segment, as_of, zone) IS DISTINCT FROM has THEN
            RETURN NEXT 'matches, alone: ' || lead;
        END IF;
    END LOOP;
    -- a part is a segment too, but for those that name what follows them
    SELECT concat_ws('; ', CASE WHEN count(*) FILTER (WHERE w.depth = 0) <> 1 THEN 'no root' END, string_agg(w::text, '; ') FILTER (
               WHERE w.depth IS NULL OR w.part IS NULL OR w.holds IS NULL OR w.found = '' OR w.depth = 0 AND w.holds IS DISTINCT FROM has
                  OR leadflow.contains(universe, lead) AND w.part NOT IN ('all of', 'any of', 'not')
                     AND w.holds IS DISTINCT FROM leadflow.matches(lead, CASE WHEN w.part NOT IN ('all of', 'any of', 'not') THEN w.part END::leadflow.segment, as_of, zone)))
      INTO wrong FROM leadflow.why(lead, segment, as_of, zone) AS w;
    IF wrong <> '' THEN
        RETURN NEXT 'why ' || lead || ': ' || wrong;
    END IF;
END $$;

-- All trials in the order of their ids, in one session.
CREATE FUNCTION try_all() RETURNS TABLE (trial text, wrong text) LANGUAGE plpgsql AS $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT * FROM trial AS i ORDER BY i.id LOOP
        IF t.saved_as IS NOT NULL THEN
            PERFORM leadflow.save_segment(t.saved_as, t.segment::leadflow.segment);
        ELSE
            BEGIN
                RETURN QUERY SELECT t.segment, d FROM disagreements(t.segment::leadflow.segment, t.id) AS d;
            EXCEPTION WHEN OTHERS THEN
                RETURN QUERY SELECT t.segment, SQLSTATE || ': ' || SQLERRM;
            END;
        END IF;
    END LOOP;
END $$;
SQL

# ---- random tests that bind --------------------------------------------------------------

my %fields = (
	id => 'number', d => 'date', ts => 'timestamp', n => 'number', x => 'number', f => 'number', t => 'text', b => 'boolean',
	tags => 'choices', kind => 'text', rep => 'lookup', other => 'other', at => 'timestamptz');
my %literals = (
	number => [ 0, 0, 1, 2, 3, 5, -1, '0.5', '-0.25', '12345678901' ],
	text => [ '', 'abc', 'ABC', 'b', 'a%c', "it's", '日本', 'ok', 'Abe', '田中', 'a\\c' ],
	choices => [ 'abc', '日本', 'b' ],
	boolean => [ 'true', 'false' ],
	date => [ '2026-03-31', '2026-03-01', '2026-02-28', '2025-03-31' ],
	timestamp => [ '2026-03-31', '2026-03-30 23:30', '2026-03-01T12:00', '2026-03-31 00:00+09:00' ]);
@literals{qw(timestamptz lookup)} = @literals{qw(timestamp text)};

sub random_literal
{
	my $type = shift;
	my $kind = $type eq 'number' || $type eq 'boolean' ? $type : 'string';
	return [ $kind, one_of(@{ $literals{$type} }) ];
}

sub typed_test
{
	my ($type, $place) = @_;
	my @not = chance(0.4) ? (not => 1) : ();
	my $is_time = $type =~ /^(date|timestamp|timestamptz)$/;
	my @kinds = $place eq 'row' ? ('null', 'empty') : ();

	push @kinds, ('contains') x 3 if $type eq 'choices';
	push @kinds, ('compare') x 4, 'in' if $type !~ /choices|other/;
	push @kinds, 'between' if $type !~ /boolean|choices|other/;
	push @kinds, 'contains', 'starts with', 'ends with', 'like' if $type =~ /text|lookup/;
	push @kinds, ('within') x 3, ('at least') x 2, 'within the next', 'ago', 'more than', 'between ago', 'period' if $is_time;

	my $t = one_of(@kinds);
	my @ops = ('=', '<>', $type eq 'boolean' ? () : ('<', '<=', '>', '>='), $is_time ? ('before', 'after') : ());
	my $unit = $type ne 'date' && $t ne 'ago' && chance(0.2) ? 'hour' : one_of('day', 'day', 'week', 'month', 'year');
	my ($n, $m) = sort { $a <=> $b } one_of(0, 1, 2, 29, 30, 31), one_of(1, 2, 30, 60);

	return { t => $t, op => one_of(@ops), values => [ random_literal($type) ] } if $t eq 'compare';
	return { t => $t, @not, values => [ map { random_literal($type) } 0 .. rand 3 ] } if $t eq 'in';
	return { t => $t, @not, values => [ random_literal($type), random_literal($type) ] } if $t eq 'between';
	return { t => $t, @not } if $t eq 'null' || $t eq 'empty';
	return { t => $t, @not, values => [ [ 'string', $t eq 'like' ? one_of('a%', '%c', '_', '%本%') : one_of(@{ $literals{$type} }) ] ] } if $t =~ /^(contains|starts with|ends with|like)$/;
	return { t => $t, n => one_of(-1, 0, 1), unit => one_of('day', 'week', 'month', 'quarter', 'year') } if $t eq 'period';
	return { t => $t, @not, n => $n, m => $m, unit => $unit } if $t eq 'between ago';
	return { t => $t, n => one_of($n, $m), unit => $unit };
}

my @saved = ('one', "t'wo", '三');
my $named = sub {
	return { k => 'named', source => 'list', name => 'L' } if chance(0.3);
	return { k => 'named', source => 'segment', name => one_of(@saved) };
};
my %sources = (
	(map { $_ => { fields => \%fields, edges => $_ ne 's' } } qw(p q r s)),
	lead => { fields => { lead_id => 'number', email => 'text', employees => 'number', competitor => 'boolean', created_at => 'timestamptz', rep => 'lookup' }, edges => 1 });
my %vocabulary = (test => \&typed_test, sources => \%sources, named => $named);
my %unnamed = (%vocabulary, named => sub { return; });

# ---- rounds ---------------------------------------------------------------------------------

foreach my $round ([ '2026-03-31 23:30', 'Asia/Tokyo' ], [ '2026-03-08 12:00', 'America/New_York' ], [ '2026-04-05 02:30', 'Antarctica/McMurdo' ], [ '2026-01-01 00:00', 'Africa/Cairo' ])
{
	my ($local, $zone) = @$round;
	my $sql_seed = rand(2) - 1;

	psql(<<"SQL");
SELECT setseed($sql_seed);
TRUNCATE clock, probe, asked, leadflow.lead, leadflow.list RESTART IDENTITY CASCADE;
INSERT INTO clock VALUES ('$local'::timestamp AT TIME ZONE '$zone', '$zone');
INSERT INTO leadflow.lead (lead_id, email, employees, competitor, created_at, rep_id, deleted_at, merged_into)
SELECT i, (ARRAY[NULL, '', 'abc', 'Abe', '日本'])[1 + floor(random() * 5)], (ARRAY[NULL, 0, 1, 10])[1 + floor(random() * 4)], random() < 0.3,
       as_of - (ARRAY['3 years', '3 years', '0', '-1 microsecond'])[1 + floor(random() * 4)]::interval, (ARRAY[NULL, 1, 2, 3])[1 + floor(random() * 4)],
       CASE WHEN random() < 0.1 THEN as_of END, CASE WHEN random() < 0.1 THEN 424242 END
  FROM clock, (SELECT generate_series(1, 30) UNION ALL SELECT generate_series(4294967290, 4294967300) UNION ALL VALUES (9007199254740993), (9223372036854775806)) AS l (i);
INSERT INTO asked SELECT lead_id FROM leadflow.lead UNION ALL VALUES (0), (31), (4294967301), (9223372036854775807);
INSERT INTO probe
SELECT i, CASE WHEN random() < 0.05 THEN 77 WHEN random() < 0.95 THEN (SELECT lead_id FROM leadflow.lead ORDER BY random() + i * 0 LIMIT 1) END,
       as_of - interval '1 day' * days + hours, CASE WHEN random() < 0.9 THEN (as_of AT TIME ZONE zone)::date - days END,
       CASE WHEN random() < 0.05 THEN '-infinity' WHEN random() < 0.9 THEN (as_of AT TIME ZONE zone) - interval '1 day' * days + hours END,
       (ARRAY[NULL, 0, 1, 2, 3, -1, 10])[1 + floor(random() * 7)], (ARRAY[NULL, 0.5, -0.25, 1.5, 0, 'NaN'])[1 + floor(random() * 6)],
       (ARRAY[NULL, 0.5, 0.1, 1e30, 'infinity'])[1 + floor(random() * 5)], (ARRAY[NULL, '', 'abc', 'ABC', 'a%c', 'it''s', '日本語', repeat('長い', 99)])[1 + floor(random() * 8)],
       (ARRAY[NULL, true, false])[1 + floor(random() * 3)], (ARRAY[NULL, '{}', '{abc}', '{abc,日本}', '{NULL,b}'])[1 + floor(random() * 5)]::text[],
       (ARRAY[NULL, 'sad', 'ok', 'Happy'])[1 + floor(random() * 4)]::mood, (ARRAY[NULL, 1, 2, 3, 99])[1 + floor(random() * 5)], CASE WHEN random() < 0.5 THEN '1 day'::interval END
  FROM clock, generate_series(1, 200) AS i,
       LATERAL (SELECT (ARRAY[-1, 0, 0, 0, 1, 2, 29, 30, 31, 60, 365, 400])[1 + floor(random() * 12) + i * 0]::int AS days) AS d,
       LATERAL (SELECT (ARRAY['0', '1 hour', '-1 hour', '-23 hours', '1 microsecond'])[1 + floor(random() * 5) + i * 0]::interval AS hours) AS h;
INSERT INTO leadflow.list (name) VALUES ('L');
INSERT INTO leadflow.member (lead_id, list_id, entered_at, left_at)
SELECT lead_id, 1, as_of - interval '1 day', CASE WHEN random() < 0.5 THEN as_of + (ARRAY['-1 hour', '0', '1 hour'])[1 + floor(random() * 3)]::interval END
  FROM clock, leadflow.lead WHERE random() < 0.6;
ANALYZE;
SQL

	# between the segments, now and then a saved one changes; the first ones are saved first
	my @trials = map { [ $_, random_tree(\%unnamed, 1) ] } @saved;
	push @trials, chance(0.05) ? [ one_of(@saved), random_tree(\%unnamed, 1) ] : [ undef, random_tree(\%vocabulary) ] foreach 1 .. $cases;
	my $id = 0;
	psql("TRUNCATE trial;\nCOPY trial FROM STDIN;\n" . join('', map {
		my ($as, $text) = ($_->[0] // '\\N', canonical($_->[1]));
		$text =~ s/\\/\\\\/g;
		$id++ . "\t$as\t$text\n" } @trials) . "\\.\n");

	is(psql('SELECT * FROM try_all() LIMIT 5'), '', "$cases segments as of $local in $zone (SEED=$seed)");
	cmp_ok(psql('SELECT count(*) FROM trial, clock WHERE saved_as IS NULL AND leadflow.cardinality(leadflow.evaluate(segment::leadflow.segment, as_of, zone)) BETWEEN 1 AND 20'),
		'>', $cases / 10, 'and many of them tell leads apart');
}

$node->stop;
done_testing();
