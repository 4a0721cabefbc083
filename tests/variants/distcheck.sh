#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# "make distcheck", and the tarball holds every file of the tree.
# shellcheck source=build-aux/variant.sh
. "$(dirname "$0")/../../build-aux/variant.sh"

configure_variant
make -j2 distcheck || {
  show_results . || :
  exit 1
}
if [ ! -e "$top/.git" ]; then
  exit 0
fi
tarball=$(echo tcm-*.tar.xz)
tar -tJf "$tarball" | sed -e 's,^[^/]*/,,' -e '/\/$/d' -e '/^$/d' |
  sort >in-tarball
git -C "$top" ls-files --cached --others --exclude-standard |
  while read -r file; do
    [ ! -f "$top/$file" ] || echo "$file"
  done | grep -v '^debian/' | sort >in-tree
if comm -23 in-tree in-tarball | grep .; then
  echo "these are missing from $tarball"
  exit 1
fi
