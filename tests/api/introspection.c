/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc_trim, mallopt, mallinfo, mallinfo2, malloc_stats, malloc_info: correct
 * numbers of the heap that serves the program, never zeros. */
#include "../support/child.h"
#include "../support/memory.h"

#include <malloc.h>
#include <stdbool.h>

#if defined(__GNUC__) && !defined(__clang__)
/* mallinfo is deprecated, but must still work. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#endif
#ifdef __clang__
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
#endif

enum { COUNT = 4000 };
static void *block[COUNT];

static void
allocate_all(size_t size)
{
  size_t i;

  for (i = 0; i < COUNT; i++) {
    block[i] = malloc(harness_size(size));
    REQUIRE(block[i] != NULL);
    memset(block[i], 1, size);
  }
}

static void
free_all(void)
{
  size_t i;

  for (i = 0; i < COUNT; i++)
    free(block[i]);
}

/* fordblks counts free memory, with or without returned memory, so only the
 * upper bound of the sum can be checked. */
static void
check_sums(const struct mallinfo2 *info)
{
  EXPECT_FOR(info->uordblks + info->fordblks <= info->arena + info->hblkhd,
             "%zu + %zu > %zu + %zu", info->uordblks, info->fordblks,
             info->arena, info->hblkhd);
  EXPECT(info->arena + info->hblkhd > 0);
}

static void
mallinfo2_follows_the_heap(void)
{
  struct mallinfo2 before, during, after;
  size_t bytes = (size_t)COUNT * 1000;
  void *kept;

  kept = malloc(harness_size(10));
  REQUIRE(kept != NULL);
  before = mallinfo2();
  check_sums(&before);
  allocate_all(1000);
  during = mallinfo2();
  check_sums(&during);
  EXPECT_FOR(during.uordblks + during.hblkhd >=
                 before.uordblks + before.hblkhd + bytes,
             "%zu, then %zu", before.uordblks, during.uordblks);
  EXPECT(during.arena + during.hblkhd >= bytes);
  free_all();
  /* Blocks in quarantine count as in use. */
  if (harness_is_guarded())
    (void)malloc_trim(0);
  after = mallinfo2();
  check_sums(&after);
  EXPECT_FOR(after.uordblks + after.hblkhd + bytes / 10 * 9 <=
                 during.uordblks + during.hblkhd,
             "%zu, then %zu", during.uordblks, after.uordblks);
  free(kept);
}

static void
mallinfo2_counts_large_blocks(void)
{
  struct mallinfo2 before = mallinfo2(), during, after;
  size_t size = (size_t)40 << 20;
  void *large = malloc(harness_size(size));

  REQUIRE(large != NULL);
  during = mallinfo2();
  EXPECT(during.hblks == before.hblks + 1);
  EXPECT(during.hblkhd >= before.hblkhd + size);
  free(large);
  after = mallinfo2();
  EXPECT(after.hblks == before.hblks);
  EXPECT(after.hblkhd + size <= during.hblkhd);
}

/* The old form has the same numbers while they fit into an int. */
static void
mallinfo_agrees(void)
{
  struct mallinfo old;
  struct mallinfo2 wide;

  allocate_all(500);
  old = mallinfo();
  wide = mallinfo2();
  EXPECT((size_t)old.arena == wide.arena);
  EXPECT((size_t)old.uordblks == wide.uordblks);
  EXPECT((size_t)old.fordblks == wide.fordblks);
  EXPECT((size_t)old.hblks == wide.hblks);
  EXPECT((size_t)old.hblkhd == wide.hblkhd);
  EXPECT(old.uordblks >= COUNT * 500);
  free_all();
}

static void
trim_returns_memory(void)
{
  long peak, after;
  int returned, again;

  allocate_all(10000);
  peak = memory_resident_bytes();
  free_all();
  returned = malloc_trim(0);
  after = memory_resident_bytes();
  EXPECT(returned == 1);
  EXPECT_FOR(peak - after > 30000000, "%ld, then %ld", peak, after);
  again = malloc_trim(0);
  EXPECT(again == 0 || again == 1);
  allocate_all(10000);
  free_all();
}

/* mallopt() accepts every parameter of the manual, and others too, as glibc
 * does.  The heap still works afterward. */
static void
mallopt_accepts_parameters(void)
{
  static const int parameters[][2] = {
      {M_MXFAST, 64},
      {M_TRIM_THRESHOLD, 1 << 20},
      {M_TOP_PAD, 1 << 16},
      {M_MMAP_THRESHOLD, 1 << 20},
      {M_MMAP_MAX, 1000},
      {M_CHECK_ACTION, 3},
      {M_PERTURB, 0},
      {M_ARENA_TEST, 4},
      {M_ARENA_MAX, 2},
      {-1000, 1},
      {4711, 0},
  };
  size_t i;

  for (i = 0; i < sizeof parameters / sizeof *parameters; i++) {
    int answer = mallopt(parameters[i][0], parameters[i][1]);
    EXPECT_FOR(answer == 1, "parameter %d gave %d", parameters[i][0], answer);
    allocate_all(300);
    free_all();
  }
  EXPECT(mallopt(M_MXFAST, 1 << 20) == 0);
}

