"""SELECT: each client in a database of its own choice."""
import threading

import redis

from harness import (Case, RedisCase, RedisServer, Ringmain, main, needs_ringmain, wait_for)
from wire import bulk, pipeline, resp


class Databases(RedisCase):
    def test_as_redis(self):
        self.expect_both_ways(["SET", "a", "zero"], ["SELECT", "3"], ["GET", "a"], ["SET", "a", "three"],
                  ["SELECT", "0"], ["GET", "a"], ["SELECT", "3"], ["GET", "a"], ["SELECT", "15"],
                  ["GET", "a"], ["SELECT", "3"], ["DEL", "a"])

    def test_databases_that_are_not_there(self):
        self.expect_both_ways(["SELECT", "2"], ["SET", "a", "2"], ["SELECT", "16"], ["GET", "a"],
                  ["SELECT", "-1"], ["SELECT", "x"], ["SELECT", "99999999999"], ["SELECT"],
                  ["SELECT", "2147483647"], ["GET", "a"], ["SELECT", "0"], ["GET", "a"])

    def test_every_database(self):
        client = self.client()
        for number in range(16):
            self.assertEqual(client.value("SELECT", number), "OK")
            self.assertEqual(client.value("SET", "here", number), "OK")
        for number in reversed(range(16)):
            self.expect(client, pipeline(["SELECT", str(number)], ["GET", "here"]),
                        b"+OK\r\n" + bulk(str(number)))

    def test_split_commands(self):
        keys = [f"s{number}" for number in range(40)]
        self.expect_both_ways(["SELECT", "5"], ["MSET", *[word for key in keys for word in (key, key)]],
                  ["MGET", *keys, "none"], ["EXISTS", *keys], ["SELECT", "0"], ["MGET", *keys],
                  ["SELECT", "5"], ["DEL", *keys])

    def test_transactions_and_waits(self):
        self.expect_both_ways(["SELECT", "4"], ["WATCH", "{t}a"], ["SET", "{t}a", "1"], ["MULTI"],
                  ["GET", "{t}a"], ["EXEC"], ["MULTI"], ["INCR", "{t}a"], ["EXEC"],
                  ["RPUSH", "{t}l", "x"], ["BLPOP", "{t}l", "0"], ["BLPOP", "{t}l", "0.1"],
                  ["SELECT", "0"], ["GET", "{t}a"], ["BLPOP", "{t}l", "0.1"], ["WATCH", "{t}a"],
                  ["MULTI"], ["GET", "{t}a"], ["EXEC"])

    def test_resp3(self):
        client, reference = self.client(), self.reference_client()
        for one in (client, reference):
            one.call("HELLO", "3")
        requests = [["SELECT", "6"], ["HSET", "h", "f", "v"], ["HGETALL", "h"], ["GET", "none"],
                    ["SELECT", "0"], ["HGETALL", "h"], ["SELECT", "77"], ["GET", "h"]]
        self.expect_as_redis(client, reference, pipeline(*requests), len(requests))

    @needs_ringmain
    def test_what_clients_are_told(self):
        client = self.client()
        self.assertEqual(client.value("SELECT", "7"), "OK")
        self.assertIn(b" db=7 ", client.value("CLIENT", "INFO"))
        self.assertEqual(client.value("RESET"), "RESET")
        self.assertIn(b" db=0 ", client.value("CLIENT", "INFO"))
        for words in (["MOVE", "a", "1"], ["SWAPDB", "0", "1"]):
            self.expect_error(client, resp(*words), "ERR ringmain: ", "two databases")
        self.assertEqual(client.value("WATCH", "a"), "OK")
        self.expect_error(client, resp("SELECT", "3"), "while keys are watched")
        self.assertEqual(client.value("UNWATCH"), "OK")
        self.assertEqual(client.value("SELECT", "3"), "OK")

    def test_clients_of_all_databases_at_once(self):
        """Nobody ever sees a value of another database."""
        wrong = []

        def run(number):
            database = str(number % 8)
            with self.proxy.client() as client:
                if client.value("SELECT", database) != "OK":
                    wrong.append("SELECT")
                for turn in range(200):
                    key = f"shared{turn % 10}"
                    sent = pipeline(["SET", key, database], ["GET", key], ["MGET", key, "x" + key])
                    wanted = b"+OK\r\n" + bulk(database) + b"*2\r\n" + bulk(database) + b"$-1\r\n"
                    client.send(sent)
                    got = client.read_exactly(len(wanted), timeout=20)
                    if got != wanted:
                        wrong.append(got)

        threads = [threading.Thread(target=run, args=[number]) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_a_real_client(self):
        for database in (0, 3):
            client = redis.Redis(host="127.0.0.1", port=self.proxy.port(), db=database)
            self.assertTrue(client.set("k", database))
        self.assertEqual(self.client().value("GET", "k"), b"0")


@needs_ringmain
class Bounds(Case):
    def begin(self, **options):
        self.server = self.use(RedisServer())
        self.proxy = self.use(Ringmain({"alpha": {"servers": [self.server], **options}}))

    def test_a_limit_of_databases(self):
        self.begin(databases_max=2)
        one, two, three = self.client(), self.client(), self.client()
        self.assertEqual(one.value("SELECT", "1"), "OK")
        self.assertEqual(two.value("SELECT", "2"), "OK")
        self.expect_error(three, resp("SELECT", "3"), "2 databases", "(databases_max)")
        self.assertEqual(three.value("SELECT", "2"), "OK")
        self.assertEqual(one.value("SET", "k", "in one"), "OK")
        self.assertEqual(one.value("SELECT", "0"), "OK")
        self.assertEqual(three.value("SELECT", "3"), "OK")
        self.assertIsNone(three.value("GET", "k"))
        self.expect_error(one, resp("SELECT", "1"), "(databases_max)")
        two.close()
        wait_for(lambda: one.value("SELECT", "1") == "OK", "there is room again")
        self.assertEqual(one.value("GET", "k"), b"in one")

    def test_none_but_the_pools(self):
        self.begin(databases_max=0, redis_db=2)
        client = self.client()
        self.assertEqual(client.value("SELECT", "2"), "OK")
        self.expect_error(client, resp("SELECT", "0"), "(databases_max)")

    def test_the_pools_database_is_where_clients_begin(self):
        self.begin(redis_db=3)
        client = self.client()
        self.assertEqual(client.value("SET", "k", "three"), "OK")
        self.assertEqual(client.value("SELECT", "0"), "OK")
        self.assertIsNone(client.value("GET", "k"))
        self.assertEqual(client.value("SELECT", "3"), "OK")
        self.assertEqual(client.value("GET", "k"), b"three")
        self.assertIn(b" db=3 ", client.value("CLIENT", "INFO"))

    def test_a_server_that_comes_back(self):
        self.begin()
        client = self.client()
        self.assertEqual(client.value("SELECT", "4"), "OK")
        self.assertEqual(client.value("SET", "k", "four"), "OK")
        self.server.kill()
        wait_for(lambda: "ringmain" in str(client.value("GET", "k")), "it is gone")
        self.expect_error(client, resp("SELECT", "5"), "ERR ringmain: server s0")
        self.server.start()
        wait_for(lambda: client.value("SET", "k", "again") == "OK", "it is back")
        self.assertEqual(client.value("GET", "k"), b"again")
        self.assertIn(b" db=4 ", client.value("CLIENT", "INFO"))
        self.assertIsNone(self.client().value("GET", "k"))


if __name__ == "__main__":
    main()
