/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap profile: compares its estimates with known blocks. */
#include "unit.h"

#include <fcntl.h>
#include <math.h>

#include "base/options.h"
#include "base/random.h"
#include "cache/cache_owner.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "front/reallocate.h"
#include "heap/large.h"
#include "heap/pagemap.h"
#include "observe/stats.h"
#include "process/fork.h"
#include "profile/profile.h"
#include "profile/sample_math.h"
#include "tcm.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

struct sums {
  double live;
  double bytes;
  uint64_t samples;
  size_t stacks;
};

static struct sums
sum_all(void)
{
  const struct profile_stack *stack;
  struct sums sums = {0};
  uint64_t place = 0;

  while ((stack = tcmi_profile_next_stack(&place)) != NULL) {
    sums.live += (double)(stack->allocated - stack->freed);
    sums.bytes += (double)stack->allocated;
    sums.samples += stack->samples;
    sums.stacks++;
  }
  must(sums.stacks == tcmi_profile.nstacks);
  return sums;
}

/* Starts a profile with a fixed random sequence. */
static void
start(uint64_t bytes, uint64_t seed)
{
  tcmi_free(tcmi_allocate(1));
  owner_of(tcmi_thread_cache)->sample_random = seed;
  ck_assert_int_eq(tcm_profile_start(bytes), 0);
  /* In the slow path, the thread notices the start. */
  tcmi_free(tcmi_allocate(100000));
  must(tcmi_thread_cache->sample_left > 0);
}

START_TEST(logarithms_and_weights)
{
  double x;

  for (x = 1e-16; x < 1e3; x *= 1.01)
    must_for(fabs(tcmi_sample_log(x) - log(x)) <= 1e-12 * (1 + fabs(log(x))),
             "x %g", x);
  for (uint64_t mean = 1; mean <= (uint64_t)1 << 40; mean *= 4)
    for (size_t size = 8; size <= (size_t)1 << 36; size *= 2) {
      double wanted = -1 / expm1(-(double)size / (double)mean);
      must_for(fabs(tcmi_sample_weight(mean, size) - wanted) <= 1e-12 * wanted,
               "size %zu", size);
    }
}
END_TEST

START_TEST(distances_have_their_mean)
{
  uint64_t state = unit_seed();
  double sum = 0, squares = 0;
  const int n = 200000;

  for (int i = 0; i < n; i++) {
    double d = (double)tcmi_sample_distance(4096, tcmi_random_next(&state));
    must(d >= 1);
    sum += d;
    squares += d * d;
  }
  /* Mean and deviation are about 4096; the mean is within three standard
   * errors. */
  must_for(fabs(sum / n - 4096.5) < 3 * 4096 / sqrt(n), "mean %g", sum / n);
  must(fabs(sqrt(squares / n - sum / n * (sum / n)) - 4096) < 100);
  ck_assert_uint_eq(tcmi_sample_distance(1, ~(uint64_t)0), 1);
  must(tcmi_sample_distance((uint64_t)1 << 40, 0) > (size_t)1 << 44);
}
END_TEST

/* Each of these functions allocates with its own stack. */
typedef void *allocate(size_t size);

static NOINLINE void *
by_malloc(size_t size)
{
  return tcmi_allocate(size);
}

static NOINLINE void *
by_calloc(size_t size)
{
  char *block = tcmi_allocate_zeroed(1, size);

  must(block[0] == 0 && block[size - 1] == 0);
  return block;
}

static NOINLINE void *
by_aligned(size_t size)
{
  void *block = tcmi_allocate_aligned(256, size);

  must((uintptr_t)block % 256 == 0);
  return block;
}

static NOINLINE void *
by_realloc(size_t size)
{
  return tcmi_reallocate(tcmi_allocate(8), size);
}

static NOINLINE void *
by_batch(size_t size)
{
  void *block;

  must(tcm_malloc_batch(size, &block, 1) == 1);
  return block;
}

/* Blocks of one function and size, to compare with their estimate. */
struct known {
  allocate *by;
  size_t size;
  size_t count;
};

