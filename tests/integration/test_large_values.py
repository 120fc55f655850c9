"""Values of up to 512 MiB: what they cost in memory, and what they cost other clients."""
import contextlib
import hashlib
import os
import signal
import threading
import time

from fakes import fake_redis
from harness import RedisCase, main, needs_ringmain, wait_for
from test_failures import Failing
from wire import Closed, bulk, resp

MEBIBYTE = 1 << 20
HUGE = (512 if os.environ.get("RINGMAIN_TEST_LARGE") else 32) * MEBIBYTE
MEMORY = 16 * MEBIBYTE  # what a value of any size may cost


def pattern(size):
    block = hashlib.sha512(b"large").digest() * 1024
    return (block * (size // len(block) + 1))[:size]


def drain(client, size, pause=0.0, limit=60.0):
    """The digest of `size` bytes that are read and not kept."""
    client.socket.settimeout(limit)
    early = client.take(min(size, len(client.buffer)))
    digest = hashlib.md5(early)
    left = size - len(early)
    while left > 0:
        chunk = client.socket.recv(min(left, 1 << 18))
        if not chunk:
            raise Closed("closed in the middle of a value")
        digest.update(chunk)
        left -= len(chunk)
        if pause:
            time.sleep(pause)
    return digest.hexdigest()


class Neighbour(threading.Thread):
    """A client that asks for a small value again and again; how long each answer took."""

    def __init__(self, client):
        super().__init__()
        self.client = client
        self.took = []
        self.wrong = None
        self.done = threading.Event()

    def run(self):
        try:
            while not self.done.is_set():
                began = time.monotonic()
                if self.client.call("GET", "small", timeout=30) != bulk("s"):
                    raise AssertionError("another answer")
                self.took.append(time.monotonic() - began)
        except Exception as error:  # told by the test
            self.wrong = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.done.set()
        self.join()
        if self.wrong:
            raise self.wrong


class Watched:
    """A case of a proxy whose memory is watched."""

    @contextlib.contextmanager
    def little_memory(self):
        before = self.proxy.resident_bytes()
        self.proxy.forget_peak()
        yield
        self.assertLess(self.proxy.peak_bytes() - before, MEMORY)


class Large(Watched, RedisCase):
    """In front of one server with a huge value."""

    server_count = 1
    value = pattern(HUGE)
    digest = hashlib.md5(value).hexdigest()

    def setUp(self):
        super().setUp()
        server = self.client_of(self.servers[0])
        server.exchange(resp("SET", "small", "s"), 5)

    def store(self, key="huge"):
        with self.servers[0].client() as client:
            self.same(client.exchange(resp("SET", key, self.value), 5), b"+OK\r\n")

    def stored(self, key="huge"):
        with self.servers[0].client() as client:
            client.send(resp("GET", key))
            self.same(client.read_line(), b"$%d\r\n" % HUGE)
            return drain(client, HUGE)

    def ask(self, client):
        """Sends GET; returns when the head of the answer is there."""
        client.send(resp("GET", "huge"))
        self.same(client.read_line(timeout=30), b"$%d\r\n" % HUGE)

    def take(self, client, **options):
        self.assertEqual(drain(client, HUGE, **options), self.digest)
        self.same(client.read_exactly(2), b"\r\n")

    def connections(self):
        return int(self.servers[0].info("clients", "connected_clients"))


@needs_ringmain
class Memory(Large):
    pool_options = {"timeout": "60s"}

    def test_a_huge_value_both_ways(self):
        client = self.client()
        self.working(client)
        with self.little_memory():
            self.same(client.exchange(resp("SET", "huge", self.value), 5), b"+OK\r\n")
            self.ask(client)
            self.take(client)
        self.working(client)

    def test_a_slow_reader(self):
        self.store()
        client = self.client(receive_buffer=65536)
        self.working(client)
        with self.little_memory():
            self.ask(client)
            time.sleep(1)
            drain(client, 8 * MEBIBYTE, pause=0.005)
            self.expect(self.client(), resp("GET", "small"), bulk("s"))
            client.close()
        self.expect(self.client(), resp("GET", "small"), bulk("s"))

    def test_a_slow_writer(self):
        client = self.client()
        sent = resp("SET", "huge", self.value)
        with self.little_memory():
            for start in range(0, 4 * MEBIBYTE, 65536):
                client.send(sent[start:start + 65536])
                time.sleep(0.002)
            self.expect(self.client(), resp("GET", "small"), bulk("s"))
            client.exchange(sent[4 * MEBIBYTE:], 5)
        self.assertEqual(self.stored(), self.digest)

    def test_many_at_once(self):
        value = pattern(4 * MEBIBYTE)
        clients = [self.client() for _ in range(12)]
        for number, client in enumerate(clients):
            self.same(client.exchange(resp("SET", f"many{number}", value), 5), b"+OK\r\n")
        for number, client in enumerate(clients):
            client.send(resp("GET", f"many{number}") + resp("GET", "small"))
        for client in clients:
            wanted = bulk(value) + bulk("s")
            self.assertTrue(client.read_exactly(len(wanted)) == wanted)

    def test_large_and_small_in_order(self):
        client, value = self.client(), pattern(3 * MEBIBYTE)
        sent, wanted = [], []
        for number in range(8):
            other = value[number:]
            sent += [resp("SET", "a", other), resp("GET", "small"), resp("GET", "a"),
                     resp("SET", "b", str(number)), resp("MGET", "b", "small"),
                     resp("STRLEN", "a"), resp("PING")]
            wanted += [b"+OK\r\n", bulk("s"), bulk(other), b"+OK\r\n",
                       b"*2\r\n" + bulk(str(number)) + bulk("s"), b":%d\r\n" % len(other),
                       b"+PONG\r\n"]
        wanted = b"".join(wanted)
        self.assertTrue(client.exchange(b"".join(sent), len(wanted)) == wanted)

    def test_connections_are_used_again(self):
        self.store()
        client = self.client()
        for _ in range(3):
            self.ask(client)
            self.take(client)
            self.same(client.exchange(resp("SET", "other", self.value), 5), b"+OK\r\n")
        before = self.connections()
        for _ in range(3):
            self.ask(client)
            self.take(client)
        self.assertEqual(self.connections(), before)


@needs_ringmain
class Pipelines(Large):
    """Large requests of one client behind each other."""

    server_count = 3
    pool_options = {"timeout": "20s"}

    def values(self):
        """A hundred values for nine keys, of sizes that have nothing in common with buffers."""
        block = pattern(MEBIBYTE)
        for number in range(100):
            yield (self.key(number % 3, prefix=f"k{number % 9}"),
                   block[number:number * 7919 % 700_000 + 300_000])

    def test_the_last_of_each_key_stays(self):
        client, last = self.client(), {}
        for key, value in self.values():
            last[key] = value
        sent = b"".join(resp("SET", key, value) for key, value in self.values())
        sent += b"".join(resp("GET", key) for key in last)
        wanted = b"+OK\r\n" * 100 + b"".join(map(bulk, last.values()))
        with self.little_memory():
            self.assertTrue(client.exchange(sent, len(wanted), timeout=60) == wanted)
        self.working(client)

    def test_one_server_does_not_wait_for_another(self):
        value = pattern(400_000)
        first, second = self.key(0), self.key(1)
        client, server = self.client(), self.client_of(self.servers[1])
        with self.servers[0].client() as admin:
            self.same(admin.exchange(resp("CLIENT", "PAUSE", 10_000, "WRITE"), 5), b"+OK\r\n")
            client.send(resp("SET", first, value) + resp("SET", second, value))
            stored = b":%d\r\n" % len(value)
            wait_for(lambda: server.call("STRLEN", second) == stored, "the second value", 5)
            self.same(admin.exchange(resp("CLIENT", "UNPAUSE"), 5), b"+OK\r\n")
        self.same(client.read_exactly(10), b"+OK\r\n+OK\r\n")


@needs_ringmain
class Neighbours(Large):
    pool_options = {"timeout": "20s"}

    def measure(self, connect, work, values):
        """99th percentile, longest and number of the neighbour's requests meanwhile. Redis itself stops
        once for each of the `values` that it copies or frees: the longest ones, so many, are not in the
        percentile, or it would tell of them wherever the neighbour asks less than 100 times a value."""
        with connect() as client, connect() as other, Neighbour(other) as neighbour:
            time.sleep(0.2)
            neighbour.took.clear()
            work(client)
        took = sorted(neighbour.took)
        others = took[:-values]
        return others[len(others) * 99 // 100], took[-1], len(took)

    def report(self, name, direct, through):
        print(f"{name}: p99 {direct[0] * 1e3:.2f} ms direct, {through[0] * 1e3:.2f} ms through; "
              f"longest {direct[1] * 1e3:.1f} ms direct, {through[1] * 1e3:.1f} ms through; "
              f"{direct[2]} and {through[2]} requests")

    def test_a_slow_reader_delays_nobody(self):
        with self.client() as client:
            self.same(client.exchange(resp("SET", "huge", self.value), 5), b"+OK\r\n")

        def read(slow):
            self.ask(slow)
            drain(slow, 16 * MEBIBYTE, pause=0.003)
        p99, longest, count = self.measure(lambda: self.client(receive_buffer=65536), read, 1)
        print(f"slow reader: p99 {p99 * 1e3:.2f} ms, longest {longest * 1e3:.1f} ms of {count}")
        self.assertLess(p99, 0.25)

    def test_reading(self):
        with self.client() as client:
            self.same(client.exchange(resp("SET", "huge", self.value), 5), b"+OK\r\n")

        def read(client):
            for _ in range(3):
                self.ask(client)
                self.take(client)
        through = self.measure(self.client, read, 3)
        direct = self.measure(self.servers[0].client, read, 3)
        self.report("reading", direct, through)
        self.assertLess(through[0], 20 * direct[0] + 0.25)

    def test_writing(self):
        def write(client):
            for _ in range(3):
                self.same(client.exchange(resp("SET", "huge", self.value), 5), b"+OK\r\n")
        through = self.measure(self.client, write, 3)
        direct = self.measure(self.servers[0].client, write, 3)
        self.report("writing", direct, through)
        self.assertLess(through[0], 20 * direct[0] + 0.25)


@needs_ringmain
class TooLargeForTheServers(RedisCase):
    """They end the connection on which they are sent it, and nobody else has anything there."""

    server_count = 2
    server_options = ("--proto-max-bulk-len", "1mb")

    def setUp(self):
        super().setUp()
        with self.client() as client:
            self.same(client.call("SET", "small", "s"), b"+OK\r\n")

    def check(self, *requests):
        with self.client() as client, self.client() as other, Neighbour(other) as neighbour:
            for _ in range(20):
                answer = [client.call(*request) for request in requests][-1]
                self.assertTrue(answer.startswith(b"-"), answer)
        self.assertGreater(len(neighbour.took), 0)

    def test_parts_of_a_split_request(self):
        value = pattern(3 * MEBIBYTE // 2)
        self.check(("MSET", self.key(0), value, self.key(1), value))

    def test_a_transaction(self):
        value = pattern(3 * MEBIBYTE // 2)
        self.check(("MULTI",), ("SET", self.key(0), value), ("EXEC",))


@needs_ringmain
class Lost(Large):
    """Somebody is gone in the middle."""

    def test_a_client_that_leaves_while_it_sends(self):
        with self.servers[0].client() as server:
            server.call("SET", "huge", "old")
        client = self.client()
        client.send(resp("SET", "huge", self.value)[:HUGE // 2])
        time.sleep(0.2)
        before = self.connections()
        client.close()
        wait_for(lambda: self.connections() < before, "its server connection is closed")
        self.expect(self.client(), resp("GET", "huge"), bulk("old"))

    def test_a_client_that_leaves_while_it_reads(self):
        self.store()
        client = self.client(receive_buffer=65536)
        self.ask(client)
        drain(client, MEBIBYTE)
        client.reset()
        for _ in range(3):
            other = self.client()
            self.expect(other, resp("GET", "small"), bulk("s"))
            self.ask(other)
            self.take(other)

    def test_a_client_that_ends_its_side_reads_its_answer(self):
        self.store()
        client = self.client()
        client.send(resp("GET", "huge"))
        client.half_close()
        self.same(client.read_line(timeout=30), b"$%d\r\n" % HUGE)
        self.take(client)
        self.same(client.read_until_closed(), b"")


@needs_ringmain
class ServerLost(Large):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.revive)

    def revive(self):
        server = self.servers[0]
        if not server.alive():
            server.start()
        with self.proxy.client() as client:
            wait_for(lambda: client.call("PING") == b"+PONG\r\n"
                     and client.call("GET", "none") == b"$-1\r\n", "the server is back")

    def test_while_it_is_sent_a_request(self):
        client = self.client()
        sent = resp("SET", "huge", self.value)
        client.send(sent[:HUGE // 2])
        time.sleep(0.2)
        self.servers[0].halt(signal.SIGKILL)
        error = client.read_line(timeout=10)
        self.assertTrue(error.startswith(b"-ERR ringmain: server s0 "), error)
        with self.little_memory():
            self.same(client.exchange(sent[HUGE // 2:] + resp("PING"), 7), b"+PONG\r\n")

    def test_while_it_answers(self):
        self.store()
        client = self.client(receive_buffer=65536)
        self.ask(client)
        drain(client, MEBIBYTE)
        self.servers[0].halt(signal.SIGKILL)
        rest = 0
        with contextlib.suppress(Closed, ConnectionResetError):
            client.socket.settimeout(10)
            while chunk := client.socket.recv(1 << 20):
                rest += len(chunk)
        self.assertLess(rest, HUGE)
        self.assertIn("in the middle of a response", self.proxy.log())


@needs_ringmain
class BrokenOff(Failing):
    """What was due before an answer that breaks off is delivered, however slowly it is taken."""

    def cut(self, reset):
        """A server that answers each APPEND with 15 KiB, and a large GET with its beginning; and what
        a client of that hears, that reads late and says more than anybody reads."""
        answer = bulk(b"a" * 15 * 1024)
        beginning = bulk(b"b" * MEBIBYTE)[:100_000]

        def serve(arguments, connection):
            if arguments[0] == b"APPEND":
                return answer
            connection.send(beginning)
            time.sleep(0.3)
            if reset:
                connection.reset()
            else:
                connection.close()
            return None

        self.behind(fake_redis(serve))
        client = self.client(receive_buffer=4096)
        client.send(resp("APPEND", "n", "y") * 40 + resp("GET", "big") + resp("PING") * 10)
        time.sleep(0.8)
        client.send(resp("PING") * 100)
        self.same(client.read_until_closed(timeout=10), answer * 40 + beginning)
        self.over()

    def test_by_an_end(self):
        self.cut(reset=False)

    def test_by_a_reset(self):
        self.cut(reset=True)


if __name__ == "__main__":
    main()
