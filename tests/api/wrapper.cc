/* SPDX-License-Identifier: BSD-2-Clause */
/* tcm.hpp: blocks of containers are tcm's, aligned as their type requires and
 * freed with the size of the request (the test runs with TCM_CHECK=3).  An
 * impossible size throws. */
#include "tcm.hpp"

#include <cstdint>
#include <cstdio>
#include <list>
#include <map>
#include <string>
#include <vector>

static int failures;

static void
expect(bool condition, const char *text)
{
  if (!condition) {
    std::printf("FAIL %s\n", text);
    failures++;
  }
}

static bool
is_aligned(const void *block, std::size_t alignment)
{
  return reinterpret_cast<std::uintptr_t>(block) % alignment == 0;
}

struct alignas(64) line {
  char bytes[64];
};

static void
check_allocator()
{
  typedef std::pair<const int, std::string> entry;
  std::vector<int, tcm::allocator<int>> numbers;
  std::vector<line, tcm::allocator<line>> lines(3);
  std::list<char, tcm::allocator<char>> letters(100, 'x');
  std::map<int, std::string, std::less<int>, tcm::allocator<entry>> map;

  for (int i = 0; i < 10000; i++) {
    numbers.push_back(i);
    map[i % 100] = "some text that is too long to lie in the string itself";
  }
  expect(tcm_owns(numbers.data()), "a vector's block is not tcm's");
  expect(tcm_owns(&letters.front()), "a list's node is not tcm's");
  expect(is_aligned(lines.data(), 64), "alignas(64) is not kept");
  expect(map.size() == 100 && numbers[9999] == 9999, "contents are lost");
  expect(tcm::allocator<int>() == tcm::allocator<char>(), "not equal");
  expect(!(tcm::allocator<int>() != tcm::allocator<char>()), "different");

  /* A compiler that saw these sizes would reject them. */
  volatile std::size_t most = static_cast<std::size_t>(-1);
  bool thrown = false;
  try {
    tcm::allocator<line>().allocate(most / 32);
  } catch (const std::bad_alloc &) {
    thrown = true;
  }
  expect(thrown, "an overflow of the size does not throw");
  thrown = false;
  try {
    tcm::allocator<char>().allocate(most / 2 + 1);
  } catch (const std::bad_alloc &) {
    thrown = true;
  }
  expect(thrown, "an impossible size does not throw");
}

#ifdef __cpp_lib_memory_resource
static void
check(std::pmr::memory_resource *resource)
{
  std::pmr::vector<std::pmr::string> words(resource);

  for (int i = 0; i < 1000; i++)
    words.emplace_back("a text that is too long to lie in the string itself");
  expect(tcm_owns(words.data()), "a pmr vector's block is not tcm's");
  expect(tcm_owns(words[500].data()), "a pmr string's block is not tcm's");
  expect(!resource->is_equal(*std::pmr::null_memory_resource()),
         "the resource equals another");
  for (std::size_t alignment = 1; alignment <= 4096; alignment *= 2) {
    for (std::size_t bytes : {0, 1, 4, 8, 9, 16, 24, 1000, 100000}) {
      void *block = resource->allocate(bytes, alignment);

      expect(is_aligned(block, alignment), "the alignment is not kept");
      resource->deallocate(block, bytes, alignment);
    }
  }
}

static void
check_resource()
{
  check(tcm::resource());
  expect(tcm::resource()->is_equal(*tcm::resource()),
         "the resource is not itself");
}

static std::size_t
in_use()
{
  struct tcm_stats stats = {};

  tcm_stats(&stats, sizeof stats);
  return stats.in_use_bytes;
}

/* Objects that are not destroyed: their heap frees their blocks. */
static void
check_heap_resource()
{
  const std::size_t before = in_use();
  {
    tcm::heap_resource heap, other;
    typedef std::pmr::vector<std::pmr::string> strings;
    void *place = heap.allocate(sizeof(strings), alignof(strings));
    strings *lost = ::new (place) strings(&heap);

    check(&heap);
    for (int i = 0; i < 10000; i++)
      lost->emplace_back("a text that is too long to lie in the string itself");
    expect(heap.bytes() > 500000, "the heap does not hold the strings");
    expect(other.bytes() == 0, "the other heap holds something");
    expect(heap.is_equal(heap) && !heap.is_equal(other), "the wrong heap");
    expect(in_use() > before + 500000, "the strings are not in use");
  }
  expect(in_use() < before + 100000, "the heap has not freed the strings");
}
#endif

int
main()
{
  check_allocator();
#ifdef __cpp_lib_memory_resource
  check_resource();
  check_heap_resource();
  std::puts("with std::pmr");
#endif
  return failures != 0;
}
