#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The page of a heap of 16 GiB.
set -eu
exec "${PYTHON:-python3}" "${TEST_SRCDIR:?}/tests/tools/report.py" --long
