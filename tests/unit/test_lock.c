/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <time.h>

#include "base/lock.h"

#define WAITERS_MARK ((uint32_t)1 << 31)

static struct lock lock = LOCK_INITIALIZER(LOCK_CENTRAL);
static struct lock outer = LOCK_INITIALIZER(LOCK_REGISTRY);

static void
nap(long milliseconds)
{
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};

  nanosleep(&time, NULL);
}

/* Waits until the word of the lock says that a thread waits for it. */
static void
await_waiter(void)
{
  while (!(atomic_load_relaxed(&lock.word) & WAITERS_MARK))
    nap(1);
}

START_TEST(word_is_the_holder)
{
  ck_assert_uint_eq(lock.word, 0);
  ck_assert(!tcmi_lock_is_held(&lock));
  lock_acquire(&lock);
  ck_assert_uint_eq(lock.word, tcmi_system_thread_id());
  ck_assert(tcmi_lock_is_held(&lock));
  lock_release(&lock);
  ck_assert_uint_eq(lock.word, 0);
  ck_assert(!tcmi_lock_is_held(&lock));
}
END_TEST

static void *
try_from_outside(void *unused)
{
  (void)unused;
  must(!tcmi_lock_is_held(&lock));
  must(!lock_try_acquire(&lock));
  return NULL;
}

START_TEST(try_does_not_wait)
{
  pthread_t thread;

  ck_assert(lock_try_acquire(&lock));
  unit_thread(&thread, try_from_outside, NULL);
  unit_join(thread);
  ck_assert(tcmi_lock_is_held(&lock));
  lock_release(&lock);
}
END_TEST

#define NTHREADS 6
#define ROUNDS 20000

/* Not atomic on purpose: only the lock protects it. */
static long counter;

static void *
count(void *unused)
{
  int i;

  (void)unused;
  for (i = 0; i < ROUNDS; i++) {
    long seen;
    lock_acquire(&lock);
    seen = counter;
    if (i % 64 == 0)
      sched_yield();
    counter = seen + 1;
    lock_release(&lock);
  }
  return NULL;
}

START_TEST(contention_loses_no_step)
{
  pthread_t threads[NTHREADS];
  int i;

  for (i = 0; i < NTHREADS; i++)
    unit_thread(&threads[i], count, NULL);
  for (i = 0; i < NTHREADS; i++)
    unit_join(threads[i]);
  ck_assert_int_eq(counter, (long)NTHREADS * ROUNDS);
  ck_assert_uint_eq(lock.word, 0);
}
END_TEST

static int got; /* [atomic: relaxed] threads that had the lock */

static void *
take_once(void *unused)
{
  (void)unused;
  errno = 4711;
  lock_acquire(&lock);
  must(errno == 4711);
  __atomic_add_fetch(&got, 1, __ATOMIC_RELAXED);
  lock_release(&lock);
  must(errno == 4711);
  return NULL;
}

