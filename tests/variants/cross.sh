#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Builds the library for the other processors of distributions and runs a smoke
# test of the core, preloaded and in a static program, in a user-mode emulator.
# With 64-bit pointers the tests of the standard functions run too, except
# calloc's: it measures memory and would count the emulator's.  aarch64 has its
# own variant.  Processors without a compiler here are left out.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

# target, its name for qemu, bits of a pointer
targets="
riscv64-linux-gnu riscv64 64
powerpc64le-linux-gnu ppc64le 64
s390x-linux-gnu s390x 64
arm-linux-gnueabihf arm 32
i686-linux-gnu i386 32"

# See tests/variants/aarch64.sh.
mkdir -p "$top/build/variants"
flags=$top/build/variants/$name.h
cat >"$flags" <<'END'
#define _GNU_SOURCE 1
#include <sys/mman.h>
#undef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 0x1000
END

# choose_runner QEMU - sets $runner, the words that run a program of the target,
# $static_runner, the same for a static one, and $preload, the words before the
# name of a library to preload; fails if there is no such qemu.
# qemu 7.2 cannot start a thread in an i386 program.  x86-64 can run such a
# program itself, with the target's own loader, if the kernel supports that.
choose_runner()
{
  if [ "$1-$(uname -m)" = i386-x86_64 ]; then
    "$root/lib/ld-linux.so.2" --version >/dev/null 2>&1 || return 1
    runner="$root/lib/ld-linux.so.2 --library-path $root/lib"
    preload="--preload "
    static_runner=
    return
  fi
  for candidate in "qemu-$1-static" "qemu-$1"; do
    if command -v "$candidate" >/dev/null; then
      runner="$candidate -L $root"
      preload=-E\ LD_PRELOAD=
      static_runner=$candidate
      return
    fi
  done
  return 1
}

# try_target TARGET QEMU BITS
# shellcheck disable=SC2086 # a runner is several words
try_target()
{
  here=$top/build/variants/$name-$1
  configure_variant --host="$1" --enable-werror PKG_CONFIG=false \
    CPPFLAGS="-include $flags"
  tests=tests/variants/smoke
  if [ "$3" = 64 ]; then
    for part in aligned free malloc realloc usable_size; do
      tests="$tests tests/api/prefixed_$part"
    done
  fi
  logs=
  for test in $tests; do
    logs="$logs $test.log"
  done
  run_tests $logs LOG_COMPILER="$runner"
  "$1-gcc" -O2 -DSMOKE_STANDARD_NAMES "$top/tests/variants/smoke.c" \
    -o smoke_preload -pthread -ldl
  timeout 60 $runner $preload$here/.libs/libtcm.so.0 ./smoke_preload
  "$1-gcc" -O2 -static -I"$top/include" "$top/tests/variants/smoke.c" \
    -o smoke_static .libs/libtcm.a -Wl,-u,malloc -pthread
  timeout 60 $static_runner ./smoke_static
}

tried=
while read -r target qemu bits; do
  [ -n "$target" ] || continue
  root=/usr/$target
  if ! command -v "$target-gcc" >/dev/null || ! [ -e "$root/lib/libc.so.6" ] ||
    ! choose_runner "$qemu"; then
    echo "not here: $target"
    continue
  fi
  echo "== $target"
  (try_target "$target" "$qemu" "$bits") </dev/null || exit 1
  tried="$tried $target"
done <<END
$targets
END
[ -n "$tried" ] || {
  echo "there is no compiler for another processor"
  exit 77
}
echo "tried:$tried"
