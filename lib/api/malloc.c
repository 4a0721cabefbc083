/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The standard names, unversioned, so that they replace libc's; one object
 * file, so that a static program gets all of them or none.
 *
 * Each does what its glibc manual page says; tcm.h describes the tcm_ twins.
 */
#include "config.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/names.h"
#include "api/owner.h"
#include "base/system.h"
#include "observe/stats.h"
#include "observe/stats_room.h"
#include "process/background.h"
#include "process/release.h"

/* A second name for each function, which no program replaces.  Only gcc
 * compares the attributes of the two, and can copy them. */
#if defined __GNUC__ && !defined __clang__
#define SAME_ATTRIBUTES(name) __attribute__((copy(name)))
#else
#define SAME_ATTRIBUTES(name)
#endif
#define OWN(name)                                               \
  extern __typeof__(name) tcmi_own_##name SAME_ATTRIBUTES(name) \
      __attribute__((alias(#name)))

EXPORT void *
malloc(size_t size)
{
  return tcmi_allocate(size);
}

EXPORT void
free(void *ptr)
{
  tcmi_free(ptr);
}

EXPORT void *
calloc(size_t count, size_t size)
{
  return tcmi_allocate_zeroed(count, size);
}

EXPORT void *
realloc(void *ptr, size_t size)
{
  return tcmi_reallocate(ptr, size);
}

EXPORT void *
reallocarray(void *ptr, size_t count, size_t size)
{
  return name_reallocarray(tcmi_owner_realloc, ptr, count, size);
}

EXPORT void *
memalign(size_t alignment, size_t size)
{
  return name_memalign(tcmi_owner_allocate_aligned, alignment, size);
}

EXPORT void *
aligned_alloc(size_t alignment, size_t size)
{
  return name_aligned_alloc(tcmi_owner_allocate_aligned, alignment, size);
}

EXPORT int
posix_memalign(void **out, size_t alignment, size_t size)
{
  return name_posix_memalign(tcmi_owner_allocate_aligned, out, alignment, size);
}

EXPORT void *
valloc(size_t size)
{
  return name_valloc(tcmi_owner_allocate_aligned, size);
}

void *pvalloc(size_t size);
EXPORT void *
pvalloc(size_t size)
{
  return name_pvalloc(tcmi_owner_allocate_aligned, size);
}

void cfree(void *ptr);
EXPORT void
cfree(void *ptr)
{
  tcmi_owner_free(ptr);
}

OWN(malloc);
OWN(free);
OWN(realloc);
OWN(memalign);
OWN(aligned_alloc);
OWN(posix_memalign);

/* glibc's other names for its own functions.  Programs that wrap malloc use
 * them to call the function that they wrap.  None of these checks for an owner.
 * In a static program, libc keeps them for itself. */
#ifdef PIC
#define LIBC(name)                                            \
  extern __typeof__(name) __libc_##name SAME_ATTRIBUTES(name) \
  EXPORT                                                      \
  __attribute__((alias(#name)))
LIBC(malloc);
LIBC(free);
LIBC(calloc);
LIBC(realloc);

void *__libc_memalign(size_t alignment, size_t size);
EXPORT void *
__libc_memalign(size_t alignment, size_t size)
{
  return name_memalign(tcmi_allocate_aligned, alignment, size);
}

void *__libc_valloc(size_t size);
EXPORT void *
__libc_valloc(size_t size)
{
  return name_valloc(tcmi_allocate_aligned, size);
}

void *__libc_pvalloc(size_t size);
EXPORT void *
__libc_pvalloc(size_t size)
{
  return name_pvalloc(tcmi_allocate_aligned, size);
}
#endif

EXPORT size_t
malloc_usable_size(void *ptr)
{
  return tcmi_owner_is_unknown(ptr) ? 0 : name_usable_size(ptr);
}

void free_sized(void *ptr, size_t size);
EXPORT void
free_sized(void *ptr, size_t size)
{
  if (unlikely(tcmi_owner_is_program()))
    tcmi_owner_free(ptr);
  else
    name_free_sized("free_sized", ptr, size, /*align=*/0);
}

void free_aligned_sized(void *ptr, size_t alignment, size_t size);
EXPORT void
free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
  if (unlikely(tcmi_owner_is_program()))
    tcmi_owner_free(ptr);
  else
    name_free_sized("free_aligned_sized", ptr, size, alignment);
}

int malloc_trim(size_t pad);
EXPORT int
malloc_trim(size_t pad)
{
  tcmi_guard_verify("malloc_trim");
  return tcmi_release_all_but(pad) > 0;
}

/* glibc's parameters tune structures that tcm lacks.  All but one are accepted
 * without effect; so are unknown ones, as in glibc.  tcm(7) names the options
 * that replace them. */
#define TRIM_THRESHOLD (-1) /* M_TRIM_THRESHOLD */
#define MAX_FAST 1          /* M_MXFAST */

int mallopt(int parameter, int value);
EXPORT int
mallopt(int parameter, int value)
{
  if (parameter == TRIM_THRESHOLD)
    tcmi_background_set_threshold(value < 0 ? SIZE_MAX : (size_t)value);
  return parameter != MAX_FAST ||
         (value >= 0 && (size_t)value <= 80 * sizeof(size_t) / 4);
}

#if defined HAVE_STRUCT_MALLINFO || defined HAVE_STRUCT_MALLINFO2
static size_t
free_bytes(const struct tcm_stats *s)
{
  return s->thread_cache_bytes + s->transfer_cache_bytes +
         s->central_list_bytes + s->page_heap_bytes;
}

static size_t
free_blocks(const struct stats_raw *raw)
{
  size_t n = 0;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    struct class_stats s;
    tcmi_stats_sum_class(raw, c, &s);
    n += s.free_central + s.free_transfer + s.free_thread;
  }
  return n;
}

/* The fields of mallinfo and mallinfo2 differ only in width.  As in glibc,
 * arena is uordblks plus fordblks, and large blocks are counted separately. */
#define MALLINFO(type, narrow)                                \
  struct stats_room *room = tcmi_stats_room();                \
  struct type info = {0};                                     \
  struct tcm_stats *s;                                        \
                                                              \
  if (room == NULL)                                           \
    return info;                                              \
  s = &room->sum;                                             \
  tcmi_stats_read(&room->raw);                                \
  (void)tcmi_stats_sum(&room->raw, s);                        \
  s->large_bytes = min_size(s->large_bytes, s->in_use_bytes); \
  info.uordblks = narrow(s->in_use_bytes - s->large_bytes);   \
  info.fordblks = narrow(free_bytes(s));                      \
  info.arena = info.uordblks + info.fordblks;                 \
  info.ordblks = narrow(free_blocks(&room->raw));             \
  info.hblks = narrow(s->large_count);                        \
  info.hblkhd = narrow(s->large_bytes);                       \
  info.keepcost = narrow(s->page_heap_bytes);                 \
  tcmi_stats_room_end(room);                                  \
  return info
#endif

#ifdef HAVE_STRUCT_MALLINFO
/* Truncates numbers that do not fit, as glibc does. */
static int
to_int(size_t n)
{
  return (int)n;
}

struct mallinfo mallinfo(void);
EXPORT struct mallinfo
mallinfo(void)
{
  MALLINFO(mallinfo, to_int);
}
#endif

#ifdef HAVE_STRUCT_MALLINFO2
static size_t
to_size(size_t n)
{
  return n;
}

struct mallinfo2 mallinfo2(void);
EXPORT struct mallinfo2
mallinfo2(void)
{
  MALLINFO(mallinfo2, to_size);
}
#endif

/* Unlike tcm's own reports, this goes wherever descriptor 2 leads now: the
 * program asked for it. */
static void
to_stderr(void *to, const char *text, size_t length)
{
  (void)to;
  tcmi_system_write(2, text, length);
}

void malloc_stats(void);
EXPORT void
malloc_stats(void)
{
  tcmi_stats_print_text(to_stderr, NULL);
}

static void
to_stream(void *to, const char *text, size_t length)
{
  (void)!fwrite(text, 1, length, to);
}

int malloc_info(int options, FILE *stream);
EXPORT int
malloc_info(int options, FILE *stream)
{
  if (options != 0) {
    errno = EINVAL;
    return -1;
  }
  tcmi_stats_print_xml(to_stream, stream);
  return ferror(stream) ? -1 : 0;
}
