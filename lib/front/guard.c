/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/guard.h"

#include <string.h>

#include "base/bits.h"
#include "base/metadata.h"
#include "base/params.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "front/block_check.h"
#include "front/guard_pattern.h"
#include "front/raw.h"
#include "heap/pagemap.h"
#include "profile/guard_records.h"

#define QUARANTINE_BYTES ((size_t)8 << 20)
#define QUARANTINE_BLOCKS 16384
/* Each takes up to two mappings; the kernel allows a process 65,530. */
#define CLOSED_PAGES_MAX 1024

/* A ring of addresses, the oldest first.  All fields: [lock: guard] */
static struct {
  uintptr_t *blocks; /* NULL until first needed */
  size_t first;      /* index of the oldest */
  size_t count;
  size_t bytes; /* sum of their charge() */
} quarantine;

/* Blocks of zero bytes on pages of their own. */
static uint32_t closed_pages; /* [lock: guard] */

/* ---- What is wrong ------------------------------------------------------- */

static struct misuse_details
past_of(const struct guard_record *record)
{
  return (struct misuse_details){
      .past = record->state == GUARD_FREED ? "freed" : "allocated",
      .past_from = record->from,
  };
}

/* Describes the damage, or returns NULL if there is none.  *@address is set to
 * the block that was overrun, underrun or written after its free. */
static const char *
damage_of(const struct guard_record *record, uintptr_t *address)
{
  uintptr_t zone, end, at;

  *address = record->block;
  if (record->closed)
    return NULL;
  zone = record->block + record->size;
  end = tcmi_zone_end(record->block, record->size);
  at = tcmi_zone_damage(record->block, record->size);
  if (record->state == GUARD_FREED)
    return at == end && tcmi_junk_holds(record->block, record->size)
               ? NULL
               : "write after free";
  if (at == end)
    return NULL;
  if (tcmi_pattern_class(record->block) == 0 || at - zone < (end - zone) / 2)
    return "overflow past the end of the block";
  /* The first half of the zone is intact, so the write came from the block
   * after the zone. */
  *address = end;
  return "underflow before the start of the block";
}

static void
expect_whole(struct call call, const struct guard_record *record)
{
  uintptr_t address;
  const char *what = damage_of(record, &address);
  struct misuse_details details = past_of(record);

  if (likely(what == NULL))
    return;
  if (address != record->block)
    details.past = NULL;
  tcmi_misuse_detailed(call, what, address, &details);
}

/* Checks the block before a small one: an underflow damages its red zone. */
static void
expect_neighbor_whole(struct call call, uintptr_t block)
{
  unsigned class_id = tcmi_pattern_class(block);
  struct guard_record *found, record = {.block = 0};

  if (class_id == 0 || block - pagemap_span(block)->start == 0)
    return;
  lock_acquire(&tcmi_guard_lock);
  found = tcmi_guard_find_locked(block - size_class_size(class_id));
  if (found != NULL && found->state == GUARD_LIVE &&
      tcmi_zone_damage(found->block, found->size) !=
          tcmi_zone_end(found->block, found->size))
    record = *found;
  lock_release(&tcmi_guard_lock);
  if (record.block != 0)
    expect_whole(call, &record);
}

/* Reports a pointer to a block that is not in use, or to no block at all. */
static void __attribute__((noreturn))
refuse(struct call call, void *block, const struct guard_record *record,
       const char *gone)
{
  struct misuse_details details;

  if (record->block == 0)
    tcmi_refuse(call, block, gone);
  details = past_of(record);
  tcmi_misuse_detailed(call,
                       record->state == GUARD_MOVED
                           ? "block is being resized by another thread"
                           : gone,
                       (uintptr_t)block, &details);
}

/* Returns a copy of the block's record and sets the record's state to @next;
 * aborts if the block is not in use. */
static struct guard_record
take_record(struct call call, void *block, enum guard_state next,
            const char *gone)
{
  struct guard_record *found, record = {.block = 0};

  lock_acquire(&tcmi_guard_lock);
  found = tcmi_guard_find_locked((uintptr_t)block);
  if (found != NULL) {
    record = *found;
    if (found->state == GUARD_LIVE) {
      found->state = (uint8_t)next;
      if (next == GUARD_FREED)
        found->from = call.from;
    }
  }
  lock_release(&tcmi_guard_lock);
  if (unlikely(record.block == 0 || record.state != GUARD_LIVE))
    refuse(call, block, &record, gone);
  return record;
}

