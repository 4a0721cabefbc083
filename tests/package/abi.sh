#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The built library has the ABI of tests/package/libtcm.abi: nothing is missing
# or changed, and the baseline has every addition.  Three altered baselines show
# that the test finds a break.
#
# After an addition: raise TCM_VERSION_INFO in configure.ac, then
# "make abi-baseline".  After a break: the soname has to change.
# shellcheck source=tests/package/package.sh
. "${TEST_SRCDIR:?}/tests/package/package.sh"

need abidiff
baseline=$TEST_SRCDIR/tests/package/libtcm.abi
so=${TEST_RELEASE_SO:?}
if ! [ -e "$so" ] || ! grep -q '^#define TCM_MALLOC_OVERRIDE 1' \
  "$TEST_BUILDDIR/config.h"; then
  echo "skip: the library of this configuration is another one"
  exit 77
fi
machine=$(sed -n "s/.*architecture='\([^']*\)'.*/\1/p" "$baseline")
case $machine-$(uname -m) in
elf-amd-x86_64-x86_64) ;;
*)
  echo "skip: the baseline is for $machine"
  exit 77
  ;;
esac

# compare BASELINE - abidiff's answer: 0 the same, else a sum of 4 for a
# change, 8 for one that breaks programs, and 1 or 2 for an error.
compare()
{
  answer=0
  abidiff "$1" "$so" || answer=$?
}

compare "$baseline"
[ $answer = 0 ] || fail "the ABI has changed (abidiff: $answer)"
echo "the ABI is that of libtcm.abi"

# expect_break NAME BIT SED-EXPRESSION - a baseline altered by the expression
# must be reported: BIT of the answer is 8 for a missing name, 4 for a type.
expect_break()
{
  sed "$3" "$baseline" >"$work/$1.abi"
  ! cmp -s "$baseline" "$work/$1.abi" || fail "$1: nothing to change"
  compare "$work/$1.abi" >"$work/$1.out"
  [ $((answer & $2)) != 0 ] || {
    cat "$work/$1.out"
    fail "$1: not seen as a break (abidiff: $answer)"
  }
  echo "seen as a break: $1"
}
expect_break gone 8 "s/tcm_good_size/tcm_best_size/g"
expect_break version 8 "s/TCM_1\.0/TCM_0.9/g"
expect_break size 4 "s/\(name='tcm_stats' size-in-bits='\)[0-9]*/\164/"
