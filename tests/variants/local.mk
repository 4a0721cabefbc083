# SPDX-License-Identifier: BSD-2-Clause
# One program that every configuration can run: no Check, no preload.
check_PROGRAMS += tests/variants/smoke
tests_variants_smoke_SOURCES = tests/variants/smoke.c
tests_variants_smoke_LDADD = libtcmdebugcore.la
TESTS += tests/variants/smoke

# The other configurations are scripts of this folder, one each, which
# build-aux/check-all runs after "make check"; dropping a file in adds one.
