# What is dumped comes back: custom format in parallel, plain, data only; for a
# superuser and for an owner who is none.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init;
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub sql
{
	my ($db, $sql) = @_;
	return $node->safe_psql($db, $sql);
}

# every row of every table, and where the sequences are
sub rows
{
	my ($db) = @_;
	return sql($db, q{SELECT c.relname, md5(query_to_xml(format('SELECT t::text FROM %s AS t ORDER BY 1', c.oid::regclass), true, false, '')::text)
		  FROM pg_class AS c WHERE c.relnamespace = 'leadflow'::regnamespace AND c.relkind = 'r'
		 UNION ALL SELECT sequencename, last_value::text FROM pg_sequences WHERE schemaname = 'leadflow' ORDER BY 1});
}

sub schema
{
	my ($db, @options) = @_;
	my ($out, $err) = run_command([ 'pg_dump', '-h', $node->host, '-p', $node->port, '--schema-only', @options, $db ]);
	die $err if $err;
	$out =~ s/^\\(un)?restrict .*\n//mg;
	return $out;
}

# a database with some of everything, its tables owned by a role
sub fill
{
	my ($db, $owner) = @_;
	sql('postgres', "CREATE DATABASE $db");
	sql($db, "CREATE EXTENSION leadflow; GRANT USAGE, CREATE ON SCHEMA leadflow TO owner WITH GRANT OPTION");
	sql($db, "SET ROLE $owner; CALL leadflow.install('Asia/Tokyo')");
	sql($db, qq{SET ROLE $owner;
		INSERT INTO leadflow.rep (name, manager_id) VALUES ('田中', 2), ('部長', NULL);
		INSERT INTO leadflow.campaign (name) VALUES ('春の展示会');
		INSERT INTO leadflow.lead (email, created_at, rep_id, merged_into) SELECT n, '2000-01-01', 1, CASE WHEN n = 4 THEN 5 END FROM generate_series(1, 1000) AS n;
		INSERT INTO leadflow.visit (lead_id, visited_at, pages) SELECT lead_id, now(), 20 FROM leadflow.lead WHERE lead_id <= 10;
		INSERT INTO leadflow.application (lead_id, campaign_id) SELECT lead_id, 1 FROM leadflow.lead;
		UPDATE leadflow.list SET created_at = '2000-01-01';
		CREATE INDEX my_index ON leadflow.lead (company);
		GRANT SELECT ON leadflow.schedule_status, leadflow.activity_view, leadflow.lead TO reader;
		SELECT leadflow.save_segment('mine', 'list(''HOTリードリスト'') and lead(lead_id <= 5)');
		SELECT leadflow.create_list('mine', 'segment(''mine'')', 'every 2 weeks on mon,thu at 07:00', 'mirror', 'America/New_York', due_after => '1 day')});
	sql($db, "SET ROLE $owner; CALL leadflow.run_due()");
	sql($db, qq{SET ROLE $owner; SELECT leadflow.remove_from_list('HOTリードリスト', '{2}'::leadflow.leadset, 'why');
		INSERT INTO leadflow.territory (position, segment, rep_id) VALUES (1, 'lead(lead_id <= 5)', 1);
		SELECT leadflow.distribute('HOTリードリスト', 'rules'); UPDATE leadflow.member SET rep_id = NULL WHERE lead_id = 1;
		INSERT INTO leadflow.activity (lead_id, list_id, fields) SELECT 3, list_id, '{"acted_on": "2026-01-05", "result": "商談化"}' FROM leadflow.list});
	sql($db, qq{SET ROLE $owner; INSERT INTO leadflow.deal (lead_id, name, stage, activity_id) SELECT lead_id, 'd', '提案', activity_id FROM leadflow.activity;
		INSERT INTO leadflow.task (lead_id, title, activity_id) SELECT lead_id, 't', activity_id FROM leadflow.activity;
		UPDATE leadflow.activity SET fields = fields || '{"acted_on": "2026-01-06"}' WHERE list_id = 1});
	sql($db, qq{SET ROLE $owner; SELECT leadflow.create_rule('r', '{"enters": "mine"}', '[{"create_task": "rule"}]'), leadflow.create_rule('s', '{"stage": "提案"}', '[{"create_task": "rule"}]'),
			leadflow.create_rule('f', '{"field": "lead.company"}', '[{"create_task": "rule"}]'), leadflow.create_rule('a', '{"result": "商談化"}', '[{"create_task": "rule"}]'), leadflow.create_rule('v', '{"enters_segment": "visit"}', '[{"create_task": "rule"}]')});
	sql($db, qq{SET ROLE $owner; SELECT leadflow.add_to_list('mine', '{7,8}'::leadflow.leadset);
		INSERT INTO leadflow.deal (lead_id, name, stage) VALUES (6, 'e', '提案');
		INSERT INTO leadflow.lead (company) VALUES ('rule');
		INSERT INTO leadflow.activity (lead_id, fields) VALUES (9, '{"acted_on": "2026-01-06", "result": "商談化"}');
		INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (12, now(), 1)});
	sql($db, "SET ROLE $owner; CALL leadflow.run_due()");
	is(sql($db, "SELECT count(*) FROM leadflow.rule_log"), 6, "$owner: rules have fired");
	sql($db, qq{SET ROLE $owner; UPDATE leadflow.schedule SET created_at = '2000-01-01';
		UPDATE leadflow.lead SET email = 'lead' || email || '\@x.example' WHERE lead_id <= 10;
		SELECT leadflow.queue_mail('HOTリードリスト', '初回のご挨拶', name => 'mails'), leadflow.run_reminder(name, now()) FROM leadflow.schedule ORDER BY name LIMIT 1;
		SELECT leadflow.ack(ARRAY(SELECT notification_id FROM leadflow.claim_notifications(3, '1 day')))});
	sql($db, $_) foreach set_forms($owner);
}

