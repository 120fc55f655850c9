"""Users of a pool before real servers: who gets in, what each may do, as a client library sees it."""
import hashlib

import redis

from harness import RedisCase, main
from wire import resp

USERS = [
    {"name": "app", "password": "a secret", "commands": ["-@dangerous", "+keys"]},
    {"name": "reports", "password_sha256": hashlib.sha256(b"r").hexdigest(),
     "access": "read-only", "keys": ["shop:"]},
]


class Users(RedisCase):
    pool_options = {"users": USERS}

    def setUp(self):
        for server in self.servers:
            server.flush()

    def as_user(self, name, password, **options):
        client = redis.Redis(port=self.proxy.port(), username=name, password=password,
                             decode_responses=True, **options)
        self.addCleanup(client.close)
        return client

    def test_who_does_not_know_a_password_gets_nothing(self):
        client = self.client()
        self.expect_error(client, resp("GET", "shop:1"), "NOAUTH Authentication required.")
        for name, password in (("app", "wrong"), ("nobody", "a secret"), ("default", "")):
            with self.assertRaises(redis.exceptions.ResponseError):
                self.as_user(name, password).ping()
        self.assertTrue(self.as_user("app", "a secret").ping())

    def test_rules_hold_for_each_user_on_the_same_servers(self):
        app, reports = self.as_user("app", "a secret"), self.as_user("reports", "r")
        for i in range(20):
            self.assertTrue(app.set(f"shop:{i}", i))
            self.assertTrue(app.set(f"private:{i}", i))
        self.assertEqual(reports.mget([f"shop:{i}" for i in range(20)]),
                         [str(i) for i in range(20)])
        self.assertEqual(len(app.keys("*")), 40)
        for forbidden in (lambda: reports.get("private:1"), lambda: reports.set("shop:1", "x"),
                          lambda: reports.mget("shop:1", "private:1"), lambda: reports.keys("*"),
                          lambda: reports.eval("return redis.call('get','private:1')", 0),
                          app.flushall, reports.flushall):
            with self.assertRaises(redis.exceptions.NoPermissionError):
                forbidden()
        self.assertEqual(app.get("shop:1"), "1")

    def test_no_server_hears_of_what_is_forbidden(self):
        reports = self.as_user("reports", "r")
        reports.get("shop:1")
        before = [server.info("stats", "total_commands_processed") for server in self.servers]
        for _ in range(50):
            with self.assertRaises(redis.exceptions.NoPermissionError):
                reports.set("shop:1", "x")
        after = [server.info("stats", "total_commands_processed") for server in self.servers]
        for old, new in zip(before, after):
            self.assertLess(int(new) - int(old), 20)

    def test_passwords_are_in_neither_log_nor_configuration(self):
        with self.assertRaises(redis.exceptions.ResponseError):
            self.as_user("app", "a wrong secret").ping()
        self.assertNotIn("secret", self.proxy.log())


if __name__ == "__main__":
    main()
