/* SPDX-License-Identifier: BSD-2-Clause */
/* Every name of the family comes from the same library as malloc.  A function
 * from libc would act on the wrong heap. */
#include "../support/child.h"
#include "../support/memory.h"

static const char *const names[] = {
    "malloc",
    "free",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
    "cfree",
    "malloc_usable_size",
    "malloc_trim",
    "mallopt",
    "mallinfo",
    "mallinfo2",
    "malloc_stats",
    "malloc_info",
    "free_sized",
    "free_aligned_sized",
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "_ZdlPv",
    "_ZdaPv",
    "_ZdlPvRKSt9nothrow_t",
    "_ZdaPvRKSt9nothrow_t",
    "_ZdlPvm",
    "_ZdaPvm",
    "_ZdlPvSt11align_val_t",
    "_ZdaPvSt11align_val_t",
    "_ZdlPvmSt11align_val_t",
    "_ZdaPvmSt11align_val_t",
    "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

static void
all_names_from_one_library(void)
{
  void *first = dlsym(RTLD_DEFAULT, "malloc");
  Dl_info mine, other;
  size_t i;

  if (harness_is("glibc")) {
    harness_skip("libc is not in the place of another");
    return;
  }
  REQUIRE(first != NULL && dladdr(first, &mine) != 0);
  for (i = 0; i < sizeof names / sizeof *names; i++) {
    void *symbol = dlsym(RTLD_DEFAULT, names[i]);
    EXPECT_FOR(symbol != NULL, "%s", names[i]);
    if (symbol == NULL || dladdr(symbol, &other) == 0)
      continue;
    EXPECT_FOR(other.dli_fbase == mine.dli_fbase, "%s is in %s", names[i],
               other.dli_fname);
  }
}

/* libc's own allocations come from the same heap. */
static void
libc_uses_it_too(void)
{
  char *copy = strdup("text"), *line = NULL;
  FILE *file = fopen("/dev/null", "w");
  size_t i;

  if (!harness_expects_tcm()) {
    free(copy);
    if (file != NULL)
      fclose(file);
    harness_skip("only tcm can tell its blocks from others");
    return;
  }
  EXPECT(harness_owns(copy));
  EXPECT(file != NULL && harness_owns(file));
  EXPECT(asprintf(&line, "%s", "another") == 7 && harness_owns(line));
  for (i = 0; i < 2; i++)
    EXPECT(!harness_owns(names) && !harness_owns(&i));
  free(copy);
  free(line);
  if (file != NULL)
    fclose(file);
}

/* The first allocation may happen before libc has its environment.  Options set
 * there must still apply, or the other tests prove less than they claim. */
static void
environment_is_used(void)
{
  static const char *const options[][2] = {
      {"TCM_CHECK", "check"},
      {"TCM_PAGE_SIZE", "page_size"},
  };
  int (*get)(const char *, uint64_t *);
  void *symbol = dlsym(RTLD_DEFAULT, "tcm_option_get");
  size_t i;

  if (!harness_expects_tcm()) {
    harness_skip("only tcm has these options");
    return;
  }
  REQUIRE(symbol != NULL);
  memcpy(&get, &symbol, sizeof get);
  for (i = 0; i < sizeof options / sizeof *options; i++) {
    const char *wanted = getenv(options[i][0]);
    uint64_t value = 4711;
    EXPECT(get(options[i][1], &value) == 0);
    EXPECT_FOR(value == (wanted == NULL ? 0 : strtoull(wanted, NULL, 10)),
               "%s is %llu", options[i][1], (unsigned long long)value);
  }
}

/* The kernel places the library and its mappings at other addresses in every
 * process.  Each of them must work. */
static void
every_start_is_served(void)
{
  int i, bad = 0;

  for (i = 0; i < 100 && bad < 3; i++)
    bad += !child_again("--start");
  EXPECT_FOR(bad == 0, "%d of %d starts", bad, i);
}

static const struct harness_case cases[] = {
    {"all-names-from-one-library", all_names_from_one_library},
    {"libc-uses-it-too", libc_uses_it_too},
    {"environment-is-used", environment_is_used},
    {"every-start-is-served", every_start_is_served},
};

int
main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "--start") == 0) {
    harness_prove_allocator();
    return 0;
  }
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
