/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pack.c - converts a recorded trace into one that can be played, and computes
 * its limit.
 *
 *     pack RAW PACKED [EVENTS]
 *
 * An epoch has EVENTS events.  One line reports the operations of the trace and
 * the peak of its live bytes, below which no allocator can stay.
 */
#include "plan.h"
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_EVENTS 16384
#define NONE UINT32_MAX

/* One event of the raw file, at the index of its sequence number. */
struct event {
  uint64_t address, size;
  uint32_t thread;
  unsigned char kind, align_log;
  unsigned char shared; /* another thread frees the object it creates */
  unsigned char last;   /* of its thread */
};

struct object {
  uint64_t size;
  struct place place;
  uint32_t thread; /* that allocated it */
  int shared;
};

struct vector {
  void *items;
  size_t count, room;
};

/* What one thread does.  It reuses the arena of a thread that ended in an
 * earlier epoch, if there is one. */
struct stream {
  struct vector ops, places;
  struct vector ids, shared_ids; /* free ids, for the two kinds of objects */
  uint32_t realloc_id;           /* of the object being resized */
  uint64_t realloc_address;
  uint64_t epoch, first_epoch;
  uint32_t arena; /* NONE before its first object */
};

struct live {
  uint64_t address; /* 0: empty */
  uint32_t id;
};

struct pack {
  struct event *events;
  uint64_t nevents;
  uint32_t *numbers; /* of threads, by the number in the raw file */
  struct stream *streams;
  struct vector objects; /* by id */
  struct vector given;   /* freed shared ids, until the next epoch */
  struct vector arenas;  /* arenas whose threads have ended */
  struct vector ended;   /* the same, until the next epoch */
  uint32_t narenas;
  struct vector crew; /* threads of each epoch */
  struct live *table; /* open addressing, a power of two */
  uint64_t table_size, nlive;
  struct plan *plan;
  uint64_t epoch_events, epoch;
  uint64_t live_bytes, live_requested;
  struct trace_head head;
  uint32_t peak_thread;
  uint64_t peak_op;
};

static void
fail(const char *what)
{
  fprintf(stderr, "pack: %s\n", what);
  exit(1);
}

static void *
must(void *p)
{
  if (p == NULL)
    fail("out of memory");
  return p;
}

static void *
vector_add(struct vector *vector, size_t item_size)
{
  if (vector->count == vector->room) {
    vector->room = vector->room ? 2 * vector->room : 64;
    vector->items = must(realloc(vector->items, vector->room * item_size));
  }
  return (char *)vector->items + vector->count++ * item_size;
}

static unsigned char *
read_file(const char *path, size_t *length)
{
  FILE *file = fopen(path, "rb");
  unsigned char *text;
  if (file == NULL || fseek(file, 0, SEEK_END) != 0)
    fail("cannot read the recorded file");
  *length = (size_t)ftell(file);
  rewind(file);
  text = must(malloc(*length + 1));
  if (fread(text, 1, *length, file) != *length)
    fail("cannot read the recorded file");
  fclose(file);
  return text;
}

static uint64_t
get_number(const unsigned char **at)
{
  uint64_t value = 0;
  unsigned shift = 0;
  do
    value |= (uint64_t)(**at & 127) << shift;
  while (shift += 7, *(*at)++ >= 128 && shift < 64);
  return value;
}

static void
decode_chunk(struct pack *pack, const struct trace_chunk *chunk,
             const unsigned char *at)
{
  uint64_t sequence = chunk->sequence, address = 0;
  for (uint32_t i = 0; i < chunk->nevents; i++) {
    struct event event = {.thread = chunk->thread, .kind = *at++};
    uint64_t step;
    sequence += get_number(&at);
    step = get_number(&at);
    address += step >> 1 ^ -(step & 1);
    event.address = address;
    if (event.kind != TRACE_FREE && event.kind != TRACE_REALLOC_BEGIN)
      event.size = get_number(&at);
    if (event.kind == TRACE_ALIGNED)
      event.align_log = (unsigned char)get_number(&at);
    if (sequence >= pack->nevents)
      fail("a sequence number too high");
    pack->events[sequence] = event;
  }
}

