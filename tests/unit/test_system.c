/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/atomics.h"
#include "base/params.h"

static size_t page;

static void
setup(void)
{
  page = tcmi_system_page_size();
}

/* The number of resident pages, as the kernel reports them. */
static size_t
resident_pages(void *start, size_t size)
{
  size_t kernel = (size_t)sysconf(_SC_PAGESIZE), n = 0, i;
  unsigned char map[4096];

  ck_assert_uint_le(size / kernel, sizeof map);
  ck_assert_int_eq(mincore(start, size, map), 0);
  for (i = 0; i < size / kernel; i++)
    n += map[i] & 1;
  return n;
}

static void *
reserve(size_t size)
{
  void *start = NULL;

  ck_assert_int_eq(tcmi_system_reserve(size, NULL, &start), 0);
  ck_assert_ptr_nonnull(start);
  return start;
}

static void *
reserve_and_commit(size_t size)
{
  void *start = reserve(size);

  ck_assert_int_eq(tcmi_system_commit(start, size), 0);
  return start;
}

START_TEST(page_size_is_the_kernels)
{
  ck_assert_uint_eq(page, (size_t)sysconf(_SC_PAGESIZE));
}
END_TEST

START_TEST(page_size_only_grows)
{
  tcmi_system_set_page_size(0);
  tcmi_system_set_page_size(page / 2);
  tcmi_system_set_page_size(page + 1);
  tcmi_system_set_page_size(3 * page);
  tcmi_system_set_page_size(2 * SYSTEM_PAGE_MAX);
  ck_assert_uint_eq(tcmi_system_page_size(), page);
  if (page < SYSTEM_PAGE_MAX) {
    tcmi_system_set_page_size(SYSTEM_PAGE_MAX);
    ck_assert_uint_eq(tcmi_system_page_size(), SYSTEM_PAGE_MAX);
    tcmi_system_set_page_size(page);
    ck_assert_uint_eq(tcmi_system_page_size(), SYSTEM_PAGE_MAX);
  }
}
END_TEST

/* S2: memory from the OS is aligned as the other calls require. */
START_TEST(larger_pages_are_aligned)
{
  void *reserved, *mapped, *readable;
  int i;

  tcmi_system_set_page_size(SYSTEM_PAGE_MAX);
  for (i = 0; i < 100; i++) {
    size_t size = SYSTEM_PAGE_MAX * (size_t)(1 + i % 3);
    ck_assert_int_eq(tcmi_system_reserve(size, NULL, &reserved), 0);
    ck_assert_int_eq(tcmi_system_map(size, &mapped), 0);
    ck_assert_int_eq(tcmi_system_map_readable(size, &readable), 0);
    must(memory_is_aligned(reserved, SYSTEM_PAGE_MAX));
    must(memory_is_aligned(mapped, SYSTEM_PAGE_MAX));
    must(memory_is_aligned(readable, SYSTEM_PAGE_MAX));
    memset(mapped, 1, size);
    ck_assert_int_eq(tcmi_system_commit(readable, size), 0);
    memset(readable, 1, size);
    ck_assert_int_eq(tcmi_system_release(reserved, size), 0);
    /* Maps one kernel page, so that the next mapping cannot be adjacent. */
    ck_assert_ptr_ne(
        mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        MAP_FAILED);
  }
}
END_TEST

/* Unmapped pages count as not resident; the pages next to them still count. */
START_TEST(resident_next_to_a_hole)
{
  size_t kernel = (size_t)sysconf(_SC_PAGESIZE), size = 700 * kernel;
  char *start = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  ck_assert_ptr_ne(start, MAP_FAILED);
  memset(start, 1, size);
  ck_assert_uint_eq(tcmi_system_resident((uintptr_t)start, size), 700 * kernel);
  ck_assert_int_eq(munmap(start + 3 * kernel, kernel), 0);
  errno = 4711;
  ck_assert_uint_eq(tcmi_system_resident((uintptr_t)start, size), 699 * kernel);
  ck_assert_int_eq(munmap(start + 600 * kernel, 100 * kernel), 0);
  ck_assert_uint_eq(tcmi_system_resident((uintptr_t)start, size), 599 * kernel);
  ck_assert_int_eq(errno, 4711);
  ck_assert_int_eq(munmap(start, size), 0);
}
END_TEST

