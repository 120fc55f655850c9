#!/usr/bin/env python3
"""What grows with the number of servers, clients and workers, and what does not.

usage: perf/lab/scale.py BUILD [--rounds N] [--seconds S] [--out FOLDER]

BUILD is a release build with src/ringmain and perf/loadgen. Prints tables and writes scale.json and
scale.md to BUILD/lab or FOLDER. perf/README.md says what the figures mean.
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import sys
import time

import cases
import report
from measure import measure, status_numbers
from provenance import build_facts, command_line, machine, output_of
from rig import (Port, Process, Proxy, Rig, nutcracker_config, raise_descriptor_limit,
                 ringmain_config)

SERVER_PROCESSES = 4  # behind any number of servers: each has its own name and connection
SERVER_COUNTS = [1, 10, 100, 1000]
CLIENT_COUNTS = [50, 1000, 10000]
IDLE_CLIENTS = 15000
START_RUNS = 10

# (clients of a worker, requests of each under way). With one of one every request is alone in its
# batch, whatever is behind the proxy; with more, those to one server travel together.
LOADS = {"one request at a time": (1, 1), "50 clients, pipeline 1": (50, 1),
         "50 clients, pipeline 16": (50, 16)}


class ScaleRig(Rig):
    """Starts ringmain with so many servers and workers, on so many CPUs."""

    def start_ringmain(self, case, servers, workers=1, cpus=None):
        port = Port()
        path = self.folder / "scale.conf"
        config = ringmain_config(port.number, case.protocol, self.named(case, servers), [])
        path.write_text(config.replace("workers = 1", f"workers = {workers}"))
        return self.begin("ringmain", cpus or self.proxy_cpu, [self.binary("ringmain"), "-c", path],
                          [port])

    def start_nutcracker(self, case, servers):
        port, statistics = Port(), Port()
        path = self.folder / "nutcracker.conf"
        path.write_text(nutcracker_config(port.number, case.protocol, self.named(case, servers)))
        return self.begin("nutcracker", self.proxy_cpu,
                          ["nutcracker", "-c", path, "-v", "4", "-s", statistics.number, "-a",
                           "127.0.0.1"], [port, statistics])

    def named(self, case, servers):
        """The ports of so many servers, which are few processes."""
        ports = self.servers_for(case).ports
        return [ports[i % len(ports)] for i in range(servers)]

    def begin(self, name, cpus, command, held):
        port = held[0]
        process = Process(name, cpus, self.folder, command)
        proxy = Proxy(name, process, [port.number], held)
        try:
            process.wait_until_accepting(port.number)
        except BaseException:
            proxy.stop()
            raise
        return proxy


def proxy_of(variant):
    return variant.split(",")[0]


def median_of(runs, name):
    return statistics.median(run[name] for run in runs)


def compared(rig, options, variants):
    """The same load on all variants (name, case, start) in turn; medians by name."""
    first_of = {}
    for name, _, _ in variants:
        first_of.setdefault(proxy_of(name), name)
    proxies, runs = {}, {name: [] for name, _, _ in variants}
    with contextlib.ExitStack() as stack:
        for name, case, start in variants:
            proxies[name] = start()
            stack.callback(proxies[name].stop)
            measure(rig, proxies[name], case, 0.1)  # connects and warms up
        for number in range(options.rounds):
            for name, case, _ in variants if number % 2 == 0 else reversed(variants):
                runs[name].append(measure(rig, proxies[name], case, options.seconds))
    names = ("cpu_us", "user_us", "system_us", "rate", "p50_us", "peak_kib")
    for name, found in runs.items():  # of one round, since from one to the next the machine changes
        for run, first in zip(found, runs[first_of[proxy_of(name)]]):
            run["to_first"] = run["cpu_us"] / first["cpu_us"]
    return {name: {figure: median_of(found, figure) for figure in (*names, "to_first")}
            for name, found in runs.items()}


def by_servers(rig, options, clients, pipeline):
    case = cases.Case("redis", "get", 64, pipeline, clients, servers=SERVER_PROCESSES)
    starts = {"ringmain": rig.start_ringmain}
    if shutil.which("nutcracker"):
        starts["nutcracker"] = rig.start_nutcracker
    return compared(rig, options, [
        (f"{name}, {count} servers", case, lambda count=count, start=start: start(case, count))
        for count in SERVER_COUNTS for name, start in starts.items()])


def by_clients(rig, options, pipeline):
    variants = []
    for count in CLIENT_COUNTS:
        case = cases.Case("redis", "get", 64, pipeline, count, servers=SERVER_PROCESSES)
        variants.append((f"ringmain, {count} clients", case, lambda case=case: rig.start_ringmain(
            case, SERVER_PROCESSES)))
    return compared(rig, options, variants)


def by_workers(rig, options, clients, pipeline):
    """Each worker has as many clients as one alone."""
    everywhere = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    variants = []
    for count in (1, 2):
        case = cases.Case("redis", "get", 64, pipeline, count * clients, servers=SERVER_PROCESSES)
        variants.append((f"ringmain, {count} workers", case,
                         lambda case=case, count=count: rig.start_ringmain(
                             case, SERVER_PROCESSES, count, everywhere)))
    return compared(rig, options, variants)


def settled_rss_kib(pid):
    """When it has not fallen for half a second: what is not needed goes back in parts."""
    least, since = None, time.monotonic()
    while time.monotonic() - since < 0.5:
        rss = status_numbers(pathlib.Path(f"/proc/{pid}/status"), "VmRSS")[0]
        if least is None or rss < least:
            least, since = rss, time.monotonic()
        time.sleep(0.05)
    return least


def ask_all(clients, requests, answer_size):
    for client in clients:
        client.sendall(requests)
    for client in clients:
        missing = answer_size
        while missing > 0:
            missing -= len(client.recv(missing)) or sys.exit("scale: a client was disconnected")


def idle_clients(rig):
    """Bytes of our memory per client: never used, and after a burst of all of them."""
    case = cases.Case("redis", "get", 64, 1, 50, servers=SERVER_PROCESSES)
    count = min(IDLE_CLIENTS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    proxy = rig.start_ringmain(case, SERVER_PROCESSES)
    pid, port = proxy.process.pid, proxy.ports[0]
    clients = []
    try:
        def connect(number):
            for _ in range(number):
                clients.append(socket.create_connection(("127.0.0.1", port), timeout=20))
            ask_all(clients[-1:], b"PING\r\n", len(b"+PONG\r\n"))

        # Buffers, tables and the code itself are there once a few hundred have come and gone.
        request = b"*2\r\n$3\r\nGET\r\n$7\r\nmissing\r\n"
        connect(500)
        for depth in [16] * 10 + [512] * 10:  # the deep ones fill whole buffers
            ask_all(clients, request * depth, depth * len(b"$-1\r\n"))
        while clients:
            clients.pop().close()
        before = settled_rss_kib(pid)
        connect(count)
        unused = settled_rss_kib(pid)
        ask_all(clients, request * 16, 16 * len(b"$-1\r\n"))
        burst = settled_rss_kib(pid)
        proxy.process.require_alive()
        return {"clients": count, "never used, bytes each": (unused - before) * 1024 / count,
                "after a burst, bytes each": (burst - before) * 1024 / count}
    finally:
        for client in clients:
            client.close()
        proxy.stop()


def start_time(rig, servers):
    """Milliseconds from the start of the process to the first answer."""
    case = cases.Case("redis", "get", 64, 1, 50, servers=SERVER_PROCESSES)
    took = []
    for _ in range(START_RUNS):
        port = Port()
        path = rig.folder / "start.conf"
        path.write_text(ringmain_config(port.number, case.protocol, rig.named(case, servers), []))
        begin = time.monotonic()
        process = Process("ringmain", rig.proxy_cpu, rig.folder,
                          [rig.binary("ringmain"), "-c", path])
        try:
            while True:
                process.require_alive()
                with contextlib.suppress(ConnectionRefusedError), socket.create_connection(
                        ("127.0.0.1", port.number), timeout=20) as client:
                    ask_all([client], b"PING\r\n", len(b"+PONG\r\n"))
                    break
                time.sleep(0.001)
            took.append((time.monotonic() - begin) * 1e3)
        finally:
            process.stop()
            port.release()
    return {"servers": servers, "median ms": statistics.median(took), "worst ms": max(took)}


def table_of(title, figures):
    lines = [f"| {title} | CPU us | user | system | to the first | k/s | p50 us | peak MiB |",
             "| --- | --: | --: | --: | --: | --: | --: | --: |"]
    for name, found in figures.items():
        lines.append(f"| {name} | {found['cpu_us']:.2f} | {found['user_us']:.2f} "
                     f"| {found['system_us']:.2f} | {found['to_first']:.2f} "
                     f"| {found['rate'] / 1e3:.1f} | {found['p50_us']:.0f} "
                     f"| {found['peak_kib'] / 1024:.1f} |")
    return lines


def report_of(raw):
    lines = [report.facts(raw), ""]
    for load, groups in raw["load"].items():
        for name, figures in groups.items():
            lines += [*table_of(f"GET 64 B, {load}, by {name}", figures), ""]
    for name in ("idle", "start"):
        found = raw[name]
        lines += ["| " + " | ".join(found) + " |", "| " + " | ".join("--:" for _ in found) + " |",
                  "| " + " | ".join(f"{value:.0f}" for value in found.values()) + " |", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--out", type=pathlib.Path, help="default: BUILD/lab")
    options = parser.parse_args()
    for path in ("src/ringmain", "perf/loadgen"):
        if not (options.build / path).exists():
            sys.exit(f"scale: {options.build / path} is missing: ninja -C {options.build} {path}")
    raise_descriptor_limit()
    cpus = sorted(os.sched_getaffinity(0))
    rig = ScaleRig({"ringmain": options.build}, str(cpus[0]),
                   ",".join(map(str, cpus[1:] or cpus)))
    raw = {"command": command_line(),
           "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
           "machine": machine(), "commit": output_of("git", "rev-parse", "HEAD"),
           "changed": bool(output_of("git", "status", "--porcelain", "--untracked-files=no")),
           "build": build_facts(options.build), "rounds": options.rounds,
           "seconds": options.seconds, "load": {}}
    try:
        for name, (clients, pipeline) in LOADS.items():
            raw["load"][name] = {"servers": by_servers(rig, options, clients, pipeline),
                                 "workers": by_workers(rig, options, clients, pipeline)}
        for pipeline in (1, 16):
            raw["load"][f"pipeline {pipeline}"] = {"clients": by_clients(rig, options, pipeline)}
        raw["idle"] = idle_clients(rig)
        raw["start"] = start_time(rig, max(SERVER_COUNTS))
    finally:
        rig.stop()
    folder = options.out or options.build / "lab"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scale.json").write_text(json.dumps(raw, indent=1) + "\n")
    text = report_of(raw)
    (folder / "scale.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
