#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A thousand readings of targets that come and go.
set -eu
exec "${PYTHON:-python3}" "${TEST_SRCDIR:?}/tests/tools/torture.py" 1000
