/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
value_parse(const char *text, uint64_t *value)
{
  static const char suffixes[] = "KMGT";
  const char *suffix;
  char *end;
  unsigned shift;

  errno = 0;
  *value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || errno != 0)
    return false;
  if (*end == '\0')
    return true;
  suffix = strchr(suffixes, *end);
  if (suffix == NULL || end[1] != '\0')
    return false;
  shift = 10 * (unsigned)(suffix - suffixes + 1);
  if (*value > UINT64_MAX >> shift)
    return false;
  *value <<= shift;
  return true;
}
