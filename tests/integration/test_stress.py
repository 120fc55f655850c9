"""Attacks and storms: memory stays bounded, others are served meanwhile, and all is given back."""
import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
import unittest

from fakes import fake_redis
from harness import (BINARY, Case, RedisCase, RedisServer, Ringmain, SANITIZED, key_on, main,
                     needs_ringmain, wait_for)
from wire import Closed, RespClient, bulk, resp

MEBIBYTE = 1 << 20


def send_unread(client, data, seconds):
    """Sends what is taken within `seconds` and reads nothing. How many bytes that were."""
    client.socket.setblocking(False)
    sent, until = 0, time.monotonic() + seconds
    while sent < len(data) and time.monotonic() < until:
        try:
            sent += client.socket.send(data[sent:sent + (1 << 18)])
        except BlockingIOError:
            time.sleep(0.005)
        except ConnectionError:
            break
    client.socket.settimeout(client.timeout)
    return sent


class Stress(RedisCase):
    def figure(self, name, section="proxy"):
        with self.proxy.client() as client:
            text = client.value("INFO", section).decode()
        return int(next(line.split(":")[1] for line in text.splitlines()
                        if line.startswith(name + ":")))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.proxy.pid}/fd"))

    def all_gone(self):
        wait_for(lambda: self.figure("connected_clients", "clients") <= 1, "the clients are gone")
        wait_for(lambda: self.figure("buffer_memory") < 6 * MEBIBYTE, "buffers are free")

    def bounded(self, limit=64 * MEBIBYTE):
        self.assertLess(self.proxy.resident_bytes(), limit)

    def served(self, seconds, key):
        """Asks again and again; the longest wait for an answer."""
        longest, until = 0.0, time.monotonic() + seconds
        with self.proxy.client() as client:
            client.call("SET", key, "value")
            while time.monotonic() < until:
                began = time.monotonic()
                self.same(client.call("GET", key), bulk("value"))
                self.working(client)
                longest = max(longest, time.monotonic() - began)
                time.sleep(0.002)
        return longest


@needs_ringmain
class Busy(Case):
    @unittest.skipIf(SANITIZED, "the load is one of seconds there")
    def test_a_worker_that_is_busy_blames_no_server_for_its_own_time(self):
        servers = [self.use(RedisServer()) for _ in range(3)]
        proxy = self.use(Ringmain({"alpha": {"servers": servers, "timeout": "300ms",
                                             "auto_eject_hosts": True,
                                             "server_failure_limit": 1}}))
        tags = [key_on(0, 3), key_on(1, 3)]
        count = 1_500_000  # of which one batch takes apart all
        request = resp("MGET", *(f"{{{tags[i % 2]}}}{i}" for i in range(count)))
        until = time.monotonic() + 10

        def ask_much():
            with proxy.client(timeout=60) as client:
                while time.monotonic() < until:
                    client.send(request)
                    if client.read_line().startswith(b"*"):
                        client.read_exactly(5 * count, timeout=60)

        heavy = [threading.Thread(target=ask_much) for _ in range(2)]
        for thread in heavy:
            thread.start()
        try:
            with proxy.client(timeout=60) as client:
                while time.monotonic() < until:
                    self.same(client.call("GET", key_on(2, 3)), b"$-1\r\n")
        finally:
            for thread in heavy:
                thread.join()
        self.assertNotIn("server s2 ", proxy.log())

    def test_an_answer_that_came_while_a_worker_was_held_is_read_before_anybody_judges(self):
        """Held for less than a pause that is forgiven, beyond the end of the timeout."""
        asked, go = threading.Event(), threading.Event()

        def answer(_arguments, _connection):
            asked.set()
            go.wait(10)
            return bulk("value")

        server = self.use(fake_redis(answer))
        proxy = self.use(Ringmain({"alpha": {"servers": [server], "timeout": "150ms",
                                             "auto_eject_hosts": True,
                                             "server_failure_limit": 1}}))
        with proxy.client() as client:
            for _ in range(8):
                asked.clear()
                go.clear()
                client.send(resp("GET", "key"))
                self.assertTrue(asked.wait(10))
                os.kill(proxy.pid, signal.SIGSTOP)
                go.set()
                time.sleep(0.25)
                os.kill(proxy.pid, signal.SIGCONT)
                self.same(client.read(), bulk("value"))


