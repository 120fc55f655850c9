"""The same for memcached: errors with a name, and no reply for the wrong client."""
import os
import tempfile
import threading

from fakes import FakeServer, fake_memcached
from harness import (Case, MemcachedServer, Port, Ringmain, key_on, keys_on, main, needs_ringmain,
                     wait_for)


def echo(words, data, _connection=None):
    """A memcached in which every key has itself as its value."""
    if words[0] in (b"get", b"gets"):
        return b"".join(b"VALUE %b 0 %d\r\n%b\r\n" % (key, len(key), key)
                        for key in words[1:]) + b"END\r\n"
    if words[0] in (b"set", b"add"):
        return b"STORED\r\n"
    if words[0] == b"version":
        return b"VERSION 1.6.18\r\n"
    if words[0] == b"mn":
        return b"MN\r\n"
    return b"ERROR\r\n"


@needs_ringmain
class Failing(Case):
    def behind(self, *servers, **options):
        for server in servers:
            if isinstance(server, FakeServer):
                self.use(server)
        self.count = len(servers)
        self.clients = []
        self.proxy = self.use(Ringmain({"alpha": {
            "protocol": "memcached", "hash_tag": None, "servers": list(servers), **options}}))

    def client(self):
        client = super().client()
        self.clients.append(client)
        return client

    def over(self):
        """Ends one round of a test that needs a new ringmain for each."""
        for client in self.clients:
            client.close()
        self.finish(self.proxy)

    def key(self, server):
        return key_on(server, self.count).encode()

    def failed(self, reply, server=b"s1"):
        self.assertTrue(reply.startswith(b"SERVER_ERROR ringmain: "), reply)
        self.assertTrue(reply.endswith(b"\r\n") and reply.count(b"\r\n") == 1, reply)
        self.assertIn(server, reply)

    def recovers(self, client, key):
        def right():
            reply = client.call(b"get " + key)
            if reply.startswith(b"SERVER_ERROR"):
                return False
            self.same(reply, echo([b"get", key], None))
            return True

        wait_for(right, f"get {key} works again", 5, pause=0.02)

    def test_refused(self):
        nobody = Port()
        self.addCleanup(nobody.release)
        self.behind(fake_memcached(echo), f"127.0.0.1:{nobody.number}:1 s1")
        client = self.client()
        dead, alive = self.key(1), self.key(0)
        reply = client.call(b"get " + dead)
        self.failed(reply)
        self.assertIn(b"refused", reply.lower())
        self.failed(client.store(dead, "1"))
        self.same(client.call(b"get " + alive), echo([b"get", alive], None))
        client.send(b"set %b 0 0 1 noreply\r\n1\r\n" % dead)
        self.same(client.call(b"get " + alive), echo([b"get", alive], None))
        self.working(client)

    def test_closed_in_mid_reply(self):
        for part in (b"VALUE k", b"VALUE %b 0 10\r\n012", b"VALUE %b 0 1\r\n1\r\n", b"VALUE %b 0 1\r\n1\r\nEN",
                     b""):
            with self.subTest(part=part):
                state = {"first": True}

                def answer(words, data, connection, part=part, state=state):
                    if state["first"]:
                        state["first"] = False
                        connection.send(part.replace(b"%b", words[1]))
                        connection.close()
                        return None
                    return echo(words, data)

                self.behind(fake_memcached(echo), fake_memcached(answer))
                client = self.client()
                dead, alive = self.key(1), self.key(0)
                self.failed(client.call(b"get " + dead))
                self.same(client.call(b"get " + alive), echo([b"get", alive], None))
                self.recovers(client, dead)
                self.over()

    def test_unsolicited_data_closes(self):
        for poison in (b"STORED\r\n", b"VALUE x 0 1\r\n1\r\nEND\r\n", b"E", b"\x81\x00"):
            with self.subTest(poison=poison):
                go, closed = threading.Event(), threading.Event()

                def script(connection, poison=poison, go=go, closed=closed):
                    while True:
                        words, data = connection.read_memcached()
                        connection.send(echo(words, data))
                        if connection.number == 0:
                            go.wait(10)
                            connection.send(poison)
                            connection.wait_until_closed()
                            closed.set()
                            return

                self.behind(FakeServer(script), preconnect=False)
                client = self.client()
                self.same(client.call(b"get a"), echo([b"get", b"a"], None))
                go.set()
                self.assertTrue(closed.wait(5), "the connection stayed open")
                self.recovers(client, b"b")
                self.over()

    def test_d19_values_under_another_key_are_not_delivered(self):
        lying = fake_memcached(lambda words, data, _: b"VALUE other 0 1\r\n1\r\nEND\r\n")
        self.behind(fake_memcached(echo), lying)
        client = self.client()
        dead, alive = self.key(1), self.key(0)
        self.failed(client.call(b"get %b %b" % (alive, dead)), b"")
        self.assertNotIn(b"other", client.call(b"get %b %b" % (dead, alive)))
        self.working(client)

    def test_answers_of_the_wrong_kind(self):
        for wrong in (b"HD\r\n", b"OK\r\n", b"MN\r\n", b"STORED\r\n", b"42\r\n", b"VERSION 1\r\n",
                      b"STAT a b\r\nEND\r\n", b"nonsense\r\n", b"\r\n",
                      2 * b"VALUE a 0 1\r\na\r\n"):
            with self.subTest(wrong=wrong):
                state = {"first": True}

                def answer(words, data, connection, wrong=wrong, state=state):
                    if state["first"]:
                        state["first"] = False
                        return wrong
                    return echo(words, data)

                self.behind(fake_memcached(answer))
                client = self.client()
                self.failed(client.call(b"get a"), b"s0")
                self.recovers(client, b"b")
                self.over()

    def test_d03_a_reply_before_the_request_is_sent_whole(self):
        def script(connection):
            while True:
                line = connection.read_line()
                if line.startswith(b"set"):
                    connection.send(b"SERVER_ERROR object too large for cache\r\n")
                    connection.read_exactly(int(line.split()[4]) + 2)
                else:
                    connection.send(echo(line.split(), None))

        self.behind(FakeServer(script))
        client, other = self.client(), self.client()
        value = b"v" * (4 << 20)
        for _ in range(5):
            client.send(b"set big 0 0 %d\r\n%b\r\nget a\r\n" % (len(value), value))
            other.send(b"get mine\r\n")
            self.same(client.read(), b"SERVER_ERROR object too large for cache\r\n")
            self.same(client.read(), echo([b"get", b"a"], None))
            self.same(other.read(), echo([b"get", b"mine"], None))

    def test_errors_of_servers_pass(self):
        texts = {b"oom": b"SERVER_ERROR out of memory storing object\r\n",
                 b"odd": b"SERVER_ERROR \r\n"}
        server = fake_memcached(lambda words, data, _: texts.get(words[1] if len(words) > 1 else b"")
                                or echo(words, data))
        self.behind(server)
        client = self.client()
        for key, text in texts.items():
            self.same(client.store(key, "1"), text)
        self.same(client.call(b"get a"), echo([b"get", b"a"], None))
        self.assertEqual(len(server.connections), 1)

    def test_a_mute_server(self):
        mute = FakeServer(lambda connection: connection.wait_until_closed())
        self.behind(fake_memcached(echo), mute, timeout="300ms")
        client = self.client()
        dead, alive = self.key(1), self.key(0)
        client.send(b"get %b\r\nget %b\r\nget %b %b\r\nmn\r\n" % (alive, dead, alive, dead))
        self.same(client.read(), echo([b"get", alive], None))
        self.failed(client.read())
        self.failed(client.read())
        self.same(client.read(), b"MN\r\n")

    def test_no_reply_is_asked_for_on_the_way_to_servers(self):
        """Every request has a reply to pair with: an error to a quiet one shifts nothing."""
        seen = []

        def answer(words, data, _):
            seen.append(words)
            return echo(words, data) if words[0] == b"get" else b"SERVER_ERROR out of memory\r\n"

        self.behind(fake_memcached(answer))
        client, other = self.client(), self.client()
        for number in range(20):
            client.send(b"set a 0 0 1 noreply\r\n1\r\nincr a 1 noreply\r\n"
                        b"delete a noreply\r\ntouch a 1 noreply\r\nget x%d\r\n" % number)
            other.send(b"get y%d\r\n" % number)
            self.same(client.read(), echo([b"get", b"x%d" % number], None))
            self.same(other.read(), echo([b"get", b"y%d" % number], None))
        self.assertFalse([words for words in seen if b"noreply" in words])

    def test_one_fragment_per_server(self):
        first, second = fake_memcached(echo), fake_memcached(echo)
        self.behind(first, second)
        keys = [*keys_on(0, 2, 20), *keys_on(1, 2, 20)]
        client = self.client()
        reply = client.call(("get " + " ".join(keys)).encode())
        self.same(reply, echo([b"get", *[key.encode() for key in keys]], None))
        for server in (first, second):
            received = b"".join(bytes(connection.received) for connection in server.connections)
            self.assertEqual(received.count(b"get "), 1, received)


