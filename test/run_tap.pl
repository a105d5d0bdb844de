# Usage: perl test/run_tap.pl COUNTS FILE...
#
# Runs TAP tests, Perl or pgTAP, and writes "passed failed" into the file COUNTS.
# It is what prove does; prove gives its counts only in prose.
use strict;
use warnings;

use TAP::Harness;

my ($counts, @files) = @ARGV;

$| = 1;

my $harness = TAP::Harness->new(
    {   verbosity => 0,
        jobs      => 2,
        timer     => 1,
        sources   => { grep(/\.sql$/, @files) ? (pgTAP => { dbname => 'pgtap', suffix => '.sql' }) : (), Perl => {} },
    });
my $results = $harness->runtests(@files);

# A file that dies or breaks its plan has failed, even if every assertion it
# came to has passed.
my $broken = grep { $_->has_problems && !$_->failed } $results->parsers;

# The servers' logs go away with the folder: show the end of what may explain it.
if (defined $ENV{TESTLOGDIR})
{
    foreach my $file ($results->descriptions)
    {
        my ($parser) = $results->parsers($file);
        (my $name = $file) =~ s{.*/|\.pl$}{}g;
        my $log = "$ENV{TESTLOGDIR}/regress_log_$name";
        next unless $parser->has_problems && open my $fh, '<', $log;
        my @lines = <$fh>;
        splice @lines, 0, @lines - 40 if @lines > 40;
        print "---- the end of regress_log_$name\n", @lines, "----\n";
    }
}

open my $fh, '>', $counts or die "$counts: $!";
printf $fh "%d %d\n", scalar($results->passed), scalar($results->failed) + $broken;
close $fh;
