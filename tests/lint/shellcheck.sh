#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The scripts of the tree pass shellcheck.  SC2119 and SC2120 are off: they
# report every call of a function without arguments if another call has some.
set -u
if ! command -v shellcheck >/dev/null; then
  echo "there is no shellcheck"
  exit 77
fi
cd "$TEST_SRCDIR" || exit 99
status=0
count=0
for file in bootstrap .ci/* build-aux/* debian/tests/* tests/*/* \
  tools/* tools/*/*; do
  [ -f "$file" ] || continue
  case $file in
  # autoreconf copies these files; they are not ours.
  build-aux/compile | build-aux/config.* | build-aux/depcomp | \
    build-aux/missing | build-aux/install-sh | build-aux/ltmain.sh | \
    build-aux/ar-lib | build-aux/test-driver) continue ;;
  *.sh) ;;
  *) head -n 1 "$file" | grep -q '^#!.*/sh' || continue ;;
  esac
  count=$((count + 1))
  shellcheck -x -s sh -e SC2119,SC2120 "$file" || status=1
done
echo "$count scripts"
[ $count != 0 ] || status=1
exit $status
