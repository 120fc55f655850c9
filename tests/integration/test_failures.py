"""Servers that refuse, vanish, stall, speak unasked or answer nonsense.

The affected requests get an error that names server and reason; everybody else notices nothing;
a reply that comes late goes to nobody.
"""
import fcntl
import os
import pathlib
import signal
import struct
import tempfile
import termios
import threading
import time
import unittest

from fakes import FakeServer, fake_redis
from harness import (SANITIZED, Case, Port, RedisServer, Ringmain, key_on, keys_on, main,
                     needs_ringmain, wait_for)
from wire import ErrorReply, RespClient, bulk, decode, resp


def echo(arguments, _connection=None):
    """Answers every request with its key, so that a foreign reply shows."""
    name = arguments[0].upper()
    if name == b"MGET":
        return b"*%d\r\n" % (len(arguments) - 1) + b"".join(bulk(key) for key in arguments[1:])
    return bulk(arguments[1])


class Failing(Case):
    pool_options = {}

    def behind(self, *servers, **options):
        """ringmain in front of the given servers; s0, s1 ..."""
        for server in servers:
            if isinstance(server, FakeServer):
                self.use(server)
        self.count = len(servers)
        self.clients = []
        self.proxy = self.use(Ringmain({"alpha": {**self.pool_options, **options,
                                                  "servers": list(servers)}}))
        return self.proxy

    def behind_hosts(self, text, *servers, inside=(), **options):
        """ringmain, that finds the names of its servers in a file /etc/hosts of its own."""
        hosts = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "hosts"
        hosts.write_text(text)
        self.count = len(servers)
        self.clients = []
        self.proxy = self.use(Ringmain({"alpha": {"servers": list(servers), **options}}, start=False))
        self.proxy.inside = ("unshare", "--mount", "sh", "-c",
                             'mount --bind "$0" /etc/hosts && exec "$@"', hosts, *inside)
        self.proxy.start()
        return hosts

    def client(self, **options):
        client = super().client(**options)
        self.clients.append(client)
        return client

    def over(self):
        """Ends one round of a test that needs a new ringmain for each."""
        for client in self.clients:
            client.close()
        self.finish(self.proxy)

    def key(self, server, prefix="k"):
        return key_on(server, self.count, prefix)

    def expect_failure(self, client, key, *reasons, server="s1"):
        """GET of the key gives our own error with the server's name and one of the reasons."""
        client.send(resp("GET", key))
        return self.failed(client, *reasons, server=server)

    def failed(self, client, *reasons, server="s1"):
        reply = decode(client.read(timeout=10))
        self.assertIsInstance(reply, ErrorReply)
        self.assertTrue(reply.startswith("ERR ringmain: "), reply)
        self.assertIn(server, reply)
        if reasons:
            self.assertTrue(any(reason.lower() in reply.lower() for reason in reasons),
                            (reply, reasons))
        return reply

    def recovers(self, client, key, wanted, timeout=5.0):
        """After a fault: at most errors, then the right reply, and never another one."""

        def right():
            reply = client.value("GET", key)
            if isinstance(reply, ErrorReply):
                return False
            self.assertEqual(reply, wanted)
            return True

        wait_for(right, f"GET {key} works again", timeout, pause=0.02)


