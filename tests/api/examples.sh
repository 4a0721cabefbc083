#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The programs in examples/ compile without a warning and run on the library.
# The other files name the library by its soname, which the loader finds with
# any prefix.
set -eu
# shellcheck source=tests/support/toolchain.sh
. "${TEST_SRCDIR:?}/tests/support/toolchain.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lib=${TEST_BUILDDIR:?}/.libs
folder=$TEST_SRCDIR/examples
status=0

# try SOURCE COMPILER ARGUMENT... - its output must have no line that ends in
# ": 0", which means "no".
try()
{
  source=$1
  shift
  if "$@" -Wall -Wextra -Werror -I"$TEST_SRCDIR/include" "$folder/$source" \
    -L"$lib" -ltcm -Wl,-rpath,"$lib" -o "$work/program" &&
    "$work/program" >"$work/out" && [ -s "$work/out" ] &&
    ! grep ': 0$' "$work/out"; then
    echo "pass $source"
  else
    echo "FAIL $source"
    status=1
  fi
}
# shellcheck disable=SC2086
try statistics.c $CC
if (need_cxx) >/dev/null; then
  need_cxx
  try containers.cc "$CXX" -std=c++17
fi
for file in override.conf Dockerfile deployment.yaml; do
  if grep -q 'LD_PRELOAD=libtcm\.so\.0$' "$folder/$file" ||
    grep -q 'value: libtcm\.so\.0$' "$folder/$file"; then
    echo "pass $file"
  else
    echo "FAIL $file does not name the library"
    status=1
  fi
done
service=$folder/tcm-exporter.service
if grep -q '^ExecStart=/usr/bin/tcm-stat exporter -o /.*\.prom$' "$service" &&
  grep -q '^OnUnitActiveSec=' "$folder/tcm-exporter.timer"; then
  echo "pass tcm-exporter"
else
  echo "FAIL tcm-exporter does not run the exporter"
  status=1
fi
exit $status
