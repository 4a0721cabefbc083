/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * compiler.h - short names for the compiler features that tcm uses.
 *
 * COLD keeps a function off the pages of hot code.  MUST_CHECK marks a result
 * that the caller must not ignore.
 */
#ifndef TCM_BASE_COMPILER_H
#define TCM_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((noinline, cold))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define MUST_CHECK __attribute__((warn_unused_result))
#define CACHE_ALIGNED __attribute__((aligned(64)))
#define EXPORT __attribute__((visibility("default")))
#define WEAK __attribute__((weak))

/* Whether two names refer to one function.  Only the linker knows: a compiler
 * assumes that two declared names are two functions, and clang would fold the
 * comparison. */
static inline bool
is_same_function(void (*a)(void), void (*b)(void))
{
  __asm__("" : "+r"(a));
  return a == b;
}
#define IS_SAME(a, b) is_same_function((void (*)(void))(a), (void (*)(void))(b))

/* Whether the address or thread sanitizer is active. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TCM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TCM_SANITIZED 1
#endif
#endif
#ifndef TCM_SANITIZED
#define TCM_SANITIZED 0
#endif

#ifdef TCM_DEBUG
static const bool config_debug = true;
#else
static const bool config_debug = false;
#endif

/* Starts to load a cache line, and to take it away from other processors.
 * Not all x86-64 processors have PREFETCHW; those without it ignore it. */
static inline void
prefetch_to_write(const void *line)
{
#ifdef __x86_64__
  __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
  __builtin_prefetch(line, 1);
#endif
}

#endif /* TCM_BASE_COMPILER_H */
