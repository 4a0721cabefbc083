#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The model tests with more seeds and more steps.
TEST_LONG=1
export TEST_LONG
status=0
for program in page_heap central_list api; do
  echo "$program"
  "${TEST_BUILDDIR:?}/tests/model/$program" || status=1
done
exit $status