static void
decode(struct pack *pack, const unsigned char *text, size_t length)
{
  struct trace_chunk chunk;
  uint64_t last = 0;
  uint32_t nthreads = 0;
  for (size_t at = 0; at < length; at += sizeof chunk + chunk.bytes) {
    memcpy(&chunk, text + at, sizeof chunk);
    if (chunk.magic != TRACE_CHUNK_MAGIC ||
        length - at - sizeof chunk < chunk.bytes)
      fail("not a whole recorded file");
    last += chunk.nevents;
    if (nthreads <= chunk.thread)
      nthreads = chunk.thread + 1;
  }
  /* Events that a killed process did not write leave holes; allow for them. */
  pack->nevents = last + last / 2 + 65536;
  pack->events = must(calloc(pack->nevents, sizeof *pack->events));
  for (size_t at = 0; at < length; at += sizeof chunk + chunk.bytes) {
    memcpy(&chunk, text + at, sizeof chunk);
    decode_chunk(pack, &chunk, text + at + sizeof chunk);
  }
  pack->numbers = must(malloc((nthreads + 1) * sizeof *pack->numbers));
  pack->streams = must(calloc(nthreads + 1, sizeof *pack->streams));
  memset(pack->numbers, 255, (nthreads + 1) * sizeof *pack->numbers);
  for (uint64_t i = 0; i < pack->nevents; i++) {
    uint32_t *number = &pack->numbers[pack->events[i].thread];
    if (pack->events[i].kind != TRACE_NONE && *number == NONE) {
      *number = (uint32_t)pack->head.nthreads++;
      pack->streams[*number].realloc_id = NONE;
      pack->streams[*number].epoch = UINT64_MAX;
      pack->streams[*number].arena = NONE;
    }
  }
  pack->table_size = 1024;
  while (pack->table_size < last)
    pack->table_size *= 2;
  pack->table = must(calloc(pack->table_size, sizeof *pack->table));
}

static struct live *
table_find(struct pack *pack, uint64_t address)
{
  uint64_t mask = pack->table_size - 1;
  uint64_t at = address * UINT64_C(0x9e3779b97f4a7c15) >> 20 & mask;
  while (pack->table[at].address != 0 && pack->table[at].address != address)
    at = (at + 1) & mask;
  return &pack->table[at];
}

static void
table_put(struct pack *pack, uint64_t address, uint32_t id)
{
  struct live *live = table_find(pack, address);
  if (live->address == 0)
    pack->nlive++;
  *live = (struct live){address, id};
}

/* Removes an address and returns its id; NONE if it is not in the table. */
static uint32_t
table_take(struct pack *pack, uint64_t address)
{
  struct live *live = table_find(pack, address);
  uint64_t mask = pack->table_size - 1;
  uint64_t hole = (uint64_t)(live - pack->table);
  uint32_t id = live->id;
  if (live->address == 0)
    return NONE;
  pack->nlive--;
  *live = (struct live){0, 0};
  /* Move up the entries that collided with the removed one. */
  for (uint64_t at = (hole + 1) & mask; pack->table[at].address != 0;
       at = (at + 1) & mask) {
    struct live moved = pack->table[at];
    pack->table[at] = (struct live){0, 0};
    *table_find(pack, moved.address) = moved;
  }
  return id;
}

static struct object *
object_at(struct pack *pack, uint32_t id)
{
  return (struct object *)pack->objects.items + id;
}

static struct trace_op *
emit(struct pack *pack, uint32_t thread, uint32_t id, uint64_t word)
{
  struct stream *stream = &pack->streams[thread];
  struct trace_op *op;
  if (stream->epoch != pack->epoch) {
    if (stream->epoch == UINT64_MAX)
      stream->first_epoch = pack->epoch;
    else
      *(struct trace_op *)vector_add(&stream->ops, sizeof *op) =
          (struct trace_op){(uint32_t)pack->epoch, 0,
                            trace_word(TRACE_EPOCH, 0, 0)};
    stream->epoch = pack->epoch;
    ((uint32_t *)pack->crew.items)[pack->epoch]++;
  }
  op = vector_add(&stream->ops, sizeof *op);
  *op = (struct trace_op){id, 0, word};
  return op;
}

