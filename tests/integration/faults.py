"""What the tests with faults of real servers share: three servers under a checked load."""
import os
import re
import signal
import threading
import time

from checked import (Load, clear_of, errors_by_text, percentile, touching)
from harness import Case, MemcachedServer, RedisServer, Ringmain, wait_for

TIMEOUT_MS = 400
TIMEOUT = TIMEOUT_MS / 1000
SOMEBODY_ELSE = 1000  # a writer that is no client of the load
SLACK = 0.05         # by which a request's end may come after its timeout
QUIET_P99 = 0.03     # a p99 below this is good whatever it was before


class FaultCase(Case):
    """s0, s1 and s2 behind one pool. The faulty one is `faulty`."""

    protocol = "redis"
    server_options = ()
    faulty = 1
    pool_options = {}
    rate = 3000

    def begin(self, proxy_options=None, load_options=None, **pool_options):
        self.servers = self.make_servers()
        self.options = {"protocol": self.protocol, "servers": self.servers, "hash_tag": None,
                        "hash": "md5", "distribution": "ketama", "timeout": f"{TIMEOUT_MS}ms",
                        **self.pool_options, **pool_options}
        self.proxy = self.make_proxy(proxy_options)
        self.load = Load(self.proxy.endpoint(), self.protocol, self.server_of,
                         rate=self.rate, **(load_options or {})).start()
        self.addCleanup(self.load.stop)
        self.bad = self.servers[self.faulty]
        healthy = [server for server in self.servers if server is not self.bad]
        processes = [fixture.pid for fixture in (self.proxy, *healthy)]
        self.load.noise.watched = lambda: processes
        self.began = time.monotonic()

    def make_servers(self):
        kind = {"redis": RedisServer, "memcached": MemcachedServer}[self.protocol]
        return [self.use(kind(self.server_options)) for _ in range(3)]

    def make_proxy(self, proxy_options):
        return self.use(Ringmain({"alpha": self.options}, proxy=proxy_options))

    def server_of(self, keys):
        return {key: int(place[0][1:]) for key, place in self.proxy.locate(keys).items()}

    def server_of_without(self, keys):
        """Where the keys belong while the faulty server is out: as if it were not configured."""
        lines = [Ringmain.server_line(server, index) for index, server in enumerate(self.servers)
                 if index != self.faulty]
        other = self.use(Ringmain({"alpha": {**self.options, "servers": lines}}, start=False))
        return {key: int(place[0][1:]) for key, place in other.locate(keys).items()}

    def warm_up(self, seconds=1.0):
        """A span without faults, to compare with."""
        time.sleep(0.3)
        since = time.monotonic()
        time.sleep(seconds)
        self.before = (since, time.monotonic())
        answers = self.load.between(*self.before)
        self.assertGreater(len(answers), 200, "the load does not run")
        self.assertFalse(errors_by_text(answers))

    def fault_begins(self):
        self.load.distrust(self.faulty)
        return time.monotonic()

    def finish_load(self):
        self.load.stop()
        self.assertEqual(self.load.wrong, [])

    # --- what must hold

    def others_unharmed(self, since, until):
        """No error and no slower answer for requests that do not need the faulty server."""
        clear = clear_of(self.load.between(since, until), {self.faulty})
        self.assertGreater(len(clear), 100, "hardly a request to the healthy servers")
        failed = errors_by_text(answer for answer in self.load.between(since, until)
                                if self.faulty not in answer.servers)
        self.assertFalse(failed, "errors of requests to healthy servers")
        before = percentile([answer.latency for answer in self.load.between(*self.before)], 0.99)
        during = percentile([answer.latency for answer in clear], 0.99)
        noise = self.load.allowance(since, until)
        self.assertLess(during, max(2 * before, QUIET_P99 + noise),
                        f"p99 of healthy requests: {during * 1e3:.1f} ms, before the fault "
                        f"{before * 1e3:.1f} ms, noise of the machine {noise * 1e3:.1f} ms")

    def affected_end_in_time(self, since, until=float("inf")):
        """Each request to the faulty server ends, well or not, within its timeout."""
        affected = touching(self.load.between(since, until), {self.faulty})
        self.assertTrue(affected)
        noise = self.load.allowance(since, until)
        worst = max(affected, key=lambda answer: answer.latency)
        self.assertLess(worst.latency, TIMEOUT + SLACK + noise,
                        f"{worst.kind} {worst.error}, {worst.sent - since:.3f} s after the fault; "
                        f"noise of the machine {noise * 1e3:.1f} ms")
        return affected

    def errors_name_the_server(self, since, until=float("inf"), *others):
        """Errors in a span are ringmain's and name the faulty server, or are among `others`."""
        name = re.escape(f"server s{self.faulty} ({self.bad.address}) ")
        kind = {"redis": "ERR", "memcached": "SERVER_ERROR"}[self.protocol]
        pattern = re.compile(f"{kind} ringmain: {name}(did not answer within {TIMEOUT_MS} ms|"
                             f"did not answer a new connection within|has answered nothing for|"
                             f"has not answered for|has been giving an answer for|"
                             f"closed the connection|reset the connection|"
                             f"refused the connection|did not accept the connection|"
                             f"accepted the connection but did not answer within|"
                             f"cannot be reached: |does not answer: )")
        errors = errors_by_text(self.load.between(since, until))
        for text in errors:
            self.assertTrue(pattern.match(text) or text in others, text)
        return errors

    def errors_of(self, since, until=float("inf")):
        return errors_by_text(self.load.between(since, until))

    def settles(self, within, quiet=0.5):
        """Waits for a span of `quiet` seconds without an error and returns when it began."""
        began = time.monotonic()

        def calm():
            now = time.monotonic()
            last = max((answer.sent for answer in list(self.load.answers)
                        if answer.error is not None), default=0.0)
            last = max(last, began)
            return last if now - last > quiet else None

        return wait_for(calm, "the errors end", within + quiet + self.load.allowance(began), 0.02)

    def serves_again(self, within, since):
        """The faulty server itself answers requests of the load again, `within` seconds at most
        after `since`. Says when."""
        first = self.requests_seen()
        limit = within + self.load.allowance(since)
        wait_for(lambda: self.requests_seen() > first, f"s{self.faulty} is used again",
                 max(0.1, since + limit - time.monotonic()), 0.02)
        return time.monotonic() - since

    def requests_seen(self):
        """By the faulty server, of clients."""
        if self.protocol == "memcached":
            with self.bad.client() as client:
                reply = client.call(b"stats").decode()
            return sum(int(line.split()[2]) for line in reply.splitlines()
                       if line.split()[1:2] and line.split()[1] in ("cmd_get", "cmd_set"))
        text = self.bad.call("INFO", "commandstats").decode()
        return sum(int(re.search(r"calls=(\d+)", line)[1]) for line in text.splitlines()
                   if re.match(r"cmdstat_(get|set|mget|mset|del):", line))

    def faulty_keys(self, count=40, prefix="place"):
        """Keys that live on the faulty server."""
        candidates = [f"{prefix}:{number}".encode() for number in range(count * 8)]
        place = self.server_of(candidates)
        return [key for key in candidates if place[key] == self.faulty][:count]

    def aside(self, action):
        """Runs something that blocks in a thread; joined at the end."""
        thread = threading.Thread(target=action, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 20)
        return thread


