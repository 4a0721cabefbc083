#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every way to get tcm into a program, in C and C++, with the flags of tcm.pc:
# preloaded, linked, with link-time optimization, static, static-pie; and with
# CMake and the targets of tcm-config.cmake.  Each program says whether its
# malloc is tcm's.  Two ways seem to work but, as tcm(7) says, do not.  They are
# tried too: through a library that is linked with tcm, and by dlopen.
#
# With musl, a library that is opened late cannot get thread-local storage where
# tcm needs it, so dlopen fails.  musl's compiler supports neither C++ nor
# static-pie.
#
# With TEST_INSTALLED set, the test uses the installed library, not the build's.
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

# ask ARGUMENT... - what pkg-config says about tcm.  For a build, the folders of
# the tree replace those that "make install" fills.
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
[ -e "$so" ] || fail "the variable preload of tcm.pc names no file: $so"

# The flags of pkg-config are several words; a compiler may carry options.
# shellcheck disable=SC2086
# build NAME COMPILER ARGUMENT... - libraries come last, as linkers require.
build() {
  out=$work/$1
  compiler=$2
  shift 2
  $compiler -O2 -pthread $cflags -o "$out" "$@" || {
    fail "${out##*/} does not link"
    return 1
  }
}

# run NAME [VARIABLE=VALUE] - the program must run on tcm's malloc.
run() {
  name=$1
  shift
  if env "$@" "$work/$name"; then
    echo "pass $name"
  else
    fail "$name: malloc is not tcm's"
  fi
}

# refuse NAME WAY - the program must run on libc's malloc and report that with
# status 1.  Any other status is a failure.
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
  # Linkers of some distributions drop unneeded libraries; this one is needed.
  for kind in "" -flto; do
    name=dynamic$(echo "$kind" | tr -- - _)_$language
    if build "$name" "$compiler" $kind "$@" "$rpath" $libs -ldl; then
      run "$name"
    fi
  done
  # Since the program calls malloc, or the operators in C++, the library is
  # kept.
  if build "as_needed_$language" "$compiler" "$@" -Wl,--as-needed "$rpath" \
    $libs -ldl; then
    run "as_needed_$language"
  fi
  # Names are looked up in libc before the libraries that a library needs.
  if build "libinner_$language.so" "$compiler" -DLINKING_INNER -fPIC -shared \
    "$@" "$rpath" $libs; then
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

# needs_tcm NAME - the file must have a NEEDED entry for the library.
needs_tcm() {
  if ${READELF:-readelf} -d "$work/$1" | grep -q 'NEEDED.*libtcm\.so\.0'; then
    echo "pass $1 keeps the library"
  else
    fail "$1: the linker dropped the library"
  fi
}

# A program that allocates only through other libraries keeps tcm: the flags of
# tcm.pc forbid the linker to drop it.
# shellcheck disable=SC2086
try_kept() {
  echo 'int main(void) { return 0; }' >"$work/idle.c"
  if build kept "$CC" "$work/idle.c" -Wl,--as-needed $libs; then
    needs_tcm kept
  fi
}

# make_prefix - sets $prefix to a folder with the layout that "make install"
# creates.  CMake does not accept a separate folder for each kind of file.
make_prefix() {
  if [ -n "${TEST_INSTALLED-}" ]; then
    prefix=$(ask --variable=prefix)
    return
  fi
  prefix=$work/prefix
  from=$(PKG_CONFIG_PATH=$TEST_BUILDDIR pkg-config --variable=prefix tcm)
  to=$(PKG_CONFIG_PATH=$TEST_BUILDDIR pkg-config --variable=libdir tcm)
  to=$prefix${to#"$from"}
  mkdir -p "$to/cmake/tcm"
  ln -s "$TEST_SRCDIR/include" "$prefix/include"
  ln -s "$TEST_BUILDDIR"/.libs/libtcm.* "$to"
  cp "$TEST_BUILDDIR"/tcm-config*.cmake "$to/cmake/tcm"
}

# try_cmake LANGUAGE SUFFIX SOURCE - a CMake project with both targets.
try_cmake() {
  if ! command -v cmake >/dev/null; then
    echo "skip cmake_$2: there is no cmake"
    return
  fi
  mkdir "$work/project_$2"
  cp "$3" "$work/project_$2/linking.$2"
  echo 'int main(void) { return 0; }' >"$work/project_$2/idle.$2"
  cat >"$work/project_$2/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.13)
project(linking $1)
find_package(tcm 0.1 CONFIG REQUIRED)
find_package(tcm 0.1 CONFIG REQUIRED)
add_executable(cmake_$2 linking.$2)
target_link_libraries(cmake_$2 tcm::tcm \${CMAKE_DL_LIBS})
add_executable(cmake_kept_$2 idle.$2)
target_link_libraries(cmake_kept_$2 tcm::tcm)
set_target_properties(cmake_kept_$2 PROPERTIES LINK_FLAGS -Wl,--as-needed)
if(TARGET tcm::tcm-static AND TCM_STATIC)
  add_executable(cmake_static_$2 linking.$2)
  target_compile_definitions(cmake_static_$2 PRIVATE LINKING_DIRECT)
  target_link_libraries(cmake_static_$2 tcm::tcm-static -static)
endif()
END
  static=OFF
  if [ -e "$libdir/libtcm.a" ] && can_link_statically "$CC"; then
    static=ON
  fi
  if ! { env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL cmake \
    -S "$work/project_$2" -B "$work/cmake_build_$2" \
    -DCMAKE_PREFIX_PATH="$prefix" -DTCM_STATIC=$static \
    -DCMAKE_RUNTIME_OUTPUT_DIRECTORY="$work" &&
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL cmake --build \
      "$work/cmake_build_$2"; } >"$work/cmake.log" 2>&1; then
    tail -n 40 "$work/cmake.log"
    fail "cmake_$2 does not build"
    return
  fi
  run "cmake_$2"
  needs_tcm "cmake_kept_$2"
  [ $static = OFF ] || run "cmake_static_$2"
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
try_kept
make_prefix
try_cmake C c "$source"
if [ $musl = yes ]; then
  echo "skip C++: musl-gcc is for C alone"
elif (need_cxx) >/dev/null; then
  need_cxx
  try_shared cxx "$CXX" -x c++ "$source" -x none
  try_static cxx "$CXX" -x c++ "$source" -x none
  try_cmake CXX cc "$source"
else
  echo "skip C++: no compiler"
fi
[ $failures = 0 ]
