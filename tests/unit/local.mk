# SPDX-License-Identifier: BSD-2-Clause
# One program per module of lib/, with Check and the debug core.
EXTRA_DIST += tests/unit/unit.h
