/* SPDX-License-Identifier: BSD-2-Clause */
/* A small integer, before anything was ever allocated. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  misuse(argc, argv, (void *)(uintptr_t)16);
  return flush();
}
