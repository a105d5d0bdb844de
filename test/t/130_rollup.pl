# What is kept of conditions, where it is only read, where it came from elsewhere, and
# after a crash amid writers: whatever of it is used, a segment has the leads that the
# records give.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use LeadflowTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $seed = seed();

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "max_prepared_transactions = 1000\nmax_connections = 30\nrestart_after_crash = on\njit = off");
$node->start;
my $db = database($node, 'crm');

# Leads with records over 100 days up to now, and segments of every kind that is kept.
$node->safe_psql($db, <<'SQL');
SET client_min_messages = warning;
INSERT INTO leadflow.lead (lead_id, email, created_at) SELECT n, 'l' || n, '2000-01-01' FROM generate_series(1, 300) AS n;
INSERT INTO leadflow.visit (lead_id, visited_at, pages)
SELECT 1 + n % 300, now() - n * interval '40 minutes', n % 20 FROM generate_series(1, 3600) AS n;
INSERT INTO leadflow.activity (lead_id, fields) SELECT n, jsonb_build_object('acted_on', current_date - n) FROM generate_series(1, 100) AS n;
SELECT leadflow.save_segment(name, segment::leadflow.segment) FROM (VALUES
    ('block', 'visit(pages >= 15 and visited_at within 30 days)'), ('sum', 'sum(visit.pages where visited_at within 20 days) >= 45'),
    ('count', 'count(visit where pages > 3 and visited_at at least 5 days ago) >= 8'), ('latest', 'max(visit.visited_at where pages > 17) at least 10 days ago'),
    ('lead', 'lead(not competitor)'), ('never', 'not visit(pages = 7)'), ('acted', 'max(activity.acted_on) at least 40 days ago')) AS s (name, segment);
-- both ways under one snapshot; read is what the records give
CREATE FUNCTION segments_wrong(OUT wrong text, OUT known bigint) LANGUAGE plpgsql AS $$
DECLARE
    one record;
    kept leadflow.leadset;
BEGIN
    known := 0;
    wrong := '';
    FOR one IN SELECT s.name, s.segment FROM leadflow.saved_segment AS s WHERE s.name NOT IN ('hot', 'reengagement', 'appointment') LOOP
        SET LOCAL leadflow.use_rollups = on;
        kept := leadflow.evaluate(one.segment);
        known := known + (SELECT count(*) FROM leadflow.explain_segment(one.segment) AS e WHERE e.way = 'known' AND e.part NOT LIKE '%everyone%');
        SET LOCAL leadflow.use_rollups = off;
        IF kept OPERATOR(leadflow.<>) leadflow.evaluate(one.segment) THEN
            wrong := wrong || ' ' || one.name;
        END IF;
    END LOOP;
END $$;
SQL
$node->safe_psql($db, 'CALL leadflow.build_rollups()');

