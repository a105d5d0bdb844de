# Notices as they are written and delivered: what wakes a worker, what a failing reminder
# leaves to others, and a week of ticks, two at a time, on a server that is killed again and
# again.
use strict;
use warnings;

use IPC::Run;
use LeadflowTest;
use Test::More;
use Time::HiRes 'sleep';

my $calm = node('calm');
my $shaken = node('shaken', restart_after_crash => 'on');
database($_, 'postgres') foreach $calm, $shaken;

sub sql
{
    my ($node, $sql) = @_;
    return $node->safe_psql('postgres', $sql);
}

# ---- what is announced --------------------------------------------------------------

sub announced
{
    my ($sql) = @_;
    my ($status, $out) = $calm->psql('postgres', "LISTEN leadflow;\n$sql;\nSELECT 1;");
    return join("\n", sort $out =~ /notification "leadflow" with payload "(.*)" received/g);
}

my $insert = "INSERT INTO leadflow.notification (kind, address, channel, dedup_key) SELECT 'a', 'b', channel, key FROM (VALUES ('mail', 'x'), ('slack', 'y'), ('mail', 'z')) AS n (channel, key) ON CONFLICT (dedup_key) DO NOTHING";
is(announced($insert), qq({"queued" : "mail"}\n{"queued" : "slack"}), 'a worker is woken once for what is new on its channel');
is(announced($insert), '', 'and not by what was there');
is(announced("BEGIN;\n" . ($insert =~ s/'x'|'y'|'z'/NULL/gr) . ";\nROLLBACK"), '', 'nor by what never comes');
sql($calm, "UPDATE leadflow.notification SET state = 'dead' WHERE channel = 'slack'");
is(announced("SELECT leadflow.retry_dead()"), '{"queued" : "slack"}', 'but by what comes back');
sql($calm, "DELETE FROM leadflow.notification");

# ---- a reminder that fails ------------------------------------------------------------

# 2099-01-08 is a Thursday.
sql($calm, q{
    SELECT leadflow.create_list('once');
    UPDATE leadflow.list SET created_at = '2099-01-01', cadence = NULL;
    UPDATE leadflow.schedule SET created_at = '2099-01-01';
    UPDATE leadflow.schedule SET template = '初回のご挨拶' WHERE kind = 'contact_today';
    UPDATE leadflow.template SET body = 'without {{meaning}}' WHERE name = '対応期限通知'});
