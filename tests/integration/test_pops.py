"""Pops whose keys live on several servers: LMPOP, ZMPOP and those that wait."""
import random
import threading
import time

from harness import (RedisCase, RedisServer, Ringmain, main, needs_ringmain, needs_several_servers,
                     wait_for)
from wire import bulk, pipeline, resp

LISTS = (["LMPOP", "#", "LEFT"], ["LMPOP", "#", "RIGHT", "COUNT", "2"], ["BLPOP", "0.05"],
         ["BRPOP", "0.05"], ["BLMPOP", "0.05", "#", "LEFT", "COUNT", "3"],
         ["blmpop", "0.05", "#", "right"])
SETS = (["ZMPOP", "#", "MIN"], ["ZMPOP", "#", "MAX", "COUNT", "2"], ["BZPOPMIN", "0.05"],
        ["BZPOPMAX", "0.05"], ["BZMPOP", "0.05", "#", "MIN", "COUNT", "3"], ["bzmpop", "0.05", "#", "max"])


def words_of(pop, keys):
    """Where a # stands their number and they themselves, else in front of the time."""
    if "#" not in pop:
        return [pop[0], *keys, *pop[1:]]
    at = pop.index("#")
    return [*pop[:at], len(keys), *keys, *pop[at + 1:]]