static const struct known knowns[] = {
    {by_malloc, 16, 40000},  {by_malloc, 3072, 1000}, {by_calloc, 100, 8000},
    {by_calloc, 5000, 500},  {by_aligned, 200, 4000}, {by_aligned, 40000, 60},
    {by_realloc, 64, 10000}, {by_batch, 48, 15000},   {by_malloc, 70000, 20},
    {by_malloc, 3 * MIB, 2},
};
#define NKNOWNS (sizeof knowns / sizeof *knowns)

static void **blocks;

/* Allocates one kind of blocks; returns the error of the estimate, in standard
 * errors. */
static double
error_of(const struct known *known, uint64_t mean)
{
  double before = sum_all().live, usable, p, deviation, truth;

  for (size_t i = 0; i < known->count; i++)
    blocks[i] = known->by(known->size);
  usable = (double)tcmi_usable_size(call_unknown("test"), blocks[0]);
  truth = usable * (double)known->count;
  p = -expm1(-usable / (double)mean);
  deviation = usable * sqrt((double)known->count * (1 - p) / p);
  return (sum_all().live - before - truth) / (deviation + truth / 1000 + 1);
}

static void
free_known(const struct known *known)
{
  for (size_t i = 0; i < known->count; i++)
    tcmi_free(blocks[i]);
}

/* 40 seeds: each estimate is within 3.9 standard errors (one in 10,000 is not),
 * at most 3 % are beyond 3, and the mean error is about 0. */
START_TEST(estimates)
{
  uint64_t seed = unit_seed();
  double sum = 0;
  int n = 0, far = 0;

  blocks = calloc(40000, sizeof *blocks);
  start(16 * KIB, seed);
  for (int run = 0; run < 40; run++) {
    owner_of(tcmi_thread_cache)->sample_random = seed + (uint64_t)run * 1000;
    for (size_t i = 0; i < NKNOWNS; i++) {
      double error = error_of(&knowns[i], 16 * KIB);
      must_for(fabs(error) < 3.9, "kind %zu, run %d: %g", i, run, error);
      sum += error;
      far += fabs(error) > 3;
      n++;
      free_known(&knowns[i]);
    }
  }
  printf("%d estimates, %d beyond three standard errors, mean %+.3f\n", n, far,
         sum / n);
  ck_assert_int_le(far, 12);
  must_for(fabs(sum / n) < 3 / sqrt(n), "mean %g", sum / n);
  must_for(sum_all().live < 1, "left %g", sum_all().live);
  ck_assert_uint_eq(tcmi_profile.lost, 0);
  free(blocks);
  tcmi_heap_check();
}
END_TEST

/* Each depth is a different stack. */
static NOINLINE void *
nested(size_t depth, size_t size)
{
  void *block = depth == 0 ? tcmi_allocate(size) : nested(depth - 1, size);

  /* Prevents tail calls. */
  __asm__ volatile("" : : "r"(block) : "memory");
  return block;
}

/* The stack that allocated a sampled block. */
static const struct profile_stack *
stack_of(const void *block)
{
  const struct span *span = pagemap_span((uintptr_t)block);
  const struct profile_record *record = tcmi_profile_record(span->sample);
  const struct profile_stack *stack;
  uint64_t place, after = 0;

  do {
    place = after == 0 ? 1 : after;
    stack = tcmi_profile_next_stack(&after);
    must(stack != NULL);
  } while (place != record->stack);
  return stack;
}

/* The blocks of each stack. */
static const struct {
  size_t size;
  size_t count;
} tens[] = {
    {16, 20000}, {48, 8000},  {100, 5000}, {512, 1500},  {3072, 500},
    {20000, 80}, {70000, 30}, {MIB, 6},    {8 * MIB, 3}, {64 * MIB, 2},
};
#define NTENS (sizeof tens / sizeof *tens)

/* Errors of the estimates for ten stacks.  All fields: [owner thread] */
struct ten_errors {
  double of[NTENS]; /* in standard errors */
  double sum;       /* of all stacks together, likewise */
};

