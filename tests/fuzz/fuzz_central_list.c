/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The central lists.
 *
 *     take CLASS N         takes up to 64 objects
 *     one CLASS            takes one object, and checks whether it is zero
 *     give N               returns the Nth of the objects in use
 *     give N COUNT         returns up to 200 of its class, from there on
 *     drop CLASS           returns all objects of a class
 *     release CLASS
 *     fail MASK NTH COUNT
 */
#include "fuzz.h"

#include "base/params.h"
#include "cache/central_list.h"
#include "cache/mark.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define MOST 1000

static struct object {
  unsigned char *place;
  unsigned class_id;
} out[MOST];

static size_t nout;

static unsigned
class_of(size_t number)
{
  return (unsigned)(number % (SIZE_CLASS_COUNT - 1)) + 1;
}

static void
enter(void *place, unsigned class_id)
{
  size_t i;

  FUZZ_MUST(pagemap_tag((uintptr_t)place) == 2 * class_id);
  for (i = 0; i < nout; i++)
    FUZZ_MUST(out[i].place != place);
  memory_fill(place, size_class_size(class_id), (uintptr_t)place);
  out[nout].place = place;
  out[nout++].class_id = class_id;
}

/* Removes an object from the list of those in use. */
static void *
leave(size_t i)
{
  unsigned char *place = out[i].place;

  FUZZ_MUST(
      memory_holds(place, size_class_size(out[i].class_id), (uintptr_t)place));
  out[i] = out[--nout];
  return place;
}

static void
take(unsigned class_id, size_t n)
{
  void *batch[64];
  unsigned got, i;

  n = n % 64 + 1;
  if (n > MOST - nout)
    return;
  got = tcmi_central_extract(class_id, batch, (unsigned)n);
  FUZZ_MUST(got <= n);
  for (i = 0; i < got; i++) {
    FUZZ_MUST(mark_is_set(batch[i], tcmi_free_mark));
    enter(batch[i], class_id);
  }
}

static void
take_one(unsigned class_id)
{
  bool zero = false;
  void *object;

  if (nout == MOST)
    return;
  object = tcmi_central_extract_one(class_id, &zero);
  if (object == NULL)
    return;
  FUZZ_MUST(!zero || memory_is_zero(object, size_class_size(class_id)));
  enter(object, class_id);
}

static void
give(size_t first, size_t count)
{
  void *batch[200];
  unsigned class_id, n = 0;
  size_t i;

  if (nout == 0)
    return;
  first %= nout;
  class_id = out[first].class_id;
  count = count % 200 + 1;
  for (i = first; i < nout && n < count;)
    if (out[i].class_id == class_id)
      batch[n++] = leave(i);
    else
      i++;
  tcmi_mark_objects(batch, n);
  tcmi_central_insert(class_id, batch, n);
}

static void
drop(unsigned class_id)
{
  size_t i;

  for (i = 0; i < nout;)
    if (out[i].class_id == class_id)
      give(i, 199);
    else
      i++;
}

static void
do_op(const struct fuzz_op *op)
{
  if (fuzz_is(op, "take"))
    take(class_of(op->number[0]), op->number[1]);
  else if (fuzz_is(op, "one"))
    take_one(class_of(op->number[0]));
  else if (fuzz_is(op, "give"))
    give(op->number[0], op->number[1]);
  else if (fuzz_is(op, "drop"))
    drop(class_of(op->number[0]));
  else if (fuzz_is(op, "release"))
    (void)tcmi_central_release(class_of(op->number[0]), SIZE_MAX);
  else
    (void)fuzz_fail(op);
}

/* Compares the counters of a class with the objects in use. */
static void
expect_counters(unsigned class_id)
{
  const struct central_list *list = &tcmi_central_lists[class_id];
  size_t live = 0, i;

  tcmi_central_verify(class_id);
  for (i = 0; i < nout; i++)
    live += out[i].class_id == class_id;
  FUZZ_MUST(list->spans * tcmi_size_classes[class_id].nobjs -
                list->free_objects ==
            live);
  FUZZ_MUST((list->spans == 0) == (live == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct fuzz_text text = fuzz_begin(data, size);
  struct fuzz_op op;
  unsigned i, c;

  tcmi_mark_init();
  for (i = 0; fuzz_next(&text, &op); i++) {
    do_op(&op);
    if (i % 128 == 0)
      expect_counters(class_of(op.number[0]));
  }
  (void)tcmi_system_fail(0, 0, 0);
  for (c = 1; c < SIZE_CLASS_COUNT; c++)
    expect_counters(c);
  while (nout > 0)
    give(0, 199);
  for (c = 1; c < SIZE_CLASS_COUNT; c++)
    expect_counters(c);
  FUZZ_MUST(tcmi_page_heap_used_bytes() == 0);
  (void)tcmi_page_heap_release(SIZE_MAX);
  tcmi_page_heap_verify();
  return 0;
}
