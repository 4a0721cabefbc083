#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tcm in a root directory that contains only the program and its libraries: no
# /proc, no /sys, no /dev, no /etc.  For comparison, FAULT_SO may name another
# allocator, or none; these run fewer cases.
set -eu

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
build=${TEST_BUILDDIR:?}
so=${FAULT_SO-${TEST_RELEASE_SO:?}}
allocator=${TEST_ALLOCATOR:-tcm}

if [ "$(id -u)" = 0 ]; then
  enter="chroot"
elif unshare --user --map-root-user chroot / true 2>/dev/null; then
  enter="unshare --user --map-root-user chroot"
else
  echo "skip: neither root nor allowed to make a user namespace"
  exit 77
fi

# copy_with_libraries FILE - copies FILE to / and its libraries to /lib.
copy_with_libraries() {
  cp "$1" "$root/"
  ldd "$1" | sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' \
    -e 's/^[[:space:]]*\(\/[^ ]*\) .*/\1/p' |
    while read -r library; do
      cp -L "$library" "$root/lib/"
    done
}

mkdir "$root/lib" "$root/tmp"
preload=
if [ -n "$so" ]; then
  copy_with_libraries "$so"
  preload="--preload /${so##*/}"
fi
failures=0
for program in api/malloc api/aligned api/usable_size process/fork_threads; do
  copy_with_libraries "$build/tests/$program"
done
linker=$(ldd "$build/tests/api/malloc" |
  sed -n 's/^[[:space:]]*\(\/[^ ]*ld[^ ]*\) .*/\1/p')
[ -n "$linker" ]

# run PROGRAM CASE... - preloads with the dynamic linker's option, not with a
# variable.
run() {
  echo "== $*"
  program=$1
  shift
  # tcm would complain about what the test driver puts into the environment.
  # shellcheck disable=SC2086 # $enter and $preload are several words
  env -i PATH="$PATH" TEST_ALLOCATOR="$allocator" $enter "$root" \
    "/lib/${linker##*/}" --library-path /lib $preload "/$program" "$@" ||
    failures=$((failures + 1))
}

run malloc every-small-size every-border
run fork_threads nested child-makes-threads
case $allocator in
tcm | tcm-debug)
  run malloc impossible-size
  run aligned
  run usable_size
  ;;
esac
[ $failures = 0 ]
