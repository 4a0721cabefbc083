# SPDX-License-Identifier: BSD-2-Clause
# One program that every configuration can run: no Check, no preload.
check_PROGRAMS += tests/variants/smoke
tests_variants_smoke_SOURCES = tests/variants/smoke.c
tests_variants_smoke_LDADD = libtcmdebugcore.la
TESTS += tests/variants/smoke

# Each other configuration is a script in this folder.  build-aux/check-all runs
# them after "make check"; a new file adds a configuration.
