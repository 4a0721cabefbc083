/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Diagnosis and action: the first cause that applies, the most urgent first.
 *
 * Rejected: a list of all causes.  A person who does not know allocators cannot
 * choose from it; the tables below the verdict have the rest.
 */
#include "survey.h"
#include "profile.h"

#include <inttypes.h>
#include <string.h>

/* A part of the heap is a cause if it is at least a fifth of the heap, and at
 * least this. */
#define MUCH_MIN ((uint64_t)1 << 20)
/* Memory outside of the heap is a cause if it is more than the heap, and at
 * least this. */
#define OUTSIDE_MIN ((uint64_t)16 << 20)
/* Code and libraries of large programs take up to this. */
#define FILES_MIN ((uint64_t)256 << 20)
/* Per second.  Each uses 1 % of a processor: a fault takes about 2 us, a slow
 * path about 0.1 us. */
#define FAULTS_MANY 5000.0
#define SLOW_PATHS_MANY 100000.0
#define LIMIT_CLOSE 0.9

const char *const cause_names[CAUSES] = {
    "limit",      "growth", "outside",    "churn",      "returnable",
    "fragmented", "caches", "huge_pages", "huge_block", "none"};

/* The facts that the sentences use.  All fields: [const] */
struct facts {
  const struct target *target;
  const struct survey *survey;
  const struct tcm_stats *s;
  uint64_t backed; /* bytes of the heap not returned to the OS */
  uint64_t much;   /* a part of the heap is a cause from this size on */
};

static uint64_t
plus(uint64_t now, uint64_t before)
{
  return now > before ? now - before : 0;
}

static uint64_t
page_bytes(const struct facts *f, enum page_kind kind)
{
  return f->survey->pages.count[kind] << PAGE_SHIFT;
}

/* "blocks of 897 to 1024 bytes" */
static const char *
class_text(const struct facts *f, char text[64], unsigned c)
{
  const struct size_class *sizes = f->survey->now.raw.sizes;

  snprintf(text, 64, "blocks of %u to %u bytes",
           c == 1 ? 1 : sizes[c - 1].size + 1, sizes[c].size);
  return text;
}

static double
rate(const struct facts *f, uint64_t now, uint64_t before)
{
  return f->survey->seconds > 0 ? (double)plus(now, before) / f->survey->seconds
                                : 0;
}

/* ---- A limit ------------------------------------------------------------- */
static bool
limit_is_close(const struct facts *f, struct verdict *verdict)
{
  const struct limit_view *limit = NULL;
  uint64_t hits = f->s->hard_limit_hits;
  char a[32], b[32], more[96] = "";

  for (int i = LIMITS - 1; i >= 0; i--) {
    const struct limit_view *l = &f->survey->limits[i];
    if (l->most > 0 && (double)l->used >= LIMIT_CLOSE * (double)l->most)
      limit = l;
  }
  if (hits > 0)
    limit = &f->survey->limits[LIMIT_HARD];
  if (limit == NULL)
    return false;
  if (hits > 0)
    snprintf(more, sizeof more, "; it refused %" PRIu64 " allocations so far",
             hits);
  else if (limit == &f->survey->limits[LIMIT_SOFT])
    snprintf(more, sizeof more,
             "; %" PRIu64 " allocations so far had to return memory first",
             f->s->soft_limit_hits);
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "Limit: %s uses %s of the %s that %s allows (%.0f %%)%s.",
           limit == &f->survey->limits[LIMIT_GROUP] ? "the control group"
                                                    : "the process",
           size_text(a, limit->used), size_text(b, limit->most), limit->name,
           limit->most == 0 ? 0.0
                            : 100.0 * (double)limit->used / (double)limit->most,
           more);
  snprintf(verdict->action, sizeof verdict->action,
           "Raise it, or let the program use less: of the heap it uses %s; "
           "tcm-stat release can return %s.",
           size_text(a, f->s->in_use_bytes),
           size_text(b, page_bytes(f, PAGE_IDLE) + page_bytes(f, PAGE_FREE)));
  return true;
}

/* ---- Growth -------------------------------------------------------------- */

/* The class that grew most, or 0 for large blocks; sets by how much. */
static unsigned
find_growth(const struct facts *f, uint64_t *grown)
{
  unsigned most = 0;

  *grown = plus(f->survey->now.stats.large_bytes,
                f->survey->before.stats.large_bytes);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    struct class_stats before, now;
    tcmi_stats_sum_class(&f->survey->before.raw, c, &before);
    tcmi_stats_sum_class(&f->survey->now.raw, c, &now);
    if (plus(now.live, before.live) * now.size > *grown) {
      *grown = (now.live - before.live) * now.size;
      most = c;
    }
  }
  return most;
}

