#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The stress test for an hour, or for SOAK_SECONDS, with a heap of several
# hundred MiB: on the release core and, in parallel, on the debug core, where
# system calls fail all the time and the whole heap is checked each second.  The
# seed is the date, or SOAK_SEED.  The figures are printed at the end.
set -u

build=${TEST_BUILDDIR:?}
seconds=${SOAK_SECONDS:-3600}
seed=${SOAK_SEED:-$(date -u +%Y%m%d)}
threads=4
blocks=16384
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "soak of $seconds seconds from $(date -u +%H:%M:%S), seed $seed"
start=$(date +%s)
"$build/tests/stress/stress" "$seconds" $threads "$seed" $blocks \
  >"$scratch/stress" 2>&1 &
release=$!
"$build/tests/stress/stress_debug" "$seconds" $threads "$seed" $blocks \
  >"$scratch/stress_debug" 2>&1 &
debug=$!
trap 'kill $release $debug; exit 1' HUP INT TERM
failures=0
wait $release || failures=$((failures + 1))
wait $debug || failures=$((failures + 1))
for program in stress stress_debug; do
  echo "== $program"
  cat "$scratch/$program"
done
echo "$(($(date +%s) - start)) seconds, $failures failures"
[ $failures = 0 ]
