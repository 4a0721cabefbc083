/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests whether malloc is tcm's in a program linked in some way: exits with 0
 * if it is, with 1 if it is not, and with 2 if something else is wrong.  It
 * compiles as C and as C++, where it uses only the operators.
 *   LINKING_DIRECT  a static program, which cannot look names up
 *   LINKING_OPENS   a program that opens the library of this name at start
 *   LINKING_INNER   a library that is linked with tcm
 *   LINKING_OUTER   a program that is linked only with that library; it frees a
 *                   block that the library allocated */
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

#if defined LINKING_INNER || defined LINKING_OUTER
#ifdef __cplusplus
extern "C" char *linking_inner(void);
#else
char *linking_inner(void);
#endif
#endif

#ifdef LINKING_INNER
char *
linking_inner(void)
{
  char *block = make();

  drop(make());
  return block;
}
#else
/* Opens or tries the library that the program needs; 0 if that fails. */
static int
prepare(void)
{
#ifdef LINKING_OPENS
  return dlopen(LINKING_OPENS, RTLD_NOW | RTLD_GLOBAL) != NULL;
#elif defined LINKING_OUTER
  char *block = linking_inner();

  if (is_tcms(block))
    return 0;
  drop(block);
  return dlsym(RTLD_DEFAULT, "tcm_owns") != NULL;
#else
  return 1;
#endif
}

int
main(void)
{
  char *block;
  int answer;

  if (!prepare())
    return 2;
  block = make();
  answer = is_tcms(block);

  drop(block);
  return answer ? 0 : 1;
}
#endif
