/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * system.h - the contract with the kernel.  Only the files that system_linux.h
 * names make system calls.
 *
 * Address space passes through these states:
 *
 *     (nothing) --reserve--> reserved --commit--> committed
 *                               |                  |     ^
 *                               |               discard  | first touch: a zero
 *                               v                  v     | page is faulted in
 *                            release            committed, not resident
 *
 * Rules
 *   S1  a call returns 0 or a negative errno; errno itself is left alone.
 *   S2  every address and size passed to a call that changes memory is a
 *       multiple of tcmi_system_page_size().
 *   S3  after a failed commit, discard or move, the memory is as usable as it
 *       was before.
 *   S4  no call allocates.  None keeps a descriptor open, except
 *       tcmi_system_duplicate() and those that return one for the caller to
 *       close.
 *
 * The page size is the kernel's.  The option page_size can make it a multiple
 * of that: tcm then behaves as on a kernel with such pages.
 */
#ifndef TCM_BASE_SYSTEM_H
#define TCM_BASE_SYSTEM_H

#include "base/compiler.h"
#include "base/wake.h"

/* Identity of an open file. */
struct system_file_id {
  uint64_t device; /* [const] */
  uint64_t inode;  /* [const] */
};

/* A loaded program or library. */
struct system_object {
  uintptr_t start;      /* [const] of its mapping */
  uintptr_t end;        /* [const] of its mapping */
  const uint8_t *table; /* [const] its .eh_frame_hdr, or NULL */
  bool is_tcm;          /* [const] it is tcm's own library */
};

/* The calls that a debug build can make fail, see tcmi_system_fail(). */
enum system_call {
  SYSTEM_RESERVE,
  SYSTEM_MAP,
  SYSTEM_COMMIT,
  SYSTEM_DISCARD,
  SYSTEM_RELEASE,
  SYSTEM_MOVE,
  SYSTEM_ADVISE,
  SYSTEM_WALL,
  SYSTEM_NCALLS
};

/* In bytes; valid from the start of the process. */
size_t tcmi_system_page_size(void);
/* Makes tcm behave as on a kernel with pages of @size bytes, a power of two not
 * less than the kernel's page size.  Ignores other values.  Call it once, at
 * start. */
void tcmi_system_set_page_size(size_t size);

/* Reserves address space without memory, at @hint if that is free. */
MUST_CHECK int tcmi_system_reserve(size_t size, void *hint, void **out);
/* Maps zeroed, writable memory. */
MUST_CHECK int tcmi_system_map(size_t size, void **out);
/* Like tcmi_system_map(), but with an inaccessible page on each side: an
 * overrun of another mapping cannot reach the memory.  The second function
 * unmaps it. */
MUST_CHECK int tcmi_system_map_guarded(size_t size, void **out);
MUST_CHECK int tcmi_system_release_guarded(void *start, size_t size);
/* Maps memory for one large block, named as the heap's.  The kernel may refuse
 * it according to its overcommit mode. */
MUST_CHECK int tcmi_system_map_block(size_t size, void **out);
/* Grows memory that lies in one mapping.  Moves it if it cannot grow in place
 * and @may_move is true; any thread may then map the old address range. */
MUST_CHECK int tcmi_system_remap(void *from, size_t size, size_t new_size,
                                 bool may_move, void **out);
/* Maps heap memory again where other memory was moved away, unless another
 * mapping is there already. */
