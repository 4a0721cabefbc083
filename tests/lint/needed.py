# SPDX-License-Identifier: BSD-2-Clause
"""libtcm.so needs only libc and the loader, and has the flags that it needs.

A preloaded library pulls everything that it needs into every process.
"""
import re

import lint

# Before glibc 2.34, threads and the loader's functions were separate libraries.
LIBC = re.compile(r"^(libc\.so\.\d+|libc\.so|libc\.musl-.*\.so\.\d+"
                  r"|ld-linux.*\.so\.\d+|ld64\.so\.\d+|ld-musl-.*\.so\.\d+"
                  r"|libpthread\.so\.\d+|libdl\.so\.\d+)$")

dynamic = lint.output(lint.tool("READELF", "readelf") +
                      ["-dW", lint.library()])
needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
for name in needed:
    if not LIBC.match(name):
        lint.complain("needs " + name)
soname = re.search(r"\(SONAME\).*\[(.*)\]", dynamic)
if not soname or soname.group(1) != "libtcm.so.0":
    lint.complain("the soname is %s" % (soname and soname.group(1)))
flags = " ".join(re.findall(r"\(FLAGS(?:_1)?\)(.*)", dynamic))
for flag, reason in (("NODELETE", "blocks outlive a dlclose"),
                     ("NOW", "the first malloc must not enter the loader"),
                     ("STATIC_TLS", "the thread cache is found without a call")):
    if not re.search(r"\b%s\b" % flag, flags):
        lint.complain("is not marked %s: %s" % (flag, reason))
if "TEXTREL" in dynamic:
    lint.complain("has text relocations")
lint.finish(len(needed), "needed libraries")
