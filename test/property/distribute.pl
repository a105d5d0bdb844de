# Distributions of random members to random reps: what each strategy promises, recomputed
# here from the reps and the members that there were before. SEED=… repeats a run.
use strict;
use warnings;

use LeadflowTest;
use List::Util qw(max min sum0);
use POSIX qw(ceil floor);
use Test::More;

my $cases = $ENV{CASES} // 40;
my $seed = seed();
my $node = node('distribute');
database($node, 'postgres');

sub psql { return $node->safe_psql('postgres', $_[0]); }
sub rows { return map { [ split /\|/, $_, -1 ] } split /\n/, psql($_[0]); }
sub chance { return rand() < $_[0]; }
sub one_of { return $_[ rand @_ ]; }

my $leads = 300;
my $max_reps = 40;
psql("INSERT INTO leadflow.lead (lead_id, company, created_at) SELECT n, CASE WHEN n % 5 > 0 THEN 'c' || n % 60 END, '2000-01-01' FROM generate_series(1, $leads) AS n;
	INSERT INTO leadflow.list (list_id, name, zone) VALUES (900, 'calls', 'America/New_York'), (901, 'old', NULL);
	INSERT INTO leadflow.rep (rep_id, name) SELECT n, 'rep ' || n FROM generate_series(1, $max_reps) AS n;");

my $day = 0;
my @broken;

# A law that does not hold is told with the case that broke it.
sub holds
{
	my ($holds, $what) = @_;
	push @broken, $what if !$holds;
	return;
}

# Reps, at noon of a day of 2100 in New York: by id, with weight, room and load.
sub random_reps
{
	my ($n) = @_;
	my %reps;
	my @values;

	foreach my $id (1 .. $n)
	{
		my $weight = one_of(1, 1, 1, 2, 3, 0.5, 0.1, 0, 7.25);
		my $capacity = chance(0.4) ? int(rand 12) : undef;
		my ($from, $until) = chance(0.2) ? sort { $a <=> $b } map { int(rand 13) - 6 } 1, 2 : ();
		my $active = chance(0.9) ? 1 : 0;
		my $away = defined $from && $from <= 0 && $until >= 0;

		$reps{$id} = {
			weight => $weight, active => $active, away => $away, capacity => $capacity,
			returning => defined $until && $until < 0 && $until >= -7,
		};
		push @values, "($id, $weight, " . ($capacity // 'NULL::int') . ', '
			. join(', ', map { defined $_ ? "'2100-01-01'::date + " . ($day + $_) : 'NULL::date' } $from, $until) . ', ' . ($active ? 'true' : 'false') . ')';
	}
	psql("UPDATE leadflow.rep SET active = false;
		UPDATE leadflow.rep AS r SET weight = v.weight, weekly_capacity = v.capacity, away_from = v.away_from, away_until = v.away_until, active = v.active
		  FROM (VALUES " . join(', ', @values) . ") AS v (rep_id, weight, capacity, away_from, away_until, active) WHERE v.rep_id = r.rep_id");
	return \%reps;
}

# Members, some with a rep, some done, some gone; and the log of an earlier day.
sub random_members
{
	my ($nreps) = @_;
	psql("TRUNCATE leadflow.assignment, leadflow.member; UPDATE leadflow.lead SET do_not_contact = lead_id % 29 = " . int(rand 29) . ", rep_id = NULL;
		UPDATE leadflow.list SET rotation = '{}', status = 'open';
		INSERT INTO leadflow.member (lead_id, list_id, entered_at, rep_id, state, left_at)
		SELECT v.lead_id, 900, v.entered_at, v.rep_id, v.state, v.left_at FROM (VALUES " . join(', ', map {
			"($_, '2099-12-01'::timestamptz + interval '" . int(rand 20) . " hours', " . (chance(0.2) ? 1 + int(rand $nreps) : 'NULL::bigint') . ', '
			. (chance(0.1) ? "'done'" : "'not_started'") . ', ' . (chance(0.1) ? "'2099-12-15'::timestamptz" : 'NULL::timestamptz') . ')' } grep { chance(0.7) } 1 .. $leads)
		. ") AS v (lead_id, entered_at, rep_id, state, left_at);
		INSERT INTO leadflow.assignment (lead_id, member_id, list_id, to_rep_id, assigned_at, strategy)
		SELECT lead_id, member_id, list_id, rep_id, ('2100-01-01'::date + $day - (lead_id % 9)::int)::timestamp + interval '1 hour', 'assign' FROM leadflow.member WHERE rep_id IS NOT NULL");
	return;
}

# What is to be distributed, oldest first: lead ids; and the room and load of each rep.
sub situation
{
	my ($reps, $as_of) = @_;
	my @queue = map { $_->[0] } rows("SELECT m.lead_id FROM leadflow.member AS m JOIN leadflow.lead AS l USING (lead_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id
		WHERE list_id = 900 AND left_at IS NULL AND state <> 'done' AND r.active IS NOT TRUE AND NOT l.do_not_contact ORDER BY entered_at, lead_id");
	my %used = map { @$_ } rows("SELECT to_rep_id, count(*) FROM leadflow.assignment
		WHERE timezone('America/New_York', assigned_at) >= date_trunc('week', timezone('America/New_York', '$as_of'::timestamptz)) GROUP BY 1");
	my %load = map { @$_ } rows("SELECT rep_id, count(*) FROM leadflow.member WHERE left_at IS NULL AND state <> 'done' AND rep_id IS NOT NULL GROUP BY 1");

	foreach my $id (keys %$reps)
	{
		my $rep = $reps->{$id};

		$rep->{room} = $rep->{away} || !$rep->{active} ? 0 : defined $rep->{capacity} ? max(0, $rep->{capacity} - ($used{$id} // 0)) : 1e9;
		$rep->{load} = $load{$id} // 0;
	}
	return @queue;
}

# The shares of a proportional distribution: who has too little room gets all of it.
sub check_shares
{
	my ($reps, $given, $n, $weight, $what) = @_;
	my @open = grep { $reps->{$_}{room} > 0 && $weight->($reps->{$_}) > 0 } keys %$reps;
	my $total = min($n, sum0(map { $reps->{$_}{room} } @open));

	holds(sum0(values %$given) == $total, "$what: $total of $n are given, " . sum0(values %$given));
	foreach my $id (keys %$given)
	{
		holds($weight->($reps->{$id}) > 0, "$what: rep $id has no weight");
	}
	# by weight, no rep with room left is behind another by more than one lead
	my @with_room = grep { ($given->{$_} // 0) < $reps->{$_}{room} } @open;
	foreach my $id (@with_room)
	{
		foreach my $other (@open)
		{
			my $mine = (($given->{$id} // 0) + 1) / $weight->($reps->{$id});
			my $theirs = (($given->{$other} // 0) - 1) / $weight->($reps->{$other});
			holds($mine >= $theirs - 1e-6, "$what: rep $id has $given->{$id} and $other has $given->{$other}");
		}
	}
	# among those with room, each has its part of what they got, rounded down or up
	my $left = sum0(map { $given->{$_} // 0 } @with_room);
	my $weights = sum0(map { $weight->($reps->{$_}) } @with_room);
	foreach my $id (@with_room)
	{
		my $part = $left * $weight->($reps->{$id}) / $weights;
		holds(abs(($given->{$id} // 0) - $part) < 2, "$what: rep $id has $given->{$id} of a part of $part");
	}
	return;
}

# ---- one distribution each -------------------------------------------------------------

foreach my $case (1 .. $cases)
{
	my $strategy = one_of(qw(even weighted least_loaded sticky rules));
	my $nreps = 1 + int(rand(chance(0.3) ? $max_reps : 6));
	$day = $case * 10;
	my ($as_of) = map { $_->[0] } rows("SELECT timezone('America/New_York', ('2100-01-01'::date + $day)::timestamp + interval '12 hours')");
	my $reps = random_reps($nreps);
	random_members($nreps);
	psql("TRUNCATE leadflow.territory; INSERT INTO leadflow.territory (position, segment, rep_id) VALUES (1, 'lead(lead_id <= 100)', 1), (2, 'lead(lead_id <= 150)', NULL)");
	my @queue = situation($reps, $as_of);
	my $what = "case $case, $strategy to $nreps";

	# the same twice: a dry run, and the run
	my $call = "SELECT * FROM leadflow.distribute('calls', '$strategy', as_of => '$as_of'";
	my @promised = rows("$call, dry_run => true)");
	my @done = rows("$call)");
	holds(join(';', map { join ',', @$_ } @promised) eq join(';', map { join ',', @$_ } @done), "$what: a dry run says the same");

	my %given;
	my %rep_of = map { @$_ } rows("SELECT lead_id, to_rep_id FROM leadflow.assignment WHERE strategy = '$strategy' ORDER BY assignment_id");
	$given{$_}++ foreach values %rep_of;
	my @twice = rows("SELECT lead_id FROM leadflow.assignment WHERE strategy = '$strategy' GROUP BY 1 HAVING count(*) > 1");
	my ($told) = map { $_->[2] } grep { $_->[0] eq '' } @done;

	# nothing twice, nothing lost, nobody who was not to be given, and what is told is so
	holds(@twice == 0, "$what: given twice");
	my %queued = map { $_ => 1 } @queue;
	holds(!(grep { !$queued{$_} } keys %rep_of), "$what: given what was not in the queue");
	holds(($told // 0) == @queue - keys %rep_of, "$what: the queue is told");
	holds(psql("SELECT count(*) FROM leadflow.assignment_queue WHERE list = 'calls'") == @queue - keys %rep_of, "$what: the queue is seen");
	holds(psql("SELECT count(*) FROM leadflow.member AS m WHERE rep_id IS DISTINCT FROM
		(SELECT to_rep_id FROM leadflow.assignment AS a WHERE a.lead_id = m.lead_id AND a.member_id = m.member_id ORDER BY assignment_id DESC LIMIT 1)") == 0, "$what: the log is what is");
	foreach my $row (grep { $_->[0] ne '' } @done)
	{
		my ($id) = $row->[0] =~ /(\d+)/;
		holds($row->[1] == ($given{$id} // 0), "$what: rep $id is told of $row->[1]");
	}
	foreach my $id (keys %given)
	{
		holds($given{$id} <= $reps->{$id}{room}, "$what: rep $id has room for $reps->{$id}{room} and got $given{$id}");
	}

	if ($strategy eq 'even' || $strategy eq 'weighted')
	{
		check_shares($reps, \%given, scalar @queue, $strategy eq 'even' ? sub { 1 } : sub { $_[0]{weight} }, $what);
	}
	if ($strategy eq 'even' || $strategy eq 'weighted' || $strategy eq 'least_loaded')
	{
		# the oldest go first
		my @given = grep { exists $rep_of{$_} } @queue;
		holds("@given" eq "@queue[ 0 .. $#given ]", "$what: the oldest go first");
	}
	if ($strategy eq 'least_loaded')
	{
		my @open = grep { $reps->{$_}{room} > 0 } keys %$reps;
		my $even = ceil(@queue / max(1, scalar @open));
		my %room = map { $_ => $reps->{$_}{returning} ? min($even, $reps->{$_}{room}) : $reps->{$_}{room} } @open;
		holds(keys(%rep_of) == min(scalar @queue, sum0(values %room)), "$what: all that can be are given");
		foreach my $id (grep { ($given{$_} // 0) < $room{$_} } @open)
		{
			foreach my $other (grep { $given{$_} } @open)
			{
				holds($reps->{$id}{load} + ($given{$id} // 0) + 1 >= $reps->{$other}{load} + $given{$other}, "$what: rep $id has less than $other");
			}
		}
	}
	if ($strategy eq 'rules')
	{
		my $room = $reps->{1}{room};
		foreach my $lead (@queue)
		{
			my $rep = $rep_of{$lead};
			holds(!defined $rep, "$what: lead $lead is in no rule") if $lead > 150;
			next if $lead > 100;
			holds(defined $rep && $rep == 1, "$what: lead $lead is of rule 1") if $room > 0;
			$room--;
		}
	}
	if ($strategy eq 'sticky')
	{
		# who had no company and no rep before is one of those dealt evenly, and companies stay together
		my %company;
		foreach my $lead (grep { $_ % 5 > 0 && exists $rep_of{$_} } @queue)
		{
			$company{ $lead % 60 }{ $rep_of{$lead} } = 1;
		}
		my @apart = grep { keys %{ $company{$_} } > 1 } keys %company;
		holds(!@apart || (grep { defined $_->{capacity} } values %$reps), "$what: companies are together");
		holds(keys(%rep_of) == min(scalar @queue, sum0(map { $_->{room} } values %$reps)), "$what: all that can be are given");
	}
}
is(join("\n", @broken[ 0 .. min(9, $#broken) ]), '', "$cases distributions keep what they promise (SEED=$seed)");

# ---- many rounds ---------------------------------------------------------------------------

# However few leads come in at a time, in the long run each rep gets its part of them.
foreach my $strategy ('even', 'weighted')
{
	my $nreps = 2 + int(rand 7);
	my @weights = map { $strategy eq 'even' ? 1 : one_of(1, 2, 3, 5, 0.5) } 1 .. $nreps;
	my $rounds = 40;
	my @sizes = map { int(rand 5) } 1 .. $rounds;
	my $n = sum0(@sizes);

	psql("TRUNCATE leadflow.assignment, leadflow.member; UPDATE leadflow.lead SET do_not_contact = false; UPDATE leadflow.list SET rotation = '{}'; UPDATE leadflow.rep SET active = false;"
		. join('', map { "UPDATE leadflow.rep SET active = true, weight = $weights[$_ - 1], weekly_capacity = NULL, away_from = NULL, away_until = NULL WHERE rep_id = $_;" } 1 .. $nreps));
	my $lead = 0;
	psql(join('', map { my $from = $lead + 1; $lead += $_;
		"INSERT INTO leadflow.member (lead_id, list_id, entered_at) SELECT lead_id, 900, '2099-12-01' FROM leadflow.lead WHERE lead_id BETWEEN $from AND $lead;
		SELECT leadflow.distribute('calls', '$strategy');" } @sizes));
	my %given = map { @$_ } rows('SELECT to_rep_id, count(*) FROM leadflow.assignment GROUP BY 1');
	my $all = sum0(@weights);
	my @off = grep { abs(($given{$_} // 0) - $n * $weights[$_ - 1] / $all) >= ($strategy eq 'even' ? 1 : 2) } 1 .. $nreps;

	is(sum0(values %given), $n, "$strategy: all of $rounds rounds are given");
	is(join(', ', map { "rep $_ got $given{$_}, its part is " . $n * $weights[$_ - 1] / $all } @off), '', "$strategy: each gets its part over $rounds rounds (SEED=$seed)");
}

$node->stop;
done_testing();