/* The states of a range of address space, see system.h. */
START_TEST(life_of_address_space)
{
  size_t size = 16 * page, kernel = (size_t)sysconf(_SC_PAGESIZE);
  unsigned char *start;

  errno = 4711;
  start = reserve(size);
  ck_assert_uint_eq(resident_pages(start, size), 0);
  ck_assert_int_eq(tcmi_system_commit(start, size), 0);
  ck_assert_uint_eq(resident_pages(start, size), 0);
  memset(start, 1, size);
  ck_assert_uint_eq(resident_pages(start, size), size / kernel);
  ck_assert_int_eq(tcmi_system_discard(start + 4 * page, 8 * page), 0);
  ck_assert_uint_eq(resident_pages(start, size), size / kernel / 2);
  ck_assert(memory_is_zero(start + 4 * page, 8 * page));
  ck_assert_int_eq(start[4 * page - 1], 1);
  ck_assert_int_eq(start[12 * page], 1);
  start[5 * page] = 2;
  ck_assert_int_eq(tcmi_system_release(start, size), 0);
  ck_assert_int_eq(errno, 4711);
}
END_TEST

static void *touched;

static void
on_fault(int number)
{
  (void)number;
  _exit(42);
}

static void
touch(void *write)
{
  struct sigaction action = {.sa_handler = on_fault};
  volatile unsigned char *place = touched;

  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  if (write != NULL)
    *place = 1;
  else
    (void)*place;
}

static bool
faults(void *place, bool write)
{
  char text[64];
  int status;

  touched = place;
  status = unit_child(touch, write ? &page : NULL, text, sizeof text);
  ck_assert(WIFEXITED(status));
  return WEXITSTATUS(status) == 42;
}

START_TEST(access_as_promised)
{
  unsigned char *start = reserve(2 * page);
  void *readable = NULL;

  ck_assert(faults(start, false));
  ck_assert_int_eq(tcmi_system_commit(start, page), 0);
  ck_assert(!faults(start, true));
  ck_assert(faults(start + page, false));
  ck_assert_int_eq(tcmi_system_seal(start, page), 0);
  ck_assert(!faults(start, false));
  ck_assert(faults(start, true));
  ck_assert_int_eq(tcmi_system_map_readable(page, &readable), 0);
  ck_assert(!faults(readable, false));
  ck_assert(faults(readable, true));
  ck_assert_int_eq(tcmi_system_commit(readable, page), 0);
  ck_assert(!faults(readable, true));
}
END_TEST

START_TEST(mapped_memory_is_zero)
{
  void *start = NULL;

  ck_assert_int_eq(tcmi_system_map(8 * page, &start), 0);
  ck_assert(memory_is_zero(start, 8 * page));
  memset(start, 1, 8 * page);
  ck_assert_int_eq(tcmi_system_release(start, 8 * page), 0);
}
END_TEST

START_TEST(hint_is_taken_if_free)
{
  unsigned char *start = reserve(4 * page);
  void *again = NULL, *taken = NULL;

  ck_assert_int_eq(tcmi_system_release(start, 4 * page), 0);
  ck_assert_int_eq(tcmi_system_reserve(4 * page, start, &again), 0);
  ck_assert_ptr_eq(again, start);
  ck_assert_int_eq(tcmi_system_reserve(4 * page, start, &taken), 0);
  ck_assert_ptr_ne(taken, start);
}
END_TEST

START_TEST(failures_are_negative_errnos)
{
  unsigned char *start = reserve(4 * page);
  void *out = &out;
  int error;

  ck_assert_int_eq(tcmi_system_release(start, 4 * page), 0);
  errno = 4711;
  error = tcmi_system_commit(start, page);
  ck_assert_int_eq(error, -ENOMEM);
  ck_assert_int_lt(tcmi_system_discard(start, page), 0);
  ck_assert_int_lt(tcmi_system_seal(start, page), 0);
  ck_assert_int_eq(tcmi_system_reserve((size_t)1 << 62, NULL, &out), -ENOMEM);
  ck_assert_int_eq(tcmi_system_map((size_t)1 << 62, &out), -ENOMEM);
  ck_assert_ptr_eq(out, &out);
  ck_assert_int_eq(errno, 4711);
}
END_TEST

