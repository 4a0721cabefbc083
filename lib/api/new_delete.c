/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The C++ operators call tcm directly, and tcm does not need a C++ runtime.
 *
 * If there is no memory, the throwing forms call the new_handler and try again;
 * if none is installed, they throw std::bad_alloc.  Both come from the C++
 * runtime of the program, by weak reference.  A program without that runtime
 * cannot catch anything, so tcm aborts it with one line.
 */
#include "config.h"

#include "api/new_delete.h"

#include "base/bits.h"
#include "base/report.h"
#include "front/allocate.h"

/* std::__throw_bad_alloc() and std::get_new_handler() */
extern void throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv") WEAK;
extern void (*get_new_handler(void))(void) __asm__(
    "_ZSt15get_new_handlerv") WEAK;

/* Lets the program's handler make room; false if there is none. */
static bool
call_new_handler(void)
{
  void (*handler)(void) = get_new_handler == NULL ? NULL : get_new_handler();

  if (handler == NULL)
    return false;
  handler();
  return true;
}

static COLD void
fail(void)
{
  struct line line;

  if (throw_bad_alloc != NULL)
    throw_bad_alloc();
  tcmi_report_begin(&line);
  tcmi_line_text(&line, "operator new: out of memory");
  tcmi_report_fatal(&line);
}

void *
tcmi_operator_new_or_null(const void *from, size_t size, size_t align)
{
  void *block;

  /* As in libstdc++, without calling the handler. */
  if (unlikely(!is_power_of_two(align)))
    return NULL;
  while ((block = tcmi_allocate_for(from, align, size)) == NULL)
    if (!call_new_handler())
      return NULL;
  return block;
}

static NOINLINE void *
new_slow(size_t size, size_t align)
{
  void *block =
      tcmi_operator_new_or_null(__builtin_return_address(0), size, align);

  if (unlikely(block == NULL))
    fail();
  return block;
}

/* A thread that takes samples gets its block here, see tcmi_allocate_slow(). */
static NOINLINE void *
new_counted(size_t size, struct thread_cache *cache, size_t index)
{
  void *block = thread_cache_pop_counted(cache, tcmi_tags[index]);

  return likely(block != NULL) ? block : new_slow(size, 1);
}

void *
tcmi_operator_new(size_t size)
{
  struct thread_cache *cache = tcmi_thread_cache;
  size_t tag, index;
  void *block = thread_cache_pop_from(cache, size, &tag, &index);

  if (likely(block != NULL))
    return block;
  return new_counted(size, cache, index);
}

void *
tcmi_operator_new_aligned(size_t size, size_t align)
{
  return new_slow(size, align);
}

extern __typeof__(operator_new) operator_new
    __attribute__((alias("tcmi_operator_new")));
extern __typeof__(operator_new_aligned) operator_new_aligned
    __attribute__((alias("tcmi_operator_new_aligned")));

void
operator_delete(void *ptr)
{
  tcmi_free(ptr);
}

void
operator_delete_aligned(void *ptr, size_t align)
{
  (void)align;
  tcmi_free(ptr);
}