/* Finds the objects that are freed by another thread than the one that
 * allocated them, and the last event of each thread. */
static void
scan(struct pack *pack)
{
  uint64_t *lasts = must(calloc(pack->head.nthreads + 1, sizeof *lasts));
  for (uint64_t i = 0; i < pack->nevents; i++) {
    struct event *event = &pack->events[i];
    struct stream *stream;
    uint32_t made = NONE;
    if (event->kind == TRACE_NONE)
      continue;
    stream = &pack->streams[pack->numbers[event->thread]];
    lasts[pack->numbers[event->thread]] = i;
    if (event->kind == TRACE_FREE || event->kind == TRACE_REALLOC_BEGIN) {
      made = table_take(pack, event->address);
      if (made != NONE && pack->events[made].thread != event->thread)
        pack->events[made].shared = 1;
      stream->realloc_id = made;
      stream->realloc_address = event->address;
    } else if (event->address != 0) {
      table_put(pack, event->address, (uint32_t)i);
    } else if (event->size != 0 && stream->realloc_id != NONE) {
      table_put(pack, stream->realloc_address, stream->realloc_id);
    }
  }
  for (uint64_t i = 0; i < pack->head.nthreads; i++) {
    pack->events[lasts[i]].last = 1;
    pack->streams[i].realloc_id = NONE;
  }
  free(lasts);
  memset(pack->table, 0, pack->table_size * sizeof *pack->table);
  pack->nlive = 0;
}

static uint32_t
arena_of(struct pack *pack, struct stream *stream)
{
  if (stream->arena == NONE) {
    if (pack->arenas.count > 0)
      stream->arena = ((uint32_t *)pack->arenas.items)[--pack->arenas.count];
    else
      stream->arena = pack->narenas++;
  }
  return stream->arena;
}

/* A number for an object.  If another thread will wait for the object, no
 * earlier object in the same epoch may have had that number. */
static uint32_t
id_new(struct pack *pack, struct stream *stream, int shared)
{
  struct vector *ids = shared ? &stream->shared_ids : &stream->ids;
  if (ids->count > 0)
    return ((uint32_t *)ids->items)[--ids->count];
  vector_add(&pack->objects, sizeof(struct object));
  return (uint32_t)(pack->objects.count - 1);
}

/* Adds an object of `thread`; returns its number and updates *word. */
static uint32_t
object_new(struct pack *pack, uint32_t thread, const struct event *event,
           uint64_t *word)
{
  struct stream *stream = &pack->streams[thread];
  uint32_t id = id_new(pack, stream, event->shared);
  struct object *object = object_at(pack, id);
  *object = (struct object){
      .size = event->size,
      .place = plan_take(pack->plan, arena_of(pack, stream), event->size,
                         event->align_log),
      .thread = thread,
      .shared = event->shared,
  };
  if (object->place.fresh)
    *word |= TRACE_FRESH;
  *(uint64_t *)vector_add(&stream->places, sizeof(uint64_t)) =
      object->place.offset;
  table_put(pack, event->address, id);
  pack->head.nallocs++;
  pack->live_bytes += event->size > 0 ? (event->size + 15) / 16 * 16 : 16;
  pack->live_requested += event->size;
  return id;
}

static void
object_end(struct pack *pack, uint32_t id)
{
  const struct object *object = object_at(pack, id);
  struct vector *ids = &pack->streams[object->thread].ids;
  pack->head.nfrees++;
  pack->live_bytes -= object->size > 0 ? (object->size + 15) / 16 * 16 : 16;
  pack->live_requested -= object->size;
  plan_free(pack->plan, &object->place);
  *(uint32_t *)vector_add(object->shared ? &pack->given : ids, sizeof id) = id;
}

static uint64_t
remote(struct pack *pack, uint32_t thread, uint32_t id)
{
  return object_at(pack, id)->thread != thread ? TRACE_REMOTE : 0;
}

