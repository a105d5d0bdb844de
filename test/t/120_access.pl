# What access that was granted lets through, and what not: everything that a
# salesperson can think of is done in sessions of roles of their own, and nothing
# of a lead that is not theirs may come out, not in an error either.
use strict;
use warnings;

use LeadflowTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = node('access');
my $db = database($node, 'crm');

sub sql
{
    return $node->safe_psql($db, $_[0]);
}

# all that psql says to a role, errors in full
sub said
{
    my ($role, $sql) = @_;
    my ($out, $err);
    $node->psql($db, "\\set VERBOSITY verbose\nSET SESSION AUTHORIZATION $role; $sql",
        stdout => \$out, stderr => \$err, on_error_stop => 0);
    return "$out\n$err";
}

sub as
{
    my ($role, $sql) = @_;
    return $node->safe_psql($db, "SET SESSION AUTHORIZATION $role; $sql");
}

# ---- leads 1 to 9, the word of each in all that is known of it ------------------------------

sql(q{CREATE ROLE tanaka; CREATE ROLE sato; CREATE ROLE boss; CREATE ROLE ana;
    SELECT FROM leadflow.grant_access('tanaka', 'sales');
    SELECT FROM leadflow.grant_access('sato', 'sales');
    SELECT FROM leadflow.grant_access('boss', 'marketing');
    SELECT FROM leadflow.grant_access('ana', 'analyst');
    INSERT INTO leadflow.rep (name, team, db_role) VALUES ('田中', 'east', 'tanaka'), ('佐藤', 'west', 'sato');
    INSERT INTO leadflow.lead (external_id, company, email, fields) SELECT '秘密' || n, '秘密' || n, '秘密' || n, jsonb_build_object('tags', ARRAY['秘密' || n])
      FROM generate_series(1, 9) AS n;
    INSERT INTO leadflow.visit (lead_id, visited_at, pages, entry_url) SELECT lead_id, now(), 20, company FROM leadflow.lead;
    INSERT INTO leadflow.application (lead_id, status) SELECT lead_id, company FROM leadflow.lead;
    INSERT INTO leadflow.activity (lead_id, fields, recorded_at)
    SELECT lead_id, jsonb_build_object('acted_on', '2020-01-06', 'content', company), '2020-01-06' FROM leadflow.lead;
    UPDATE leadflow.activity SET fields = fields || jsonb_build_object('note', '秘密' || lead_id);
    INSERT INTO leadflow.deal (lead_id, name, stage) SELECT lead_id, company, '提案' FROM leadflow.lead;
    INSERT INTO leadflow.task (lead_id, title) SELECT lead_id, company FROM leadflow.lead;
    UPDATE leadflow.lead SET rep_id = 1 WHERE lead_id = 1;
    SELECT leadflow.create_list('east', visibility => '{east}'), leadflow.create_list('west', visibility => '{west}');
    SELECT leadflow.add_to_list('east', '{2-5}'::leadflow.leadset, '理由'), leadflow.add_to_list('west', '{6-8}'::leadflow.leadset, '理由');
    UPDATE leadflow.member SET memo = '秘密' || lead_id, entered_reason = '秘密' || lead_id;
    SELECT leadflow.remove_from_list('west', '{8}'::leadflow.leadset, '秘密8');
    SELECT leadflow.save_segment('of all', 'lead(company contains ''秘密'')')});
$node->safe_psql($db, 'VACUUM ANALYZE');

my $hidden = qr/秘密[6-9]/;
my $shown = qr/秘密[1-5]/;
my @relations = split /\n/, sql(q{SELECT c.oid::regclass FROM pg_class AS c WHERE relnamespace = 'leadflow'::regnamespace AND relkind IN ('r', 'v')
    AND has_table_privilege('tanaka', c.oid, 'SELECT') ORDER BY 1});
cmp_ok(scalar @relations, '>', 15, 'there is something to read');

