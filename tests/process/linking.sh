#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every way to get tcm into a program, in C and C++, by the flags of tcm.pc:
# preloaded, linked, with link-time optimisation, static, static-pie.  Each
# program tells whether its malloc is tcm's.  Two ways that look as if they
# would do, and by tcm(7) do not, are tried too: through a library that is
# linked with tcm, and by dlopen.
#
# musl has no way to give a library that is opened late its thread-local storage
# where tcm wants it, so that dlopen fails there; its compiler is for C alone and
# knows nothing of static-pie.
#
# With TEST_INSTALLED set it is the installed library, not that of a build.
set -eu
# shellcheck source=tests/support/toolchain.sh
. "${TEST_SRCDIR:?}/tests/support/toolchain.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$TEST_SRCDIR/tests/process/linking.c
failures=0
case $CC in
*musl*) musl=yes ;;
*) musl=no ;;
esac

fail() {
  echo "FAIL $*"
  failures=$((failures + 1))
}

# ask ARGUMENT... - what pkg-config says of tcm.  Of a build it is asked with
# the folders of the tree instead of those that "make install" fills.
ask() {
  if [ -n "${TEST_INSTALLED-}" ]; then
    pkg-config "$@" tcm
  else
    PKG_CONFIG_PATH=${TEST_BUILDDIR:?} pkg-config \
      --define-variable=libdir="$TEST_BUILDDIR/.libs" \
      --define-variable=includedir="$TEST_SRCDIR/include" "$@" tcm
  fi
}

if ! command -v pkg-config >/dev/null; then
  echo "skip: there is no pkg-config"
  exit 77
fi
so=$(ask --variable=preload)
libdir=$(ask --variable=libdir)
cflags=$(ask --cflags)
libs=$(ask --libs)
static_libs=$(ask --static --libs)
rpath=-Wl,-rpath,$libdir
keep=-Wl,--push-state,--no-as-needed
[ -e "$so" ] || fail "the variable preload of tcm.pc names no file: $so"

# The flags of pkg-config are several words; a compiler may carry options.
# shellcheck disable=SC2086
# build NAME COMPILER ARGUMENT... - libraries come last, as linkers want it.
build() {
  out=$work/$1
  compiler=$2
  shift 2
  $compiler -O2 -pthread $cflags -o "$out" "$@" || {
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

# refuse NAME WAY - the program runs, on libc's malloc; with 1 it tells that,
# with anything else it has failed.
refuse() {
  status=0
  "$work/$1" || status=$?
  case $status in
  1) echo "pass $1 stays with libc's malloc $2" ;;
  0) fail "$1: claims tcm's malloc $2" ;;
  *) fail "$1: status $status $2" ;;
  esac
}

# try_shared LANGUAGE COMPILER SOURCE... - the ways with libtcm.so.
# shellcheck disable=SC2086
try_shared() {
  language=$1
  compiler=$2
  shift 2
  if build "plain_$language" "$compiler" "$@" -ldl; then
    refuse "plain_$language" "without tcm"
    run "plain_$language" LD_PRELOAD="$so"
  fi
  # Distributions drop libraries that no object needs; this one is needed.
  for kind in "" -flto; do
    name=dynamic$(echo "$kind" | tr -- - _)_$language
    if build "$name" "$compiler" $kind "$@" "$rpath" $keep $libs \
      -Wl,--pop-state -ldl; then
      run "$name"
    fi
  done
  # As the libraries come: C by its calls of malloc, C++ by the operators.
  if build "as_needed_$language" "$compiler" "$@" -Wl,--as-needed "$rpath" \
    $libs -ldl; then
    run "as_needed_$language"
  fi
  # libc stands before what a library needs where names are looked up.
  if build "libinner_$language.so" "$compiler" -DLINKING_INNER -fPIC -shared \
    "$@" "$rpath" $keep $libs -Wl,--pop-state; then
    if build "through_library_$language" "$compiler" -DLINKING_OUTER "$@" \
      -L"$work" -Wl,-rpath,"$work" -Wl,--no-as-needed \
      "-linner_$language" -ldl; then
      refuse "through_library_$language" "behind another library"
    fi
  fi
  if [ $musl = yes ]; then
    echo "skip dlopen_$language: musl cannot"
  elif build "dlopen_$language" "$compiler" "-DLINKING_OPENS=\"$so\"" "$@" \
    -ldl; then
    refuse "dlopen_$language" "after dlopen"
  fi
}

# try_static LANGUAGE COMPILER SOURCE... - the ways with libtcm.a.
# shellcheck disable=SC2086
try_static() {
  language=$1
  compiler=$2
  shift 2
  if ! [ -e "$libdir/libtcm.a" ] || ! can_link_statically "$compiler"; then
    echo "skip static_$language: no static libraries here"
    return
  fi
  for kind in static static-pie "static -flto"; do
    name=$(echo "${kind}_$language" | tr -d ' ' | tr -- - _)
    if [ "$musl$kind" = yesstatic-pie ]; then
      echo "skip $name: musl-gcc cannot"
    elif build "$name" "$compiler" -DLINKING_DIRECT "$@" -$kind $static_libs
    then
      run "$name"
    fi
  done
}

try_shared c "$CC" "$source"
try_static c "$CC" "$source"
if [ $musl = yes ]; then
  echo "skip C++: musl-gcc is for C alone"
elif (need_cxx) >/dev/null; then
  need_cxx
  try_shared cxx "$CXX" -x c++ "$source" -x none
  try_static cxx "$CXX" -x c++ "$source" -x none
else
  echo "skip C++: no compiler"
fi
[ $failures = 0 ]
