/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload.c - the program of all benchmark workloads.
 *
 *     workload SHAPE OPS [THREADS [PARAM]]   do the work, print one line
 *     workload list                          name the shapes
 *     workload where                         tell which allocator serves it
 *
 * The line of a run names the object that malloc and its family come from, as
 * seen from inside the process, so that a preload that silently failed cannot
 * pass for a measurement.
 */
#include "../support/memory.h"
#include "workload.h"

#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

static const struct shape *const all_shapes[] = {
    pairs_shapes,   replace_shapes, server_shapes,   pipeline_shapes,
    batches_shapes, stress_shapes,  exchange_shapes, sharing_shapes,
    churn_shapes,   large_shapes,   growth_shapes,   zeroed_shapes,
};

struct crew {
  pthread_barrier_t start;
  void (*body)(struct worker *worker);
};

/* What a thread of run_threads() gets. */
struct member {
  struct worker worker;
  struct crew *crew;
  pthread_t id;
};

void
die(const char *what)
{
  fprintf(stderr, "workload: %s\n", what);
  exit(1);
}

void *
table_new(size_t count, size_t size_bytes)
{
  void *p = mmap(NULL, count * size_bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    die("cannot map a table");
  return p;
}

void
table_free(void *table, size_t count, size_t size_bytes)
{
  munmap(table, count * size_bytes);
}

uint64_t
share_of(uint64_t total, unsigned index, unsigned parts)
{
  return total / parts + (index < total % parts);
}

static void *
member_main(void *arg)
{
  struct member *member = arg;
  pthread_barrier_wait(&member->crew->start);
  member->crew->body(&member->worker);
  return NULL;
}

static void
crew_run(struct crew *crew, struct member *members, unsigned count)
{
  pthread_barrier_init(&crew->start, NULL, count);
  for (unsigned i = 0; i < count; i++)
    if (pthread_create(&members[i].id, NULL, member_main, &members[i]) != 0)
      die("cannot start a thread");
  for (unsigned i = 0; i < count; i++)
    pthread_join(members[i].id, NULL);
  pthread_barrier_destroy(&crew->start);
}

void
run_threads(const struct work *work, void *shared,
            void (*body)(struct worker *worker))
{
  struct crew crew = {.body = body};
  struct member *members = table_new(work->threads, sizeof *members);
  for (unsigned i = 0; i < work->threads; i++) {
    members[i].crew = &crew;
    members[i].worker =
        (struct worker){.work = work,
                        .shared = shared,
                        .index = i,
                        .ops = share_of(work->ops, i, work->threads)};
    rng_seed(&members[i].worker.rng, i);
  }
  if (work->threads == 1)
    body(&members[0].worker);
  else
    crew_run(&crew, members, work->threads);
  table_free(members, work->threads, sizeof *members);
}

/* Where the dynamic linker finds `name`; "-" where nothing can tell. */
static const char *
object_of(const char *name)
{
  Dl_info info;
  void *function = dlsym(RTLD_DEFAULT, name);
  if (function == NULL || dladdr(function, &info) == 0)
    return "-";
  return info.dli_fname;
}

/* The object that serves this process; it must serve the whole family. */
static const char *
allocator_object(void)
{
  static const char *const family[] = {"free", "calloc", "realloc"};
  const char *object = object_of("malloc");
  for (size_t i = 0; i < sizeof family / sizeof family[0]; i++)
    if (strcmp(object, object_of(family[i])) != 0)
      die("malloc and its family come from different objects");
  return object;
}

/* The greatest resident size so far, in KiB.  Kernels keep that mark with
 * counters per CPU that may lag behind by hundreds of KiB, which is much for a
 * small process; the walk of the page tables is exact but knows only the
 * present, so the greater of the two counts. */
static long
peak_resident_kib(void)
{
  long mark = memory_proc_field("/proc/self/status", "\nVmHWM:");
  long present = memory_proc_field("/proc/self/smaps_rollup", "\nRss:");
  return mark > present ? mark : present;
}

static double
now_seconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t
number(const char *text)
{
  char *end;
  uint64_t value = strtoull(text, &end, 10);
  if (end == text || *end != '\0')
    die("a number was expected");
  return value;
}

static const struct shape *
find_shape(const char *name)
{
  for (size_t i = 0; i < sizeof all_shapes / sizeof all_shapes[0]; i++)
    for (const struct shape *shape = all_shapes[i]; shape->name; shape++)
      if (strcmp(shape->name, name) == 0)
        return shape;
  die("no such shape; try: workload list");
}

static int
list_shapes(void)
{
  for (size_t i = 0; i < sizeof all_shapes / sizeof all_shapes[0]; i++)
    for (const struct shape *shape = all_shapes[i]; shape->name; shape++)
      printf("%-18s %s\n", shape->name, shape->about);
  return 0;
}

int
main(int argc, char **argv)
{
  struct work work = {.threads = 1};
  const struct shape *shape;
  double start, seconds;
  long peak_kib;
  if (argc == 2 && strcmp(argv[1], "list") == 0)
    return list_shapes();
  if (argc == 2 && strcmp(argv[1], "where") == 0)
    return printf("malloc=%s compiler=%s\n", allocator_object(), __VERSION__) <
           0;
  if (argc < 3 || argc > 5)
    die("usage: workload SHAPE OPS [THREADS [PARAM]] | list | where");
  shape = find_shape(argv[1]);
  work.ops = number(argv[2]);
  if (argc > 3)
    work.threads = (unsigned)number(argv[3]);
  if (argc > 4)
    work.param = number(argv[4]);
  if (work.threads < 1 || work.threads > 4096)
    die("from 1 to 4096 threads");
  start = now_seconds();
  shape->run(&work);
  seconds = now_seconds() - start;
  peak_kib = peak_resident_kib();
  printf("shape=%s ops=%" PRIu64 " threads=%u seconds=%.9f peak_kib=%ld "
         "malloc=%s\n",
         shape->name, work.ops, work.threads, seconds, peak_kib,
         allocator_object());
  return 0;
}