@needs_ringmain
class Refused(Failing):
    def test_names_server_address_and_reason_and_recovers(self):
        nobody = Port()
        self.addCleanup(nobody.release)
        address = f"127.0.0.1:{nobody.number}"
        self.behind(fake_redis(echo), f"{address}:1 s1", fake_redis(echo))
        client = self.client()
        dead, alive = self.key(1), self.key(0)
        reply = self.expect_failure(client, dead, "refused")
        self.assertIn(address, reply)
        self.assertEqual(client.value("GET", alive), alive.encode())
        self.working(client)
        client.send(resp("GET", alive) + resp("GET", dead) + resp("GET", self.key(2)))
        self.same(client.read(), bulk(alive))
        self.failed(client, "refused")
        self.same(client.read(), bulk(self.key(2)))
        self.use(fake_redis(echo, port=nobody.number))
        self.recovers(client, dead, dead.encode())

    def test_errors_come_at_once(self):
        nobody = Port()
        self.addCleanup(nobody.release)
        self.behind(fake_redis(echo), f"127.0.0.1:{nobody.number}:1 s1")
        client = self.client()
        began = time.monotonic()
        for key in keys_on(1, 2, 100):
            self.expect_failure(client, key)
        self.assertLess(time.monotonic() - began, 3)

    def test_a_name_that_does_not_resolve(self):
        self.behind(fake_redis(echo), "nowhere.invalid:6379:1 s1")
        client = self.client()
        reply = self.expect_failure(client, self.key(1), "resolv", "not known", "name")
        self.assertIn("nowhere.invalid", reply)
        for key in keys_on(0, 2, 20):
            self.assertEqual(client.value("GET", key), key.encode())

    def test_a_name_that_resolves(self):
        fake = fake_redis(echo)
        self.use(fake)
        self.behind(f"localhost:{fake.port}:1 s0")
        client = self.client()
        self.recovers(client, "a", b"a")

    @unittest.skipIf(os.geteuid() != 0, "needs root for a file /etc/hosts of its own")
    def test_a_name_that_moves_is_followed(self):
        """An address that was tried in vain is not tried again: the name is looked up anew."""
        server = self.use(RedisServer())
        hosts = self.behind_hosts("127.0.0.1 localhost\n127.0.0.9 moving\n",
                                  f"moving:{server.port}:1 s0")
        client = self.client()
        self.expect_failure(client, "a", "refused", server="s0")
        hosts.write_text("127.0.0.1 localhost moving\n")
        wait_for(lambda: client.call("GET", "a") == b"$-1\r\n", "the new address is used", 4)

    @unittest.skipIf(os.geteuid() != 0, "needs root for a file /etc/hosts of its own")
    def test_of_several_addresses_each_gets_its_turn(self):
        """Where nobody listens at the first, whoever connects comes to the second, and the server has
        done nothing wrong: it would be out for longer than this takes."""
        server = self.use(RedisServer())
        self.behind_hosts("127.0.0.1 localhost\n::1 two\n127.0.0.1 two\n",
                          f"two:{server.port}:1 s0", auto_eject_hosts=True,
                          server_failure_limit=1, server_retry_timeout="60s")
        client = self.client()
        self.same(client.call("GET", "a"), b"$-1\r\n")
        self.working(client)
        self.same(client.call("SELECT", 5), b"+OK\r\n")
        self.same(client.call("GET", "a"), b"$-1\r\n")
        with self.client() as newer:
            self.assertTrue(newer.call("HELLO", 3).startswith(b"%7\r\n"))
            self.same(newer.call("GET", "a"), b"_\r\n")
        self.assertNotIn("is ejected", self.proxy.log())

    @unittest.skipIf(os.geteuid() != 0, "needs root for a file /etc/hosts of its own")
    def test_when_the_address_in_use_goes_the_others_serve(self):
        """Also right after the name was looked up, when one of them was tried."""
        first = self.use(RedisServer())
        second = fake_redis(lambda *_: b"$6\r\nsecond\r\n", port=first.port, host="127.0.0.2")
        self.addCleanup(second.stop)
        self.behind_hosts("127.0.0.1 localhost two\n127.0.0.2 two\n", f"two:{first.port}:1 s0",
                          auto_eject_hosts=True, server_failure_limit=1,
                          server_retry_timeout="60s")
        client = self.client()
        self.same(client.call("GET", "a"), b"$-1\r\n")
        first.halt(signal.SIGKILL)
        wait_for(lambda: client.call("GET", "a") == b"$6\r\nsecond\r\n", "the second one serves", 4)
        self.assertNotIn("is ejected", self.proxy.log())

    @unittest.skipIf(os.geteuid() != 0, "needs root for a file /etc/hosts of its own")
    def test_the_address_that_works_stays_in_use_in_whatever_order_they_come(self):
        first = self.use(fake_redis(lambda *_: b"+first\r\n", host="127.0.0.2"))
        other = fake_redis(lambda *_: b"+other\r\n", port=first.port, host="127.0.0.3")
        self.addCleanup(other.stop)
        hosts = self.behind_hosts("127.0.0.2 two\n127.0.0.3 two\n", f"two:{first.port}:1 s0")
        client = self.client()
        self.same(client.call("GET", "a"), b"+first\r\n")
        hosts.write_text("127.0.0.3 two\n127.0.0.2 two\n")
        for connections in (2, 3):
            first.connections[-1].socket.shutdown(2)
            wait_for(lambda: client.call("GET", "a") == b"+first\r\n", "it is connected again")
            self.assertEqual(len(first.connections), connections)
        self.assertEqual(other.connections, [])

    def test_reconnections_are_spaced(self):
        """A server that accepts and closes is not stormed: one attempt per pause, not per request."""
        slammed = FakeServer(lambda connection: None)
        self.behind(fake_redis(echo), slammed)
        client = self.client()
        key = self.key(1)
        until, requests = time.monotonic() + 1.5, 0
        while time.monotonic() < until:
            self.expect_failure(client, key)
            requests += 1
            time.sleep(0.002)
        self.assertGreater(requests, 50)
        self.assertLess(len(slammed.connections), 30)


