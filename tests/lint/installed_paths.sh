#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# An installed manual page names the installed path of the library, whatever the
# prefix: a package's page must not send its reader to /usr/local.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL
prefix=/opt/elsewhere
make -C "${TEST_BUILDDIR:?}" install-data DESTDIR="$work" prefix=$prefix \
  exec_prefix=$prefix libdir=$prefix/lib64 >"$work/log" 2>&1 || {
  cat "$work/log"
  exit 99
}
man=$(find "$work" -type d -name man)
count=$(find "$man" -type f | wc -l)
if ! grep -q "$prefix/lib64/libtcm.so.0" "$man/man7/tcm.7"; then
  echo "tcm.7 does not name $prefix/lib64/libtcm.so.0"
  exit 1
fi
if grep -rn /usr/local "$man"; then
  echo "these pages name /usr/local, but the prefix is $prefix"
  exit 1
fi
echo "$count pages name the folder of the library"
[ "$count" != 0 ]
