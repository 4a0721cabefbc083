#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Link-time optimization, with which some distributions build everything.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

configure_variant CFLAGS="-O2 -g -flto=auto" AR=gcc-ar RANLIB=gcc-ranlib \
  NM=gcc-nm
check_only tests/variants/smoke tests/lint/exports.py tests/lint/fast_path.py \
  tests/lint/needed.py tests/lint/tls_size.py
gcc -DSMOKE_STANDARD_NAMES "$top/tests/variants/smoke.c" -o smoke_preload \
  -pthread
LD_PRELOAD=$here/.libs/libtcm.so.0 ./smoke_preload
