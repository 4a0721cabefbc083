/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.h - what a process died of, and where its code came from.
 *
 *     core.c     out of the notes that the kernel wrote
 *     fault.c    the guarded block that was hit
 */
#ifndef TOOLS_FAULT_H
#define TOOLS_FAULT_H

#include "tcm-stat.h"

/* A wrong access to memory. */
struct fault_view {
  const char *signal; /* "SIGSEGV" or "SIGBUS", or NULL: not known */
  const char *access; /* "read", "write", or "access": not known */
  uintptr_t address;  /* that was accessed */
  uintptr_t pc;       /* of the instruction, or 0: not known */
};

/* The access that ended the process, if one did. */
bool core_fault(const struct core *core, struct fault_view *fault);

/* A sentence about a core file whose process died at a guarded block; false if it
 * did not. */
bool fault_sentence(const struct target *target, char *text, size_t size);

#endif /* TOOLS_FAULT_H */
