# SPDX-License-Identifier: BSD-2-Clause
# The interface, function by function: value, errno, alignment, zero size,
# overflow, failure.  Each family has one source.  It runs preloaded, linked,
# with the debug library, with every free checked, with all checks, with other
# page sizes and, if the family has tcm_ names, with those (prefixed.mk).

check_PROGRAMS += \
	tests/api/aligned \
	tests/api/calloc \
	tests/api/free \
	tests/api/heaps \
	tests/api/introspection \
	tests/api/malloc \
	tests/api/realloc \
	tests/api/served \
	tests/api/usable_size \
	tests/api/walk

# The same, linked with the library.  -no-install puts its path into them.
check_PROGRAMS += \
	tests/api/linked_aligned \
	tests/api/linked_calloc \
	tests/api/linked_free \
	tests/api/linked_heaps \
	tests/api/linked_introspection \
	tests/api/linked_malloc \
	tests/api/linked_realloc \
	tests/api/linked_served \
	tests/api/linked_usable_size
api_linked_flags = -no-install -Wl,--no-as-needed
tests_api_linked_aligned_SOURCES = tests/api/aligned.c
tests_api_linked_aligned_LDADD = libtcm.la
tests_api_linked_aligned_LDFLAGS = $(api_linked_flags)
tests_api_linked_calloc_SOURCES = tests/api/calloc.c
tests_api_linked_calloc_LDADD = libtcm.la
tests_api_linked_calloc_LDFLAGS = $(api_linked_flags)
tests_api_linked_free_SOURCES = tests/api/free.c
tests_api_linked_free_LDADD = libtcm.la
tests_api_linked_free_LDFLAGS = $(api_linked_flags)
tests_api_linked_heaps_SOURCES = tests/api/heaps.c
tests_api_linked_heaps_LDADD = libtcm.la
tests_api_linked_heaps_LDFLAGS = $(api_linked_flags)
tests_api_linked_introspection_SOURCES = tests/api/introspection.c
tests_api_linked_introspection_LDADD = libtcm.la
tests_api_linked_introspection_LDFLAGS = $(api_linked_flags)
tests_api_linked_malloc_SOURCES = tests/api/malloc.c
tests_api_linked_malloc_LDADD = libtcm.la
tests_api_linked_malloc_LDFLAGS = $(api_linked_flags)
tests_api_linked_realloc_SOURCES = tests/api/realloc.c
tests_api_linked_realloc_LDADD = libtcm.la
tests_api_linked_realloc_LDFLAGS = $(api_linked_flags)
tests_api_linked_served_SOURCES = tests/api/served.c
tests_api_linked_served_LDADD = libtcm.la
tests_api_linked_served_LDFLAGS = $(api_linked_flags)
tests_api_linked_usable_size_SOURCES = tests/api/usable_size.c
tests_api_linked_usable_size_LDADD = libtcm.la
tests_api_linked_usable_size_LDFLAGS = $(api_linked_flags)

# Calls the functions of one family by name, so it is linked in every way.
check_PROGRAMS += tests/api/thread_bytes
tests_api_thread_bytes_LDADD = libtcm.la
tests_api_thread_bytes_LDFLAGS = $(api_linked_flags)

