# On a hot standby one can ask; what would write says that it cannot.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', q{CREATE EXTENSION leadflow;
	CALL leadflow.install('Asia/Tokyo');
	INSERT INTO leadflow.lead (created_at) SELECT '2000-01-01' FROM generate_series(1, 3);
	SELECT leadflow.create_list('some', 'lead(lead_id <= 2)', 'hourly');
	SELECT leadflow.refresh_list('some');
	UPDATE leadflow.list SET created_at = '2000-01-01';
	UPDATE leadflow.schedule SET created_at = '2000-01-01'});
$primary->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

sub sql
{
	return $standby->safe_psql('postgres', $_[0]);
}

is(sql("SELECT leadflow.evaluate('list(''some'') and not segment(''hot'')')"), '{1,2}', 'evaluate');
like(sql("SELECT leadflow.to_sql('segment(''hot'')')"), qr/^select/i, 'to_sql');
is(sql("SELECT count(*) FROM leadflow.check_segment('visits')"), 1, 'check_segment');
is(sql("SELECT last_outcome FROM leadflow.schedule_status WHERE list = 'some'"), '2 added, 0 removed, 0 kept', 'schedule_status');
is(sql("SELECT count(*) FROM leadflow.due_lists(now())"), 4, 'due_lists');

is(sql("SELECT outcome FROM leadflow.preview_mail('初回のご挨拶', 1, 'some')"), 'no_address', 'preview_mail');

my ($rc, $out, $err) = $standby->psql('postgres', 'CALL leadflow.run_due()');
is("$rc$out$err", '0', 'the tick does nothing, quietly');

for my $call ("refresh_list('some')", "refresh_list('some', dry_run => true)", "add_to_list('some', '{3}'::leadflow.leadset)",
	"remove_from_list('some', '{1}'::leadflow.leadset)", "close_list('some')", "create_list('new')", "save_segment('new', 'everyone')",
	"queue_mail('some', '初回のご挨拶')", "claim_notifications()", "ack('{1}')", "save_template('new', 'a', 'b')")
{
	($rc, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT leadflow.$call");
	like($err, qr/ERROR:  25006: cannot (execute|acquire)/, $call);
}
($rc, $out, $err) = $standby->psql('postgres', 'CALL leadflow.install()');
like($err, qr/cannot execute .* in a read-only transaction|cannot .* during recovery/, 'install');

# once promoted, it goes on with what is due
$standby->promote;
sql('CALL leadflow.run_due()');
is(sql("SELECT count(*) FROM leadflow.due_lists(now())"), 0, 'promoted, the tick does its work');

$standby->stop;
$primary->stop;
done_testing();
