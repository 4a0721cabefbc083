#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# clang has no warnings either, and its build passes the checks of the library.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

need clang
configure_variant CC=clang --enable-werror --disable-static
check_variant TESTS="tests/variants/smoke tests/lint/exports.py \
  tests/lint/fast_path.py tests/lint/needed.py tests/lint/symbol_floors.py \
  tests/lint/tls_size.py"
