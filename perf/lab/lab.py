#!/usr/bin/env python3
"""ringmain beside other proxies, in turn, before the same servers: CPU time per request and more.

usage: perf/lab/lab.py BUILD [--quick | --full] [--only TEXT]... [--save NAME]
       perf/lab/lab.py BUILD --against OTHER_BUILD     two builds of ringmain, nothing else

BUILD is a release build with src/ringmain, perf/loadgen and perf/forwarder. Raw data, tables and
plots go to BUILD/lab, or with --save to perf/results/<date>-NAME. perf/README.md explains the
method. Exit status 1: a proxy or a load failed somewhere (the table says where).
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import cases
import report
from measure import count_syscalls, measure, why_no_syscalls
from provenance import facts_of, machine, output_of, results_folder, versions
from rig import LabError, Rig, cpus_beside, raise_descriptor_limit

FORMAT = 1  # of the raw data


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the cases of the targets (default)")
    size.add_argument("--full", action="store_true",
                      help="all cases, about two and a half hours at the defaults")
    parser.add_argument("--against", type=pathlib.Path, help="another build of ringmain")
    parser.add_argument("--only", action="append", default=[],
                        help="cases whose name has all words of one of these")
    parser.add_argument("--proxies", help="only these, separated by commas")
    parser.add_argument("--rounds", type=int, help="default: 4, --full 5")
    parser.add_argument("--seconds", type=float, help="per measurement; default: 0.5, --full 1")
    parser.add_argument("--no-syscalls", action="store_true", help="do not count system calls")
    parser.add_argument("--proxy-cpu", type=int, default=min(os.sched_getaffinity(0)))
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--save", metavar="NAME", help="to perf/results/<date>-NAME")
    place.add_argument("--again", metavar="FOLDER", type=pathlib.Path,
                       help="what failed or is missing in the run that is there, in its place "
                            "and with its rounds and seconds")
    place.add_argument("--out", metavar="FOLDER", type=pathlib.Path, help="default: BUILD/lab")
    parser.add_argument("--list", action="store_true", help="print the cases' names and stop")
    options = parser.parse_args()
    options.earlier = None
    if options.again:
        options.earlier = json.loads((options.again / "raw.json").read_text())
        options.rounds, options.seconds = (options.earlier[of] for of in ("rounds", "seconds"))
        here = machine()
        if any(here[of] != options.earlier["machine"][of] for of in ("cpu", "cpus", "kernel")):
            parser.error(f"{options.again} was measured on another machine")
    options.rounds = options.rounds or (5 if options.full else 4)
    options.seconds = options.seconds or (1.0 if options.full else 0.5)
    if options.rounds < 1 or not 0.05 <= options.seconds <= 60:
        parser.error("at least one round, and 0.05 to 60 seconds each")
    return options


def chosen_cases(options):
    """Those that use the same servers stand together."""
    found = list(cases.full() if options.full else cases.quick())
    if options.against:  # no nutcracker that would say at which rate
        found = [case for case in found if not case.fixed_rate]
    if options.only:
        # Also those of --full, so that every case can be asked for by its name.
        found = list(dict.fromkeys([*found, *cases.full()]))
        names = {case.name for case in found}

        def asked_for(case, text):
            if text in names:
                return case.name == text
            return set(text.split()) <= set(case.name.split())

        found = [case for case in found if any(asked_for(case, text) for text in options.only)]
    if not found:
        sys.exit(f"lab: no case has {options.only}; --list prints their names")
    if options.earlier:
        whole = {case["name"] for case in options.earlier["cases"] if not case["failed"]}
        found = [case for case in found if case.name not in whole]
        if not found:
            sys.exit(f"lab: of these cases nothing failed or is missing in {options.again}")
    return sorted(found, key=lambda case: (case.protocol, case.servers, case.fixed_rate))


def require_features(binary, proxies):
    """Stops where the binary knows no such feature, in its words, which name those that it knows."""
    for name in proxies:
        if ignored := cases.ignored_features(name):
            text = output_of(str(binary), "doctor", RINGMAIN_IGNORE_FEATURES=ignored)
            if refused := re.search("RINGMAIN_IGNORE_FEATURES: (.*)", text):
                sys.exit(f"lab: {name}: {refused.group(1)}")


def chosen_proxies(options):
    """The proxies that are here, and why others are not."""
    missing, ringmain = {}, (options.build / "src" / "ringmain").resolve()
    if "io_backend" not in output_of(str(ringmain), "help", "options"):
        missing["ringmain-epoll"] = "this ringmain has no option io_backend"
    if not options.no_syscalls and (why := why_no_syscalls()):
        missing[cases.SYSCALLS] = why
    wanted = cases.FULL_PROXIES if options.full else cases.QUICK_PROXIES
    wanted = ["ringmain", "other"] if options.against else [n for n in wanted if n != "other"]
    if options.proxies:
        wanted = options.proxies.split(",")
        unknown = {name for name in wanted
                   if name not in cases.PROXIES and not cases.ignored_features(name)
                   and not cases.mbuf_size(name)}
        if unknown:
            sys.exit(f"lab: unknown proxies {', '.join(sorted(unknown))}; "
                     f"known: {', '.join(cases.PROXIES)}, {cases.WITHOUT}FEATURE, {cases.MBUFS}BYTES")
    for name in wanted:
        if (program := name.split("-")[0]) in ("nutcracker", "haproxy") and not shutil.which(program):
            missing[name] = "not installed (tools/install --for perf)"
    require_features(ringmain, wanted)
    missing = {name: why for name, why in missing.items()
               if name in wanted or name not in cases.PROXIES}
    return [name for name in wanted if name not in missing], missing


class Measurement:
    """One case: every proxy started afresh, then rounds in alternating order."""

    def __init__(self, rig, case, names, options):
        self.rig, self.case, self.options = rig, case, options
        self.skipped = {name: why for name in names if (why := cases.why_not(name, case))}
        self.names = [name for name in names if name not in self.skipped]
        self.failed = {}
        self.runs = {name: [] for name in self.names}
        self.syscalls = {}  # those per request, of each time that they were counted
        self.rate = 0.0

    def attempt(self, name, action):
        """What fails is said at once, takes no further part, and fails the program in the end."""
        try:
            return action()
        except (LabError, OSError, ValueError, subprocess.SubprocessError) as error:
            self.failed[name] = str(error)
            print(f"lab: FAILED: {self.case.name}: {name}: {error}", file=sys.stderr, flush=True)
            return None

    def run(self):
        self.rig.servers_for(self.case)
        proxies = {}
        try:
            for name in self.names:
                proxy = self.attempt(name, lambda name=name: self.rig.start(name, self.case))
                if proxy:
                    proxies[name] = proxy
            if self.case.fixed_rate and not self.choose_rate(proxies):
                return
            for number in range(self.options.rounds):
                order = list(proxies)
                for name in order if number % 2 == 0 else reversed(order):
                    self.measure(name, proxies[name])
                for name in self.counted(order, number):
                    self.count(name, proxies[name])
        finally:
            for proxy in proxies.values():
                proxy.stop()

    def counted(self, names, number):
        """Whose system calls are counted in this round: ours in each, the others' once."""
        if self.options.no_syscalls or self.case.fixed_rate:
            return []
        once = [name for name in names if self.options.full or name == "forwarder-shared"
                or cases.ignored_features(name)]
        return [name for name in names
                if name in ("ringmain", "other") or (number == 0 and name in once)]

    def choose_rate(self, proxies):
        if "nutcracker" not in proxies:
            self.skipped = {name: "the rate is half of nutcracker's most" for name in self.names}
            return False
        figures = self.attempt("nutcracker", lambda: measure(
            self.rig, proxies["nutcracker"], self.case, self.options.seconds))
        self.rate = figures["rate"] / 2 if figures else 0.0
        return bool(figures)

    def measure(self, name, proxy):
        if name in self.failed:
            return
        figures = self.attempt(name, lambda: measure(self.rig, proxy, self.case,
                                                     self.options.seconds, self.rate))
        if figures:
            self.runs[name].append(figures)

    def count(self, name, proxy):
        if name in self.failed:
            return
        count = self.attempt(name, lambda: count_syscalls(self.rig, proxy, self.case,
                                                          min(self.options.seconds, 0.3)))
        if count is not None:
            self.syscalls.setdefault(name, []).append(count)

    def raw(self):
        return {"name": self.case.name, "family": self.case.family, "rate": self.rate,
                "skipped": self.skipped, "failed": self.failed, "runs": self.runs,
                "syscalls": self.syscalls}


