"""Large values of memcached: what they cost in memory, and what a server says of one that is too large."""
import hashlib
import threading
import time

from harness import MemcachedCase, MemcachedServer, main, needs_ringmain
from test_large_values import HUGE, MEBIBYTE, Watched, drain, pattern
from test_memcached_binary import (GETK, GETQ, HEADER, NOOP, OPAQUE, SETQ, packet, read_packet, update)

VALUE = pattern(HUGE)
DIGEST = hashlib.md5(VALUE).hexdigest()
REFUSED = b"SERVER_ERROR object too large for cache\r\n"


def block(data):
    return b"%d\r\n%b\r\n" % (len(data), data)


def set_of(key, data):
    return b"set %b 0 0 %b" % (key, block(data))


def value_of(key, data):
    return b"VALUE %b 0 %bEND\r\n" % (key, block(data))


@needs_ringmain
class LargeItems(Watched, MemcachedCase):
    """In front of one server that takes items of any size."""

    server_count = 1
    pool_options = {"timeout": "60s"}

    @classmethod
    def setUpClass(cls):
        plain = MemcachedServer.command
        size = f"{HUGE // MEBIBYTE + 1}m"
        MemcachedServer.command = lambda server: plain(server) + ["-I", size, "-m", "2048"]
        try:
            super().setUpClass()
        finally:
            MemcachedServer.command = plain

    def take(self, client, head, **options):
        self.same(client.read_line(timeout=60), head)
        self.assertEqual(drain(client, HUGE, **options), DIGEST)

    def test_a_huge_value_both_ways(self):
        client = self.client()
        self.same(client.call(b"get huge"), b"END\r\n")
        with self.little_memory():
            self.same(client.exchange(set_of(b"huge", VALUE), 8), b"STORED\r\n")
            client.send(b"get huge\r\n")
            self.take(client, b"VALUE huge 0 %d\r\n" % HUGE)
            self.same(client.read_exactly(7), b"\r\nEND\r\n")
        with self.little_memory():
            self.same(client.exchange(b"ms huge %b" % block(VALUE), 4), b"HD\r\n")
            client.send(b"mg huge v\r\n")
            self.take(client, b"VA %d\r\n" % HUGE)
            self.same(client.read_exactly(2), b"\r\n")
        self.same(client.call(b"get none"), b"END\r\n")

    def test_a_huge_value_in_the_binary_protocol(self):
        client = self.client()
        client.send(packet(NOOP))
        read_packet(client)
        for key in b"huge", b"a huge":  # the second is written in base64
            with self.little_memory():
                client.send(update(SETQ, key, VALUE, flags=5) + packet(GETK, key))
                head = HEADER.unpack(client.read_exactly(HEADER.size, timeout=60))
                self.assertEqual(head[1:7], (GETK, len(key), 4, 0, 0, HUGE + 4 + len(key)))
                self.same(client.read_exactly(4 + len(key)), b"\0\0\0\5" + key)
                self.assertEqual(drain(client, HUGE), DIGEST)
            client.send(packet(GETQ, b"none") + packet(NOOP))
            self.same(read_packet(client), HEADER.pack(0x81, NOOP, 0, 0, 0, 0, 0, OPAQUE, 0))

    def test_a_huge_value_without_an_answer(self):
        client = self.client()
        with self.little_memory():
            client.send(b"set  huge 0 0 %d noreply\r\n" % HUGE + VALUE + b"\r\n")
            client.send(b"get none\r\n")
            self.same(client.read_line(timeout=60), b"END\r\n")
        client.send(b"get huge\r\n")
        self.take(client, b"VALUE huge 0 %d\r\n" % HUGE)

    def test_a_slow_reader_stops_nobody(self):
        with self.servers[0].client() as server:
            self.same(server.exchange(set_of(b"huge", VALUE), 8), b"STORED\r\n")
            self.same(server.exchange(set_of(b"small", b"s"), 8), b"STORED\r\n")
        slow = self.client(receive_buffer=65536)
        with self.little_memory():
            slow.send(b"get huge\r\n")
            self.same(slow.read_line(timeout=30), b"VALUE huge 0 %d\r\n" % HUGE)
            other = self.client()
            for _ in range(200):
                self.same(other.call(b"get small"), value_of(b"small", b"s"))
            self.assertEqual(drain(slow, HUGE), DIGEST)

    def test_many_at_once(self):
        def work():
            client = self.client()
            for number in range(3):
                if client.exchange(set_of(b"huge", VALUE), 8) != b"STORED\r\n":
                    raise AssertionError(f"not stored, {number}")
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.same(self.client().call(b"get none"), b"END\r\n")
            time.sleep(0.01)
        client = self.client()
        client.send(b"get huge\r\n")
        self.take(client, b"VALUE huge 0 %d\r\n" % HUGE)


@needs_ringmain
class TooLarge(MemcachedCase):
    """Servers that take items of up to 1 MiB."""

    def test_the_server_says_so_and_the_connection_goes_on(self):
        data = pattern(3 * MEBIBYTE)
        client = self.client()
        for number in range(3):
            key = self.key(number).encode()
            self.same(client.exchange(set_of(key, data), len(REFUSED)), REFUSED)
            self.same(client.exchange(set_of(key, b"small"), 8), b"STORED\r\n")
            self.same(client.exchange(set_of(key, data), len(REFUSED)), REFUSED)
            self.same(client.call(b"get %b" % key), b"END\r\n")

    def test_among_others(self):
        large, small = pattern(3 * MEBIBYTE), pattern(700_000)
        client = self.client()
        requests, answers = b"", b""
        for number in range(12):
            key = self.key(number, f"k{number}").encode()
            fits = number % 3 != 1
            requests += set_of(key, small if fits else large) + b"get %b\r\n" % key
            answers += b"STORED\r\n" + value_of(key, small) if fits else REFUSED + b"END\r\n"
        threading.Thread(target=client.send, args=(requests,), daemon=True).start()
        self.same(client.read_exactly(len(answers), timeout=60), answers)
        # The servers have answered all on the connections that there were.
        for server in self.servers:
            self.assertLess(int(server.statistic("total_connections")), 20)


if __name__ == "__main__":
    main()
