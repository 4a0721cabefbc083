/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * latency.c - how long single calls of malloc and free take.
 *
 *     latency SHAPE OPS [THREADS [PARAM [SECONDS]]]
 *
 * The work is fixed, as in workload.c.  With SECONDS, it is spread evenly over
 * that time, so that memory is returned to the OS meanwhile.  The shapes are at
 * the end of this file.
 *
 * Each call is timed alone, by two clocks:
 *
 *   wall  CLOCK_MONOTONIC before and after the call.  It includes time in which
 *         the thread did not run, and the cost of one reading of the clock.
 *         Nothing is subtracted: the call "empty" is the same measurement with
 *         nothing in it; every thread takes it before its work.
 *   cpu   the processor time of the thread.  It separates preemption from the
 *         allocator's own work, system calls and page faults.  Reading that
 *         clock takes a system call, so it is not read at each call.  Instead,
 *         a mark is at most MARK_NS old when a call begins.  A call that takes
 *         at least SLOW_NS of wall time is charged the processor time since the
 *         mark, but not more than its wall time.  So the figure is never too
 *         low, and at most MARK_NS plus one reading too high.  A shorter call
 *         is charged its wall time.
 *
 * The first line of the output is that of workload.c.  One line for each call
 * and clock follows:
 *
 *     call=malloc clock=wall count=N p50=NS p99=NS p99.9=NS p99.99=NS
 *     worst=NS over_1ms=N buckets=NS:COUNT,NS:COUNT,...
 *
 * A bucket is named by its largest value.  There are 32 buckets per doubling,
 * so a percentile is at most 3.2 % too high; the worst call is exact if it is
 * a slow one.
 */
#include "process.h"
#include "workload.h"

#include <inttypes.h>
#include <pthread.h>

#define MARK_NS 2000
#define SLOW_NS 4096 /* where a bucket begins */
#define LONG_NS 1000000
#define EMPTY_CALLS 500000

/* Each value below SPLIT has a bucket; each doubling above has SPLIT. */
#define SPLIT_SHIFT 5
#define SPLIT (1 << SPLIT_SHIFT)
#define VALUE_SHIFT 40 /* 18 minutes */
#define BUCKETS ((VALUE_SHIFT - SPLIT_SHIFT + 1) * SPLIT)

#define REQUEST_SMALL_MIN 20
#define REQUEST_SMALL_MAX 200
#define REQUEST_BUFFERS_MAX 4
#define RING_LENGTH 16
#define FRAGMENT 1024
#define PACE_OPS 256
#define KNOWN_EVERY 10

enum call { CALL_EMPTY, CALL_FILL, CALL_MALLOC, CALL_FREE, CALLS };
enum clock { CLOCK_WALL, CLOCK_CPU, CLOCKS };

static const char *const call_names[] = {"empty", "fill", "malloc", "free"};
static const char *const clock_names[] = {"wall", "cpu"};

struct histogram {
  uint64_t worst;
  uint64_t over; /* calls that took more than LONG_NS */
  uint64_t count[BUCKETS];
};

/* The blocks of one request. */
struct request {
  uint32_t count;
  void *blocks[REQUEST_SMALL_MAX + REQUEST_BUFFERS_MAX];
};

/* Requests that one thread makes and the next one frees. */
struct ring {
  uint64_t written; /* by its only writer */
  uint64_t read;    /* by its only reader */
  struct request requests[RING_LENGTH];
};

struct timer {
  uint64_t mark_ns;     /* wall time when the processor time was read */
  uint64_t mark_cpu_ns; /* the processor time then */
  /* Until the end, that of CLOCK_CPU holds only the slow calls. */
  struct histogram histograms[CALLS][CLOCKS];
};

struct member {
  const struct work *work;
  void (*body)(struct member *self);
  struct member *next; /* frees requests of this thread */
  struct ring ring;    /* requests of another thread that this one frees */
  struct timer timer;  /* the thread's own */
  struct rng rng;
  pthread_t id;
  uint64_t ops; /* this thread's share of work->ops */
  uint64_t start_ns;
};

