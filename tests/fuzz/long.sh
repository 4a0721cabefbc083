#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# long.sh [PROGRAM...] - runs each fuzz target for FUZZ_SECONDS with libFuzzer,
# or with very many variants of the corpus in a build without libFuzzer.
srcdir=${TEST_SRCDIR:?}
cd "${TEST_BUILDDIR:-.}" || exit 99
[ $# -gt 0 ] || set -- tests/fuzz/fuzz_api tests/fuzz/fuzz_central_list \
  tests/fuzz/fuzz_options tests/fuzz/fuzz_page_heap tests/fuzz/fuzz_pagemap
status=0
for program in "$@"; do
  name=${program##*fuzz_}
  echo "$program"
  if grep -q '^#define TCM_FUZZING 1' config.h; then
    found=tests/fuzz/found/$name
    mkdir -p "$found"
    "./$program" -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=1 \
      -only_ascii=1 -dict="$srcdir/tests/fuzz/fuzz.dict" \
      -artifact_prefix="$found/" "$found" \
      "$srcdir/tests/fuzz/corpus/$name" || status=1
  else
    TEST_LONG=1 "./$program" || status=1
  fi
done
exit $status