@needs_ringmain
class Vanishing(Failing):
    def scripted(self, first, *others):
        """A server whose first connection that gets a GET does `first`, later ones echo."""
        state = {"done": False}

        def answer(arguments, connection):
            if not state["done"]:
                state["done"] = True
                return first(arguments, connection)
            return echo(arguments)

        return fake_redis(answer)

    def check_fault(self, first, *reasons):
        faulty = self.scripted(first)
        self.behind(fake_redis(echo), faulty)
        client, other = self.client(), self.client()
        key, alive = self.key(1), self.key(0)
        self.expect_failure(client, key, *reasons)
        self.assertEqual(other.value("GET", alive), alive.encode())
        self.recovers(client, key, key.encode())
        self.recovers(other, key, key.encode())
        self.working(client)

    def test_reset_before_the_reply(self):
        self.check_fault(lambda _, connection: connection.reset(), "reset", "closed")

    def test_closed_before_the_reply(self):
        self.check_fault(lambda _, connection: connection.close(), "closed")

    def test_closed_in_mid_reply(self):
        for part in (b"$10\r\nhal", b"$10\r\n0123456789", b"$10\r\n0123456789\r", b"*2\r\n$1\r\na\r\n",
                     b"+O", b"$", b"*1\r\n*2\r\n+a\r\n"):
            with self.subTest(part=part):
                def half(_, connection, part=part):
                    connection.send(part)
                    connection.close()
                self.check_fault(half, "closed", "reset")
                self.over()

    def test_replies_before_the_end_are_delivered(self):
        """Ten requests in one connection; the server answers four and closes."""
        def script(connection):
            for number in range(10):
                arguments = connection.read_resp()
                if connection.number == 0 and number == 4:
                    return
                connection.send(echo(arguments))
            connection.wait_until_closed()

        self.behind(FakeServer(script), preconnect=False)
        first, second = self.client(), self.client()
        first.send(b"".join(resp("GET", f"f{number}") for number in range(10)))
        replies = [decode(reply) for reply in first.read_many(10, timeout=10)]
        self.assertEqual(replies[:4], [b"f0", b"f1", b"f2", b"f3"])
        for number, reply in enumerate(replies[4:], start=4):
            if isinstance(reply, ErrorReply):
                self.assertIn("s0", reply)
            else:
                self.assertEqual(reply, f"f{number}".encode())
        self.recovers(second, "other", b"other")

    def test_what_a_server_has_answered_before_it_resets_is_delivered(self):
        """It resets while requests go out; a send that fails takes no answer with it."""
        arrived, rounds, enough = set(), 60, 600

        def script(connection):
            if connection.number >= rounds and len(arrived) > enough:
                connection.wait_until_closed()
                return
            sent = []
            for _ in range(100):
                key = connection.read_resp()[1]
                connection.send(bulk(key))
                sent.append(key)
            missing = struct.unpack("i", fcntl.ioctl(connection.socket, termios.TIOCOUTQ, b"    "))[0]
            connection.socket.close()  # with unread requests: a reset behind the answers
            while missing > 0:  # what was not acknowledged before it may never have left
                missing -= len(bulk(sent.pop()))
            arrived.update(sent)

        server = FakeServer(script)
        self.behind(server, preconnect=True)
        client = self.client()
        lost = []
        for number in range(10 * rounds):
            if len(server.connections) >= rounds and len(arrived) > enough:
                break
            keys = [f"{number}.{i}".encode() for i in range(300)]
            for key in keys:
                client.send(resp("GET", key))
            replies = [decode(client.read()) for _ in keys]
            for key, reply in zip(keys, replies):
                if reply != key:
                    self.assertIsInstance(reply, ErrorReply)
                    if key in arrived:
                        lost.append((key, reply))
        self.assertGreater(len(arrived), enough)
        self.assertEqual(lost, [])

    def test_a_server_that_restarts(self):
        server = self.use(RedisServer())
        self.behind(server)
        client = self.client()
        client.call("SET", "a", "1")
        server.kill()
        self.expect_failure(client, "a", server="s0")
        server.start()
        self.recovers(client, "a", None)
        self.expect(client, resp("SET", "a", "2"), b"+OK\r\n")

    def test_an_idle_connection_that_the_server_closes_costs_nobody_an_error(self):
        server = self.use(RedisServer())
        self.behind(server)
        client = self.client()
        client.call("SET", "a", "1")
        for _ in range(5):
            server.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            wait_for(lambda: int(server.info("clients", "connected_clients")) >= 1, "asks")
            time.sleep(0.05)
            self.recovers(client, "a", b"1", timeout=2)


    def test_a_reset_right_behind_an_answer_costs_nobody_an_error(self):
        """The next request finds a new connection, not the dead one."""
        asked, go = threading.Event(), threading.Event()

        def answer(arguments, connection):
            asked.set()
            go.wait(10)
            connection.send(echo(arguments))
            connection.reset()

        server = fake_redis(answer)
        self.behind(server)
        client = self.client()
        for number in range(5):
            asked.clear()
            go.clear()
            client.send(resp("GET", f"key{number}"))
            self.assertTrue(asked.wait(10))
            # Answer and reset have both come when ringmain looks.
            os.kill(self.proxy.pid, signal.SIGSTOP)
            go.set()
            time.sleep(0.02)
            os.kill(self.proxy.pid, signal.SIGCONT)
            self.same(client.read(), bulk(f"key{number}"))
            self.assertTrue(server.wait_for_connections(number + 2), "it has not been noticed")


