/* SPDX-License-Identifier: BSD-2-Clause */
/* C++ containers with tcm's allocator, whatever malloc the program uses:
 *   c++ -std=c++17 containers.cc $(pkg-config --cflags --libs tcm) && ./a.out
 */
#include <cstdio>
#include <tcm.hpp>
#include <vector>

int
main()
{
  std::vector<int, tcm::allocator<int>> numbers(1000, 1);

  std::printf("tcm owns the vector: %d\n", tcm_owns(numbers.data()));
#ifdef __cpp_lib_memory_resource
  std::pmr::vector<double> values(1000, 1.0, tcm::resource());

  std::printf("tcm owns the pmr vector: %d\n", tcm_owns(values.data()));

  /* The end of this block frees all that was built in the heap. */
  {
    tcm::heap_resource heap;
    std::pmr::vector<std::pmr::vector<int>> rows(100, &heap);

    for (std::pmr::vector<int> &row : rows)
      row.resize(100);
    std::printf("100 rows take %zu bytes\n", heap.bytes());
  }
#endif
  return 0;
}
