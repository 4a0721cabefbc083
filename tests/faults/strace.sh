#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# strace.sh CALL - strace makes every call of this name after the start of a
# program fail, including libc's own calls.  The program accepts NULL.
set -eu

call=$1
program=${TEST_BUILDDIR:?}/tests/faults/calls
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v strace >/dev/null; then
  echo "skip: there is no strace"
  exit 77
fi
if ! strace -qq -o "$work/try" -e trace=none true 2>/dev/null; then
  echo "skip: tracing is not permitted here"
  exit 77
fi

# trace ARGUMENT... - the program under strace.
trace() {
  strace -f -qq -o "$work/trace" -E LD_PRELOAD="${FAULT_SO:-}" "$@" \
    "$program" --work
}

# How many times the program makes the call before it prints "begin".
calls_before()
{
  awk -v call="$call" '/write\(1, "begin/ { exit }
    index($0, " " call "(") > 0 { n++ } END { print n + 0 }' "$work/trace"
}

# The addresses of the heap are random, and if they cross a border of the
# pagemap, the start needs more calls.  A pair of runs that differ proves
# nothing.
for try in 1 2 3 4 5 6 7 8; do
  trace -e "trace=$call,write"
  before=$(calls_before)
  first=$((before + 1))
  status=0
  trace -e "trace=$call,write" \
    -e "inject=$call:error=ENOMEM:when=$first+" || status=$?
  [ "$(calls_before)" = "$before" ] && break
  echo "  try $try: another number of calls before the start"
done
failed=$(grep -c INJECTED "$work/trace" || :)
echo "  $call: $failed calls failed, all from number $first on"
if [ "$status" = 0 ] && [ "$failed" = 0 ]; then
  case ${TEST_ALLOCATOR:-} in
  tcm | tcm-debug)
    echo "  not true: a call failed"
    exit 1
    ;;
  esac
  echo "skip: this allocator makes no such call"
  exit 77
fi
exit "$status"
