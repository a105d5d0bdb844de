# schedule_jobs() and what it starts: with pg_cron in this database, in another one of
# the cluster, and nowhere.
use strict;
use warnings;

use LeadflowTest;
use PostgreSQL::Test::Utils;
use Test::More;

# The error of a statement: its SQLSTATE and its hint.
sub error_of
{
    my ($node, $database, $sql) = @_;
    my ($status, $out, $err) = $node->psql($database, "\\set VERBOSITY verbose\n$sql");
    my ($sqlstate) = $err =~ /ERROR:  (\w{5}):/;
    my ($hint) = $err =~ /^HINT:  (.*?)(?=\n(?:CONTEXT|LOCATION|STATEMENT|LINE|QUERY):?|\z)/ms;
    return ($sqlstate // "none: $out$err", $hint // "none: $err");
}

# The statement that a hint tells to run.
sub statement_in
{
    my ($hint) = @_;
    my ($call) = $hint =~ /(cron\.schedule_in_database\s*\(.*\))/s;
    return defined $call ? "SELECT $call" : undef;
}

my $tick = 'CALL leadflow.run_due()';

# ---- no pg_cron anywhere --------------------------------------------------------

my $plain = node('plain');
database($plain, 'postgres');
my ($sqlstate, $hint) = error_of($plain, 'postgres', 'SELECT * FROM leadflow.schedule_jobs();');
is($sqlstate, '0A000', 'without pg_cron, schedule_jobs() is not supported');
ok(statement_in($hint), 'and the hint says what to run where pg_cron is') or diag($hint);
$plain->stop;

SKIP:
{
    skip 'pg_cron is not installed', 1 unless has_pg_cron();

    my $node = node('cron',
        shared_preload_libraries => 'pg_cron',
        'cron.database_name' => 'postgres',
        'cron.use_background_workers' => 'on');
    $node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
    database($node, 'postgres');

    my $jobs = sub { $node->safe_psql('postgres', "SELECT count(*) FROM cron.job WHERE command = '$tick'") };

    # ---- pg_cron fires, and the list is filled -------------------------------------

    # Three leads for HOT, and one that each condition keeps out.
    $node->safe_psql('postgres', q{
        INSERT INTO leadflow.lead (external_id, email, competitor, created_at)
        SELECT name, mail, competitor, now() - interval '100 days'
          FROM (VALUES ('in 1', 'a@lead.example', false), ('in 2', 'b@lead.example', false), ('in 3', 'c@lead.example', false),
                       ('no mail', NULL, false), ('competitor', 'd@lead.example', true), ('short visit', 'e@lead.example', false),
                       ('old visit', 'f@lead.example', false), ('never applied', 'g@lead.example', false),
                       ('called', 'h@lead.example', false)) AS l (name, mail, competitor);
        INSERT INTO leadflow.visit (lead_id, visited_at, pages)
        SELECT lead_id, now() - CASE external_id WHEN 'old visit' THEN interval '33 days' ELSE interval '2 days' END,
               CASE external_id WHEN 'short visit' THEN 14 ELSE 15 END
          FROM leadflow.lead;
        INSERT INTO leadflow.application (lead_id, applied_at)
        SELECT lead_id, now() - interval '3 days' FROM leadflow.lead WHERE external_id <> 'never applied';
        INSERT INTO leadflow.activity (lead_id, fields)
        SELECT lead_id, jsonb_build_object('acted_on', current_date - 10, 'kind', '電話', 'result', '継続フォロー')
          FROM leadflow.lead WHERE external_id = 'called';
        -- so that a Monday has passed since the list was made
        UPDATE leadflow.list SET created_at = now() - interval '8 days' WHERE name = 'HOTリードリスト';
    });

    $node->safe_psql('postgres', "SELECT * FROM leadflow.schedule_jobs(every => '* * * * *')");
    is($jobs->(), '1', 'schedule_jobs() makes one job');
    is($node->safe_psql('postgres', "SELECT schedule, database, active FROM cron.job WHERE command = '$tick'"),
        '* * * * *|postgres|t', 'as often as told, here');

    # pg_cron starts its jobs on the minute
    ok($node->poll_query_until('postgres', q{
            SELECT EXISTS (SELECT FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id)
                            WHERE l.name = 'HOTリードリスト' AND r.finished IS NOT NULL) FROM pg_sleep(0.5)}),
        'within minutes, the refresh has finished');
    is($node->safe_psql('postgres', q{
            SELECT string_agg(d.external_id, ', ' ORDER BY d.external_id)
              FROM leadflow.member AS m
              JOIN leadflow.list AS l USING (list_id)
              JOIN leadflow.lead AS d USING (lead_id)
             WHERE l.name = 'HOTリードリスト' AND m.left_at IS NULL}),
        'in 1, in 2, in 3', 'who is hot is on the list');
    is($node->safe_psql('postgres', q{
            SELECT r.added, r.removed, r.error IS NULL, r.attempts, r.due_at <= r.as_of
              FROM leadflow.refresh_run AS r JOIN leadflow.list AS l USING (list_id)
             WHERE l.name = 'HOTリードリスト'}),
        '3|0|t|1|t', 'and the ledger says so, once');
    ok($node->poll_query_until('postgres', qq{
            SELECT EXISTS (SELECT FROM cron.job_run_details WHERE command = '$tick' AND status = 'succeeded') FROM pg_sleep(0.5)}),
        'pg_cron saw the job succeed');
    is($node->safe_psql('postgres', "SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'"), '0', 'and none fail');

    # ---- as often as one likes -----------------------------------------------------

    $node->safe_psql('postgres', 'SELECT * FROM leadflow.schedule_jobs()');
    is($node->safe_psql('postgres', "SELECT string_agg(schedule, ' and ') FROM cron.job WHERE command = '$tick'"),
        '*/5 * * * *', 'schedule_jobs() again changes the one job');
    $node->safe_psql('postgres', 'SELECT * FROM leadflow.unschedule_jobs()');
    is($jobs->(), '0', 'unschedule_jobs() takes it away');
    is(($node->psql('postgres', 'SELECT * FROM leadflow.unschedule_jobs()'))[0], 0, 'and does not mind that there is none');

    # ---- from another database -----------------------------------------------------

    # a name that has to be quoted, wherever it goes
    my $other = q{it's "another"};
    $node->safe_psql('postgres', q{CREATE DATABASE "it's ""another"""});
    my $connection = $node->connstr('postgres') =~ s/dbname=\S+//r . q{ dbname='it\'s "another"'};
    my ($out, $err);
    run_log([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $connection, '-c', 'CREATE EXTENSION leadflow',
            '-c', "CALL leadflow.install('Asia/Tokyo')" ]);
    run_log([ 'psql', '-XAtq', '-d', $connection, '-v', 'VERBOSITY=verbose', '-c', 'SELECT * FROM leadflow.schedule_jobs()' ],
        '>', \$out, '2>', \$err);
    like($err, qr/ERROR:  0A000:/, 'in another database, schedule_jobs() is not supported');
    my ($hint) = $err =~ /^HINT:  (.*?)(?=\n[A-Z]+:|\z)/ms;
    my $statement = statement_in($hint // '');
    ok($statement, 'and the hint says what to run where pg_cron is') or diag($err);

    SKIP:
    {
        skip 'there is no statement', 1 unless $statement;
        $node->safe_psql('postgres', $statement);
        is($node->safe_psql('postgres', "SELECT database FROM cron.job WHERE command = '$tick'"), $other,
            'which works as it stands');
        $node->safe_psql('postgres', $statement);
        is($jobs->(), '1', 'as often as one likes');
    }
    $node->stop;
}

done_testing();
