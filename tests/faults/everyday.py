#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Small everyday programs, with and without a preloaded allocator: they must
have the same status and the same output.  FAULT_SO names the allocator."""

import os
import shutil
import subprocess
import sys
import tempfile

TEXT = "".join("line %d of %s\n" % (i * 7919 % 1000, "abcdefgh"[i % 8])
               for i in range(20000))
PROGRAM = "#include <stdio.h>\nint f(int a) { return a * 42; }\n" \
    "int main(void) { printf(\"%d\\n\", f(1)); return 0; }\n"
COMMANDS = (
    ("sort", "-k4,4", "-k2,2n", "text"),
    ("awk", "{ n[$4] += $2 } END { for (k in n) print k, n[k] }", "text"),
    ("sed", "s/line/row/;s/[0-4]*$/x/", "text"),
    ("grep", "-c", "1[0-9]* of [ace]", "text"),
    ("ls", "-l", "/usr/bin"),
    ("find", "/usr/include", "-maxdepth", "2", "-name", "*.h"),
    ("tar", "cf", "-", "--mtime=@0", "text"),
    ("xz", "-1", "-c", "text"),
    ("gzip", "-n", "-c", "text"),
    ("bash", "-c", "for i in {1..3000}; do a[i]=$((i*i)); done; "
     "echo ${a[@]} | md5sum"),
    ("sh", "-c", "seq 1 500 | while read n; do echo $((n * n)); done"),
    ("python3", "-c", "import json, re, random; random.seed(1); "
     "d = {str(i): [random.random()] * (i % 9) for i in range(20000)}; "
     "print(len(json.dumps(d)), len(re.findall('1.', str(d))))"),
    ("perl", "-e", "my %h; $h{$_ % 977} .= $_ for 1..200000; "
     "print length join '', map { \"$_$h{$_}\" } sort keys %h"),
    ("git", "hash-object", "text"),
    ("gcc", "-O2", "-S", "-o", "-", "program.c"),
    ("clang", "-O2", "-S", "-o", "-", "program.c"),
    ("g++", "-x", "c++", "-O2", "-S", "-o", "-", "program.c"),
    ("make", "-n", "-f", "/dev/null", "--version"),
    ("sqlite3", ":memory:", "create table t(a); with recursive c(x) as "
     "(select 1 union all select x+1 from c where x < 20000) insert into t "
     "select x from c; select sum(a), count(*) from t;"),
    ("php", "-r", "$a = range(1, 50000); shuffle($a); sort($a); "
     "echo array_sum($a), mb_strtoupper('x');"),
    ("node", "-e", "let m = new Map(); for (let i = 0; i < 50000; i++) "
     "m.set('k' + i, [i]); console.log(m.size)"),
)


def run(command, preload, folder):
    environment = dict(os.environ, LC_ALL="C", HOME=folder)
    environment.pop("LD_PRELOAD", None)
    if preload:
        environment["LD_PRELOAD"] = preload
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=folder,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env=environment, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def main():
    preload = os.environ.get("FAULT_SO", "")
    ran = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("text", TEXT), ("program.c", PROGRAM)):
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
        for command in COMMANDS:
            if shutil.which(command[0]) is None:
                continue
            ran += 1
            plain = run(command, "", folder)
            under = run(command, preload, folder)
            if plain[:2] != under[:2]:
                wrong += 1
                print("  not true: %s: status %d, then %d: %s" % (
                    command[0], plain[0], under[0],
                    under[2].decode(errors="replace").strip()[:200]))
    print("  %d programs, %d differ" % (ran, wrong))
    return 1 if wrong or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
