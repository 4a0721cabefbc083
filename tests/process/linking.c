/* SPDX-License-Identifier: BSD-2-Clause */
/* Says whether malloc is tcm's in a program linked in some way: exits with 0
 * if it is.  It compiles as C and as C++, where it uses the operators only.
 * LINKING_DIRECT: a static program, which cannot look names up. */
#include <string.h>

#ifdef LINKING_DIRECT
#include "tcm.h"
#else
#include <dlfcn.h>
#endif

#ifdef __cplusplus
#include <string>
#include <vector>

static char *
make(void)
{
  std::vector<std::string> words(100, std::string(100, 'x'));

  return new char[words[99].size()];
}

static void
drop(char *block)
{
  delete[] block;
}
#else
#include <stdlib.h>

static char *
make(void)
{
  return strdup("text");
}

static void
drop(char *block)
{
  free(block);
}
#endif

static int
is_tcms(const void *block)
{
#ifdef LINKING_DIRECT
  return tcm_owns(block);
#else
  void *symbol = dlsym(RTLD_DEFAULT, "tcm_owns");
  int (*owns)(const void *);

  memcpy(&owns, &symbol, sizeof owns);
  return symbol != NULL && owns(block);
#endif
}

int
main(void)
{
  char *block = make();
  int answer = is_tcms(block);

  drop(block);
  return answer ? 0 : 1;
}
