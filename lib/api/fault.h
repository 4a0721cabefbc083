/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.h - reports an invalid access to a guarded block.
 *
 *     tcm: SIGSEGV: read after free at 0x7f5fc0000010 (16 bytes into the 64
 *     bytes at 0x7f5fc0000000), in /usr/bin/prog+0x11a5
 *     tcm:   allocated by thread 4711, from
 *     tcm:     /usr/bin/prog+0x1180
 *     tcm:   freed by thread 4712, from
 *     tcm:     /usr/bin/prog+0x1191
 *
 * Places are named as in misuse.h.  Without the option guard_report, tcm installs
 * no handler and writes nothing; tcm-stat(1) shows the same for the core file.
 *
 * All here is async-signal-safe: it reads one slot, which the program can change
 * meanwhile only by another thread's allocation, and writes.
 */
#ifndef TCM_API_FAULT_H
#define TCM_API_FAULT_H

/* At the start of the process, once the options are read: switches on the
 * samples that guarded blocks need, and the handler. */
void tcmi_fault_start(void);

#endif /* TCM_API_FAULT_H */
