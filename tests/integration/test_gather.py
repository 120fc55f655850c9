"""Commands whose answer lies on all servers: what one server that holds all keys would answer."""
import hashlib

from harness import (RedisCase, RedisServer, Ringmain, Case, main, needs_ringmain,
                     needs_several_servers, wait_for)
from wire import ErrorReply, decode, resp


class AllServers(RedisCase):
    def fill(self, client, reference, count=60):
        keys = [f"key:{number}" for number in range(count)]
        for key in keys:
            client.call("SET", key, "v" + key)
            reference.call("SET", key, "v" + key)
        return keys

    def both(self, version=2):
        client, reference = self.client(), self.reference_client()
        for connection in (client, reference):
            connection.call("HELLO", version)
        return client, reference

    def test_dbsize_adds_up(self):
        for version in (2, 3):
            client, reference = self.both(version)
            self.fill(client, reference)
            self.expect_as_redis(client, reference, resp("DBSIZE"))
        self.assertEqual(client.value("DBSIZE"), 60)

    def test_keys_of_all_servers(self):
        client, reference = self.both()
        self.fill(client, reference)
        for pattern in ("*", "key:1*", "none*", "key:[12]?", "key:7"):
            self.assertEqual(sorted(client.value("KEYS", pattern)),
                             sorted(reference.value("KEYS", pattern)))
        self.expect_as_redis(client, reference, resp("KEYS", "none*"))

    def test_flushing_empties_every_server(self):
        for words in (["FLUSHALL"], ["FLUSHDB"], ["FLUSHALL", "ASYNC"], ["flushdb", "sync"]):
            client, reference = self.both()
            self.fill(client, reference)
            self.expect_as_redis(client, reference, resp(*words))
            self.assertEqual([server.call("DBSIZE") for server in self.servers],
                             [0] * len(self.servers))
        self.expect_as_redis(client, reference, resp("FLUSHALL", "maybe"))

    def test_randomkey(self):
        client, reference = self.both()
        self.expect_as_redis(client, reference, resp("RANDOMKEY"))
        only = self.key(1)
        client.call("SET", only, "1")
        for _ in range(20):
            self.assertEqual(client.value("RANDOMKEY"), only.encode())
        keys = self.fill(client, reference)
        seen = {client.value("RANDOMKEY").decode() for _ in range(400)}
        self.assertLessEqual(seen, {only, *keys})
        self.assertGreater(len(seen), 30)
        client, reference = self.both(3)
        client.call("FLUSHALL")
        reference.call("FLUSHALL")
        self.expect_as_redis(client, reference, resp("RANDOMKEY"))

    def test_times_and_figures(self):
        client, reference = self.both()
        self.assertEqual(client.value("LASTSAVE"),
                         min(server.call("LASTSAVE") for server in self.servers))
        for words in (["MEMORY", "PURGE"], ["LATENCY", "RESET"], ["LATENCY", "LATEST"],
                      ["LATENCY", "HISTORY", "command"], ["SLOWLOG", "RESET"],
                      ["FUNCTION", "STATS"], ["FUNCTION", "LIST"], ["MEMORY", "USAGE", "none"]):
            self.expect_as_redis(client, reference, resp(*words))
        report = client.value("MEMORY", "DOCTOR").decode()
        for index, server in enumerate(self.servers):
            self.assertIn(f"# server s{index} ({server.address})\n", report)

    def test_in_pipelines_the_order_is_kept(self):
        client, reference = self.both()
        keys = self.fill(client, reference, 30)
        words = []
        for key in keys:
            words += [["GET", key], ["DBSIZE"], ["KEYS", key], ["DEL", key], ["DBSIZE"], ["PING"]]
        sent = b"".join(resp(*one) for one in words)
        self.expect_as_redis(client, reference, sent, len(words))


