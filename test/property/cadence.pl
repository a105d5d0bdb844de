# Random cadences on random clocks, held against a brute-force oracle.
#
# The oracle shares nothing with the C code but the time zone data: it writes
# out the days of the calendar, and tries every minute around a local time for
# the first at which timezone() shows that time or a later one.
#
# SEED=n repeats a run, CASES=n sets its length.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{SEED} // int(rand(2**31));
my $cases = $ENV{CASES} // 1000;
srand($seed);
note "SEED=$seed CASES=$cases";

my $node = PostgreSQL::Test::Cluster->new('cadence');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nTimeZone = 'Asia/Kathmandu'\nDateStyle = 'ISO'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION leadflow');

# Zones whose clocks do what clocks seldom do, and some that keep still.
my @zones = qw(
  Asia/Tokyo UTC America/New_York Antarctica/McMurdo Australia/Lord_Howe
  Africa/Cairo America/Sao_Paulo Asia/Beirut Atlantic/Azores America/Havana
  Pacific/Apia Pacific/Kwajalein America/St_Johns America/Asuncion Asia/Gaza
  Africa/Casablanca Antarctica/Troll Europe/Dublin Asia/Pyongyang
  America/Caracas Pacific/Chatham Asia/Kolkata Antarctica/Casey Etc/GMT+12);

$node->safe_psql('postgres', <<'SQL');
-- the parts a cadence was made from; period is null for "hourly", minute for "continuous"
CREATE TABLE trial (
    id int PRIMARY KEY, cadence leadflow.cadence NOT NULL, zone text NOT NULL, at timestamptz NOT NULL,
    period text, every int, days int[], time_of_day time, starts date);

-- instants at which the clocks jump: days that are not 24 hours apart, then minutes
CREATE FUNCTION jumps(zone text) RETURNS SETOF timestamptz LANGUAGE sql AS $$
    SELECT minute
      FROM generate_series(timestamptz '1975-01-01 00:00+00', '2045-01-01 00:00+00', '1 day') AS day,
           generate_series(day, day + interval '24 hours', '1 minute') AS minute
     WHERE timezone(zone, day + interval '24 hours') - timezone(zone, day) <> interval '24 hours'
       AND timezone(zone, minute) - timezone(zone, minute - interval '1 minute') <> interval '1 minute' $$;

-- the first minute at which the clocks show this local time or a later one
CREATE FUNCTION reached(local timestamp, zone text) RETURNS timestamptz LANGUAGE sql AS $$
    SELECT min(minute)
      FROM generate_series(timezone('UTC', local) - interval '26 hours', timezone('UTC', local) + interval '26 hours', '1 minute') AS minute
     WHERE timezone(zone, minute) >= local $$;

-- the scheduled days of a trial between two days
CREATE FUNCTION scheduled(t trial, first date, last date) RETURNS SETOF date LANGUAGE sql AS $$
    SELECT day
      FROM (SELECT generate_series(first, last, '1 day')::date) AS calendar (day),
           (SELECT coalesce(t.starts, date '1970-01-05')) AS counted (origin)
     WHERE (t.starts IS NULL OR day >= t.starts)
       AND CASE t.period
           WHEN 'day' THEN (day - origin) % t.every = 0
           WHEN 'week' THEN extract(isodow FROM day) = ANY (t.days)
                AND (date_trunc('week', day)::date - date_trunc('week', origin)::date) / 7 % t.every = 0
           WHEN 'month' THEN extract(day FROM day) = least(t.days[1],
                    extract(day FROM date_trunc('month', day::timestamp) + interval '1 month' - interval '1 day'))
                AND ((extract(year FROM day) - extract(year FROM origin)) * 12
                     + extract(month FROM day) - extract(month FROM origin)) % t.every = 0
           END $$;

-- the runs near an instant, at least the last one up to it and the next one
CREATE FUNCTION runs(t trial) RETURNS SETOF timestamptz LANGUAGE plpgsql AS $$
DECLARE
    today date := timezone(t.zone, t.at)::date;
    span int := 3 + t.every * CASE t.period WHEN 'day' THEN 1 WHEN 'week' THEN 7 WHEN 'month' THEN 31 END;
