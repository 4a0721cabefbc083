#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gcc has no warnings about the library, the debug library or any test.  Usually
# the main build has already shown that, but not if the user configured it
# differently.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

need gcc
if grep -q -e --enable-werror "$top/build/config.status" &&
  grep -q '^CC = gcc' "$top/build/Makefile"; then
  echo "the main build makes gcc's warnings errors"
  exit 0
fi
configure_variant CC=gcc --enable-werror --disable-static
check_variant TESTS=tests/variants/smoke
