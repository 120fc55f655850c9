"""Servers whose ACLs know ringmain by users that differ per server."""
import signal
import time

from harness import Case, RedisServer, Ringmain, key_on, main, needs_ringmain, place, wait_for
from wire import ErrorReply, resp

COMMON = ["--user", "default", "off",
          "--user", "ringmain", "on", ">common secret", "~*", "&*", "+@all"]
OWN = ["--user", "default", "off",
       "--user", "two", "on", ">second secret", "~*", "&*", "+@all"]
# Neither PING nor HELLO, which is always allowed; and one channel only.
NARROW = ["--user", "default", "on", ">third secret", "~*", "resetchannels", "&news", "+@all",
          "-ping", "-set"]
SECRETS = ("common secret", "second secret", "third secret")


@needs_ringmain
class Credentials(Case):
    def setUp(self):
        self.servers = [self.use(RedisServer(options)) for options in (COMMON, OWN, NARROW)]

    def lines(self, **second):
        address = [server.address for server in self.servers]
        return [f"{address[0]}:1 s0",
                {"address": address[1], "name": "s1", "user": "two", "password": SECRETS[1],
                 **second},
                {"address": address[2], "name": "s2", "user": "default", "password": SECRETS[2]}]

    def behind(self, **options):
        options = {"redis_auth": SECRETS[0], "redis_user": "ringmain", "servers": self.lines(),
                   **options}
        self.proxy = self.use(Ringmain({"alpha": options}))
        return self.proxy

    def client(self, version=2):
        client = super().client()
        client.call("HELLO", version, "AUTH", "default", SECRETS[0])
        return client

    def keys(self):
        return [key_on(server, 3) for server in range(3)]

    def admin(self, server, *command):
        """Says it to the server as the user that may."""
        user, password = {0: ("ringmain", SECRETS[0]), 1: ("two", SECRETS[1]),
                          2: ("default", SECRETS[2])}[server]
        with self.servers[server].client() as client:
            client.call("AUTH", user, password)
            return client.value(*command)

    def who(self, server):
        text = self.admin(server, "CLIENT", "LIST").decode()
        fields = [dict(pair.split("=", 1) for pair in line.split()) for line in text.splitlines()]
        return {field["user"] for field in fields}

    def shown_nowhere(self):
        for secret in SECRETS:
            self.assertNotIn(secret, self.proxy.log(100_000))

    def test_every_kind_of_connection(self):
        self.behind(auto_eject_hosts=True, health_check_interval="50ms")
        keys = self.keys()
        for version in (2, 3):
            client = self.client(version)
            self.same(client.call("SET", keys[0], "0"), b"+OK\r\n")
            self.same(client.call("SET", keys[1], "1"), b"+OK\r\n")
            refused = client.value("SET", keys[2], "2")
            self.assertIsInstance(refused, ErrorReply)
            self.assertIn("NOPERM", refused)
            self.assertEqual(client.value("MGET", *keys), [b"0", b"1", None])
            self.assertEqual(client.value("SELECT", 3), "OK")
            self.assertEqual(client.value("MGET", *keys), [None, None, None])
            self.assertEqual(client.value("WATCH", keys[1]), "OK")
            self.assertEqual(client.value("MULTI"), "OK")
            self.assertEqual(client.value("GET", keys[1]), "QUEUED")
            self.assertEqual(client.value("EXEC"), [None])
            self.assertEqual(client.value("LPUSH", "{" + keys[1] + "}list", "a"), 1)
            self.assertEqual(client.value("BLPOP", "{" + keys[1] + "}list", 1),
                             [("{" + keys[1] + "}list").encode(), b"a"])
        self.assertEqual(self.who(0), {"ringmain"})
        self.assertEqual(self.who(1), {"two"})
        self.assertEqual(self.who(2), {"default"})
        time.sleep(0.3)  # some checks, that of the server that refuses PING among them
        self.assertEqual(self.client().value("MGET", *keys), [b"0", b"1", None])
        self.shown_nowhere()

    def test_subscriptions(self):
        self.behind()
        listener, speaker = self.client(), self.client()
        listener.send(resp("PSUBSCRIBE", "n*"))
        reply = listener.read()  # a pattern is subscribed everywhere, and one server forbids it
        self.assertIn(b"NOPERM", reply)
        channels = [next(f"{name}{i}" for i in range(100) if place(f"{name}{i}", 3) == server)
                    for server, name in ((0, "a"), (1, "b"))]
        for channel in channels:
            listener.send(resp("SUBSCRIBE", channel))
            self.assertIn(b"subscribe", listener.read())
            self.assertEqual(speaker.value("PUBLISH", channel, "hello"), 1)
            self.assertIn(b"hello", listener.read())
        forbidden = next(f"c{i}" for i in range(100) if place(f"c{i}", 3) == 2)
        other = self.client()
        self.assertIn(b"NOPERM", other.call("SUBSCRIBE", forbidden))
        self.assertEqual(other.value("GET", self.keys()[0]), None)

    def test_a_password_that_is_wrong(self):
        self.behind(servers=self.lines(password="wrong secret"))
        keys = self.keys()
        client = self.client()
        for _ in range(3):
            reply = client.value("GET", keys[1])
            self.assertIsInstance(reply, ErrorReply)
            for part in ("server s1", "user 'two'", "password of the server", "WRONGPASS"):
                self.assertIn(part, reply)
            self.assertEqual(client.value("GET", keys[0]), None)
        wait_for(lambda: "user 'two'" in self.proxy.log(), "the log names the user")
        self.assertNotIn("wrong secret", self.proxy.log(100_000))
        self.shown_nowhere()

    def test_a_password_that_changes(self):
        self.behind()
        keys = self.keys()
        client = self.client()
        self.assertEqual(client.value("SET", keys[1], "1"), "OK")
        self.admin(1, "ACL", "SETUSER", "two", "resetpass", ">new secret")
        self.proxy.pools["alpha"]["servers"] = self.lines(password="new secret")
        self.proxy.config_path.write_text(self.proxy.config_text())
        self.proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: "user or password of servers" in self.proxy.log(), "the reload")
        wait_for(lambda: client.value("GET", keys[1]) == b"1", "the new password is used")
        self.assertNotIn("new secret", self.proxy.log(100_000))


if __name__ == "__main__":
    main()