my $leak = q{CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$BEGIN RAISE NOTICE '%', $1; RETURN true; END$$; };
my @attempts = (
    (map { ("SELECT t FROM $_ AS t", "COPY (SELECT * FROM $_) TO STDOUT", "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM $_ AS t",
                $leak . "SELECT FROM $_ AS t WHERE pg_temp.leak(t::text)") } @relations),
    # conditions that would be asked of rows before the policy is
    (map { $leak . $_ } 'SELECT FROM leadflow.lead WHERE pg_temp.leak(company)',
        'SELECT FROM leadflow.member AS m JOIN leadflow.lead AS d USING (lead_id) WHERE pg_temp.leak(d.company) AND pg_temp.leak(m.memo)',
        'SELECT FROM leadflow.visit WHERE pg_temp.leak(entry_url) AND lead_id = 6', 'UPDATE leadflow.member SET memo = memo WHERE pg_temp.leak(memo)',
        'UPDATE leadflow.task SET title = title WHERE pg_temp.leak(title) RETURNING *', 'DELETE FROM leadflow.task WHERE pg_temp.leak(title)',
        "SELECT convert_from(leadflow.export_query('SELECT * FROM leadflow.lead WHERE pg_temp.leak(company)'), 'UTF8')"),
    'SELECT company::integer FROM leadflow.lead WHERE lead_id = 6', 'SELECT FROM leadflow.lead WHERE company::integer = 6 AND lead_id > 5',
    'SELECT FROM leadflow.lead WHERE 1 / (lead_id - 6) = 5 AND lead_id > 5',
    'SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE schemaname = \'leadflow\'', 'ANALYZE VERBOSE leadflow.lead',
    # writing, and what errors say
    'INSERT INTO leadflow.task (lead_id, title) SELECT 6, \'x\' RETURNING *', 'INSERT INTO leadflow.task (lead_id, title, activity_id) VALUES (1, \'x\', 6)',
    'INSERT INTO leadflow.activity (lead_id, fields) VALUES (6, \'{"acted_on": "2030-01-01"}\')',
    'INSERT INTO leadflow.activity (lead_id, fields) SELECT lead_id, \'{"acted_on": "x"}\' FROM generate_series(1, 9) AS lead_id',
    'INSERT INTO leadflow.deal (lead_id, rep_id, name, stage) VALUES (6, 1, \'x\', \'no stage\')',
    'UPDATE leadflow.member SET state = \'wrong\'', 'UPDATE leadflow.member SET memo = NULL WHERE lead_id = 6 RETURNING *',
    # functions
    (map { "SELECT * FROM leadflow.record_activity($_)" } '6', '6, content => \'x\', list => \'west\'', '6, dry_run => true', '1, list => \'west\''),
    'SELECT * FROM leadflow.record_activities(\'[{"lead_id": 6}, {"lead_id": 7, "kind": "x"}]\')',
    (map { ("SELECT leadflow.evaluate('$_')", "SELECT leadflow.matches(6, '$_')", "SELECT * FROM leadflow.why(6, '$_')", "SELECT * FROM leadflow.why(6, 'not ($_)')") }
            'everyone', 'segment(\'\'of all\'\')', 'list(\'\'west\'\')', 'visit(entry_url = \'\'秘密\'\')', 'count(distinct visit.entry_url) >= 1', 'first(activity)(content is not null)',
        'lead(company::int = 1)', 'lead(tags contains \'\'x\'\')'),
    (map { "SELECT * FROM leadflow.$_" } 'update_leads(\'everyone\'::leadflow.segment, \'{"industry": "x"}\', dry_run => true)', 'revalidate(\'lead\', \'{6}\')',
        'set_form(\'lead\', \'company text required\', dry_run => true)', 'refresh_list(\'west\')', 'add_to_list(\'east\', \'{6,99}\'::leadflow.leadset)',
        'remove_from_list(\'west\', \'everyone\'::leadflow.segment)', 'close_list(\'west\')', 'apply_activities()', 'shown_fields(\'lead\', 6)', 'shown_fields(\'activity\', 6, 6)',
        'visible_leads(\'assigned\')', 'visible_leads(\'shared\')', 'visible_leads(\'worked\')', 'visible_lists()', 'my_reps()'),
    (map { "SELECT * FROM leadflow.$_" } 'preview(\'everyone\')', 'explain_segment(\'lead(company contains \'\'秘\'\')\')',
        'evaluate_all(ARRAY[\'everyone\', \'visit\']::leadflow.segment[])', 'next_lead(\'east\', \'田中\')', 'next_lead(\'west\', \'田中\')', 'next_lead(\'west\', \'佐藤\')',
        'next_lead(2, 2)', 'members(\'west\')', 'members(\'east\')', 'member_diff(\'west\', \'2020-01-01\')', 'member_diff(\'east\', \'2020-01-01\')',
        'assign(\'west\', \'田中\', \'everyone\'::leadflow.segment)', 'distribute(\'west\', dry_run => true)', 'claim_notifications()', 'retry_dead()', 'due_lists(now())',
        'preview_mail(\'x\', 6)', 'change_token()', 'changes_since(\'\')', 'follow_changes()'),
    (map { "SELECT convert_from($_, 'UTF8')" } 'leadflow.export_csv(\'west\')', 'leadflow.export_csv(\'east\', history => true)', 'leadflow.export_csv(2)',
        'leadflow.export_query(\'SELECT * FROM leadflow.application_history\')', 'leadflow.export_csv(\'east\', encoding => \'LATIN1\')'),
    'SET row_security = off; SELECT * FROM leadflow.lead', 'SET row_security = off; SELECT leadflow.evaluate(\'everyone\')', 'SET ROLE boss; SELECT * FROM leadflow.lead', 'CALL leadflow.run_due()',
    'LOCK leadflow.lead; SELECT * FROM leadflow.lead WHERE lead_id > 5 FOR UPDATE',
    'CREATE TEMP TABLE t (lead_id bigint REFERENCES leadflow.lead); INSERT INTO t VALUES (6)',
    'DECLARE c CURSOR WITH HOLD FOR SELECT * FROM leadflow.lead; FETCH ALL FROM c');