# Listed in full, because automake does not expand patterns.
api_tests = \
	tests/api/preload-aligned.sh \
	tests/api/preload-calloc.sh \
	tests/api/preload-free.sh \
	tests/api/preload-heaps.sh \
	tests/api/preload-introspection.sh \
	tests/api/preload-malloc.sh \
	tests/api/preload-realloc.sh \
	tests/api/preload-served.sh \
	tests/api/preload-usable_size.sh \
	tests/api/debug-aligned.sh \
	tests/api/debug-calloc.sh \
	tests/api/debug-free.sh \
	tests/api/debug-heaps.sh \
	tests/api/debug-introspection.sh \
	tests/api/debug-malloc.sh \
	tests/api/debug-realloc.sh \
	tests/api/debug-served.sh \
	tests/api/debug-usable_size.sh \
	tests/api/checked-aligned.sh \
	tests/api/checked-calloc.sh \
	tests/api/checked-free.sh \
	tests/api/checked-heaps.sh \
	tests/api/checked-introspection.sh \
	tests/api/checked-malloc.sh \
	tests/api/checked-realloc.sh \
	tests/api/checked-served.sh \
	tests/api/checked-usable_size.sh \
	tests/api/quarantine-aligned.sh \
	tests/api/quarantine-calloc.sh \
	tests/api/quarantine-free.sh \
	tests/api/quarantine-heaps.sh \
	tests/api/quarantine-introspection.sh \
	tests/api/quarantine-malloc.sh \
	tests/api/quarantine-realloc.sh \
	tests/api/quarantine-served.sh \
	tests/api/quarantine-usable_size.sh \
	tests/api/linked-aligned.sh \
	tests/api/linked-calloc.sh \
	tests/api/linked-free.sh \
	tests/api/linked-heaps.sh \
	tests/api/linked-introspection.sh \
	tests/api/linked-malloc.sh \
	tests/api/linked-realloc.sh \
	tests/api/linked-served.sh \
	tests/api/linked-usable_size.sh \
	tests/api/page16-aligned.sh \
	tests/api/page16-calloc.sh \
	tests/api/page16-free.sh \
	tests/api/page16-heaps.sh \
	tests/api/page16-introspection.sh \
	tests/api/page16-malloc.sh \
	tests/api/page16-realloc.sh \
	tests/api/page16-served.sh \
	tests/api/page16-usable_size.sh \
	tests/api/page64-aligned.sh \
	tests/api/page64-calloc.sh \
	tests/api/page64-free.sh \
	tests/api/page64-heaps.sh \
	tests/api/page64-introspection.sh \
	tests/api/page64-malloc.sh \
	tests/api/page64-realloc.sh \
	tests/api/page64-served.sh \
	tests/api/page64-usable_size.sh \
	tests/api/sampled-aligned.sh \
	tests/api/sampled-calloc.sh \
	tests/api/sampled-free.sh \
	tests/api/sampled-heaps.sh \
	tests/api/sampled-malloc.sh \
	tests/api/sampled-realloc.sh \
	tests/api/sampled-served.sh \
	tests/api/sampled-usable_size.sh \
	tests/api/bounds-heaps.sh \
	tests/api/preload-thread_bytes.sh \
	tests/api/debug-thread_bytes.sh \
	tests/api/checked-thread_bytes.sh \
	tests/api/bounds-thread_bytes.sh \
	tests/api/quarantine-thread_bytes.sh \
	tests/api/sampled-thread_bytes.sh \
	tests/api/preload-walk.sh \
	tests/api/debug-walk.sh \
	tests/api/checked-walk.sh \
	tests/api/bounds-walk.sh \
	tests/api/quarantine-walk.sh \
	tests/api/page64-walk.sh \
	tests/api/sampled-walk.sh \
	tests/api/guarded-walk.sh
TESTS += $(api_tests)

# The operators of C++.  The script compiles them, because tcm itself needs no
# C++ compiler.
EXTRA_DIST += tests/api/new_delete.sh tests/api/new_delete.cc
CLEANFILES += tests/api/new_delete tests/api/linked_new_delete
TESTS += tests/api/new_delete.sh

# The families in static programs; tests/variants/musl.sh runs this script too.
TESTS += tests/api/static.sh
EXTRA_DIST += tests/api/static.sh

# The header in every standard of C and C++.
TESTS += tests/api/standards.sh
EXTRA_DIST += tests/api/standards.sh

# The header for C++, and the examples that the packages install.
TESTS += tests/api/wrapper.sh tests/api/examples.sh
EXTRA_DIST += tests/api/examples.sh tests/api/wrapper.cc tests/api/wrapper.sh

# Options from the environment.
check_PROGRAMS += tests/api/show_options
tests_api_show_options_LDADD = libtcmcore.la
EXTRA_DIST += tests/api/options.py
TESTS += tests/api/options.py

# The functions of tcm.h beyond the standard family: next to libc's malloc,
# replacing it, and with the debug core.
if HAVE_CHECK
api_check_programs = \
	tests/api/tcm_extensions \
	tests/api/tcm_extensions_debug \
	tests/api/tcm_extensions_linked \
	tests/api/tcm_options \
	tests/api/tcm_options_linked
check_PROGRAMS += $(api_check_programs)
TESTS += $(api_check_programs)
tests_api_tcm_extensions_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_api_tcm_extensions_LDADD = libtcmcore.la $(CHECK_LIBS)
tests_api_tcm_extensions_debug_SOURCES = tests/api/tcm_extensions.c
tests_api_tcm_extensions_debug_CPPFLAGS = $(tests_api_tcm_extensions_CPPFLAGS)
tests_api_tcm_extensions_debug_LDADD = libtcmdebugcore.la $(CHECK_LIBS)
tests_api_tcm_extensions_linked_SOURCES = tests/api/tcm_extensions.c
tests_api_tcm_extensions_linked_CPPFLAGS = $(tests_api_tcm_extensions_CPPFLAGS)
tests_api_tcm_extensions_linked_LDADD = libtcm.la $(CHECK_LIBS)
tests_api_tcm_extensions_linked_LDFLAGS = $(api_linked_flags)
tests_api_tcm_options_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_api_tcm_options_LDADD = libtcmcore.la $(CHECK_LIBS)
tests_api_tcm_options_linked_SOURCES = tests/api/tcm_options.c
tests_api_tcm_options_linked_CPPFLAGS = $(tests_api_tcm_options_CPPFLAGS)
tests_api_tcm_options_linked_LDADD = libtcm.la $(CHECK_LIBS)
tests_api_tcm_options_linked_LDFLAGS = $(api_linked_flags)
endif
