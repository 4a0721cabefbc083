/* SPDX-License-Identifier: BSD-2-Clause */
/* Call stacks: complete if they are intact, and no crash if they are not. */
#include "unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <dlfcn.h>

#include "profile/unwind.h"
#include "profile/unwind_cfi.h"

static uintptr_t pcs[UNWIND_FRAMES], again[UNWIND_FRAMES];
static size_t depth;
static bool whole;
/* What tcmi_unwind_cache_make() returned. */
static size_t cache_bytes;

/* The next two functions do not end with a call, which would be a tail call. */
static void
expect_same(size_t depth_again, bool whole_again)
{
  must_for(depth == depth_again && whole == whole_again, "%zu, not %zu",
           depth_again, depth);
  if (depth > 1)
    must(memcmp(pcs + 1, again + 1, (depth - 1) * sizeof *pcs) == 0);
}

/* Of the main thread; other threads have none. */
static struct unwind_past past;

/* Walks three times: the second walk takes its rules from the cache, the third
 * takes what it can from the previous stack.  Only the call here differs. */
static NOINLINE void
take(void)
{
  bool whole_again;
  size_t depth_again = tcmi_unwind(NULL, again, UNWIND_FRAMES, &whole_again);

  depth = tcmi_unwind(NULL, pcs, UNWIND_FRAMES, &whole);
  expect_same(depth_again, whole_again);
  depth_again = tcmi_unwind(&past, again, UNWIND_FRAMES, &whole_again);
  expect_same(depth_again, whole_again);
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

/* The walks of two recursions share their outer frames. */
START_TEST(what_changed_is_walked)
{
  int i;

  for (i = 0; i < 60; i++) {
    recurse(i * 7 % 40);
    if (i % 5 == 0)
      recurse(i * 11 % 140);
  }
  recurse(20);
  if (!HAS_STACKS)
    return;
  ck_assert_uint_ge(frames_in((void (*)(void))recurse), 21);
#ifdef __x86_64__
  /* All but the innermost frames, and no more than fit. */
  ck_assert_uint_ge(past.n, 22);
  must(past.n <= UNWIND_PAST && past.whole);
#endif
}
END_TEST

/* A remembered return address is not used if the stack no longer holds it. */
START_TEST(a_changed_past_is_not_believed)
{
  size_t i, n;

  recurse(10);
  n = past.n;
  for (i = 0; i < n; i++) {
    past.frames[i].pc ^= 16;
    recurse(10);
    past.frames[i % (past.n + 1)].cfa += 16;
    recurse(10);
  }
  past.n = UNWIND_PAST;
  for (i = 0; i < UNWIND_PAST; i++)
    past.frames[i].cfa = i * 8;
  recurse(10);
  for (i = 0; i < UNWIND_PAST; i++)
    past.frames[i].cfa = UINTPTR_MAX - i * 8;
  recurse(10);
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

/* The stack lies between inaccessible pages, and is unmapped afterward. */
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

#if UNWIND_CFI
#define WORD sizeof(uintptr_t)

/* An object with one function, whose frame has a CFA of SP plus 16, and the
 * return address below it.  All fields: [owner thread] */
static struct {
  _Alignas(8) uint8_t header[4];
  int32_t frames, count, start, fde;
  _Alignas(8) uint8_t cie[24], own[24];
  uint8_t code[8 << 10];
} object;

static const uint8_t cie_bytes[24] = {
    20,        0, 0,    0,    0,         0,  0,
    0,         1, 'z',  'R',  0,         1,  0x78,
    UNWIND_RA, 1, 0x1b, 0x0c, UNWIND_SP, 16, 0x80 | UNWIND_RA,
    1};
/* Where the operands of the last two instructions are. */
#define CIE_CFA 19
#define CIE_RA 21

static void
put(uint8_t *at, intptr_t value)
{
  int32_t word = (int32_t)value;

  memcpy(at, &word, sizeof word);
}

static struct unwind_code
load_object(void)
{
  struct unwind_code code = {.object = {.start = (uintptr_t)&object,
                                        .end = (uintptr_t)(&object + 1),
                                        .table = object.header}};

  memcpy(object.header, (uint8_t[]){1, 0x1b, 0x03, 0x3b}, 4);
  object.count = 1;
  object.start = (int32_t)(object.code - object.header);
  object.fde = (int32_t)(object.own - object.header);
  memcpy(object.cie, cie_bytes, sizeof object.cie);
  memset(object.own, 0, sizeof object.own);
  put(object.own, sizeof object.own - 4);
  put(object.own + 4, object.own + 4 - object.cie);
  put(object.own + 8, object.code - (object.own + 8));
  put(object.own + 12, sizeof object.code);
  tcmi_cfi_open(&code);
  ck_assert_uint_eq(code.npairs, 1);
  return code;
}

/* Goes one step up from the code at @offset.  Returns the number of the word of
 * the stack that holds the return address; 0 if the walk fails. */
static uintptr_t
step_from(const struct unwind_code *code, size_t offset)
{
  uintptr_t stack[20];
  struct unwind_frame frame = {.page = UNWIND_NO_PAGE,
                               .known = (uint64_t)1 << UNWIND_SP,
                               .pc = (uintptr_t)object.code + offset,
                               .exact = true};

  for (size_t i = 0; i < 20; i++)
    stack[i] = i;
  frame.regs[UNWIND_SP] = (uintptr_t)stack;
  return tcmi_unwind_by_cfi(&frame, code) == UNWIND_OK ? frame.pc : 0;
}

/* If any byte of an object changes, no rule of the old object is used.  At each
 * step, another object is loaded in the same place. */
START_TEST(another_object_in_its_place)
{
  struct unwind_code code = load_object();

  for (int i = 0; i < 3; i++) {
    for (uintptr_t words = 2; words < 16; words++) {
      object.cie[CIE_CFA] = (uint8_t)(words * WORD);
      ck_assert_uint_eq(step_from(&code, 16), words - 1);
      ck_assert_uint_eq(step_from(&code, 16), words - 1);
    }
    /* def_cfa_offset in the FDE */
    object.own[17] = 0x0e;
    for (uintptr_t words = 2; words < 16; words++) {
      object.own[18] = (uint8_t)(words * WORD);
      ck_assert_uint_eq(step_from(&code, 16), words - 1);
    }
    object.cie[CIE_RA] = 2;
    ck_assert_uint_eq(step_from(&code, 16), 13);
    /* A shorter function, another place of the FDE, an empty table. */
    put(object.own + 12, 16);
    ck_assert_uint_eq(step_from(&code, 16), 0);
    code = load_object();
    ck_assert_uint_eq(step_from(&code, 16), 1);
    object.fde += 4;
    ck_assert_uint_eq(step_from(&code, 16), 0);
    code = load_object();
    ck_assert_uint_eq(step_from(&code, 16), 1);
    code.npairs = 0;
    ck_assert_uint_eq(step_from(&code, 16), 0);
    code = load_object();
  }
}
END_TEST

/* More return addresses than the cache has entries: all are correct, and the
 * cache does not grow. */
START_TEST(more_than_the_cache_holds)
{
  struct unwind_code code = load_object();

  for (int i = 0; i < 3; i++)
    for (size_t offset = 0; offset < sizeof object.code; offset++)
      must(step_from(&code, offset) == 1);
  must(cache_bytes > 0 && cache_bytes <= 64 << 10);
  ck_assert_uint_eq(tcmi_unwind_cache_make(), 0);
}
END_TEST
#endif /* UNWIND_CFI */

/* Two libraries whose only difference is the size of a frame take turns in one
 * place. */
START_TEST(another_library_in_its_place)
{
  static const char *const names[] = {"small", "large"};
  const char *build = getenv("TEST_BUILDDIR");
  uintptr_t last = 0;
  unsigned same = 0;

  for (unsigned i = 0; i < 20; i++) {
    void (*call)(void (*)(void));
    char path[4096];
    void *library, *symbol;
    snprintf(path, sizeof path, "%s/tests/unit/frame_%s.so",
             build == NULL ? "." : build, names[i % 2]);
    library = dlopen(path, RTLD_NOW);
    must_for(library != NULL, "%s", dlerror());
    symbol = dlsym(library, "frame_module_call");
    must(symbol != NULL);
    memcpy(&call, &symbol, sizeof call);
    call(take);
    same += last == (uintptr_t)symbol;
    last = (uintptr_t)symbol;
    if (HAS_STACKS) {
      ck_assert_uint_eq(frames_in((void (*)(void))call), 1);
      must(whole);
    }
    dlclose(library);
  }
  must(same > 0 || TCM_SANITIZED);
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

  cache_bytes = tcmi_unwind_cache_make();
  tcase_add_test(tests, from_here_to_the_start);
  tcase_add_test(tests, what_changed_is_walked);
  tcase_add_test(tests, a_changed_past_is_not_believed);
  tcase_add_test(tests, deep_ones_are_cut);
  tcase_add_test(tests, in_a_thread);
  tcase_add_loop_test(tests, in_a_handler, 0, 2);
  tcase_add_test(tests, in_a_coroutine);
  tcase_add_test(tests, on_a_damaged_stack);
  tcase_add_test(tests, in_code_made_at_run_time);
#if UNWIND_CFI
  tcase_add_test(tests, another_object_in_its_place);
  tcase_add_test(tests, more_than_the_cache_holds);
#endif
  tcase_add_test(tests, another_library_in_its_place);
  tcase_add_test(tests, what_can_be_read);
  return unit_run(tests);
}
