#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The corpus of the API and variants of it, with red zones, checked sizes of
# sized frees, and quarantine.
set -eu
# TEST_RUNNER may be an emulator: several words or none.
# shellcheck disable=SC2086
TCM_CHECK=3 ${TEST_RUNNER-} "${TEST_BUILDDIR:?}/tests/fuzz/fuzz_api"
