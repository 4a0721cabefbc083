#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs "make distcheck" and checks that the tarball holds the files of the tree.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

configure_variant
make -j"$jobs" distcheck || {
  show_results . || :
  exit 1
}
if [ -e "$top/.git" ]; then
  sh "$top/build-aux/compare-dist" "$top" tcm-*.tar.xz
fi
