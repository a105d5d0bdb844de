# Random segments over random records: evaluate() against an evaluator that takes
# the rules of "Meaning" word by word, one lead and one record at a time, and
# shares nothing with the engine but PostgreSQL's knowledge of time zones.
#
# And evaluate_all() against to_sql(), and matches() of one lead against both: many
# more segments, 20,000 in all, together in batches, under settings that make the
# engine get their leads in every way it has.
#
# SEED=n repeats a run, CASES=n sets the segments per round, BATCHED=n those in batches.
use strict;
use warnings;
use utf8;
use Encode qw(encode_utf8 decode_utf8);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SegmentGenerator qw(one_of chance random_tree canonical smaller);
use Test::More;

my $seed = $ENV{SEED} // int(rand(2**31));
my $cases = $ENV{CASES} // 400;
my $batched = $ENV{BATCHED} // 2500;
srand($seed);
note "SEED=$seed CASES=$cases BATCHED=$batched";

my $node = PostgreSQL::Test::Cluster->new('engine');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "fsync = off\nTimeZone = 'Asia/Kathmandu'\nDateStyle = 'SQL, DMY'\njit = off");
$node->start;

sub psql { return decode_utf8($node->safe_psql('postgres', encode_utf8(shift))); }

# One table under four sources: with and without a key and an event time of each type.
psql(<<'SQL');
CREATE EXTENSION leadflow;
CALL leadflow.install('Asia/Tokyo');
CREATE TYPE mood AS ENUM ('sad', 'ok', 'Happy');
CREATE DOMAIN points AS int;
CREATE TABLE probe (id bigint PRIMARY KEY, lead_id bigint, at timestamptz, d date, ts timestamp, tz timestamptz,
    n points, x numeric, t text, b boolean, tags text[], kind mood, rep_id bigint, other interval);
INSERT INTO leadflow.source (name, relation, key_column, time_column, lookups)
SELECT name, 'public.probe', key_column, time_column, '{"rep": {"column": "rep_id", "relation": "leadflow.rep", "key": "rep_id", "name": "name"}}'
  FROM (VALUES ('p', 'id', 'at'), ('q', NULL, 'd'), ('r', 'id', 'ts'), ('s', NULL, NULL)) AS source (name, key_column, time_column);
INSERT INTO leadflow.rep (rep_id, name) VALUES (1, '田中'), (2, 'Abe'), (3, 'abe');

CREATE TABLE clock (as_of timestamptz, zone text);
CREATE TABLE trial (id int PRIMARY KEY, segment text);
-- the leads of a segment, or why there are none to give
CREATE FUNCTION leads_of(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT leadflow.to_array(leadflow.evaluate($1::leadflow.segment, as_of, zone)) FROM clock);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE FUNCTION leads_of(leadflow.segment) RETURNS leadflow.leadset LANGUAGE sql AS
    $$ SELECT leadflow.evaluate($1, as_of, zone) FROM clock $$;
-- what the plain query gives that a segment stands for
CREATE FUNCTION reference_of(leadflow.segment) RETURNS leadflow.leadset LANGUAGE plpgsql AS $$
DECLARE
    leads leadflow.leadset;
BEGIN
    EXECUTE format('SELECT leadflow.leadset_agg(lead_id) FROM (%s) AS q', leadflow.to_sql($1))
       INTO leads USING (SELECT as_of FROM clock), (SELECT zone FROM clock);
    RETURN leads;
END $$;
CREATE TABLE batched (id int PRIMARY KEY, segment leadflow.segment, expected leadflow.leadset);
-- microseconds since 1970, or one of the infinities
CREATE FUNCTION micros(timestamptz) RETURNS text LANGUAGE sql AS
    $$ SELECT CASE WHEN isfinite($1) THEN ((extract(epoch FROM $1) * 1000000)::bigint)::text ELSE $1::text END $$;
CREATE FUNCTION micros(timestamp) RETURNS text LANGUAGE sql AS
    $$ SELECT CASE WHEN isfinite($1) THEN ((extract(epoch FROM $1) * 1000000)::bigint)::text ELSE $1::text END $$;
CREATE FUNCTION days(date) RETURNS text LANGUAGE sql AS
    $$ SELECT CASE WHEN isfinite($1) THEN ($1 - date '1970-01-01')::text ELSE $1::text END $$;
SQL

# ---- the calendar, in days since 1970-01-01 ------------------------------------------

