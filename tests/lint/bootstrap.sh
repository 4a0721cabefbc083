#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Without autoconf, ./bootstrap prints what is missing and the command that
# installs it.  It installs nothing without asking.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/tree" "$work/tree/build-aux"
for program in sh dirname automake; do
  ln -s "$(command -v $program || echo /bin/true)" "$work/bin/$program"
done
cp "${TEST_SRCDIR:?}/bootstrap" "$work/tree"
echo 'echo "installed, but nobody asked"' \
  >"$work/tree/build-aux/install-packages"
status=0
PATH=$work/bin sh "$work/tree/bootstrap" </dev/null >"$work/out" 2>&1 ||
  status=$?
cat "$work/out"
[ $status = 1 ] || {
  echo "FAIL exit status $status, not 1"
  exit 1
}
for words in "missing: autoconf libtool pkg-config" \
  "sh build-aux/install-packages build"; do
  grep -q "$words" "$work/out" || {
    echo "FAIL does not say: $words"
    exit 1
  }
done
if grep -q "^installed" "$work/out"; then
  echo "FAIL installs without a question"
  exit 1
fi