struct latency {
  const char *name;
  void (*body)(struct member *self);
};

static double pace_seconds;
static pthread_barrier_t together;

void
die(const char *what)
{
  fprintf(stderr, "latency: %s\n", what);
  exit(1);
}

/* ---- Time ---------------------------------------------------------------- */

static uint64_t
clock_ns(clockid_t clock)
{
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static unsigned
bucket_of(uint64_t ns)
{
  unsigned shift = 0;
  if (ns >> VALUE_SHIFT != 0)
    return BUCKETS - 1;
  if (ns >= SPLIT)
    shift = 63 - (unsigned)__builtin_clzll(ns) - SPLIT_SHIFT;
  return shift * SPLIT + (unsigned)(ns >> shift);
}

/* The largest value in a bucket. */
static uint64_t
bucket_end(unsigned bucket)
{
  unsigned shift = bucket < 2 * SPLIT ? 0 : bucket / SPLIT - 1;
  return ((uint64_t)(bucket - shift * SPLIT + 1) << shift) - 1;
}

static void
histogram_note(struct histogram *histogram, uint64_t ns)
{
  histogram->count[bucket_of(ns)]++;
  if (ns > histogram->worst)
    histogram->worst = ns;
  histogram->over += ns > LONG_NS;
}

static void
timer_mark(struct timer *timer)
{
  timer->mark_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  timer->mark_ns = clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t
timer_begin(struct timer *timer)
{
  uint64_t now = clock_ns(CLOCK_MONOTONIC);
  if (now - timer->mark_ns < MARK_NS)
    return now;
  timer_mark(timer);
  return timer->mark_ns;
}

static inline void
timer_end(struct timer *timer, enum call call, uint64_t begin)
{
  uint64_t ns = clock_ns(CLOCK_MONOTONIC) - begin, cpu;
  histogram_note(&timer->histograms[call][CLOCK_WALL], ns);
  if (__builtin_expect(ns < SLOW_NS, 1))
    return;
  cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - timer->mark_cpu_ns;
  histogram_note(&timer->histograms[call][CLOCK_CPU], cpu < ns ? cpu : ns);
}

static void *
timed_new(struct member *self, enum call call, size_t size_bytes)
{
  uint64_t begin = timer_begin(&self->timer);
  void *p = malloc(size_bytes);
  timer_end(&self->timer, call, begin);
  return block_label(p, size_bytes);
}

static void
timed_free(struct member *self, void *p)
{
  uint64_t begin;
  if (p == NULL)
    return;
  block_check(p);
  begin = timer_begin(&self->timer);
  free(p);
  timer_end(&self->timer, CALL_FREE, begin);
}

static void
time_empty_calls(struct member *self)
{
  for (unsigned i = 0; i < EMPTY_CALLS; i++) {
    uint64_t begin = timer_begin(&self->timer);
    timer_end(&self->timer, CALL_EMPTY, begin);
  }
}

/* Sleeps until operation number `done` is due. */
static void
pace(struct member *self, uint64_t done)
{
  uint64_t due, now;
  struct timespec time = {0};
  if (pace_seconds <= 0 || done % PACE_OPS != 0)
    return;
  due = self->start_ns +
        (uint64_t)(pace_seconds * 1e9 * (double)done / (double)self->ops);
  now = clock_ns(CLOCK_MONOTONIC);
  if (due <= now)
    return;
  time.tv_sec = (time_t)((due - now) / 1000000000);
  time.tv_nsec = (long)((due - now) % 1000000000);
  nanosleep(&time, NULL);
}

/* ---- A server: a request allocates, and all is freed at its end ---------- */

static void
request_make(struct member *self, struct request *request)
{
  uint32_t small =
      REQUEST_SMALL_MIN +
      rng_below(&self->rng, REQUEST_SMALL_MAX - REQUEST_SMALL_MIN + 1);
  uint32_t buffers = rng_below(&self->rng, REQUEST_BUFFERS_MAX + 1);
  request->count = 0;
  for (uint32_t i = 0; i < small + buffers; i++) {
    /* The buffers come first, like those of a socket. */
    size_t size_bytes = i < buffers ? rng_size(&self->rng, 10, 16)
                                    : rng_size(&self->rng, 4, 10);
    char *p = timed_new(self, CALL_MALLOC, size_bytes);
    if (i < buffers)
      memset(p + 16, 1, size_bytes - 17);
    request->blocks[request->count++] = p;
  }
}

static void
request_end(struct member *self, struct request *request)
{
  for (uint32_t i = 0; i < request->count; i++)
    timed_free(self, request->blocks[i]);
}

/* Ends the requests that another thread passed on. */
static void
ring_empty(struct member *self)
{
  struct ring *ring = &self->ring;
  while (ring->read < __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE)) {
    request_end(self, &ring->requests[ring->read % RING_LENGTH]);
    __atomic_store_n(&ring->read, ring->read + 1, __ATOMIC_RELEASE);
  }
}

/* Passes the request to the next thread; false if its ring is full. */
static int
ring_put(struct ring *ring, const struct request *request)
{
  uint64_t read = __atomic_load_n(&ring->read, __ATOMIC_ACQUIRE);
  if (ring->written - read == RING_LENGTH)
    return 0;
  ring->requests[ring->written % RING_LENGTH] = *request;
  __atomic_store_n(&ring->written, ring->written + 1, __ATOMIC_RELEASE);
  return 1;
}

/* Another thread ends one request in four; with one thread, it ends later. */
static void
request_body(struct member *self)
{
  struct request request;
  for (uint64_t i = 0; i < self->ops; i++) {
    pace(self, i);
    request_make(self, &request);
    if (i % 4 != 0 || !ring_put(&self->next->ring, &request))
      request_end(self, &request);
    ring_empty(self);
  }
  pthread_barrier_wait(&together);
  ring_empty(self);
}

/* ---- Random replacement -------------------------------------------------- */

static void
mixed_body(struct member *self)
{
  uint32_t count = (uint32_t)self->work->param;
  void **slots = map_new(count * sizeof *slots);
  for (uint64_t i = 0; i < self->ops; i++) {
    void **slot = &slots[rng_below(&self->rng, count)];
    pace(self, i);
    timed_free(self, *slot);
    *slot = timed_new(self, CALL_MALLOC, rng_size(&self->rng, 4, 15));
  }
  for (uint32_t i = 0; i < count; i++)
    timed_free(self, slots[i]);
  munmap(slots, count * sizeof *slots);
}

/* ---- A fragmented heap --------------------------------------------------- */

static void
shuffle(struct member *self, void **slots, uint32_t count)
{
  for (uint32_t i = count; i-- > 1;) {
    uint32_t other = rng_below(&self->rng, i + 1);
    void *p = slots[i];
    slots[i] = slots[other];
    slots[other] = p;
  }
}

/* Replaces blocks; one in four gets another size, so that pages pass from one
 * size to another. */
static void
fragmented_replace(struct member *self, void **slots, uint32_t count)
{
  self->start_ns = clock_ns(CLOCK_MONOTONIC);
  for (uint64_t i = 0; i < self->ops; i++) {
    void **slot = &slots[rng_below(&self->rng, count)];
    pace(self, i);
    timed_free(self, *slot);
    *slot = timed_new(self, CALL_MALLOC,
                      i % 4 != 0 ? FRAGMENT : rng_size(&self->rng, 4, 13));
  }
}

static void
fragmented_body(struct member *self)
{
  uint32_t count =
      (uint32_t)(self->work->param / FRAGMENT / self->work->threads);
  void **slots = map_new(count * sizeof *slots);
  if (count < 2)
    die("PARAM is too small");
  for (uint32_t i = 0; i < count; i++)
    slots[i] = timed_new(self, CALL_FILL, FRAGMENT);
  shuffle(self, slots, count);
  for (uint32_t i = count / 2; i < count; i++)
    timed_free(self, slots[i]);
  fragmented_replace(self, slots, count / 2);
  for (uint32_t i = 0; i < count / 2; i++)
    timed_free(self, slots[i]);
  munmap(slots, count * sizeof *slots);
}

/* ---- Calls whose times are known, to test the instrument ----------------- */

static void
work_or_sleep(int work, uint64_t ns)
{
  struct timespec time = {.tv_nsec = (long)ns};
  uint64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
  if (!work)
    nanosleep(&time, NULL);
  while (work && clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
    ;
}

static void
known_body(struct member *self)
{
  for (uint64_t i = 0; i < self->ops; i++)
    for (enum call call = CALL_MALLOC; call <= CALL_FREE; call++) {
      uint64_t begin = timer_begin(&self->timer);
      if (i % KNOWN_EVERY == 0)
        work_or_sleep(call == CALL_MALLOC, 2 * LONG_NS);
      timer_end(&self->timer, call, begin);
    }
}

static const struct latency shapes[] = {
    /* 20 to 200 blocks of 16 to 1023 B and up to 4 of 1 to 64 KiB; OPS counts
     * the requests. */
    {"request", request_body},
    /* PARAM blocks per thread of 16 B to 32 KiB; OPS counts replacements. */
    {"mixed", mixed_body},
    /* PARAM bytes in blocks of 1 KiB; a random half is freed, and the other is
     * then replaced at random.  OPS counts replacements. */
    {"fragmented", fragmented_body},
    /* One malloc in 10 is replaced by 2 ms of work, and one free in 10 by a
     * sleep of 2 ms. */
    {"known", known_body},
};

/* ---- The threads, and what they found ------------------------------------ */

static void *
member_main(void *arg)
{
  struct member *self = arg;
  timer_mark(&self->timer);
  time_empty_calls(self);
  pthread_barrier_wait(&together);
  self->start_ns = clock_ns(CLOCK_MONOTONIC);
  self->body(self);
  return NULL;
}

static void
timer_add(struct timer *sum, const struct timer *timer)
{
  for (int call = 0; call < CALLS; call++)
    for (int clock = 0; clock < CLOCKS; clock++) {
      struct histogram *to = &sum->histograms[call][clock];
      const struct histogram *from = &timer->histograms[call][clock];
      for (unsigned i = 0; i < BUCKETS; i++)
        to->count[i] += from->count[i];
      to->over += from->over;
      if (from->worst > to->worst)
        to->worst = from->worst;
    }
}

/* Calls below SLOW_NS count with their wall time as processor time. */
static void
add_short_calls(struct histogram *cpu, const struct histogram *wall)
{
  for (unsigned i = 0; i < bucket_of(SLOW_NS); i++) {
    cpu->count[i] += wall->count[i];
    if (wall->count[i] > 0 && cpu->worst < bucket_end(i))
      cpu->worst = bucket_end(i);
  }
}

static uint64_t
histogram_calls(const struct histogram *histogram)
{
  uint64_t calls = 0;
  for (unsigned i = 0; i < BUCKETS; i++)
    calls += histogram->count[i];
  return calls;
}

/* The time that the fraction `part` of the calls did not exceed. */
static uint64_t
percentile(const struct histogram *histogram, uint64_t calls, double part)
{
  uint64_t below = 0;
  unsigned i = 0;
  for (; i < BUCKETS - 1; i++) {
    below += histogram->count[i];
    if ((double)below >= part * (double)calls)
      break;
  }
  return bucket_end(i) < histogram->worst ? bucket_end(i) : histogram->worst;
}

static void
histogram_print(const struct histogram *histogram, const char *call,
                const char *clock)
{
  static const struct {
    const char *name;
    double part;
  } percentiles[] = {
      {"p50", .5}, {"p99", .99}, {"p99.9", .999}, {"p99.99", .9999}};
  uint64_t calls = histogram_calls(histogram);
  const char *separator = " buckets=";
  if (calls == 0)
    return;
  printf("call=%s clock=%s count=%" PRIu64, call, clock, calls);
  for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++)
    printf(" %s=%" PRIu64, percentiles[i].name,
           percentile(histogram, calls, percentiles[i].part));
  printf(" worst=%" PRIu64 " over_1ms=%" PRIu64, histogram->worst,
         histogram->over);
  for (unsigned i = 0; i < BUCKETS; i++)
    if (histogram->count[i] > 0) {
      printf("%s%" PRIu64 ":%" PRIu64, separator, bucket_end(i),
             histogram->count[i]);
      separator = ",";
    }
  printf("\n");
}

static void
timer_print(struct timer *sum)
{
  for (int call = 0; call < CALLS; call++) {
    struct histogram *histograms = sum->histograms[call];
    add_short_calls(&histograms[CLOCK_CPU], &histograms[CLOCK_WALL]);
    for (int clock = 0; clock < CLOCKS; clock++)
      histogram_print(&histograms[clock], call_names[call], clock_names[clock]);
  }
}

static void
run(const struct latency *shape, const struct work *work,
    struct member *members)
{
  pthread_barrier_init(&together, NULL, work->threads);
  for (unsigned i = 0; i < work->threads; i++) {
    struct member *self = &members[i];
    /* Touch the pages of *self now, not while a call is timed. */
    memset(self, 0, sizeof *self);
    self->work = work;
    self->body = shape->body;
    self->next = &members[(i + 1) % work->threads];
    self->ops = work->ops / work->threads + (i < work->ops % work->threads);
    rng_seed(&self->rng, i);
  }
  if (work->threads == 1)
    member_main(members);
  else
    for (unsigned i = 0; i < work->threads; i++)
      if (pthread_create(&members[i].id, NULL, member_main, &members[i]) != 0)
        die("cannot start a thread");
  for (unsigned i = 0; work->threads > 1 && i < work->threads; i++)
    pthread_join(members[i].id, NULL);
  pthread_barrier_destroy(&together);
}

static const struct latency *
find_shape(const char *name)
{
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    if (strcmp(shapes[i].name, name) == 0)
      return &shapes[i];
  die("no such shape");
}

static double
decimal(const char *text)
{
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || value < 0)
    die("seconds were expected");
  return value;
}

