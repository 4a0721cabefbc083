# SPDX-License-Identifier: BSD-2-Clause
# tcm in a real process: fork, threads, signals, limits, dlopen, linking, exit.
# Each program runs preloaded, with the debug library, with every free checked
# and with all checks; some have a long form for "make check-long".
check_PROGRAMS += \
	tests/process/attack \
	tests/process/background \
	tests/process/closed_module \
	tests/process/confined_load \
	tests/process/deepbind \
	tests/process/descriptors \
	tests/process/early \
	tests/process/exit \
	tests/process/fork_signal \
	tests/process/fork_stdio \
	tests/process/fork_threads \
	tests/process/give_back \
	tests/process/huge_pages \
	tests/process/keys \
	tests/process/late_dlopen \
	tests/process/libc_names \
	tests/process/limits \
	tests/process/locked_memory \
	tests/process/mappings \
	tests/process/out_of_memory \
	tests/process/own_malloc \
	tests/process/own_malloc_aligned \
	tests/process/own_malloc_loop \
	tests/process/own_malloc_wrapper \
	tests/process/overwrite \
	tests/process/place \
	tests/process/profile_files \
	tests/process/random_order \
	tests/process/report \
	tests/process/rights \
	tests/process/spawn \
	tests/process/stack \
	tests/process/stalls \
	tests/process/threads \
	tests/process/tls_destructors

# Listed in full, because automake does not expand patterns.
process_tests = \
	tests/process/preload-attack.sh \
	tests/process/preload-background.sh \
	tests/process/preload-deepbind.sh \
	tests/process/preload-descriptors.sh \
	tests/process/preload-early.sh \
	tests/process/preload-exit.sh \
	tests/process/preload-fork_signal.sh \
	tests/process/preload-fork_stdio.sh \
	tests/process/preload-fork_threads.sh \
	tests/process/preload-give_back.sh \
	tests/process/preload-huge_pages.sh \
	tests/process/preload-keys.sh \
	tests/process/preload-libc_names.sh \
	tests/process/preload-limits.sh \
	tests/process/preload-locked_memory.sh \
	tests/process/preload-mappings.sh \
	tests/process/preload-out_of_memory.sh \
	tests/process/preload-overwrite.sh \
	tests/process/preload-place.sh \
	tests/process/preload-profile_files.sh \
	tests/process/preload-random_order.sh \
	tests/process/preload-report.sh \
	tests/process/preload-rights.sh \
	tests/process/preload-spawn.sh \
	tests/process/preload-stack.sh \
	tests/process/preload-stalls.sh \
	tests/process/preload-threads.sh \
	tests/process/preload-tls_destructors.sh \
	tests/process/debug-attack.sh \
	tests/process/debug-background.sh \
	tests/process/debug-deepbind.sh \
	tests/process/debug-descriptors.sh \
	tests/process/debug-early.sh \
	tests/process/debug-exit.sh \
	tests/process/debug-fork_signal.sh \
	tests/process/debug-fork_stdio.sh \
	tests/process/debug-fork_threads.sh \
	tests/process/debug-give_back.sh \
	tests/process/debug-huge_pages.sh \
	tests/process/debug-keys.sh \
	tests/process/debug-libc_names.sh \
	tests/process/debug-limits.sh \
	tests/process/debug-locked_memory.sh \
	tests/process/debug-out_of_memory.sh \
	tests/process/debug-overwrite.sh \
	tests/process/debug-profile_files.sh \
	tests/process/debug-random_order.sh \
	tests/process/debug-report.sh \
	tests/process/debug-rights.sh \
	tests/process/debug-spawn.sh \
	tests/process/debug-stalls.sh \
	tests/process/debug-threads.sh \
	tests/process/debug-tls_destructors.sh \
	tests/process/checked-attack.sh \
	tests/process/checked-background.sh \
	tests/process/checked-deepbind.sh \
	tests/process/checked-descriptors.sh \
	tests/process/checked-early.sh \
	tests/process/checked-exit.sh \
	tests/process/checked-fork_signal.sh \
	tests/process/checked-fork_stdio.sh \
	tests/process/checked-fork_threads.sh \
	tests/process/checked-keys.sh \
	tests/process/checked-libc_names.sh \
	tests/process/checked-limits.sh \
	tests/process/checked-locked_memory.sh \
	tests/process/checked-out_of_memory.sh \
	tests/process/checked-overwrite.sh \
	tests/process/checked-report.sh \
	tests/process/checked-spawn.sh \
	tests/process/checked-stack.sh \
	tests/process/checked-threads.sh \
	tests/process/checked-tls_destructors.sh \
	tests/process/quarantine-attack.sh \
	tests/process/quarantine-deepbind.sh \
	tests/process/quarantine-descriptors.sh \
	tests/process/quarantine-early.sh \
	tests/process/quarantine-exit.sh \
	tests/process/quarantine-fork_signal.sh \
	tests/process/quarantine-fork_stdio.sh \
	tests/process/quarantine-fork_threads.sh \
	tests/process/quarantine-libc_names.sh \
	tests/process/quarantine-limits.sh \
	tests/process/quarantine-locked_memory.sh \
	tests/process/quarantine-out_of_memory.sh \
	tests/process/quarantine-report.sh \
	tests/process/quarantine-spawn.sh \
	tests/process/quarantine-stack.sh \
	tests/process/quarantine-threads.sh \
	tests/process/quarantine-tls_destructors.sh \
	tests/process/sampled-deepbind.sh \
	tests/process/sampled-early.sh \
	tests/process/sampled-exit.sh \
	tests/process/sampled-fork_signal.sh \
	tests/process/sampled-fork_threads.sh \
	tests/process/sampled-spawn.sh \
	tests/process/sampled-tls_destructors.sh \
	tests/process/guarded-deepbind.sh \
	tests/process/guarded-early.sh \
	tests/process/guarded-exit.sh \
	tests/process/guarded-fork_signal.sh \
	tests/process/guarded-fork_threads.sh \
	tests/process/guarded-spawn.sh \
	tests/process/guarded-tls_destructors.sh \
	tests/process/glibc-late_dlopen.sh
