/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pin.h - tcm's code stays where it is until the process ends.
 *
 *     program  --dlopen-->  module with libtcm.a  --dlclose-->  still mapped
 *
 * The end of each thread that allocated, a fork, and the thread that returns
 * memory run code of tcm, long after a module may have been closed.
 *
 * Cost: a walk over some thirty entries; for a module also two calls of the
 * loader.
 */
#ifndef TCM_API_PIN_H
#define TCM_API_PIN_H

/* Called by a constructor: with the loader's lock held perhaps, with no other.
 * A loader that refuses leaves all as it was. */
void tcmi_pin(void);

#endif /* TCM_API_PIN_H */