int
main(int argc, char **argv)
{
  static struct timer sum;
  struct work work = {.threads = 1, .param = 1000};
  const struct latency *shape;
  struct member *members;
  double begin, seconds;
  long peak_kib;
  if (argc < 3 || argc > 6)
    die("usage: latency SHAPE OPS [THREADS [PARAM [SECONDS]]]");
  shape = find_shape(argv[1]);
  work.ops = number(argv[2]);
  if (argc > 3)
    work.threads = (unsigned)number(argv[3]);
  if (argc > 4)
    work.param = number(argv[4]);
  if (argc > 5)
    pace_seconds = decimal(argv[5]);
  if (work.threads < 1 || work.threads > 4096)
    die("from 1 to 4096 threads");
  members = map_new(work.threads * sizeof *members);
  begin = now_seconds();
  run(shape, &work, members);
  seconds = now_seconds() - begin;
  peak_kib = peak_resident_kib();
  printf("shape=%s ops=%" PRIu64 " threads=%u param=%" PRIu64
         " seconds=%.9f peak_kib=%ld malloc=%s\n",
         shape->name, work.ops, work.threads, work.param, seconds, peak_kib,
         allocator_object());
  for (unsigned i = 0; i < work.threads; i++)
    timer_add(&sum, &members[i].timer);
  timer_print(&sum);
  return 0;
}
