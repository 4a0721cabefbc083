# SPDX-License-Identifier: BSD-2-Clause
# Random work by many threads that verify the contents of all blocks, on the
# core: it runs under the sanitizers too.  By hand:
# tests/stress/stress SECONDS THREADS SEED.
check_PROGRAMS += tests/stress/stress tests/stress/stress_debug
tests_stress_stress_LDADD = libtcmcore.la
tests_stress_stress_debug_SOURCES = tests/stress/stress.c
tests_stress_stress_debug_CPPFLAGS = $(AM_CPPFLAGS) -DTCM_DEBUG=1
tests_stress_stress_debug_LDADD = libtcmdebugcore.la

TESTS += tests/stress/stress tests/stress/stress_debug

# Not with sanitizers, which need the address space that this test takes away.
if PRELOAD
TESTS += tests/stress/stress_limited.sh
endif
EXTRA_DIST += tests/stress/stress_limited.sh

# Runs the stress test on both cores at once, for an hour or for SOAK_SECONDS.
soak: tests/stress/stress tests/stress/stress_debug
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/tests/stress/soak.sh
EXTRA_DIST += tests/stress/soak.sh
phony += soak

# Nine minutes: three seeds, with more and more threads.
stress_long = tests/stress/stress_long.sh
LONG_TESTS += $(stress_long)
EXTRA_DIST += $(stress_long)