class Scan(RedisCase):
    def scan(self, client, *options):
        cursor, found, rounds = b"0", [], 0
        while True:
            reply = client.value("SCAN", cursor, *options)
            self.assertIsInstance(reply, list, reply)
            cursor = reply[0]
            self.assertLess(int(cursor), 1 << 64)
            found += reply[1]
            rounds += 1
            self.assertLess(rounds, 10_000)
            if cursor == b"0":
                return found

    def test_every_key_is_returned_and_it_ends(self):
        client = self.client()
        keys = {f"key:{number}".encode() for number in range(3000)}
        for key in keys:
            client.send(resp("SET", key, "1"))
        client.read_many(len(keys))
        for options in ([], ["COUNT", 1000], ["COUNT", 7], ["MATCH", "*"]):
            found = self.scan(client, *options)
            self.assertEqual(set(found), keys)
            self.assertEqual(len(found), len(keys))
        self.assertEqual(sorted(self.scan(client, "MATCH", "key:1?", "COUNT", "50")),
                         sorted(b"key:1%d" % digit for digit in range(10)))
        client.call("RPUSH", "list", "1")
        self.assertEqual(self.scan(client, "TYPE", "list"), [b"list"])
        self.assertEqual(self.scan(client, "TYPE", "stream"), [])

    def test_keys_that_stay_are_returned_while_others_come_and_go(self):
        client, other = self.client(), self.client()
        keys = {f"stay:{number}".encode() for number in range(500)}
        client.call("MSET", *[word for key in keys for word in (key, "1")])
        cursor, found, round_number = b"0", set(), 0
        while round_number == 0 or cursor != b"0":
            cursor, part = client.value("SCAN", cursor, "COUNT", 20)
            found |= set(part)
            batch = [f"go:{round_number}:{number}" for number in range(200)]
            other.call("MSET", *[word for key in batch for word in (key, "1")])
            if round_number % 2:
                other.call("DEL", *batch)
            round_number += 1
            self.assertLess(round_number, 2000)
        self.assertLessEqual(keys, found)

    def test_a_cursor_is_good_on_any_connection_and_in_both_versions(self):
        keys = {f"key:{number}".encode() for number in range(300)}
        self.client().call("MSET", *[word for key in keys for word in (key, "1")])
        cursor, found, version = b"0", set(), 2
        while True:
            client = self.client()
            client.call("HELLO", version)
            cursor, part = client.value("SCAN", cursor)
            found |= set(part)
            version = 5 - version
            client.close()
            if cursor == b"0":
                break
        self.assertEqual(found, keys)

    def test_errors_are_those_of_redis(self):
        client, reference = self.client(), self.reference_client()
        for words in (["SCAN", "x"], ["SCAN", " 0"], ["SCAN", "1x"], ["SCAN", "-"],
                      ["SCAN", "99999999999999999999999"], ["SCAN", "0", "COUNT", "0"],
                      ["SCAN", "0", "COUNT", "x"], ["SCAN", "0", "MATCH"], ["SCAN", "0", "NOPE", "1"],
                      ["SCAN", "x", "COUNT", "x"], ["SCAN"]):
            self.expect_as_redis(client, reference, resp(*words))
        if self.server_count > 1:
            self.expect(client, resp("SCAN", self.server_count), b"-ERR invalid cursor\r\n")

    def test_inline(self):
        client, reference = self.client(), self.reference_client()
        self.expect_as_redis(client, reference, b"scan x count 5\r\n")
        self.expect_as_redis(client, reference, b"dbsize\r\n")
        client.send(b"scan 0 count 5\r\n")
        self.assertEqual(client.read(), b"*2\r\n$1\r\n1\r\n*0\r\n")


