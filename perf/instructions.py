#!/usr/bin/env python3
"""Instructions per request in the pure half, counted by valgrind: the same on every run.

usage: perf/instructions.py BUILD_FOLDER [--check | --update | --against BUILD_FOLDER]

Without an option the figures are printed beside those in perf/instructions.txt. --check fails when
one is more than 5 % above; --update writes the file: on purpose, and with the reason in the commit.
--against compares two builds. The figures depend on the compiler, so the file names the one that it
was made with; with another, --check says so and passes.
"""
import argparse
import concurrent.futures
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
    """What compiled it, as the binary itself says."""
    binary = pathlib.Path(folder) / "perf" / "replay"
    text = run("readelf", "--string-dump=.comment", binary).stdout
    return sorted(set(re.findall(r"\]\s+(.*)", text)))[-1]


def read_committed():
    lines = COMMITTED.read_text().splitlines()
    made_with = next(line[2:] for line in lines if line.startswith("# "))
    figures = {}
    for line in lines:
        if line and not line.startswith("#"):
            figure, name = line.split(maxsplit=1)
            figures[name] = float(figure)
    return made_with, figures


def write(figures, made_with):
    lines = [f"# {made_with}",
             "# Instructions per request; perf/instructions.py writes and checks this.", ""]
    lines += [f"{figure:9.1f}  {name}" for name, figure in figures.items()]
    COMMITTED.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--against")
    options = parser.parse_args()
    figures = measure(options.build)
    if options.update:
        write(figures, compiler(options.build))
        return 0
    if options.against:
        before, made_with = measure(options.against), compiler(options.against)
    else:
        made_with, before = read_committed()
    failed = False
    for name, figure in figures.items():
        known = before.get(name)
        ratio = figure / known if known else float("nan")
        too_much = known is None or ratio > MORE
        failed = failed or too_much
        print(f"{figure:9.1f}  {known or 0:9.1f}  {ratio:5.3f}  {name}"
              f"{'  <--' if too_much else ''}")
    if not options.check:
        return 0
    if made_with != compiler(options.build):
        print(f"not comparable: {COMMITTED.name} was made with {made_with}, this build with "
              f"{compiler(options.build)}")
        return 0
    if failed:
        print("more than 5 % above perf/instructions.txt; where that is meant, say why in the "
              "commit and run perf/instructions.py BUILD --update")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
