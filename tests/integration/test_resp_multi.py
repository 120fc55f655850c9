"""Commands that are split over servers and joined, and those that cannot be."""
from harness import (Case, RedisCase, RedisServer, Ringmain, key_on, keys_on, main,
                     needs_ringmain, needs_several_servers, place, seeded_random)
from wire import ErrorReply, bulk, decode, resp


class SplitAndJoin(RedisCase):
    def test_mget_keeps_the_order_of_its_keys(self):
        client = self.client()
        keys = [f"o{number}" for number in range(50)]
        for key in keys[::2]:
            client.call("SET", key, "v" + key)
        wanted = [b"v" + key.encode() if number % 2 == 0 else None
                  for number, key in enumerate(keys)]
        self.assertEqual(client.value("MGET", *keys), wanted)
        self.assertEqual(client.value("MGET", *reversed(keys)), wanted[::-1])

    def test_every_command_on_few_keys(self):
        client, reference = self.client(), self.reference_client()
        a, b, c = self.key(0, "a"), self.key(1, "b"), self.key(2, "c")
        for words in (["MSET", a, "1", b, "2", c, "3"], ["MGET", a, b, c], ["MGET", c, "none", a],
                      ["EXISTS", a, b, c, "none"], ["EXISTS", a, a, a], ["TOUCH", a, b, "none"],
                      ["DEL", a, "none", b], ["MGET", a, b, c], ["UNLINK", a, b, c, c],
                      ["MGET", a, b, c], ["EXISTS", a], ["DEL", a], ["MGET", a], ["MSET", a, "x"],
                      ["MGET", a], ["TOUCH", a], ["UNLINK", a]):
            with self.subTest(words=words):
                self.expect_as_redis(client, reference, resp(*words))

    def test_duplicate_keys(self):
        client, reference = self.client(), self.reference_client()
        letters = list("abcdefgh")
        pairs = [word for letter in letters for word in (letter, "1")]
        twice = [word for letter in letters for word in (letter, "2")]
        for words in (["MSET", *pairs, *twice], ["MGET", *letters, *letters],
                      ["EXISTS", *letters, *letters], ["TOUCH", *letters, *letters],
                      ["DEL", *letters, *letters], ["MGET", *letters, *letters],
                      ["MSET", *twice, *pairs], ["MGET", *letters], ["UNLINK", *letters, *letters]):
            self.expect_as_redis(client, reference, resp(*words))

    def test_values_of_every_kind(self):
        client = self.client()
        values = [b"", b"\r\n", b"$-1\r\n", b"*2\r\n", bytes(range(256)), b"x" * 16384,
                  b"y" * 70000, b"0"]
        keys = [f"value{number}" for number in range(len(values))]
        client.call("MSET", *[word for pair in zip(keys, values) for word in pair])
        self.assertEqual(client.value("MGET", *keys), values)

    def test_ten_thousand_keys(self):
        client = self.client()
        keys = [f"many:{number}" for number in range(10_000)]
        self.assertEqual(client.value("MSET", *[word for key in keys for word in (key, key)]), "OK")
        self.assertEqual(client.value("MGET", *keys), [key.encode() for key in keys])
        self.assertEqual(client.value("EXISTS", *keys, "none"), 10_000)
        self.assertEqual(client.value("TOUCH", *keys), 10_000)
        self.assertEqual(client.value("UNLINK", *keys[:5000]), 5000)
        self.assertEqual(client.value("DEL", *keys), 5000)
        self.assertEqual(client.value("MGET", *keys), [None] * 10_000)

    @needs_ringmain
    def test_one_fragment_per_server_never_one_per_key(self):
        client = self.client()
        keys = [f"f{number}" for number in range(300)]
        before = self.commands_processed()
        client.call("MGET", *keys)
        self.assertEqual([now - then - 1 for now, then in zip(self.commands_processed(), before)],
                         [1, 1, 1])

    def commands_processed(self):
        return [int(server.info("stats", "total_commands_processed")) for server in self.servers]

    @needs_several_servers
    def test_keys_land_on_the_servers_of_single_commands(self):
        client = self.client()
        keys = [f"placed{number}" for number in range(60)]
        client.call("MSET", *[word for key in keys for word in (key, "v" + key)])
        for key in keys:
            self.assertEqual(client.value("GET", key), b"v" + key.encode())
            self.assertEqual(self.server_of(key).call("GET", key), b"v" + key.encode())

    def test_in_pipelines_with_other_requests(self):
        client = self.client()
        a, b, c = self.key(0, "a"), self.key(1, "b"), self.key(2, "c")
        self.expect(client, resp("MSET", a, "1", b, "2", c, "3") + resp("INCR", b)
                    + resp("MGET", a, b, c) + resp("PING") + resp("DEL", a, b) + resp("GET", a)
                    + resp("EXISTS", a, b, c) + resp("NOSUCH") + resp("MGET", c, a),
                    b"+OK\r\n:3\r\n*3\r\n$1\r\n1\r\n$1\r\n3\r\n$1\r\n3\r\n+PONG\r\n:2\r\n$-1\r\n"
                    b":1\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
                    b"*2\r\n$1\r\n3\r\n$-1\r\n")

    def test_joined_replies_in_version_3(self):
        client, reference = self.client(), self.reference_client()
        a, b, c = self.key(0, "a"), self.key(1, "b"), self.key(2, "c")
        client.call("HELLO", 3)
        reference.call("HELLO", 3)
        for words in (["MSET", a, "1", b, "2"], ["MGET", a, b, c], ["EXISTS", a, b, c],
                      ["TOUCH", a, c], ["DEL", a, b, c], ["MGET", a, b, c]):
            self.expect_as_redis(client, reference, resp(*words))

    def test_random_requests_against_the_plain_server(self):
        source = seeded_random("test_resp_multi")
        client, reference = self.client(), self.reference_client()
        requests = []
        for _ in range(400):
            keys = [f"r{source.randrange(40)}" for _ in range(source.randrange(1, 30))]
            name = source.choice(["MGET", "MSET", "DEL", "UNLINK", "EXISTS", "TOUCH", "GET"])
            if name == "MSET":
                keys = [word for key in keys for word in (key, f"v{source.randrange(1000)}")]
            requests.append(resp(name, *(keys[:1] if name == "GET" else keys)))
        for start in range(0, len(requests), 50):
            batch = requests[start:start + 50]
            self.expect_as_redis(client, reference, b"".join(batch), len(batch))

    def test_two_values_of_a_megabyte_from_each_server(self):
        client = self.client()
        keys = [key for server in range(self.server_count)
                for key in keys_on(server, self.server_count, 2, "big")]
        values = [bytes([65 + number]) * (1 << 20) for number in range(len(keys))]
        client.call("MSET", *[word for pair in zip(keys, values) for word in pair])
        self.assertEqual(client.value("MGET", *keys), values)


