/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports the guarded or closed block that an invalid access hit.  It shows
 * from outside what a process with the option guard_report writes itself.
 *
 *     core file:  the kernel's note on the signal has the address
 *     process:    the handler in the process saved the address, or the user
 *                 gives it, as a debugger shows it
 *
 * A slot keeps its stacks until it is reused for another block, see guarded.h.
 */
#include "fault.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_JANSSON
#include <jansson.h>
#endif

#include "profile.h"

/* The access and the block that it hit. */
struct found {
  struct fault_view fault;
  struct guarded_slot slot;
  const char *what;  /* the error */
  const char *where; /* the address is before, into or after the block */
  size_t distance;   /* bytes */
};

/* ---- Finding it ---------------------------------------------------------- */
/* The fault that the handler saved, if any. */
static bool
kept_fault(const struct guarded_pool *pool, struct fault_view *fault)
{
  const struct guarded_fault *kept = &pool->fault;

  if (kept->address == 0)
    return false;
  fault->address = kept->address;
  fault->pc = kept->pc;
  fault->access = kept->access == 'r'   ? "read"
                  : kept->access == 'w' ? "write"
                                        : "access";
  return true;
}

static bool
named_fault(const char *text, struct fault_view *fault)
{
  char *end;

  fault->address = (uintptr_t)strtoull(text, &end, 16);
  return end != text && *end == '\0';
}

/* The fault of a target, from the core file or from its handler. */
static bool
find_fault(const struct target *target, const struct guarded_pool *pool,
           struct fault_view *fault)
{
  struct fault_view kept = {0};

  *fault = (struct fault_view){.access = "access"};
  if (target->core == NULL)
    return kept_fault(pool, fault);
  if (!core_fault(target->core, fault))
    return kept_fault(pool, fault);
  /* The handler knows whether it was a read or a write. */
  if (kept_fault(pool, &kept) && kept.address == fault->address)
    fault->access = kept.access;
  return true;
}

/* Reads the slot that holds an address: 1 if it has or had a block, 0 if not,
 * or a negative errno. */
static int
read_slot(const struct target *target, const struct guarded_pool *pool,
          uintptr_t address, struct guarded_slot *slot)
{
  uintptr_t i = (address - pool->start) / GUARDED_SLOT_SIZE;
  int error;

  if (pool->start == 0 || address < pool->start || i >= pool->nslots)
    return 0;
  error = target_read(target, (uintptr_t)&pool->slots[i], slot, sizeof *slot);
  if (error != 0)
    return error;
  return slot->state == GUARDED_LIVE || slot->state == GUARDED_FREED;
}

/* The same for a closed block, see closed.h, in the form of a freed slot. */
static int
read_closed(const struct target *target, uintptr_t address,
            struct guarded_slot *slot)
{
  struct closed_blocks closed;
  int error =
      target_read(target, target->page.places.closed, &closed, sizeof closed);

  for (size_t i = 0; error == 0 && i < CLOSED_MAX; i++) {
    const struct closed_block *block = &closed.blocks[i];
    if (block->start == 0 || address - block->start >= closed_bytes(block))
      continue;
    *slot = (struct guarded_slot){
        .state = GUARDED_FREED,
        .block = block->start,
        .size = closed_bytes(block),
        .freed = {.thread = block->thread,
                  .depth = block->from != 0,
                  .pcs = {block->from}},
    };
    return 1;
  }
  return error;
}

static int
read_hit(const struct target *target, const struct guarded_pool *pool,
         struct found *found)
{
  uintptr_t address = found->fault.address;
  int error = read_slot(target, pool, address, &found->slot);

  return error != 0 ? error : read_closed(target, address, &found->slot);
}

static void
judge(struct found *found)
{
  const struct fault_view *fault = &found->fault;
  static char text[32];

  found->what = guarded_error(&found->slot, fault->address);
  found->where =
      guarded_distance(&found->slot, fault->address, &found->distance);
  if (found->what != NULL)
    return;
  snprintf(text, sizeof text, "%s %s", fault->access,
           found->slot.state == GUARDED_FREED ? "after free"
                                              : "to a block in use");
  found->what = text;
}

/* ---- Text ---------------------------------------------------------------- */
/* Prints the names for one address, the innermost first. */
static void
put_place(struct symbols *symbols, uintptr_t pc)
{
  const struct names *names = symbols_find(symbols, pc);

  for (unsigned k = 0; k < names->count; k++) {
    printf("  %s", names->name[k]);
    if (k == 0 && names->file != NULL)
      printf(" (%s:%d)", names->file, names->line);
    putchar('\n');
  }
}

static uint32_t
depth_of(const struct guarded_stack *stack)
{
  return stack->depth < GUARDED_FRAMES ? stack->depth : GUARDED_FRAMES;
}

static void
put_stack(const char *verb, const struct guarded_stack *stack,
          struct symbols *symbols)
{
  printf("%s%s by thread %" PRIu32 "%s\n", bold(), verb, stack->thread,
         plain());
  for (uint32_t i = 0; i < depth_of(stack); i++)
    put_place(symbols, stack->pcs[i]);
  if (stack->depth == 0)
    printf("  the stack is not known\n");
}

static void
put_found(const struct target *target, const struct found *found,
          struct symbols *symbols)
{
  const struct fault_view *fault = &found->fault;

