#!/usr/bin/env python3
"""Where a proxy spends its CPU time, by function, in cases of the lab.

usage: perf/lab/profile.py BUILD [--proxy NAME] [--seconds S] [--out FOLDER | --save NAME] CASE...

BUILD is a release build with src/ringmain and perf/loadgen, CASE a name that lab.py --list prints.
The kernel's clock interrupts the proxy some thousand times a second (perf record -e cpu-clock), and
what it was doing then is counted. Needs perf, and the right to see the kernel's functions. Writes
one text for each case to BUILD/lab, FOLDER or perf/results/<date>-NAME, and prints them.
"""
import argparse
import datetime
import os
import pathlib
import re
import subprocess
import sys

import cases
import provenance
from measure import LoadRun
from rig import LabError, Rig, cpus_beside, raise_descriptor_limit

SAMPLES_PER_SECOND = 4000
SHARE_MIN = 0.4  # percent; what is below is summed up
FUNCTION = re.compile(r"^\s+(\d+\.\d+)%\s+\[([k.])\]\s+(.*?)(?:\s{2,}-.*)?$")


def record(rig, case, proxy, options, data):
    run = LoadRun(rig, proxy, case, options.seconds)
    try:
        recorder = subprocess.Popen(
            ["perf", "record", "--quiet", "-e", "cpu-clock", "-F", str(SAMPLES_PER_SECOND), "-p",
             str(proxy.process.pid), "-o", data, "--", "sleep", str(options.seconds)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        run.go()
        error = recorder.communicate(timeout=60)[1]
        run.end()
    finally:
        run.kill()
    if recorder.returncode != 0:
        raise LabError(f"perf record: {error.strip()}")


def functions(data):
    """(percent, whether it is the kernel's, name), most first."""
    done = subprocess.run(["perf", "report", "--stdio", "--no-children", "--sort", "symbol", "-i", data],
                          capture_output=True, text=True, check=True)
    found = [match.groups() for line in done.stdout.splitlines() if (match := FUNCTION.match(line))]
    return [(float(percent), kind == "k", name) for percent, kind, name in found]


def table(case, found, facts):
    kernel = sum(percent for percent, is_kernel, _ in found if is_kernel)
    total = sum(percent for percent, _, _ in found)
    lines = [f"# {case.name}", "", facts, "", f"kernel {kernel:.1f} %, ours {total - kernel:.1f} %", ""]
    for percent, is_kernel, name in found:
        if percent >= SHARE_MIN:
            lines.append(f"{percent:6.2f} %  {'kernel' if is_kernel else 'ours  '}  {name}")
    rest = sum(percent for percent, _, _ in found if percent < SHARE_MIN)
    count = sum(percent < SHARE_MIN for percent, _, _ in found)
    return "\n".join([*lines, f"{rest:6.2f} %  in {count} others", ""])


def facts_of(build):
    machine = provenance.machine()
    built = provenance.build_facts(build)
    return (f"{provenance.command_line()}\n{datetime.date.today()}, commit "
            f"{provenance.output_of('git', 'rev-parse', 'HEAD')[:12]}; {machine['cpu']}, "
            f"{machine['cpus']} CPUs, Linux {machine['kernel']}; "
            f"{built.get('compiler', 'unknown compiler')}, {built.get('buildtype', '?')}")


def chosen(names):
    known = {case.name: case for case in cases.full()}
    for name in names:
        if name not in known:
            sys.exit(f"profile: no case is called '{name}'; lab.py BUILD --full --list prints the names")
        yield known[name]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("case", nargs="+")
    parser.add_argument("--proxy", default="ringmain", choices=cases.PROXIES)
    parser.add_argument("--seconds", type=float, default=3.0)
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--out", type=pathlib.Path, help="default: BUILD/lab")
    place.add_argument("--save", metavar="NAME", help="to perf/results/<date>-NAME")
    options = parser.parse_args()
    raise_descriptor_limit()
    folder = options.out or options.build / "lab"
    if options.save:
        folder = provenance.results_folder(str(datetime.date.today()), options.save)
    folder.mkdir(parents=True, exist_ok=True)
    cpu = min(os.sched_getaffinity(0))
    facts = facts_of(options.build)
    rig = Rig({"ringmain": options.build}, str(cpu), cpus_beside(cpu))
    try:
        for case in chosen(options.case):
            proxy = rig.start(options.proxy, case)
            try:
                data = str(rig.folder / "perf.data")
                record(rig, case, proxy, options, data)
            finally:
                proxy.stop()
            text = table(case, functions(data), facts)
            name = f"{options.proxy}-{case.name}".replace(" ", "-")
            (folder / f"{name}.txt").write_text(text)
            print(text)
    finally:
        rig.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
