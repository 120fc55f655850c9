"""MULTI, EXEC, DISCARD, WATCH and UNWATCH: on one server's keys as redis does them, and refused
where keys live on several."""
import signal
import threading
import time

import redis

from harness import (Case, RedisCase, RedisServer, Ringmain, keys_on, main, needs_ringmain,
                     needs_several_servers, seeded_random, wait_for)
from wire import ErrorReply, bulk, pipeline, resp

ABORTED = b"-EXECABORT Transaction discarded because of previous errors.\r\n"


class AsRedis(RedisCase):
    """Byte for byte what one redis answers."""

    def test_words(self):
        self.expect_both_ways(["EXEC"], ["DISCARD"], ["MULTI", "a"], ["MULTI"], ["EXEC"], ["MULTI"],
                  ["DISCARD"], ["UNWATCH"], ["WATCH"], ["EXEC", "a"], ["EXEC"])

    def test_what_is_queued_runs_in_order(self):
        self.expect_both_ways(["MULTI"], ["SET", "{t}a", "1"], ["INCR", "{t}a"], ["GET", "{t}a"],
                  ["LPUSH", "{t}l", "x", "y"], ["LRANGE", "{t}l", "0", "-1"], ["GET", "{t}none"],
                  ["EXEC"], ["GET", "{t}a"])

    def test_errors_while_it_runs(self):
        self.expect_both_ways(["SET", "{t}a", "x"], ["MULTI"], ["INCR", "{t}a"], ["LPUSH", "{t}a", "1"],
                  ["SET", "{t}b", "2"], ["EXEC"], ["GET", "{t}b"])

    def test_errors_while_it_is_queued(self):
        for bad in (["GET"], ["NONSENSE"], ["CLIENT", "NONSENSE"], ["SAVE"], ["OBJECT", "x", "y"]):
            with self.subTest(bad=bad):
                self.expect_both_ways(["SET", "{t}a", "1"], ["MULTI"], ["INCR", "{t}a"], bad,
                          ["INCR", "{t}a"], ["EXEC"], ["GET", "{t}a"])

    def test_nesting_aborts_nothing(self):
        self.expect_both_ways(["MULTI"], ["MULTI"], ["WATCH", "a"], ["SET", "a", "1"], ["EXEC"])

    def test_commands_without_keys(self):
        self.expect_both_ways(["MULTI"], ["PING"], ["ECHO", "x"], ["PING", "y"], ["SET", "a", "1"], ["PING"],
                  ["UNWATCH"], ["COMMAND", "COUNT"], ["EXEC"])
        self.expect_both_ways(["MULTI"], ["PING"], ["EXEC"])

    def test_split_commands_run_whole(self):
        self.expect_both_ways(["MULTI"], ["MSET", "{t}a", "1", "{t}b", "2"], ["MGET", "{t}a", "{t}b", "{t}c"],
                  ["EXISTS", "{t}a", "{t}a"], ["DEL", "{t}a", "{t}b"], ["EXEC"])

    def test_commands_that_wait_do_not(self):
        self.expect_both_ways(["RPUSH", "{t}l", "x"], ["MULTI"], ["BLPOP", "{t}l", "0"], ["BLPOP", "{t}l", "0"],
                  ["BRPOPLPUSH", "{t}l", "{t}m", "0"], ["BZPOPMIN", "{t}z", "0"],
                  ["XREAD", "BLOCK", "0", "STREAMS", "{t}s", "$"], ["EXEC"])

    def test_scripts(self):
        self.expect_both_ways(["MULTI"], ["EVAL", "return redis.call('incr', KEYS[1])", "1", "{t}a"],
                  ["EVAL", "return 7", "0"], ["EVAL", "nonsense", "1", "{t}a"], ["EXEC"])

    def test_reset_and_quit_end_it(self):
        self.expect_both_ways(["MULTI"], ["SET", "a", "1"], ["RESET"], ["EXEC"], ["GET", "a"])
        client = self.client()
        self.expect_close(client, pipeline(["MULTI"], ["SET", "a", "1"], ["QUIT"]),
                          b"+OK\r\n+QUEUED\r\n+OK\r\n")
        self.assertIsNone(self.client().value("GET", "a"))

    def test_watch(self):
        self.expect_both_ways(["SET", "{t}a", "1"], ["WATCH", "{t}a"], ["GET", "{t}a"], ["MULTI"],
                  ["INCR", "{t}a"], ["EXEC"], ["GET", "{t}a"])
        self.expect_both_ways(["WATCH", "{t}a", "{t}b"], ["SET", "{t}a", "5"], ["MULTI"], ["SET", "{t}b", "1"],
                  ["EXEC"], ["GET", "{t}b"], ["MULTI"], ["SET", "{t}b", "2"], ["EXEC"])
        self.expect_both_ways(["WATCH", "{t}a"], ["SET", "{t}a", "7"], ["UNWATCH"], ["MULTI"],
                  ["GET", "{t}a"], ["EXEC"])
        self.expect_both_ways(["WATCH", "{t}a"], ["SET", "{t}a", "8"], ["MULTI"], ["DISCARD"], ["MULTI"],
                  ["GET", "{t}a"], ["EXEC"])
        self.expect_both_ways(["WATCH", "{t}a"], ["WATCH", "{t}b"], ["SET", "{t}a", "9"], ["MULTI"], ["EXEC"])
        self.expect_both_ways(["WATCH", "{t}a"], ["MULTI"], ["GET"], ["EXEC"], ["MULTI"], ["PING"], ["EXEC"])

    def test_resp3(self):
        for client in (self.client(), self.reference_client()):
            self.assertIn(b"proto", client.call("HELLO", "3"))
        client, reference = self.client(), self.reference_client()
        for one in (client, reference):
            one.call("HELLO", "3")
        for requests in ([["MULTI"], ["HSET", "{t}h", "f", "1.5"], ["HGETALL", "{t}h"],
                          ["GET", "{t}none"], ["ZADD", "{t}z", "1.5", "m"],
                          ["ZSCORE", "{t}z", "m"], ["EXEC"]],
                         [["WATCH", "{t}h"], ["HSET", "{t}h", "f", "2"], ["MULTI"],
                          ["HGETALL", "{t}h"], ["EXEC"]]):
            self.expect_as_redis(client, reference, pipeline(*requests), len(requests))

    def test_random_transactions(self):
        random = seeded_random("transactions")
        client, reference = self.client(), self.reference_client()
        for _ in range(150):
            tag = f"{{{random.randrange(20)}}}"
            requests = [["WATCH", tag + "a"]] * random.randrange(2)
            requests += [["INCR", tag + "n"]] * random.randrange(3)
            requests.append(["MULTI"])
            for _ in range(random.randrange(6)):
                requests.append(random.choice(
                    [["INCR", tag + "n"], ["APPEND", tag + "s", "x"], ["LPUSH", tag + "l", "y"],
                     ["LPOP", tag + "l"], ["GET", tag + "s"], ["INCR", tag + "s"],
                     ["DEL", tag + "a", tag + "s"], ["SET", tag + "a", "1"]]))
            requests.append([random.choice(["EXEC", "EXEC", "EXEC", "DISCARD"])])
            requests += [["GET", tag + "s"], ["LRANGE", tag + "l", "0", "-1"]]
            self.expect_as_redis(client, reference, pipeline(*requests), len(requests))


