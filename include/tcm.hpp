/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm.hpp - tcm for C++ containers, beside any other malloc.
 *
 *   std::vector<int, tcm::allocator<int>> numbers;        C++11
 *   std::pmr::vector<int> others(tcm::resource());        C++17
 *
 * Both call the functions of tcm.h and need only that header and the library.
 * A program whose operator new is tcm's gains nothing from them.  They are for
 * programs that use a tcm built with --disable-malloc-override.
 *
 * Invariants:
 *   1. All allocators are equal: a block may be freed through another one, on
 *      another thread.
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
#endif

} // namespace tcm

#endif /* TCM_HPP */
