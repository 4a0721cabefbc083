/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * system.h - the contract with the kernel.  Those named in system_linux.h are the
 * only files of tcm that make system calls.
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
 *   S2  every address and size handed to a call that changes memory is a
 *       multiple of tcmi_system_page_size().
 *   S3  a failed commit, discard or move changed nothing that matters: the
 *       memory is as usable as it was before.
 *   S4  no call holds a descriptor but tcmi_system_duplicate() and those that
 *       return one to be closed, and none allocates.
 *
 * The page size is the kernel's, or a multiple of it that the option page_size
 * asks for, which makes tcm behave as on a kernel with such pages.
 */
#ifndef TCM_BASE_SYSTEM_H
#define TCM_BASE_SYSTEM_H

#include "base/compiler.h"

/* Identity of an open file. */
struct system_file_id {
  uint64_t device; /* [const] */
  uint64_t inode;  /* [const] */
};

/* A program or a library as it was loaded. */
struct system_object {
  uintptr_t start;      /* [const] of its mapping */
  uintptr_t end;        /* [const] of its mapping */
  const uint8_t *table; /* [const] its .eh_frame_hdr, or NULL */
  bool is_tcm;          /* [const] a library that is tcm itself */
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

/* Bytes; valid from the start of the process on. */
size_t tcmi_system_page_size(void);
/* Behaves as a kernel with pages of @size bytes, a power of two that is not
 * below the kernel's; another value is ignored.  Called once, at start. */
void tcmi_system_set_page_size(size_t size);

/* Address space without memory, at @hint if that is free. */
MUST_CHECK int tcmi_system_reserve(size_t size, void *hint, void **out);
/* Memory, zeroed, read and write. */
MUST_CHECK int tcmi_system_map(size_t size, void **out);
/* The same between two pages that cannot be touched, so that nothing which
 * runs over the end of another mapping gets there; and its end. */
MUST_CHECK int tcmi_system_map_guarded(size_t size, void **out);
MUST_CHECK int tcmi_system_release_guarded(void *start, size_t size);
/* Memory for one large block, which the kernel may refuse by what it knows of
 * memory; named as the heap's. */
MUST_CHECK int tcmi_system_map_block(size_t size, void **out);
/* Makes memory that lies in one mapping longer, at another place if it must and
 * @may_move; where it lay is then free for anybody. */
MUST_CHECK int tcmi_system_remap(void *from, size_t size, size_t new_size,
                                 bool may_move, void **out);
/* Maps memory of the heap where it was moved away, unless somebody has taken
 * the place. */
MUST_CHECK int tcmi_system_refill(void *start, size_t size);
/* Moves it back, under the same condition. */
MUST_CHECK int tcmi_system_move_back(void *from, void *to, size_t size);
/* Memory that reads as zeroes and cannot be written until committed. */
MUST_CHECK int tcmi_system_map_readable(size_t size, void **out);
/* Makes reserved or readable address space writable memory. */
MUST_CHECK int tcmi_system_commit(void *start, size_t size);
/* Gives the memory back; the next touch finds zeroes. */
MUST_CHECK int tcmi_system_discard(void *start, size_t size);
/* Whether the process has a limit of its own on address space. */
bool tcmi_system_address_space_is_limited(void);
/* Gives address space back. */
MUST_CHECK int tcmi_system_release(void *start, size_t size);
/* Makes memory read-only for good. */
MUST_CHECK int tcmi_system_seal(void *start, size_t size);
/* Makes memory in use inaccessible, its content kept; and accessible again.
 * The second needs no mapping that the first did not make. */
MUST_CHECK int tcmi_system_close(void *start, size_t size);
MUST_CHECK int tcmi_system_reopen(void *start, size_t size);
/* Walls off pages, reserved or committed: their memory is returned and an access
 * faults, but they stay in their mapping.  Before Linux 6.13: -EINVAL.  The
 * second makes committed ones zeroed memory again. */
MUST_CHECK int tcmi_system_wall(void *start, size_t size);
MUST_CHECK int tcmi_system_unwall(void *start, size_t size);
/* Asks for huge pages in the range, or for none. */
MUST_CHECK int tcmi_system_advise_huge(void *start, size_t size, bool want);

/* Sleeps while *word == value; may return early. */
void tcmi_system_wait(uint32_t *word, uint32_t value);
/* The same, for so long at most. */
void tcmi_system_wait_for(uint32_t *word, uint32_t value,
                          unsigned milliseconds);
/* Wakes up to @n sleepers. */
void tcmi_system_wake(uint32_t *word, int n);

/* Starts a thread that libc does not know, with all signals blocked, that runs
 * @run and ends.  *@id is its id until it is gone; it must not be started again
 * before.  @variable is one of tcm's thread-local ones.  Everything that is
 * thread-local is zero in the thread.  False if there is none, silently. */
MUST_CHECK bool tcmi_system_start_thread(void (*run)(void), uint32_t *id,
                                         const void *variable);

/* Remembers what tcm's own thread shall run with: the processors that the
 * process may use.  Called once, at start. */
void tcmi_system_note_start(void);
/* Lets the thread give way to every other one of the process. */
void tcmi_system_lower_priority(uint32_t id);
/* The thread's first call: it gives up every right that it has, for itself
 * alone and for good, see system_confine_linux.c.  @path is a file that it must
 * read, or NULL; *@file is its descriptor, or -1.  False if a right is left:
 * the thread must end. */
MUST_CHECK bool tcmi_system_confine(const char *path, int *file);
/* Reads that file from its beginning; returns how many bytes, or a negative
 * errno. */
long tcmi_system_read_again(int file, char *text, size_t size);
/* Ends the thread. */
void tcmi_system_end_thread(void) __attribute__((noreturn));
/* Whether the kernel counts the thread no more.  *@id of
 * tcmi_system_start_thread() is 0 a moment before that. */
bool tcmi_system_thread_is_gone(uint32_t id);

/* Milliseconds of a clock that only goes forward; late by some of them, and
 * cheap. */
uint64_t tcmi_system_milliseconds(void);
/* Nanoseconds of the same clock, exact; some 30 ns. */
uint64_t tcmi_system_nanoseconds(void);
/* Sleeps; may return early. */
void tcmi_system_pause(unsigned nanoseconds);
/* How many bytes of the range are resident; what lies in it that is not mapped
 * counts as not resident.  The range is made of whole system pages. */
size_t tcmi_system_resident(uintptr_t start, size_t size);
/* Lets @handler run on a signal that the program has not touched; false if it
 * has. */
MUST_CHECK bool tcmi_system_on_signal(int signal, void (*handler)(int));

/* An access to memory that the processor refused. */
struct system_fault {
  const char *signal; /* [const] "SIGSEGV" or "SIGBUS" */
  const char *access; /* [const] "read" or "write", or "access": not known */
  uintptr_t address;  /* [const] that was accessed */
  uintptr_t pc;       /* [const] of the instruction, or 0: not known */
};
/* Calls @tell from the signal handler for each fault; then the handler of the
 * program, or the default action, follows.  Call it once. */
void tcmi_system_on_fault(void (*tell)(const struct system_fault *fault));

uint32_t tcmi_system_thread_id(void);
uint32_t tcmi_system_process_id(void);
unsigned tcmi_system_cpu_count(void);
/* Whether the program runs with privileges that its caller lacks. */
bool tcmi_system_is_secure_mode(void);
/* The environment: an array of "NAME=value" ended by NULL; may itself be NULL
 * very early in the life of a process. */
char **tcmi_system_environment(void);
/* The file that the code at @pc was loaded from and the address of @pc in it,
 * as its symbol table counts; false if that is not known.  A library that is
 * tcm itself is NULL.  Takes no lock: asks what the loader keeps for
 * unwinders. */
bool tcmi_system_module(const void *pc, const char **file, uintptr_t *address);
/* The loaded object that holds the code at @pc, without a lock; false if that
 * is not known. */
bool tcmi_system_object(uintptr_t pc, struct system_object *object);
/* Whether the 8 bytes at @at can be read. */
bool tcmi_system_is_readable(uintptr_t at);
/* The file behind a descriptor; false if it is not open. */
bool tcmi_system_file_id(int descriptor, struct system_file_id *id);
/* Reads the beginning of a file, without libc's part in it; returns how many
 * bytes, or a negative errno. */
long tcmi_system_read_file(const char *path, char *text, size_t size);
/* Writes a file to a descriptor, @most bytes of it; how many, or a negative
 * errno. */
long tcmi_system_copy_file(const char *path, int descriptor, size_t most);
/* Another descriptor of the file, out of the way of the program and closed by
 * exec; negative if there is none left. */
int tcmi_system_duplicate(int descriptor);
/* Writes all of it, or returns a negative errno. */
int tcmi_system_write(int descriptor, const char *text, size_t length);

/* A directory and a new file in it, which nobody else may read: descriptors, or
 * a negative errno.  A link in the place of the file is not followed. */
MUST_CHECK int tcmi_system_directory_open(const char *path);
MUST_CHECK int tcmi_system_file_create(int directory, const char *name);
/* Replaces a file that has the name @to. */
MUST_CHECK int tcmi_system_file_rename(int directory, const char *from,
                                       const char *to);
void tcmi_system_file_remove(int directory, const char *name);
/* 0, or what the system could not write. */
int tcmi_system_file_close(int descriptor);
/* Bytes that a file of the process may have: one more ends it. */
size_t tcmi_system_file_limit(void);

/* Debug builds: let the calls in @mask (1 << enum system_call) fail with
 * ENOMEM from the @nth on (1 = the next), @count of them; returns how many
 * have failed since the last call of this function. */
unsigned tcmi_system_fail(unsigned mask, unsigned nth, unsigned count);

#endif /* TCM_BASE_SYSTEM_H */