@needs_ringmain
class Untrusted(Failing):
    """Whenever the pairing of replies is in doubt the connection is closed."""

    def test_a_byte_that_nobody_asked_for_closes_the_connection(self):
        for poison in (b"$6\r\nPOISON\r\n", b"+OK\r\n", b"-ERR x\r\n", b"\x00\xff", b"$", b"\r\n"):
            with self.subTest(poison=poison):
                answered, closed = threading.Event(), threading.Event()

                def script(connection, poison=poison, answered=answered, closed=closed):
                    connection.send(echo(connection.read_resp()))
                    if connection.number == 0:
                        answered.wait(10)
                        connection.send(poison)
                        connection.wait_until_closed()
                        closed.set()
                        return
                    while True:
                        connection.send(echo(connection.read_resp()))

                self.behind(FakeServer(script), preconnect=False)
                client = self.client()
                self.assertEqual(client.value("GET", "first"), b"first")
                answered.set()
                self.assertTrue(closed.wait(5), "the connection stayed open")
                self.recovers(client, "second", b"second")
                self.over()

    def test_replies_sent_twice_reach_nobody_else(self):
        self.behind(fake_redis(lambda arguments, _: echo(arguments) * 2))
        clients = [self.client() for _ in range(4)]
        for number in range(40):
            client = clients[number % 4]
            reply = client.value("GET", f"key{number}")
            self.assertTrue(reply == f"key{number}".encode() or isinstance(reply, ErrorReply), reply)

    def test_nonsense_instead_of_a_reply(self):
        for nonsense in (b"\x00\xff\r\n", b"hello\r\n", b"@x\r\n", b"\r\n", b"$-2\r\n", b":abc\r\n",
                         b"*-5\r\n", b"$01\r\nx\r\n", b"$99999999999999999999\r\n", b"*1\r\n@\r\n",
                         b"HTTP/1.1 400 Bad Request\r\n\r\n", b"ERROR\r\n",
                         b"_\r\n", b"#t\r\n", b"*1\r\n,1.5\r\n"):  # which is for RESP3
            with self.subTest(nonsense=nonsense):
                state = {"first": True}

                def answer(arguments, _, nonsense=nonsense, state=state):
                    if state["first"]:
                        state["first"] = False
                        return nonsense
                    return echo(arguments)

                self.behind(fake_redis(answer))
                client = self.client()
                self.expect_failure(client, "a", server="s0")
                self.recovers(client, "b", b"b")
                self.over()

    def test_announcements_of_huge_replies_allocate_nothing(self):
        self.behind(fake_redis(lambda arguments, _: b"*99999999\r\n"
                               if arguments[1] == b"array" else b"$536870912\r\n"),
                    timeout="400ms")
        with self.client() as client:  # every receive buffer is touched once, 4 MiB in all
            for _ in range(600):
                client.call("PING", "x" * 64)
        before = self.proxy.resident_bytes()
        for key in ("array", "bulk"):
            self.expect_failure(self.client(), key, server="s0")
        self.assertLess(self.proxy.resident_bytes() - before, 2 << 20)

    def test_fragments_of_the_wrong_shape(self):
        """A21: the client gets one clean reply, whatever a server answers to its fragment."""
        right = fake_redis(lambda arguments, _: {
            b"MGET": b"*%d\r\n" % (len(arguments) - 1) + b"$1\r\nr\r\n" * (len(arguments) - 1),
            b"MSET": b"+OK\r\n"}.get(arguments[0].upper(), b":1\r\n"))
        shape = {}
        wrong = fake_redis(lambda arguments, _: shape["reply"])
        self.behind(right, wrong)
        keys = [*keys_on(0, 2, 2), *keys_on(1, 2, 2)]
        pairs = [word for key in keys for word in (key, "v")]
        client = self.client()
        for version in (2, 3):
            client.call("HELLO", version)
            for reply in (b"*1\r\n:1\r\n", b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", b"*0\r\n",
                          b"*-1\r\n", b"+OK\r\n", b":1\r\n", b"$1\r\nx\r\n", b"*1\r\n-ERR x\r\n",
                          b"*2\r\n*0\r\n*0\r\n", b"-ERR of its own\r\n", b"$-1\r\n", b"_\r\n",
                          b"*2\r\n:1\r\n:2\r\n", b"%1\r\n+a\r\n+b\r\n", b":-1\r\n", b":abc\r\n",
                          b":99999999999999999999\r\n", b"~2\r\n$1\r\na\r\n$1\r\nb\r\n"):
                for words in (["MGET", *keys], ["MSET", *pairs], ["DEL", *keys], ["EXISTS", *keys]):
                    with self.subTest(version=version, reply=reply, command=words[0]):
                        self.mended(client, shape, words)
                        shape["reply"] = reply
                        self.clean(client, words, reply)
            self.working(client)

    def mended(self, client, shape, words):
        """The connection that the last round had closed is open again."""
        shape["reply"] = {"MGET": b"*2\r\n$1\r\nw\r\n$1\r\nw\r\n", "MSET": b"+OK\r\n"}.get(
            words[0], b":1\r\n")
        wait_for(lambda: not isinstance(decode(client.call(*words)), ErrorReply), "a right reply")

    def clean(self, client, words, fragment):
        raw = client.call(*words, timeout=10)
        reply = decode(raw)
        if words[0] == "MGET":
            if isinstance(reply, list):
                self.assertEqual(len(reply), 4, raw)
                self.assertEqual(reply[:2], [b"r", b"r"], raw)
                for item in reply[2:]:
                    self.assertTrue(item is None or isinstance(item, (bytes, ErrorReply)), raw)
            else:
                self.assertIsInstance(reply, ErrorReply, raw)
        elif words[0] == "MSET":
            self.assertTrue(reply == "OK" if fragment == b"+OK\r\n"
                            else isinstance(reply, ErrorReply), raw)
        elif fragment == b":1\r\n":
            self.same(raw, b":2\r\n", fragment)
        else:
            self.assertTrue(isinstance(reply, (ErrorReply, int)), raw)

    def test_a_server_that_does_not_know_version_3(self):
        old = fake_redis(lambda arguments, _: echo(arguments),
                         handshake={b"HELLO": b"-ERR unknown command 'HELLO'\r\n"})
        self.behind(old)
        client, new = self.client(), self.client()
        new.call("HELLO", "3")
        new.send(resp("GET", "a"))
        self.failed(new, "HELLO", "RESP3", server="s0")
        self.assertEqual(client.value("GET", "a"), b"a")


