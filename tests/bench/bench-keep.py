#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Puts the latest results into the tree: doc/bench.json, which README's table
is made from, and doc/bench.html.

Refuses what is not worth keeping: a quick run, fewer rounds than an interval
needs, a tree that is no commit, another instrument's result of another commit
or machine.
"""
import argparse
import importlib
import json
import os
import sys

sys.dont_write_bytecode = True
import kept  # noqa: E402
import table  # noqa: E402

pages = importlib.import_module("bench-page")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def check_others(directory, result):
    """The page shows several files as one: they must be of one tree."""
    for kind, _title in pages.OTHERS:
        path = os.path.join(directory, kind + ".json")
        if not os.path.exists(path):
            continue
        other = load(path)
        for name in ("commit", "machine", "quick"):
            if other[name] != result[name]:
                raise kept.Refused(f"{kind}: another {name} than bench.json")


def write(folder, name, text):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{path}: {len(text) // 1024} KiB")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", help="the directory of bench.json")
    parser.add_argument("folder", help="the directory to put them into")
    chosen = parser.parse_args(arguments)
    try:
        result = load(os.path.join(chosen.results, "bench.json"))
        reduced = kept.reduced(result)
        check_others(chosen.results, result)
    except (OSError, kept.Refused) as problem:
        print(f"bench-keep: {problem}", file=sys.stderr)
        return 1
    write(chosen.folder, "bench.json", kept.text_of(reduced))
    write(chosen.folder, "bench.txt", table.table(reduced))
    write(chosen.folder, "bench.html", pages.compose(chosen.results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
