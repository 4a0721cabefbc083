/* SPDX-License-Identifier: BSD-2-Clause */
/* The address of the heap must not follow from that of the library: with
 * libraries at fixed addresses, the first block still has another address in
 * each process. */
#include "../support/child.h"

#include <sys/personality.h>

enum { RUNS = 8 };

/* Where the library and a block are. */
struct place {
  uintptr_t library, block;
};

static int
print_place(int descriptor)
{
  struct place place;

  place.library = (uintptr_t)dlsym(RTLD_DEFAULT, "tcm_malloc");
  place.block = (uintptr_t)malloc(harness_size(1000));
  return write(descriptor, &place, sizeof place) == (ssize_t)sizeof place
             ? HARNESS_PASS
             : HARNESS_FAIL;
}

static struct place
place_of_a_child(void)
{
  struct place place = {0, 0};
  char argument[16];
  int ends[2];
  pid_t child;

  REQUIRE(pipe(ends) == 0);
  snprintf(argument, sizeof argument, "%d", ends[1]);
  child = child_fork();
  if (child == 0) {
    (void)personality(ADDR_NO_RANDOMIZE);
    execl("/proc/self/exe", "place", "--print", argument, (char *)NULL);
    _exit(HARNESS_ERROR);
  }
  EXPECT(child_succeeded(child));
  REQUIRE(read(ends[0], &place, sizeof place) == (ssize_t)sizeof place);
  close(ends[0]);
  close(ends[1]);
  return place;
}

static void
heap_is_elsewhere(void)
{
  struct place first = place_of_a_child();
  int same = 0, i;

  for (i = 1; i < RUNS; i++) {
    struct place other = place_of_a_child();
    if (other.library != first.library) {
      harness_skip("the system does not fix the place of libraries");
      return;
    }
    same += other.block == first.block;
  }
  EXPECT_FOR(same < RUNS / 2, "%d of %d blocks at the same place", same + 1,
             RUNS);
}

static const struct harness_case cases[] = {
    {"heap-is-elsewhere", heap_is_elsewhere},
};

int
main(int argc, char **argv)
{
  if (argc == 3 && strcmp(argv[1], "--print") == 0)
    return print_place(atoi(argv[2]));
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
