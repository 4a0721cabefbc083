# SPDX-License-Identifier: BSD-2-Clause
# Programs beside the library; none yet.
