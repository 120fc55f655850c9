#!/usr/bin/python3
"""Runs ringmain for minutes while servers and clients misbehave; its end must be as its beginning.

usage: tools/soak.py [--minutes N | --seconds N] [--seed N] [--binary PATH] [--clients N] [--rate N]

Three redis-servers, three memcacheds and ringmain with two workers run under a load whose every
answer is checked (tests/integration/checked.py). Faults come at random, from the seed: servers are
stopped, killed and restarted with other data, filled up, made to sleep; ringmain itself is stopped;
clients leave in the middle, do not read what they asked for, or send garbage. After the first
minute (or a quarter of the time, whichever is less) and at the end everything is mended and quiet
for a moment; memory, descriptors, threads and connections of ringmain are compared then.

Everything is on loopback, ends by itself, and what was started is ended by its process id. The exit
status is 0 when nothing was wrong. While it runs one line every ten seconds says how it goes.
"""
import argparse
import collections
import contextlib
import os
import pathlib
import random
import re
import signal
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEPT_CONNECTIONS = 3  # one for each redis server, where two moments are compared
SETTLE = 2.0          # seconds without load before memory is measured
RESIDENT_MORE = 4 << 20  # bytes that the end may have more than the beginning, and a tenth of it
SOMEBODY_ELSE = 1000  # a writer that is no client of the load
BUSY_FOR_A_WHILE = """
local function now() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end
local began = now()
while now() - began < 700000 do end
"""
EXPECTED_ERRORS = [
    r"(ERR|SERVER_ERROR) ringmain: server s\d \([^)]*\) (did not answer within|"
    r"did not answer a new connection within|has answered nothing for|has not answered for|"
    r"closed the connection|reset the connection|refused the connection|"
    r"did not accept the connection|accepted the connection but did not answer within)",
    r"(ERR|SERVER_ERROR) ringmain: .*(every|all|no) servers? ",
    r"OOM command not allowed", r"BUSY ", r"LOADING ",
]


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seconds", type=float, help="instead of minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--binary", default=str(ROOT / "build/src/ringmain"))
    parser.add_argument("--clients", type=int, default=50, help="for each protocol")
    parser.add_argument("--rate", type=int, default=2500, help="requests per second and protocol")
    chosen = parser.parse_args()
    chosen.duration = chosen.seconds if chosen.seconds else 60 * chosen.minutes
    return chosen


