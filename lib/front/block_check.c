/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/block_check.h"

#include "cache/central_list.h"
#include "cache/live.h"
#include "cache/mark.h"
#include "cache/slab.h"
#include "cache/thread_cache_checked.h"
#include "heap/pagemap.h"
#include "profile/guarded.h"

/* Reports an address among guarded blocks where no block is in use. */
static void __attribute__((noreturn))
refuse_guarded(struct call call, uintptr_t address, const char *gone)
{
  const struct guarded_slot *slot = tcmi_guarded_find(address);
  struct misuse_details details = {.past = NULL};

  if (address == slot->block && slot->freed.depth > 0) {
    details.past = "freed";
    details.past_from = (const void *)slot->freed.pcs[0];
  }
  tcmi_misuse_detailed(call, gone, address, &details);
}

/* A block of a slab must be in use. */
static void
check_slab(struct call call, const struct span *span, uintptr_t address,
           const char *gone)
{
  enum block_verdict verdict = tcmi_slab_judge(span, address);

  if (unlikely(verdict != BLOCK_VALID))
    tcmi_misuse(call,
                verdict == BLOCK_INTERIOR
                    ? "pointer not at the start of a block"
                    : gone,
                address);
}

struct span *
tcmi_check_large(struct call call, uintptr_t address, const char *gone)
{
  struct span *span = pagemap_span(address);

  if (span != NULL && unlikely(span->slab)) {
    check_slab(call, span, address, gone);
    return span;
  }
  if (likely(span != NULL && span->class_id == 0 &&
             span_block(span) == address && !span->held))
    return span;
  if (span != NULL && span->class_id == 0 && span_block(span) == address)
    tcmi_misuse(call, gone, address);
  if (tcmi_pagemap_find(address) != NULL)
    tcmi_misuse(call, "pointer not at the start of a block", address);
  if (tcmi_guarded_find(address) != NULL)
    refuse_guarded(call, address, gone);
  if (pagemap_arena(address) == NULL)
    tcmi_misuse(call, "pointer not from this heap", address);
  tcmi_misuse(call, gone, address);
}

void
tcmi_check_alignment_failed(struct call call, uintptr_t address)
{
  tcmi_misuse(call,
              tcmi_pagemap_find(address) != NULL ? "pointer not aligned"
                                                 : "pointer not from this heap",
              address);
}

void
tcmi_check_object(struct call call, unsigned class_id, uintptr_t address)
{
  check_block_start(call, class_id, address);
  if (live_is_on()) {
    if (!live_holds(address))
      tcmi_misuse(call, "block is free", address);
    return;
  }
  if (unlikely(
          mark_is_set((void *)address, atomic_load_relaxed(&tcmi_free_mark))) &&
      tcmi_object_is_free(class_id, (void *)address))
    tcmi_misuse(call, "block is free", address);
  if (tcmi_thread_cache_state == CACHE_CLOSED &&
      tcmi_central_judge(pagemap_span(address), address) != BLOCK_VALID)
    tcmi_misuse(call, "block is free", address);
}

void
tcmi_refuse(struct call call, void *block, const char *gone)
{
  uintptr_t address = (uintptr_t)block;
  unsigned class_id = pagemap_tag(address) >> 1;

  check_block_alignment(call, address);
  if (class_id == 0)
    (void)!tcmi_check_large(call, address, gone);
  else if (tcmi_central_judge(pagemap_span(address), address) == BLOCK_INTERIOR)
    tcmi_misuse(call, "pointer not at the start of a block", address);
  tcmi_misuse(call, gone, address);
}
