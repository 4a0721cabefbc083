/* SPDX-License-Identifier: BSD-2-Clause */
/* Acts as a plug-in: it is opened with RTLD_DEEPBIND, returns memory that its
 * host frees, frees memory of its host, and opens its own library, which only
 * its RUNPATH finds. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

int deepbind_dependency(void);
char *module_copy(const char *text);
void module_free(void *block);
int module_dependency(void);
void *module_open(const char *name, int flags);
int module_uses_heap(void);

EXPORT char *
module_copy(const char *text)
{
  return strdup(text);
}

EXPORT void
module_free(void *block)
{
  free(block);
}

EXPORT int
module_dependency(void)
{
  return deepbind_dependency();
}

/* Not a tail call: otherwise dlopen() would take the host for its caller. */
EXPORT void *
module_open(const char *name, int flags)
{
  void *volatile library = dlopen(name, flags);

  return library;
}

/* All calls stay inside this module's own namespace. */
EXPORT int
module_uses_heap(void)
{
  void *block[500];
  size_t i;

  for (i = 0; i < 500; i++) {
    block[i] = i % 2 == 0 ? malloc(i * 11) : calloc(i, 13);
    if (block[i] == NULL)
      return 0;
  }
  for (i = 0; i < 500; i++) {
    block[i] = realloc(block[i], i * 29 + 1);
    if (block[i] == NULL)
      return 0;
    memset(block[i], 1, i * 29 + 1);
  }
  for (i = 0; i < 500; i++)
    free(block[i]);
  return 1;
}
