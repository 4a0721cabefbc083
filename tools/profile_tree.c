/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds a tree from the stacks, callers above the functions they call.
 */
#include "profile.h"

#include <stdlib.h>
#include <string.h>

static struct frame *
child_of(struct frame *frame, const char *name)
{
  struct frame *child;

  for (child = frame->children; child != NULL; child = child->next)
    if (strcmp(child->name, name) == 0)
      return child;
  child = calloc(1, sizeof *child);
  if (child == NULL)
    abort();
  child->name = name;
  child->next = frame->children;
  frame->children = child;
  frame->nchildren++;
  return child;
}

static void
add_sums(struct frame *frame, const struct stack_view *stack)
{
  frame->live += stack->live;
  frame->live_blocks += stack->live_blocks;
  frame->allocated += stack->allocated;
  frame->allocated_blocks += stack->allocated_blocks;
  frame->growth += stack->growth > 0 ? (uint64_t)stack->growth : 0;
}

static void
add_stack(struct frame *frame, const struct stack_view *stack,
          struct symbols *symbols)
{
  add_sums(frame, stack);
  if (stack->depth == 0)
    add_sums(child_of(frame, "unknown code"), stack);
  for (uint32_t k = stack->depth; k-- > 0;) {
    const struct names *names = symbols_find(symbols, stack->pcs[k]);
    for (unsigned n = names->count; n-- > 0;) {
      frame = child_of(frame, names->name[n]);
      add_sums(frame, stack);
    }
  }
}

uint64_t
tree_weight(const struct frame *frame)
{
  return settings.growth ? frame->growth : frame->live;
}

/* Sorts equal frames by name, so that the same stacks give the same tree. */
static int
heavier(const void *a, const void *b)
{
  const struct frame *x = *(struct frame *const *)a;
  const struct frame *y = *(struct frame *const *)b;
  uint64_t wx = tree_weight(x), wy = tree_weight(y);

  return wx == wy ? strcmp(x->name, y->name) : wx < wy ? 1 : -1;
}

static void
sort(struct frame *frame)
{
  struct frame **list = calloc(frame->nchildren + 1, sizeof *list), *child;
  size_t n = 0;

  if (list == NULL)
    abort();
  for (child = frame->children; child != NULL; child = child->next)
    list[n++] = child;
  qsort(list, n, sizeof *list, heavier);
  for (size_t i = 0; i < n; i++) {
    list[i]->next = list[i + 1];
    sort(list[i]);
  }
  frame->children = list[0];
  free(list);
}

struct frame *
tree_make(const struct profile_view *view, struct symbols *symbols)
{
  struct frame *root = calloc(1, sizeof *root);

  if (root == NULL)
    abort();
  root->name = "all";
  for (size_t i = 0; i < view->nstacks; i++)
    add_stack(root, &view->stacks[i], symbols);
  sort(root);
  return root;
}

void
tree_free(struct frame *frame)
{
  while (frame->children != NULL) {
    struct frame *child = frame->children;
    frame->children = child->next;
    tree_free(child);
  }
  free(frame);
}