class OfOneServer(RedisCase):
    """Untagged keys on several servers, for commands that no proxy can split."""

    def cross(self):
        return self.key(0, "x"), self.key(1, "y"), self.key(2, "z")

    @needs_several_servers
    def test_keys_on_several_servers_are_refused_with_crossslot(self):
        client = self.client()
        a, b, c = self.cross()
        for words in (["SUNIONSTORE", a, b, c], ["SINTERSTORE", a, a, b], ["SDIFFSTORE", b, a],
                      ["RENAME", a, b], ["RENAMENX", a, b],
                      ["COPY", a, b], ["LMOVE", a, b, "LEFT", "LEFT"], ["RPOPLPUSH", a, b],
                      ["SMOVE", a, b, "m"], ["BITOP", "AND", a, b],
                      ["BITOP", "NOT", a, b], ["PFMERGE", a, b], ["MSETNX", a, "1", b, "2"],
                      ["ZUNIONSTORE", a, "1", b], ["ZINTERSTORE", a, "2", a, b],
                      ["ZDIFFSTORE", a, "1", b], ["ZRANGESTORE", a, b, "0", "1"], ["GEOSEARCHSTORE", a, b, "FROMLONLAT", "1", "1", "BYRADIUS", "1",
                      "m"],
                      ["XREAD", "STREAMS", a, b, "0", "0"],
                      ["XREADGROUP", "GROUP", "g", "c", "STREAMS", a, b, ">", ">"],
                      ["SORT", a, "STORE", b], ["SORT", a, "LIMIT", "0", "1", "STORE", b],
                      ["GEORADIUS", a, "1", "1", "1", "m", "STORE", b],
                      ["GEORADIUSBYMEMBER", a, "x", "1", "m", "STOREDIST", b],
                      ["EVAL", "return 1", "2", a, b], ["EVALSHA", "f" * 40, "2", a, b],
                      ["EVAL_RO", "return 1", "2", a, b], ["FCALL", "f", "2", a, b]):
            with self.subTest(words=words):
                reply = client.call(*words, timeout=10)
                self.assertTrue(reply.startswith(b"-CROSSSLOT ringmain: the keys of '"), reply)
                self.assertIn(b"give them a common hash tag", reply)
        self.working(client)

    def test_keys_on_one_server_pass(self):
        client, reference = self.client(), self.reference_client()
        a, b = keys_on(1 % self.server_count, self.server_count, 2, "same")
        for words in (["SADD", a, "1", "2"], ["SADD", b, "2"], ["SINTER", a, b],
                      ["SUNIONSTORE", b, a, b], ["DEL", a, b], ["MSETNX", a, "1", b, "2"],
                      ["RENAME", a, b], ["GET", b], ["EVAL", "return KEYS", "2", a, b]):
            self.expect_as_redis(client, reference, resp(*words))

    def test_scripts_without_keys_are_answered(self):
        client, reference = self.client(), self.reference_client()
        for words in (["EVAL", "return 42", "0"], ["EVAL", "return ARGV", "0", "a", "b"],
                      ["EVAL", "return 1", "1"], ["EVALSHA", "f" * 40, "0"]):
            self.expect_as_redis(client, reference, resp(*words))

    @needs_several_servers
    def test_scripts_run_where_their_keys_are(self):
        client = self.client()
        for server in range(self.server_count):
            a, b = keys_on(server, self.server_count, 2, "script")
            self.expect(client, resp("EVAL", "redis.call('set',KEYS[1],ARGV[1]); return "
                                     "redis.call('set',KEYS[2],ARGV[1])", "2", a, b, server),
                        b"+OK\r\n")
            self.assertEqual(self.servers[server].call("MGET", a, b),
                             [str(server).encode()] * 2)


