/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/huge_page_filler.h"

#include "base/report.h"
#include "heap/page_heap_lock.h"

#define EXACT 32
#define STEPS 8 /* buckets per doubling above EXACT */
#define NBUCKETS 64
/* How many members of a list to try; some may be too small. */
#define TRIES 8

/* All fields: [lock: page heap] */
static struct {
  struct list lists[RUN_KINDS][NBUCKETS]; /* by bucket; 0 stays empty */
  uint64_t nonempty[RUN_KINDS];           /* bit per bucket */
} filler;

/* 1..32 for 1..32 pages, then 8 per doubling: 63 for 512 pages. */
static unsigned
bucket_of(size_t longest)
{
  unsigned width;

  if (longest <= EXACT)
    return (unsigned)longest;
  width = bit_width(longest) - 1; /* 5..9 */
  return EXACT + (width - 5) * STEPS +
         (unsigned)((longest >> (width - 3)) & (STEPS - 1)) -
         (width == 9 ? 1 : 0);
}

static struct huge_page *
find_in_list_locked(struct list *list, size_t n, size_t align, unsigned tries,
                    size_t *first)
{
  struct list *node = list_first(list);

  lock_assert_held(&tcmi_page_heap_lock);
  for (; node != NULL && tries > 0; tries--, node = list_after(list, node)) {
    struct huge_page *huge = list_entry(node, struct huge_page, link);
    *first = tcmi_huge_page_find(huge, n, align);
    if (*first != NO_RUN)
      return huge;
  }
  return NULL;
}

struct huge_page *
tcmi_filler_find_locked(enum run_kind kind, size_t n, size_t align,
                        size_t *first)
{
  unsigned start = bucket_of(n);
  uint64_t candidates = filler.nonempty[kind] & (~(uint64_t)0 << start);

  lock_assert_held(&tcmi_page_heap_lock);
  while (candidates != 0) {
    unsigned bucket = lowest_bit(candidates);
    struct huge_page *huge = find_in_list_locked(&filler.lists[kind][bucket], n,
                                                 align, TRIES, first);
    if (huge != NULL)
      return huge;
    candidates &= candidates - 1;
  }
  return NULL;
}

void
tcmi_filler_remove_locked(struct huge_page *huge)
{
  struct list *list;

  lock_assert_held(&tcmi_page_heap_lock);
  if (huge->bucket == 0)
    return;
  list = &filler.lists[huge->kind][huge->bucket];
  list_remove(&huge->link);
  if (list_is_empty(list))
    filler.nonempty[huge->kind] &= ~((uint64_t)1 << huge->bucket);
  huge->bucket = 0;
}

void
tcmi_filler_update_locked(struct huge_page *huge)
{
  unsigned bucket = huge->nused == 0 ? 0 : bucket_of(huge->longest);

  lock_assert_held(&tcmi_page_heap_lock);
  if (bucket == huge->bucket)
    return;
  tcmi_filler_remove_locked(huge);
  if (bucket == 0)
    return;
  list_push_front(&filler.lists[huge->kind][bucket], &huge->link);
  filler.nonempty[huge->kind] |= (uint64_t)1 << bucket;
  huge->bucket = (uint8_t)bucket;
}