/* Writes "; by the samples, most of it is from f (file:line)"; "" if no sample
 * grew. */
static const char *
say_culprit(const struct facts *f, char *text, size_t size)
{
  const struct profile_view *profile = f->survey->profile;
  int64_t most, sum = profile == NULL ? 0 : profile_sum(profile).growth;
  struct symbols *symbols;
  char culprit[256];

  if (sum <= 0)
    return text;
  symbols = symbols_open(f->target);
  most = profile_worst(profile, symbols, culprit, sizeof culprit);
  symbols_close(symbols);
  if (most > 0)
    snprintf(text, size, "; by the samples, %.0f %% of the growth is from %s",
             100 * (double)most / (double)(sum > most ? sum : most), culprit);
  return text;
}

static bool
use_grows(const struct facts *f, struct verdict *verdict)
{
  uint64_t grown = plus(f->survey->now.stats.in_use_bytes,
                        f->survey->before.stats.in_use_bytes);
  uint64_t part;
  char a[32], b[32], text[64], more[300] = "";
  unsigned c;

  if (!f->survey->rises || grown < GROWTH_MIN)
    return false;
  c = find_growth(f, &part);
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "Growth: the program's own use rose by %s in %.1f s and never "
           "fell: %s of it in %s%s.",
           size_text(a, grown), f->survey->seconds, size_text(b, part),
           c != 0                       ? class_text(f, text, c)
           : f->survey->profile != NULL ? "large or sampled blocks"
                                        : "large blocks",
           say_culprit(f, more, sizeof more));
  if (more[0] != '\0')
    snprintf(verdict->action, sizeof verdict->action,
             "Look at that code, and at what should free its blocks; tcm-stat "
             "--seconds=60 %d shows whether it continues.",
             (int)f->target->pid);
  else
    snprintf(
        verdict->action, sizeof verdict->action,
        "tcm-stat profile --growth %d names the code that allocates and does "
        "not free these; tcm-stat --seconds=60 %d shows whether it continues.",
        (int)f->target->pid, (int)f->target->pid);
  return true;
}

/* ---- Outside ------------------------------------------------------------- */
static bool
is_outside(const struct facts *f, struct verdict *verdict)
{
  const struct outside_view *now = &f->survey->outside;
  const struct outside_view *before = &f->survey->outside_before;
  uint64_t grown = 0, heap = f->survey->heap.resident;
  char a[32], b[32], c[32], more[96] = " (whether it grows is unknown)";
  int kind = OUTSIDE_ANONYMOUS;

  if (!now->known)
    return false;
  for (int i = 0; i < OUTSIDE_KINDS; i++)
    if (i != OUTSIDE_FILES && now->bytes[i] > now->bytes[kind])
      kind = i;
  if (now->bytes[OUTSIDE_FILES] >= FILES_MIN &&
      now->bytes[OUTSIDE_FILES] > now->bytes[kind])
    kind = OUTSIDE_FILES;
  if (now->bytes[kind] < OUTSIDE_MIN || now->bytes[kind] <= heap)
    return false;
  if (before->known) {
    grown = plus(now->bytes[kind], before->bytes[kind]);
    snprintf(more, sizeof more, ", which %s%s in %.1f s",
             grown > 0 ? "grew by " : "did not grow",
             grown > 0 ? size_text(c, grown) : "", f->survey->seconds);
  }
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "Outside of the heap: %s of %s%s, the largest %s (%s); the heap has "
           "%s.",
           size_text(a, now->bytes[kind]), outside_names[kind], more,
           now->name[kind], size_text(b, now->most[kind]), size_text(c, heap));
  snprintf(verdict->action, sizeof verdict->action, "%s",
           kind == OUTSIDE_STACKS
               ? "Start fewer threads, or give them smaller stacks; tcm has no "
                 "part in this memory."
           : kind == OUTSIDE_FILES
               ? "The kernel drops these pages when memory is short, unless "
                 "they were written; tcm has no part in them."
               : "Look for mmap(2) in the program and its libraries; tcm has "
                 "no part in this memory.");
  return true;
}