BEGIN
    IF t.period IS NULL OR t.period = 'minute' THEN
        RETURN QUERY
            SELECT minute
              FROM generate_series(date_trunc('minute', t.at) - interval '3 hours', t.at + interval '3 hours', '1 minute') AS minute
             WHERE (t.period = 'minute' OR extract(minute FROM timezone(t.zone, minute)) = 0)
               AND (t.starts IS NULL OR minute >= reached(t.starts::timestamp, t.zone));
        IF t.at < t.starts + interval '2 days' THEN
            RETURN QUERY
                SELECT minute
                  FROM reached(t.starts::timestamp, t.zone) AS start, generate_series(start, start + interval '3 hours', '1 minute') AS minute
                 WHERE t.period = 'minute' OR extract(minute FROM timezone(t.zone, minute)) = 0;
        END IF;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT reached(day + t.time_of_day, t.zone)
          FROM (SELECT day FROM scheduled(t, today - span, today + 2) AS day ORDER BY day DESC LIMIT 6) AS before
         UNION
        SELECT reached(day + t.time_of_day, t.zone)
          FROM (SELECT day FROM scheduled(t, greatest(today - 2, t.starts), greatest(today, t.starts) + span) AS day ORDER BY day LIMIT 6) AS after;
END $$;
SQL

# Each jump as its instant and the minute of the day that the clocks then show.
my %jumps;
foreach my $zone (@zones)
{
	my $jumps = $node->safe_psql('postgres', <<"SQL");
SELECT to_char(timezone('UTC', jump), 'YYYY-MM-DD HH24:MI'), extract(epoch FROM timezone('$zone', jump)::time)::int / 60
  FROM jumps('$zone') AS jump
SQL
	$jumps{$zone} = [ map { [ split /\|/ ] } split /\n/, $jumps ];
}
cmp_ok(scalar map({ @$_ } values %jumps), '>', 500, 'clocks do jump');

sub one_of { return $_[ rand @_ ]; }

sub random_date
{
	my $last = shift;
	return sprintf('%04d-%02d-%02d', 1975 + rand($last - 1975), 1 + rand 12, 1 + rand 28);
}

# A cadence as a user might write it, and the parts it is made from. The time of
# day is one at which things happen, or near the given minute.
sub random_cadence
{
	my $near = shift;
	my @names = qw(monday tuesday wednesday thursday friday saturday sunday);
	my $every = one_of(1, 1, 1, 2, 2, 3, 5, 1 + int(rand 40), 1 + int(rand 1000));
	my $time = 60 * one_of(0, 0, 1, 2, 3, 7, 23, int(rand 24)) + one_of(0, 0, 1, 15, 30, 45, int(rand 60));
	$time = ($near + one_of(0, int(rand 240) - 120)) % 1440 if defined $near && rand() < 0.7;
	my ($hour, $minute) = (int($time / 60), $time % 60);
	my $period = one_of(undef, 'minute', 'day', 'day', 'week', 'week', 'month');
	my $starts = rand() < 0.3 ? random_date(2045) : undef;
	my (@days, $text);

	if (!defined $period)
	{
		$text = 'hourly';
	}
	elsif ($period eq 'minute')
	{
		$text = 'continuous';
	}
	else
	{
		my %adverb = (day => 'daily', week => 'weekly', month => 'monthly');
		$text = $every == 1 && rand() < 0.5 ? $adverb{$period}
		  : $every == 1 && rand() < 0.5 ? "every $period"
		  : "every $every ${period}s";
		if ($period eq 'week')
		{
			@days = map { 1 + int(rand 7) } 0 .. rand 3;
			$text .= ' on ' . join(one_of(',', ', '),
				map { rand() < 0.5 ? $names[ $_ - 1 ] : substr($names[ $_ - 1 ], 0, 3) } @days);
		}
		elsif ($period eq 'month')
		{
			@days = one_of(1, 15, 28, 29, 30, 31);
			$text .= " on day $days[0]";
		}
		$text .= sprintf(one_of(' at %d:%02d', ' at %02d:%02d'), $hour, $minute);
	}
	$text .= " from $starts" if defined $starts;
	$text = uc $text if rand() < 0.2;
	$text =~ s/ /  /g if rand() < 0.2;

	return ($text, $period, $every, \@days, sprintf('%02d:%02d', $hour, $minute), $starts);
}

# Near a jump of the clocks, near "from", or anywhere.
sub random_instant
{
	my ($jump, $starts) = @_;
	my $base = random_date(2500) . ' 12:00';

	$base = $jump if defined $jump && rand() < 0.7;
	$base = "$starts 00:00" if defined $starts && rand() < 0.3;
	my $minutes = one_of(0, 0, int(rand 240) - 120, int(rand 4320) - 2160);
	my $micros = one_of(0, 0, 0, 1, -1);
	return "timestamptz '$base+00' + interval '$minutes minutes $micros microseconds'";
}

sub quoted { return defined $_[0] ? "'$_[0]'" : 'NULL'; }