sub leap { my $y = shift; return $y % 4 == 0 && ($y % 100 != 0 || $y % 400 == 0); }
sub month_length { my ($y, $m) = @_; return $m == 2 ? (leap($y) ? 29 : 28) : (31, 0, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[ $m - 1 ]; }

sub to_day
{
	my ($y, $m, $d) = @_;
	my $days = 365 * ($y - 1970) + int(($y - 1969) / 4) - int(($y - 1901) / 100) + int(($y - 1601) / 400);

	$days += month_length($y, $_) foreach 1 .. $m - 1;
	return $days + $d - 1;
}

sub from_day
{
	my $day = shift;
	my ($y, $m) = (1970 + int($day / 366), 1);

	$y++ while to_day($y + 1, 1, 1) <= $day;
	$m++ while $m < 12 && to_day($y, $m + 1, 1) <= $day;
	return ($y, $m, $day - to_day($y, $m, 1) + 1);
}

sub add_months
{
	my ($day, $months) = @_;
	my ($y, $m, $d) = from_day($day);
	my $total = $y * 12 + $m - 1 + $months;

	($y, $m) = (int($total / 12), $total % 12 + 1);
	return to_day($y, $m, $d < month_length($y, $m) ? $d : month_length($y, $m));
}

sub add_units
{
	my ($day, $n, $unit) = @_;
	return $unit eq 'day' ? $day + $n : $unit eq 'week' ? $day + 7 * $n : add_months($day, $unit eq 'year' ? 12 * $n : $n);
}

# The first day of this, the last (-1) or the next (1) period and that of the one after it.
sub period
{
	my ($today, $n, $unit) = @_;
	return ($today + $n, $today + $n + 1) if $unit eq 'day';
	if ($unit eq 'week')
	{
		my $monday = $today - ($today + 3) % 7;    # 1970-01-01 was a Thursday
		return ($monday + 7 * $n, $monday + 7 * ($n + 1));
	}
	my ($y, $m) = from_day($today);
	my $months = { month => 1, quarter => 3, year => 12 }->{$unit};
	my $first = to_day($y, int(($m - 1) / $months) * $months + 1, 1);
	return (add_months($first, $n * $months), add_months($first, ($n + 1) * $months));
}

sub date_text { return sprintf('%04d-%02d-%02d', from_day(shift)); }

# ---- the oracle -------------------------------------------------------------------------
# A record has per field undef or: a number in hundredths, a text, 0 or 1, an
# array of texts; and for times { day, local, instant }, of a date only the day.

my %fields = (
	id => 'number', d => 'date', ts => 'timestamp', tz => 'timestamptz', n => 'number', x => 'number', t => 'text', b => 'boolean',
	tags => 'choices', kind => 'text', rep => 'lookup', other => 'other', at => 'timestamptz');
my %sources = (
	p => { fields => \%fields, key => 'id', time => 'at' },
	q => { fields => \%fields, time => 'd' },
	r => { fields => \%fields, key => 'id', time => 'ts' },
	s => { fields => \%fields },
	lead => { fields => { lead_id => 'number', email => 'text', employees => 'number', competitor => 'boolean', created_at => 'timestamptz', rep => 'lookup' },
		key => 'lead_id', time => 'created_at' });
my %saved;
my %literals;    # a date or time as it is written => { day, local, instant, has_time }
my ($now, $zone, @leads, @records);

my %micros = (minute => 60_000_000, hour => 3_600_000_000);

sub compared
{
	my ($op, $order) = @_;
	return $order == 0 if $op eq '=';
	return $order != 0 if $op eq '<>';
	return $order < 0 if $op eq '<' || $op eq 'before';
	return $order <= 0 if $op eq '<=';
	return $order > 0 if $op eq '>' || $op eq 'after';
	return $order >= 0;
}

# The order of a value and a literal; rule 7 for dates and times.
sub order
{
	my ($value, $literal, $type) = @_;
	my $text = $literal->[1];

	return $value cmp $text if $type eq 'text' || $type eq 'lookup';
	return $value <=> ($text eq 'true' ? 1 : 0) if $type eq 'boolean';
	return $value <=> $text * 100 if $type eq 'number';

	my $time = $literals{$text};
	return $value->{day} <=> $time->{day} if $type eq 'date' || !$time->{has_time};
	return $type eq 'timestamp' ? $value->{local} <=> $time->{local} : $value->{instant} <=> $time->{instant};
}

sub folded { my $text = shift; $text =~ tr/A-Z/a-z/; return $text; }

sub like_regex
{
	my $regex = join('', map { $_ eq '%' ? '.*' : $_ eq '_' ? '.' : quotemeta(/^\\(.)/s ? $1 : $_) } $_[0] =~ /\\.|./gs);
	return qr/\A$regex\z/s;
}

# Rule 6.
sub in_window
{
	my ($value, $test) = @_;
	my ($t, $n, $m, $unit) = @$test{qw(t n m unit)};

	return 0 if abs($value->{day}) == 9**9**9;
	if ($micros{ $unit // '' })
	{
		my ($at, $from) = ($value->{instant}, $now->{instant} - $n * $micros{$unit});

		return $from < $at && $at <= $now->{instant} if $t eq 'within' || $t eq 'less than';
		return $from <= $at && $at <= $now->{instant} if $t eq 'at most';
		return $at <= $from if $t eq 'at least';
		return $at < $from if $t eq 'more than';
		return $now->{instant} - $m * $micros{$unit} <= $at && $at <= $from if $t eq 'between ago';
		return $now->{instant} <= $at && $at < $now->{instant} + $n * $micros{$unit} if $t eq 'within the next';
		die $t;
	}

	my ($d, $today) = ($value->{day}, $now->{day});
	if ($t eq 'period')
	{
		my ($first, $end) = period($today, $n, $unit);
		return $first <= $d && $d < $end;
	}
	my $b = add_units($today, -$n, $unit);

	return $b <= $d && $d <= $today if $t eq 'within' || $t eq 'at most';
	return $d <= $b if $t eq 'at least';
	return $d < $b if $t eq 'more than';
	return $b < $d && $d <= $today if $t eq 'less than';
	return $d == $b if $t eq 'ago';
	return add_units($today, -$m, $unit) <= $d && $d <= $b if $t eq 'between ago';
	return $today <= $d && $d <= add_units($today, $n, $unit) if $t eq 'within the next';
	die $t;
}

# Rule 3: over NULL all is false but "is null" and "is empty".
sub test_holds
{
	my ($value, $type, $test) = @_;
	my ($t, $not) = ($test->{t}, $test->{not} // 0);
	my @literals = @{ $test->{values} // [] };
	my $argument = @literals ? $literals[0][1] : '';
	my $holds;

	return defined $value == $not if $t eq 'null';
	return (defined $value && !($type =~ /text|lookup/ && $value eq '') && !($type eq 'choices' && !@$value)) == $not if $t eq 'empty';
	return 0 if !defined $value;
	return compared($test->{op}, order($value, $literals[0], $type)) if $t eq 'compare';
	if ($t eq 'in')
	{
		$holds = grep { order($value, $_, $type) == 0 } @literals;
	}
	elsif ($t eq 'between')
	{
		$holds = order($value, $literals[0], $type) >= 0 && order($value, $literals[1], $type) <= 0;
	}
	elsif ($t eq 'contains' && $type eq 'choices')
	{
		$holds = grep { $_ eq $argument } @$value;
	}
	elsif ($t eq 'contains')
	{
		$holds = index(folded($value), folded($argument)) >= 0;
	}
	elsif ($t eq 'starts with')
	{
		$holds = folded(substr($value, 0, length $argument)) eq folded($argument);
	}
	elsif ($t eq 'ends with')
	{
		$holds = length $value >= length $argument && folded(substr($value, length($value) - length($argument))) eq folded($argument);
	}
	elsif ($t eq 'like')
	{
		$holds = $value =~ like_regex($argument);
	}
	elsif ($t eq 'matches')
	{
		$holds = $value =~ /$argument/;
	}
	else
	{
		$holds = in_window($value, $test);
	}
	return ($holds ? 1 : 0) != $not;
}

sub row_holds
{
	my ($record, $source, $row) = @_;

	return 1 if !$row;
	return !row_holds($record, $source, $row->{args}[0]) if $row->{k} eq 'not';
	if ($row->{k} ne 'field')
	{
		my $holding = grep { row_holds($record, $source, $_) } @{ $row->{args} };
		return $row->{k} eq 'or' ? $holding > 0 : $holding == @{ $row->{args} };
	}
	return $record->{ $row->{field} } // 0 if !$row->{test};
	return test_holds($record->{ $row->{field} }, $sources{$source}{fields}{ $row->{field} }, $row->{test});
}

# Rule 5: the records of a lead that exist.
sub records_of
{
	my ($lead, $source) = @_;
	my $time = $sources{$source}{time};
	my $kind = $time && { date => 'day', timestamp => 'local', timestamptz => 'instant' }->{ $sources{$source}{fields}{$time} };

	return grep { !$time || !defined $_->{$time} || $_->{$time}{$kind} <= $now->{$kind} }
	  $source eq 'lead' ? $lead : grep { defined $_->{lead_id} && $_->{lead_id} == $lead->{id} } @records;
}

sub first_or_last
{
	my ($node, @found) = @_;
	my ($key, $time) = @{ $sources{ $node->{source} } }{qw(key time)};
	my $kind = { date => 'day', timestamp => 'local', timestamptz => 'instant' }->{ $sources{ $node->{source} }{fields}{$time} };
	my $sign = $node->{fn} eq 'last' ? -1 : 1;

	@found = sort { $sign * ($a->{$time}{$kind} <=> $b->{$time}{$kind}) } grep { defined $_->{$time} } @found;
	@found = grep { $_->{$time}{$kind} == $found[0]{$time}{$kind} } @found;
	@found = (sort { $b->{$key} <=> $a->{$key} } @found)[0] if $key && @found;
	return @found;
}

sub distinct_key { my $value = shift; return ref $value eq 'ARRAY' ? join("\0", '', @$value) : ref $value ? join('|', map { $_ // '' } @$value{qw(day local instant)}) : $value; }

# Rule 4.
sub aggregate_holds
{
	my ($node, @found) = @_;
	my $type = $node->{field} ? $sources{ $node->{source} }{fields}{ $node->{field} } : '';
	my @values = grep { defined } map { $node->{field} ? $_->{ $node->{field} } : 1 } @found;
	my $fn = $node->{fn};

	if ($fn eq 'count')
	{
		my %distinct = map { distinct_key($_) => 1 } @values;
		return test_holds(100 * ($node->{distinct} ? keys %distinct : @values), 'number', $node->{test});
	}
	my $sum = 0;
	if ($fn eq 'sum' || $fn eq 'avg')
	{
		$sum += $_ foreach @values;
		return test_holds($sum, 'number', $node->{test}) if $fn eq 'sum';
		return @values ? test_holds($sum / @values, 'number', $node->{test}) : 0;
	}
	return 0 if !@values;
	my @sorted = sort { ref $a ? ($a->{instant} // $a->{local} // $a->{day}) <=> ($b->{instant} // $b->{local} // $b->{day})
		: $type eq 'number' ? $a <=> $b : $a cmp $b } @values;
	return test_holds($fn eq 'min' ? $sorted[0] : $sorted[-1], $type, $node->{test});
}

sub lead_holds
{
	my ($lead, $node) = @_;
	my $k = $node->{k};

	return !lead_holds($lead, $node->{args}[0]) if $k eq 'not';
	if ($k eq 'and' || $k eq 'or')
	{
		my $holding = grep { lead_holds($lead, $_) } @{ $node->{args} };
		return $k eq 'or' ? $holding > 0 : $holding == @{ $node->{args} };
	}
	return $k eq 'everyone' if $k eq 'everyone' || $k eq 'no one';
	return lead_holds($lead, $saved{ $node->{name} }) if $k eq 'named';

	my @found = grep { row_holds($_, $node->{source}, $node->{where}) } records_of($lead, $node->{source});
	return aggregate_holds($node, @found) if $k eq 'aggregate';
	@found = first_or_last($node, @found) if $k eq 'edge';
	return grep({ row_holds($_, $node->{source}, $node->{row}) } @found) > 0;
}

# Rule 1.
sub universe { return grep { !$_->{gone} && $_->{created_at}{instant} <= $now->{instant} } @leads; }

sub expected
{
	my $tree = shift;
	return '{' . join(',', sort { $a <=> $b } map { $_->{id} } grep { lead_holds($_, $tree) } universe()) . '}';
}

# ---- random tests that bind --------------------------------------------------------------

my @texts = ('', 'abc', 'ABC', 'Abc', 'b', 'a%c', 'a_c', 'a\\c', "it's", '日本', '日本語', 'x--y', '$1', '9', 'ok', 'Happy', 'Abe', 'abe', '田中', 'a@x.jp');
my @regexes = ('^a', 'b+', '[0-9]$', '日本', '^$', 'A|x', "'", '\\\\', 'c$');
my @patterns = ('a%', '%c', 'a_c', '_', '%', '', 'a\\%c', '%\\\\%', '日_', '%本%');

sub random_number { return one_of(0, 0, 1, 2, 3, 5, -1, -2, 10, '0.5', '-0.25', '1.5', '12345678901'); }

sub random_literal
{
	my $type = shift;
	return [ 'boolean', one_of('true', 'false') ] if $type eq 'boolean';
	return chance(0.9) ? [ 'number', random_number() ] : [ 'string', random_number() ] if $type eq 'number';
	return [ 'string', one_of(@texts) ] if $type eq 'text' || $type eq 'lookup';
	return [ 'string', one_of(grep { $type ne 'date' || !$literals{$_}{has_time} } sort keys %literals) ];
}

sub typed_test
{
	my ($type, $place) = @_;
	my @not = chance(0.4) ? (not => 1) : ();
	my $is_time = $type =~ /^(date|timestamp|timestamptz)$/;
	my $is_text = $type eq 'text' || $type eq 'lookup';
	my @kinds = ($place eq 'row' ? ('null', 'empty') : ());

	push @kinds, ('contains') x 3 if $type eq 'choices';
	push @kinds, ('compare') x 4, 'in' if $type !~ /choices|other/;
	push @kinds, 'between' if $type !~ /boolean|choices|other/;
	push @kinds, 'contains', 'starts with', 'ends with', 'like', 'matches' if $is_text;
	push @kinds, ('within') x 3, ('at least') x 2, 'within the next', 'ago', 'more than', 'at most', 'less than', 'between ago', 'period', 'period' if $is_time;

	my $t = one_of(@kinds);
	my @ops = ('=', '<>', $type eq 'boolean' ? () : ('<', '<=', '>', '>='), $is_time ? ('before', 'after') : ());
	my $hours = $is_time && $type ne 'date' && $t ne 'ago' && chance(0.3);
	my $unit = $hours ? one_of('hour', 'minute') : one_of('day', 'day', 'day', 'week', 'month', 'year');
	my @sizes = $unit eq 'day' ? (0, 1, 2, 28, 29, 30, 31, 59, 60, 61) : $hours ? (0, 1, 23, 24, 25, 60, 1440) : (0, 1, 1, 2);
	my ($n, $m) = sort { $a <=> $b } one_of(@sizes), one_of(@sizes);

	return { t => $t, op => one_of(@ops), values => [ random_literal($type) ] } if $t eq 'compare';
	return { t => $t, @not, values => [ map { random_literal($type) } 0 .. rand 3 ] } if $t eq 'in';
	return { t => $t, @not, values => [ random_literal($type), random_literal($type) ] } if $t eq 'between';
	return { t => $t, @not } if $t eq 'null' || $t eq 'empty';
	return { t => $t, @not, values => [ [ 'string', one_of($t eq 'matches' ? @regexes : $t eq 'like' ? @patterns : @texts) ] ] } if $t =~ /^(contains|starts with|ends with|like|matches)$/;
	return { t => $t, n => one_of(-1, 0, 1), unit => one_of('day', 'week', 'month', 'quarter', 'year') } if $t eq 'period';
	return { t => $t, @not, n => $n, m => $m, unit => $unit } if $t eq 'between ago';
	return { t => $t, n => one_of($n, $m), unit => $unit };
}

my %vocabulary = (
	test => \&typed_test,
	sources => { map { $_ => { fields => $sources{$_}{fields}, edges => exists $sources{$_}{time} } } keys %sources },
	named => sub { return %saved ? { k => 'named', source => 'segment', name => one_of(sort keys %saved) } : undef; });

# ---- random records -------------------------------------------------------------------------

sub sql_text { return 'NULL' if !defined $_[0]; my $text = shift; $text =~ s/'/''/g; return "'$text'"; }

# A local time on a day that windows are likely to end on, or at the instant itself.
sub random_local
{
	return 'NULL' if chance(0.12);
	return one_of("'infinity'", "'-infinity'") if chance(0.05);
	my $day = $now->{day} - one_of(-40, -31, -8, -1, -1, 0, 0, 0, 1, 1, 2, 7, 8, 14, 28, 29, 30, 30, 31, 32, 59, 60, 61, 90, 365, 366, 730, int rand 400);
	return "'" . date_text($day) . ' ' . one_of('00:00', '00:00:00.000001', '23:59:59.999999', '12:00', '01:30', '02:30', $now->{time}, $now->{time}) . "'";
}

sub random_time
{
	return one_of("as_of", "as_of + interval '1 microsecond'", "as_of - interval '24 hours'", "as_of - interval '1 hour'") if chance(0.2);
	return '(' . random_local() . '::timestamp AT TIME ZONE zone)';
}

sub random_rows
{
	my @ids = (1 .. 25, 4294967296 .. 4294967300, 9007199254740993, 9223372036854775806);
	my $leads = join(",\n", map { "($_, " . join(', ', sql_text(one_of(undef, @texts)), one_of('NULL', 0, 1, 10), one_of('true', 'false', 'false'),
			chance(0.7) ? "as_of - interval '3 years'" : one_of('as_of', "as_of + interval '1 microsecond'", random_time()), one_of('NULL', 1, 2, 3),
			chance(0.1) ? 'as_of' : 'NULL', chance(0.1) ? 424242 : 'NULL') . ')' } @ids);
	my $records = join(",\n", map { "($_, " . join(', ', one_of('NULL', 77, @ids, @ids[ 0 .. 4 ]), random_time(), random_local() . '::date', random_local() . '::timestamp', random_time(),
			one_of('NULL', 0, 1, 2, 3, -1, 10, 5), one_of('NULL', '0.5', '-0.25', '1.50', 0, 2, '12345678901'), sql_text(one_of(undef, @texts)), one_of('NULL', 'true', 'false'),
			one_of('NULL', "'{}'", "'{abc}'", "'{abc,日本}'", "'{NULL,b}'"), one_of('NULL', "'sad'", "'ok'", "'Happy'"), one_of('NULL', 1, 2, 3, 99), one_of('NULL', "'1 day'")) . ')' } 1 .. 160);

	$leads =~ s/\((\d+), /($1::bigint, /g;
	psql(<<"SQL");
TRUNCATE leadflow.lead CASCADE;
INSERT INTO leadflow.lead (lead_id, email, employees, competitor, created_at, rep_id, deleted_at, merged_into)
SELECT v.id, email, employees::int, competitor, coalesce(created::timestamptz, '-infinity'), rep::bigint, deleted::timestamptz, merged::bigint
  FROM clock, LATERAL (VALUES $leads) AS v (id, email, employees, competitor, created, rep, deleted, merged);
TRUNCATE probe;
INSERT INTO probe
SELECT v.id, v.lead::bigint, at::timestamptz, d, ts, tz::timestamptz, n::int, x::numeric, t, b::boolean, tags::text[], kind::mood, rep::bigint, other::interval
  FROM clock, LATERAL (VALUES $records) AS v (id, lead, at, d, ts, tz, n, x, t, b, tags, kind, rep, other);
SQL
	return;
}

# Dates and times as PostgreSQL reads them: day, local, instant.
sub time_columns
{
	my ($expr, $type) = @_;
	return "days($expr), NULL, NULL" if $type eq 'date';
	return "days($expr\::date), micros($expr), micros($expr AT TIME ZONE zone)" if $type eq 'timestamp';
	return "days(($expr AT TIME ZONE zone)::date), micros($expr AT TIME ZONE zone), micros($expr)";
}

sub number_of { my $text = shift; return $text eq 'infinity' ? 9**9**9 : $text eq '-infinity' ? -9**9**9 : $text eq '' ? undef : $text + 0; }

sub read_time
{
	my ($day, $local, $instant) = map { number_of($_) } splice(@{ $_[0] }, 0, 3);
	return defined $day ? { day => $day, local => $local, instant => $instant } : undef;
}

# A text may hold anything, so it comes with a mark before it; NULL is empty.
sub marked { return "coalesce('=' || $_[0], '')"; }
sub unmarked { my $text = shift @{ $_[0] }; return $text =~ /^=(.*)$/s ? $1 : undef; }
sub hundredths { my $text = shift @{ $_[0] }; return $text eq '' ? undef : $text + 0; }

sub read_rows
{
	@records = @leads = ();
	foreach my $line (split /\n/, psql("SELECT concat_ws('\x{1}', id, coalesce(lead_id::text, ''), "
		. join(', ', map { my ($f, $t) = @$_; join(', ', map { "coalesce($_, '')" } split /(?<=\)|L), /, time_columns($f, $t)) } [ 'at', 'timestamptz' ], [ 'd', 'date' ], [ 'ts', 'timestamp' ], [ 'tz', 'timestamptz' ])
		. ", coalesce((n * 100)::text, ''), coalesce(trunc(x * 100)::text, ''), " . join(', ', map { marked($_) } 't', 'b', "array_to_string(tags, '|', '<NULL>')", 'kind', '(SELECT name FROM leadflow.rep WHERE rep_id = probe.rep_id)', 'other::text')
		. ") FROM probe, clock"))
	{
		my @columns = split /\x{1}/, $line, -1;
		my %record = (id => $columns[0] * 100, lead_id => $columns[1] eq '' ? undef : $columns[1]);

		splice(@columns, 0, 2);
		$record{$_} = read_time(\@columns) foreach 'at', 'd', 'ts', 'tz';
		$record{$_} = hundredths(\@columns) foreach 'n', 'x';
		$record{$_} = unmarked(\@columns) foreach 't', 'b', 'tags', 'kind', 'rep', 'other';
		$record{b} = $record{b} eq 'true' ? 1 : 0 if defined $record{b};
		$record{tags} = [ split /\|/, $record{tags} ] if defined $record{tags};
		push @records, \%record;
	}
	foreach my $line (split /\n/, psql("SELECT concat_ws('\x{1}', lead_id, " . time_columns('created_at', 'timestamptz') . ', ' . marked('email') . ", coalesce(employees * 100, -1), competitor, "
		. marked('(SELECT name FROM leadflow.rep WHERE rep_id = lead.rep_id)') . ", deleted_at IS NOT NULL OR merged_into IS NOT NULL) FROM leadflow.lead, clock"))
	{
		my @columns = split /\x{1}/, $line, -1;
		my %lead = (id => shift @columns);

		$lead{lead_id} = $lead{id} * 100;
		$lead{created_at} = read_time(\@columns);
		$lead{email} = unmarked(\@columns);
		$lead{employees} = $columns[0] < 0 ? undef : $columns[0];
		$lead{competitor} = $columns[1] eq 't' ? 1 : 0;
		splice(@columns, 0, 2);
		$lead{rep} = unmarked(\@columns);
		$lead{gone} = $columns[0] eq 't';
		push @leads, \%lead;
	}
	return;
}

sub read_literals
{
	%literals = ();
	foreach (1 .. 12)
	{
		my $day = date_text($now->{day} - one_of(-1, 0, 0, 1, 7, 29, 30, 31, 60, 365));
		my $text = $day;
		my $clock = one_of('00:00', '12:00', '23:59:59.999999', '02:30', substr($now->{time}, 0, 8));

		if ($_ > 6)
		{
			$text .= one_of(' ', 'T') . $clock;
			$text .= one_of('Z', '+09:00', '-03:30', '+0545') if chance(0.3);
		}
		$literals{$text} = { has_time => $_ > 6 };
	}
	foreach my $line (split /\n/, psql('SET DateStyle = ISO; ' . join(' UNION ALL ', map { my $type = /[Z+]|-\d\d:\d\d$/ ? 'timestamptz' : 'timestamp';
			"SELECT concat_ws('|', '$_', " . time_columns("$type '$_'", $type) . ') FROM clock' } sort keys %literals)))
	{
		my ($text, @columns) = split /\|/, $line, -1;
		$literals{$text} = { %{ $literals{$text} }, %{ read_time(\@columns) } };
	}
	return;
}

# ---- rounds -------------------------------------------------------------------------------------

# What the engine says of each tree.
sub evaluated
{
	my @trees = @_;
	my $id = 0;
	my $rows = join('', map { my $text = canonical($_); $text =~ s/\\/\\\\/g; $id++ . "\t$text\n" } @trees);
	my @found = split /\n/, psql("TRUNCATE trial;\nCOPY trial FROM STDIN;\n$rows\\.\nSELECT leads_of(segment) FROM trial ORDER BY id");
	return @found;
}

# The smallest segment derived from a failing one that fails too.
sub shrunk
{
	my $tree = shift;

	while (my @smaller = smaller($tree))
	{
		my @found = evaluated(@smaller);
		my ($failing) = grep { $found[$_] ne expected($smaller[$_]) } 0 .. $#smaller;

		last if !defined $failing;
		$tree = $smaller[$failing];
	}
	return $tree;
}

my $told = 0;

sub tell_of
{
	my $tree = shrunk(shift);
	my $text = canonical($tree);
	my ($found) = evaluated($tree);

	return if $told++ > 4;
	diag("$text\n  as of $now->{text} in $zone\n  found    $found\n  expected " . expected($tree) . "\n" . psql('SELECT leadflow.to_sql(' . sql_text($text) . ')'));
	return;
}

# ---- batches against to_sql --------------------------------------------------------------------

# Settings under which a batch is evaluated: in one process or several, with memory
# that does not suffice for tallies, with scans or probes preferred.
my @settings = (
	('') x 12, "SET work_mem = '64kB'; SET hash_mem_multiplier = 1;", 'SET enable_seqscan = off;', 'SET seq_page_cost = 1000; SET cpu_tuple_cost = 100;',
	'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;');

# For each batch [settings, trees], the numbers of the trees for which the two differ.
sub differing
{
	my @batches = @_;
	my $id = 0;
	my (@first, $sql);

	foreach my $batch (@batches)
	{
		push @first, $id;
		$sql .= join('', map { my $text = canonical($_); $text =~ s/\\/\\\\/g; $id++ . "\t$text\n" } @{ $batch->[1] });
	}
	$sql = "TRUNCATE batched;\nCOPY batched (id, segment) FROM STDIN;\n$sql\\.\nUPDATE batched SET expected = reference_of(segment);\n";
	foreach my $i (0 .. $#batches)
	{
		my ($from, $to) = ($first[$i], $first[$i] + @{ $batches[$i][1] } - 1);

		$sql .= "$batches[$i][0]\nSELECT coalesce(string_agg((position - 1)::text, ' '), '')"
		  . ' FROM clock, (SELECT array_agg(lead_id) AS probed FROM leadflow.lead) AS l, (SELECT array_agg(segment ORDER BY id) AS segments, array_agg(expected ORDER BY id) AS expected'
		  . " FROM batched WHERE id BETWEEN $from AND $to) AS batch, leadflow.evaluate_all(segments, as_of, zone)"
		  . " WHERE leads OPERATOR(leadflow.<>) expected[position]"
		  . ' OR leadflow.matches(probed[1 + position % cardinality(probed)], segments[position], as_of, zone)'
		  . ' IS DISTINCT FROM leadflow.contains(expected[position], probed[1 + position % cardinality(probed)]);'
		  . "\nRESET ALL;\n";
	}
	my @found = map { [ split / / ] } split(/\n/, psql($sql), -1);
	push @found, [] while @found < @batches;
	return @found;
}

# The fewest and smallest segments derived from a failing batch that fail together.
sub shrunk_batch
{
	my ($settings, @trees) = @_;
	my $found;

	do
	{
		my @smaller = map { my $i = $_; [ @trees[ grep { $_ != $i } 0 .. $#trees ] ] } @trees > 1 ? 0 .. $#trees : ();

		push @smaller, [ splice(@{ [@trees] }, 0, @trees / 2) ], [ splice(@{ [@trees] }, @trees / 2) ] if @trees > 3;
		if (@trees < 4)
		{
			foreach my $i (0 .. $#trees)
			{
				push @smaller, map { my @copy = @trees; $copy[$i] = $_; [@copy] } smaller($trees[$i]);
			}
		}
		my @differ = differing(map { [ $settings, $_ ] } @smaller);
		($found) = sort { @{ $smaller[$a] } <=> @{ $smaller[$b] } } grep { @{ $differ[$_] } } 0 .. $#smaller;
		@trees = @{ $smaller[$found] } if defined $found;
	} while (defined $found);
	return @trees;
}

sub tell_of_batch
{
	my ($settings, @trees) = @_;

	return if $told++ > 4;
	@trees = shrunk_batch($settings, @trees);
	diag("as of $now->{text} in $zone, together, $settings");
	diag('  ' . canonical($_) . "\n  expected " . psql('SELECT reference_of(' . sql_text(canonical($_)) . ')')) foreach @trees;
	diag(psql("$settings SELECT position, leads FROM clock, leadflow.evaluate_all(ARRAY[" . join(', ', map { sql_text(canonical($_)) . '::leadflow.segment' } @trees) . '], as_of, zone)'));
	return;
}

sub batches_agree
{
	my (@batches, @wrong, @differ);
	my $n = 0;

	while ($n < $batched)
	{
		my @trees = map { random_tree(\%vocabulary) } 1 .. one_of(1, 2, 5, 20, 50, 50, 100);

		push @batches, [ one_of(@settings), \@trees ];
		$n += @trees;
	}
	@differ = differing(@batches);
	@wrong = grep { @{ $differ[$_] } } 0 .. $#batches;
	is(scalar @wrong, 0, "$n segments in batches as of $now->{text} in $zone (SEED=$seed)");
	tell_of_batch($batches[$_][0], @{ $batches[$_][1] }) foreach @wrong[ 0 .. ($#wrong < 1 ? $#wrong : 1) ];
	return;
}

my @rounds = (
	[ '2026-03-31 23:30', 'Asia/Tokyo' ], [ '2026-03-08 12:00', 'America/New_York' ], [ '2026-11-01 01:30', 'America/New_York' ], [ '2026-09-27 00:30', 'Antarctica/McMurdo' ],
	[ '2026-04-05 02:30', 'Antarctica/McMurdo' ], [ '2018-11-04 12:00', 'America/Sao_Paulo' ], [ '2024-02-29 00:00', 'Asia/Tokyo' ], [ '2026-01-01 00:00:00.000001', 'Africa/Cairo' ]);

foreach my $round (@rounds)
{
	my $local;
	($local, $zone) = @$round;
	%saved = ();
	my ($day, $clock, @columns) = split / /, psql("TRUNCATE clock; INSERT INTO clock VALUES ('$local'::timestamp AT TIME ZONE '$zone', '$zone'); SET DateStyle = ISO;"
		. "SELECT concat_ws(' ', '$local', " . time_columns('as_of', 'timestamptz') . ') FROM clock');
	$now = { %{ read_time(\@columns) }, time => $clock, text => $local };
	random_rows();
	read_rows();
	read_literals();
	psql('DELETE FROM leadflow.saved_segment');
	foreach my $name ('one', "t'wo", '三')
	{
		my $tree = random_tree(\%vocabulary, 1);
		psql('SELECT leadflow.save_segment(' . sql_text($name) . ', ' . sql_text(canonical($tree)) . ')');
		$saved{$name} = $tree;
	}

	my @trees = map { random_tree(\%vocabulary) } 1 .. $cases;
	my @found = evaluated(@trees);
	my @wrong = grep { $found[$_] ne expected($trees[$_]) } 0 .. $#trees;

	is(scalar @wrong, 0, "$cases segments as of $local in $zone (SEED=$seed)");
	tell_of($trees[$_]) foreach @wrong[ 0 .. ($#wrong < 2 ? $#wrong : 2) ];

	my $telling = grep { $_ ne '{}' && $_ ne $found[0] } @found;
	cmp_ok($telling, '>', $cases / 4, 'and many of them tell leads apart');

	is(psql(<<'SQL'), '', 'the laws of sets hold');
SELECT s, t
  FROM (SELECT a.segment::leadflow.segment AS s, b.segment::leadflow.segment AS t
          FROM trial AS a JOIN trial AS b ON b.id = a.id + 1 WHERE a.id % 4 = 0) AS pair,
       LATERAL (SELECT leads_of(s) AS in_s, leads_of(t) AS in_t, leads_of('everyone'::leadflow.segment) AS all_leads) AS found
 WHERE leads_of(OPERATOR(leadflow.!) s) OPERATOR(leadflow.<>) (all_leads OPERATOR(leadflow.-) in_s)
    OR leads_of(OPERATOR(leadflow.!) (s OPERATOR(leadflow.&) t)) OPERATOR(leadflow.<>) leads_of((OPERATOR(leadflow.!) s) OPERATOR(leadflow.|) (OPERATOR(leadflow.!) t))
    OR leads_of(s OPERATOR(leadflow.&) t) OPERATOR(leadflow.<>) (in_s OPERATOR(leadflow.&) in_t)
    OR leads_of(s OPERATOR(leadflow.|) t) OPERATOR(leadflow.<>) (in_s OPERATOR(leadflow.|) in_t)
    OR leads_of(s OPERATOR(leadflow.|) s) OPERATOR(leadflow.<>) in_s
    OR leads_of(s OPERATOR(leadflow.&) (OPERATOR(leadflow.!) s)) OPERATOR(leadflow.<>) '{}'
SQL
	batches_agree();
}

# Tests of the wrong type, on fields of all types: refused for what they are, or good.
my @types = qw(number text boolean date timestamp timestamptz choices);
my %careless = (%vocabulary, all => 1, test => sub { my (undef, $place) = @_; return typed_test(one_of(@types), $place); });
my @careless = map { random_tree(\%careless, 0) } 1 .. 4 * $cases;
my @said = evaluated(@careless);
my @odd = grep { $said[$_] !~ /^(?:\{|(?:42804|22P02|22007): )/ } 0 .. $#said;

is(join("\n", map { canonical($careless[$_]) . ' ' . $said[$_] } @odd[ 0 .. ($#odd < 4 ? $#odd : 4) ]), '', "a test of the wrong type is refused as such (SEED=$seed)");
my $refused = grep { !/^\{/ } @said;
cmp_ok($refused, '>', $cases, 'and many are');
psql('TRUNCATE trial; COPY trial FROM STDIN;' . "\n" . join('', map { my $text = canonical($careless[$_]); $text =~ s/\\/\\\\/g; "$_\t$text\n" } 0 .. $#careless) . "\\.\n");
is(psql("SELECT count(*) FROM trial, LATERAL (SELECT count(*) FROM leadflow.check_segment(segment::leadflow.segment)) AS c (problems) WHERE (problems = 0) <> (leads_of(segment) ~ '^[{]')"), '0', 'check_segment agrees');

$node->stop;
done_testing();
