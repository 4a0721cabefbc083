#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Real programs do their small jobs while the heap profile samples every block
# with its stack, with the release and with the debug library.  The tests of
# Python have their own time limits: there, about one block in ten is sampled.
set -eu

failed=0
for program in compilers git nginx node perl php postgresql python redis \
  sqlite; do
  status=0
  bytes=1
  [ "$program" != python ] || bytes=1024
  "${PYTHON:-python3}" "${TEST_SRCDIR:?}/tests/programs/$program.py" \
    --so "${TEST_RELEASE_SO:?}" --so "${TEST_DEBUG_SO:?}" --size small \
    --env "TCM_PROFILE_BYTES=$bytes" || status=$?
  case $status in
  0) ;;
  77) echo "skipped: $program" ;;
  *) failed=1 ;;
  esac
done
exit $failed