# rows entered under no form, the first and the second, which would refuse the ones before
sub set_forms
{
	my ($owner) = @_;
	return ("SET ROLE $owner; SELECT leadflow.set_form('activity', 'acted_on date; result radio(''商談化'', ''留守'')');
		INSERT INTO leadflow.activity (lead_id, fields) VALUES (4, '{\"result\": \"留守\"}')",
		"SET ROLE $owner; SELECT leadflow.set_form('activity', 'acted_on date required; result radio(''商談化'', ''留守'' retired)');
		INSERT INTO leadflow.activity (lead_id, fields) VALUES (5, '{\"acted_on\": \"2026-01-06\", \"result\": \"商談化\"}')");
}

# what came back is what there was, and works on
sub same
{
	my ($was, $is, $owner, $how) = @_;
	is(rows($is), rows($was), "$how: every row, every sequence");
	# the triggers that rollups follow writes by are made where rows alone came
	sql($is, "SET ROLE $owner; SET search_path = ''; SELECT leadflow.plan_rollups()");
	is(schema($is), schema($was), "$how: everything made, its comments and its grants");
	is(sql($is, "SET ROLE $owner; SET search_path = ''; SELECT leadflow.evaluate('list(''HOTリードリスト'')')"), '{1,3,5-10}', "$how: list() works");
	is(sql($is, "SET ROLE $owner; SET search_path = ''; INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (11, now(), 20);
		SELECT added, removed, kept FROM leadflow.refresh_list('HOTリードリスト')"), '1|0|8', "$how: a refresh goes on, and the hold holds");
	is(sql($is, "SET ROLE $owner; SET search_path = ''; UPDATE leadflow.activity SET recorded_by = 'me' WHERE lead_id = 4 RETURNING form_version"), 2, "$how: an old row can be updated");
	my ($status) = $node->psql($is, "INSERT INTO leadflow.activity (lead_id, fields) VALUES (4, '{\"result\": \"留守\"}')");
	isnt($status, 0, "$how: a new row is held to the new form");
	sql($is, "SET ROLE $owner; SET search_path = ''; CALL leadflow.install(); CALL leadflow.run_due('2100-01-01')");
	is(sql($is, "SELECT count(*) FROM leadflow.refresh_run WHERE error IS NOT NULL"), 0, "$how: so does the tick");
	sql('postgres', "DROP DATABASE $is");
}

sql('postgres', "CREATE ROLE owner LOGIN; CREATE ROLE reader");
my @at = ('-h', $node->host, '-p', $node->port);

for my $owner ('postgres', 'owner')
{
	my $db = "by_$owner";
	fill($db, $owner);

	sql('postgres', 'CREATE DATABASE custom');
	$node->command_ok([ 'pg_dump', @at, '-Fc', '-f', "$dir/$db.dump", $db ], "$owner: pg_dump -Fc");
	$node->command_ok([ 'pg_restore', @at, '-j4', '-d', 'custom', '--exit-on-error', "$dir/$db.dump" ], "$owner: pg_restore -j4");
	same($db, 'custom', $owner, "$owner, custom");

	sql('postgres', 'CREATE DATABASE plain');
	$node->command_ok([ 'pg_dump', @at, '-f', "$dir/$db.sql", $db ], "$owner: pg_dump");
	$node->command_ok([ 'psql', '-Xq', @at, '-v', 'ON_ERROR_STOP=1', '-d', 'plain', '-f', "$dir/$db.sql" ], "$owner: psql");
	same($db, 'plain', $owner, "$owner, plain");

	# rows only, by the owner, into what install() has made: its defaults have to go first
	sql('postgres', 'CREATE DATABASE rows');
	sql('rows', "CREATE EXTENSION leadflow; GRANT USAGE, CREATE ON SCHEMA leadflow TO owner WITH GRANT OPTION");
	sql('rows', "SET ROLE $owner; CALL leadflow.install('Europe/Paris'); INSERT INTO leadflow.lead (lead_id) SELECT generate_series(1, 5)");
	sql('rows', $_) foreach set_forms($owner);
	my $tables = sql('rows', "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relnamespace = 'leadflow'::regnamespace AND relkind = 'r'");
	sql('rows', "SET ROLE $owner; TRUNCATE $tables;
		CREATE INDEX my_index ON leadflow.lead (company); GRANT SELECT ON leadflow.schedule_status, leadflow.activity_view, leadflow.lead TO reader");
	$node->command_ok([ 'pg_dump', @at, '-U', $owner, '--data-only', '-n', 'leadflow', '-f', "$dir/$db.rows", $db ], "$owner: pg_dump --data-only");
	unlike(slurp_file("$dir/$db.rows"), qr/circular/, 'tables can be ordered by their foreign keys');
	$node->command_ok([ 'psql', '-Xq', @at, '-U', $owner, '-v', 'ON_ERROR_STOP=1', '-d', 'rows', '-f', "$dir/$db.rows" ], "$owner: psql");
	same($db, 'rows', $owner, "$owner, rows only");
}

# rows only, as the documentation says: what install() seeded goes first, and the forms are restored with it
sql('postgres', 'CREATE DATABASE documented');
sql('documented', "CREATE EXTENSION leadflow; GRANT USAGE, CREATE ON SCHEMA leadflow TO owner WITH GRANT OPTION");
sql('documented', "SET ROLE owner; CALL leadflow.install()");
sql('documented', 'SET ROLE owner; ' . sql('documented', "SELECT format('TRUNCATE %s', string_agg(format('leadflow.%I', tablename), ', ')) FROM pg_tables WHERE schemaname = 'leadflow'"));
$node->command_ok([ 'psql', '-Xq', @at, '-U', 'owner', '-v', 'ON_ERROR_STOP=1', '-d', 'documented', '-f', "$dir/by_owner.rows" ], 'rows only, as documented');
sql('documented', "SET ROLE owner; CALL leadflow.install()");
is(rows('documented'), rows('by_owner'), 'as documented: every row, every sequence');
my ($refused, undef, $why) = $node->psql('documented', "INSERT INTO leadflow.activity (lead_id, fields) VALUES (4, '{\"result\": \"留守\"}')");
like($why, qr/the choice is retired/, 'as documented: a new row is held to the form in force');

# a dump of an owner who is no superuser, restored by the same into a database prepared by a superuser
sql('postgres', 'CREATE DATABASE own');
sql('own', "CREATE EXTENSION leadflow; GRANT USAGE, CREATE ON SCHEMA leadflow TO owner WITH GRANT OPTION");
$node->command_ok([ 'pg_dump', @at, '-U', 'owner', '-Fc', '-f', "$dir/own.dump", 'by_owner' ], 'pg_dump by the owner');
my ($toc, $err) = run_command([ 'pg_restore', '-l', "$dir/own.dump" ]);
$toc = join("\n", grep { !/ (SCHEMA - leadflow|EXTENSION|COMMENT - EXTENSION|ACL - SCHEMA) / } split(/\n/, $toc));
append_to_file("$dir/own.toc", "$toc\n");
$node->command_ok([ 'pg_restore', @at, '-U', 'owner', '-j4', '-d', 'own', '-L', "$dir/own.toc", '--exit-on-error', "$dir/own.dump" ], 'pg_restore by the owner');
same('by_owner', 'own', 'owner', 'by the owner');

# columns of the types in a user's table, indexed; also as what a client sends and receives in binary
sql('postgres', 'CREATE DATABASE kept');
sql('kept', q{CREATE EXTENSION leadflow;
	CREATE TABLE kept (id bigint PRIMARY KEY, leads leadflow.leadset UNIQUE, big leadflow.leadset, form leadflow.form, segment leadflow.segment, cadence leadflow.cadence);
	CREATE INDEX kept_big ON kept USING hash (big); CREATE INDEX kept_form ON kept USING hash (form);
	INSERT INTO kept SELECT n, ARRAY[n, n + 1]::leadflow.leadset, (SELECT leadflow.leadset_agg(i * n) FROM generate_series(1, 20000) AS i), format('a%s "名" text', n)::leadflow.form, 'lead', 'hourly' FROM generate_series(1::bigint, 20) AS n});
sql('postgres', "CREATE DATABASE $_") foreach 'kept_custom', 'kept_binary';
$node->command_ok([ 'pg_dump', @at, '-Fc', '-f', "$dir/kept.dump", 'kept' ], 'a table of values: pg_dump');
$node->command_ok([ 'pg_restore', @at, '-j4', '-d', 'kept_custom', '--exit-on-error', "$dir/kept.dump" ], 'a table of values: pg_restore -j4');
sql('kept', "COPY kept TO '$dir/kept.copy' (FORMAT binary)");
sql('kept_binary', "CREATE EXTENSION leadflow; CREATE TABLE kept (id bigint, leads leadflow.leadset, big leadflow.leadset, form leadflow.form, segment leadflow.segment, cadence leadflow.cadence)");
sql('kept_binary', "COPY kept FROM '$dir/kept.copy' (FORMAT binary)");
my $all = 'SELECT md5(string_agg(kept::text, chr(10) ORDER BY id)), count(*) FROM kept';
like(sql('kept', $all), qr/\|20$/, 'a table of values');
is(sql('kept_custom', $all), sql('kept', $all), 'a table of values comes back from a dump');
is(sql('kept_binary', $all), sql('kept', $all), 'and from a binary copy');
is(sql('kept_custom', q{SET enable_seqscan = off; SELECT id FROM kept WHERE big OPERATOR(leadflow.=) (SELECT leadflow.leadset_agg(i * 7) FROM generate_series(1, 20000) AS i)}), 7, 'its index finds what it found');

$node->stop;
done_testing();
