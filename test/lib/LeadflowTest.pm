# What the TAP and property tests share. PostgreSQL::Test::Cluster does the rest.
package LeadflowTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use Test::More;

our @EXPORT = qw(has_pg_cron node database seed);

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

1;