@needs_ringmain
class Passing(Failing):
    """What a server answers correctly, errors included, is the asking client's alone."""

    def test_errors_of_servers_pass_and_keep_the_connection(self):
        texts = {b"loading": b"-LOADING Redis is loading the dataset in memory\r\n",
                 b"oom": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
                 b"busy": b"-BUSY Redis is busy running a script.\r\n",
                 b"readonly": b"-READONLY You can't write against a read only replica.\r\n",
                 b"noauth": b"-NOAUTH Authentication required.\r\n",
                 b"moved": b"-MOVED 3999 127.0.0.1:6381\r\n", b"down": b"-MASTERDOWN Link down\r\n",
                 b"short": b"-x\r\n", b"bare": b"-10001\r\n", b"empty": b"-\r\n",
                 b"long": b"-ERR " + b"x" * 60_000 + b"\r\n"}
        server = fake_redis(lambda arguments, _: texts.get(arguments[1]) or echo(arguments))
        self.behind(server)
        client, bystander = self.client(), self.client()
        for key, text in texts.items():
            bystander.send(resp("GET", "before"))
            client.send(resp("GET", key))
            bystander.send(resp("GET", "after"))
            self.same(client.read(), text, key)
            self.same(bystander.read_exactly(23), bulk("before") + bulk("after"))
        opened = len(server.connections)
        client.call("GET", "oom")
        self.assertEqual(len(server.connections), opened)

    def test_replies_in_single_bytes(self):
        def script(connection):
            while True:
                for byte in echo(connection.read_resp()):
                    connection.send(bytes([byte]))

        self.behind(FakeServer(script), FakeServer(script))
        client = self.client()
        for key in ("a", "bb", "c" * 30):
            self.assertEqual(client.value("GET", key), key.encode())
        keys = [f"m{number}" for number in range(10)]
        self.assertEqual(client.value("MGET", *keys), [key.encode() for key in keys])

    def test_every_type_of_reply_passes(self):
        types = {b"t%d" % number: reply for number, reply in enumerate((
            b"+OK\r\n", b":-1\r\n", b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"$0\r\n\r\n",
            b"*2\r\n*1\r\n:1\r\n*-1\r\n", b"*1\r\n-ERR in it\r\n", b"*1\r\n" * 30 + b":1\r\n"))}
        newer = {b"u%d" % number: reply for number, reply in enumerate((
            b"_\r\n", b"#t\r\n", b",1.5\r\n", b",inf\r\n", b"(123456789012345678901234567890\r\n",
            b"!5\r\nERR x\r\n", b"=5\r\ntxt:x\r\n", b"~1\r\n:1\r\n", b"%1\r\n+a\r\n:1\r\n", b"%0\r\n",
            b"*2\r\n%1\r\n+k\r\n~1\r\n_\r\n,2\r\n"))}
        self.behind(fake_redis(lambda arguments, _: {**types, **newer}[arguments[1]]))
        client, new = self.client(), self.client()
        new.call("HELLO", "3")
        for key, reply in types.items():
            self.expect(client, resp("GET", key) + resp("PING"), reply + b"+PONG\r\n")
        for key, reply in {**types, **newer}.items():
            self.expect(new, resp("GET", key) + resp("PING"), reply + b"+PONG\r\n")


