"""Values of every size, and memory that is given back."""
import contextlib
import os
import time
import unittest

from harness import RedisCase, main, needs_ringmain, place, wait_for
from wire import Closed, bulk, resp

MEBIBYTE = 1 << 20
EDGES = [base + delta for base in (4096, 16384, 65536) for delta in range(-3, 4)]


class Values(RedisCase):
    pool_options = {"timeout": "60s"}

    def value(self, size):
        pattern = b"0123456789abcdef\r\n$-1\r\n*1\r\n"
        return (pattern * (size // len(pattern) + 1))[:size]

    def test_around_the_edges_of_buffers(self):
        client = self.client()
        for size in [*range(0, 20), 100, 1000, *EDGES, *[16384 * n - 48 for n in (1, 2, 3)],
                     16306, 16307, 32642, 32643, 48978, 131072, 1_000_000]:
            value = self.value(size)
            self.expect(client, resp("SET", "edge", value) + resp("PING"), b"+OK\r\n+PONG\r\n")
            self.expect(client, resp("GET", "edge") + resp("STRLEN", "edge"),
                        bulk(value) + b":%d\r\n" % size)

    def test_total_lengths_around_the_edges(self):
        """The whole request, not the value, ends at the edge; a small one follows at once."""
        client = self.client()
        for edge in (4096, 16384, 32768, 65536):
            head = len(resp("SET", "edge", b"x" * (edge - 100))) - (edge - 100)
            sent, wanted = [], []
            for delta in range(-4, 5):
                sent.append(resp("SET", "edge", self.value(edge - head + delta)) + b"GET edge\r\n")
                wanted.append(b"+OK\r\n" + bulk(self.value(edge - head + delta)))
            self.expect(client, b"".join(sent), b"".join(wanted))

    def test_one_and_eight_mebibytes_in_split_requests(self):
        client = self.client()
        keys = [self.key(server, "wide") for server in range(self.server_count)]
        for size in (MEBIBYTE, 8 * MEBIBYTE):
            value = self.value(size)
            sent = resp("MSET", *[word for key in keys for word in (key, value)])
            self.same(client.exchange(sent, 5), b"+OK\r\n")
            wanted = b"*%d\r\n" % len(keys) + bulk(value) * len(keys)
            self.same(client.exchange(resp("MGET", *keys), len(wanted)), wanted)

    def round_trip(self, size):
        """SET and GET of one value; returns the most that ringmain held meanwhile."""
        value = bytes(size)
        with self.proxy.client() as client:
            client.exchange(resp("PING"), 7)
            sent = resp("SET", "huge", value)
            self.same(client.exchange(sent, 5, timeout=120), b"+OK\r\n")
            del sent
            got = client.exchange(resp("GET", "huge"), len(bulk(b"")) + len(str(size)) - 1 + size,
                                  timeout=120)
        self.assertTrue(got == bulk(value), "the value came back changed")

    @needs_ringmain
    def test_64_mebibytes_and_the_memory_is_given_back(self):
        self.round_trip(MEBIBYTE)
        before = self.proxy.resident_bytes()
        self.proxy.forget_peak()
        self.round_trip(64 * MEBIBYTE)
        peak = self.proxy.peak_bytes() - before
        self.assertLess(peak, 1.2 * 64 * MEBIBYTE)
        self.given_back(before)

    @unittest.skipUnless(os.environ.get("RINGMAIN_TEST_LARGE"), "RINGMAIN_TEST_LARGE=1 runs it")
    def test_512_mebibytes(self):
        before = self.proxy.resident_bytes()
        self.round_trip(512 * MEBIBYTE)
        self.given_back(before)
        client = self.client()
        self.expect_close(client, b"*3\r\n$3\r\nSET\r\n$4\r\nhuge\r\n$536870913\r\n",
                          b"-ERR Protocol error: invalid bulk length\r\n")

    def given_back(self, before):
        try:
            wait_for(lambda: self.proxy.resident_bytes() - before < 8 * MEBIBYTE, "", 10)
        except TimeoutError:
            with self.proxy.client() as client:
                told = client.value("INFO", "proxy").decode()
            self.fail(f"{self.proxy.resident_bytes() - before} bytes more than before are still "
                      f"held; {told}")

    @needs_ringmain
    def test_memory_of_many_values_is_given_back(self):
        value = self.value(MEBIBYTE)
        self.round_trip(MEBIBYTE)
        before = self.proxy.resident_bytes()
        clients = [self.client() for _ in range(20)]
        for number, client in enumerate(clients):
            client.exchange(resp("SET", f"many{number}", value), 5)
        for number, client in enumerate(clients):
            client.send(resp("GET", f"many{number}") * 2)
        for client in clients:
            self.same(client.read_exactly(2 * len(bulk(value))), bulk(value) * 2)
        for client in clients:
            client.close()
        self.given_back(before)


@needs_ringmain
class Exhausted(RedisCase):
    """More is asked for than the memory that the configuration grants."""

    proxy_options = {"buffer_memory": "32MiB"}

    def test_a_slow_reader_takes_all_memory_and_everybody_recovers(self):
        other = self.client()
        far = self.key(place("slow", self.server_count) + 1)
        other.call("SET", "slow", bytes(MEBIBYTE))
        other.call("SET", far, "1")
        client = self.client(receive_buffer=65536)
        client.send(resp("GET", "slow") * 64)
        began = time.monotonic()
        while (now := time.monotonic() - began) < 1:
            reply = other.call("GET", far)
            if reply != bulk("1"):  # at the moment when the last block is taken, not for long
                self.assertTrue(reply.startswith(b"-ERR ringmain: ") and now < 0.6, (reply, now))
        with contextlib.suppress(Closed):  # it may as well be thrown out
            for _ in range(64):
                reply = client.read()
                self.assertTrue(reply == bulk(bytes(MEBIBYTE))
                                or reply.startswith(b"-ERR ringmain: "))
            self.working(client)
        wait_for(lambda: other.call("STRLEN", "slow") == b":1048576\r\n", "the server is back")

    def test_a_request_that_does_not_fit_is_refused(self):
        client = self.client()
        with contextlib.suppress(ConnectionError):
            client.send(resp("MSET", "huge", bytes(64 * MEBIBYTE)))
        self.assertTrue(client.read_line().startswith(b"-ERR ringmain: "))
        self.expect(self.client(), resp("SET", "small", "1"), b"+OK\r\n")


@needs_ringmain
class Limits(RedisCase):
    pool_options = {"request_size_max": "1MiB", "key_size_max": "1KiB"}

    def test_a_request_beyond_the_limit_is_refused_with_its_error(self):
        client = self.client()
        self.expect(client, resp("SET", "k", b"x" * 1_000_000), b"+OK\r\n")
        before = self.proxy.resident_bytes()
        with contextlib.suppress(ConnectionError):
            client.send(resp("PING") + resp("SET", "k", b"x" * (64 * MEBIBYTE)) + resp("PING"))
        self.same(client.read_exactly(7), b"+PONG\r\n")
        got = client.read_line(timeout=10)
        self.assertTrue(got.startswith(b"-ERR") and b"request_size_max" in got, got)
        rest = client.read_available(0.2)  # goes on behind it, or ends
        self.assertIn(rest, (b"", b"+PONG\r\n"))
        self.assertLess(self.proxy.resident_bytes() - before, 8 * MEBIBYTE)
        self.expect(self.client(), resp("STRLEN", "k"), b":1000000\r\n")

    def test_a_key_beyond_the_limit_is_refused_and_the_connection_stays(self):
        client = self.client()
        self.expect(client, resp("SET", b"k" * 1024, "1"), b"+OK\r\n")
        self.expect_error(client, resp("SET", b"k" * 1025, "1"), "ERR ringmain: ", "key")
        self.expect_error(client, resp("MGET", "a", b"k" * 1025), "ERR ringmain: ", "key")
        self.working(client)


if __name__ == "__main__":
    main()
