# examples/mailer against a mail server of our own: what it delivers, what it gives back, and
# what becomes of it when it is killed or loses its connection.
use strict;
use warnings;

use Cwd 'abs_path';
use Encode;
use File::Basename 'dirname';
use IPC::Run;
use JSON::PP;
use LeadflowTest;
use MIME::Base64;
use MIME::QuotedPrint;
use Test::More;
use Time::HiRes 'sleep';

my $test = dirname(abs_path(__FILE__)) . '/..';
my $mailer = "$test/../examples/mailer/mailer.js";
plan skip_all => 'node is not installed' if system('node --version >/dev/null 2>&1') != 0;
plan skip_all => 'the packages of examples/mailer are not installed (npm ci there, or script/setup)'
    if system("cd '$test/../examples/mailer' && node -e 'require(\"pg\"); require(\"nodemailer\")' 2>/dev/null") != 0;

my $node = node('mailer');
database($node, 'postgres');

sub sql
{
    my ($sql) = @_;
    return $node->safe_psql('postgres', $sql);
}

sub wait_until
{
    my ($condition) = @_;
    $node->poll_query_until('postgres', "SELECT $condition") or die "never: $condition";
}

# The role is what the mailer's README makes it.
sql('CREATE ROLE mailer LOGIN');
{
    open my $readme, '<', "$test/../examples/mailer/README.md" or die $!;
    local $/;
    my ($grants) = <$readme> =~ /```sql\n(.*?)```/s;
    sql($grants);
}

my ($sink_out, $sink_err) = ('', '');
my $sink = IPC::Run::start([ 'node', "$test/lib/smtp_sink.js" ], '>', \$sink_out, '2>', \$sink_err, IPC::Run::timeout(150));
$sink->pump until $sink_out =~ /\n/;
my ($smtp_port) = $sink_out =~ /^(\d+)\n/;

my %environment = (
    PGHOST => $node->host, PGPORT => $node->port, PGUSER => 'mailer', PGDATABASE => 'postgres',
    SMTP_URL => "smtp://127.0.0.1:$smtp_port", MAIL_FROM => 'Sales <sales@us.example>', MAIL_POLL => 600);

# A mailer at work, and what it says.
sub start_mailer
{
    my (%more) = @_;
    local %ENV = (%ENV, %environment, %more);
    my $said = '';
    my $run = IPC::Run::start([ 'node', $mailer ], '>', \$said, '2>', \$said, IPC::Run::timeout(100));
    return { run => $run, said => \$said };
}

sub once
{
    my $started = start_mailer(MAIL_ONCE => 1, @_);
    $started->{run}->finish;
    is($started->{run}->result(0), 0, 'the mailer ends well') or diag(${ $started->{said} });
    return ${ $started->{said} };
}