process_long_tests = \
	tests/process/long-attack.sh \
	tests/process/long-exit.sh \
	tests/process/long-fork_signal.sh \
	tests/process/long-fork_stdio.sh \
	tests/process/long-fork_threads.sh \
	tests/process/long-spawn.sh
process_scripts = \
	tests/process/bare_root.sh \
	tests/process/closed_module.sh \
	tests/process/confined.sh \
	tests/process/guarded.sh \
	tests/process/linking.sh \
	tests/process/option_sources.sh \
	tests/process/own_malloc.sh \
	tests/process/privileged.sh \
	tests/process/small_process.sh
TESTS += $(process_tests) $(process_scripts)
LONG_TESTS += $(process_long_tests) tests/process/confined_long.sh
EXTRA_DIST += $(process_scripts) tests/process/confined_long.sh \
	tests/process/linking.c

tests_process_own_malloc_aligned_SOURCES = tests/process/own_malloc.c
tests_process_own_malloc_aligned_CPPFLAGS = $(AM_CPPFLAGS) -DOWN_ALIGNED
tests_process_own_malloc_loop_SOURCES = tests/process/own_malloc.c
tests_process_own_malloc_loop_CPPFLAGS = $(AM_CPPFLAGS) -DOWN_LOOP
tests_process_own_malloc_wrapper_SOURCES = tests/process/own_malloc.c
tests_process_own_malloc_wrapper_CPPFLAGS = $(AM_CPPFLAGS) -DOWN_WRAPPER

# ---- Modules that the programs open ------------------------------------------
# Built without libtool, because they need their own RUNPATH.
process_modules = \
	tests/process/deepbind_module.so \
	tests/process/deepbind_module_tcm.so \
	tests/process/private/libtcm-test-dependency.so \
	tests/process/private/libtcm-test-late.so \
	tests/process/tls_module.so
CLEANFILES += $(process_modules) tests/process/closed_module.so
EXTRA_DIST += \
	tests/process/closed_module_work.c \
	tests/process/deepbind_dependency.c \
	tests/process/deepbind_module.c \
	tests/process/tls_module.c
EXTRA_tests_process_deepbind_DEPENDENCIES = $(process_modules)
EXTRA_tests_process_late_dlopen_DEPENDENCIES = tests/process/tls_module.so

process_module_path = \
	-Ltests/process/private -ltcm-test-dependency \
	-Wl,--enable-new-dtags,-rpath,'$$ORIGIN/private'

tests/process/tls_module.so: tests/process/tls_module.c
	$(module_link) $(srcdir)/tests/process/tls_module.c

tests/process/private/libtcm-test-dependency.so: \
		tests/process/deepbind_dependency.c
	$(module_link) $(srcdir)/tests/process/deepbind_dependency.c \
	  -Wl,-soname,libtcm-test-dependency.so

tests/process/private/libtcm-test-late.so: tests/process/deepbind_dependency.c
	$(module_link) $(srcdir)/tests/process/deepbind_dependency.c

tests/process/deepbind_module.so: tests/process/deepbind_module.c \
		tests/process/private/libtcm-test-dependency.so
	$(module_link) $(srcdir)/tests/process/deepbind_module.c \
	  $(process_module_path)

tests/process/deepbind_module_tcm.so: tests/process/deepbind_module.c \
		tests/process/private/libtcm-test-dependency.so libtcm.la
	$(module_link) $(srcdir)/tests/process/deepbind_module.c \
	  $(process_module_path) -Wl,--no-as-needed -L.libs -ltcm \
	  -Wl,-rpath,'$(abs_top_builddir)/.libs'
