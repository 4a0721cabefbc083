# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# For scripts that compile a program: which compilers there are.

CC=${CC:-cc}

# need_cxx - sets CXX, or ends the test as skipped.
need_cxx() {
  for CXX in ${CXX:-} g++ clang++ c++; do
    if command -v "$CXX" >/dev/null; then
      return
    fi
  done
  echo "skip: no C++ compiler"
  exit 77
}

# can_link_statically COMPILER - whether a -static program can be made at all.
can_link_statically() {
  toolchain_out=$(mktemp)
  toolchain_answer=1
  if echo 'int main(void) { return 0; }' |
    ${1} -static -x c - -o "$toolchain_out" 2>/dev/null; then
    toolchain_answer=0
  fi
  rm -f "$toolchain_out"
  return $toolchain_answer
}