static struct ten_errors
errors_of_ten(void **const blocks_of[NTENS])
{
  double truth = 0, live = 0, variance = 0;
  struct ten_errors errors;

  for (size_t i = 0; i < NTENS; i++) {
    void *const *list = blocks_of[i];
    const struct profile_stack *stack = NULL;
    double usable = (double)tcmi_usable_size(call_unknown("test"), list[0]);
    double p = -expm1(-usable / (16 * 1024.0)), n = (double)tens[i].count;
    double error, deviation = usable * sqrt(n * (1 - p) / p);
    for (size_t k = 0; k < tens[i].count && stack == NULL; k++)
      if (pagemap_span((uintptr_t)list[k])->class_id == 0 &&
          pagemap_span((uintptr_t)list[k])->sample != 0)
        stack = stack_of(list[k]);
    must_for(stack != NULL, "stack %zu has no sample", i);
    error = (double)(stack->allocated - stack->freed) - usable * n;
    errors.of[i] = error / (deviation + usable * n / 1000);
    truth += usable * n;
    live += error;
    variance += deviation * deviation;
  }
  errors.sum = live / (sqrt(variance) + truth / 1000);
  return errors;
}

static struct ten_errors
run_of_ten(uint64_t seed)
{
  static void **blocks_of[NTENS];
  struct ten_errors errors;

  owner_of(tcmi_thread_cache)->sample_random = seed;
  for (size_t i = 0; i < NTENS; i++) {
    blocks_of[i] = calloc(tens[i].count, sizeof(void *));
    for (size_t k = 0; k < tens[i].count; k++)
      blocks_of[i][k] = nested(i, tens[i].size);
  }
  errors = errors_of_ten(blocks_of);
  for (size_t i = 0; i < NTENS; i++) {
    for (size_t k = 0; k < tens[i].count; k++)
      tcmi_free(blocks_of[i][k]);
    free(blocks_of[i]);
  }
  must(tcmi_profile.live == 0);
  return errors;
}

/* Whether tcm can find callers on this machine. */
static bool
has_stacks(uint64_t seed)
{
  void *a, *b;
  bool differ;

  start(1, seed);
  a = nested(0, 100);
  b = nested(1, 100);
  differ = stack_of(a) != stack_of(b);
  tcmi_free(a);
  tcmi_free(b);
  return differ;
}

/* Ten stacks at once, with blocks from 16 bytes to 64 MiB.  If the estimates
 * are correct, 2.7 of 1000 are beyond three standard errors, and 1 of 10,000 is
 * beyond 3.9; the mean error of each stack is about 0. */
START_TEST(ten_stacks)
{
  int runs = (int)harness_count(20, 100), far = 0;
  double sums[NTENS] = {0}, sum = 0;
  uint64_t seed = unit_seed();

  if (!has_stacks(seed))
    return;
  start(16 * KIB, seed);
  for (int run = 0; run < runs; run++) {
    struct ten_errors errors = run_of_ten(seed + (uint64_t)run * 1000);
    for (size_t i = 0; i < NTENS; i++) {
      must_for(fabs(errors.of[i]) < 3.9, "stack %zu, run %d: %g", i, run,
               errors.of[i]);
      far += fabs(errors.of[i]) > 3;
      sums[i] += errors.of[i];
    }
    must_for(fabs(errors.sum) < 3.9, "run %d: %g", run, errors.sum);
    sum += errors.sum;
  }
  printf("%d estimates, %d beyond three standard errors; means:", 10 * runs,
         far);
  for (size_t i = 0; i < NTENS; i++) {
    printf(" %+.2f", sums[i] / runs);
    must_for(fabs(sums[i] / runs) < 3.3 / sqrt(runs), "stack %zu: %g", i,
             sums[i] / runs);
  }
  printf(", of the sum %+.2f\n", sum / runs);
  must(fabs(sum / runs) < 3.3 / sqrt(runs));
  ck_assert_int_le(far, 3 + runs / 20);
}
END_TEST

/* A GiB in blocks of all sizes, not touched.  Three standard errors are less
 * than 2 % of it. */
