#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tcm builds all of itself, and its unit tests run, on itself.
set -eu

"${PYTHON:-python3}" "${TEST_SRCDIR:?}/tests/programs/self_hosting.py" \
  --size demo
