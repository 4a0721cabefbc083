/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads all numbers from a target, in the order that lib/observe/stats_raw.h
 * requires: the shared ones, the thread caches, and the shared ones again.
 */
#include "shapes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Maximum number of attempts: a busy target changes while it is read. */
#define READS_MAX 60
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
    "default", "environment", "api", "request", "container", "file", "program"};

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
  unsigned n = 0;
  int error;

  (void)shape_classes(target, &n);
  error = shape_read_parts(
      target,
      (const struct shape_part[]){
          {STRUCT_central_list, places->central_lists, copy->central, n},
          {STRUCT_transfer_cache, places->transfer_caches, copy->transfer, n},
          {STRUCT_cache_registry, places->cache_registry, &copy->registry, 1},
          {STRUCT_page_counts, places->page_counts, &copy->pages, 1},
          {STRUCT_page_heap_view, places->page_heap_view, &copy->heap, 1},
          {STRUCT_arena_counts, places->arena_counts, &copy->arenas, 1},
          {STRUCT_large_stats, places->large_stats, &copy->large, 1},
          {STRUCT_metadata_counts, places->metadata_counts, &copy->metadata, 1},
      },
      8);
  if (error == 0)
    error = target_read(target, target->page.self, &copy->page,
                        offsetof(struct stats_page, places));
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

/* ---- Thread caches ------------------------------------------------------- */

/* Reads the bins of a cache with another layout. */
static int
bins_read(const struct target *target, uintptr_t at, struct cache_owner *owner)
{
  uintptr_t bins = at + shape_offset(target, FIELD_cache_owner_bins);
  uintptr_t states = at + shape_offset(target, FIELD_cache_owner_states);
  unsigned n;

  if (target->shapes == NULL)
    return 0;
  (void)shape_classes(target, &n);
  return shape_read_parts(
      target,
      (const struct shape_part[]){{STRUCT_bin, bins, owner->hot.bins, n},
                                  {STRUCT_bin_state, states, owner->states, n}},
      2);
}

static int
owner_read(const struct target *target, uintptr_t at, struct cache_owner *owner)
{
  int error = shape_read(target, STRUCT_cache_owner, at, owner);

  return error == 0 ? bins_read(target, at, owner) : error;
}

/* Adds the contents of one cache; false if it was changed while it was read. */
static bool
cache_count(const struct cache_owner *owner, struct stats_raw *whole,
            struct thread_view *thread)
{
  struct raw_threads *raw = &whole->threads;

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
    thread->bytes += count * whole->sizes[c].size;
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
                   shape_offset(target, FIELD_cache_registry_caches);
  uintptr_t node = (uintptr_t)registry->caches.next;
  struct cache_owner owner;

  *raw = (struct raw_threads){.orphans = registry->norphans,
                              .traffic = registry->ended};
  view->nthreads = 0;
  while (node != head && node != 0) {
    uintptr_t at = node - shape_offset(target, FIELD_cache_owner_link);
    if (view->nthreads >= registry->ncaches || view->nthreads > CACHES_MAX ||
        owner_read(target, at, &owner) != 0 || !threads_grow(view) ||
        !cache_count(&owner, &view->raw, &view->threads[view->nthreads]))
      return false;
    view->nthreads++;
    node = (uintptr_t)owner.link.next;
  }
  raw->caches = view->nthreads;
  return view->nthreads == registry->ncaches;
}

/* ---- Options ------------------------------------------------------------- */

/* Reads the value and the source of an option; @from is where the target keeps
 * those of its kind. */
static int
option_read(const struct target *target, uintptr_t from, size_t number,
            struct option_view *option)
{
  uint8_t source = 0;
  int error =
      target_read(target,
                  from + shape_offset(target, FIELD_option_values_value) +
                      number * sizeof option->value,
                  &option->value, sizeof option->value);

  if (error == 0)
    error = target_read(
        target,
        from + shape_offset(target, FIELD_option_values_source) + number,
        &source, sizeof source);
  option->source = source < SOURCE_COUNT ? source : 0;
  return error;
}

/* Before the heap is initialized, the defaults apply. */
static int
options_read(const struct target *target, struct view *view)
{
  static const uint64_t defaults[OPTION_COUNT] = {
#define OPTION(name, default_value, min, max, fixed, help) default_value,
#include "base/options.def"
  };
  uintptr_t open = target->page.places.open_values, fixed;
  int error = target_read(target, target->page.places.fixed_values, &fixed,
                          sizeof fixed);

  for (int id = 0; id < OPTION_COUNT && error == 0; id++) {
    int number = shape_size(target, STRUCT_option_values) == 0
                     ? -1
                     : shape_option(target, (enum option_id)id);
    view->options[id] = (struct option_view){number >= 0, defaults[id], 0};
    if (number >= 0 && fixed != 0)
      error = option_read(target, option_is_fixed[id] ? fixed : open,
                          (size_t)number, &view->options[id]);
  }
  return error;
}

/* ---- All of it ----------------------------------------------------------- */

static void
pause_shortly(unsigned reads)
{
  struct timespec time = {.tv_nsec = reads < READS_MAX / 2 ? 20000 : 2000000};

  if (reads > 4)
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
read_once(const struct target *target, struct view *view, bool *sound,
          bool *exact)
{
  struct shared_copy before = {0}, after = {0};
  struct stats_raw first;
  bool complete;
  unsigned n;
  int error = shared_read(target, &before);

  if (error != 0)
    return error;
  first.sizes = view->raw.sizes = shape_classes(target, &n);
  shared_count(&before, &first.shared);
  complete = threads_read(target, view, &before.registry);
  error = shared_read(target, &after);
  if (error != 0)
    return error;
  shared_count(&after, &view->raw.shared);
  view->page = after.page;
  page_add_traffic(&view->page, &view->raw.threads.traffic);
  *sound = tcmi_stats_sum(&view->raw, &view->stats) && complete;
  *exact = *sound && tcmi_stats_is_consistent(&first) &&
           memcmp(&first.shared, &view->raw.shared, sizeof first.shared) == 0 &&
           before.registry.ncaches == after.registry.ncaches;
  return 0;
}

/* Reads until nothing changes; after READS_MAX times, consistent is enough. */
static int
read_steadily(const struct target *target, struct view *view)
{
  bool sound = false, exact = false;
  int error = 0;

  for (unsigned i = 0; i < READS_MAX && !exact; i++) {
    pause_shortly(i);
    error = read_once(target, view, &sound, &exact);
    if (error != 0)
      return error;
  }
  for (unsigned i = 0; i < READS_MAX && !sound; i++) {
    error = read_once(target, view, &sound, &exact);
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
  error = read_steadily(target, view);
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
