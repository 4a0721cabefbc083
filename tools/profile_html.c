/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The profile as the flame graph of a page: its tree, in which the frames that
 * are too narrow to be seen are joined.
 *
 *     all ---- main ---- serve ---- read_all    12.3 %
 *                  |          +---- [other]      0.2 %, of many frames
 *                  +---- [other]
 */
#include "page.h"

#include <inttypes.h>
#include <string.h>

/* A frame is shown that has one in so many of all bytes, by any of the three
 * numbers; fewer are where the page would be larger than this. */
#define SHARE 1000
#define TEXT_MAX ((size_t)1 << 20)
/* A name that templates have made endless is cut. */
#define NAME_LENGTH_MAX 2000
/* The numbers of a frame as text. */
#define NUMBERS_TEXT 64

struct flame {
  const struct frame *root;
  uint64_t share; /* as SHARE is */
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

/* The bytes of a name that are shown: whole characters. */
static size_t
name_length(const char *name)
{
  size_t length = strnlen(name, NAME_LENGTH_MAX + 1);

  if (length > NAME_LENGTH_MAX)
    while ((name[--length] & 0xc0) == 0x80)
      ;
  return length;
}

/* The bytes that a frame, those below it and their rest take, about. */
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

/* ---- A page of its own ------------------------------------------------------ */
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
