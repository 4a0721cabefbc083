/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads all numbers from a target, in the order that lib/observe/stats_raw.h
 * requires: the shared ones, the thread caches, and the shared ones again.
 */
#include "tcm-stat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Maximum number of attempts: a busy target changes while it is read. */
#define LOOKS 60
/* A list of more caches than a kernel has threads was changed while read. */
#define CACHES_MAX ((size_t)1 << 22)

const char *const option_names[OPTION_COUNT] = {
#define OPTION(name, default_value, min, max, fixed, help) #name,
#include "base/options.def"
};

const bool option_is_fixed[OPTION_COUNT] = {
#define OPTION(name, default_value, min, max, fixed, help) fixed,
#include "base/options.def"
};

const char *const option_sources[SOURCE_COUNT] = {
    "default", "environment", "api", "request", "container"};

/* The numbers read in one call. */
struct shared_copy {
  struct stats_page page;
  struct central_list central[SIZE_CLASS_COUNT];
  struct transfer_cache transfer[SIZE_CLASS_COUNT];
  struct cache_registry registry;
  struct page_counts pages;
  struct page_heap_view heap;
  struct arena_counts arenas;
  struct large_stats large;
  struct metadata_counts metadata;
  uint64_t released;
};

static int
shared_read(const struct target *target, struct shared_copy *copy)
{
  const struct stats_places *places = &target->page.places;
  struct piece pieces[] = {
      {target->page.self, &copy->page, sizeof copy->page},
      {places->central_lists, copy->central, sizeof copy->central},
      {places->transfer_caches, copy->transfer, sizeof copy->transfer},
      {places->cache_registry, &copy->registry, sizeof copy->registry},
      {places->page_counts, &copy->pages, sizeof copy->pages},
      {places->page_heap_view, &copy->heap, sizeof copy->heap},
      {places->arena_counts, &copy->arenas, sizeof copy->arenas},
      {places->large_stats, &copy->large, sizeof copy->large},
      {places->metadata_counts, &copy->metadata, sizeof copy->metadata},
  };
  int error =
      target_read_pieces(target, pieces, sizeof pieces / sizeof *pieces);

  if (error != 0)
    return error;
  if (!page_is_sound(&copy->page, target->page.self) ||
      copy->page.layout != target->page.layout)
    return -EFAULT;
  return target_read(target, (uintptr_t)copy->heap.released_bytes,
                     &copy->released, sizeof copy->released);
}

static void
shared_count(const struct shared_copy *copy, struct raw_shared *raw)
{
  *raw = (struct raw_shared){
      .used_pages = copy->pages.used,
      .idle_pages = copy->pages.idle,
      .faulted_pages = copy->pages.faulted,
      .committed_bytes = copy->arenas.committed_bytes,
      .reserved_bytes = copy->arenas.reserved_bytes,
      .most_bytes = copy->arenas.most_mapped_bytes,
      .metadata_bytes = copy->metadata.mapped_bytes,
      .released_bytes = copy->released,
      .large_count = copy->large.count,
      .large_bytes = copy->large.bytes,
      .slack_bytes = copy->large.slack,
      .soft_hits = copy->pages.soft_hits,
      .hard_hits = copy->pages.hard_hits,
  };
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    raw->classes[c] = (struct raw_class){
        .spans = copy->central[c].spans,
        .free_objects = copy->central[c].free_objects,
        .clean_pages = copy->central[c].clean_pages,
        .transfer = copy->transfer[c].count,
    };
}

/* ---- Thread caches --------------------------------------------------------- */

/* Adds the contents of one cache; false if it was changed while it was read. */
static bool
cache_count(const struct cache_owner *owner, struct raw_threads *raw,
            struct thread_view *thread)
{
  *thread = (struct thread_view){.thread = owner->thread,
                                 .capacity = owner->capacity_bytes,
                                 .traffic = owner->traffic};
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    size_t count = (size_t)(owner->hot.bins[c].top - owner->states[c].base);
    if (owner->states[c].base == NULL)
      continue;
    if (count > owner->states[c].slots)
      return false;
    raw->objects[c] += count;
    thread->objects += count;
    thread->bytes += count * size_class_size(c);
  }
  if (owner->hot.large != NULL)
    thread->held = owner->hot.large_charge;
  thread->bytes += thread->held;
  raw->held_blocks += owner->hot.large != NULL;
  raw->held_bytes += thread->held;
  raw->bytes += thread->bytes;
  traffic_add(&raw->traffic, &owner->traffic);
  return true;
}

static bool
threads_grow(struct view *view)
{
  size_t n = view->nthreads;
  void *more;

  if (n % 64 != 0)
    return true;
  more = realloc(view->threads, (n + 64) * sizeof *view->threads);
  if (more != NULL)
    view->threads = more;
  return more != NULL;
}

/* Follows the list of caches; false if it was changed while it was read. */
static bool
threads_read(const struct target *target, struct view *view,
             const struct cache_registry *registry)
{
  struct raw_threads *raw = &view->raw.threads;
  uintptr_t head = target->page.places.cache_registry +
                   offsetof(struct cache_registry, caches);
  uintptr_t node = (uintptr_t)registry->caches.next;
  struct cache_owner owner;

  *raw = (struct raw_threads){.orphans = registry->norphans,
                              .traffic = registry->ended};
  view->nthreads = 0;
  while (node != head && node != 0) {
    uintptr_t at = node - offsetof(struct cache_owner, link);
    if (view->nthreads >= registry->ncaches || view->nthreads > CACHES_MAX ||
        target_read(target, at, &owner, sizeof owner) != 0 ||
        !threads_grow(view) ||
        !cache_count(&owner, raw, &view->threads[view->nthreads]))
      return false;
    view->nthreads++;
    node = (uintptr_t)owner.link.next;
  }
  raw->caches = view->nthreads;
  return view->nthreads == registry->ncaches;
}

