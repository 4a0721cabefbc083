#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The core and its tests under the address and undefined behavior sanitizers.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

configure_variant --enable-asan --enable-ubsan --disable-shared
# A block is not leaked if its only pointer is in a block of tcm, but the leak
# checker does not see that.
export ASAN_OPTIONS=detect_leaks=0
export UBSAN_OPTIONS=print_stacktrace=1
check_variant
