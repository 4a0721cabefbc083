#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The C++ operators, in a plain program with tcm preloaded, linked with libtcm
# and linked statically.  The script looks for the compiler itself, because tcm
# builds without one for C++.
set -eu
. "${TEST_SRCDIR:?}/tests/support/toolchain.sh"
need_cxx

source=$TEST_SRCDIR/tests/api/new_delete.cc
out=${TEST_BUILDDIR:?}/tests/api
cxx_flags="-std=c++17 -O2 -Wall -Wextra -fno-builtin -fsized-deallocation"
cxx_flags="$cxx_flags -I$TEST_SRCDIR/include"
failures=0

# shellcheck disable=SC2086 # the flags are several words
compile() {
  $CXX $cxx_flags "$source" -o "$@" || {
    echo "FAIL cannot compile $1"
    exit 99
  }
}

run_way() {
  echo "== $1"
  sh "$TEST_SRCDIR/tests/support/way.sh" "$1" tests/api/new_delete || {
    echo "FAIL new_delete, way $1"
    failures=$((failures + 1))
  }
}

compile "$out/new_delete"
compile "$out/linked_new_delete" -L"$TEST_BUILDDIR/.libs" -ltcm \
  -Wl,-rpath,"$TEST_BUILDDIR/.libs"
for way in preload debug checked linked; do
  run_way $way
done
if can_link_statically "$CXX"; then
  compile "$out/linked_new_delete" -DTEST_DIRECT=1 -static -Wl,-u,malloc \
    "$TEST_BUILDDIR/.libs/libtcm.a" -pthread
  echo "== static"
  run_way linked
else
  echo "skip static: no static libraries here"
fi
[ $failures = 0 ]
