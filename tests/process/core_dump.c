/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that was returned is not written to a core dump, and neither is what
 * is reserved and was never used; what is in use is. */
#include "../support/child.h"
#include "../support/memory.h"

#include <ftw.h>
#include <malloc.h>
#include <sys/stat.h>

#define MIB ((size_t)1 << 20)
#define BLOCKS 200

static char folder[] = "/tmp/tcm-test-core-XXXXXX";
static long written; /* bytes of the core file that take room on the disk */

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

int
main(int argc, char **argv)
{
  static const struct harness_case cases[] = {
      {"returned_memory_is_not_dumped", returned_memory_is_not_dumped},
  };

  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
