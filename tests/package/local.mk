# SPDX-License-Identifier: BSD-2-Clause
# Tests of the distributions' packages and of the ABI.
# tests/variants/packages.sh runs a shorter form of them.
PACKAGE_TESTS = \
	tests/package/abi.sh \
	tests/package/deb.sh \
	tests/package/rpm.sh
EXTRA_DIST += \
	$(PACKAGE_TESTS) \
	tests/package/libtcm.abi \
	tests/package/package.sh

check-package: dist libtcm.la
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(PACKAGE_TESTS)' \
	  check_PROGRAMS= check_LTLIBRARIES= check_DATA= check_SCRIPTS=
phony += check-package

# The ABI: what programs linked with the library rely on.
check-abi: libtcm.la
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS=tests/package/abi.sh \
	  check_PROGRAMS= check_LTLIBRARIES= check_DATA= check_SCRIPTS=
abi-baseline: libtcm.la
	$(SHELL) $(srcdir)/build-aux/make-abi .libs/libtcm.so.0 \
	  $(srcdir)/include >$(srcdir)/tests/package/libtcm.abi
phony += check-abi abi-baseline
