#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What a process pays that allocates one block, beside what it pays with libc's
# own malloc: memory of its own, and page faults.  Medians of many starts, since
# address spaces are laid out at random.
set -eu

so=${TEST_RELEASE_SO:?}
trivial=${TEST_BUILDDIR:?}/tests/bench/trivial
starts=15
private_most=64 # KiB more
faults_most=32  # more

skip() {
  echo "skip: $*"
  exit 77
}

[ -z "${TEST_RUNNER-}" ] || skip "an emulator's memory is not the program's"
[ "$(getconf PAGESIZE)" = 4096 ] || skip "the limits are for pages of 4 KiB"
! ldd "$so" | grep -q -e libasan -e libtsan -e libubsan ||
  skip "a sanitizer has memory of its own"
[ -r /proc/self/smaps_rollup ] || skip "/proc/self/smaps_rollup is not there"
# Until it is written, the file of a library just linked counts as private.
sync "$so"

# start PRELOAD - what each of the processes says, a number a line.
start() {
  for _ in $(seq $starts); do
    LD_PRELOAD=$1 "$trivial" report
  done | tr ' ' '\n'
}

# median FIELD SAID
median() {
  echo "$2" | sed -n "s/^$1=//p" | sort -n | sed -n $((starts / 2 + 1))p
}

# compare FIELD MOST
compare() {
  ours=$(median "$1" "$with")
  libcs=$(median "$1" "$without")
  echo "$1: ${ours:?}, of libc alone ${libcs:?}; at most $2 more"
  [ "$((ours - libcs))" -le "$2" ]
}

# Otherwise two times the same would be compared.
LD_PRELOAD=$so grep -q "${so##*/}" /proc/self/maps
with=$(start "$so")
without=$(start "")
status=0
compare private_dirty_kib $private_most || status=1
compare minor_faults $faults_most || status=1
exit $status
