# SPDX-License-Identifier: BSD-2-Clause
# One program per module of lib/, with Check and the debug core: its assertions,
# lock ranks, heap walk and fault injection.
EXTRA_DIST += tests/unit/frame_module.c tests/unit/long.sh tests/unit/unit.h

if HAVE_CHECK
unit_tests = \
	tests/unit/test_allocate \
	tests/unit/test_arena \
	tests/unit/test_background \
	tests/unit/test_bits \
	tests/unit/test_central_list \
	tests/unit/test_clear \
	tests/unit/test_closed \
	tests/unit/test_container \
	tests/unit/test_fork \
	tests/unit/test_format \
	tests/unit/test_guard \
	tests/unit/test_guarded \
	tests/unit/test_heap_check \
	tests/unit/test_huge_page \
	tests/unit/test_huge_page_filler \
	tests/unit/test_large \
	tests/unit/test_lifecycle \
	tests/unit/test_list \
	tests/unit/test_lock \
	tests/unit/test_mapped \
	tests/unit/test_metadata \
	tests/unit/test_option_texts \
	tests/unit/test_options \
	tests/unit/test_page_heap \
	tests/unit/test_page_range \
	tests/unit/test_pagemap \
	tests/unit/test_profile \
	tests/unit/test_reallocate \
	tests/unit/test_limits \
	tests/unit/test_release \
	tests/unit/test_report \
	tests/unit/test_request \
	tests/unit/test_size_class \
	tests/unit/test_slab \
	tests/unit/test_span \
	tests/unit/test_stats \
	tests/unit/test_system \
	tests/unit/test_thread_cache \
	tests/unit/test_thread_registry \
	tests/unit/test_transfer_cache \
	tests/unit/test_unwind
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
LONG_TESTS += tests/unit/long.sh