my $seen = 0;
my @leaks;
foreach my $attempt (@attempts)
{
    my $said = said('tanaka', $attempt);
    $seen++ if $said =~ $shown;
    # what one asks is said back
    $said =~ s/^.*(LINE \d+|STATEMENT|QUERY):.*$//mg;
    push @leaks, "$attempt\n$said" if $said =~ $hidden;
}
is(join("\n", @leaks), '', scalar(@attempts) . ' attempts bring out nothing of leads of others');
cmp_ok($seen, '>', 20, 'but of his own');
like(said('boss', $leak . 'SELECT FROM leadflow.lead WHERE pg_temp.leak(company)'), $hidden, 'who sees all does');
like(said('ana', "SELECT convert_from(leadflow.export_csv('west'), 'UTF8')"), $hidden, 'an analyst exports all');
like(said('tanaka', "SELECT leadflow.refresh_list('east')"), qr/42501: role "tanaka" may not see all leads and lists/, 'a verb on a list says why not');

# ---- policies are asked once a statement, also in parallel ------------------------------------

my $plan = as('tanaka', "SET work_mem = '64MB'; EXPLAIN (COSTS OFF) SELECT count(*) FROM leadflow.visit");
my @initplans = $plan =~ /^\s*InitPlan/mg;
is(scalar @initplans, 3, 'three sub-selects, none of which depends on the row');
unlike($plan, qr/SubPlan/, 'and no others');
my $always_parallel = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
is(as('tanaka', "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET $always_parallel = on; SELECT count(*) FROM leadflow.visit"),
    5, 'in parallel the same');
is(sql("PREPARE q AS SELECT count(*) FROM leadflow.lead; EXECUTE q; SET ROLE tanaka; EXECUTE q; SET ROLE sato; EXECUTE q; RESET ROLE; EXECUTE q"), "9\n5\n2\n9", 'a plan is for its role');

# ---- what others commit -------------------------------------------------------------------------

sub session
{
    my $session = $node->background_psql($db, on_error_stop => 0);
    $session->query_safe('SET SESSION AUTHORIZATION tanaka');
    return $session;
}

SKIP:
{
    skip 'background_psql is not here', 5 unless $node->can('background_psql') && eval { require PostgreSQL::Test::BackgroundPsql };
    my $count = 'SELECT count(*) FROM leadflow.lead';
    my $one = session();
    my $two = session();
    $one->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
    $two->query_safe('BEGIN');
    is($one->query_safe($count) . $two->query_safe($count), '55', 'before');
    as('boss', 'UPDATE leadflow.lead SET rep_id = 1 WHERE lead_id = 9');
    is($one->query_safe($count), 5, 'a snapshot that is kept keeps what is visible');
    is($two->query_safe($count), 6, 'a new one does not');
    $one->query_safe('COMMIT');
    is($one->query_safe($count), 6, 'nor one of a new transaction');
    as('boss', 'UPDATE leadflow.lead SET rep_id = NULL WHERE lead_id = 9');
    is($two->query_safe($count), 5, 'and back');
    $_->quit foreach $one, $two;
}

# ---- a dump takes it along ------------------------------------------------------------------------

my $dir = PostgreSQL::Test::Utils::tempdir;
my @at = ('-h', $node->host, '-p', $node->port);

sub schema
{
    my ($of) = @_;
    my ($out) = run_command([ 'pg_dump', @at, '--schema-only', $of ]);
    $out =~ s/^\\(un)?restrict .*\n//mg;
    return $out;
}

$node->command_ok([ 'pg_dump', @at, '-Fc', '-f', "$dir/crm.dump", $db ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', @at, '-j4', '-d', 'restored', '--exit-on-error', "$dir/crm.dump" ], 'pg_restore -j4');
is(schema('restored'), schema($db), 'policies and privileges come back');
$db = 'restored';
is(as('tanaka', 'SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead'), '{1-5}', 'and hold');
my $before = schema($db);
sql('CALL leadflow.install()');
is(schema($db), $before, 'install() keeps them');

# ---- roles come and go ------------------------------------------------------------------------------

sql('ALTER ROLE tanaka RENAME TO tanaka2');
is(as('tanaka2', 'SELECT count(*) FROM leadflow.lead'), 0, 'a role of another name is no rep');
sql("UPDATE leadflow.rep SET db_role = 'tanaka2' WHERE rep_id = 1");
is(as('tanaka2', 'SELECT count(*) FROM leadflow.lead'), 5, 'until the rep has it');
sql('DROP OWNED BY tanaka2');
like(said('tanaka2', 'SELECT count(*) FROM leadflow.lead'), qr/permission denied/, 'DROP OWNED takes all access');
is(sql("SELECT array_agg(DISTINCT polroles::regrole[]) FROM pg_policy WHERE polname LIKE 'sales%'"), '{{sato}}', 'also from the policies');
$db = 'crm';
sql('DROP OWNED BY tanaka2');
sql('DROP ROLE tanaka2');

$node->stop;
done_testing();