static void
drop_record(const struct guard_record *record)
{
  lock_acquire(&tcmi_guard_lock);
  tcmi_guard_remove_locked(tcmi_guard_find_locked(record->block));
  closed_pages -= record->closed;
  lock_release(&tcmi_guard_lock);
}

/* ---- Quarantine ---------------------------------------------------------- */

static size_t
charge(const struct guard_record *record)
{
  return record->size + RED_ZONE_MIN;
}

/* The bytes of a large block that are whole system pages, from *@start; 0 for a
 * small one. */
static size_t
pages_of(uintptr_t block, uintptr_t *start)
{
  size_t page = tcmi_system_page_size();
  uintptr_t end;

  if (pagemap_tag(block) != 0)
    return 0;
  *start = round_up(block, page);
  end = round_down(block + tcmi_pattern_capacity(block), page);
  return end > *start ? end - *start : 0;
}

/* Makes each access to a large block fault.  If the system refuses, the junk in
 * the block still reveals writes. */
static void
close_block(uintptr_t block)
{
  uintptr_t start = 0;
  size_t size = pages_of(block, &start);

  if (size > 0)
    (void)!tcmi_system_close((void *)start, size);
}

/* Undoes close_block(); false if the block stays inaccessible. */
static bool
reopen_block(uintptr_t block)
{
  uintptr_t start = 0;
  size_t size = pages_of(block, &start);

  return size == 0 || tcmi_system_reopen((void *)start, size) == 0;
}

/* Removes the oldest block, if there is one, when @room more bytes do not fit.
 * Returns a copy of its record, or a record of block 0. */
static struct guard_record
quarantine_pop(size_t room)
{
  struct guard_record record = {.block = 0};

  lock_acquire(&tcmi_guard_lock);
  if (quarantine.count > 0 && (quarantine.count >= QUARANTINE_BLOCKS ||
                               quarantine.bytes + room > QUARANTINE_BYTES)) {
    record = *tcmi_guard_find_locked(quarantine.blocks[quarantine.first]);
    quarantine.first = (quarantine.first + 1) % QUARANTINE_BLOCKS;
    quarantine.count--;
    quarantine.bytes -= charge(&record);
  }
  lock_release(&tcmi_guard_lock);
  return record;
}

/* Frees the oldest blocks until @room bytes fit; true if it freed any.  Stops
 * after the maximum number of blocks: other threads may add blocks faster. */
static bool
quarantine_make_room(const char *function, size_t room)
{
  bool moved = false;

  for (size_t i = 0; i < QUARANTINE_BLOCKS; i++) {
    struct guard_record record = quarantine_pop(room);
    if (record.block == 0)
      return moved;
    /* A block that stays inaccessible is never reused; its record stays. */
    if (unlikely(!reopen_block(record.block)))
      continue;
    expect_whole(call_unknown(function), &record);
    drop_record(&record);
    tcmi_raw_free((void *)record.block);
    moved = true;
  }
  return moved;
}

/* Puts a freed block into quarantine; false if the block is too large, or there
 * is no memory for the ring, or the program may delete the heap of the block
 * while it leaves.  Closes it before other threads can remove it. */
static bool
quarantine_push(const char *function, const struct guard_record *record)
{
  bool kept;

  if (tcmi_option(OPTION_check) < CHECK_QUARANTINE ||
      charge(record) > QUARANTINE_BYTES / 4 ||
      raw_heap((void *)record->block) != NULL)
    return false;
  (void)quarantine_make_room(function, charge(record));
  close_block(record->block);
  lock_acquire(&tcmi_guard_lock);
  if (quarantine.blocks == NULL)
    quarantine.blocks =
        tcmi_metadata_alloc(QUARANTINE_BLOCKS * sizeof *quarantine.blocks);
  /* Other threads may have filled it again. */
  kept = quarantine.blocks != NULL && quarantine.count < QUARANTINE_BLOCKS;
  if (kept) {
    quarantine
        .blocks[(quarantine.first + quarantine.count++) % QUARANTINE_BLOCKS] =
        record->block;
    quarantine.bytes += charge(record);
  }
  lock_release(&tcmi_guard_lock);
  return kept || !reopen_block(record->block);
}

/* ---- The operations ------------------------------------------------------ */

static void *
raw_allocate(struct tcm_heap *heap, size_t align, size_t size, bool zero)
{
  void *block = tcmi_raw_allocate_in(heap, align, size, zero);

  if (unlikely(block == NULL) && quarantine_make_room("malloc", SIZE_MAX / 2))
    block = tcmi_raw_allocate_in(heap, align, size, zero);
  return block;
}

