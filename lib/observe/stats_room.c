/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "observe/stats_room.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/system.h"

static struct stats_room first_room; /* taken while in_use is 1 */
static uint32_t in_use; /* [atomic: acquire and release] of first_room */

static size_t
mapped_size(void)
{
  return round_up(sizeof(struct stats_room), tcmi_system_page_size());
}

struct stats_room *
tcmi_stats_room(void)
{
  uint32_t none = 0;
  void *memory;

  if (atomic_cas_acquire(&in_use, &none, 1))
    return &first_room;
  return tcmi_system_map(mapped_size(), &memory) == 0 ? memory : NULL;
}

void
tcmi_stats_room_end(struct stats_room *room)
{
  if (room == &first_room)
    atomic_store_release(&in_use, 0);
  else if (room != NULL)
    (void)!tcmi_system_release(room, mapped_size());
}
