/* SPDX-License-Identifier: BSD-2-Clause */
/* A library that needs thread-local data in the static block, as OpenMP and GL
 * libraries do.  It takes a large part of the free space there. */
int tls_module_check(void);

static __thread __attribute__((tls_model("initial-exec"))) char data[512] = {1};

__attribute__((visibility("default"))) int
tls_module_check(void)
{
  data[511]++;
  return data[0] == 1 && data[511] != 0;
}