/* Grows @from, which has to move: the pages after it are mapped. */
static unsigned char *
moved(unsigned char *from, size_t size, size_t new_size)
{
  void *out = NULL;

  ck_assert_int_lt(tcmi_system_remap(from, size, new_size, false, &out), 0);
  ck_assert_int_eq(tcmi_system_remap(from, size, new_size, true, &out), 0);
  ck_assert_ptr_ne(out, from);
  return out;
}

START_TEST(pages_move)
{
  size_t size = 64 * page;
  unsigned char *from = reserve_and_commit(2 * size), *to;

  memory_fill(from, size, 1);
  to = moved(from, size, 3 * size);
  ck_assert(memory_holds(to, size, 1));
  ck_assert(memory_is_zero(to + size, 2 * size));
  /* The old place is unmapped until it is mapped again. */
  ck_assert_int_eq(tcmi_system_refill(from, size), 0);
  ck_assert(memory_is_zero(from, size));
  memset(from, 3, 2 * size);
  ck_assert_int_eq(tcmi_system_refill(from, size), -EEXIST);
  ck_assert(from[0] == 3 && from[size - 1] == 3);
}
END_TEST

START_TEST(refused_move_changes_nothing)
{
  size_t size = 64 * page;
  unsigned char *from = reserve_and_commit(2 * size);
  void *out = &out;

  memory_fill(from, size, 1);
  errno = 4711;
  (void)tcmi_system_fail(1u << SYSTEM_MOVE, 1, 1);
  ck_assert_int_eq(tcmi_system_remap(from, size, 3 * size, true, &out),
                   -ENOMEM);
  ck_assert_uint_eq(unit_fail_none(), 1);
  ck_assert_int_eq(errno, 4711);
  ck_assert_ptr_eq(out, &out);
  ck_assert(memory_holds(from, size, 1));
  memset(from, 3, 2 * size);
}
END_TEST

START_TEST(two_mappings_do_not_move)
{
  size_t size = 64 * page;
  unsigned char *from = reserve_and_commit(2 * size);
  void *out = NULL;

  memory_fill(from, size, 1);
  ck_assert_int_eq(madvise(from + size / 2, size / 2, MADV_DONTFORK), 0);
  ck_assert_int_lt(tcmi_system_remap(from, size, 3 * size, true, &out), 0);
  ck_assert(memory_holds(from, size, 1));
  memset(from, 3, size);
}
END_TEST

START_TEST(pages_move_back_unless_place_is_taken)
{
  size_t size = 64 * page;
  unsigned char *from = reserve_and_commit(2 * size), *to;

  memory_fill(from, size, 1);
  to = moved(from, size, 3 * size);
  ck_assert_int_eq(tcmi_system_release(to + size, 2 * size), 0);
  ck_assert_int_eq(tcmi_system_move_back(to, from, size), 0);
  ck_assert(memory_holds(from, size, 1));
  to = moved(from, size, 3 * size);
  ck_assert_int_eq(tcmi_system_refill(from, size), 0);
  from[0] = 4;
  ck_assert_int_eq(tcmi_system_move_back(to, from, size), -EEXIST);
  ck_assert(memory_holds(to, size, 1) && from[0] == 4);
}
END_TEST

START_TEST(advice_is_only_advice)
{
  void *start = NULL;

  ck_assert_int_eq(tcmi_system_map(2 * HUGE_PAGE_SIZE, &start), 0);
  /* A kernel without huge pages refuses; the memory still works. */
  (void)!tcmi_system_advise_huge(start, 2 * HUGE_PAGE_SIZE, true);
  (void)!tcmi_system_advise_huge(start, 2 * HUGE_PAGE_SIZE, false);
  memset(start, 1, 2 * HUGE_PAGE_SIZE);
}
END_TEST

static void
commit_unaligned(void *start)
{
  (void)!tcmi_system_commit((char *)start + 1, page);
}

START_TEST(unaligned_calls_are_caught)
{
  unit_must_abort(commit_unaligned, reserve(2 * page), "broken invariant");
}
END_TEST

