#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The core and its tests under the thread sanitizer.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

configure_variant --enable-tsan --disable-shared
# The sanitizer's runtime of gcc 12 cannot start where the kernel randomizes
# addresses by more than 28 bits; without randomization it can.
prefix=
echo 'int main(void) { return 0; }' >probe.c
gcc -fsanitize=thread probe.c -o probe
if ! ./probe; then
  prefix="setarch $(uname -m) -R"
  if ! $prefix ./probe; then
    echo "the thread sanitizer does not run on this machine"
    exit 77
  fi
fi
check_variant LOG_COMPILER="$prefix"