/* ---- Churn --------------------------------------------------------------- */
static bool
is_churn(const struct facts *f, struct verdict *verdict)
{
  const struct stats_page *now = &f->survey->now.page;
  const struct stats_page *before = &f->survey->before.page;
  double slow = rate(f, now->slow_mallocs + now->slow_frees,
                     before->slow_mallocs + before->slow_frees);
  double large = rate(f, now->large_mallocs, before->large_mallocs);
  double faults = rate(f, f->survey->now.raw.shared.faulted_pages,
                       f->survey->before.raw.shared.faulted_pages);

  if (faults < FAULTS_MANY && slow < SLOW_PATHS_MANY)
    return false;
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "Churn: in each second %.0f calls bypass the thread caches, %.0f "
           "of them for large blocks, and %.0f pages come from the OS; the "
           "heap does not grow.",
           slow + large, large, faults);
  snprintf(verdict->action, sizeof verdict->action,
           faults >= FAULTS_MANY
               ? "Keep blocks instead of freeing and allocating them again, "
                 "above all large ones."
               : "Raise thread_cache_bytes (tcm-stat set %d "
                 "thread_cache_bytes=32M), or keep blocks instead of freeing "
                 "them.",
           (int)f->target->pid);
  return true;
}

/* ---- Free memory --------------------------------------------------------- */
static void
say_returnable(const struct facts *f, struct verdict *verdict)
{
  uint64_t bytes = page_bytes(f, PAGE_IDLE) + page_bytes(f, PAGE_FREE);
  uint64_t gone = plus(f->survey->now.stats.released_total_bytes,
                       f->survey->before.stats.released_total_bytes);
  char a[32], b[32], more[64] = "";

  if (f->survey->seconds > 0)
    snprintf(more, sizeof more, "; %s was returned in the last %.1f s",
             size_text(b, gone), f->survey->seconds);
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "About to be returned: %s is free in whole pages%s.",
           size_text(a, bytes), more);
  if (f->survey->now.options[OPTION_background].value == 0)
    snprintf(verdict->action, sizeof verdict->action,
             "The option background is 0, so only calls of the program "
             "return memory; tcm-stat release %d requests it.",
             (int)f->target->pid);
  else
    snprintf(verdict->action, sizeof verdict->action,
             "Nothing: tcm returns what stays unused for a few seconds, down "
             "to 8 MiB; tcm-stat release %d does so now.",
             (int)f->target->pid);
}

static void
say_fragmented(const struct facts *f, uint64_t free_bytes,
               struct verdict *verdict)
{
  const uint64_t *parts = f->survey->pages.partly_free;
  struct class_stats s;
  char a[32], b[32], text[64];
  unsigned most = 1;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    if (parts[c] > parts[most])
      most = c;
  tcmi_stats_sum_class(&f->survey->now.raw, most, &s);
  size_text(a, free_bytes);
  size_text(b, parts[most]);
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "Fragmentation: %s is free but cannot be returned, since blocks in "
           "use lie on the same pages: %s of it next to %" PRIu64 " %s.",
           a, strcmp(a, b) == 0 ? "all" : b, s.live, class_text(f, text, most));
  snprintf(verdict->action, sizeof verdict->action,
           "Free these long-lived blocks, or allocate them together: then "
           "tcm could return %s.",
           size_text(a, parts[most] & ~(uint64_t)(PAGE_SIZE - 1)));
}

/* Number of threads whose caches did not change between the readings. */
static size_t
count_idle(const struct survey *survey)
{
  size_t n = 0;

  for (size_t i = 0; i < survey->now.nthreads; i++)
    for (size_t j = 0; j < survey->before.nthreads; j++) {
      const struct thread_view *now = &survey->now.threads[i];
      const struct thread_view *before = &survey->before.threads[j];
      if (now->thread != 0 && now->thread == before->thread) {
        n += now->bytes == before->bytes &&
             memcmp(&now->traffic, &before->traffic, sizeof now->traffic) == 0;
        break;
      }
    }
  return n;
}

static void
say_caches(const struct facts *f, struct verdict *verdict)
{
  uint64_t cached = f->s->thread_cache_bytes + f->s->transfer_cache_bytes;
  char a[32], b[32], more[80] = "; whether they are idle is unknown";

  if (f->survey->seconds > 0)
    snprintf(more, sizeof more, ", %zu of them idle for %.1f s",
             count_idle(f->survey), f->survey->seconds);
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "Caches: %s is kept by free blocks alone, %s that wait in the "
           "caches of %" PRIu64 " threads%s.",
           size_text(a, page_bytes(f, PAGE_CACHED)), size_text(b, cached),
           f->s->thread_cache_count, more);
  snprintf(verdict->action, sizeof verdict->action,
           "Let threads call tcm_thread_idle(3) before they wait for long, or "
           "start fewer; or start the program with "
           "TCM_THREAD_CACHE_BYTES=64K.");
}

