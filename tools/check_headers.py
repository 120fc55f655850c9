#!/usr/bin/env python3
"""Each header compiles alone and may be included twice.

usage: check_headers.py ROOT CACHE COMPILER [ARGUMENT...]

What a file of src/ or tests/ includes before all else is compiled alone by the build already, and so
is what such a header includes before all else. The others are compiled in parallel, and only those
that changed since they last compiled, themselves or through a header of ours that they include: CACHE
is a file with one digest per header.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
HEADER_FOLDERS = {"include", "src", "tests", "perf"}
OUTPUT_LINES_MAX = 12  # of the compiler, per header: the first error is the one that counts
FLAGS = ["-std=c++20", "-x", "c++", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
         "-DTOML_HEADER_ONLY=1", "-DTOML_EXCEPTIONS=0"]


def resolve(root, name, target):
    for folder in (name.parent, pathlib.PurePosixPath("include"), pathlib.PurePosixPath(".")):
        if (root / folder / target).is_file():
            return folder / target
    return None


def closure(root, name):
    """The header and every header of ours that it includes, at any depth."""
    seen = []
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.append(current)
        targets = INCLUDE.findall((root / current).read_text())
        waiting += [found for found in (resolve(root, current, t) for t in targets) if found]
    return sorted(seen)


def is_once(root, name):
    return "\n#pragma once\n" in (root / name).read_text()


def first_include(root, name):
    """The header of ours that the file includes before anything else; or None."""
    text = (root / name).read_text().replace("\n#pragma once\n", "\n")
    start = re.search(r"^\s*#", text, re.MULTILINE)
    found = INCLUDE.match(text, start.start()) if start else None
    return resolve(root, name, found[1]) if found else None


def first_in_sources(root):
    """The headers that are the first thing a compiler sees of some source that every build has."""
    first = set()
    for name in tree.files(root):
        is_built = name.parts[0] in {"src", "tests"} and name.parts[1] != "fuzz"
        header = first_include(root, name) if name.suffix == ".cc" and is_built else None
        while header is not None and header not in first:
            first.add(header)
            header = first_include(root, header)
    return first


def digest(root, name, command):
    sha = hashlib.sha256(json.dumps(command).encode())
    for part in closure(root, name):
        sha.update(f"\0{part}\0".encode() + (root / part).read_bytes())
    return sha.hexdigest()


def compile_alone(root, name, command):
    """None, or what the compiler says."""
    flags = [f"-I{root / 'include'}", f"-I{root}"]
    # Tests see doctest's own headers, which need exceptions; the product has none.
    if name.parts[0] in {"include", "src"}:
        flags += ["-fno-exceptions", "-fno-rtti"]
    twice = f'#include "{root / name}"\n' * 2
    done = subprocess.run(command + FLAGS + flags + ["-"], input=twice, capture_output=True,
                          text=True)
    if done.returncode == 0:
        return None
    return "\n".join(done.stderr.splitlines()[:OUTPUT_LINES_MAX])


def main():
    root, cache = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    command = sys.argv[3:]
    known = json.loads(cache.read_text()) if cache.exists() else {}
    headers = [n for n in tree.files(root) if n.suffix == ".h" and n.parts[0] in HEADER_FOLDERS]
    built = first_in_sources(root)
    headers = [n for n in headers if n not in built or not is_once(root, n)]
    digests = {name.as_posix(): digest(root, name, command) for name in headers}
    changed = [name for name in headers if known.get(name.as_posix()) != digests[name.as_posix()]]

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        outputs = pool.map(lambda name: compile_alone(root, name, command), changed)
        for name, output in zip(changed, outputs):
            if output is not None:
                failed += 1
                del digests[name.as_posix()]
                print(f"{name} does not compile alone:\n{output}\n")
    cache.write_text(json.dumps(digests, indent=0))
    print(f"{len(headers)} headers, {len(changed)} compiled, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