def brief(measured):
    medians = report.medians(measured)
    parts = [f"{name} {figures['cpu_us']:.2f}" for name, figures in medians.items()
             if "cpu_us" in figures]
    return f"{measured['name']}: us of CPU per request: {', '.join(parts) or 'none'}"


def run(options):
    names, missing = chosen_proxies(options)
    chosen = chosen_cases(options)
    missing.update(cases.out_of_reach(chosen, names))
    options.no_syscalls = options.no_syscalls or cases.SYSCALLS in missing
    for name, why in missing.items():
        print(f"lab: without {name}: {why}", file=sys.stderr)
    raw = {
        "format": FORMAT, **facts_of(options.build), "versions": versions(), "missing": missing,
        "rounds": options.rounds, "seconds": options.seconds, "cases": [],
    }
    if raw["build"].get("buildtype") != "release":
        print("lab: this is not a release build: its figures mean little", file=sys.stderr)
    # What comes beside a measurement: connecting, warming up, starting; counting system calls.
    expected = len(chosen) * len(names) * (options.rounds * (options.seconds + 0.2) + 0.5)
    print(f"lab: {len(chosen)} cases, {len(names)} proxies, about {expected / 60:.0f} minutes",
          file=sys.stderr, flush=True)
    builds = {"ringmain": options.build}
    if options.against:
        builds["other"] = options.against
    rig = Rig(builds, str(options.proxy_cpu), cpus_beside(options.proxy_cpu))
    try:
        for case in chosen:
            measurement = Measurement(rig, case, names, options)
            measurement.run()
            raw["cases"].append(measurement.raw())
            print(brief(raw["cases"][-1]), file=sys.stderr, flush=True)
    finally:
        rig.stop()
    raw["machine"]["load_average_after"] = os.getloadavg()[0]
    return raw


