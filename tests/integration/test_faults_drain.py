"""TERM: nobody new comes in, what was asked before is answered, and then ringmain ends."""
import os
import re
import signal
import threading
import time

from checked import NoiseMeter
from faults import FaultCase
from harness import Case, RedisServer, Ringmain, key_on, keys_on, main, needs_ringmain, wait_for
from wire import Closed, RespClient, bulk, decode, resp

AT_ONCE = 0.3


class Ending(Case):
    """What the tests share that wait for ringmain's end."""

    def term(self):
        self.termed = time.monotonic()
        os.kill(self.proxy.pid, signal.SIGTERM)

    def ends(self, within):
        """It ends by itself with status 0. Seconds since the first signal."""
        try:
            wait_for(lambda: self.proxy.child.poll() is not None, "ringmain ends", within + 3)
        except TimeoutError as error:
            raise AssertionError(f"{error}; its log:\n{self.proxy.log(2000)}") from None
        took = time.monotonic() - self.termed
        status, self.proxy.child = self.proxy.child.returncode, None
        self.assertEqual(status, 0, self.proxy.log(2000))
        self.assertLess(took, within)
        return took

    def refuses(self):
        """Connecting fails from now on."""

        def refused():
            try:
                with RespClient(self.proxy.endpoint(), timeout=1) as client:
                    return client.read_until_closed(timeout=1) == b"" and False
            except OSError:
                return True

        wait_for(refused, "new clients are refused", 2)


@needs_ringmain
class UnderLoad(Ending, FaultCase):
    """50 clients with pipelines: none of the requests sent before the signal goes unanswered."""

    rate = 6000

    def drain(self, **options):
        self.begin(**options)
        self.warm_up(0.7)
        self.term()
        noise = self.load.noise
        self.ends(within=2.0 + noise.worst(self.termed))
        wait_for(lambda: not any(client.socket for client in self.load.clients), "all closed", 2)
        self.finish_load()
        lost = [(round(self.termed - sent, 4), number) for _, number, waiting in self.load.closed
                for sent in waiting if sent < self.termed]
        self.assertEqual(lost, [], "no answers to requests sent so long before TERM (by client)")
        early = [when - self.termed for when, _, _ in self.load.closed if when < self.termed]
        self.assertEqual(early, [])

    def test_redis(self):
        self.drain(proxy_options={"shutdown_timeout": "5s"})

    def test_redis_with_two_workers(self):
        self.drain(proxy_options={"shutdown_timeout": "5s", "workers": 2}, server_connections=2)

    def test_memcached(self):
        self.protocol = "memcached"
        self.drain(proxy_options={"shutdown_timeout": "5s", "workers": 2})


