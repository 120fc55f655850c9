"""Messages: SUBSCRIBE and its kin over several servers, compared with one redis, and what
happens when servers, clients and configurations come and go."""
import re
import signal
import subprocess
import urllib.request

import redis

from harness import Case, Port, RedisCase, RedisServer, Ringmain, key_on, main, place, wait_for
from wire import bulk, pipeline, resp


def message(channel, payload, resp3=False):
    return (b">3" if resp3 else b"*3") + b"\r\n$7\r\nmessage\r\n" + bulk(channel) + bulk(payload)


def confirmation(word, name, count, resp3=False):
    return ((b">3" if resp3 else b"*3") + b"\r\n" + bulk(word) + bulk(name) +
            b":%d\r\n" % count)


class Words(RedisCase):
    """What a client says and hears, byte for byte as from redis."""

    pool_options = {"timeout": "2s"}

    def both(self, resp3=False):
        pair = self.client(), self.reference_client()
        if resp3:
            for one in pair:
                one.call("HELLO", "3")
        return pair

    def test_confirmations(self):
        for resp3 in (False, True):
            client, reference = self.both(resp3)
            for words, replies in [
                    (["SUBSCRIBE", "a"], 1), (["SUBSCRIBE", "a", "b", "c", "a"], 4),
                    (["PSUBSCRIBE", "a*", "b?"], 2), (["SSUBSCRIBE", "s", "t"], 2),
                    (["UNSUBSCRIBE", "b", "nothing", "b"], 3), (["PUNSUBSCRIBE", "a*", "x"], 2),
                    (["SUNSUBSCRIBE", "s", "s"], 2), (["PUNSUBSCRIBE"], 1), (["PUNSUBSCRIBE"], 1),
                    (["SUNSUBSCRIBE"], 1), (["SUNSUBSCRIBE"], 1), (["UNSUBSCRIBE", "a"], 1),
                    (["UNSUBSCRIBE"], 1), (["UNSUBSCRIBE"], 1), (["PING"], 1),
                    (["GET", "k"], 1)]:
                with self.subTest(words=words, resp3=resp3):
                    self.expect_as_redis(client, reference, resp(*words), replies)

    def test_confirmations_in_one_piece(self):
        for resp3 in (False, True):
            client, reference = self.both(resp3)
            sent = pipeline(["SET", "k", "v"], ["SUBSCRIBE", "a", "b"], ["PING"],
                            ["UNSUBSCRIBE", "b"], ["PSUBSCRIBE", "p*"], ["PING", "x"],
                            ["UNSUBSCRIBE", "a"], ["PUNSUBSCRIBE"], ["GET", "k"])
            self.expect_as_redis(client, reference, sent, 10)

    def test_what_a_subscribed_client_may_say(self):
        client, reference = self.both()
        for subscribe in (["SUBSCRIBE", "a"], ["UNSUBSCRIBE"], ["PSUBSCRIBE", "a*"]):
            self.expect_as_redis(client, reference, resp(*subscribe))
            for words in (["PING"], ["PING", "x"], ["PING", "x", "y"], ["GET", "k"], ["SET", "k"],
                          ["CONFIG", "GET", "x"], ["MULTI"], ["PUBLISH", "a", "b"], ["ECHO", "x"],
                          ["HELLO", "3"], ["NOSUCH", "k"], ["CLIENT", "ID"][:1], ["MGET", "a", "b"],
                          ["SUBSCRIBE"], ["SELECT", "1"], ["AUTH", "x"], ["COMMAND"], ["DBSIZE"]):
                if words[0] == "NOSUCH" or (subscribe[0] == "UNSUBSCRIBE" and
                                            words[0] in ("HELLO", "MULTI", "SELECT", "COMMAND")):
                    continue
                if words[0] in ("CONFIG", "PUBLISH", "AUTH") and subscribe[0] == "UNSUBSCRIBE":
                    continue
                with self.subTest(words=words, after=subscribe):
                    self.expect_as_redis(client, reference, resp(*words))
        self.expect_as_redis(client, reference, resp("RESET"))
        self.expect_as_redis(client, reference, resp("GET", "k"))
        self.expect_as_redis(client, reference, resp("SUBSCRIBE", "a"))
        self.expect_as_redis(client, reference, resp("QUIT"))

    def test_client_reply_silences_answers_and_no_confirmations(self):
        for resp3 in (False, True):
            for mode, replies in (("OFF", 9), ("SKIP", 10)):
                with self.subTest(resp3=resp3, mode=mode):
                    client, reference = self.both(resp3)
                    sent = pipeline(["CLIENT", "REPLY", mode], ["SUBSCRIBE", "a", "b"],
                                    ["PSUBSCRIBE", "p*"], ["UNSUBSCRIBE", "a"], ["UNSUBSCRIBE"],
                                    ["PUNSUBSCRIBE"], ["SSUBSCRIBE", "s"], ["SUNSUBSCRIBE"],
                                    ["PING"], ["CLIENT", "REPLY", "ON"])
                    self.expect_as_redis(client, reference, sent, replies)

    def test_numbers_of_arguments(self):
        client, reference = self.both()
        for name in ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "PUBLISH", "SPUBLISH", "PUBSUB"):
            self.expect_as_redis(client, reference, resp(name))
        for words in (["PUBLISH", "a"], ["PUBLISH", "a", "b", "c"], ["PUBSUB", "NUMPAT", "x"],
                      ["PUBSUB", "CHANNELS", "a", "b"], ["PUBSUB", "NOSUCH"]):
            self.expect_as_redis(client, reference, resp(*words))

    def test_unknown_commands_are_not_let_through(self):
        client = self.client()
        client.call("SUBSCRIBE", "a")
        self.expect_error(client, resp("NoSuch", "k"), "Can't execute 'nosuch'")

    def test_resp3_allows_everything(self):
        client, reference = self.both(True)
        for words in (["SUBSCRIBE", "a"], ["GET", "k"], ["PING"], ["SET", "k", "v"], ["MULTI"],
                      ["GET", "k"], ["EXEC"], ["MGET", "k", "l", "m"], ["UNSUBSCRIBE"]):
            self.expect_as_redis(client, reference, resp(*words))

    def test_within_multi(self):
        client = self.client()
        client.call("MULTI")
        self.expect_error(client, resp("SUBSCRIBE", "a"), "SUBSCRIBE", "inside MULTI")
        self.expect_error(client, resp("EXEC"), "EXECABORT")
        subscriber = self.client()
        subscriber.call("SUBSCRIBE", "{t}c")
        self.expect(client, pipeline(["MULTI"], ["SET", "{t}k", "v"], ["PUBLISH", "{t}c", "m"],
                                     ["EXEC"]),
                    b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n")
        self.same(subscriber.read(), message("{t}c", "m"))

    def test_reset_ends_all(self):
        client = self.client()
        client.send(resp("SUBSCRIBE", "a", "b") + resp("PSUBSCRIBE", "a*"))
        client.read_many(3)
        self.same(client.call("RESET"), b"+RESET\r\n")
        publisher = self.client()
        wait_for(lambda: publisher.call("PUBLISH", "a", "x") == b":0\r\n", "nobody hears")
        self.working(client)

    def test_patterns_and_channels_of_one_client(self):
        client = self.client()
        client.send(resp("SUBSCRIBE", "news") + resp("PSUBSCRIBE", "n*", "*s"))
        client.read_many(3)
        self.client().call("PUBLISH", "news", "x")
        got = sorted(client.read_many(3))
        self.same(b"".join(got), b"".join(sorted([
            message("news", "x"),
            b"*4\r\n" + bulk("pmessage") + bulk("n*") + bulk("news") + bulk("x"),
            b"*4\r\n" + bulk("pmessage") + bulk("*s") + bulk("news") + bulk("x")])))

    def test_shard_channels_are_others(self):
        client, publisher = self.client(), self.client()
        client.send(resp("SUBSCRIBE", "a") + resp("SSUBSCRIBE", "a"))
        client.read_many(2)
        self.same(publisher.call("SPUBLISH", "a", "1"), b":1\r\n")
        self.same(client.read(), b"*3\r\n" + bulk("smessage") + bulk("a") + bulk("1"))
        self.same(publisher.call("PUBLISH", "a", "2"), b":1\r\n")
        self.same(client.read(), message("a", "2"))

    def test_client_info_counts(self):
        client = self.client()
        client.call("HELLO", "3")
        client.send(resp("SUBSCRIBE", "a", "b") + resp("PSUBSCRIBE", "p") + resp("SSUBSCRIBE", "s"))
        client.read_many(4)
        self.assertIn(b" sub=2 psub=1 ssub=1 ", client.call("CLIENT", "INFO"))


class Messages(RedisCase):
    """Two workers: each has its own subscription."""

    pool_options = {"timeout": "2s"}
    proxy_options = {"workers": 2}

    def subscribed(self, *names, word="SUBSCRIBE", **options):
        client = self.client(**options)
        client.send(resp(word, *names))
        client.read_many(len(names))
        return client

    def test_a_channel_of_each_server(self):
        publisher = self.client()
        for server in range(3):
            channel = key_on(server, 3, "ch")
            clients = [self.subscribed(channel) for _ in range(6)]
            self.same(publisher.call("PUBLISH", channel, "hello"), b":6\r\n")
            workers = int(self.servers[server].call("PUBSUB", "NUMSUB", channel)[1])
            self.assertIn(workers, (1, 2))
            for client in clients:
                self.same(client.read(), message(channel, "hello"))
                client.close()
            wait_for(lambda: publisher.call("PUBLISH", channel, "x") == b":0\r\n",
                     "the last one unsubscribes at the server")

    def test_patterns_hear_every_server(self):
        client = self.subscribed("ch*", word="PSUBSCRIBE")
        publisher = self.client()
        for server in range(3):
            channel = key_on(server, 3, "ch")
            self.same(publisher.call("PUBLISH", channel, "m"), b":1\r\n")
            self.same(client.read(), b"*4\r\n" + bulk("pmessage") + bulk("ch*") + bulk(channel) +
                      bulk("m"))

    def test_keyspace_events_of_every_server(self):
        for server in self.servers:
            server.call("CONFIG", "SET", "notify-keyspace-events", "KEA")
        client = self.subscribed("__keyevent@0__:set")
        publisher = self.client()
        for server in range(3):
            key = key_on(server, 3)
            publisher.call("SET", key, "v")
            self.same(client.read(), message("__keyevent@0__:set", key))

    def test_channels_everywhere_hear_scripts_of_every_server(self):
        script = "return redis.call('publish', ARGV[1], ARGV[2])"
        proxy = self.use(Ringmain({"alpha": {"servers": self.servers, "channels": "everywhere"}}))
        publisher, client, sharded = (proxy.client() for _ in range(3))
        client.call("SUBSCRIBE", "ch")
        sharded.call("SSUBSCRIBE", "ch")
        for server in range(3):
            self.same(publisher.call("EVAL", script, "1", key_on(server, 3), "ch", "m"), b":1\r\n")
            self.same(client.read(), message("ch", "m"))
        self.same(publisher.call("PUBLISH", "ch", "once"), b":1\r\n")
        self.same(publisher.call("PUBSUB", "CHANNELS"), b"*1\r\n" + bulk("ch"))
        self.same(publisher.call("PUBSUB", "NUMSUB", "ch"), b"*2\r\n" + bulk("ch") + b":1\r\n")
        self.same(client.read(), message("ch", "once"))
        self.same(publisher.call("SPUBLISH", "ch", "once"), b":1\r\n")
        self.same(sharded.read(), b"*3\r\n" + bulk("smessage") + bulk("ch") + bulk("once"))
        for listener in (client, sharded):
            listener.send(resp("PING"))  # and nothing twice
            self.same(listener.read(), b"*2\r\n" + bulk("pong") + bulk(""))

    def test_payloads_of_any_size(self):
        resp2, resp3 = self.client(), self.client()
        resp3.call("HELLO", "3")
        for client in (resp2, resp3):
            client.call("SUBSCRIBE", "c")
        publisher = self.client()
        for size in (0, 1, 2047, 2048, 16384, 16385, 70_000, 3_000_000):
            payload = bytes(bytearray(range(256))) * (size // 256 + 1)
            publisher.call("PUBLISH", "c", payload[:size])
            self.same(resp2.read(), message("c", payload[:size]))
            self.same(resp3.read(), message("c", payload[:size], True))

    def test_order_and_no_message_twice(self):
        clients = [self.subscribed("c", "d") for _ in range(4)]
        publisher = self.client()
        count = 3000
        publisher.send(b"".join(resp("PUBLISH", "cd"[i % 2], i) for i in range(count)))
        publisher.read_many(count)
        for client in clients:
            seen = {"c": [], "d": []}
            for raw in client.read_many(count):
                words = raw.split(b"\r\n")
                seen[words[4].decode()].append(int(words[6]))
            self.assertEqual(seen, {"c": list(range(0, count, 2)), "d": list(range(1, count, 2))})

    def test_more_clients_than_are_sent_to_in_a_batch(self):
        clients = [self.subscribed("c") for _ in range(1200)]
        publisher = self.client()
        sizes = (1, 20_000, 3)
        for size in sizes:
            publisher.send(resp("PUBLISH", "c", b"x" * size))
        publisher.read_many(len(sizes))
        for client in clients:
            for size in sizes:
                self.same(client.read(), message("c", b"x" * size))

    def test_pushes_do_not_split_replies(self):
        client = self.client()
        client.call("HELLO", "3")
        client.call("SET", "big", b"x" * 300_000)
        client.call("SUBSCRIBE", "c")
        publisher = self.client()
        publisher.send(resp("PUBLISH", "c", b"y" * 3000) * 200)
        client.send(resp("GET", "big") * 20)
        kinds = {b">": 0, b"$": 0}
        for raw in client.read_many(220):
            kinds[raw[:1]] += 1
            self.assertIn(raw, (message("c", b"y" * 3000, True), bulk(b"x" * 300_000)))
        self.assertEqual(kinds, {b">": 200, b"$": 20})

    def test_pubsub_tells(self):
        publisher = self.client()
        names = [key_on(server, 3, "ch") for server in range(3)]
        client = self.subscribed(*names)
        self.subscribed("p*", "q*", word="PSUBSCRIBE")
        self.subscribed("s1", "s2", word="SSUBSCRIBE")
        self.assertEqual(sorted(publisher.value("PUBSUB", "CHANNELS")),
                         sorted(name.encode() for name in names))
        self.assertEqual(publisher.value("PUBSUB", "CHANNELS", names[0]), [names[0].encode()])
        event = "__keyevent@0__:set"  # which is subscribed on every server
        listener = self.subscribed(event)
        self.assertEqual(publisher.value("PUBSUB", "CHANNELS", "__key*"), [event.encode()])
        listener.close()
        self.same(publisher.call("PUBSUB", "NUMSUB"), b"*0\r\n")
        self.same(publisher.call("PUBSUB", "NUMSUB", names[2], "none", names[0], names[2]),
                  b"*8\r\n" + bulk(names[2]) + b":1\r\n" + bulk("none") + b":0\r\n" +
                  bulk(names[0]) + b":1\r\n" + bulk(names[2]) + b":1\r\n")
        more = [self.subscribed(names[0]) for _ in range(3)]
        self.same(publisher.call("PUBSUB", "NUMSUB", names[0], names[1]),
                  b"*4\r\n" + bulk(names[0]) + b":4\r\n" + bulk(names[1]) + b":1\r\n")
        self.assertEqual(len(more), 3)
        self.same(publisher.call("PUBSUB", "NUMPAT"), b":2\r\n")
        self.assertEqual(sorted(publisher.value("PUBSUB", "SHARDCHANNELS")), [b"s1", b"s2"])
        self.same(publisher.call("PUBSUB", "SHARDNUMSUB", "s2", "x"),
                  b"*4\r\n" + bulk("s2") + b":1\r\n" + bulk("x") + b":0\r\n")
        client.close()

    def test_pubsub_counts_clients_of_several_workers(self):
        proxy = self.use(Ringmain({"alpha": {"servers": self.servers}}, proxy={"workers": 3}))
        clients = []
        for _ in range(12):
            client = self.client_of(proxy)
            client.call("SUBSCRIBE", "many")
            clients.append(client)
        # What others have counts as its server counts it.
        direct = self.client_of(self.servers[place("many", 3)])
        direct.call("SUBSCRIBE", "many")
        for _ in range(8):  # asked of any worker
            with proxy.client() as client:
                self.assertEqual(client.value("PUBSUB", "NUMSUB", "many"), [b"many", 13])
        for client in clients:
            client.close()
        with proxy.client() as client:
            wait_for(lambda: client.value("PUBSUB", "NUMSUB", "many") == [b"many", 1], "they leave")

    def test_whom_a_server_does_not_reach_is_not_counted(self):
        """Whichever worker is asked: who stays subscribed is in NUMSUB, and not in PUBLISH."""
        workers = 3
        server = self.use(RedisServer())
        proxy = self.use(Ringmain({"alpha": {"servers": [server]}}, proxy={"workers": workers}))
        clients = []
        publishers = {}
        while len(publishers) < workers or len(clients) < 9:
            client = self.client_of(proxy)
            worker = client.value("CLIENT", "ID") % workers
            if worker not in publishers:
                publishers[worker] = client
                continue
            client.call("SUBSCRIBE", "ch")
            client.call("PSUBSCRIBE", "c*")
            clients.append((worker, client))

        def counted(worker, message):
            publisher = publishers[worker]
            return (publisher.value("PUBLISH", "ch", message),
                    publisher.value("PUBSUB", "NUMSUB", "ch")[1])

        def delivered(message):
            """To how many, of channel and pattern, until a message that comes behind it."""
            count = 0
            for _, client in clients:
                count += client.read_available(.3).count(bulk(message))
            return count

        direct = self.client_of(server)
        self.assertEqual({counted(worker, "all") for worker in range(workers)}, {(18, 9)})
        self.assertEqual(delivered("all"), workers * 18)
        direct.call("ACL", "SETUSER", "default", "-subscribe", "-psubscribe")
        ids = re.findall(r"^id=(\d+) ", direct.value("CLIENT", "LIST", "TYPE", "pubsub").decode(),
                         re.MULTILINE)
        self.assertEqual(len(ids), workers)
        for number, one in enumerate(ids):
            direct.call("CLIENT", "KILL", "ID", one)
            wait_for(lambda: proxy.log().count("subscribed there again") > number, "it is lost")
            answers = {counted(worker, f"m{number}") for worker in range(workers)}
            self.assertEqual(len(answers), 1, answers)
            published, subscribed = answers.pop()
            self.assertEqual(subscribed, 9)
            self.assertEqual(workers * published, delivered(f"m{number}"))
        self.assertEqual(published, 0)
        direct.call("ACL", "SETUSER", "default", "+subscribe", "+psubscribe")
        wait_for(lambda: {counted(worker, "again") for worker in range(workers)} == {(18, 9)},
                 "all have it again", 20)

    def test_redis_py(self):
        connection = redis.Redis(*self.proxy.endpoint(), decode_responses=True)
        self.addCleanup(connection.close)
        listener = connection.pubsub()
        self.addCleanup(listener.close)
        listener.subscribe("py1", "py2")
        listener.psubscribe("py*")
        seen = [listener.get_message(timeout=5)["type"] for _ in range(3)]
        self.assertEqual(seen, ["subscribe", "subscribe", "psubscribe"])
        connection.publish("py2", "hello")
        got = [listener.get_message(timeout=5) for _ in range(2)]
        self.assertEqual(sorted((one["type"], one["channel"], one["data"]) for one in got),
                         [("message", "py2", "hello"), ("pmessage", "py2", "hello")])
        listener.ping()
        self.assertEqual(listener.get_message(timeout=5)["type"], "pong")
        listener.unsubscribe()
        listener.punsubscribe()
        kinds = [listener.get_message(timeout=5)["type"] for _ in range(3)]
        self.assertEqual(sorted(kinds), ["punsubscribe", "unsubscribe", "unsubscribe"])

    def test_redis_cli(self):
        host, port = self.proxy.endpoint()
        listener = subprocess.Popen(["redis-cli", "-h", host, "-p", str(port), "SUBSCRIBE", "cli"],
                                    stdout=subprocess.PIPE)
        self.addCleanup(listener.stdout.close)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.kill)
        for wanted in (b"subscribe\n", b"cli\n", b"1\n"):
            self.assertTrue(listener.stdout.readline().endswith(wanted))
        said = subprocess.run(["redis-cli", "-h", host, "-p", str(port), "PUBLISH", "cli", "hi"],
                              stdout=subprocess.PIPE, timeout=10, check=True)
        self.assertEqual(said.stdout, b"1\n")
        for wanted in (b"message\n", b"cli\n", b"hi\n"):
            self.assertTrue(listener.stdout.readline().endswith(wanted))

    def test_publish_counts_clients_and_not_workers(self):
        """Of patterns, too, whichever worker they are on; and who is subscribed past ringmain."""
        channel = key_on(1, 3, "ch")
        clients = [self.subscribed(channel, "other") for _ in range(5)]
        clients += [self.subscribed("ch*", "*" + channel[-1], word="PSUBSCRIBE") for _ in range(4)]
        clients += [self.subscribed("CH*", word="PSUBSCRIBE")]
        direct = self.servers[1].client()
        direct.send(resp("SUBSCRIBE", channel) + resp("SSUBSCRIBE", channel))
        direct.read_many(2)
        for publisher in [self.client() for _ in range(4)]:
            self.same(publisher.call("PUBLISH", channel, "m"), b":14\r\n")
            self.same(publisher.call("SPUBLISH", channel, "m"), b":1\r\n")
        for client in clients:
            client.close()
        wait_for(lambda: publisher.call("PUBLISH", channel, "m") == b":1\r\n", "all have left")

    def test_a_thousand_clients_on_one_channel(self):
        clients = [self.client() for _ in range(1000)]
        for client in clients:
            client.send(resp("SUBSCRIBE", "crowd"))
        for client in clients:
            self.same(client.read(), confirmation("subscribe", "crowd", 1))
        server = self.server_of("crowd")
        self.assertEqual(server.call("PUBSUB", "NUMSUB", "crowd")[1], 2)
        publisher = self.client()
        for number in range(10):
            self.same(publisher.call("PUBLISH", "crowd", f"m{number}"), b":1000\r\n")
        wanted = b"".join(message("crowd", f"m{number}") for number in range(10))
        for client in clients:
            self.same(client.read_exactly(len(wanted)), wanted)
        for client in clients:
            client.close()
        wait_for(lambda: server.call("PUBSUB", "NUMSUB", "crowd")[1] == 0, "all have left")


class Changes(Case):
    """Servers, clients and configurations that come and go."""

    def begin(self, servers=1, proxy=None, **options):
        self.servers = [self.use(RedisServer()) for _ in range(servers)]
        self.admin = Port()
        self.proxy = self.use(Ringmain(
            {"alpha": {"timeout": "2s", **options, "servers": self.servers}}, proxy=proxy,
            other={"admin": {"listen": f"127.0.0.1:{self.admin.number}"},
                   "stats": {"interval": "100ms"}}))
        self.addCleanup(self.admin.release)

    def metric(self, name):
        url = f"http://127.0.0.1:{self.admin.number}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        return sum(float(value) for value in
                   re.findall(rf"^ringmain_{name}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE))

    def hears_again(self, publisher, channel, number):
        wait_for(lambda: publisher.call("PUBLISH", channel, "probe") == b":%d\r\n" % number,
                 "the channel is subscribed again")

    def test_a_server_that_is_restarted(self):
        self.begin(servers=2, proxy={"workers": 2})
        channel = key_on(0, 2, "ch")
        clients = [self.client() for _ in range(8)]
        for client in clients:
            client.send(resp("SUBSCRIBE", channel) + resp("PSUBSCRIBE", "ch*"))
            client.read_many(2)
        publisher = self.client()
        number = int(publisher.call("PUBLISH", channel, "x")[1:-2])
        for client in clients:
            client.read_many(2)
        self.servers[0].halt()
        self.servers[0].start()
        self.hears_again(publisher, channel, number)
        for client in clients:
            client.read_available(0.2)
        self.same(publisher.call("PUBLISH", channel, "last"), b":%d\r\n" % number)
        wanted = sorted([message(channel, "last"), b"*4\r\n" + bulk("pmessage") + bulk("ch*") +
                         bulk(channel) + bulk("last")])
        for client in clients:
            self.assertEqual(sorted(client.read_many(2)), wanted)
        self.assertIn("clients stay subscribed", self.proxy.log())
        self.assertIn("are subscribed again", self.proxy.log())

    def test_while_a_server_is_away(self):
        self.begin(servers=2)
        there, away = (key_on(server, 2, "ch") for server in (0, 1))
        self.servers[1].halt()
        client = self.client()
        client.send(resp("SUBSCRIBE", away, there))
        replies = client.read_many(2)
        self.assertRegex(replies[0], rb"^-ERR ringmain: server s1 ")
        self.same(replies[1], confirmation("subscribe", there, 1))
        self.servers[1].start()
        wait_for(lambda: client.call("SUBSCRIBE", away) == confirmation("subscribe", away, 2),
                 "the server is back")

    def test_a_subscriber_that_takes_nothing(self):
        self.begin(client_output_limit="1MiB")
        slow = self.client(receive_buffer=4096)
        quick = self.client()
        for client in (slow, quick):
            client.call("SUBSCRIBE", "c")
        publisher = self.client()
        payload = b"x" * 50_000
        for _ in range(400):
            publisher.call("PUBLISH", "c", payload)
            self.same(quick.read(), message("c", payload))
        wait_for(lambda: self.metric("clients_closed_slow_total") == 1, "the slow one is closed")
        wait_for(lambda: self.metric("subscriptions") == 1, "its subscription is gone")
        self.assertIn("(client_output_limit)", self.proxy.log())
        self.assertLess(len(slow.read_until_closed()), 400 * 50_000)

    def test_metrics(self):
        self.begin(client_subscriptions_max=3)
        client, other = self.client(), self.client()
        client.send(resp("SUBSCRIBE", "a", "b") + resp("PSUBSCRIBE", "a*"))
        client.read_many(3)
        other.call("SUBSCRIBE", "a")
        self.expect_error(client, resp("SUBSCRIBE", "c"), "(client_subscriptions_max)")
        publisher = self.client()
        publisher.call("PUBLISH", "a", "x")
        client.read_many(2)
        other.read()
        wait_for(lambda: self.metric("messages_delivered_total") == 3, "it is counted")
        self.assertEqual([self.metric(name) for name in (
            "subscriptions", "subscribed_channels", "subscribed_patterns",
            "subscriptions_refused_total", "messages_received_total", "messages_dropped_total")],
            [4, 2, 1, 1, 2, 0])

    def test_a_reload_moves_channels(self):
        self.begin(servers=1, proxy={"workers": 2})
        more = self.use(RedisServer())
        channels = [f"channel{number}" for number in range(40)]
        client, publisher = self.client(), self.client()
        client.send(resp("SUBSCRIBE", *channels) + resp("PSUBSCRIBE", "other*"))
        client.read_many(41)
        self.proxy.pools["alpha"]["servers"].append(self.proxy.server_line(more, 1))
        self.proxy.config_path.write_text(self.proxy.config_text())
        self.proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: more.call("PUBSUB", "NUMPAT") == 1, "the new server has the pattern")
        wait_for(lambda: len(more.call("PUBSUB", "CHANNELS")) > 5, "and channels")
        for channel in channels:
            self.hears_again(publisher, channel, 1)
        client.read_available(0.3)
        for channel in [*channels, "other1"]:
            self.same(publisher.call("PUBLISH", channel, "x"), b":1\r\n")
        got = client.read_many(41)
        self.assertEqual(sorted(got), sorted(
            [message(channel, "x") for channel in channels] +
            [b"*4\r\n" + bulk("pmessage") + bulk("other*") + bulk("other1") + bulk("x")]))

    def test_an_idle_subscriber_is_not_closed(self):
        self.begin(client_idle_timeout="300ms")
        client, other = self.client(), self.client()
        client.call("SUBSCRIBE", "c")
        self.same(other.read_until_closed(), b"")
        self.same(self.client().call("PUBLISH", "c", "x"), b":1\r\n")
        self.same(client.read(), message("c", "x"))


if __name__ == "__main__":
    main()
