#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every way to get tcm into a program, in C and C++: linked, preloaded,
# static, static with link-time optimisation, static-pie.  Each program tells
# whether its malloc is tcm's.
set -eu
# shellcheck source=tests/support/toolchain.sh
. "${TEST_SRCDIR:?}/tests/support/toolchain.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$TEST_SRCDIR/tests/process/linking.c
include=-I$TEST_SRCDIR/include
libs=${TEST_BUILDDIR:?}/.libs
so=${TEST_RELEASE_SO:?}
failures=0

fail() {
  echo "FAIL $*"
  failures=$((failures + 1))
}

# build NAME COMPILER ARGUMENT... - libraries come last, as linkers want it.
build() {
  out=$work/$1
  compiler=$2
  shift 2
  # shellcheck disable=SC2086 # the compiler may carry options
  $compiler -O2 "$include" -o "$out" "$@" || {
    fail "${out##*/} does not link"
    return 1
  }
}

# run NAME [VARIABLE=VALUE] - the program must find tcm, and nothing missing.
run() {
  name=$1
  shift
  if env "$@" "$work/$name"; then
    echo "pass $name"
  else
    fail "$name: malloc is not tcm's"
  fi
}

# refuse NAME - the same program without tcm, to show that it can tell.
refuse() {
  if "$work/$1"; then
    fail "$1: claims tcm's malloc without tcm"
  else
    echo "pass $1 without tcm"
  fi
}

rpath=-Wl,-rpath,$libs

try_language() {
  language=$1
  compiler=$2
  shift 2
  if build "plain_$language" "$compiler" "$@"; then
    refuse "plain_$language"
    run "plain_$language" LD_PRELOAD="$so"
  fi
  # Distributions drop libraries that no object needs; this one is needed.
  if build "dynamic_$language" "$compiler" "$@" -L"$libs" "$rpath" \
    -Wl,--push-state,--no-as-needed -ltcm -Wl,--pop-state; then
    run "dynamic_$language"
  fi
  if ! [ -e "$libs/libtcm.a" ] || ! can_link_statically "$compiler"; then
    echo "skip static_$language: no static libraries here"
    return
  fi
  # -u malloc: libtcm.a must come in even where the only callers are in the
  # libraries after it.  tcm.pc says so for pkg-config --static.
  for kind in static static-pie "static -flto"; do
    name=$(echo "${kind}_$language" | tr -d ' ' | tr -- - _)
    # shellcheck disable=SC2086 # the kind is several words
    if build "$name" "$compiler" -DLINKING_DIRECT "$@" -$kind \
      "$libs/libtcm.a" -Wl,-u,malloc -pthread; then
      run "$name"
    fi
  done
}

try_language c "$CC" "$source"
# In C++ the operators alone must hold the library, even with --as-needed.
if (need_cxx) >/dev/null; then
  need_cxx
  try_language cxx "$CXX" -x c++ "$source" -x none
  if build as_needed_cxx "$CXX" -x c++ "$source" -x none -Wl,--as-needed \
    -L"$libs" "$rpath" -ltcm; then
    run as_needed_cxx
  fi
else
  echo "skip C++: no compiler"
fi
if build as_needed_c "$CC" "$source" -Wl,--as-needed -L"$libs" "$rpath" \
  -ltcm; then
  run as_needed_c
fi
[ $failures = 0 ]
