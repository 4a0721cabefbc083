#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A program built with AddressSanitizer, which has its own allocator, gets
# another one by LD_PRELOAD.  It must either refuse to start, with a clear
# message, or run correctly.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/program.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int
main(void)
{
  int i;
  for (i = 0; i < 10000; i++) {
    char *volatile block = malloc((size_t)i);
    memset(block, 1, (size_t)i);
    free(block);
  }
  puts("fine");
  return 0;
}
END

tried=0
for compiler in gcc clang; do
  command -v $compiler >/dev/null || continue
  $compiler -fsanitize=address -o "$work/$compiler" "$work/program.c" \
    2>/dev/null || continue
  ASAN_OPTIONS=detect_leaks=0 "$work/$compiler" >"$work/out" 2>&1 || continue
  tried=$((tried + 1))
  status=0
  LD_PRELOAD="${FAULT_SO:-}" ASAN_OPTIONS=detect_leaks=0 timeout 20 \
    "$work/$compiler" >"$work/out" 2>&1 || status=$?
  if [ "$status" = 0 ] && [ "$(cat "$work/out")" = fine ]; then
    echo "  $compiler: leaves malloc to it"
  elif [ "$status" -lt 124 ] && grep -q 'ASan runtime does not come first' \
    "$work/out"; then
    echo "  $compiler: refuses to start"
  else
    echo "  not true: $compiler's program runs or refuses; status $status"
    head -n 5 "$work/out"
    exit 1
  fi
done
if [ $tried = 0 ]; then
  echo "skip: no compiler here has the address sanitizer"
  exit 77
fi