class AcrossServers(RedisCase):
    @needs_several_servers
    def test_keys_of_two_servers_are_refused_and_nothing_runs(self):
        client = self.client()
        a, b = self.key(0, "a"), self.key(1, "b")
        self.assertEqual(client.value("MULTI"), "OK")
        self.assertEqual(client.value("SET", a, "1"), "QUEUED")
        self.assertRegex(client.value("SET", b, "1"),
                         "^CROSSSLOT ringmain: the keys of this transaction live on several servers; "
                         r"give them a common hash tag \({...}\)$")
        self.expect(client, resp("EXEC"), ABORTED)
        self.assertEqual(client.value("MGET", a, b), [None, None])
        for words in (["MGET", a, b], ["RENAME", a, b], ["BLPOP", a, b, "0"]):
            self.assertEqual(client.value("MULTI"), "OK")
            self.assertIn("CROSSSLOT", client.value(*words))
            self.expect(client, resp("EXEC"), ABORTED)

    @needs_several_servers
    def test_watched_keys_of_two_servers(self):
        client = self.client()
        a, b = self.key(0, "a"), self.key(1, "b")
        self.assertIn("CROSSSLOT", client.value("WATCH", a, b))
        self.assertEqual(client.value("WATCH", a), "OK")
        self.assertIn("CROSSSLOT", client.value("WATCH", b))
        # Other servers go on serving it, and count for nothing.
        self.assertEqual(client.value("SET", b, "1"), "OK")
        self.assertEqual(client.value("MGET", a, b), [None, b"1"])
        self.assertEqual(client.value("MULTI"), "OK")
        self.assertIn("CROSSSLOT", client.value("SET", b, "2"))
        self.expect(client, resp("EXEC"), ABORTED)
        self.assertEqual(client.value("GET", b), b"1")

    @needs_ringmain
    def test_what_would_change_a_shared_connection_is_refused(self):
        client, other = self.client(), self.client()
        for words in (["SELECT", "3"], ["HELLO", "3"], ["AUTH", "x"], ["CLIENT", "SETNAME", "x"],
                      ["CLIENT", "REPLY", "OFF"], ["SUBSCRIBE", "c"], ["CONFIG", "GET", "*"]):
            with self.subTest(words=words):
                self.assertEqual(client.value("MULTI"), "OK")
                self.assertRegex(client.value(*words), "ERR ringmain: .* not supported")
                self.expect(client, resp("EXEC"), ABORTED)
        self.assertEqual(other.value("SET", "a", "1"), "OK")
        self.working(client)

    def test_watched_keys_changed_by_another_client(self):
        client, other = self.client(), self.client()
        self.assertEqual(client.value("WATCH", "k"), "OK")
        self.assertEqual(other.value("SET", "k", "other"), "OK")
        self.expect(client, pipeline(["MULTI"], ["SET", "k", "mine"], ["EXEC"], ["GET", "k"]),
                    b"+OK\r\n+QUEUED\r\n*-1\r\n" + bulk("other"))

    def test_a_client_that_leaves_leaves_nothing(self):
        for requests in ([["MULTI"]], [["MULTI"], ["SET", "k", "1"]], [["WATCH", "k"]],
                         [["WATCH", "k"], ["MULTI"], ["SET", "k", "1"]]):
            for way in ("close", "reset"):
                leaving = self.client()
                leaving.send(pipeline(*requests))
                leaving.read_many(len(requests))
                getattr(leaving, way)()
        client = self.client()
        for number in range(20):
            self.assertEqual(client.value("SET", f"k{number}", "2"), "OK")
        self.assertIsNone(client.value("GET", "k"))

    def test_a_large_transaction(self):
        client = self.client()
        count = 5000
        requests = [["MULTI"], *[["RPUSH", "{t}l", f"{number}" * 50] for number in range(count)],
                    ["EXEC"], ["LLEN", "{t}l"], ["PING"]]
        sender = threading.Thread(target=client.send, args=[pipeline(*requests)])
        sender.start()
        answers = client.read_many(len(requests), timeout=30)
        sender.join()
        self.assertEqual(answers[1:count + 1], [b"+QUEUED\r\n"] * count)
        self.assertEqual(answers[count + 2:], [b":%d\r\n" % count, b"+PONG\r\n"])

    def test_large_values(self):
        client = self.client()
        values = [bytes([number]) * size for number, size in enumerate((1, 2047, 2048, 70_000))]
        self.assertEqual(client.value("MULTI"), "OK")
        for number, value in enumerate(values):
            self.assertEqual(client.value("SET", f"{{t}}{number}", value), "QUEUED")
        self.assertEqual(client.value("MGET", *[f"{{t}}{number}" for number in range(4)]), "QUEUED")
        self.assertEqual(client.value("EXEC"), ["OK"] * 4 + [values])