START_TEST(a_gibibyte)
{
  uint64_t state = unit_seed(), live;
  const size_t most = 1000000;
  struct tcm_stats before, after;

  blocks = calloc(most, sizeof *blocks);
  start(64 * KIB, state);
  for (long run = 0; run < harness_count(1, 10); run++) {
    size_t n = 0, sum = 0;
    double grown;
    live = tcmi_profile.live;
    ck_assert_int_eq(tcm_stats(&before, sizeof before), 0);
    while (sum < 1024 * MIB && n < most) {
      size_t part = unit_below(&state, 1000), size;
      size = part < 900   ? 16 + unit_below(&state, 1500)
             : part < 997 ? 1 + unit_below(&state, 40000)
                          : MIB + unit_below(&state, MIB);
      blocks[n++] = tcmi_allocate(size);
      sum += size;
    }
    ck_assert_int_eq(tcm_stats(&after, sizeof after), 0);
    grown = (double)(after.in_use_bytes - before.in_use_bytes);
    must(grown >= 1024.0 * MIB);
    must_for(fabs((double)(tcmi_profile.live - live) / grown - 1) < 0.02,
             "%g of %g", (double)(tcmi_profile.live - live), grown);
    printf("%zu blocks, %.0f MiB in use, by the samples %+.2f %%\n", n,
           grown / (double)MIB,
           100 * ((double)(tcmi_profile.live - live) / grown - 1));
    while (n > 0)
      tcmi_free(blocks[--n]);
  }
  free(blocks);
}
END_TEST

/* The bytes in use are those requested, although samples have their own pages,
 * and the estimate is close to them. */
START_TEST(what_is_in_use)
{
  void *held[8000];
  struct tcm_stats before, after;
  double grown, live;

  start(64, unit_seed());
  ck_assert_int_eq(tcm_stats(&before, sizeof before), 0);
  live = sum_all().live;
  for (size_t i = 0; i < 8000; i++)
    held[i] = tcmi_allocate(64);
  ck_assert_int_eq(tcm_stats(&after, sizeof after), 0);
  grown = (double)(after.in_use_bytes - before.in_use_bytes);
  must_for(grown == 8000.0 * 64, "grown %g", grown);
  must(fabs(sum_all().live - live - grown) < 0.04 * grown);
  must(after.metadata_bytes - before.metadata_bytes >= 4000 * 4032);
  for (size_t i = 0; i < 8000; i++)
    tcmi_free(held[i]);
  ck_assert_int_eq(tcm_stats(&after, sizeof after), 0);
  must(after.in_use_bytes == before.in_use_bytes);
  ck_assert_uint_eq(tcmi_large_stats.slack, 0);
}
END_TEST

/* The usable size and contents of a block are the same if it is sampled. */
START_TEST(every_block)
{
  uint64_t state = unit_seed();
  void *kept[200] = {0};
  size_t sizes[200];

  start(1, state);
  for (int i = 0; i < 20000; i++) {
    size_t k = unit_below(&state, 200);
    size_t size = 1 + unit_below(&state, i % 50 == 0 ? MIB : 3000);
    if (kept[k] != NULL) {
      must(unit_is_marked(kept[k], sizes[k], k));
      if (i % 3 == 0) {
        kept[k] = tcmi_reallocate(kept[k], size);
        must(unit_is_marked(kept[k], size < sizes[k] ? size : sizes[k], k));
      } else {
        tcmi_free(kept[k]);
        kept[k] = NULL;
      }
    }
    if (kept[k] == NULL)
      kept[k] = tcmi_allocate(size);
    if (pagemap_tag((uintptr_t)kept[k]) == 0 && size <= 32 * KIB && i % 3 != 0)
      must(tcmi_usable_size(call_unknown("test"), kept[k]) ==
           tcmi_good_size(size));
    unit_mark(kept[k], size, k);
    sizes[k] = size;
  }
  for (size_t k = 0; k < 200; k++)
    tcmi_free(kept[k]);
  ck_assert_uint_gt(sum_all().samples, 10000);
  must(sum_all().live < 1);
  tcmi_heap_check();
}
END_TEST

START_TEST(a_large_block_that_grows)
{
  void *block;
  double live;

  start(1, unit_seed());
  block = tcmi_allocate(100000);
  for (size_t size = 100000; size < 40 * MIB; size = size * 3 / 2) {
    block = tcmi_reallocate(block, size);
    live = sum_all().live;
    must_for(live == (double)tcmi_usable_size(call_unknown("test"), block),
             "%g for %zu", live, size);
  }
  block = tcmi_reallocate(block, 50000);
  must(sum_all().live == (double)tcmi_usable_size(call_unknown("test"), block));
  tcmi_free(block);
  must(sum_all().live < 1);
}
END_TEST

