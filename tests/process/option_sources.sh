#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Options that a program compiled in (tcm_options), and those in /etc/tcm.conf:
# in a program that is linked with tcm, in one that exports the name and runs
# with a preloaded tcm, and against the environment.  The file is tried in a
# mount namespace whose /etc is empty otherwise.
set -eu
# shellcheck source=tests/support/toolchain.sh
. "${TEST_SRCDIR:?}/tests/support/toolchain.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
so=${TEST_RELEASE_SO:?}
libdir=$(dirname "$so")
failures=0
# The test alone decides about tcm's options.
for variable in $(env | sed -n 's/^\(TCM_[A-Za-z0-9_]*\)=.*/\1/p'); do
  unset "$variable"
done

cat >"$work/program.c" <<'END'
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tcm.h>

#ifdef OPTIONS
const char tcm_options[] = OPTIONS;
#endif

int
main(void)
{
  int (*get)(const char *, uint64_t *);
  void *symbol = dlsym(RTLD_DEFAULT, "tcm_option_get");
  uint64_t check = 99, soft = 99;

  if (symbol == NULL)
    return 1;
  memcpy(&get, &symbol, sizeof get);
  free(malloc(10));
  if (get("check", &check) != 0 || get("soft_limit_bytes", &soft) != 0)
    return 1;
  printf("%llu %llu\n", (unsigned long long)check, (unsigned long long)soft);
  return 0;
}
END

# build NAME FLAGS...
build()
{
  out=$work/$1
  shift
  # shellcheck disable=SC2086 # $CC may carry options
  $CC -o "$out" -I"$TEST_SRCDIR/include" "$work/program.c" "$@" -ldl
}

# expect WHAT WORDS COMMAND... - standard output and error of the command.
expect()
{
  what=$1
  words=$2
  shift 2
  said=$("$@" 2>&1) || said="$said, and failed"
  if [ "$said" = "$words" ]; then
    echo "pass $what"
  else
    echo "FAIL $what: \"$said\", not \"$words\""
    failures=$((failures + 1))
  fi
}

options='-DOPTIONS="TCM_SOFT_LIMIT_BYTES=1M # of the program"'
cp "$so" "$work/libtcm.so.0"
build linked "$options" -L"$libdir" -ltcm -Wl,-rpath,"$work"
build exporting "$options" -rdynamic
build plain

expect "compiled in, linked" "0 1048576" "$work/linked"
expect "compiled in, exported and preloaded" "0 1048576" \
  env LD_PRELOAD="$so" "$work/exporting"
expect "the environment overrides the program" "0 2097152" \
  env TCM_SOFT_LIMIT_BYTES=2M "$work/linked"

# Each command runs where /etc has only the file.
in_etc()
{
  # shellcheck disable=SC2086,SC2016 # $enter is several words; the inner shell
  # expands the others
  $enter sh -c 'mount -t tmpfs none /etc && cp "$0" /etc/tcm.conf && exec "$@"' \
    "$work/tcm.conf" "$@"
}

enter="unshare --mount"
[ "$(id -u)" = 0 ] || enter="unshare --user --map-root-user --mount"
: >"$work/tcm.conf"
if ! in_etc true 2>/dev/null; then
  echo "skip the file: no mount namespace can be made here"
  [ $failures = 0 ] || exit 1
  exit 0
fi
printf '%s\n' '# for every process' TCM_CHECK=1 TCM_SOFT_LIMIT_BYTES=3M \
  >"$work/tcm.conf"
expect "the file" "1 3145728" in_etc env LD_PRELOAD="$so" "$work/plain"
expect "the program overrides the file" "1 1048576" in_etc "$work/linked"
expect "the environment overrides both" "2 2097152" \
  in_etc env TCM_CHECK=2 TCM_SOFT_LIMIT_BYTES=2M "$work/linked"
echo "TCM_CHECK=yes" >"$work/tcm.conf"
expect "a mistake in the file" "tcm: /etc/tcm.conf: TCM_CHECK=yes is not a number\
 from 0 to 3; tcm uses the default, 0
0 1048576" in_etc "$work/linked"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  chmod 755 "$work"
  cp "$work/linked" "$work/privileged"
  chmod 4755 "$work/privileged"
  expect "a privileged process ignores the file" "0 1048576" in_etc \
    setpriv --reuid 65534 --clear-groups "$work/privileged"
fi
[ $failures = 0 ]
