#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# In a control group of 256 MiB a process must not be killed for what it freed:
# ten phases of 120 MiB in other sizes each, and 200 MiB live that are replaced
# all the time.  Skipped where no group can be made: for others than root, and
# where the controller is not there.
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

# It can be removed when its last process is gone for good.
trap 'rmdir "$group" 2>/dev/null || { sleep 2 && rmdir "$group"; }' EXIT

if ! echo "$limit" >"$group/$file"; then
  echo "no limit can be set here"
  exit 77
fi
# Swap would hide the matter.
for swap in memory.swappiness memory.swap.max; do
  if [ -e "$group/$swap" ]; then
    echo 0 >"$group/$swap" || true
  fi
done

# run ARGUMENT... - the load inside the group; 137 is the kernel's kill.
run() {
  status=0
  sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" \
    sh "$TEST_SRCDIR/tests/support/way.sh" "$way" \
    tests/process/confined_load "$@" || status=$?
  if [ "$status" -ne 0 ]; then
    echo "confined_load $*: ended with $status"
    failed=1
  fi
}

failed=0
echo "ten phases:"
run phases
echo "churn:"
if [ -n "${TEST_LONG-}" ]; then
  run churn 60
else
  run churn 5
fi
exit "$failed"
