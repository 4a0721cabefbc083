/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cache/mark.h"

#include "base/random.h"

uintptr_t tcmi_free_mark;

/* Never 0, because fresh memory is 0. */
void
tcmi_mark_init(void)
{
  if (atomic_load_relaxed(&tcmi_free_mark) == 0)
    atomic_store_relaxed(&tcmi_free_mark,
                         (uintptr_t)tcmi_random(RANDOM_MARKS) | 1);
}
