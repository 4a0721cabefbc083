/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * misuse.h - what the short programs with one error each share.
 *
 * A program is called with the name of the function to misuse.  On standard
 * output it tells the driver where it is:
 *
 *     address 0x...     the pointer that is about to be misused
 *     after the call    the misuse went unnoticed so far
 *     after the flush   and was still unnoticed when all caches were emptied
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

/* A block of the 64-byte class, one of a class of several pages, and one of a
 * size that no class has. */
#define SMALL_SIZE 64
#define MIDDLE_SIZE 20000
#define LARGE_SIZE ((size_t)1 << 20)

/* What realloc is asked for: no class that the programs use, so that no block
 * can stay where it is. */
#define OTHER_SIZE 6000

/* A second block of that size stays alive, so that the span of a small one
 * outlives it. */
static __attribute__((unused)) void *
get_block(size_t size)
{
  void *block = malloc(size), *neighbour = malloc(size);

  if (block == NULL || hidden(neighbour) == NULL)
    _exit(99);
  memset(block, 1, size);
  return hidden(block);
}

/* The higher one of two neighbours. */
static __attribute__((unused)) char *
get_upper_block(size_t size)
{
  char *one = (char *)get_block(size), *other = (char *)get_block(size);

  return one > other ? one : other;
}

/* Looked up, since a program under another allocator may lack it. */
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

/* Hands @pointer to the function that argv[1] names. */
static void
misuse(int argc, char **argv, void *pointer)
{
  const char *function = argc > 1 ? argv[1] : "free";

  say_address(pointer);
  pointer = hidden(pointer);
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

/* Frees @pointer with a size, and an alignment where the function takes one;
 * that of C takes it first. */
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

/* Does what lets a block that was freed earlier leave quarantine: frees many
 * others, or calls the function that argv[1] names. */
static __attribute__((unused)) void
misuse_late(int argc, char **argv, void *pointer)
{
  int i;

  if (argc > 1 && strcmp(argv[1], "free") != 0) {
    misuse(argc, argv, pointer);
    return;
  }
  say_address(pointer);
  for (i = 0; i < 200; i++)
    free(hidden(malloc(100000)));
  say("after the call\n");
}

/* Empties every cache, which must find what the call let pass. */
static int
flush(void)
{
  malloc_trim(0);
  say("after the flush\n");
  return 0;
}

#endif /* TCM_TESTS_MISUSE_MISUSE_H */
