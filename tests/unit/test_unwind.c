/* SPDX-License-Identifier: BSD-2-Clause */
/* Call stacks: complete if they are intact, and no crash if they are not. */
#include "unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "profile/unwind.h"

static uintptr_t pcs[UNWIND_FRAMES];
static size_t depth;
static bool whole;

/* In the next two functions, no call comes last, or it would be a tail call. */
static NOINLINE void
take(void)
{
  depth = tcmi_unwind(pcs, UNWIND_FRAMES, &whole);
  __asm__ volatile("");
}

static NOINLINE void
recurse(int n)
{
  volatile char room[40];

  room[0] = (char)n;
  if (n > 0)
    recurse(n - 1);
  else
    take();
  room[1] = room[0];
}

static bool
is_in(uintptr_t pc, void (*function)(void), size_t size)
{
  return pc - (uintptr_t)function < size;
}

/* The number of frames in a function, which must be less than 256 bytes. */
static size_t
frames_in(void (*function)(void))
{
  size_t n = 0;

  for (size_t i = 0; i < depth; i++)
    n += is_in(pcs[i], function, 256);
  return n;
}

/* Without call-frame information there may be no stacks. */
#if UNWIND_CFI && defined HAVE__DL_FIND_OBJECT && !TCM_SANITIZED
#define HAS_STACKS 1
#else
#define HAS_STACKS 0
#endif

START_TEST(from_here_to_the_start)
{
  recurse(20);
  if (!HAS_STACKS)
    return;
  ck_assert_uint_ge(frames_in((void (*)(void))recurse), 21);
  must(whole);
}
END_TEST

START_TEST(deep_ones_are_cut)
{
  recurse(1000);
  ck_assert_uint_le(depth, UNWIND_FRAMES);
  if (HAS_STACKS)
    ck_assert_uint_eq(depth, UNWIND_FRAMES);
  must(!whole || !HAS_STACKS);
}
END_TEST

static void *
thread(void *unused)
{
  recurse(3);
  __asm__ volatile("");
  return unused;
}

START_TEST(in_a_thread)
{
  pthread_t id;

  unit_thread(&id, thread, NULL);
  unit_join(id);
  if (!HAS_STACKS)
    return;
  ck_assert_uint_ge(frames_in((void (*)(void))thread), 1);
  must(whole);
}
END_TEST

static void
on_signal(int signal)
{
  (void)signal;
  recurse(2);
  __asm__ volatile("");
}

static NOINLINE void
raise_here(void)
{
  raise(SIGUSR1);
  __asm__ volatile("");
}

/* The second time, on an alternate signal stack. */
START_TEST(in_a_handler)
{
  static char room[64 << 10];
  stack_t other = {.ss_sp = room, .ss_size = sizeof room};
  struct sigaction action = {.sa_handler = on_signal,
                             .sa_flags = _i == 0 ? 0 : SA_ONSTACK};

  ck_assert_int_eq(sigaltstack(&other, NULL), 0);
  ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
  raise_here();
  if (!HAS_STACKS)
    return;
  ck_assert_uint_ge(frames_in((void (*)(void))on_signal), 1);
  ck_assert_uint_ge(frames_in((void (*)(void))raise_here), 1);
  must(whole);
}
END_TEST

static ucontext_t outer, inner;

static void
coroutine(void)
{
  recurse(5);
  __asm__ volatile("");
}

/* The stack lies between inaccessible pages, and is unmapped afterwards. */
START_TEST(in_a_coroutine)
{
  size_t size = 64 << 10, page = 64 << 10;
  char *room = mmap(NULL, size + 2 * page, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  ck_assert_ptr_ne(room, MAP_FAILED);
  ck_assert_int_eq(mprotect(room + page, size, PROT_READ | PROT_WRITE), 0);
  ck_assert_int_eq(getcontext(&inner), 0);
  inner.uc_stack.ss_sp = room + page;
  inner.uc_stack.ss_size = size;
  inner.uc_link = &outer;
  makecontext(&inner, coroutine, 0);
  ck_assert_int_eq(swapcontext(&outer, &inner), 0);
  munmap(room, size + 2 * page);
  if (HAS_STACKS)
    ck_assert_uint_ge(frames_in(coroutine), 1);
}
END_TEST

/* Overwrites its callers' frames and never returns.  A word becomes noise, the
 * address of a stack slot or of code, or zero, or it stays. */
static NOINLINE void
damage(uint64_t seed, uintptr_t *from, size_t words)
{
  uint64_t state = seed;

  for (size_t i = 0; i < words; i++)
    switch (unit_below(&state, 6)) {
    case 0:
      from[i] = (uintptr_t)harness_random(&state);
      break;
    case 1:
      from[i] = (uintptr_t)&from[i] + unit_below(&state, 64) * 8;
      break;
    case 2:
      from[i] = (uintptr_t)&recurse + unit_below(&state, 64);
      break;
    case 3:
      from[i] = 0;
      break;
    default:
      break;
    }
  take();
  must(depth <= UNWIND_FRAMES);
  _exit(0);
}

static NOINLINE void
damage_own(uint64_t seed)
{
  uintptr_t mark[8];

  damage(seed, mark, 120);
  __asm__ volatile("" ::"r"(mark) : "memory");
}

static NOINLINE void
leave_room(uint64_t seed)
{
  volatile char room[1024];

  room[0] = 1;
  damage_own(seed);
  room[1] = room[0];
}

START_TEST(on_a_damaged_stack)
{
  uint64_t seed = unit_seed();
  int status;

  if (TCM_SANITIZED)
    return;
  for (int i = 0; i < 300; i++) {
    pid_t pid = fork();
    if (pid == 0)
      leave_room(seed + (uint64_t)i);
    must(waitpid(pid, &status, 0) == pid);
    must_for(status == 0, "seed %d, status %x", i, (unsigned)status);
  }
}
END_TEST

/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
START_TEST(in_code_made_at_run_time)
{
#if HAS_STACKS && defined __x86_64__
  static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5,
                                       0xff, 0xd7, 0x5d, 0xc3};
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void (*call)(void (*)(void));

  if (page == MAP_FAILED)
    return;
  memcpy(page, code, sizeof code);
  memcpy(&call, &page, sizeof call);
  call(take);
  ck_assert_uint_ge(depth, 3);
  must(whole);
  for (size_t i = 0; i < depth; i++)
    if (pcs[i] - (uintptr_t)page < sizeof code)
      return;
  ck_abort_msg("the frame is not there");
#endif
}
END_TEST

START_TEST(what_can_be_read)
{
  char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  errno = 7;
  must(tcmi_system_is_readable((uintptr_t)page));
  must(tcmi_system_is_readable((uintptr_t)&depth));
  must(!tcmi_system_is_readable(0));
  must(!tcmi_system_is_readable((uintptr_t)-8));
  munmap(page, 8192);
  must(!tcmi_system_is_readable((uintptr_t)page));
  ck_assert_int_eq(errno, 7);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("unwind");

  tcase_add_test(tests, from_here_to_the_start);
  tcase_add_test(tests, deep_ones_are_cut);
  tcase_add_test(tests, in_a_thread);
  tcase_add_loop_test(tests, in_a_handler, 0, 2);
  tcase_add_test(tests, in_a_coroutine);
  tcase_add_test(tests, on_a_damaged_stack);
  tcase_add_test(tests, in_code_made_at_run_time);
  tcase_add_test(tests, what_can_be_read);
  return unit_run(tests);
}
