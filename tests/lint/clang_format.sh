#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# C files are formatted as clang-format 14 does with .clang-format; "make
# format" formats them.  Other releases differ in details and are not used.
set -u
for tool in clang-format-14 clang-format; do
  case $($tool --version 2>/dev/null) in
  *' version 14.'*) break ;;
  esac
  tool=
done
if [ -z "$tool" ]; then
  echo "there is no clang-format 14"
  exit 77
fi
cd "$TEST_SRCDIR" || exit 99
status=0
set --
for file in include/*.h lib/*/*.[ch] tests/*/*.[ch] tools/*.[ch]; do
  [ ! -f "$file" ] || set -- "$@" "$file"
done
# One process for all files: it takes longer to start than to format a file.
$tool --style=file --dry-run --Werror "$@" || status=1
echo "$# files"
[ $# != 0 ] || status=1
exit $status
