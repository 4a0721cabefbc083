# SPDX-License-Identifier: BSD-2-Clause
# tcm-stat and tcm-run on real targets.
check_PROGRAMS += \
	tests/tools/other_version \
	tests/tools/sick \
	tests/tools/target \
	tests/tools/waiter

tools_tests = \
	tests/tools/flame.py \
	tests/tools/profile.py \
	tests/tools/heaptrack.py \
	tests/tools/other_layout.py \
	tests/tools/pictures.py \
	tests/tools/probes.py \
	tests/tools/exporter.py \
	tests/tools/fault.py \
	tests/tools/programs.py \
	tests/tools/report.py \
	tests/tools/tcm_run.py \
	tests/tools/tcm_stat.py \
	tests/tools/top.py \
	tests/tools/torture.py \
	tests/tools/verdict.py \
	tests/tools/wake.py

TESTS += $(tools_tests)
LONG_TESTS += \
	tests/tools/report_long.sh \
	tests/tools/torture_long.sh
EXTRA_DIST += $(tools_tests) \
	tests/tools/cores/0.1.0.core.xz \
	tests/tools/cores/0.1.0.json \
	tests/tools/report_long.sh \
	tests/tools/screens.py \
	tests/tools/terminal.py \
	tests/tools/toolbox.py \
	tests/tools/torture_long.sh

# The core file of a release, which later versions of tcm-stat must read.
phony += store-core
store-core: all tests/tools/target
	$(AM_TESTS_ENVIRONMENT) \
	$(PYTHON) $(srcdir)/tests/tools/other_layout.py --store

# The pictures of doc/screens; check them by eye before each commit.
phony += screens
screens: all tests/tools/sick tests/tools/target
	$(AM_TESTS_ENVIRONMENT) \
	$(PYTHON) $(srcdir)/tests/tools/screens.py $(abs_top_srcdir)/doc/screens