/* Makes one call of this kind; returns 0 or a negative errno. */
static int
call(enum system_call kind, unsigned char *memory)
{
  void *out;

  switch (kind) {
  case SYSTEM_RESERVE:
    return tcmi_system_reserve(page, NULL, &out);
  case SYSTEM_MAP:
    return tcmi_system_map(page, &out);
  case SYSTEM_COMMIT:
    return tcmi_system_commit(memory, page);
  case SYSTEM_DISCARD:
    return tcmi_system_discard(memory, page);
  case SYSTEM_RELEASE:
    return tcmi_system_release(memory + 4 * page, page);
  case SYSTEM_MOVE:
    return tcmi_system_remap(memory, page, page, false, &out);
  default:
    (void)!tcmi_system_advise_huge(memory, page, false);
    return 0;
  }
}

START_TEST(faults_hit_what_they_name)
{
  unsigned char *memory = reserve_and_commit(8 * page);
  unsigned kind, other, i;

  for (kind = 0; kind < SYSTEM_ADVISE; kind++) {
    ck_assert_uint_eq(tcmi_system_fail(1u << kind, 3, 2), 0);
    for (other = 0; other < SYSTEM_ADVISE; other++)
      if (other != kind)
        ck_assert_int_eq(call(other, memory), 0);
    for (i = 1; i <= 6; i++)
      ck_assert_int_eq(call(kind, memory), i == 3 || i == 4 ? -ENOMEM : 0);
    ck_assert_uint_eq(unit_fail_none(), 2);
    ck_assert_uint_eq(unit_fail_none(), 0);
  }
}
END_TEST

START_TEST(faults_count_over_all_kinds)
{
  unsigned char *memory = reserve_and_commit(8 * page);
  unsigned kind;

  (void)tcmi_system_fail(~0u, 4, 1);
  for (kind = 0; kind < SYSTEM_ADVISE; kind++)
    ck_assert_int_eq(call(kind, memory) != 0, kind == 3);
  ck_assert_uint_eq(unit_fail_none(), 1);
}
END_TEST

static uint32_t word;
static int awake; /* [atomic: relaxed] */

static void *
sleeper(void *unused)
{
  (void)unused;
  errno = 4711;
  while (atomic_load_acquire(&word) == 1)
    tcmi_system_wait(&word, 1);
  must(errno == 4711);
  __atomic_add_fetch(&awake, 1, __ATOMIC_RELAXED);
  return NULL;
}

START_TEST(sleep_and_wake)
{
  pthread_t threads[5];
  int i;

  atomic_store_relaxed(&word, 1);
  for (i = 0; i < 5; i++)
    unit_thread(&threads[i], sleeper, NULL);
  usleep(50000);
  tcmi_system_wake(&word, 5);
  usleep(50000);
  ck_assert_int_eq(__atomic_load_n(&awake, __ATOMIC_RELAXED), 0);
  atomic_store_release(&word, 0);
  tcmi_system_wake(&word, 5);
  for (i = 0; i < 5; i++)
    unit_join(threads[i]);
  ck_assert_int_eq(awake, 5);
  /* If the value does not match, the call does not sleep. */
  tcmi_system_wait(&word, 1);
}
END_TEST

START_TEST(thread_and_processors)
{
  cpu_set_t set;

  ck_assert_uint_eq(tcmi_system_thread_id(), (uint32_t)syscall(SYS_gettid));
  ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
  ck_assert_uint_eq(tcmi_system_cpu_count(), (unsigned)CPU_COUNT(&set));
  ck_assert(!tcmi_system_is_secure_mode());
}
END_TEST

START_TEST(environment_is_the_process_own)
{
  char **variable;
  int found = 0;

  setenv("UNIT_TEST_OF_SYSTEM", "yes", 1);
  for (variable = tcmi_system_environment(); *variable != NULL; variable++)
    found += strcmp(*variable, "UNIT_TEST_OF_SYSTEM=yes") == 0;
  ck_assert_int_eq(found, 1);
}
END_TEST