class Soak:
    def __init__(self, chosen, stack):
        self.random = random.Random(chosen.seed)
        self.faults = collections.Counter()
        self.problems = []

        def keep(fixture):
            stack.callback(stop, fixture)
            return fixture

        self.redis = [keep(harness.RedisServer(["--enable-debug-command", "yes",
                                                "--busy-reply-threshold", "150"]))
                      for _ in range(3)]
        self.memcached = [keep(harness.MemcachedServer()) for _ in range(3)]
        common = {"timeout": "400ms", "connect_timeout": "500ms", "hash": "md5", "hash_tag": None,
                  "distribution": "ketama", "auto_eject_hosts": True, "server_failure_limit": 2,
                  "server_retry_timeout": "1s"}
        self.proxy = keep(harness.Ringmain(
            {"redis": {**common, "servers": self.redis},
             "memcached": {**common, "protocol": "memcached", "servers": self.memcached}},
            proxy={"workers": 2}))
        self.loads = {}
        for protocol in ("redis", "memcached"):
            load = checked.Load(
                self.proxy.endpoint(protocol), protocol,
                lambda keys, pool=protocol: {
                    key: int(place[0][1:]) for key, place in self.proxy.locate(keys, pool).items()},
                clients=chosen.clients, rate=chosen.rate, seed=chosen.seed, answers_kept=20_000)
            load.reconnects = True
            self.loads[protocol] = load
            stack.callback(load.stop)
            load.start()

    # --- faults

    def servers(self, protocol):
        return self.redis if protocol == "redis" else self.memcached

    def pick(self, protocol=None):
        """A server at random. What it says is looked at less strictly from now on."""
        protocol = protocol or self.random.choice(("redis", "memcached"))
        index = self.random.randrange(3)
        self.loads[protocol].distrust(index)
        return protocol, self.servers(protocol)[index]

    def stopped(self):
        _, server = self.pick()
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(self.random.uniform(0.1, 2.2))
        os.kill(server.pid, signal.SIGCONT)

    def killed(self):
        protocol, server = self.pick()
        server.kill()
        time.sleep(self.random.uniform(0.0, 2.0))
        server.start()
        self.other_data(protocol, server)

    def other_data(self, protocol, server):
        load = self.loads[protocol]
        index = self.servers(protocol).index(server)
        keys = [key for key, place in load.server_of.items() if place == index]
        with server.client(timeout=5) as client:
            for number, key in enumerate(keys[:100]):
                value = checked.make_value(key, SOMEBODY_ELSE, number)
                if protocol == "redis":
                    client.call("SET", key, value)
                else:
                    client.store(key, value)

    def two_killed(self):
        victims = [self.pick() for _ in range(2)]
        for _, server in victims:
            server.kill()
        time.sleep(self.random.uniform(0.0, 1.0))
        for _, server in victims:
            if not server.alive():
                server.start()

    def asleep(self):
        _, server = self.pick("redis")
        words = self.random.choice((["CLIENT", "PAUSE", 700], ["DEBUG", "SLEEP", 0.6]))
        server.call(*words)
        time.sleep(0.7)

    def busy(self):
        self.loads["redis"].distrust(0, 1, 2)
        with self.proxy.client("redis") as client:
            client.call("EVAL", BUSY_FOR_A_WHILE, 1, f"script{self.random.randrange(100)}")
        time.sleep(0.6)

    def full(self):
        _, server = self.pick("redis")
        server.call("CONFIG", "SET", "maxmemory", 1)
        time.sleep(self.random.uniform(0.2, 1.0))
        server.call("CONFIG", "SET", "maxmemory", 0)

    def proxy_stopped(self):
        os.kill(self.proxy.pid, signal.SIGSTOP)
        time.sleep(self.random.uniform(0.1, 1.0))
        os.kill(self.proxy.pid, signal.SIGCONT)

    def clients_leave(self):
        self.loads[self.random.choice(("redis", "memcached"))].leaving += 20
        time.sleep(0.2)

    def unread(self):
        """Answers of 16 MiB that their client does not take."""
        with self.redis[0].client() as direct:
            direct.call("SET", "soak:big", b"x" * (1 << 20))
        with self.proxy.client("redis") as client:
            client.call("SET", "soak:big", b"x" * (1 << 20))
            client.send(harness.resp("GET", "soak:big") * 16)
            time.sleep(0.3)

    def garbage(self):
        for _ in range(30):
            pool = self.random.choice(("redis", "memcached"))
            with contextlib.suppress(OSError), self.proxy.client(pool) as client:
                client.send(self.random.randbytes(self.random.randrange(1, 2000)))
                if self.random.random() < 0.5:
                    client.reset()

    def come_and_go(self):
        for _ in range(100):
            with contextlib.suppress(OSError):
                self.proxy.client(self.random.choice(("redis", "memcached"))).close()

    def one_fault(self):
        fault = self.random.choice((self.stopped, self.stopped, self.killed, self.killed,
                                    self.two_killed, self.asleep, self.busy, self.full,
                                    self.proxy_stopped, self.clients_leave, self.unread,
                                    self.garbage, self.come_and_go))
        self.faults[fault.__name__] += 1
        fault()
        time.sleep(self.random.uniform(0.1, 0.8))

    # --- measuring

    def lasting_descriptors(self):
        """Without the one that the question before had, which may just be going."""
        counts = []
        for _ in range(10):
            counts.append(len(os.listdir(f"/proc/{self.proxy.pid}/fd")))
            time.sleep(0.05)
        return min(counts)

    def sample(self):
        pid = self.proxy.pid
        with self.proxy.client("redis") as client:
            text = client.value("INFO").decode()
        numbers = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return {"resident": self.proxy.resident_bytes(),
                "descriptors": self.lasting_descriptors(),
                "threads": len(os.listdir(f"/proc/{pid}/task")),
                "clients": int(numbers["connected_clients"]) - 1,
                "server connections": int(numbers["server_connections"]),
                "buffers": int(numbers["buffer_memory"]),
                "timeouts": int(numbers["timeouts"])}

    def quiet_sample(self):
        """With everything mended, every client connected and nothing under way."""
        time.sleep(3.0)  # all servers are back
        self.good_span()
        for name, load in self.loads.items():
            if not load.hold():
                self.problems.append(f"{name}: answers are missing")
        time.sleep(SETTLE)
        taken = self.sample()
        for load in self.loads.values():
            load.go_on()
        return taken

    def good_span(self, seconds=1.0):
        """Nothing is broken any more: no request may fail."""
        since = time.monotonic()
        time.sleep(seconds)
        for name, load in self.loads.items():
            errors = checked.errors_by_text(load.between(since, since + seconds))
            if errors:
                self.problems.append(f"{name}: errors {SETTLE} s after the last fault: {errors}")

    def compare(self, first, last):
        # A connection that was set apart for a large value, or for one client, stays a while.
        spares = {"descriptors": KEPT_CONNECTIONS, "server connections": KEPT_CONNECTIONS}
        for name in ("descriptors", "threads", "clients", "server connections"):
            if abs(last[name] - first[name]) > spares.get(name, 0):
                self.problems.append(f"{name}: {first[name]} at first, {last[name]} at the end")
        for name in ("resident", "buffers"):
            if last[name] > first[name] * 1.1 + RESIDENT_MORE:
                self.problems.append(f"{name}: {first[name]} bytes at first, "
                                     f"{last[name]} at the end")

    def look_at_loads(self):
        for name, load in self.loads.items():
            self.problems += [f"{name}: {text}" for text in load.wrong[:5]]
            if load.closed:
                self.problems.append(f"{name}: {len(load.closed)} clients were closed, "
                                     f"the first at {load.closed[0]}")
            for text in load.errors:
                if not any(re.match(pattern, text) for pattern in EXPECTED_ERRORS):
                    self.problems.append(f"{name}: unexpected error: {text[:300]}")

    def say(self, began, taken):
        answered = sum(load.answered for load in self.loads.values())
        failed = sum(sum(load.errors.values()) for load in self.loads.values())
        wrong = sum(len(load.wrong) for load in self.loads.values())
        print(f"{time.monotonic() - began:7.0f} s {answered:11,} {failed:9,} {wrong:6} "
              f"{taken['resident'] / 2**20:7.1f} MiB {taken['descriptors']:5} {taken['clients']:8} "
              f"{taken['server connections']:8} {taken['timeouts']:9,} "
              f"{sum(self.faults.values()):7}", flush=True)

    def run(self, duration):
        print(f"{'time':>9} {'answers':>11} {'errors':>9} {'wrong':>6} {'resident':>11} {'fds':>5} "
              f"{'clients':>8} {'upstream':>8} {'timeouts':>9} {'faults':>7}")
        began = said = time.monotonic()
        first = None
        while (now := time.monotonic()) - began < duration - 7:
            if first is None and now - began >= min(60.0, duration / 4):
                first = self.quiet_sample()
                self.say(began, first)
                continue
            self.one_fault()
            if now - said > 10:
                said = now
                self.say(began, self.sample())
            if any(load.wrong for load in self.loads.values()):
                break
        last = self.quiet_sample()
        self.say(began, last)
        self.compare(first or last, last)
        for load in self.loads.values():
            load.stop()
        self.look_at_loads()
        return first or last, last


