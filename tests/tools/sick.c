/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes with one problem each, for the verdict of tcm-stat.
 *
 *   leak        keeps each block of 1,000 bytes, a few megabytes a second
 *   large-leak  the same with blocks of 1 MiB
 *   fragmented  frees nine of ten blocks of 500 bytes, and keeps the tenth
 *   caches      200 threads that freed what they had, and wait
 *   returnable  frees all, and waits
 *   outside     maps 64 MiB by itself
 *   stacks      threads with 20 MiB of stack in use
 *   limit       is close to its hard limit, which the environment sets
 *   huge        one block of 64 MiB
 *   huge-pages  makes the kernel fill freed memory with huge pages
 *   churn       allocates and frees the same large blocks without end
 *   healthy     keeps blocks, and waits
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 200
#define MIB ((size_t)1 << 20)

static pthread_barrier_t all_are_there;

static void *
allocate(size_t size)
{
  void *block = malloc(size);

  if (block == NULL)
    exit(1);
  return memset(block, 1, size);
}

static void
ready(void)
{
  puts("ready");
  fflush(stdout);
}

static void
wait_for_end(void)
{
  ready();
  for (;;)
    pause();
}

static void
leak(size_t size, unsigned count)
{
  ready();
  for (;;) {
    for (unsigned i = 0; i < count; i++)
      (void)allocate(size);
    usleep(20000);
  }
}

/* Keeps each @kept-th of @count blocks; 0: none of them. */
static void
fill(size_t count, size_t size, size_t kept)
{
  void **blocks = allocate(count * sizeof *blocks);

  for (size_t i = 0; i < count; i++)
    blocks[i] = allocate(size);
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || i % kept != 0)
      free(blocks[i]);
  free(blocks);
}

static void *
fill_and_wait(void *unused)
{
  (void)unused;
  for (size_t size = 16; size < 30000; size += size / 3)
    fill(8, size, 0);
  pthread_barrier_wait(&all_are_there);
  for (;;)
    pause();
  return NULL;
}

static void *
deep(void *unused)
{
  char room[20 * MIB];

  memset(room, 1, sizeof room);
  __asm__ volatile("" : : "r"(room) : "memory");
  pthread_barrier_wait(&all_are_there);
  for (;;)
    pause();
  return unused;
}

static void
start(unsigned n, size_t stack, void *(*run)(void *))
{
  pthread_attr_t attributes;
  pthread_t thread;

  pthread_barrier_init(&all_are_there, NULL, n + 1);
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack);
  for (unsigned i = 0; i < n; i++)
    if (pthread_create(&thread, &attributes, run, NULL) != 0)
      exit(1);
  pthread_barrier_wait(&all_are_there);
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Like programs that advise huge pages for their own blocks. */
static void
fill_huge_pages(void)
{
  static char *blocks[16384];
  size_t i, n = sizeof blocks / sizeof *blocks, filled = 0;

  for (i = 0; i < n; i++)
    blocks[i] = allocate(4096);
  for (i = 0; i < n; i++)
    if (i % 64 != 0)
      free(blocks[i]);
  (void)malloc_trim(0);
  for (i = 0; i < n; i += 64) {
    char *start = blocks[i] - (uintptr_t)blocks[i] % (2 * MIB);
    (void)madvise(start, 2 * MIB, MADV_HUGEPAGE);
    filled += madvise(start, 2 * MIB, MADV_COLLAPSE) == 0;
  }
  if (filled == 0) {
    puts("no huge pages");
    exit(0);
  }
}

static void
churn(void)
{
  static const size_t sizes[] = {3000000, 7000000, 1000000, 11000000};

  ready();
  for (unsigned i = 0;; i++) {
    free(allocate(sizes[i % 4]));
    if (i % 4 == 0)
      (void)malloc_trim(0);
  }
}

int
main(int argc, char **argv)
{
  const char *what = argc > 1 ? argv[1] : "";

  if (strcmp(what, "leak") == 0) {
    leak(1000, 100);
  } else if (strcmp(what, "large-leak") == 0) {
    leak(MIB, 1);
  } else if (strcmp(what, "churn") == 0) {
    churn();
  } else if (strcmp(what, "fragmented") == 0) {
    fill(40000, 500, 10);
  } else if (strcmp(what, "caches") == 0) {
    start(THREADS, MIB, fill_and_wait);
  } else if (strcmp(what, "returnable") == 0) {
    fill(60, MIB, 0);
  } else if (strcmp(what, "outside") == 0) {
    void *room = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
      return 1;
    memset(room, 1, 64 * MIB);
  } else if (strcmp(what, "stacks") == 0) {
    start(2, 24 * MIB, deep);
  } else if (strcmp(what, "limit") == 0) {
    fill(30000, 1000, 1);
  } else if (strcmp(what, "huge") == 0) {
    (void)allocate(64 * MIB);
  } else if (strcmp(what, "huge-pages") == 0) {
    fill_huge_pages();
  } else if (strcmp(what, "healthy") == 0) {
    fill(20000, 300, 1);
  } else {
    return 2;
  }
  wait_for_end();
  return 0;
}
