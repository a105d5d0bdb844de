# Random histories of records and of the clock, over weeks: whatever is kept by then,
# evaluate() must give what it gives by reading the records.
#
# SEED=n repeats a run, STEPS=n sets the steps, TREE=table|partitions|children whether
# the records are in one table.
use strict;
use warnings;
use utf8;
use Encode qw(encode_utf8);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use LeadflowTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = seed();
my $steps = $ENV{STEPS} // 1500;

my $tree = $ENV{TREE} // (qw(table partitions children))[ int(rand(3)) ];
diag("TREE=$tree");

my $node = node('rollup', fsync => 'off', jit => 'off', log_min_messages => 'warning');
my $db = database($node, 'postgres');

sub psql { return $node->safe_psql($db, encode_utf8(shift)); }

# One table under sources with an event time of each type, and with none; and what
# the shipped tables hold.
my @parts = ('event', map { "event_$_" } $tree eq 'table' ? () : (0, 1, 'rest'));
my $partitioned = $tree eq 'partitions' ? ' PARTITION BY RANGE (at)' : '';
my $ranges = join ';', map { my $part = "event_$_->[0]";
    $tree eq 'partitions' ? "CREATE TABLE $part PARTITION OF event $_->[1]" : $tree eq 'children' ? "CREATE TABLE $part () INHERITS (event)" : ''; }
    [0, "FOR VALUES FROM (MINVALUE) TO ('2020-01-20')"], [1, "FOR VALUES FROM ('2020-01-20') TO ('2020-03-01')"], ['rest', 'DEFAULT'];
psql(<<'SQL' =~ s/PARTITIONED;/$partitioned;/r =~ s/PARTS;/$ranges;/r);
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE place (place_id int PRIMARY KEY, name text);
INSERT INTO place VALUES (1, 'tokyo'), (2, 'osaka'), (3, NULL), (4, 'tokyo');
CREATE TABLE event (id serial, lead_id int, at timestamptz, d date, ts timestamp NOT NULL DEFAULT '2020-01-01',
    n int, big bigint, t text, b boolean, mood mood DEFAULT CASE WHEN random() < 0.3 THEN 'glad'::mood END, place_id int DEFAULT (random() * 6)::int)PARTITIONED;
PARTS;
CREATE INDEX ON event (at); CREATE INDEX ON event (lead_id);
SELECT leadflow.register_source('at', 'event', 'lead_id', 'id', 'at', lookups => '{"place": {"column": "place_id", "relation": "public.place", "key": "place_id", "name": "name"}}');
SELECT leadflow.register_source('day', 'event', 'lead_id', 'id', 'd', lookups => '{"place": {"column": "place_id", "relation": "public.place", "key": "place_id", "name": "name"}}');
SELECT leadflow.register_source('local', 'event', 'lead_id', 'id', 'ts', lookups => '{"place": {"column": "place_id", "relation": "public.place", "key": "place_id", "name": "name"}}');
SELECT leadflow.register_source('none', 'event', 'lead_id');
INSERT INTO leadflow.lead (email, created_at) SELECT 'l' || i, '2019-12-01' FROM generate_series(1, 40) AS i;
CREATE TABLE trial (name text PRIMARY KEY, zone text);
SQL

my @rows = ('n >= 3', 'b', "t = 'x'", 'not b', 'n <> 2 or t is null', "t contains 'y' and n < 5", "mood = 'glad'", "mood <> 'glad'", "NOTNONE place = 'tokyo'", "NOTNONE not place <> 'osaka'", 'NOTNONE place is null', 'big between 1 and 4');
my @windows = ('TIME within 7 days', 'TIME within 30 days', 'TIME within 2 months', 'TIME at least 20 days ago',
    'TIME more than 3 weeks ago', 'TIME between 5 and 12 days ago', 'TIME in last week', 'TIME in this month', 'TIME today',
    'TIME 4 days ago', "TIME >= '2020-02-01'", "TIME before '2020-01-15'", 'TIME is null', 'TIME less than 10 days ago',
    'not TIME within 10 days', "TIME between '2020-01-10' and '2020-02-20'");
my %time = (at => 'at', day => 'd', local => 'ts', none => undef);

sub pick { return $_[ int(rand(@_)) ]; }

