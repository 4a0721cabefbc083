/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes one page for a browser: report.html with its data, see page.h.
 *
 *     data:         document   as written by --json
 *                   verdict    cause, diagnosis, action
 *                   samples    readings over --seconds, and before them those
 *                              of --readings
 *                   profile    see flame.js
 *                   map        tiles: address, pages by kind, cells
 *
 * A cell is the letter of its kind, the number of its class, a colon and the
 * number of blocks in use on it, an asterisk and its repeat count: "f9:3*2".
 */
#include "survey.h"
#include "page.h"
#include "tally.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Maximum bytes of the cells: a page under 5 MiB opens at once. */
#define CELLS_MAX ((size_t)3 << 20)
/* Maximum number of tiles; with more huge pages, a tile shows several. */
#define TILES_MAX ((size_t)16 << 10)
#define SAMPLES_MAX 128

enum detail { DETAIL_COUNTS, DETAIL_KINDS, DETAIL_ALL };

/* The map while it is written.  All fields: [owner thread] */
struct map {
  char *text;
  size_t length, room;
  enum detail detail;
  bool failed;     /* no memory, or too much text for this detail */
  size_t joined;   /* huge pages per tile */
  size_t filled;   /* huge pages in the open tile */
  uintptr_t start; /* address of that tile */
  uint64_t counts[PAGE_KINDS];
};

struct reading {
  double seconds;
  uint64_t bytes[7];
  uint64_t faulted, released, hits;
};

/* All fields: [owner thread] */
struct readings {
  struct reading list[SAMPLES_MAX];
  size_t n;
  size_t saved;  /* documents read from --readings */
  size_t stride; /* keep one of @stride readings */
  double first;  /* time of the first, in seconds since 1970; 0: none */
  double since;  /* from then to the first reading of this report */
  pid_t pid;     /* of the target */
};

/* ---- The map ------------------------------------------------------------- */
static void
append(struct map *map, const char *text)
{
  size_t length = strlen(text);
  char *more;

  if (map->length + length + 1 > map->room) {
    map->room = 2 * (map->room + length + 1);
    more = realloc(map->text, map->room);
    map->failed |= more == NULL;
    if (more == NULL)
      return;
    map->text = more;
  }
  memcpy(map->text + map->length, text, length + 1);
  map->length += length;
}

static void
append_cells(struct map *map, const struct cell *cells)
{
  char text[24];

  for (size_t p = 0; p < HUGE_PAGE_PAGES;) {
    const struct cell *c = &cells[p];
    size_t n = 1;
    while (p + n < HUGE_PAGE_PAGES && cells[p + n].kind == c->kind &&
           cells[p + n].class_id == c->class_id &&
           (map->detail < DETAIL_ALL || cells[p + n].live == c->live))
      n++;
    snprintf(text, sizeof text, "%c", 'a' + c->kind);
    append(map, text);
    snprintf(text, sizeof text, "%u", c->class_id);
    if (c->class_id > 0)
      append(map, text);
    snprintf(text, sizeof text, ":%u", c->live);
    if (c->class_id > 0 && map->detail == DETAIL_ALL)
      append(map, text);
    snprintf(text, sizeof text, "*%zu", n);
    if (n > 1)
      append(map, text);
    p += n;
  }
}

/* Writes the open tile, if there is one. */
static void
close_tile(struct map *map, const struct cell *cells)
{
  char text[64];

  if (map->filled == 0)
    return;
  snprintf(text, sizeof text, "%s[\"%" PRIxPTR "\",[",
           map->length > 0 ? ",\n" : "", map->start);
  append(map, text);
  for (int kind = 0; kind < PAGE_KINDS; kind++) {
    snprintf(text, sizeof text, "%s%" PRIu64, kind > 0 ? "," : "",
             map->counts[kind]);
    append(map, text);
  }
  append(map, "],\"");
  if (cells != NULL && map->joined == 1 && map->detail > DETAIL_COUNTS)
    append_cells(map, cells);
  append(map, "\"]");
  memset(map->counts, 0, sizeof map->counts);
  map->filled = 0;
  if (map->detail > DETAIL_COUNTS && map->length > CELLS_MAX)
    map->failed = true;
}

/* Adds a huge page to the map, unless it was never used. */
static void
add_huge(void *to, uintptr_t start, const struct cell cells[HUGE_PAGE_PAGES])
{
  struct map *map = to;
  size_t unused = 0;

  for (size_t p = 0; p < HUGE_PAGE_PAGES; p++)
    unused += cells[p].kind == PAGE_UNUSED;
  if (unused == HUGE_PAGE_PAGES || map->failed)
    return;
  if (map->filled == 0)
    map->start = start;
  for (size_t p = 0; p < HUGE_PAGE_PAGES; p++)
    map->counts[cells[p].kind]++;
  if (++map->filled == map->joined)
    close_tile(map, cells);
}

