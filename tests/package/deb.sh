#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Debian's packages: lintian finds no fault, a second build in another folder
# gives the same bytes, they install, upgrade, remove and purge in an empty
# root, and the tests of debian/tests pass on the files there.
#
# TEST_PACKAGE_QUICK leaves out the second build and the tests of the first:
# the variant distcheck runs the same tests.
# shellcheck source=tests/package/package.sh
. "${TEST_SRCDIR:?}/tests/package/package.sh"

need dpkg-buildpackage dh dpkg-deb lintian
[ -d "$TEST_SRCDIR/debian" ] || {
  echo "skip: a release tarball has no debian/"
  exit 77
}
if ! (cd "$TEST_SRCDIR" && dpkg-checkbuilddeps); then
  echo "skip: what a build needs is not there"
  exit 77
fi
need_tarball

echo "== build"
[ -z "${TEST_PACKAGE_QUICK-}" ] || export DEB_BUILD_OPTIONS="nocheck parallel=2"
sh "$TEST_SRCDIR/build-aux/make-deb" "$TEST_SRCDIR" "$tarball" "$work/first"

build_again()
{
  echo "== build again, elsewhere"
  (
    umask 077
    TZ=Asia/Kathmandu DEB_BUILD_OPTIONS=nocheck LC_ALL=C \
      sh "$TEST_SRCDIR/build-aux/make-deb" "$TEST_SRCDIR" "$tarball" \
      "$work/second/of/another/length" >"$work/second.log" 2>&1 || {
      tail -n 40 "$work/second.log"
      fail "the second build"
    }
  )
  for deb in "$work"/first/*.deb; do
    cmp "$deb" "$work/second/of/another/length/${deb##*/}" ||
      fail "not reproducible: ${deb##*/}"
    echo "same bytes: ${deb##*/}"
  done
}
[ -n "${TEST_PACKAGE_QUICK-}" ] || build_again

echo "== install, upgrade, remove, purge"
root=$work/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/etc"
: >"$root/var/lib/dpkg/status"
# The root has nothing else, so the packages' dependencies are missing too.
in_root()
{
  dpkg --root="$root" --force-not-root,depends,bad-path --log="$work/dpkg.log" \
    "$@" 2>"$work/dpkg.err" || {
    cat "$work/dpkg.err"
    fail "dpkg $*"
  }
}
list_files()
{
  find "$root" -path "$root/var/lib/dpkg" -prune -o ! -type d -print | sort
}
debs=$(find "$work/first" -name '*.deb' ! -name '*dbgsym*')
# shellcheck disable=SC2086 # the names hold no blanks
in_root -i $debs
list_files >"$work/installed"
cat "$work/installed"
so=$(find "$root/usr/lib" -name libtcm.so.0)
LD_PRELOAD=$so sh -c 'grep -q libtcm /proc/$$/maps' ||
  fail "the installed library cannot be preloaded"

find "$root/usr/share/man" -type f -exec zgrep -H /usr/local {} + &&
  fail "a page names /usr/local, where no package installs"

# autopkgtest would install the packages on a system.  Here the tests find them
# in the root through a wrapper of pkg-config and through the search paths of
# the loader and of man.
echo "== debian/tests"
real=$(command -v pkg-config)
mkdir "$work/bin"
cat >"$work/bin/pkg-config" <<END
#!/bin/sh
PKG_CONFIG_LIBDIR='${so%/*}/pkgconfig' exec '$real' \\
  --define-variable=prefix='$root/usr' "\$@"
END
chmod +x "$work/bin/pkg-config"
count=0
sed -n "s,^Tests: ,,p" "$TEST_SRCDIR/debian/tests/control" >"$work/tests"
while read -r test; do
  mkdir "$work/autopkgtest-$test"
  (
    cd "$TEST_SRCDIR"
    # Keep only what autopkgtest sets: the tests must not look into this build.
    unset TEST_RELEASE_SO TEST_DEBUG_SO TEST_BUILDDIR CFLAGS
    PATH=$work/bin:$PATH LD_LIBRARY_PATH=${so%/*} \
      MANPATH=$root/usr/share/man AUTOPKGTEST_TMP=$work/autopkgtest-$test \
      sh "debian/tests/$test"
  ) >"$work/$test.log" 2>&1 </dev/null || {
    tail -n 40 "$work/$test.log"
    fail "debian/tests/$test"
  }
  count=$((count + 1))
  echo "passed: debian/tests/$test"
done <"$work/tests"
[ $count != 0 ] || fail "debian/tests/control names no test"

echo "== upgrade"
mkdir "$work/newer"
for deb in $debs; do
  dpkg-deb -R "$deb" "$work/newer/tree"
  # This also changes a dependency on the same version of another package.
  sed -i "s/$(dpkg-deb -f "$deb" Version)/&+upgrade/" \
    "$work/newer/tree/DEBIAN/control"
  dpkg-deb --root-owner-group -b "$work/newer/tree" "$work/newer/${deb##*/}" \
    >/dev/null
  rm -r "$work/newer/tree"
done
in_root -i "$work"/newer/*.deb
list_files | cmp - "$work/installed" || fail "the upgrade changed the files"
dpkg-query --admindir="$root/var/lib/dpkg" -W
in_root --remove libtcm-dev tcm-tools libtcm0
[ -z "$(list_files)" ] || fail "left by the removal: $(list_files)"
# shellcheck disable=SC2086
in_root -i $debs
list_files | cmp - "$work/installed" || fail "installed anew, other files"
in_root --purge libtcm-dev tcm-tools libtcm0
[ -z "$(list_files)" ] || fail "left by the purge: $(list_files)"
echo "nothing is left"
