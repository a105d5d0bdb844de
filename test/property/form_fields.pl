# Random documents and random conditions on the fields of their form, held against a
# second opinion on which leads they are for; the same conditions by label, where there
# are labels, and as the plain SQL of to_sql(); and what the view of the records shows.
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
use SegmentGenerator qw(one_of chance);
use Test::More;
use Time::Local qw(timegm);

my $seed = $ENV{SEED} // int(rand(2**31));
my $cases = $ENV{CASES} || 500;
my $leads = 60;
srand($seed);
note "SEED=$seed CASES=$cases";

# Asia/Tokyo has no summer time: local time is nine hours ahead.
my $zone = 9 * 3600;
my $as_of = '2026-06-15 03:00:00Z';
my $today = days_of('2026-06-15');

my %field = (
	kind => { label => '種別', type => 'radio', choices => { tel => '電話', mail => 'メール', visit => 'visit' } },
	rank => { label => 'ランク', type => 'select', choices => { a => '上', b => "it's", c => 'c' } },
	media => { label => '媒体', type => 'multiselect', choices => { web => 'ウェブ', tv => 'テレビ', mail => '郵便' } },
	free => { label => 'free', type => 'multiselect' },
	budget => { label => '予算', type => 'number' },
	seats => { label => 'seats', type => 'integer' },
	due => { label => '期日', type => 'date' },
	met => { label => '面談', type => 'timestamp' },
	done => { label => '済', type => 'checkbox' },
	memo => { label => 'メモ', type => 'text' });
my @names = sort keys %field;

sub quoted { my ($text, $quote) = @_; $text =~ s/$quote/$quote$quote/g; return "$quote$text$quote"; }

my $form = join '; ', map {
	my $field = $field{$_};
	my $choices = $field->{choices};
	"$_ " . quoted($field->{label}, '"') . " $field->{type}"
	  . ($choices ? '(' . join(', ', map { quoted($_, "'") . ' ' . quoted($choices->{$_}, '"') } sort keys %$choices) . ')' : '')
} @names;

# ---- values: [ what JSON has, what it is read as ], undef for what is not of the type ---------

sub days_of { my ($y, $m, $d) = $_[0] =~ /^(\d+)-(\d+)-(\d+)$/; return timegm(0, 0, 0, $d, $m - 1, $y) / 86400; }
sub date_of { my ($s, $m, $h, $d, $mo, $y) = gmtime($_[0] * 86400); return sprintf('%04d-%02d-%02d', $y + 1900, $mo + 1, $d); }

# a local time, as seconds of UTC
sub time_of { my ($date, $h, $m) = @_; return days_of($date) * 86400 + $h * 3600 + $m * 60 - $zone; }

my @dates = map { date_of($today + $_) } -40, -31, -30, -29, -7, -1, 0, 1, 2, 7, 30;
my @texts = ('x', 'X%', 'a_b', "it's", '日本', 'ｘ', '', '7');
my @numbers = (0, 1, -1, 5, 99.5, 100, '100.0', '-0.25');

sub random_value
{
	my $field = shift;
	my $type = $field->{type};
	if ($type eq 'radio' || $type eq 'select') { my $key = one_of(sort keys %{ $field->{choices} }); return [ json_string($key), $key ]; }
	if ($type eq 'multiselect')
	{
		my @chosen = grep { chance(0.4) } $field->{choices} ? sort keys %{ $field->{choices} } : @texts;
		return [ '[' . join(', ', map { json_string($_) } @chosen) . ']', \@chosen ];
	}
	if ($type eq 'number') { my $number = one_of(@numbers); return [ $number, $number ]; }
	if ($type eq 'integer') { my $number = one_of(0, 3, '5.0', -2); return [ $number, $number ]; }
	if ($type eq 'date') { my $date = one_of(@dates); return [ qq("$date"), days_of($date) ]; }
	if ($type eq 'checkbox') { my $is = chance(0.5); return [ $is ? 'true' : 'false', $is ]; }
	if ($type eq 'text') { my $text = one_of(@texts); return [ json_string($text), $text ]; }
	my ($date, $h, $m) = (one_of(@dates), one_of(0, 8, 9, 23), one_of(0, 30, 59));
	my $clock = sprintf('%s%s%02d:%02d', $date, one_of(' ', 'T'), $h, $m);
	return [ qq("$clock"), time_of($date, $h, $m) ] if chance(0.6);
	my $hours = one_of(-5, 0, 9);
	return [ sprintf('"%s%s%02d:00"', $clock, $hours < 0 ? '-' : '+', abs $hours), time_of($date, $h, $m) + $zone - $hours * 3600 ];
}