static bool
enter_record(const void *from, uintptr_t block, size_t align, size_t size,
             bool closed)
{
  struct guard_record *record;

  lock_acquire(&tcmi_guard_lock);
  record = tcmi_guard_add_locked(block);
  if (record != NULL) {
    record->size = size;
    record->align = (uint8_t)(bit_width(align) - 1);
    record->from = from;
    record->state = GUARD_LIVE;
    record->closed = closed;
  }
  lock_release(&tcmi_guard_lock);
  return record != NULL;
}

static bool
count_closed_page(void)
{
  bool counted;

  lock_acquire(&tcmi_guard_lock);
  counted = closed_pages < CLOSED_PAGES_MAX;
  closed_pages += counted;
  lock_release(&tcmi_guard_lock);
  return counted;
}

static void
uncount_closed_page(void)
{
  lock_acquire(&tcmi_guard_lock);
  closed_pages--;
  lock_release(&tcmi_guard_lock);
}

/* A block of zero bytes that faults at each access, or NULL. */
static void *
allocate_closed_page(const void *from, size_t align)
{
  void *block;

  if (!count_closed_page())
    return NULL;
  block = tcmi_raw_allocate_large(1, max_size(align, PAGE_SIZE), false);
  if (block != NULL &&
      enter_record(from, (uintptr_t)block, align, 0, /*closed=*/true)) {
    close_block((uintptr_t)block);
    return block;
  }
  if (block != NULL)
    tcmi_raw_free(block);
  uncount_closed_page();
  return NULL;
}

void *
tcmi_guard_allocate(const void *from, struct tcm_heap *heap, size_t align,
                    size_t size, bool zero)
{
  void *block;

  if (size > PTRDIFF_MAX - RED_ZONE_MIN)
    return NULL;
  if (size == 0 && heap == NULL &&
      tcmi_option(OPTION_check) >= CHECK_QUARANTINE &&
      (block = allocate_closed_page(from, align)) != NULL)
    return block;
  block = raw_allocate(heap, align, size + RED_ZONE_MIN, zero);
  if (block == NULL)
    return NULL;
  if (!zero)
    tcmi_junk_fill((uintptr_t)block, size, JUNK_NEW);
  tcmi_zone_draw((uintptr_t)block, size);
  if (enter_record(from, (uintptr_t)block, align, size, /*closed=*/false))
    return block;
  tcmi_raw_free(block);
  return NULL;
}

void
tcmi_guard_free(struct call call, void *block)
{
  struct guard_record record =
      take_record(call, block, GUARD_FREED, "double free");

  expect_whole(call, &record);
  expect_neighbor_whole(call, record.block);
  tcmi_junk_fill(record.block, record.size, JUNK_FREED);
  if (quarantine_push(call.function, &record))
    return;
  drop_record(&record);
  tcmi_raw_free(block);
}

/* Whether the block can hold @size bytes, as it is or after pages are added or
 * removed at its end. */
static bool
resize_raw(uintptr_t block, size_t size)
{
  size_t capacity = tcmi_pattern_capacity(block), need = size + RED_ZONE_MIN;

  if (tcmi_pattern_class(block) != 0)
    return need <= capacity && (need > capacity / 2 || capacity <= 64);
  return need > SIZE_CLASS_MAX &&
         tcmi_raw_resize_large(pagemap_span(block), need);
}

/* The state is GUARD_MOVED meanwhile, so no thread checks the red zone. */
static bool
resize_in_place(struct call call, const struct guard_record *old, size_t size)
{
  bool resized = !old->closed && resize_raw(old->block, size);
  struct guard_record *record;

  if (resized) {
    if (size > old->size)
      tcmi_junk_fill(old->block + old->size, size - old->size, JUNK_NEW);
    tcmi_zone_draw(old->block, size);
  }
  lock_acquire(&tcmi_guard_lock);
  record = tcmi_guard_find_locked(old->block);
  record->state = GUARD_LIVE;
  if (resized) {
    record->size = size;
    record->align = 0;
    record->from = call.from;
  }
  lock_release(&tcmi_guard_lock);
  return resized;
}

/* Takes the record of the block to resize, after it checks that both red zones
 * are intact. */
static struct guard_record
take_whole(struct call call, void *block)
{
  struct guard_record record =
      take_record(call, block, GUARD_MOVED, "block is free");

  expect_whole(call, &record);
  expect_neighbor_whole(call, record.block);
  return record;
}