@needs_ringmain
class Started(Case):
    """Real servers, with options that change what they say."""

    def behind(self, *options):
        self.server = self.use(MemcachedServer(options))
        return self.use(Ringmain({"alpha": {
            "protocol": "memcached", "hash_tag": None, "servers": [self.server]}}))

    def test_responses_that_a_server_drops_shift_nobody(self):
        """Without memory for a get it drops what it has not sent of others' (read_buf_mem_limit)."""
        proxy = self.behind("-t", "32", "-R", "500", "-o", "read_buf_mem_limit=1")
        client = self.client_of(proxy)
        client.store("foo", "hi")
        many = b"get" + b" foo" * 400 + b"\r\n"
        told = b"SERVER_ERROR out of memory writing get response\r\n"
        dropped = b"read_buf_mem_limit"
        client.send(b"mg foo v\r\n" + many + b"get nope\r\nget foo\r\nmn\r\n")
        got = [client.read() for _ in range(5)]
        self.same(got[4], b"MN\r\n")
        self.assertIn(got[0], (told, b"VA 2\r\nhi\r\n"))
        for reply, right in zip(got[1:4], (None, b"END\r\n", b"VALUE foo 0 2\r\nhi\r\nEND\r\n"),
                                strict=True):
            self.assertTrue(reply in (told, right) or dropped in reply, reply)
        self.assertTrue(any(dropped in reply or reply == told for reply in got), got)
        # Nobody else is told another's.
        clients = [self.client_of(proxy) for _ in range(4)]
        wanted = {b"mg foo v\r\n": b"VA 2\r\nhi\r\n", b"get nope\r\n": b"END\r\n",
                  b"set z 0 0 1\r\n1\r\n": b"STORED\r\n", b"md nope\r\n": b"NF\r\n"}
        for _ in range(100):
            client.send(many)
            for other, request in zip(clients, wanted, strict=True):
                other.send(request)
            client.read()
            for other, request in zip(clients, wanted, strict=True):
                reply = other.read()
                self.assertTrue(reply in (wanted[request], told) or dropped in reply, reply)
        self.same(client.call(b"get foo"), b"VALUE foo 0 2\r\nhi\r\nEND\r\n")

    def test_a_server_that_wants_a_password_is_named_and_not_ejected(self):
        with tempfile.NamedTemporaryFile("w", suffix=".auth") as passwords:
            passwords.write("user:pass\n")
            passwords.flush()
            os.chmod(passwords.name, 0o644)
            proxy = self.behind("-Y", passwords.name)
            client = self.client_of(proxy)
            for request in (b"get secret\r\n", b"ms a 2\r\nhi\r\n", b"incr a 1\r\n") * 3:
                client.send(request)
                reply = client.read()
                self.assertTrue(reply.startswith(b"SERVER_ERROR ringmain: server "), reply)
                self.assertIn(b"start it without -Y", reply)
            self.assertIn("start it without -Y", proxy.log())
            self.assertNotIn("is ejected", proxy.log())


if __name__ == "__main__":
    main()
