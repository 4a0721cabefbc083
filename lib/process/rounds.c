/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/rounds.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "heap/page_heap.h"
#include "observe/stats.h"
#include "process/cgroup_policy.h"

/* A round that returned fewer pages does not affect the period. */
#define LESSON_PAGES 256

/* What a round does next. */
enum stage { STAGE_BEGIN, STAGE_ORPHANS, STAGE_PAGES, STAGE_CLASS, STAGE_END };

/* All fields: [lock: claimed] unless labeled otherwise. */
static struct {
  uint32_t claimed;       /* [atomic: acquire and release] a thread works */
  bool more;              /* [atomic: relaxed] the last round returned
                             something, or one is in progress */
  uint64_t due;           /* [atomic: relaxed] when the next round may begin */
  uint64_t began;         /* when this round began */
  unsigned period;        /* milliseconds */
  enum stage stage;       /* of the current round, or STAGE_BEGIN */
  unsigned class_id;      /* the class that is scanned */
  size_t left;            /* bytes still to return in this stage */
  struct page_walk pages; /* position in the page heap */
  struct span_walk spans; /* position in the class */
  bool all;               /* return all that is free, needed or not */
  size_t returned;        /* pages that this round returned so far */
  size_t returned_before; /* pages that the round before returned */
  size_t faulted_before;  /* tcmi_page_counts.faulted at its end */
} rounds = {.period = ROUND_PERIOD_MIN_MS};

/* The work of a piece, counted in returned pages, see WORK_OF_CHECK.  On a slow
 * or busy machine, the clock ends the piece sooner. */
struct piece {
  size_t left;  /* [owner thread] work that it may still do */
  uint64_t end; /* [owner thread] nanoseconds of the clock */
};

/* Pages between two checks of the clock. */
#define STEP_PAGES 128

static void
spend(struct piece *piece, size_t amount)
{
  piece->left -= min_size(piece->left, amount);
}

static bool
try_claim(void)
{
  uint32_t free_word = 0;

  /* Pairs with unclaim(). */
  return atomic_cas_acquire(&rounds.claimed, &free_word, 1);
}

static void
unclaim(void)
{
  atomic_store_release(&rounds.claimed, 0);
}

/* The next period.  Depends on how many of the pages returned by the previous
 * round the load faulted in again, and whether that costs time. */
static unsigned
next_period(void)
{
  size_t faulted =
      atomic_load_relaxed(&tcmi_page_counts.faulted) - rounds.faulted_before;
  size_t again = min_size(faulted, rounds.returned_before);
  bool costs = again > ROUND_FAULTS_PER_MS * (size_t)rounds.period;
  size_t most = costs ? ROUND_PERIOD_MAX_MS : ROUND_PERIOD_MAX_MS / 2;

  if (rounds.returned_before < LESSON_PAGES)
    return rounds.period;
  if (again > rounds.returned_before / 2)
    return (unsigned)min_size(2 * (size_t)rounds.period, most);
  return (unsigned)max_size(rounds.period / 2, ROUND_PERIOD_MIN_MS);
}

static void
round_end(void)
{
  if (rounds.returned > 0)
    stats_count(releases);
  atomic_store_relaxed(&rounds.more, rounds.returned > 0);
  rounds.period = next_period();
  rounds.returned_before = rounds.returned;
  rounds.faulted_before = atomic_load_relaxed(&tcmi_page_counts.faulted);
  rounds.returned = 0;
  rounds.stage = STAGE_BEGIN;
  /* A round done by the program's calls may take longer than a period.  Under
   * pressure, look again soon. */
  atomic_store_relaxed(&rounds.due,
                       rounds.began +
                           (rounds.all ? ROUND_PERIOD_MIN_MS : rounds.period));
  rounds.all = false;
}

static void
class_begin(unsigned c)
{
  rounds.class_id = c;
  rounds.stage = c < SIZE_CLASS_COUNT ? STAGE_CLASS : STAGE_END;
  if (rounds.stage == STAGE_END)
    return;
  (void)tcmi_transfer_flush(c);
  rounds.left = rounds.all ? SIZE_MAX : tcmi_central_unneeded(c);
  tcmi_central_walk_begin(&rounds.spans);
}

/* Counts the bytes that a step returned, and its other work. */
static void
count_step(struct piece *piece, size_t bytes, size_t work)
{
  spend(piece, (bytes >> PAGE_SHIFT) + work);
  rounds.returned += bytes >> PAGE_SHIFT;
  rounds.left -= min_size(rounds.left, bytes);
}