MUST_CHECK int tcmi_system_refill(void *start, size_t size);
/* Moves the memory back, under the same condition. */
MUST_CHECK int tcmi_system_move_back(void *from, void *to, size_t size);
/* Maps memory that reads as zeroes and cannot be written until committed. */
MUST_CHECK int tcmi_system_map_readable(size_t size, void **out);
/* Makes reserved or readable address space writable. */
MUST_CHECK int tcmi_system_commit(void *start, size_t size);
/* Returns the memory to the OS; it reads as zeroes when next touched. */
MUST_CHECK int tcmi_system_discard(void *start, size_t size);
/* Whether RLIMIT_AS limits the address space of the process. */
bool tcmi_system_address_space_is_limited(void);
/* Unmaps address space. */
MUST_CHECK int tcmi_system_release(void *start, size_t size);
/* Makes memory read-only permanently. */
MUST_CHECK int tcmi_system_seal(void *start, size_t size);
/* Closing makes memory in use inaccessible and keeps its content; reopening
 * makes it accessible again, and needs no more mappings than closing did. */
MUST_CHECK int tcmi_system_close(void *start, size_t size);
MUST_CHECK int tcmi_system_reopen(void *start, size_t size);
/* Returns the memory of reserved or committed pages and makes any access to
 * them fault, without splitting their mapping.  -EINVAL before Linux 6.13.  The
 * second function makes committed pages zeroed memory again. */
MUST_CHECK int tcmi_system_wall(void *start, size_t size);
MUST_CHECK int tcmi_system_unwall(void *start, size_t size);
/* Asks the kernel to use huge pages in the range, or not to. */
MUST_CHECK int tcmi_system_advise_huge(void *start, size_t size, bool want);
/* Moves the range into huge pages now; all of it becomes resident.  -EINVAL
 * before Linux 6.1. */
MUST_CHECK int tcmi_system_collapse(void *start, size_t size);

/* Sleeps while *word == value; may return early. */
void tcmi_system_wait(uint32_t *word, uint32_t value);
/* The same, with a timeout. */
void tcmi_system_wait_for(uint32_t *word, uint32_t value,
                          unsigned milliseconds);
/* Wakes up to @n sleepers. */
void tcmi_system_wake(uint32_t *word, int n);

/* Starts a thread that libc does not track.  It blocks all signals, calls @run
 * and ends.  *@id is its id until it is gone; do not start another one earlier.
 * @variable is one of tcm's thread-local variables.  All thread-local variables
 * are zero in the thread.  Returns false, silently, if none was started. */
MUST_CHECK bool tcmi_system_start_thread(void (*run)(void), uint32_t *id,
                                         const void *variable);

/* Returns what a tool outside of the process needs to run @to_start in a thread
 * of the program, see wake.h; NULL where it is not supported.  *@before is
 * whether a thread was started before. */
const struct stats_wake *
tcmi_system_offer_wake(enum wake_result (*to_start)(void), const bool *before);
/* In the child of a fork: the thread that a tool interrupted does not exist
 * here. */
void tcmi_system_forget_wake(void);

/* Remembers the processors that the process may use: tcm's own thread will run
 * on these.  Call it once, at start. */
void tcmi_system_note_start(void);
/* Makes the thread yield to all other threads of the process. */
void tcmi_system_lower_priority(uint32_t id);
/* The thread's first call: drops all its privileges permanently, and only its
 * own, see system_confine_linux.c.  @path is a file that it must read, or NULL;
 * *@file is set to its descriptor, or -1.  Returns false if a privilege is
 * left: the thread must then end. */
MUST_CHECK bool tcmi_system_confine(const char *path, int *file);
/* Reads that file from its beginning.  Returns the number of bytes, or a
 * negative errno. */
long tcmi_system_read_again(int file, char *text, size_t size);
/* Ends the thread. */
void tcmi_system_end_thread(void) __attribute__((noreturn));
/* Whether the thread no longer exists in the kernel.  *@id of
 * tcmi_system_start_thread() becomes 0 a moment earlier. */
bool tcmi_system_thread_is_gone(uint32_t id);

/* Milliseconds of a monotonic clock: cheap, but a few milliseconds late. */
uint64_t tcmi_system_milliseconds(void);
/* Nanoseconds of the same clock, exact; a call takes about 30 ns. */
uint64_t tcmi_system_nanoseconds(void);
/* Sleeps; may return early. */
void tcmi_system_pause(unsigned nanoseconds);
/* The number of bytes in the range that are resident; unmapped parts count as
 * not resident.  The range consists of whole system pages. */
