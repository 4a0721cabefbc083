/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads whose first allocation happens inside pthread_setspecific(): with
 * many keys, libc allocates memory for the values of some.  When these threads
 * end, new threads must adopt their caches.  The program runs itself again to
 * create its keys before anything is allocated:
 *   --first  before the constructors of the libraries
 *   --main   in main() */
#include "../support/child.h"

#include <pthread.h>

enum { KEYS = 40, THREADS = 200, CACHES_MAX = 8 };

static pthread_key_t keys[KEYS];
static unsigned nkeys;

static void
create_keys(void)
{
  while (nkeys < KEYS && pthread_key_create(&keys[nkeys], NULL) == 0)
    nkeys++;
}

static void
create_keys_first(int argc, char **argv)
{
  if (argc == 3 && strcmp(argv[1], "--first") == 0)
    create_keys();
}

/* Runs before any constructor. */
__attribute__((section(".preinit_array"),
               used)) static void (*const first)(int,
                                                 char **) = create_keys_first;

static void *
store_only(void *value)
{
  pthread_setspecific(keys[KEYS - 1], value);
  return NULL;
}

static void *
store_and_allocate(void *value)
{
  pthread_setspecific(keys[KEYS - 1], value);
  free(malloc(harness_size(100)));
  return NULL;
}

static void *
allocate_and_store(void *value)
{
  free(malloc(harness_size(100)));
  pthread_setspecific(keys[KEYS - 1], value);
  free(malloc(harness_size(1000)));
  return NULL;
}

static void *
zero_only(void *value)
{
  free(calloc(harness_size(32), 16));
  return value;
}

static unsigned
count_caches(void)
{
  int (*print)(int, int);
  void *symbol = dlsym(RTLD_DEFAULT, "tcm_stats_print");
  char text[8192], *number;
  int ends[2];
  ssize_t length;

  memcpy(&print, &symbol, sizeof print);
  REQUIRE(symbol != NULL && pipe(ends) == 0);
  REQUIRE(print(ends[1], 0) == 0);
  length = read(ends[0], text, sizeof text - 1);
  REQUIRE(length > 0);
  text[length] = '\0';
  number = strstr(text, " Thread heaps in use");
  REQUIRE(number != NULL);
  while (number > text && number[-1] >= '0' && number[-1] <= '9')
    number--;
  close(ends[0]);
  close(ends[1]);
  return (unsigned)atoi(number);
}

static int
run_threads(void *(*work)(void *))
{
  unsigned caches;
  int i;

  for (i = 0; i < THREADS; i++) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, work, keys) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
  }
  caches = count_caches();
  harness_say("%u caches after %d threads", caches, THREADS);
  return caches <= CACHES_MAX ? HARNESS_PASS : HARNESS_FAIL;
}

static const struct work {
  const char *name;
  void *(*run)(void *);
} works[] = {
    {"store-only", store_only},
    {"store-and-allocate", store_and_allocate},
    {"allocate-and-store", allocate_and_store},
    {"zero-only", zero_only},
};
#define NWORKS (sizeof works / sizeof *works)

static void
run_again(const char *when)
{
  size_t i;

  for (i = 0; i < NWORKS; i++) {
    pid_t child = child_fork();
    if (child == 0) {
      execl("/proc/self/exe", "keys", when, works[i].name, (char *)NULL);
      _exit(HARNESS_ERROR);
    }
    EXPECT_FOR(child_succeeded(child), "%s %s", when, works[i].name);
  }
}

static void
keys_first(void)
{
  run_again("--first");
}

static void
keys_in_main(void)
{
  run_again("--main");
}

static const struct harness_case cases[] = {
    {"keys-first", keys_first},
    {"keys-in-main", keys_in_main},
};

int
main(int argc, char **argv)
{
  size_t i;

  if (argc != 3 || argv[1][0] != '-')
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
  create_keys();
  for (i = 0; i < NWORKS; i++)
    if (strcmp(argv[2], works[i].name) == 0)
      return run_threads(works[i].run);
  return HARNESS_ERROR;
}
