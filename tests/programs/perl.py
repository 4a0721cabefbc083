#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""perl: hashes, sorting, regular expressions, forked and threaded work."""

import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402

SCRIPT = r"""
use strict;
use warnings;
use Config;
my ($scale) = @ARGV;
my $state = 12345;
sub next_number { return $state = ($state * 1103515245 + 12345) % 2147483648 }
sub word { return join '', map { chr 97 + (next_number() >> 8) % 26 }
           1 .. 1 + (next_number() >> 8) % $_[0] }

sub count_words {
  my ($count) = @_;
  my (%seen, %by_first);
  for (1 .. $count) {
    my $word = word(5);
    $seen{$word}++;
    push @{ $by_first{ substr $word, 0, 1 } }, $word;
  }
  my @top = (sort { $seen{$b} <=> $seen{$a} || $a cmp $b } keys %seen)[0 .. 9];
  my $line = join ' ', map { "$_=$seen{$_}" } @top;
  for my $first (sort keys %by_first) {
    my @words = sort { length $a <=> length $b || $a cmp $b }
                @{ $by_first{$first} };
    $line .= " $first:" . scalar(@words) . ":$words[-1]";
  }
  return $line;
}

sub rewrite {
  my ($count) = @_;
  my $text = '';
  $text .= word(9) . (next_number() % 3 ? ' ' : "\n") for 1 .. $count;
  (my $copy = $text) =~ s/(\w)(\w*)/\U$1\E$2/g;
  my $vowels = () = $copy =~ /[aeiou]{2,}/gi;
  my @lines = split /\n/, $copy;
  my $long = (sort { length $b <=> length $a || $a cmp $b } @lines)[0];
  my $packed = unpack '%32C*', $copy;
  return join '|', scalar(@lines), $vowels, length $long, $packed,
         substr(reverse($copy), 0, 40) =~ s/\n/;/gr;
}

sub grow {
  my ($count) = @_;
  my $string = '';
  my @rows;
  for my $i (1 .. $count) {
    $string .= sprintf '%05d,', $i * 7 % 99991;
    push @rows, [ $i, { name => "n$i", list => [ 1 .. $i % 9 ] } ];
    splice @rows, 0, 50 if @rows > 500;
  }
  my $sum = 0;
  $sum += $_->[0] * @{ $_->[1]{list} } for @rows;
  return length($string) . ":$sum:" . substr $string, -18;
}

$| = 1;
print 'words ', count_words(20000 * $scale), "\n";
print 'text ', rewrite(20000 * $scale), "\n";
print 'rows ', grow(10000 * $scale), "\n";

my @pipes;
for my $child (1 .. 4) {
  my $pid = open my $from, '-|';
  die "fork: $!" unless defined $pid;
  if (!$pid) {
    $state = $child * 7919;
    print count_words(5000 * $scale), ' ', grow(2000 * $scale), "\n";
    exit 0;
  }
  push @pipes, $from;
}
for my $from (@pipes) {
  print 'child ', <$from>;
  close $from or die "child: $?";
}

if ($Config{useithreads}) {
  require threads;
  my @threads = map {
    my $seed = $_;
    threads->create(sub { $state = $seed * 104729;
                          return rewrite(4000 * $scale) });
  } 1 .. 4;
  print 'thread ', $_->join, "\n" for @threads;
}
"""


class Perl:
    name = "perl"

    def missing(self):
        if harness.find_program("perl") is None:
            return "perl is not installed"
        return None

    def prepare(self, bench):
        pass

    def run(self, run):
        script = run.write("work.pl", SCRIPT)
        done = run.call([harness.find_program("perl"), script,
                         str(run.scale(small=1, quick=5, demo=6))],
                        env={"PERL_HASH_SEED": "0",
                             "PERL_DESTRUCT_LEVEL": "2"})
        run.out("answers", done.out)
        run.out("complaints", done.err)

    def judge(self, report):
        workers = [p for p in report.proven if p.forked and p.rise > 0]
        if len(workers) < 4:
            return ["only %d of 4 forked children used tcm" % len(workers)]
        return []


if __name__ == "__main__":
    harness.run_as_script(Perl())
