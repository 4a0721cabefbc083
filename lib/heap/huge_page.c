/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/huge_page.h"

#include "base/report.h"

/* The lowest run of @n clear bits of @words, aligned to @align. */
static size_t
find_clear_run(const uint64_t *words, size_t n, size_t align)
{
  size_t first = 0;

  while (first + n <= HUGE_PAGE_PAGES) {
    size_t end;
    first = bits_find(words, first, HUGE_PAGE_PAGES, false);
    first = round_up(first, align);
    if (first + n > HUGE_PAGE_PAGES)
      break;
    end = bits_find(words, first, first + n, true);
    if (end == first + n)
      return first;
    first = end;
  }
  return NO_RUN;
}

size_t
tcmi_huge_page_longest(const struct huge_page *huge)
{
  size_t longest = 0, first = 0;

  while (first + longest < HUGE_PAGE_PAGES) {
    size_t end;
    first = bits_find(huge->used, first, HUGE_PAGE_PAGES, false);
    end = bits_find(huge->used, first, HUGE_PAGE_PAGES, true);
    longest = max_size(longest, end - first);
    first = end;
  }
  return longest;
}

size_t
tcmi_huge_page_find(const struct huge_page *huge, size_t n, size_t align)
{
  uint64_t unusable[HUGE_PAGE_WORDS];
  uint64_t any = 0;
  size_t first;

  if (n > huge->longest)
    return NO_RUN;
  for (size_t i = 0; i < HUGE_PAGE_WORDS; i++) {
    any |= huge->resident[i] & ~huge->used[i];
    unusable[i] = huge->used[i] | ~huge->resident[i];
  }
  if (any != 0) {
    first = find_clear_run(unusable, n, align);
    if (first != NO_RUN)
      return first;
  }
  return find_clear_run(huge->used, n, align);
}

/* The length of the free run that contains pages [first, first + n). */
static size_t
free_run_length(const struct huge_page *huge, size_t first, size_t n)
{
  return bits_find(huge->used, first + n, HUGE_PAGE_PAGES, true) -
         bits_end_before(huge->used, first);
}

void
tcmi_huge_page_take(struct huge_page *huge, size_t first, size_t n)
{
  size_t whole;

  ASSERT(first + n <= HUGE_PAGE_PAGES);
  ASSERT(bits_count_range(huge->used, first, n) == 0);
  whole = free_run_length(huge, first, n);
  bits_set_range(huge->used, first, n);
  huge->nused = (uint16_t)(huge->nused + n);
  if (whole >= huge->longest)
    huge->longest = (uint16_t)tcmi_huge_page_longest(huge);
}

void
tcmi_huge_page_give(struct huge_page *huge, size_t first, size_t n)
{
  ASSERT(first + n <= HUGE_PAGE_PAGES);
  ASSERT(bits_count_range(huge->used, first, n) == n);
  bits_clear_range(huge->used, first, n);
  huge->nused = (uint16_t)(huge->nused - n);
  huge->longest =
      (uint16_t)max_size(huge->longest, free_run_length(huge, first, n));
}

size_t
tcmi_huge_page_idle_pages(const struct huge_page *huge)
{
  size_t count = 0;

  for (size_t i = 0; i < HUGE_PAGE_WORDS; i++)
    count += (size_t)__builtin_popcountll(huge->resident[i] & ~huge->used[i]);
  return count;
}