class Combine(RedisCase):
    """What test_gather_differential does not meet by chance."""

    def both(self, version=2):
        client, reference = self.client(), self.reference_client()
        for connection in (client, reference):
            connection.call("HELLO", version)
        return client, reference

    def test_counts_of_many_elements(self):
        client, reference = self.both()
        keys = [self.key(server, "h") for server in range(self.server_count)]
        self.expect_as_redis(client, reference, resp("PFCOUNT", *keys))
        for size in (1, 30, 900, 4000, 20000):
            for number, key in enumerate(keys):
                first = number * size // 2
                elements = [f"e{one}" for one in range(first, first + size)]
                self.expect_as_redis(client, reference, resp("PFADD", key, *elements))
                self.expect_as_redis(client, reference, resp("PFCOUNT", *keys))

    def test_values_that_are_no_hyperloglog(self):
        head = b"HYLL\x01" + bytes(11)
        client, reference = self.both()
        a, b = self.key(0, "a"), self.key(1, "b")
        for value in (b"x", b"123", b"HYLL", head, head + b"\x7f\xff", head + b"\x7f\xff\x83",
                      head + b"\x7f\xfe\x80", head + b"\x7f\xfe\x81", head + b"\x7f",
                      b"HYLL\x02" + bytes(11), b"HYLL" + bytes(12), b"HYLL" + bytes(12 + 12288),
                      b"HYLL" + bytes(12) + b"\xff" * 12288):
            for words in (["SET", a, value], ["PFCOUNT", b, a], ["PFCOUNT", a, b]):
                self.expect_as_redis(client, reference, resp(*words))
        for words in (["DEL", b], ["RPUSH", b, "x"], ["PFCOUNT", a, b], ["PFCOUNT", b, a]):
            self.expect_as_redis(client, reference, resp(*words))

    def test_large_sets(self):
        client, reference = self.both()
        a, b = self.key(0, "a"), self.key(1, "b")
        for key, numbers in ((a, range(20_000)), (b, range(10_000, 30_000))):
            self.expect_as_redis(client, reference,
                                 resp("SADD", key, *[f"element:{one}" for one in numbers]))
        for name, count in (("SUNION", 30_000), ("SINTER", 10_000), ("SDIFF", 10_000)):
            got = client.value(name, a, b)
            self.assertEqual(len(got), count)
            self.assertEqual(sorted(got), sorted(reference.value(name, a, b)))
        self.expect_as_redis(client, reference, resp("SINTERCARD", 2, a, b))
        self.expect_as_redis(client, reference, resp("ZUNION", 2, a, b, "WITHSCORES"))

    def test_many_keys(self):
        client, reference = self.both(3)
        keys = [f"many:{number}" for number in range(500)]
        for number, key in enumerate(keys):
            for connection in (client, reference):
                connection.send(resp("ZADD", key, number / 7, f"m{number % 50}", 1, "all"))
        client.read_many(len(keys))
        reference.read_many(len(keys))
        for words in (["ZUNION", len(keys), *keys, "WITHSCORES"],
                      ["ZINTER", len(keys), *keys, "WITHSCORES"],
                      ["ZDIFF", 3, *keys[:3], "WITHSCORES"]):
            self.expect_as_redis(client, reference, resp(*words))

    @needs_ringmain
    def test_limits_have_an_error(self):
        client = self.client()
        a, b = self.key(0, "a"), self.key(1, "b")
        for key in (a, b):
            client.call("SET", key, "x" * 3000)
        self.expect_error(client, resp("LCS", a, b), "more than 4194304", "hash tag")
        self.expect_error(client, resp("SUNION", *[f"k{number}" for number in range(5000)]),
                          "more than 4096", "hash tag")
        self.working(client)


@needs_ringmain
class CombineLimits(RedisCase):
    pool_options = {"gather_elements_max": 1000}

    def test_elements_beyond_the_limit_are_an_error(self):
        client = self.client()
        a, b = self.key(0, "a"), self.key(1, "b")
        client.call("SADD", a, *range(600))
        client.call("SADD", b, *range(400))
        self.assertEqual(len(client.value("SUNION", a, b)), 600)
        client.call("SADD", b, "one more")
        for words in (["SUNION", a, b], ["SINTERCARD", 2, a, b], ["ZUNION", 2, a, b]):
            self.expect_error(client, resp(*words), "more than 1000 elements",
                              "gather_elements_max", "hash tag")
        self.working(client)