#define STACKS 8

/* What was in use at the peak.  All fields: [owner thread] */
struct peak_model {
  const struct profile_stack *stacks[STACKS]; /* NULL: not seen yet */
  uint64_t live[STACKS], at_peak[STACKS];
  uint64_t total, peak;
};

static void
model_check(const struct peak_model *model)
{
  uint64_t sum = 0, bytes, blocks_then, place = 0;
  const struct profile_stack *stack;

  for (size_t i = 0; i < STACKS && model->stacks[i] != NULL; i++) {
    profile_at_peak(model->stacks[i], tcmi_profile.peak_number, &bytes,
                    &blocks_then);
    must_for(bytes == model->at_peak[i], "stack %zu: %lu, not %lu", i,
             (unsigned long)bytes, (unsigned long)model->at_peak[i]);
    must((blocks_then != 0) == (bytes != 0));
  }
  while ((stack = tcmi_profile_next_stack(&place)) != NULL) {
    profile_at_peak(stack, tcmi_profile.peak_number, &bytes, &blocks_then);
    sum += bytes;
  }
  must(sum == tcmi_profile.peak && tcmi_profile.live == model->total);
  must(tcmi_profile.peak == model->peak);
}

/* Adds a block; returns the number of its stack. */
static size_t
model_add(struct peak_model *model, void *block)
{
  uint64_t usable = tcmi_usable_size(call_unknown("test"), block);
  const struct profile_stack *stack = stack_of(block);
  size_t i;

  for (i = 0; model->stacks[i] != NULL && model->stacks[i] != stack; i++)
    must(i < STACKS - 1);
  model->stacks[i] = stack;
  model->live[i] += usable;
  model->total += usable;
  if (model->total > model->peak) {
    model->peak = model->total;
    memcpy(model->at_peak, model->live, sizeof model->live);
  }
  return i;
}

static void
model_remove(struct peak_model *model, size_t stack, void *block)
{
  uint64_t usable = tcmi_usable_size(call_unknown("test"), block);

  model->live[stack] -= usable;
  model->total -= usable;
}

/* Every block is a sample.  Their number rises and falls in waves. */
START_TEST(the_peak)
{
  static const unsigned waves[] = {60, 30, 70, 45, 90, 20, 55, 80};
  struct peak_model model = {.total = 0};
  uint64_t state = unit_seed();
  void *kept[300] = {0};
  size_t owners[300];

  start(1, state);
  model.peak = tcmi_profile.peak;
  for (unsigned i = 0; i < 24000; i++) {
    size_t k = unit_below(&state, 300), depth = unit_below(&state, STACKS);
    if (kept[k] != NULL) {
      model_remove(&model, owners[k], kept[k]);
      tcmi_free(kept[k]);
      kept[k] = NULL;
    }
    if (unit_below(&state, 100) < waves[i / 3000]) {
      kept[k] = nested(depth, 64 + unit_below(&state, 9000));
      owners[k] = model_add(&model, kept[k]);
    }
    if (i % 97 == 0)
      model_check(&model);
  }
  for (size_t k = 0; k < 300; k++)
    tcmi_free(kept[k]);
  model.total = 0;
  model_check(&model);
}
END_TEST

/* A failed allocation does not raise the peak. */
START_TEST(a_block_that_there_never_was)
{
  uint64_t peak, lost;

  start(1, unit_seed());
  peak = tcmi_profile.peak;
  lost = tcmi_profile.lost;
  must(tcmi_allocate((size_t)1 << 46) == NULL);
  ck_assert_uint_eq(tcmi_profile.peak, peak);
  ck_assert_uint_eq(tcmi_profile.lost, lost + 1);
  must(sum_all().live < 1);
}
END_TEST

static uint64_t
freed_samples(const struct profile_stack *stack)
{
  uint64_t sum = 0;

  for (unsigned i = 0; i < PROFILE_LIFETIMES; i++)
    sum += stack->lifetimes[i];
  return sum;
}

/* Makes blocks look older.  Their ages are midway between two powers of two, so
 * that a pause of the test changes nothing. */
