#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The stress at length: several seeds and numbers of threads, on the core and
# on the debug core.
set -eu

build=${TCM_BUILDDIR:?}
unset TCM_SO TCM_DEBUG_SO TCM_SRCDIR TCM_BUILDDIR
for seed in 1 2 3; do
  "$build/tests/stress/stress" 120 $((seed * 4)) $seed
  "$build/tests/stress/stress_debug" 60 $((seed * 2)) $seed
done
