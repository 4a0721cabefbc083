#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# confined.sh with a minute of churn.
TEST_LONG=1
export TEST_LONG
exec sh "${TEST_SRCDIR:?}/tests/process/confined.sh"
