/* SPDX-License-Identifier: BSD-2-Clause */
/* A module that is linked with the static library is closed while a thread that
 * used it still runs.  When the thread ends, it runs the library's code. */
#include "../support/child.h"

#include <pthread.h>
#include <semaphore.h>

static sem_t used, closed;

static const char *
module_path(void)
{
  static char path[4096];

  snprintf(path, sizeof path, "%s/tests/process/closed_module.so",
           getenv("TEST_BUILDDIR"));
  return path;
}

static void *
use(void *function)
{
  int (*work)(void);

  memcpy(&work, &function, sizeof work);
  CHILD_EXPECT(work() == 0);
  sem_post(&used);
  sem_wait(&closed);
  return NULL;
}

/* Closes the module before the thread ends if @early, otherwise after it. */
static void
open_use_close(int early)
{
  void *module = dlopen(module_path(), RTLD_NOW), *work;
  pthread_t thread;

  if (module == NULL)
    harness_say("  %s", dlerror());
  CHILD_EXPECT(module != NULL);
  CHILD_EXPECT(dlerror() == NULL);
  work = dlsym(module, "module_work");
  CHILD_EXPECT(work != NULL);
  sem_init(&used, 0, 0);
  sem_init(&closed, 0, 0);
  CHILD_EXPECT(pthread_create(&thread, NULL, use, work) == 0);
  sem_wait(&used);
  if (early)
    CHILD_EXPECT(dlclose(module) == 0);
  sem_post(&closed);
  pthread_join(thread, NULL);
  if (!early)
    CHILD_EXPECT(dlclose(module) == 0);
}

static void
close_before_thread_ends(void)
{
  open_use_close(1);
  open_use_close(1);
}

static void
close_after_thread_ended(void)
{
  open_use_close(0);
  open_use_close(0);
}

/* The fork handlers of the module run even after it was closed. */
static void
close_and_fork(void)
{
  pid_t child;

  open_use_close(1);
  child = child_fork();
  if (child == 0)
    _exit(0);
  CHILD_EXPECT(child_succeeded(child));
}

static void
before_thread_ends(void)
{
  EXPECT(child_run(close_before_thread_ends));
}

static void
after_thread_ended(void)
{
  EXPECT(child_run(close_after_thread_ended));
}

static void
before_fork(void)
{
  EXPECT(child_run(close_and_fork));
}

static const struct harness_case cases[] = {
    {"before-thread-ends", before_thread_ends},
    {"after-thread-ended", after_thread_ended},
    {"before-fork", before_fork},
};

HARNESS_MAIN(cases)
