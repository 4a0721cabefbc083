/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: mincore(2) knows which pages are resident, but a program's filter of
 * system calls may not allow it.
 */
#include "config.h"

#include "heap/clear.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"

/* Pages of a block that a probe sets, and the share of them that must be used
 * for the block to count as filled: from there on, the faults of a returned block
 * cost more than setting it. */
#define PROBE_PAGES 64
#define FILLED_SHARE 4
/* Blocks that are cleared between two probes: the first number, doubled while
 * the probes agree. */
#define TRUST_MIN 16
#define TRUST_MAX 1024
/* Sizes are told apart by their power of two. */
#define KINDS 48

/* What is known of blocks of one kind.  All fields: [atomic: relaxed] */
struct kind {
  uintptr_t probed; /* start of the block that is probed, or 0 */
  uint16_t left;    /* blocks until the next probe */
  uint16_t trust;   /* the last value that it began with */
  bool filled;      /* by their users */
};

static struct kind kinds[KINDS];

/* Whether memory looks as if most of it was not used: a few places of it are
 * zero. */
static bool
looks_sparse(const char *start, size_t size)
{
  enum { PLACES = 3 };

  for (size_t i = 0; i < PLACES; i++) {
    size_t offset = (2 * i + 1) * (size / 7); /* no likely place */
    const uint64_t *line =
        (const uint64_t *)(const void *)(start + round_down(offset, 64));
    for (size_t word = 0; word < 8; word++)
      if (line[word] != 0)
        return false;
  }
  return true;
}

/* The part of [begin, end), whole pages, that a probe sets. */
static size_t
probe_bytes(uintptr_t begin, uintptr_t end)
{
  size_t page = tcmi_system_page_size();

  return min_size(round_up((end - begin) / 4, page), PROBE_PAGES * page);
}

static bool
page_is_zero(const char *start, size_t size)
{
  const uint64_t *words = (const uint64_t *)(const void *)start;

  for (size_t i = 0; i < size / sizeof *words; i++)
    if (words[i] != 0)
      return false;
  return true;
}

/* What the probe of this block shows. */
static void
learn(struct kind *kind, const char *begin, size_t size)
{
  size_t page = tcmi_system_page_size(), used = 0;
  size_t trust = atomic_load_relaxed(&kind->trust);
  bool filled;

  for (size_t at = 0; at < size; at += page)
    used += !page_is_zero(begin + at, page);
  filled = used * FILLED_SHARE >= size / page;
  trust = filled == atomic_load_relaxed(&kind->filled)
              ? min_size(2 * trust, TRUST_MAX)
              : TRUST_MIN;
  atomic_store_relaxed(&kind->filled, filled);
  atomic_store_relaxed(&kind->trust, (uint16_t)max_size(trust, TRUST_MIN));
  atomic_store_relaxed(&kind->left, atomic_load_relaxed(&kind->trust));
  atomic_store_relaxed(&kind->probed, 0);
}

/* Whether it is time to probe a block. */
static bool
probe_is_due(struct kind *kind)
{
  unsigned left = atomic_load_relaxed(&kind->left);

  if (left > 0) {
    atomic_store_relaxed(&kind->left, (uint16_t)(left - 1));
    return false;
  }
  /* A block that is not cleared again soon is given up. */
  atomic_store_relaxed(&kind->left, TRUST_MIN);
  return true;
}

/* Whole pages that the system may take; what is left at the ends is set.  The
 * first page stays: nearly every program uses it, and to touch one that was
 * given back costs two faults where it is read before it is written. */
bool
tcmi_clear_sparse(void *start, size_t size)
{
  uintptr_t page = tcmi_system_page_size();
  uintptr_t begin = round_up((uintptr_t)start + 1, page);
  uintptr_t end = round_down((uintptr_t)start + size, page), from = begin;
  struct kind *kind = &kinds[bit_width(size) % KINDS];

  if (size < CLEAR_BY_DISCARD_SIZE || begin >= end ||
      !looks_sparse(start, size))
    return false;
  if (atomic_load_relaxed(&kind->probed) == begin)
    learn(kind, (const char *)begin, probe_bytes(begin, end));
  if (probe_is_due(kind)) {
    atomic_store_relaxed(&kind->probed, begin);
    from += probe_bytes(begin, end);
  }
  if (atomic_load_relaxed(&kind->filled) ||
      tcmi_system_discard((void *)from, end - from) != 0)
    return false;
  memset(start, 0, from - (uintptr_t)start);
  memset((void *)end, 0, (uintptr_t)start + size - end);
  return true;
}
