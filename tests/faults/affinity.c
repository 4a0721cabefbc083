/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that allocate are moved from processor to processor all the time: a
 * processor number that was read a moment ago is already wrong. */
#include "../support/child.h"
#include "../support/churn.h"

#include <dirent.h>
#include <sched.h>

static long moves;

/* Moves every thread of the process to a random allowed processor. */
static void
move_all(const cpu_set_t *allowed, uint64_t *state)
{
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *task;

  REQUIRE(tasks != NULL);
  while ((task = readdir(tasks)) != NULL) {
    cpu_set_t set;
    int cpu, only = (int)(harness_random(state) % CPU_SETSIZE);
    CPU_ZERO(&set);
    for (cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&set) == 0; cpu++)
      if (CPU_ISSET((cpu + only) % CPU_SETSIZE, allowed))
        CPU_SET((cpu + only) % CPU_SETSIZE, &set);
    if (atoi(task->d_name) > 0 &&
        sched_setaffinity(atoi(task->d_name), sizeof set, &set) == 0)
      moves++;
  }
  closedir(tasks);
}

static void
threads_that_are_moved(void)
{
  uint64_t state = harness.seed;
  cpu_set_t allowed;
  long round;

  REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  if (CPU_COUNT(&allowed) < 2) {
    harness_skip("there is one processor");
    return;
  }
  churn_begin();
  for (round = 0; round < harness_count(2000, 60000); round++) {
    move_all(&allowed, &state);
    usleep(500);
  }
  churn_end();
  EXPECT(moves > 0);
  harness_say("  %ld moves, %ld allocations", moves, churn_rounds);
}

static const struct harness_case cases[] = {
    {"threads-that-are-moved", threads_that_are_moved},
};

HARNESS_MAIN(cases)
