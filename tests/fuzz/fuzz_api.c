/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The API.  S is a slot for one block:
 *
 *     malloc S SIZE        calloc S COUNT SIZE      memalign S ALIGN SIZE
 *     realloc S SIZE       free S                   sized S
 *     batch S SIZE COUNT   unbatch S COUNT          (slots from S on)
 *     release              idle                     check
 *     fail MASK NTH COUNT
 *
 * FUZZ_PRINT_C=1 prints the operations as statements of a C program.
 */
#include "fuzz.h"

#include "front/heap_check.h"

#define SLOTS 64
/* Larger sizes are taken modulo this, except impossible ones. */
#define BLOCK_MAX ((size_t)16 << 20)
#define MARK 64

static struct slot {
  unsigned char *start;
  size_t size;
} slots[SLOTS];

static bool print_c;

#define SHOW(...) ((void)(print_c && printf(__VA_ARGS__)))

/* A size that takes little memory, or an impossible one. */
static size_t
size_of(size_t number)
{
  return harness_size(number > SIZE_MAX / 4 ? number : number % BLOCK_MAX);
}

static void
mark(struct slot *slot)
{
  size_t n = slot->size < MARK ? slot->size : MARK;

  memory_fill(slot->start, n, (uintptr_t)slot);
  if (slot->size > MARK)
    slot->start[slot->size - 1] = (unsigned char)(uintptr_t)slot;
}

/* Checks the first @part bytes of the mark. */
static void
expect_mark(const struct slot *slot, const unsigned char *start, size_t part)
{
  size_t n = slot->size < MARK ? slot->size : MARK;

  FUZZ_MUST(memory_holds(start, part < n ? part : n, (uintptr_t)slot));
  if (slot->size > MARK && part >= slot->size)
    FUZZ_MUST(start[slot->size - 1] == (unsigned char)(uintptr_t)slot);
}

static void
empty(struct slot *slot)
{
  if (slot->start == NULL)
    return;
  expect_mark(slot, slot->start, slot->size);
  SHOW("tcm_free(s[%d]);\n", (int)(slot - slots));
  tcm_free(slot->start);
  slot->start = NULL;
}

static void
enter(struct slot *slot, void *start, size_t size, size_t align)
{
  const struct slot *other;

  slot->start = start;
  slot->size = size;
  if (start == NULL)
    return;
  FUZZ_MUST(memory_is_aligned(start, align));
  FUZZ_MUST(memory_is_aligned(start, memory_least_alignment(size)));
  FUZZ_MUST(tcm_malloc_usable_size(start) >= size);
  for (other = slots; other < slots + SLOTS; other++)
    FUZZ_MUST(other == slot || other->start == NULL ||
              other->start + other->size <= slot->start ||
              slot->start + size <= other->start);
  mark(slot);
}

static void
allocate(const struct fuzz_op *op, struct slot *slot)
{
  size_t size = size_of(op->number[1]), count, align;
  int s = (int)(slot - slots);

  empty(slot);
  if (fuzz_is(op, "malloc")) {
    SHOW("s[%d] = tcm_malloc(%zuu);\n", s, size);
    enter(slot, tcm_malloc(size), size, 1);
  } else if (fuzz_is(op, "calloc")) {
    count = op->number[1] % 100;
    size = size_of(op->number[2]) / (count + 1);
    SHOW("s[%d] = tcm_calloc(%zuu, %zuu);\n", s, count, size);
    slot->start = tcm_calloc(count, size);
    if (slot->start != NULL)
      FUZZ_MUST(memory_is_zero(slot->start, count * size));
    enter(slot, slot->start, count * size, 1);
  } else {
    align = op->number[1];
    size = size_of(op->number[2]);
    /* A huge alignment reserves as much address space. */
    align = align > SIZE_MAX / 4 ? align : align % ((size_t)1 << 28);
    SHOW("s[%d] = tcm_memalign(%zuu, %zuu);\n", s, align, size);
    enter(slot, tcm_memalign(align, size), size,
          (align & (align - 1)) == 0 && align != 0 ? align : 1);
  }
}

