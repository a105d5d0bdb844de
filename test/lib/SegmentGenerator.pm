# Random segments: syntax trees, their canonical text, and the many ways to write them.
#
# A tree is made of hashes:
#   { k => 'and' | 'or', args => [two or more] }, { k => 'not', args => [one] }
#   { k => 'everyone' }, { k => 'no one' }
#   { k => 'block', source, row }                        row may be missing
#   { k => 'aggregate', fn, distinct, source, field, where, test }
#   { k => 'edge', fn, source, where, row }
#   { k => 'named', source, name, test }
#   { k => 'field', field, test }                        in rows
# and a test is { t => 'compare' | 'in' | ..., not, op, unit, n, m, values }, its
# values being [ 'number' | 'string' | 'boolean', text ].
package SegmentGenerator;

use strict;
use warnings;
use utf8;
use Exporter 'import';
our @EXPORT_OK = qw(one_of chance random_tree random_test canonical written mutated smaller);

my %keyword = map { $_ => 1 } qw(
  after ago and at avg before between contains count day days distinct empty ends everyone
  false first hour hours in is last least less like matches max min minute minutes month months
  more most next no not null one or quarter starts sum than the this today tomorrow true week
  weeks where with within year years yesterday);

# Keywords that must be quoted as names: always, where a term starts, after "count (".
my %never_bare = map { $_ => 1 } qw(and or not);
my %no_source = map { $_ => 1 } qw(avg count everyone first last max min no sum);

sub one_of { return $_[ rand @_ ]; }
sub chance { return rand() < shift; }

# ---- trees --------------------------------------------------------------------
# A vocabulary says what trees are made from:
#   sources => { name => { fields => { name => type }, edges => bool } },
#   test => sub (type), a random test of a value,
#   named => sub (), a random named term or undef, all => any field in any place

sub random_name_of { return one_of(sort keys %{ $_[0] }); }

sub random_chain
{
	my ($depth, $leaf) = @_;

	return $leaf->() if $depth <= 0 || chance(0.35);
	return { k => 'not', args => [ random_chain($depth - 1, $leaf) ] } if chance(0.3);

	my $kind = one_of('and', 'or');
	# chains are flat: no operand of a chain is a chain of its kind
	my @args = map { $_->{k} eq $kind ? @{ $_->{args} } : $_ }
	  map { random_chain($depth - 1, $leaf) } 0 .. one_of(1, 1, 2, 3);
	return { k => $kind, args => \@args };
}

sub random_row
{
	my ($vocabulary, $source, $depth) = @_;
	my $fields = $vocabulary->{sources}{$source}{fields};

	return random_chain($depth, sub {
		my $field = random_name_of($fields);
		my $type = $fields->{$field};
		return { k => 'field', field => $field }
		  if ($type eq 'boolean' || $vocabulary->{all}) && chance(0.4);
		return { k => 'field', field => $field, test => $vocabulary->{test}->($type, 'row') };
	});
}

sub random_term
{
	my ($vocabulary) = @_;
	my $sources = $vocabulary->{sources};
	my $source = random_name_of($sources);
	my $fields = $sources->{$source}{fields};
	my $any = $vocabulary->{all};
	my $where = sub { chance(0.5) ? (where => random_row($vocabulary, $source, one_of(0, 0, 1, 2))) : () };
	my $with = sub {
		my %types = map { $_ => 1 } @_;
		return random_name_of({ map { $_ => 1 } grep { $any || $types{ $fields->{$_} } } keys %$fields });
	};
	my $kind = one_of(('block') x 4, ('aggregate') x 5, ('edge') x 2, 'constant', 'named');

	if ($kind eq 'constant')
	{
		return { k => one_of('everyone', 'no one') };
	}
	if ($kind eq 'named')
	{
		return $vocabulary->{named}->() // random_term($vocabulary);
	}
	if ($kind eq 'edge')
	{
		return random_term($vocabulary) unless $any || $sources->{$source}{edges};
		return { k => 'edge', fn => one_of('first', 'last'), source => $source, $where->(),
			row => random_row($vocabulary, $source, one_of(0, 1, 2)) };
	}
	if ($kind eq 'block')
	{
		return { k => 'block', source => $source } if chance(0.15);
		return { k => 'block', source => $source, row => random_row($vocabulary, $source, one_of(0, 1, 2, 2)) };
	}

	my $fn = one_of(('count') x 4, ('sum') x 3, 'min', 'max', 'avg');
	my %term = (k => 'aggregate', fn => $fn, source => $source);
	my $type = 'number';

	if ($fn eq 'count')
	{
		$term{distinct} = 1 if chance(0.3);
		$term{field} = $with->(qw(number text boolean date timestamp timestamptz choices))
		  if $term{distinct} || chance(0.4);
	}
	elsif ($fn eq 'sum' || $fn eq 'avg')
	{
		$term{field} = $with->('number');
	}
	else
	{
		$term{field} = $with->(qw(number text date timestamp timestamptz));
		$type = $fields->{ $term{field} };
	}
	return { %term, $where->(), test => $vocabulary->{test}->($type, $fn eq 'count' || $fn eq 'sum' ? 'zero' : 'value') };
}

