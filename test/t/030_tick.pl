# The tick with its commits: failures, timeouts, cancels, crashes, two at once.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('tick');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_stat_statements'\nTimeZone = 'Asia/Tokyo'\nrestart_after_crash = on\n");
$node->start;

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# the message of the error that a statement must end in
sub refused
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql);
	isnt($rc, 0, "refused: $sql");
	return $err;
}

sub wait_until
{
	my ($condition) = @_;
	$node->poll_query_until('postgres', "SELECT $condition") or die "never: $condition";
}

my $sleeping = "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')";

# the ledger of scheduled runs, oldest first
my $ledger = q{SELECT l.name, r.attempts, r.finished IS NOT NULL, r.added, r.error
  FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id) WHERE r.due_at IS NOT NULL ORDER BY r.run_id};

# whatever happened: stays do not double, each is of a run, and done is what succeeded
my $broken = q{SELECT 'doubled' FROM leadflow.member WHERE left_at IS NULL GROUP BY lead_id, list_id HAVING count(*) > 1
 UNION ALL SELECT 'not counted' FROM leadflow.refresh_run AS r WHERE added IS DISTINCT FROM
   CASE WHEN finished IS NOT NULL THEN (SELECT count(*) FROM leadflow.member AS m WHERE m.run_id = r.run_id) END
 UNION ALL SELECT 'not done' FROM leadflow.list AS l WHERE done_through IS DISTINCT FROM
   coalesce((SELECT max(due_at) FROM leadflow.refresh_run AS r WHERE r.list_id = l.list_id AND finished IS NOT NULL), '-infinity')
 UNION ALL SELECT 'both' FROM leadflow.refresh_run WHERE finished IS NOT NULL AND error IS NOT NULL};

# lists that are due at once, in this order: first, slow, last; a visit to slow takes as long as pace says
sub fresh
{
	sql(q{DELETE FROM leadflow.hold; DELETE FROM leadflow.member; DELETE FROM leadflow.refresh_run; DELETE FROM leadflow.list;
		UPDATE pace SET seconds = 0;
		SELECT leadflow.create_list(name, segment::leadflow.segment, 'weekly on monday at 07:00', priority => priority)
		  FROM (VALUES ('first', 'everyone', 3), ('slow', 'slow', 2), ('last', 'everyone', 1)) AS l (name, segment, priority);
		UPDATE leadflow.list SET created_at = '2000-01-01'});
}

sql(q{CREATE EXTENSION pg_stat_statements;
	CREATE EXTENSION leadflow;
	CALL leadflow.install('Asia/Tokyo');
	INSERT INTO leadflow.lead (created_at) SELECT '2000-01-01' FROM generate_series(1, 3);
	CREATE TABLE pace (seconds float8);
	INSERT INTO pace VALUES (0);
	CREATE VIEW slow AS SELECT lead_id FROM leadflow.lead WHERE lead_id = 1 AND pg_sleep((SELECT seconds FROM pace)) IS NOT NULL;
	INSERT INTO leadflow.source (name, relation) VALUES ('slow', 'public.slow')});

# ---- what fails stops nobody else, waits, and succeeds on the same row ------------

fresh();
sql(q{SELECT leadflow.save_segment('mine', 'everyone'); UPDATE leadflow.list SET segment = 'segment(''mine'')' WHERE name = 'slow';
	DELETE FROM leadflow.saved_segment WHERE name = 'mine'});
sql("CALL leadflow.run_due()");
is(sql($ledger), qq{first|1|t|3|\nslow|1|f||saved segment "mine" does not exist\nIt is at character 1 of the segment.\nlast|1|t|3|}, 'a list that fails stops no other');
is(sql("SELECT list, last_outcome, next_run < now() FROM leadflow.schedule_status ORDER BY list"),
	qq{first|3 added, 0 removed, 0 kept|f\nlast|3 added, 0 removed, 0 kept|f\nslow|failed (attempt 1): saved segment "mine" does not exist|t},
	'schedule_status tells');
