/* SPDX-License-Identifier: BSD-2-Clause */
/* Modules opened with RTLD_DEEPBIND must share the heap of their host, and
 * dlopen() must still search its caller's RUNPATH. */
#include "../support/child.h"
#include "../support/memory.h"

#include <dlfcn.h>

struct module {
  void *handle;
  char *(*copy)(const char *);
  void (*free)(void *);
  int (*dependency)(void);
  void *(*open)(const char *, int);
  int (*uses_heap)(void);
};

static const char late_library[] = "libtcm-test-late.so";

static void
find(void *library, const char *name, void *place)
{
  void *symbol = dlsym(library, name);

  CHILD_EXPECT(symbol != NULL);
  memcpy(place, &symbol, sizeof symbol);
}

static const char *
module_path(const char *name)
{
  static char path[4096];

  snprintf(path, sizeof path, "%s/tests/process/%s", getenv("TEST_BUILDDIR"),
           name);
  return path;
}

static struct module
take(void *handle)
{
  struct module module;

  if (handle == NULL)
    harness_say("  %s", dlerror());
  CHILD_EXPECT(handle != NULL);
  module.handle = handle;
  find(handle, "module_copy", &module.copy);
  find(handle, "module_free", &module.free);
  find(handle, "module_dependency", &module.dependency);
  find(handle, "module_open", &module.open);
  find(handle, "module_uses_heap", &module.uses_heap);
  return module;
}

static struct module
open_deep(void)
{
  return take(
      dlopen(module_path("deepbind_module.so"), RTLD_NOW | RTLD_DEEPBIND));
}

/* PHP crashed because the module's strdup() called libc's malloc() and the host
 * called tcm's free(). */
static void
exchange_blocks(void)
{
  struct module module = open_deep();
  int i;

  for (i = 0; i < 1000; i++) {
    char *copy = module.copy("a text that the module copies");
    CHILD_EXPECT(copy != NULL && strcmp(copy + 2, "text that the module "
                                                  "copies") == 0);
    CHILD_EXPECT(!harness_expects_tcm() || harness_owns(copy));
    free(copy);
    module.free(malloc(harness_size((size_t)i * 17)));
  }
  CHILD_EXPECT(module.uses_heap());
  CHILD_EXPECT(dlclose(module.handle) == 0);
}

/* The module's RUNPATH finds its libraries, at load time and later by name.
 * The program, which has no such path, must not find the late one. */
static void
search_by_runpath(void)
{
  struct module module;
  void *late;

  CHILD_EXPECT(dlopen(late_library, RTLD_NOW | RTLD_DEEPBIND) == NULL);
  CHILD_EXPECT(strstr(dlerror(), late_library) != NULL);
  module = open_deep();
  CHILD_EXPECT(module.dependency() == 42);
  CHILD_EXPECT(module.open("libtcm-test-absent.so", RTLD_NOW) == NULL);
  late = module.open(late_library, RTLD_NOW | RTLD_DEEPBIND);
  if (late == NULL)
    harness_say("  %s", dlerror());
  CHILD_EXPECT(late != NULL);
  CHILD_EXPECT(dlclose(late) == 0);
  late = module.open(late_library, RTLD_LAZY);
  CHILD_EXPECT(late != NULL);
  CHILD_EXPECT(dlclose(late) == 0);
}

/* Other flags keep their meaning. */
static void
use_other_flags(void)
{
  const char *path = module_path("deepbind_module.so");
  void *self = dlopen(NULL, RTLD_NOW), *handle;

  CHILD_EXPECT(self != NULL && dlsym(self, "malloc") != NULL);
  CHILD_EXPECT(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == NULL);
  CHILD_EXPECT(dlsym(RTLD_DEFAULT, "module_copy") == NULL);
  handle = dlopen(path, RTLD_NOW | RTLD_DEEPBIND | RTLD_GLOBAL);
  CHILD_EXPECT(handle != NULL);
  CHILD_EXPECT(dlsym(RTLD_DEFAULT, "module_copy") != NULL);
  CHILD_EXPECT(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == handle);
}

/* A new namespace has its own libc, and modules in it open their libraries in
 * that namespace. */
static void
use_namespace_of(const char *name)
{
  struct module module =
      take(dlmopen(LM_ID_NEWLM, module_path(name), RTLD_NOW));
  Lmid_t mine = LM_ID_BASE, of_late = LM_ID_BASE;
  char *copy;
  void *late;

  CHILD_EXPECT(module.uses_heap());
  copy = module.copy("of another namespace");
  CHILD_EXPECT(copy != NULL);
  module.free(copy);
  late = module.open(late_library, RTLD_NOW | RTLD_DEEPBIND);
  CHILD_EXPECT(late != NULL);
  CHILD_EXPECT(dlinfo(module.handle, RTLD_DI_LMID, &mine) == 0);
  CHILD_EXPECT(dlinfo(late, RTLD_DI_LMID, &of_late) == 0);
  CHILD_EXPECT(mine != LM_ID_BASE && of_late == mine);
  exchange_blocks();
}

static void
use_namespace(void)
{
  use_namespace_of("deepbind_module.so");
}

/* The same with a module that brings its own libtcm into the namespace, and so
 * calls the dlopen() of that libtcm. */
static void
use_namespace_with_tcm(void)
{
  use_namespace_of("deepbind_module_tcm.so");
}

#define IN_A_CHILD(name, work) \
  static void name(void)       \
  {                            \
    EXPECT(child_run(work));   \
  }

IN_A_CHILD(blocks_are_exchanged, exchange_blocks)
IN_A_CHILD(runpath_of_the_caller, search_by_runpath)
IN_A_CHILD(other_flags, use_other_flags)
IN_A_CHILD(own_namespace, use_namespace)
IN_A_CHILD(own_namespace_with_tcm, use_namespace_with_tcm)

static const struct harness_case cases[] = {
    {"blocks-are-exchanged", blocks_are_exchanged},
    {"runpath-of-the-caller", runpath_of_the_caller},
    {"other-flags", other_flags},
    {"own-namespace", own_namespace},
    {"own-namespace-with-tcm", own_namespace_with_tcm},
};

HARNESS_MAIN(cases)
