/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dlopen() without RTLD_DEEPBIND, while tcm is the malloc in use.
 *
 * A module opened with that flag binds libc's own free(), and crashes when it
 * frees a block of tcm.  The flag makes the module's own symbols override the
 * program's.  That cannot work for malloc, so the flag is removed.
 *
 * libc finds the caller's run path and name space by its return address.  The
 * call must therefore be a jump, which leaves that address in place; a test
 * checks the disassembly.
 */
#include "config.h"

/* A static program has one name space and no use for this. */
#ifdef PIC

#include <dlfcn.h>

#include "base/atomics.h"
#include "base/compiler.h"

#ifdef __clang__
#define TAIL_CALL __attribute__((musttail)) return
#define ALWAYS_OPTIMIZED
#else
#define TAIL_CALL return
#define ALWAYS_OPTIMIZED __attribute__((optimize("O2")))
#endif

#ifndef RTLD_DEEPBIND
#define RTLD_DEEPBIND 0
#endif

typedef void *dlopen_function(const char *file, int mode);

/* [atomic: relaxed] libc's own; found once, not on any path of allocation */
static dlopen_function *libc_dlopen;

static COLD dlopen_function *
find_libc_dlopen(void)
{
  dlopen_function *found = (dlopen_function *)dlsym(RTLD_NEXT, "dlopen");

  atomic_store_relaxed(&libc_dlopen, found);
  return found;
}

EXPORT ALWAYS_OPTIMIZED void *
dlopen(const char *file, int mode)
{
  dlopen_function *next = atomic_load_relaxed(&libc_dlopen);

  if (unlikely(next == NULL))
    next = find_libc_dlopen();
  TAIL_CALL next(file, mode & ~RTLD_DEEPBIND);
}

#endif /* PIC */
