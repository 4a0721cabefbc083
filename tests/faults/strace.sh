#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# strace.sh CALL - every call of this name that a program makes after its start
# fails, by the hand of the kernel's tracer: libc's own calls too.  The program
# takes NULL for an answer.
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

# How often it is called before the program says that it begins.
trace -e "trace=$call,write"
first=$(awk -v call="$call" '/write\(1, "begin/ { exit }
  index($0, " " call "(") > 0 { n++ } END { print n + 1 }' "$work/trace")
status=0
trace -e "trace=$call" -e "inject=$call:error=ENOMEM:when=$first+" || status=$?
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
exit $status
