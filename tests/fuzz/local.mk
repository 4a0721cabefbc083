# SPDX-License-Identifier: BSD-2-Clause
# Fuzz targets that read lists of operations as text.  As tests they run the
# stored corpus and variants of it; fuzz_api also runs with all checks.  In a
# build configured with --enable-fuzzing CC=clang, "make fuzz" lets libFuzzer
# search for failures; in another build, it runs many variants.
fuzz_programs = \
	tests/fuzz/fuzz_api \
	tests/fuzz/fuzz_central_list \
	tests/fuzz/fuzz_options \
	tests/fuzz/fuzz_page_heap \
	tests/fuzz/fuzz_pagemap
check_PROGRAMS += $(fuzz_programs)
TESTS += $(fuzz_programs) tests/fuzz/guarded.sh
LONG_TESTS += tests/fuzz/long.sh
EXTRA_DIST += \
	tests/fuzz/corpus \
	tests/fuzz/fuzz.dict \
	tests/fuzz/fuzz.h \
	tests/fuzz/guarded.sh \
	tests/fuzz/long.sh

fuzz_cppflags = $(AM_CPPFLAGS) -DTCM_DEBUG=1
fuzz_ldflags = $(TCM_FUZZ_LDFLAGS)
tests_fuzz_fuzz_api_SOURCES = tests/fuzz/fuzz_api.c tests/fuzz/main.c
tests_fuzz_fuzz_api_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_api_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_api_LDADD = libtcmdebugcore.la
tests_fuzz_fuzz_central_list_SOURCES = tests/fuzz/fuzz_central_list.c tests/fuzz/main.c
tests_fuzz_fuzz_central_list_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_central_list_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_central_list_LDADD = libtcmdebugcore.la
tests_fuzz_fuzz_options_SOURCES = tests/fuzz/fuzz_options.c tests/fuzz/main.c
tests_fuzz_fuzz_options_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_options_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_options_LDADD = libtcmdebugcore.la
tests_fuzz_fuzz_page_heap_SOURCES = tests/fuzz/fuzz_page_heap.c tests/fuzz/main.c
tests_fuzz_fuzz_page_heap_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_page_heap_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_page_heap_LDADD = libtcmdebugcore.la
tests_fuzz_fuzz_pagemap_SOURCES = tests/fuzz/fuzz_pagemap.c tests/fuzz/main.c
tests_fuzz_fuzz_pagemap_CPPFLAGS = $(fuzz_cppflags)
tests_fuzz_fuzz_pagemap_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_pagemap_LDADD = libtcmdebugcore.la

# Seconds for each target; failing inputs are stored in tests/fuzz/found.
FUZZ_SECONDS = 60

fuzz: all $(fuzz_programs)
	TEST_SRCDIR='$(abs_top_srcdir)' FUZZ_SECONDS=$(FUZZ_SECONDS) \
	  $(SHELL) $(srcdir)/tests/fuzz/long.sh $(fuzz_programs)
phony += fuzz

fuzz-clean-local:
	rm -rf tests/fuzz/found
clean-local: fuzz-clean-local
phony += fuzz-clean-local
