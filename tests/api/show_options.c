/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints whether the process runs with privileges that its caller lacks, and
 * then every option, one per line: name, current value, its source, default,
 * minimum, maximum, whether it is fixed.  The tests of the environment read
 * this. */
#include <stdio.h>
#include <sys/auxv.h>

#include "tcm.h"

int
main(void)
{
  struct tcm_option_info info;
  size_t i;

  tcm_free(tcm_malloc(1));
  printf("secure %lu\n", getauxval(AT_SECURE));
  for (i = 0; tcm_option_info(i, &info) == 0; i++)
    printf("%s %llu %d %llu %llu %llu %d\n", info.name,
           (unsigned long long)info.value, (int)info.source,
           (unsigned long long)info.default_value, (unsigned long long)info.min,
           (unsigned long long)info.max, info.fixed);
  return 0;
}