/* Reports the largest part of the free memory, if it is large enough. */
static bool
much_is_free(const struct facts *f, struct verdict *verdict)
{
  uint64_t back = page_bytes(f, PAGE_IDLE) + page_bytes(f, PAGE_FREE);
  uint64_t cached = page_bytes(f, PAGE_CACHED), partly = 0;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    partly += f->survey->pages.partly_free[c];
  if (back < f->much && cached < f->much && partly < f->much)
    return false;
  if (back >= cached && back >= partly) {
    verdict->cause = CAUSE_RETURNABLE;
    say_returnable(f, verdict);
  } else if (partly >= cached) {
    verdict->cause = CAUSE_FRAGMENTED;
    say_fragmented(f, partly, verdict);
  } else {
    verdict->cause = CAUSE_CACHES;
    say_caches(f, verdict);
  }
  return true;
}

/* Whether much memory that tcm returned is resident: the kernel populates whole
 * huge pages. */
static bool
is_in_huge_pages(const struct facts *f, struct verdict *verdict)
{
  const struct heap_view *heap = &f->survey->heap;
  uint64_t more = plus(heap->resident, f->backed);
  char a[32], b[32];

  if (!heap->known || more < f->much || heap->huge < f->much)
    return false;
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "Huge pages: %s of the heap is resident although tcm returned it: "
           "the kernel uses huge pages for %s of the heap, and fills them.",
           size_text(a, more), size_text(b, heap->huge));
  snprintf(verdict->action, sizeof verdict->action,
           "Start the program with TCM_HUGE_PAGES=0, or without its own advice "
           "for huge pages; or set "
           "/sys/kernel/mm/transparent_hugepage/enabled to madvise.");
  return true;
}

static bool
is_huge_block(const struct facts *f, struct verdict *verdict)
{
  uint64_t bytes = f->survey->pages.largest_bytes;
  char a[32], b[32];

  if (bytes < OUTSIDE_MIN || bytes < f->s->in_use_bytes / 2)
    return false;
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "Huge block: a single block of %s makes up %.0f %% of the %s that "
           "the program uses.",
           size_text(a, bytes),
           100.0 * (double)bytes / (double)f->s->in_use_bytes,
           size_text(b, f->s->in_use_bytes));
  snprintf(verdict->action, sizeof verdict->action,
           "Look for the one buffer of that size in the program; freeing it "
           "returns its memory.");
  return true;
}

static void
say_none(const struct facts *f, struct verdict *verdict)
{
  uint64_t risen = plus(f->survey->now.stats.in_use_bytes,
                        f->survey->before.stats.in_use_bytes);
  char a[32], b[32], c[32], more[96];

  if (f->survey->seconds > 0)
    snprintf(more, sizeof more, "in %.1f s its use %s%s", f->survey->seconds,
             risen > 0 ? "rose by " : "did not rise",
             risen > 0 ? size_text(c, risen) : "");
  else
    snprintf(more, sizeof more,
             "a single reading cannot show whether its use grows");
  snprintf(verdict->diagnosis, sizeof verdict->diagnosis,
           "Nothing wrong: of %s that the heap holds, the program uses %s "
           "(%.0f %%); %s.",
           size_text(a, f->backed), size_text(b, f->s->in_use_bytes),
           f->backed == 0
               ? 0.0
               : 100.0 * (double)f->s->in_use_bytes / (double)f->backed,
           more);
  snprintf(verdict->action, sizeof verdict->action,
           "Nothing; for slow growth look longer: tcm-stat --seconds=600 %d.",
           (int)f->target->pid);
}

void
verdict_reach(const struct target *target, const struct survey *survey,
              struct verdict *verdict)
{
  const struct tcm_stats *s = &survey->now.stats;
  struct facts f = {target, survey, s, s->mapped_bytes - s->returned_bytes, 0};

  f.much = f.backed / 5 > MUCH_MIN ? f.backed / 5 : MUCH_MIN;
  memset(verdict, 0, sizeof *verdict);
  if (limit_is_close(&f, verdict)) {
    verdict->cause = CAUSE_LIMIT;
  } else if (use_grows(&f, verdict)) {
    verdict->cause = CAUSE_GROWTH;
  } else if (is_outside(&f, verdict)) {
    verdict->cause = CAUSE_OUTSIDE;
  } else if (is_churn(&f, verdict)) {
    verdict->cause = CAUSE_CHURN;
  } else if (is_in_huge_pages(&f, verdict)) {
    verdict->cause = CAUSE_HUGE_PAGES;
  } else if (much_is_free(&f, verdict)) {
    return;
  } else if (is_huge_block(&f, verdict)) {
    verdict->cause = CAUSE_HUGE_BLOCK;
  } else {
    verdict->cause = CAUSE_NONE;
    say_none(&f, verdict);
  }
}
