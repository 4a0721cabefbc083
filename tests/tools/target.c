/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program that tcm-stat inspects in the tests.  It executes the lines of
 * its standard input and answers each with a line.
 *
 *   fill COUNT SIZE   allocates blocks and touches all of them
 *   vast COUNT        allocates blocks of many sizes, 18 KiB on average, and
 *                     touches none: large heaps take little memory
 *   sparse            frees nine of ten, so that pages stay partly in use
 *   empty             frees all
 *   threads N         starts threads that allocate and free without end
 *   malloc            allocates and frees a block of each size
 *   print             prints the statistics as JSON before it answers
 *   hide              lets only root read the process
 *   abort             dies
 *   over SIZE         writes past a block that ends with a page
 *   freed SIZE        prints the address of a block that it has freed
 *   after SIZE        reads such a block
 *
 * With the argument "churn" it allocates and frees without end, without input.
 * With "handle" it installs a handler of SIGSEGV before the first allocation;
 * the handler prints "fault" and waits.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MOST 1000000

/* From tcm.h; NULL unless the process runs on tcm. */
extern int tcm_stats_print(int fd, int format) __attribute__((weak));

static void *blocks[MOST];
static size_t nblocks;

static uint64_t
next_random(uint64_t *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

static void
churn(uint64_t seed)
{
  static __thread void *own[2000];
  uint64_t state = seed;

  for (;;) {
    uint64_t i = next_random(&state) % 2000;
    size_t size = next_random(&state) % (i == 0 ? 2000000 : 5000);
    free(own[i]);
    own[i] = malloc(size);
    if (own[i] != NULL && size > 0)
      memset(own[i], 1, size);
  }
}

static void *
churn_in_thread(void *seed)
{
  churn((uintptr_t)seed);
  return NULL;
}

static void
start_threads(unsigned long n)
{
  pthread_t thread;

  for (unsigned long i = 0; i < n; i++)
    if (pthread_create(&thread, NULL, churn_in_thread,
                       (void *)(uintptr_t)(i + 2)) != 0)
      exit(1);
}

static void
fill(unsigned long count, unsigned long size)
{
  for (; count > 0 && nblocks < MOST; count--) {
    void *block = malloc(size);
    if (block == NULL)
      exit(1);
    blocks[nblocks++] = memset(block, 1, size);
  }
}

static void
fill_untouched(unsigned long count)
{
  uint64_t state = 1;

  for (; count > 0 && nblocks < MOST; count--) {
    blocks[nblocks] = malloc(6000 + next_random(&state) % 24000);
    if (blocks[nblocks++] == NULL)
      exit(1);
  }
}

static void
free_blocks(size_t kept)
{
  for (size_t i = 0; i < nblocks; i++) {
    if (kept != 0 && i % kept == 0)
      continue;
    free(blocks[i]);
    blocks[i] = NULL;
  }
  if (kept == 0)
    nblocks = 0;
}

static void
use_all_sizes(void)
{
  for (size_t size = 1; size < 40000; size += size / 9 + 1)
    free(malloc(size));
}

static void
write_behind(size_t size)
{
  char *block;

  do
    block = malloc(size);
  while (((uintptr_t)block + size) % 4096 != 0);
  *(volatile char *)(block + size) = 1;
}

static volatile char *
freed_block(size_t size)
{
  char *block = malloc(size);
  uintptr_t address = (uintptr_t)block;

  free(block);
  return (volatile char *)address;
}

/* Executes a line about an invalid access or a freed block; 0 if it is none. */
static int
do_wrong(const char *line)
{
  unsigned long size;

  if (sscanf(line, "over %lu", &size) == 1)
    write_behind(size);
  else if (sscanf(line, "freed %lu", &size) == 1)
    printf("%#lx\n", (unsigned long)(uintptr_t)freed_block(size));
  else if (sscanf(line, "after %lu", &size) == 1)
    (void)freed_block(size)[size / 2];
  else
    return 0;
  return 1;
}

static void
wait_in_handler(int number)
{
  static const char text[] = "fault\n";

  (void)number;
  if (write(STDOUT_FILENO, text, sizeof text - 1) > 0)
    for (;;)
      pause();
}

int
main(int argc, char **argv)
{
  static char line[256];
  unsigned long a, b;

  if (argc > 1 && strcmp(argv[1], "handle") == 0)
    signal(SIGSEGV, wait_in_handler);
  setvbuf(stdin, NULL, _IONBF, 0);
  puts("ready");
  fflush(stdout);
  if (argc > 1 && strcmp(argv[1], "churn") == 0)
    churn(1);
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "fill %lu %lu", &a, &b) == 2)
      fill(a, b);
    else if (sscanf(line, "vast %lu", &a) == 1)
      fill_untouched(a);
    else if (sscanf(line, "threads %lu", &a) == 1)
      start_threads(a);
    else if (strcmp(line, "sparse\n") == 0)
      free_blocks(10);
    else if (strcmp(line, "empty\n") == 0)
      free_blocks(0);
    else if (strcmp(line, "malloc\n") == 0)
      use_all_sizes();
    else if (strcmp(line, "print\n") == 0 && tcm_stats_print != NULL)
      tcm_stats_print(STDOUT_FILENO, 1);
    else if (strcmp(line, "hide\n") == 0)
      prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    else if (strcmp(line, "abort\n") == 0)
      abort();
    else if (!do_wrong(line))
      return 1;
    puts("done");
    fflush(stdout);
  }
  return 0;
}
