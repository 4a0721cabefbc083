# SPDX-License-Identifier: BSD-2-Clause
# The benchmarks: "make bench" measures time, "make bench-instructions" counts
# instructions, and tests/bench/quick.py tests that both run.
bench_programs = \
	tests/bench/curve \
	tests/bench/idle \
	tests/bench/known \
	tests/bench/latency \
	tests/bench/launch \
	tests/bench/pack \
	tests/bench/replay \
	tests/bench/trivial \
	tests/bench/workload
check_PROGRAMS += $(bench_programs)
bench_modules = \
	tests/bench/libhuge.la \
	tests/bench/libtracer.la
check_LTLIBRARIES += $(bench_modules)

# Built like ordinary programs, without the library's flags, except that the
# compiler must not optimize away calls of malloc.
bench_cflags = -std=gnu11 -pthread -Wall -Wextra -Wstrict-prototypes \
	-Wmissing-prototypes -fno-builtin-malloc -fno-builtin-calloc \
	-fno-builtin-realloc -fno-builtin-free
tests_bench_curve_CFLAGS = $(bench_cflags)
tests_bench_curve_LDADD = -ldl
tests_bench_curve_SOURCES = \
	tests/bench/curve.c \
	tests/bench/process.h \
	tests/bench/workload.h
tests_bench_idle_CFLAGS = $(bench_cflags)
tests_bench_idle_LDADD = -ldl
tests_bench_idle_SOURCES = \
	tests/bench/idle.c \
	tests/bench/process.h \
	tests/bench/workload.h
tests_bench_latency_CFLAGS = $(bench_cflags)
tests_bench_latency_LDADD = -ldl
tests_bench_latency_SOURCES = \
	tests/bench/latency.c \
	tests/bench/process.h \
	tests/bench/workload.h
tests_bench_launch_CFLAGS = $(bench_cflags)
tests_bench_known_CFLAGS = $(bench_cflags)
tests_bench_pack_CFLAGS = $(bench_cflags)
tests_bench_pack_SOURCES = \
	tests/bench/pack.c \
	tests/bench/plan.c \
	tests/bench/plan.h \
	tests/bench/trace.h
tests_bench_replay_CFLAGS = $(bench_cflags)
tests_bench_replay_LDADD = -ldl
tests_bench_replay_SOURCES = \
	tests/bench/process.h \
	tests/bench/replay.c \
	tests/bench/trace.h
tests_bench_trivial_CFLAGS = $(bench_cflags)
tests_bench_workload_CFLAGS = $(bench_cflags)
tests_bench_workload_LDADD = -ldl
tests_bench_workload_SOURCES = \
	tests/bench/batches.c \
	tests/bench/churn.c \
	tests/bench/crowd.c \
	tests/bench/exchange.c \
	tests/bench/growth.c \
	tests/bench/heaps.c \
	tests/bench/large.c \
	tests/bench/pairs.c \
	tests/bench/pipeline.c \
	tests/bench/process.h \
	tests/bench/replace.c \
	tests/bench/server.c \
	tests/bench/sharing.c \
	tests/bench/stress.c \
	tests/bench/workload.c \
	tests/bench/workload.h \
	tests/bench/zeroed.c

# Modules to preload.  libtool builds them only with an -rpath, although they
# are never installed.
bench_module_ldflags = -module -avoid-version \
	-rpath $(abs_builddir)/tests/bench
tests_bench_libhuge_la_CFLAGS = $(bench_cflags)
tests_bench_libhuge_la_LDFLAGS = $(bench_module_ldflags)
tests_bench_libhuge_la_SOURCES = tests/bench/huge.c
tests_bench_libtracer_la_CFLAGS = $(bench_cflags)
tests_bench_libtracer_la_LDFLAGS = $(bench_module_ldflags)
tests_bench_libtracer_la_SOURCES = \
	tests/bench/trace.h \
	tests/bench/tracer.c

bench_tests = \
	tests/bench/instructions.py \
	tests/bench/instruments.py \
	tests/bench/quick.py \
	tests/bench/tracing.py