def in_place(raw, earlier):
    """The earlier run with these cases in it; what is said of the run is said of each part."""
    cases_ = {case["name"]: case for case in [*earlier["cases"], *raw["cases"]]}
    part = {of: raw[of] for of in ("date", "commit", "changed", "command")}
    part["cases"] = [case["name"] for case in raw["cases"]]
    return {**earlier, "again": [*earlier.get("again", []), part], "cases": list(cases_.values())}


def main():
    options = parse_arguments()
    if options.list:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ended by it, as other programs are
        print("\n".join(case.name for case in chosen_cases(options)))
        return 0
    for path in ("src/ringmain", "perf/loadgen", "perf/forwarder"):
        if not (options.build / path).exists():
            sys.exit(f"lab: {options.build / path} is missing: ninja -C {options.build} {path}")
    if options.against and not (options.against / "src" / "ringmain").exists():
        sys.exit(f"lab: {options.against / 'src' / 'ringmain'} is missing")
    raise_descriptor_limit()
    begin = time.monotonic()
    raw = run(options)
    folder = options.out or options.again or options.build / "lab"
    if options.earlier:
        raw = in_place(raw, options.earlier)
    if options.save:
        folder = results_folder(raw["date"], options.save)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "raw.json").write_text(report.dump(raw))
    print(report.write(folder))
    print(f"lab: {time.monotonic() - begin:.0f} s; {folder}", file=sys.stderr)
    return 1 if any(case["failed"] for case in raw["cases"]) else 0


if __name__ == "__main__":
    sys.exit(main())