class SlowLog(RedisCase):
    def test_the_entries_of_all_servers_the_latest_first(self):
        client = self.client()
        for server in self.servers:
            server.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        self.assertEqual(client.call("SLOWLOG", "RESET"), b"+OK\r\n")
        for number in range(30):
            client.call("SET", f"slow:{number}", "1")
        entries = client.value("SLOWLOG", "GET", "-1")
        named = [entry[3][1] for entry in entries if entry[3][0] == b"SET"]
        self.assertEqual(sorted(named), sorted(b"slow:%d" % number for number in range(30)))
        times = [entry[1] for entry in entries]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(len(client.value("SLOWLOG", "GET")), 10)
        self.assertEqual(len(client.value("SLOWLOG", "GET", 4)), 4)
        self.assertGreater(client.value("SLOWLOG", "LEN"), 30)
        for server in self.servers:
            server.call("CONFIG", "SET", "slowlog-log-slower-than", "10000")
        for words in (["SLOWLOG", "GET", "x"], ["SLOWLOG", "GET", "-2"], ["SLOWLOG"]):
            self.expect_as_redis(client, self.reference_client(), resp(*words))


class ScriptTests:
    BODY = "return {KEYS[1], redis.call('INCR', KEYS[1])}"

    def connected_client(self):
        """Another test has restarted the servers; its worker may not have noticed yet."""
        client = self.client()
        wait_for(lambda: client.call("DBSIZE")[:1] == b":", "all servers are connected")
        return client

    def test_a_loaded_script_runs_on_every_server(self):
        client, reference = self.connected_client(), self.reference_client()
        for words in (["SCRIPT", "LOAD", self.BODY], ["SCRIPT", "LOAD", "return ("],
                      ["SCRIPT", "EXISTS", "x"], ["SCRIPT", "FLUSH", "nonsense"]):
            self.expect_as_redis(client, reference, resp(*words))
        digest = reference.value("SCRIPT", "LOAD", self.BODY)
        for number in range(20):
            for words in (["EVALSHA", digest, "1", f"k{number}"],
                          ["EVALSHA", digest.upper(), "1", f"k{number}"],
                          ["EVALSHA_RO", digest, "1", f"k{number}"],
                          ["EVALSHA", "0" * 40, "1", f"k{number}"], ["EVALSHA", "", "0"]):
                self.expect_as_redis(client, reference, resp(*words))
        self.expect_as_redis(client, reference, resp("SCRIPT", "EXISTS", digest, "0" * 40))
        self.expect_as_redis(client, reference, resp("SCRIPT", "FLUSH"))
        self.expect_as_redis(client, reference, resp("EVALSHA", digest, "1", "k1"))
        self.expect_as_redis(client, reference, resp("SCRIPT", "EXISTS", digest))

    def test_what_eval_has_run_is_known_to_every_server(self):
        client, reference = self.connected_client(), self.reference_client()
        other = self.connected_client()  # with two workers, of the other one
        body = "return {ARGV[1], redis.call('INCR', KEYS[1])}"
        digest = hashlib.sha1(body.encode()).hexdigest()
        wrong = hashlib.sha1(b"return (").hexdigest()
        queued = hashlib.sha1(b"return 'queued'").hexdigest()
        for words in (["SCRIPT", "FLUSH"], ["SCRIPT", "EXISTS", digest],
                      ["EVALSHA", digest, "1", "e0", "x"], ["EVAL", body, "1", "e0", "x"],
                      ["EVAL", "return (", "1", "e0"], ["EVAL_RO", "return KEYS[1]", "1", "e1"],
                      ["EVALSHA", wrong, "1", "e1"], ["SCRIPT", "EXISTS", digest, wrong, queued],
                      ["MULTI"], ["EVAL", "return 'queued'", "1", "e1"], ["DISCARD"],
                      ["SCRIPT", "EXISTS", queued],
                      ["MULTI"], ["EVAL", "return 'queued'", "1", "e1"], ["EXEC"],
                      ["SCRIPT", "EXISTS", digest.upper(), queued]):
            self.expect_as_redis(client, reference, resp(*words))
        for number in range(20):
            key = f"e{number}"
            for words in (["EVALSHA", digest, "1", key, number],
                          ["EVALSHA_RO", hashlib.sha1(b"return KEYS[1]").hexdigest(), "1", key],
                          ["MULTI"], ["EVALSHA", digest, "1", key, "in"],
                          ["EVALSHA", queued, "1", key], ["EXEC"],
                          ["WATCH", key], ["MULTI"], ["EVALSHA", queued.upper(), "1", key],
                          ["EVALSHA", "0" * 40, "1", key], ["EXEC"], ["EVALSHA", wrong, "1", key]):
                self.expect_as_redis(client, reference, resp(*words))
            self.expect_as_redis(other, reference, resp("EVALSHA", digest, "1", key, "of another"))
        for words in (["SCRIPT", "FLUSH", "x"], ["SCRIPT", "EXISTS", digest],
                      ["SCRIPT", "FLUSH"], ["SCRIPT", "EXISTS", digest], ["EVALSHA", digest, "1", "e1"],
                      ["EVAL", body, "1", "e1", "y"], ["EVALSHA", digest, "1", "e0", "y"],
                      ["FLUSHALL"]):
            self.expect_as_redis(client, reference, resp(*words))

    @needs_ringmain
    def test_a_server_that_was_restarted_is_told_again(self):
        client, other = self.connected_client(), self.connected_client()
        other.call("HELLO", "3")
        digest = client.value("SCRIPT", "LOAD", self.BODY)
        keys = [self.key(server) for server in range(self.server_count)]
        for key in keys:
            self.assertEqual(client.value("EVALSHA", digest, "1", key), [key.encode(), 1])
        for server in self.servers:
            server.kill()
            server.start()
        for connection, count in ((client, 1), (other, 2)):
            for key in keys:
                wait_for(lambda: connection.call("EXISTS", key)[:1] == b":", "connected again")
                # In a pipeline: the order is kept, and nothing is answered twice.
                connection.send(resp("EVALSHA", digest, "1", key) + resp("GET", key) +
                                resp("EVALSHA", "f" * 40, "1", key) + resp("PING"))
                replies = [decode(raw) for raw in connection.read_many(4)]
                self.assertEqual(replies[:2], [[key.encode(), count], b"%d" % count])
                self.assertTrue(replies[2].startswith("NOSCRIPT"), replies)
                self.assertEqual(replies[3], "PONG")
        # A server that forgot without a loss of its connection is told again the next time.
        self.servers[0].call("SCRIPT", "FLUSH")
        self.assertTrue(client.value("EVALSHA", digest, "1", keys[0]).startswith("NOSCRIPT"))
        self.assertEqual(client.value("EVALSHA", digest, "1", keys[0]), [keys[0].encode(), 3])

    def test_libraries_are_on_every_server(self):
        client, reference = self.connected_client(), self.reference_client()
        library = "#!lua name=lib\nredis.register_function('f', function(k, a) return a[1] end)"
        for words in (["FUNCTION", "LOAD", library], ["FUNCTION", "LOAD", library],
                      ["FUNCTION", "LOAD", "REPLACE", library], ["FUNCTION", "LIST"],
                      ["FUNCTION", "STATS"], *[["FCALL", "f", "1", f"k{number}", number]
                                               for number in range(20)]):
            self.expect_as_redis(client, reference, resp(*words))
        image = client.value("FUNCTION", "DUMP")
        for words in (["FUNCTION", "DELETE", "lib"], ["FUNCTION", "DELETE", "lib"],
                      ["FCALL", "f", "1", "k", "v"], ["FUNCTION", "RESTORE", image],
                      ["FCALL", "f", "1", "k", "v"], ["FUNCTION", "FLUSH"], ["FUNCTION", "LIST"]):
            self.expect_as_redis(client, reference, resp(*words))


