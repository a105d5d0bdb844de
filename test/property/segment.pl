# Random segments, written in random ways: what they are kept as is what a
# second opinion on the canonical text says. Then broken ones.
#
# SEED=n repeats a run, CASES=n sets its length.
use strict;
use warnings;
use utf8;
use Encode qw(encode_utf8 decode_utf8);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SegmentGenerator qw(one_of chance random_tree canonical written mutated);
use Test::More;

my $seed = $ENV{SEED} // int(rand(2**31));
my $cases = $ENV{CASES} // 10000;
srand($seed);
note "SEED=$seed CASES=$cases";

my $node = PostgreSQL::Test::Cluster->new('segment');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION leadflow;
CREATE TABLE trial (id int PRIMARY KEY, written text, canonical text, mutated text);
-- what a text is kept as, or the SQLSTATE with which it is refused
CREATE FUNCTION kept(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN $1::leadflow.segment;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SQL

# ---- trees without a meaning ----------------------------------------------------

my @names = ('visit', 'lead', 'a', 'b_2', 'pages', 'トラッキング', '申込', 'é', '🦊', 'ー', 'ａｂ', 'grade', 'score', '_',
	'Visit', 'two words', 'say "x"', "it's", '2nd', '項目１', '（', 'a.b', '--', '/*', "line\nbreak", '\\', '%', 'x' x 100,
	qw(and or not no one everyone count distinct first last max sum in is within today null true where by the between ago));
my %sources = map { $_ => { fields => { map { one_of(@names) => 'any' } 0 .. 5 } } } @names;

sub random_string { return join('', map { one_of('', 'x', 'abc', "'", '"', '\\', '--', '/*', '（', '％', '%', '$1', "\n", '🦊', '日本', ' ', ';', 'not') } 0 .. rand 5); }

sub random_number
{
	my $number = one_of(0, 1, 15, int(rand 1000), '123456789012345678901234567890', '0.5', '3.25', '10', '100');
	return $number ne '0' && chance(0.3) ? "-$number" : $number;
}

sub random_value { return one_of([ 'number', random_number() ], [ 'string', random_string() ], [ 'boolean', one_of('true', 'false') ]); }

sub any_test
{
	my ($type, $place) = @_;
	my @not = chance(0.4) ? (not => 1) : ();
	my $t = one_of(('compare') x 6, 'in', 'in', 'between', 'between ago', 'contains', 'starts with', 'ends with', 'like', 'matches',
		'within', 'within', 'within the next', 'ago', 'at least', 'more than', 'at most', 'less than', 'period', $place eq 'row' ? ('null', 'null', 'empty') : ());
	my @window = (n => int(rand 100), unit => one_of('minute', 'hour', 'day', 'week', 'month', 'year'));

	return { t => $t, op => one_of('=', '<>', '<', '<=', '>', '>=', 'before', 'after'), values => [ random_value() ] } if $t eq 'compare';
	return { t => $t, @not, values => [ map { random_value() } 0 .. rand 4 ] } if $t eq 'in';
	return { t => $t, @not, values => [ random_value(), random_value() ] } if $t eq 'between';
	return { t => $t, @not } if $t eq 'null' || $t eq 'empty';
	return { t => $t, @not, values => [ [ 'string', random_string() ] ] } if $t =~ /^(contains|starts with|ends with|like|matches)$/;
	return { t => $t, @not, @window, m => $window[1] + int rand 10 } if $t eq 'between ago';
	return { t => $t, n => one_of(-1, 0, 1), unit => one_of('day', 'week', 'month', 'quarter', 'year') } if $t eq 'period';
	return { t => $t, @window, unit => one_of('day', 'week', 'month', 'year') } if $t eq 'ago';
	return { t => $t, @window };
}

my %vocabulary = (
	all => 1, sources => \%sources, test => \&any_test,
	named => sub {
		return { k => 'named', source => one_of('list', 'segment', 'score', 'リスト', 'two words', 'in'), name => random_string(),
			(chance(0.4) ? (test => any_test('any', 'value')) : ()) };
	});

sub copy_escaped { my $text = shift; $text =~ s/([\\\n\r\t])/{ "\\" => '\\\\', "\n" => '\n', "\r" => '\r', "\t" => '\t' }->{$1}/ge; return $text; }

my $rows = '';
foreach my $id (1 .. $cases)
{
	my $tree = random_tree(\%vocabulary);
	my $written = written($tree);

	$rows .= join("\t", $id, map { copy_escaped($_) } $written, canonical($tree), mutated($written)) . "\n";
}
$node->safe_psql('postgres', encode_utf8("COPY trial FROM STDIN;\n$rows\\.\n"));

# Each lists the trials that break a law: none may.
sub holds
{
	my ($law, $broken) = @_;
	is(decode_utf8($node->safe_psql('postgres', "SELECT * FROM ($broken) AS broken ORDER BY length(broken::text) LIMIT 3")), '', "$law (SEED=$seed)");
	return;
}

cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT canonical) FROM trial'), '>', $cases / 2, 'the segments differ');
holds('what is written is kept as its canonical text', 'SELECT written, canonical, kept(written) FROM trial WHERE kept(written) IS DISTINCT FROM canonical');
holds('out(in(out)) is out', 'SELECT canonical, kept(canonical) FROM trial WHERE kept(canonical) <> canonical');
holds('equal is what is kept alike, and hashes alike', <<'SQL');
SELECT a.canonical, b.canonical FROM trial AS a JOIN trial AS b ON b.id = a.id % 97 + 1
 WHERE (a.canonical::leadflow.segment OPERATOR(leadflow.=) b.written::leadflow.segment) <> (a.canonical = b.canonical)
    OR leadflow.segment_hash(a.canonical::leadflow.segment) <> leadflow.segment_hash(a.written::leadflow.segment)
