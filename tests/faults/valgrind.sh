#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A preloaded allocator under valgrind, with the option from README: it starts,
# allocates and reuses memory.
set -eu

if ! command -v valgrind >/dev/null; then
  echo "skip: there is no valgrind"
  exit 77
fi
LD_PRELOAD="${FAULT_SO:-}" TEST_TIMEOUT=0 valgrind -q --tool=none \
  --soname-synonyms=somalloc=nouserintercepts \
  "${TEST_BUILDDIR:?}/tests/api/malloc" works-after-failure memory-is-reused