/* Makes the map with as much detail as fits. */
static int
map_read(const struct target *target, struct survey *survey, struct map *map)
{
  size_t nhuge = 0;
  int error = 0;

  for (size_t i = 0; i < survey->heap.narenas; i++)
    nhuge += survey->heap.arenas[i].arena.nhuge;
  for (int detail = DETAIL_ALL; detail >= DETAIL_COUNTS; detail--) {
    free(map->text);
    *map = (struct map){.detail = (enum detail)detail, .joined = 1};
    if (detail == DETAIL_COUNTS)
      map->joined = nhuge / TILES_MAX + 1;
    error = pages_read(target, &survey->heap, &survey->pages, add_huge, map);
    close_tile(map, NULL);
    if (error != 0 || !map->failed)
      break;
  }
  return map->failed && error == 0 ? -ENOMEM : error;
}

/* ---- Over time ----------------------------------------------------------- */
static void
add_reading(void *to, double seconds, const struct view *view)
{
  const struct tcm_stats *s = &view->stats;
  struct readings *readings = to;

  if (readings->n == SAMPLES_MAX)
    return;
  readings->list[readings->n++] = (struct reading){
      readings->since + seconds,
      {s->in_use_bytes, s->thread_cache_bytes, s->transfer_cache_bytes,
       s->central_list_bytes, s->page_heap_bytes, s->metadata_bytes,
       s->returned_bytes},
      view->raw.shared.faulted_pages,
      s->released_total_bytes,
      s->soft_limit_hits + s->hard_limit_hits};
}

/* Keeps one saved reading of two. */
static void
thin_out(struct readings *readings)
{
  for (size_t i = 0; 2 * i < readings->n; i++)
    readings->list[i] = readings->list[2 * i];
  readings->n = (readings->n + 1) / 2;
  readings->stride *= 2;
}

/* Adds a saved reading.  Half of the list is reserved for the readings of this
 * report. */
static bool
add_saved(void *to, const struct tally *tally)
{
  static const char *const parts[7] = {
      "in_use_bytes",       "thread_cache_bytes", "transfer_cache_bytes",
      "central_list_bytes", "page_heap_bytes",    "metadata_bytes",
      "returned_bytes"};
  struct readings *readings = to;
  struct reading reading;
  bool there;
  double time = tally_time(tally);
  uint64_t pid = tally_get(tally, "pid", &there);

  if (time <= 0 || (there && pid != (uint64_t)readings->pid)) {
    complain(time <= 0 ? "%s: a reading does not say when it was taken"
                       : "%s: these are readings of another process",
             settings.readings);
    readings->first = -1;
    return false;
  }
  if (readings->first == 0)
    readings->first = time;
  if (readings->saved++ % readings->stride != 0)
    return true;
  if (readings->n == SAMPLES_MAX / 2)
    thin_out(readings);
  reading = (struct reading){
      .seconds = time - readings->first,
      .faulted = tally_get(tally, "faulted_in_pages", &there),
      .released = tally_get(tally, "released_total_bytes", &there),
      .hits = tally_get(tally, "soft_limit_hits", &there)};
  reading.hits += tally_get(tally, "hard_limit_hits", &there);
  for (int part = 0; part < 7; part++)
    reading.bytes[part] = tally_get(tally, parts[part], &there);
  readings->list[readings->n++] = reading;
  return true;
}

static enum status
read_saved(const struct target *target, struct readings *readings)
{
  struct timespec now;
  enum status status;

  readings->stride = 1;
  readings->pid = target->pid;
  if (settings.readings == NULL)
    return STATUS_OK;
  status = tally_read_all(settings.readings, add_saved, readings);
  if (status != STATUS_OK || readings->first < 0)
    return STATUS_FAILED;
  clock_gettime(CLOCK_REALTIME, &now);
  if (readings->first > 0)
    readings->since =
        (double)now.tv_sec + (double)now.tv_nsec / 1e9 - readings->first;
  return STATUS_OK;
}

/* ---- The page ------------------------------------------------------------ */
static void
put_verdict(const struct verdict *verdict)
{
  printf(",\n\"verdict\":{\"cause\":\"%s\",\"diagnosis\":",
         cause_names[verdict->cause]);
  page_put_text(verdict->diagnosis);
  printf(",\"action\":");
  page_put_text(verdict->action);
  putchar('}');
}