static double
cpu_seconds(pthread_t thread)
{
  struct timespec time;
  clockid_t id;

  ck_assert_int_eq(pthread_getcpuclockid(thread, &id), 0);
  ck_assert_int_eq(clock_gettime(id, &time), 0);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* With more threads than processors, a spinning waiter would keep the holder
 * from running. */
START_TEST(waiters_sleep)
{
  pthread_t threads[NTHREADS];
  double before[NTHREADS];
  int i;

  lock_acquire(&lock);
  for (i = 0; i < NTHREADS; i++)
    unit_thread(&threads[i], take_once, NULL);
  await_waiter();
  nap(100);
  for (i = 0; i < NTHREADS; i++)
    before[i] = cpu_seconds(threads[i]);
  nap(400);
  for (i = 0; i < NTHREADS; i++)
    must(cpu_seconds(threads[i]) - before[i] < 0.05);
  ck_assert_int_eq(__atomic_load_n(&got, __ATOMIC_RELAXED), 0);
  lock_release(&lock);
  for (i = 0; i < NTHREADS; i++)
    unit_join(threads[i]);
  ck_assert_int_eq(got, NTHREADS);
  ck_assert_uint_eq(lock.word, 0);
}
END_TEST

static void
ignore_signal(int number)
{
  (void)number;
}

/* A waiter that a signal wakes up does not have the lock. */
START_TEST(signals_do_not_open_it)
{
  struct sigaction action = {.sa_handler = ignore_signal};
  pthread_t thread;
  int i;

  sigaction(SIGUSR1, &action, NULL);
  lock_acquire(&lock);
  unit_thread(&thread, take_once, NULL);
  await_waiter();
  for (i = 0; i < 20; i++) {
    pthread_kill(thread, SIGUSR1);
    nap(2);
  }
  ck_assert_int_eq(__atomic_load_n(&got, __ATOMIC_RELAXED), 0);
  lock_release(&lock);
  unit_join(thread);
  ck_assert_int_eq(got, 1);
}
END_TEST

START_TEST(ranks_in_order)
{
  lock_acquire(&outer);
  lock_acquire(&lock);
  lock_release(&outer);
  lock_release(&lock);
  lock_acquire(&lock);
  lock_release(&lock);
  lock_acquire(&outer);
  lock_release(&outer);
}
END_TEST

static void
acquire_in_wrong_order(void *unused)
{
  (void)unused;
  lock_acquire(&lock);
  lock_acquire(&outer);
}

static void
take_two_of_a_rank(void *unused)
{
  static struct lock twin = LOCK_INITIALIZER(LOCK_CENTRAL);

  (void)unused;
  lock_acquire(&lock);
  lock_acquire(&twin);
}

static void
take_twice(void *unused)
{
  (void)unused;
  lock_acquire(&lock);
  lock_acquire(&lock);
}

static void
release_unheld(void *unused)
{
  (void)unused;
  lock_release(&lock);
}

static void *
take_and_die(void *unused)
{
  (void)unused;
  lock_acquire(&lock);
  return NULL;
}

static void
release_of_another(void *unused)
{
  pthread_t thread;

  unit_thread(&thread, take_and_die, unused);
  unit_join(thread);
  lock_release(&lock);
}

START_TEST(misuse_aborts)
{
  unit_must_abort(acquire_in_wrong_order, NULL, "broken invariant");
  unit_must_abort(take_two_of_a_rank, NULL, "broken invariant");
  unit_must_abort(take_twice, NULL, "called from a signal handler?");
  unit_must_abort(release_unheld, NULL, "broken invariant");
  unit_must_abort(release_of_another, NULL, "broken invariant");
}
END_TEST

START_TEST(fork_takes_what_is_free)
{
  ck_assert(tcmi_lock_acquire_for_fork(&lock));
  ck_assert(tcmi_lock_is_held(&lock));
  ck_assert(!tcmi_lock_acquire_for_fork(&lock));
  tcmi_lock_release_after_fork(&lock);
  ck_assert_uint_eq(lock.word, 0);
}
END_TEST

START_TEST(fork_waits_for_another_thread)
{
  pthread_t thread;
  int i;

  for (i = 0; i < 50; i++) {
    got = 0;
    lock_acquire(&lock);
    unit_thread(&thread, take_once, NULL);
    if (i % 2)
      await_waiter();
    lock_release(&lock);
    ck_assert(tcmi_lock_acquire_for_fork(&lock));
    tcmi_lock_release_after_fork(&lock);
    unit_join(thread);
    ck_assert_int_eq(got, 1);
  }
}
END_TEST

/* L3: the forking thread may take and release locks that it holds. */
START_TEST(forking_thread_passes)
{
  ck_assert(tcmi_lock_acquire_for_fork(&outer));
  ck_assert(tcmi_lock_acquire_for_fork(&lock));
  atomic_store_relaxed(&tcmi_lock_forking, lock_self());
  lock_acquire(&lock);
  lock_acquire(&outer);
  lock_release(&outer);
  lock_release(&lock);
  ck_assert(tcmi_lock_is_held(&lock));
  ck_assert(tcmi_lock_is_held(&outer));
  atomic_store_relaxed(&tcmi_lock_forking, 0);
  tcmi_lock_release_after_fork(&lock);
  tcmi_lock_release_after_fork(&outer);
}
END_TEST

/* The end of a fork wakes all waiters, not only one. */
START_TEST(release_after_fork_wakes_all)
{
  pthread_t threads[NTHREADS];
  int i;

  ck_assert(tcmi_lock_acquire_for_fork(&lock));
  for (i = 0; i < NTHREADS; i++)
    unit_thread(&threads[i], take_once, NULL);
  await_waiter();
  nap(50);
  tcmi_lock_release_after_fork(&lock);
  for (i = 0; i < NTHREADS; i++)
    unit_join(threads[i]);
  ck_assert_int_eq(got, NTHREADS);
}
END_TEST

/* In the child of a fork from a signal handler, the interrupted code still
 * holds its lock, under the child's id. */
START_TEST(child_inherits_a_held_lock)
{
  int status;
  pid_t child;

  lock_acquire(&lock);
  child = fork();
  if (child == 0) {
    tcmi_lock_self = 0;
    tcmi_lock_inherit(&lock);
    if (lock.word != tcmi_system_thread_id())
      _exit(1);
    lock_release(&lock);
    _exit(lock.word == 0 ? 0 : 2);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  lock_release(&lock);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("lock");

  tcase_add_test(tests, word_is_the_holder);
  tcase_add_test(tests, try_does_not_wait);
  tcase_add_test(tests, contention_loses_no_step);
  tcase_add_test(tests, waiters_sleep);
  tcase_add_test(tests, signals_do_not_open_it);
  tcase_add_test(tests, ranks_in_order);
  tcase_add_test(tests, misuse_aborts);
  tcase_add_test(tests, fork_takes_what_is_free);
  tcase_add_test(tests, fork_waits_for_another_thread);
  tcase_add_test(tests, forking_thread_passes);
  tcase_add_test(tests, release_after_fork_wakes_all);
  tcase_add_test(tests, child_inherits_a_held_lock);
  return unit_run(tests);
}
