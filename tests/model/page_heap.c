/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page heap, checked against a list of the runs in use: no two overlap,
 * each is aligned, contents survive, memory promised to be zero is zero, and
 * the sums of the statistics are those of the list.
 */
#include "model.h"

#include "base/params.h"
#include "heap/arena.h"
#include "heap/page_heap.h"

#define RUNS 250
#define STAMPS 8

/* A run in use, and the places where something was written. */
struct run {
  uintptr_t start;
  size_t npages;
  enum run_kind kind;
  uint32_t dirty;        /* dirty pages of a small run, as reported */
  bool touched;          /* written to since it was allocated */
  size_t stamps[STAMPS]; /* pages that hold a stamp */
  size_t nstamps;
};

static struct run runs[RUNS];
static size_t nruns;

static uintptr_t
page_address(const struct run *run, size_t page)
{
  return run->start + (page << PAGE_SHIFT);
}

static void
expect_apart(const struct run *run)
{
  const struct run *other;

  for (other = runs; other < runs + nruns; other++)
    MUST(other == run || other->start >= page_address(run, run->npages) ||
         run->start >= page_address(other, other->npages));
}

static void
expect_stamps(const struct run *run)
{
  size_t i;

  for (i = 0; i < run->nstamps; i++) {
    uintptr_t address = page_address(run, run->stamps[i]);
    MUST(*(uintptr_t *)address == ~address);
    MUST(*(uintptr_t *)(address + PAGE_SIZE - sizeof(uintptr_t)) == address);
  }
}

static void
stamp(struct run *run)
{
  size_t page = below(run->npages);
  uintptr_t address = page_address(run, page);

  if (run->nstamps == STAMPS)
    return;
  *(uintptr_t *)address = ~address;
  *(uintptr_t *)(address + PAGE_SIZE - sizeof(uintptr_t)) = address;
  run->stamps[run->nstamps++] = page;
  run->dirty |= run->npages <= 32 ? (uint32_t)1 << page : 0;
  run->touched = true;
}

static void
expect_zero_page(const struct run *run, size_t page)
{
  MUST(memory_is_zero((void *)page_address(run, page), PAGE_SIZE));
}

static void
expect_zero(const struct run *run)
{
  size_t i;

  if (run->npages <= 100)
    for (i = 0; i < run->npages; i++)
      expect_zero_page(run, i);
  expect_zero_page(run, run->npages - 1);
  for (i = 0; i < 50; i++)
    expect_zero_page(run, below(run->npages));
}

/* Pages of a small run that are reported as clean must read as zero. */
static void
expect_clean_pages(struct run *run)
{
  size_t i;

  for (i = 0; i < run->npages; i++)
    if (!(run->dirty >> i & 1))
      expect_zero_page(run, i);
}

static void
expect_sums(void)
{
  struct page_heap_stats stats;
  size_t used = 0, i;

  for (i = 0; i < nruns; i++)
    used += runs[i].npages << PAGE_SHIFT;
  tcmi_page_heap_stats(&stats);
  MUST(stats.used_bytes == used);
  MUST(tcmi_page_heap_used_bytes() == used);
  MUST(stats.used_bytes + stats.idle_bytes + stats.returned_bytes ==
       arena_committed_bytes());
  MUST(arena_committed_bytes() <= arena_reserved_bytes());
}

static size_t
random_npages(enum run_kind kind)
{
  if (kind == RUN_SMALL)
    return 1 + below(32);
  if (one_in(300))
    return 100000 + below(400000);
  if (one_in(4))
    return 1 + below(4000);
  return 9 + below(300);
}

static void
do_alloc(void)
{
  struct run *run = &runs[nruns];
  size_t align = one_in(6) ? (size_t)1 << below(13) : 1;
  size_t group = tcmi_system_page_size() >> PAGE_SHIFT;

  memset(run, 0, sizeof *run);
  run->kind = one_in(2) ? RUN_SMALL : RUN_LARGE;
  run->npages = random_npages(run->kind);
  align = run->kind == RUN_SMALL ? 1 : align;
  if (run->kind == RUN_LARGE) {
    /* Large blocks consist of whole system pages. */
    run->npages = (run->npages + group - 1) / group * group;
    align = align < group ? group : align;
  }
  model_arm_faults(15);
  run->start = run->kind == RUN_SMALL
                   ? tcmi_page_heap_alloc_dirty(run->npages, 64, &run->dirty)
                   : tcmi_page_heap_alloc(run->npages, align, run->kind);
  if (model_disarm_faults() > 0 && run->start == 0)
    return;
  MUST(run->start != 0);
  MUST(run->start % (align << PAGE_SHIFT) == 0);
  nruns++;
  expect_apart(run);
  if (run->kind == RUN_SMALL)
    expect_clean_pages(run);
  if (one_in(3)) {
    tcmi_page_heap_clear(run->start, run->npages);
    expect_zero(run);
  }
  while (!one_in(3))
    stamp(run);
}

static void
drop(struct run *run)
{
  *run = runs[--nruns];
}

