#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tcm serves the build of its whole tree, and all of its unit tests.
set -eu

"${PYTHON:-python3}" "${TEST_SRCDIR:?}/tests/programs/self_hosting.py" \
  --size demo
