/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pin.h - keeps tcm's code mapped until the process ends.
 *
 *     program  --dlopen-->  module with libtcm.a  --dlclose-->  still mapped
 *
 * tcm's code runs at the end of each thread that allocated, at a fork, and in
 * the thread that returns memory.  A module may be closed long before that.
 *
 * Cost: a walk over about thirty entries; for a module also three calls of
 * the loader.
 */
#ifndef TCM_PROCESS_PIN_H
#define TCM_PROCESS_PIN_H

/* Called by a constructor: the loader's lock may be held, but no other.  If the
 * loader refuses, nothing changes. */
void tcmi_pin(void);

#endif /* TCM_PROCESS_PIN_H */
