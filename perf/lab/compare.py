#!/usr/bin/env python3
"""CPU time per request of ringmain beside nutcracker, in turn, on the same servers.

usage: perf/lab/compare.py BUILD_FOLDER [--rounds N] [--scale X] [--only TEXT]

The proxy under test is pinned to CPU 0; servers and load generators share CPU 1. The figure is the
CPU time that the proxy's threads spent (schedstat, nanoseconds) divided by the requests answered:
unlike throughput it says something on a machine whose other CPU is the bottleneck. Rounds run A, B,
B, A ...; medians of the rounds and of their pairwise ratios are printed as a Markdown table.
"""
import argparse
import glob
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

CLIENTS = 50
KEYS = 10000
PROXY_CPU, LOAD_CPU = "0", "1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(cpu, *command):
    return subprocess.Popen(["taskset", "-c", cpu, *map(str, command)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(port):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def cpu_ns(process):
    total = 0
    for path in glob.glob(f"/proc/{process.pid}/task/*/schedstat"):
        total += int(pathlib.Path(path).read_text().split()[0])
    return total


class Lab:
    def __init__(self, build):
        self.folder = tempfile.mkdtemp(prefix="ringmain-lab.")
        self.build = pathlib.Path(build)
        self.started = []
        redis = [free_port() for _ in range(3)]
        memcached = [free_port() for _ in range(3)]
        for port in redis:
            self.add(start(LOAD_CPU, "redis-server", "--port", port, "--bind", "127.0.0.1",
                           "--save", "", "--appendonly", "no", "--dir", self.folder))
        for port in memcached:
            self.add(start(LOAD_CPU, "memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", port,
                           "-U", "0", "-m", "512", "-t", "1"))
        self.ports = {(proxy, protocol): free_port() for proxy in ("ringmain", "nutcracker")
                      for protocol in ("redis", "memcached")}
        for port in redis + memcached:
            wait_for(port)
        self.proxies = {"ringmain": self.start_ringmain(redis, memcached),
                        "nutcracker": self.start_nutcracker(redis, memcached)}
        for port in self.ports.values():
            wait_for(port)

    def add(self, process):
        self.started.append(process)
        return process

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        pathlib.Path(path).write_text(text)
        return path

    def start_ringmain(self, redis, memcached):
        text = ""
        for protocol, servers in (("redis", redis), ("memcached", memcached)):
            listed = ", ".join(f'"127.0.0.1:{port}:1 server{i}"' for i, port in enumerate(servers))
            text += (f'[pool.{protocol}]\nlisten = "127.0.0.1:{self.ports["ringmain", protocol]}"\n'
                     f'protocol = "{protocol}"\ntimeout = 0\nservers = [{listed}]\n')
        path = self.write("ringmain.toml", text)
        return self.add(start(PROXY_CPU, self.build / "src" / "ringmain", "-c", path))

    def start_nutcracker(self, redis, memcached):
        text = ""
        for protocol, servers in (("redis", redis), ("memcached", memcached)):
            listed = "".join(f"    - 127.0.0.1:{port}:1 server{i}\n"
                             for i, port in enumerate(servers))
            text += (f'{protocol}:\n  listen: 127.0.0.1:{self.ports["nutcracker", protocol]}\n'
                     f'  hash: fnv1a_64\n  distribution: ketama\n  preconnect: true\n'
                     f'  redis: {"true" if protocol == "redis" else "false"}\n  servers:\n{listed}')
        path = self.write("nutcracker.yml", text)
        # -v 4: at its default verbosity it formats a log line per request.
        return self.add(start(PROXY_CPU, "nutcracker", "-c", path, "-v", "4", "-s", free_port()))

    def load(self, proxy, case):
        protocol, verb, size, pipeline, requests = case
        port = self.ports[proxy, protocol]
        command = [self.build / "perf" / "loadgen", "--ports", port, "--protocol", protocol,
                   "--verb", verb, "--clients", CLIENTS, "--pipeline", pipeline, "--size", size,
                   "--requests", requests, "--keys", KEYS]
        subprocess.run(["taskset", "-c", LOAD_CPU, *map(str, command)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)

    def measure(self, proxy, case):
        before = cpu_ns(self.proxies[proxy])
        self.load(proxy, case)
        return (cpu_ns(self.proxies[proxy]) - before) / case[4]

    def stop(self):
        for process in self.started:
            process.send_signal(signal.SIGTERM)
        for process in self.started:
            process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def cases(scale):
    for protocol in ("redis", "memcached"):
        for size in (64, 4096):
            for pipeline in (1, 16, 100):
                requests = {1: 60000, 16: 200000, 100: 400000}[pipeline] // (4 if size > 64 else 1)
                for verb in ("set", "get"):
                    yield protocol, verb, size, pipeline, max(int(requests * scale), 1000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    lab = Lab(options.build)
    try:
        print("| protocol | work | pipeline | ringmain ns | nutcracker ns | ratio | spread |")
        print("|---|---|--:|--:|--:|--:|---|")
        for case in cases(options.scale):
            name = f"{case[1]} {case[2]} B"
            if options.only not in f"{case[0]} {name} P{case[3]}":
                continue
            # The load generator takes a miss for a wrong answer.
            lab.load("ringmain", (case[0], "set", case[2], 16, 4 * KEYS))
            figures = {"ringmain": [], "nutcracker": []}
            for i in range(options.rounds):
                order = ("ringmain", "nutcracker") if i % 2 == 0 else ("nutcracker", "ringmain")
                for proxy in order:
                    figures[proxy].append(lab.measure(proxy, case))
            ratios = [a / b for a, b in zip(figures["ringmain"], figures["nutcracker"])]
            print(f"| {case[0]} | {name} | {case[3]} "
                  f"| {statistics.median(figures['ringmain']):.0f} "
                  f"| {statistics.median(figures['nutcracker']):.0f} "
                  f"| {statistics.median(ratios):.2f} "
                  f"| {min(ratios):.2f} to {max(ratios):.2f} |", flush=True)
    finally:
        lab.stop()


if __name__ == "__main__":
    main()
