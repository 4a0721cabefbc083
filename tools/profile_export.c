/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the profile as JSON, and as pprof's profile.proto.  A message there is
 * a list of fields: each is its number, then a varint or a length and bytes.
 */
#include "profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef HAVE_JANSSON
#include <jansson.h>
#endif
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#ifdef HAVE_JANSSON
static json_t *
stack_json(const struct stack_view *stack, struct symbols *symbols)
{
  json_t *frames = json_array(), *lifetimes = json_array(), *object;

  for (uint32_t i = 0; i < stack->depth; i++) {
    const struct names *names = symbols_find(symbols, stack->pcs[i]);
    for (unsigned k = 0; k < names->count; k++) {
      json_t *name = json_string(names->name[k]);
      json_array_append_new(frames, name != NULL ? name : json_string("?"));
    }
  }
  for (unsigned i = 0; i < PROFILE_LIFETIMES; i++)
    json_array_append_new(lifetimes, json_integer(stack->lifetimes[i]));
  object = json_pack(
      "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:o,s:o}", "live_bytes",
      (json_int_t)stack->live, "live_blocks", (json_int_t)stack->live_blocks,
      "peak_bytes", (json_int_t)stack->peak, "peak_blocks",
      (json_int_t)stack->peak_blocks, "allocated_bytes",
      (json_int_t)stack->allocated, "allocated_blocks",
      (json_int_t)stack->allocated_blocks, "freed_bytes",
      (json_int_t)stack->freed, "growth_bytes", (json_int_t)stack->growth,
      "samples", (json_int_t)stack->samples, "whole", (int)stack->whole,
      "lifetimes", lifetimes, "frames", frames);
  if (settings.pinned)
    json_object_set_new(object, "pinned_bytes",
                        json_integer((json_int_t)stack->pinned));
  return object;
}

enum status
profile_json(const struct target *target, const struct profile_view *view,
             struct symbols *symbols)
{
  json_t *stacks = json_array(), *root;

  for (size_t i = 0; i < view->nstacks; i++)
    json_array_append_new(stacks, stack_json(&view->stacks[i], symbols));
  root =
      json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "pid", (json_int_t)target->pid,
                "profile_bytes", (json_int_t)view->mean, "samples",
                (json_int_t)view->samples, "lost", (json_int_t)view->lost,
                "peak_bytes", (json_int_t)view->peak, "metadata_bytes",
                (json_int_t)view->metadata, "stacks", stacks);
  if (root == NULL)
    return STATUS_FAILED;
  if (settings.pinned)
    json_object_set_new(root, "pinned_bytes",
                        json_integer((json_int_t)view->pinned));
  json_dumpf(root, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(root);
  return STATUS_OK;
}
#else
enum status
profile_json(const struct target *target, const struct profile_view *view,
             struct symbols *symbols)
{
  (void)target;
  (void)view;
  (void)symbols;
  complain("this tcm-stat was built without jansson, and so without JSON");
  return STATUS_USAGE;
}
#endif

/* ---- profile.proto ------------------------------------------------------- */
struct bytes {
  unsigned char *data;
  size_t length;
  size_t room;
};

static void
put_bytes(struct bytes *to, const void *data, size_t length)
{
  if (to->length + length > to->room) {
    to->room = 2 * (to->length + length) + 64;
    to->data = realloc(to->data, to->room);
    if (to->data == NULL)
      abort();
  }
  if (length > 0)
    memcpy(to->data + to->length, data, length);
  to->length += length;
}

static void
put_varint(struct bytes *to, uint64_t value)
{
  unsigned char byte;

  do {
    byte = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    put_bytes(to, &byte, 1);
    value >>= 7;
  } while (value != 0);
}

static void
put_number(struct bytes *to, unsigned field, uint64_t value)
{
  put_varint(to, field << 3);
  put_varint(to, value);
}

static void
put_message(struct bytes *to, unsigned field, struct bytes *message)
{
  put_varint(to, field << 3 | 2);
  put_varint(to, message->length);
  put_bytes(to, message->data, message->length);
  message->length = 0;
}

/* Strings, functions and locations are referred to by number. */
struct pprof {
  struct bytes all;
  struct bytes part;
  struct bytes line;
  char **strings;
  size_t nstrings;
  uintptr_t *locations;
  size_t nlocations;
  uint64_t nfunctions;
  const struct mappings *mappings;
  bool *has_names; /* per mapping: some of its code has names */
};

static uint64_t
string_number(struct pprof *p, const char *text)
{
  for (size_t i = 0; i < p->nstrings; i++)
    if (strcmp(p->strings[i], text) == 0)
      return i;
  p->strings = realloc(p->strings, (p->nstrings + 1) * sizeof *p->strings);
  if (p->strings == NULL || (p->strings[p->nstrings] = strdup(text)) == NULL)
    abort();
  return p->nstrings++;
}

static void
put_type(struct pprof *p, unsigned field, const char *type, const char *unit)
{
  put_number(&p->part, 1, string_number(p, type));
  put_number(&p->part, 2, string_number(p, unit));
  put_message(&p->all, field, &p->part);
}

/* The number of the mapping that holds the code, or 0. */
static uint64_t
mapping_number(const struct pprof *p, uintptr_t pc)
{
  const struct mapping *mapping = mappings_find(p->mappings, pc);

  return mapping == NULL || mapping->path[0] != '/' || !mapping->code
             ? 0
             : (uint64_t)(mapping - p->mappings->list) + 1;
}

