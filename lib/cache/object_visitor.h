/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * object_visitor.h - what the tiers call with each object they cache.
 *
 *     thread caches   --+
 *                       +--> see(object, arg)
 *     transfer caches --+
 *
 * No invariants, no locking: each tier holds its lock during the call,
 * so a visitor takes no lock and does little.
 */
#ifndef TCM_CACHE_OBJECT_VISITOR_H
#define TCM_CACHE_OBJECT_VISITOR_H

typedef void object_visitor(void *object, void *arg);

#endif /* TCM_CACHE_OBJECT_VISITOR_H */