/* Whether opening and closing tags match and are properly nested, at most 32
 * levels deep. */
static bool
is_well_formed(const char *text)
{
  char open[32][32];
  int depth = 0;

  for (; (text = strchr(text, '<')) != NULL; text++) {
    const char *end = strchr(text, '>');
    size_t name = strcspn(text + 1, " />\n");
    if (end == NULL)
      return false;
    if (text[1] == '/') {
      size_t length = (size_t)(end - text) - 2;
      if (--depth < 0 || strlen(open[depth]) != length ||
          memcmp(open[depth], text + 2, length) != 0)
        return false;
    } else if (end[-1] != '/' && text[1] != '?') {
      if (depth == 32 || name >= 32)
        return false;
      memcpy(open[depth], text + 1, name);
      open[depth++][name] = '\0';
    }
  }
  return depth == 0;
}

/* The greatest number that follows @label anywhere in @text. */
static unsigned long
greatest_after(const char *text, const char *label)
{
  unsigned long greatest = 0;

  while ((text = strstr(text, label)) != NULL) {
    unsigned long value;
    text += strlen(label);
    value = strtoul(text, NULL, 10);
    if (value > greatest)
      greatest = value;
  }
  return greatest;
}

static void
malloc_info_is_xml(void)
{
  static char text[1 << 16];
  FILE *file = tmpfile();
  size_t length;

  REQUIRE(file != NULL);
  allocate_all(1000);
  EXPECT(malloc_info(0, file) == 0);
  free_all();
  rewind(file);
  length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = '\0';
  EXPECT(strncmp(text, "<malloc version=\"", 17) == 0);
  EXPECT(length > 10 && strstr(text, "</malloc>\n") == text + length - 10);
  EXPECT(is_well_formed(text));
  EXPECT_FOR(greatest_after(text, " size=\"") >= (unsigned long)COUNT * 1000,
             "%.200s", text);
}

/* As the manual says; glibc's malloc_info() returns the error instead. */
static void
malloc_info_refuses_options(void)
{
  FILE *file = tmpfile();

  REQUIRE(file != NULL);
  errno = 0;
  EXPECT(malloc_info(1, file) == -1 && errno == EINVAL);
  errno = 0;
  EXPECT(malloc_info(-1, file) == -1 && errno == EINVAL);
  EXPECT(fseek(file, 0, SEEK_END) == 0 && ftell(file) == 0);
  fclose(file);
}

/* malloc_stats prints on descriptor 2: a child runs this program again with a
 * pipe there. */
static void
malloc_stats_prints(void)
{
  static char text[1 << 16];
  const char *arguments[] = {"introspection", "print-stats", NULL};

  EXPECT(child_again_output(arguments, text, sizeof text));
  EXPECT_FOR(strstr(text, "in use") != NULL, "%.200s", text);
  EXPECT_FOR(greatest_after(text, " ") >= (unsigned long)COUNT * 1000, "%.200s",
             text);
}

/* malloc_stats() writes to the file that is descriptor 2 at the call, such as
 * the log file of a daemon.  tcm's own messages do not follow descriptor 2. */
static void
malloc_stats_follows_the_descriptor(void)
{
  static char text[1 << 16];
  int first = dup(STDERR_FILENO), ends[2];
  ssize_t length;

  REQUIRE(first >= 0 && pipe(ends) == 0);
  dup2(ends[1], STDERR_FILENO);
  malloc_stats();
  dup2(first, STDERR_FILENO);
  close(ends[1]);
  length = read(ends[0], text, sizeof text - 1);
  close(ends[0]);
  close(first);
  EXPECT(length > 0 && strstr(text, "in use") != NULL);
}

/* Not a test itself: what the child of malloc_stats_prints() does. */
static int
print_stats(void)
{
  allocate_all(1000);
  malloc_stats();
  free_all();
  return 0;
}

static const struct harness_case cases[] = {
    {"mallinfo2-follows-the-heap", mallinfo2_follows_the_heap},
    {"mallinfo2-counts-large-blocks", mallinfo2_counts_large_blocks},
    {"mallinfo-agrees", mallinfo_agrees},
    {"trim-returns-memory", trim_returns_memory},
    {"mallopt-accepts-parameters", mallopt_accepts_parameters},
    {"malloc-info-is-xml", malloc_info_is_xml},
    {"malloc-info-refuses-options", malloc_info_refuses_options},
    {"malloc-stats-prints", malloc_stats_prints},
    {"malloc-stats-follows-the-descriptor",
     malloc_stats_follows_the_descriptor},
};

int
main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "print-stats") == 0)
    return print_stats();
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