# A condition of any kind that can be kept, and of some that cannot.
sub condition
{
    my $source = pick(qw(at at day local none));
    my $time = $time{$source};
    my @parts;
    push @parts, pick(@rows) if rand() < 0.6;
    @parts = grep { $source ne 'none' || !/NOTNONE/ } @parts;
    s/NOTNONE // foreach @parts;
    if (defined $time && rand() < 0.8) { (my $w = pick(@windows)) =~ s/TIME/$time/; push @parts, $w; }
    if ($source eq 'at' && rand() < 0.1) { push @parts, pick('at within 48 hours', 'at at least 100 hours ago'); }
    my $row = join ' and ', map { / or / ? "($_)" : $_ } @parts;
    my $where = $row eq '' ? '' : " where $row";
    my $kind = rand();
    return pick('lead(created_at within 60 days)', 'lead(created_at at least 10 days ago and not competitor)', 'lead(email is not null)', 'lead(not competitor)', 'lead(nurturing and employees > 5)', 'everyone') if $kind < 0.1;
    return "$source($row)" if $kind < 0.5 && $row ne '';
    return $source if $kind < 0.5;
    return "count($source$where) " . pick('>= 2', '= 1', '< 3', 'between 2 and 4', '= 0', '> 0') if $kind < 0.65;
    return "sum($source.n$where) " . pick('>= 5', '< 4', '= 0', '> 9', '<= 0') if $kind < 0.8;
    return pick('max', 'min') . "($source." . pick('n', 'big') . "$where) " . pick('>= 3', '< 2', '= 4', 'between 1 and 3', '<> 2', '> -1') if $kind < 0.86 && defined $time;
    return "avg($source.n$where) " . pick('>= 2.5', '< 2', '= 3', '> 1.25', '<= 3', '<> 2') if $kind < 0.9 && defined $time;
    return pick('count(distinct at.n) >= 2', 'avg(none.n) > 3', 'last(at)(n >= 3)', 'max(none.n) >= 6', "count(at.n$where) > 1") if $kind < 0.91 || !defined $time;
    # min and max over the event time
    my $on = rand() < 0.5 && @parts && $parts[0] !~ /$time/ ? " where $parts[0]" : '';
    (my $window = pick(@windows[ 0 .. 11 ])) =~ s/^TIME//;
    return pick('max', 'min') . "($source.$time$on)$window";
}

sub segment
{
    my $one = condition();
    return rand() < 0.5 ? $one : '(' . $one . ')' . pick(' and ', ' or ', ' and not ') . '(' . condition() . ')';
}

my $script = '';
my $names = 0;
sub say_sql { $script .= shift() . "\n"; }

sub save
{
    my $name = 's' . ++$names;
    my $segment = segment();
    $segment =~ s/'/''/g;
    say_sql("SELECT leadflow.save_segment('$name', '$segment');");
    if (rand() < 0.3)
    {
        my $zone = pick('America/New_York', 'Atlantic/Azores');
        say_sql("SELECT leadflow.create_list('$name', 'segment(''$name'')', zone => '$zone');");
        say_sql("INSERT INTO trial VALUES ('$name', '$zone');");
    }
    else { say_sql("INSERT INTO trial VALUES ('$name', NULL);"); }
}

# With rollups, and without: the same. Each time of another quarter of the segments.
psql(<<'SQL');
CREATE TABLE tally (steps int, differ int, known bigint, others bigint); INSERT INTO tally VALUES (0, 0, 0, 0);
CREATE FUNCTION answers(at timestamptz, use boolean) RETURNS TABLE (name text, leads leadflow.leadset) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('leadflow.use_rollups', use::text, true);
    RETURN QUERY SELECT t.name, leadflow.evaluate(s.segment, at, t.zone) FROM trial AS t JOIN leadflow.saved_segment AS s USING (name)
     WHERE hashtext(t.name || at) % 4 = 0;
