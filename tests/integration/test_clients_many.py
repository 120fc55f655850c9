"""Many clients at once, coming and going in every way; no reply ever reaches a stranger."""
import contextlib
import select
import socket
import struct
import time

from harness import RedisCase, main, needs_ringmain, seeded_random, wait_for
from wire import Closed, RespClient, bulk, resp


class Many(RedisCase):
    def test_a_thousand_clients_at_once(self):
        clients = [self.client() for _ in range(1000)]
        for number, client in enumerate(clients):
            client.send(resp("SET", f"c{number}", number) + resp("GET", f"c{number}")
                        + resp("ECHO", number))
        for number, client in enumerate(clients):
            wanted = b"+OK\r\n" + bulk(number) * 2
            self.same(client.read_exactly(len(wanted)), wanted)
        for client in clients:
            client.close()

    @needs_ringmain
    def test_a_thousand_idle_clients_cost_little(self):
        with self.proxy.client() as client:
            client.call("PING")
        warm = [self.client() for _ in range(1000)]
        for client in warm:
            client.call("GET", "x")
        for client in warm:
            client.close()
        wait_for(lambda: self.connected() <= 1, "the clients are gone")
        before = self.proxy.resident_bytes()
        clients = [self.client() for _ in range(1000)]
        for client in clients:
            client.call("GET", "x")
        grown = self.proxy.resident_bytes() - before
        for client in clients:
            client.close()
        self.assertLess(grown, 4 << 20)

    def connected(self):
        with self.proxy.client() as client:
            text = client.value("INFO", "clients").decode()
        line = next(line for line in text.splitlines() if line.startswith("connected_clients:"))
        return int(line.split(":")[1])

    def test_a_storm_of_connections(self):
        """Closed, reset, half-closed, with half a request or none; 300 idle ones beside."""
        idle = [self.client() for _ in range(300)]
        for number in range(1500):
            client = RespClient(self.proxy.endpoint())
            kind = number % 6
            if kind == 1:
                client.send(resp("GET", "x")[:9])
            elif kind >= 2:
                client.send(resp("SET", "storm", number) + resp("GET", "storm"))
            if kind == 3:
                client.half_close()
                client.read_until_closed(timeout=10)
            if kind in (2, 4):
                client.reset()
            else:
                client.close()
        for client in idle:
            self.working(client)
            client.close()

    @needs_ringmain
    def test_clients_that_reset_behind_their_last_bytes_are_gone(self):
        """Bytes and reset may be one event to a receive; nobody is forgotten."""
        for number in range(400):
            client = RespClient(self.proxy.endpoint())
            client.send(resp("SET", "half", "of a request")[:-3 if number % 2 else 9])
            client.reset()
        wait_for(lambda: self.connected() == 1, "all have been noticed", 5)

    def test_half_closed_clients_by_the_hundred(self):
        clients = [self.client() for _ in range(100)]
        for number, client in enumerate(clients):
            client.send(resp("SET", f"h{number}", number) + resp("MGET", f"h{number}", "none"))
            client.half_close()
        for number, client in enumerate(clients):
            self.same(client.read_until_closed(timeout=10),
                      b"+OK\r\n*2\r\n" + bulk(number) + b"$-1\r\n")

    def test_aborted_requests_never_reach_another_client(self):
        """Some clients abort with requests in flight; the others check every byte they get."""
        source = seeded_random("test_clients_many")
        steady = [(number, self.client()) for number in range(32)]
        for number, client in steady:
            for index in range(5):
                client.call("SET", f"tag{number}:{index}", f"steady {number} {index}")
        with self.proxy.client() as client:
            for index in range(64):
                client.call("SET", f"foreign{index}", f"foreign {index}")
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            for _ in range(8):
                stranger = RespClient(self.proxy.endpoint())
                stranger.send(b"".join(resp("GET", f"foreign{source.randrange(64)}")
                                       for _ in range(64))
                              + resp("MGET", *[f"foreign{index}" for index in range(64)]))
                stranger.reset() if source.randrange(2) else stranger.close()
            for number, client in steady:
                client.send(b"".join(resp("GET", f"tag{number}:{index}") for index in range(5))
                            + resp("MGET", *[f"tag{number}:{index}" for index in range(5)]))
            for number, client in steady:
                values = b"".join(bulk(f"steady {number} {index}") for index in range(5))
                wanted = values + b"*5\r\n" + values
                self.same(client.read_exactly(len(wanted)), wanted)

    def test_soak_of_64_clients_with_aborts(self):
        """D18: depth 20, an eighth of the rounds abort, every reply is tagged."""
        source = seeded_random("test_clients_many soak")
        poller = select.poll()
        by_descriptor = {}

        def open_client(number):
            client = RespClient(self.proxy.endpoint())
            client.number, client.round = number, 0
            by_descriptor[client.socket.fileno()] = client
            poller.register(client.socket, select.POLLIN)
            self.start_round(client, source)

        for number in range(64):
            open_client(number)
        until, served = time.monotonic() + 3.0, 0
        while time.monotonic() < until:
            for descriptor, _ in poller.poll(1000):
                client = by_descriptor[descriptor]
                if source.randrange(64) == 0:
                    poller.unregister(descriptor)
                    del by_descriptor[descriptor]
                    client.reset()
                    open_client(client.number)
                    continue
                client.fill(time.monotonic() + 5)
                while len(client.buffer) >= len(client.wanted):
                    self.same(client.take(len(client.wanted)), client.wanted)
                    served += 1
                    self.start_round(client, source)
        for client in by_descriptor.values():
            client.close()
        self.assertGreater(served, 100)

    def start_round(self, client, source):
        client.round += 1
        sent, wanted = [], []
        for index in range(10):
            tag = f"{client.number}.{client.round}.{source.randrange(1 << 30)}"
            sent.append(resp("SET", f"soak{client.number}.{index}", tag)
                        + resp("GET", f"soak{client.number}.{index}"))
            wanted.append(b"+OK\r\n" + bulk(tag))
        client.wanted = b"".join(wanted)
        client.send(b"".join(sent))


@needs_ringmain
class Limited(RedisCase):
    pool_options = {"client_connections": 10}

    def test_clients_beyond_the_limit_are_told_and_closed(self):
        # Clients of before may be closed and still be counted for a moment.
        clients = [wait_for(self.admitted, "a client is admitted") for _ in range(10)]
        extra = self.client()
        with contextlib.suppress(ConnectionError):
            extra.send(resp("PING"))
        got = extra.read_until_closed(timeout=10)
        self.assertTrue(got == b"" or got.startswith(b"-ERR max number of clients"), got)
        clients.pop().close()

        clients.append(wait_for(self.admitted, "a place is free again"))
        for client in clients:
            self.working(client)

    def test_who_has_gone_in_the_middle_of_a_request_keeps_no_place(self):
        def place_after_a_burst():
            """How long it takes until somebody gets one: a refusal looks for those that are gone."""
            for _ in range(60):
                with socket.create_connection(self.proxy.endpoint()) as gone:
                    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    gone.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\na")
            began = time.monotonic()
            wait_for(self.admitted, "a place is free again").close()
            return time.monotonic() - began

        # Without a refusal they are found when they have been silent for a second.
        self.assertLess(min(place_after_a_burst() for _ in range(5)), 0.5)

    def admitted(self):
        client = self.client()
        with contextlib.suppress(Closed, ConnectionError):
            if client.call("PING") == b"+PONG\r\n":
                return client
        client.close()
        return None


if __name__ == "__main__":
    main()
