#!/usr/bin/env python3
"""What redis-benchmark says of each proxy when everything runs where the kernel puts it.

usage: perf/lab/unpinned.py BUILD [--rounds N] [--seconds S] [--proxies NAME,...] [--save NAME | --out FOLDER]

BUILD is a release build with src/ringmain and perf/loadgen. 50 clients of redis-benchmark, keys at
random out of 100 000 with values of 64 bytes, three redis-servers; nothing is pinned, so that servers,
benchmark and proxy share all CPUs. Each proxy starts once and is measured in turn with the others.
Prints a table and writes unpinned.json and unpinned.md to BUILD/lab or FOLDER, or with --save to
perf/results/<date>-NAME.
"""
import argparse
import csv
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import cases
import report
from measure import cpu_ns
from provenance import facts_of, versions, write_results
from rig import LabError, Rig

CASE = cases.Case("redis", "get", 64, 1, 50, servers=3)
COMMANDS = ("set", "get")  # so that most keys are there
PIPELINES = (1, 16, 32)
KEYS = 100_000
PER_SECOND = {1: 50_000, 16: 500_000, 32: 700_000}  # about; so many are asked for each second
TIMEOUT = 120.0


def cpu_of(servers):
    return sum(cpu_ns(process.pid) for process in servers.processes)


def run(proxy, servers, command, pipeline, seconds):
    requests = max(1000, int(PER_SECOND[pipeline] * seconds))
    pid = proxy.process.pid if proxy.process else None
    before, servers_before = cpu_ns(pid) if pid else 0, cpu_of(servers)
    words = ["redis-benchmark", "-p", proxy.ports[0], "-t", command, "-c", 50, "-P", pipeline, "-r", KEYS,
             "-d", CASE.size, "-n", requests, "--csv"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=TIMEOUT)
    rows = [row for row in csv.DictReader(done.stdout.splitlines())
            if row.get("test", "").lower() == command]
    if done.returncode != 0 or not rows:
        raise LabError(f"redis-benchmark before {proxy.name}: {done.stderr.strip() or done.stdout}")
    figures = {"rps": float(rows[0]["rps"]), "p50_ms": float(rows[0]["p50_latency_ms"]),
               "p99_ms": float(rows[0]["p99_latency_ms"]),
               "servers_us": round((cpu_of(servers) - servers_before) / 1e3 / requests, 3)}
    if pid:
        proxy.process.require_alive()
        figures["cpu_us"] = round((cpu_ns(pid) - before) / 1e3 / requests, 3)
    return figures


def measured(rig, options):
    works = {f"{command} P{pipeline}": (command, pipeline)
             for command in COMMANDS for pipeline in PIPELINES}
    runs = {work: {name: [] for name in options.proxies} for work in works}
    proxies = {}
    try:
        for name in options.proxies:
            proxies[name] = rig.start(name, CASE)
        for number in range(options.rounds):
            for work, words in works.items():
                for name in options.proxies if number % 2 == 0 else reversed(options.proxies):
                    runs[work][name].append(run(proxies[name], rig.servers, *words,
                                                options.seconds))
    finally:
        for proxy in proxies.values():
            proxy.stop()
    return runs


def report_of(raw):
    rows = []
    for work, group in raw["runs"].items():
        for name, runs in group.items():
            middle = {figure: statistics.median(one[figure] for one in runs) for figure in runs[0]}
            ratios = [mine["rps"] / its["rps"] for mine, its in zip(group["ringmain"], runs)]
            rows.append([f"{work}, {name}", f"{middle['rps'] / 1e3:.1f}",
                         *(("", "") if name == "ringmain" else report.spread(ratios)),
                         f"{middle['p50_ms']:.2f}", f"{middle['p99_ms']:.2f}",
                         report.number(middle.get("cpu_us")), report.number(middle.get("servers_us"))])
    head = ["redis-benchmark, 50 clients", "k/s", "ringmain's to its", "spread", "p50 ms", "p99 ms",
            "CPU us", "servers us"]
    return "\n\n".join([report.facts(raw), report.table(head, rows)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--proxies", type=lambda text: text.split(","), default=[
        "ringmain", "ringmain-epoll",
        *(name for name in ("nutcracker", cases.SMALL_MBUFS, "haproxy")
          if shutil.which(name.split("-")[0])), "direct"])
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--save", metavar="NAME", help="to perf/results/<date>-NAME")
    place.add_argument("--out", metavar="FOLDER", type=pathlib.Path, help="default: BUILD/lab")
    options = parser.parse_args()
    if "ringmain" not in options.proxies:
        parser.error("--proxies: ringmain is always one")
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    rig = Rig({"ringmain": options.build}, cpus, cpus)
    raw = {**facts_of(options.build), "versions": versions(), "rounds": options.rounds,
           "seconds": options.seconds}
    try:
        raw["runs"] = measured(rig, options)
    finally:
        rig.stop()
    write_results("unpinned", raw, report_of(raw), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
