# Callers at the same time: each lead goes to one of them, and all leads go.
use strict;
use warnings;

use LeadflowTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = node('callers');
my $callers = 8;
my $leads = 400;

database($node, 'postgres');
$node->safe_psql('postgres', "INSERT INTO leadflow.rep (rep_id, name) SELECT n, 'rep ' || n FROM generate_series(1, $callers) AS n;
	INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, $leads) AS n;
	INSERT INTO leadflow.list (list_id, name, segment) VALUES (900, 'calls', 'everyone');
	SELECT leadflow.refresh_list('calls');
	CREATE TABLE public.call (lead_id bigint, rep_id bigint);");

# A caller takes a lead, and has called it when the transaction ends.
my $script = $node->basedir . '/call.sql';
append_to_file($script, <<'SQL');
\set rep :client_id + 1
BEGIN;
INSERT INTO public.call SELECT n.lead_id, :rep FROM leadflow.next_lead('calls', :rep) AS n;
INSERT INTO leadflow.activity (lead_id, list_id, rep_id, fields)
SELECT c.lead_id, 900, :rep, jsonb_build_object('acted_on', leadflow.local_date(now(), 'Asia/Tokyo'))
  FROM public.call AS c WHERE c.rep_id = :rep ORDER BY c.ctid DESC LIMIT 1;
COMMIT;
SQL

# meanwhile the list is refreshed and distributed
my $tick = $node->basedir . '/tick.sql';
append_to_file($tick, "SELECT leadflow.refresh_list('calls');\nSELECT count(*) FROM leadflow.distribute('calls', 'even', segment => 'lead(lead_id > 300)');\n");

my @at = ('-h', $node->host, '-p', $node->port, '-n');
my $busy = IPC::Run::start([ 'pgbench', @at, '-c', 1, '-t', 30, '-f', $tick, 'postgres' ], '>', '/dev/null', '2>', '/dev/null');
$node->command_ok([ 'pgbench', @at, '-c', $callers, '-j', 4, '-t', 2 * $leads / $callers, '-f', $script, 'postgres' ], 'callers call');
ok(IPC::Run::finish($busy), 'while the list is refreshed and distributed');

is($node->safe_psql('postgres', 'SELECT count(*) - count(DISTINCT lead_id) FROM public.call'), 0, 'no lead goes to two callers');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT lead_id) FROM public.call'), $leads, 'and all leads go');
is($node->safe_psql('postgres', 'SELECT count(*) FROM public.call AS c JOIN leadflow.member AS m USING (lead_id) WHERE m.rep_id <> c.rep_id'), 0, 'each to the rep who has it');
is($node->safe_psql('postgres', 'SELECT count(*) FROM leadflow.assignment'), $leads, 'and each is logged once');
my ($some) = $node->safe_psql('postgres', "SELECT count(*) FROM leadflow.assignment WHERE strategy = 'next_lead'");
cmp_ok($some, '>', 0, 'some from the queue');

$node->stop;
done_testing();
