# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
# The scripts in tests/variants source this file first.  Each script builds and
# tests another configuration in its own folder below ./build/variants.  It
# exits with 0 for passed, 77 for skipped, anything else for failed.
# build-aux/check-all runs all of them.
set -eu

name=$(basename "$0" .sh)
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/build/variants/$name
jobs=${VARIANT_JOBS-2}

# need PROGRAM... - skip the variant unless all are installed.
need()
{
  for program in "$@"; do
    command -v "$program" >/dev/null || {
      echo "there is no $program"
      exit 77
    }
  done
}

# configure_variant ARGUMENT... - enter the folder of the variant, configured
# with these arguments.  A folder already configured with them is kept.
configure_variant()
{
  mkdir -p "$here"
  cd "$here"
  if [ -f config.status ] && [ "$(cat arguments)" = "$*" ]; then
    return 0
  fi
  rm -rf "$here"
  mkdir -p "$here"
  cd "$here"
  "$top/configure" --quiet "$@"
  echo "$*" >arguments
}

# check_variant MAKE-ARGUMENT... - build and run "make check"; show the log of
# each test that failed.  Fails also if no test passed.
check_variant()
{
  run_tests check "$@"
}

# check_only TEST... - the same for these tests alone; no other is built.
check_only()
{
  logs=
  for test in "$@"; do
    logs="$logs ${test%.??}.log"
  done
  # shellcheck disable=SC2086
  run_tests $logs
}

# show_results DIRECTORY - set $passed to the number of tests below it that
# passed; print the logs of those that failed, and return 1 if any failed.
show_results()
{
  passed=0
  all_well=0
  for trs in $(find "$1" -name '*.trs' | sort); do
    result=$(sed -n 's/^:global-test-result: //p' "$trs")
    case $result in
    PASS) passed=$((passed + 1)) ;;
    SKIP) ;;
    *)
      all_well=1
      echo "---- $result: ${trs%.trs}"
      tail -n 40 "${trs%.trs}.log"
      ;;
    esac
  done
  echo "$name: $passed tests passed"
  return $all_well
}

run_tests()
{
  find tests -name '*.trs' -exec rm -f {} +
  find tests -name '*.log' -exec rm -f {} +
  status=0
  make -j"$jobs" all
  make -k -j"$jobs" "$@" || status=1
  show_results tests || status=1
  if [ $passed = 0 ] || [ $status != 0 ]; then
    exit 1
  fi
}
