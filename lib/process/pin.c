/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libtcm.so is linked with -z nodelete.  A module with the archive in it is
 * linked with its own flags, so it asks the loader at run time to keep it
 * mapped.
 *
 * It asks in a constructor, where dlopen() is allowed: the thread holds the
 * loader's lock already, and holds none of tcm's.  Rejected: asking at the
 * first allocation, which may come from inside the loader.
 */
#include "config.h"

#include "process/pin.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>

#include "base/compiler.h"

/* Weak, so that this does not link a loader into a static program.  dlopen() is
 * looked up at run time, since a reference to it makes a static linker warn. */
extern __typeof__(dladdr) dladdr WEAK;
extern __typeof__(dlsym) dlsym WEAK;
typedef void *dlopen_function(const char *file, int mode);

/* The dynamic section of the file that this is linked into; a static program
 * has none. */
extern ElfW(Dyn) _DYNAMIC[] WEAK __attribute__((visibility("hidden")));

/* Only programs have DT_DEBUG. */
static bool
can_be_closed(void)
{
  if (_DYNAMIC == NULL)
    return false;
  for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == DT_DEBUG ||
        (entry->d_tag == DT_FLAGS_1 && (entry->d_un.d_val & DF_1_NODELETE)))
      return false;
  return true;
}

/* @file is the loader's name for the module, so that no file is opened. */
static void
keep_open(const char *file)
{
  dlopen_function *open_module =
      (dlopen_function *)dlsym(RTLD_DEFAULT, "dlopen");

  if (open_module != NULL)
    (void)open_module(file, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

void
tcmi_pin(void)
{
  int saved = errno;
  Dl_info module;

  if (!can_be_closed() || dladdr == NULL || dlsym == NULL)
    return;
  if (dladdr((const void *)(uintptr_t)&tcmi_pin, &module) != 0)
    keep_open(module.dli_fname);
  errno = saved;
}