bool
tcmi_guard_expand(struct call call, void *block, size_t size)
{
  struct guard_record record;

  if (size > PTRDIFF_MAX - RED_ZONE_MIN)
    return false;
  record = take_whole(call, block);
  return resize_in_place(call, &record, size);
}

void *
tcmi_guard_reallocate(struct call call, void *block, size_t size)
{
  struct guard_record record;
  void *moved;

  if (size > PTRDIFF_MAX - RED_ZONE_MIN) {
    (void)tcmi_guard_usable_size(call, block);
    return NULL;
  }
  record = take_whole(call, block);
  if (resize_in_place(call, &record, size))
    return block;
  moved = tcmi_guard_allocate(call.from, raw_heap(block), 1, size,
                              /*zero=*/false);
  if (moved == NULL)
    return NULL;
  memcpy(moved, block, min_size(record.size, size));
  tcmi_guard_free(call, block);
  return moved;
}

/* A copy of the block's record, or a record of block 0. */
static struct guard_record
look_up(void *block)
{
  struct guard_record *found, record = {.block = 0};

  lock_acquire(&tcmi_guard_lock);
  found = tcmi_guard_find_locked((uintptr_t)block);
  if (found != NULL)
    record = *found;
  lock_release(&tcmi_guard_lock);
  return record;
}

size_t
tcmi_guard_usable_size(struct call call, void *block)
{
  struct guard_record record = look_up(block);

  if (unlikely(record.block == 0 || record.state != GUARD_LIVE))
    refuse(call, block, &record, "block is free");
  return record.size;
}

/* Whether a block allocated with alignment @asked may be freed with @given.
 * Every block is aligned to 16, so alignments up to 16 are interchangeable. */
static bool
alignments_agree(size_t asked, size_t given)
{
  return given == 0 || given == asked || (given <= 16 && asked <= 16);
}

void
tcmi_guard_check_size(struct call call, void *block, size_t size, size_t align)
{
  struct guard_record record = look_up(block);
  struct misuse_details details;

  /* The free that follows reports an invalid pointer. */
  if (record.block == 0 || record.state != GUARD_LIVE)
    return;
  details = past_of(&record);
  details.has_numbers = true;
  if (size != record.size) {
    details.given = size;
    details.wanted = record.size;
    tcmi_misuse_detailed(call, "wrong size", record.block, &details);
  }
  if (!alignments_agree((size_t)1 << record.align, align)) {
    details.given = align;
    details.wanted = (size_t)1 << record.align;
    tcmi_misuse_detailed(call, "wrong alignment", record.block, &details);
  }
}

/* ---- All blocks ---------------------------------------------------------- */

/* The first record, from slot *@slot on, of a block with a damaged red zone. */
static struct guard_record
find_damage(size_t *slot)
{
  struct guard_record *found, record = {.block = 0};
  uintptr_t address;

  lock_acquire(&tcmi_guard_lock);
  while ((found = tcmi_guard_next_locked(slot)) != NULL) {
    if (found->state == GUARD_LIVE && damage_of(found, &address) != NULL) {
      record = *found;
      break;
    }
  }
  lock_release(&tcmi_guard_lock);
  return record;
}

void
tcmi_guard_forget_heap(struct call call, const struct tcm_heap *heap)
{
  struct guard_record *found, record = {.block = 0};
  uintptr_t address;
  size_t slot = 0;

  lock_acquire(&tcmi_guard_lock);
  while ((found = tcmi_guard_next_locked(&slot)) != NULL) {
    if (raw_heap((void *)found->block) != heap)
      continue;
    /* In the child of a fork, a block may be half freed: another thread of the
     * parent may have been freeing it. */
    if (record.block == 0 && found->state == GUARD_LIVE &&
        damage_of(found, &address) != NULL)
      record = *found;
    tcmi_guard_remove_locked(found);
    slot--; /* another record may have moved there */
  }
  lock_release(&tcmi_guard_lock);
  if (record.block != 0)
    expect_whole(call, &record);
}

void
tcmi_guard_verify(const char *function)
{
  struct guard_record record;
  size_t slot = 0;

  if (tcmi_option(OPTION_check) < CHECK_BOUNDS)
    return;
  (void)quarantine_make_room(function, SIZE_MAX / 2);
  record = find_damage(&slot);
  if (record.block != 0)
    expect_whole(call_unknown(function), &record);
}

/* Runs after the program's own destructors: the library was loaded first. */
__attribute__((destructor)) static void
verify_at_exit(void)
{
  tcmi_guard_verify("exit");
}
