# SPDX-License-Identifier: BSD-2-Clause
# Every test is a program or script in TESTS: it exits with 0 for passed, 77
# for skipped, anything else for failed.  A test that takes more than a minute
# belongs in LONG_TESTS; "make check-long" runs it.
TESTS =
LONG_TESTS =

TEST_EXTENSIONS = .sh .py
SH_LOG_COMPILER = $(SHELL)
PY_LOG_COMPILER = $(PYTHON)

# The environment of every test.
AM_TESTS_ENVIRONMENT = \
	TEST_SRCDIR='$(abs_top_srcdir)'; export TEST_SRCDIR; \
	TEST_BUILDDIR='$(abs_top_builddir)'; export TEST_BUILDDIR; \
	TEST_RELEASE_SO='$(abs_top_builddir)/.libs/libtcm.so.0'; \
	export TEST_RELEASE_SO; \
	TEST_DEBUG_SO='$(abs_top_builddir)/.libs/libtcm-debug.so.0'; \
	export TEST_DEBUG_SO; \
	TEST_RUNNER='$(LOG_COMPILER)'; export TEST_RUNNER; \
	CC='$(CC)'; export CC; \
	CFLAGS='$(CFLAGS)'; export CFLAGS; \
	NM='$(NM)'; export NM; \
	READELF='$(READELF)'; export READELF; \
	OBJDUMP='$(OBJDUMP)'; export OBJDUMP; \
	PYTHON='$(PYTHON)'; export PYTHON; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE;

# Tests of the core; they also run with sanitizers and on other processors.
include tests/support/local.mk
include tests/unit/local.mk
include tests/api/prefixed.mk
if !QUICK_CHECK
include tests/model/local.mk
include tests/stress/local.mk
include tests/fuzz/local.mk
endif

# Tests of the library that replaces libc's malloc.
if PRELOAD
include tests/api/local.mk
include tests/misuse/local.mk
if !QUICK_CHECK
include tests/faults/local.mk
include tests/process/local.mk
include tests/programs/local.mk
include tests/tools/local.mk
include tests/bench/local.mk
endif
endif

include tests/lint/local.mk
include tests/variants/local.mk
include tests/package/local.mk

# Lists the tests; build-aux/check-all checks that each one ran.
list-tests:
	@list='$(TEST_LOGS)'; for log in $$list; do echo "$${log%.log}"; done
phony += list-tests

# Lists the files that a build makes, for tests/lint/gitignore.sh.
built_files = $(bin_PROGRAMS) $(noinst_PROGRAMS) $(check_PROGRAMS) \
	$(check_SCRIPTS) $(check_DATA) $(BUILT_SOURCES) $(CLEANFILES)
list-built:
	@for file in $(built_files); do echo "$$file"; done
phony += list-built

# automake generates the rules of a test only if TESTS lists it.
if NEVER
TESTS += $(LONG_TESTS) $(PACKAGE_TESTS)
endif

check-long: all $(check_LTLIBRARIES) $(check_PROGRAMS) $(check_SCRIPTS) \
		$(check_DATA) $(LONG_TESTS)
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(LONG_TESTS)'
phony += check-long