/* Writes a location, with a separate function for each of its names. */
static void
put_location(struct pprof *p, uintptr_t pc, struct symbols *symbols)
{
  const struct names *names = symbols_find(symbols, pc);
  uint64_t mapping = mapping_number(p, pc - 1);

  if (mapping != 0 && names->found)
    p->has_names[mapping - 1] = true;
  for (unsigned k = 0; k < names->count; k++) {
    put_number(&p->part, 1, p->nfunctions + k + 1);
    put_number(&p->part, 2, string_number(p, names->name[k]));
    if (k == 0 && names->file != NULL)
      put_number(&p->part, 4, string_number(p, names->file));
    put_message(&p->all, 5, &p->part);
  }
  put_number(&p->part, 1, p->nlocations);
  if (mapping != 0)
    put_number(&p->part, 2, mapping);
  put_number(&p->part, 3, pc - 1);
  for (unsigned k = 0; k < names->count; k++) {
    put_number(&p->line, 1, ++p->nfunctions);
    if (k == 0 && names->line > 0)
      put_number(&p->line, 2, (uint64_t)names->line);
    put_message(&p->part, 4, &p->line);
  }
  put_message(&p->all, 4, &p->part);
}

static uint64_t
location_number(struct pprof *p, uintptr_t pc, struct symbols *symbols)
{
  for (size_t i = 0; i < p->nlocations; i++)
    if (p->locations[i] == pc)
      return i + 1;
  p->locations =
      realloc(p->locations, (p->nlocations + 1) * sizeof *p->locations);
  if (p->locations == NULL)
    abort();
  p->locations[p->nlocations++] = pc;
  put_location(p, pc, symbols);
  return p->nlocations;
}

static void
put_sample(struct pprof *p, const struct stack_view *stack,
           struct symbols *symbols)
{
  const uint64_t values[] = {stack->allocated_blocks, stack->allocated,
                             stack->live_blocks, stack->live};
  uint64_t *numbers = calloc(stack->depth + 1, sizeof *numbers);

  if (numbers == NULL)
    abort();
  for (uint32_t i = 0; i < stack->depth; i++)
    numbers[i] = location_number(p, stack->pcs[i], symbols);
  for (uint32_t i = 0; i < stack->depth; i++)
    put_number(&p->part, 1, numbers[i]);
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    put_number(&p->part, 2, values[i]);
  put_message(&p->all, 2, &p->part);
  free(numbers);
}

/* Writes all mappings of code, whether or not a stack uses them.  If a mapping
 * has names, pprof does not look them up again. */
static void
put_mappings(struct pprof *p)
{
  for (size_t i = 0; i < p->mappings->n; i++) {
    const struct mapping *mapping = &p->mappings->list[i];
    if (mapping->path[0] != '/' || !mapping->code)
      continue;
    put_number(&p->part, 1, i + 1);
    put_number(&p->part, 2, mapping->start);
    put_number(&p->part, 3, mapping->end);
    put_number(&p->part, 4, mapping->offset);
    put_number(&p->part, 5, string_number(p, mapping->path));
    put_number(&p->part, 6, string_number(p, mapping->build_id));
    put_number(&p->part, 7, p->has_names[i]);
    put_message(&p->all, 3, &p->part);
  }
}

static bool
write_file(const struct bytes *all, const char *path)
{
  bool done;
#ifdef HAVE_ZLIB
  gzFile file = gzopen(path, "wbe");

  if (file == NULL)
    return false;
  done = gzwrite(file, all->data, (unsigned)all->length) == (int)all->length;
  return gzclose(file) == Z_OK && done;
#else
  FILE *file = fopen(path, "wbe");

  if (file == NULL)
    return false;
  done = fwrite(all->data, 1, all->length, file) == all->length;
  return fclose(file) == 0 && done;
#endif
}

enum status
profile_pprof(const struct target *target, const struct profile_view *view,
              struct symbols *symbols, const char *path)
{
  struct pprof p = {.mappings = symbols_mappings(symbols)};
  bool done;

  (void)target;
  p.has_names = calloc(p.mappings->n + 1, sizeof *p.has_names);
  if (p.has_names == NULL)
    abort();
  (void)string_number(&p, "");
  put_type(&p, 1, "alloc_objects", "count");
  put_type(&p, 1, "alloc_space", "bytes");
  put_type(&p, 1, "inuse_objects", "count");
  put_type(&p, 1, "inuse_space", "bytes");
  for (size_t i = 0; i < view->nstacks; i++)
    put_sample(&p, &view->stacks[i], symbols);
  put_mappings(&p);
  put_number(&p.all, 9, (uint64_t)time(NULL) * 1000000000);
  put_type(&p, 11, "space", "bytes");
  put_number(&p.all, 12, view->mean);
  put_number(&p.all, 14, string_number(&p, "inuse_space"));
  for (size_t i = 0; i < p.nstrings; i++) {
    put_varint(&p.all, 6 << 3 | 2);
    put_varint(&p.all, strlen(p.strings[i]));
    put_bytes(&p.all, p.strings[i], strlen(p.strings[i]));
    free(p.strings[i]);
  }
  done = write_file(&p.all, path);
  free(p.strings);
  free(p.locations);
  free(p.has_names);
  free(p.all.data);
  free(p.part.data);
  free(p.line.data);
  if (done)
    return STATUS_OK;
  complain("%s cannot be written", path);
  return STATUS_FAILED;
}
