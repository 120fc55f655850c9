"""Commands that wait on their server: on a connection of their client's own, and nobody else's
time."""
import signal
import threading
import time

import redis

from harness import (Case, RedisCase, RedisServer, Ringmain, key_on, main, needs_ringmain,
                     needs_several_servers, wait_for)
from wire import bulk, pipeline, resp


# Command and what another client does while it waits.
WAITS = [
    (["BLPOP", "{t}l", "5"], ["RPUSH", "{t}l", "x"]),
    (["BLPOP", "{t}k", "{t}l", "0"], ["RPUSH", "{t}l", "x", "y"]),
    (["BRPOP", "{t}l", "5.5"], ["RPUSH", "{t}l", "x", "y"]),
    (["BLMOVE", "{t}l", "{t}m", "LEFT", "RIGHT", "5"], ["RPUSH", "{t}l", "x"]),
    (["BRPOPLPUSH", "{t}l", "{t}m", "5"], ["RPUSH", "{t}l", "x"]),
    (["BLMPOP", "5", "2", "{t}k", "{t}l", "LEFT", "COUNT", "2"], ["RPUSH", "{t}l", "x", "y"]),
    (["BZPOPMIN", "{t}z", "5"], ["ZADD", "{t}z", "1.5", "m"]),
    (["BZPOPMAX", "{t}z", "0"], ["ZADD", "{t}z", "1.5", "m"]),
    (["BZMPOP", "5", "1", "{t}z", "MIN"], ["ZADD", "{t}z", "1.5", "m"]),
    (["XREAD", "COUNT", "1", "BLOCK", "5000", "STREAMS", "{t}s", "$"],
     ["XADD", "{t}s", "7-7", "f", "v"]),
    (["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "{t}g", ">"],
     ["XADD", "{t}g", "7-7", "f", "v"]),
]


class Waiting(RedisCase):
    pool_options = {"timeout": "300ms"}

    def waiting(self):
        return sum(int(server.info("clients", "blocked_clients")) for server in self.servers)

    def begin(self, client, *words):
        before = self.waiting()
        client.send(resp(*words))
        wait_for(lambda: self.waiting() == before + 1, "the server lets it wait")

    def test_what_another_client_brings(self):
        for resp3 in (False, True):
            client, reference = self.client(), self.reference_client()
            other, other_reference = self.client(), self.reference_client()
            for one in (client, reference):
                if resp3:
                    one.call("HELLO", "3")
                one.call("XGROUP", "CREATE", "{t}g", "g", "$", "MKSTREAM")
            for words, brings in WAITS:
                with self.subTest(words=words, resp3=resp3):
                    reference.send(resp(*words))
                    wait_for(lambda: int(self.reference.info("clients", "blocked_clients")) == 1,
                             "the reference waits")
                    self.begin(client, *words)
                    time.sleep(0.4)  # longer than a request may take
                    self.expect_as_redis(other, other_reference, resp(*brings))
                    self.same(client.read(), reference.read(), words)
                    for one in (other, other_reference):
                        one.call("DEL", "{t}l", "{t}m", "{t}z", "{t}s")
                    self.working(client)
            for one in (other, other_reference):
                one.call("DEL", "{t}g")

    def test_what_is_there_already(self):
        client, reference = self.client(), self.reference_client()
        for one in (client, reference):
            one.call("RPUSH", "{t}l", *"abcdefgh")
            one.call("ZADD", "{t}z", *[word for number in range(9) for word in (number, number)])
        for words, _ in WAITS[:9]:
            self.expect_as_redis(client, reference, resp(*words))

    def test_the_time_is_up(self):
        client, reference = self.client(), self.reference_client()
        for words in (["BLPOP", "{t}l", "0.4"], ["BLMOVE", "{t}l", "{t}m", "LEFT", "LEFT", "0.4"],
                      ["BZMPOP", "0.4", "1", "{t}z", "MAX"],
                      ["XREAD", "BLOCK", "400", "STREAMS", "{t}s", "$"]):
            started = time.monotonic()
            self.expect_as_redis(client, reference, resp(*words))
            self.assertGreater(time.monotonic() - started, 0.7)
            self.working(client)

    def test_what_redis_refuses(self):
        client, reference = self.client(), self.reference_client()
        reference.call("SET", "{t}s", "x")
        client.call("SET", "{t}s", "x")
        for words in (["BLPOP", "l", "-1"], ["BLPOP", "l", "x"], ["BLPOP", "{t}s", "0"], ["BLPOP"],
                      ["BLMPOP", "0", "0", "a", "LEFT"], ["BLMPOP", "0", "x", "a", "LEFT"],
                      ["BLMPOP", "0", "5", "a", "LEFT"], ["BLMOVE", "a", "a", "UP", "LEFT", "0"],
                      ["XREAD", "BLOCK", "x", "STREAMS", "a", "$"], ["XREAD", "BLOCK"],
                      ["XREAD", "BLOCK", "-1", "STREAMS", "a", "$"],
                      ["XREAD", "BLOCK", "0", "STREAMS", "a", "b", "$"],
                      ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "none", ">"]):
            with self.subTest(words=words):
                self.expect_as_redis(client, reference, resp(*words))

    def test_requests_around_it_keep_their_order(self):
        client, other = self.client(), self.client()
        client.send(pipeline(["RPUSH", "{t}l", "a"], ["BLPOP", "{t}l", "0"], ["GET", "{t}x"],
                             ["BLPOP", "{t}l", "0"], ["PING"], ["GET", "{t}x"]))
        wait_for(lambda: self.waiting() == 1, "it waits")
        self.assertEqual(other.value("SET", "{t}x", "new"), "OK")
        self.assertEqual(other.value("RPUSH", "{t}l", "b"), 1)
        wanted = (b":1\r\n*2\r\n" + bulk("{t}l") + bulk("a") + b"$-1\r\n*2\r\n" + bulk("{t}l") +
                  bulk("b") + b"+PONG\r\n" + bulk("new"))
        self.same(client.read_exactly(len(wanted)), wanted)

    def test_nobody_else_waits(self):
        waiting = [self.client() for _ in range(30)]
        for client in waiting:
            client.send(resp("BLPOP", "{t}l", "0"))
        wait_for(lambda: self.waiting() == 30, "they wait")
        other = self.client()
        started = time.monotonic()
        for number in range(200):
            self.assertEqual(other.value("INCR", "{t}n"), number + 1)
        self.assertLess(time.monotonic() - started, 5)
        self.assertEqual(other.value("RPUSH", "{t}l", *range(30)), 30)
        self.assertEqual(sorted(int(client.read().split(b"\r\n")[4]) for client in waiting),
                         list(range(30)))

    def test_a_client_that_leaves_takes_nothing(self):
        for way in ("close", "reset", "half_close"):
            with self.subTest(way=way):
                client, other = self.client(), self.client()
                self.begin(client, "BLPOP", "{t}l", "0")
                getattr(client, way)()
                wait_for(lambda: self.waiting() == 0, "the server knows")
                self.assertEqual(other.value("RPUSH", "{t}l", "x"), 1)
                self.assertEqual(other.value("LPOP", "{t}l"), b"x")

    def test_a_client_that_has_sent_much_behind_it_leaves(self):
        """So much that it is not read any more while it waits."""
        much = resp("SET", "{t}y", b"v" * 1000) * 120
        for way in ("close", "reset", "half_close"):
            with self.subTest(way=way):
                client, other = self.client(), self.client()
                self.begin(client, "BLPOP", "{t}l", "0")
                client.send(much)
                time.sleep(0.2)
                getattr(client, way)()
                wait_for(lambda: self.waiting() == 0, "the server knows", timeout=4)
                self.assertEqual(other.value("RPUSH", "{t}l", "x"), 1)
                self.assertEqual(other.value("LPOP", "{t}l"), b"x")
                client = self.client()
                client.send(resp("WAIT", "1", "0"))
                wait_for(lambda: self.waiting() == len(self.servers), "all of them let it wait")
                client.send(much)
                time.sleep(0.2)
                getattr(client, way)()
                wait_for(lambda: self.waiting() == 0, "the servers know", timeout=4)

    def ended(self, client, *commands):
        """What comes when the client has said that and nothing more, to the end."""
        client.send(pipeline(*commands))
        client.half_close()
        return client.read_until_closed()

    def test_a_client_that_has_ended_its_side_gets_what_is_there(self):
        for commands in ([["RPUSH", "{t}l", "x"], ["BLPOP", "{t}l", "0"], ["LLEN", "{t}l"]],
                         [["ZADD", "{t}z", "1", "m"], ["BZPOPMIN", "{t}z", "0"]],
                         [["RPUSH", "{t}l", "x"], ["BRPOPLPUSH", "{t}l", "{t}m", "0"]],
                         [["XADD", "{t}s", "1-1", "f", "v"],
                          ["XREAD", "BLOCK", "0", "STREAMS", "{t}s", "0"], ["DEL", "{t}s"]],
                         [["WAIT", "0", "0"], ["PING"]],
                         [["PING"], ["BLPOP", "{t}none", "1"], ["SET", "{t}a", "1"]],
                         [["BLPOP", "{t}none", "1"], ["BLPOP", "{t}none", "1"]]):
            with self.subTest(commands=commands):
                self.same(self.ended(self.client(), *commands),
                          self.ended(self.reference_client(), *commands), commands)
        self.assertIsNone(self.client().value("GET", "{t}a"))

    def test_no_element_is_lost_to_a_client_that_has_ended_its_side(self):
        other = self.client()
        for pause in (0, 0.0002, 0.001):
            for number in range(60):
                other.value("RPUSH", "{t}l", number)
                client = self.client()
                client.send(resp("BLPOP", "{t}l", "0"))
                if number % 2:
                    time.sleep(pause)
                client.half_close()
                self.same(client.read_until_closed(),
                          b"*2\r\n" + bulk("{t}l") + bulk(str(number)), number)

    def test_elements_are_popped_once(self):
        """Two hundred elements, twenty workers that come and go between them."""
        got, lock = [], threading.Lock()

        def work():
            with self.proxy.client() as client:
                while True:
                    value = client.value("BLPOP", "{q}l", "1", timeout=10)
                    if value is None:
                        return
                    with lock:
                        got.append(int(value[1]))

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        with self.proxy.client() as client:
            for number in range(200):
                client.value("RPUSH", "{q}l", number)
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(got), list(range(200)))

    @needs_several_servers
    def test_keys_of_several_servers(self):
        client = self.client()
        a, b = self.key(0, "a"), self.key(1, "b")
        for words in (["BLMOVE", a, b, "LEFT", "LEFT", "0"], ["BRPOPLPUSH", a, b, "0"],
                      ["XREAD", "BLOCK", "0", "STREAMS", a, b, "$", "$"]):
            self.expect_error(client, resp(*words), "-CROSSSLOT ringmain", "hash tag")
        self.working(client)

    @needs_several_servers
    def test_lists_on_several_servers(self):
        """BLPOP and BRPOP take them in turns: the same answers, and a list that is filled while it
        waits is found within some turns."""
        keys = [self.key(number, "abc"[number]) for number in range(3)]
        for resp3 in (False, True):
            client, reference, other = self.client(), self.reference_client(), self.client()
            for one in (client, reference):
                if resp3:
                    one.call("HELLO", "3")
                one.call("RPUSH", keys[1], "1", "2", "3")
                one.call("RPUSH", keys[2], "4")
            for words in (["BLPOP", *keys, "0"], ["BRPOP", *keys, "0"], ["BRPOP", *keys[::-1], "1"],
                          ["blpop", *keys, "5"], ["BLPOP", *keys, "0.3"], ["BLPOP", *keys, "x"]):
                self.expect_as_redis(client, reference, resp(*words))
            for number, key in enumerate(keys):
                started = time.monotonic()
                client.send(resp("BRPOP", *keys, "0") + resp("PING"))
                time.sleep(0.15)
                self.assertEqual(other.value("RPUSH", key, "x", f"value {number}"), 2)
                wanted = (b"*2\r\n" + bulk(key) + bulk(f"value {number}") + b"+PONG\r\n")
                self.same(client.read_exactly(len(wanted), timeout=5), wanted)
                self.assertLess(time.monotonic() - started, 2.5)
                self.assertEqual(other.value("LPOP", key), b"x")
            client.call("SET", keys[1], "no list")
            reference.call("SET", keys[1], "no list")
            self.expect_as_redis(client, reference, resp("BLPOP", *keys, "0"))
            other.call("DEL", *keys)
            reference.call("DEL", *keys)

    @needs_several_servers
    def test_no_element_of_several_servers_is_lost(self):
        keys = [self.key(number, "queue") for number in range(3)]
        got, threads = [], []

        def consume():
            with self.proxy.client() as client:
                while True:
                    answer = client.value("BLPOP", *keys, "0.5", timeout=10)
                    if answer is None:
                        return
                    got.append(int(answer[1]))

        for _ in range(5):
            threads.append(threading.Thread(target=consume))
            threads[-1].start()
        with self.proxy.client() as client:
            for number in range(600):
                client.value("RPUSH", keys[number % 3], number)
        for thread in threads:
            thread.join(30)
        self.assertEqual(sorted(got), list(range(600)))

    @needs_several_servers
    def test_a_client_that_leaves_in_the_middle_of_its_turns(self):
        keys = [self.key(number, "left") for number in range(3)]
        client = self.client()
        client.send(resp("BLPOP", *keys, "0"))
        wait_for(lambda: self.waiting() == 1, "it waits")
        client.close()
        wait_for(lambda: self.waiting() == 0, "nobody waits")
        other = self.client()
        for number, key in enumerate(keys):
            self.assertEqual(other.value("RPUSH", key, number), 1)
        time.sleep(0.3)
        self.assertEqual([other.value("LLEN", key) for key in keys], [1, 1, 1])

    def test_while_keys_are_watched(self):
        client, other = self.client(), self.client()
        self.assertEqual(client.value("WATCH", "{t}x"), "OK")
        self.begin(client, "BLPOP", "{t}l", "0")
        self.assertEqual(other.value("RPUSH", "{t}l", "a"), 1)
        self.assertEqual(client.read(), b"*2\r\n" + bulk("{t}l") + bulk("a"))
        self.assertEqual(other.value("SET", "{t}x", "1"), "OK")
        self.expect(client, pipeline(["MULTI"], ["GET", "{t}x"], ["EXEC"]),
                    b"+OK\r\n+QUEUED\r\n*-1\r\n")

    def test_a_real_client(self):
        consumer = redis.Redis(host="127.0.0.1", port=self.proxy.port())
        self.client().call("RPUSH", "{t}l", "x")
        self.assertEqual(consumer.blpop(["{t}l", "{t}m"], timeout=2), (b"{t}l", b"x"))
        self.assertIsNone(consumer.brpop("{t}l", timeout=1))