sql("CALL leadflow.run_due()");
is(sql("SELECT attempts FROM leadflow.refresh_run WHERE error IS NOT NULL"), 1, 'it is not tried again at once');
sql("DO \$\$ DECLARE at timestamptz := (SELECT max(as_of) FROM leadflow.refresh_run) + interval '5 minutes'; BEGIN CALL leadflow.run_due(at); END \$\$");
is(sql("SELECT attempts FROM leadflow.refresh_run WHERE error IS NOT NULL"), 2, 'but after a pause');
sql(q{SELECT leadflow.save_segment('mine', 'everyone')});
sql("DO \$\$ DECLARE at timestamptz := (SELECT max(as_of) FROM leadflow.refresh_run) + interval '10 minutes'; BEGIN CALL leadflow.run_due(at); END \$\$");
is(sql($ledger), "first|1|t|3|\nslow|3|t|3|\nlast|1|t|3|", 'then it succeeds on the same row');
is(sql($broken), '', 'nothing is broken after failures');

# ---- leadflow.list_timeout ------------------------------------------------------------

fresh();
sql("UPDATE pace SET seconds = 60");
sql("SET leadflow.list_timeout = '1s'; CALL leadflow.run_due()");
is(sql($ledger), "first|1|t|3|\nslow|1|f||refresh took longer than leadflow.list_timeout (1000 ms)\nlast|1|t|3|",
	'a list that takes too long fails alone');
is(sql("SET leadflow.list_timeout = '10s'; CALL leadflow.run_due(); SELECT pg_sleep(0.1)"), '', 'no timeout is left behind');

# ---- a cancel ends the tick, the next one resumes -----------------------------------

fresh();
sql("UPDATE pace SET seconds = 60");
my $tick = $node->background_psql('postgres', on_error_stop => 0);
$tick->query_until(qr/start/, "\\echo start\nSET application_name = 'tick'; CALL leadflow.run_due();\n");
wait_until($sleeping);
is(sql($ledger), "first|1|t|3|", 'what is done is committed while the tick goes on');
is(sql("CALL leadflow.run_due()"), '', 'a second tick leaves alone what the first is at');
is(sql($ledger), "first|1|t|3|\nlast|1|t|3|", 'and does what is left');
sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'tick'");
wait_until("NOT $sleeping");
$tick->quit;
is(sql($ledger), "first|1|t|3|\nlast|1|t|3|", 'a cancel is no failure of the list');
sql("UPDATE pace SET seconds = 0; CALL leadflow.run_due()");
is(sql($ledger), "first|1|t|3|\nlast|1|t|3|\nslow|1|t|1|", 'the next tick does the rest');
is(sql($broken), '', 'nothing is broken after a cancel');

# ---- so does a crash --------------------------------------------------------------------

