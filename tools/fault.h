/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.h - the memory access that killed a process, and the block it hit.
 *
 *     core.c     the access, from the notes that the kernel wrote
 *     fault.c    the guarded block that it hit
 */
#ifndef TOOLS_FAULT_H
#define TOOLS_FAULT_H

#include "tcm-stat.h"

/* An invalid memory access. */
struct fault_view {
  const char *signal; /* "SIGSEGV" or "SIGBUS"; NULL if unknown */
  const char *access; /* "read" or "write"; "access" if unknown */
  uintptr_t address;  /* the accessed address */
  uintptr_t pc;       /* of the instruction; 0 if unknown */
};

/* The access that ended the process, if any. */
bool core_fault(const struct core *core, struct fault_view *fault);

/* Writes a sentence if a core file's process died at an access to a guarded
 * block; false if it did not. */
bool fault_sentence(const struct target *target, char *text, size_t size);

#endif /* TOOLS_FAULT_H */
