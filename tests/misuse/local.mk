# SPDX-License-Identifier: BSD-2-Clause
# One short program per misuse of a pointer; expect.tsv has the signal and the
# message that each must end with.
misuse_programs = \
	tests/misuse/double_free_large \
	tests/misuse/double_free_last \
	tests/misuse/double_free_later \
	tests/misuse/double_free_middle \
	tests/misuse/double_free_neighbours \
	tests/misuse/double_free_overwritten \
	tests/misuse/double_free_race \
	tests/misuse/double_free_returned \
	tests/misuse/double_free_thread \
	tests/misuse/foreign_mapping \
	tests/misuse/heap_deleted \
	tests/misuse/heap_deleted_block \
	tests/misuse/heap_double_free \
	tests/misuse/heap_double_free_large \
	tests/misuse/heap_interior \
	tests/misuse/heap_interior_large \
	tests/misuse/heap_overflow \
	tests/misuse/heap_unaligned \
	tests/misuse/interior_large \
	tests/misuse/interior_large_first_page \
	tests/misuse/interior_small \
	tests/misuse/never_allocated \
	tests/misuse/never_used \
	tests/misuse/overflow_1 \
	tests/misuse/overflow_8 \
	tests/misuse/overflow_large \
	tests/misuse/read_after_free \
	tests/misuse/read_after_free_large \
	tests/misuse/read_zero_bytes \
	tests/misuse/sized_alignment \
	tests/misuse/sized_larger \
	tests/misuse/sized_smaller \
	tests/misuse/small_integer \
	tests/misuse/small_integer_first \
	tests/misuse/stack_pointer \
	tests/misuse/static_object \
	tests/misuse/unaligned \
	tests/misuse/unaligned_large \
	tests/misuse/underflow_1 \
	tests/misuse/underflow_8 \
	tests/misuse/wild_pointer \
	tests/misuse/write_after_free \
	tests/misuse/write_after_free_large \
	tests/misuse/write_after_free_reused
check_PROGRAMS += $(misuse_programs)

TESTS += tests/misuse/misuse.py
EXTRA_DIST += \
	tests/misuse/expect.tsv \
	tests/misuse/heap.h \
	tests/misuse/misuse.h \
	tests/misuse/misuse.py
