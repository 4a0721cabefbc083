#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs one test program with one allocator.
#
#   way.sh WAY PROGRAM [ARGUMENT...]
#
# PROGRAM is a path below the build folder.  The ways:
#
#   preload   libtcm before libc, in a program that is not linked with it
#   debug     the same with the library that checks its own invariants
#   linked    the program DIR/linked_NAME, linked with libtcm
#   checked   preload, with the option that checks every free at once
#   bounds    preload, with red zones and the sizes of sized frees checked too
#   quarantine  the same, with freed blocks kept back and checked
#   sampled   debug, with each block a sample of the heap profile
#   guarded   the same, with as many blocks guarded as there are slots
#   page16 page64   preload, behaving as on a kernel with such pages
#   long      preload, in the long form of the test
#   glibc tcmalloc jemalloc mimalloc   other allocators, for comparison
set -eu

way=$1
program=$2
shift 2

so=${TEST_RELEASE_SO:?}
debug_so=${TEST_DEBUG_SO:?}
: "${TEST_SRCDIR:?}" "${TEST_BUILDDIR:?}"
TEST_SO=$so
export TEST_SO

# Only the way sets tcm's options.
for variable in $(env | sed -n 's/^\(TCM_[A-Za-z0-9_]*\)=.*/\1/p'); do
  unset "$variable"
done

need() {
  if [ ! -e "$1" ]; then
    echo "$1 is not there"
    exit "$2"
  fi
}

peer() {
  for file in "/usr/lib/$(uname -m)-linux-gnu/$1" "/usr/lib64/$1" \
    "/usr/lib/$1"; do
    if [ -e "$file" ]; then
      export TEST_PROOF="$1"
      preload=$file
      return
    fi
  done
  echo "$1 is not there"
  exit 77
}

folder=${program%/*}
name=${program##*/}
preload=
allocator=tcm

case $way in
preload) preload=$so ;;
debug)
  preload=$debug_so
  TEST_SO=$debug_so
  allocator=tcm-debug
  ;;
linked) program=$folder/linked_$name ;;
checked)
  preload=$so
  export TCM_CHECK=1
  ;;
bounds)
  preload=$so
  export TCM_CHECK=2
  ;;
quarantine)
  preload=$so
  export TCM_CHECK=3
  ;;
sampled)
  preload=$debug_so
  TEST_SO=$debug_so
  allocator=tcm-debug
  export TCM_PROFILE_BYTES=1
  ;;
guarded)
  preload=$debug_so
  TEST_SO=$debug_so
  allocator=tcm-debug
  export TCM_PROFILE_BYTES=1 TCM_GUARD_SAMPLES=1 TCM_GUARD_REPORT=1
  ;;
page16 | page64)
  preload=$so
  export TCM_PAGE_SIZE="$((${way#page} * 1024))"
  ;;
long)
  preload=$so
  export TEST_LONG=1
  ;;
glibc) allocator=glibc ;;
tcmalloc) peer libtcmalloc_minimal.so.4 ;;
jemalloc) peer libjemalloc.so.2 ;;
mimalloc) peer libmimalloc.so.2 ;;
*)
  echo "no such way: $way"
  exit 99
  ;;
esac

case $way in
tcmalloc | jemalloc | mimalloc) allocator=$way ;;
esac
export TEST_ALLOCATOR="$allocator"

path=$TEST_BUILDDIR/$program
need "$path" 99
if [ -n "$preload" ]; then
  need "$preload" 99
  export LD_PRELOAD="$preload"
fi
exec "$path" "$@"
