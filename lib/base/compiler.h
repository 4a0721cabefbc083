/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * compiler.h - what tcm asks of the compiler, each under one short name.
 *
 * A cold function is kept out of the text that hot code shares a page with;
 * must_check marks a result that may not be dropped.
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

/* Whether two names are of one function.  The linker decides: to a compiler two
 * names that it sees declared are two functions, and clang answers at once. */
static inline bool
is_same_function(void (*a)(void), void (*b)(void))
{
  __asm__("" : "+r"(a));
  return a == b;
}
#define IS_SAME(a, b) is_same_function((void (*)(void))(a), (void (*)(void))(b))

/* Whether the address or the thread sanitizer watches. */
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

#endif /* TCM_BASE_COMPILER_H */
