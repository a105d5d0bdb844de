# Random forms, written in random ways, and random documents, held against a
# second opinion: the canonical text, and a checker that shares nothing with
# the C code. Then broken forms, and documents of other forms.
#
# SEED=n repeats a run, CASES=n sets its length.
use strict;
use warnings;
use utf8;
use Encode qw(encode_utf8 decode_utf8);
use FindBin;
use lib "$FindBin::RealBin/../lib";
use Math::BigFloat;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SegmentGenerator qw(one_of chance mutated);
use Test::More;

my $seed = $ENV{SEED} // int(rand(2**31));
my $cases = $ENV{CASES} // 10000;
srand($seed);
note "SEED=$seed CASES=$cases";

# ---- forms: a list of fields, each a hash of what fields() and choices() tell --------

my @types = qw(checkbox date email integer multiselect number phone radio select text textarea timestamp url);
my %keyword = map { $_ => 1 } @types, qw(closes default effective except false hidden list max max_length min only pattern required retired true);
my @names = (sort(keys %keyword), 'a', 'b_2', '_', 'and', '日付', '種別', 'ー', 'é', '🦊', 'Kind', 'two words', 'say "x"', '2nd', '（全角）', 'x；y', '--', 'a;b', "line\nbreak", '\\', '%s', 'x' x 63);
my @labels = (@names, '活動結果', 'it\'s', '/*', '電話（代理）', 'x' x 300);
my @keys = ('a', 'b', 'tel', 'メール', '電話（代理）', 'it\'s', '"', '\\', ' ', '--', '；', "x\ny", '🦊', 'A');

