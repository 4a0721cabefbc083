#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tcm.h compiles without a warning in every standard of C and C++.  long long is
# allowed, because <stdint.h> needs it in C89.  Standards that a compiler does
# not support are skipped.
set -u
# shellcheck source=tests/support/toolchain.sh
. "${TEST_SRCDIR:?}/tests/support/toolchain.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/use.c" <<'END'
#include "tcm.h"

int
main(void)
{
  void *block = tcm_calloc(1, 2);

  tcm_free(block);
  return tcm_version() == NULL;
}
END
cp "$work/use.c" "$work/use.cc"
echo 'int main() { return 0; }' >"$work/empty.c"
cp "$work/empty.c" "$work/empty.cc"
status=0
count=0

# shellcheck disable=SC2086 # a compiler may carry options
# try COMPILER SUFFIX STANDARD...
try()
{
  compiler=$1
  suffix=$2
  shift 2
  command -v "${compiler%% *}" >/dev/null || return 0
  for standard in "$@"; do
    $compiler -std="$standard" -fsyntax-only "$work/empty.$suffix" 2>"$work/no" ||
      continue
    count=$((count + 1))
    $compiler -std="$standard" -pedantic-errors -Wno-long-long -Wall -Wextra \
      -Werror -I"$TEST_SRCDIR/include" -fsyntax-only "$work/use.$suffix" || {
      echo "FAIL $compiler -std=$standard"
      status=1
    }
  done
}

for compiler in "$CC" gcc clang; do
  try "$compiler" c c89 gnu89 c99 c11 c17 c2x c23
done
for compiler in g++ clang++; do
  try "$compiler" cc c++98 c++03 c++11 c++14 c++17 c++20 c++2b c++23
done
echo "$count standards"
[ $count != 0 ] || status=1
exit $status
