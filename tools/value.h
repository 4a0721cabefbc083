/* SPDX-License-Identifier: BSD-2-Clause */
/* value.h - parses the values of options. */
#ifndef TCM_TOOLS_VALUE_H
#define TCM_TOOLS_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* Parses a number that may end in K, M, G or T; false for anything else. */
bool value_parse(const char *text, uint64_t *value);

#endif /* TCM_TOOLS_VALUE_H */
