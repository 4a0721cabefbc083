#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Compiles tests/api/wrapper.cc in each standard since C++11 with each C++
# compiler here, links it with the library and runs it with TCM_CHECK=3.  The
# header must also compile without exceptions and without RTTI.
set -eu
# shellcheck source=tests/support/toolchain.sh
. "${TEST_SRCDIR:?}/tests/support/toolchain.sh"
need_cxx
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lib=${TEST_BUILDDIR:?}/.libs
failures=0
count=0
echo 'int main() { return 0; }' >"$work/empty.cc"
echo '#include "tcm.hpp"' >"$work/header.cc"

# build STANDARD ARGUMENT...
build()
{
  standard=$1
  shift
  "$compiler" -std="$standard" -O1 -Wall -Wextra -Werror -pedantic-errors \
    -I"$TEST_SRCDIR/include" "$@"
}

for compiler in g++ clang++; do
  command -v "$compiler" >/dev/null || continue
  for standard in c++11 c++14 c++17 c++20 c++2b; do
    build "$standard" -fsyntax-only "$work/empty.cc" 2>/dev/null || continue
    count=$((count + 1))
    if build "$standard" "$TEST_SRCDIR/tests/api/wrapper.cc" -o "$work/wrapper" \
      -L"$lib" -ltcm -Wl,-rpath,"$lib" &&
      build "$standard" -fno-exceptions -fno-rtti -fsyntax-only \
        "$work/header.cc" &&
      TCM_CHECK=3 "$work/wrapper" >"$work/out" 2>&1; then
      echo "pass $compiler $standard $(cat "$work/out")"
    else
      cat "$work/out" 2>/dev/null || :
      echo "FAIL $compiler $standard"
      failures=$((failures + 1))
    fi
  done
done
[ $count != 0 ] || {
  echo "skip: no compiler of C++11"
  exit 77
}
[ $failures = 0 ]
