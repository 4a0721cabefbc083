/* SPDX-License-Identifier: BSD-2-Clause */
/* The least that the dynamic linker takes for LD_AUDIT: it lives in a namespace
 * of its own, with a libc of its own. */
unsigned la_version(unsigned version);

__attribute__((visibility("default"))) unsigned
la_version(unsigned version)
{
  return version;
}
