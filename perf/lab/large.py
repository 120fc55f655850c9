#!/usr/bin/env python3
"""What one very large value costs: memory, time, and a neighbour's latency.

usage: perf/lab/large.py BUILD [--size MIB] [--rounds N] [--proxies NAME,...] [--save NAME | --out FOLDER]

BUILD is a release build with src/ringmain and perf/loadgen. One client writes and reads a value of
512 MiB at one redis; another asks for 64 bytes of another redis meanwhile, one request at a time: that
the first redis stops while it copies a value is not the proxy's doing.
"Added" is the most that the proxy has had until then, beyond what it had before the write.
Prints a table and writes large.json and large.md to BUILD/lab or FOLDER, or with --save to
perf/results/<date>-NAME.
"""
import argparse
import contextlib
import multiprocessing
import os
import pathlib
import shutil
import socket
import statistics
import sys
import time

import cases
import report
from measure import cpu_ns, status_numbers
from provenance import facts_of, write_results
from rig import LabError, Rig, cpu_list, cpus_beside

CASE = cases.Case("redis", "get", 64, 1, 1, servers=2)
BLOCK = os.urandom(1 << 20)  # the value is so many of them
TIMEOUT = 120.0
SMALL = b"s" * 64
MEMORY_MIB_MAX = 16  # what a value of any size may add to what the proxy has


def request(*words):
    head = b"*%d\r\n" % len(words)
    return head + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def expect(self, wanted):
        got = b""
        while len(got) < len(wanted):
            piece = self.socket.recv(len(wanted) - len(got))
            if not piece:
                raise LabError("a client was disconnected")
            got += piece
        if got != wanted:
            raise LabError(f"expected {wanted!r}, got {got!r}")

    def ask(self, wanted, *words):
        self.socket.sendall(request(*words))
        self.expect(wanted)

    def get_small(self, key):
        self.ask(b"$%d\r\n%s\r\n" % (len(SMALL), SMALL), b"GET", key)

    def has(self, key):
        self.socket.sendall(request(b"EXISTS", key))
        return self.socket.recv(16) == b":1\r\n"

    def write(self, blocks):
        self.socket.sendall(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n" % (blocks * len(BLOCK)))
        for _ in range(blocks):
            self.socket.sendall(BLOCK)
        self.socket.sendall(b"\r\n")
        self.expect(b"+OK\r\n")

    def read(self, blocks):
        self.socket.sendall(request(b"GET", b"large"))
        size = blocks * len(BLOCK)
        self.expect(b"$%d\r\n" % size)
        buffer, at = bytearray(len(BLOCK)), 0
        view, twice = memoryview(buffer), BLOCK * 2
        while at < size:
            count = self.socket.recv_into(view[:min(len(buffer), size - at)])
            begin = at % len(BLOCK)
            if count == 0 or bytes(view[:count]) != twice[begin:begin + count]:
                raise LabError(f"the value that was read is another from byte {at} on")
            at += count
        self.expect(b"\r\n")


def be_neighbour(port, key, done, found):
    took = []
    with Client(port) as client:
        client.get_small(key)
        found.send("ready")
        while not done.is_set():
            began = time.monotonic()
            client.get_small(key)
            took.append((time.monotonic() - began) * 1e3)
    found.send(took)


class Neighbour:
    """In a process of its own, so that it does not wait for ours."""

    def __init__(self, port, key):
        self.done = multiprocessing.Event()
        self.found, theirs = multiprocessing.Pipe(duplex=False)
        self.child = multiprocessing.Process(target=be_neighbour,
                                             args=(port, key, self.done, theirs), daemon=True)
        self.child.start()
        theirs.close()
        self.found.recv()

    def end(self):
        """Milliseconds that each of its requests took."""
        self.done.set()
        took = self.found.recv()
        self.child.join(TIMEOUT)
        return sorted(took)


def memory_of(pid, name):
    return status_numbers(pathlib.Path(f"/proc/{pid}/status"), name)[0] / 1024


def small_key(proxy, servers):
    """One that is stored and lives at another server than the large value."""
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(proxy.ports[0]))
        both = [stack.enter_context(Client(port)) for port in servers.ports]
        for server in both:
            server.ask(b"+OK\r\n", b"FLUSHALL")
        if not proxy.process:
            both[1].ask(b"+OK\r\n", b"SET", b"small", SMALL)
            return b"small"
        client.ask(b"+OK\r\n", b"SET", b"large", b"")
        for number in range(100):
            key = b"small%d" % number
            client.ask(b"+OK\r\n", b"SET", key, SMALL)
            if not any(server.has(b"large") and server.has(key) for server in both):
                return key
    raise LabError(f"{proxy.name} places everything on one server")


