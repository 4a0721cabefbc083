# SPDX-License-Identifier: BSD-2-Clause
# The allocator, floor by floor from the bottom.  A file uses only its own floor
# and those listed before it.

tcm_base = \
	lib/base/atomics.h \
	lib/base/bits.h \
	lib/base/compiler.h \
	lib/base/container.c \
	lib/base/container.h \
	lib/base/format.c \
	lib/base/format.h \
	lib/base/list.h \
	lib/base/lock.c \
	lib/base/lock.h \
	lib/base/metadata.c \
	lib/base/metadata.h \
	lib/base/options.def \
	lib/base/options.h \
	lib/base/params.h \
	lib/base/probes.h \
	lib/base/random.c \
	lib/base/random.h \
	lib/base/report.c \
	lib/base/report.h \
	lib/base/system.h \
	lib/base/system_confine_linux.c \
	lib/base/system_fault_linux.c \
	lib/base/system_file_linux.c \
	lib/base/system_linux.c \
	lib/base/system_linux.h \
	lib/base/system_move_linux.c \
	lib/base/system_thread_linux.c \
	lib/base/system_unwind_linux.c \
	lib/base/system_wake_linux.c \
	lib/base/wake.h

tcm_heap = \
	lib/heap/arena.c \
	lib/heap/arena.h \
	lib/heap/arena_counts.c \
	lib/heap/arena_counts.h \
	lib/heap/clear.c \
	lib/heap/clear.h \
	lib/heap/closed.c \
	lib/heap/closed.h \
	lib/heap/hole.c \
	lib/heap/hole.h \
	lib/heap/huge_advice.c \
	lib/heap/huge_advice.h \
	lib/heap/huge_page.c \
	lib/heap/huge_page.h \
	lib/heap/huge_page_filler.c \
	lib/heap/huge_page_filler.h \
	lib/heap/large.c \
	lib/heap/large.h \
	lib/heap/mapped.c \
	lib/heap/mapped.h \
	lib/heap/page_account.c \
	lib/heap/page_account.h \
	lib/heap/page_heap.c \
	lib/heap/page_heap.h \
	lib/heap/page_heap_lock.h \
	lib/heap/page_heap_state.h \
	lib/heap/page_range.c \
	lib/heap/page_range.h \
	lib/heap/page_return.c \
	lib/heap/page_room.c \
	lib/heap/page_room.h \
	lib/heap/pagemap.h \
	lib/heap/span.c \
	lib/heap/span.h

tcm_cache = \
	lib/cache/block_run.h \
	lib/cache/cache_budget.c \
	lib/cache/cache_owner.h \
	lib/cache/cached_set.c \
	lib/cache/cached_set.h \
	lib/cache/central_fill.c \
	lib/cache/central_list.h \
	lib/cache/central_return.c \
	lib/cache/central_span.h \
	lib/cache/central_take.c \
	lib/cache/live.h \
	lib/cache/mark.c \
	lib/cache/mark.h \
	lib/cache/misuse.c \
	lib/cache/misuse.h \
	lib/cache/size_class.c \
	lib/cache/size_class.h \
	lib/cache/size_class_table.h \
	lib/cache/slab.h \
	lib/cache/thread_bytes.h \
	lib/cache/thread_cache.c \
	lib/cache/thread_cache.h \
	lib/cache/thread_cache_checked.h \
	lib/cache/thread_cache_fast.h \
	lib/cache/thread_cache_large.c \
	lib/cache/thread_cache_large.h \
	lib/cache/thread_registry.c \
	lib/cache/transfer_cache.h

tcm_profile = \
	lib/profile/guard_records.c \
	lib/profile/guard_records.h \
	lib/profile/guarded.c \
	lib/profile/guarded.h \
	lib/profile/profile.c \
	lib/profile/profile.h \
	lib/profile/profile_write.c \
	lib/profile/profile_write.h \
	lib/profile/sample_math.c \
	lib/profile/sample_math.h \
	lib/profile/unwind.c \
	lib/profile/unwind.h \
	lib/profile/unwind_cache.c \
	lib/profile/unwind_cfi.c \
	lib/profile/unwind_cfi.h \
	lib/profile/unwind_expr.c \
	lib/profile/unwind_table.c

tcm_observe = \
	lib/observe/layout.h \
	lib/observe/shapes.c \
	lib/observe/shapes.def \
	lib/observe/shapes.h \
	lib/observe/shapes_table.h \
	lib/observe/stats.c \
	lib/observe/stats.h \
	lib/observe/stats_json.c \
	lib/observe/stats_output.h \
	lib/observe/stats_page.h \
	lib/observe/stats_print.c \
	lib/observe/stats_raw.h \
	lib/observe/stats_room.h \
	lib/observe/stats_sum.c \
	lib/observe/walk.c \
	lib/observe/walk.h

tcm_process = \
	lib/process/background.c \
	lib/process/background.h \
	lib/process/cgroup_policy.c \
	lib/process/cgroup_policy.h \
	lib/process/collapse.c \
	lib/process/collapse.h \
	lib/process/fault.c \
	lib/process/fault.h \
	lib/process/fork.c \
	lib/process/fork.h \
	lib/process/lifecycle.c \
	lib/process/lifecycle.h \
	lib/process/pin.c \
	lib/process/pin.h \
	lib/process/profile_files.c \
	lib/process/profile_files.h \
	lib/process/release.c \
	lib/process/release.h \
	lib/process/request.c \
	lib/process/request.h \
	lib/process/rounds.c \
	lib/process/rounds.h