class Clients(RedisCase):
    def library(self):
        return redis.Redis(host="127.0.0.1", port=self.proxy.port())

    def test_a_hundred_clients_count_with_watch(self):
        """redis-py's retry loop: not one step is lost or counted twice."""
        clients, steps = 20, 10

        def count():
            connection = self.library()
            for _ in range(steps):
                connection.transaction(lambda pipe: step(pipe), "{c}n")

        def step(pipe):
            value = int(pipe.get("{c}n") or 0)
            pipe.multi()
            pipe.set("{c}n", value + 1)
            pipe.incr("{c}all")

        threads = [threading.Thread(target=count) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.client().value("MGET", "{c}n", "{c}all"),
                         [b"%d" % (clients * steps)] * 2)

    def test_pipelines_of_a_hundred_clients(self):
        def run(number):
            connection = self.library()
            for turn in range(10):
                pipe = connection.pipeline(transaction=True)
                pipe.set(f"{{p{number}}}a", turn)
                pipe.incr(f"{{p{number}}}n")
                pipe.get(f"{{p{number}}}a")
                self.results.append(pipe.execute() == [True, turn + 1, b"%d" % turn])

        self.results = []
        threads = [threading.Thread(target=run, args=[number]) for number in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.results, [True] * 1000)

    @needs_ringmain
    def test_connections_are_used_again(self):
        def received():
            return sum(int(server.connections_received()) for server in self.servers)

        connection = self.library()
        self.client().value("MGET", *[f"x{number}" for number in range(50)])
        before = received()
        for number in range(50):
            with connection.pipeline() as pipe:
                pipe.watch("{c}again")
                pipe.multi()
                pipe.set("{c}again", number)
                pipe.execute()
        # Each look at the servers is a connection to each of them.
        self.assertLessEqual(received() - before, len(self.servers) + 1)


