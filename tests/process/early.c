/* SPDX-License-Identifier: BSD-2-Clause */
/* Code that runs before the constructor of any library.  It allocates, frees,
 * creates a thread and forks before the allocator has been set up. */
#include "../support/child.h"
#include "../support/memory.h"

#include <pthread.h>

enum { COUNT = 300 };
static void *block[COUNT];
static int steps; /* that succeeded before main() */

static void *
allocate_in_thread(void *unused)
{
  void *small = malloc(harness_size(50));
  void *large = malloc(harness_size(500000));

  (void)unused;
  free(large);
  return small;
}

static void
before_all_constructors(int argc, char **argv, char **environment)
{
  void *from_thread = NULL;
  pthread_t thread;
  pid_t child;
  int i, status;

  (void)argc;
  (void)argv;
  (void)environment;
  for (i = 0; i < COUNT; i++) {
    block[i] = malloc(harness_size((size_t)i * 41));
    if (block[i] == NULL)
      return;
    memory_fill(block[i], (size_t)i * 41, (uint64_t)i);
  }
  steps++;
  block[7] = realloc(block[7], harness_size(300000));
  steps += block[7] != NULL;
  child = fork();
  if (child == 0) {
    free(block[0]);
    free(malloc(harness_size(70000)));
    _exit(0);
  }
  steps += waitpid(child, &status, 0) == child && status == 0;
  if (pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0 &&
      pthread_join(thread, &from_thread) == 0)
    steps += from_thread != NULL;
  free(from_thread);
}

/* The dynamic linker calls these before every constructor of every library. */
__attribute__((section(".preinit_array"),
               used)) static void (*preinit)(int, char **,
                                             char **) = before_all_constructors;

static void
blocks_made_before_are_sound(void)
{
  int i;

  EXPECT_FOR(steps == 4, "%d", steps);
  for (i = 0; i < COUNT; i++) {
    EXPECT(block[i] != NULL &&
           memory_holds(block[i], (size_t)i * 41, (uint64_t)i));
    EXPECT(!harness_expects_tcm() || harness_owns(block[i]));
    free(block[i]);
  }
  for (i = 0; i < COUNT; i++) {
    block[i] = malloc(harness_size((size_t)i * 41));
    EXPECT(block[i] != NULL);
  }
  for (i = 0; i < COUNT; i++)
    free(block[i]);
}

static const struct harness_case cases[] = {
    {"blocks-made-before-are-sound", blocks_made_before_are_sound},
};

HARNESS_MAIN(cases)