TESTS += $(bench_tests)
EXTRA_DIST += $(bench_tests) \
	tests/bench/bench-compare.py \
	tests/bench/bench-curves.py \
	tests/bench/bench-huge.py \
	tests/bench/bench-instructions.py \
	tests/bench/bench-keep.py \
	tests/bench/bench-idle.py \
	tests/bench/bench-latency.py \
	tests/bench/bench-locks.py \
	tests/bench/bench-page.py \
	tests/bench/bench-scaling.py \
	tests/bench/bench-traces.py \
	tests/bench/bench.py \
	tests/bench/curves.py \
	tests/bench/kept.py \
	tests/bench/latencies.py \
	tests/bench/machine.py \
	tests/bench/measure.py \
	tests/bench/page.py \
	tests/bench/programs.py \
	tests/bench/recorder.py \
	tests/bench/rows.py \
	tests/bench/runner.py \
	tests/bench/services.py \
	tests/bench/summary.py \
	tests/bench/table.py

# BENCHFLAGS has further options, for example --rows 'pairs*' --rounds 9.
bench_options = --programs tests/bench \
	--tcm '$(abs_top_builddir)/.libs/libtcm.so.0'
bench_debug =
if DEBUG
bench_debug += -DTCM_DEBUG=1
endif

bench_needs = all $(bench_programs) $(bench_modules)

bench: $(bench_needs)
	$(PYTHON) $(srcdir)/tests/bench/bench.py $(bench_options) \
	  --flags='$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)' \
	  --own-flags='$(bench_debug) $(TCM_CFLAGS) $(TCM_LDFLAGS)' \
	  --json tests/bench/bench.json --table tests/bench/bench.txt \
	  --page tests/bench/bench.html $(BENCHFLAGS)

bench-instructions: $(bench_needs)
	$(PYTHON) $(srcdir)/tests/bench/bench-instructions.py $(bench_options) \
	  --json tests/bench/instructions.json $(BENCHFLAGS)

bench-locks: $(bench_needs) libtcm-debug.la
	$(PYTHON) $(srcdir)/tests/bench/bench-locks.py --programs tests/bench \
	  --tcm '$(abs_top_builddir)/.libs/libtcm-debug.so.0' \
	  --table tests/bench/locks.txt $(BENCHFLAGS)

bench-traces: $(bench_needs)
	$(PYTHON) $(srcdir)/tests/bench/bench-traces.py $(bench_options) \
	  --json tests/bench/traces.json --table tests/bench/traces.txt \
	  $(BENCHFLAGS)

bench-scaling: $(bench_needs)
	$(PYTHON) $(srcdir)/tests/bench/bench-scaling.py $(bench_options) \
	  --json tests/bench/scaling.json --table tests/bench/scaling.txt \
	  $(BENCHFLAGS)

bench-curves: $(bench_needs)
	$(PYTHON) $(srcdir)/tests/bench/bench-curves.py $(bench_options) \
	  --json tests/bench/curves.json --table tests/bench/curves.txt \
	  $(BENCHFLAGS)

bench-huge: $(bench_needs)
	$(PYTHON) $(srcdir)/tests/bench/bench-huge.py $(bench_options) \
	  --json tests/bench/huge.json --table tests/bench/huge.txt \
	  $(BENCHFLAGS)

bench-idle: $(bench_needs)
	$(PYTHON) $(srcdir)/tests/bench/bench-idle.py $(bench_options) \
	  --json tests/bench/idle.json --table tests/bench/idle.txt \
	  $(BENCHFLAGS)

bench-latency: $(bench_needs)
	$(PYTHON) $(srcdir)/tests/bench/bench-latency.py $(bench_options) \
	  --json tests/bench/latency.json --table tests/bench/latency.txt \
	  $(BENCHFLAGS)

# All measurements so far, on one page.
bench-page:
	$(PYTHON) $(srcdir)/tests/bench/bench-page.py tests/bench \
	  tests/bench/bench.html

# The same page, kept in the tree, with the data for README's table; afterward
# tests/lint/bench_table.py --print prints the table.
bench-keep:
	$(PYTHON) $(srcdir)/tests/bench/bench-keep.py tests/bench \
	  $(abs_top_srcdir)/doc

CLEANFILES += \
	tests/bench/bench.html \
	tests/bench/bench.json \
	tests/bench/bench.txt \
	tests/bench/curves.json \
	tests/bench/curves.txt \
	tests/bench/huge.json \
	tests/bench/huge.txt \
	tests/bench/instructions.json \
	tests/bench/idle.json \
	tests/bench/idle.txt \
	tests/bench/latency.json \
	tests/bench/latency.txt \
	tests/bench/locks.txt \
	tests/bench/scaling.json \
	tests/bench/scaling.txt \
	tests/bench/traces.json \
	tests/bench/traces.txt
