# SPDX-License-Identifier: BSD-2-Clause
"""The thread-local block is small enough for a late dlopen.

glibc reserves a little over 1.6 KiB of static TLS for libraries that are opened
late, and other libraries need some of it.
"""
import re

import lint

LIMIT = 1024

headers = lint.output(lint.tool("READELF", "readelf") +
                      ["-lW", lint.library()])
match = re.search(r"^\s*TLS\s+\S+\s+\S+\s+\S+\s+\S+\s+(0x[0-9a-f]+)", headers,
                  re.M)
size = int(match.group(1), 16) if match else 0
if size > LIMIT:
    lint.complain("%d bytes of thread-local storage, at most %d"
                  % (size, LIMIT))
dynamic = lint.output(lint.tool("READELF", "readelf") + ["-rW",
                                                         lint.library()])
if re.search(r"_(DTPMOD|DTPOFF|TLSDESC)", dynamic):
    lint.complain("thread-local storage is not all of the model initial-exec")
lint.finish(size, "bytes of thread-local storage")
