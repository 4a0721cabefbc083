/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tracer.c - a module to preload that records the allocations of a program.
 *
 * glibc's malloc serves the program, under the names that glibc offers to
 * modules that replace the standard ones.  Each thread fills its own mapped
 * buffer.  The buffer is written to the file TRACE_DIR/NAME.PID.raw when it is
 * full, and when the thread or the process ends.  The file is opened for each
 * write, since a program may close descriptors that it did not open.
 *
 *   TRACE_DIR    where the files go; without it nothing is recorded
 *   TRACE_ONLY   record only processes of this program name
 *   TRACE_YIELD  number of events after which a thread lets others run;
 *                otherwise, on few processors, the order of events follows long
 *                time slices
 *
 * A child of fork() is not recorded until it executes a program.
 */
#define _GNU_SOURCE 1
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define EVENT_MAX 40 /* bytes of the longest event */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

/* Chunk and events are adjacent, so that one call writes both. */
struct buffer {
  atomic_flag lock; /* the thread's; also taken when the process ends */
  struct buffer *next_all;
  struct buffer *next_free;
  unsigned ends;      /* calls of thread_end() for its thread */
  unsigned unyielded; /* events since the thread last yielded */
  uint64_t sequence, address;
  struct trace_chunk chunk;
  unsigned char events[BUFFER_BYTES];
};

static __thread struct buffer *mine __attribute__((tls_model("initial-exec")));
static __thread int ended __attribute__((tls_model("initial-exec")));
static atomic_int tracing;
static _Atomic(uint64_t) sequence;
static atomic_uint threads;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct buffer *all_buffers, *free_buffers; /* under list_lock */
static pthread_key_t key;
static unsigned yield_after;
static char path[512];

static void
buffer_lock(struct buffer *buffer)
{
  while (atomic_flag_test_and_set_explicit(&buffer->lock, memory_order_acquire))
    sched_yield();
}

static void
buffer_unlock(struct buffer *buffer)
{
  atomic_flag_clear_explicit(&buffer->lock, memory_order_release);
}

/* Writes the events of a locked buffer. */
static void
buffer_flush(struct buffer *buffer)
{
  size_t length = sizeof buffer->chunk + buffer->chunk.bytes;
  int fd;
  if (buffer->chunk.nevents == 0)
    return;
  fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 || write(fd, &buffer->chunk, length) != (ssize_t)length)
    atomic_store(&tracing, 0);
  if (fd >= 0)
    close(fd);
  buffer->chunk.bytes = buffer->chunk.nevents = 0;
}

static struct buffer *
buffer_new(void)
{
  struct buffer *buffer;
  pthread_mutex_lock(&list_lock);
  buffer = free_buffers;
  if (buffer != NULL) {
    free_buffers = buffer->next_free;
  } else {
    buffer = mmap(NULL, sizeof *buffer, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer != MAP_FAILED) {
      buffer->next_all = all_buffers;
      all_buffers = buffer;
    }
  }
  pthread_mutex_unlock(&list_lock);
  if (buffer == MAP_FAILED)
    return NULL;
  buffer->ends = 0;
  buffer->chunk.magic = TRACE_CHUNK_MAGIC;
  buffer->chunk.thread = atomic_fetch_add(&threads, 1);
  mine = buffer;
  pthread_setspecific(key, buffer);
  return buffer;
}

/* Other destructors may still free blocks, so this waits for its last call. */
static void
thread_end(void *arg)
{
  struct buffer *buffer = arg;
  if (!atomic_load(&tracing))
    return;
  if (++buffer->ends < 4) {
    pthread_setspecific(key, buffer);
    return;
  }
  ended = 1;
  mine = NULL;
  buffer_lock(buffer);
  if (atomic_load(&tracing))
    buffer_flush(buffer);
  buffer_unlock(buffer);
  pthread_mutex_lock(&list_lock);
  buffer->next_free = free_buffers;
  free_buffers = buffer;
  pthread_mutex_unlock(&list_lock);
}

static void
put_number(struct buffer *buffer, uint64_t value)
{
  unsigned char *at = buffer->events + buffer->chunk.bytes;
  while (value >= 128) {
    *at++ = (unsigned char)(value | 128);
    value >>= 7;
  }
  *at++ = (unsigned char)value;
  buffer->chunk.bytes = (uint32_t)(at - buffer->events);
}

static uint64_t
zigzag(uint64_t value)
{
  return value << 1 ^ (uint64_t)((int64_t)value >> 63);
}

