/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib/heap/pagemap.c: two threads need the same leaf of the pagemap, each for a
 * span of its own, while a third asks for an address there.  The list of
 * regions of lib/base/metadata.c is published in the same way.
 *
 * Proved: a leaf that can be seen can be read; the root changes once; and what
 * a thread entered is found afterward.
 *
 * mutant PUBLISH_FIRST: the root may be seen before the memory that it names
 * mutant LOOK_BEFORE_LOCK: whether there is a leaf is not asked under the lock
 */
#define NONE 0

bool lock = false;
byte root = NONE;       /* NONE, or the leaf of writer 1 or 2 */
bool mapped[3] = false; /* by leaf */
byte changes = 0;       /* of the root */
bool entry[9] = false;  /* by leaf * 3 + page: a tag */

proctype writer(byte self)
{
  byte leaf;

#ifdef LOOK_BEFORE_LOCK
  leaf = root;
#endif
  atomic { !lock -> lock = true };
#ifndef LOOK_BEFORE_LOCK
  leaf = root;
#endif
  if
  :: leaf == NONE ->
     leaf = self;
#ifdef PUBLISH_FIRST
     root = leaf;
     mapped[leaf] = true;
#else
     mapped[leaf] = true;
     root = leaf;
#endif
     changes++;
     assert(changes == 1)
  :: leaf != NONE
  fi;
  lock = false;
  /* tcmi_pagemap_set(), by the owner of the pages and without the lock */
  leaf = root;
  assert(leaf != NONE && mapped[leaf]);
  entry[leaf * 3 + self] = true;
  leaf = root;
  assert(entry[leaf * 3 + self])
}

/* Anybody may ask for any address, at any time. */
proctype reader()
{
  byte leaf;

  leaf = root;
  if
  :: leaf == NONE
  :: leaf != NONE -> assert(mapped[leaf])
  fi
}

init
{
  atomic { run writer(1); run writer(2); run reader() }
}
