# SPDX-License-Identifier: BSD-2-Clause
# Manual pages, added to dist_man_MANS; none yet.
