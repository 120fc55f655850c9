#!/usr/bin/env python3
"""Each header, and each source of the product, compiles alone; a header may be included twice.

usage: check_alone.py ROOT CACHE COMPILER [ARGUMENT...]

They are compiled in parallel, behind src/precompiled.h, which takes a quarter of the time: what that
hides of the standard library, check_includes.py tells. Only those are compiled that changed since they
last compiled, themselves or through a header of ours that they include: CACHE is a file with one digest
per file. Where it is not there yet, the variable RINGMAIN_CHECKED_COMMIT may name a commit in which all
did (.ci/run). Then a header counts for those who include it only where it has lost an include since, or
a word that they say: another build compiles everything, and what it says is as good for a file that is
compiled alone, as long as nothing went to where that file does not look.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*")
WORD = re.compile(r'#include [<"][^>"]+|\w+')
HEADER_FOLDERS = {"include", "src", "tests", "perf"}
PRECOMPILED = pathlib.PurePosixPath("src/precompiled.h")
OUTPUT_LINES_MAX = 12  # of the compiler, per file: the first error is the one that counts
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Werror",
         "-DTOML_HEADER_ONLY=1", "-DTOML_EXCEPTIONS=0", "-DRINGMAIN_VERSION=\"\""]


def closure(root, name):
    """The file and every header of ours that it includes, at any depth."""
    seen = []
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.append(current)
        targets = INCLUDE.findall((root / current).read_text())
        waiting += [found for found in (tree.resolve(root, current, t) for t in targets) if found]
    return sorted(seen)


def first_include(root, name):
    """The header of ours that it includes before anything else; or None."""
    text = (root / name).read_text().replace("\n#pragma once\n", "\n")
    start = re.search(r"^\s*#", text, re.MULTILINE)
    found = INCLUDE.match(text, start.start()) if start else None
    return tree.resolve(root, name, found[1]) if found else None


def not_first(root, names):
    """Without the headers that another file of their kind begins with: they are compiled alone in that."""
    first = {found for name in names if (found := first_include(root, name))
             and is_product(found) == is_product(name)}
    return [n for n in names if n not in first or "\n#pragma once\n" not in (root / n).read_text()]


def git(root, *arguments):
    """What git says; None where it does not know."""
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, *arguments],
                          capture_output=True, text=True)
    return None if done.returncode else done.stdout


def changed_since(root, commit):
    """The files that differ from a commit's; None where git does not know."""
    listed = git(root, "diff", "--name-only", commit)
    return None if listed is None else set(map(pathlib.PurePosixPath, listed.split("\n")))


def words(text):
    """Its names and its includes."""
    return set(WORD.findall(COMMENT.sub("", text)))


def lost_words(root, commit, name):
    """What a header of ours said in that commit and says no more."""
    before = git(root, "show", f"{commit}:{name}") if name.suffix == ".h" else None
    if before is None:
        return set()
    path = root / name
    return words(before) - words(path.read_text() if path.exists() else "")


def is_hit(root, name, lost):
    """Whether what headers have lost may be missed by a file, or by the header that it begins with."""
    gone = set().union(*(lost.get(part, set()) for part in closure(root, name)))
    if any(word.startswith("#") for word in gone):
        return True
    begins_with = first_include(root, name)
    texts = [(root / part).read_text() for part in (name, begins_with) if part]
    return any(gone & words(text) for text in texts)


def digest(root, name, command):
    sha = hashlib.sha256(json.dumps([command, FLAGS]).encode())
    common = [PRECOMPILED] if (root / PRECOMPILED).exists() else []
    for part in closure(root, name) + common:
        sha.update(f"\0{part}\0".encode() + (root / part).read_bytes())
    return sha.hexdigest()


def is_product(name):
    return name.parts[0] in {"include", "src"}


class Compiler:
    """Reads a file behind the precompiled header, each kind of file behind its own."""

    def __init__(self, root, command, folder):
        self.root = root
        self.commands = {}
        shadow = "-Wshadow-all" if "clang" in command[0] else "-Wshadow"
        for product in (True, False):
            # Tests see doctest's own headers, which need exceptions; the product has none.
            flags = FLAGS + [shadow, f"-I{root / 'include'}", f"-I{root}"]
            flags += ["-fno-exceptions", "-fno-rtti"] if product else []
            self.commands[product] = command + flags + ["-x", "c++", "-fsyntax-only", "-"]
            common = root / PRECOMPILED
            if common.exists():
                base = pathlib.Path(folder) / ("product.h" if product else "test.h")
                base.write_text(f'#include "{common}"\n')
                target = base.with_suffix(".h.gch")  # the name that clang knows, too
                subprocess.run(command + flags + ["-x", "c++-header", base, "-o", target],
                               check=True)
                self.commands[product][-1:] = ["-include", base, "-"]

    def complaint(self, name):
        """None, or what the compiler says."""
        text = f'#include "{self.root / name}"\n' * (2 if name.suffix == ".h" else 1)
        done = subprocess.run(self.commands[is_product(name)], input=text, capture_output=True,
                              text=True)
        if done.returncode == 0:
            return None
        return "\n".join(done.stderr.splitlines()[:OUTPUT_LINES_MAX])


def main():
    root, cache = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    command = sys.argv[3:]
    known = json.loads(cache.read_text()) if cache.exists() else {}
    files = tree.files(root)
    names = [n for n in files if n.suffix == ".h" and n.parts[0] in HEADER_FOLDERS]
    names += [n for n in files if n.suffix == ".cc" and n.parts[0] == "src"]
    names = not_first(root, names)
    digests = {name.as_posix(): digest(root, name, command) for name in names}
    changed = [name for name in names if known.get(name.as_posix()) != digests[name.as_posix()]]
    commit = os.environ.get("RINGMAIN_CHECKED_COMMIT")
    touched = changed_since(root, commit) if commit and not known else None
    if touched is not None:
        lost = {name: lost_words(root, commit, name) for name in touched}
        changed = [name for name in changed if name in touched or is_hit(root, name, lost)]

    failed = 0
    with (tempfile.TemporaryDirectory() as folder,
          concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool):
        compiler = Compiler(root, command, folder) if changed else None
        for name, output in zip(changed, pool.map(lambda name: compiler.complaint(name), changed)):
            if output is not None:
                failed += 1
                del digests[name.as_posix()]
                print(f"{name} does not compile alone:\n{output}\n")
    cache.write_text(json.dumps(digests, indent=0))
    print(f"{len(names)} files, {len(changed)} compiled, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
