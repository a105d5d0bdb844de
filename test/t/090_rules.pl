# Rules through crashes: once for each cause that is committed, and for none that is not.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('rules');
$node->init;
$node->append_conf('postgresql.conf', "TimeZone = 'America/St_Johns'\nrestart_after_crash = on\n");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

sub wait_until
{
	my ($condition) = @_;
	$node->poll_query_until('postgres', "SELECT $condition") or die "never: $condition";
}

my $sleeping = "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')";

# Run a statement in the background, and kill its backend once it sleeps within a rule.
sub crash_in
{
	my ($statement) = @_;
	sql("UPDATE pace SET seconds = 60");
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_until(qr/start/, "\\echo start\nSET application_name = 'victim'; $statement;\n");
	wait_until($sleeping);
	my $pid = sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'victim'");
	kill 'KILL', $pid;
	eval { $session->quit };
	wait_until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
	sql("UPDATE pace SET seconds = 0");
}

# every cause that is there has one row in the log and one task for each rule that waits for it
my $broken = q{
	WITH cause AS (
		SELECT 'result' AS rule, lead_id, activity_id FROM leadflow.activity WHERE result = '商談化'
	), task AS (
		SELECT title AS rule, lead_id, activity_id, count(*) AS n FROM leadflow.task WHERE title = 'result' GROUP BY 1, 2, 3
	), log AS (
		SELECT r.name AS rule, g.lead_id, (g.detail ->> 'activity_id')::bigint AS activity_id, count(*) AS n, min(g.status) AS status
		  FROM leadflow.rule_log AS g JOIN leadflow.rule AS r USING (rule_id) WHERE r.name = 'result' GROUP BY 1, 2, 3
	)
	SELECT * FROM cause FULL JOIN task USING (rule, lead_id, activity_id) FULL JOIN log USING (rule, lead_id, activity_id)
	 WHERE task.n IS DISTINCT FROM 1 OR log.n IS DISTINCT FROM 1 OR log.status <> 'done'};

sql(q{CREATE EXTENSION leadflow;
	CALL leadflow.install('Asia/Tokyo');
	INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, 100) AS n;
	CREATE TABLE pace (seconds float8);
	INSERT INTO pace VALUES (0);
	CREATE VIEW slow AS SELECT lead_id FROM leadflow.lead WHERE pg_sleep((SELECT seconds FROM pace)) IS NOT NULL;
	INSERT INTO leadflow.source (name, relation) VALUES ('slow', 'public.slow');
	UPDATE leadflow.list SET cadence = NULL;
	SELECT leadflow.create_list('sales');
	SELECT leadflow.create_rule('result', '{"result": "商談化"}', '[{"create_task": "result"}, {"add_to_list": "sales"}]', 'slow');
	SELECT leadflow.create_rule('enters', '{"enters": "sales"}', '[{"create_task": "enters"}]');
	SELECT leadflow.create_rule('segment', '{"enters_segment": "visit(pages > 0)"}', '[{"create_task": "segment"}]', 'slow')});

# ---- in the middle of a rule ----------------------------------------------------------

crash_in("SELECT leadflow.record_activity(1, '2026-06-08', result => '商談化')");
is(sql("SELECT (SELECT count(*) FROM leadflow.activity), (SELECT count(*) FROM leadflow.rule_log), (SELECT count(*) FROM leadflow.task), (SELECT count(*) FROM leadflow.member)"),
	'0|0|0|0', 'an activity that was not recorded caused nothing');
sql("SELECT leadflow.record_activity(1, '2026-06-08', result => '商談化')");
is(sql($broken), '', 'recorded again, it does so once');
is(sql("SELECT string_agg(title, ' ' ORDER BY title) FROM leadflow.task"), 'enters result', 'with what it causes');

sql("INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (2, now(), 1)");
crash_in("CALL leadflow.run_due()");
is(sql("SELECT count(*) FROM leadflow.task WHERE title = 'segment'"), 0, 'a tick that did not end did nothing');
sql("CALL leadflow.run_due()") for 1 .. 2;
is(sql("SELECT lead_id FROM leadflow.task WHERE title = 'segment'"), 2, 'the next does it, once');

# ---- failures are tried again through a crash ---------------------------------------------

sql("UPDATE leadflow.list SET max_members = 1");
sql("SET client_min_messages = error; SELECT leadflow.record_activity(3, '2026-06-08', result => '商談化')");
is(sql("SELECT status, attempts FROM leadflow.rule_log WHERE lead_id = 3"), 'failed|1', 'a rule that fails leaves the activity');
is(sql("SELECT count(*) FROM leadflow.activity WHERE lead_id = 3"), 1, 'which is recorded');
sql("UPDATE leadflow.list SET max_members = NULL; UPDATE leadflow.rule_log SET retry_at = now() WHERE status = 'failed'");
crash_in("CALL leadflow.run_due()");
is(sql("SELECT status, attempts FROM leadflow.rule_log WHERE lead_id = 3"), 'failed|1', 'a crash counts as no attempt');
sql("CALL leadflow.run_due()");
is(sql($broken), '', 'then it succeeds, once');

# ---- the server goes down at any time ---------------------------------------------------------

for my $round (1 .. 3)
{
	my @sessions;
	for my $session (1 .. 2)
	{
		my $statements = join '', map {
			my $lead = 1 + int(rand(100));
			"SELECT leadflow.record_activity($lead, '2026-06-08', result => '商談化');\n"
		} 1 .. 3000;
		append_to_file("$dir/$round.$session", $statements);
		push @sessions, IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-f', "$dir/$round.$session" ], '>', '/dev/null', '2>', '/dev/null');
	}
	my $before = sql("SELECT count(*) FROM leadflow.activity");
	wait_until("(SELECT count(*) FROM leadflow.activity) > $before + 20");
	$node->stop('immediate');
	eval { $_->finish } foreach @sessions;
	$node->start;
	sql("CALL leadflow.run_due()");
	is(sql($broken), '', "round $round: each cause that was committed has had its effect, once");
}
is(sql("SELECT count(*) FROM leadflow.rule_log WHERE status <> 'done'"), 0, 'nothing is left to do');

# ---- what is restored does not happen again --------------------------------------------------------

my $dump = "$dir/rules.dump";
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
sql("CREATE DATABASE restored");
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
my $logged = sql("SELECT count(*) FROM leadflow.rule_log");
$node->safe_psql('restored', "CALL leadflow.run_due()");
is($node->safe_psql('restored', "SELECT count(*) FROM leadflow.rule_log"), $logged, 'a tick finds no cause that was one before');
is($node->safe_psql('restored', $broken), '', 'and each has had its effect once');
$node->safe_psql('restored', "INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (5, now(), 1); SELECT leadflow.record_activity(5, '2026-06-08', result => '商談化')");
$node->safe_psql('restored', "CALL leadflow.run_due()");
is($node->safe_psql('restored', "SELECT count(*) FROM leadflow.rule_log") - $logged, sql("SELECT CASE WHEN EXISTS (SELECT FROM leadflow.member WHERE lead_id = 5) THEN 2 ELSE 3 END"), 'new ones are');

$node->stop;
done_testing();