static void
note_peak(struct pack *pack, uint32_t thread)
{
  if (pack->live_bytes <= pack->head.peak_bytes)
    return;
  pack->head.peak_bytes = pack->live_bytes;
  pack->head.peak_requested = pack->live_requested;
  pack->head.peak_objects = pack->nlive;
  pack->peak_thread = thread;
  pack->peak_op = pack->streams[thread].ops.count;
}

static void
pack_alloc(struct pack *pack, uint32_t thread, const struct event *event)
{
  uint64_t word =
      trace_word((enum trace_kind)event->kind, event->size, event->align_log);
  uint32_t id = object_new(pack, thread, event, &word);
  emit(pack, thread, id, word);
  note_peak(pack, thread);
}

static void
pack_free(struct pack *pack, uint32_t thread, uint32_t id)
{
  emit(pack, thread, id,
       trace_word(TRACE_FREE, object_at(pack, id)->size, 0) |
           remote(pack, thread, id));
  object_end(pack, id);
}

static void
pack_realloc(struct pack *pack, uint32_t thread, const struct event *event)
{
  struct stream *stream = &pack->streams[thread];
  uint32_t old = stream->realloc_id, id;
  uint64_t old_size, word = trace_word(TRACE_REALLOC, event->size, 0);
  stream->realloc_id = NONE;
  if (event->address == 0) {
    if (old != NONE && event->size == 0)
      pack_free(pack, thread, old);
    else if (old != NONE)
      table_put(pack, stream->realloc_address, old);
    return;
  }
  if (old == NONE) {
    struct event made = *event;
    made.kind = TRACE_MALLOC;
    pack_alloc(pack, thread, &made);
    return;
  }
  old_size = object_at(pack, old)->size;
  word |= remote(pack, thread, old);
  id = object_new(pack, thread, event, &word);
  emit(pack, thread, id, word)->from = old;
  emit(pack, thread, old, trace_word(TRACE_SIZE, old_size, 0));
  object_end(pack, old);
  note_peak(pack, thread);
}

static void
pack_event(struct pack *pack, const struct event *event)
{
  uint32_t thread = pack->numbers[event->thread], id;
  struct stream *stream = &pack->streams[thread];
  switch (event->kind) {
  case TRACE_MALLOC:
  case TRACE_CALLOC:
  case TRACE_ALIGNED:
    pack_alloc(pack, thread, event);
    break;
  case TRACE_FREE:
    if ((id = table_take(pack, event->address)) == NONE)
      pack->head.nunknown++;
    else
      pack_free(pack, thread, id);
    break;
  case TRACE_REALLOC_BEGIN:
    stream->realloc_id = table_take(pack, event->address);
    stream->realloc_address = event->address;
    pack->head.nunknown += stream->realloc_id == NONE;
    break;
  case TRACE_REALLOC_END:
    pack_realloc(pack, thread, event);
    break;
  default:
    fail("an event of no known kind");
  }
}

static void
next_epoch(struct pack *pack)
{
  *(uint32_t *)vector_add(&pack->crew, sizeof(uint32_t)) = 0;
  pack->epoch = pack->crew.count - 1;
  for (size_t i = 0; i < pack->given.count; i++) {
    uint32_t id = ((uint32_t *)pack->given.items)[i];
    struct stream *stream = &pack->streams[object_at(pack, id)->thread];
    *(uint32_t *)vector_add(&stream->shared_ids, sizeof id) = id;
  }
  pack->given.count = 0;
  for (size_t i = 0; i < pack->ended.count; i++)
    *(uint32_t *)vector_add(&pack->arenas, sizeof(uint32_t)) =
        ((uint32_t *)pack->ended.items)[i];
  pack->ended.count = 0;
}

static void
end_thread(struct pack *pack, const struct stream *stream)
{
  if (stream->arena != NONE)
    *(uint32_t *)vector_add(&pack->ended, sizeof(uint32_t)) = stream->arena;
}

