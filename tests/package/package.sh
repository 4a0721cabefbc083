# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# The scripts of this folder source this file first.  It checks for what they
# need and makes a scratch folder, which exists as long as they run.
set -eu
: "${TEST_SRCDIR:?}" "${TEST_BUILDDIR:?}"

# need PROGRAM... - skip the test unless all are there.
need()
{
  for program in "$@"; do
    command -v "$program" >/dev/null || {
      echo "skip: there is no $program"
      exit 77
    }
  done
}

# need_tarball - sets $tarball to the release that "make dist" left.
need_tarball()
{
  tarball=$(find "$TEST_BUILDDIR" -maxdepth 1 -name 'tcm-*.tar.xz')
  [ -f "$tarball" ] || {
    echo "there is no tarball, or several, in $TEST_BUILDDIR: $tarball"
    exit 99
  }
}

fail()
{
  echo "FAIL $*"
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A build by these scripts is independent of the make that runs them.
unset MAKEFLAGS MFLAGS MAKELEVEL
