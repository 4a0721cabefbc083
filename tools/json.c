/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the JSON document for a target, and reads such a document for diff.
 */
#include "tally.h"
#include "tcm-stat.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef HAVE_JANSSON
#include <jansson.h>

/* Adds a number as a member; jansson has no unsigned numbers. */
static void
put(json_t *object, const char *name, uint64_t value)
{
  json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* Adds a string as a member; "?" if it is not valid UTF-8. */
static void
put_string(json_t *object, const char *name, const char *text)
{
  json_t *string = json_string(text);

  json_object_set_new(object, name, string != NULL ? string : json_string("?"));
}

#define PUT(object, from, member) put((object), #member, (from)->member)

static void
put_stats(json_t *root, const struct tcm_stats *s)
{
  PUT(root, s, in_use_bytes);
  PUT(root, s, thread_cache_bytes);
  PUT(root, s, transfer_cache_bytes);
  PUT(root, s, central_list_bytes);
  PUT(root, s, page_heap_bytes);
  PUT(root, s, returned_bytes);
  PUT(root, s, metadata_bytes);
  PUT(root, s, mapped_bytes);
  PUT(root, s, most_mapped_bytes);
  PUT(root, s, soft_limit_hits);
  PUT(root, s, hard_limit_hits);
  PUT(root, s, reserved_bytes);
  PUT(root, s, large_bytes);
  PUT(root, s, large_count);
  PUT(root, s, span_count);
  PUT(root, s, thread_cache_count);
  PUT(root, s, released_total_bytes);
}

static void
put_heap(json_t *root, const struct tcm_stats *s, const struct heap_view *heap)
{
  uint64_t backed = s->mapped_bytes - s->returned_bytes;
  uint64_t there = heap->resident + heap->swapped;

  if (!heap->known) {
    json_object_set_new(root, "resident_bytes", json_null());
    return;
  }
  put(root, "resident_bytes", heap->resident);
  put(root, "swapped_bytes", heap->swapped);
  put(root, "untouched_bytes", backed > there ? backed - there : 0);
  put(root, "huge_page_bytes", heap->huge);
  put(root, "process_resident_bytes", heap->process_resident);
}

static json_t *
make_counters(const struct view *view)
{
  const struct stats_page *page = &view->page;
  const struct cache_traffic *traffic = &view->raw.threads.traffic;
  json_t *counters = json_object();
  bool exact;

  put(counters, "allocations", view_allocations(view, &exact));
  json_object_set_new(counters, "allocations_exact", json_boolean(exact));
  PUT(counters, page, slow_mallocs);
  PUT(counters, page, slow_frees);
  PUT(counters, page, large_mallocs);
  PUT(counters, traffic, refills);
  put(counters, "refilled_objects", traffic->objects);
  PUT(counters, traffic, flushes);
  put(counters, "faulted_in_pages", view->raw.shared.faulted_pages);
  PUT(counters, page, releases);
  PUT(counters, page, thread_starts);
  PUT(counters, page, thread_ends);
  PUT(counters, page, forks);
  return counters;
}

static json_t *
make_classes(const struct view *view)
{
  json_t *classes = json_array();

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    struct class_stats s;
    json_t *class;
    tcmi_stats_sum_class(&view->raw, c, &s);
    if (s.spans == 0)
      continue;
    class = json_object();
    put(class, "size_bytes", s.size);
    PUT(class, &s, spans);
    PUT(class, &s, span_bytes);
    PUT(class, &s, live);
    PUT(class, &s, free_thread);
    PUT(class, &s, free_transfer);
    PUT(class, &s, free_central);
    PUT(class, &s, clean_bytes);
    json_array_append_new(classes, class);
  }
  return classes;
}

static json_t *
make_threads(const struct view *view)
{
  json_t *threads = json_array();

  for (size_t i = 0; i < view->nthreads; i++) {
    const struct thread_view *t = &view->threads[i];
    json_t *thread = json_object();
    put(thread, "thread", t->thread);
    put_string(thread, "name", t->name);
    put(thread, "cached_bytes", t->bytes);
    put(thread, "cached_objects", t->objects);
    put(thread, "capacity_bytes", t->capacity);
    put(thread, "held_bytes", t->held);
    put(thread, "refills", t->traffic.refills);
    put(thread, "flushes", t->traffic.flushes);
    json_array_append_new(threads, thread);
  }
  return threads;
}

static json_t *
make_options(const struct view *view)
{
  json_t *options = json_object();

  for (int id = 0; id < OPTION_COUNT; id++) {
    json_t *option;
    if (!view->options[id].known)
      continue;
    option = json_object();
    put(option, "value", view->options[id].value);
    put_string(option, "source", option_sources[view->options[id].source]);
    json_object_set_new(options, option_names[id], option);
  }
  return options;
}

