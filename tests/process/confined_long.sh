#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The minute of churn in a control group, see confined.sh.
TEST_LONG=1
export TEST_LONG
exec sh "${TEST_SRCDIR:?}/tests/process/confined.sh"