static void
put_event(struct buffer *buffer, enum trace_kind kind, const void *block,
          size_t size, unsigned align_log)
{
  uint64_t now, address = (uintptr_t)block;
  if (buffer->chunk.bytes > BUFFER_BYTES - EVENT_MAX)
    buffer_flush(buffer);
  now = atomic_fetch_add_explicit(&sequence, 1, memory_order_acq_rel);
  if (buffer->chunk.nevents == 0) {
    buffer->chunk.sequence = buffer->sequence = now;
    buffer->address = 0;
  }
  buffer->events[buffer->chunk.bytes++] = (unsigned char)kind;
  buffer->chunk.nevents++;
  put_number(buffer, now - buffer->sequence);
  put_number(buffer, zigzag(address - buffer->address));
  buffer->sequence = now;
  buffer->address = address;
  if (kind != TRACE_FREE && kind != TRACE_REALLOC_BEGIN)
    put_number(buffer, size);
  if (kind == TRACE_ALIGNED)
    put_number(buffer, align_log);
}

static void
record(enum trace_kind kind, const void *block, size_t size, unsigned align_log)
{
  struct buffer *buffer = mine;
  int error = errno;
  int yields;
  if (!atomic_load_explicit(&tracing, memory_order_relaxed) || ended)
    return;
  if (buffer == NULL && (buffer = buffer_new()) == NULL)
    return;
  buffer_lock(buffer);
  if (atomic_load(&tracing))
    put_event(buffer, kind, block, size, align_log);
  yields = yield_after != 0 && ++buffer->unyielded >= yield_after;
  if (yields)
    buffer->unyielded = 0;
  buffer_unlock(buffer);
  if (yields)
    sched_yield();
  errno = error;
}

static void
finish(void)
{
  if (!atomic_exchange(&tracing, 0))
    return;
  pthread_mutex_lock(&list_lock);
  for (struct buffer *buffer = all_buffers; buffer; buffer = buffer->next_all) {
    buffer_lock(buffer);
    buffer_flush(buffer);
    buffer_unlock(buffer);
  }
  pthread_mutex_unlock(&list_lock);
}

static void
forked(void)
{
  atomic_store(&tracing, 0);
}

__attribute__((constructor)) static void
begin(void)
{
  const char *directory = getenv("TRACE_DIR"), *only = getenv("TRACE_ONLY");
  const char *yields = getenv("TRACE_YIELD");
  if (directory == NULL ||
      (only != NULL && strcmp(only, program_invocation_short_name) != 0))
    return;
  if (yields != NULL)
    yield_after = (unsigned)strtoul(yields, NULL, 10);
  if (snprintf(path, sizeof path, "%s/%s.%d.raw", directory,
               program_invocation_short_name,
               (int)getpid()) >= (int)sizeof path ||
      pthread_key_create(&key, thread_end) != 0 ||
      pthread_atfork(NULL, NULL, forked) != 0)
    return;
  atomic_store(&tracing, 1);
}

__attribute__((destructor)) static void
end(void)
{
  finish();
}

/* Writes the buffers of a program that ends without running destructors. */
void
_exit(int status)
{
  finish();
  for (;;)
    syscall(SYS_exit_group, status);
}

static void *
aligned(size_t alignment, size_t size)
{
  void *block = __libc_memalign(alignment, size);
  if (block != NULL)
    record(TRACE_ALIGNED, block, size,
           (unsigned)__builtin_ctzl(alignment | (size_t)1 << 40));
  return block;
}

void *
malloc(size_t size)
{
  void *block = __libc_malloc(size);
  if (block != NULL)
    record(TRACE_MALLOC, block, size, 0);
  return block;
}

void *
calloc(size_t count, size_t size)
{
  void *block = __libc_calloc(count, size);
  if (block != NULL)
    record(TRACE_CALLOC, block, count * size, 0);
  return block;
}

void *
realloc(void *old, size_t size)
{
  void *block;
  if (old == NULL)
    return malloc(size);
  record(TRACE_REALLOC_BEGIN, old, 0, 0);
  block = __libc_realloc(old, size);
  record(TRACE_REALLOC_END, block, size, 0);
  return block;
}

void
free(void *block)
{
  if (block == NULL)
    return;
  record(TRACE_FREE, block, 0, 0);
  __libc_free(block);
}

void *
memalign(size_t alignment, size_t size)
{
  return aligned(alignment, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
  return aligned(alignment, size);
}

int
posix_memalign(void **result, size_t alignment, size_t size)
{
  void *block;
  if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
    return EINVAL;
  block = aligned(alignment, size);
  if (block == NULL)
    return ENOMEM;
  *result = block;
  return 0;
}

void *
valloc(size_t size)
{
  return aligned((size_t)sysconf(_SC_PAGESIZE), size);
}