my @rows;
foreach my $id (1 .. $cases)
{
	my $zone = one_of(@zones);
	my ($jump, $near) = @{ one_of(@{ $jumps{$zone} }) // [] };
	my ($text, $period, $every, $days, $time, $starts) = random_cadence($near);

	push @rows, sprintf("(%d, '%s', '%s', %s, %s, %d, '{%s}', '%s', %s)",
		$id, $text, $zone, random_instant($jump, $starts), quoted($period),
		$every, join(',', @$days), $time, quoted($starts));
}
$node->safe_psql('postgres', 'INSERT INTO trial VALUES ' . join(",\n", @rows));

# Each lists the trials that break a law: none may.
sub holds
{
	my ($law, $broken) = @_;
	is($node->safe_psql('postgres', $broken), '', "$law (SEED=$seed)");
	return;
}

holds('in(out(x)) = x', <<'SQL');
SELECT id, cadence FROM trial
 WHERE cadence::text::leadflow.cadence OPERATOR(leadflow.<>) cadence OR cadence::text::leadflow.cadence::text <> cadence::text
SQL

holds('next_run and last_run agree with the oracle', <<'SQL');
SELECT id, cadence, zone, at, next_run, next, last_run, last
  FROM trial,
       LATERAL (SELECT leadflow.next_run(cadence, at, zone), leadflow.last_run(cadence, at, zone)) AS got,
       LATERAL (SELECT min(run) FILTER (WHERE run > at) AS next, max(run) FILTER (WHERE run <= at) AS last
                  FROM runs(trial) AS run) AS oracle
 WHERE next_run IS DISTINCT FROM next OR last_run IS DISTINCT FROM last
SQL

holds('runs increase, and each is the last one until the next', <<'SQL');
WITH RECURSIVE run AS (
    SELECT id, cadence, zone, 0 AS number, at, leadflow.next_run(cadence, at, zone) AS next FROM trial
     UNION ALL
    SELECT id, cadence, zone, number + 1, next, leadflow.next_run(cadence, next, zone) FROM run WHERE number < 30)
SELECT id, cadence, zone, at, next FROM run
 WHERE next <= at
    OR leadflow.last_run(cadence, next, zone) IS DISTINCT FROM next
    OR leadflow.last_run(cadence, next - interval '1 microsecond', zone) IS DISTINCT FROM leadflow.last_run(cadence, at, zone)
    OR leadflow.last_run(cadence, at + (next - at) * 0.5, zone) IS DISTINCT FROM leadflow.last_run(cadence, at, zone)
    OR number > 0 AND leadflow.last_run(cadence, at, zone) IS DISTINCT FROM at
    OR leadflow.next_run(cadence, at + (next - at) * 0.5, zone) IS DISTINCT FROM
       CASE WHEN at + (next - at) * 0.5 < next THEN next ELSE leadflow.next_run(cadence, next, zone) END
SQL

holds('local_date is what the clocks show, day_start its first instant', <<'SQL');
SELECT id, zone, at, local_date, day_start
  FROM trial,
       LATERAL leadflow.local_date(at, zone),
       LATERAL leadflow.day_start(local_date, zone)
 WHERE local_date IS DISTINCT FROM timezone(zone, at)::date
    OR day_start IS DISTINCT FROM reached(local_date::timestamp, zone)
SQL

# The binary form goes through the same checks as the text.
my $file = $node->basedir . '/cadence.copy';
$node->safe_psql('postgres', "COPY trial (id, cadence) TO '$file' (FORMAT binary)");
$node->safe_psql('postgres', "CREATE TABLE copy (id int, cadence leadflow.cadence); COPY copy FROM '$file' (FORMAT binary)");
holds('recv(send(x)) = x', <<'SQL');
SELECT id FROM trial FULL JOIN copy USING (id)
 WHERE (trial.cadence OPERATOR(leadflow.=) copy.cadence) IS NOT TRUE
SQL

foreach my $case (
	[ "\x02hourly", qr/unsupported binary version 2 of type cadence/ ],
	[ "\x01daily at 25:00", qr/value out of range for type cadence: "daily at 25:00"/ ],
	[ "\x01hourly\0", qr/invalid byte sequence/ ],
	[ '', qr/no data left in message/ ])
{
	my ($bytes, $expected) = @$case;
	open(my $out, '>:raw', $file) or die "$file: $!";
	print $out "PGCOPY\n\xff\r\n\0", pack('N N', 0, 0),
	  pack('n N N N/a*', 2, 4, 1, $bytes), pack('n', 0xffff);
	close $out;
	my (undef, undef, $stderr) = $node->psql('postgres', "COPY copy FROM '$file' (FORMAT binary)");
	like($stderr, $expected, 'recv refuses');
}

$node->stop;
done_testing();
