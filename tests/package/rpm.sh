#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# RPM's packages, in Fedora's form and in openSUSE's: they build, rpmlint finds
# nothing beyond what build-aux/rpmlint.toml explains, and they install in an
# empty root, where they verify, serve programs and leave nothing behind when
# they are erased.  TEST_PACKAGE_QUICK leaves out the tests of the first build:
# the variant distcheck runs the same tests.
# shellcheck source=tests/package/package.sh
. "${TEST_SRCDIR:?}/tests/package/package.sh"

need rpmbuild rpm rpmlint pkg-config cc
need_tarball

# try FORM LIBRARY RPMBUILD-ARGUMENT... - LIBRARY is the package that holds it.
try()
{
  form=$1
  library=$2
  shift 2
  echo "== $form"
  sh "$TEST_SRCDIR/build-aux/make-rpm" "$tarball" "$work/$form" "$@" \
    >"$work/$form.log" 2>&1 || {
    tail -n 40 "$work/$form.log"
    fail "$form: rpmbuild"
  }
  find "$work/$form" -name '*.rpm' | sort >"$work/$form.list"
  sed 's,.*/,,' "$work/$form.list"
  [ "$(find "$work/$form/RPMS" -name "$library-[0-9]*.rpm" | wc -l)" = 1 ] ||
    fail "$form: no package $library"
  # shellcheck disable=SC2046 # the names hold no blanks
  rpmlint -c "$TEST_SRCDIR/build-aux/rpmlint.toml" \
    $(cat "$work/$form.list") "$TEST_BUILDDIR/tcm.spec" ||
    fail "$form: rpmlint"
  install_and_erase "$form"
}

install_and_erase()
{
  root=$work/root-$1
  mkdir -p "$root"
  rpm --root "$root" --initdb 2>/dev/null
  # The packages must provide what they require of tcm; only libc and other
  # system packages are outside of the root.
  find "$work/$1/RPMS" -name '*.rpm' ! -name '*debug*' >"$work/binaries"
  # shellcheck disable=SC2046
  rpm -qp --provides $(cat "$work/binaries") 2>/dev/null | awk '{print $1}' |
    sort -u >"$work/provided"
  # shellcheck disable=SC2046
  rpm -qp --requires $(cat "$work/binaries") 2>/dev/null | awk '{print $1}' |
    grep -E '^(lib)?tcm' | sort -u >"$work/required"
  comm -23 "$work/required" "$work/provided" | grep . &&
    fail "$1: the packages need what none of them provides"
  # shellcheck disable=SC2046
  rpm --root "$root" -ivh --nodeps --noscripts --ignorearch \
    $(cat "$work/binaries") 2>"$work/rpm.err" || {
    cat "$work/rpm.err"
    fail "$1: the installation"
  }
  rpm --root "$root" -qa >"$work/names" 2>/dev/null
  [ -s "$work/names" ] || fail "$1: nothing is installed"
  # shellcheck disable=SC2046
  rpm --root "$root" -V --nodeps $(cat "$work/names") 2>"$work/rpm.err" ||
    fail "$1: the installed files differ"
  use "$root"
  # shellcheck disable=SC2046
  rpm --root "$root" -e --noscripts --nodeps $(cat "$work/names") \
    2>"$work/rpm.err"
  left=$(find "$root/usr" -name '*tcm*')
  [ -z "$left" ] || fail "$1: left behind: $left"
  echo "installed, verified, used and erased"
}

# use ROOT - a dynamic and a static program build with the installed files and
# run.
use()
{
  config=$(dirname "$(find "$1" -name tcm.pc)")
  flags=$(PKG_CONFIG_SYSROOT_DIR=$1 PKG_CONFIG_LIBDIR=$config \
    pkg-config --cflags --libs tcm)
  static=$(PKG_CONFIG_SYSROOT_DIR=$1 PKG_CONFIG_LIBDIR=$config \
    pkg-config --cflags --static --libs tcm)
  smoke=$TEST_SRCDIR/tests/variants/smoke.c
  # shellcheck disable=SC2086 # several flags
  {
    cc -DSMOKE_STANDARD_NAMES "$smoke" -o "$work/dynamic" -pthread $flags -ldl
    cc "$smoke" -o "$work/static" -static -pthread $static
  }
  LD_LIBRARY_PATH=${config%/*} "$work/dynamic"
  "$work/static"
}

if [ -n "${TEST_PACKAGE_QUICK-}" ]; then
  try fedora tcm --nocheck
else
  try fedora tcm
fi
try opensuse libtcm0 --nocheck --define 'suse_version 1600'
