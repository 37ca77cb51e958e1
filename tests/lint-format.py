#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
lint-format.py FILE... - lines that clang-format would change, of those that it can judge.

clang-format 14 decides indentation, spaces between tokens and where a control statement breaks. The rest stays with the
author, because clang-format makes it harder to read:

 - columns: it replaces the tabs before a comment by one space;
 - tables, enums, lists of arguments, chains of ?: and functions of one line: it joins them into lines of 400 characters, or
   gives each word a line of its own;
 - how a continued line is indented;
 - macros: it removes their columns, and takes their operators for others.
"""
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

CONTROL = re.compile(r"(\} )?(if|for|while|switch|else|do)\b.*[){]$|(\} )?else$")


def bare(line):
    return re.sub(r"\s+|\\$", "", line)


def squeeze(line):
    # clang-format takes these two for a binary operator.
    return re.sub(r"[\t ]+", " ", line.strip()).replace(") ~", ")~").replace("} * ", "} *")


def indent(line):
    return line[: len(line) - len(line.lstrip("\t "))]


def begins_statement(lines, i):
    """Whether line i begins a statement or declaration, rather than going on with one."""
    while i > 0 and (not lines[i - 1].strip() or lines[i - 1].startswith("#")):
        i -= 1
    before = re.sub(r"\s*/\*.*?\*/", "", lines[i - 1]).strip() if i else ""
    return not before or before[-1] in ";{}/" or bool(re.match(r"(case\b.*|\w+):$", before))


def in_macro(lines, i):
    return lines[i].startswith("#") or (i > 0 and lines[i - 1].endswith("\\"))


def lines_of(name):
    with open(name, encoding="utf-8") as file:
        return file.read().split("\n")


def check(name, formatted):
    have, want = lines_of(name), lines_of(formatted)
    found = []
    pairs = difflib.SequenceMatcher(None, [bare(x) for x in have], [bare(x) for x in want], autojunk=False)
    for what, i, i_end, j, j_end in pairs.get_opcodes():
        if what == "equal":
            for a, b in zip(range(i, i_end), range(j, j_end)):
                if in_macro(have, a):
                    continue
                if squeeze(have[a]) != squeeze(want[b]) or (
                    indent(have[a]) != indent(want[b]) and begins_statement(have, a)
                ):
                    found.append((a, want[b]))
            continue
        if i < i_end and in_macro(have, i):
            continue
        # Broken into lines otherwise: only control statements are clang-format's.
        mine = {squeeze(x) for x in have[i:i_end]}
        found += [(i, x) for x in want[j:j_end] if len(x) <= 120 and CONTROL.match(x.strip()) and squeeze(x) not in mine]
    for line, text in found:
        print(f"{name}:{line + 1}: clang-format has: {text.strip()}")
    return bool(found)


with tempfile.TemporaryDirectory() as folder:
    copies = [os.path.join(folder, name) for name in sys.argv[1:]]
    for name, copy in zip(sys.argv[1:], copies):
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copy(name, copy)
    shutil.copy(".clang-format", folder)
    subprocess.run(["clang-format-14", "-i", *copies], check=True)
    sys.exit(any([check(name, copy) for name, copy in zip(sys.argv[1:], copies)]))
