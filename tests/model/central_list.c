/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The central lists, checked against a list of the objects in use: no object is
 * handed out twice, contents survive the return of pages, memory reported as
 * zero is zero, a span without objects in use is gone, and an invalid free is
 * detected.
 */
#include "model.h"

#include "base/bits.h"
#include "base/params.h"
#include "cache/central_list.h"
#include "cache/mark.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define MOST 3000
#define NCLASSES 5

struct object {
  unsigned char *place;
  uint64_t seed;
};

/* The objects of one size class that are in use. */
static struct out {
  unsigned class_id;
  size_t size;
  struct object objects[MOST];
  unsigned count;
} outs[NCLASSES];

static uint64_t next_seed;

static int
compare(const void *a, const void *b)
{
  const uintptr_t *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

/* The number of spans that hold the objects; checks that no objects overlap. */
static unsigned
count_spans(const struct out *out)
{
  static uintptr_t places[MOST];
  struct span *span, *before = NULL;
  unsigned n = 0, i;

  for (i = 0; i < out->count; i++)
    places[i] = (uintptr_t)out->objects[i].place;
  qsort(places, out->count, sizeof *places, compare);
  for (i = 0; i < out->count; i++) {
    span = pagemap_span(places[i]);
    MUST(span != NULL && span->class_id == out->class_id);
    MUST(i == 0 || places[i] - places[i - 1] >= out->size);
    n += span != before;
    before = span;
  }
  return n;
}

static void
expect_counters(const struct out *out)
{
  const struct central_list *list = &tcmi_central_lists[out->class_id];

  MUST(list->spans == count_spans(out));
  MUST(list->free_objects ==
       list->spans * tcmi_size_classes[out->class_id].nobjs - out->count);
  MUST(list->clean_pages <=
       list->spans * tcmi_size_classes[out->class_id].pages);
}

static void
expect_pages(void)
{
  size_t bytes = 0;
  unsigned i;

  for (i = 0; i < NCLASSES; i++)
    bytes += tcmi_central_lists[outs[i].class_id].spans *
             tcmi_size_classes[outs[i].class_id].pages * PAGE_SIZE;
  MUST(tcmi_page_heap_used_bytes() == bytes);
}

static void
add(struct out *out, void *place)
{
  struct object *object = &out->objects[out->count++];

  MUST(pagemap_tag((uintptr_t)place) == 2 * out->class_id);
  MUST(tcmi_central_judge(pagemap_span((uintptr_t)place), (uintptr_t)place) ==
       BLOCK_VALID);
  object->place = place;
  object->seed = next_seed++;
  memory_fill(place, out->size, object->seed);
}

static void
do_extract(struct out *out)
{
  void *batch[64];
  unsigned most = (unsigned)min_size(64, MOST - out->count), n, got, i;

  if (most == 0)
    return;
  n = 1 + (unsigned)below(most);
  model_arm_faults(4);
  got = tcmi_central_extract(out->class_id, batch, n);
  MUST(model_disarm_faults() > 0 || got > 0);
  MUST(got <= n);
  for (i = 0; i < got; i++) {
    MUST(mark_is_set(batch[i], tcmi_free_mark));
    add(out, batch[i]);
  }
}

static void
do_extract_one(struct out *out)
{
  bool zero = false;
  void *object;

  if (out->count == MOST)
    return;
  model_arm_faults(4);
  object = tcmi_central_extract_one(out->class_id, &zero);
  MUST(model_disarm_faults() > 0 || object != NULL);
  if (object == NULL)
    return;
  MUST(!zero || memory_is_zero(object, out->size));
  add(out, object);
}

static void *
remove_random(struct out *out)
{
  struct object *object = &out->objects[below(out->count)];
  void *place = object->place;

  MUST(memory_holds(place, out->size, object->seed));
  *object = out->objects[--out->count];
  return place;
}

static void
do_insert(struct out *out)
{
  void *batch[200];
  unsigned n = (unsigned)min_size(out->count, 1 + below(one_in(4) ? 200 : 20));
  unsigned i;

  for (i = 0; i < n; i++)
    batch[i] = remove_random(out);
  tcmi_mark_objects(batch, n);
  tcmi_central_insert(out->class_id, batch, n);
}

static void
expect_contents(const struct out *out)
{
  unsigned i;

  for (i = 0; i < out->count; i++)
    MUST(memory_holds(out->objects[i].place, out->size, out->objects[i].seed));
}

static void
do_release(struct out *out)
{
  uint64_t clean = tcmi_central_lists[out->class_id].clean_pages;
  unsigned failed;
  size_t bytes;

  if (one_in(2))
    (void)tcmi_system_fail(1u << SYSTEM_DISCARD, 1 + (unsigned)below(3), 1);
  bytes = tcmi_central_release(out->class_id, SIZE_MAX);
  failed = model_disarm_faults();
  /* Parts of a larger system page may have been clean before. */
  clean = tcmi_central_lists[out->class_id].clean_pages - clean;
  MUST(clean <= bytes >> PAGE_SHIFT);
  MUST(clean == bytes >> PAGE_SHIFT || tcmi_system_page_size() > PAGE_SIZE);
  expect_contents(out);
  if (failed == 0)
    MUST(tcmi_central_release(out->class_id, SIZE_MAX) == 0);
}

/* Whether a free of @place would be refused. */
static bool
is_refused(unsigned class_id, void *place)
{
  int status;
  pid_t child;

  fflush(stdout);
  child = fork();
  if (child == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    tcmi_report_enable(false);
    tcmi_central_insert(class_id, &place, 1);
    _exit(0);
  }
  MUST(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
do_wrong_free(struct out *out)
{
  void *object = remove_random(out);
  struct span *span = pagemap_span((uintptr_t)object);

  tcmi_mark_objects(&object, 1);
  tcmi_central_insert(out->class_id, &object, 1);
  MUST(is_refused(out->class_id, object));
  if (pagemap_span((uintptr_t)object) == span)
    MUST(tcmi_central_judge(span, (uintptr_t)object) == BLOCK_FREE);
  /* A place inside an object whose second word is in the object, too. */
  if (out->count > 0 && out->size > 16)
    MUST(is_refused(out->class_id, out->objects[0].place + 8 +
                                       below((out->size - 16) / 8) * 8));
}

static void
do_step(void)
{
  struct out *out = &outs[below(NCLASSES)];
  size_t kind = below(1000);

  /* Phases in which the heap fills alternate with phases in which it drains. */
  if (out->count == 0 || kind < (model.step / 500 % 2 ? 300u : 550u)) {
    model.action = "extract";
    do_extract(out);
  } else if (kind < 600) {
    model.action = "extract one";
    do_extract_one(out);
  } else if (kind < 950) {
    model.action = "insert";
    do_insert(out);
  } else if (kind < 995) {
    model.action = "release";
    do_release(out);
  } else {
    model.action = "invalid free";
    do_wrong_free(out);
  }
  if (model.step % 8 == 0)
    expect_counters(out);
}

static void
choose_classes(void)
{
  unsigned i, j;

  for (i = 0; i < NCLASSES; i++)
    do {
      outs[i].class_id = 1 + (unsigned)below(SIZE_CLASS_COUNT - 1);
      outs[i].size = size_class_size(outs[i].class_id);
      for (j = 0; j < i && outs[j].class_id != outs[i].class_id; j++)
        ;
    } while (j < i || (outs[i].size > 5000 && i > 0));
}

static void
run_steps(long steps)
{
  unsigned i;

  tcmi_mark_init();
  choose_classes();
  for (model.step = 0; model.step < steps; model.step++) {
    do_step();
    if (model.step % 100 == 0) {
      for (i = 0; i < NCLASSES; i++) {
        tcmi_central_verify(outs[i].class_id);
        expect_contents(&outs[i]);
      }
      tcmi_page_heap_verify();
      expect_pages();
    }
  }
  model.action = "end";
  for (i = 0; i < NCLASSES; i++) {
    while (outs[i].count > 0)
      do_insert(&outs[i]);
    expect_counters(&outs[i]);
  }
  MUST(tcmi_page_heap_used_bytes() == 0);
  MUST(model.failed > 0 || tcmi_system_page_size() > PAGE_SIZE);
}

static void
run_with_pages_of_16_kib(long steps)
{
  tcmi_system_set_page_size(16384);
  run_steps(steps);
}

static void
pages_of_the_kernel(void)
{
  model_run(run_steps, 4, 10000);
}

static void
pages_of_16_kib(void)
{
  model_run(run_with_pages_of_16_kib, 2, 8000);
}

static const struct harness_case cases[] = {
    {"pages_of_the_kernel", pages_of_the_kernel},
    {"pages_of_16_kib", pages_of_16_kib},
};

MODEL_MAIN(cases)
