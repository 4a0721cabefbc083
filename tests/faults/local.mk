# SPDX-License-Identifier: BSD-2-Clause
# The fault catalogue: catalogue.tsv lists what must hold and which test shows
# it; faults.py runs the rows on one allocator or on all.  The programs below
# are for rows that have no test elsewhere.
fault_programs = \
	tests/faults/affinity \
	tests/faults/calls \
	tests/faults/late_load \
	tests/faults/little_room \
	tests/faults/mapping_limit \
	tests/faults/stray_writes \
	tests/faults/resident \
	tests/faults/sampling \
	tests/faults/seccomp
check_PROGRAMS += $(fault_programs)
EXTRA_DIST += tests/faults/kernel.h

# Its functions override those of libc in every library.
tests_faults_calls_LDFLAGS = -export-dynamic

# Built without libtool, like the modules in tests/process.
CLEANFILES += tests/faults/audit_module.so
EXTRA_DIST += tests/faults/audit_module.c
check_DATA += tests/faults/audit_module.so
tests/faults/audit_module.so: tests/faults/audit_module.c
	$(AM_V_CCLD)$(MKDIR_P) tests/faults && \
	$(CC) $(AM_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -fPIC -shared -o $@ \
	  $(srcdir)/tests/faults/audit_module.c

fault_scripts = \
	tests/faults/everyday.py \
	tests/faults/sanitized.sh \
	tests/faults/setuid.sh \
	tests/faults/strace.sh \
	tests/faults/valgrind.sh
EXTRA_DIST += $(fault_scripts) \
	tests/faults/TABLE \
	tests/faults/catalogue.tsv \
	tests/faults/faults.py
TESTS += tests/faults/faults.py
fault_long_tests = \
	tests/faults/long-affinity.sh \
	tests/faults/long-sampling.sh
LONG_TESTS += $(fault_long_tests)

# Runs the rows on every allocator.  It takes about twenty minutes, because some
# allocators hang.  Before it, once: sh build-aux/install-packages bench
fault-table: all $(check_PROGRAMS) $(check_DATA)
	$(AM_TESTS_ENVIRONMENT) $(PYTHON) $(srcdir)/tests/faults/faults.py \
	  --table $(srcdir)/tests/faults/TABLE
phony += fault-table