# The mails that came since the last time, as characters; as many as are said to have been sent.
my $seen = 1;
sub mails
{
    my $sent = sql("SELECT count(*) FROM leadflow.notification WHERE state = 'sent'");
    $sink->pump_nb;
    $sink->pump while (() = $sink_out =~ /"text":.*\n/g) < $sent;
    my @lines = $sink_out =~ /^(.*)\n/mg;
    my @mails;
    foreach my $line (@lines[ $seen .. $#lines ])
    {
        my $mail = decode_json($line);
        next unless defined $mail->{text};
        my ($head, $body) = split /\n\n/, $mail->{text}, 2;
        $head =~ s/\n[ \t]+/ /g;
        my %header = map { /^([^:]+): (.*)/ ? (lc $1 => decode('MIME-Header', $2)) : () } split /\n/, $head;
        my $encoding = $header{'content-transfer-encoding'} // '';
        $body = $encoding eq 'base64' ? decode_base64($body) : $encoding eq 'quoted-printable' ? decode_qp($body) : $body;
        push @mails, { %$mail, headers => \%header, body => decode_utf8($body =~ s/\r?\n\z//r) };
    }
    $seen = @lines;
    return sort { $a->{to}[0] cmp $b->{to}[0] } @mails;
}

sub outbox
{
    return sql(q{SELECT coalesce(address, role), state, attempts, last_error FROM leadflow.notification WHERE state <> 'sent' ORDER BY notification_id});
}

# ---- what is delivered, and what is not ------------------------------------------------

sql(q{
    INSERT INTO leadflow.rep (rep_id, name, email) VALUES (1, '田中 太郎', 'tanaka@us.example'), (2, 'O"Neil, Jr. <x>', 'oneil@us.example');
    INSERT INTO leadflow.lead (lead_id, company, last_name, email, rep_id, created_at) VALUES
        (1, 'ひかり商事', '青木', ' Aoki@hikari.example', 1, '2000-01-01'), (2, E'悪い\r\nBcc: victim@x.example', '鈴木', 'suzuki@bad.example', NULL, '2000-01-01'),
        (3, 'ない商店', '無', 'refused@x.example', NULL, '2000-01-01'), (4, 'busy', 'b', 'busy@x.example', NULL, '2000-01-01');
    SELECT leadflow.save_template('html', '{{lead.company}} 様', '<p>{{lead.company}}</p>', format => 'html');
    SELECT leadflow.queue_mail('{1-4}'::leadflow.leadset, '初回のご挨拶'), leadflow.queue_mail('{2}'::leadflow.leadset, 'html');
    INSERT INTO leadflow.notification (kind, rep_id, role, channel, subject, body)
    VALUES ('a', 1, NULL, 'mail', '件名', '本文'), ('a', 2, NULL, 'mail', 'plain', E'.\n..\nend'), ('a', NULL, 'marketing', 'mail', 'nowhere', ''), ('a', 1, NULL, 'slack', 'not mine', '')});
my $said = once();
my %mail = map { ($_->{to}[0] . ($_->{headers}{'content-type'} =~ /html/ ? ' html' : '')) => $_ } mails();
is(join(' ', sort keys %mail), 'aoki@hikari.example oneil@us.example suzuki@bad.example suzuki@bad.example html tanaka@us.example', 'who can be reached is');
my $aoki = $mail{'aoki@hikari.example'};
is($aoki->{headers}{subject}, decode_utf8('ひかり商事 青木様へのご案内'), 'with the subject of the template');
like($aoki->{body}, qr/\A@{[decode_utf8('ひかり商事')]}\n@{[decode_utf8('青木 様')]}\n.*@{[decode_utf8('田中 太郎')]}\z/s, 'and its text');
is($aoki->{headers}{'reply-to'}, 'tanaka@us.example', 'to be answered to the rep');
is($aoki->{from}, 'sales@us.example', 'from us');
like($aoki->{headers}{'message-id'}, qr/^<leadflow\.\d+\@us\.example>$/, 'with the id of the notice');
my $bad = $mail{'suzuki@bad.example'};
is_deeply([ $bad->{to}, grep { /bcc/ } keys %{ $bad->{headers} } ], [ ['suzuki@bad.example'] ], 'a company is no header');
is($bad->{headers}{subject}, decode_utf8('悪い Bcc: victim@x.example 鈴木様へのご案内'), 'but a part of the subject');
is($mail{'suzuki@bad.example html'}{body}, decode_utf8("<p>悪い<br>\nBcc: victim\@x.example</p>"), 'and of HTML');
is($mail{'oneil@us.example'}{body}, ".\n..\nend", 'dots come through');
is_deeply($mail{'oneil@us.example'}{to}, ['oneil@us.example'], 'a name is no address');
is(outbox(), "busy\@x.example|failed|1|450 try again later\nrefused\@x.example|dead|1|550 no such user\nmarketing|dead|1|no address is known of マーケティング部\n|pending|0|", 'the others say why not');
is(sql("SELECT string_agg(format('%s %s', lead_id, template), ', ' ORDER BY mail_id) FROM leadflow.mail"), '1 初回のご挨拶, 2 初回のご挨拶, 2 html', 'what leads were sent is kept');
once();
is(join(' ', map { $_->{to}[0] } mails()), '', 'nothing comes twice');

sql(q{UPDATE leadflow.notification SET due_at = now() WHERE state = 'failed'; UPDATE leadflow.recipient SET address = 'marketing@us.example'; SELECT leadflow.retry_dead()});
once();
is(join(' ', map { $_->{to}[0] } mails()), 'busy@x.example marketing@us.example', 'what is tried again arrives');

# ---- at work ------------------------------------------------------------------------------

my $insert = "INSERT INTO leadflow.notification (kind, subject, body, address) SELECT 'b', 'x', 'y', address FROM unnest(ARRAY[%s]) AS address";
sub all_sent { wait_until("NOT EXISTS (SELECT FROM leadflow.notification WHERE channel = 'mail' AND state NOT IN ('sent', 'dead'))") }

my $listening = "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%claim_notifications%' AND state = 'idle' AND pid <> pg_backend_pid())";
my @mailers = map { start_mailer() } 1, 2;
wait_until("(SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%claim_notifications%' AND state = 'idle' AND pid <> pg_backend_pid()) = 2");
sql(sprintf $insert, join ', ', map { "'m$_\@x.example'" } 1 .. 40);
all_sent();
is(join(' ', sort map { $_->{to}[0] } mails()), join(' ', sort map { "m$_\@x.example" } 1 .. 40), 'two mailers, woken by what is new, deliver each mail once');
$_->{run}->signal('TERM') foreach @mailers;
is(eval { $_->{run}->finish; $_->{run}->result(0) }, 0, 'told to stop, a mailer ends well') or diag(${ $_->{said} }) foreach @mailers;

# killed between claiming and delivering
sql("UPDATE leadflow.notification SET state = 'dead' WHERE state = 'failed'");
my $victim = start_mailer(MAIL_LEASE => '1 second');
wait_until($listening);
sql(sprintf $insert, "'slow\@x.example', 'after\@x.example'");
$sink->pump until $sink_out =~ /"slow"/;
$victim->{run}->signal('KILL');
eval { $victim->{run}->finish };
is(sql("SELECT count(*) FROM leadflow.notification WHERE state = 'claimed'"), 2, 'a mailer is killed with what it has claimed');
sql("SELECT pg_sleep(1); UPDATE leadflow.notification SET address = 'no-more-slow\@x.example' WHERE address LIKE 'slow%'");
once();
is(join(' ', map { $_->{to}[0] } mails()), 'after@x.example no-more-slow@x.example', 'the next one delivers it');

# a lost connection
my $steady = start_mailer();
wait_until($listening);
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%claim_notifications%' AND pid <> pg_backend_pid()");
wait_until("NOT $listening");
sql(sprintf $insert, "'later\@x.example'");
all_sent();
is(join(' ', map { $_->{to}[0] } mails()), 'later@x.example', 'a mailer comes back when its connection is lost');
$steady->{run}->signal('TERM');
eval { $steady->{run}->finish };
my $lost = start_mailer(MAIL_FROM => '');
eval { $lost->{run}->finish };
isnt($lost->{run}->result(0), 0, 'without a sender it does not start');
like(${ $lost->{said} }, qr/MAIL_FROM is not set/, 'and says why');

$sink->kill_kill;
$node->stop;
done_testing();
