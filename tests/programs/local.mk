# SPDX-License-Identifier: BSD-2-Clause
# Real programs under libc's malloc and under tcm.  The witness is preloaded
# into every process of a test.  libtool builds a shared module only with an
# -rpath, although the witness is never installed.
check_LTLIBRARIES += tests/programs/libwitness.la
tests_programs_libwitness_la_SOURCES = tests/programs/witness_exit.c
tests_programs_libwitness_la_CFLAGS = -std=gnu11 -Wall -Wextra \
	-Wstrict-prototypes
tests_programs_libwitness_la_LDFLAGS = -module -avoid-version \
	-rpath $(abs_builddir)/tests/programs

programs_tests = \
	tests/programs/compilers.py \
	tests/programs/git.py \
	tests/programs/nginx.py \
	tests/programs/node.py \
	tests/programs/perl.py \
	tests/programs/php.py \
	tests/programs/postgresql.py \
	tests/programs/proof.py \
	tests/programs/python.py \
	tests/programs/redis.py \
	tests/programs/self_hosting.py \
	tests/programs/sqlite.py

TESTS += $(programs_tests)
EXTRA_DIST += $(programs_tests) \
	tests/programs/demo.py \
	tests/programs/keeping.py \
	tests/programs/harness.py \
	tests/programs/load.py \
	tests/programs/witness.py

# The first samples every block (fewer with Python); the second builds the whole
# tree and runs every unit test.
LONG_TESTS += tests/programs/sampled_long.sh tests/programs/self_hosting_long.sh
EXTRA_DIST += tests/programs/sampled_long.sh tests/programs/self_hosting_long.sh
