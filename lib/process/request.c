/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/request.h"

#include <errno.h>

#include "base/options.h"
#include "base/system.h"
#include "process/release.h"
#include "profile/profile.h"

static int64_t
request_act(const struct stats_request *request, uint64_t id)
{
  int error;

  /* Not read from the page's takes_requests, which is for the tool. */
  if (tcmi_system_is_secure_mode())
    return -EPERM;
  if (request->check != stats_request_check(request, id))
    return -EAGAIN;
  if (request->kind == REQUEST_RELEASE)
    return (int64_t)tcmi_release_all();
  if (request->kind != REQUEST_SET)
    return -EINVAL;
  if (request->option >= OPTION_COUNT)
    return -ENOENT;
  error = tcmi_option_change((enum option_id)request->option, request->value,
                             SOURCE_REQUEST);
  tcmi_profile_apply();
  return error;
}

void
tcmi_request_serve(void)
{
  struct stats_request *page = &tcmi_stats_page.request;
  /* Pairs with the order in which the tool writes. */
  uint64_t id = atomic_exchange_acquire(&page->id, 0);
  struct stats_request request = {
      .kind = atomic_load_relaxed(&page->kind),
      .option = atomic_load_relaxed(&page->option),
      .value = atomic_load_relaxed(&page->value),
      .check = atomic_load_relaxed(&page->check),
  };

  if (id == 0)
    return;
  atomic_store_relaxed(&page->result, request_act(&request, id));
  /* The tool reads this before result. */
  atomic_store_release(&page->done, id);
}
