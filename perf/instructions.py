#!/usr/bin/env python3
"""Instructions per request in the pure half, counted by valgrind: the same on every run.

usage: perf/instructions.py BUILD_FOLDER [--check | --update | --against BUILD_FOLDER]

Without an option the figures are printed beside those in perf/instructions.txt. --check fails when
one is more than 5 % above, or when a work of the file is no longer there; --update writes the file:
on purpose, and with the reason in the commit. --against compares two builds. The figures depend on
the compiler and on how it optimises, so the file names both; with others, --check says so and
compares nothing.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

COMMITTED = pathlib.Path(__file__).parent / "instructions.txt"
MORE = 1.05
ROUNDS = 100  # between the two counts of which the difference is taken


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True,
                          text=True)


def count(binary, work, rounds):
    done = run("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, work,
               rounds)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def per_request(binary, work, depth):
    """Of later rounds; start and the first rounds cancel out. Many more first, at full speed: what
    fills up over time ends the replay there."""
    run(binary, work, 10_000)
    warm = 50
    return (count(binary, work, warm + ROUNDS) - count(binary, work, warm)) / (ROUNDS * depth)


def measure(folder):
    binary = pathlib.Path(folder) / "perf" / "replay"
    works = [line.split("\t") for line in run(binary, "--list").stdout.splitlines()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        figures = pool.map(lambda work: per_request(binary, work[1], int(work[0])), works)
        return {work[1]: figure for work, figure in zip(works, figures)}


def compiler(folder):
    """What compiled it, as the binary itself says; lld says in the same place what linked it."""
    binary = pathlib.Path(folder) / "perf" / "replay"
    text = run("readelf", "--string-dump=.comment", binary).stdout
    said = {line for line in re.findall(r"\]\s+(.*)", text) if not line.startswith("Linker:")}
    return max(said)


def build_options(folder):
    """How it was built, as meson knows it."""
    path = pathlib.Path(folder) / "meson-info" / "intro-buildoptions.json"
    values = {option["name"]: option["value"] for option in json.loads(path.read_text())}
    return {name: str(values[name]).lower() for name in ("buildtype", "b_lto", "unity")}


def why_not_comparable(made_with, how, folder):
    """What is another in this build than in the one of the file; an empty text: nothing. Unity is
    how files are put together, which is only told."""
    if made_with != compiler(folder):
        return f"was made with {made_with}, this build with {compiler(folder)}"
    here = build_options(folder)
    others = [f"{name} {how[name]} (this one: {here[name]})" for name in ("buildtype", "b_lto")
              if how[name] != here[name]]
    return f"is of a build with {' and with '.join(others)}" if others else ""


def read_committed():
    lines = COMMITTED.read_text().splitlines()
    made_with, how = [line[2:] for line in lines if line.startswith("# ")][:2]
    figures = {}
    for line in lines:
        if line and not line.startswith("#"):
            figure, name = line.split(maxsplit=1)
            figures[name] = float(figure)
    return made_with, dict(option.split() for option in how.split(", ")), figures


def write(figures, folder):
    how = build_options(folder)
    lines = [f"# {compiler(folder)}",
             "# " + ", ".join(f"{name} {value}" for name, value in how.items()),
             "# Instructions per request; perf/instructions.py writes and checks this.", ""]
    lines += [f"{figure:9.1f}  {name}" for name, figure in figures.items()]
    COMMITTED.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true")
    what.add_argument("--update", action="store_true")
    what.add_argument("--against")
    options = parser.parse_args()
    figures = measure(options.build)
    if options.update:
        write(figures, options.build)
        return 0
    if options.against:
        before = measure(options.against)
    else:
        made_with, how, before = read_committed()
    failed = False
    for name, figure in figures.items():
        known = before.get(name)
        ratio = figure / known if known else float("nan")
        too_much = known is None or ratio > MORE
        failed = failed or too_much
        print(f"{figure:9.1f}  {known or 0:9.1f}  {ratio:5.3f}  {name}"
              f"{'  <--' if too_much else ''}")
    gone = [name for name in before if name not in figures]
    for name in gone:
        print(f"{'gone':>9}  {before[name]:9.1f}         {name}  <--")
    if not options.check:
        return 0
    if gone:
        print(f"a work of {COMMITTED.name} is no longer there; where that is meant, say why in the "
              "commit and run perf/instructions.py BUILD --update")
        return 1
    if why := why_not_comparable(made_with, how, options.build):
        print(f"not comparable: {COMMITTED.name} {why}")
        return 0
    if failed:
        print("more than 5 % above perf/instructions.txt; where that is meant, say why in the "
              "commit and run perf/instructions.py BUILD --update")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
