# What the types read, against what they never expected: first all of corpus/,
# then random mutations of it.
#
# Whatever comes, a type reads it or refuses it with one of the errors it is
# documented to raise; what it reads, it writes in a way that it reads as the
# same; and nothing is left in memory. The connection is never lost.
#
# corpus/TYPE/accepted and corpus/TYPE/refused hold an input a file, those for
# leadset_bytes in hexadecimal. What a run reports goes there once it is mended.
# SEED=n repeats a run, FUZZ=n makes so many mutations.
use strict;
use warnings;

use Cwd 'abs_path';
use File::Basename qw(basename dirname);
use LeadflowTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = seed();
my $mutations = $ENV{FUZZ} // 6_000;
my $batch = 1000;

# SQLSTATEs with which each refuses: syntax, range, size, depth
my %refusals = (
	segment => [qw(42601 22023 22003 54000 54001)],
	form => [qw(42601 22003 54000 54001)],
	cadence => [qw(22P02 22023)],
	leadset => [qw(22P02 22003 54000)],
	leadset_bytes => [qw(22P03 54000)]);
my @targets = sort keys %refusals;

# 22021: bytes that are no text in the database's encoding, or not in UTF-8 when they must be
push @{ $refusals{$_} }, '22021' foreach grep { $_ ne 'leadset_bytes' } @targets;

# ---- the corpus ------------------------------------------------------------------------