class Scripts(ScriptTests, RedisCase):
    pass


@needs_ringmain
class ScriptsOfTwoWorkers(ScriptTests, RedisCase):
    """What one worker has loaded another one knows."""

    proxy_options = {"workers": 2}


@needs_ringmain
class Refusals(RedisCase):
    def test_config_is_opt_in(self):
        client = self.client()
        for words in (["CONFIG", "GET", "maxmemory"], ["CONFIG", "SET", "maxmemory", "0"],
                      ["CONFIG", "RESETSTAT"]):
            self.expect_error(client, resp(*words), "config_commands")

    def test_what_concerns_one_server(self):
        client = self.client()
        for words in (["MEMORY", "STATS"], ["LATENCY", "HISTOGRAM"], ["SCRIPT", "KILL"],
                      ["FUNCTION", "KILL"], ["DEBUG", "SLEEP", "0"]):
            self.expect_error(client, resp(*words), "is not supported")


@needs_ringmain
class Config(RedisCase):
    pool_options = {"config_commands": True}

    def test_is_for_all_servers(self):
        client, reference = self.client(), self.reference_client()
        for words in (["CONFIG", "SET", "maxmemory", "1gb", "maxmemory-samples", "7"],
                      ["CONFIG", "GET", "maxmemory"], ["CONFIG", "RESETSTAT"],
                      ["CONFIG", "SET", "nonsense", "1"], ["CONFIG", "GET", "nonsense"]):
            self.expect_as_redis(client, reference, resp(*words))
        for server in self.servers:
            self.assertEqual(server.call("CONFIG", "GET", "maxmemory-samples")[1], b"7")
        self.servers[1].call("CONFIG", "SET", "maxmemory-samples", "8")
        self.expect_error(client, resp("CONFIG", "GET", "maxmemory-samples"), "s0 (", "s1 (",
                          "answer differently")


