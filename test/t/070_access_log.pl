# The access log of examples/access-log: what load.sql makes of it, held against a
# computation that shares nothing with it but the README's table.
use strict;
use warnings;

use LeadflowTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::Local 'timegm';

my $node = node('weblog', timezone => 'UTC');

sub load
{
    my ($database, $log) = @_;
    my ($status, $out, $err) = $node->psql($database, '\i examples/access-log/load.sql', extra_params => [ '-v', "log=$log" ]);
    return wantarray ? ($status, $out, $err) : $out;
}

# Every visit as a line of text, in order.
sub visits_of
{
    my ($database, $where) = @_;
    return $node->safe_psql(
        $database, qq{
        SELECT l.external_id, to_char(v.visited_at, 'YYYY-MM-DD"T"HH24:MI:SS'), v.pages, extract(epoch FROM v.duration)::int,
               v.entry_url, v.referrer
          FROM leadflow.visit AS v JOIN leadflow.lead AS l USING (lead_id)
         WHERE } . ($where // 'true') . q{
         ORDER BY l.external_id COLLATE "C", v.visited_at});
}

# ---- a log of edge cases --------------------------------------------------------

# A line of the log; what is left out is ordinary.
sub entry
{
    my ($address, $time, $request, %more) = @_;
    $time = "10/Jun/2026:$time +0000" unless $time =~ m{/};
    return sprintf(qq{%s - %s [%s] "%s" %s 512 "%s" "%s"%s\n},
        $address, $more{user} // '-', $time, $request, $more{status} // 200, $more{referrer} // '-',
        $more{agent} // 'Mozilla/5.0', $more{end} // '');
}

my @lines = (
    # a gap of 29:59 is within a visit, one of 30:00 ends it
    entry('192.0.2.1', '10:00:00', 'GET / HTTP/1.1', referrer => 'https://search.example/'),
    entry('192.0.2.1', '10:29:59', 'GET /products/ HTTP/1.1', referrer => 'https://www.example/'),
    entry('192.0.2.1', '10:59:59', 'GET /again HTTP/1.1'),
    # three pages among what is none
    (map { entry('192.0.2.2', '11:00:00', $_) } (
            'GET /index.html?x=.png HTTP/1.1', 'GET /logo.PNG?v=1 HTTP/1.1', 'GET /a.jpeg HTTP/1.1', 'GET /s.css HTTP/1.1',
            'GET /app.js HTTP/1.1', 'GET /f.woff2 HTTP/1.1', 'GET /favicon.ico HTTP/1.1', 'GET /robots.txt HTTP/1.1',
            'GET /blog/feed/ HTTP/1.1', 'GET /?flav=rss20 HTTP/1.1', 'GET /photo.png.html HTTP/1.1',
            'POST /form HTTP/1.1', 'HEAD / HTTP/1.1')),
    entry('192.0.2.2', '11:00:01', 'GET /kept HTTP/1.1', status => 304),
    entry('192.0.2.2', '11:00:02', 'GET /missing HTTP/1.1', status => 404),
    entry('192.0.2.2', '11:00:03', 'GET /moved HTTP/1.1', status => 301),
    # images only: a visit without pages
    entry('192.0.2.3', '12:00:00', 'GET /banner.gif HTTP/1.1', referrer => 'https://other.example/'),
    # out of order, over midnight
    entry('192.0.2.4', '11/Jun/2026:00:10:00 +0000', 'GET /second HTTP/1.1'),
    entry('192.0.2.4', '10/Jun/2026:23:50:00 +0000', 'GET /first HTTP/1.1'),
    # another offset, a leap day
    entry('192.0.2.5', '29/Feb/2024:08:30:00 +0930', 'GET / HTTP/1.1'),
    # quotes and backslashes; more at the end of the line
    entry('192.0.2.6', '13:00:00', 'GET /say?\"hi\" HTTP/1.1', referrer => 'https://x.example/\"q\\\\', agent => 'a \"b\" \\\\', end => ' "203.0.113.9" 0.004'),
    # no request, an address of version 6, a name, a user with a blank
    entry('192.0.2.7', '13:00:00', '-', status => 408),
    entry('2001:db8::1', '13:00:00', 'GET / HTTP/2.0', user => 'Hanako Yamada'),
    entry('host.example', '13:00:00', 'GET / HTTP/1.0'),
    # a crawler, at least once
    entry('192.0.2.8', '13:00:00', 'GET / HTTP/1.1'),
    entry('192.0.2.8', '13:00:01', 'GET /b HTTP/1.1', agent => 'Mozilla/5.0 (compatible; Googlebot/2.1)'),
    # bytes that are not UTF-8, NUL and other control bytes, the end of line of another system
    entry('192.0.2.9', '13:00:00', "GET /\xff\xc3( HTTP/1.1", agent => "a\0\x01\x02b", end => "\r"));

my @unreadable = (
    "nonsense\n", "\n", "\\.\n",
    entry('192.0.2.99', '31/Feb/2026:10:00:00 +0000', 'GET / HTTP/1.1'),
    entry('192.0.2.99', '10/Jun/2026:25:00:00 +0000', 'GET / HTTP/1.1'),
    entry('192.0.2.99', '10/June/2026:10:00:00 +0000', 'GET / HTTP/1.1'),
    entry('192.0.2.99', '10:00:00', 'GET /"quote HTTP/1.1'),
    '192.0.2.99 - - [10/Jun/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 512 "-" "cut off' . "\n",
    entry('192.0.2.99', '10:00:00', 'GET /' . 'x' x 10_000_000),
    '"' x 5_000_000 . "\n",
    '\\' x 60_000 . "\n");

my $folder = PostgreSQL::Test::Utils::tempdir();
my $log = "$folder/it's an access.log";
open my $fh, '>:raw', $log or die "$log: $!";
print $fh @unreadable, @lines, 'a last line without its end';
close $fh;

database($node, 'edges', 'UTC');
my ($status, $out, $err) = load('edges', $log);
is($status, 0, 'a hostile log loads') or diag($err);
like($out, qr/^@{[@unreadable + @lines + 1]}\|@{[@unreadable + 1]}\|/m, 'its unreadable lines are counted');

is(visits_of('edges'), <<'END' =~ s/\n\z//r, 'visits');
192.0.2.1|2026-06-10T10:00:00|2|1799|/|https://search.example/
192.0.2.1|2026-06-10T10:59:59|1|0|/again|
192.0.2.2|2026-06-10T11:00:00|3|3|/index.html?x=.png|
192.0.2.3|2026-06-10T12:00:00|0|0|/banner.gif|https://other.example/
192.0.2.4|2026-06-10T23:50:00|2|1200|/first|
192.0.2.5|2024-02-28T23:00:00|1|0|/|
192.0.2.6|2026-06-10T13:00:00|1|0|/say?\"hi\"|https://x.example/\"q\\
192.0.2.7|2026-06-10T13:00:00|0|0||
192.0.2.8|2026-06-10T13:00:00|2|1|/|
192.0.2.9|2026-06-10T13:00:00|1|0|/ÿÃ(|
2001:db8::1|2026-06-10T13:00:00|1|0|/|
host.example|2026-06-10T13:00:00|1|0|/|
END

is($node->safe_psql('edges', q{SELECT string_agg(external_id, ' ') FROM leadflow.lead WHERE NOT nurturing}),
    '192.0.2.8', 'a crawler is not nurtured');
is($node->safe_psql('edges', q{SELECT count(*) FROM leadflow.lead AS l
     WHERE created_at <> (SELECT min(visited_at) FROM leadflow.visit AS v WHERE v.lead_id = l.lead_id)}),
    '0', 'a lead was acquired with its first request');

my $before = visits_of('edges');
like(load('edges', $log), qr/\|0\|0$/m, 'loading a log again adds nothing');
is(visits_of('edges'), $before, 'and changes nothing');

# of a file that is not there, psql's own status is 3: the script stopped
($status) = load('edges', "$folder/missing.log");
is($status, 3, 'a missing log is an error');

# ---- the real log ---------------------------------------------------------------

SKIP:
{
    my $real = ($ENV{LEADFLOW_SHARED} // '../shared') . '/data/apache_combined.log';
    skip 'no ../shared/data/apache_combined.log', 1 unless -r $real;

    # What the README says, once more, in another language and by other means.
    my (%requests, %crawler, $unreadable, $pages, $last);
    my %month = (Jan => 0, Feb => 1, Mar => 2, Apr => 3, May => 4, Jun => 5, Jul => 6, Aug => 7, Sep => 8, Oct => 9, Nov => 10, Dec => 11);
    open my $in, '<:raw', $real or die "$real: $!";
    while (my $line = <$in>)
    {
        my ($address, $d, $m, $y, $h, $min, $s, $sign, $zh, $zm, $request, $code, $referrer, $agent) = $line =~
          m{^(\S+) \S+ .*?\[(\d+)/(\w+)/(\d+):(\d+):(\d+):(\d+) ([+-])(\d\d)(\d\d)\] "((?:\\.|[^"\\])*)" (\d+) (?:\d+|-) "((?:\\.|[^"\\])*)" "((?:\\.|[^"\\])*)"}
          or ++$unreadable, next;
        my $time = timegm($s, $min, $h, $d, $month{$m}, $y) - "${sign}1" * ($zh * 3600 + $zm * 60);
        my ($method, $target) = split / /, $request;
        my $path = $target =~ s/\?.*//r;
        my ($suffix) = lc($path) =~ /\.([a-z0-9]+)$/;
        my %no_page = map { $_ => 1 } qw(png jpg jpeg gif svg ico webp avif bmp css js mjs map woff woff2 ttf otf eot xml xsl rss atom);
        my $page = $method eq 'GET' && ($code == 200 || $code == 304) && !$no_page{ $suffix // '' }
          && $path !~ m{/robots\.txt$|/feed/?$} && $target !~ /[?&][a-z]+=(?:rss|atom)/ ? 1 : 0;
        push @{ $requests{$address} }, [ $time, $page, $target, $referrer eq '-' ? '' : $referrer ];
        $crawler{$address} ||= $agent =~ m{bot|crawl|spider|slurp|archive|feed|rss|curl|wget|python|java/}i ? 1 : 0;
        $pages += $page;
        $last = $time if !defined $last || $time > $last;
    }

    my %visits;
    foreach my $address (keys %requests)
    {
        my $visit;
        # perl sorts stably: requests of one second stay in the log's order
        foreach my $request (sort { $a->[0] <=> $b->[0] } @{ $requests{$address} })
        {
            my ($time, $page, $target, $referrer) = @$request;
            if (!$visit || $time - $visit->{last} >= 1800)
            {
                $visit = { first => $time, pages => 0, target => $target, referrer => $referrer };
                push @{ $visits{$address} }, $visit;
            }
            $visit->{last} = $time;
            $visit->{pages} += $page;
        }
    }

    my @want = map {
        my $address = $_;
        map {
            my @t = gmtime $_->{first};
            join '|', $address, sprintf('%04d-%02d-%02dT%02d:%02d:%02d', $t[5] + 1900, $t[4] + 1, @t[ 3, 2, 1, 0 ]),
              $_->{pages}, $_->{last} - $_->{first}, $_->{target}, $_->{referrer}
        } @{ $visits{$address} }
    } sort keys %visits;

    database($node, 'weblog', 'UTC');
    my $said = load('weblog', $real);
    my $addresses = keys %requests;
    my $crawlers = grep { $_ } values %crawler;
    like($said, qr/^10000\|$unreadable\|$pages\|$addresses\|$crawlers\|$addresses\|@{[scalar @want]}$/m, 'the counts of the real log');
    is_deeply([ split /\n/, visits_of('weblog') ], \@want, 'its visits, one by one');

    # Segments as of the end of the last day, in two time zones.
    foreach my $zone ([ 'UTC', 0 ], [ 'Asia/Tokyo', 9 * 3600 ])
    {
        my ($name, $offset) = @$zone;
        my $day = sub { int(($_[0] + $offset) / 86400) };
        my $today = $day->($last);
        my $as_of = sprintf "to_timestamp(%d)", ($today + 1) * 86400 - $offset - 1;
        # how many of an address's visits satisfy a condition on $_
        my $some = sub { my ($address, $condition) = @_; scalar grep { $condition->() } @{ $visits{$address} } };

        my @segments = (
            [ 'everyone', sub { 1 } ],
            [ 'visit(pages >= 15)', sub { $some->($_[0], sub { $_->{pages} >= 15 }) } ],
            [ 'visit(pages >= 15) and lead(nurturing)', sub { !$crawler{ $_[0] } && $some->($_[0], sub { $_->{pages} >= 15 }) } ],
            [ 'visit(pages >= 5 and visited_at within 1 day)',
                sub { $some->($_[0], sub { $_->{pages} >= 5 && $day->($_->{first}) >= $today - 1 }) } ],
            [ 'visit(pages >= 5) and visit(visited_at within 1 day)',
                sub { $some->($_[0], sub { $_->{pages} >= 5 }) && $some->($_[0], sub { $day->($_->{first}) >= $today - 1 }) } ],
            [ 'sum(visit.pages where visited_at within 2 days) >= 10 and not visit(pages >= 10)',
                sub {
                    my $sum = 0;
                    $some->($_[0], sub { $sum += $_->{pages} if $day->($_->{first}) >= $today - 2; 0 });
                    $sum >= 10 && !$some->($_[0], sub { $_->{pages} >= 10 });
                } ],
            [ 'count(visit where pages > 0) >= 3', sub { $some->($_[0], sub { $_->{pages} > 0 }) >= 3 } ],
            [ q{first(visit)(referrer contains 'google') and visit(pages >= 3)},
                sub { $visits{ $_[0] }[0]{referrer} =~ /google/i && $some->($_[0], sub { $_->{pages} >= 3 }) } ],
            [ 'max(visit.visited_at) at least 2 days ago and visit(pages >= 5)',
                sub { $day->($visits{ $_[0] }[-1]{first}) <= $today - 2 && $some->($_[0], sub { $_->{pages} >= 5 }) } ]);

        foreach my $case (@segments)
        {
            my ($segment, $holds) = @$case;
            my @expected = grep { $holds->($_) } sort keys %visits;
            my $quoted = $segment =~ s/'/''/gr;
            my $found = $node->safe_psql(
                'weblog', qq{
                SELECT l.external_id FROM leadflow.lead AS l
                 WHERE l.lead_id = ANY (leadflow.evaluate('$quoted'::leadflow.segment, as_of => $as_of, zone => '$name')::bigint[])
                 ORDER BY l.external_id COLLATE "C"});
            is_deeply([ split /\n/, $found ], \@expected, "$name: $segment (" . @expected . ' leads)');
        }
    }

    my ($status, $report, $err) = $node->psql('weblog', '\i examples/access-log/report.sql');
    is($status, 0, 'the report runs') or diag($err);
    my $hot = grep { my $a = $_; grep { $_->{pages} >= 15 } @{ $visits{$a} } } keys %visits;
    like($report, qr/^$hot\|visit\(pages >= 15\)\|/m, 'and counts the same');
}

done_testing();
