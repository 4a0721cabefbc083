/* SPDX-License-Identifier: BSD-2-Clause */
/* A library that only the RUNPATH of deepbind_module finds. */
int deepbind_dependency(void);

__attribute__((visibility("default"))) int
deepbind_dependency(void)
{
  return 42;
}