START_TEST(lifetimes)
{
  const struct profile_stack *stack;

  start(1, unit_seed());
  for (unsigned bits = 13; bits < 40; bits++) {
    void *block = nested(0, 100);
    unsigned place = bits < PROFILE_LIFETIMES ? bits : PROFILE_LIFETIMES - 1;
    uint32_t before;
    stack = stack_of(block);
    before = stack->lifetimes[place];
    tcmi_profile_record(pagemap_span((uintptr_t)block)->sample)->time -=
        ((uint64_t)1 << bits) * 3 / 4;
    tcmi_free(block);
    ck_assert_uint_eq(stack->lifetimes[place], before + 1);
  }
  must(freed_samples(stack) == 40 - 13);
}
END_TEST

/* The record of a small sample has the address of its home, the object that it
 * would have been.  The next block gets that object.  A large sample has no
 * home. */
START_TEST(homes)
{
  void *kept[200];
  uintptr_t home;

  start(1, unit_seed());
  for (size_t i = 0; i < 200; i++) {
    size_t size = 64 + 37 * i;
    const struct span *span;
    kept[i] = nested(0, size);
    home = tcmi_profile_record(pagemap_span((uintptr_t)kept[i])->sample)->home;
    span = pagemap_span(home);
    must(span != NULL && span->class_id == size_class_of(size));
    must((home - span->start) % size_class_size(span->class_id) == 0);
  }
  for (size_t i = 0; i < 200; i++)
    tcmi_free(kept[i]);
  kept[0] = nested(0, 100000);
  must(tcmi_profile_record(pagemap_span((uintptr_t)kept[0])->sample)->home ==
       0);
  tcmi_free(kept[0]);
  kept[0] = nested(0, 100);
  home = tcmi_profile_record(pagemap_span((uintptr_t)kept[0])->sample)->home;
  tcm_profile_stop();
  tcmi_free(tcmi_allocate(200000));
  kept[1] = tcmi_allocate(100);
  must((uintptr_t)kept[1] == home);
  tcmi_free(kept[0]);
  tcmi_free(kept[1]);
  tcmi_heap_check();
}
END_TEST

/* Off, on, off: the fast path works as before, and frees find their records. */
START_TEST(on_and_off)
{
  uint64_t slow;
  void *block;

  start(1, unit_seed());
  block = tcmi_allocate(24);
  ck_assert_uint_eq(pagemap_tag((uintptr_t)block), 0);
  tcm_profile_stop();
  tcmi_free(tcmi_allocate(200000));
  ck_assert_uint_eq(tcmi_thread_cache->sample_left, 0);
  tcmi_free(tcmi_allocate(24));
  tcmi_free(tcmi_allocate(24));
  slow = owner_of(tcmi_thread_cache)->traffic.slow_mallocs;
  for (int i = 0; i < 1000; i++)
    tcmi_free(tcmi_allocate(24));
  ck_assert_uint_eq(owner_of(tcmi_thread_cache)->traffic.slow_mallocs, slow);
  must(sum_all().live > 0);
  tcmi_free(block);
  must(sum_all().live < 1);
}
END_TEST

static uint64_t
slow_mallocs(void)
{
  return tcmi_stats_page.slow_mallocs +
         owner_of(tcmi_thread_cache)->traffic.slow_mallocs;
}

/* A small sample counts as a slow malloc; a large one does not. */
START_TEST(small_samples_are_slow_mallocs)
{
  uint64_t before;

  start(1, unit_seed());
  before = slow_mallocs();
  for (int i = 0; i < 100; i++) {
    tcmi_free(tcmi_allocate(24));
    tcmi_free(tcmi_allocate(MIB));
  }
  ck_assert_uint_eq(slow_mallocs(), before + 100);
}
END_TEST

static bool learned;

static void *
thread_that_is_fast(void *unused)
{
  (void)unused;
  for (int i = 0; i < 100; i++)
    tcmi_free(tcmi_allocate(24));
  atomic_store_release(&learned, true);
  while (atomic_load_relaxed(&tcmi_profile.samples) == 0)
    tcmi_free(tcmi_allocate(24));
  return NULL;
}

