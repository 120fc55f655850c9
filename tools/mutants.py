#!/usr/bin/env python3
"""Does the simulator find what it is for? Makes deliberate mistakes and expects it to fail.

usage: mutants.py [--seeds COUNT] [--folder FOLDER] [--jobs N] [--only WORDS] [--few] [--fit]

Each mistake of tests/sim/mutants.toml is made in a copy of the sources, the simulator is built
from it and runs COUNT seeds (default 400). Exit status 0: it failed for every mistake, and does not
for the sources as they are. --few tries those with `few` in the list; --fit only looks whether each mistake still has its place.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

import tree

ROOT = pathlib.Path(__file__).resolve().parents[1]
COPIED = {"include", "src", "subprojects", "tests", "perf", "conf", "tools"}
# Fast to build; the assertions stay.
SETUP = ["-Doptimization=1", "-Ddebug=false", "-Dmimalloc=disabled", "-Dperf=disabled"]
SECONDS_PER_RUN = 300


def copy_sources(folder):
    """The tree as it is now; a file that did not change keeps its time, so that little is built."""
    wanted = {name for name in tree.files(ROOT)
              if name.parts[0] in COPIED or len(name.parts) == 1}
    for name in wanted:
        target = folder / name
        data = (ROOT / name).read_bytes()
        if not target.is_file() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            shutil.copymode(ROOT / name, target)


def build(folder, jobs):
    """None, or what went wrong."""
    # The same object for the same source, wherever the tree lies.
    environment = os.environ | {"CCACHE_NOHASHDIR": "1"}
    commands = [["ninja", "-C", "build", "-j", str(jobs), "tests/sim/sim"]]
    if not (folder / "build" / "build.ninja").exists():
        commands.insert(0, ["meson", "setup", "build", *SETUP])
    for command in commands:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            return done.stdout[-3000:] + done.stderr[-1000:]
    return None


def run(folder, seeds):
    """Exit status and output of the simulator."""
    command = [folder / "build" / "tests" / "sim" / "sim", "--seed=1", f"--seeds={seeds}"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                          timeout=SECONDS_PER_RUN)
    return done.returncode, done.stderr + done.stdout


def apply(source, mutant):
    """The text of the file with the mistake."""
    search = mutant["search"]
    count = source.count(search)
    if count != 1:
        raise SystemExit(f"mutants.py: \"{mutant['name']}\": {mutant['file']} has its place "
                         f"{count} times; change tests/sim/mutants.toml with the code")
    return source.replace(search, mutant["replace"])


def try_mutant(folder, mutant, options):
    """Whether the simulator finds it. Says so."""
    path = folder / mutant["file"]
    source = path.read_text()
    path.write_text(apply(source, mutant))
    try:
        trouble = build(folder, options.jobs)
        if trouble:
            print(f"NOT BUILT  {mutant['name']}\n{trouble}")
            return False
        status, output = run(folder, options.seeds)
    finally:
        path.write_text(source)
    seed = re.search(r"^replay: sim --seed=(\d+)", output, re.MULTILINE)
    if status == 0 or seed is None:
        print(f"MISSED     {mutant['name']}: {options.seeds} seeds pass")
        return False
    reason = output.strip().splitlines()[0][:90]
    print(f"found      {mutant['name']}: seed {seed.group(1)}: {reason}", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build-mutants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="those whose name contains this")
    parser.add_argument("--few", action="store_true", help="one of each kind")
    parser.add_argument("--fit", action="store_true", help="try none: have all their place?")
    options = parser.parse_args()

    mutants = tomllib.loads((ROOT / "tests" / "sim" / "mutants.toml").read_text())["mutant"]
    for mutant in mutants:  # All that do not fit the code are a mistake of the list: said at once.
        apply((ROOT / mutant["file"]).read_text(), mutant)
    if options.fit:
        return 0
    folder = options.folder.resolve()
    copy_sources(folder)
    started = time.monotonic()
    trouble = build(folder, options.jobs)
    if trouble:
        print(trouble)
        return 1
    status, output = run(folder, options.seeds)
    if status != 0:
        print(f"the sources as they are fail:\n{output}")
        return 1
    print(f"{options.seeds} seeds pass without a mistake ({time.monotonic() - started:.0f} s)")
    chosen = [mutant for mutant in mutants if options.only in mutant["name"]
              and (mutant.get("few") or not options.few)]
    found = sum(try_mutant(folder, mutant, options) for mutant in chosen)
    print(f"{found} of {len(chosen)} mistakes found in {time.monotonic() - started:.0f} s")
    return 0 if found == len(chosen) > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
