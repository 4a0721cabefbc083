/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/span.h"

#include "base/metadata.h"

static size_t
descriptor_bytes(unsigned nobjs)
{
  return sizeof(struct span) + (nobjs + 63) / 64 * sizeof(uint64_t);
}

struct span *
tcmi_span_new(unsigned nobjs)
{
  struct span *span = tcmi_metadata_alloc_zeroed(descriptor_bytes(nobjs));

  if (span != NULL)
    span->nobjs = (uint16_t)nobjs;
  return span;
}

void
tcmi_span_delete_all(struct span *const *spans, unsigned n)
{
  tcmi_metadata_free_all((void *const *)spans, n,
                         descriptor_bytes(spans[0]->nobjs));
}

void
tcmi_span_delete(struct span *span)
{
  tcmi_metadata_free(span, descriptor_bytes(span->nobjs));
}