/* ---- Options ------------------------------------------------------------------ */

/* Before the heap is initialized, the defaults apply. */
static int
options_read(const struct target *target, struct view *view)
{
  static const uint64_t defaults[OPTION_COUNT] = {
#define OPTION(name, default_value, min, max, fixed, help) default_value,
#include "base/options.def"
  };
  struct option_values open, fixed;
  uintptr_t place;
  int error = target_read(target, target->page.places.fixed_values, &place,
                          sizeof place);

  if (error == 0 && place != 0)
    error = target_read(target, place, &fixed, sizeof fixed);
  if (error == 0)
    error = target_read(target, target->page.places.open_values, &open,
                        sizeof open);
  for (int id = 0; id < OPTION_COUNT && error == 0; id++) {
    const struct option_values *from = option_is_fixed[id] ? &fixed : &open;
    view->options[id].value = place == 0 ? defaults[id] : from->value[id];
    view->options[id].source =
        place == 0 || from->source[id] >= SOURCE_COUNT ? 0 : from->source[id];
  }
  return error;
}

/* ---- All of it ------------------------------------------------------------------ */

static void
pause_shortly(unsigned look)
{
  struct timespec time = {.tv_nsec = look < LOOKS / 2 ? 20000 : 2000000};

  if (look > 4)
    nanosleep(&time, NULL);
}

/* Adds the counts kept by thread to those of the same events in the page. */
static void
page_add_traffic(struct stats_page *page, const struct cache_traffic *traffic)
{
  page->slow_mallocs += traffic->slow_mallocs;
  page->slow_frees += traffic->slow_frees;
  page->large_mallocs += traffic->large_mallocs;
}

/* Reads once; sets *@sound if the numbers are consistent, *@exact if none
 * changed. */
static int
look_once(const struct target *target, struct view *view, bool *sound,
          bool *exact)
{
  struct shared_copy before, after;
  struct raw_shared first;
  bool complete;
  int error = shared_read(target, &before);

  if (error != 0)
    return error;
  shared_count(&before, &first);
  complete = threads_read(target, view, &before.registry);
  error = shared_read(target, &after);
  if (error != 0)
    return error;
  shared_count(&after, &view->raw.shared);
  view->page = after.page;
  page_add_traffic(&view->page, &view->raw.threads.traffic);
  *sound = tcmi_stats_sum(&view->raw, &view->stats) && complete;
  *exact = *sound && tcmi_stats_is_consistent(&first) &&
           memcmp(&first, &view->raw.shared, sizeof first) == 0 &&
           before.registry.ncaches == after.registry.ncaches;
  return 0;
}

/* Reads until nothing changes; after LOOKS attempts, consistent is enough. */
static int
look(const struct target *target, struct view *view)
{
  bool sound = false, exact = false;
  int error = 0;

  for (unsigned i = 0; i < LOOKS && !exact; i++) {
    pause_shortly(i);
    error = look_once(target, view, &sound, &exact);
    if (error != 0)
      return error;
  }
  for (unsigned i = 0; i < LOOKS && !sound; i++) {
    error = look_once(target, view, &sound, &exact);
    if (error != 0)
      return error;
  }
  view->exact = exact;
  return 0;
}

/* Reads the name of a thread.  The thread's number is from its own PID
 * namespace; if no thread has that number here, the name stays empty. */
static void
thread_name(const struct target *target, struct thread_view *thread)
{
  char path[64];
  FILE *file;

  if (thread->thread == 0 || target->core != NULL)
    return;
  snprintf(path, sizeof path, "/proc/%d/task/%u/comm", (int)target->pid,
           thread->thread);
  file = fopen(path, "re");
  if (file == NULL)
    return;
  if (fgets(thread->name, sizeof thread->name, file) != NULL)
    thread->name[strcspn(thread->name, "\n")] = '\0';
  fclose(file);
  for (char *c = thread->name; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 127)
      *c = '?';
}

enum status
view_read(struct target *target, struct view *view)
{
  int error;

  *view = (struct view){0};
  error = look(target, view);
  if (error == 0)
    error = options_read(target, view);
  if (error == 0 && !target_is_same(target))
    error = -ESRCH;
  if (error != 0) {
    view_free(view);
    return target_failed(target, error);
  }
  for (size_t i = 0; i < view->nthreads; i++)
    thread_name(target, &view->threads[i]);
  return STATUS_OK;
}

void
view_free(struct view *view)
{
  free(view->threads);
  view->threads = NULL;
  view->nthreads = 0;
}

/* The fast path counts nothing.  With the option "check" there is no fast path,
 * so each allocation is counted. */
uint64_t
view_allocations(const struct view *view, bool *exact)
{
  const struct stats_page *page = &view->page;
  uint64_t large = page->large_mallocs;

  *exact = view->options[OPTION_check].value > 0;
  return (*exact ? page->slow_mallocs : view->raw.threads.traffic.objects) +
         large;
}