@needs_ringmain
class Late(Failing):
    def test_d01_late_replies_reach_nobody(self):
        """The server answers only after the proxy gave up."""
        state = {"stall": True}

        def answer(arguments, _):
            if state["stall"] and arguments[1].startswith(b"late"):
                time.sleep(0.8)
            return echo(arguments)

        self.behind(fake_redis(answer), timeout="300ms")
        first, second = self.client(), self.client()
        began = time.monotonic()
        first.send(resp("GET", "late1") + resp("PING"))
        self.failed(first, "time", server="s0")
        self.same(first.read(), b"+PONG\r\n")
        self.assertLess(time.monotonic() - began, 0.75)
        for number in range(30):
            for client in (first, second):
                key = f"key{number}"
                reply = client.value("GET", key)
                self.assertTrue(reply == key.encode() or isinstance(reply, ErrorReply), (key, reply))
            time.sleep(0.03)
        state["stall"] = False
        self.recovers(first, "late2", b"late2")

    def test_d23_a_mute_server_beside_a_live_one(self):
        mute = FakeServer(lambda connection: connection.wait_until_closed())
        self.behind(fake_redis(echo), mute, timeout="300ms")
        client, other = self.client(), self.client()
        dead, alive = self.key(1), self.key(0)
        client.send((resp("GET", alive) + resp("GET", dead)) * 3 + resp("GET", alive))
        self.same(client.read(), bulk(alive))
        for _ in range(20):
            began = time.monotonic()
            self.assertEqual(other.value("GET", alive), alive.encode())
            self.assertLess(time.monotonic() - began, 0.2)
        for _ in range(3):
            self.failed(client)
            self.same(client.read(), bulk(alive))
        began = time.monotonic()
        self.assertIsInstance(decode(client.call("MSET", alive, "1", dead, "1")), ErrorReply)
        self.assertLess(time.monotonic() - began, 2)
        self.working(client)

    def test_a_deep_pipeline_to_a_mute_server_costs_two_timeouts(self):
        """Not one for each 1024 requests; and the server is served again when it answers."""
        state = {"mute": True}
        awake = threading.Event()

        def answer(arguments, _):
            if state["mute"]:
                awake.wait(30)
            return b"+PONG\r\n" if arguments[0] == b"PING" else echo(arguments)

        mute = fake_redis(answer, {b"PING": b""})
        mute.answers_ping = False
        self.behind(mute, timeout="300ms")
        self.addCleanup(awake.set)
        client = self.client()
        count = 100_000
        sender = threading.Thread(target=client.send, args=(resp("GET", "a") * count,))
        began = time.monotonic()
        sender.start()
        for _ in range(count):
            reply = decode(client.read(timeout=10))
            self.assertIsInstance(reply, ErrorReply)
        sender.join()
        # One for each 1024 requests would be 29 s of timeouts alone.
        self.assertLess(time.monotonic() - began, 15 if SANITIZED else 5)
        self.assertIn("has answered nothing for", reply)
        self.working(client)
        time.sleep(1.5)  # its connections are given up
        self.expect_failure(client, "b", server="s0")
        state["mute"] = False
        awake.set()
        self.recovers(client, "c", b"c")

    def test_a_stall_in_mid_reply(self):
        def script(connection):
            arguments = connection.read_resp()
            if connection.number == 0:
                connection.send(echo(arguments)[:-4])
                connection.wait_until_closed()
                return
            connection.send(echo(arguments))
            while True:
                connection.send(echo(connection.read_resp()))

        self.behind(FakeServer(script), preconnect=False, timeout="300ms")
        client = self.client()
        self.expect_failure(client, "stalled", "time", server="s0")
        self.recovers(client, "next", b"next")

    def test_a_server_that_accepts_and_never_reads(self):
        stuck = FakeServer(lambda connection: connection.server.stopping.wait(30) and None)
        self.behind(fake_redis(echo), stuck, timeout="400ms")
        client, other = self.client(), self.client()
        dead, alive = self.key(1), self.key(0)
        client.send(resp("SET", dead, b"x" * (8 << 20)))
        for _ in range(20):
            self.assertEqual(other.value("GET", alive), alive.encode())
        self.failed(client, "time")

    def test_a_server_that_reads_slowly_has_no_more_waiting_for_it_than_it_may(self):
        """What a send has not taken counts, however often a part of it is."""

        def sip(connection):
            while not connection.server.stopping.wait(0.005):
                connection.socket.recv(1 << 15)

        slow = FakeServer(sip)
        self.behind(fake_redis(echo), slow, timeout="20s", server_queue_size_max="8MiB",
                    stream_threshold=0)
        request = resp("SET", self.key(1), b"x" * 10_000)
        clients = [self.client() for _ in range(8)]
        most, until = 0, time.monotonic() + 3
        with self.proxy.client() as other:
            while time.monotonic() < until:
                for client in clients:
                    client.send(request * 20)
                self.assertEqual(other.value("GET", self.key(0)), self.key(0).encode())
                info = other.value("INFO", "proxy").decode()
                held = next(line for line in info.splitlines() if line.startswith("buffer_memory:"))
                most = max(most, int(held.split(":")[1]))
                time.sleep(0.05)
        self.assertLess(most, 28 << 20)
        slow.stop()
        reply = ""
        while "server_queue_size_max" not in reply:  # behind those that were lost
            reply = self.failed(clients[-1])

    def test_clients_that_leave_do_not_shift_the_replies_of_others(self):
        release = threading.Event()

        def answer(arguments, _):
            if arguments[1] == b"hold":
                release.wait(10)
            return echo(arguments)

        self.behind(fake_redis(answer))
        gone, here = RespClient(self.proxy.endpoint()), self.client()
        gone.send(resp("GET", "hold") + resp("GET", "secret") * 20)
        time.sleep(0.05)
        here.send(resp("GET", "mine"))
        gone.reset()
        time.sleep(0.05)
        release.set()
        self.same(here.read(), bulk("mine"))
        self.assertEqual(here.value("GET", "again"), b"again")