static void
do_free(struct run *run)
{
  expect_stamps(run);
  if (run->kind == RUN_SMALL && one_in(2)) {
    struct span span = {.start = run->start,
                        .npages = (uint32_t)run->npages,
                        .dirty = run->dirty};
    struct span *spans[] = {&span};
    tcmi_page_heap_free_dirty(spans, 1);
  } else if (run->touched && run->kind == RUN_LARGE && one_in(3)) {
    model_arm_faults(3);
    if (tcmi_system_discard((void *)run->start, run->npages << PAGE_SHIFT) == 0)
      tcmi_page_heap_free(run->start, run->npages, RESIDENCY_NONE);
    else
      tcmi_page_heap_free(run->start, run->npages, RESIDENCY_FULL);
    (void)model_disarm_faults();
  } else {
    tcmi_page_heap_free(run->start, run->npages,
                        run->touched ? RESIDENCY_FULL : RESIDENCY_KEPT);
  }
  drop(run);
}

/* The run shrinks to its pages [first, first + n): drops the other stamps, and
 * moves those left down by @shift pages. */
static void
keep_stamps(struct run *run, size_t first, size_t n, size_t shift)
{
  size_t kept = 0, i;

  for (i = 0; i < run->nstamps; i++)
    if (run->stamps[i] >= first && run->stamps[i] < first + n)
      run->stamps[kept++] = run->stamps[i] - shift;
  run->nstamps = kept;
}

static void
do_free_part(struct run *run)
{
  size_t group = tcmi_system_page_size() >> PAGE_SHIFT;
  size_t n = run->npages / group;

  if (run->kind == RUN_SMALL || n < 2)
    return;
  n = (1 + below(n - 1)) * group;
  if (one_in(2)) {
    tcmi_page_heap_free(page_address(run, run->npages - n), n, RESIDENCY_FULL);
    keep_stamps(run, 0, run->npages - n, 0);
  } else {
    tcmi_page_heap_free(run->start, n, RESIDENCY_FULL);
    keep_stamps(run, n, run->npages - n, n);
    run->start += n << PAGE_SHIFT;
  }
  run->npages -= n;
  run->touched = true;
  expect_stamps(run);
}

static void
do_extend(struct run *run)
{
  size_t group = tcmi_system_page_size() >> PAGE_SHIFT;
  size_t more = run->npages + (1 + below(one_in(3) ? 2000 : 40)) * group;
  bool done;

  if (run->kind == RUN_SMALL)
    return;
  model_arm_faults(10);
  done = tcmi_page_heap_extend(run->start, run->npages, more);
  (void)model_disarm_faults();
  if (!done)
    return;
  run->npages = more;
  run->touched = true;
  expect_apart(run);
  expect_stamps(run);
  *(volatile char *)(page_address(run, more) - 1) = 1;
}

static void
do_release(void)
{
  struct page_heap_stats before, after;
  unsigned failed;
  size_t bytes;

  tcmi_page_heap_stats(&before);
  model_arm_faults(3);
  bytes = tcmi_page_heap_release(SIZE_MAX);
  failed = model_disarm_faults();
  tcmi_page_heap_stats(&after);
  MUST(after.released_bytes - before.released_bytes == bytes);
  MUST(after.used_bytes == before.used_bytes);
  if (tcmi_system_page_size() == PAGE_SIZE) {
    MUST(before.idle_bytes - after.idle_bytes == bytes);
    MUST(failed > 0 || after.idle_bytes == 0);
  }
}

static void
do_step(void)
{
  size_t kind = below(100);
  struct run *run = nruns == 0 ? NULL : &runs[below(nruns)];

  if (run == NULL || (kind < 45 && nruns < RUNS)) {
    model.action = "alloc";
    do_alloc();
  } else if (kind < 80) {
    model.action = "free";
    do_free(run);
  } else if (kind < 86) {
    model.action = "free part";
    do_free_part(run);
  } else if (kind < 94) {
    model.action = "extend";
    do_extend(run);
  } else if (kind < 97) {
    model.action = "look";
    expect_stamps(run);
    stamp(run);
  } else if (kind == 97) {
    model.action = "release";
    do_release();
  }
}

static void
run_steps(long steps)
{
  for (model.step = 0; model.step < steps; model.step++) {
    do_step();
    expect_sums();
    if (model.step % 50 == 0)
      tcmi_page_heap_verify();
  }
  model.action = "end";
  while (nruns > 0)
    do_free(&runs[nruns - 1]);
  expect_sums();
  (void)tcmi_page_heap_release(SIZE_MAX);
  do_release();
  tcmi_page_heap_verify();
  MUST(model.failed > 0);
}

static void
run_with_large_system_pages(long steps)
{
  tcmi_system_set_page_size(SYSTEM_PAGE_MAX);
  run_steps(steps);
}

static void
pages_of_the_kernel(void)
{
  model_run(run_steps, 4, 8000);
}

static void
pages_of_64_kib(void)
{
  model_run(run_with_large_system_pages, 2, 6000);
}

static const struct harness_case cases[] = {
    {"pages_of_the_kernel", pages_of_the_kernel},
    {"pages_of_64_kib", pages_of_64_kib},
};

MODEL_MAIN(cases)