fresh();
sql("UPDATE pace SET seconds = 60");
$tick = $node->background_psql('postgres', on_error_stop => 0);
$tick->query_until(qr/start/, "\\echo start\nSET application_name = 'tick'; CALL leadflow.run_due();\n");
wait_until($sleeping);
my $pid = sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'tick'");
kill 'KILL', $pid;
eval { $tick->quit };
wait_until("NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
is(sql($ledger), "first|1|t|3|", 'a crash leaves what was committed');
sql("UPDATE pace SET seconds = 0; CALL leadflow.run_due()");
is(sql($ledger), "first|1|t|3|\nslow|1|t|1|\nlast|1|t|3|", 'and the next tick does the rest');
is(sql($broken), '', 'nothing is broken after a crash');

# ---- a list that somebody changes while the tick is on its way ------------------------

fresh();
my $blocker = $node->background_psql('postgres');
$blocker->query_safe("BEGIN; LOCK pace");
$tick = $node->background_psql('postgres', on_error_stop => 0);
$tick->query_until(qr/start/, "\\echo start\nCALL leadflow.run_due();\n");
wait_until("EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')");
sql("SELECT leadflow.add_to_list('last', '{2}'::leadflow.leadset)");
$blocker->query_safe("ROLLBACK");
$tick->query_safe("SELECT 1");
is(sql($ledger), "first|1|t|3|\nslow|1|t|1|\nlast|1|t|2|", 'is refreshed as of that change');

# ---- a failure that is noted after another tick has succeeded --------------------------

fresh();
sql(q{UPDATE leadflow.list SET segment = 'segment(''nowhere'')' WHERE name = 'first';
	CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END';
	CREATE TRIGGER wait BEFORE INSERT ON leadflow.refresh_run FOR EACH ROW WHEN (NEW.error IS NOT NULL) EXECUTE FUNCTION wait()});
$blocker->query_safe("SELECT pg_advisory_lock(1)");
$tick->query_until(qr/start/, "\\echo start\nCALL leadflow.run_due();\n");
wait_until("EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')");
sql("UPDATE leadflow.list SET segment = 'everyone' WHERE name = 'first'; CALL leadflow.run_due()");
$blocker->query_safe("SELECT pg_advisory_unlock(1)");
$tick->query_safe("SELECT 1");
is(sql($ledger), "first|1|t|3|\nslow|1|t|1|\nlast|1|t|3|", 'does not make the run a failed one');
is(sql($broken), '', 'nothing is broken by two ticks');
$_->quit for $tick, $blocker;
sql("DROP TRIGGER wait ON leadflow.refresh_run");

# ---- reminders -------------------------------------------------------------------------

sql("UPDATE leadflow.schedule SET enabled = (kind = 'due_tomorrow'), created_at = '2000-01-01';
	UPDATE leadflow.list SET created_at = '2000-01-01';
	UPDATE leadflow.member SET due_on = '2100-01-02' WHERE lead_id = 1");
my ($rc, $out, $err) = $node->psql('postgres', "LISTEN leadflow; CALL leadflow.run_due('2100-01-01 09:00');\nSELECT 1;");
my @payloads = $out =~ /notification "leadflow" with payload "(.*"reminder".*)" received/g;
is(scalar @payloads, 1, 'a reminder is announced once');
like($payloads[0], qr/"members": 3.*"reminder": "対応期限通知"/, 'with how many it is about');
($rc, $out, $err) = $node->psql('postgres', "LISTEN leadflow; CALL leadflow.run_due('2100-01-01 09:05');\nSELECT 1;");
unlike($out, qr/notification/, 'and not again');

# ---- the same number of statements, whatever the size -----------------------------------

sub statements
{
	my ($list) = @_;
	sql("SELECT pg_stat_statements_reset()");
	sql("SET pg_stat_statements.track = 'all'; SELECT leadflow.refresh_list('$list')");
	# the checks of foreign keys are of the server's making
	return sql("SELECT sum(calls) FROM pg_stat_statements WHERE NOT toplevel AND query NOT LIKE '%FOR KEY SHARE OF x'");
}
sql(q{INSERT INTO leadflow.lead (created_at) SELECT '2000-01-01' FROM generate_series(1, 10000);
	SELECT leadflow.create_list('three', 'lead(lead_id <= 3)'), leadflow.create_list('ten thousand', 'lead(lead_id >= 1)')});
my $statements = statements('three');
cmp_ok($statements, '>', 5, 'statements are counted');
is(statements('ten thousand'), $statements, 'three leads take as many statements as ten thousand');
is(sql("SELECT count(*) FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id) WHERE l.name = 'ten thousand'"), 10003, 'which came');

# ---- without pg_cron ---------------------------------------------------------------------

like(refused("SELECT leadflow.schedule_jobs()"),
	qr/pg_cron is not loaded.*SELECT cron\.schedule_in_database\('leadflow postgres', '\*\/5 \* \* \* \*', 'CALL leadflow\.run_due\(\)', 'postgres', username => '\w+'\);/s,
	'schedule_jobs says what to run');
like(refused("SELECT leadflow.unschedule_jobs()"), qr/SELECT cron\.unschedule\('leadflow postgres'\);/, 'so does unschedule_jobs');

$node->stop;
done_testing();
