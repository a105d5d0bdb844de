# The tables belong to a role that is no superuser; and what others can do to it.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('owner');
$node->init;
$node->start;

my $db = 'postgres';

sub sql
{
	return $node->safe_psql($db, $_[0]);
}

sub as
{
	my ($role, $sql) = @_;
	return $node->safe_psql($db, "SET SESSION AUTHORIZATION $role; $sql");
}

# the SQLSTATE and message of the error that a statement must end in
sub refused
{
	my ($role, $sql, $pattern, $name) = @_;
	my ($rc, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\nSET SESSION AUTHORIZATION $role; $sql");
	isnt($rc, 0, "$name: refused");
	like($err, $pattern, $name);
}

sub new_database
{
	($db) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	sql("CREATE EXTENSION leadflow; GRANT USAGE, CREATE ON SCHEMA leadflow TO owner WITH GRANT OPTION");
}

$node->safe_psql('postgres', "CREATE ROLE owner; CREATE ROLE reader; CREATE ROLE attacker");

# ---- the owner can install and use everything -------------------------------------------

new_database('owned');
as('owner', "CALL leadflow.install('Asia/Tokyo')");
as('owner', "CALL leadflow.install()");
is(sql("SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'leadflow'::regnamespace AND relkind IN ('r', 'v', 'S', 'i')"),
	'owner', 'what is installed is the owner\'s');
as('owner', q{INSERT INTO leadflow.lead (email, created_at) SELECT n, '2000-01-01' FROM generate_series(1, 5) AS n;
	INSERT INTO leadflow.visit (lead_id, visited_at, pages) SELECT lead_id, now(), 20 FROM leadflow.lead WHERE lead_id <= 3;
	INSERT INTO leadflow.application (lead_id) SELECT lead_id FROM leadflow.lead;
	UPDATE leadflow.list SET created_at = '2000-01-01'});
is(as('owner', "SELECT leadflow.evaluate('segment(''hot'')')"), '{1-3}', 'evaluate');
as('owner', "CALL leadflow.run_due()");
is(as('owner', "SELECT last_outcome FROM leadflow.schedule_status WHERE list = 'HOTリードリスト'"), '3 added, 0 removed, 0 kept', 'the tick');
is(as('owner', q{SELECT leadflow.save_segment('mine', 'lead(lead_id >= 4)'); SELECT leadflow.create_list('mine', 'segment(''mine'')') > 0,
	(leadflow.refresh_list('mine')).added, leadflow.remove_from_list('mine', '{4}'::leadflow.leadset), leadflow.add_to_list('mine', 'lead(lead_id = 4)'::leadflow.segment),
	leadflow.close_list('mine') > 0}), "mine\nt|2|1|1|t", 'the verbs');
refused('owner', 'SELECT leadflow.schedule_jobs()', qr/0A000: pg_cron is not loaded/, 'schedule_jobs');

# ---- others ---------------------------------------------------------------------------------

sql("GRANT USAGE ON SCHEMA leadflow TO reader");
refused('reader', "CALL leadflow.install()", qr/42501: leadflow\.install\(\) would touch/, 'another role installs');
refused('postgres', "CALL leadflow.install()", qr/42501: leadflow\.install\(\) would touch/, 'a superuser installs over the owner');
refused('reader', "CALL leadflow.run_due()", qr/42501: only the owner/, 'another role runs the tick');
as('owner', "GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO reader");
is(as('reader', "SELECT leadflow.evaluate('list(''HOTリードリスト'')')"), '{1-3}', 'who may read can evaluate');
like(as('reader', "SELECT leadflow.to_sql('segment(''hot'')')"), qr/select/i, 'and see the SQL');
refused('reader', "SELECT leadflow.refresh_list('HOTリードリスト')", qr/42501: permission denied/, 'who may only read refreshes');
refused('reader', "SELECT leadflow.refresh_list('HOTリードリスト', dry_run => true)", qr/42501: permission denied/, 'who may only read tries a refresh');
refused('reader', "SELECT leadflow.save_segment('hot', 'everyone')", qr/42501: permission denied/, 'who may only read saves a segment');

# who sees a part of the leads gets an error from what writes a whole list, never a part
as('owner', q{GRANT ALL ON ALL TABLES IN SCHEMA leadflow TO reader; GRANT ALL ON ALL SEQUENCES IN SCHEMA leadflow TO reader;
	ALTER TABLE leadflow.lead ENABLE ROW LEVEL SECURITY; CREATE POLICY partial ON leadflow.lead USING (lead_id <> 2)});
is(as('reader', "SELECT leadflow.evaluate('everyone')"), '{1,3-5}', 'evaluate is about the leads that one sees');
for my $verb ("refresh_list('HOTリードリスト')", "refresh_list('HOTリードリスト', dry_run => true)",
	"add_to_list('HOTリードリスト', '{1}'::leadflow.leadset)", "remove_from_list('HOTリードリスト', 'everyone'::leadflow.segment)")
{
	refused('reader', "SELECT leadflow.$verb", qr/42501: role "reader" may not see all leads and lists/, $verb);
}
is(as('owner', "SELECT leadflow.evaluate('everyone')"), '{1-5}', 'the owner sees all');

# ---- what stands in the way of an install -----------------------------------------------------

for my $object ('TABLE leadflow.lead (lead_id bigint PRIMARY KEY)', 'VIEW leadflow.schedule_status AS SELECT 1 AS list',
	'TABLE leadflow.setting (name text PRIMARY KEY, value text)')
{
	my ($name) = $object =~ /leadflow\.(\w+)/;
	new_database("taken_$name");
	sql("GRANT USAGE, CREATE ON SCHEMA leadflow TO attacker");
	as('attacker', "CREATE $object");
	refused('owner', "CALL leadflow.install('Asia/Tokyo')", qr/42501: leadflow\.install\(\) would touch.*"$name" belongs to attacker/s, "somebody's $name");
	is(sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'leadflow'::regnamespace AND relowner = 'owner'::regrole"), 0, 'nothing is made');
}

# a schema that somebody made before the extension came
$node->safe_psql('postgres', 'CREATE DATABASE taken_schema; GRANT CREATE ON DATABASE taken_schema TO attacker');
$db = 'taken_schema';
as('attacker', 'CREATE SCHEMA leadflow');
sql('CREATE EXTENSION leadflow');
refused('postgres', "CALL leadflow.install('Asia/Tokyo')", qr/42501: .*Schema "leadflow" belongs to attacker/s, "somebody's schema");
sql("ALTER SCHEMA leadflow OWNER TO CURRENT_USER; CALL leadflow.install('Asia/Tokyo')");

# ---- names that hide ours ------------------------------------------------------------------------

new_database('hidden');
as('owner', "CALL leadflow.install('Asia/Tokyo'); INSERT INTO leadflow.lead (created_at) VALUES ('2000-01-01');
	UPDATE leadflow.list SET created_at = '2000-01-01', segment = 'everyone'");
sql("GRANT CREATE ON SCHEMA public TO attacker; ALTER DATABASE hidden SET search_path = public, pg_catalog");
my $trap = 'LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION \'trapped\'; END$$';
as('attacker', qq{CREATE FUNCTION public.plus(int, int) RETURNS int $trap;
	CREATE OPERATOR public.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = public.plus);
	CREATE FUNCTION public.more(timestamptz, timestamptz) RETURNS boolean $trap;
	CREATE OPERATOR public.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = public.more);
	CREATE FUNCTION public.same(text, text) RETURNS boolean $trap;
	CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same);
	CREATE FUNCTION public.now() RETURNS timestamptz $trap;
	CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz $trap});
refused('owner', "SELECT 'a'::text = 'b'::text", qr/trapped/, 'the trap works');
as('owner', "CALL leadflow.run_due()");
is(sql("SELECT string_agg(r.added || coalesce(r.error, ''), ' ') FROM leadflow.refresh_run AS r"), '1 1 1', 'the tick does not fall into it');
as('owner', "CREATE TEMP TABLE list (x int); CREATE TEMP TABLE lead (x int); CREATE TEMP TABLE setting (x int); CREATE TEMP TABLE pg_class (x int);
	SET search_path = pg_temp, public, pg_catalog; CALL leadflow.run_due('2100-01-04')");
is(sql("SELECT string_agg(r.kept || coalesce(r.error, ''), ' ') FROM leadflow.refresh_run AS r WHERE as_of OPERATOR(pg_catalog.>) '2099-01-01'"), '1 1 1',
	'nor with tables of its own in the way');
is(as('owner', "SELECT kept FROM leadflow.refresh_list(2, '2100-01-05')"), 1, 'nor a verb');

$node->stop;
done_testing();
