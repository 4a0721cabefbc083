/* SPDX-License-Identifier: BSD-2-Clause */
/* A library that is found only through the RUNPATH of deepbind_module. */
int deepbind_dependency(void);

__attribute__((visibility("default"))) int
deepbind_dependency(void)
{
  return 42;
}
