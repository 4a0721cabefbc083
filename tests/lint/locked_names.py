# SPDX-License-Identifier: BSD-2-Clause
"""The name of a function whose caller must hold a lock ends in _locked.

Each such function asserts that the lock is held.  A function that calls one
acquires a lock itself, or its own name ends in _locked.
"""
import re

import lint

FUNCTION = re.compile(r"^(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", re.M | re.S)
CALL = re.compile(r"\b(\w+_locked)\s*\(")
ACQUIRE = re.compile(r"\b\w*lock_(?:try_)?acquire\w*\s*\(")
ASSERTION = re.compile(r"\block_assert_held\s*\(")

count = 0
for path in lint.files("lib", suffixes=(".c", ".h")):
    text = lint.read(path)
    code = lint.blank(lint.blank(text, "comments"), "strings")
    for match in FUNCTION.finditer(code):
        name, body = match.groups()
        where = "%s:%d: %s" % (path, code.count("\n", 0, match.start()) + 1,
                               name)
        calls = CALL.search(body)
        count += 1
        if name.endswith("_locked"):
            if not ASSERTION.search(body):
                lint.complain("%s: no lock_assert_held()" % where)
        elif calls and not ACQUIRE.search(body):
            lint.complain("%s: calls %s() without a lock"
                          % (where, calls.group(1)))
lint.finish(count, "functions")
