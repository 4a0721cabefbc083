/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * idle.c - how much freed memory a process keeps.
 *
 *     idle SHAPE MIB THREADS SECONDS
 *
 * threads     each of THREADS threads frees MIB / THREADS of 64 B to 4 KiB
 *             blocks and sleeps
 * fragmented  MIB of 1 KiB blocks, of which a random eighth stays
 * peak        MIB of 256 KiB blocks, all freed
 * drift       for SECONDS, the sizes of MIB of live blocks change
 *
 * One line reports in KiB: live blocks, the peak, and what is resident after
 * the program has done nothing for SECONDS.
 */
#include "process.h"
#include "workload.h"

#include <pthread.h>

#define SMALL_LOW 6
#define SMALL_HIGH 12
#define FRAGMENT 1024
#define FRAGMENTS_PER_LIVE 8
#define DRIFT_PHASE 2.0 /* seconds that a mix of sizes lasts */

static struct {
  size_t bytes;
  unsigned threads;
  unsigned seconds;
  size_t live; /* bytes that stay */
} idle;

void
die(const char *what)
{
  fprintf(stderr, "idle: %s\n", what);
  exit(1);
}

static void *
thread_body(void *barrier)
{
  size_t bytes = 0, n = 0, most = idle.bytes / idle.threads;
  void **blocks = map_new(most / 64 * sizeof *blocks);
  struct rng rng;

  rng_seed(&rng, 1);
  while (bytes < most) {
    size_t size = rng_size(&rng, SMALL_LOW, SMALL_HIGH - 1);
    memset(blocks[n++] = block_new(size), 1, size);
    bytes += size;
  }
  pthread_barrier_wait(barrier);
  while (n > 0)
    free(blocks[--n]);
  munmap(blocks, most / 64 * sizeof *blocks);
  pthread_barrier_wait(barrier);
  sleep(idle.seconds + 1);
  return NULL;
}

static void
threads(void)
{
  static pthread_barrier_t barrier;
  pthread_attr_t attributes;

  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (size_t)256 << 10);
  pthread_barrier_init(&barrier, NULL, idle.threads + 1);
  for (unsigned i = 0; i < idle.threads; i++) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, thread_body, &barrier) != 0)
      die("cannot start a thread");
  }
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
}

static void
fragmented(void)
{
  size_t n = idle.bytes / FRAGMENT;
  void **blocks = map_new(n * sizeof *blocks);
  struct rng rng;

  rng_seed(&rng, 1);
  for (size_t i = 0; i < n; i++)
    memset(blocks[i] = block_new(FRAGMENT), 1, FRAGMENT);
  for (size_t i = 0; i < n; i++)
    if (rng_below(&rng, FRAGMENTS_PER_LIVE) != 0)
      free(blocks[i]);
    else
      idle.live += FRAGMENT;
  munmap(blocks, n * sizeof *blocks);
}

static void
peak(void)
{
  enum { SIZE = 256 << 10 };
  size_t n = idle.bytes / SIZE;
  void **blocks = map_new(n * sizeof *blocks);

  for (size_t i = 0; i < n; i++)
    memset(blocks[i] = block_new(SIZE), 1, SIZE);
  for (size_t i = 0; i < n; i++)
    free(blocks[i]);
  munmap(blocks, n * sizeof *blocks);
}

/* A random size from the mix of the phase. */
static size_t
drifting_size(struct rng *rng, unsigned phase)
{
  unsigned low = 5 + phase * 3 % 8;

  return rng_size(rng, low, low + 3);
}

/* A live block of the drift; the queue links the blocks themselves. */
struct queued {
  struct queued *next;
  size_t size;
};

/* Live bytes stay the same, while blocks of a new mix replace old ones. */
static void
drift(void)
{
  struct queued *first = NULL, **last = &first;
  double start = now_seconds(), now;
  struct rng rng;

  rng_seed(&rng, 1);
  while ((now = now_seconds()) < start + idle.seconds) {
    for (unsigned i = 0; i < 2000; i++) {
      size_t size =
          drifting_size(&rng, (unsigned)((now - start) / DRIFT_PHASE));
      while (idle.live + size > idle.bytes) {
        struct queued *oldest = first;
        first = oldest->next;
        idle.live -= oldest->size;
        free(oldest);
      }
      if (first == NULL)
        last = &first;
      *last = memset(block_new(size), 1, size);
      **last = (struct queued){NULL, size};
      last = &(*last)->next;
      idle.live += size;
    }
  }
  idle.seconds = 0;
}

int
main(int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run)(void);
  } shapes[] = {{"threads", threads},
                {"fragmented", fragmented},
                {"peak", peak},
                {"drift", drift}};
  long top;

  if (argc != 5)
    die("SHAPE MIB THREADS SECONDS are missing");
  idle.bytes = strtoul(argv[2], NULL, 10) << 20;
  idle.threads = (unsigned)strtoul(argv[3], NULL, 10);
  idle.seconds = (unsigned)strtoul(argv[4], NULL, 10);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    if (strcmp(argv[1], shapes[i].name) == 0) {
      shapes[i].run();
      top = peak_resident_kib();
      sleep(idle.seconds);
      printf("live_kib=%zu peak_kib=%ld idle_kib=%ld malloc=%s\n",
             idle.live >> 10, top, resident_kib(), allocator_object());
      return 0;
    }
  die("no such shape");
}