@needs_ringmain
class Handshakes(Failing):
    def test_the_password_comes_first_then_the_database_then_requests(self):
        log, gate = [], threading.Event()

        def script(connection):
            while True:
                arguments = connection.read_resp()
                log.append(arguments)
                if arguments[0].upper() == b"AUTH":
                    gate.wait(10)
                connection.send(b"+OK\r\n" if arguments[0].upper() in (b"AUTH", b"SELECT")
                                else echo(arguments))

        self.behind(FakeServer(script), redis_auth="pass word", redis_db=5, preconnect=False)
        client = self.client()
        client.send(resp("AUTH", "pass word") + resp("GET", "a"))
        self.same(client.read(), b"+OK\r\n")
        wait_for(lambda: log, "the handshake begins")
        time.sleep(0.1)
        self.assertNotIn([b"GET", b"a"], log)
        gate.set()
        self.same(client.read(), bulk("a"))
        names = [arguments[0].upper() for arguments in log]
        self.assertEqual(names, [b"AUTH", b"SELECT", b"GET"])
        self.assertEqual(log[0][-1], b"pass word")
        self.assertEqual(log[1][1], b"5")

    def test_a_server_that_says_something_to_everybody_answers_nobody(self):
        for greeting in (b"+OK\r\n", b"+OK ready\r\n"):
            def script(connection, greeting=greeting):
                connection.send(greeting)
                while True:
                    arguments = connection.read_resp()
                    connection.send(b"+OK\r\n" if arguments[0] == b"AUTH" else echo(arguments))

            self.behind(FakeServer(script), redis_auth="secret")
            for number in range(20):
                client = self.client()
                client.call("AUTH", "secret")
                self.expect_failure(client, f"k{number}", "does not fit", "asked for", server="s0")
            self.over()

    def test_a_server_with_another_password(self):
        good = self.use(RedisServer(["--requirepass", "right"]))
        bad = self.use(RedisServer(["--requirepass", "other"]))
        self.behind(good, bad, redis_auth="right")
        for version in (2, 3):
            client = self.client()
            client.call("AUTH", "right")
            client.call("HELLO", version)
            self.expect_failure(client, self.key(1), "WRONGPASS", "password", "auth")
            self.expect(client, resp("SET", self.key(0), "1"), b"+OK\r\n")

    def test_a_server_without_a_password(self):
        """redis takes any password of the default user then; the pool works or says why not."""
        server = self.use(RedisServer())
        self.behind(server, redis_auth="secret")
        client = self.client()
        client.call("AUTH", "secret")
        reply = client.value("SET", "a", "1")
        self.assertTrue(reply == "OK" or ("s0" in reply and "AUTH" in reply.upper()), reply)

    def test_a_database_that_a_server_does_not_have(self):
        good = self.use(RedisServer())
        small = self.use(RedisServer(["--databases", "2"], name="small"))
        self.behind(good, small, redis_db=7)
        client = self.client()
        self.expect(client, resp("SET", self.key(0), "1"), b"+OK\r\n")
        self.expect_failure(client, self.key(1), "DB index", "database", "SELECT")
        self.assertEqual(small.call("DBSIZE"), 0)

    def test_a_server_that_needs_a_password_we_do_not_have(self):
        server = self.use(RedisServer(["--requirepass", "secret"]))
        self.behind(server)
        client = self.client()
        reply = client.value("GET", "a")
        self.assertIsInstance(reply, ErrorReply)
        self.assertIn("NOAUTH", reply)
        self.working(client)
        for version in (3, 2):
            client.call("HELLO", version)
            for _ in range(20):
                self.assertIn("NOAUTH", client.value("GET", "a"))
        wait_for(lambda: "redis_auth" in self.proxy.log(), "the log names the option")
        told = [line for line in self.proxy.log().splitlines() if "redis_auth" in line]
        self.assertLessEqual(len(told), 2, told)  # of requests, and of RESP3's greeting
        for line in told:
            self.assertIn(f"server s0 ({server.address}) wants a password", line)


if __name__ == "__main__":
    main()
