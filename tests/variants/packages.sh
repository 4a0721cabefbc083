#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The tests of tests/package: the packages of Debian and RPM build, their lints
# find no fault, and they install, work and leave nothing behind.  "make
# check-package" also builds Debian's twice and runs the tests of each first
# build.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

# The packages are built from the tarball, so any configuration will do.
if [ -f "$top/build/config.status" ]; then
  cd "$top/build"
else
  configure_variant
fi
status=0
TEST_PACKAGE_QUICK=yes make -j"$jobs" check-package || status=1
# A test that is skipped lacks a program that build-aux/packages installs.
show_results tests/package || status=1
for trs in tests/package/*.trs; do
  if grep -q '^:test-result: SKIP' "$trs"; then
    echo "not run: ${trs%.trs}: $(sed '/^SKIP /d' "${trs%.trs}.log" | tail -n 1)"
  fi
done
[ $status = 0 ] || exit 1
[ "$passed" != 0 ] || exit 77
