/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.h - reports an invalid access to a guarded or a closed block.
 *
 *     tcm: SIGSEGV: read after free at 0x7f5fc0000010 (16 bytes into the 64
 *     bytes at 0x7f5fc0000000), in /usr/bin/prog+0x11a5
 *     tcm:   allocated by thread 4711, from
 *     tcm:     /usr/bin/prog+0x1180
 *     tcm:   freed by thread 4712, from
 *     tcm:     /usr/bin/prog+0x1191
 *
 * Places are named as in misuse.h.  Without the option guard_report, tcm
 * installs no handler and writes nothing; tcm-stat(1) shows the same for a core
 * file.
 *
 * All code here is async-signal-safe: it only reads one slot and writes.  Only
 * an allocation by another thread can change the slot meanwhile.
 */
#ifndef TCM_PROCESS_FAULT_H
#define TCM_PROCESS_FAULT_H

/* At the start of the process, once the options are read: enables the samples
 * that guarded blocks need, and installs the handler. */
void tcmi_fault_start(void);

#endif /* TCM_PROCESS_FAULT_H */
