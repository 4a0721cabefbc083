#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A program that runs with more rights than its caller must not let the caller
# choose its options, nor print what the caller put into the environment.
set -eu

if [ "$(id -u)" != 0 ]; then
  echo "skip: only root can make a program set-user-ID"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=${TEST_BUILDDIR:?}
chmod 755 "$work"

# show NAME - prints the options in an environment that sets several.
show() {
  env TCM_CHECK=1 TCM_ARENA_BYTES=8M TCM_MESSAGES=banana TCM_CHECKS=1 \
    TCM_PROFILE_DIR="$work" \
    "$work/$1" >"$work/$1.out" 2>"$work/$1.err"
}

# The program is linked only with the core, so it needs no library from the
# build folder, which another user may not be able to read.
cp "$build/tests/api/show_options" "$work/plain"
cp "$build/tests/api/show_options" "$work/privileged"
chown 65534 "$work/privileged"
chmod 4755 "$work/privileged"

show plain
show privileged
if ! grep -q '^secure 1$' "$work/privileged.out"; then
  echo "skip: set-user-ID has no effect below $work"
  exit 77
fi
status=0

# The plain program must read the environment, or this test proves nothing.
grep -q '^check 1 1 ' "$work/plain.out" || {
  echo "FAIL TCM_CHECK=1 has no effect in a plain program"
  status=1
}
[ "$(grep -c '^tcm: ' "$work/plain.err")" = 3 ] || {
  echo "FAIL a plain program must complain of two variables and of no samples:"
  cat "$work/plain.err"
  status=1
}
grep -q '^profile_bytes 524288 1 ' "$work/plain.out" || {
  echo "FAIL TCM_PROFILE_DIR has no effect in a plain program"
  status=1
}
# The third field of every line is the source; 0 is the default.
if awk '$1 != "secure" && ($3 != 0 || $2 != $4)' "$work/privileged.out" |
  grep .; then
  echo "FAIL the privileged program took these options from its caller"
  status=1
fi
if grep . "$work/privileged.err"; then
  echo "FAIL the privileged program printed this"
  status=1
fi
exit $status
