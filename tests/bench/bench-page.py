#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""One page of all that was measured: the result file of bench.py, and those
of the other instruments that are there."""
import argparse
import json
import os
import sys

sys.dont_write_bytecode = True
import curves  # noqa: E402
import latencies  # noqa: E402
import page  # noqa: E402

# The instruments in the order of the page, and their headings.
OTHERS = (
    ("curves", "Cost over size"),
    ("latency", "Single calls"),
    ("idle", "Memory that was freed"),
    ("scaling", "More threads"),
    ("traces", "Over the limit"),
    ("huge", "Huge pages"),
)


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


DRAWINGS = {"curves": curves.svg, "latency": latencies.charts}


def section(kind, title, result):
    """One instrument's part of the page."""
    text = f"<h2>{page.escape(title)}</h2>"
    figures = f"<pre>{page.escape(result['text'])}</pre>"
    if kind not in DRAWINGS:
        return text + figures
    return (text + "<p>Both scales are logarithmic; lower is better.</p>"
            + DRAWINGS[kind](result)
            + "<details><summary>All figures as a table</summary>"
            + figures + "</details>")


def compose(directory):
    """Makes the page from the result files in `directory`."""
    sections = []
    for kind, title in OTHERS:
        path = os.path.join(directory, kind + ".json")
        if os.path.exists(path):
            sections.append(section(kind, title, load(path)))
    return page.page(load(os.path.join(directory, "bench.json")), sections)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", help="where bench.json and others are")
    parser.add_argument("page", help="where the page goes")
    chosen = parser.parse_args(arguments)
    text = compose(chosen.directory)
    with open(chosen.page, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