my %corpus;
foreach my $target (@targets)
{
	foreach my $kind ('accepted', 'refused')
	{
		foreach my $file (sort glob(dirname(abs_path(__FILE__)) . "/corpus/$target/$kind/*.txt"))
		{
			my $bytes = slurp_file($file);
			if ($target eq 'leadset_bytes')
			{
				$bytes =~ s/#.*//g;
				$bytes = pack('H*', $bytes =~ s/\s+//gr);
			}
			push @{ $corpus{$target} }, { name => "$target/$kind/" . basename($file), target => $target, kind => $kind, bytes => $bytes };
		}
	}
}

# ---- mutations ---------------------------------------------------------------------------

sub one_of { return $_[ rand @_ ]; }
sub chance { return rand() < shift; }

sub tokens { return shift =~ /'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_\x80-\xff][\w\x80-\xff]*|[0-9.]+|\s+|./gs; }

my %tokens = map { my $target = $_; $target => [ map { tokens($_->{bytes}) } @{ $corpus{$target} } ] } @targets;

my @nasty = (
	"\0", "\xff", "\xe3\x81", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xef\xbb\xbf", "\xe3\x80\x80", "\xc2\xa0", "\xf0\x9f\xa6\x8a", 'x' x 64, "'", '"', "''", '""', '/*', '*/', '--', "\n", "\\", '%s', '%n', ':x', '$1', ';', '(', ')', '{', '}',
	'0', '-0', '00', '007', '1e9', '.5', '5.', '-1', '2147483648', '4294967296', '9223372036854775807', '9223372036854775808', '-9223372036854775809', '9' x 400, '9' x 1001, '0.' . '1' x 200, 'NaN', 'infinity', '0-9223372036854775807', '0-99999999',
	'not', 'and', 'or', 'null', 'true', "'\\('", "'(a|b)*\\1'", "'[[:alpha:]'", "'{'", "'%\\'");

# Its full-width twin, as an IME types it.
sub widened { my $sign = ord shift; return pack('C3', 0xef, 0xbc + ($sign >= 0x60 ? 1 : 0), ($sign >= 0x60 ? $sign - 0x60 : $sign - 0x20) + 0x80); }

my @anywhere = (
	sub { my $text = shift; substr($text, rand length $text, 1) = chr(rand 256) if length $text; return $text; },
	sub { my $text = shift; substr($text, rand length $text, 1) ^= chr(1 << rand 8) if length $text; return $text; },
	sub { my $text = shift; substr($text, rand(1 + length $text), 0) = join('', map { chr(rand 256) } 0 .. rand 4); return $text; },
	sub { my $text = shift; my $from = int(rand(1 + length $text)); substr($text, $from, rand 12) = ''; return $text; },
	sub { my $text = shift; return substr($text, 0, rand(1 + length $text)); },
	sub { my $text = shift; my $from = rand(1 + length $text); my $part = substr($text, $from, rand 40); substr($text, rand(1 + length $text), 0) = $part; return $text; },
	sub { my ($text, $target) = @_; my $other = one_of(@{ $corpus{$target} })->{bytes}; return substr($text, 0, rand(1 + length $text)) . substr($other, rand(1 + length $other)); });

my @in_text = (
	sub { my ($text, $target) = @_; my @t = tokens($text); splice @t, rand(1 + @t), 0, ' ', one_of(@{ $tokens{$target} }), ' '; return join('', @t); },
	sub { my ($text, $target) = @_; my @t = tokens($text); $t[ rand @t ] = one_of(@{ $tokens{$target} }) if @t; return join('', @t); },
	sub { my ($text, $target) = @_; my @t = tokens($text); splice @t, rand(1 + @t), chance(0.5), one_of(@nasty); return join('', @t); },
	sub { my @t = tokens(shift); splice @t, rand @t, 1 + rand 3 if @t; return join('', @t); },
	sub { my @t = tokens(shift); @t[ $_, $_ + 1 ] = @t[ $_ + 1, $_ ] foreach map { int rand(@t - 1) } grep { @t > 1 } 0 .. rand 3; return join('', @t); },
	sub { my $text = shift; $text =~ s/([!-~])/chance(0.2) ? widened($1) : $1/ge; return $text; },
	sub { my $text = shift; return chance(0.5) ? uc $text : lc $text; },
	# far too deep, or far too long
	sub { my $text = shift; my $n = one_of(1, 2, 100, 3000); my ($open, $close) = @{ one_of([ '(', ')' ], [ 'not (', ')' ], [ '/*', '*/' ], [ 'not ', '' ], [ '{', '}' ]) }; return ($open x $n) . $text . ($close x ($n - int rand 2)); },
	sub { my ($text, $target) = @_; my $n = one_of(2, 20, 1100); return length $text > 400 ? $text : join(one_of(' and ', ' or ', '; ', ', ', ',', ' '), ($text) x $n); });

# Numbers of two, four or eight bytes, at places where there might be some.
sub other_number
{
	my $bytes = shift;
	my $size = one_of(2, 2, 2, 4, 8);
	my $at = 2 * int(rand(length($bytes) / 2));
	return $bytes if $at + $size > length $bytes;
	my $old = unpack($size == 2 ? 'v' : $size == 4 ? 'V' : 'Q<', substr($bytes, $at, $size));
	my $new = one_of(0, 1, 2, $old ^ 1, $old ^ 0x8000, 0xffff, 0x10000, 4096, 4097, 12346, 12347, 0x7fffffff, 0x80000000, 0xffffffff);
	substr($bytes, $at, $size) = $size == 2 ? pack('v', $new & 0xffff) : $size == 4 ? pack('V', $new & 0xffffffff) : pack('Q<', $new);
	return $bytes;
}
my @in_bytes = (
	(\&other_number) x 6,
	sub { my $bytes = shift; my $from = 2 * int(rand(length($bytes) / 2)); substr($bytes, $from, one_of(2, 4, 8)) = '' if length $bytes > 8; return $bytes; },
	sub { my $bytes = shift; my $from = 2 * int(rand(length($bytes) / 2)); my $part = substr($bytes, $from, one_of(2, 4, 8, 26)); substr($bytes, 2 * int(rand(length($bytes) / 2)), 0) = $part; return $bytes; });

sub mutated
{
	my $target = shift;
	my $bytes = one_of(@{ $corpus{$target} })->{bytes};
	my @ways = $target eq 'leadset_bytes' ? (@anywhere, @in_bytes) : (@anywhere, @in_text, @in_text);

	do { $bytes = one_of(@ways)->($bytes, $target); } while (chance(0.5));
	# a set of some hundred megabytes takes seconds, and tells nothing that one of a few does not
	return mutated($target) if $target eq 'leadset' && grep { $_ > 1e9 && $_ < 2e12 } map { /(\d+)\D+(\d+)/ ? $2 - $1 : () } $bytes =~ /(?=\b(\d+\s*-\s*\d+))/g;
	return substr($bytes, 0, 100_000);
}

# ---- trying them ------------------------------------------------------------------------------

my $node = node('fuzz', fsync => 'off', max_stack_depth => '1MB', restart_after_crash => 'on');
$node->safe_psql('postgres', q{CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'});
my @databases = ('postgres', 'bytes');
foreach my $database (@databases)
{
	$node->safe_psql($database, <<'SQL');
CREATE EXTENSION leadflow;
CREATE TABLE trial (id int PRIMARY KEY, target text, bytes bytea);
-- "accepted", the SQLSTATE and the message of a refusal, or what is wrong
CREATE FUNCTION outcome(target text, bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    input text;
    once text;
    twice text;
BEGIN
    IF target <> 'leadset_bytes' THEN
        input := convert_from(bytes, getdatabaseencoding());
    END IF;
    CASE target
        WHEN 'segment' THEN
            once := input::leadflow.segment;
            twice := once::leadflow.segment;
        WHEN 'form' THEN
            once := input::leadflow.form;
            twice := once::leadflow.form;
        WHEN 'cadence' THEN
            once := input::leadflow.cadence;
            twice := once::leadflow.cadence;
        WHEN 'leadset' THEN
            once := input::leadflow.leadset;
            twice := once::leadflow.leadset;
        WHEN 'leadset_bytes' THEN
            once := bytes::leadflow.leadset::bytea;
            twice := once::bytea::leadflow.leadset::bytea;
            -- all of it can be read, and its text says the same
            IF length(bytes::leadflow.leadset::text) < 1000000 AND bytes::leadflow.leadset::text::leadflow.leadset::bytea::text <> once THEN
                RETURN 'its text is another set';
            END IF;
    END CASE;
    RETURN CASE WHEN once = twice THEN 'accepted' ELSE format('is read as another: %s', once) END;
EXCEPTION
    WHEN OTHERS THEN
        RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SQL
}

sub shown { my $input = shift; return "$input->{name}: " . ($input->{target} eq 'leadset_bytes' ? unpack('H*', $input->{bytes}) : $input->{bytes} =~ s/([^ -~])/sprintf('\\x%02x', ord $1)/ger); }

# Statements that fill the table "trial" with inputs, by way of a file.
my $file = $node->basedir . '/trial.copy';
sub fill
{
	my @inputs = @_;
	open(my $out, '>', $file) or die "$file: $!";
	print $out map { "$_\t$inputs[$_]{target}\t\\\\x" . unpack('H*', $inputs[$_]{bytes}) . "\n" } 0 .. $#inputs;
	close $out;
	return "TRUNCATE trial; COPY trial FROM '$file';\n";
}

# The outcome of each input, in order; nothing where the connection was lost.
sub outcomes
{
	my ($database, @inputs) = @_;
	my ($status, $out, $error) = $node->psql($database, fill(@inputs) . q{SELECT regexp_replace(left(outcome(target, bytes), 300), '\s+', ' ', 'g') FROM trial ORDER BY id});
	die $error if $status != 0 && $error !~ /server closed the connection|connection to server was lost/;
	return $status == 0 ? split(/\n/, $out) : ();
}

# What is not as it should be, among the outcomes of inputs.
sub wrong
{
	my ($database, @inputs) = @_;
	my @outcomes = outcomes($database, @inputs);

	if (@outcomes != @inputs)
	{
		return shown($inputs[0]) . ' LOSES THE CONNECTION' if @inputs == 1;
		$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
		my $half = int(@inputs / 2);
		return (wrong($database, @inputs[ 0 .. $half - 1 ]), wrong($database, @inputs[ $half .. $#inputs ]));
	}
	return map {
		my ($input, $outcome) = ($inputs[$_], $outcomes[$_]);
		my $expected = grep { $outcome =~ /^$_ / } @{ $refusals{ $input->{target} } };
		$expected ||= $outcome eq 'accepted';
		$expected &&= ($outcome eq 'accepted') == ($input->{kind} eq 'accepted') if defined $input->{kind};
		$expected ? () : shown($input) . " => $outcome"
	} 0 .. $#inputs;
}

sub nothing_wrong
{
	my ($what, @wrong) = @_;
	is(scalar(@wrong), 0, "$what (SEED=$seed)") or diag(join("\n", map { substr($_, 0, 2000) } @wrong[ 0 .. ($#wrong < 9 ? $#wrong : 9) ]));
	return;
}

my @corpus = map { @{ $corpus{$_} } } @targets;
nothing_wrong(scalar(@corpus) . ' inputs of the corpus', wrong('postgres', @corpus));
nothing_wrong('the same as bytes without an encoding', wrong('bytes', map { { %$_, kind => undef } } @corpus));

my @wrong;
my @last;
my %count;
for (my $done = 0; $done < $mutations; $done += $batch)
{
	@last = map { my $target = $targets[ $_ % @targets ]; { name => "mutation", target => $target, bytes => mutated($target) } } 1 .. $batch;
	push @wrong, wrong($databases[ $done / $batch % 5 == 4 ], @last);
}
nothing_wrong("$mutations mutations", @wrong);

# ---- memory ------------------------------------------------------------------------------------

# The same over and over in one session: PostgreSQL's memory and the process's stay what they are.
my $round = q{SELECT count(outcome(target, bytes)) FROM trial \g /dev/null} . "\n";
my $measure = q{SELECT sum(used_bytes), (regexp_match(pg_read_file('/proc/self/status'), 'VmRSS:\s+(\d+)'))[1] FROM pg_backend_memory_contexts;} . "\n";
my $out = $node->safe_psql('postgres', fill(@last) . ($round x 3) . $measure . ($round x 5) . $measure);
my ($used, $resident, $used_later, $resident_later) = $out =~ /\d+/g;
diag("used $used $used_later resident $resident $resident_later");
cmp_ok($used_later - $used, '<', 64 * 1024, 'the memory contexts do not grow');
cmp_ok($resident_later - $resident, '<', 2 * 1024, 'nor does the process, in kB');

unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|TRAP|Sanitizer|runtime error/, 'nothing crashed');
$node->stop;
done_testing();