static double
seconds_since_1970(void)
{
  struct timespec now;

  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static json_t *
make_document(const struct target *target, const struct view *view,
              const struct heap_view *heap)
{
  json_t *root = json_object();

  put(root, "schema", JSON_SCHEMA);
  put_string(root, "version", PACKAGE_VERSION);
  put_string(root, "library", target->page.library);
  json_object_set_new(root, "time", json_real(seconds_since_1970()));
  json_object_set_new(root, "pid",
                      target->core != NULL ? json_null()
                                           : json_integer(target->pid));
  put_string(root, "command", target->command);
  json_object_set_new(root, "exact", json_boolean(view->exact));
  put_stats(root, &view->stats);
  put_heap(root, &view->stats, heap);
  json_object_set_new(root, "counters", make_counters(view));
  json_object_set_new(root, "classes", make_classes(view));
  json_object_set_new(root, "threads", make_threads(view));
  json_object_set_new(root, "options", make_options(view));
  return root;
}

char *
json_text(const struct target *target, const struct view *view,
          const struct heap_view *heap)
{
  json_t *root = make_document(target, view, heap);
  char *text = json_dumps(root, JSON_COMPACT);

  json_decref(root);
  if (text == NULL)
    complain("the JSON document could not be made");
  return text;
}

enum status
json_write(const struct target *target, const struct view *view,
           const struct heap_view *heap)
{
  json_t *root = make_document(target, view, heap);
  bool written = json_dumpf(root, stdout, JSON_COMPACT) == 0;

  putchar('\n');
  json_decref(root);
  if (written)
    return STATUS_OK;
  complain("the JSON document could not be made");
  return STATUS_FAILED;
}

struct tally {
  json_t *root;
};

struct tally *
tally_read(const char *path, enum status *status)
{
  struct tally *tally = calloc(1, sizeof *tally);
  json_error_t error;

  if (tally == NULL)
    return NULL;
  tally->root = json_load_file(path, JSON_DISABLE_EOF_CHECK, &error);
  if (json_is_object(tally->root))
    return tally;
  complain("%s: %s", path,
           tally->root != NULL ? "not a document of tcm-stat --json"
                               : error.text);
  *status = STATUS_FAILED;
  tally_free(tally);
  return NULL;
}

enum status
tally_read_all(const char *path, tally_sink *add, void *to)
{
  FILE *file = fopen(path, "re");
  struct tally tally;
  json_error_t error;
  bool goes_on = true;
  int next;

  if (file == NULL) {
    complain("%s: %s", path, strerror(errno));
    return STATUS_FAILED;
  }
  while (goes_on && (next = getc(file)) != EOF) {
    if (isspace(next))
      continue;
    ungetc(next, file);
    tally.root = json_loadf(file, JSON_DISABLE_EOF_CHECK, &error);
    if (!json_is_object(tally.root)) {
      complain("%s: %s", path,
               tally.root != NULL ? "not a document of tcm-stat --json"
                                  : error.text);
      json_decref(tally.root);
      fclose(file);
      return STATUS_FAILED;
    }
    goes_on = add(to, &tally);
    json_decref(tally.root);
  }
  fclose(file);
  return STATUS_OK;
}

double
tally_time(const struct tally *tally)
{
  return json_number_value(json_object_get(tally->root, "time"));
}

uint64_t
tally_get(const struct tally *tally, const char *name, bool *there)
{
  json_t *value = json_object_get(tally->root, name);

  if (value == NULL)
    value = json_object_get(json_object_get(tally->root, "counters"), name);
  *there = json_is_integer(value);
  return *there ? (uint64_t)json_integer_value(value) : 0;
}

static uint64_t
member(const json_t *object, const char *name)
{
  json_int_t value = json_integer_value(json_object_get(object, name));

  return value > 0 ? (uint64_t)value : 0;
}

size_t
tally_classes(const struct tally *tally, struct class_stats *classes)
{
  const json_t *array = json_object_get(tally->root, "classes");
  size_t n = json_array_size(array);

  if (n > SIZE_CLASS_COUNT)
    n = SIZE_CLASS_COUNT;
  for (size_t i = 0; i < n; i++) {
    const json_t *class = json_array_get(array, i);
    classes[i] = (struct class_stats){
        .size = member(class, "size_bytes"),
        .spans = member(class, "spans"),
        .span_bytes = member(class, "span_bytes"),
        .live = member(class, "live"),
        .free_central = member(class, "free_central"),
        .free_transfer = member(class, "free_transfer"),
        .free_thread = member(class, "free_thread"),
        .clean_bytes = member(class, "clean_bytes"),
    };
  }
  return n;
}

void
tally_free(struct tally *tally)
{
  json_decref(tally->root);
  free(tally);
}
#else
static void
complain_of_lack(void)
{
  complain("this tcm-stat was built without jansson: it neither writes nor "
           "reads JSON");
}

enum status
json_write(const struct target *target, const struct view *view,
           const struct heap_view *heap)
{
  (void)target;
  (void)view;
  (void)heap;
  complain_of_lack();
  return STATUS_FAILED;
}

char *
json_text(const struct target *target, const struct view *view,
          const struct heap_view *heap)
{
  (void)json_write(target, view, heap);
  return NULL;
}

struct tally *
tally_read(const char *path, enum status *status)
{
  (void)path;
  complain_of_lack();
  *status = STATUS_FAILED;
  return NULL;
}

enum status
tally_read_all(const char *path, tally_sink *add, void *to)
{
  enum status status;

  (void)add;
  (void)to;
  (void)tally_read(path, &status);
  return status;
}

double
tally_time(const struct tally *tally)
{
  (void)tally;
  return 0;
}

uint64_t
tally_get(const struct tally *tally, const char *name, bool *there)
{
  (void)tally;
  (void)name;
  *there = false;
  return 0;
}

size_t
tally_classes(const struct tally *tally, struct class_stats *classes)
{
  (void)tally;
  (void)classes;
  return 0;
}

void
tally_free(struct tally *tally)
{
  (void)tally;
}
#endif
