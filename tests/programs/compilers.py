#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""gcc and g++ compile large generated files; the objects must be the same, and
so must the output of the programs linked from them."""

import hashlib
import random
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402


def c_source(functions):
    """One C file of many functions with loops, switches and tables."""
    rng = random.Random(harness.SEED)
    yield "#include <stdio.h>\n#include <string.h>\n#include <stdlib.h>\n"
    for number in range(functions):
        table = ", ".join(str(rng.randrange(10000)) for _ in range(24))
        cases = "".join("  case %d: v = v * %d + t%d[(v >> 3) %% 24]; break;\n"
                        % (case, rng.randrange(3, 99), number)
                        for case in range(8))
        yield ("struct s%(n)d { int a, b; double d; char name[%(size)d]; };\n"
               "static const unsigned t%(n)d[24] = { %(table)s };\n"
               "unsigned f%(n)d(unsigned v, struct s%(n)d *s)\n{\n"
               "  for (unsigned i = 0; i < %(loops)d; i++) {\n"
               "    switch ((v + i) & 7) {\n%(cases)s    }\n"
               "    s->a += (int)(v ^ i); s->d = s->d * 0.5 + s->a;\n"
               "    s->name[v %% sizeof s->name] = (char)v;\n"
               "  }\n  return v + (unsigned)s->a;\n}\n"
               % dict(n=number, table=table, cases=cases,
                      loops=rng.randrange(3, 40),
                      size=rng.randrange(4, 90)))
    yield "int main(void)\n{\n  unsigned v = 1;\n"
    for number in range(functions):
        yield ("  { struct s%d *s = calloc(1, sizeof *s);\n"
               "    v = f%d(v, s); free(s); }\n" % (number, number))
    yield '  printf("%u\\n", v);\n  return 0;\n}\n'


def cxx_source(classes):
    """One C++ file that instantiates much of the standard library."""
    rng = random.Random(harness.SEED + 1)
    yield ("#include <algorithm>\n#include <functional>\n#include <iostream>\n"
           "#include <map>\n#include <memory>\n#include <numeric>\n"
           "#include <string>\n#include <unordered_map>\n#include <vector>\n"
           "template <int N, class T> struct node {\n"
           "  std::map<std::string, std::vector<T>> parts;\n"
           "  std::unique_ptr<node<N - 1, T>> next;\n"
           "  T run(T v) {\n    for (int i = 0; i < N; i++)\n"
           "      parts[std::to_string(i % 7)].push_back(v + i);\n"
           "    if (!next) next = std::make_unique<node<N - 1, T>>();\n"
           "    return next->run(v + static_cast<T>(parts.size()));\n  }\n};\n"
           "template <class T> struct node<0, T> { T run(T v) "
           "{ return v; } };\n")
    for number in range(classes):
        kind = rng.choice(["int", "long", "double", "unsigned"])
        yield ("struct c%(n)d {\n"
               "  std::unordered_map<%(kind)s, std::shared_ptr<c%(n)d>> m;\n"
               "  std::vector<std::function<%(kind)s(%(kind)s)>> steps;\n"
               "  %(kind)s run(%(kind)s v) {\n"
               "    node<%(depth)d, %(kind)s> head;\n"
               "    for (int i = 0; i < 5; i++) {\n"
               "      m[static_cast<%(kind)s>(i)] = "
               "std::make_shared<c%(n)d>();\n"
               "      steps.push_back([i](%(kind)s x) { return x + i; });\n"
               "    }\n"
               "    for (auto &step : steps) v = step(v);\n"
               "    std::vector<%(kind)s> line(%(length)d, v);\n"
               "    std::partial_sum(line.begin(), line.end(), "
               "line.begin());\n"
               "    std::sort(line.begin(), line.end(), "
               "std::greater<%(kind)s>());\n"
               "    return head.run(line.front());\n  }\n};\n"
               % dict(n=number, kind=kind, depth=rng.randrange(4, 14),
                      length=rng.randrange(4, 20)))
    yield "int main()\n{\n"
    for number in range(classes):
        yield ("  { c%d c; std::cout << c.run(%d) << '\\n'; }\n" %
               (number, number))
    yield "}\n"


class Compiler:
    """The part that both compilers share."""

    sizes = {}

    def missing(self):
        if harness.find_program(self.compiler) is None:
            return self.compiler + " is not installed"
        return None

    def prepare(self, bench):
        pass

    def run(self, run):
        source = run.write(self.file, "".join(
            self.source(run.scale(**self.sizes))))
        compiler = harness.find_program(self.compiler)
        # No object may hold the path of this run.
        run.call([compiler, *self.flags, "-ffile-prefix-map=%s=." % run.dir,
                  "-c", self.file, "-o", "big.o"])
        with open(run.path("big.o"), "rb") as file:
            run.out("object", hashlib.sha256(file.read()).hexdigest())
        run.call([compiler, "big.o", "-o", "big"])
        run.out("printed", run.call([run.path("big")]).out)
        run.out("source", hashlib.sha256(
            harness.read_file(source)).hexdigest())

    def judge(self, report):
        names = {p.name for p in report.rose}
        wanted = {self.backend, "big"}
        return ["%s was not seen to use tcm" % name
                for name in sorted(wanted - names)]


class Gcc(Compiler):
    name = "gcc"
    compiler = "gcc"
    backend = "cc1"
    file = "big.c"
    flags = ["-O2", "-g"]
    source = staticmethod(c_source)
    sizes = dict(small=60, quick=600, demo=250)


class Gxx(Compiler):
    name = "g++"
    compiler = "g++"
    backend = "cc1plus"
    file = "big.cc"
    flags = ["-std=c++17", "-O1", "-frandom-seed=1"]
    source = staticmethod(cxx_source)
    sizes = dict(small=2, quick=16, demo=4)


if __name__ == "__main__":
    harness.run_all_as_script([Gcc(), Gxx()])