static void
pack_events(struct pack *pack)
{
  uint64_t done = 0;
  pack->plan = plan_new((uint32_t)pack->head.nthreads);
  next_epoch(pack);
  for (uint64_t i = 0; i < pack->nevents; i++) {
    if (pack->events[i].kind == TRACE_NONE)
      continue;
    /* A single thread needs no epochs; no epoch may be without threads. */
    if (++done % pack->epoch_events == 0 && pack->head.nthreads > 1 &&
        ((uint32_t *)pack->crew.items)[pack->epoch] > 0)
      next_epoch(pack);
    pack_event(pack, &pack->events[i]);
    if (pack->events[i].last)
      end_thread(pack, &pack->streams[pack->numbers[pack->events[i].thread]]);
  }
  if (((uint32_t *)pack->crew.items)[pack->epoch] == 0)
    pack->crew.count--;
}

/* Inserts the operation at which the replayer measures its memory. */
static void
mark_peak(struct pack *pack)
{
  struct stream *stream = &pack->streams[pack->peak_thread];
  struct trace_op *ops;
  if (pack->head.peak_bytes == 0)
    return;
  vector_add(&stream->ops, sizeof *ops);
  ops = stream->ops.items;
  memmove(ops + pack->peak_op + 1, ops + pack->peak_op,
          (stream->ops.count - 1 - pack->peak_op) * sizeof *ops);
  ops[pack->peak_op] = (struct trace_op){0, 0, trace_word(TRACE_PEAK, 0, 0)};
}

static void
put(FILE *file, const void *items, size_t size, size_t count)
{
  if (count > 0 && fwrite(items, size, count, file) != count)
    fail("cannot write the packed file");
}

static void
write_packed(struct pack *pack, const char *path)
{
  struct trace_head *head = &pack->head;
  FILE *file = fopen(path, "wb");
  if (file == NULL)
    fail("cannot write the packed file");
  head->magic = TRACE_PACK_MAGIC;
  head->nepochs = pack->crew.count;
  head->nids = pack->objects.count;
  head->plan_bytes = plan_bytes(pack->plan);
  head->nleft = head->nallocs - head->nfrees;
  for (uint64_t i = 0; i < head->nthreads; i++) {
    head->nops += pack->streams[i].ops.count;
    head->nplaces += pack->streams[i].places.count;
  }
  put(file, head, sizeof *head, 1);
  for (uint64_t i = 0, op = 0, place = 0; i < head->nthreads; i++) {
    const struct stream *stream = &pack->streams[i];
    struct trace_thread thread = {op, stream->ops.count, place,
                                  stream->first_epoch};
    put(file, &thread, sizeof thread, 1);
    op += stream->ops.count;
    place += stream->places.count;
  }
  put(file, pack->crew.items, sizeof(uint32_t), pack->crew.count);
  for (uint64_t i = 0; i < head->nthreads; i++)
    put(file, pack->streams[i].ops.items, sizeof(struct trace_op),
        pack->streams[i].ops.count);
  for (uint64_t i = 0; i < head->nthreads; i++)
    put(file, pack->streams[i].places.items, sizeof(uint64_t),
        pack->streams[i].places.count);
  if (fclose(file) != 0)
    fail("cannot write the packed file");
}

int
main(int argc, char **argv)
{
  static struct pack pack;
  const struct trace_head *head = &pack.head;
  size_t length;
  unsigned char *text;
  if (argc < 3 || argc > 4) {
    fprintf(stderr, "usage: pack RAW PACKED [EVENTS]\n");
    return 1;
  }
  pack.epoch_events = argc > 3 ? strtoull(argv[3], NULL, 10) : EPOCH_EVENTS;
  if (pack.epoch_events == 0)
    fail("an epoch has at least one event");
  text = read_file(argv[1], &length);
  decode(&pack, text, length);
  free(text);
  scan(&pack);
  pack_events(&pack);
  mark_peak(&pack);
  write_packed(&pack, argv[2]);
  printf("threads=%" PRIu64 " epochs=%" PRIu64 " allocs=%" PRIu64
         " frees=%" PRIu64 " left=%" PRIu64 " unknown=%" PRIu64
         " peak_bytes=%" PRIu64 " peak_requested=%" PRIu64
         " peak_objects=%" PRIu64 " plan_bytes=%" PRIu64 "\n",
         head->nthreads, head->nepochs, head->nallocs, head->nfrees,
         head->nleft, head->nunknown, head->peak_bytes, head->peak_requested,
         head->peak_objects, head->plan_bytes);
  return 0;
}