START_TEST(file_identity)
{
  struct system_file_id a, b;
  FILE *file = tmpfile();
  int copy;

  ck_assert_ptr_nonnull(file);
  copy = dup(fileno(file));
  errno = 4711;
  ck_assert(tcmi_system_file_id(fileno(file), &a));
  ck_assert(tcmi_system_file_id(copy, &b));
  ck_assert(a.device == b.device && a.inode == b.inode);
  close(copy);
  errno = 4711;
  ck_assert(!tcmi_system_file_id(copy, &b));
  ck_assert_int_eq(errno, 4711);
  fclose(file);
}
END_TEST

/* A file is always created: no link or existing file is opened. */
START_TEST(new_files)
{
  char path[] = "/tmp/tcmXXXXXX";
  int directory, file;

  ck_assert_ptr_nonnull(mkdtemp(path));
  errno = EXDEV;
  directory = tcmi_system_directory_open(path);
  ck_assert_int_ge(directory, 0);
  ck_assert_int_eq(fcntl(directory, F_GETFD), FD_CLOEXEC);
  file = tcmi_system_file_create(directory, "a");
  ck_assert_int_ge(file, 0);
  ck_assert_int_eq(fcntl(file, F_GETFD), FD_CLOEXEC);
  ck_assert_int_eq(tcmi_system_write(file, "text", 4), 0);
  ck_assert_int_eq(tcmi_system_file_close(file), 0);
  ck_assert_int_eq(tcmi_system_file_close(file), -EBADF);
  ck_assert_int_eq(tcmi_system_file_create(directory, "a"), -EEXIST);
  ck_assert_int_eq(symlinkat("missing", directory, "b"), 0);
  ck_assert_int_eq(tcmi_system_file_create(directory, "b"), -EEXIST);
  ck_assert_int_eq(faccessat(directory, "missing", F_OK, 0), -1);
  errno = EXDEV;
  ck_assert_int_eq(tcmi_system_file_rename(directory, "a", "b"), 0);
  ck_assert_int_eq(tcmi_system_file_rename(directory, "a", "b"), -ENOENT);
  tcmi_system_file_remove(directory, "b");
  tcmi_system_file_remove(directory, "b");
  ck_assert_int_eq(tcmi_system_directory_open("/dev/null"), -ENOTDIR);
  ck_assert_int_eq(errno, EXDEV);
  ck_assert_int_eq(tcmi_system_file_close(directory), 0);
  ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(write_writes_all)
{
  FILE *file = tmpfile();
  char text[16] = "";

  ck_assert_ptr_nonnull(file);
  tcmi_system_write(fileno(file), "hello", 5);
  ck_assert_int_eq(pread(fileno(file), text, sizeof text, 0), 5);
  ck_assert_str_eq(text, "hello");
  errno = 4711;
  tcmi_system_write(-1, "lost", 4);
  ck_assert_int_eq(errno, 4711);
  fclose(file);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("system");

  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_test(tests, page_size_is_the_kernels);
  tcase_add_test(tests, page_size_only_grows);
  tcase_add_test(tests, larger_pages_are_aligned);
  tcase_add_test(tests, resident_next_to_a_hole);
  tcase_add_test(tests, life_of_address_space);
  tcase_add_test(tests, access_as_promised);
  tcase_add_test(tests, mapped_memory_is_zero);
  tcase_add_test(tests, hint_is_taken_if_free);
  tcase_add_test(tests, failures_are_negative_errnos);
  tcase_add_test(tests, pages_move);
  tcase_add_test(tests, refused_move_changes_nothing);
  tcase_add_test(tests, two_mappings_do_not_move);
  tcase_add_test(tests, pages_move_back_unless_place_is_taken);
  tcase_add_test(tests, advice_is_only_advice);
  tcase_add_test(tests, unaligned_calls_are_caught);
  tcase_add_test(tests, faults_hit_what_they_name);
  tcase_add_test(tests, faults_count_over_all_kinds);
  tcase_add_test(tests, sleep_and_wake);
  tcase_add_test(tests, thread_and_processors);
  tcase_add_test(tests, environment_is_the_process_own);
  tcase_add_test(tests, file_identity);
  tcase_add_test(tests, new_files);
  tcase_add_test(tests, write_writes_all);
  return unit_run(tests);
}
