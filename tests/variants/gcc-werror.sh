#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gcc has no warnings about the library, the debug library or any test.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

need gcc
configure_variant CC=gcc --enable-werror --disable-static
check_variant TESTS=tests/variants/smoke
