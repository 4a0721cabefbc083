#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A module that is linked with libtcm.a and closed.  It is linked here, because
# not every processor's linker accepts the archive's code in a module.
set -eu
# shellcheck source=tests/support/toolchain.sh
. "${TEST_SRCDIR:?}/tests/support/toolchain.sh"

archive=${TEST_BUILDDIR:?}/.libs/libtcm.a
module=$TEST_BUILDDIR/tests/process/closed_module.so

if ! [ -e "$archive" ]; then
  echo "skip: there is no static library"
  exit 77
fi
# shellcheck disable=SC2086 # the flags are several words
if ! $CC ${CFLAGS-} -I"$TEST_SRCDIR/include" -fPIC -shared -pthread \
  -o "$module" "$TEST_SRCDIR/tests/process/closed_module_work.c" "$archive"
then
  echo "skip: the static library is not made for modules (--with-pic)"
  exit 77
fi
exec "$TEST_BUILDDIR/tests/process/closed_module"