@needs_ringmain
class Bounds(Case):
    def begin(self, **options):
        self.server = self.use(RedisServer())
        self.proxy = self.use(Ringmain({"alpha": {"servers": [self.server], **options}}))

    def test_a_limit_of_leases(self):
        self.begin(leases_max=3)
        watching = [self.client() for _ in range(3)]
        for client in watching:
            self.assertEqual(client.value("WATCH", "k"), "OK")
        late = self.client()
        self.assertRegex(late.value("WATCH", "k"), r"ERR ringmain: .* hold 3 connections .* "
                                                   r"\(leases_max\)")
        # A transaction without WATCH needs none.
        self.assertEqual(late.value("MULTI"), "OK")
        self.assertEqual(late.value("SET", "k", "1"), "QUEUED")
        self.assertEqual(late.value("EXEC"), ["OK"])
        self.assertEqual(watching[0].value("UNWATCH"), "OK")
        self.assertEqual(late.value("WATCH", "k"), "OK")

    def test_a_thousand_transactions_at_once(self):
        self.begin(leases_max=1)
        clients = [self.client() for _ in range(1000)]
        for number, client in enumerate(clients):
            client.send(pipeline(["MULTI"], ["SET", f"k{number}", "1"]))
        for client in clients:
            client.read_many(2)
        for client in clients:
            client.send(pipeline(["INCR", "n"], ["EXEC"]))
        for client in clients:
            self.assertTrue(client.read_many(2)[1].startswith(b"*2\r\n+OK\r\n:"))
        self.assertEqual(clients[0].value("GET", "n"), b"1000")

    def test_a_watch_that_is_not_used_ends(self):
        self.begin(lease_timeout="200ms")
        client = self.client()
        self.assertEqual(client.value("WATCH", "k"), "OK")
        time.sleep(0.5)
        self.assertEqual(client.value("MULTI"), "OK")
        self.assertRegex(client.value("SET", "k", "1"),
                         r"ERR ringmain: the transaction is lost: .*\(lease_timeout\)")
        self.assertRegex(client.value("EXEC"), r"EXECABORT ringmain: .*\(lease_timeout\)")
        self.assertIsNone(client.value("GET", "k"))
        self.assertEqual(client.value("WATCH", "k"), "OK")

    def test_a_server_that_dies(self):
        self.begin()
        watching, queuing = self.client(), self.client()
        self.assertEqual(watching.value("WATCH", "k"), "OK")
        for client in (watching, queuing):
            self.assertEqual(client.value("MULTI"), "OK")
            self.assertEqual(client.value("INCR", "k"), "QUEUED")
        self.server.kill()
        wait_for(lambda: "is lost" in watching.value("INCR", "k"), "the loss is known")
        self.assertRegex(watching.value("EXEC"), "EXECABORT ringmain: .*closed the connection")
        self.assertRegex(queuing.value("EXEC"), "EXECABORT ringmain: .*server s0")
        self.server.start()
        wait_for(lambda: not isinstance(queuing.value("GET", "k"), ErrorReply), "it is back")
        self.assertIsNone(watching.value("GET", "k"))
        for words, answer in ((["WATCH", "k"], "OK"), (["MULTI"], "OK"), (["INCR", "k"], "QUEUED"),
                              (["EXEC"], [1])):
            self.assertEqual(watching.value(*words), answer)

    def test_a_server_that_does_not_know_transactions(self):
        self.server = self.use(RedisServer(["--rename-command", "MULTI", "nothing"]))
        self.proxy = self.use(Ringmain({"alpha": {"servers": [self.server]}}))
        client = self.client()
        self.assertEqual(client.value("MULTI"), "OK")
        self.assertEqual(client.value("SET", "k", "1"), "QUEUED")
        self.assertRegex(client.value("EXEC"), "EXECABORT ringmain: .* refuses transactions")
        self.assertIsNone(client.value("GET", "k"))
        self.assertRegex(client.value("WATCH", "k"), "ERR ringmain: .* refuses transactions")
        self.assertEqual(client.value("SET", "k", "1"), "OK")

    def test_a_server_out_of_memory_says_so_in_exec(self):
        self.begin()
        client = self.client()
        self.server.call("CONFIG", "SET", "maxmemory", "1")
        self.assertEqual(client.value("MULTI"), "OK")
        self.assertEqual(client.value("SET", "k", "1"), "QUEUED")
        self.assertRegex(client.value("EXEC"), "EXECABORT Transaction discarded because of: OOM")
        self.server.call("CONFIG", "SET", "maxmemory", "0")
        self.assertEqual(client.value("SET", "k", "1"), "OK")

    def test_reload_in_the_middle(self):
        self.begin()
        other = self.use(RedisServer())
        watching, queuing = self.client(), self.client()
        self.assertEqual(watching.value("WATCH", "k"), "OK")
        for client in (watching, queuing):
            self.assertEqual(client.value("MULTI"), "OK")
            self.assertEqual(client.value("SET", "k", "1"), "QUEUED")
        self.proxy.pools["alpha"]["servers"] = [f"{other.address}:1 other"]
        self.proxy.config_path.write_text(self.proxy.config_text())
        self.proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: "configuration read from" in self.proxy.log_path.read_text(), "a reload")
        self.assertIn("EXECABORT ringmain", watching.value("EXEC"))
        self.assertIn("EXECABORT ringmain", queuing.value("EXEC"))
        self.assertEqual(queuing.value("MULTI"), "OK")
        self.assertEqual(queuing.value("SET", "k", "2"), "QUEUED")
        self.assertEqual(queuing.value("EXEC"), ["OK"])
        self.assertEqual(other.call("GET", "k"), b"2")
        self.assertIsNone(self.server.call("GET", "k"))


if __name__ == "__main__":
    main()
