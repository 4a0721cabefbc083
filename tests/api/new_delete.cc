/* SPDX-License-Identifier: BSD-2-Clause */
/* The C++ operators new and delete in all their forms: value, alignment,
 * failure by std::bad_alloc or nullptr, and the new_handler. */
#include "../support/memory.h"

#include <cstddef>
#include <new>
#include <string>
#include <vector>

#ifdef __clang__
#pragma clang diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace
{

const std::size_t sizes[] = {0,   1,    7,    8,     9,     16,     24,
                             100, 1000, 4096, 32768, 40000, 300000, 5000000};
const std::size_t impossible[] = {
    SIZE_MAX,     SIZE_MAX - 15,    SIZE_MAX - 4095,
    SIZE_MAX / 2, SIZE_MAX / 2 + 1, (std::size_t)PTRDIFF_MAX - 4096};

/* One form of new and the matching form of delete.  Those that take no
 * @alignment ignore it. */
struct form {
  const char *name;
  void *(*make)(std::size_t size, std::align_val_t alignment);
  void (*end)(void *block, std::size_t size, std::align_val_t alignment);
  bool aligned;
  bool throws;
};

const form forms[] = {
    {"new, delete",
     [](std::size_t n, std::align_val_t) { return ::operator new(n); },
     [](void *p, std::size_t, std::align_val_t) { ::operator delete(p); },
     false, true},
    {"new, sized delete",
     [](std::size_t n, std::align_val_t) { return ::operator new(n); },
     [](void *p, std::size_t n, std::align_val_t) { ::operator delete(p, n); },
     false, true},
    {"new[], delete[]",
     [](std::size_t n, std::align_val_t) { return ::operator new[](n); },
     [](void *p, std::size_t, std::align_val_t) { ::operator delete[](p); },
     false, true},
    {"new[], sized delete[]",
     [](std::size_t n, std::align_val_t) { return ::operator new[](n); },
     [](void *p, std::size_t n, std::align_val_t) {
       ::operator delete[](p, n);
     },
     false, true},
    {"nothrow new, nothrow delete",
     [](std::size_t n, std::align_val_t) {
       return ::operator new(n, std::nothrow);
     },
     [](void *p, std::size_t, std::align_val_t) {
       ::operator delete(p, std::nothrow);
     },
     false, false},
    {"nothrow new[], nothrow delete[]",
     [](std::size_t n, std::align_val_t) {
       return ::operator new[](n, std::nothrow);
     },
     [](void *p, std::size_t, std::align_val_t) {
       ::operator delete[](p, std::nothrow);
     },
     false, false},
    {"aligned new, aligned delete",
     [](std::size_t n, std::align_val_t a) { return ::operator new(n, a); },
     [](void *p, std::size_t, std::align_val_t a) { ::operator delete(p, a); },
     true, true},
    {"aligned new, sized aligned delete",
     [](std::size_t n, std::align_val_t a) { return ::operator new(n, a); },
     [](void *p, std::size_t n, std::align_val_t a) {
       ::operator delete(p, n, a);
     },
     true, true},
    {"aligned new[], aligned delete[]",
     [](std::size_t n, std::align_val_t a) { return ::operator new[](n, a); },
     [](void *p, std::size_t, std::align_val_t a) {
       ::operator delete[](p, a);
     },
     true, true},
    {"aligned new[], sized aligned delete[]",
     [](std::size_t n, std::align_val_t a) { return ::operator new[](n, a); },
     [](void *p, std::size_t n, std::align_val_t a) {
       ::operator delete[](p, n, a);
     },
     true, true},
    {"aligned nothrow new, aligned nothrow delete",
     [](std::size_t n, std::align_val_t a) {
       return ::operator new(n, a, std::nothrow);
     },
     [](void *p, std::size_t, std::align_val_t a) {
       ::operator delete(p, a, std::nothrow);
     },
     true, false},
    {"aligned nothrow new[], aligned nothrow delete[]",
     [](std::size_t n, std::align_val_t a) {
       return ::operator new[](n, a, std::nothrow);
     },
     [](void *p, std::size_t, std::align_val_t a) {
       ::operator delete[](p, a, std::nothrow);
     },
     true, false},
};

void
check_form(const form &f, std::size_t alignment)
{
  const std::align_val_t wanted{alignment};

  for (std::size_t size : sizes) {
    void *first = f.make(harness_size(size), wanted);
    void *second = f.make(harness_size(size), wanted);
    EXPECT_FOR(first != nullptr && second != nullptr, "%s, size %zu", f.name,
               size);
    EXPECT_FOR(first != second, "%s, size %zu", f.name, size);
    EXPECT_FOR(memory_is_aligned(first, memory_least_alignment(size)) &&
                   memory_is_aligned(second, memory_least_alignment(size)),
               "%s, size %zu", f.name, size);
    if (f.aligned)
      EXPECT_FOR(memory_is_aligned(first, alignment) &&
                     memory_is_aligned(second, alignment),
                 "%s, alignment %zu, size %zu", f.name, alignment, size);
    memory_fill(first, size, 1);
    memory_fill(second, size, 2);
    EXPECT_FOR(memory_holds(first, size, 1) && memory_holds(second, size, 2),
               "%s, size %zu", f.name, size);
    errno = 4711;
    f.end(first, size, wanted);
    f.end(second, size, wanted);
    EXPECT_FOR(errno == 4711, "%s, size %zu", f.name, size);
  }
  f.end(nullptr, 0, wanted);
}

void
every_form()
{
  for (const form &f : forms)
    for (std::size_t alignment = 8; alignment <= (f.aligned ? 1u << 20 : 8);
         alignment *= 2)
      check_form(f, alignment);
}

void
check_failure(const form &f, std::size_t size)
{
  bool caught = false;
  void *block = nullptr;

  try {
    block = f.make(harness_size(size), std::align_val_t{64});
  } catch (const std::bad_alloc &e) {
    caught = e.what() != nullptr;
  } catch (...) {
    EXPECT_FOR(false, "%s threw something else", f.name);
  }
  EXPECT_FOR(block == nullptr, "%s, size %zx", f.name, size);
  EXPECT_FOR(caught == f.throws, "%s, size %zx", f.name, size);
}

void
failure_throws_or_is_null()
{
  for (const form &f : forms)
    for (std::size_t size : impossible)
      check_failure(f, size);
}

int handler_calls;

const std::size_t bad_alignments[] = {0, 3, 24, 100, 4095};

/* An alignment that is not a power of two fails at once, as in libstdc++,
 * because no handler can help. */
void
bad_alignment_fails()
{
  for (const form &f : forms) {
    if (!f.aligned)
      continue;
    for (std::size_t alignment : bad_alignments) {
      bool caught = false;
      void *block = nullptr;
      handler_calls = 0;
      std::set_new_handler([] { handler_calls++; });
      try {
        block = f.make(harness_size(100), std::align_val_t{alignment});
      } catch (const std::bad_alloc &) {
        caught = true;
      }
      std::set_new_handler(nullptr);
      EXPECT_FOR(block == nullptr && caught == f.throws, "%s, alignment %zu",
                 f.name, alignment);
      EXPECT_FOR(handler_calls == 0, "%s: %d calls", f.name, handler_calls);
    }
  }
}

void
give_up_after_three()
{
  if (++handler_calls == 3)
    std::set_new_handler(nullptr);
}

/* The handler is called repeatedly, until it removes itself. */
void
handler_is_called_until_it_goes()
{
  for (const form &f : forms) {
    handler_calls = 0;
    std::set_new_handler(give_up_after_three);
    check_failure(f, SIZE_MAX / 2);
    EXPECT_FOR(handler_calls == 3, "%s: %d calls", f.name, handler_calls);
    EXPECT(std::get_new_handler() == nullptr);
    std::set_new_handler(nullptr);
  }
}

struct own_failure : std::bad_alloc {
  const char *
  what() const noexcept override
  {
    return "own";
  }
};

void
throw_own()
{
  handler_calls++;
  throw own_failure();
}

void
check_throwing_handler(const form &f)
{
  bool caught = false;
  void *block = nullptr;

  handler_calls = 0;
  std::set_new_handler(throw_own);
  try {
    block = f.make(harness_size(SIZE_MAX / 2), std::align_val_t{64});
  } catch (const own_failure &e) {
    caught = std::string("own") == e.what();
  }
  std::set_new_handler(nullptr);
  EXPECT_FOR(block == nullptr, "%s", f.name);
  EXPECT_FOR(handler_calls == 1, "%s: %d calls", f.name, handler_calls);
  EXPECT_FOR(caught == f.throws, "%s", f.name);
}

/* An exception from the handler passes through a throwing operator. */
void
handler_may_throw()
{
  for (const form &f : forms)
    if (f.throws)
      check_throwing_handler(f);
}

/* A nothrow operator returns a null pointer instead. */
void
nothrow_catches_the_handlers_exception()
{
  for (const form &f : forms)
    if (!f.throws)
      check_throwing_handler(f);
}

struct alignas(256) wide {
  char bytes[300];
};

/* The calls that a compiler generates from ordinary code. */
void
expressions()
{
  for (int i = 0; i < 200; i++) {
    wide *one = new wide;
    wide *many = new wide[5];
    EXPECT(memory_is_aligned(one, 256));
    EXPECT(memory_is_aligned(many, 256));
    delete one;
    delete[] many;
    std::vector<std::string> words;
    for (int w = 0; w < 100; w++)
      words.push_back(std::string(static_cast<std::size_t>(w), 'x'));
    EXPECT(words[99].size() == 99);
  }
  volatile std::size_t negative = static_cast<std::size_t>(-1);
  bool caught = false;
  try {
    delete[] new wide[negative];
  } catch (const std::bad_alloc &) {
    caught = true;
  }
  EXPECT(caught);
}

/* Operators and C functions share one heap. */
void
mixed_with_the_c_names()
{
  int *made = new int[100];

  if (harness_expects_tcm())
    EXPECT(harness_owns(made));
  delete[] made;
}

const harness_case cases[] = {
    {"every-form", every_form},
    {"failure-throws-or-is-null", failure_throws_or_is_null},
    {"bad-alignment-fails", bad_alignment_fails},
    {"handler-is-called-until-it-goes", handler_is_called_until_it_goes},
    {"handler-may-throw", handler_may_throw},
    {"nothrow-catches-the-handlers-exception",
     nothrow_catches_the_handlers_exception},
    {"expressions", expressions},
    {"mixed-with-the-c-names", mixed_with_the_c_names},
};

} // namespace

HARNESS_MAIN(cases)
