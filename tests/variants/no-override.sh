#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# --disable-malloc-override: a library that leaves malloc to libc.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

configure_variant --disable-malloc-override --disable-static
check_only tests/variants/smoke tests/lint/exports.py tests/lint/needed.py \
  tests/lint/tls_size.py
if nm -D --defined-only .libs/libtcm.so.0 | grep -w malloc; then
  echo "malloc is exported"
  exit 1
fi
gcc -I"$top/include" "$top/tests/variants/smoke.c" -o smoke_shared -L.libs \
  -ltcm -pthread
LD_LIBRARY_PATH=.libs ./smoke_shared
