/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * atomics.h - all accesses to shared data use these names.  The memory order is
 * part of the name.  The comment of a release names the matching acquire.
 */
#ifndef TCM_BASE_ATOMICS_H
#define TCM_BASE_ATOMICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Debug builds count the locked additions, all of which go to words that
 * threads share; "make bench-locks" prints the count. */
#ifdef TCM_DEBUG
extern uint64_t tcmi_shared_additions; /* [atomic: relaxed] */
#define COUNT_ADDITION() \
  ((void)__atomic_fetch_add(&tcmi_shared_additions, 1, __ATOMIC_RELAXED))
#else
#define COUNT_ADDITION() ((void)0)
#endif

#define atomic_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atomic_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define atomic_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define atomic_add_relaxed(p, v) \
  (COUNT_ADDITION(), __atomic_fetch_add((p), (v), __ATOMIC_RELAXED))
#define atomic_sub_relaxed(p, v) \
  (COUNT_ADDITION(), __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED))
#define atomic_exchange_release(p, v) \
  __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)
#define atomic_exchange_acquire(p, v) \
  __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define atomic_cas_acquire(p, expected, v)                                   \
  __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQUIRE, \
                              __ATOMIC_RELAXED)
#define atomic_cas_relaxed(p, expected, v)                                   \
  __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELAXED, \
                              __ATOMIC_RELAXED)

/* A counter that only one thread or one lock's holder writes and any thread
 * reads: a plain addition whose result is never torn. */
#define counter_add(p, v) \
  atomic_store_relaxed((p), atomic_load_relaxed(p) + (v))
#define counter_sub(p, v) \
  atomic_store_relaxed((p), atomic_load_relaxed(p) - (v))

/* Set and clear bit @i of a bitmap, and return whether it was 1 before.  On
 * x86-64 the instruction finds the word by itself; gcc generates four more for
 * that. */
static inline bool
atomic_set_bit_relaxed(uint64_t *words, size_t i)
{
  COUNT_ADDITION();
#ifdef __x86_64__
  bool was;
  __asm__ volatile("lock btsq %2, %0"
                   : "+m"(*words), "=@ccc"(was)
                   : "r"(i)
                   : "memory");
  return was;
#else
  uint64_t bit = (uint64_t)1 << i % 64;
  return (__atomic_fetch_or(&words[i / 64], bit, __ATOMIC_RELAXED) & bit) != 0;
#endif
}

static inline bool
atomic_clear_bit_relaxed(uint64_t *words, size_t i)
{
  COUNT_ADDITION();
#ifdef __x86_64__
  bool was;
  __asm__ volatile("lock btrq %2, %0"
                   : "+m"(*words), "=@ccc"(was)
                   : "r"(i)
                   : "memory");
  return was;
#else
  uint64_t bit = (uint64_t)1 << i % 64;
  return (__atomic_fetch_and(&words[i / 64], ~bit, __ATOMIC_RELAXED) & bit) !=
         0;
#endif
}

static inline void
cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#else
  __asm__ volatile("" ::: "memory");
#endif
}

/* Keeps the compiler from reordering what a signal handler may read or write,
 * and from reusing what it read before. */
#define SIGNAL_FENCE() __asm__ volatile("" ::: "memory")

#endif /* TCM_BASE_ATOMICS_H */