  printf("%s%s%s: %s%s%s at %#" PRIxPTR "\n", bold(), target->command, plain(),
         fault->signal == NULL ? "" : fault->signal,
         fault->signal == NULL ? "" : ": ", found->what, fault->address);
  printf("  %zu byte%s %s the %zu bytes at %#" PRIxPTR "\n", found->distance,
         found->distance == 1 ? "" : "s", found->where, found->slot.size,
         found->slot.block);
  if (fault->pc != 0) {
    printf("%sAccessed in%s\n", bold(), plain());
    /* put_place() takes a return address; pc is not one. */
    put_place(symbols, fault->pc + 1);
  }
  if (found->slot.allocated.thread != 0)
    put_stack("Allocated", &found->slot.allocated, symbols);
  if (found->slot.state == GUARDED_FREED)
    put_stack("Freed", &found->slot.freed, symbols);
}

/* ---- JSON ---------------------------------------------------------------- */
#ifdef HAVE_JANSSON
static json_t *
stack_json(const struct guarded_stack *stack, struct symbols *symbols)
{
  json_t *frames = json_array();

  for (uint32_t i = 0; i < depth_of(stack); i++) {
    const struct names *names = symbols_find(symbols, stack->pcs[i]);
    for (unsigned k = 0; k < names->count; k++) {
      json_t *name = json_string(names->name[k]);
      json_array_append_new(frames, name != NULL ? name : json_string("?"));
    }
  }
  return json_pack("{s:I,s:o}", "thread", (json_int_t)stack->thread, "frames",
                   frames);
}

static enum status
put_json(const struct target *target, const struct found *found,
         struct symbols *symbols)
{
  const struct fault_view *fault = &found->fault;
  json_t *freed = found->slot.state == GUARDED_FREED
                      ? stack_json(&found->slot.freed, symbols)
                      : json_null();
  json_t *allocated = found->slot.allocated.thread != 0
                          ? stack_json(&found->slot.allocated, symbols)
                          : json_null();
  json_t *root = json_pack(
      "{s:o,s:s,s:s,s:I,s:s,s:I,s:I,s:I,s:o,s:o}", "pid",
      target->core == NULL ? json_integer(target->pid) : json_null(), "command",
      target->command, "error", found->what, "address",
      (json_int_t)fault->address, "where", found->where, "distance_bytes",
      (json_int_t)found->distance, "block", (json_int_t)found->slot.block,
      "size_bytes", (json_int_t)found->slot.size, "allocated", allocated,
      "freed", freed);

  if (root == NULL)
    return STATUS_FAILED;
  json_dumpf(root, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(root);
  return STATUS_OK;
}
#else
static enum status
put_json(const struct target *target, const struct found *found,
         struct symbols *symbols)
{
  (void)target;
  (void)found;
  (void)symbols;
  complain("this tcm-stat was built without jansson, and so without JSON");
  return STATUS_USAGE;
}
#endif

/* ---- The command --------------------------------------------------------- */
static enum status
refuse_pool(const struct target *target)
{
  complain("%s%s has had no guarded block; start it with TCM_GUARD_SAMPLES=10, "
           "see tcm(7)",
           target->core == NULL ? "process " : "the process of ",
           target->argument);
  return STATUS_FAILED;
}

static enum status
refuse_address(const struct target *target, const struct guarded_pool *pool,
               uintptr_t address)
{
  complain("%s: no guarded block is, or was, at %#" PRIxPTR "; %" PRIu64
           " blocks were guarded, in %" PRIu32 " slots",
           target->argument, address, pool->blocks, pool->used);
  return STATUS_FAILED;
}

static enum status
refuse_fault(const struct target *target)
{
  if (target->core != NULL)
    complain("%s: the process did not die of an access to memory; an address "
             "after the file shows the guarded block there",
             target->argument);
  else
    complain("process %s has reported no access to a guarded block; an address "
             "after the PID shows the block there",
             target->argument);
  return STATUS_FAILED;
}

enum status
show_fault(struct target *target)
{
  struct guarded_pool pool;
  struct symbols *symbols;
  struct found found = {.what = NULL};
  enum status status = STATUS_OK;
  int error =
      target_read(target, target->page.places.guarded, &pool, sizeof pool);

  if (error != 0)
    return target_failed(target, error);
  if (settings.address != NULL) {
    found.fault = (struct fault_view){.access = "access"};
    if (!named_fault(settings.address, &found.fault)) {
      complain("%s is not a hexadecimal address", settings.address);
      return STATUS_USAGE;
    }
  } else if (!find_fault(target, &pool, &found.fault)) {
    return pool.start == 0 ? refuse_pool(target) : refuse_fault(target);
  }
  error = read_hit(target, &pool, &found);
  if (error < 0)
    return target_failed(target, error);
  if (error == 0)
    return pool.start == 0 ? refuse_pool(target)
                           : refuse_address(target, &pool, found.fault.address);
  judge(&found);
  symbols = symbols_open(target);
  if (settings.json)
    status = put_json(target, &found, symbols);
  else
    put_found(target, &found, symbols);
  symbols_close(symbols);
  return status;
}

bool
fault_sentence(const struct target *target, char *text, size_t size)
{
  struct guarded_pool pool;
  struct found found = {.what = NULL};

  if (target->core == NULL || target->shapes != NULL ||
      target_read(target, target->page.places.guarded, &pool, sizeof pool) !=
          0 ||
      !find_fault(target, &pool, &found.fault) ||
      read_hit(target, &pool, &found) != 1)
    return false;
  judge(&found);
  snprintf(text, size,
           "The process died of an error in its use of memory: %s.  tcm-stat "
           "fault %s shows the block, and where it was %s.",
           found.what, target->argument,
           found.slot.allocated.thread == 0    ? "freed"
           : found.slot.state == GUARDED_FREED ? "allocated and freed"
                                               : "allocated");
  return true;
}