/* The most bytes that a step may return. */
static size_t
most_of(const struct piece *piece)
{
  return min_size(rounds.left, min_size(piece->left, STEP_PAGES) << PAGE_SHIFT);
}

static void
step_pages(struct piece *piece)
{
  size_t work = 0;
  size_t bytes =
      tcmi_page_heap_release_some(&rounds.pages, most_of(piece), &work);

  count_step(piece, bytes, work);
  if (rounds.left == 0 || rounds.pages.done)
    class_begin(1);
}

static void
step_class(struct piece *piece)
{
  size_t work = WORK_OF_CHECK, bytes = 0;

  if (rounds.left >= PAGE_SIZE)
    bytes = tcmi_central_release_some(rounds.class_id, &rounds.spans,
                                      most_of(piece), &work);
  count_step(piece, bytes, work);
  if (rounds.left < PAGE_SIZE || rounds.spans.done)
    class_begin(rounds.class_id + 1);
}

static void
step(struct piece *piece)
{
  switch (rounds.stage) {
  case STAGE_BEGIN:
    atomic_store_relaxed(&rounds.more, true);
    rounds.began = tcmi_system_milliseconds();
    rounds.stage = STAGE_ORPHANS;
    break;
  case STAGE_ORPHANS:
    /* One cache may hold as many objects as a piece may return pages. */
    if (tcmi_thread_cache_flush_orphan()) {
      spend(piece, ROUND_PIECE_PAGES);
      break;
    }
    rounds.left = rounds.all ? SIZE_MAX : tcmi_page_heap_unneeded();
    rounds.pages = (struct page_walk){.keeps_huge = !rounds.all};
    rounds.stage = STAGE_PAGES;
    break;
  case STAGE_PAGES:
    step_pages(piece);
    break;
  case STAGE_CLASS:
    step_class(piece);
    break;
  case STAGE_END:
    break;
  }
}

/* After a pause, ignore the minimum that was free during it. */
void
tcmi_rounds_begin(void)
{
  uint64_t now = tcmi_system_milliseconds();

  if (now <= atomic_load_relaxed(&rounds.due) + ROUND_PERIOD_MAX_MS ||
      !try_claim())
    return;
  rounds.stage = STAGE_BEGIN;
  rounds.all = false;
  rounds.returned = rounds.returned_before = 0;
  (void)tcmi_page_heap_unneeded();
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    (void)tcmi_central_unneeded(c);
  atomic_store_relaxed(&rounds.due, now + rounds.period);
  unclaim();
}

unsigned
tcmi_rounds_wait(void)
{
  uint64_t due = atomic_load_relaxed(&rounds.due);
  uint64_t now = tcmi_system_milliseconds();

  return now >= due ? 0 : (unsigned)(due - now);
}

/* True if the round has more to do.  The caller holds the claim; this releases
 * it. */
static bool
do_piece(size_t pages)
{
  struct piece piece = {pages,
                        tcmi_system_nanoseconds() + ROUND_PIECE_NANOSECONDS};
  bool goes_on;

  do
    step(&piece);
  while (piece.left > 0 && rounds.stage != STAGE_END &&
         tcmi_system_nanoseconds() < piece.end);
  goes_on = rounds.stage != STAGE_END;
  if (!goes_on)
    round_end();
  unclaim();
  return goes_on;
}

bool
tcmi_rounds_piece_of_all(size_t pages)
{
  if (!try_claim())
    return true;
  if (!rounds.all)
    rounds.stage = STAGE_BEGIN;
  rounds.all = true;
  return do_piece(pages);
}

bool
tcmi_rounds_piece(size_t pages, int file)
{
  if (!try_claim())
    return false;
  if (rounds.stage == STAGE_BEGIN && tcmi_pressure_is_high(file))
    rounds.all = true;
  return do_piece(pages);
}

bool
tcmi_rounds_find_more(void)
{
  return atomic_load_relaxed(&rounds.more);
}

size_t
tcmi_rounds_run(void)
{
  while (tcmi_rounds_piece(ROUND_PIECE_PAGES, -1))
    ;
  return rounds.returned_before << PAGE_SHIFT;
}

/* Another thread of the parent may have been inside a piece. */
void
tcmi_rounds_after_fork(void)
{
  rounds.stage = STAGE_BEGIN;
  rounds.all = false;
  rounds.returned = rounds.returned_before = 0;
  atomic_store_relaxed(&rounds.due, 0);
  atomic_store_relaxed(&rounds.claimed, 0);
}