sub random_tree
{
	my ($vocabulary, $depth) = @_;
	return random_chain($depth // one_of(0, 0, 1, 1, 2, 3), sub { random_term($vocabulary) });
}

# ---- canonical text -------------------------------------------------------------

sub quoted
{
	my ($text, $quote) = @_;
	$text =~ s/$quote/$quote$quote/g;
	return "$quote$text$quote";
}

sub is_bare { return $_[0] =~ /^[a-z_\x{80}-\x{10ffff}][a-z0-9_\x{80}-\x{10ffff}]*$/ && !$keyword{ $_[0] } && $_[0] !~ /[！（），－．０-９＜＝＞\x{3000}\x{a0}]/; }
sub canonical_name { return is_bare($_[0]) ? $_[0] : quoted($_[0], '"'); }
sub canonical_value { return $_[0][0] eq 'string' ? quoted($_[0][1], "'") : $_[0][1]; }

my %pattern = map { $_ => 1 } ('contains', 'starts with', 'ends with', 'like', 'matches');

sub canonical_test
{
	my $test = shift;
	my ($t, $not) = ($test->{t}, $test->{not} ? 'not ' : '');
	my @values = map { canonical_value($_) } @{ $test->{values} // [] };
	my $unit = $test->{unit} // '';
	my $window = sub { "$_[0] $unit" . ($_[0] == 1 ? '' : 's') };

	return "$test->{op} $values[0]" if $t eq 'compare';
	return "${not}in (" . join(', ', @values) . ')' if $t eq 'in';
	return "${not}between $values[0] and $values[1]" if $t eq 'between';
	return "is $not$t" if $t eq 'null' || $t eq 'empty';
	return "$not$t $values[0]" if $pattern{$t};
	return "${not}between $test->{n} and " . $window->($test->{m}) . ' ago' if $t eq 'between ago';
	return "$t " . $window->($test->{n}) if $t =~ /^within/;
	return $window->($test->{n}) . ' ago' if $t eq 'ago';
	return ('yesterday', 'today', 'tomorrow')[ $test->{n} + 1 ] if $t eq 'period' && $unit eq 'day';
	return 'in ' . ('last', 'this', 'next')[ $test->{n} + 1 ] . " $unit" if $t eq 'period';
	return "$t " . $window->($test->{n}) . ' ago';
}

sub canonical_recorded
{
	my $node = shift;
	return canonical_name($node->{source})
	  . (defined $node->{field} ? '.' . canonical_name($node->{field}) : '')
	  . ($node->{where} ? ' where ' . canonical($node->{where}) : '');
}

sub needs_parentheses
{
	my ($outer, $operand) = @_;
	return $operand->{k} eq 'or' || $operand->{k} eq 'and' && $outer ne 'or';
}

sub canonical
{
	my $node = shift;
	my $k = $node->{k};
	my $tested = $node->{test} ? ' ' . canonical_test($node->{test}) : '';
	my @args = map { needs_parentheses($k, $_) ? '(' . canonical($_) . ')' : canonical($_) } @{ $node->{args} // [] };

	return join(" $k ", @args) if $k eq 'and' || $k eq 'or';
	return "not $args[0]" if $k eq 'not';
	return canonical_name($node->{field}) . $tested if $k eq 'field';
	return canonical_name($node->{source}) . ($node->{row} ? '(' . canonical($node->{row}) . ')' : '') if $k eq 'block';
	return canonical_name($node->{source}) . '(' . quoted($node->{name}, "'") . ")$tested" if $k eq 'named';
	return "$node->{fn}(" . ($node->{distinct} ? 'distinct ' : '') . canonical_recorded($node) . ")$tested" if $k eq 'aggregate';
	return "$node->{fn}(" . canonical_recorded($node) . ')(' . canonical($node->{row}) . ')' if $k eq 'edge';
	return $k;
}

# ---- as somebody might write it: a list of tokens, then spacing --------------------

sub word { my $word = shift; $word = uc $word if chance(0.15); $word = ucfirst $word if chance(0.15); return $word; }
sub words { return map { word($_) } map { split / / } @_; }

sub name_token
{
	my ($name, $place) = @_;
	my $may_be_bare = is_bare($name)
	  || $keyword{$name} && !$never_bare{$name}
	  && !($place eq 'source' && $no_source{$name}) && !($place eq 'counted' && $name eq 'distinct');

	return quoted($name, '"') if !$may_be_bare || chance(0.1);
	$name =~ tr/a-z/A-Z/ if chance(0.1);
	return $name;
}

sub number_tokens
{
	my ($sign, $digits) = $_[0] =~ /^(-?)(.*)$/;

	$digits = '0' x (1 + rand 3) . $digits if chance(0.1);
	$digits .= ($digits =~ /\./ ? '' : '.') . '0' x (1 + rand 3) if chance(0.1);
	$sign = '-' if $digits !~ /[1-9]/ && chance(0.1);
	$digits =~ tr/0-9/０-９/ if chance(0.1);
	return ($sign ? '-' : (), $digits);
}

sub value_tokens
{
	my ($kind, $text) = @{ $_[0] };
	return $kind eq 'string' ? quoted($text, "'") : $kind eq 'number' ? number_tokens($text) : word($text);
}

sub window_number { my $n = shift; $n =~ tr/0-9/０-９/ if chance(0.1); return $n; }

sub test_tokens
{
	my $test = shift;
	my $t = $test->{t};
	my @not = $test->{not} ? word('not') : ();
	my @values = map { [ value_tokens($_) ] } @{ $test->{values} // [] };
	my @unit = defined $test->{unit} ? word($test->{unit} . one_of('', 's')) : ();

	return (words($test->{op} eq '<>' ? one_of('<>', '!=') : $test->{op}), @{ $values[0] }) if $t eq 'compare';
	return (@not, word('in'), '(', (map { ($_ ? ',' : (), @{ $values[$_] }) } 0 .. $#values), ')') if $t eq 'in';
	return (@not, word('between'), @{ $values[0] }, word('and'), @{ $values[1] }) if $t eq 'between';
	return (word('is'), @not, word($t)) if $t eq 'null' || $t eq 'empty';
	return (@not, words($t), @{ $values[0] }) if $pattern{$t};
	return (@not, word('between'), window_number($test->{n}), word('and'), window_number($test->{m}), @unit, word('ago')) if $t eq 'between ago';
	return (words($t, $t eq 'within' && chance(0.3) ? 'the last' : ()), window_number($test->{n}), @unit) if $t =~ /^within/;
	return (window_number($test->{n}), @unit, word('ago')) if $t eq 'ago';
	return word(('yesterday', 'today', 'tomorrow')[ $test->{n} + 1 ]) if $t eq 'period' && $test->{unit} eq 'day' && chance(0.7);
	return words('in', ('last', 'this', 'next')[ $test->{n} + 1 ], $test->{unit}) if $t eq 'period';
	return (words($t), window_number($test->{n}), @unit, word('ago'));
}

sub recorded_tokens
{
	my ($node, $place) = @_;
	return (name_token($node->{source}, $place),
		(defined $node->{field} ? ('.', name_token($node->{field}, 'any')) : ()),
		($node->{where} ? (word('where'), tokens($node->{where})) : ()));
}

# A chain of several operands may be written as chains within chains.
sub chain_tokens
{
	my ($kind, @operands) = @_;

	if (@operands > 2 && chance(0.3))
	{
		my $from = int rand(@operands - 1);
		my $inner = [ '(', chain_tokens($kind, splice(@operands, $from, 2)), ')' ];
		splice(@operands, $from, 0, $inner);
	}
	return map { ($_ ? word($kind) : (), @{ $operands[$_] }) } 0 .. $#operands;
}

sub tokens
{
	my $node = shift;
	my $k = $node->{k};
	my @tested = $node->{test} ? test_tokens($node->{test}) : ();
	my @args = map { needs_parentheses($k, $_) ? [ '(', tokens($_), ')' ] : [ tokens($_) ] } @{ $node->{args} // [] };
	my @tokens =
	    $k eq 'and' || $k eq 'or' ? chain_tokens($k, @args)
	  : $k eq 'not' ? (word('not'), @{ $args[0] })
	  : $k eq 'field' ? (name_token($node->{field}, 'any'), @tested)
	  : $k eq 'block' ? (name_token($node->{source}, 'source'), $node->{row} ? ('(', tokens($node->{row}), ')') : ())
	  : $k eq 'named' ? (name_token($node->{source}, 'source'), '(', quoted($node->{name}, "'"), ')', @tested)
	  : $k eq 'aggregate' ? (word($node->{fn}), '(', ($node->{distinct} ? word('distinct') : ()),
		recorded_tokens($node, $node->{fn} eq 'count' && !$node->{distinct} ? 'counted' : 'any'), ')', @tested)
	  : $k eq 'edge' ? (word($node->{fn}), '(', recorded_tokens($node, 'any'), ')', '(', tokens($node->{row}), ')')
	  : words($k);

	@tokens = ('(', @tokens, ')') while chance(0.08);
	return @tokens;
}

sub gap
{
	return one_of('', ' ') if chance(0.7);
	return one_of("\t", "\n", '  ', "\x{3000}", "\r\n", "\x{a0}") if chance(0.7);
	return one_of(" /* it's */ ", " /*（ /* \" */ */ ", " -- don't （\n", " --\r", " /***/ ", " /*/**/*/ ", " －－ it's\n");
}

sub is_sign { return $_[0] =~ /^[(),.<>=!-]+$/; }

sub written
{
	my @tokens = tokens(shift);
	my $text = gap();
	my $before = '(';

	foreach my $token (@tokens)
	{
		my $gap = gap();

		# two words need something between them, and so do two quoted ones
		$gap = ' ' if $gap eq '' && !is_sign($before) && !is_sign($token);
		$before = $token;
		$token =~ tr/(),.<>=!\-/（），．＜＞＝！－/ if is_sign($token) && chance(0.1);
		$text .= $gap . $token;
	}
	return $text . gap();
}

# ---- broken text --------------------------------------------------------------------

sub mutated
{
	my $text = shift;
	my @pieces = ('(', ')', "'", '"', ',', '.', '-', '--', '/*', '*/', '（', ' not ', ' and ', ' in ', ' between ', ' within ', ' ago ', ' is null ', ' no one ',
		'0', '99999999999999', '1.5', 'count(', ' last ', '$1', ':x', ';', "\\", '%', "\x{1}", "\x{7f}", "\x{200b}", '🦊', '　');

	foreach (0 .. rand 3)
	{
		my $at = int rand(1 + length $text);
		my $length = int rand(1 + (length($text) - $at < 12 ? length($text) - $at : 12));

		substr($text, $at, chance(0.5) ? 0 : $length) = chance(0.3) ? '' : chance(0.2) ? substr($text, rand length $text, 10) : one_of(@pieces);
	}
	return $text;
}

# ---- what a tree can be cut down to ------------------------------------------------------

sub smaller
{
	my $node = shift;
	my @smaller;

	return () unless ref $node eq 'HASH' && defined $node->{k};
	push @smaller, @{ $node->{args} } if $node->{args};
	if ($node->{args} && @{ $node->{args} } > 2)
	{
		foreach my $i (0 .. $#{ $node->{args} })
		{
			my @args = @{ $node->{args} };
			splice(@args, $i, 1);
			push @smaller, { %$node, args => \@args };
		}
	}
	foreach my $i (0 .. $#{ $node->{args} // [] })
	{
		foreach my $less (smaller($node->{args}[$i]))
		{
			next if $less->{k} eq $node->{k} && $less->{k} ne 'not';
			my @args = @{ $node->{args} };
			$args[$i] = $less;
			push @smaller, { %$node, args => \@args };
		}
	}
	push @smaller, { map { $_ => $node->{$_} } grep { $_ ne 'where' } keys %$node } if $node->{where};
	foreach my $part ('where', 'row')
	{
		push @smaller, map { { %$node, $part => $_ } } smaller($node->{$part}) if $node->{$part};
	}
	return @smaller;
}

1;
