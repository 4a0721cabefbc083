#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Programs that define malloc and free themselves run with tcm preloaded.
set -eu

programs="own_malloc own_malloc_aligned own_malloc_loop own_malloc_wrapper"
failures=0

# try PROGRAM LIBRARY LEVEL - the program itself checks that tcm is loaded.
try() {
  echo "== $1, ${2##*/}, TCM_CHECK=$3"
  TEST_PROOF=${2##*/} TCM_CHECK=$3 LD_PRELOAD=$2 \
    "${TEST_BUILDDIR:?}/tests/process/$1" || {
    echo "FAIL $1 with ${2##*/}, TCM_CHECK=$3"
    failures=$((failures + 1))
  }
}

for program in $programs; do
  try "$program" "${TEST_DEBUG_SO:?}" 0
  for level in 0 1 3; do
    try "$program" "${TEST_RELEASE_SO:?}" $level
  done
done
[ $failures = 0 ]
