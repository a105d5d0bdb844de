# The documents in doc/ and the READMEs against the extension: every object is in them, every
# example in them runs, and what is printed below an example is what it prints.
#
# A fence says what its block is:
#
#	sql			statements that succeed
#	sql error CODE	one statement, failing with that SQLSTATE
#	sql cron		statements that need pg_cron
#	sql elsewhere	statements for another database or role, not run
#	text			right after one of these: what psql prints
#	segment		segments, a paragraph each, that bind once all of the above has run
#
# A document's blocks run in order, each in a session of its own, in a database
# that has the document's name and nothing in it to begin with.
use strict;
use warnings;

use Cwd 'abs_path';
use File::Basename 'dirname';
use LeadflowTest;
use Test::More;

my $doc = dirname(abs_path(__FILE__)) . '/../../doc';
my @names = qw(reference segment-language data-model form security bi README);
plan skip_all => 'doc/ is not here' unless -e "$doc/reference.md";

# Bytes of UTF-8, here and in what psql gets and gives.
my %text = map { $_ => slurp($_ eq 'README' ? "$doc/../README.md" : "$doc/$_.md") } @names;

my $node = node(
    'reference',
    timezone => 'Asia/Tokyo',
    has_pg_cron() ? (
        shared_preload_libraries => 'pg_cron',
        'cron.database_name' => 'reference',
        'cron.use_background_workers' => 'on'
    ) : ());

sub slurp
{
    my ($file) = @_;
    open my $fh, '<', $file or die "$file: $!";
    local $/;
    return <$fh>;
}

# What psql prints, errors and notices first, and its status.
sub run
{
    my ($database, $sql) = @_;
    my ($out, $err);
    my $status = $node->psql(
        $database, $sql,
        stdout => \$out,
        stderr => \$err,
        extra_params => [ '-P', 'format=aligned', '-P', 'tuples_only=off', '-v', 'SHOW_CONTEXT=never' ]);
    $err =~ s/^psql:<stdin>:\d+: //mg;
    return (join("\n", grep { $_ ne '' } $err, $out), $status);
}

sub query
{
    my ($database, $sql) = @_;
    return $node->safe_psql($database, $sql);
}

sub tidy
{
    my ($printed) = @_;
    $printed =~ s/[ \t]+$//mg;
    $printed =~ s/\n+\z//;
    return $printed;
}