@needs_several_servers
class Pops(RedisCase):
    def keys(self, prefix, count=5):
        """They go round the servers, and two neighbours live on one."""
        return [self.key(number - number // 3, f"{prefix}{number}") for number in range(count)]

    def fill(self, one, kind, keys, chance):
        for number, key in enumerate(keys):
            size = chance.choice([0, 0, 1, 3])
            for element in range(size):
                if kind == "list":
                    one.call("RPUSH", key, f"{number}.{element}")
                else:
                    one.call("ZADD", key, element - 1.5, f"{number}.{element}")

    def test_the_answers_of_one_redis(self):
        for version in ("2", "3"):
            client, reference = self.client(), self.reference_client()
            for one in (client, reference):
                one.call("HELLO", version)
            for kind, pops in (("list", LISTS), ("zset", SETS)):
                for seed in range(25):
                    keys = self.keys(f"{kind}{version}{seed}", 2 + seed % 5)
                    for one in (client, reference):
                        self.fill(one, kind, keys, random.Random(seed))
                    chance = random.Random(seed)
                    for _ in range(4):
                        order = chance.sample(keys, len(keys))
                        words = words_of(chance.choice(pops), order)
                        self.expect_as_redis(client, reference, resp(*words))
                    for key in keys:
                        read = ["LRANGE", key, 0, -1] if kind == "list" else ["ZRANGE", key, 0, -1]
                        self.expect_as_redis(client, reference, resp(*read))
            self.working(client)

    def test_wrong_types_in_the_order_of_the_keys(self):
        client, reference = self.client(), self.reference_client()
        a, b, c = (self.key(number, "w") for number in range(3))
        for one in (client, reference):
            one.call("RPUSH", a, *range(20))
            one.call("SET", b, "no list")
            one.call("ZADD", c, *[word for number in range(20) for word in (number, number)])
        for pop in LISTS + SETS:
            for order in ([a, b, c], [b, a, c], [c, b, a], ["nothing", a, b], ["nothing", c, b]):
                self.expect_as_redis(client, reference, resp(*words_of(pop, order)))

    def test_mistakes(self):
        client, reference = self.client(), self.reference_client()
        a, b = self.key(0), self.key(1)
        for words in (["LMPOP", 2, a, b], ["LMPOP", 2, a, b, "MIN"], ["ZMPOP", 2, a, b, "LEFT"],
                      ["LMPOP", 2, a, b, "LEFT", "COUNT"], ["LMPOP", 2, a, b, "LEFT", "COUNT", 0],
                      ["LMPOP", 2, a, b, "LEFT", "COUNT", "x"], ["LMPOP", 3, a, b, "LEFT"],
                      ["LMPOP", 0, a, b, "LEFT"], ["LMPOP", "x", a, b, "LEFT"], ["LMPOP", 2, a],
                      ["ZMPOP", 2, a, b, "MIN", "COUNT", 1, "COUNT", 2], ["LMPOP", 2, a, b, "LEFT\0x"],
                      ["BLMPOP", "x", 2, a, b, "LEFT"], ["BLMPOP", "x", 2, a, b],
                      ["BLMPOP", -1, 2, a, b, "LEFT"], ["BZMPOP", "nan", 2, a, b, "MIN"],
                      ["BZPOPMIN", a, b, -1], ["BZPOPMAX", a, b, ""], ["BLPOP", a, b, "1e18"],
                      ["BLPOP", a, b, " 1"], ["BLPOP", a, b, "inf"], ["BRPOP", a, b, "+0.01"]):
            with self.subTest(words=words):
                self.expect_as_redis(client, reference, resp(*words))

    def test_what_is_brought_while_it_waits(self):
        for version in ("2", "3"):
            client, reference = self.client(), self.reference_client()
            other, other_reference = self.client(), self.reference_client()
            for one in (client, reference):
                one.call("HELLO", version)
            for pop in (["BLPOP", "0"], ["BRPOP", "9"], ["BLMPOP", "0", "#", "LEFT", "COUNT", "2"],
                        ["BZPOPMIN", "0"], ["BZPOPMAX", "9"], ["BZMPOP", "9", "#", "MAX"]):
                for number in range(3):
                    keys = self.keys(f"brought{pop[0]}", 4)
                    words = words_of(pop, keys)
                    started = time.monotonic()
                    for one in (client, reference):
                        one.send(resp(*words) + resp("PING"))
                    time.sleep(0.15)
                    brings = (["ZADD", keys[number], "1.5", "x", "2", "y"] if "Z" in pop[0]
                              else ["RPUSH", keys[number], "x", "y"])
                    self.expect_as_redis(other, other_reference, resp(*brings))
                    for _ in range(2):
                        self.same(client.read(timeout=5), reference.read(timeout=5), words)
                    self.assertLess(time.monotonic() - started, 3)
                    self.expect_as_redis(other, other_reference, resp("DEL", *keys))

    def test_a_pipeline_is_answered_in_its_order(self):
        client, reference = self.client(), self.reference_client()
        keys = self.keys("line", 3)
        requests = []
        for number in range(200):
            requests += [["RPUSH", keys[number % 3], number, number + 1000],
                         ["LMPOP", 3, *keys, "LEFT"], ["LLEN", keys[number * 7 % 3]],
                         ["ZADD", keys[0] + "z", number, number],
                         ["ZMPOP", 2, keys[1] + "z", keys[0] + "z", "MIN"]]
        self.expect_as_redis(client, reference, pipeline(*requests), len(requests))

    def test_large_answers(self):
        """A response that passes as it comes, and one that is put together."""
        client, reference = self.client(), self.reference_client()
        keys = self.keys("large", 3)
        for one in (client, reference):
            for _ in range(8):
                one.call("RPUSH", keys[2], *[b"v" * 300_000 for _ in range(10)])
        for words in (["LMPOP", 3, *keys, "LEFT", "COUNT", 50],
                      ["BLMPOP", 1, 3, *keys, "LEFT", "COUNT", 20], ["LMPOP", 3, *keys, "LEFT"]):
            self.expect_as_redis(client, reference, resp(*words) + resp("LLEN", keys[2]), 2)

    def test_in_a_transaction_they_are_refused(self):
        client = self.client()
        a, b = self.key(0), self.key(1)
        for words in (["LMPOP", 2, a, b, "LEFT"], ["BLPOP", a, b, 0], ["BZMPOP", 0, 2, a, b, "MIN"]):
            self.assertEqual(client.value("MULTI"), "OK")
            self.expect_error(client, resp(*words), "-CROSSSLOT ringmain", "hash tag")
            self.expect_error(client, resp("EXEC"), "-EXECABORT")

    def test_no_element_is_lost_or_doubled(self):
        """Of lists and sorted sets, by all kinds of pops at once."""
        lists, sets = self.keys("ql", 4), self.keys("qz", 4)
        got, lock = {"list": [], "set": []}, threading.Lock()
        ends = threading.Event()

        def consume(number):
            chance = random.Random(number)
            with self.proxy.client() as client:
                while True:
                    kind = chance.choice(["list", "set"])
                    pop = chance.choice(LISTS if kind == "list" else SETS)
                    keys = lists if kind == "list" else sets
                    was_over = ends.is_set()
                    words = words_of(pop, chance.sample(keys, len(keys)))
                    answer = client.value(*words, timeout=10)
                    if answer is None:
                        if was_over and all(client.value("EXISTS", key) == 0 for key in lists + sets):
                            return
                        continue
                    if "MPOP" not in words[0].upper():
                        found = [answer[1]]
                    elif kind == "list":
                        found = answer[1]
                    else:
                        found = [member for member, _ in answer[1]]
                    with lock:
                        got[kind] += map(int, found)

        threads = [threading.Thread(target=consume, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        with self.proxy.client() as client:
            for number in range(600):
                client.value("RPUSH", lists[number % 4], number)
                client.value("ZADD", sets[number * 7 % 4], number, number)
        ends.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(sorted(got["list"]), list(range(600)))
        self.assertEqual(sorted(got["set"]), list(range(600)))

    def test_a_client_that_leaves_takes_nothing(self):
        for pop in (["BZPOPMIN", "0"], ["BLMPOP", "0", "#", "LEFT"]):
            keys = self.keys(f"left{pop[0]}", 4)
            client = self.client()
            client.send(resp(*words_of(pop, keys)))
            wait_for(lambda: any(server.info("clients", "blocked_clients") != "0"
                                 for server in self.servers), "it waits")
            client.close()
            time.sleep(0.3)
            other = self.client()
            for number, key in enumerate(keys):
                brings = ["ZADD", key, 1, "m"] if "Z" in pop[0] else ["RPUSH", key, "m"]
                self.assertEqual(other.value(*brings), 1)
            time.sleep(0.3)
            self.assertEqual(other.value("EXISTS", *keys), len(keys))


@needs_ringmain
class Users(RedisCase):
    pool_options = {"redis_auth": "all", "users": [
        {"name": "app", "password": "secret", "keys": ["app:"], "commands": ["-lpop"]}]}
    server_options = ("--requirepass", "all")

    def setUp(self):
        for server in self.servers:
            with server.client() as client:
                client.call("AUTH", "all")
                client.call("FLUSHALL")

    def test_beginnings_of_keys_and_commands(self):
        client = self.client()
        self.assertEqual(client.value("AUTH", "app", "secret"), "OK")
        keys = [self.key(number, "app:") for number in range(3)]
        foreign = self.key(1, "other:")
        for pop in LISTS + SETS:
            self.expect_error(client, resp(*words_of(pop, [keys[0], foreign])), "-NOPERM")
        self.expect_error(client, resp("LPOP", keys[0]), "-NOPERM")
        self.assertEqual(client.value("RPUSH", keys[2], "x", "y"), 2)
        # BLPOP is allowed: that LPOP is what the server is asked first is nothing to the user.
        self.expect(client, resp("BLPOP", *keys, "1"), b"*2\r\n" + bulk(keys[2]) + bulk("x"))
        self.expect(client, resp("LMPOP", 3, *keys, "LEFT"),
                    b"*2\r\n" + bulk(keys[2]) + b"*1\r\n" + bulk("y"))


@needs_ringmain
class Failures(RedisCase):
    def begin(self, **options):
        servers = [self.use(RedisServer()) for _ in range(3)]
        proxy = self.use(Ringmain({"alpha": {"servers": servers, "timeout": "300ms", **options}}))
        client = self.client_of(proxy)
        return servers, proxy, client

    def test_a_server_that_is_down(self):
        servers, _, client = self.begin()
        keys = [self.key(number, "d") for number in range(3)]
        self.assertEqual(client.value("RPUSH", keys[0], "a", "b"), 2)
        self.assertEqual(client.value("RPUSH", keys[2], "c"), 1)
        servers[1].kill()
        # What stands in front of it in the order is found, what stands behind it is not looked at.
        self.expect(client, resp("LMPOP", 3, *keys, "LEFT"),
                    b"*2\r\n" + bulk(keys[0]) + b"*1\r\n" + bulk("a"))
        for words in (["LMPOP", 2, keys[1], keys[2], "LEFT"], ["BLPOP", keys[1], keys[2], "1"],
                      ["BLMPOP", 1, 2, keys[1], keys[2], "LEFT"]):
            self.expect_error(client, resp(*words), "-ERR ringmain: server s1")
        self.assertEqual(client.value("LLEN", keys[2]), 1)
        servers[1].start()
        wait_for(lambda: client.call("PING") and client.call("GET", keys[1]) == b"$-1\r\n", "it is up")
        self.expect(client, resp("BLPOP", keys[1], keys[2], "1"), b"*2\r\n" + bulk(keys[2]) + bulk("c"))

    def test_a_server_dies_while_it_waits(self):
        servers, _, client = self.begin()
        keys = [self.key(number, "d") for number in range(3)]
        client.send(resp("BZPOPMIN", *keys, "0"))
        time.sleep(0.3)
        servers[1].kill()
        answer = client.read(timeout=5)
        self.assertRegex(answer.decode(), "^-ERR ringmain: server s1")
        self.working(client)

    def test_an_ejected_server(self):
        servers, proxy, client = self.begin(auto_eject_hosts=True, server_failure_limit=1,
                                            server_retry_timeout="30s")
        keys = [self.key(number, "d") for number in range(3)]
        servers[1].kill()
        client.call("GET", keys[1])
        wait_for(lambda: client.call("GET", keys[1]) == b"$-1\r\n", "it is ejected")
        self.assertEqual(client.value("RPUSH", keys[1], "x", "y", "z"), 3)  # elsewhere
        self.expect(client, resp("LMPOP", 3, *keys, "LEFT"),
                    b"*2\r\n" + bulk(keys[1]) + b"*1\r\n" + bulk("x"))
        self.expect(client, resp("BLPOP", *keys, "1"), b"*2\r\n" + bulk(keys[1]) + bulk("y"))
        self.expect(client, resp("BLMPOP", 1, 3, *keys, "LEFT"),
                    b"*2\r\n" + bulk(keys[1]) + b"*1\r\n" + bulk("z"))


if __name__ == "__main__":
    main()