unit_cppflags = $(AM_CPPFLAGS) -DTCM_DEBUG=1 $(CHECK_CFLAGS)
unit_ldadd = libtcmdebugcore.la $(CHECK_LIBS)
tests_unit_test_allocate_CPPFLAGS = $(unit_cppflags)
tests_unit_test_allocate_LDADD = $(unit_ldadd)
tests_unit_test_arena_CPPFLAGS = $(unit_cppflags)
tests_unit_test_arena_LDADD = $(unit_ldadd)
tests_unit_test_background_CPPFLAGS = $(unit_cppflags)
tests_unit_test_background_LDADD = $(unit_ldadd)
tests_unit_test_bits_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bits_LDADD = $(unit_ldadd)
tests_unit_test_central_list_CPPFLAGS = $(unit_cppflags)
tests_unit_test_central_list_LDADD = $(unit_ldadd)
tests_unit_test_clear_CPPFLAGS = $(unit_cppflags)
tests_unit_test_clear_LDADD = $(unit_ldadd)
tests_unit_test_closed_CPPFLAGS = $(unit_cppflags)
tests_unit_test_closed_LDADD = $(unit_ldadd)
tests_unit_test_container_CPPFLAGS = $(unit_cppflags)
tests_unit_test_container_LDADD = $(unit_ldadd)
tests_unit_test_fork_CPPFLAGS = $(unit_cppflags)
tests_unit_test_fork_LDADD = $(unit_ldadd)
tests_unit_test_format_CPPFLAGS = $(unit_cppflags)
tests_unit_test_format_LDADD = $(unit_ldadd)
tests_unit_test_guard_CPPFLAGS = $(unit_cppflags)
tests_unit_test_guard_LDADD = $(unit_ldadd)
tests_unit_test_guarded_CPPFLAGS = $(unit_cppflags)
tests_unit_test_guarded_LDADD = $(unit_ldadd)
tests_unit_test_heap_check_CPPFLAGS = $(unit_cppflags)
tests_unit_test_heap_check_LDADD = $(unit_ldadd)
tests_unit_test_huge_page_CPPFLAGS = $(unit_cppflags)
tests_unit_test_huge_page_LDADD = $(unit_ldadd)
tests_unit_test_huge_page_filler_CPPFLAGS = $(unit_cppflags)
tests_unit_test_huge_page_filler_LDADD = $(unit_ldadd)
tests_unit_test_large_CPPFLAGS = $(unit_cppflags)
tests_unit_test_large_LDADD = $(unit_ldadd)
tests_unit_test_lifecycle_CPPFLAGS = $(unit_cppflags)
tests_unit_test_lifecycle_LDADD = $(unit_ldadd)
tests_unit_test_list_CPPFLAGS = $(unit_cppflags)
tests_unit_test_list_LDADD = $(unit_ldadd)
tests_unit_test_lock_CPPFLAGS = $(unit_cppflags)
tests_unit_test_lock_LDADD = $(unit_ldadd)
tests_unit_test_mapped_CPPFLAGS = $(unit_cppflags)
tests_unit_test_mapped_LDADD = $(unit_ldadd)
tests_unit_test_metadata_CPPFLAGS = $(unit_cppflags)
tests_unit_test_metadata_LDADD = $(unit_ldadd)
tests_unit_test_option_texts_CPPFLAGS = $(unit_cppflags)
tests_unit_test_option_texts_LDADD = $(unit_ldadd)
tests_unit_test_options_CPPFLAGS = $(unit_cppflags)
tests_unit_test_options_LDADD = $(unit_ldadd)
tests_unit_test_page_heap_CPPFLAGS = $(unit_cppflags)
tests_unit_test_page_heap_LDADD = $(unit_ldadd)
tests_unit_test_page_range_CPPFLAGS = $(unit_cppflags)
tests_unit_test_page_range_LDADD = $(unit_ldadd)
tests_unit_test_pagemap_CPPFLAGS = $(unit_cppflags)
tests_unit_test_pagemap_LDADD = $(unit_ldadd)
tests_unit_test_profile_CPPFLAGS = $(unit_cppflags)
tests_unit_test_profile_LDADD = $(unit_ldadd) -lm
tests_unit_test_reallocate_CPPFLAGS = $(unit_cppflags)
tests_unit_test_reallocate_LDADD = $(unit_ldadd)
tests_unit_test_limits_CPPFLAGS = $(unit_cppflags)
tests_unit_test_limits_LDADD = $(unit_ldadd)
tests_unit_test_release_CPPFLAGS = $(unit_cppflags)
tests_unit_test_release_LDADD = $(unit_ldadd)
tests_unit_test_report_CPPFLAGS = $(unit_cppflags)
tests_unit_test_report_LDADD = $(unit_ldadd)
tests_unit_test_request_CPPFLAGS = $(unit_cppflags)
tests_unit_test_request_LDADD = $(unit_ldadd)
tests_unit_test_size_class_CPPFLAGS = $(unit_cppflags)
tests_unit_test_size_class_LDADD = $(unit_ldadd)
tests_unit_test_slab_CPPFLAGS = $(unit_cppflags)
tests_unit_test_slab_LDADD = $(unit_ldadd)
tests_unit_test_span_CPPFLAGS = $(unit_cppflags)
tests_unit_test_span_LDADD = $(unit_ldadd)
tests_unit_test_stats_CPPFLAGS = $(unit_cppflags)
tests_unit_test_stats_LDADD = $(unit_ldadd)
tests_unit_test_system_CPPFLAGS = $(unit_cppflags)
tests_unit_test_system_LDADD = $(unit_ldadd)
tests_unit_test_thread_cache_CPPFLAGS = $(unit_cppflags)
tests_unit_test_thread_cache_LDADD = $(unit_ldadd)
tests_unit_test_thread_registry_CPPFLAGS = $(unit_cppflags)
tests_unit_test_thread_registry_LDADD = $(unit_ldadd)
tests_unit_test_transfer_cache_CPPFLAGS = $(unit_cppflags)
tests_unit_test_transfer_cache_LDADD = $(unit_ldadd)
tests_unit_test_unwind_CPPFLAGS = $(unit_cppflags)
tests_unit_test_unwind_LDADD = $(unit_ldadd)
EXTRA_tests_unit_test_unwind_DEPENDENCIES = $(unit_modules)

# Twins, built without libtool, as the modules of tests/process are.
unit_modules = tests/unit/frame_large.so tests/unit/frame_small.so
CLEANFILES += $(unit_modules)

tests/unit/frame_small.so: tests/unit/frame_module.c
	$(module_link) $(srcdir)/tests/unit/frame_module.c -DFRAME_ROOM=40

tests/unit/frame_large.so: tests/unit/frame_module.c
	$(module_link) $(srcdir)/tests/unit/frame_module.c -DFRAME_ROOM=72
endif
