/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload.c - the program of all benchmark workloads.
 *
 *     workload SHAPE OPS [THREADS [PARAM]]   do the work, print one line
 *     workload list                          name the shapes
 *     workload where                         name the allocator that serves it
 *
 * The line of a run names the object that provides malloc and its family, as
 * seen from inside the process, so that a preload that silently failed cannot
 * count as a measurement.
 */
#include "process.h"
#include "workload.h"

#include <inttypes.h>
#include <pthread.h>

static const struct shape *const all_shapes[] = {
    pairs_shapes,   replace_shapes, server_shapes,   pipeline_shapes,
    batches_shapes, stress_shapes,  exchange_shapes, sharing_shapes,
    churn_shapes,   crowd_shapes,   large_shapes,    growth_shapes,
    zeroed_shapes,  heaps_shapes,
};

struct crew {
  pthread_barrier_t start;
  void (*body)(struct worker *worker);
};

/* The argument of a thread of run_threads(). */
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
  return map_new(count * size_bytes);
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