@needs_ringmain
class Ends(Case):
    def setUp(self):
        self.server = self.use(RedisServer())

    def begin(self, **options):
        self.proxy = self.use(Ringmain({"alpha": {"servers": [self.server], **options}}))
        self.client = self.client_of(self.proxy)
        self.client.send(resp("BLPOP", "l", "0"))
        wait_for(lambda: self.server.info("clients", "blocked_clients") == "1", "it waits")

    def test_a_limit(self):
        self.begin(leases_max=1)
        with self.proxy.client() as client:
            self.expect_error(client, resp("BLPOP", "l", "0"), "(leases_max)")
            self.assertEqual(client.value("RPUSH", "l", "x"), 1)
            self.assertEqual(self.client.read(), b"*2\r\n" + bulk("l") + bulk("x"))
            self.assertEqual(client.value("RPUSH", "l", "y"), 1)
            self.assertEqual(client.value("BLPOP", "l", "0"), [b"l", b"y"])

    def test_a_client_that_was_not_read_when_its_wait_began_leaves(self):
        """It had not taken its answers, for longer than a silent socket is looked at."""
        self.begin(output_pause_size="16KiB", stream_threshold=0)

        def waiting():
            return int(self.server.info("clients", "blocked_clients"))

        value = b"v" * (8 << 20)
        with self.proxy.client(receive_buffer=4096) as client:
            self.assertEqual(client.value("SET", "v", value), "OK")
            client.send(resp("GET", "v"))
            time.sleep(0.3)
            # More than is read behind a wait; what is left fits the socket, or the end cannot come.
            client.send(resp("GET", "v") + resp("BLPOP", "m", "0") + resp("ECHO", b"e" * 30000) * 4)
            time.sleep(3)
            self.assertEqual(client.read_exactly(2 * len(bulk(value))), bulk(value) * 2)
            wait_for(lambda: waiting() == 2, "it waits")
        wait_for(lambda: waiting() == 1, "the server knows that it has left", timeout=5)

    def test_the_server_dies(self):
        self.begin()
        self.server.kill()
        self.assertRegex(self.client.read().decode(), "^-ERR ringmain: server s0 .*connection")
        self.server.start()
        self.assertEqual(self.client.value("PING"), "PONG")

    def test_the_server_falls_silent(self):
        self.begin(timeout="200ms")
        with self.proxy.client() as client:
            client.send(resp("BLPOP", "l", "0.5"))
            wait_for(lambda: self.server.info("clients", "blocked_clients") == "2", "it waits")
            self.server.child.send_signal(signal.SIGSTOP)
            started = time.monotonic()
            answer = client.read(timeout=10)
            self.server.child.send_signal(signal.SIGCONT)
        self.assertRegex(answer.decode(), "has not answered when the command's time was up")
        self.assertGreater(time.monotonic() - started, 1.0)

    def test_ringmain_stops(self):
        self.begin()
        self.assertEqual(self.proxy.halt(), 0)
        self.proxy.child = None
        self.assertRegex(self.client.read_until_closed(timeout=5).decode(),
                         "^-ERR ringmain: a command that waits on its server was ended: ringmain is "
                         "being stopped\r\n$")

    def reload(self, **options):
        self.proxy.pools["alpha"].update(options)
        self.proxy.config_path.write_text(self.proxy.config_text())
        self.proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: "configuration read from" in self.proxy.log_path.read_text(), "a reload")

    def test_a_reload_that_keeps_the_server(self):
        self.begin()
        self.reload(timeout="1s")
        self.server.call("RPUSH", "l", "x")
        self.assertEqual(self.client.read(), b"*2\r\n" + bulk("l") + bulk("x"))

    def test_a_reload_that_removes_the_server(self):
        self.begin()
        other = self.use(RedisServer())
        self.reload(servers=[f"{other.address}:1 other"])
        self.assertRegex(self.client.read().decode(), "^-ERR ringmain: .*is not configured any more")
        other.call("RPUSH", "l", "x")
        self.assertEqual(self.client.value("BLPOP", "l", "0"), [b"l", b"x"])

    def test_a_reload_that_makes_its_connections_anew(self):
        self.begin()
        self.reload(server_connections=2)
        self.assertRegex(self.client.read().decode(),
                         r"^-ERR ringmain: .* has new connections after a reload \(")
        self.server.call("RPUSH", "l", "x")
        self.assertEqual(self.client.value("BLPOP", "l", "0"), [b"l", b"x"])

    def expect_moved(self, client):
        self.assertEqual(client.read().decode(),
                         "-ERR ringmain: a command that waits on its server was ended: a key of it "
                         "may live on another server now; ask again\r\n")

    def test_a_reload_that_moves_its_key(self):
        self.begin()
        other = self.use(RedisServer())
        moves = key_on(1, 2)
        stays = key_on(0, 2)
        with self.proxy.client() as client, self.proxy.client() as second:
            client.send(resp("BLPOP", moves, "0"))
            second.send(resp("XREAD", "BLOCK", "0", "STREAMS", stays, "$"))
            wait_for(lambda: self.server.info("clients", "blocked_clients") == "3", "they wait")
            self.reload(servers=[Ringmain.server_line(server, index)
                                 for index, server in enumerate([self.server, other])])
            self.expect_moved(client)
            with self.proxy.client() as writer:
                writer.call("RPUSH", moves, "x")
                writer.call("XADD", stays, "1-1", "f", "v")
            self.assertEqual(client.value("BLPOP", moves, "0"), [moves.encode(), b"x"])
            self.assertIn(b"1-1", second.read())

    def test_a_server_comes_back_while_its_stand_in_is_waited_on(self):
        other = self.use(RedisServer())
        self.proxy = self.use(Ringmain({"alpha": {
            "servers": [self.server, other], "auto_eject_hosts": True, "timeout": "400ms",
            "server_failure_limit": 1, "server_retry_timeout": "300ms"}}))
        key = next(key for key, place in self.proxy.locate([b"e%d" % n for n in range(40)]).items()
                   if place[0] == "s0")
        self.server.kill()
        with self.proxy.client() as client, self.proxy.client() as second:
            wait_for(lambda: second.call("GET", key) == b"$-1\r\n", "it is ejected")
            client.send(resp("BLPOP", key, "0"))
            wait_for(lambda: other.info("clients", "blocked_clients") == "1", "it waits")
            self.server.start()
            self.expect_moved(client)
            self.assertEqual(second.value("RPUSH", key, "x"), 1)
            self.assertEqual(client.value("BLPOP", key, "0"), [key, b"x"])

    def test_a_server_that_is_ejected(self):
        other = self.use(RedisServer())
        self.proxy = self.use(Ringmain({"alpha": {
            "servers": [self.server, other], "auto_eject_hosts": True, "timeout": "200ms",
            "server_failure_limit": 1, "server_retry_timeout": "30s"}}))
        key = next(key for key, place in self.proxy.locate([b"e%d" % n for n in range(40)]).items()
                   if place[0] == "s0")
        with self.proxy.client() as client, self.proxy.client() as second:
            client.send(resp("BLPOP", key, "0"))
            wait_for(lambda: self.server.info("clients", "blocked_clients") == "1", "it waits")
            self.server.child.send_signal(signal.SIGSTOP)
            second.call("GET", key)
            self.assertRegex(client.read(timeout=5).decode(), "^-ERR ringmain: .*is ejected")
            self.server.child.send_signal(signal.SIGCONT)
            self.assertEqual(second.value("RPUSH", key, "x"), 1)
            self.assertEqual(client.value("BLPOP", key, "0"), [key, b"x"])


if __name__ == "__main__":
    main()
