# What the TAP and property tests share. PostgreSQL::Test::Cluster does the rest.
package LeadflowTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes 'sleep';

our @EXPORT = qw(has_pg_cron node database seed tick_twice);

# Whether the PostgreSQL under test has pg_cron to preload.
sub has_pg_cron
{
    chomp(my $folder = `pg_config --pkglibdir`);
    return -e "$folder/pg_cron.so";
}

# A started cluster of its own, with the given settings: node('cron', 'cron.database_name' => 'x').
# Its time zone is none of those the tests speak of, so that forgetting one shows.
sub node
{
    my ($name, %settings) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);
    $node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
    $settings{timezone} //= 'America/St_Johns';
    $node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") foreach sort keys %settings;
    $node->start;
    return $node;
}

# A database with leadflow installed in it; creates it unless it is postgres.
sub database
{
    my ($node, $name, $zone) = @_;
    $zone //= 'Asia/Tokyo';
    $node->safe_psql('postgres', qq{CREATE DATABASE "$name"}) unless $name eq 'postgres';
    $node->safe_psql($name, "CREATE EXTENSION leadflow");
    $node->safe_psql($name, "CALL leadflow.install('$zone')");
    return $name;
}

# Starts the random numbers of a test, and says from where: SEED=… repeats a run.
sub seed
{
    my $seed = $ENV{SEED} // int(rand(2**31));
    srand($seed);
    diag("SEED=$seed $0");
    return $seed;
}

# Two ticks at once; with a pause, one of them is killed that many seconds after they began, and
# the server with it. True if so.
sub tick_twice
{
    my ($node, $database, $at, $pause) = @_;
    my $checkpointer = $node->safe_psql($database, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
    my (@pids, @runs);
    foreach (1, 2)
    {
        my ($in, $out, $err) = ("SELECT pg_backend_pid();\n", '', '');
        my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database) ], \$in, \$out, \$err, IPC::Run::timeout(60));
        $run->pump until $out =~ /\n/;
        push @pids, $out =~ /(\d+)/;
        push @runs, [ $run, \$in ];
    }
    foreach my $run (@runs)
    {
        ${ $run->[1] } = "CALL leadflow.run_due('$at');\n";
        $run->[0]->pump_nb while length ${ $run->[1] };
    }
    sleep $pause if defined $pause;
    my $killed = defined $pause && kill 'KILL', $pids[ int rand 2 ];
    $_->[0]->finish foreach @runs;

    # a server that comes back has a new one
    !$killed || $node->poll_query_until($database, "SELECT pid <> $checkpointer FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
        or die 'the server does not come back';
    return $killed;
}

1;
