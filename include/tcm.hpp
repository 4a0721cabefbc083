/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm.hpp - tcm for C++ containers, whatever malloc is.
 *
 *   std::vector<int, tcm::allocator<int>> numbers;        C++11
 *   std::pmr::vector<int> others(tcm::resource());        C++17
 *
 *   tcm::heap_resource heap;                              C++17
 *   std::pmr::vector<int> short_lived(&heap);
 *
 * All call the functions of tcm.h and need only that header and the library.  A
 * program whose operator new is tcm's gains nothing from the first two.  They
 * are for programs that use a tcm built with --disable-malloc-override.  A
 * heap_resource frees at once what was built in it, see tcm_heap_new(3).
 *
 * Invariants:
 *   1. All allocators are equal: a block may be freed through another one, on
 *      another thread.  A heap_resource equals only itself.
 *   2. A block is freed with the size and alignment that were requested, so
 *      TCM_CHECK=2 detects a container that confuses them.
 *   3. Errors throw std::bad_alloc, without calling the new_handler; without
 *      exceptions, the process aborts.
 */
#ifndef TCM_HPP
#define TCM_HPP

#include "tcm.h"

#include <cstddef>
#include <cstdlib>
#include <new>

#if __cplusplus >= 201703L && defined(__has_include)
#if __has_include(<memory_resource>)
#include <memory_resource>
#endif
#endif

namespace tcm
{
namespace detail
{

[[noreturn]] inline void
fail()
{
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
  throw std::bad_alloc();
#else
  std::abort();
#endif
}

/* Whether tcm_malloc() already aligns to @alignment, see tcm.h. */
inline bool
is_natural(std::size_t bytes, std::size_t alignment) noexcept
{
  return alignment <= 8 || (alignment <= 16 && bytes > 8);
}

inline void *
allocate(std::size_t bytes, std::size_t alignment)
{
  void *block = is_natural(bytes, alignment)
                    ? tcm_malloc(bytes)
                    : tcm_aligned_alloc(alignment, bytes);
  if (block == nullptr)
    fail();
  return block;
}

inline void
deallocate(void *block, std::size_t bytes, std::size_t alignment) noexcept
{
  if (is_natural(bytes, alignment))
    tcm_free_sized(block, bytes);
  else
    tcm_free_aligned_sized(block, alignment, bytes);
}

} // namespace detail

/* An allocator for std::vector and the other containers. */
template <class T> struct allocator {
  typedef T value_type;

  allocator() noexcept
  {
  }
  template <class U> allocator(const allocator<U> &) noexcept
  {
  }

  T *
  allocate(std::size_t count)
  {
    if (count > static_cast<std::size_t>(-1) / sizeof(T))
      detail::fail();
    return static_cast<T *>(detail::allocate(count * sizeof(T), alignof(T)));
  }
  void
  deallocate(T *block, std::size_t count) noexcept
  {
    detail::deallocate(block, count * sizeof(T), alignof(T));
  }
};

template <class T, class U>
bool
operator==(const allocator<T> &, const allocator<U> &) noexcept
{
  return true;
}
template <class T, class U>
bool
operator!=(const allocator<T> &, const allocator<U> &) noexcept
{
  return false;
}

#ifdef __cpp_lib_memory_resource
namespace detail
{

class memory_resource final : public std::pmr::memory_resource
{
  void *
  do_allocate(std::size_t bytes, std::size_t alignment) override
  {
    return detail::allocate(bytes, alignment);
  }
  void
  do_deallocate(void *block, std::size_t bytes, std::size_t alignment) override
  {
    detail::deallocate(block, bytes, alignment);
  }
  /* There is only one object per process, so this needs no dynamic_cast and
   * works with -fno-rtti. */
  bool
  do_is_equal(const std::pmr::memory_resource &other) const noexcept override
  {
    return this == &other;
  }
};

} // namespace detail

/* The resource of the process.  It is never destroyed, since static containers
 * may outlive any other static object. */
inline std::pmr::memory_resource *
resource()
{
  alignas(detail::memory_resource) static unsigned char
      storage[sizeof(detail::memory_resource)];
  static std::pmr::memory_resource *const it =
      ::new (static_cast<void *>(storage)) detail::memory_resource;

  return it;
}

/* Its destructor frees all blocks that were allocated from it, so objects in
 * them whose destructors do nothing else need not be destroyed.  Threads may
 * share it. */
class heap_resource final : public std::pmr::memory_resource
{
public:
  heap_resource() : heap(tcm_heap_new())
  {
    if (heap == nullptr)
      detail::fail();
  }
  heap_resource(const heap_resource &) = delete;
  heap_resource &operator=(const heap_resource &) = delete;
  ~heap_resource() override
  {
    tcm_heap_delete(heap);
  }

  /* The memory that it holds. */
  std::size_t
  bytes() const noexcept
  {
    return tcm_heap_bytes(heap);
  }

private:
  void *
  do_allocate(std::size_t bytes, std::size_t alignment) override
  {
    void *block = detail::is_natural(bytes, alignment)
                      ? tcm_heap_malloc(heap, bytes)
                      : tcm_heap_aligned_alloc(heap, alignment, bytes);
    if (block == nullptr)
      detail::fail();
    return block;
  }
  void
  do_deallocate(void *block, std::size_t bytes, std::size_t alignment) override
  {
    detail::deallocate(block, bytes, alignment);
  }
  bool
  do_is_equal(const std::pmr::memory_resource &other) const noexcept override
  {
    return this == &other;
  }

  tcm_heap *heap;
};
#endif

} // namespace tcm

#endif /* TCM_HPP */