my $errors = q{SELECT kind, error FROM leadflow.schedule WHERE error IS NOT NULL ORDER BY kind};
my $done = q{SELECT kind, count(*) FROM leadflow.schedule_run AS r JOIN leadflow.schedule AS s ON s.name = r.schedule GROUP BY kind ORDER BY kind};
sql($calm, "CALL leadflow.run_due('2099-01-08 09:00+09')") for 1 .. 2;
is(sql($calm, $errors), <<'EOT' =~ s/\n\z//r, 'a reminder that fails says why');
contact_today|template "初回のご挨拶" is of kind lead, not members
due_tomorrow|a template of kind members has no field "meaning"
It is at character 11 of the body of template "対応期限通知".
A field is written as {{list.name}}.
EOT
is(sql($calm, $done), 'not_followed_up|4', 'and stops no other');
sql($calm, q{UPDATE leadflow.schedule SET template = '再アプローチ通知' WHERE kind = 'contact_today';
    SELECT leadflow.save_template('対応期限通知', 'a', '{{members}}')});
sql($calm, "CALL leadflow.run_due('2099-01-08 23:00+09')");
is(sql($calm, $errors), '', 'mended, it fails no more');
is(sql($calm, $done), "contact_today|4\ndue_tomorrow|4\nnot_followed_up|4", 'and is caught up the same day');

# ---- a week ----------------------------------------------------------------------------

sub prepare
{
    my ($node, $database) = @_;
    database($node, $database);
    $node->safe_psql($database, q{
        INSERT INTO leadflow.rep (rep_id, name, email) VALUES (1, 'boss', 'boss@us.example');
        INSERT INTO leadflow.rep (rep_id, name, manager_id) SELECT n, 'rep ' || n, 1 FROM generate_series(2, 5) AS n;
        INSERT INTO leadflow.lead (lead_id, company, created_at) SELECT n, 'company ' || n, '2000-01-01' FROM generate_series(1, 300) AS n;
        DELETE FROM leadflow.list WHERE name = '掘り起こしリードリスト';
        UPDATE leadflow.list SET segment = 'lead(lead_id <= 200)', due_after = '2 days';
        SELECT leadflow.create_list('new york', 'lead(lead_id > 150)', 'daily at 07:00', mode => 'mirror', zone => 'America/New_York', due_after => '1 day');
        UPDATE leadflow.list SET created_at = '2099-01-01', owner = 'owner';
        UPDATE leadflow.schedule SET created_at = '2099-01-01'});
}

# What people do before each tick; done twice, it is done once.
sub work
{
    my ($n) = @_;
    return qq{
        UPDATE leadflow.member SET rep_id = 2 + lead_id % 5 WHERE rep_id IS NULL AND lead_id % 5 < 4;
        UPDATE leadflow.member SET state = 'in_progress', next_contact_on = due_on - 1 WHERE lead_id % 31 = $n AND state = 'not_started';
        UPDATE leadflow.lead SET do_not_contact = true WHERE lead_id = 100 + $n};
}

# Monday to Saturday; New York's mornings are here in the evening.
my @ticks = map { my $day = $_; map { sprintf "2099-01-%02d %02d:01+09", $day, $_ } 7, 8, 9, 17, 23 } 5 .. 10;
my $written = q{SELECT n.kind, l.name, n.rep_id, n.role, n.subject, n.payload ->> 'leads', md5(n.body), n.expires_at, n.dedup_key, n.state
  FROM leadflow.notification AS n JOIN leadflow.list AS l USING (list_id) ORDER BY n.dedup_key COLLATE "C"};

prepare($calm, 'week');
$calm->safe_psql('week', work($_) . qq{;\nCALL leadflow.run_due('$ticks[$_]')}) foreach 0 .. $#ticks;
my $expected = $calm->safe_psql('week', $written);
my $counts = $calm->safe_psql('week', 'SELECT kind, count(*) FROM leadflow.notification GROUP BY kind ORDER BY kind');
like($counts, qr/^contact_today\|\d+\ndue_tomorrow\|\d+\nlist_shared\|3\nnone_left\|3\nnot_followed_up\|\d+$/, 'a week has notices of every kind') or diag($counts);
is($calm->safe_psql('week', 'SELECT count(*) FROM leadflow.schedule WHERE error IS NOT NULL'), 0, 'no reminder fails');
# of each reminder, a lead of a list is in one notice a day, but for the manager's
is($calm->safe_psql('week', q{SELECT count(*) FROM (SELECT FROM leadflow.notification AS n, leadflow.unnest((payload ->> 'leads')::leadflow.leadset) AS u (id)
    WHERE rep_id IS DISTINCT FROM 1 GROUP BY n.kind, n.list_id, n.payload ->> 'day', u.id HAVING count(*) > 1) AS doubled}), 0, 'nobody is told twice');

seed();
prepare($shaken, 'week');
my $kills = 0;
foreach my $n (0 .. $#ticks)
{
    my $shaking = $kills < 5 && rand() < 0.3;
    $shaken->safe_psql('week', work($n));
    while (1)
    {
        my (@pids, @runs);
        my $checkpointer = $shaken->safe_psql('week', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
        foreach my $i (0, 1)
        {
            my ($in, $out, $err) = ("SELECT pg_backend_pid();\n", '', '');
            my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $shaken->connstr('week') ], \$in, \$out, \$err, IPC::Run::timeout(60));
            $run->pump until $out =~ /\n/;
            push @pids, $out =~ /(\d+)/;
            push @runs, [ $run, \$in ];
        }
        foreach my $run (@runs)
        {
            ${ $run->[1] } = "CALL leadflow.run_due('$ticks[$n]');\n";
            $run->[0]->pump_nb while length ${ $run->[1] };
        }
        sleep rand(0.15) if $shaking;
        my $killed = $shaking && kill 'KILL', $pids[ int rand 2 ];
        $_->[0]->finish foreach @runs;
        $kills++ if $killed;
        $shaking = 0;
        last unless $killed;
        # a server that comes back has a new one
        $shaken->poll_query_until('week', "SELECT pid <> $checkpointer FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
            or die 'the server does not come back';
    }
}
is($shaken->safe_psql('week', $written), $expected, "$kills kills and two ticks at once change nothing");
cmp_ok($kills, '>', 0, 'there were kills');

# ---- workers that die --------------------------------------------------------------------

# A worker claims, delivers by writing that down, and acknowledges.
sub worker
{
    my ($lease, $before, $after) = @_;
    my @steps = (
        "CREATE TEMP TABLE claimed AS SELECT notification_id FROM leadflow.claim_notifications(15, '$lease')",
        $before,
        'INSERT INTO delivered SELECT notification_id FROM claimed',
        $after,
        'SELECT leadflow.ack(ARRAY(SELECT notification_id FROM claimed))');
    my ($out, $err) = ('', '');
    return IPC::Run::start([ 'psql', '-XAtq', '-d', $shaken->connstr('week'), map { ('-c', $_) } @steps ],
        '>', \$out, '2>', \$err, IPC::Run::timeout(60));
}

$shaken->safe_psql('week', 'CREATE TABLE delivered (notification_id bigint)');
foreach my $dying ([ 'SELECT pg_sleep(60)', '' ], [ '', 'SELECT pg_sleep(60)' ])
{
    my $worker = worker('1 hour', @$dying);
    $shaken->poll_query_until('week', "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')");
    $shaken->safe_psql('week', "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    $worker->finish;
}
is($shaken->safe_psql('week', "SELECT state, attempts, count(*) FROM leadflow.notification WHERE attempts > 0 GROUP BY 1, 2"), 'claimed|1|30', 'two workers die');
$shaken->safe_psql('week', "UPDATE leadflow.notification SET claimed_until = now() WHERE state = 'claimed'");
while ($shaken->safe_psql('week', "SELECT count(*) FROM leadflow.notification WHERE state <> 'sent'") > 0)
{
    $_->finish foreach map { worker('1 minute', '', '') } 1 .. 3;
}
is($shaken->safe_psql('week', q{SELECT count(*) FROM leadflow.notification AS n WHERE NOT EXISTS (SELECT FROM delivered AS d WHERE d.notification_id = n.notification_id)}),
    0, 'and nothing is lost');
is($shaken->safe_psql('week', q{SELECT attempts, times, count(*) FROM (SELECT attempts, count(*) AS times FROM delivered JOIN leadflow.notification USING (notification_id) GROUP BY notification_id, attempts) AS d
    WHERE attempts > 1 OR times > 1 GROUP BY 1, 2 ORDER BY 1, 2}),
    "2|1|15\n2|2|15", 'nor delivered twice, but what was when its worker died');

$_->stop foreach $calm, $shaken;
done_testing();
