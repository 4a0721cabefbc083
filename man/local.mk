# SPDX-License-Identifier: BSD-2-Clause
# Manual pages.  tests/lint/man_symbols.py compares them with tcm.h, the options
# and the sources; tests/lint/man_examples.py compiles and runs their programs.

dist_man_MANS += \
	man/tcm-internals.7 \
	man/tcm-run.1 \
	man/tcm-stat.1 \
	man/tcm.7 \
	man/tcm_heap_new.3 \
	man/tcm_malloc.3 \
	man/tcm_malloc_batch.3 \
	man/tcm_malloc_usable_size.3 \
	man/tcm_option_get.3 \
	man/tcm_profile.3 \
	man/tcm_release_free_memory.3 \
	man/tcm_stats.3 \
	man/tcm_thread_bytes.3 \
	man/tcm_version.3 \
	man/tcm_walk_blocks.3

# Aliases: one line that names the page.
dist_man_MANS += \
	man/tcm_aligned_alloc.3 \
	man/tcm_calloc.3 \
	man/tcm_count_thread_bytes.3 \
	man/tcm_expand.3 \
	man/tcm_free.3 \
	man/tcm_free_aligned_sized.3 \
	man/tcm_free_batch.3 \
	man/tcm_free_sized.3 \
	man/tcm_good_size.3 \
	man/tcm_heap_aligned_alloc.3 \
	man/tcm_heap_bytes.3 \
	man/tcm_heap_calloc.3 \
	man/tcm_heap_delete.3 \
	man/tcm_heap_malloc.3 \
	man/tcm_malloc_at_least.3 \
	man/tcm_malloc_trim.3 \
	man/tcm_memalign.3 \
	man/tcm_option_info.3 \
	man/tcm_option_set.3 \
	man/tcm_owns.3 \
	man/tcm_posix_memalign.3 \
	man/tcm_profile_start.3 \
	man/tcm_profile_stop.3 \
	man/tcm_profile_write.3 \
	man/tcm_pvalloc.3 \
	man/tcm_realloc.3 \
	man/tcm_reallocarray.3 \
	man/tcm_release_at_most.3 \
	man/tcm_stats_print.3 \
	man/tcm_thread_idle.3 \
	man/tcm_valloc.3

# A page of the tree names the library where ./configure puts it by default; the
# installed page names it where it is installed.  Rejected: a tcm.7.in, which
# man and the lints could not read as it is.
install_hooks += install-man-paths
install-man-paths:
	for page in '$(DESTDIR)$(man1dir)'/tcm*.1 '$(DESTDIR)$(man7dir)'/tcm*.7; do \
	  [ -f "$$page" ] || continue; \
	  sed 's,/usr/local/lib/libtcm,$(libdir)/libtcm,g' "$$page" \
	    >"$$page.new" && cat "$$page.new" >"$$page" && rm "$$page.new" || \
	    exit 1; \
	done
phony += install-man-paths
