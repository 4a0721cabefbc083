#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# git ignores the files that a build in the source folder makes, and no others:
# after ./configure && make, "git status" shows only the user's own changes.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "${TEST_SRCDIR:?}"
if ! [ -e .git ] || ! command -v git >/dev/null ||
  ! git rev-parse >/dev/null 2>&1; then
  echo "skip: no git checkout"
  exit 77
fi
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s -C "${TEST_BUILDDIR:?}" --no-print-directory list-built >"$work/made"
# automake makes these in each folder, too.
{
  cat "$work/made"
  sed 's,[^/]*$,.deps/x.Po,' "$work/made"
  sed 's,[^/]*$,.dirstamp,' "$work/made"
} | sort -u >"$work/built"
[ -s "$work/made" ] || {
  echo "a build makes no file"
  exit 1
}
status=0
# With -v -n, git also prints paths that match no pattern or one with "!".
git check-ignore -v -n --stdin <"$work/built" | while IFS='	' read -r rule path
do
  case $rule in
  *:*:!* | ::) echo "$path" ;;
  esac
done >"$work/shown"
if [ -s "$work/shown" ]; then
  echo "git status would show these files after a build in the tree:"
  cat "$work/shown"
  status=1
fi
if git ls-files | git check-ignore --stdin --no-index >"$work/hidden"; then
  echo "git ignores these files of the tree:"
  cat "$work/hidden"
  status=1
fi
echo "$(wc -l <"$work/built") files of a build"
exit $status
