/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mappings of the heap: a core dump does not contain returned memory; the
 * kernel may not collapse the rest into huge pages, which would make returned
 * memory resident again; moved blocks leave no mappings; an option names them.
 */
#include "../support/child.h"
#include "../support/memory.h"

#include <ftw.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define MIB ((size_t)1 << 20)
#define BLOCKS 200

static char folder[] = "/tmp/tcm-test-core-XXXXXX";
static long written; /* bytes that the core file takes on the disk */

/* The file may be called core.PID. */
static int
measure_and_remove(const char *path, const struct stat *st, int type,
                   struct FTW *at)
{
  (void)at;
  if (type == FTW_F)
    written += (long)st->st_blocks * 512;
  return remove(path);
}

static void
rise_fall_and_abort(void)
{
  struct rlimit limit;
  void *block[BLOCKS];
  int i;

  if (chdir(folder) != 0 || getrlimit(RLIMIT_CORE, &limit) != 0)
    _exit(HARNESS_SKIP);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_CORE, &limit);
  for (i = 0; i < BLOCKS; i++) {
    block[i] = malloc(harness_size(MIB));
    CHILD_EXPECT(block[i] != NULL);
    memset(block[i], 1, MIB);
  }
  for (i = 8; i < BLOCKS; i++)
    free(block[i]);
  malloc_trim(0);
  abort();
}

static void
returned_memory_is_not_dumped(void)
{
  char pattern[128] = "";
  int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC), status;
  pid_t child;

  if (fd < 0 || read(fd, pattern, sizeof pattern - 1) <= 0 ||
      pattern[0] == '|' || strchr(pattern, '/') != NULL) {
    harness_skip("the system keeps core dumps elsewhere");
    return;
  }
  close(fd);
  REQUIRE(mkdtemp(folder) != NULL);
  child = child_fork();
  if (child == 0)
    rise_fall_and_abort();
  REQUIRE(waitpid(child, &status, 0) == child);
  EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  nftw(folder, measure_and_remove, 4, FTW_DEPTH | FTW_PHYS);
  if (!WCOREDUMP(status)) {
    harness_skip("no core dump was written");
    return;
  }
  harness_say("  8 MiB in use, 192 MiB returned: a core dump of %ld KiB",
              written / 1024);
  EXPECT(written >= 8 * (long)MIB);
  EXPECT(written < 24 * (long)MIB);
}

/* ---- What the kernel reports about a mapping ----------------------------- */

static char smaps[1 << 20];

/* The lines of /proc/self/smaps about the mapping that contains @address. */
static char *
lines_about(const void *address)
{
  int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
  size_t length = 0;
  ssize_t got;
  char *line, *next;

  REQUIRE(fd >= 0);
  while ((got = read(fd, smaps + length, sizeof smaps - 1 - length)) > 0)
    length += (size_t)got;
  close(fd);
  smaps[length] = '\0';
  for (line = smaps; line != NULL; line = next == NULL ? NULL : next + 1) {
    unsigned long start, end;
    next = strchr(line, '\n');
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2 &&
        (uintptr_t)address >= start && (uintptr_t)address < end)
      return line;
  }
  return NULL;
}

static void
returned_pages_stay_away(void)
{
  char *block = (char *)malloc(harness_size(3 * MIB)), *flags;
  void *small = malloc(harness_size(100));

  if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0) {
    harness_skip("the kernel has no transparent huge pages");
    return;
  }
  flags = strstr(lines_about(block), "VmFlags:");
  EXPECT(flags != NULL && strstr(flags, " nh") != NULL &&
         strstr(flags, " nh") < strchr(flags, '\n'));
  flags = strstr(lines_about(small), "VmFlags:");
  EXPECT(flags != NULL && strstr(flags, " nh") != NULL &&
         strstr(flags, " nh") < strchr(flags, '\n'));
  free(block);
  free(small);
}

/* ---- The number of mappings ---------------------------------------------- */

enum { VECTORS = 2000 };
static char *vectors[VECTORS];

static size_t
count_mappings(void)
{
  int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  size_t lines = 0;
  ssize_t got, i;

  REQUIRE(fd >= 0);
  while ((got = read(fd, smaps, sizeof smaps)) > 0)
    for (i = 0; i < got; i++)
      lines += smaps[i] == '\n';
  close(fd);
  return lines;
}

/* Grows all vectors in turn.  Each one blocks the growth of the one before. */
static void
grow_all(size_t most)
{
  size_t i, mib;

  for (mib = 1; mib <= most; mib++)
    for (i = 0; i < VECTORS; i++) {
      char *grown = (char *)realloc(vectors[i], harness_size(mib * MIB));
      REQUIRE(grown != NULL);
      vectors[i] = grown;
      EXPECT_FOR(mib == 1 || grown[0] == (char)i, "vector %zu", i);
      grown[0] = (char)i;
    }
}

static void
moved_blocks_leave_no_mapping(void)
{
  size_t before, grown, after, i;

  /* The heap keeps the mappings that it reserves here. */
  grow_all(2);
  for (i = 0; i < VECTORS; i++) {
    free(vectors[i]);
    vectors[i] = NULL;
  }
  before = count_mappings();
  grow_all(4);
  grown = count_mappings();
  for (i = 0; i < VECTORS; i++)
    free(vectors[i]);
  after = count_mappings();
  harness_say("  mappings before %zu, with %d vectors grown %zu, after %zu",
              before, VECTORS, grown, after);
  EXPECT(grown <= before + VECTORS + 8);
  EXPECT(after <= before + 8);
}

static void
expect_names(void)
{
  void *block = malloc(harness_size(100));
  char *line = lines_about(block);

  CHILD_EXPECT(line != NULL);
  CHILD_EXPECT(strstr(line, "[anon:tcm heap]") != NULL &&
               strstr(line, "[anon:tcm heap]") < strchr(line, '\n'));
  CHILD_EXPECT(strstr(smaps, "[anon:tcm metadata]") != NULL);
  _exit(HARNESS_PASS);
}

static void
mappings_have_names(void)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  void *own = mmap(NULL, page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  REQUIRE(own != MAP_FAILED);
  if (syscall(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, own, page, "test")) {
    harness_skip("the kernel gives no names");
    return;
  }
  setenv("TCM_NAMES", "1", 1);
  EXPECT(child_again("names"));
  unsetenv("TCM_NAMES");
}

int
main(int argc, char **argv)
{
  static const struct harness_case cases[] = {
      {"returned_memory_is_not_dumped", returned_memory_is_not_dumped},
      {"returned_pages_stay_away", returned_pages_stay_away},
      {"mappings_have_names", mappings_have_names},
      {"moved_blocks_leave_no_mapping", moved_blocks_leave_no_mapping},
  };

  if (argc == 2 && strcmp(argv[0], "again") == 0)
    expect_names();
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
