/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cache/mark.h"

#include "base/random.h"
#include "cache/misuse.h"

uintptr_t tcmi_free_mark;

const uintptr_t tcmi_no_object[2] = {0, 2};

/* Odd: neither 0, as fresh memory, nor what NO_OBJECT has. */
void
tcmi_mark_init(void)
{
  if (atomic_load_relaxed(&tcmi_free_mark) == 0)
    atomic_store_relaxed(&tcmi_free_mark,
                         (uintptr_t)tcmi_random(RANDOM_MARKS) | 1);
}

void
tcmi_mark_objects(void *const *objects, unsigned n)
{
  uintptr_t mark = atomic_load_relaxed(&tcmi_free_mark);

  for (unsigned i = 0; i < n; i++)
    mark_write(objects[i], mark);
}

void
tcmi_mark_take(void *object)
{
  if (unlikely(!mark_take(object, atomic_load_relaxed(&tcmi_free_mark))))
    tcmi_misuse(call_unknown("malloc"), "free block was changed",
                (uintptr_t)object);
}
