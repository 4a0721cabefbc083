/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/list.h"

struct item {
  int before; /* so that the link is not the first member */
  struct list link;
  int number;
};

#define NITEMS 40

static struct item items[NITEMS];
static struct list head;

/* The expected order of the list. */
static int order[NITEMS];
static int length;

static void
expect_order(void)
{
  struct list *node = list_first(&head);
  const struct list *before = &head;
  int i;

  must(list_is_empty(&head) == (length == 0));
  for (i = 0; i < length; i++) {
    must(node != NULL);
    must(list_entry(node, struct item, link)->number == order[i]);
    must(node->prev == before);
    before = node;
    node = list_after(&head, node);
  }
  must(node == NULL);
  if (length > 0)
    must(head.prev == before);
}

static void
model_remove(int number)
{
  int i = 0;

  while (order[i] != number)
    i++;
  memmove(order + i, order + i + 1, (size_t)(length - i - 1) * sizeof order[0]);
  length--;
}

START_TEST(zeroes_are_an_empty_list)
{
  ck_assert(list_is_empty(&head));
  ck_assert_ptr_null(list_first(&head));
}
END_TEST

START_TEST(head_that_names_itself_is_empty)
{
  head.next = head.prev = &head;
  ck_assert(list_is_empty(&head));
  ck_assert_ptr_null(list_first(&head));
  list_push_back(&head, &items[0].link);
  ck_assert_ptr_eq(list_first(&head), &items[0].link);
}
END_TEST

START_TEST(one_node)
{
  list_push_front(&head, &items[0].link);
  ck_assert(!list_is_empty(&head));
  ck_assert_ptr_eq(list_first(&head), &items[0].link);
  ck_assert_ptr_null(list_after(&head, &items[0].link));
  list_remove(&items[0].link);
  ck_assert(list_is_empty(&head));
  ck_assert_ptr_null(items[0].link.next);
  ck_assert_ptr_null(items[0].link.prev);
}
END_TEST

START_TEST(random_steps_against_an_array)
{
  uint64_t state = unit_seed();
  bool in_list[NITEMS] = {false};
  int step;

  for (step = 0; step < 20000; step++) {
    int number = (int)unit_below(&state, NITEMS);
    items[number].number = number;
    if (in_list[number]) {
      list_remove(&items[number].link);
      model_remove(number);
    } else if (step % 2 == 0) {
      list_push_front(&head, &items[number].link);
      memmove(order + 1, order, (size_t)length++ * sizeof order[0]);
      order[0] = number;
    } else {
      list_push_back(&head, &items[number].link);
      order[length++] = number;
    }
    in_list[number] = !in_list[number];
    expect_order();
  }
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("list");

  tcase_add_test(tests, zeroes_are_an_empty_list);
  tcase_add_test(tests, head_that_names_itself_is_empty);
  tcase_add_test(tests, one_node);
  tcase_add_test(tests, random_steps_against_an_array);
  return unit_run(tests);
}
