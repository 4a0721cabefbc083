#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The library for musl: the core, preloaded, and linked statically.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

need musl-gcc
# musl has no kernel headers, and the compiler must not see glibc's headers.
kernel=$top/build/variants/kernel-headers
mkdir -p "$kernel"
for headers in linux asm-generic asm; do
  for place in /usr/include "/usr/include/$(gcc -print-multiarch)"; do
    [ ! -d "$place/$headers" ] || ln -sfn "$place/$headers" "$kernel/$headers"
  done
done
# The unit tests' framework is built for glibc.
configure_variant CC=musl-gcc CPPFLAGS="-idirafter $kernel" PKG_CONFIG=false \
  --enable-quick-check
check_only tests/variants/smoke tests/lint/exports.py tests/lint/needed.py \
  tests/lint/tls_size.py
smoke=$top/tests/variants/smoke.c
musl-gcc -DSMOKE_STANDARD_NAMES "$smoke" -o smoke_preload -pthread
LD_PRELOAD=$here/.libs/libtcm.so.0 ./smoke_preload
if ./smoke_preload; then
  echo "the program does not notice when tcm is missing"
  exit 1
fi
musl-gcc -static -I"$top/include" "$smoke" -o smoke_static .libs/libtcm.a \
  -pthread
./smoke_static
TEST_SRCDIR=$top sh "$top/tests/api/static.sh" musl-gcc .libs/libtcm.a
TEST_SRCDIR=$top TEST_BUILDDIR=$here CC=musl-gcc \
  sh "$top/tests/process/linking.sh"
