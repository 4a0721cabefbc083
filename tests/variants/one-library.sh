#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# --disable-static and --disable-shared: either library alone builds, installs
# and is enough for a program.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

need gcc pkg-config
smoke=$top/tests/variants/smoke.c

# try KIND ABSENT CONFIGURE-OPTION LINK-FLAG... - nothing that matches ABSENT
# may be installed.
# shellcheck disable=SC2046 # several flags
try()
{
  here=$top/build/variants/$name-$1
  absent=$2
  configure_variant "$3" --prefix="$here/installed"
  shift 3
  check_only tests/variants/smoke
  rm -rf installed
  make -s install
  if find installed -name "$absent" | grep .; then
    echo "this should not be there"
    exit 1
  fi
  PKG_CONFIG_PATH=$here/installed/lib/pkgconfig
  export PKG_CONFIG_PATH
  gcc "$smoke" -o smoke_linked -pthread "$@" \
    $(pkg-config --static --cflags --libs tcm)
  LD_LIBRARY_PATH=$here/installed/lib ./smoke_linked
}

(try shared 'libtcm.a' --disable-static)
(try static 'libtcm.so*' --disable-shared -static)
