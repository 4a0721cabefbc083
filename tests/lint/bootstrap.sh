#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Without autoconf, ./bootstrap prints what is missing and the command that
# installs it.  It installs nothing without asking.  In a tree that was
# configured in place, it says what to do before it builds elsewhere.
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
# Runs bootstrap, which must fail and print each of the other arguments.
# usage: refuses ARGUMENT-OF-BOOTSTRAP WORDS...
refuses()
{
  status=0
  # shellcheck disable=SC2086 # no argument if it is empty
  PATH=$work/bin sh "$work/tree/bootstrap" $1 </dev/null >"$work/out" 2>&1 ||
    status=$?
  shift
  cat "$work/out"
  [ $status = 1 ] || {
    echo "FAIL exit status $status, not 1"
    exit 1
  }
  for words in "$@"; do
    grep -q "$words" "$work/out" || {
      echo "FAIL does not say: $words"
      exit 1
    }
  done
  if grep -q "^installed" "$work/out"; then
    echo "FAIL installs without a question"
    exit 1
  fi
}

refuses "" "missing: autoconf libtool pkg-config" \
  "sh build-aux/install-packages build"
: >"$work/tree/config.status"
refuses demo "make distclean"
refuses check "make distclean"
