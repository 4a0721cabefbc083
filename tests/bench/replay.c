/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay.c - plays a packed trace on whatever allocator serves the process.
 *
 *     replay PACKED [mode=malloc|null] [repeat=N] [touch=none|word|lines]
 *            [writes=N]
 *
 *   mode    null: no allocator.  Each address is read from the trace's plan, a
 *           free does nothing, a realloc copies nothing, and no page is new.
 *           This is the minimum that the trace can cost.
 *   repeat  how often to play it, each time from an empty heap
 *   touch   what to write of a new object: nothing, its first word, or each
 *           cache line (the default); the word is compared before a free
 *   writes  the number of further writes to the last byte of each new object;
 *           they are slow if another processor writes to the same cache line
 *
 * The threads and their order are those of trace.h.  Objects that the trace
 * never frees are freed at the end; this is not timed.
 */
#include "process.h"
#include "trace.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#define CACHE_LINE 64
#define SPINS 100 /* checks for an object that is not there yet, then yields */

enum touch { TOUCH_NONE, TOUCH_WORD, TOUCH_LINES };

/* One thread of the trace. */
struct player {
  const struct trace_op *op, *end;
  const uint64_t *place;
  uint64_t epoch; /* the first, then the current one */
  pthread_t id;
};

static struct replay {
  const struct trace_head *head;
  const struct trace_thread *threads;
  const uint32_t *crew;
  const struct trace_op *ops;
  const uint64_t *places;
  struct player *players;
  _Atomic(void *) *slots; /* the objects, by number */
  char *base;             /* of the planned addresses */
  long peak_kib;
  bool null;
  enum touch touch;
  uint64_t writes, repeat;

  pthread_mutex_t lock;
  pthread_cond_t opened;
  uint32_t *left; /* threads that have not yet ended an epoch, under lock */
  uint64_t open;  /* the epoch that may be played, under lock */
} replay = {.touch = TOUCH_LINES,
            .repeat = 1,
            .lock = PTHREAD_MUTEX_INITIALIZER,
            .opened = PTHREAD_COND_INITIALIZER};

void
die(const char *what)
{
  fprintf(stderr, "replay: %s\n", what);
  exit(1);
}