def run(proxy, key, act, blocks, at_start):
    pid = proxy.process.pid if proxy.process else None
    cpu = cpu_ns(pid) if pid else 0
    with Client(proxy.ports[0]) as client:
        neighbour = Neighbour(proxy.ports[-1], key)  # directly it has a port of its own
        began = time.monotonic()
        getattr(client, act)(blocks)
        seconds = time.monotonic() - began
        took = neighbour.end()
    figures = {"seconds": round(seconds, 3), "requests": len(took),
               "p50_ms": round(statistics.median(took), 3),
               "p99_ms": round(took[len(took) * 99 // 100], 3), "longest_ms": round(took[-1], 3)}
    if pid:
        proxy.process.require_alive()
        figures["cpu_s"] = round((cpu_ns(pid) - cpu) / 1e9, 3)
        figures["added_mib"] = round(memory_of(pid, "VmHWM") - at_start, 1)
    return figures


def measured(rig, options):
    runs = {act: {name: [] for name in options.proxies} for act in ("write", "read")}
    for number in range(options.rounds):
        for name in options.proxies if number % 2 == 0 else reversed(options.proxies):
            proxy = rig.start(name, CASE)
            try:
                key = small_key(proxy, rig.servers_for(CASE))
                at_start = memory_of(proxy.process.pid, "VmRSS") if proxy.process else 0
                for act, group in runs.items():
                    group[name].append(run(proxy, key, act, options.size, at_start))
            finally:
                proxy.stop()
    return runs


def median(runs, figure, digits):
    values = [one[figure] for one in runs if figure in one]
    return f"{statistics.median(values):.{digits}f}" if values else ""


def report_of(raw):
    rows = [[f"{act}, {name}", f"{raw['size_mib'] / float(median(runs, 'seconds', 3)):.0f}",
             median(runs, "cpu_s", 2), median(runs, "added_mib", 1), median(runs, "requests", 0),
             median(runs, "p50_ms", 2), median(runs, "p99_ms", 2), median(runs, "longest_ms", 0)]
            for act, group in raw["runs"].items() for name, runs in group.items()]
    head = [f"a value of {raw['size_mib']} MiB", "MiB/s", "CPU s", "added MiB",
            "neighbour's requests", "p50 ms", "p99 ms", "longest ms"]
    added = [one["added_mib"] for group in raw["runs"].values() for one in group["ringmain"]]
    judged = [["ringmain's memory", f"{MEMORY_MIB_MAX} MiB", *report.spread(added),
               report.verdict(added, MEMORY_MIB_MAX)]]
    return "\n\n".join([report.facts(raw), report.table(head, rows), report.table(
        ["what", "at most", "median", "spread", ""], judged)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--size", metavar="MIB", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--proxies", type=lambda text: text.split(","), default=[
        "direct", "ringmain", "ringmain-epoll", *(["nutcracker"] if shutil.which("nutcracker") else [])])
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--save", metavar="NAME", help="to perf/results/<date>-NAME")
    place.add_argument("--out", metavar="FOLDER", type=pathlib.Path, help="default: BUILD/lab")
    options = parser.parse_args()
    if "ringmain" not in options.proxies:
        parser.error("--proxies: ringmain is always one")
    cpu = min(os.sched_getaffinity(0))
    load_cpus = cpus_beside(cpu)
    rig = Rig({"ringmain": options.build}, str(cpu), load_cpus)
    os.sched_setaffinity(0, cpu_list(load_cpus))
    raw = {**facts_of(options.build), "rounds": options.rounds, "size_mib": options.size}
    try:
        raw["runs"] = measured(rig, options)
    finally:
        rig.stop()
    write_results("large", raw, report_of(raw), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