/* Even a thread that takes no slow path notices a start. */
START_TEST(another_thread)
{
  pthread_t thread;

  unit_thread(&thread, thread_that_is_fast, NULL);
  while (!atomic_load_acquire(&learned))
    ;
  ck_assert_int_eq(tcm_profile_start(1000), 0);
  unit_join(thread);
}
END_TEST

START_TEST(in_a_child)
{
  void *block;
  int status;
  pid_t pid;

  start(1, unit_seed());
  block = tcmi_allocate(24);
  pid = fork();
  if (pid == 0) {
    must(sum_all().live > 0);
    tcmi_free(block);
    must(sum_all().live < 1);
    tcmi_free(tcmi_allocate(24));
    _exit(0);
  }
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(status, 0);
  must(sum_all().live > 0);
}
END_TEST

START_TEST(what_is_written)
{
  char text[200] = "";
  int pipes[2], fd;

  errno = 0;
  ck_assert_int_eq(tcm_profile_write(2), -1);
  ck_assert_int_eq(errno, ENOENT);
  errno = 0;
  ck_assert_int_eq(tcm_profile_start(0), -1);
  ck_assert_int_eq(errno, ERANGE);
  start(1, unit_seed());
  must(tcmi_allocate(24) != NULL);
  ck_assert_int_eq(pipe(pipes), 0);
  fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
  ck_assert_int_eq(tcm_profile_write(fd), 0);
  /* The part that fits into a pipe. */
  (void)fcntl(pipes[1], F_SETFL, O_NONBLOCK);
  ck_assert_int_eq(tcm_profile_write(pipes[1]), 0);
  must(read(pipes[0], text, sizeof text - 1) > 0);
  must_for(strncmp(text, "heap profile: ", 14) == 0 &&
               strstr(text, "] @ heapprofile\n") != NULL,
           "%s", text);
}
END_TEST

static void
refused(int fd, int error)
{
  errno = 0;
  ck_assert_int_eq(tcm_profile_write(fd), -1);
  ck_assert_int_eq(errno, error);
}

/* The write of any part may fail: the head, a stack, or the mappings. */
START_TEST(what_cannot_be_written)
{
  char text[4096];
  int pipes[2], fd;

  start(1, unit_seed());
  must(tcmi_allocate(24) != NULL);
  refused(-1, EBADF);
  fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  refused(fd, EBADF);
  fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
  refused(fd, ENOSPC);
  ck_assert_int_eq(pipe2(pipes, O_NONBLOCK), 0);
  while (write(pipes[1], text, sizeof text) > 0)
    ;
  refused(pipes[1], EAGAIN);
  /* Room for the head and the stacks. */
  must(read(pipes[0], text, sizeof text) == sizeof text);
  refused(pipes[1], EAGAIN);
  must(read(pipes[0], text, sizeof text) > 0);
}
END_TEST

START_TEST(without_memory)
{
  start(1, unit_seed());
  unit_fail_all(~0u);
  for (int i = 0; i < 100; i++)
    (void)tcmi_allocate(1000000);
  ck_assert_uint_gt(unit_fail_none(), 0);
  tcmi_free(tcmi_allocate(1000000));
  tcmi_heap_check();
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("profile");

  tcase_add_test(tests, logarithms_and_weights);
  tcase_add_test(tests, distances_have_their_mean);
  tcase_add_test(tests, estimates);
  tcase_add_test(tests, ten_stacks);
  tcase_add_test(tests, a_gibibyte);
  tcase_add_test(tests, what_is_in_use);
  tcase_add_test(tests, every_block);
  tcase_add_test(tests, a_large_block_that_grows);
  tcase_add_test(tests, the_peak);
  tcase_add_test(tests, a_block_that_there_never_was);
  tcase_add_test(tests, lifetimes);
  tcase_add_test(tests, homes);
  tcase_add_test(tests, on_and_off);
  tcase_add_test(tests, small_samples_are_slow_mallocs);
  tcase_add_test(tests, another_thread);
  tcase_add_test(tests, in_a_child);
  tcase_add_test(tests, what_is_written);
  tcase_add_test(tests, what_cannot_be_written);
  tcase_add_test(tests, without_memory);
  return unit_run(tests);
}
