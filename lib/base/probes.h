/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probes.h - points where a tracer can observe the samples of the heap profile.
 *
 *     sampled malloc --> otel_memory:alloc(block, bytes, weight)
 *     its free       --> otel_memory:free(block)
 *
 * A probe is one no-op instruction, and a note in the library that says where
 * the instruction and its arguments are.  OpenTelemetry's profilers look for
 * these names and arguments.  The weight is the number of bytes that the sample
 * represents.
 *
 * If <sys/sdt.h> was missing when tcm was built, there are no probes.
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
