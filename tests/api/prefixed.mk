# SPDX-License-Identifier: BSD-2-Clause
# The families under their tcm_ names; malloc is libc's: plain programs,
# which also run with a sanitizer and on another processor.
EXTRA_DIST += tests/api/names.h
api_prefixed_tests = \
	tests/api/prefixed_aligned \
	tests/api/prefixed_calloc \
	tests/api/prefixed_free \
	tests/api/prefixed_heaps \
	tests/api/prefixed_malloc \
	tests/api/prefixed_realloc \
	tests/api/prefixed_thread_bytes \
	tests/api/prefixed_usable_size \
	tests/api/prefixed_walk
check_PROGRAMS += $(api_prefixed_tests)
TESTS += $(api_prefixed_tests)
api_prefixed_cppflags = $(AM_CPPFLAGS) -DTEST_PREFIXED=1
tests_api_prefixed_aligned_SOURCES = tests/api/aligned.c
tests_api_prefixed_aligned_CPPFLAGS = $(api_prefixed_cppflags)
tests_api_prefixed_aligned_LDADD = libtcmcore.la
tests_api_prefixed_calloc_SOURCES = tests/api/calloc.c
tests_api_prefixed_calloc_CPPFLAGS = $(api_prefixed_cppflags)
tests_api_prefixed_calloc_LDADD = libtcmcore.la
tests_api_prefixed_free_SOURCES = tests/api/free.c
tests_api_prefixed_free_CPPFLAGS = $(api_prefixed_cppflags)
tests_api_prefixed_free_LDADD = libtcmcore.la
tests_api_prefixed_heaps_SOURCES = tests/api/heaps.c
tests_api_prefixed_heaps_CPPFLAGS = $(api_prefixed_cppflags)
tests_api_prefixed_heaps_LDADD = libtcmcore.la
tests_api_prefixed_malloc_SOURCES = tests/api/malloc.c
tests_api_prefixed_malloc_CPPFLAGS = $(api_prefixed_cppflags)
tests_api_prefixed_malloc_LDADD = libtcmcore.la
tests_api_prefixed_realloc_SOURCES = tests/api/realloc.c
tests_api_prefixed_realloc_CPPFLAGS = $(api_prefixed_cppflags)
tests_api_prefixed_realloc_LDADD = libtcmcore.la
tests_api_prefixed_thread_bytes_SOURCES = tests/api/thread_bytes.c
tests_api_prefixed_thread_bytes_CPPFLAGS = $(api_prefixed_cppflags)
tests_api_prefixed_thread_bytes_LDADD = libtcmcore.la
tests_api_prefixed_usable_size_SOURCES = tests/api/usable_size.c
tests_api_prefixed_usable_size_CPPFLAGS = $(api_prefixed_cppflags)
tests_api_prefixed_usable_size_LDADD = libtcmcore.la
tests_api_prefixed_walk_SOURCES = tests/api/walk.c
tests_api_prefixed_walk_CPPFLAGS = $(api_prefixed_cppflags)
tests_api_prefixed_walk_LDADD = libtcmcore.la