@needs_ringmain
class Limits(RedisCase):
    pool_options = {"gather_size_max": "64KiB"}

    def test_keys_beyond_the_limit_are_an_error_and_the_rest_is_served(self):
        client = self.client()
        for number in range(5000):
            client.send(resp("SET", f"a-rather-long-name-of-a-key:{number}", "1"))
        client.read_many(5000)
        for _ in range(3):
            self.expect_error(client, resp("KEYS", "*"), "65536 bytes (gather_size_max)")
            self.working(client)
        self.assertEqual(client.value("DBSIZE"), 5000)
        self.assertEqual(len(client.value("KEYS", "*:12??")), 100)


@needs_several_servers
class ServerDown(Case):
    def test_an_error_names_it_and_nothing_looks_whole(self):
        for eject in (False, True):
            servers = [self.use(RedisServer()) for _ in range(3)]
            proxy = self.use(Ringmain({"alpha": {
                "servers": servers, "auto_eject_hosts": eject, "server_failure_limit": 1,
                "server_retry_timeout": "60s"}}))
            client = self.client_of(proxy)
            client.call("MSET", *[word for number in range(90) for word in (f"k{number}", "1")])
            servers[1].kill()
            wait_for(lambda: client.call("DBSIZE").startswith(b"-"), "the loss is noticed")
            if eject:
                wait_for(lambda: b"ejected" in client.call("DBSIZE"), "it is ejected")
            for words in (["DBSIZE"], ["KEYS", "*"], ["FLUSHALL"], ["RANDOMKEY"],
                          ["SCRIPT", "LOAD", "return 1"], ["SLOWLOG", "GET"]):
                self.expect_error(client, resp(*words), "s1 (")
            self.assertGreater(servers[0].call("DBSIZE"), 0)
            cursor = b"0"
            while True:
                reply = client.value("SCAN", cursor)
                if isinstance(reply, ErrorReply):
                    self.assertIn("s1 (", reply)
                    break
                cursor = reply[0]
                self.assertNotEqual(cursor, b"0")
            self.working(client)


if __name__ == "__main__":
    main()
