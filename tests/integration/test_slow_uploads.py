"""Servers behind a slow link: the kernel takes megabytes for one, and it has them later.

Who still takes a large request is not late; who takes no more is, and so is who has it and does not answer.
"""
import socket
import time

from fakes import FakeServer
from harness import Case, Ringmain, main, needs_ringmain
from wire import resp

RATE = 1_500_000  # bytes in a second
VALUE = bytes(4_500_000)


class SlowServer(FakeServer):
    """Reads what is large at RATE, up to `takes` bytes of it, and answers +OK if it `answers`."""

    def __init__(self, takes=None, answers=True):
        self.takes = takes
        self.answers = answers
        self.had_all_at = None
        super().__init__(self.serve)
        # Of who is accepted. With segments as large as loopback's the window would open so seldom
        # that TCP would wait for a timer.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)

    def serve(self, connection):
        fill = connection.fill

        def fill_slowly():
            before = len(connection.received)
            if self.takes and before > self.takes:
                self.stopping.wait(60)
            fill()
            if len(connection.buffer) > 100_000:
                time.sleep((len(connection.received) - before) / RATE)

        connection.fill = fill_slowly
        while True:
            arguments = connection.read_resp()
            is_large = len(arguments[-1]) > 100_000
            if is_large:
                self.had_all_at = time.monotonic()
            if self.answers or not is_large:
                connection.send(b"+OK\r\n")


@needs_ringmain
class SlowUploads(Case):
    def upload(self, server, value=VALUE, **options):
        """What the client of a large SET hears, and when, and what it hears next."""
        self.proxy = self.use(Ringmain({"alpha": {
            "servers": [self.use(server)], "auto_eject_hosts": True, "server_failure_limit": 1,
            "server_retry_timeout": "60s", "timeout": "1s", **options}}))
        with self.proxy.client(timeout=10) as client:
            self.same(client.call("SET", "a", "small"), b"+OK\r\n")
            client.send(resp("SET", "k", value))
            heard = client.read_line(timeout=10)
            return heard, time.monotonic(), client.call("SET", "a", "small")

    def test_a_server_that_takes_all_in_its_time(self):
        heard, _, then = self.upload(SlowServer())
        self.same(heard, b"+OK\r\n")
        self.same(then, b"+OK\r\n")
        self.assertNotIn("ejected", self.proxy.log())

    def test_more_than_the_kernel_has_room_for(self):
        """Which says that it has some again when a third is."""
        heard, _, then = self.upload(SlowServer(), bytes(7_000_000),
                                     timeout="500ms", late_connection_timeout="700ms")
        self.same(heard, b"+OK\r\n")
        self.same(then, b"+OK\r\n")

    def test_a_server_that_takes_no_more(self):
        server = SlowServer(takes=500_000)
        heard, _, then = self.upload(server, bytes(2_500_000))
        self.assertIn(b"server s0 (%b) did not answer within 1000 ms" % server.address.encode(), heard)
        self.assertIn(b"ejected", then)
        self.assertIsNone(server.had_all_at)

    def test_a_server_that_takes_all_and_does_not_answer(self):
        server = SlowServer(answers=False)
        heard, when, then = self.upload(server)
        self.assertIn(b"did not answer within 1000 ms", heard)
        self.assertIn(b"ejected", then)
        self.assertIsNotNone(server.had_all_at)
        self.assertGreater(when, server.had_all_at)


if __name__ == "__main__":
    main()