END $$;
CREATE PROCEDURE check_all(at timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
BEGIN
    FOR wrong IN SELECT s.segment, t.zone, a.leads AS kept, b.leads AS read
                   FROM answers(at, true) AS a JOIN answers(at, false) AS b USING (name)
                   JOIN trial AS t USING (name) JOIN leadflow.saved_segment AS s USING (name)
                  WHERE a.leads OPERATOR(leadflow.<>) b.leads LOOP
        RAISE WARNING 'at % in %: % gives % with rollups and % without', at, wrong.zone, wrong.segment, wrong.kept, wrong.read;
        UPDATE tally SET differ = differ + 1;
    END LOOP;
    UPDATE tally SET steps = steps + 1;
END $$;
SQL

sub moment
{
    my ($days) = @_;
    return "'-infinity'" if rand() < 0.02;
    return "'infinity'" if rand() < 0.01;
    return 'NULL' if rand() < 0.05;
    my $ago = rand() < 0.7 ? rand(3) : rand() < 0.9 ? rand(90) : rand(900);
    # now and then the very first or last instant of a day somewhere
    return sprintf "timestamptz '2020-01-01 %s' + interval '%d days'", pick('00:00+09', '23:59:59.999999+09', '00:00-05', '00:00-01'), $days - $ago if rand() < 0.2;
    return sprintf "timestamptz '2020-01-01 00:00Z' + interval '%.4f days'", $days - $ago + (rand() < 0.05 ? 3 : 0);
}

sub values_of
{
    my ($days) = @_;
    my ($at, $ts) = (moment($days), moment($days));
    $ts = "'2020-01-05'" if $ts eq 'NULL';
    return sprintf '%s, %s, (%s)::date, (%s)::timestamp, %s, %s, %s, %s', rand() < 0.03 ? pick('NULL', '-1') : 1 + int(rand(40)), $at, moment($days), $ts,
        pick(0 .. 6, 'NULL', -2), pick(0 .. 6, 'NULL'), pick("'x'", "'Yy'", 'NULL'), pick('true', 'false', 'NULL');
}

# What is done to one of the tables that records are in; a partition refuses some of it.
sub write_part
{
    my ($days) = @_;
    my $part = pick(@parts[ 1 .. $#parts ]);
    my $kind = rand();
    my $sql = $kind < 0.2 ? "INSERT INTO $part (lead_id, at, d, ts, n, big, t, b) VALUES (" . values_of($days) . ')'
      : $kind < 0.35 ? "INSERT INTO $part (lead_id, at, d, n) SELECT lead_id + 1, at, d, n FROM ONLY $part WHERE id % 5 = " . int(rand(5)) . ' LIMIT 3'
      : $kind < 0.6 ? "UPDATE ONLY $part SET n = n + 1 WHERE lead_id = " . (1 + int(rand(40)))
      : $kind < 0.75 ? "DELETE FROM $part WHERE id % 23 = " . int(rand(23))
      : $kind < 0.78 ? "TRUNCATE ONLY $part"
      : $kind < 0.8 ? "ALTER TABLE $part DISABLE TRIGGER ALL; UPDATE $part SET n = 1 WHERE id % 9 = 1; ALTER TABLE $part ENABLE TRIGGER ALL"
      : $tree eq 'children' ? pick("ALTER TABLE $part NO INHERIT event", "ALTER TABLE $part INHERIT event", "DROP TABLE $part", "CREATE TABLE $part () INHERITS (event)",
        "ALTER TABLE $part NO INHERIT event; UPDATE $part SET n = 3 WHERE id % 5 = 1; ALTER TABLE $part INHERIT event")
      : pick("ALTER TABLE event DETACH PARTITION event_1", "ALTER TABLE event ATTACH PARTITION event_1 FOR VALUES FROM ('2020-01-20') TO ('2020-03-01')", 'DROP TABLE event_0',
        "CREATE TABLE event_0 PARTITION OF event FOR VALUES FROM (MINVALUE) TO ('2020-01-20')", "CREATE TABLE IF NOT EXISTS event_far PARTITION OF event FOR VALUES FROM ('2031-01-01') TO ('2032-01-01')",
        "DROP TABLE event_far", "ALTER TABLE event DETACH PARTITION event_1; DELETE FROM event_1 WHERE id % 3 = 0; ALTER TABLE event ATTACH PARTITION event_1 FOR VALUES FROM ('2020-01-20') TO ('2020-03-01')");
    say_sql("DO \$\$ BEGIN $sql; EXCEPTION WHEN OTHERS THEN NULL; END \$\$;");
}

sub write_records
{
    my ($days) = @_;
    return write_part($days) if @parts > 1 && rand() < 0.2;
    my $kind = rand();
    my $columns = '(lead_id, at, d, ts, n, big, t, b)';
    if ($kind < 0.5) { say_sql("INSERT INTO event $columns VALUES " . join(', ', map { '(' . values_of($days) . ')' } 1 .. 1 + int(rand(4))) . ';'); }
    elsif ($kind < 0.7) { say_sql("UPDATE event SET $columns = (" . values_of($days) . ') WHERE id % 31 = ' . int(rand(31)) . ';'); }
    elsif ($kind < 0.75) { say_sql('UPDATE event SET lead_id = ' . (1 + int(rand(40))) . ' WHERE lead_id = ' . (1 + int(rand(40))) . ';'); }
    elsif ($kind < 0.8) { say_sql('DELETE FROM event WHERE id % 37 = ' . int(rand(37)) . ';'); }
    elsif ($kind < 0.82) { say_sql('DELETE FROM event WHERE lead_id = ' . (1 + int(rand(40))) . ';'); }
    elsif ($kind < 0.825) { say_sql('TRUNCATE event;'); }
    elsif ($kind < 0.9) { say_sql('UPDATE leadflow.lead SET ' . pick('competitor = not competitor', "email = nullif(email, 'l3')", 'employees = 10 - coalesce(employees, 0)', 'deleted_at = now()', 'deleted_at = NULL') . ' WHERE lead_id = ' . (1 + int(rand(40))) . ';'); }
    elsif ($kind < 0.904) { say_sql(pick("ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'; ALTER TYPE mood RENAME VALUE 'sad' TO 'glad'; ALTER TYPE mood RENAME VALUE 'happy' TO 'sad';",
        "UPDATE place SET name = CASE name WHEN 'tokyo' THEN 'osaka' ELSE 'tokyo' END WHERE place_id = " . (1 + int(rand(4))) . ';', 'UPDATE place SET name = NULL WHERE place_id = ' . (1 + int(rand(4))) . ';')); }
    elsif ($kind < 0.92) { say_sql(sprintf "INSERT INTO leadflow.lead (email, created_at) VALUES (NULL, timestamptz '2020-01-01' + interval '%.3f days');", $days - 1 + rand(1.2)); }
    elsif ($kind < 0.95) { say_sql("BEGIN; SAVEPOINT a; INSERT INTO event $columns VALUES (" . values_of($days) . '); ROLLBACK TO a; UPDATE event SET n = 4 WHERE lead_id = ' . (1 + int(rand(40))) . '; ' . pick('COMMIT', 'ROLLBACK') . ';'); }
    elsif ($kind < 0.97) { say_sql("SET session_replication_role = replica; INSERT INTO event $columns VALUES (" . values_of($days) . '); RESET session_replication_role;'); }
    elsif ($kind < 0.975) { say_sql('ALTER TABLE event DISABLE TRIGGER ALL; UPDATE event SET n = 5 WHERE id % 7 = 1; ALTER TABLE event ENABLE TRIGGER ALL;'); }
    elsif ($kind < 0.98) { say_sql(pick('ALTER TABLE event ALTER n TYPE int USING n + 1;', 'VACUUM FULL event;', 'ALTER TABLE event RENAME d TO dd; ALTER TABLE event RENAME dd TO d;', 'DROP TRIGGER IF EXISTS leadflow_rollup_update ON event; UPDATE event SET n = 2 WHERE id % 5 = 0;')); }
    else { say_sql("INSERT INTO event $columns SELECT " . values_of($days) . " FROM generate_series(1, 5);"); }
}

save() for 1 .. 25;
my $days = 0;
for my $step (1 .. $steps)
{
    $days += rand() < 0.05 ? rand(20) : rand(0.3);
    write_records($days) for 1 .. int(rand(3));
    my $at = sprintf "timestamptz '2020-01-01 00:00Z' + interval '%.4f days'", $days;
    if (rand() < 0.25) { say_sql("CALL leadflow.build_rollups($at);"); }
    elsif (rand() < 0.1) { say_sql("SELECT leadflow.plan_rollups($at);"); }
    elsif (rand() < 0.1) { say_sql('SELECT leadflow.settle_rollups();'); }
    elsif (rand() < 0.2) { say_sql("SELECT leadflow.build_rollup_batch();"); }
    if (rand() < 0.03) { save(); }
    if (rand() < 0.02) { my $gone = 1 + int(rand($names)); say_sql("DELETE FROM trial WHERE name = 's$gone'; DELETE FROM leadflow.list WHERE name = 's$gone'; DELETE FROM leadflow.saved_segment WHERE name = 's$gone';"); }
    $at .= sprintf " + interval '%.3f days'", rand(20) - 15 if rand() < 0.2;
    say_sql("CALL check_all($at);");
}
my $end = sprintf "timestamptz '2020-01-02 00:00Z' + interval '%.4f days'", $days;
say_sql(<<"SQL");
CALL leadflow.build_rollups($end);
UPDATE tally SET (known, others) = (SELECT count(*) FILTER (WHERE e.way = 'known'), count(*) FILTER (WHERE e.way <> 'known')
    FROM trial AS t JOIN leadflow.saved_segment AS s USING (name), leadflow.explain_segment(s.segment, $end, t.zone) AS e);
SQL

my ($out, $err) = ('', '');
my $status = $node->psql($db, encode_utf8($script), stdout => \$out, stderr => \$err, on_error_stop => 1);
is($status, 0, 'every step runs');
diag(substr($err, 0, 4000)) if $err =~ /ERROR|WARNING/;
my ($ran, $differ, $known, $others) = split /\|/, psql('SELECT * FROM tally');
is($ran, $steps, "$steps steps were checked");
is($differ, 0, 'evaluation gives the same with rollups and without');
is(psql("SELECT count(*) FROM leadflow.verify_rollups(1000000) WHERE wrong OPERATOR(leadflow.<>) '{}'"), '0', 'verify_rollups() finds no fault');
note "$known conditions known, $others read";
cmp_ok($known, '>', $others, 'most conditions were kept');

done_testing();
