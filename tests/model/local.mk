# SPDX-License-Identifier: BSD-2-Clause
# The tests of this folder; tests/local.mk includes this file.