static void
put_readings(const struct readings *readings)
{
  printf(",\n\"samples\":[");
  for (size_t i = 0; i < readings->n; i++) {
    const struct reading *r = &readings->list[i];
    printf("%s{\"seconds\":%.3f,\"bytes\":[", i > 0 ? ",\n" : "", r->seconds);
    for (int part = 0; part < 7; part++)
      printf("%s%" PRIu64, part > 0 ? "," : "", r->bytes[part]);
    printf("],\"faulted_in_pages\":%" PRIu64
           ",\"released_total_bytes\":%" PRIu64 ",\"limit_hits\":%" PRIu64 "}",
           r->faulted, r->released, r->hits);
  }
  putchar(']');
}

static void
put_map(const struct map *map, const struct page_view *pages)
{
  printf(",\n\"map\":{\"counts\":[");
  for (int kind = 0; kind < PAGE_KINDS; kind++)
    printf("%s%" PRIu64, kind > 0 ? "," : "", pages->count[kind]);
  printf("],\"joined\":%zu,\"class_sizes\":[0", map->joined);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    printf(",%zu", (size_t)size_class_size(c));
  printf("],\"tiles\":[\n%s]}}", map->text == NULL ? "" : map->text);
}

/* The contents of the page.  All fields: [const] */
struct page_data {
  const struct survey *survey;
  const struct map *map;
  const struct readings *readings;
  const char *document;
  struct verdict verdict;
  struct symbols *symbols; /* NULL: no profile, and @no_profile says why */
  char no_profile[200];
};

static void
put_data(const void *from)
{
  const struct page_data *data = from;

  printf("{\"document\":");
  page_put_json(data->document);
  printf(",\n");
  page_put_time();
  put_verdict(&data->verdict);
  put_readings(data->readings);
  printf(",\n\"profile\":");
  if (data->symbols != NULL) {
    page_put_profile(data->survey->profile, data->symbols, "");
  } else {
    printf("{\"off\":");
    page_put_text(data->no_profile);
    putchar('}');
  }
  put_map(data->map, &data->survey->pages);
}

/* If there is no profile, writes how to get one. */
static enum status
find_profile(struct target *target, struct page_data *data)
{
  const struct profile_view *profile = data->survey->profile;
  uint64_t mean;
  int error = profile_mean(target, &mean);

  if (error != 0)
    return target_failed(target, error);
  if (profile != NULL && profile->nstacks > 0)
    data->symbols = symbols_open(target);
  else if (mean == 0 && target->core != NULL)
    snprintf(data->no_profile, sizeof data->no_profile,
             "No samples were taken.  To take some, start the program with "
             "TCM_PROFILE_BYTES=%d",
             MEAN_ADVISED);
  else if (mean == 0)
    snprintf(data->no_profile, sizeof data->no_profile,
             "No samples are taken.  To take some: tcm-stat set %d "
             "profile_bytes=%d",
             (int)target->pid, MEAN_ADVISED);
  else
    snprintf(data->no_profile, sizeof data->no_profile,
             "Sampling is on, but no sample was taken yet.");
  return STATUS_OK;
}

static enum status
put_page(struct target *target, const struct survey *survey,
         const struct map *map, const struct readings *readings)
{
  struct page_data data = {.survey = survey, .map = map, .readings = readings};
  char *document = json_text(target, &survey->now, &survey->heap);
  enum status status = STATUS_FAILED;

  if (document != NULL)
    status = find_profile(target, &data);
  if (status == STATUS_OK) {
    data.document = document;
    verdict_reach(target, survey, &data.verdict);
    page_write(FORM_REPORT, put_data, &data);
  }
  if (data.symbols != NULL)
    symbols_close(data.symbols);
  free(document);
  return status;
}

enum status
show_report(struct target *target)
{
  struct survey *survey = calloc(1, sizeof *survey);
  struct readings *readings = calloc(1, sizeof *readings);
  struct map map = {.text = NULL};
  enum status status = page_check_output("report");
  int error;

  if (status == STATUS_OK && (survey == NULL || readings == NULL)) {
    complain("no memory");
    status = STATUS_FAILED;
  } else if (status == STATUS_OK) {
    status = read_saved(target, readings);
    if (status == STATUS_OK)
      status =
          survey_watch(target, settings.seconds, survey, add_reading, readings);
    if (status == STATUS_OK) {
      error = map_read(target, survey, &map);
      status = error != 0 ? target_failed(target, error)
                          : put_page(target, survey, &map, readings);
      survey_free(survey);
    }
  }
  free(map.text);
  free(readings);
  free(survey);
  return status;
}