class ErrorsOfFragments(RedisCase):
    def setUp(self):
        pass

    @needs_several_servers
    def test_a_servers_own_text_reaches_the_client(self):
        """A server that is out of memory or read-only says so in words of its own."""
        client = self.client()
        a, b, c = self.key(0, "a"), self.key(1, "b"), self.key(2, "c")
        client.call("MSET", a, "1", b, "2", c, "3")
        self.servers[1].call("CONFIG", "SET", "maxmemory", "1")
        try:
            wanted = self.servers[1].call("SET", b, "x")
            self.assertTrue(wanted.startswith("OOM "), wanted)
            self.assertEqual(client.value("MSET", a, "1", b, "2", c, "3"), wanted)
            self.assertEqual(client.value("MGET", a, b, c), [b"1", b"2", b"3"])
        finally:
            self.servers[1].call("CONFIG", "SET", "maxmemory", "0")
        self.servers[2].call("REPLICAOF", "127.0.0.1", "1")
        try:
            self.assertIn("READONLY", client.value("DEL", a, b, c))
        finally:
            self.servers[2].call("REPLICAOF", "NO", "ONE")
        self.working(client)


@needs_ringmain
class ServerDown(Case):
    def setUp(self):
        self.servers = [self.use(RedisServer()) for _ in range(3)]
        self.proxy = self.use(Ringmain({"alpha": {"servers": self.servers}}))
        self.keys = [key_on(server, 3, "k") for server in range(3)]

    def test_a_split_request_gets_one_error_and_the_connection_stays(self):
        with self.proxy.client() as client:
            pairs = [word for key in self.keys for word in (key, "v")]
            client.call("MSET", *pairs)
            self.servers[1].kill()
            for words in (["MGET", *self.keys], ["DEL", "none", *self.keys], ["MSET", *pairs],
                          ["EXISTS", *self.keys], ["TOUCH", *self.keys], ["UNLINK", *self.keys]):
                with self.subTest(words=words):
                    reply = client.value(*words)
                    if words[0] == "MGET" and isinstance(reply, list):
                        reply = reply[1]  # an error in the place of the key is right too
                    self.assertIsInstance(reply, ErrorReply, words)
                    self.assertIn("s1", reply)
                    self.assertNotIn("None", reply)
            self.working(client)
            alive = [key for key in self.keys if place(key, 3) != 1]
            self.expect(client, resp("MSET", alive[0], "1", alive[1], "2"), b"+OK\r\n")
            self.expect(client, resp("MGET", *alive), b"*2\r\n" + bulk("1") + bulk("2"))

    def test_all_servers_down(self):
        with self.proxy.client() as client:
            for server in self.servers:
                server.kill()
            for words in (["MGET", *self.keys], ["DEL", *self.keys], ["GET", self.keys[0]]):
                reply = decode(client.call(*words))
                self.assertTrue(isinstance(reply, ErrorReply)
                                or all(isinstance(item, ErrorReply) for item in reply), reply)
            self.working(client)


if __name__ == "__main__":
    main()
