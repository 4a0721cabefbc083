#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The tests of modules that have a long form: more seeds.
TEST_LONG=1
export TEST_LONG
"${TEST_BUILDDIR:?}/tests/unit/test_profile"
