/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cached_set.h - the addresses of all cached objects, to tell them from those
 * in use.
 *
 *     thread caches   --+
 *                       +--> copy --> hash(address) -> | object | -- | object |
 *     transfer caches --+
 *
 * A span records which of its objects are free in it; only the caches show
 * whether another object is in use or cached.
 *
 * Invariants
 *   C1  an object in the set was in a cache while the set was made.
 *   C2  an object that stayed in its cache meanwhile is in the set.
 *
 * Rejected: the mark of a free object (mark.h).  An object that was never in
 * use does not have it, and a program may have made the pages of a block
 * inaccessible.
 * Rejected: a search of the caches for each object: a heap has millions, and a
 * process thousands of caches.
 *
 * Locking: LOCK_REGISTRY for the copy of one thread cache, a few microseconds,
 * and LOCK_TRANSFER for that of one class; none while the set is made.  Cost:
 * 24 to 40 bytes of metadata for a cached object, of which 16 to 32 stay.
 */
#ifndef TCM_CACHE_CACHED_SET_H
#define TCM_CACHE_CACHED_SET_H

#include "base/compiler.h"

/* All fields: [owner thread] */
struct cached_set {
  uintptr_t *slots; /* an address, or 0 */
  size_t length;    /* of slots, a power of two above twice the objects */
};

/* Makes the set; false when there is no memory. */
MUST_CHECK bool tcmi_cached_set_make(struct cached_set *set);
void tcmi_cached_set_free(struct cached_set *set);
bool tcmi_cached_set_holds(const struct cached_set *set, uintptr_t object);

#endif /* TCM_CACHE_CACHED_SET_H */
