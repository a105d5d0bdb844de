# What a declaration of columns leaves open: a NOT NULL that old records or the records of
# children break, and columns whose values no trigger sees. Most of it came with PostgreSQL 18.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../lib";
use LeadflowTest;
use Test::More;

my $node = node('columns');
my $db = database($node, 'crm');
my $at = q{timestamptz '2020-03-12 08:00+09'};
my $records = q{(1, '2020-02-20', 2), (2, NULL, 2), (3, '2020-02-21', NULL), (4, NULL, NULL), (5, '2020-03-01', 1)};

sub sql
{
    my ($sql) = @_;
    return $node->safe_psql($db, "SET client_min_messages = warning; $sql");
}

# The leads of a segment, by what is kept and by the records, each once.
sub leads
{
    my ($segment) = @_;
    my %found = map { $_ => 1 }
        split /\n/, sql(join('', map { "SET leadflow.use_rollups = $_; SELECT leadflow.evaluate('$segment', $at);" } 'on', 'off'));
    return join(' or ', sort keys %found);
}

sub build { sql("CALL leadflow.build_rollups($at)") }

sql(q{INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, 6) AS n});

# ---- NOT NULL -----------------------------------------------------------------------------------

# The same records, once without a constraint and once under one that some of them break.
sub same_as_without
{
    my ($description, $declare) = @_;
    sql("CREATE TABLE plain (lead_id bigint, at timestamptz, n int); INSERT INTO plain VALUES $records; $declare");
    sql("SELECT leadflow.register_source('$_', '$_', time_column => 'at')") foreach 'plain', 'click';
    my @segments = ('%s', '%s(n = 2)', 'not %s(n = 2)', '%s(not n = 2)', 'count(%s where n <= 2) >= 1',
        '%s(n is empty)', '%s(at is empty)', '%s(at within 60 days)', 'max(%s.n) >= 1');
    my $number = 0;
    foreach my $round ('records', 'kept')
    {
        is(leads(sprintf($_, 'click')), leads(sprintf($_, 'plain')), "$description, $round: $_") foreach @segments;
        last if $round eq 'kept';
        sql(join('', map { sprintf("SELECT leadflow.save_segment('%d', '%s');", ++$number, sprintf($_, 'click')) } @segments));
        build();
    }
    sql("DELETE FROM leadflow.saved_segment WHERE name ~ '^[0-9]+\$'; DELETE FROM leadflow.source WHERE name IN ('plain', 'click');"
        . 'DROP TABLE plain; DROP TABLE click CASCADE');
}

# from 18 on children can only be spared from the start, before they dropped what they had inherited
my ($constraint, $dropped) = $node->pg_version < 18 ?
    ('NOT NULL', 'ALTER TABLE part ALTER at DROP NOT NULL, ALTER n DROP NOT NULL;') : ('NOT NULL NO INHERIT', '');
same_as_without('children may break it', "CREATE TABLE click (lead_id bigint, at timestamptz $constraint, n int $constraint);"
        . "CREATE TABLE part () INHERITS (click); $dropped INSERT INTO part VALUES $records");

SKIP:
{
    skip 'NOT NULL NOT VALID and virtual columns came with PostgreSQL 18', 1 if $node->pg_version < 18;

    same_as_without('old records may break it', "CREATE TABLE click (lead_id bigint, at timestamptz, n int); INSERT INTO click VALUES $records;"
            . 'ALTER TABLE click ADD CONSTRAINT c1 NOT NULL at NOT VALID, ADD CONSTRAINT c2 NOT NULL n NOT VALID');

    # ---- virtual columns ------------------------------------------------------------------------

    sql('CREATE TABLE click (who bigint, at timestamptz, pages int, lead_id bigint GENERATED ALWAYS AS (who) VIRTUAL);'
            . "INSERT INTO click VALUES (1, '2020-02-20', 2), (2, '2020-02-21', 2);"
            . "SELECT leadflow.register_source('click', 'click', time_column => 'at');"
            . "SELECT leadflow.save_segment('clicked', 'click(pages >= 2 and at within 60 days)')");
    my $segment = 'click(pages >= 2 and at within 60 days)';
    build();
    is(leads($segment), '{1,2}', 'a virtual column is read');
    is(sql("SELECT DISTINCT waits_for FROM leadflow.rollup_progress WHERE relation = 'click'::regclass"),
        'it has virtual generated columns', 'nothing is kept, and why');
    sql("INSERT INTO click VALUES (3, '2020-02-22', 2); UPDATE click SET pages = 1 WHERE who = 1");
    is(leads($segment), '{2,3}', 'what is written counts');
    sql('ALTER TABLE click ALTER lead_id SET EXPRESSION AS (who + 1)');
    is(leads($segment), '{3,4}', 'and so does another expression');

    sql('ALTER TABLE click DROP lead_id; ALTER TABLE click RENAME who TO lead_id');
    build();
    is(sql("SELECT DISTINCT waits_for IS NULL FROM leadflow.rollup_progress WHERE relation = 'click'::regclass"), 't', 'without it all is kept');
    sql('ALTER TABLE click RENAME pages TO clicks; ALTER TABLE click ADD pages int GENERATED ALWAYS AS (clicks * 2) VIRTUAL');
    is(leads($segment), '{1-3}', 'and no more of it is used with another');
}

done_testing();