sub json_string { my $text = shift; $text =~ s/(["\\])/\\$1/g; return qq("$text"); }

# What stands under no form: mostly of another type. A text is whatever stands there.
sub stray_value
{
	my $field = shift;
	my ($json, $text) = @{ one_of([ '"7"', '7' ], [ '7', '7' ], [ 'true', 'true' ], [ '[1]', '[1]' ], [ '"2026-02-30"', '2026-02-30' ], [ 'null', undef ], [ '{}', '{}' ]) };
	my $type = $field->{type};
	return [ $json, $text ] if $type =~ /^(text|radio|select)$/;
	return [ $json, 7 ] if $json eq '7' && $type =~ /^(number|integer)$/;
	return [ $json, 1 ] if $json eq 'true' && $type eq 'checkbox';
	return [ $json, undef ];
}

my (@activities, $copy);
foreach my $lead (1 .. $leads)
{
	foreach (1 .. rand 4)
	{
		my $stray = chance(0.2);
		my %value = map { $_ => $stray ? stray_value($field{$_}) : random_value($field{$_}) } grep { chance(0.7) } @names;
		push @activities, { lead => $lead, map { $_ => $value{$_}[1] } keys %value };
		$copy .= "$lead\t" . ($stray ? 0 : 2) . "\t{" . join(', ', map { qq("$_": $value{$_}[0]) } keys %value) . "}\n";
	}
}

# ---- conditions: [ text by names, text by labels, does it hold for a record ] -----------------

sub compare
{
	my ($op, $a, $b) = @_;
	return { '=' => $a == $b, '<>' => $a != $b, '<' => $a < $b, '<=' => $a <= $b, '>' => $a > $b, '>=' => $a >= $b }->{$op};
}

sub name_of { my $name = shift; return $name eq 'free' || $name eq 'done' ? $name : one_of($name, qq("$name")); }

# a field and what follows it, and what that says of the value, none of it being null
sub condition
{
	my ($name, $test, $labelled, $holds) = @_;
	my $label = quoted($field{$name}{label}, '"');
	return [ name_of($name) . " $test", "$label $labelled", sub { my $value = shift->{$name}; return defined $value && $holds->($value); } ];
}

sub choice_condition
{
	my $name = shift;
	my $choices = $field{$name}{choices};
	my @keys = grep { chance(0.5) } sort keys %$choices;
	@keys = (one_of(sort keys %$choices)) if !@keys;
	my ($by_key, $by_label) = map { my $what = $_; join ', ', map { quoted($what ? $choices->{$_} : $_, "'") } @keys } 0, 1;
	return @keys == 1 && chance(0.7) ? do {
		my $op = one_of('=', '<>');
		condition($name, "$op $by_key", "$op $by_label", sub { ($_[0] eq $keys[0]) == ($op eq '=') })
	} : do {
		my $not = chance(0.4) ? 'not ' : '';
		condition($name, "${not}in ($by_key)", "${not}in ($by_label)", sub { my $value = shift; (grep { $_ eq $value } @keys) ? !$not : $not })
	};
}

sub random_condition
{
	my $name = one_of(@names);
	my $type = $field{$name}{type};
	my $not = chance(0.3) ? 'not ' : '';
	my $op = one_of('=', '<>', '<', '<=', '>', '>=');
	my $same = sub { my ($test, $holds) = @_; return condition($name, $test, $test, $holds); };

	if (chance(0.15))
	{
		my $condition = $same->("is ${not}null", sub { 1 });
		$condition->[2] = sub { return defined $_[0]{$name} ? $not : !$not };
		return $condition;
	}
	return choice_condition($name) if $type eq 'radio' || $type eq 'select';
	if ($type eq 'multiselect')
	{
		my $choices = $field{$name}{choices};
		my $key = $choices ? one_of(sort keys %$choices) : one_of(@texts);
		if (chance(0.25))
		{
			my $condition = $same->("is ${not}empty", sub { });
			$condition->[2] = sub { my $value = shift->{$name}; return $not ? $value && @$value : !$value || !@$value; };
			return $condition;
		}
		return condition($name, "${not}contains " . quoted($key, "'"), "${not}contains " . quoted($choices ? $choices->{$key} : $key, "'"),
			sub { my $value = shift; (grep { $_ eq $key } @$value) ? !$not : $not });
	}
	if ($type eq 'number' || $type eq 'integer')
	{
		my $number = one_of(@numbers);
		return $same->("$op $number", sub { compare($op, $_[0], $number) }) if chance(0.7);
		my ($low, $high) = (one_of(@numbers), one_of(@numbers));
		return $same->("${not}between $low and $high", sub { $_[0] >= $low && $_[0] <= $high ? !$not : $not });
	}
	if ($type eq 'checkbox')
	{
		my $is = chance(0.5);
		return $same->('', sub { $_[0] }) if chance(0.4);
		return $same->(($not ? '<> ' : '= ') . ($is ? 'true' : 'false'), sub { (!!$_[0] eq !!$is) ? !$not : $not });
	}
	if ($type eq 'text')
	{
		my $text = one_of(grep { $_ ne '' } @texts);
		my $literal = quoted($text, "'");
		return $same->(one_of('=', '<>') eq '=' ? ("= $literal", sub { $_[0] eq $text }) : ("<> $literal", sub { $_[0] ne $text })) if chance(0.5);
		return $same->("${not}contains $literal", sub { index(lc $_[0], lc $text) >= 0 ? !$not : $not });
	}
	# days: of a date, or of the local time of an instant
	my $day = sub { my $value = shift; return $type eq 'date' ? $value : int(($value + $zone) / 86400); };
	if ($type eq 'timestamp' && chance(0.3))
	{
		my ($date, $h, $m) = (one_of(@dates), one_of(0, 9), one_of(0, 30));
		my $at = time_of($date, $h, $m);
		return $same->(sprintf("%s '%s %02d:%02d'", $op, $date, $h, $m), sub { compare($op, $_[0], $at) });
	}
	if (chance(0.5))
	{
		my $date = one_of(@dates);
		return $same->("$op '$date'", sub { compare($op, $day->($_[0]), days_of($date)) });
	}
	my $n = one_of(0, 1, 7, 29, 30, 31);
	return $same->("within $n days", sub { my $d = $day->($_[0]); $d >= $today - $n && $d <= $today }) if chance(0.5);
	return $same->("at least $n days ago", sub { $day->($_[0]) <= $today - $n });
}

sub random_row
{
	my $depth = shift;
	return random_condition() if $depth == 0 || chance(0.3);
	if (chance(0.25))
	{
		my $row = random_row($depth - 1);
		return [ "not ($row->[0])", "not ($row->[1])", sub { !$row->[2]->(@_) } ];
	}
	my ($a, $b) = (random_row($depth - 1), random_row($depth - 1));
	return chance(0.5)
	  ? [ "($a->[0] and $b->[0])", "($a->[1] and $b->[1])", sub { $a->[2]->(@_) && $b->[2]->(@_) } ]
	  : [ "($a->[0] or $b->[0])", "($a->[1] or $b->[1])", sub { $a->[2]->(@_) || $b->[2]->(@_) } ];
}

sub escaped { my $text = shift; $text =~ s/\\/\\\\/g; return $text; }

my $trials = '';
my $some = 0;
foreach my $id (1 .. $cases)
{
	my $row = random_row(2);
	my %holds = map { $_->{lead} => 1 } grep { $row->[2]->($_) } @activities;
	$some++ if %holds && keys %holds < $leads;
	$trials .= join("\t", $id, map({ escaped($_) } "activity($row->[0])", "活動履歴($row->[1])"), '{' . join(',', sort { $a <=> $b } keys %holds) . '}') . "\n";
}
cmp_ok($some, '>', $cases / 3, 'conditions that some leads satisfy and others do not');

# ---- the trials ------------------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('form_fields');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "timezone = 'America/St_Johns'\nclient_min_messages = warning");
$node->start;
sub sql { return decode_utf8($node->safe_psql('postgres', encode_utf8(shift))); }

sql("CREATE EXTENSION leadflow; CALL leadflow.install('Asia/Tokyo')");
sql('DELETE FROM leadflow.saved_segment; UPDATE leadflow.list SET cadence = NULL, segment = NULL');
sql("SELECT leadflow.set_form('activity', " . quoted("acted_on date; $form", "'") . ')');
sql("INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, $leads) AS n");
sql("COPY leadflow.activity (lead_id, form_version, fields) FROM stdin;\n" . escaped($copy) . "\\.\n");
sql("CREATE TABLE trial (id int, named text, labelled text, expected leadflow.leadset);\nCOPY trial FROM stdin;\n$trials\\.\n");
sql(<<'SQL');
CREATE FUNCTION by_sql(segment leadflow.segment, as_of timestamptz) RETURNS leadflow.leadset LANGUAGE plpgsql AS $$
DECLARE
    result leadflow.leadset;
BEGIN
    EXECUTE format('SELECT leadflow.leadset_agg(lead_id) FROM (%s) AS s', leadflow.to_sql(segment)) INTO result USING as_of, 'Asia/Tokyo'::text;
    RETURN result;
END
$$;
SQL
is(sql(<<"SQL"), '', 'every condition is for the leads it should be for, by names, by labels and in SQL');
SELECT id, named, labelled, expected, by_name, by_label, by_sql
  FROM (SELECT *, leadflow.evaluate(named::leadflow.segment, '$as_of') AS by_name, leadflow.evaluate(labelled::leadflow.segment, '$as_of') AS by_label, by_sql(named::leadflow.segment, '$as_of') FROM trial) AS t
 WHERE by_name::text <> expected::text OR by_label::text <> expected::text OR by_sql::text <> expected::text
 ORDER BY length(named) LIMIT 3
SQL

# what is saved is by names, and means the same
sql("SELECT leadflow.save_segment('trial ' || id, labelled::leadflow.segment) FROM trial WHERE id <= 200");
is(sql(<<'SQL'), '', 'what is saved by labels is the same by names');
SELECT t.id, t.labelled, s.segment FROM trial AS t JOIN leadflow.saved_segment AS s ON s.name = 'trial ' || t.id
 WHERE s.segment::text <> t.named::leadflow.segment::text LIMIT 3
SQL

# the view reads documents as segments do
is(sql(<<'SQL'), '', 'the view shows what the documents hold');
SELECT a.activity_id, a.fields FROM leadflow.activity AS a JOIN leadflow.activity_view AS v USING (lead_id, activity_id)
 WHERE v.kind IS DISTINCT FROM a.fields ->> 'kind' OR v.memo IS DISTINCT FROM a.fields ->> 'memo'
    OR v.budget IS DISTINCT FROM CASE WHEN jsonb_typeof(a.fields -> 'budget') = 'number' THEN (a.fields ->> 'budget')::numeric END
    OR v.done IS DISTINCT FROM CASE WHEN jsonb_typeof(a.fields -> 'done') = 'boolean' THEN (a.fields ->> 'done')::boolean END
    OR to_jsonb(v.free) IS DISTINCT FROM CASE WHEN a.fields -> 'free' <> '[1]' AND jsonb_typeof(a.fields -> 'free') = 'array' THEN a.fields -> 'free' END
    OR v.kind_label IS DISTINCT FROM CASE a.fields ->> 'kind' WHEN 'tel' THEN '電話' WHEN 'mail' THEN 'メール' ELSE a.fields ->> 'kind' END
SQL

$node->stop;
done_testing();
