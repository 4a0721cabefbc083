/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the profile as a flame graph for a page: its tree, in which frames too
 * narrow to see are joined.
 *
 *     all ---- main ---- serve ---- read_all    12.3 %
 *                  |          +---- [other]      0.2 %, of many frames
 *                  +---- [other]
 */
#include "page.h"

#include <inttypes.h>
#include <string.h>

/* A frame is shown if any of its three numbers is at least 1/SHARE of the
 * total; fewer frames are shown if the text would exceed TEXT_MAX. */
#define SHARE 1000
#define TEXT_MAX ((size_t)1 << 20)
/* Longer names, which templates can produce, are cut. */
#define NAME_LENGTH_MAX 2000
/* Bytes for the numbers of a frame as text. */
#define NUMBERS_TEXT 64

struct flame {
  const struct frame *root;
  uint64_t share; /* like SHARE, at most SHARE */
};

static bool
is_share(const struct flame *flame, uint64_t part, uint64_t whole)
{
  return part > 0 && part >= whole / flame->share;
}

static bool
is_shown(const struct flame *flame, const struct frame *frame)
{
  return is_share(flame, frame->live, flame->root->live) ||
         is_share(flame, frame->allocated, flame->root->allocated) ||
         is_share(flame, frame->growth, flame->root->growth);
}

/* How many bytes of a name are shown; does not split a character. */
static size_t
name_length(const char *name)
{
  size_t length = strnlen(name, NAME_LENGTH_MAX + 1);

  if (length > NAME_LENGTH_MAX)
    while ((name[--length] & 0xc0) == 0x80)
      ;
  return length;
}

/* About how many bytes a frame takes, with those below it and "[other]". */
static size_t
text_size(const struct flame *flame, const struct frame *frame)
{
  size_t sum = (size_t)2 * NUMBERS_TEXT + name_length(frame->name);

  for (frame = frame->children; frame != NULL; frame = frame->next)
    if (is_shown(flame, frame))
      sum += text_size(flame, frame);
  return sum;
}

static void
put_frame(const struct frame *frame, unsigned depth)
{
  char name[NAME_LENGTH_MAX + sizeof "..."];
  size_t length = name_length(frame->name);

  snprintf(name, sizeof name, "%.*s%s", (int)length, frame->name,
           frame->name[length] == '\0' ? "" : "...");
  printf("%s[%u,", depth > 0 ? ",\n" : "", depth);
  page_put_text(name);
  printf(",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]",
         frame->live, frame->live_blocks, frame->allocated,
         frame->allocated_blocks, frame->growth);
}

static void
add_rest(struct frame *rest, const struct frame *frame)
{
  rest->live += frame->live;
  rest->live_blocks += frame->live_blocks;
  rest->allocated += frame->allocated;
  rest->allocated_blocks += frame->allocated_blocks;
  rest->growth += frame->growth;
}

static void
put_frames(const struct flame *flame, const struct frame *frame, unsigned depth)
{
  struct frame rest = {.name = "[other]"};

  put_frame(frame, depth);
  for (frame = frame->children; frame != NULL; frame = frame->next)
    if (is_shown(flame, frame))
      put_frames(flame, frame, depth + 1);
    else
      add_rest(&rest, frame);
  if (rest.live > 0 || rest.allocated > 0)
    put_frame(&rest, depth + 1);
}

void
page_put_profile(const struct profile_view *view, struct symbols *symbols,
                 const char *note)
{
  struct frame *root = tree_make(view, symbols);
  struct flame flame = {root, SHARE};

  while (flame.share > 1 && text_size(&flame, root) > TEXT_MAX)
    flame.share /= 2;
  printf("{\"mean\":%" PRIu64 ",\"samples\":%" PRIu64 ",\"lost\":%" PRIu64
         ",\"seconds\":%.3f,\"growth\":%s,\"least\":%g,\"note\":",
         view->mean, profile_sum(view).samples, view->lost, view->seconds,
         settings.growth ? "true" : "false", 100.0 / (double)flame.share);
  page_put_text(note);
  printf(",\"frames\":[\n");
  put_frames(&flame, root, 0);
  printf("]}");
  tree_free(root);
}

/* ---- A separate page ----------------------------------------------------- */
struct page_data {
  const struct target *target;
  const struct profile_view *view;
  struct symbols *symbols;
  const char *note;
};

static void
put_data(const void *from)
{
  const struct page_data *data = from;

  printf("{\"command\":");
  page_put_text(data->target->command);
  printf(",\"pid\":%d,\"version\":\"" PACKAGE_VERSION "\",",
         (int)data->target->pid);
  page_put_time();
  printf(",\n\"profile\":");
  page_put_profile(data->view, data->symbols, data->note);
  putchar('}');
}

void
profile_html(const struct target *target, const struct profile_view *view,
             struct symbols *symbols, const char *note)
{
  struct page_data data = {target, view, symbols, note};

  page_write(FORM_FLAME, put_data, &data);
}