# The blocks of a document: kind, what follows it on the fence, body, line, output.
sub blocks
{
    my ($document) = @_;
    my (@blocks, $block, $line, $after);
    foreach (split /\n/, $document, -1)
    {
        $line++;
        if (defined $block)
        {
            if ($_ eq '```')
            {
                if ($block->{kind} eq 'text')
                {
                    $blocks[-1]{output} = $block->{body} if $after;
                    $after = 0;
                }
                else
                {
                    push @blocks, $block;
                    $after = $block->{kind} eq 'sql';
                }
                undef $block;
            }
            else { $block->{body} .= "$_\n"; }
        }
        elsif (/^```(\w*)(?: (.*))?$/)
        {
            $block = { kind => $1, how => $2 // '', body => '', line => $line };
        }
        elsif (/\S/) { $after = 0; }
    }
    die "a fence is open at the end\n" if defined $block;
    return @blocks;
}

sub check_sql
{
    my ($name, $block) = @_;
    my ($how, $sqlstate) = split / /, $block->{how};
    my $what = "$name.md, line $block->{line}";
    return if ($how // '') eq 'elsewhere';
  SKIP:
    {
        skip "$what needs pg_cron", 1 if ($how // '') eq 'cron' && !has_pg_cron();
        my ($printed, $status) = run($name, $block->{body});
        if (($how // '') eq 'error')
        {
            my ($code) = run($name, "\\set VERBOSITY sqlstate\n$block->{body}");
            is($status, 3, "$what fails");
            is($code, "ERROR:  $sqlstate", "$what fails with $sqlstate");
        }
        else
        {
            is($status, 0, "$what runs") or diag($printed);
        }
        is(tidy($printed), tidy($block->{output}), "$what prints what follows it")
            if defined $block->{output};
    }
}

sub check_segments
{
    my ($name, $block) = @_;
    foreach my $segment (split /\n{2,}/, $block->{body})
    {
        $segment =~ s/\n+\z//;
        my ($printed, $status) =
            run($name, "SELECT message, hint FROM leadflow.check_segment(\$segment\$$segment\$segment\$)");
        $segment =~ s/\s+/ /g;
        ok($status == 0 && $printed =~ /^\(0 rows\)$/m, "$name.md, line $block->{line}: $segment binds")
            or diag($printed);
    }
}

foreach my $name (@names)
{
    query('postgres', qq{CREATE DATABASE "$name"});
    my @blocks = blocks($text{$name});
    check_sql($name, $_) foreach grep { $_->{kind} eq 'sql' } @blocks;
    check_segments($name, $_) foreach grep { $_->{kind} eq 'segment' } @blocks;
}

# ---- the Japanese README has the same examples ---------------------------------

is_deeply(
    [ map { $_->{body} } blocks(slurp("$doc/../README.ja.md")) ],
    [ map { $_->{body} } blocks($text{README}) ],
    'README.ja.md has the examples of README.md');

# ---- what there is must be spoken of ------------------------------------------

database($node, 'whole');
(my $reference = $text{reference}) =~ s/\\\|/|/g;    # a table's cell escapes it
my @paragraphs = split /\n[ \t]*\n/, $reference;

sub mentions
{
    my ($text, $object, $description) = @_;
    ok(index($text // '', "`$object`") >= 0, $description);
}


# A function is spoken of where its name opens a parenthesis and its arguments are.
foreach (split /\n/, query('whole', <<'SQL'))
SELECT p.proname || ' ' || coalesce(array_to_string(p.proargnames, ' '), '')
  FROM pg_proc AS p WHERE p.pronamespace = 'leadflow'::regnamespace ORDER BY 1
SQL
{
    my ($function, @arguments) = split / /;
    ok( (grep {
                my $paragraph = $_;
                $paragraph =~ /(?<!\w)\Q$function\E\(/
                    && !grep { $paragraph !~ /(?<!\w)\Q$_\E(?!\w)/ } @arguments
            } @paragraphs),
        "reference.md speaks of $function(@arguments)");
}

foreach (split /\n/, query('whole', <<'SQL'))
SELECT concat_ws(' ', nullif(o.oprleft, 0)::regtype, o.oprname, o.oprright::regtype)
  FROM pg_operator AS o WHERE o.oprnamespace = 'leadflow'::regnamespace ORDER BY 1
SQL
{
    s/leadflow\.//g;
    mentions($reference, $_, "reference.md speaks of operator $_");
}

foreach (split /\n/, query('whole', <<'SQL'))
SELECT concat(c.castsource::regtype, ' to ', c.casttarget::regtype)
  FROM pg_cast AS c JOIN pg_type AS t ON t.oid IN (c.castsource, c.casttarget)
 WHERE t.typnamespace = 'leadflow'::regnamespace ORDER BY 1
SQL
{
    s/leadflow\.//g;
    my ($source, $target) = split / to /;
    mentions($reference, "$source` to `$target", "reference.md speaks of the cast from $source to $target");
}

foreach (split /\n/, query('whole', <<'SQL'))
SELECT 'type leadflow.' || t.typname FROM pg_type AS t
 WHERE t.typnamespace = 'leadflow'::regnamespace AND t.typtype IN ('b', 'd', 'e') AND t.typelem = 0
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view ' ELSE 'table ' END || c.oid::regclass
  FROM pg_class AS c WHERE c.relnamespace = 'leadflow'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p')
UNION ALL
SELECT 'operator class leadflow.' || o.opcname FROM pg_opclass AS o
 WHERE o.opcnamespace = 'leadflow'::regnamespace
UNION ALL
SELECT 'setting ' || s.name FROM pg_settings AS s WHERE s.name LIKE 'leadflow.%'
SQL
{
    my ($object) = / (leadflow\.\w+)$/;
    mentions($reference, $object, "reference.md speaks of $_");
}

# A column and an index are spoken of below the heading of their table.
my %table;
while ($text{'data-model'} =~ /^###+ `leadflow\.(\w+)`(.*?)(?=^##|\z)/msg)
{
    $table{$1} = $2;
}
foreach (split /\n/, query('whole', <<'SQL'))
SELECT c.relname || ' ' || a.attname
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'leadflow'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT c.relname || ' ' || i.indexrelid::regclass::name
  FROM pg_class AS c JOIN pg_index AS i ON i.indrelid = c.oid
 WHERE c.relnamespace = 'leadflow'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)
SQL
{
    s/leadflow\.//;
    my ($table, $part) = split / /;
    mentions($table{$table}, $part, "data-model.md speaks of $part of $table");
}

$node->stop;
done_testing();
