/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens the library TEST_SO late, in a program that runs on libc's malloc:
 * alone, and after a library that took a part of the space that the dynamic
 * linker keeps for thread-local data.  late_dlopen.c tests more, but only
 * tcm. */
#include "../support/child.h"
#include "../support/memory.h"

#include <pthread.h>

static void *(*other_malloc)(size_t);
static void (*other_free)(void *);

static void *
use_other(void *unused)
{
  void *block[500];
  size_t i;

  for (i = 0; i < 500; i++) {
    CHILD_EXPECT((block[i] = other_malloc(i * 13)) != NULL);
    memory_fill(block[i], i * 13, i);
  }
  for (i = 0; i < 500; i++) {
    CHILD_EXPECT(memory_holds(block[i], i * 13, i));
    other_free(block[i]);
  }
  return unused;
}

static void
open_library(const char *path)
{
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol;

  if (library == NULL)
    harness_say("  not true: opened: %s", dlerror());
  if (library == NULL)
    _exit(HARNESS_FAIL);
  symbol = dlsym(library, "malloc");
  memcpy(&other_malloc, &symbol, sizeof symbol);
  symbol = dlsym(library, "free");
  memcpy(&other_free, &symbol, sizeof symbol);
}

static void
open_and_use(void)
{
  pthread_t thread;

  open_library(getenv("TEST_SO"));
  CHILD_EXPECT(other_malloc != NULL && other_free != NULL);
  use_other(NULL);
  CHILD_EXPECT(pthread_create(&thread, NULL, use_other, NULL) == 0);
  pthread_join(thread, NULL);
}

static void
open_after_another(void)
{
  char path[4096];

  snprintf(path, sizeof path, "%s/tests/process/tls_module.so",
           getenv("TEST_BUILDDIR"));
  open_library(path);
  open_and_use();
}

static void
run(void (*work)(void))
{
  if (getenv("TEST_SO") == NULL)
    harness_skip("libc's malloc is there from the start");
  else
    EXPECT(child_run(work));
}

static void
alone(void)
{
  run(open_and_use);
}

static void
after_another(void)
{
  run(open_after_another);
}

static const struct harness_case cases[] = {
    {"alone", alone},
    {"after-another", after_another},
};

HARNESS_MAIN(cases)
