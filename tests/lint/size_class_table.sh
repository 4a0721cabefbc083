#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The table of size classes in the tree equals the output of its generator.
set -u
table=$TEST_SRCDIR/lib/cache/size_class_table.h
made=$TEST_BUILDDIR/size_class_table.made
trap 'rm -f "$made"' EXIT
"$TEST_BUILDDIR/lib/cache/size_class_gen" >"$made" || exit 99
if ! [ -s "$made" ]; then
  echo "the generator made nothing"
  exit 1
fi
if ! diff -u "$table" "$made"; then
  echo "lib/cache/size_class_table.h is stale: make size-class-table"
  exit 1
fi
echo "the table is what the generator makes"
