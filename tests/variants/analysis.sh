#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gcc's analyzer, clang-tidy and cppcheck find nothing in the library and the
# tools but what tests/variants/analysis.allow explains.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

need gcc clang-tidy cppcheck
configure_variant
exec python3 "$top/tests/variants/analysis.py" "$top" "$here"