static uint64_t
label_of(uint32_t id)
{
  return (id + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Writes a new object, or the part from `old_size` on of a grown one. */
static inline void
object_write(char *p, uint32_t id, uint64_t old_size, uint64_t size)
{
  uint64_t label = label_of(id);
  if (replay.touch == TOUCH_NONE)
    return;
  if (size >= sizeof label)
    memcpy(p, &label, sizeof label);
  else if (size > 0)
    *(volatile char *)p = 1;
  if (replay.touch == TOUCH_LINES)
    for (uint64_t i = (old_size | (CACHE_LINE - 1)) + 1; i < size;
         i += CACHE_LINE)
      *(volatile char *)(p + i) = 1;
  for (uint64_t i = 0; i < replay.writes; i++)
    ++*(volatile char *)(p + (size > 0 ? size - 1 : 0));
}

static inline void
object_check(const char *p, uint32_t id, uint64_t size)
{
  uint64_t label;
  if (replay.touch == TOUCH_NONE || replay.writes != 0 || size < sizeof label)
    return;
  memcpy(&label, p, sizeof label);
  if (label != label_of(id))
    die("an object changed while it was in use");
}

static inline void
object_put(uint32_t id, void *p)
{
  atomic_store_explicit(&replay.slots[id], p, memory_order_release);
}

/* Takes the object, once it is there; its number may then be reused. */
static inline char *
object_take(uint32_t id, bool remote)
{
  void *p = atomic_load_explicit(&replay.slots[id], memory_order_acquire);
  if (remote)
    for (unsigned spins = 0; p == NULL; spins++) {
      if (spins >= SPINS)
        sched_yield();
      p = atomic_load_explicit(&replay.slots[id], memory_order_acquire);
    }
  atomic_store_explicit(&replay.slots[id], NULL, memory_order_relaxed);
  return p;
}

static void start_threads(uint64_t epoch);

static void
epoch_leave(uint64_t epoch)
{
  pthread_mutex_lock(&replay.lock);
  if (--replay.left[epoch] == 0 && epoch == replay.open) {
    while (replay.open < replay.head->nepochs && replay.left[replay.open] == 0)
      start_threads(++replay.open);
    pthread_cond_broadcast(&replay.opened);
  }
  pthread_mutex_unlock(&replay.lock);
}

static void
epoch_enter(uint64_t epoch)
{
  pthread_mutex_lock(&replay.lock);
  while (replay.open < epoch)
    pthread_cond_wait(&replay.opened, &replay.lock);
  pthread_mutex_unlock(&replay.lock);
}

static inline void *
object_make(struct player *player, const struct trace_op *op, bool null)
{
  uint64_t size = trace_size(op);
  enum trace_kind kind = trace_kind(op);
  void *p;
  if (null) {
    p = replay.base + *player->place++;
    if (kind == TRACE_CALLOC && !(op->word & TRACE_FRESH))
      memset(p, 0, size);
  } else if (kind == TRACE_MALLOC) {
    p = malloc(size);
  } else if (kind == TRACE_CALLOC) {
    p = calloc(1, size);
  } else {
    size_t alignment = (size_t)1 << trace_align_log(op);
    if (alignment < sizeof(void *))
      alignment = sizeof(void *);
    if (posix_memalign(&p, alignment, size) != 0)
      p = NULL;
  }
  if (p == NULL)
    die("out of memory");
  return p;
}

static inline void
object_resize(struct player *player, const struct trace_op *op, bool null)
{
  uint64_t size = trace_size(op), old_size = trace_size(op + 1);
  char *p = object_take(op->from, op->word & TRACE_REMOTE);
  if (null) {
    p = replay.base + *player->place++;
  } else {
    if ((p = realloc(p, size)) == NULL)
      die("out of memory");
    object_check(p, op->from, old_size < size ? old_size : size);
  }
  object_write(p, op->id, old_size, size);
  object_put(op->id, p);
}

static inline __attribute__((always_inline)) void
play(struct player *player, bool null)
{
  for (const struct trace_op *op = player->op; op < player->end; op++) {
    char *p;
    switch (trace_kind(op)) {
    case TRACE_MALLOC:
    case TRACE_CALLOC:
    case TRACE_ALIGNED:
      p = object_make(player, op, null);
      object_write(p, op->id, 0, trace_size(op));
      object_put(op->id, p);
      break;
    case TRACE_FREE:
      p = object_take(op->id, op->word & TRACE_REMOTE);
      if (!null) {
        object_check(p, op->id, trace_size(op));
        free(p);
      }
      break;
    case TRACE_REALLOC:
      object_resize(player, op, null);
      break;
    case TRACE_EPOCH:
      epoch_leave(player->epoch);
      player->epoch = op->id;
      epoch_enter(player->epoch);
      break;
    case TRACE_PEAK:
      replay.peak_kib = resident_kib();
      break;
    default:
      break;
    }
  }
}

static void *
player_main(void *arg)
{
  struct player *player = arg;
  if (replay.null)
    play(player, true);
  else
    play(player, false);
  epoch_leave(player->epoch);
  return NULL;
}

/* Starts the threads whose first operation is in the epoch.  Thread 0 is the
 * one that runs main(). */
static void
start_threads(uint64_t epoch)
{
  for (uint64_t i = 1; i < replay.head->nthreads; i++)
    if (replay.threads[i].nops > 0 && replay.threads[i].first_epoch == epoch &&
        pthread_create(&replay.players[i].id, NULL, player_main,
                       &replay.players[i]) != 0)
      die("cannot start a thread");
}

static void
play_once(void)
{
  const struct trace_head *head = replay.head;
  for (uint64_t i = 0; i < head->nthreads; i++)
    replay.players[i] = (struct player){
        .op = replay.ops + replay.threads[i].first_op,
        .end = replay.ops + replay.threads[i].first_op + replay.threads[i].nops,
        .place = replay.places + replay.threads[i].first_place,
        .epoch = replay.threads[i].first_epoch};
  for (uint64_t i = 0; i < head->nepochs; i++)
    replay.left[i] = replay.crew[i];
  replay.open = 0;
  start_threads(0);
  if (replay.threads[0].nops > 0) {
    epoch_enter(replay.players[0].epoch);
    player_main(&replay.players[0]);
  }
  epoch_enter(head->nepochs);
  for (uint64_t i = 1; i < head->nthreads; i++)
    if (replay.threads[i].nops > 0)
      pthread_join(replay.players[i].id, NULL);
}

/* Frees the objects that the trace never frees; returns their number. */
static uint64_t
clear(void)
{
  uint64_t count = 0;
  for (uint64_t i = 0; i < replay.head->nids; i++) {
    void *p = atomic_load(&replay.slots[i]);
    if (p == NULL)
      continue;
    count++;
    atomic_store(&replay.slots[i], NULL);
    if (!replay.null)
      free(p);
  }
  return count;
}

static void
load(const char *path)
{
  struct stat status;
  char *text;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0)
    die("cannot read the packed file");
  text = map_new((size_t)status.st_size);
  for (off_t done = 0; done < status.st_size;) {
    ssize_t part = read(fd, text + done, (size_t)(status.st_size - done));
    if (part <= 0)
      die("cannot read the packed file");
    done += part;
  }
  close(fd);
  replay.head = (const void *)text;
  if ((size_t)status.st_size < sizeof *replay.head ||
      replay.head->magic != TRACE_PACK_MAGIC)
    die("not a packed file");
  replay.threads = (const void *)(replay.head + 1);
  replay.crew = (const void *)(replay.threads + replay.head->nthreads);
  text = (char *)(replay.crew + replay.head->nepochs);
  replay.ops = (const void *)text;
  replay.places = (const void *)(replay.ops + replay.head->nops);
}

/* Maps everything that the run needs in addition to the objects, and writes to
 * it, so that it is resident before the run. */
static void
prepare(void)
{
  size_t slots = replay.head->nids * sizeof *replay.slots;
  size_t players = replay.head->nthreads * sizeof *replay.players;
  size_t left = replay.head->nepochs * sizeof *replay.left;
  memset((void *)(replay.slots = map_new(slots)), 0, slots);
  memset(replay.players = map_new(players), 0, players);
  memset(replay.left = map_new(left), 0, left);
}

static void
option(const char *text)
{
  const char *value = strchr(text, '=');
  size_t length = value != NULL ? (size_t)(value++ - text) : 0;
  if (length == 4 && strncmp(text, "mode", length) == 0)
    replay.null = strcmp(value, "null") == 0;
  else if (length == 5 && strncmp(text, "touch", length) == 0)
    replay.touch = strcmp(value, "none") == 0   ? TOUCH_NONE
                   : strcmp(value, "word") == 0 ? TOUCH_WORD
                                                : TOUCH_LINES;
  else if (length == 6 && strncmp(text, "repeat", length) == 0)
    replay.repeat = number(value);
  else if (length == 6 && strncmp(text, "writes", length) == 0)
    replay.writes = number(value);
  else
    die("no such option");
}

int
main(int argc, char **argv)
{
  double seconds = 0;
  long base_kib, present_kib;
  uint64_t left = 0;
  if (argc < 2)
    die("usage: replay PACKED [NAME=VALUE...]");
  for (int i = 2; i < argc; i++)
    option(argv[i]);
  load(argv[1]);
  prepare();
  base_kib = resident_kib();
  if (replay.null) {
    replay.base = map_new(replay.head->plan_bytes);
    memset(replay.base, 0, replay.head->plan_bytes);
  }
  for (uint64_t i = 0; i < replay.repeat; i++) {
    double start = now_seconds();
    play_once();
    seconds += now_seconds() - start;
    present_kib = resident_kib();
    if (present_kib > replay.peak_kib)
      replay.peak_kib = present_kib;
    left = clear();
  }
  present_kib = peak_resident_kib();
  printf("ops=%" PRIu64 " seconds=%.9f base_kib=%ld peak_kib=%ld left=%" PRIu64
         " malloc=%s\n",
         (replay.head->nallocs + replay.head->nfrees) * replay.repeat, seconds,
         base_kib,
         present_kib > replay.peak_kib ? present_kib : replay.peak_kib, left,
         allocator_object());
  return 0;
}
