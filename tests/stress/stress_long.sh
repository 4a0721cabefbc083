#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The long stress test: several seeds and numbers of threads, on the core and on
# the debug core.
set -eu

build=${TEST_BUILDDIR:?}
for seed in 1 2 3; do
  "$build/tests/stress/stress" 120 $((seed * 4)) $seed
  "$build/tests/stress/stress_debug" 60 $((seed * 2)) $seed
done
