/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/cgroup_policy.h"

#include "base/bits.h"
#include "base/container.h"
#include "base/options.h"
#include "base/params.h"

struct lock tcmi_init_lock = LOCK_INITIALIZER(LOCK_INIT);

void
tcmi_cgroup_policy_apply_locked(void)
{
  uint64_t total = tcmi_option_table[OPTION_cache_total_bytes].default_value;
  struct container container;
  uint64_t bytes;

  lock_assert_held(&tcmi_init_lock);
  if (tcmi_option(OPTION_container) == 0)
    return;
  container = tcmi_container_read("");
  bytes = container.memory_bytes;
  if (bytes > 0)
    total = min_size(total, bytes / 16);
  /* The limit covers more memory than the heap. */
  tcmi_option_suggest(OPTION_soft_limit_bytes, bytes - bytes / 16);
  tcmi_option_suggest(OPTION_cache_total_bytes, total);
}

void
tcmi_cgroup_policy_apply_again(void)
{
  if (tcmi_option(OPTION_container) < 2)
    return;
  lock_acquire(&tcmi_init_lock);
  tcmi_cgroup_policy_apply_locked();
  lock_release(&tcmi_init_lock);
}

const char *
tcmi_pressure_file(void)
{
  return tcmi_option(OPTION_pressure) == 0 ? NULL : "/proc/pressure/memory";
}

bool
tcmi_pressure_is_high(int file)
{
  uint64_t enough = tcmi_option(OPTION_pressure);

  if (enough == 0)
    return false;
  return (file < 0 ? tcmi_container_pressure("")
                   : tcmi_container_pressure_in(file)) >= enough;
}
