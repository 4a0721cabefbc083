#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A program that runs with more rights than its caller must not let the caller
# choose options of its allocator.  The test sets options with a visible effect.
# If a plain program does not show the effect, the test proves nothing.
set -eu

if [ "$(id -u)" != 0 ]; then
  echo "skip: only root can make a program set-user-ID"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

cat >"$work/program.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
int
main(void)
{
  unsigned char *volatile block = malloc(3000);
  void *volatile large = malloc(64 << 20);
  int byte;
  free(block);
  block = malloc(3000);
  byte = block[2000];
  free(block);
  free(large);
  printf("secure %lu, a byte of a used block %d\n", getauxval(AT_SECURE), byte);
  return 0;
}
END
library=
if [ -n "${FAULT_SO:-}" ]; then
  library=$work/${FAULT_SO##*/}
  cp -L "$FAULT_SO" "$library"
  chmod 755 "$library"
fi
# shellcheck disable=SC2086 # a compiler may carry options
${CC:-cc} -fno-builtin -o "$work/plain" "$work/program.c" \
  -Wl,--no-as-needed $library -Wl,-rpath,"$work" 2>"$work/errors" || {
  echo "skip: no program can be linked here"
  exit 77
}
cp "$work/plain" "$work/privileged"
chown 65534 "$work/privileged"
chmod 4755 "$work/privileged"

# show NAME [VARIABLE...] - prints what the program prints.
show() {
  name=$1
  shift
  env "$@" "$work/$name" >"$work/$name.out" 2>&1
  cat "$work/$name.out"
}

wishes="TCM_STATS_AT_EXIT=1 MALLOC_CONF=stats_print:true,junk:true
  MIMALLOC_VERBOSE=1 TCMALLOC_LARGE_ALLOC_REPORT_THRESHOLD=1048576
  GLIBC_TUNABLES=glibc.malloc.perturb=165"
# shellcheck disable=SC2086 # several words
if [ "$(show plain)" = "$(show plain $wishes)" ]; then
  echo "skip: no variable of this allocator shows"
  exit 77
fi
expected=$(show privileged)
case $expected in
*"secure 1"*) ;;
*)
  echo "skip: set-user-ID has no effect below $work"
  exit 77
  ;;
esac
# shellcheck disable=SC2086 # several words
if [ "$expected" != "$(show privileged $wishes)" ]; then
  echo "  not true: the privileged program ignored its caller's variables"
  head -n 5 "$work/privileged.out"
  exit 1
fi
