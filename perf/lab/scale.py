#!/usr/bin/env python3
"""What grows with the number of servers, clients and workers, and what does not.

usage: perf/lab/scale.py BUILD [--rounds N] [--seconds S] [--save NAME | --out FOLDER]

BUILD is a release build with src/ringmain and perf/loadgen. Prints tables and writes scale.json,
with every single run, and scale.md to BUILD/lab or FOLDER, or with --save to
perf/results/<date>-NAME. perf/README.md says what the figures mean.
"""
import argparse
import contextlib
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
from provenance import facts_of, write_results
from rig import (Port, Process, Proxy, Rig, cpus_beside, nutcracker_config, raise_descriptor_limit,
                 ringmain_config)

SERVER_PROCESSES = 4  # behind more of servers, too: each has its own name and connection
SERVER_COUNTS = [1, 4, 10, 100, 1000]
CLIENT_COUNTS = [50, 1000, 10000]
IDLE_CLIENTS = 15000
START_RUNS = 10

# (clients of a worker, requests of each under way). With one of one every request is alone in its
# batch, whatever is behind the proxy; with more, those to one server travel together.
LOADS = {"one request at a time": (1, 1), "50 clients, pipeline 1": (50, 1),
         "50 clients, pipeline 16": (50, 16)}

FIGURES = ("requests", "cpu_us", "user_us", "system_us", "rate", "p50_us", "peak_kib")  # of a run

SERVERS_TEXT = (f"1 server is one process. All others are {SERVER_PROCESSES} processes: 4 servers "
                "are each named once, more share them under names and connections of their own.")
IDLE_TEXT = ("Bytes of idle clients: beyond what the process had after bursts that filled its "
             "buffers and tables, and from cold: beyond what it had before them.")

# What is judged: at most so much, of ratios within a round and of our own figures.
SERVERS_MAX = CLIENTS_MAX = 1.15
WORKERS_MAX = 1.05
IDLE_BYTES_MAX = 512
START_MS_MAX = 100


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


def compared(rig, options, variants):
    """The same load on all variants (name, case, start) in turn; every run of each."""
    proxies, runs = {}, {name: [] for name, _, _ in variants}
    with contextlib.ExitStack() as stack:
        for name, case, start in variants:
            proxies[name] = start()
            stack.callback(proxies[name].stop)
            measure(rig, proxies[name], case, 0.1)  # connects and warms up
        for number in range(options.rounds):
            for name, case, _ in variants if number % 2 == 0 else reversed(variants):
                figures = measure(rig, proxies[name], case, options.seconds)
                runs[name].append({figure: round(figures[figure], 4) for figure in FIGURES})
    return {"runs": runs, "syscalls": {}}


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
    """Bytes of our memory per client: never used, and after a burst of all of them. Both beyond what
    there was before them, and from cold: beyond what there was before anybody came."""
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

        cold = settled_rss_kib(pid)
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
        found = {"clients": count}
        for since, from_cold in ((before, ""), (cold, " (from cold)")):
            for then, name in ((unused, "never used"), (burst, "after a burst")):
                found[f"{name}, bytes each{from_cold}"] = (then - since) * 1024 / count
        return found
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
    return {"servers": servers, "ms": [round(time_, 2) for time_ in took]}


def first_of(group, name):
    """The variant that this one is compared with: the first of the same proxy."""
    proxy = name.split(",")[0]
    return next(other for other in group["runs"] if other.split(",")[0] == proxy)


def ratios_to(group, first, name):
    """Of CPU time in the same round, since from one to the next the machine changes."""
    return report.ratios(group, "cpu_us", first, of=name)


def table_of(title, group):
    rows = []
    for name, found in report.medians(group).items():
        first = first_of(group, name)
        ratio = ("", "") if name == first else report.spread(ratios_to(group, first, name))
        rows.append([name, *(f"{found[of]:.2f}" for of in ("cpu_us", "user_us", "system_us")),
                     *ratio, f"{found['rate'] / 1e3:.1f}", f"{found['p50_us']:.0f}",
                     f"{found['peak_kib'] / 1024:.1f}"])
    return report.table([title, "CPU us", "user", "system", "to the first", "spread", "k/s",
                         "p50 us", "peak MiB"], rows)


def judged(raw):
    """(what, at most, unit, values): each clause with what was measured for it."""
    for load, groups in raw["load"].items():
        for kind, most, last, firsts in (("servers", SERVERS_MAX, max(SERVER_COUNTS), (1, 4)),
                                         ("clients", CLIENTS_MAX, 10000, (50,)),
                                         ("workers", WORKERS_MAX, 2, (1,))):
            for first in firsts if kind in groups else ():
                yield (f"{load}: CPU of {last} {kind} to {first}", most, "",
                       ratios_to(groups[kind], f"ringmain, {first} {kind}",
                                 f"ringmain, {last} {kind}"))
    for name in ("never used", "after a burst"):
        yield (f"idle client, {name}", IDLE_BYTES_MAX, "bytes",
               [raw["idle"][f"{name}, bytes each"]])
    yield (f"first answer with {raw['start']['servers']} servers", START_MS_MAX, "ms",
           raw["start"]["ms"])


def judged_table(raw):
    rows = [[what, f"{most} {unit}".strip(), *report.spread(values), report.verdict(values, most)]
            for what, most, unit, values in judged(raw)]
    return report.table(["what", "at most", "median", "spread", ""], rows)


def report_of(raw):
    parts = [report.facts(raw), SERVERS_TEXT]
    for load, groups in raw["load"].items():
        parts += [table_of(f"GET 64 B, {load}, by {name}", group)
                  for name, group in groups.items()]
    took = raw["start"]["ms"]
    parts += [IDLE_TEXT, report.table(raw["idle"], [[f"{one:.0f}" for one in raw["idle"].values()]]),
              report.table(["start: servers", "median ms", "worst ms"],
                           [[raw["start"]["servers"], f"{statistics.median(took):.0f}",
                             f"{max(took):.0f}"]]),
              judged_table(raw)]
    return "\n\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--save", metavar="NAME", help="to perf/results/<date>-NAME")
    place.add_argument("--out", metavar="FOLDER", type=pathlib.Path, help="default: BUILD/lab")
    options = parser.parse_args()
    for path in ("src/ringmain", "perf/loadgen"):
        if not (options.build / path).exists():
            sys.exit(f"scale: {options.build / path} is missing: ninja -C {options.build} {path}")
    raise_descriptor_limit()
    cpu = min(os.sched_getaffinity(0))
    rig = ScaleRig({"ringmain": options.build}, str(cpu), cpus_beside(cpu))
    raw = {**facts_of(options.build), "rounds": options.rounds, "seconds": options.seconds, "load": {}}
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
    write_results("scale", raw, report_of(raw), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
