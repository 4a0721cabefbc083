/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * misuse.h - reports in one line what the program did wrong, and aborts.
 *
 *     tcm: free(): double free at 0x7f0c4d202040 (span 0x7f0c4d202000,
 *     2 pages, 64 B class), called from /usr/bin/prog+0x11a5, freed from ...
 *
 * A place in the program is written as addr2line(1) expects it: the loaded
 * file, and the address in it.  The address is one below the return address, so
 * that it has the line of the call.  If the file is not known, it is the
 * address alone.
 *
 * Nothing here allocates or takes a lock.  The caller must hold no lock,
 * because the program's SIGABRT handler may allocate.
 */
#ifndef TCM_CACHE_MISUSE_H
#define TCM_CACHE_MISUSE_H

#include "base/compiler.h"
#include "base/format.h"

/* What the program called, and from where. */
struct call {
  const char *function; /* [const] the name, without parentheses */
  const void *from;     /* [const] return address, or NULL: not known */
};

/* The call of the function that contains this, or of one that ends in a tail
 * call to it. */
#define CALL_HERE(name) \
  ((struct call){.function = (name), .from = __builtin_return_address(0)})

/* For a mistake that is detected later than it was made. */
static inline struct call
call_unknown(const char *function)
{
  return (struct call){.function = function, .from = NULL};
}

/* Two numbers that should be equal, and what was done with the block before. */
struct misuse_details {
  bool has_numbers;      /* [const] the two below are valid */
  size_t given, wanted;  /* [const] */
  const char *past;      /* [const] "allocated" or "freed", or NULL */
  const void *past_from; /* [const] return address, or NULL */
};

/* Adds the place of the code at @pc. */
void tcmi_line_place(struct line *line, uintptr_t pc);

void tcmi_misuse(struct call call, const char *what, uintptr_t address)
    __attribute__((noreturn, cold));
void tcmi_misuse_detailed(struct call call, const char *what, uintptr_t address,
                          const struct misuse_details *details)
    __attribute__((noreturn, cold));

#endif /* TCM_CACHE_MISUSE_H */
