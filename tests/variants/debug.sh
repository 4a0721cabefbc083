#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The installed library with all its checks on.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

configure_variant --enable-debug --enable-werror --enable-quick-check \
  --disable-static
check_only tests/variants/smoke tests/lint/exports.py tests/lint/needed.py
