#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The tests of the interface in fully static programs.
#
#   static.sh [COMPILER ARCHIVE]
#
# Without arguments: the compiler and the library of this build.
set -eu
# shellcheck source=tests/support/toolchain.sh
. "${TEST_SRCDIR:?}/tests/support/toolchain.sh"

compiler=${1:-$CC}
archive=${2:-${TEST_BUILDDIR:?}/.libs/libtcm.a}
source=$TEST_SRCDIR
if ! [ -e "$archive" ] || ! can_link_statically "$compiler"; then
  echo "skip: no static libraries here"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0
for name in malloc free calloc realloc aligned usable_size; do
  # shellcheck disable=SC2086 # the compiler may carry options
  $compiler -O2 -fno-builtin -static -DTEST_DIRECT=1 -I"$source/include" \
    -o "$work/$name" "$source/tests/api/$name.c" "$archive" \
    -Wl,-u,malloc -pthread || exit 99
  echo "== $name"
  TEST_ALLOCATOR=tcm "$work/$name" || {
    echo "FAIL $name, static"
    status=1
  }
done
exit $status
