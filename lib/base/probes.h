/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probes.h - points where a tracer may look at the samples of the heap profile.
 *
 *     sampled malloc --> otel_memory:alloc(block, bytes, weight)
 *     its free       --> otel_memory:free(block)
 *
 * A probe is one instruction that does nothing, and a note in the library that
 * tells a tracer where it is and where its arguments are.  Names and arguments
 * are those that OpenTelemetry's profilers look for.  The weight is how many
 * bytes the sample stands for.
 *
 * Where <sys/sdt.h> was missing when tcm was built, there are none.
 */
#ifndef TCM_BASE_PROBES_H
#define TCM_BASE_PROBES_H

#include <stddef.h>
#include <stdint.h>

#ifdef HAVE_SYS_SDT_H
#include <sys/sdt.h>
#else
#define DTRACE_PROBE1(provider, name, a) ((void)(a))
#define DTRACE_PROBE3(provider, name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

static inline void
probe_sample(uintptr_t block, size_t bytes, uint64_t weight)
{
  DTRACE_PROBE3(otel_memory, alloc, block, bytes, weight);
}

static inline void
probe_sample_freed(uintptr_t block)
{
  DTRACE_PROBE1(otel_memory, free, block);
}

#endif /* TCM_BASE_PROBES_H */