tcm_front = \
	lib/front/allocate.c \
	lib/front/allocate.h \
	lib/front/block_check.c \
	lib/front/block_check.h \
	lib/front/counting.c \
	lib/front/counting.h \
	lib/front/guard.c \
	lib/front/guard.h \
	lib/front/guard_pattern.c \
	lib/front/guard_pattern.h \
	lib/front/heap_check.c \
	lib/front/heap_check.h \
	lib/front/heaps.c \
	lib/front/heaps.h \
	lib/front/raw.c \
	lib/front/raw.h \
	lib/front/reallocate.c \
	lib/front/reallocate.h

tcm_api = \
	lib/api/batch.c \
	lib/api/names.h \
	lib/api/profile.c \
	lib/api/tcm.c

# The standard names.  dlopen.c is empty unless PIC is defined; libtool defines
# it only for the shared library's objects.  A static program does not need
# dlopen.c.
tcm_override = \
	lib/api/alone.c \
	lib/api/dlopen.c \
	lib/api/malloc.c \
	lib/api/owner.c \
	lib/api/owner.h

# Listed separately because the operators throw: they need their own flag.
tcm_operators = \
	lib/api/catch.c \
	lib/api/catch.h \
	lib/api/new_delete.c \
	lib/api/new_delete.h \
	lib/api/new_delete_forward.c

# Linked last: each has a table of which a small process uses at most one page.
# Between the small variables of the other files, a table would spread these
# variables over more pages.
tcm_tables = \
	lib/base/options.c \
	lib/heap/pagemap.c \
	lib/cache/central_list.c \
	lib/cache/slab.c \
	lib/cache/transfer_cache.c \
	lib/profile/profile_table.c \
	lib/observe/stats_room.c

tcm_core = $(tcm_base) $(tcm_heap) $(tcm_cache) $(tcm_profile) $(tcm_observe) \
	$(tcm_process) $(tcm_front) $(tcm_api) $(tcm_tables)

EXTRA_DIST += \
	lib/api/tcm.map \
	$(tcm_override) \
	$(tcm_operators)

# ---- The core: only the tcm_* names; malloc is libc's ----------------------
noinst_LTLIBRARIES += libtcmcore.la
libtcmcore_la_SOURCES = $(tcm_core)

# The same with assertions, lock ranks, heap walks and fault injection.
check_LTLIBRARIES += libtcmdebugcore.la
libtcmdebugcore_la_SOURCES = $(tcm_core)
libtcmdebugcore_la_CPPFLAGS = $(AM_CPPFLAGS) -DTCM_DEBUG=1

tcm_link_flags = -no-undefined $(TCM_LDFLAGS)
if VERSION_SCRIPT
tcm_link_flags += -Wl,--version-script=$(top_srcdir)/lib/api/tcm.map
endif

# ---- The library ---------------------------------------------------------
if LIBRARY
lib_LTLIBRARIES += libtcm.la
libtcm_la_SOURCES =
libtcm_la_LIBADD = libtcmcore.la
libtcm_la_LDFLAGS = -version-info $(TCM_VERSION_INFO) $(tcm_link_flags)
EXTRA_libtcm_la_DEPENDENCIES = lib/api/tcm.map
if OVERRIDE
libtcm_la_SOURCES += $(tcm_override)
libtcm_la_LIBADD += libtcmoperators.la
noinst_LTLIBRARIES += libtcmoperators.la
libtcmoperators_la_SOURCES = $(tcm_operators)
libtcmoperators_la_CFLAGS = $(AM_CFLAGS) $(TCM_EXCEPTIONS_CFLAGS)
endif
endif

# ---- The debug library, to preload in tests; never installed -----------------
if PRELOAD
check_LTLIBRARIES += libtcm-debug.la libtcmdebugoperators.la
libtcm_debug_la_SOURCES = $(tcm_override)
libtcm_debug_la_CPPFLAGS = $(libtcmdebugcore_la_CPPFLAGS)
libtcm_debug_la_LIBADD = libtcmdebugcore.la libtcmdebugoperators.la
# Without an -rpath libtool would make an archive only.
libtcm_debug_la_LDFLAGS = -rpath $(libdir) -version-info 0:0:0 \
	-shared $(tcm_link_flags)
EXTRA_libtcm_debug_la_DEPENDENCIES = lib/api/tcm.map
libtcmdebugoperators_la_SOURCES = $(tcm_operators)
libtcmdebugoperators_la_CPPFLAGS = $(libtcmdebugcore_la_CPPFLAGS)
libtcmdebugoperators_la_CFLAGS = $(libtcmoperators_la_CFLAGS)
endif

# ---- The table of size classes ---------------------------------------------
# The table is kept in the tree; tests/lint/size_class_table.sh generates it
# again and compares.  Run "make size-class-table" after changing the generator.
check_PROGRAMS += lib/cache/size_class_gen
lib_cache_size_class_gen_SOURCES = lib/cache/size_class_gen.c

size-class-table: lib/cache/size_class_gen$(EXEEXT)
	./lib/cache/size_class_gen$(EXEEXT) > $(srcdir)/lib/cache/size_class_table.h
phony += size-class-table
