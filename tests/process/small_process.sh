#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What a process that allocates one block costs, compared to libc's own malloc:
# private memory and page faults.  The test compares means of many starts: the
# layout of the address space is random, so a start takes a page more or less,
# which would move a median.
set -eu

so=${TEST_RELEASE_SO:?}
trivial=${TEST_BUILDDIR:?}/tests/bench/trivial
starts=41
private_max=64 # KiB more
faults_max=32  # more

skip() {
  echo "skip: $*"
  exit 77
}

[ -z "${TEST_RUNNER-}" ] || skip "an emulator's memory is not the program's"
[ "$(getconf PAGESIZE)" = 4096 ] || skip "the limits are for pages of 4 KiB"
! ldd "$so" | grep -q -e libasan -e libtsan -e libubsan ||
  skip "a sanitizer has memory of its own"
[ -r /proc/self/smaps_rollup ] || skip "/proc/self/smaps_rollup is not there"
# Until a newly linked library is written to disk, its pages count as private.
sync "$so"

# start PRELOAD - prints what each of the processes reports, one number a line.
start() {
  for _ in $(seq $starts); do
    LD_PRELOAD=$1 "$trivial" report
  done | tr ' ' '\n'
}

# mean FIELD SAID - prints the mean in tenths.
mean() {
  echo "$2" | awk -F= -v field="$1" \
    '$1 == field { sum += $2; n++ } END { printf "%d\n", 10 * sum / n }'
}

# compare FIELD MAX
compare() {
  ours=$(mean "$1" "$with")
  libcs=$(mean "$1" "$without")
  echo "$1: ${ours:?} tenths, of libc alone ${libcs:?}; at most ${2}0 more"
  [ "$((ours - libcs))" -le "$((10 * $2))" ]
}

# Without preloading, libc's malloc would be compared with itself.
LD_PRELOAD=$so grep -q "${so##*/}" /proc/self/maps
with=$(start "$so")
without=$(start "")
status=0
compare private_dirty_kib $private_max || status=1
compare minor_faults $faults_max || status=1
exit $status
