# SPDX-License-Identifier: BSD-2-Clause
"""malloc and free of a small block take few instructions in the built library.

From the first instruction, the lint follows the paths that take at most one
branch and stay in the function.  The fast path reaches ret through the thread
cache (it touches thread-local storage and stores something), without a call and
without a lock prefix.  Of several such paths, the one with the fewest taken
branches counts; of equal ones, the longest.

A free outside the window continues in the slow side's first step: the lint
counts the shortest path that leaves free by a jump there and reaches ret before
any call.
"""
import os
import re

import lint

LIMITS = {"malloc": 16, "free": 28}
OUTSIDE, OUTSIDE_LIMIT = "tcmi_free_slow", 53
TAKEN_MAX = 1
OUTSIDE_TAKEN_MAX = 2
BUDGET = 200


def function_range(path, name, exported=True):
    """(start, end) addresses of a function."""
    listing = lint.output(lint.tool("NM", "nm") + ["-D"] * exported +
                          ["-S", "--defined-only", path])
    match = re.search(r"^([0-9a-f]+) ([0-9a-f]+) \w %s(?:@.*)?$" % name,
                      listing, re.M)
    if not match:
        if exported:
            lint.complain("%s is not exported" % name)
        return None
    start = int(match.group(1), 16)
    return start, start + int(match.group(2), 16)


def disassemble(path, start, end):
    """address -> (instruction text, address of the next one)."""
    listing = lint.output(
        lint.tool("OBJDUMP", "objdump") +
        ["-d", "--no-show-raw-insn", "--start-address=%#x" % start,
         "--stop-address=%#x" % end, path])
    found = re.findall(r"^ *([0-9a-f]+):\t(.*?)\s*(?:#.*)?$", listing, re.M)
    code = {}
    for index, (address, text) in enumerate(found):
        after = int(found[index + 1][0], 16) if index + 1 < len(found) else None
        text = re.sub(r"^(?:bnd|notrack|repz)\s+", "", text.strip())
        code[int(address, 16)] = (text, after)
    return code


def is_store(text):
    """Whether an instruction writes memory (AT&T order, target last)."""
    word, _, operands = text.partition(" ")
    if word.startswith(("cmp", "test", "lea", "push", "bt", "nop", "j")):
        return False
    return operands.rstrip().endswith(")") or "%fs:" in operands.split(",")[-1]


class Path:
    """The instructions from the first one to ret."""

    def __init__(self):
        self.steps = []
        self.addresses = []
        self.taken = 0
        self.why_not = None

    def fork(self):
        other = Path()
        other.steps, other.taken = list(self.steps), self.taken
        other.addresses = list(self.addresses)
        return other

    def uses_thread_cache(self):
        return any("%fs:" in step for step in self.steps) and \
            any(is_store(step) for step in self.steps)


def paths(code, start, taken_max=TAKEN_MAX):
    """Every path to ret that takes few enough branches, and the paths that do
    not reach it, with the reason."""
    waiting = [(start, Path())]
    while waiting:
        address, path = waiting.pop()
        while path.why_not is None:
            if address not in code or len(path.steps) > BUDGET:
                path.why_not = "leaves the function"
                break
            text, after = code[address]
            path.steps.append(text)
            path.addresses.append(address)
            word = text.split()[0]
            if word.startswith("ret"):
                break
            if word.startswith("call") or word == "lock":
                path.why_not = "meets " + text
            elif word.startswith("j"):
                target = re.search(r"\b([0-9a-f]+)\b", text[len(word):])
                if word != "jmp":
                    other = path.fork()
                    other.taken += 1
                    if target and other.taken <= taken_max:
                        waiting.append((int(target.group(1), 16), other))
                    address = after
                    continue
                path.taken += 1
                if not target or path.taken > taken_max:
                    path.why_not = "takes more than %d branch" % taken_max
                    break
                address = int(target.group(1), 16)
            else:
                if re.match(r"xchg.*\(", text):
                    path.why_not = "meets " + text
                address = after
        yield path


def check(library, name, limit):
    bounds = function_range(library, name)
    if not bounds:
        return
    found = list(paths(disassemble(library, *bounds), bounds[0]))
    good = [p for p in found if p.why_not is None and p.uses_thread_cache()]
    if not good:
        lint.complain("%s: no fast path; from its start:" % name)
        for path in found:
            print("  %d instructions, then it %s: %s"
                  % (len(path.steps), path.why_not or "returns without the "
                     "thread cache", "; ".join(path.steps[:30])))
        return
    judge(name, min(good, key=lambda p: (p.taken, -len(p.steps))), limit)


def judge(name, best, limit):
    print("%s: %d instructions, %d branches taken, at most %d"
          % (name, len(best.steps), best.taken, limit))
    print("".join("    %s\n" % step for step in best.steps), end="")
    if len(best.steps) > limit:
        lint.complain("%s: %d instructions, at most %d"
                      % (name, len(best.steps), limit))


def check_outside(library):
    """The shortest path of a free through the slow side's first step."""
    slow = function_range(library, OUTSIDE, exported=False)
    bounds = function_range(library, "free")
    if not slow or not bounds:
        print("%s is not there by itself" % OUTSIDE)
        return
    code = disassemble(library, *bounds)
    code.update(disassemble(library, *slow))
    good = [p for p in paths(code, bounds[0], OUTSIDE_TAKEN_MAX)
            if p.why_not is None and slow[0] in p.addresses and
            p.uses_thread_cache()]
    if not good:
        lint.complain("free: no way outside the window without a call")
        return
    judge("free outside the window", min(good, key=lambda p: len(p.steps)),
          OUTSIDE_LIMIT)


if not lint.configured("TCM_MALLOC_OVERRIDE"):
    lint.skip("the library has no malloc")
header = lint.output(lint.tool("READELF", "readelf") + ["-h", lint.library()])
if "X86-64" not in header:
    lint.skip("counts x86-64 instructions only")
if not re.search(r"-O[23]", os.environ.get("CFLAGS", "-O2")):
    lint.skip("the library was not built with optimization")
for function, most in LIMITS.items():
    check(lint.library(), function, most)
check_outside(lint.library())
lint.finish(len(LIMITS), "functions")
