# SPDX-License-Identifier: BSD-2-Clause
# Our own rules that a program can check, in the sources and in the built
# library.  can_fail.py shows that each check in Python can fail.
# --disable-source-lint, for those who only build a release, leaves out the
# checks of the sources.

source_lints = \
	tests/lint/bench_table.py \
	tests/lint/bootstrap.sh \
	tests/lint/can_fail.py \
	tests/lint/clang_format.sh \
	tests/lint/comment_paths.py \
	tests/lint/field_labels.py \
	tests/lint/gitignore.sh \
	tests/lint/headers_alone.py \
	tests/lint/include_floors.py \
	tests/lint/lengths.py \
	tests/lint/license.py \
	tests/lint/locked_names.py \
	tests/lint/man_lint.py \
	tests/lint/man_symbols.py \
	tests/lint/misuse_table.py \
	tests/lint/options_table.py \
	tests/lint/phrases.py \
	tests/lint/shellcheck.sh \
	tests/lint/size_class_table.sh \
	tests/lint/version.py

library_lints = \
	tests/lint/exports.py \
	tests/lint/fast_path.py \
	tests/lint/installed_paths.sh \
	tests/lint/man_examples.py \
	tests/lint/needed.py \
	tests/lint/symbol_floors.py \
	tests/lint/tls_size.py

EXTRA_DIST += \
	$(library_lints) \
	$(source_lints) \
	tests/lint/exports.txt \
	tests/lint/lengths.allow \
	tests/lint/lint.py \
	tests/lint/man_cases.py \
	tests/lint/manpage.py

if LINT
TESTS += $(library_lints)
if SOURCE_LINT
TESTS += $(source_lints)
endif
endif