class StopAndKill:
    """What a server of either protocol is put through. other_data() is the protocol's."""

    def test_a_stopped_server(self):
        self.begin()
        self.warm_up()
        for seconds in (2.0, 0.9):  # long enough for its connection to be given up, and not
            since = self.fault_begins()
            os.kill(self.bad.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(self.bad.pid, signal.SIGCONT)
            until = time.monotonic()
            self.settles(within=1.0)
            self.others_unharmed(since, until)
            self.affected_end_in_time(since)
            errors = self.errors_name_the_server(since)
            self.assertGreater(sum(errors.values()), 10)
        self.serves_again(within=0.5, since=time.monotonic())
        self.finish_load()

    def test_a_killed_server_that_comes_back_with_other_data(self):
        self.begin()
        self.warm_up()
        since = self.fault_begins()
        self.bad.kill()
        time.sleep(0.7)
        self.bad.start()
        self.other_data()
        back = time.monotonic()
        self.settles(within=1.0)
        self.serves_again(within=1.0, since=back)
        self.others_unharmed(since, back)
        failed = [answer for answer in self.affected_end_in_time(since, back)
                  if answer.error is not None]
        # Nobody waits for a server that refuses.
        slow = max(answer.latency for answer in failed)
        self.assertLess(slow, 0.1 + self.load.allowance(since, back))
        self.errors_name_the_server(since)
        self.assertEqual(self.load.closed, [], "clients were closed")
        self.finish_load()


class LeaveAndReturn:
    """The same where such a server is ejected: goes_and_comes() is the protocol's."""

    def test_a_stopped_server_leaves_and_returns(self):
        self.goes_and_comes(lambda: os.kill(self.bad.pid, signal.SIGSTOP),
                            lambda: os.kill(self.bad.pid, signal.SIGCONT), seconds=2.2)

    def test_a_killed_server_leaves_and_returns_with_other_data(self):
        def mends():
            self.bad.start()
            self.other_data()

        self.goes_and_comes(lambda: self.bad.kill(), mends, seconds=1.5)
