# SPDX-License-Identifier: BSD-2-Clause
"""Phrases and names that were removed because readers stumbled over them do not
come back.

HACKING says how a sentence should read.  Add a phrase here after rewriting the
last place that had it.
"""
import re

import lint

PHRASES = ("so many that", "what nobody", "is told of", "are told of",
           "to hear of", "hears of", "only frees by now", "of its own accord",
           "the like", "goes back to", "as little as", "in the midst",
           "had its say", "shut itself in", "is handed on", "are handed on",
           "tells of", "worth while", "stands in a", "is in force",
           "takes the place of", "beside", "besides", "to and fro",
           "unasked", "no need of", "stands aside", "stands for all",
           "takes a look", "look tells", "pagemap tells", "cannot tell the",
           "as good as no", "stand still", "going back to the OS", "goes back at once",
           "goes on", "wrong free", "wrong frees", "for ever", "if need be",
           "none is held", "any more", "handed on", "hands on", "to themselves",
           "made anew", "computed anew", "by now")
# A limit is a _MAX or a _MIN; a cache is flushed.
NAMES = re.compile(r"\b(\w*_(?:MOST|LEAST)|(?:MOST|LEAST)_\w*|"
                   r"\w*(?:settl|Settl|SETTLE)\w*)\b")
PATTERN = re.compile(r"\b(%s)\b" % "|".join(
    phrase.replace(" ", r"\s+(?:\*\s+|#\s+)?") for phrase in PHRASES), re.I)

count = 0
for path in ["README", "NEWS", "SECURITY", "HACKING"] + lint.files(
        "lib", "include", "man", "tools", "tests"):
    # These have the phrases as data.
    if path in ("tests/lint/phrases.py", "tests/lint/can_fail.py"):
        continue
    count += 1
    text = lint.read(path)
    for match in (*PATTERN.finditer(text), *NAMES.finditer(text)):
        line = text.count("\n", 0, match.start()) + 1
        words = [word for word in match.group(1).split() if word not in "*#"]
        lint.complain("%s:%d: %s" % (path, line, " ".join(words)))
lint.finish(count, "files")
