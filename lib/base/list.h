/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list.h - intrusive doubly linked lists with a head of the same shape.
 *
 *     head <-> a <-> b <-> head
 *
 * A zeroed head is also an empty list, so heads in zeroed memory need no
 * initialization and touch no page until they are used.
 */
#ifndef TCM_BASE_LIST_H
#define TCM_BASE_LIST_H

#include "base/compiler.h"

struct list {
  struct list *next, *prev; /* [lock: of the owner of the list] */
};

#define list_entry(node, type, member) \
  ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline bool
list_is_empty(const struct list *head)
{
  return head->next == NULL || head->next == head;
}

static inline void
list_push_front(struct list *head, struct list *node)
{
  if (head->next == NULL)
    head->next = head->prev = head;
  node->next = head->next;
  node->prev = head;
  head->next->prev = node;
  head->next = node;
}

static inline void
list_push_back(struct list *head, struct list *node)
{
  if (head->next == NULL)
    head->next = head->prev = head;
  node->prev = head->prev;
  node->next = head;
  head->prev->next = node;
  head->prev = node;
}

static inline void
list_remove(struct list *node)
{
  node->prev->next = node->next;
  node->next->prev = node->prev;
  node->next = node->prev = NULL;
}

/* The first node, or NULL. */
static inline struct list *
list_first(const struct list *head)
{
  return list_is_empty(head) ? NULL : head->next;
}

/* The last node, or NULL. */
static inline struct list *
list_last(const struct list *head)
{
  return list_is_empty(head) ? NULL : head->prev;
}

/* The node after @node, or NULL. */
/* The node before @node, or NULL if it is the first. */
static inline struct list *
list_before(const struct list *head, const struct list *node)
{
  return node->prev == head ? NULL : node->prev;
}

static inline struct list *
list_after(const struct list *head, const struct list *node)
{
  return node->next == head ? NULL : node->next;
}

#endif /* TCM_BASE_LIST_H */
