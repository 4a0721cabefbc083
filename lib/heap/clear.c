/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: mincore(2).  It knows which pages are resident, but a program's
 * seccomp filter may not allow it.
 */
#include "config.h"

#include "heap/clear.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"

/* Pages that a probe sets.  A block counts as filled if at least 1/FILLED_SHARE
 * of them were used: from there on, the page faults of a returned block cost
 * more than setting it. */
#define PROBE_PAGES 64
#define FILLED_SHARE 4
/* Blocks cleared between two probes: first TRUST_MIN, doubled while the probes
 * agree. */
#define TRUST_MIN 16
#define TRUST_MAX 1024
/* The kind of a block is the power of two of its size. */
#define KINDS 48

/* What was learned about blocks of one kind.  All fields: [atomic: relaxed] */
struct kind {
  uintptr_t probed; /* start of the pages that a probe set, or 0 */
  uint16_t left;    /* blocks until the next probe */
  uint16_t trust;   /* start value of left after the last probe */
  bool filled;      /* users fill these blocks */
};

static struct kind kinds[KINDS];

/* Whether most of the memory seems unused: a few places in it are zero. */
static bool
is_likely_sparse(const char *start, size_t size)
{
  enum { PLACES = 3 };

  for (size_t i = 0; i < PLACES; i++) {
    size_t offset = (2 * i + 1) * (size / 7); /* not typical offsets */
    const uint64_t *line =
        (const uint64_t *)(const void *)(start + round_down(offset, 64));
    for (size_t word = 0; word < 8; word++)
      if (line[word] != 0)
        return false;
  }
  return true;
}

/* Bytes of [begin, end) that a probe sets: whole pages. */
static size_t
probe_bytes(uintptr_t begin, uintptr_t end)
{
  size_t page = tcmi_system_page_size();

  return min_size(round_up((end - begin) / 4, page), PROBE_PAGES * page);
}

bool
tcmi_page_is_zero(const char *start, size_t size)
{
  const uint64_t *words = (const uint64_t *)(const void *)start;

  for (size_t i = 0; i < size / sizeof *words; i++)
    if (words[i] != 0)
      return false;
  return true;
}

/* Learns from the probe of this block. */
static void
learn(struct kind *kind, const char *begin, size_t size)
{
  size_t page = tcmi_system_page_size(), used = 0;
  size_t trust = atomic_load_relaxed(&kind->trust);
  bool filled;

  for (size_t at = 0; at < size; at += page)
    used += !tcmi_page_is_zero(begin + at, page);
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
  /* If the block is not cleared again soon, its probe is dropped. */
  atomic_store_relaxed(&kind->left, TRUST_MIN);
  return true;
}

/* Returns whole pages to the OS, and sets the rest at both ends.  The first
 * page is set: nearly every program uses it, and a returned page costs two
 * faults if it is read before it is written. */
bool
tcmi_clear_sparse(void *start, size_t size)
{
  uintptr_t page = tcmi_system_page_size();
  uintptr_t begin = round_up((uintptr_t)start + 1, page);
  uintptr_t end = round_down((uintptr_t)start + size, page), from = begin;
  struct kind *kind = &kinds[bit_width(size) % KINDS];

  if (size < CLEAR_BY_DISCARD_SIZE || begin >= end ||
      !is_likely_sparse(start, size))
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