@needs_ringmain
class InFlight(Ending):
    """A server that takes its time while ringmain is to end."""

    def begin(self, shutdown_timeout, timeout="20s", workers=1):
        self.servers = [self.use(RedisServer(["--enable-debug-command", "yes"])) for _ in range(2)]
        self.path = f"{self.servers[0].folder}/ringmain.sock"
        pool = {"servers": self.servers, "timeout": timeout}
        self.proxy = self.use(Ringmain({"alpha": pool, "beta": {**pool, "listen": self.path}},
                                       proxy={"shutdown_timeout": shutdown_timeout,
                                              "workers": workers}))
        processes = [self.proxy.pid, self.servers[0].pid]
        self.noise = NoiseMeter(lambda: processes)
        self.addCleanup(self.noise.stop)
        self.alive, self.slow = key_on(0, 2), key_on(1, 2)

    def asleep(self, seconds):
        """The second server sleeps from now on."""
        sleeper = threading.Thread(target=lambda: self.servers[1].call("DEBUG", "SLEEP", seconds))
        sleeper.start()
        self.addCleanup(sleeper.join)
        time.sleep(0.05)

    def stopped(self):
        os.kill(self.servers[1].pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.servers[1].pid, signal.SIGCONT)

    def cut_off(self):
        """Requests, and clients that have not read, of all workers."""
        told = re.findall(r"worker \d: shutdown_timeout \(700 ms\) is over; cut off: (\d+) requests "
                          r"without an answer, (\d+) clients that have not taken theirs",
                          self.proxy.log())
        return tuple(sum(map(int, counts)) for counts in zip(*told))

    def test_who_waits_is_answered_and_the_idle_are_closed(self):
        self.begin("5s", workers=2)
        idle = [self.client(pool) for pool in ("alpha", "beta") for _ in range(6)]
        for client in idle:
            self.working(client)
        self.asleep(0.8)
        waiting = [self.client(pool) for pool in ("alpha", "beta") for _ in range(6)]
        for client in waiting:
            client.send(resp("SET", self.slow, "1") + resp("GET", self.alive)
                        + resp("GET", self.slow) + resp("MGET", self.slow, self.alive))
        time.sleep(0.1)
        self.term()
        for client in idle:
            self.same(client.read_until_closed(timeout=AT_ONCE + self.noise.worst(self.termed)),
                      b"")
        took = time.monotonic() - self.termed
        self.assertLess(took, 2 * AT_ONCE + self.noise.worst(self.termed), "idle clients go first")
        self.refuses()
        with self.assertRaises(OSError):
            RespClient(self.path, timeout=1).close()
        for client in waiting:
            self.same(client.read_until_closed(timeout=3),
                      b"+OK\r\n$-1\r\n" + bulk("1") + b"*2\r\n" + bulk("1") + b"$-1\r\n")
        self.ends(within=2.0 + self.noise.worst(self.termed))
        self.assertFalse(os.path.exists(self.path))

    def test_a_long_pipeline_is_answered_to_its_end(self):
        """More than the requests that may be in flight, all sent before the signal."""
        self.begin("5s")
        count = 3000
        keys = [*keys_on(0, 2, 8), *keys_on(1, 2, 8)]
        client = self.client()
        for key in keys:
            client.call("SET", key, key)
        sent = [keys[number % len(keys)] for number in range(count)]
        client.send(b"".join(resp("GET", key) for key in sent))
        self.term()
        wanted = b"".join(bulk(key) for key in sent)
        got = client.read_until_closed(timeout=5)
        self.assertEqual((len(got), got == wanted), (len(wanted), True),
                         f"{got.count(b'$')} of {count} answers")
        self.ends(within=2.0 + self.noise.worst(self.termed))

    def test_what_the_clients_own_kernel_keeps_is_answered(self):
        """As much as it takes while ringmain reads nothing on: more than its socket holds."""
        self.begin("10s")
        clients = [self.client(), self.client("beta")]
        one = resp("SET", self.slow, b"x" * 200)
        self.stopped()
        counts = []
        for client in clients:
            client.socket.setblocking(False)
            sent, until = 0, time.monotonic() + 0.5
            while time.monotonic() < until and sent < 30 << 20:
                try:
                    at = sent % len(one)
                    sent += client.socket.send(one[at:] + one * 2000)
                    until = time.monotonic() + 0.5
                except BlockingIOError:
                    time.sleep(0.01)
            client.socket.setblocking(True)
            counts.append(sent // len(one))
        self.term()
        time.sleep(0.1)
        os.kill(self.servers[1].pid, signal.SIGCONT)
        got = [client.read_until_closed(timeout=10).count(b"+OK") for client in clients]
        self.assertEqual(got, counts)
        self.assertGreater(min(counts), 1024, "more than may be in flight")
        self.ends(within=8.0 + self.noise.worst(self.termed))

    def test_requests_that_have_just_been_sent(self):
        """Each client's request left before the signal did."""
        self.begin("5s", workers=2)
        clients = [self.client() for _ in range(40)]
        for client in clients:
            self.working(client)
        for client in clients:
            client.send(resp("GET", self.alive) + resp("PING"))
        self.term()
        got = [client.read_until_closed(timeout=3) for client in clients]
        self.assertEqual(got.count(b"$-1\r\n+PONG\r\n"), len(clients), got)
        self.ends(within=2.0 + self.noise.worst(self.termed))

    def test_clients_that_have_just_connected(self):
        """They wait to be accepted, their requests sent, when the signal comes."""
        for workers in (1, 2):
            with self.subTest(workers=workers):
                self.begin("5s", workers=workers)
                self.working(self.client())
                os.kill(self.proxy.pid, signal.SIGSTOP)
                clients = [self.client(pool) for pool in ("alpha", "beta") for _ in range(60)]
                for client in clients:
                    client.send(resp("GET", self.alive) + resp("PING"))
                self.term()
                os.kill(self.proxy.pid, signal.SIGCONT)
                got = [client.read_until_closed(timeout=3) for client in clients]
                self.assertEqual(got, [b"$-1\r\n+PONG\r\n"] * len(clients))
                self.refuses()
                self.ends(within=2.0 + self.noise.worst(self.termed))
                self.assertFalse(os.path.exists(self.path))

    def test_clients_that_connected_before_all_workers_had_started(self):
        """The kernel gives them to listeners of workers that do not start any more."""
        self.begin("5s", workers=256)
        clients = [self.client(pool) for pool in ("alpha", "beta") for _ in range(60)]
        for client in clients:
            client.send(resp("GET", self.alive) + resp("PING"))
        self.term()
        got = [client.read_until_closed(timeout=3) for client in clients]
        self.assertEqual(got, [b"$-1\r\n+PONG\r\n"] * len(clients))
        self.ends(within=2.0 + self.noise.worst(self.termed))

    def test_a_server_that_does_not_answer_ends_with_its_timeout(self):
        self.begin("10s", timeout="500ms")
        self.stopped()
        client = self.client()
        client.send(resp("GET", self.alive) + resp("GET", self.slow))
        time.sleep(0.05)
        self.term()
        self.same(client.read(), b"$-1\r\n")
        self.assertIn("did not answer within 500 ms", decode(client.read(timeout=3)))
        with self.assertRaises(Closed):
            client.read(timeout=3)
        self.ends(within=1.2 + self.noise.worst(self.termed))

    def test_it_ends_within_shutdown_timeout_whatever_is_missing(self):
        self.begin("700ms", workers=2)
        self.stopped()
        clients = [self.client() for _ in range(8)]
        for client in clients:
            client.send(resp("GET", self.slow))
        time.sleep(0.05)
        self.term()
        took = self.ends(within=1.2 + self.noise.worst(self.termed))
        self.assertGreater(took, 0.6)
        for client in clients:
            client.read_until_closed(timeout=1)
        self.assertFalse(os.path.exists(self.path))
        self.assertEqual(self.cut_off(), (len(clients), 0))

    def test_what_waits_in_the_socket_of_one_that_waits_is_answered(self):
        """More than ringmain reads ahead, while the server cannot end the wait."""
        self.begin("10s")
        count = 15000  # which its socket has room for
        clients = [self.client() for _ in range(6)]
        for client in clients:
            client.send(resp("BLPOP", self.slow, "0") + b"PING\r\n" * count)
        time.sleep(0.3)
        self.stopped()
        self.term()
        time.sleep(2.5)  # sockets that are silent have been looked at twice
        os.kill(self.servers[1].pid, signal.SIGCONT)
        got = [client.read_until_closed(timeout=5).count(b"+PONG") for client in clients]
        self.assertEqual(got, [count] * len(clients))
        self.ends(within=5.0 + self.noise.worst(self.termed))

    def test_what_comes_in_the_last_batch_is_sent(self):
        for pause, count in ((0.6, 1), (2.0, 1), (0.6, 100), (2.0, 100)):
            with self.subTest(pause=pause, count=count):
                self.last_batch(pause, count)

    def last_batch(self, pause, count):
        self.begin("600ms")
        clients = [self.client() for _ in range(count)]
        if count > 1:
            for client in clients:
                client.call("WATCH", self.slow)  # each has its own connection to the server
        self.stopped()
        for client in clients:
            client.send(resp("GET", self.slow))
        time.sleep(0.1)
        self.term()
        time.sleep(0.2)
        # The answer waits for it when it wakes up, and so does the end of its time.
        os.kill(self.proxy.pid, signal.SIGSTOP)
        os.kill(self.servers[1].pid, signal.SIGCONT)
        wait_for(lambda: b"cmdstat_get:calls=%d," % count in
                 self.servers[1].call("INFO", "commandstats"), "the answers")
        time.sleep(pause)
        os.kill(self.proxy.pid, signal.SIGCONT)
        for client in clients:
            self.same(client.read_until_closed(timeout=1), b"$-1\r\n")
        self.ends(within=pause + 1.5 + self.noise.worst(self.termed))
        self.assertNotIn("cut off", self.proxy.log())

    def test_a_client_that_does_not_read_does_not_hold_it_up(self):
        self.begin("700ms")
        client = self.client()
        client.call("SET", self.alive, b"x" * (4 << 20))
        client.send(resp("GET", self.alive) * 4)
        time.sleep(0.2)
        self.term()
        self.ends(within=1.2 + self.noise.worst(self.termed))
        self.assertEqual(self.cut_off()[1], 1)

    def test_a_second_signal_ends_it_at_once(self):
        for second in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(second=second):
                self.begin("20s", workers=2)
                self.stopped()
                client = self.client()
                client.send(resp("GET", self.slow))
                time.sleep(0.05)
                self.term()
                time.sleep(0.3)
                self.assertTrue(self.proxy.alive(), "it waits for what is in flight")
                os.kill(self.proxy.pid, second)
                self.ends(within=0.3 + 0.5 + self.noise.worst(self.termed))
                client.read_until_closed(timeout=1)
                self.assertFalse(os.path.exists(self.path))


if __name__ == "__main__":
    main()