size_t tcmi_system_resident(uintptr_t start, size_t size);
/* Installs @handler for a signal; returns false if the program handles or
 * ignores that signal already. */
MUST_CHECK bool tcmi_system_on_signal(int signal, void (*handler)(int));

/* A memory access that faulted. */
struct system_fault {
  const char *signal; /* [const] "SIGSEGV" or "SIGBUS" */
  const char *access; /* [const] "read" or "write"; "access" if not known */
  uintptr_t address;  /* [const] the accessed one */
  uintptr_t pc;       /* [const] of the instruction; 0 if not known */
};
/* Installs a signal handler that calls @handler for each fault.  The program's
 * handler or the default action then follows.  Call it once. */
void tcmi_system_on_fault(void (*handler)(const struct system_fault *fault));

uint32_t tcmi_system_thread_id(void);
uint32_t tcmi_system_process_id(void);
unsigned tcmi_system_cpu_count(void);
/* Whether the program runs with privileges that its caller lacks. */
bool tcmi_system_is_secure_mode(void);
/* The environment: a NULL-terminated array of "NAME=value" strings.  It may
 * itself be NULL very early in the life of a process. */
char **tcmi_system_environment(void);
/* Finds the file that the code at @pc was loaded from, and the address of @pc
 * in terms of its symbol table.  Returns false if that is not known.  *@file is
 * NULL for tcm's own library.  Takes no lock: uses the data that the loader
 * keeps for unwinders. */
bool tcmi_system_module(const void *pc, const char **file, uintptr_t *address);
/* Finds the loaded object that contains the code at @pc, without a lock.
 * Returns false if it is not known. */
bool tcmi_system_object(uintptr_t pc, struct system_object *object);
/* Whether the 8 bytes at @at can be read. */
bool tcmi_system_is_readable(uintptr_t at);
/* Identifies the file behind a descriptor; false if it is not open. */
bool tcmi_system_file_id(int descriptor, struct system_file_id *id);
/* Reads the beginning of a file without libc's read functions.  Returns the
 * number of bytes, or a negative errno. */
long tcmi_system_read_file(const char *path, char *text, size_t size);
/* Copies at most @most bytes of a file to a descriptor.  Returns the number of
 * bytes, or a negative errno. */
long tcmi_system_copy_file(const char *path, int descriptor, size_t most);
/* Duplicates a descriptor to a high number that the program is unlikely to use;
 * exec closes the duplicate.  Negative if no descriptor is left. */
int tcmi_system_duplicate(int descriptor);
/* Writes all of @text, or returns a negative errno. */
int tcmi_system_write(int descriptor, const char *text, size_t length);

/* Open a directory, and create a file in it that only its owner can read and
 * write.  Return a descriptor, or a negative errno: also if the name exists,
 * even as a symbolic link. */
MUST_CHECK int tcmi_system_directory_open(const char *path);
MUST_CHECK int tcmi_system_file_create(int directory, const char *name);
/* Replaces any file that has the name @to. */
MUST_CHECK int tcmi_system_file_rename(int directory, const char *from,
                                       const char *to);
void tcmi_system_file_remove(int directory, const char *name);
/* Returns 0, or a negative errno, for example if delayed writes failed. */
int tcmi_system_file_close(int descriptor);
/* The largest size of a file that the process may write, in bytes: a write
 * beyond it ends the process. */
size_t tcmi_system_file_limit(void);

/* Debug builds: makes @count of the calls in @mask (1 << enum system_call) fail
 * with ENOMEM, from the @nth on (1 is the next).  Returns how many have failed
 * since the last call of this function. */
unsigned tcmi_system_fail(unsigned mask, unsigned nth, unsigned count);

#endif /* TCM_BASE_SYSTEM_H */
