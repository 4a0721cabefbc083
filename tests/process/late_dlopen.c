/* SPDX-License-Identifier: BSD-2-Clause */
/* libtcm loaded with dlopen() into a running program that keeps libc's malloc.
 * Its thread-local block must fit into the space that the dynamic linker keeps
 * for late libraries, and leave room for another one.  Nothing is preloaded. */
#include "../support/child.h"
#include "../support/memory.h"

#include <pthread.h>

/* A library with 512 bytes of initial-exec thread-local data, built from
 * tls_module.c. */
#define MODULE "/tests/process/tls_module.so"

static struct {
  void *(*malloc)(size_t);
  void (*free)(void *);
  int (*owns)(const void *);
  size_t (*release)(void);
} tcm;

static void
find(void *library, const char *name, void *place)
{
  void *symbol = dlsym(library, name);

  if (symbol == NULL)
    harness_say("  %s", dlerror());
  CHILD_EXPECT(symbol != NULL);
  memcpy(place, &symbol, sizeof symbol);
}

static void *
open_library(const char *path, int flags)
{
  void *library = dlopen(path, flags);

  if (library == NULL)
    harness_say("  %s", dlerror());
  CHILD_EXPECT(library != NULL);
  return library;
}

static void *
open_tcm(int flags)
{
  void *library = open_library(getenv("TEST_SO"), RTLD_NOW | flags);

  find(library, "tcm_malloc", &tcm.malloc);
  find(library, "tcm_free", &tcm.free);
  find(library, "tcm_owns", &tcm.owns);
  find(library, "tcm_release_free_memory", &tcm.release);
  return library;
}

static void
open_module(void)
{
  char path[4096];
  void *library;
  int (*check)(void);

  snprintf(path, sizeof path, "%s%s", getenv("TEST_BUILDDIR"), MODULE);
  library = open_library(path, RTLD_NOW);
  find(library, "tls_module_check", &check);
  CHILD_EXPECT(check());
}

static void
use_tcm(void)
{
  enum { COUNT = 2000 };
  static __thread void *block[COUNT];
  char *mine = strdup("libc's own");
  size_t i;

  for (i = 0; i < COUNT; i++) {
    block[i] = tcm.malloc(i % 900);
    CHILD_EXPECT(block[i] != NULL && tcm.owns(block[i]));
    memory_fill(block[i], i % 900, i);
  }
  for (i = 0; i < COUNT; i++) {
    CHILD_EXPECT(memory_holds(block[i], i % 900, i));
    tcm.free(block[i]);
  }
  CHILD_EXPECT(!tcm.owns(mine));
  free(mine);
}

static void *
use_tcm_in_thread(void *unused)
{
  (void)unused;
  use_tcm();
  return NULL;
}

static void
use_tcm_in_new_thread(void)
{
  pthread_t thread;

  CHILD_EXPECT(pthread_create(&thread, NULL, use_tcm_in_thread, NULL) == 0);
  pthread_join(thread, NULL);
}

static pthread_barrier_t opened;

static void *
use_tcm_when_opened(void *unused)
{
  pthread_barrier_wait(&opened);
  return use_tcm_in_thread(unused);
}

/* A thread that is older than the library can use it too. */
static void
open_alone(void)
{
  pthread_t older;

  pthread_barrier_init(&opened, NULL, 2);
  CHILD_EXPECT(pthread_create(&older, NULL, use_tcm_when_opened, NULL) == 0);
  open_tcm(RTLD_LOCAL);
  pthread_barrier_wait(&opened);
  use_tcm();
  pthread_join(older, NULL);
  use_tcm_in_new_thread();
}

static void
open_after_another(void)
{
  open_module();
  open_tcm(RTLD_LOCAL);
  use_tcm();
  use_tcm_in_new_thread();
}

static void
open_before_another(void)
{
  open_tcm(RTLD_LOCAL);
  use_tcm();
  open_module();
  use_tcm();
  use_tcm_in_new_thread();
}

/* dlclose() does not unload the code while the heap is in use. */
static void
open_and_close(void)
{
  void *library = open_tcm(RTLD_LOCAL), *kept = tcm.malloc(100);
  int i;

  use_tcm_in_new_thread();
  for (i = 0; i < 5; i++) {
    dlclose(library);
    library = open_tcm(RTLD_LOCAL);
  }
  dlclose(library);
  CHILD_EXPECT(tcm.owns(kept));
  use_tcm();
  tcm.free(kept);
}

/* Even in the global scope, tcm comes too late to replace libc's malloc in code
 * that is already bound.  Both heaps exist side by side. */
static void
open_globally(void)
{
  void *before = malloc(harness_size(1000)), *copy;

  open_tcm(RTLD_GLOBAL);
  use_tcm();
  copy = malloc(harness_size(1000));
  free(before);
  free(copy);
  use_tcm_in_new_thread();
}

static void
fork_afterwards(void)
{
  pid_t child;

  open_tcm(RTLD_LOCAL);
  use_tcm();
  child = child_fork();
  if (child == 0) {
    use_tcm();
    use_tcm_in_new_thread();
    _exit(0);
  }
  CHILD_EXPECT(child_succeeded(child));
  tcm.release();
  use_tcm();
}

#define IN_A_CHILD(name, work) \
  static void name(void)       \
  {                            \
    EXPECT(child_run(work));   \
  }

IN_A_CHILD(alone, open_alone)
IN_A_CHILD(after_another, open_after_another)
IN_A_CHILD(before_another, open_before_another)
IN_A_CHILD(closed_again, open_and_close)
IN_A_CHILD(in_the_global_scope, open_globally)
IN_A_CHILD(fork_with_it, fork_afterwards)

static const struct harness_case cases[] = {
    {"alone", alone},
    {"after-another", after_another},
    {"before-another", before_another},
    {"closed-again", closed_again},
    {"in-the-global-scope", in_the_global_scope},
    {"fork-with-it", fork_with_it},
};

HARNESS_MAIN(cases)
