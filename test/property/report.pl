# The views for BI on random records: every figure is counted again in Perl from the rows
# of the tables, with local days by the C library's zones. Among the records are late
# corrections, results that were retired or changed their meaning, members that were
# reassigned, leads merged, deleted and not to be contacted, leads on several lists and
# there again, days of a zone change, and dates that are none. Each is read by the owner,
# an analyst and two sales people: a reader's figures are those of the rows the reader sees.
#
# SEED=n repeats a run, ROUNDS=n, up to 6, sets how often the records are made anew.
use strict;
use warnings;
use utf8;
use Encode qw(encode_utf8);
use JSON::PP;
use POSIX qw(tzset floor);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use LeadflowTest;
use Test::More;
use Time::Local qw(timegm);

my $seed = seed();
my $rounds = $ENV{ROUNDS} // 3;

my $node = node('report', 'jit' => 'off', 'fsync' => 'off', 'DateStyle' => 'SQL, DMY');
database($node, 'postgres');

sub psql { return $node->safe_psql('postgres', encode_utf8(shift)); }

# ---- days --------------------------------------------------------------------------------

# The date that the clocks of a zone show, and dates as numbers of days.
sub local_day
{
	my ($epoch, $zone) = @_;
	return undef unless defined $epoch;
	local $ENV{TZ} = $zone;
	tzset();
	my (undef, undef, undef, $d, $m, $y) = localtime(floor($epoch));
	return sprintf('%04d-%02d-%02d', $y + 1900, $m + 1, $d);
}

sub number { my ($y, $m, $d) = split /-/, shift; return timegm(0, 0, 0, $d, $m - 1, $y) / 86400; }
sub date { my @t = gmtime(86400 * shift); return sprintf('%04d-%02d-%02d', $t[5] + 1900, $t[4] + 1, $t[3]); }
sub monday { my $day = shift; return undef unless defined $day; my $n = number($day); return date($n - ($n + 3) % 7); }
sub month { my $day = shift; return undef unless defined $day; return substr($day, 0, 8) . '01'; }

# ---- the records ---------------------------------------------------------------------------

psql(<<'SQL');
CREATE ROLE ana; CREATE ROLE tanaka; CREATE ROLE sato;
INSERT INTO leadflow.rep (name, team, db_role) VALUES ('田中', 'east', 'tanaka'), ('佐藤', 'west', 'sato'), ('鈴木', 'east', NULL), ('Abe', NULL, NULL);
DO $$ BEGIN
	PERFORM leadflow.grant_access('ana', 'analyst'), leadflow.grant_access('tanaka', 'sales'), leadflow.grant_access('sato', 'sales');
	DELETE FROM leadflow.list;
	DELETE FROM leadflow.saved_segment;
	INSERT INTO leadflow.list (name, zone, visibility) VALUES ('all', NULL, NULL), ('east', 'America/New_York', '{east}'), ('west', 'Pacific/Apia', '{west}'), ('空', NULL, NULL);
END $$;
SQL

# Each round has two forms, of an even version and the next: which results count under
# which. The second has retired one, of which no new ones come.
my @counts = ({ A => 'effective', B => 'appointment' }, { B => 'appointment', C => 'appointment', D => 'effective' });