def stop(fixture):
    if fixture.alive():
        os.kill(fixture.pid, signal.SIGCONT)
    fixture.stop()


def report(soak, first, last):
    made = ", ".join(f"{name} {count}" for name, count in sorted(soak.faults.items()))
    print(f"\nfaults: {made}")
    print(f"{'':20} {'at first':>14} {'at the end':>14}")
    for name in first:
        print(f"{name:20} {first[name]:14,} {last[name]:14,}")
    reasons = collections.Counter()
    for load in soak.loads.values():
        for text, count in load.errors.items():
            reasons[re.sub(r"server s\d \([^)]*\) ", "", text)[:90]] += count
    for text, count in reasons.most_common(12):
        print(f"{count:9,}  {text}")
    for problem in soak.problems:
        print(f"WRONG: {problem}")
    print("all is well" if not soak.problems else f"{len(soak.problems)} problems")


def main():
    chosen = options()
    print(f"tools/soak.py: {chosen.duration:.0f} s with --seed {chosen.seed}")
    # Ctrl-C and TERM end what was started too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    watchdog = threading.Timer(chosen.duration + 120, lambda: os.kill(os.getpid(), signal.SIGTERM))
    watchdog.daemon = True
    watchdog.start()
    with contextlib.ExitStack() as stack:
        soak = Soak(chosen, stack)
        first, last = soak.run(chosen.duration)
        report(soak, first, last)
    return 1 if soak.problems else 0


if __name__ == "__main__":
    arguments = sys.argv
    if "--binary" in arguments[:-1]:
        os.environ["RINGMAIN"] = arguments[arguments.index("--binary") + 1]
    os.environ.setdefault("RINGMAIN", str(ROOT / "build/src/ringmain"))
    sys.path.insert(0, str(ROOT / "tests/integration"))
    import checked
    import harness

    sys.exit(main())
