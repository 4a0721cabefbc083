/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest module that the dynamic linker accepts for LD_AUDIT.  It has its
 * own namespace with its own libc. */
unsigned la_version(unsigned version);

__attribute__((visibility("default"))) unsigned
la_version(unsigned version)
{
  return version;
}