SQL
holds('operators and compose parenthesize', <<'SQL');
SELECT a.canonical, b.canonical
  FROM trial AS a JOIN trial AS b ON b.id = a.id % 89 + 1, LATERAL (SELECT a.written::leadflow.segment AS x, b.written::leadflow.segment AS y) AS s
 WHERE (x OPERATOR(leadflow.&) y)::text <> format('(%s) and (%s)', x, y)::leadflow.segment::text
    OR (x OPERATOR(leadflow.|) y)::text <> format('(%s) or (%s)', x, y)::leadflow.segment::text
    OR (OPERATOR(leadflow.!) x)::text <> format('not (%s)', x)::leadflow.segment::text
    OR leadflow.compose('not (1 and (2 or 1)) or 2', x, y)::text <> format('not ((%s) and ((%s) or (%s))) or (%s)', x, y, x, y)::leadflow.segment::text
SQL

# ---- broken text: read or refused, never worse ----------------------------------------

my $refused = decode_utf8($node->safe_psql('postgres', <<'SQL'));
CREATE TABLE outcome AS SELECT mutated, kept(mutated) AS kept FROM trial;
SELECT count(*) FROM outcome WHERE kept ~ '^42601: ';
SQL
cmp_ok($refused, '>', $cases / 4, 'many of the broken texts are refused');
cmp_ok($refused, '<', $cases, 'and some are not broken');
holds('a broken text is refused as one', q{SELECT mutated, kept FROM outcome WHERE kept ~ '^[0-9A-Z]{5}: ' AND kept !~ '^(42601|22023|22003|54000|54001): '});
holds('and what is read is stable', q{SELECT kept, kept(kept) FROM outcome WHERE kept !~ '^[0-9A-Z]{5}: ' AND kept(kept) <> kept});

# ---- the binary form --------------------------------------------------------------------

my $file = $node->basedir . '/segment.copy';
$node->safe_psql('postgres', "COPY (SELECT id, written::leadflow.segment FROM trial) TO '$file' (FORMAT binary)");
$node->safe_psql('postgres', "CREATE TABLE copy (id int, segment leadflow.segment); COPY copy FROM '$file' (FORMAT binary)");
holds('recv(send(x)) = x', 'SELECT canonical, segment FROM trial FULL JOIN copy USING (id) WHERE canonical IS DISTINCT FROM segment::text');
foreach my $case (
	[ "\x02lead", qr/unsupported binary version 2 of type segment/ ],
	[ "\x01lead and", qr/invalid input syntax for type segment: "lead and"/ ],
	[ "\x01lead\0", qr/invalid byte sequence/ ],
	[ "\x01\xe7\x94", qr/invalid byte sequence/ ],
	[ "\x01", qr/invalid input syntax for type segment: ""/ ],
	[ '', qr/no data left in message/ ])
{
	my ($bytes, $expected) = @$case;
	open(my $out, '>:raw', $file) or die "$file: $!";
	print $out "PGCOPY\n\xff\r\n\0", pack('N N', 0, 0), pack('n N N N/a*', 2, 4, 1, $bytes), pack('n', 0xffff);
	close $out;
	my (undef, undef, $stderr) = $node->psql('postgres', "COPY copy FROM '$file' (FORMAT binary)");
	like($stderr, $expected, 'recv refuses');
}

unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