# A pattern, what it means in Perl, and texts that match it.
my @patterns = (
	[ '\d+', qr/\d+/a, '1', '0042' ], [ '[A-Z]{2,3}', qr/[A-Z]{2,3}/, 'AB', 'XYZ' ], [ 'あ|いう', qr/あ|いう/, 'あ', 'いう' ],
	[ '(.)\1', qr/(.)\1/s, 'aa', '日日' ], [ '(?=.*x).{2,}', qr/(?=.*x).{2,}/s, 'ax', 'xx あ' ], [ "it's", qr/it's/, "it's" ], [ '^a?b$', qr/^a?b\z/, 'ab', 'b' ], [ '', qr// ]);

my %good = (
	text => [ 'x', 'abc', '日本語', "it's", '"', '\\', ' ', '🦊🦊', 'null', '[1]' ], textarea => [ "a\nb", "\r\n", 'x', '。' x 40 ],
	email => [ 'a@b.jp', "o'b+x\@sub.b-c.example", 'A.B@1.2.co', 'x' x 248 . '@bc.jp' ],
	phone => [ '03-1234-5678', '+81 (3) 1234.5678', '123456', '123456789012345', '-1-2-3-4-5-6-' ],
	url => [ 'http://a', 'HTTPS://例え.jp/日本?q#f', "https://a/'x", 'http://[::1]/' ]);
my @texts = (map({ @$_ } values %good), '', '1', '12345', '1234567890123456', 'a@b', '@b.jp', 'a@b.jp.', 'a..b@c.jp', 'a@b.-jp', 'a@b.jp-', "a\@b.jp\n", 'ａ@b.jp', 'x' x 249 . '@bc.jp',
	'０３-1234-5678', '03+12345678', 'ftp://a', 'http://', 'http:///', 'https://a b', 'https://a"', 'http://?', "https://a\x{7f}", 'true', map({ @$_[ 2 .. $#$_ ] } @patterns), @keys);
my @times = ('2026-02-28', '2026-02-29', '2026-02-30', '2024-02-29', '1900-02-29', '2000-02-29', '0000-00-00', '0001-01-01', '9999-12-31', '10000-01-01', '2026-13-01', '2026-04-31', '2026-6-1', '2026/06/01', 'today', 'infinity',
	'2026-06-01 09:30', '2026-06-01T09:30:15.123456Z', '2026-06-01 09:30+09', '2026-06-01 09:30-09:30', '2026-06-01 24:00', '2026-06-01 23:59:60', '2026-06-01 09:30:00.1234567', '2026-06-01t00:30+0900', '2026-06-01 09:30 ', '2026-06-01 09:30+16', '2026-06-01 09');
my @numbers = (0, 1, -1, 5, 10, 100, '0.5', '-0.25', '1.000', '99.99', '123456789012345678901234567890', '-123456789012345678901234567890', '1e3', '1e-3', '12345e-2', '5.0');

sub some { my ($chance, @from) = @_; return grep { chance($chance) } @from; }
sub shuffled { return map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } @_; }
sub is_text { return shift->{type} =~ /^(text|textarea|email|phone|url)$/; }
sub is_number { return shift->{type} =~ /^(number|integer)$/; }
sub is_time { return shift->{type} =~ /^(date|timestamp)$/; }
sub has_choices { return shift->{type} =~ /^(radio|select|multiselect)$/; }

sub plain_number { my $text = Math::BigFloat->new(shift)->bstr; $text =~ s/(\.\d*?)0+$/$1/; $text =~ s/\.$//; return $text; }

sub random_number { return plain_number(chance(0.6) ? one_of(@numbers) : int(rand 2000) / 8 - 100); }

sub random_time
{
	my $type = shift;
	my $date = sprintf('%04d-%02d-%02d', one_of(2026, 2026, 1 + int(rand 9999)), 1 + rand 12, 1 + rand 28);
	return $date if $type eq 'date';
	return $date . one_of(' ', 'T') . sprintf('%02d:%02d', rand 24, rand 60) . one_of('', ':' . (10 + int rand 50), ':07.25') . one_of('', '', 'Z', '+09', '-03:30', '+1545');
}

# Dates and times as microseconds of UTC; undef for what is none of the type.
sub instant
{
	my ($type, $text) = @_;
	my ($year, $month, $day, $time) = $text =~ /\A(\d{4})-(\d\d)-(\d\d)(?:[Tt ](.*))?\z/as or return undef;
	return undef if $year < 1 || $month < 1 || $month > 12;
	my @days = (31, $year % 4 == 0 && ($year % 100 != 0 || $year % 400 == 0) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);
	return undef if $day < 1 || $day > $days[ $month - 1 ] || (defined $time ? 1 : 0) != ($type eq 'timestamp' ? 1 : 0);
	my $before = $year - 1;
	my $number = $before * 365 + int($before / 4) - int($before / 100) + int($before / 400) + $day;
	$number += $days[$_] foreach 0 .. $month - 2;
	return $number * 86_400_000_000 unless defined $time;
	my ($hour, $minute, $second, $fraction, $zone) = $time =~ /\A(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?\z/a or return undef;
	return undef if $hour > 23 || $minute > 59 || ($second // 0) > 59;
	my $offset = 0;
	if (defined $zone && $zone =~ /([+-])(\d\d):?(\d\d)?/)
	{
		return undef if $2 > 15 || ($3 // 0) > 59;
		$offset = ($1 eq '-' ? -1 : 1) * ($2 * 60 + ($3 // 0));
	}
	return ((($number * 24 + $hour) * 60 + $minute - $offset) * 60 + ($second // 0)) * 1_000_000 + substr(($fraction // '') . '000000', 0, 6);
}

# A bound of a timestamp may also be a date.
sub bound { my ($type, $text) = @_; return instant($type, $text) // instant('date', $text); }

sub random_field
{
	my $name = shift;
	my $field = { name => $name, label => chance(0.5) ? $name : one_of(@labels), type => one_of(@types), choices => [], required => chance(0.4), hidden => chance(0.2) };

	if (has_choices($field) && ($field->{type} ne 'multiselect' || chance(0.7)))
	{
		foreach my $key (shuffled(some(0.3, @keys)), 'only')
		{
			my $choice = { key => $key, label => chance(0.5) ? $key : one_of(@labels), retired => chance(0.2), except => chance(0.3), lists => [ some(0.1, 7, 8, 9, '9223372036854775807') ] };
			($choice->{effective}, $choice->{closes}) = (chance(0.3), chance(0.3)) if $field->{type} ne 'multiselect';
			push @{ $field->{choices} }, $choice;
		}
	}
	if (is_number($field) || is_time($field))
	{
		my @bounds = map { is_number($field) ? random_number() : random_time($field->{type} eq 'date' ? 'date' : one_of('date', 'timestamp')) } 0, 1;
		@bounds = reverse @bounds if is_number($field) ? Math::BigFloat->new($bounds[0])->bcmp($bounds[1]) > 0 : bound($field->{type}, $bounds[0]) > bound($field->{type}, $bounds[1]);
		$field->{min} = $bounds[0] if chance(0.4);
		$field->{max} = $bounds[1] if chance(0.4);
	}
	if (is_text($field))
	{
		$field->{max_length} = one_of(1, 2, 5, 12, 300, 999999999) if chance(0.3);
		$field->{pattern} = one_of(@patterns) if chance(0.2);
	}
	# one that can be filled in, a retired one that need not be
	my $value = conforming($field);
	delete $field->{required} if !defined $value;
	$field->{default} = is_number($field) ? plain_number($value->[1]) : $value->[1]
	  if defined $value && $value->[0] ne 'array' && chance(0.2);
	$field->{retired} = 1 if !$field->{required} && !defined $field->{default} && chance(0.15);
	return $field;
}

# No two fields have the same name or the same label.
sub random_form
{
	my (%names, %labels);
	return [ grep { !$labels{ $_->{label} }++ } map { random_field($_) } grep { !$names{$_}++ } map { one_of(@names) } 1 .. rand 7 ];
}

# ---- forms as text ---------------------------------------------------------------------

sub quoted { my ($text, $quote) = @_; $text =~ s/$quote/$quote$quote/g; return "$quote$text$quote"; }

sub literal
{
	my ($field, $text) = @_;
	return $field->{type} eq 'checkbox' || is_number($field) ? $text : quoted($text, "'");
}

# The text a form is kept as, or with a true second argument, one of many that are kept so.
sub text_of
{
	my ($form, $free) = @_;
	my $case = sub { my $word = shift; return $free && chance(0.2) ? uc $word : $free && chance(0.1) ? ucfirst $word : $word; };
	my $name = sub {
		my $name = shift;
		my $bare = $name =~ /^[a-z_\x{80}-\x{10ffff}][a-z0-9_\x{80}-\x{10ffff}]*\z/ && $name !~ /[（）；]/ && ($free || !$keyword{$name});
		return quoted($name, '"') if !$bare || $free && chance(0.3);
		return $name =~ /[^\x00-\x7f]/ ? $name : $case->($name);
	};
	my $label = sub { my $of = shift; return $of->{label} ne ($of->{key} // $of->{name}) || $free && chance(0.3) ? [ quoted($of->{label}, '"') ] : []; };
	my $number = sub {
		my $text = shift;
		return $text unless $free && chance(0.5);
		$text .= $text =~ /\./ ? '00' : '.0';
		$text =~ s/^(-?)/$1 0/ if chance(0.5);
		$text =~ s/^ //;
		return $text;
	};
	my $choice = sub {
		my $choice = shift;
		my @options = map { $choice->{$_} ? $case->($_) : () } qw(effective closes retired);
		my @lists = @{ $choice->{lists} } ? ($case->($choice->{except} ? 'except' : 'only') . ' ' . $case->('list') . ' (' . join(', ', $free ? shuffled(some(0.2, @{ $choice->{lists} }), @{ $choice->{lists} }) : @{ $choice->{lists} }) . ')') : ();
		return join(' ', quoted($choice->{key}, "'"), @{ $label->($choice) }, $free ? shuffled(@options, @lists) : (@options, @lists));
	};
	my $field = sub {
		my $field = shift;
		my $type = $case->($field->{type});
		$type .= '(' . join(', ', map { $choice->($_) } @{ $field->{choices} }) . ')' if @{ $field->{choices} };
		my %option = map { $_ => $case->($_) } grep { $field->{$_} } qw(required hidden retired);
		foreach my $what (grep { defined $field->{$_} } qw(min max default))
		{
			my $value = literal($field, $field->{$what});
			$option{$what} = $case->($what) . ' ' . (is_number($field) ? $number->($value) : $value);
		}
		$option{max_length} = $case->('max_length') . " $field->{max_length}" if $field->{max_length};
		$option{pattern} = $case->('pattern') . ' ' . quoted($field->{pattern}[0], "'") if $field->{pattern};
		my @options = map { $option{$_} // () } qw(required min max max_length pattern default hidden retired);
		return join(' ', $name->($field->{name}), @{ $label->($field) }, $type, $free ? shuffled(@options) : @options);
	};
	my $text = join('; ', map { $field->($_) } @$form);

	return $text unless $free;
	$text .= ';' if @$form && chance(0.3);
	# other spaces, comments and signs, but not in quotes
	my %wide = (';' => '；', '(' => '（', ')' => '）', ',' => '，', '-' => '－', '.' => '．', ' ' => '　');
	my @parts = split /('(?:[^']|'')*'|"(?:[^"]|"")*")/, $text;
	foreach my $part (grep { $_ !~ /^['"]/ } @parts)
	{
		$part =~ s/ /one_of(' ', ' ', ' ', ' ', "\n", ' \/* ; " *\/ ', " -- it's （\n")/ge;
		$part =~ s/([(,;])/one_of($1, "$1 ", " $1")/ge;
		next if $part =~ m{--|/\*};
		$part =~ s/([;(),. -])/chance(0.1) ? $wide{$1} : $1/ge;
	}
	return join('', @parts);
}

# ---- documents: field => [ type, value ] ---------------------------------------------------

sub json_string { my $text = shift; $text =~ s/(["\\])/\\$1/g; $text =~ s/([\x00-\x1f])/sprintf('\u%04x', ord $1)/ge; return qq("$text"); }

sub json
{
	my $value = shift;
	return '{' . join(', ', map { json_string($_) . ': ' . json($value->{$_}) } sort keys %$value) . '}' if ref $value eq 'HASH';
	my ($type, $inner) = @$value;
	return $type eq 'string' ? json_string($inner) : $type eq 'array' ? '[' . join(', ', map { json($_) } @$inner) . ']' : $type eq 'object' ? json($inner) : $inner;
}

sub strings { return [ array => [ map { [ string => $_ ] } @_ ] ]; }

sub enterable
{
	my ($field, $list) = @_;
	my $is_for = sub {
		my $choice = shift;
		my $named = grep { defined $list && $_ eq $list } @{ $choice->{lists} };
		return !@{ $choice->{lists} } || ($choice->{except} ? !$named : $named);
	};
	return map { $_->{key} } grep { !$_->{retired} && $is_for->($_) } @{ $field->{choices} };
}

# A value that conforms, or undef when none comes to mind.
sub conforming
{
	my ($field, $list) = @_;
	my $type = $field->{type};
	my @candidates =
		$type eq 'checkbox' ? map({ [ boolean => $_ ] } qw(true false))
	  : is_number($field) ? map({ [ number => $_ ] } grep({ defined } @$field{qw(min max)}), @numbers, random_number(), random_number())
	  : is_time($field) ? map({ [ string => $_ ] } grep({ defined } @$field{qw(min max)}), map { random_time($type) } 0 .. 5)
	  : $type eq 'multiselect' ? (strings(@{ $field->{choices} } ? some(0.5, enterable($field, $list)) : some(0.4, @texts)), @{ $field->{choices} } ? strings((enterable($field, $list))[0] // ()) : strings('x'))
	  : has_choices($field) ? map({ [ string => $_ ] } enterable($field, $list))
	  : map({ [ string => $_ ] } ($field->{pattern} ? @{ $field->{pattern} }[ 2 .. $#{ $field->{pattern} } ] : ()), @{ $good{$type} }, 'x');

	foreach my $value (shuffled(@candidates))
	{
		next if is_empty($value) || ref violation({ %$field, retired => 0 }, $value, $list);
		return $value;
	}
	return undef;
}

sub is_empty { my $value = shift; return !defined $value || $value->[0] eq 'null' || $value->[0] eq 'string' && $value->[1] eq '' || $value->[0] eq 'array' && !@{ $value->[1] }; }

sub random_value
{
	my $field = shift;
	my @keys = map { $_->{key} } @{ $field->{choices} };

	return one_of(
		[ null => 'null' ], [ boolean => one_of('true', 'false') ], [ number => one_of(@numbers) ], [ number => random_number() ], [ string => one_of(@texts) ], [ string => one_of(@times) ],
		[ string => random_time(one_of('date', 'timestamp')) ], strings(), strings(map { one_of(@keys, @texts) } 0 .. rand 3), [ array => [ [ number => 1 ] ] ], [ object => { a => [ null => 'null' ] } ],
		(@keys ? ([ string => one_of(@keys) ], strings(some(0.5, @keys))) x 3 : ()),
		(conforming($field) // [ null => 'null' ]) x 3);
}

# ---- the second opinion: [ field, rule ] for each violation ---------------------------------

# The rule that one value breaks, as a reference to its name, or a false value.
sub violation
{
	my ($field, $value, $list) = @_;
	my $type = $field->{type};
	my $broken = sub { my $name = shift; return \$name; };

	return $field->{required} ? $broken->('required') : '' if is_empty($value);
	return $broken->('retired') if $field->{retired};
	my ($is, $text) = @$value;
	if (is_text($field))
	{
		return $broken->('type') if $is ne 'string';
		my $atom = qr/[!#\$%&'*+\-\/=?^_`{|}~A-Za-z0-9]+/;
		my $part = qr/[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/;
		return $broken->('email') if $type eq 'email' && ($text !~ /\A$atom(?:\.$atom)*@(?:$part\.)+(?=..)$part\z/s || length $text > 254);
		return $broken->('phone') if $type eq 'phone' && ($text !~ /\A\+?[-() .0-9]*\z/ || ($text =~ tr/0-9//) < 6 || ($text =~ tr/0-9//) > 15);
		return $broken->('url') if $type eq 'url' && $text !~ /\Ahttps?:\/\/[^\/?#:@.\x00-\x20\x7f<>"][^\x00-\x20\x7f<>"]*\z/i;
		return $broken->('type') if $type eq 'text' && $text =~ /[\r\n]/;
		return $broken->('max_length') if $field->{max_length} && length $text > $field->{max_length};
		return $broken->('pattern') if $field->{pattern} && $text !~ /\A(?:$field->{pattern}[1])\z/;
		return '';
	}
	if (is_number($field))
	{
		my $number = Math::BigFloat->new($is eq 'number' ? $text : 'NaN');
		return $broken->('type') if $is ne 'number' || $type eq 'integer' && !$number->is_int;
		return $broken->('min') if defined $field->{min} && $number->bcmp($field->{min}) < 0;
		return $broken->('max') if defined $field->{max} && $number->bcmp($field->{max}) > 0;
		return '';
	}
	if (is_time($field))
	{
		my $instant = $is eq 'string' ? instant($type, $text) : undef;
		return $broken->('date') if !defined $instant;
		return $broken->('min') if defined $field->{min} && $instant < bound($type, $field->{min});
		return $broken->('max') if defined $field->{max} && $instant > bound($type, $field->{max});
		return '';
	}
	return $is eq 'boolean' ? '' : $broken->('type') if $type eq 'checkbox';

	my $check = sub {
		my ($is, $key) = @{ $_[0] };
		return $broken->('type') if $is ne 'string';
		return '' unless @{ $field->{choices} };
		my ($choice) = grep { $_->{key} eq $key } @{ $field->{choices} } or return $broken->('choice');
		return $broken->('retired') if $choice->{retired};
		return $broken->('only_list') unless grep { $_ eq $key } enterable($field, $list);
		return '';
	};
	return $check->($value) if $type ne 'multiselect';
	return $broken->('type') if $is ne 'array';
	my %seen;
	foreach my $element (@$text) { my $rule = $check->($element); return $rule if $rule; }
	return (grep { $seen{ $_->[1] }++ } @$text) ? $broken->('choice') : '';
}

sub violations
{
	my ($form, $document, $list) = @_;
	my %known = map { $_->{name} => 1 } @$form;
	# jsonb orders keys by their length in bytes first
	my @unknown = sort { length(encode_utf8($a)) <=> length(encode_utf8($b)) || encode_utf8($a) cmp encode_utf8($b) } grep { !$known{$_} } keys %$document;
	my @found;

	foreach my $field (@$form)
	{
		my $rule = violation($field, $document->{ $field->{name} }, $list);
		push @found, [ $field->{name}, $$rule ] if $rule;
	}
	return [ @found, map { [ $_, 'unknown' ] } @unknown ];
}

# A document that conforms, and each way to break it once: [ field, value, rule ].
sub conforming_document
{
	my ($form, $list) = @_;
	my %document;

	foreach my $field (@$form)
	{
		my $value = $field->{retired} ? undef : conforming($field, $list);
		# a required choice may be for other lists only
		return undef if $field->{required} && !defined $value;
		$document{ $field->{name} } = $value if defined $value && ($field->{required} || chance(0.8));
		$document{ $field->{name} } //= one_of([ null => 'null' ], [ string => '' ], strings()) if !$field->{required} && chance(0.3);
	}
	return \%document;
}

sub mutations
{
	my ($form) = @_;
	my %known = map { $_->{name} => 1 } @$form;
	my @mutations = map { [ $_, [ number => 1 ], 'unknown' ] } grep { !$known{$_} } 'kind', 'zz', '', 'A' x 300;

	foreach my $field (@$form)
	{
		my ($name, $type) = @$field{qw(name type)};
		my $break = sub { my ($rule, @values) = @_; push @mutations, map { [ $name, $_, $rule ] } @values; };

		if ($field->{retired}) { $break->('retired', [ string => 'x' ], [ number => 0 ], [ boolean => 'false' ]); next; }
		$break->('required', undef, [ null => 'null' ], [ string => '' ], strings()) if $field->{required};
		$break->('type', [ object => {} ], $type eq 'checkbox' ? [ string => 'true' ] : [ boolean => 'true' ]) unless is_time($field);
		$break->('type', [ string => '1' ]) if is_number($field);
		$break->('type', [ number => '1.5' ]) if $type eq 'integer';
		$break->('type', [ string => "a\nb" ]) if $type eq 'text';
		$break->('max_length', [ string => 'あ' x ($field->{max_length} + 1) ]) if $type =~ /^text/ && ($field->{max_length} // 1e9) < 1000;
		$break->('pattern', [ string => '～' ]) if $type =~ /^text/ && $field->{pattern};
		$break->('email', [ string => 'a@b' ], [ string => 'x y@b.jp' ]) if $type eq 'email';
		$break->('phone', [ string => '12345' ], [ string => '０３-1234-5678' ]) if $type eq 'phone';
		$break->('url', [ string => 'example.jp' ], [ string => "https://a\n" ]) if $type eq 'url';
		$break->('date', [ string => '2026-02-30' ], [ string => 'today' ], [ number => 20260601 ], [ string => $type eq 'date' ? '2026-06-01 09:30' : '2026-06-01' ]) if is_time($field);
		$break->('min', [ number => Math::BigFloat->new($field->{min})->bsub(1)->bstr ]) if is_number($field) && defined $field->{min} && ($type eq 'number' || $field->{min} !~ /\./);
		$break->('max', [ number => Math::BigFloat->new($field->{max})->badd(1)->bstr ]) if is_number($field) && defined $field->{max} && ($type eq 'number' || $field->{max} !~ /\./);
		my ($least, $most) = $type eq 'date' ? ('0001-01-01', '9999-12-31') : ('0001-01-01 00:00+15', '9999-12-31 23:59-15');
		$break->('min', [ string => $least ]) if is_time($field) && defined $field->{min};
		$break->('max', [ string => $most ]) if is_time($field) && defined $field->{max} && !defined $field->{min};
		next unless has_choices($field);
		my $as = sub { return $type eq 'multiselect' ? strings(@_) : [ string => $_[0] ]; };
		$break->('choice', $as->('zz')) if @{ $field->{choices} };
		$break->('choice', strings('x', 'y', 'x')) if !@{ $field->{choices} };
		$break->('type', [ array => [ [ number => 1 ] ] ], [ object => {} ]);
		$break->('retired', $as->($_->{key})) foreach grep { $_->{retired} } @{ $field->{choices} };
		$break->('only_list', $as->($_->{key})) foreach grep { !$_->{retired} && !$_->{except} && @{ $_->{lists} } } @{ $field->{choices} };
	}
	return @mutations;
}

# ---- the trials --------------------------------------------------------------------------------

sub copy_escaped { my $text = shift; return '\N' unless defined $text; $text =~ s/([\\\n\r\t])/{ "\\" => '\\\\', "\n" => '\n', "\r" => '\r', "\t" => '\t' }->{$1}/ge; return $text; }

my $forms = '';
my $documents = '';
my %made;
foreach my $id (1 .. $cases)
{
	my $form = random_form();
	my $written = text_of($form, 1);
	my %labels = map { $_->{name} => $_->{label} } @$form;
	my $add = sub {
		my ($kind, $document, $list, $violations) = @_;
		my $expected = join(', ', map { '[' . join(', ', map { json_string($_) } $_->[0], $labels{ $_->[0] } // $_->[0], $_->[1]) . ']' } @$violations);
		my $json = json($document);
		$documents .= join("\t", $id, $kind, copy_escaped($json), copy_escaped($list), copy_escaped("[$expected]"), copy_escaped(mutated($json))) . "\n";
		$made{"$kind $_->[1]"}++ foreach @$violations;
	};
	$forms .= join("\t", $id, map { copy_escaped($_) } $written, text_of($form), mutated($written)) . "\n";

	my $list = one_of(undef, 7, 8, 9);
	my %any = map { $_->{name} => random_value($_) } some(0.8, @$form);
	$any{$_} //= [ number => 1 ] foreach some(0.1, 'zz', 'Ｚ', 'x y');
	$add->('any', \%any, $list, violations($form, \%any, $list));

	my $document = conforming_document($form, $list);
	$add->('conforming', $document, $list, []) if $document;

	# the choices of other lists are wrong where there is no list
	$document = conforming_document($form) or next;
	my ($name, $value, $rule) = @{ one_of(mutations($form)) };
	defined $value ? $document->{$name} = $value : delete $document->{$name};
	$add->('mutated', $document, undef, [ [ $name, $rule ] ]);
}
foreach my $kind ($cases < 5000 ? () : ('any', 'mutated'))
{
	cmp_ok($made{"$kind $_"} // 0, '>', $cases / 2000, "documents that break the rule $_ ($kind)")
	  foreach qw(required unknown retired type max_length pattern email phone url date min max choice only_list);
}

my $node = PostgreSQL::Test::Cluster->new('form');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION leadflow;
CREATE TABLE form (id int PRIMARY KEY, written text, canonical text, mutated text);
CREATE TABLE document (id int, kind text, document text, list_id bigint, expected jsonb, mutated text);
-- what a text is kept as, or the SQLSTATE with which it is refused
CREATE FUNCTION kept(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN $1::leadflow.form;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
-- "true", or the SQLSTATE and the detail of what conforms() says
CREATE FUNCTION verdict(form text, document text, list_id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    RETURN leadflow.conforms(form::leadflow.form, document::jsonb, list_id);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ': ' || detail;
END $$;
SQL
$node->safe_psql('postgres', encode_utf8("COPY form FROM STDIN;\n$forms\\.\n"));
$node->safe_psql('postgres', encode_utf8("COPY document FROM STDIN;\n$documents\\.\n"));

# Each lists the trials that break a law: none may.
sub holds
{
	my ($law, $broken) = @_;
	is(decode_utf8($node->safe_psql('postgres', "SELECT * FROM ($broken) AS broken ORDER BY length(broken::text) LIMIT 3")), '', "$law (SEED=$seed)");
	return;
}

cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT canonical) FROM form'), '>', $cases / 2, 'the forms differ');
holds('what is written is kept as its canonical text', 'SELECT written, canonical, kept(written) FROM form WHERE kept(written) IS DISTINCT FROM canonical');
holds('in(out(x)) = x', <<'SQL');
SELECT canonical, kept(canonical) FROM form
 WHERE kept(canonical) <> canonical OR written::leadflow.form OPERATOR(leadflow.<>) canonical::leadflow.form
SQL
holds('a conforming document has no violation, a mutated one exactly its own, any document those of the second opinion', <<'SQL');
SELECT kind, canonical, document, list_id, expected, found
  FROM document JOIN form USING (id),
       LATERAL (SELECT coalesce(jsonb_agg(jsonb_build_array(field, label, rule)), '[]') AS found
                  FROM leadflow.violations(canonical::leadflow.form, document::jsonb, list_id)) AS v
 WHERE found <> expected
SQL
holds('a violation has the value, but where there is none', <<'SQL');
SELECT canonical, document, v.*
  FROM document JOIN form USING (id), leadflow.violations(canonical::leadflow.form, document::jsonb, list_id) AS v
 WHERE (value IS NULL) <> (rule = 'required') OR message = ''
    OR jsonb_typeof(document::jsonb -> field) <> 'array' AND document::jsonb ->> field IS DISTINCT FROM value AND rule <> 'required'
SQL
holds('conforms() is true, or says all of it in the detail', <<'SQL');
SELECT canonical, document, expected, verdict
  FROM document JOIN form USING (id), verdict(canonical, document, list_id)
 WHERE verdict <> CASE WHEN expected = '[]' THEN 'true' ELSE
           '23514: ' || (SELECT string_agg(field || CASE WHEN label <> field THEN ' "' || label || '"' ELSE '' END
                                || coalesce(' is "' || left(value, 60) || CASE WHEN length(value) > 60 THEN '...' ELSE '' END || '"', '')
                                || ': ' || message || CASE WHEN message LIKE '%?' THEN '' ELSE '.' END, E'\n')
                           FROM leadflow.violations(canonical::leadflow.form, document::jsonb, list_id)) END
SQL

# ---- broken forms and documents: read or refused, never worse ----------------------------------

my $refused = $node->safe_psql('postgres', <<'SQL');
CREATE TABLE outcome AS SELECT mutated, kept(mutated) AS kept FROM form;
SELECT count(*) FROM outcome WHERE kept ~ '^42601: ';
SQL
cmp_ok($refused, '>', $cases / 4, 'many of the broken texts are refused');
cmp_ok($refused, '<', $cases, 'and some are not broken');
holds('a broken form is refused as one', q{SELECT mutated, kept FROM outcome WHERE kept ~ '^[0-9A-Z]{5}: ' AND kept !~ '^(42601|22003|54000): '});
holds('and what is read is stable', q{SELECT kept, kept(kept) FROM outcome WHERE kept !~ '^[0-9A-Z]{5}: ' AND kept(kept) <> kept});
holds('a document of another form conforms or does not', <<'SQL');
SELECT canonical, document, verdict
  FROM document JOIN form ON form.id = (document.id * 31 + 7) % (SELECT max(id) FROM form) + 1, verdict(canonical, document, list_id)
 WHERE verdict !~ '^(true$|23514: )'
SQL
holds('a broken document is no jsonb, or conforms or does not', <<'SQL');
SELECT canonical, document.mutated, verdict
  FROM document JOIN form USING (id), verdict(canonical, document.mutated, list_id)
 WHERE verdict !~ '^(true$|23514: |22P02: |22P05: |22003: )'
SQL

# ---- the binary form ------------------------------------------------------------------------------

my $file = $node->basedir . '/form.copy';
$node->safe_psql('postgres', "COPY (SELECT id, written::leadflow.form FROM form) TO '$file' (FORMAT binary)");
$node->safe_psql('postgres', "CREATE TABLE copy (id int, form leadflow.form); COPY copy FROM '$file' (FORMAT binary)");
holds('recv(send(x)) = x', 'SELECT canonical, copy.form FROM form FULL JOIN copy USING (id) WHERE canonical IS DISTINCT FROM copy.form::text');
foreach my $case (
	[ "\x02a text", qr/unsupported binary version 2 of type form/ ],
	[ "\x01a", qr/invalid input syntax for type form: "a"/ ],
	[ "\x01a text\0", qr/invalid byte sequence/ ],
	[ "\x01\xe7\x94 text", qr/invalid byte sequence/ ],
	[ '', qr/no data left in message/ ])
{
	my ($bytes, $expected) = @$case;
	open(my $out, '>:raw', $file) or die "$file: $!";
	print $out "PGCOPY\n\xff\r\n\0", pack('N N', 0, 0), pack('n N N N/a*', 2, 4, 1, $bytes), pack('n', 0xffff);
	close $out;
	my (undef, undef, $stderr) = $node->psql('postgres', "COPY copy FROM '$file' (FORMAT binary)");
	like($stderr, $expected, 'recv refuses');
}

unlike(slurp_file($node->logfile), qr/was terminated by signal|PANIC|XX000/, 'nothing crashed');
$node->stop;
done_testing();
