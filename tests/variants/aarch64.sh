#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Builds the library for aarch64 and runs its tests in a user-mode emulator.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

target=aarch64-linux-gnu
need $target-gcc
emulator=
for candidate in qemu-aarch64-static qemu-aarch64; do
  command -v $candidate >/dev/null && emulator=$candidate
done
[ -n "$emulator" ] || {
  echo "there is no qemu-aarch64"
  exit 77
}
root=/usr/$target
[ -e $root/lib/libc.so.6 ] || root=$($target-gcc -print-sysroot)
[ -e "$root/lib/libc.so.6" ] || [ -e "$root/lib64/libc.so.6" ] || {
  echo "there is no libc for $target"
  exit 77
}
# qemu 7.2 passes MREMAP_DONTUNMAP on, but then treats the old pages as unmapped
# and hands them out a second time.  With a flag that no kernel knows, mremap
# fails as it does before Linux 5.7, and tcm copies instead.
mkdir -p "$top/build/variants"
flags=$top/build/variants/$name.h
cat >"$flags" <<'END'
#define _GNU_SOURCE 1
#include <sys/mman.h>
#undef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 0x1000
END
configure_variant --host=$target --enable-werror --disable-static \
  CPPFLAGS="-include $flags -DTCM_EMULATED=1"
check_variant LOG_COMPILER="$emulator -L $root"
$target-gcc -DSMOKE_STANDARD_NAMES "$top/tests/variants/smoke.c" \
  -o smoke_preload -pthread -ldl
$emulator -L "$root" -E LD_PRELOAD="$here/.libs/libtcm.so.0" ./smoke_preload
