/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/span.h"

#include "base/metadata.h"

static size_t
free_words(unsigned nobjs)
{
  return (nobjs + 63) / 64;
}

static size_t
descriptor_bytes(unsigned nobjs, size_t live_pages)
{
  return sizeof(struct span) +
         (free_words(nobjs) + live_pages * LIVE_WORDS) * sizeof(uint64_t);
}

static size_t
bytes_of(const struct span *span)
{
  return descriptor_bytes(span->nobjs, span->live != 0 ? span->npages : 0);
}

struct span *
tcmi_span_new(unsigned nobjs)
{
  struct span *span = tcmi_metadata_alloc_zeroed(descriptor_bytes(nobjs, 0));

  if (span != NULL)
    span->nobjs = (uint16_t)nobjs;
  return span;
}

struct span *
tcmi_span_new_live(unsigned nobjs, unsigned npages)
{
  struct span *span =
      tcmi_metadata_alloc_zeroed(descriptor_bytes(nobjs, npages));

  if (span == NULL)
    return NULL;
  span->nobjs = (uint16_t)nobjs;
  span->npages = npages;
  span->live = (uint8_t)free_words(nobjs);
  return span;
}

/* Either all have live bits or none do, except for spans that were made before
 * the options were read. */
void
tcmi_span_delete_all(struct span *const *spans, unsigned n)
{
  for (unsigned first = 0, end; first < n; first = end) {
    for (end = first + 1; end < n && spans[end]->live == spans[first]->live;)
      end++;
    tcmi_metadata_free_all((void *const *)spans + first, end - first,
                           bytes_of(spans[first]));
  }
}

void
tcmi_span_delete(struct span *span)
{
  tcmi_metadata_free(span, bytes_of(span));
}
