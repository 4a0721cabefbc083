/* SPDX-License-Identifier: BSD-2-Clause */
/* The module of closed_module.c, linked with libtcm.a. */
#include "tcm.h"

int module_work(void);

__attribute__((visibility("default"))) int
module_work(void)
{
  for (size_t size = 0; size < 1000; size++) {
    void *block = tcm_malloc(size);
    if (block == NULL || !tcm_owns(block))
      return 1;
    tcm_free(block);
  }
  return 0;
}