sub counts_as { my $a = shift; return $a->{form_version} > 1 && defined $a->{result} ? $counts[ $a->{form_version} % 2 ]{ $a->{result} } // '' : ''; }

# Only the first form calls a result otherwise than its key.
sub called { my $a = shift; return ($a->{result} // '') eq 'B' && $a->{form_version} > 1 && $a->{form_version} % 2 == 0 ? 'アポ' : $a->{result}; }

sub fill
{
	my ($zone, $day) = @_;
	my $sql_seed = rand(2) - 1;

	psql(<<"SQL");
SELECT setseed($sql_seed);
UPDATE leadflow.setting SET value = '$zone' WHERE name = 'zone';
DELETE FROM leadflow.task; DELETE FROM leadflow.deal_change; DELETE FROM leadflow.deal; DELETE FROM leadflow.activity; DELETE FROM leadflow.assignment;
DELETE FROM leadflow.member; DELETE FROM leadflow.refresh_run; DELETE FROM leadflow.lead;
UPDATE leadflow.list SET created_at = '$day'::timestamp AT TIME ZONE 'UTC';
SELECT leadflow.set_form('activity', 'acted_on date; kind text; source text; result radio(''A'' effective, ''B'' "アポ" effective closes, ''C'' closes, ''D'')');
CREATE TEMPORARY TABLE first_form AS SELECT max(version) AS version FROM leadflow.form_version WHERE entity = 'activity';
CREATE FUNCTION pg_temp.pick(VARIADIC choices anyarray) RETURNS anyelement LANGUAGE sql VOLATILE AS 'SELECT choices[1 + floor(random() * cardinality(choices))::int]';
CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT choices[1 + floor(random() * cardinality(choices))::int]';
CREATE FUNCTION pg_temp.list_id(text) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT l.list_id FROM leadflow.list AS l WHERE l.name = \$1';
-- an instant near a midnight of one of the zones, or any
CREATE FUNCTION pg_temp.instant() RETURNS timestamptz LANGUAGE sql VOLATILE AS \$\$
	SELECT (('$day'::date + pg_temp.pick(-9, -8, -2, -1, 0, 0, 0, 1, 2, 7, 30))::timestamp AT TIME ZONE pg_temp.pick('$zone', 'America/New_York', 'Pacific/Apia'))
		+ pg_temp.pick('0', '-1 second', '1 second', '-30 minutes', '1 hour', '90 minutes', '13 hours', '23 hours 59 minutes')::interval
\$\$;
INSERT INTO leadflow.lead (lead_id, company, created_at, rep_id, deleted_at, merged_into, do_not_contact)
SELECT i, '会社' || i, '2000-01-01', pg_temp.pick(NULL, NULL, 1, 2, 3), CASE WHEN random() < 0.1 THEN now() END, CASE WHEN random() < 0.1 THEN 424242 END, random() < 0.1
  FROM generate_series(1, 40) AS i;
INSERT INTO leadflow.member (lead_id, list_id, entered_at, left_at, rep_id, due_on, next_contact_on, state)
SELECT l.lead_id, s.list_id, e.at, CASE WHEN random() < 0.6 THEN greatest(e.at, pg_temp.instant()) END, pg_temp.pick(NULL, 1, 2, 3, 4),
       current_date + pg_temp.pick(NULL, -2, -1, 0, 1, 2), current_date + pg_temp.pick(NULL, -1, 0, 1), pg_temp.pick('not_started', 'in_progress', 'done')
  FROM leadflow.lead AS l, leadflow.list AS s, generate_series(1, 3) AS k, LATERAL (SELECT pg_temp.instant() AS at WHERE k > 0) AS e
 WHERE s.name <> '空' AND random() < 0.5
    ON CONFLICT DO NOTHING;
INSERT INTO leadflow.activity (lead_id, list_id, rep_id, fields, form_version, recorded_at, applied_at)
SELECT l.lead_id, pg_temp.list_id(pg_temp.pick('all', 'east', 'west', 'none')), pg_temp.pick(NULL, 1, 2, 3, 4),
       jsonb_strip_nulls(jsonb_build_object('acted_on', '$day'::date + pg_temp.pick(-9, -2, -1, 0, 0, 0, 1, 2, 7, NULL), 'kind', pg_temp.pick(NULL, '電話', '訪問'),
           'source', pg_temp.pick(NULL, NULL, 'セミナー', '資料請求'), 'result', pg_temp.pick(NULL, 'A', 'B', 'C', 'D'))), CASE WHEN random() < 0.2 THEN 0 ELSE f.version END, pg_temp.instant(), now() - interval '1 day'
  FROM leadflow.lead AS l, first_form AS f, generate_series(1, 6) AS k WHERE random() < 0.6;
SELECT leadflow.set_form('activity', 'acted_on date; kind text; source text; result radio(''A'', ''B'' effective closes retired, ''C'' effective closes, ''D'' effective)');
INSERT INTO leadflow.activity (lead_id, list_id, rep_id, fields, recorded_at, applied_at)
SELECT l.lead_id, pg_temp.list_id(pg_temp.pick('all', 'east', 'west')), pg_temp.pick(NULL, 1, 2),
       jsonb_strip_nulls(jsonb_build_object('acted_on', '$day'::date + pg_temp.pick(-1, 0, 1, 2, 30), 'source', pg_temp.pick(NULL, 'セミナー'), 'result', pg_temp.pick('A', 'C', 'D'))), pg_temp.instant(), now() - interval '1 day'
  FROM leadflow.lead AS l, generate_series(1, 3) AS k WHERE random() < 0.5;
INSERT INTO leadflow.deal (lead_id, list_id, rep_id, activity_id, name, stage, stage_since, amount, opened_at)
SELECT l.lead_id, pg_temp.list_id(pg_temp.pick('all', 'east', 'west', 'none')), pg_temp.pick(NULL, 1, 2, 3),
       (SELECT a.activity_id FROM leadflow.activity AS a WHERE a.lead_id = l.lead_id ORDER BY random() LIMIT 1), '商談', pg_temp.pick('提案', '見積', '受注', '失注'), now(),
       pg_temp.pick(NULL, 0.0, 1200000.0, 0.5), pg_temp.instant()
  FROM leadflow.lead AS l, generate_series(1, 2) AS k WHERE random() < 0.4;
INSERT INTO leadflow.task (lead_id, list_id, rep_id, title, due_on, status, created_at)
SELECT l.lead_id, pg_temp.list_id(pg_temp.pick('all', 'east', 'west', 'none')), pg_temp.pick(NULL, 1, 2, 3), 't',
       current_date + pg_temp.pick(NULL, -2, -1, 0, 1, 2), pg_temp.pick('open', 'open', 'done', 'cancelled'), pg_temp.instant()
  FROM leadflow.lead AS l, generate_series(1, 2) AS k WHERE random() < 0.4;
INSERT INTO leadflow.refresh_run (list_id, as_of, started, finished, added, removed, kept, error, due_at)
SELECT list_id, e.at, e.at, CASE WHEN e.n > 1 THEN e.at + interval '2.5 seconds' END, nullif(e.n, 1), nullif(e.n, 1), nullif(e.n, 1), CASE WHEN e.n = 1 THEN 'no' END, CASE WHEN e.n > 2 THEN e.at END
  FROM leadflow.list AS l, LATERAL (SELECT n, pg_temp.instant() + n * interval '1 minute' AS at FROM generate_series(1, 4) AS n WHERE l.list_id > 0 AND random() < 0.7) AS e;
-- corrections, under the form they were entered under; members that change hands; a result that nobody knows
UPDATE leadflow.activity SET fields = fields || '{"result": "B"}' WHERE form_version = (SELECT version FROM first_form) AND random() < 0.2;
UPDATE leadflow.activity SET fields = fields - 'result' WHERE random() < 0.1;
UPDATE leadflow.activity SET list_id = NULL WHERE random() < 0.1;
UPDATE leadflow.activity SET fields = '{"acted_on": "soon", "result": "Z"}', form_version = 0 WHERE form_version = 0 AND random() < 0.5;
DELETE FROM leadflow.activity AS a WHERE random() < 0.05;
UPDATE leadflow.member SET rep_id = 1 + (coalesce(rep_id, 0) + 1) % 4 WHERE random() < 0.2;
ANALYZE;
SQL
}

# ---- the rows a role sees, and what the views show it ----------------------------------------

my %order = (
	list_summary => [qw(list status members not_started in_progress done activities effective_calls appointments deals overdue last_refresh)],
	rep_progress => [qw(list rep members not_started in_progress done activities effective_calls appointments deals due_today contact_today overdue)],
	member_status => [qw(list rep lead_id member_id company state entered_on due_on next_contact_on overdue last_acted_on last_kind last_result last_rep)],
	unfollowed => [qw(list rep lead_id member_id company entered_on days_waiting due_on overdue)],
	activity_daily => [qw(day list rep kind result activities effective appointments)],
	activity_weekly => [qw(week list rep kind result activities effective appointments)],
	activity_monthly => [qw(month list rep kind result activities effective appointments)],
	conversion_by_source => [qw(month list rep source activities effective appointments deals won won_amount)],
	funnel => [qw(list source rep cohort_week step stage leads)],
	deal_summary => [qw(list rep stage kind deals amount)],
	task_summary => [qw(list rep status tasks due_today overdue)],
	list_history => [qw(day list size added removed)],
	refresh_history => [qw(day list cause outcome attempts added removed kept)]);

# One statement, so that all is of one snapshot and one clock.
sub read_all
{
	my ($role) = @_;
	my %raw = (
		zone => q{(SELECT value FROM leadflow.setting WHERE name = 'zone')},
		now => q{extract(epoch FROM now())},
		lists => 'SELECT list_id, name, status, zone, extract(epoch FROM created_at) AS created FROM leadflow.list',
		reps => 'SELECT rep_id, name FROM leadflow.rep',
		leads => 'SELECT lead_id, company, do_not_contact OR deleted_at IS NOT NULL OR merged_into IS NOT NULL AS off, deleted_at IS NOT NULL OR merged_into IS NOT NULL AS gone FROM leadflow.lead',
		members => 'SELECT lead_id, member_id, list_id, rep_id, state, due_on, next_contact_on, extract(epoch FROM entered_at) AS entered, extract(epoch FROM left_at) AS left FROM leadflow.member',
		activities => q{SELECT lead_id, activity_id, list_id, rep_id, form_version, fields ->> 'kind' AS kind, fields ->> 'result' AS result, fields ->> 'source' AS source, fields ->> 'acted_on' AS day, extract(epoch FROM recorded_at) AS recorded FROM leadflow.activity},
		deals => 'SELECT lead_id, list_id, rep_id, activity_id, stage, amount, extract(epoch FROM opened_at) AS opened FROM leadflow.deal',
		tasks => 'SELECT list_id, rep_id, status, due_on FROM leadflow.task',
		runs => 'SELECT list_id, extract(epoch FROM as_of) AS as_of, finished IS NOT NULL AS done FROM leadflow.refresh_run');
	$raw{ledger} = 'SELECT list_id, extract(epoch FROM as_of) AS as_of, finished IS NOT NULL AS done, error, attempts, due_at IS NULL AS hand, added, removed, kept FROM leadflow.refresh_run'
		unless $role =~ /tanaka|sato/;
	my @views = grep { $_ ne 'refresh_history' || $raw{ledger} } sort keys %order;
	my $object = join ', ', (map { $raw{$_} =~ /^SELECT/ ? "'$_', (SELECT coalesce(json_agg(t), '[]') FROM ($raw{$_}) AS t)" : "'$_', $raw{$_}" } sort keys %raw),
		map {
			my $columns = join ', ', map { $_ eq 'last_refresh' ? 'extract(epoch FROM last_refresh)' : $_ } @{ $order{$_} };
			my $rows = $_ eq 'list_history' ? "leadflow.$_ WHERE added > 0 OR removed > 0 OR day = (SELECT max(day) FROM leadflow.list_history) OR extract(day FROM day) = 5" : "leadflow.$_";
			"'view_$_', (SELECT coalesce(json_agg(json_build_array($columns)), '[]') FROM $rows)"
		} @views;
	return (decode_json(psql("SET ROLE $role; SET DateStyle = 'ISO'; SELECT json_build_object($object)")), @views);
}

# ---- the same, counted again -------------------------------------------------------------------

sub group
{
	my ($rows, $figures, @key) = @_;
	my %groups;
	foreach my $row (@$rows)
	{
		my $group = $groups{ join '|', map { $_ // '' } @{$row}{@key} } //= { (map { $_ => $row->{$_} } @key), map { $_ => 0 } @$figures };
		$group->{$_} += $row->{$_} // 0 foreach @$figures;
	}
	return values %groups;
}

sub recount
{
	my ($r) = @_;
	my %list = map { $_->{list_id} => $_ } @{ $r->{lists} };
	my %rep = map { $_->{rep_id} => $_->{name} } @{ $r->{reps} };
	my %lead = map { $_->{lead_id} => $_ } @{ $r->{leads} };
	my %won = ('受注' => 1);
	my %kind = ('提案' => 'open', '見積' => 'open', '受注' => 'won', '失注' => 'lost');
	$_->{zone} //= $r->{zone} foreach values %list;
	$_->{today} = local_day($r->{now}, $_->{zone}) foreach values %list;

	my $name = sub { my ($id, $of) = @_; return defined $id && $of->{$id} ? $of->{$id} : undef; };
	foreach my $row (map { @{ $r->{$_} } } qw(members activities deals tasks runs), $r->{ledger} ? 'ledger' : ())
	{
		$row->{on} = $name->($row->{list_id}, \%list);
		$row->{list} = $row->{on} && $row->{on}{name};
		$row->{rep} = $name->($row->{rep_id}, \%rep);
	}
	my %view;

	# activities
	foreach my $a (@{ $r->{activities} })
	{
		my $counts = counts_as($a);
		delete $a->{day} unless ($a->{day} // '') =~ /^\d/;
		@{$a}{qw(activities effective_calls effective appointments)} = (1, $counts ne '', $counts ne '', $counts eq 'appointment');
		$a->{week} = monday($a->{day});
		$a->{month} = month($a->{day});
	}
	my @sums = qw(activities effective appointments);
	$view{activity_daily} = [ group($r->{activities}, \@sums, qw(day list rep kind result)) ];
	$view{activity_weekly} = [ group($r->{activities}, \@sums, qw(week list rep kind result)) ];
	$view{activity_monthly} = [ group($r->{activities}, \@sums, qw(month list rep kind result)) ];

	my %activity = map { ("$_->{lead_id} $_->{activity_id}" => $_) } @{ $r->{activities} };
	my @from_deals;
	foreach my $d (@{ $r->{deals} })
	{
		my $a = defined $d->{activity_id} && $activity{"$d->{lead_id} $d->{activity_id}"};
		push @from_deals, { (map { $_ => $a->{$_} } qw(month list rep source)), deals => 1, won => $won{ $d->{stage} }, won_amount => $won{ $d->{stage} } && $d->{amount} } if $a;
		$d->{kind} = $kind{ $d->{stage} };
		$d->{deals} = 1;
	}
	$view{conversion_by_source} = [ group([ @{ $r->{activities} }, @from_deals ], [ @sums, qw(deals won won_amount) ], qw(month list rep source)) ];
	$view{deal_summary} = [ group($r->{deals}, [qw(deals amount)], qw(list rep stage kind)) ];

	foreach my $t (@{ $r->{tasks} })
	{
		my ($zone, $due) = ($t->{on} ? $t->{on}{zone} : $r->{zone}, $t->{status} eq 'open' ? $t->{due_on} : undef);
		my $today = local_day($r->{now}, $zone);
		$t->{tasks} = 1;
		$t->{due_today} = defined $due && $due eq $today;
		$t->{overdue} = defined $due && $due lt $today;
	}
	$view{task_summary} = [ group($r->{tasks}, [qw(tasks due_today overdue)], qw(list rep status)) ];

	# members
	my (@progress, %last, %funnel);
	foreach my $a (@{ $r->{activities} })
	{
		my $was = $last{ $a->{lead_id} };
		$last{ $a->{lead_id} } = $a
			if !$was || ($a->{day} // '') gt ($was->{day} // '') || ($a->{day} // '') eq ($was->{day} // '') && $a->{activity_id} > $was->{activity_id};
	}
	foreach my $m (grep { $_->{on} } @{ $r->{members} })
	{
		my ($on, $lead) = ($m->{on}, $lead{ $m->{lead_id} });
		my $open = !defined $m->{left} && $lead && !$lead->{off};
		my ($due, $next) = map { $_ // '9999' } @{$m}{qw(due_on next_contact_on)};

		$m->{entered_on} = local_day($m->{entered}, $on->{zone});
		$m->{left_on} = local_day($m->{left}, $on->{zone});
		if ($m->{state} eq 'done') { push @progress, { %$m, members => 1, done => 1, overdue => 0 }; }
		elsif ($open)
		{
			push @progress, { %$m, members => 1, $m->{state} => 1, due_today => $due eq $on->{today}, contact_today => $next eq $on->{today}, overdue => $due lt $on->{today} };
		}
		next unless $open;
		my $a = $last{ $m->{lead_id} } // {};
		push @{ $view{member_status} }, { %$m, company => $lead->{company}, overdue => $m->{state} ne 'done' && $due lt $on->{today},
			last_acted_on => $a->{day}, last_kind => $a->{kind}, last_result => called($a), last_rep => $a->{rep} };
		push @{ $view{unfollowed} }, { %$m, company => $lead->{company}, overdue => $due lt $on->{today}, days_waiting => number($on->{today}) - number($m->{entered_on}) }
			if $m->{state} eq 'not_started';
	}
	my @worked = grep { $_->{on} } @{ $r->{activities} }, @{ $r->{deals} };
	my @of_lists = qw(members not_started in_progress done activities effective_calls appointments deals overdue);
	$view{rep_progress} = [ group([ @progress, @worked ], [ @of_lists, qw(due_today contact_today) ], qw(list rep)) ];
	my %last_refresh;
	foreach my $run (grep { $_->{on} && $_->{done} } @{ $r->{runs} })
	{
		$last_refresh{ $run->{list} } = $run->{as_of} if $run->{as_of} > ($last_refresh{ $run->{list} } // 0);
	}
	$view{list_summary} = [ map { +{ %$_, last_refresh => $last_refresh{ $_->{list} } } }
		group([ @progress, @worked, map { +{ list => $_->{name} } } values %list ], \@of_lists, 'list') ];
	$_->{status} = 'open' foreach @{ $view{list_summary} };

	# the funnel, stage by stage, each by itself
	my @stages = qw(listed worked effective appointment deal won);
	foreach my $m (grep { $_->{on} && $lead{ $_->{lead_id} } && !$lead{ $_->{lead_id} }{gone} } @{ $r->{members} })
	{
		my $zone = $m->{on}{zone};
		my @later = grep { $_->{lead_id} == $m->{lead_id} && $_->{list_id} == $m->{list_id}
				&& ($_->{entered} > $m->{entered} || $_->{entered} == $m->{entered} && $_->{member_id} > $m->{member_id}) } @{ $r->{members} };
		my @mine = grep {
			my $day = $_->{day} // local_day($_->{recorded}, $zone);
			$_->{lead_id} == $m->{lead_id} && (!defined $_->{list_id} || $_->{list_id} == $m->{list_id}) && $day ge $m->{entered_on} && $day le ($m->{left_on} // '9999')
		} @{ $r->{activities} };
		my @deals = grep {
			my $d = $_;
			my $day = local_day($d->{opened}, $zone);
			$d->{lead_id} == $m->{lead_id} && ($d->{list_id} // 0) == $m->{list_id} && $day ge $m->{entered_on} && !grep { $_->{entered_on} le $day } @later
		} @{ $r->{deals} };
		my %came = (listed => 1, worked => scalar(@mine), effective => scalar(grep { $_->{effective} } @mine), appointment => scalar(grep { $_->{appointments} } @mine),
			deal => scalar(@deals), won => scalar(grep { $won{ $_->{stage} } } @deals));
		my $key = join '|', $m->{list}, $m->{rep} // '', monday($m->{entered_on}), $m->{lead_id};
		my $f = $funnel{$key} //= { %$m, cohort_week => monday($m->{entered_on}), mine => [], came => {} };
		push @{ $f->{mine} }, grep { defined $_->{source} } @mine;
		$came{$_} and $f->{came}{$_} = 1 foreach @stages;
	}
	foreach my $f (values %funnel)
	{
		my ($first) = sort { ($a->{day} // '9999') cmp ($b->{day} // '9999') || $a->{activity_id} <=> $b->{activity_id} } @{ $f->{mine} };
		$f->{source} = $first && $first->{source};
	}
	foreach my $step (1 .. 6)
	{
		push @{ $view{funnel} }, group([ map { my $f = $_; +{ %$f, step => $step, stage => $stages[$step - 1], leads => (grep { $f->{came}{$_} } @stages[ $step - 1 .. 5 ]) ? 1 : 0 } } values %funnel ],
			['leads'], qw(list source rep cohort_week step stage));
	}

	# history, by looking at each day
	my $last_day = '';
	my %days;
	foreach my $l (values %list)
	{
		my @stays = grep { $_->{list_id} == $l->{list_id} } @{ $r->{members} };
		my @edges = sort grep { defined } map { @{$_}{qw(entered_on left_on)} } @stays;
		my ($first) = sort grep { defined } local_day($l->{created}, $l->{zone}), $edges[0];
		my $last = $l->{today};
		$last = $edges[-1] if @edges && $edges[-1] gt $last;
		$last_day = $last if $last gt $last_day;
		$days{ $l->{name} } = [ $l, \@stays, $first, $last, { map { $_ => 1 } @edges } ];
	}
	foreach (values %days)
	{
		my ($l, $stays, $first, $last, $edges) = @$_;
		foreach my $day (map { date($_) } number($first) .. number($last))
		{
			next unless $edges->{$day} || $day eq $last_day || $day =~ /-05$/;
			push @{ $view{list_history} }, { day => $day, list => $l->{name},
				size => scalar(grep { $_->{entered_on} le $day && (!defined $_->{left_on} || $_->{left_on} gt $day) } @$stays),
				added => scalar(grep { $_->{entered_on} eq $day } @$stays), removed => scalar(grep { defined $_->{left_on} && $_->{left_on} eq $day } @$stays) };
		}
	}
	$view{refresh_history} = [ map { +{ %$_, day => local_day($_->{as_of}, $_->{on}{zone}), cause => $_->{hand} ? 'hand' : 'cadence', outcome => $_->{done} ? 'done' : 'failed' } } @{ $r->{ledger} } ]
		if $r->{ledger};
	return \%view;
}

# ---- rounds --------------------------------------------------------------------------------------

# Numbers as numbers, nothing as nothing, and where a figure is expected, never null.
sub canonical
{
	my $value = shift;
	return '-' unless defined $value;
	return $value ? 1 : 0 if ref $value;
	return 0 if $value eq '';
	return $value =~ /^-?\d+(\.\d+)?$/ ? 0 + $value : $value;
}

my %figure = map { $_ => 1 } qw(members not_started in_progress done activities effective_calls effective appointments deals overdue due_today contact_today
	won won_amount leads amount tasks size added removed kept days_waiting);

sub lines
{
	my ($columns, $rows) = @_;
	return encode_utf8(join "\n", sort map { my $row = $_; join '|', map { my $v = $row->[$_]; canonical(defined $v || !$figure{ $columns->[$_] } ? $v : 'NULL') } 0 .. $#$columns } @$rows);
}

my %seen_less;
my @rounds = map { +{ zone => $_->[0], day => $_->[1] } } ([ 'Europe/Berlin', '2026-03-29' ], [ 'America/New_York', '2026-11-01' ], [ 'America/Sao_Paulo', '2018-11-04' ],
	[ 'Asia/Tokyo', '2011-12-30' ], [ 'Africa/Cairo', '2026-04-24' ], [ 'Asia/Tokyo', '2026-01-05' ]);
foreach my $round (1 .. $rounds)
{
	my ($zone, $day) = @{ splice @rounds, rand @rounds, 1 }{qw(zone day)};
	fill($zone, $day);
	my %total;
	foreach my $role (qw(postgres ana tanaka sato))
	{
		my ($rows, @views) = read_all($role);
		my $expected = recount($rows);
		foreach my $view (@views)
		{
			my @columns = @{ $order{$view} };
			my $want = lines(\@columns, [ map { my $row = $_; [ map { $figure{$_} ? $row->{$_} // 0 : $row->{$_} } @columns ] } @{ $expected->{$view} // [] } ]);
			is(lines(\@columns, $rows->{"view_$view"}), $want, "$view as $role, around $day in $zone (SEED=$seed)");
		}
		$total{$role} = @{ $rows->{activities} } + @{ $rows->{members} };
		$seen_less{$role} ||= $total{$role} && $total{$role} < $total{postgres};
	}
}
ok($seen_less{$_}, "$_ has seen a part") foreach qw(tanaka sato);
ok(!$seen_less{ana}, 'an analyst all');

$node->stop;
done_testing();
