#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The stress in a process that is always short of address space: allocations
# fail again and again, and nothing else may go wrong.
set -eu

build=${TEST_BUILDDIR:?}
# libc's malloc serves libc here; a reservation per thread would eat the limit.
export MALLOC_ARENA_MAX=1
# Not in POSIX, but in every shell that Linux has.
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