static void
resize(struct slot *slot, size_t size)
{
  unsigned char *start;

  SHOW("s[%d] = tcm_realloc(s[%d], %zuu);\n", (int)(slot - slots),
       (int)(slot - slots), size);
  start = tcm_realloc(slot->start, size);
  if (start == NULL) {
    if (size == 0)
      slot->start = NULL;
    else if (slot->start != NULL)
      expect_mark(slot, slot->start, slot->size);
    return;
  }
  if (slot->start != NULL)
    expect_mark(slot, start, size < slot->size ? size : slot->size);
  enter(slot, start, size, 1);
}

static void
batch(size_t first, size_t size, size_t count)
{
  void *starts[SLOTS];
  size_t got, i;

  count = count > SLOTS - first ? SLOTS - first : count;
  for (i = 0; i < count; i++)
    empty(&slots[first + i]);
  SHOW("(void)tcm_malloc_batch(%zuu, s + %zu, %zu);\n", size, first, count);
  got = tcm_malloc_batch(size, starts, count);
  FUZZ_MUST(got <= count);
  for (i = 0; i < got; i++)
    enter(&slots[first + i], starts[i], size, 1);
}

static void
unbatch(size_t first, size_t count)
{
  void *starts[SLOTS];
  size_t i;

  count = count > SLOTS - first ? SLOTS - first : count;
  for (i = 0; i < count; i++) {
    struct slot *slot = &slots[first + i];
    if (slot->start != NULL)
      expect_mark(slot, slot->start, slot->size);
    starts[i] = slot->start;
    slot->start = NULL;
  }
  SHOW("tcm_free_batch(s + %zu, %zu);\n", first, count);
  tcm_free_batch(starts, count);
}

static void
give_sized(struct slot *slot)
{
  if (slot->start == NULL)
    return;
  expect_mark(slot, slot->start, slot->size);
  SHOW("tcm_free_sized(s[%d], %zuu);\n", (int)(slot - slots), slot->size);
  tcm_free_sized(slot->start, slot->size);
  slot->start = NULL;
}

static void
do_op(const struct fuzz_op *op)
{
  size_t s = op->number[0] % SLOTS;

  if (fuzz_is(op, "malloc") || fuzz_is(op, "calloc") || fuzz_is(op, "memalign"))
    allocate(op, &slots[s]);
  else if (fuzz_is(op, "realloc"))
    resize(&slots[s], size_of(op->number[1]));
  else if (fuzz_is(op, "free"))
    empty(&slots[s]);
  else if (fuzz_is(op, "sized"))
    give_sized(&slots[s]);
  else if (fuzz_is(op, "batch"))
    batch(s, size_of(op->number[1]) % 100000, op->number[2]);
  else if (fuzz_is(op, "unbatch"))
    unbatch(s, op->number[1]);
  else if (fuzz_is(op, "release"))
    (void)tcm_release_free_memory();
  else if (fuzz_is(op, "idle"))
    tcm_thread_idle();
  else if (fuzz_is(op, "check"))
    tcmi_heap_check();
  else
    (void)fuzz_fail(op);
}

static void
expect_nothing_out(void)
{
  struct tcm_stats stats;

  (void)tcm_release_free_memory();
  tcmi_heap_check();
  FUZZ_MUST(tcm_stats(&stats, sizeof stats) == 0);
  FUZZ_MUST(stats.in_use_bytes == 0 && stats.large_count == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct fuzz_text text = fuzz_begin(data, size);
  struct fuzz_op op;
  size_t i;

  print_c = getenv("FUZZ_PRINT_C") != NULL;
  SHOW("#include \"tcm.h\"\nvoid *s[%d];\nint main(void)\n{\n", SLOTS);
  while (fuzz_next(&text, &op))
    do_op(&op);
  (void)tcmi_system_fail(0, 0, 0);
  for (i = 0; i < SLOTS; i++)
    empty(&slots[i]);
  SHOW("}\n");
  expect_nothing_out();
  return 0;
}
