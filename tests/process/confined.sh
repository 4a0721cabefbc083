#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# In a control group of 256 MiB, a process must not be killed because of memory
# that it freed: ten phases of 120 MiB, each in another size, and 200 MiB live
# that are replaced continuously.  A process that is killed because it leaks has
# written its heap profile before.  The test is skipped if it cannot create a
# group: without root, or without the controller.
#
#   confined.sh [WAY]     see way.sh; TEST_LONG: a minute of churn
set -eu

way=${1:-preload}
limit=268435456

group=
for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
  if [ -e "$root/memory.limit_in_bytes" ]; then
    file=memory.limit_in_bytes
  elif grep -qw memory "$root/cgroup.subtree_control" 2>/dev/null; then
    file=memory.max
  else
    continue
  fi
  if mkdir "$root/tcm-test-$$" 2>/dev/null; then
    group=$root/tcm-test-$$
    break
  fi
done
if [ -z "$group" ]; then
  echo "no control group can be made here"
  exit 77
fi

# The group can be removed only after its last process has ended completely.
profiles=$(mktemp -d)
trap 'rm -rf "$profiles"; rmdir "$group" 2>/dev/null ||
  { sleep 2 && rmdir "$group"; }' EXIT

if ! echo "$limit" >"$group/$file"; then
  echo "no limit can be set here"
  exit 77
fi
# Swap would hide the problem.
for swap in memory.swappiness memory.swap.max; do
  if [ -e "$group/$swap" ]; then
    echo 0 >"$group/$swap" || true
  fi
done

# run STATUS ARGUMENT... - the load inside the group must end with STATUS; 137
# means that the kernel killed it.
run() {
  status=0
  expected=$1
  shift
  sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" \
    sh "$TEST_SRCDIR/tests/support/way.sh" "$way" \
    tests/process/confined_load "$@" || status=$?
  if [ "$status" -ne "$expected" ]; then
    echo "confined_load $*: ended with $status, not $expected"
    failed=1
  fi
}

# One profile, at 15/16 of the limit: 222 MiB of blocks, and the pages of the
# samples.  15,000 samples estimate this to half a percent.
expect_profile() {
  set -- "$profiles"/tcm.*
  in_use=$(sed -n '1s/^heap profile: *[0-9]*: *\([0-9]*\) .*/\1/p' "$1")
  echo "  $# profile, $(basename "$1" | sed 's/[0-9]\{2,\}/PID/'):" \
    "$((${in_use:-0} / 1048576)) MiB in use"
  case $#.$1.$((${in_use:-0} >= limit * 13 / 16 && in_use <= limit)) in
  1.*.1.limit.heap.1) ;;
  *) failed=1 ;;
  esac
}

failed=0
echo "ten phases:"
run 0 phases
echo "churn:"
if [ -n "${TEST_LONG-}" ]; then
  run 0 churn 60
else
  run 0 churn 5
fi
echo "leak:"
run 137 leak "$profiles"
expect_profile
exit "$failed"
