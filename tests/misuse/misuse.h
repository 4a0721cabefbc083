/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * misuse.h - shared code of the short programs with one error each.
 *
 * The argument of a program is the name of the function to misuse.  Standard
 * output tells the driver how far the program got:
 *
 *     address 0x...     the pointer that is about to be misused; several times
 *                       if there are several errors
 *     after the call    the call did not detect the misuse
 *     after the flush   nor did flushing all caches
 *
 * The driver misuse.py compares this, the signal and the message with
 * expect.tsv.
 */
#ifndef TCM_TESTS_MISUSE_MISUSE_H
#define TCM_TESTS_MISUSE_MISUSE_H

#include <dlfcn.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Hides from the compiler what a pointer points to. */
static void *
hidden(void *pointer)
{
  __asm__ volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

static void
say(const char *text)
{
  if (write(STDOUT_FILENO, text, strlen(text)) < 0)
    _exit(99);
}

static void
say_address(void *pointer)
{
  char line[64];

  snprintf(line, sizeof line, "address 0x%llx\n",
           (unsigned long long)(uintptr_t)pointer);
  say(line);
}

/* A size of the 64-byte class, one of a class larger than a page, and one that
 * is larger than any class. */
#define SMALL_SIZE 64
#define MIDDLE_SIZE 20000
#define LARGE_SIZE ((size_t)1 << 20)

/* The size for realloc.  No program uses its class, so that no block can stay
 * in place. */
#define OTHER_SIZE 6000

/* A second block of that size stays in use, so that the span of a small block
 * outlives it. */
static __attribute__((unused)) void *
get_block(size_t size)
{
  void *block = malloc(size), *neighbor = malloc(size);

  if (block == NULL || hidden(neighbor) == NULL)
    _exit(99);
  memset(block, 1, size);
  return hidden(block);
}

/* tcm places a guarded block at the start or at the end of its pages, by
 * chance.  Returns one that has an inaccessible page at the edge that the
 * program is going to cross; without guarded blocks, any block. */
enum edge { EDGE_START, EDGE_END };

static __attribute__((unused)) char *
get_block_at(enum edge edge, size_t size)
{
  int tries = getenv("TCM_GUARD_SAMPLES") != NULL ? 20 : 1;
  char *block;

  do
    block = (char *)get_block(size);
  while (((uintptr_t)block + (edge == EDGE_END ? size : 0)) % 4096 != 0 &&
         --tries > 0);
  return block;
}

/* The block with the higher address of two. */
static __attribute__((unused)) char *
get_upper_block(size_t size)
{
  char *one = get_block_at(EDGE_START, size);
  char *other = get_block_at(EDGE_START, size);

  return one > other ? one : other;
}

/* Looked up by name, because another allocator may lack the function. */
static void
call_by_name(const char *function, void *pointer)
{
  void *symbol = dlsym(RTLD_DEFAULT, function);
  void (*call)(void *);

  if (symbol == NULL)
    _exit(99);
  memcpy(&call, &symbol, sizeof call);
  call(pointer);
}

/* Allocates two blocks, of which the first may be one that was freed. */
static __attribute__((unused)) void
reuse(void)
{
  (void)!hidden(malloc(SMALL_SIZE));
  (void)!hidden(malloc(SMALL_SIZE));
  say("after the call\n");
}

static int
names_malloc(int argc, char **argv)
{
  return argc > 1 && strcmp(argv[1], "malloc") == 0;
}

/* Passes @pointer to the function that argv[1] names.  If that is malloc, frees
 * it and then allocates blocks of its size. */
static void
misuse(int argc, char **argv, void *pointer)
{
  const char *function = argc > 1 ? argv[1] : "free";

  say_address(pointer);
  pointer = hidden(pointer);
  if (names_malloc(argc, argv)) {
    free(pointer);
    reuse();
    return;
  }
  if (strcmp(function, "free") == 0)
    free(pointer);
  else if (strcmp(function, "realloc") == 0)
    (void)!hidden(realloc(pointer, OTHER_SIZE));
  else if (strcmp(function, "malloc_usable_size") == 0)
    (void)!malloc_usable_size(pointer);
  else
    call_by_name(function, pointer);
  say("after the call\n");
}

/* Frees @pointer with a size, and an alignment if the function takes one.  The
 * C function takes the alignment first. */
static __attribute__((unused)) void
misuse_sized(int argc, char **argv, void *pointer, size_t size, size_t align)
{
  const char *function = argc > 1 ? argv[1] : "free_sized";
  void *symbol = dlsym(RTLD_DEFAULT, function);
  void (*call)(void *, size_t, size_t);

  say_address(pointer);
  if (symbol == NULL)
    _exit(99);
  memcpy(&call, &symbol, sizeof call);
  if (strstr(function, "free_aligned_sized") != NULL)
    call(pointer, align, size);
  else
    call(pointer, size, align);
  say("after the call\n");
}

/* Makes a block that was freed earlier leave quarantine: frees many others, or
 * calls the function that argv[1] names.  If that is malloc, allocates blocks
 * of its size. */
static __attribute__((unused)) void
misuse_late(int argc, char **argv, void *pointer)
{
  int i;

  if (names_malloc(argc, argv)) {
    say_address(pointer);
    reuse();
    return;
  }
  if (argc > 1 && strcmp(argv[1], "free") != 0) {
    misuse(argc, argv, pointer);
    return;
  }
  say_address(pointer);
  for (i = 0; i < 200; i++)
    free(hidden(malloc(100000)));
  say("after the call\n");
}

/* Flushes every cache, which must detect what the call did not. */
static int
flush(void)
{
  malloc_trim(0);
  say("after the flush\n");
  return 0;
}

#endif /* TCM_TESTS_MISUSE_MISUSE_H */
