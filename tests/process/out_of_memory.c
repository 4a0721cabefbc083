/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory runs out and later is available again: malloc returns NULL with
 * ENOMEM, no block is lost, and freed memory is reused, for blocks of the same
 * size and for one large block. */
#include "../support/child.h"
#include "../support/memory.h"

#include <pthread.h>

static const size_t mebibyte = (size_t)1 << 20;
static const size_t room = (size_t)200 << 20;

/* The blocks themselves form a list, so that counting takes no memory. */
struct link {
  struct link *next;
  size_t size;
};

static struct link *
fill(size_t size, long *count)
{
  struct link *head = NULL, *link;

  *count = 0;
  for (;;) {
    errno = 0;
    link = (struct link *)malloc(harness_size(size));
    if (link == NULL)
      break;
    link->next = head;
    link->size = size;
    memory_fill(link + 1, 16, size);
    head = link;
    ++*count;
  }
  CHILD_EXPECT(errno == ENOMEM);
  return head;
}

static void
drain(struct link *link)
{
  while (link != NULL) {
    struct link *next = link->next;
    CHILD_EXPECT(memory_holds(link + 1, 16, link->size));
    free(link);
    link = next;
  }
}

/* Leaves @room bytes of address space above what is in use. */
static void
set_limit(void)
{
  struct rlimit limit;
  long kib = memory_proc_field("/proc/self/status", "\nVmSize:");

  REQUIRE(kib > 0);
  limit.rlim_cur = limit.rlim_max = (rlim_t)kib * 1024 + room;
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* Bytes that must fit into the room. */
static size_t
fill_min(void)
{
  return harness_is_guarded() ? room / 4 : room / 2;
}

static void
fill_drain_refill(size_t size)
{
  long first, second;
  void *large;

  set_limit();
  drain(fill(size, &first));
  CHILD_EXPECT((size_t)first * size > fill_min());
  drain(fill(size, &second));
  if (second < first / 10 * 9)
    harness_say("  %zu bytes: %ld blocks, then %ld", size, first, second);
  CHILD_EXPECT(second >= first / 10 * 9);
  large = malloc(harness_size(fill_min()));
  CHILD_EXPECT(large != NULL);
  memset(large, 1, fill_min());
  free(large);
}

static void
fill_small(void)
{
  fill_drain_refill(100);
}

static void
fill_middle(void)
{
  fill_drain_refill(20000);
}

static void
fill_large(void)
{
  fill_drain_refill(mebibyte);
}

static void
small_blocks(void)
{
  EXPECT(child_run(fill_small));
}

static void
middle_blocks(void)
{
  EXPECT(child_run(fill_middle));
}

static void
large_blocks(void)
{
  EXPECT(child_run(fill_large));
}

/* Freed memory of one size serves other sizes. */
static void
fill_one_after_another(void)
{
  static const size_t sizes[] = {48, 1000, 20000, 300000, 3000000};
  size_t least = fill_min();
  size_t i;

  set_limit();
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    long count;
    drain(fill(sizes[i], &count));
    if ((size_t)count * sizes[i] < least)
      harness_say("  %zu bytes: %ld blocks only", sizes[i], count);
    CHILD_EXPECT((size_t)count * sizes[i] >= least);
  }
}

static void
one_size_after_another(void)
{
  EXPECT(child_run(fill_one_after_another));
}

/* Every function reports ENOMEM in the same way. */
static void
refuse_everything(void)
{
  void *block = malloc(harness_size(1000)), *out = &out;

  CHILD_EXPECT(block != NULL);
  memory_fill(block, 1000, 1);
  set_limit();
  errno = 0;
  CHILD_EXPECT(calloc(harness_size(2 * room), 1) == NULL && errno == ENOMEM);
  errno = 0;
  CHILD_EXPECT(realloc(harness_pointer(block), harness_size(2 * room)) ==
                   NULL &&
               errno == ENOMEM);
  errno = 0;
  CHILD_EXPECT(aligned_alloc(64, harness_size(2 * room)) == NULL &&
               errno == ENOMEM);
  errno = 4711;
  CHILD_EXPECT(posix_memalign(&out, 64, harness_size(2 * room)) == ENOMEM);
  CHILD_EXPECT(errno == ENOMEM && out == &out);
  CHILD_EXPECT(memory_holds(block, 1000, 1));
  free(block);
}

static void
every_function_refuses(void)
{
  EXPECT(child_run(refuse_everything));
}

/* Four threads compete for the last byte. */
static void *
fill_and_drain(void *unused)
{
  static const size_t sizes[] = {64, 5000, 100000, 64, 2000000};
  size_t i;
  long count;

  (void)unused;
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
    drain(fill(sizes[i], &count));
  return NULL;
}

static void
threads_fill(void)
{
  pthread_t thread[4];
  int i, started = 0;

  set_limit();
  for (i = 0; i < 4; i++)
    if (pthread_create(&thread[started], NULL, fill_and_drain, NULL) == 0)
      started++;
  CHILD_EXPECT(started > 0);
  while (started > 0)
    pthread_join(thread[--started], NULL);
  fill_and_drain(NULL);
}

static void
threads(void)
{
  EXPECT(child_run(threads_fill));
}

/* Threads start while there is no memory for their caches. */
static void *
try_to_allocate(void *unused)
{
  (void)unused;
  free(malloc(harness_size(10)));
  free(malloc(harness_size(100000)));
  return NULL;
}

static void
threads_start_without_memory(void)
{
  static char stacks[16][64 << 10] __attribute__((aligned(4096)));
  pthread_t thread[16];
  pthread_attr_t attributes;
  struct link *held[3];
  long count;
  int i, started = 0;

  set_limit();
  held[0] = fill(mebibyte, &count);
  held[1] = fill(5000, &count);
  held[2] = fill(32, &count);
  for (i = 0; i < 16; i++) {
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stacks[i], sizeof stacks[i]);
    if (pthread_create(&thread[started], &attributes, try_to_allocate, NULL) ==
        0)
      started++;
    pthread_attr_destroy(&attributes);
  }
  while (started > 0)
    pthread_join(thread[--started], NULL);
  for (i = 0; i < 3; i++)
    drain(held[i]);
  held[0] = fill(mebibyte, &count);
  CHILD_EXPECT((size_t)count * mebibyte > room / 2);
  drain(held[0]);
}

static void
threads_born_without_memory(void)
{
  EXPECT(child_run(threads_start_without_memory));
}

static const struct harness_case cases[] = {
    {"small-blocks", small_blocks},
    {"middle-blocks", middle_blocks},
    {"large-blocks", large_blocks},
    {"one-size-after-another", one_size_after_another},
    {"every-function-refuses", every_function_refuses},
    {"threads", threads},
    {"threads-born-without-memory", threads_born_without_memory},
};

HARNESS_MAIN(cases)
