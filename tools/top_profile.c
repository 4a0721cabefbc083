/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap profile on the screen of one process: the stacks that hold most.
 * Names are looked up for these stacks only, and are cached.
 */
#include "top.h"
#include "profile.h"

#include <string.h>

#define PROFILE_SECONDS 5

/* Inserts the stack into the sorted list of the heaviest, if it is one of
 * them. */
static void
insert(const struct stack_view *most[STACKS], const struct stack_view *stack)
{
  for (size_t i = 0; i < STACKS; i++)
    if (most[i] == NULL || most[i]->live < stack->live) {
      const struct stack_view *other = most[i];
      most[i] = stack;
      if (other == NULL)
        return;
      stack = other;
    }
}

/* Replaces control characters, so that a name stays in its row. */
static void
take_name(struct top_profile *profile, const struct stack_view *stack,
          char *name)
{
  symbols_culprit(profile->symbols, stack, name, sizeof *profile->name);
  for (; *name != '\0'; name++)
    if ((unsigned char)*name < ' ' || *name == 127)
      *name = '?';
}

static void
take_stacks(struct process *process, const struct profile_view *view)
{
  const struct stack_view *most[STACKS] = {NULL};
  struct top_profile *profile = &process->profile;

  for (size_t i = 0; i < view->nstacks; i++)
    if (view->stacks[i].live > 0)
      insert(most, &view->stacks[i]);
  if (most[0] != NULL && profile->symbols == NULL)
    profile->symbols = symbols_open(&process->target);
  for (; profile->n < STACKS && most[profile->n] != NULL; profile->n++) {
    const struct stack_view *stack = most[profile->n];
    profile->live[profile->n] = stack->live;
    take_name(profile, stack, profile->name[profile->n]);
  }
}

void
top_profile_read(struct process *process)
{
  struct top_profile *profile = &process->profile;
  struct profile_view view;
  uint64_t mean;

  if (process->target.shapes != NULL)
    return;
  if (profile->when != 0 && seconds_now() < profile->when + PROFILE_SECONDS)
    return;
  profile->when = seconds_now();
  profile->n = 0;
  if (profile_mean(&process->target, &mean) != 0 || mean == 0 ||
      profile_read(&process->target, &view) != STATUS_OK)
    return;
  take_stacks(process, &view);
  profile_free(&view);
}

void
top_profile_free(struct process *process)
{
  if (process->profile.symbols != NULL)
    symbols_close(process->profile.symbols);
  process->profile.symbols = NULL;
}
