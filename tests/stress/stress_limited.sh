#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The stress test in a process that is always short of address space:
# allocations fail again and again, and nothing else may go wrong.
set -eu

build=${TEST_BUILDDIR:?}
# libc's malloc serves libc here; its reservation per thread would use up the
# limit.
export MALLOC_ARENA_MAX=1
# POSIX does not have ulimit -v, but every shell on Linux does.
# shellcheck disable=SC3045
ulimit -v 80000
for program in stress stress_debug; do
  out=$("$build/tests/stress/$program" 5 8)
  echo "$out"
  if echo "$out" | grep -q ' 0 refused'; then
    echo "FAIL $program was never short of memory"
    exit 1
  fi
done
