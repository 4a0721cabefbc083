/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "profile/profile_write.h"

#include <errno.h>

#include "base/format.h"
#include "base/system.h"
#include "profile/profile.h"

/* The sums of one stack or of all.  All fields: [owner thread] */
struct sums {
  uint64_t live_blocks;
  uint64_t live;
  uint64_t blocks;
  uint64_t bytes;
};

static struct sums
sums_of(const struct profile_stack *stack)
{
  struct sums sums = {.blocks = atomic_load_relaxed(&stack->allocated_blocks),
                      .bytes = atomic_load_relaxed(&stack->allocated)};
  uint64_t freed = atomic_load_relaxed(&stack->freed);
  uint64_t freed_blocks = atomic_load_relaxed(&stack->freed_blocks);

  sums.live = sums.bytes > freed ? sums.bytes - freed : 0;
  sums.live_blocks =
      sums.blocks > freed_blocks ? sums.blocks - freed_blocks : 0;
  return sums;
}

static void
put_sums(struct line *line, const struct sums *sums)
{
  tcmi_line_decimal(line, sums->live_blocks / PROFILE_BLOCK);
  tcmi_line_text(line, ": ");
  tcmi_line_decimal(line, sums->live);
  tcmi_line_text(line, " [");
  tcmi_line_decimal(line, sums->blocks / PROFILE_BLOCK);
  tcmi_line_text(line, ": ");
  tcmi_line_decimal(line, sums->bytes);
  tcmi_line_text(line, "] @");
}

/* Where a profile goes.  All fields: [owner thread] */
struct writer {
  int fd;
  int error;   /* the first error, a negative errno; or 0 */
  size_t room; /* bytes that may still be written */
};

static void
put_text(struct writer *to, const char *text, size_t length)
{
  if (to->error == 0 && length > to->room)
    to->error = -EFBIG;
  if (to->error != 0)
    return;
  to->error = tcmi_system_write(to->fd, text, length);
  to->room -= length;
}

static void
put_line(struct writer *to, struct line *line)
{
  put_text(to, line->text, line->length);
  line->length = 0;
}

static NOINLINE void
put_head(struct writer *to)
{
  struct line line = {.length = 0};
  const struct profile_stack *stack;
  struct sums sum = {0}, one;
  uint64_t place = 0;

  while ((stack = tcmi_profile_next_stack(&place)) != NULL) {
    one = sums_of(stack);
    sum.live_blocks += one.live_blocks;
    sum.live += one.live;
    sum.blocks += one.blocks;
    sum.bytes += one.bytes;
  }
  tcmi_line_text(&line, "heap profile: ");
  put_sums(&line, &sum);
  tcmi_line_text(&line, " heapprofile");
  tcmi_line_end(&line);
  put_line(to, &line);
}

/* A stack may be too long for one line buffer. */
static NOINLINE void
put_stack(struct writer *to, const struct profile_stack *stack)
{
  struct line line = {.length = 0};
  struct sums sums = sums_of(stack);

  put_sums(&line, &sums);
  for (uint32_t i = 0; i < stack->depth; i++) {
    tcmi_line_text(&line, " ");
    tcmi_line_hex(&line, stack->pcs[i]);
    if (line.length > sizeof line.text - 32)
      put_line(to, &line);
  }
  tcmi_line_end(&line);
  put_line(to, &line);
}

static NOINLINE void
put_mappings(struct writer *to)
{
  static const char head[] = "\nMAPPED_LIBRARIES:\n";
  long copied;

  put_text(to, head, sizeof head - 1);
  if (to->error != 0)
    return;
  copied = tcmi_system_copy_file("/proc/self/maps", to->fd, to->room);
  /* Without /proc, the profile has addresses but no mappings. */
  if (copied < 0 && copied != -ENOENT)
    to->error = (int)copied;
  else if ((size_t)copied == to->room)
    to->error = -EFBIG;
}

int
tcmi_profile_write(int fd, size_t most)
{
  struct writer to = {.fd = fd, .room = most};
  const struct profile_stack *stack;
  uint64_t place = 0;

  put_head(&to);
  while (to.error == 0 && (stack = tcmi_profile_next_stack(&place)) != NULL)
    put_stack(&to, stack);
  put_mappings(&to);
  return to.error;
}
