/* SPDX-License-Identifier: BSD-2-Clause */
/* File trees like those of the kernel, in a directory of the test. */
#include "unit.h"

#include <ftw.h>
#include <sys/stat.h>

#include "base/container.h"
#include "base/options.h"
#include "process/lifecycle.h"

#define MIB ((uint64_t)1 << 20)

static char root[] = "/tmp/tcmXXXXXX";

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
  (void)st;
  (void)type;
  (void)at;
  return remove(path);
}

static void
tree_end(void)
{
  nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
tree_begin(void)
{
  ck_assert_ptr_nonnull(mkdtemp(root));
  atexit(tree_end);
}

/* Writes a file of the tree; creates its parent directories. */
static void
put(const char *path, const char *text)
{
  char full[4096];
  FILE *file;
  char *slash;

  snprintf(full, sizeof full, "%s%s", root, path);
  for (slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL;
       *slash++ = '/') {
    *slash = '\0';
    (void)mkdir(full, 0700);
  }
  file = fopen(full, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(text, file), 0);
  fclose(file);
}

static struct container
look(void)
{
  return tcmi_container_read(root);
}

static unsigned
cpus_without_limit(void)
{
  return tcmi_container_read("/nowhere").cpus;
}

START_TEST(version_2_tightest_of_all_levels)
{
  tree_begin();
  put("/proc/self/cgroup", "0::/a/b/c\n");
  ck_assert_uint_eq(look().memory_bytes, 0);
  put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
  put("/sys/fs/cgroup/a/b/memory.max", "536870912\n");
  put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
  ck_assert_uint_eq(look().memory_bytes, 512 * MIB);
  put("/sys/fs/cgroup/a/memory.high", "268435456\n");
  ck_assert_uint_eq(look().memory_bytes, 256 * MIB);
  put("/sys/fs/cgroup/a/b/c/memory.high", "max\n");
  ck_assert_uint_eq(look().memory_bytes, 256 * MIB);
  /* In a cgroup namespace, the root has the limit. */
  put("/sys/fs/cgroup/memory.max", "134217728\n");
  ck_assert_uint_eq(look().memory_bytes, 128 * MIB);
  put("/proc/self/cgroup", "0::/\n");
  ck_assert_uint_eq(look().memory_bytes, 128 * MIB);
  /* A group outside the namespace. */
  put("/proc/self/cgroup", "0::/../../elsewhere\n");
  ck_assert_uint_eq(look().memory_bytes, 128 * MIB);
}
END_TEST

START_TEST(version_1_tightest_of_all_levels)
{
  tree_begin();
  put("/proc/self/cgroup", "9:name=systemd:/\n7:cpu,cpuacct:/x\n"
                           "4:memory:/docker/12ab\n1:cpuset:/\n0::/\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  ck_assert_uint_eq(look().memory_bytes, 0);
  put("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "524288000\n");
  put("/sys/fs/cgroup/memory/docker/12ab/memory.limit_in_bytes",
      "9223372036854771712\n");
  ck_assert_uint_eq(look().memory_bytes, 500 * MIB);
  /* Version 2 sets no limit if version 1 has the controller. */
  put("/sys/fs/cgroup/memory.max", "4096\n");
  ck_assert_uint_eq(look().memory_bytes, 500 * MIB);
}
END_TEST

START_TEST(processors)
{
  unsigned all = cpus_without_limit();

  ck_assert_uint_ge(all, 1);
  tree_begin();
  put("/proc/self/cgroup", "0::/a/b\n");
  ck_assert_uint_eq(look().cpus, all);
  put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  ck_assert_uint_eq(look().cpus, all);
  put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
  ck_assert_uint_eq(look().cpus, 1);
  put("/sys/fs/cgroup/a/cpu.max", "100000000 1000\n");
  ck_assert_uint_eq(look().cpus, all);
  put("/proc/self/cgroup", "2:cpu,cpuacct:/q\n0::/a/b\n");
  put("/sys/fs/cgroup/cpu/q/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu/q/cpu.cfs_period_us", "100000\n");
  ck_assert_uint_eq(look().cpus, all);
  put("/sys/fs/cgroup/cpu/q/cpu.cfs_quota_us", "100001\n");
  ck_assert_uint_eq(look().cpus, all < 2 ? all : 2);
  put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "1000\n");
  put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "1000\n");
  ck_assert_uint_eq(look().cpus, 1);
}
END_TEST

/* Invalid input sets no limit and does no harm. */
START_TEST(garbage)
{
  static const char *const groups[] = {
      "",          "\n",
      "0::/a",     "0:/a\n",
      "::::\n",    "0::\n",
      ":",         "::\n",
      "0::a\n",    "memory\n0::/a\n",
      "\0::/a",    "4:memorys:/a\n",
      "0::////\n", "4:memory:\n",
  };
  static const char *const limits[] = {
      "",
      "\n",
      "max",
      "-1",
      "99999999999999999999999999999",
      "x",
      " ",
      "\t7",
      "18446744073709551615",
  };
  char long_group[8000];
  size_t i;

  tree_begin();
  put("/sys/fs/cgroup/a/memory.max", "1048576\n");
  for (i = 0; i < sizeof groups / sizeof *groups; i++) {
    put("/proc/self/cgroup", groups[i]);
    must_for(look().memory_bytes == 0, "%zu", i);
  }
  put("/proc/self/cgroup", "0::/a\n");
  for (i = 0; i < sizeof limits / sizeof *limits; i++) {
    put("/sys/fs/cgroup/a/memory.max", limits[i]);
    put("/sys/fs/cgroup/a/cpu.max", limits[i]);
    must_for(look().memory_bytes == 0, "%zu", i);
    must_for(look().cpus == cpus_without_limit(), "%zu", i);
  }
  /* The path is longer than any buffer: the levels that fit still count. */
  put("/sys/fs/cgroup/memory.max", "1048576\n");
  memset(long_group, 'g', sizeof long_group);
  memcpy(long_group, "0::/", 4);
  strcpy(long_group + 3000, "\n");
  put("/proc/self/cgroup", long_group);
  ck_assert_uint_eq(look().memory_bytes, MIB);
  strcpy(long_group + sizeof long_group - 2, "\n");
  put("/proc/self/cgroup", long_group);
  (void)look();
}
END_TEST

static unsigned
pressure_by_descriptor(void)
{
  char path[sizeof root + 32];
  unsigned first, second;
  int file;

  snprintf(path, sizeof path, "%s/proc/pressure/memory", root);
  file = open(path, O_RDONLY | O_CLOEXEC);
  must(file >= 0);
  first = tcmi_container_pressure_in(file);
  second = tcmi_container_pressure_in(file);
  must(first == second);
  close(file);
  return first;
}

START_TEST(pressure)
{
  unsigned percent;

  tree_begin();
  ck_assert_uint_eq(tcmi_container_pressure(root), 0);
  put("/proc/pressure/memory", "some avg10=17.93 avg60=0.00 avg300=0.00 "
                               "total=0\nfull avg10=0.00\n");
  percent = tcmi_container_pressure(root);
  ck_assert_uint_eq(pressure_by_descriptor(), percent);
  ck_assert_uint_eq(percent, 17);
  put("/proc/pressure/memory", "some avg10=nan\n");
  ck_assert_uint_eq(tcmi_container_pressure(root), 0);
}
END_TEST

/* A suggestion never replaces a value that another source set. */
START_TEST(suggestions)
{
  tcmi_process_start();
  tcmi_option_suggest(OPTION_soft_limit_bytes, 7 * MIB);
  ck_assert_uint_eq(tcmi_option(OPTION_soft_limit_bytes), 7 * MIB);
  ck_assert_int_eq(tcmi_option_source(OPTION_soft_limit_bytes),
                   SOURCE_CONTAINER);
  tcmi_option_suggest(OPTION_soft_limit_bytes, 8 * MIB);
  ck_assert_uint_eq(tcmi_option(OPTION_soft_limit_bytes), 8 * MIB);
  tcmi_option_suggest(OPTION_soft_limit_bytes, UINT64_MAX);
  ck_assert_uint_eq(tcmi_option(OPTION_soft_limit_bytes), 8 * MIB);
  ck_assert_int_eq(tcmi_option_change(OPTION_soft_limit_bytes, 0, SOURCE_API),
                   0);
  tcmi_option_suggest(OPTION_soft_limit_bytes, 7 * MIB);
  ck_assert_uint_eq(tcmi_option(OPTION_soft_limit_bytes), 0);
  ck_assert_int_eq(tcmi_option_source(OPTION_soft_limit_bytes), SOURCE_API);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("container");

  tcase_add_test(tests, version_2_tightest_of_all_levels);
  tcase_add_test(tests, version_1_tightest_of_all_levels);
  tcase_add_test(tests, processors);
  tcase_add_test(tests, garbage);
  tcase_add_test(tests, pressure);
  tcase_add_test(tests, suggestions);
  return unit_run(tests);
}
