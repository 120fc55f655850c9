"""The memcached text protocol over three servers: classic and meta commands."""
import base64
import re
import subprocess

from harness import (MemcachedCase, MemcachedPair, keys_on, main, needs_ringmain,
                     needs_several_servers, place, seeded_random, wait_for)
from wire import brief


class Compared(MemcachedPair):
    def both(self, dialogue, normal=lambda reply: reply):
        """Each line is sent to both; a reply is compared unless the request asks for none."""
        client = self.client()
        with self.reference.client() as reference:
            for sent in dialogue:
                with self.subTest(sent=sent[:200]):
                    reference.send(sent + b"mn\r\n")
                    wanted = self.until_barrier(reference)
                    client.send(sent + b"mn\r\n")
                    self.same(normal(self.until_barrier(client)), normal(wanted), sent)

    def until_barrier(self, client):
        reply = b""
        while (line := client.read_line(timeout=10)) != b"MN\r\n":
            reply += line
        return reply


class Classic(Compared):
    def test_quiet_batches_over_servers(self):
        """As one memcached answers them, byte for byte; but for a quiet `ma` that makes its item,
        which memcached answers and nobody can tell from one that does not."""
        chance = seeded_random("test_quiet_batches_over_servers")
        for _ in range(20):
            batch, keys = b"", [f"quiet{number}" for number in range(40)]
            for number in range(chance.randrange(1, 200)):
                key, opaque = chance.choice(keys).encode(), b" O%d" % number
                quiet = b" q" if chance.random() < 0.8 else b""
                value = b"v" * chance.randrange(0, 3000)
                batch += chance.choice((
                    b"mg " + key + b" k v f t" + opaque + quiet + b"\r\n",
                    b"mg " + key + b" s" + opaque + quiet + b"\r\n",
                    b"ms " + key + b" %d" % len(value) + opaque + b" F%d" % number + quiet +
                    b"\r\n" + value + b"\r\n",
                    b"ms " + key + b" 1 ME" + opaque + quiet + b"\r\nx\r\n",
                    b"md " + key + opaque + quiet + b"\r\n",
                    b"ma " + key + b" v" + opaque + quiet + b"\r\n",
                    b"ma " + key + b" N0 J13 v" + opaque + b"\r\n",
                    b"mg " + b"k" * 251 + b" v" + quiet + b"\r\n",
                    b"mn\r\n"))
            batch += b"mn\r\nmg nothing v\r\n"
            answers = []
            with self.client() as client, self.reference.client() as reference:
                for one in (client, reference):
                    one.send(batch)
                    answer = b""
                    while not answer.endswith(b"MN\r\nEN\r\n"):
                        answer += one.read_line()
                    answers.append(answer)
            self.same(answers[0], answers[1], batch)

    def test_storage_commands(self):
        self.both([b"set a 0 0 1\r\n1\r\n", b"get a\r\n", b"add a 0 0 1\r\n2\r\n",
                   b"replace a 7 0 2\r\nxy\r\n", b"get a\r\n", b"append a 0 0 2\r\n..\r\n",
                   b"prepend a 0 0 2\r\n::\r\n", b"get a\r\n", b"replace no 0 0 1\r\n1\r\n",
                   b"append no 0 0 1\r\n1\r\n", b"prepend no 0 0 1\r\n1\r\n", b"get no\r\n",
                   b"set flags 4294967295 0 0\r\n\r\n", b"get flags\r\n", b"set t 0 1000 1\r\n1\r\n",
                   b"get t\r\n", b"set gone 0 -1 1\r\n1\r\n", b"get gone\r\n",
                   b"add b 1 0 3\r\nabc\r\n", b"get a b no flags\r\n", b"get no no\r\n"])

    def test_counters(self):
        self.both([b"incr n 1\r\n", b"set n 0 0 2\r\n10\r\n", b"incr n 5\r\n", b"decr n 6\r\n",
                   b"decr n 100\r\n", b"incr n 18446744073709551615\r\n", b"incr n 1\r\n",
                   b"set n 0 0 1\r\nx\r\n", b"incr n 1\r\n", b"incr n abc\r\n", b"incr n -1\r\n",
                   b"incr n 18446744073709551616\r\n", b"incr n\r\n", b"decr no 1\r\n"])

    def test_delete_and_touch(self):
        self.both([b"set d 0 0 1\r\n1\r\n", b"delete d\r\n", b"delete d\r\n",
                   b"set d 0 0 1\r\n1\r\n", b"delete d 0\r\n", b"delete d 1\r\n",
                   b"touch d 100\r\n", b"set d 0 0 1\r\n1\r\n", b"touch d 100\r\n", b"get d\r\n",
                   b"touch d -1\r\n", b"get d\r\n", b"touch d x\r\n", b"touch d\r\n"])

    def test_get_and_touch(self):
        self.both([b"set a 3 0 1\r\n1\r\n", b"set b 0 0 1\r\n2\r\n", b"gat 100 a b no\r\n",
                   b"gat 100 no\r\n", b"gat -1 a\r\n", b"get a b\r\n", b"gat x a\r\n",
                   b"gat 10\r\n", b"gat\r\n"])

    def test_compare_and_store(self):
        client = self.client()
        for key in ("c1", "c2", "c3"):
            client.store(key, "one")
            head = client.call(b"gets " + key.encode()).split(b"\r\n")[0]
            unique = head.split()[4]
            self.expect(client, b"cas %b 0 0 3 %b\r\ntwo\r\n" % (key.encode(), unique),
                        b"STORED\r\n")
            self.expect(client, b"cas %b 0 0 3 %b\r\nxxx\r\n" % (key.encode(), unique),
                        b"EXISTS\r\n")
            self.assertEqual(client.get(key), b"two")
            reply = client.call(b"gats 100 " + key.encode())
            self.assertRegex(reply, rb"^VALUE c\d 0 3 \d+\r\ntwo\r\nEND\r\n$")
        self.expect(client, b"cas none 0 0 1 1\r\nx\r\n", b"NOT_FOUND\r\n")

    def test_no_reply_everywhere(self):
        self.both([b"set q 0 0 1 noreply\r\n5\r\n", b"get q\r\n", b"add q2 0 0 1 noreply\r\n1\r\n",
                   b"add q2 0 0 1 noreply\r\n2\r\n", b"get q2\r\n",
                   b"replace no 0 0 1 noreply\r\n2\r\n", b"append q 0 0 1 noreply\r\n0\r\n",
                   b"prepend q 0 0 1 noreply\r\n1\r\n", b"get q\r\n", b"incr q 1 noreply\r\n",
                   b"decr q 2 noreply\r\n", b"get q\r\n", b"incr no 1 noreply\r\n",
                   b"cas q 0 0 1 1 noreply\r\nx\r\n", b"touch q 100 noreply\r\n",
                   b"delete q noreply\r\n", b"delete q noreply\r\n", b"get q q2\r\n",
                   b"delete q2 0 noreply\r\n", b"get q2\r\n", b"set q 0 0 1\r\n5\r\n",
                   b"flush_all noreply\r\n", b"get q\r\n", b"flush_all 0 noreply\r\n",
                   b"verbosity 0 noreply\r\n"])

    def test_split_gets_keep_the_order_of_their_keys(self):
        client = self.client()
        source = seeded_random("test_memcached")
        keys = [f"s{number}" for number in range(30)]
        for key in keys[::3]:
            client.store(key, "v" + key, flags=7)
        for _ in range(20):
            source.shuffle(keys)
            chosen = keys[:source.randrange(1, 30)] + [keys[0]]
            wanted = b"".join(b"VALUE %b 7 %d\r\nv%b\r\n" % (key.encode(), len(key) + 1,
                              key.encode()) for key in chosen if int(key[1:]) % 3 == 0)
            self.expect(client, ("get " + " ".join(chosen) + "\r\n").encode(), wanted + b"END\r\n")

    def test_a_get_of_two_hundred_keys_with_long_names(self):
        client = self.client()
        keys = [f"{number:0>240}" for number in range(200)]
        for key in keys[::2]:
            client.store(key, key)
        wanted = b"".join(b"VALUE %b 0 240\r\n%b\r\n" % (key.encode(), key.encode())
                          for key in keys[::2])
        self.expect(client, ("get " + " ".join(keys) + "\r\n").encode(), wanted + b"END\r\n")

    @needs_several_servers
    def test_keys_are_where_they_are_placed(self):
        client = self.client()
        for number in range(60):
            key = f"placed{number}"
            client.store(key, key)
            with self.servers[place(key, 3)].client() as direct:
                self.assertEqual(direct.get(key), key.encode())

    def test_flush_all_reaches_every_server(self):
        client = self.client()
        keys = [self.key(server) for server in range(3)]
        for key in keys:
            client.store(key, "1")
        self.expect(client, b"flush_all\r\n", b"OK\r\n")
        self.assertEqual([client.get(key) for key in keys], [None] * 3)
        for key in keys:
            client.store(key, "1")
        self.expect(client, b"flush_all 100\r\n", b"OK\r\n")
        self.assertEqual([client.get(key) for key in keys], [b"1"] * 3)
        self.expect(client, b"flush_all 0\r\n", b"OK\r\n")

    def test_version_and_verbosity(self):
        client = self.client()
        self.assertRegex(client.call(b"version"), rb"^VERSION \S+")
        self.expect(client, b"verbosity 0\r\n", b"OK\r\n")
        self.both([b"verbosity\r\n"])

    def test_stats_end(self):
        client = self.client()
        for request in (b"stats", b"stats settings", b"stats items", b"stats slabs",
                        b"stats sizes"):
            reply = client.call(request)
            self.assertTrue(reply.endswith(b"END\r\n"), brief(reply))
            self.assertTrue(request != b"stats" or reply.startswith(b"STAT "), brief(reply))
            self.assertTrue(all(line.startswith((b"STAT ", b"END")) for line
                                in reply.split(b"\r\n")[:-1]), brief(reply))
        self.working(client)

    @staticmethod
    def stats(client, kind):
        lines = client.call(b"stats " + kind).decode().split("\r\n")
        return dict(line.split(" ", 2)[1:] for line in lines if line.startswith("STAT "))

    def direct_stats(self):
        found = []
        for server in self.servers:
            with server.client() as one:
                found.append({kind: self.stats(one, kind)
                              for kind in (b"items", b"slabs", b"settings")})
        return found

    # A server's own threads free chunks when they like, and count an item twice while they move it
    # from one list to another: what is compared is of a quiet moment.
    def steady_stats(self, client, count):
        def chunks(direct):
            return [{name: value for name, value in one[b"slabs"].items() if "chunks" in name}
                    for one in direct]

        def numbers(items):
            return sum(int(value) for name, value in items.items() if name.endswith(":number"))

        def read():
            before = self.direct_stats()
            items, slabs = self.stats(client, b"items"), self.stats(client, b"slabs")
            is_steady = (chunks(before) == chunks(self.direct_stats())
                         and numbers(items) == count
                         and sum(numbers(one[b"items"]) for one in before) == count)
            return (before, items, slabs) if is_steady else None

        return wait_for(read, f"the servers' slabs stay as they are, with {count} items")

    @needs_ringmain
    def test_stats_of_each_kind(self):
        client = self.client()
        keys = [f"stats{number}" for number in range(90)]
        for key in keys:
            client.store(key, "x" * 50)
        direct, items, slabs = self.steady_stats(client, len(keys))
        for name in (name for name in items if name.endswith(":number")):
            self.assertEqual(int(items[name]),
                             sum(int(one[b"items"].get(name, 0)) for one in direct))
        for name, value in slabs.items():
            held = [int(one[b"slabs"][name]) for one in direct if name in one[b"slabs"]]
            if name.endswith((":chunk_size", ":chunks_per_page")):
                self.assertEqual({int(value)}, set(held), name)
            elif name.endswith((":total_chunks", ":used_chunks")) or name == "total_malloced":
                self.assertEqual(int(value), sum(held), name)
        settings = self.stats(client, b"settings")
        self.assertEqual(settings["maxbytes"], direct[0][b"settings"]["maxbytes"])
        self.assertEqual([settings[f"tcpport@s{number}"] for number in range(3)],
                         [str(server.port) for server in self.servers])
        self.expect(client, b"stats detail on\r\n", b"OK\r\n")
        for number in range(30):
            client.get(f"shop:{number}")
        self.assertIn(b"PREFIX shop get 30 hit 0 set 0 del 0\r\n", client.call(b"stats detail dump"))
        self.expect(client, b"stats detail off\r\n", b"OK\r\n")
        self.expect(client, b"stats nonsense\r\n", b"ERROR\r\n")
        for kind in (b"conns", b"cachedump 1 10", b"detail"):
            reply = client.call(b"stats " + kind)
            self.assertTrue(reply.startswith(b"CLIENT_ERROR "), reply)
            self.assertLess(len(reply), 80)
        self.working(client)

    def test_quit_closes(self):
        client = self.client()
        self.expect_close(client, b"set z 0 0 1\r\n1\r\nget z\r\nquit\r\n",
                          b"STORED\r\nVALUE z 0 1\r\n1\r\nEND\r\n")

    def test_values_of_many_sizes_and_any_bytes(self):
        client = self.client()
        for size in (0, 1, 2, 1023, 4093, 4096, 4099, 16381, 16384, 16387, 65533, 65536, 65539,
                     500_000, 1_000_000):
            value = (bytes(range(256)) * (size // 256 + 1))[:size]
            self.assertEqual(client.store("sized", value), b"STORED\r\n", size)
            self.assertEqual(client.get("sized"), value, size)
        for value in (b"\r\nEND\r\n", b"VALUE k 0 3\r\nabc", b"\r\n", b"END", b"\0\r\n.\r\n"):
            client.store("odd1", value)
            client.store("odd2", value)
            head = b"VALUE odd%%d 0 %d\r\n%%b\r\n" % len(value)
            self.expect(client, b"get odd1 none odd2\r\n",
                        head % (1, value) + head % (2, value) + b"END\r\n")

    def test_a_pipeline_of_ten_thousand(self):
        client = self.client()
        sent, wanted = [], []
        for number in range(2500):
            key = b"p%d" % (number % 500)
            sent.append(b"set %b 0 0 %d\r\n%d\r\n" % (key, len(b"%d" % number), number))
            sent.append(b"get %b\r\n" % key)
            sent.append(b"set %b 0 0 1 noreply\r\n9\r\nincr %b 1\r\n" % (key, key))
            wanted.append(b"STORED\r\nVALUE %b 0 %d\r\n%d\r\nEND\r\n10\r\n"
                          % (key, len(b"%d" % number), number))
        wanted = b"".join(wanted)
        self.same(client.exchange(b"".join(sent), len(wanted)), wanted)


class SharedGets(MemcachedCase):
    """Gets of one key that may go to a server as one line are answered as if they went alone."""

    values = {b"empty": b"", b"end": b"END\r\n", b"small": b"x" * 20, b"large": b"y" * 100_000,
              b"fake": b"VALUE small 0 1\r\nx\r\nEND\r\n", b"middle": bytes(range(256)) * 12}
    misses = [b"none", b"empt", b"small2"]

    def setUp(self):
        super().setUp()
        client = self.client()
        for key, value in self.values.items():
            self.assertEqual(client.store(key, value), b"STORED\r\n")

    def answer(self, key):
        if key not in self.values:
            return b"END\r\n"
        return b"VALUE %b 0 %d\r\n%b\r\nEND\r\n" % (key, len(self.values[key]), self.values[key])

    def test_hits_and_misses_of_many_clients(self):
        source = seeded_random("shared gets")
        keys = [*self.values, *self.misses]
        clients = [self.client() for _ in range(20)]
        for _ in range(5):
            wanted = []
            for number, client in enumerate(clients):
                own = b"own%d" % number
                sent, expected = [], []
                for index in range(60):
                    key = source.choice(keys)
                    if index % 10 == 9:  # a write in between is not overtaken
                        sent.append(b"set %b 0 0 2\r\n%02d\r\nget %b\r\n" % (own, index, own))
                        expected.append(b"STORED\r\nVALUE %b 0 2\r\n%02d\r\nEND\r\n" % (own, index))
                    if index % 20 == 19:
                        sent.append(b"delete %b\r\nget %b\r\n" % (own, own))
                        expected.append(b"DELETED\r\nEND\r\n")
                    sent.append(b"get %b\r\n" % key)
                    expected.append(self.answer(key))
                client.send(b"".join(sent))
                wanted.append(b"".join(expected))
            for client, expected in zip(clients, wanted):
                self.same(client.read_exactly(len(expected)), expected)

    def test_the_same_key_a_thousand_times(self):
        client = self.client()
        for key in (b"small", b"end", b"none"):
            wanted = self.answer(key) * 1000
            self.same(client.exchange(b"get %b\r\n" % key * 1000, len(wanted)), wanted)

    def test_gets_have_their_cas(self):
        client = self.client()
        first = client.call(b"gets small")
        self.assertRegex(first, rb"^VALUE small 0 20 \d+\r\n")
        client.send(b"gets small\r\nget small\r\ngets none\r\ngets small\r\n" * 50)
        wanted = (first + self.answer(b"small") + b"END\r\n" + first) * 50
        self.same(client.read_exactly(len(wanted)), wanted)

    def test_clients_that_leave_take_nothing_with_them(self):
        staying = self.client()
        wanted = (self.answer(b"large") + self.answer(b"none") + self.answer(b"fake")) * 20
        for _ in range(10):
            leaving = self.proxy.client()
            leaving.send(b"get large\r\nget small\r\n" * 30)
            staying.send(b"get large\r\nget none\r\nget fake\r\n" * 20)
            leaving.close()
            self.same(staying.read_exactly(len(wanted)), wanted)


class Meta(Compared):
    def test_get(self):
        self.both([b"ms a 2 F5 T100\r\nhi\r\n", b"mg a\r\n", b"mg a v\r\n", b"mg a s v f t\r\n",
                   b"mg a k v O123 q\r\n", b"mg no\r\n", b"mg no v\r\n", b"mg no v q\r\n",
                   b"mg no k O7\r\n", b"mg a h l t\r\n", b"mg a N30 v\r\n", b"mg no N30 v\r\n",
                   b"mg no v\r\n", b"mg a R1000 v\r\n", b"mg a T30 v\r\n", b"mg a E9 v\r\n"],
                  lambda reply: re.sub(rb" t\d+| l\d+| h\d", b"", reply))

    def test_set(self):
        self.both([b"ms a 1\r\n1\r\n", b"ms a 1 k O9\r\n2\r\n", b"ms a 1 I\r\n3\r\n",
                   b"ms a 1 ME\r\n3\r\n", b"ms a 1 MA\r\n3\r\n", b"ms a 1 MP\r\n0\r\n",
                   b"ms a 1 MR\r\n7\r\n", b"mg a v\r\n", b"ms no 1 MR\r\n1\r\n", b"ms no 1 MA\r\n1\r\n",
                   b"ms a 1 MX\r\n1\r\n", b"ms a 1 C1\r\n5\r\n", b"ms a 1 q\r\n6\r\n",
                   b"mg a v\r\n", b"ms a 1 ME q\r\n6\r\n", b"ms a 0\r\n\r\n", b"mg a v s\r\n",
                   b"ms a 3\r\nxy\r\n\r\n"])

    def test_delete(self):
        self.both([b"ms a 1\r\n1\r\n", b"md a\r\n", b"md a\r\n", b"md a q\r\n", b"md a k O3\r\n",
                   b"ms a 1\r\n1\r\n", b"md a q\r\n", b"mg a\r\n", b"ms a 1\r\n1\r\n",
                   b"md a I T30\r\n", b"mg a v s\r\n", b"md a C9\r\n", b"md\r\n"])

    def test_arithmetic(self):
        self.both([b"ma n\r\n", b"ma n N0 J13 v\r\n", b"ma n v\r\n", b"ma n D5 v\r\n",
                   b"ma n MD D3 v\r\n", b"ma n q\r\n", b"ma n v k O1\r\n", b"ma n MX\r\n",
                   b"ma no q\r\n", b"ms n 1\r\nx\r\n", b"ma n v\r\n", b"ma n Dx\r\n"],
                  lambda reply: re.sub(rb" t-?\d+| c\d+", b"", reply))

    def test_debug_and_noop(self):
        client = self.client()
        self.expect(client, b"mn\r\n", b"MN\r\n")
        self.expect(client, b"me none\r\n", b"EN\r\n")
        client.store("a", "1")
        self.assertRegex(client.call(b"me a"), rb"^ME a exp=-1 .*\r\n$")

    def test_quiet_pipelines_end_with_their_barrier(self):
        """Keys of several servers: nothing of the quiet ones may come after MN."""
        keys = [keys_on(server % self.server_count, self.server_count, 1, f"quiet{number}-")[0]
                for number, server in enumerate([0, 1, 2, 0, 1, 2])]
        client = self.client()
        for key in keys[::2]:
            client.store(key, key)
        sent = b"".join(b"mg %b v k O%d q\r\n" % (key.encode(), number)
                        for number, key in enumerate(keys)) + b"mn\r\n"
        wanted = b"".join(b"VA %d k%b O%d\r\n%b\r\n" % (len(key), key.encode(), number, key.encode())
                          for number, key in enumerate(keys) if number % 2 == 0) + b"MN\r\n"
        for _ in range(50):
            self.expect(client, sent, wanted)

    def test_opaque_of_quiet_failures(self):
        self.both([b"ms a 1\r\n1\r\n", b"ms a 1 ME q O1\r\n2\r\nms b 1 q O2\r\n3\r\nmd c q O3\r\n"
                   b"mg a v q O4\r\nmg no v q O5\r\nma a v q O6\r\n"])

    def test_base64_keys_and_plain_keys_are_the_same_items(self):
        client = self.client()
        for key in (b"foo", b"base64 with blank", b"\x00\x01\xff", b"z" * 100, b"a"):
            coded = base64.b64encode(key)
            self.expect(client, b"ms %b 2 b\r\nhi\r\n" % coded, b"HD\r\n")
            self.expect(client, b"mg %b b v k\r\n" % coded, b"VA 2 k%b b\r\nhi\r\n" % coded)
            if key.isalnum():
                self.assertEqual(client.get(key), b"hi")
                client.store(key, "plain")
                self.expect(client, b"mg %b b v\r\n" % coded, b"VA 5\r\nplain\r\n")
                self.expect(client, b"md %b b\r\n" % coded, b"HD\r\n")
                self.assertIsNone(client.get(key))

    def test_bad_base64_keys(self):
        self.both([b"mg *** b v\r\n", b"mg Zm9v= b v\r\n", b"ms !! 2 b\r\nhi\r\n"])

    @needs_several_servers
    def test_base64_keys_lie_where_the_decoded_key_belongs(self):
        client = self.client()
        for number in range(30):
            key = f"meeting{number}"
            client.call(b"ms %b 1 b\r\n1\r\n" % base64.b64encode(key.encode()))
            with self.servers[place(key, 3)].client() as direct:
                self.assertEqual(direct.get(key), b"1")

    def test_stale_and_win(self):
        self.both([b"ms a 1 c\r\n1\r\n", b"md a I\r\n", b"mg a v\r\n", b"mg a v\r\n",
                   b"ms a 1\r\n2\r\n", b"mg a v\r\n"],
                  lambda reply: re.sub(rb" c\d+", b" c", reply))


class TooLarge(Compared):
    """Values that ringmain refuses as memcached does."""
    pool_options = {"request_size_max": "1MiB"}

    def test_no_older_value_is_left(self):
        value = b"y" * (2 << 20)
        for line in (b"set k 0 0 %d", b"set k 0 0 %d noreply", b"ms k %d", b"ms k %d q",
                     b"ms k %d ME", b"add k 0 0 %d", b"append k 0 0 %d", b"replace k 0 0 %d"):
            self.both([b"set k 0 0 3\r\nold\r\n", line % len(value) + b"\r\n" + value + b"\r\n",
                       b"get k\r\n", b"mg k v\r\n"])
        self.both([b"ms YSBi 3 b\r\nold\r\n", b"ms YSBi %d b\r\n%b\r\n" % (len(value), value),
                   b"mg YSBi b v\r\n"])


class Suites(MemcachedCase):
    def test_memccapable_passes_27_of_27(self):
        done = subprocess.run(["memccapable", "-h", "127.0.0.1", "-p", str(self.proxy.port()),
                               "-a", "-t", "10"], capture_output=True, text=True, timeout=60)
        passed = done.stdout.count("[pass]") + done.stderr.count("[pass]")
        self.assertEqual((passed, done.returncode), (27, 0), done.stdout + done.stderr)

    def test_many_clients_with_values_of_their_own(self):
        source = seeded_random("test_memcached many clients")
        clients = [self.client() for _ in range(64)]
        for _ in range(30):
            expected = []
            for number, client in enumerate(clients):
                value = b"%d:%d" % (number, source.randrange(1 << 40))
                keys = [b"t%d-%d" % (number, index) for index in range(4)]
                client.send(b"".join(b"set %b 0 0 %d\r\n%b\r\n" % (key, len(value), value)
                                     for key in keys) + b"get " + b" ".join(keys) + b"\r\n")
                expected.append(b"STORED\r\n" * 4 + b"".join(
                    b"VALUE %b 0 %d\r\n%b\r\n" % (key, len(value), value) for key in keys)
                    + b"END\r\n")
            for client, wanted in zip(clients, expected):
                self.same(client.read_exactly(len(wanted)), wanted)


@needs_ringmain
class ServerDown(MemcachedCase):
    def test_errors_name_the_server_and_spare_the_others(self):
        client = self.client()
        keys = [self.key(server) for server in range(3)]
        for key in keys:
            client.store(key, "1")
        self.servers[1].kill()
        try:
            reply = client.call(b"get " + keys[1].encode())
            self.assertTrue(reply.startswith(b"SERVER_ERROR ringmain: "), reply)
            self.assertIn(b"s1", reply)
            reply = client.call(b"set %b 0 0 1\r\n1\r\n" % keys[1].encode())
            self.assertTrue(reply.startswith(b"SERVER_ERROR ringmain: "), reply)
            self.assertEqual(client.get(keys[0]), b"1")
            reply = client.call(b"get " + " ".join(keys).encode())
            self.assertTrue(reply.startswith((b"SERVER_ERROR", b"VALUE " + keys[0].encode())), reply)
            client.send(b"set %b 0 0 1 noreply\r\n1\r\n" % keys[1].encode())
            self.working(client)
            self.assertEqual(client.get(keys[2]), b"1")
        finally:
            self.servers[1].start()


if __name__ == "__main__":
    main()