sub wrong
{
	my ($on, $database) = @_;
	return $on->safe_psql($database // $db, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM segments_wrong(); COMMIT');
}

is(wrong($node), '|7', 'every condition is known');

# ---- read where nothing can be written ----------------------------------------------
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(wrong($standby), '|7', 'a standby reads what is kept');
$node->safe_psql($db, q{INSERT INTO leadflow.visit (lead_id, visited_at, pages) SELECT 250, now() - n * interval '9 days', 19 FROM generate_series(0, 3) AS n;
	DELETE FROM leadflow.visit WHERE lead_id = 7; UPDATE leadflow.lead SET competitor = true WHERE lead_id = 9});
$node->wait_for_catchup($standby);
is($standby->safe_psql($db, 'SELECT count(*) > 0 FROM leadflow.rollup_dirty'), 't', 'marks come to it');
is(wrong($standby), '|7', 'and it heeds them');
is($standby->safe_psql($db, 'CALL leadflow.build_rollups()'), '', 'there is nothing to build there');
my ($status, $out, $error) = $standby->psql($db, 'SELECT * FROM leadflow.verify_rollups()');
like($error, qr/cannot (execute|acquire)/, 'nor to verify');
$node->safe_psql($db, 'CALL leadflow.build_rollups()');
$node->wait_for_catchup($standby);
is(wrong($standby), '|7', 'what was mended comes to it');
is($node->safe_psql($db, 'BEGIN READ ONLY; SELECT * FROM segments_wrong(); COMMIT'), '|7', 'and it is read in a read-only transaction');
$standby->promote;
$standby->safe_psql($db, q{INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (111, now() - interval '3 days', 19)});
is(wrong($standby), '|7', 'promoted, it goes on: it is the same relations');
$standby->safe_psql($db, 'CALL leadflow.build_rollups()');
is(wrong($standby), '|7', 'and builds');
$standby->stop;

# ---- from a dump -----------------------------------------------------------------------
my $dump = PostgreSQL::Test::Utils::tempdir . '/crm.dump';
my @at = ('-h', $node->host, '-p', $node->port);
$node->command_ok([ 'pg_dump', @at, '-Fc', '-f', $dump, $db ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', @at, '-j4', '-d', 'restored', '--exit-on-error', $dump ], 'pg_restore -j4');
is($node->safe_psql('restored', 'SELECT count(*) > 0 FROM leadflow.rollup'), 't', 'what is kept is restored');
is(wrong($node, 'restored'), '|0', 'but not used: who knows what else the rows were through');
$node->safe_psql('restored', 'CALL leadflow.run_due()');
is(wrong($node, 'restored'), '|7', 'the tick builds it anew');
is($node->safe_psql('restored', "SELECT count(*) FROM leadflow.verify_rollups(1000) WHERE wrong OPERATOR(leadflow.<>) '{}'"), 0, 'and rightly');
$node->safe_psql('postgres', 'DROP DATABASE restored');

# ---- crashes amid writers ---------------------------------------------------------------
# Writers of all manners, a builder and a reader who compares; all are killed.
my $scripts = PostgreSQL::Test::Utils::tempdir;
my $when = "now() - interval '1 hour' * (:r * :r * :r)::float8 / 200";
my %scripts = (
	'insert@6' => "INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (:lead, $when, :r)",
	'update@4' => "UPDATE leadflow.visit SET pages = :r, visited_at = $when WHERE visit_id = (SELECT visit_id FROM leadflow.visit WHERE lead_id = :lead LIMIT 1)",
	'move@2' => "UPDATE leadflow.visit SET lead_id = :other WHERE lead_id = :lead AND pages = :r % 20",
	'delete@1' => 'DELETE FROM leadflow.visit WHERE lead_id = :lead AND pages > :r',
	'lead@2' => 'UPDATE leadflow.lead SET competitor = NOT competitor WHERE lead_id = :lead',
	'acted@1' => "INSERT INTO leadflow.activity (lead_id, fields) VALUES (:lead, jsonb_build_object('acted_on', current_date - :r))",
	'back@1' => "BEGIN; INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (:lead, $when, 19); ROLLBACK",
	'savepoint@1' => "BEGIN; INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (:lead, $when, 18); SAVEPOINT s;\nDELETE FROM leadflow.visit WHERE lead_id = :other; ROLLBACK TO s; SELECT pg_sleep(0.1); COMMIT",
	'prepare@1' => "BEGIN; INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (:lead, $when, 17); PREPARE TRANSACTION 'p:client_id.:lead.:r.:other'");

sub write_script
{
	my ($name, $sql) = @_;
	(my $file = $name) =~ s/@.*//;
	append_to_file("$scripts/$file", "\\set lead random(1, 300)\n\\set other random(1, 300)\n\\set r random(0, 80)\n" . join("\n", map { "$_;" } split /; ?\n?/, $sql) . "\n");
	return $name =~ /@(.*)/ ? "$scripts/$file\@$1" : "$scripts/$file";
}
my @writers = map { ('-f', write_script($_, $scripts{$_})) } sort keys %scripts;
my $builder = write_script('build', "CALL leadflow.build_rollups(patience => '0.1 seconds')");
my $reader = write_script('read', "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO comparison SELECT * FROM segments_wrong(); COMMIT");
$node->safe_psql($db, 'CREATE TABLE comparison (wrong text, known bigint)');

my $benches = 0;
sub start_bench
{
	my ($clients, @files) = @_;
	my $said = "$scripts/said" . ++$benches;
	my $bench = IPC::Run::start([ 'pgbench', @at, '-n', '-c', $clients, '-T', 60, '--max-tries=10', "--random-seed=" . int(rand(1e9)), @files, $db ], '<', '/dev/null', '>', $said, '2>&1');
	return [ $bench, $said ];
}

for my $round (1 .. 5)
{
	my @benches = (start_bench(4, @writers), start_bench(1, '-f', $builder), start_bench(2, '-f', $reader));
	sleep(2 + rand(1));
	# one of them is, and the server takes all others with it
	kill 9, $node->safe_psql($db, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1");
	foreach my $bench (@benches)
	{
		$bench->[0]->finish;
		unlike(slurp_file($bench->[1]), qr/ERROR(?!.*(already in use|deadlock))/, "round $round: nobody had an error before");
	}
	$node->poll_query_until($db, 'SELECT true') or die 'the server did not come back';
	like(wrong($node), qr/^\|/, "round $round: after the crash, no segment is wrong");
	$node->safe_psql($db, "COMMIT PREPARED '$_'") foreach split /\n/, $node->safe_psql($db, 'SELECT gid FROM pg_prepared_xacts');
	like(wrong($node), qr/^\|/, "round $round: nor once what was prepared is committed");
	$node->safe_psql($db, 'CALL leadflow.build_rollups()');
	is(wrong($node), '|7', "round $round: nor when all is built");
}
is($node->safe_psql($db, "SELECT count(*) FROM comparison WHERE wrong <> ''"), 0, 'none was wrong in between (SEED=' . $seed . ')');
cmp_ok($node->safe_psql($db, 'SELECT count(*) FROM comparison WHERE known > 0'), '>', 10, 'and what was kept was often used');
is($node->safe_psql($db, "SELECT count(*) FROM leadflow.verify_rollups(1000) WHERE wrong OPERATOR(leadflow.<>) '{}'"), 0, 'verify_rollups() finds no fault');

$node->stop;
done_testing();
