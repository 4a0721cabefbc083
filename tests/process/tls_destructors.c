/* SPDX-License-Identifier: BSD-2-Clause */
/* Destructors of thread-specific data that allocate, free and set their key
 * again, even in the last round, after the thread has given up its cache. */
#include "../support/child.h"
#include "../support/memory.h"

#include <limits.h>
#include <pthread.h>

enum { KEYS = 40, THREADS = 3000 };
static pthread_key_t key[KEYS];
static long calls; /* [atomic: relaxed] */

struct value {
  size_t size;
  uint64_t check;
};

static struct value *
make_value(size_t size)
{
  struct value *value = (struct value *)malloc(sizeof *value + size);

  REQUIRE(value != NULL);
  value->size = size;
  value->check = ~(uint64_t)size;
  memory_fill(value + 1, size, size);
  return value;
}

static void
drop_value(struct value *value)
{
  EXPECT(value->check == ~(uint64_t)value->size);
  EXPECT(memory_holds(value + 1, value->size, value->size));
  free(value);
}

/* The size of the value encodes the key and the round.  The destructor sets the
 * key again, except in the last of PTHREAD_DESTRUCTOR_ITERATIONS rounds: no
 * destructor would free a value that is set there. */
static void
destroy(void *pointer)
{
  struct value *value = (struct value *)pointer;
  size_t index = value->size % 100, round = value->size / 100;

  __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
  drop_value(value);
  free(malloc(3000));
  if (round + 1 < PTHREAD_DESTRUCTOR_ITERATIONS)
    EXPECT(pthread_setspecific(key[index],
                               make_value((round + 1) * 100 + index)) == 0);
}

static void *
set_all_keys(void *unused)
{
  int i;

  (void)unused;
  for (i = 0; i < KEYS; i++)
    EXPECT(pthread_setspecific(key[i], make_value((size_t)i)) == 0);
  return NULL;
}

static void
run_threads(int count)
{
  pthread_t thread;

  while (count-- > 0) {
    REQUIRE(pthread_create(&thread, NULL, set_all_keys, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
  }
}

/* The destructors of all keys run in each round, and no memory is lost. */
static void
four_rounds(void)
{
  long before, after;
  int i;

  for (i = 0; i < KEYS; i++)
    REQUIRE(pthread_key_create(&key[i], destroy) == 0);
  run_threads(200);
  before = memory_resident_bytes();
  calls = 0;
  run_threads(THREADS);
  after = memory_resident_bytes();
  EXPECT_FOR(calls == (long)THREADS * KEYS * PTHREAD_DESTRUCTOR_ITERATIONS,
             "%ld calls", calls);
  EXPECT_FOR(after - before < 1 << 20, "grew by %ld bytes", after - before);
  for (i = 0; i < KEYS; i++)
    pthread_key_delete(key[i]);
}

/* libc's function that registers destructors of C++ thread_local objects. */
int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle;

static void
destroy_object(void *pointer)
{
  __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
  drop_value((struct value *)pointer);
  drop_value(make_value(50));
}

static void *
register_objects(void *unused)
{
  int i;

  (void)unused;
  for (i = 0; i < 20; i++)
    EXPECT(__cxa_thread_atexit_impl(destroy_object, make_value((size_t)i * 9),
                                    &__dso_handle) == 0);
  return NULL;
}

static void
thread_local_objects(void)
{
  long before = 0, after;
  int i;

  calls = 0;
  for (i = 0; i < THREADS; i++) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, register_objects, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    if (i == 200)
      before = memory_resident_bytes();
  }
  after = memory_resident_bytes();
  EXPECT(calls == 20 * THREADS);
  EXPECT_FOR(after - before < 1 << 20, "grew by %ld bytes", after - before);
}

/* The first allocation of a thread happens in a destructor. */
static pthread_key_t late_key;

static void
allocate_first_now(void *value)
{
  (void)value;
  __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
  drop_value(make_value(1000));
}

static void *
set_late_key(void *value)
{
  pthread_setspecific(late_key, value);
  return NULL;
}

static void
first_allocation_in_a_destructor(void)
{
  pthread_t thread;
  int i;

  calls = 0;
  REQUIRE(pthread_key_create(&late_key, allocate_first_now) == 0);
  for (i = 0; i < THREADS; i++) {
    REQUIRE(pthread_create(&thread, NULL, set_late_key, &late_key) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
  }
  EXPECT(calls == THREADS);
  pthread_key_delete(late_key);
}

static const struct harness_case cases[] = {
    {"four-rounds", four_rounds},
    {"thread-local-objects", thread_local_objects},
    {"first-allocation-in-a-destructor", first_allocation_in_a_destructor},
};

HARNESS_MAIN(cases)