@needs_ringmain
class Attacks(Stress):
    def test_two_million_pings_that_nobody_reads(self):
        client = self.client(receive_buffer=65536)
        sent = send_unread(client, resp("PING") * 2_000_000, 2)
        self.assertLess(sent, 28_000_000)  # it is not read on
        self.assertLess(self.served(0.5, "healthy"), 0.5)
        self.bounded()
        # Every answer that is due comes, once it is asked for.
        answers = client.read_exactly(sent // 14 * 7, timeout=20)
        self.assertEqual(answers, b"+PONG\r\n" * (sent // 14))
        client.close()
        self.all_gone()

    def test_a_command_name_without_end(self):
        client = self.client()
        client.send(b"*2\r\n$100000000\r\n")
        self.assertEqual(send_unread(client, b"x" * 60_000_000, 10), 60_000_000)
        self.bounded(48 * MEBIBYTE)
        self.assertLess(self.served(0.2, "healthy"), 0.5)
        client.close()
        self.all_gone()

    def test_a_million_keys_trickled(self):
        clients = [self.client() for _ in range(20)]
        for client in clients:
            client.send(b"*1000001\r\n$4\r\nMGET\r\n")
        for _ in range(20):
            for client in clients:
                client.send(b"$1\r\nk\r\n" * 7 + b"$")
                time.sleep(0.0005)
                client.send(b"1\r\nk\r\n")
        self.bounded()
        self.assertLess(self.served(0.2, "healthy"), 0.5)
        for client in clients:
            client.reset()
        self.all_gone()

    def test_thousands_of_half_open_requests(self):
        clients = [self.client() for _ in range(5000)]
        for client in clients:
            client.send(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf")
        for byte in (b"\r", b"\n"):
            for client in clients:
                client.send(byte)
        wait_for(lambda: self.figure("connected_clients", "clients") > 5000, "all are there")
        self.bounded()
        self.assertLess(self.figure("buffer_memory"), 16 * MEBIBYTE)
        self.assertLess(self.served(0.3, "healthy"), 0.5)
        for client in clients[:100]:
            self.expect(client, b"$1\r\nv\r\n", b"+OK\r\n")
        for number, client in enumerate(clients):
            client.reset() if number % 2 else client.close()
        self.all_gone()

    def test_resets_behind_half_a_request_leave_nothing(self):
        before = self.descriptors()
        for _ in range(2000):
            client = RespClient(self.proxy.endpoint())
            client.send(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf")
            client.reset()
        self.all_gone()
        wait_for(lambda: self.descriptors() <= before + 1, "their descriptors are closed")


@needs_ringmain
class Unread(Stress):
    """Fifty clients ask for far more than there is memory, and read nothing."""

    proxy_options = {"buffer_memory": "64MiB"}

    def test_large_values_that_nobody_reads(self):
        value = os.urandom(50_000).hex().encode()
        slow_key = key_on(0, self.server_count, "slow")
        with self.proxy.client() as client:
            client.call("SET", slow_key, value)
        clients = [self.client(receive_buffer=16384) for _ in range(50)]
        for client in clients:
            send_unread(client, resp("GET", slow_key) * 100, 1)
        # While the last block is taken an error is right; the client goes on with the next.
        good, until = 0, time.monotonic() + 3
        with self.proxy.client() as healthy:
            while time.monotonic() < until:
                good += healthy.call("SET", key_on(1, self.server_count), "1") == b"+OK\r\n"
                time.sleep(0.002)
        self.assertGreater(good, 300)
        self.bounded(64 * MEBIBYTE + 32 * MEBIBYTE)
        for client in clients:
            client.reset()
        self.all_gone()
        with self.proxy.client() as client:
            self.same(client.call("GET", slow_key), bulk(value))


@needs_ringmain
class Crowd(Stress):
    """Each holds less than anybody is blamed for, and together they have the memory."""

    proxy_options = {"buffer_memory": "64MiB"}

    def test_clients_that_stand_still_make_room_for_who_comes(self):
        crowd = [self.client() for _ in range(60)]
        for client in crowd:
            client.send(resp("MULTI") + resp("SET", "a", bytes(97_000)) * 10)
            self.same([client.read_line() for _ in range(11)],
                      [b"+OK\r\n"] + [b"+QUEUED\r\n"] * 10)
        self.assertGreater(self.figure("buffer_memory"), 50 * MEBIBYTE)
        wait_for(lambda: self.figure("buffer_memory") <= 48 * MEBIBYTE, "a quarter is free")
        value = bytes(5 * MEBIBYTE)
        with self.proxy.client() as client:
            self.same(client.call("SET", "large", value), b"+OK\r\n")
            self.same(client.call("GET", "large"), bulk(value))
            words = [word for i in range(30) for word in (f"many{i}", bytes(100_000))]
            self.same(client.call("MSET", *words), b"+OK\r\n")
        self.assertIn(", and has stood still for ", self.proxy.log())
        left = 0
        for client in crowd:
            with contextlib.suppress(Closed, ConnectionError):
                left += client.call("PING") == b"+QUEUED\r\n"
        self.assertGreater(left, 30)


@needs_ringmain
class Slow(Stress):
    pool_options = {"client_output_timeout": "1s", "client_output_limit": "4MiB"}

    def test_a_client_that_takes_nothing_is_closed_and_the_log_says_why(self):
        value = bytes(8 * MEBIBYTE)  # one answer may be larger than the limit
        with self.proxy.client() as other:
            other.call("SET", "large", value)
            before = self.figure("clients_closed_slow")
            client = self.client(receive_buffer=65536)
            client.send(resp("GET", "large"))
            wait_for(lambda: self.figure("clients_closed_slow") > before, "it is closed")
            with self.assertRaises(Closed):
                client.read_exactly(len(bulk(value)))
            self.working(other)
            self.assertIn("slow client: it has taken none of", self.proxy.log())
            self.assertIn("(client_output_timeout)", self.proxy.log())
            # One that reads, however slowly, gets it all.
            client = self.client(receive_buffer=65536)
            client.send(resp("GET", "large"))
            while len(client.buffer) < len(bulk(value)):
                client.fill(time.monotonic() + 5)
                time.sleep(0.05)
            self.same(client.read(), bulk(value))

    def test_a_client_that_takes_little_at_a_time_is_not_slow(self):
        """The kernel has megabytes for it, and asks for more when much of that is taken."""
        value = bytes(8 * MEBIBYTE)
        for listen in ({}, {"listen": f"{self.proxy.folder}/slow"}):
            proxy = self.use(Ringmain({"alpha": {**self.pool_options, **listen,
                                                 "servers": self.servers}}))
            with self.subTest(**listen), proxy.client() as client:
                client.call("SET", "large", value)
                client.send(resp("GET", "large"))
                taken, until = 0, time.monotonic() + 5
                while time.monotonic() < until:
                    taken += len(client.socket.recv(10_000))
                    time.sleep(0.05)
                self.assertLess(taken, 2 * MEBIBYTE)  # what is left takes no time
                client.read_exactly(len(bulk(value)) - taken)
                self.same(client.call("PING"), b"+PONG\r\n")

    def test_a_client_that_asks_for_too_much_at_once_is_closed(self):
        with self.proxy.client() as other:
            other.call("SET", "some", bytes(200_000))  # larger ones come no faster than they are taken
            client = self.client(receive_buffer=65536)
            client.send(resp("GET", "some") * 250)
            wait_for(lambda: "(client_output_limit)" in self.proxy.log(), "the log says so")
            self.working(other)


@needs_ringmain
class Storm(Stress):
    """A small ring and few buffers, real servers, clients that come and go in every way."""

    proxy_options = {"ring_entries": 64, "receive_buffers": 16}

    def test_hundreds_of_busy_clients_beside_a_storm(self):
        before = self.descriptors()
        steady = [self.client() for _ in range(300)]
        for round_number in range(4):
            for number, client in enumerate(steady):
                key, value = f"s{number}", f"{round_number}.{number}." * 400
                client.send(resp("SET", key, value) + resp("GET", key) * 3 + resp("MGET", key, "no"))
            for number in range(300):
                client = RespClient(self.proxy.endpoint())
                if number % 3:
                    client.send(resp("GET", f"s{number}") * 20 + b"*2\r\n$3\r\nGE")
                client.reset()
            for number, client in enumerate(steady):
                value = f"{round_number}.{number}." * 400
                wanted = b"+OK\r\n" + bulk(value) * 3 + b"*2\r\n" + bulk(value) + b"$-1\r\n"
                self.same(client.read_exactly(len(wanted)), wanted)
        for client in steady:
            client.half_close()
        for client in steady:
            self.same(client.read_until_closed(), b"")
            client.close()
        self.all_gone()
        wait_for(lambda: self.descriptors() <= before + 1, "their descriptors are closed")
        self.assertEqual(self.figure("server_failures"), 0)

    def test_half_closed_pipelines_get_every_answer(self):
        with self.proxy.client() as client:
            client.call("SET", "h", "x" * 3000)
        clients = [self.client() for _ in range(100)]
        for client in clients:
            client.send(resp("GET", "h") * 100)
            client.half_close()
        for client in clients:
            self.assertEqual(client.read_until_closed(), bulk("x" * 3000) * 100)


class Limited(Ringmain):
    """With so many descriptors and no more."""

    def __init__(self, descriptors, pools, other=None):
        self.descriptors = descriptors
        super().__init__(pools, other=other)

    def spawn(self, command, environment=None):
        limit = f"--nofile={self.descriptors}:{self.descriptors}"
        super().spawn(["prlimit", limit, *command], environment)


@needs_ringmain
@unittest.skipIf(SANITIZED, "the sanitizer has descriptors of its own")
@unittest.skipUnless(shutil.which("prlimit"), "prlimit is missing")
class Descriptors(Case):
    def test_clients_beyond_the_descriptors_are_told_and_servers_stay_reachable(self):
        servers = [self.use(RedisServer()) for _ in range(2)]
        proxy = self.use(Limited(64, {"alpha": {"servers": servers, "preconnect": False}}))
        # One asks, which connects to the servers only when all descriptors are spoken for.
        clients = [RespClient(proxy.endpoint()) for _ in range(120)]
        served, refused = [], 0
        for client in clients:
            try:
                client.send(resp("PING"))
                answer = client.read(timeout=10)
            except (Closed, ConnectionError):
                answer = b""
            if answer == b"+PONG\r\n":
                served.append(client)
            else:
                self.assertTrue(answer == b"" or b"max number of clients" in answer, answer)
                refused += 1
        self.assertGreater(len(served), 20)
        self.assertGreater(refused, 20)
        self.expect(served[0], resp("SET", key_on(0, 2), "1"), b"+OK\r\n")
        self.expect(served[1], resp("SET", key_on(1, 2), "1"), b"+OK\r\n")
        for client in clients:
            client.close()
        wait_for(lambda: self.answers(proxy), "a place is free again")

    def answers(self, proxy):
        with contextlib.suppress(Closed, ConnectionError), proxy.client() as client:
            return client.call("PING") == b"+PONG\r\n"
        return False

    def test_with_too_few_for_the_servers_it_does_not_start(self):
        proxy = Ringmain({"alpha": {"servers": [f"127.0.0.1:{7000 + i}:1" for i in range(20)]}},
                         start=False)
        self.addCleanup(proxy.release)
        done = subprocess.run(["prlimit", "--nofile=40:40", os.path.abspath(BINARY), "-c",
                               proxy.config_path], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("40 descriptors are too few", done.stderr)
        self.assertIn("LimitNOFILE=", done.stderr)


if __name__ == "__main__":
    main()
