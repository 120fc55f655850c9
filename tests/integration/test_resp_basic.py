"""What ringmain answers by itself, in redis's words, in both versions of the protocol."""
import re
import subprocess
import time

from harness import (Case, PLAIN, RedisCase, RedisServer, Ringmain, main, needs_ringmain,
                     needs_several_servers)
from wire import ErrorReply, decode, resp


class LocalAnswers(RedisCase):
    def test_ping(self):
        client = self.client()
        self.expect(client, resp("PING"), b"+PONG\r\n")
        self.expect(client, resp("ping", "hello"), b"$5\r\nhello\r\n")
        self.expect(client, resp("PiNg", b"a\r\nb\0c"), b"$6\r\na\r\nb\0c\r\n")
        self.expect(client, resp("PING", ""), b"$0\r\n\r\n")
        self.expect(client, b"PING\r\n", b"+PONG\r\n")
        self.expect(client, b"ping 'two words'\r\n", b"$9\r\ntwo words\r\n")

    def test_wrong_arity_and_unknown_words_are_answered_as_redis_does(self):
        client, reference = self.client(), self.reference_client()
        for words in (["PING", "x", "y", "z"], ["ECHO"], ["ECHO", "a", "b"], ["TIME", "now"],
                      ["SELECT"], ["SELECT", "0", "0"], ["GET"], ["GET", "a", "b"], ["SET", "a"],
                      ["MSET", "a", "b", "c"], ["MSET", "a"], ["MGET"], ["DEL"], ["UNLINK"],
                      ["EXISTS"], ["TOUCH"], ["AUTH"], ["CLIENT"], ["CLIENT", "SETNAME"],
                      ["CLIENT", "GETNAME", "x"], ["CLIENT", "ID", "x"], ["CLIENT", "NOSUCH"],
                      ["COMMAND", "NOSUCH"], ["COMMAND", "COUNT", "x"], ["RESET", "now"],
                      ["FOOBAR"], ["foobar", "a", "b"], ["FOOBAR", "a" * 300, "b"],
                      ["SELECT", "abc"], ["OBJECT", "NOSUCH", "a"], ["XGROUP", "CREATE", "a"]):
            with self.subTest(words=words):
                self.expect_as_redis(client, reference, resp(*words))
        self.working(client)

    def test_echo(self):
        client = self.client()
        for text in (b"", b"x", b"a\r\nb", bytes(range(256)), b"z" * 20000):
            self.expect(client, resp("ECHO", text), b"$%d\r\n%b\r\n" % (len(text), text))

    def test_quit_answers_and_closes(self):
        client = self.client()
        self.expect_close(client, resp("PING") + resp("QUIT"), b"+PONG\r\n+OK\r\n")

    def test_quit_comes_after_the_replies_before_it_and_hides_what_follows(self):
        client, key = self.client(), self.key(1)
        self.expect_close(client, resp("SET", key, "1") + resp("GET", key) + resp("QUIT")
                          + resp("SET", key, "2"), b"+OK\r\n$1\r\n1\r\n+OK\r\n")
        self.expect(self.client(), resp("GET", key), b"$1\r\n1\r\n")

    def test_select_0_changes_nothing(self):
        client = self.client()
        self.expect(client, resp("SELECT", "0"), b"+OK\r\n")
        self.expect_error(client, resp("SELECT", "100"), "ERR ")
        if not PLAIN:
            client.call("SET", "kept", "in db 0")
            self.assertEqual(self.server_of("kept").call("GET", "kept"), b"in db 0")
        self.working(client)

    def test_time(self):
        seconds, microseconds = self.client().value("TIME")
        self.assertLess(abs(int(seconds) - time.time()), 5)
        self.assertLess(int(microseconds), 1_000_000)

    def test_client_name(self):
        client, reference = self.client(), self.reference_client()
        for words in (["GETNAME"], ["SETNAME", "worker-1"], ["GETNAME"], ["SETNAME", "two words"],
                      ["SETNAME", "line\nbreak"], ["GETNAME"], ["SETNAME", ""], ["GETNAME"]):
            self.expect_as_redis(client, reference, resp("CLIENT", *words))
        self.expect(self.client(), resp("CLIENT", "GETNAME"), b"$-1\r\n")

    def test_client_id_is_the_clients_own(self):
        first, second = self.client(), self.client()
        number = first.value("CLIENT", "ID")
        self.assertIsInstance(number, int)
        self.assertEqual(first.value("CLIENT", "ID"), number)
        self.assertNotEqual(second.value("CLIENT", "ID"), number)

    def test_client_info_shows_the_client(self):
        client = self.client()
        client.call("CLIENT", "SETNAME", "shown")
        info = client.value("CLIENT", "INFO").decode()
        fields = dict(word.split("=", 1) for word in info.split())
        self.assertEqual(int(fields["id"]), client.value("CLIENT", "ID"))
        self.assertEqual(fields["name"], "shown")
        self.assertEqual(fields["addr"], "%s:%d" % client.socket.getsockname())

    def test_client_words_of_newer_servers_leave_the_connection_usable(self):
        client = self.client()
        self.expect(client, resp("CLIENT", "NO-EVICT", "on"), b"+OK\r\n")
        for words in (["SETINFO", "LIB-NAME", "test"], ["SETINFO", "LIB-VER", "1"],
                      ["NO-TOUCH", "on"],
                      ["MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "none"]):
            reply = client.value("CLIENT", *words)
            self.assertTrue(reply == "OK" or isinstance(reply, ErrorReply), reply)
            self.working(client)

    def test_command_count_info_list_and_getkeys(self):
        client, reference = self.client(), self.reference_client()
        self.assertGreater(client.value("COMMAND", "COUNT"), 150)
        for name in ("get", "mset", "sort", "eval", "xread"):
            mine = client.value("COMMAND", "INFO", name)[0]
            theirs = reference.value("COMMAND", "INFO", name)[0]
            self.assertEqual(mine[:2] + mine[3:6], theirs[:2] + theirs[3:6])
            self.assertEqual(set(mine[2]), set(theirs[2]))
        self.assertEqual(client.value("COMMAND", "INFO", "nosuch"), [None])
        self.assertGreater(len(client.value("COMMAND")), 150)
        for words in (["SET", "a", "b"], ["MSET", "a", "1", "b", "2"], ["GET", "a"],
                      ["EVAL", "return 1", "2", "x", "y", "z"], ["SUNION", "a", "b", "c"],
                      ["XREAD", "COUNT", "2", "STREAMS", "s1", "s2", "0", "0"],
                      "GEORADIUS k 1 2 3 m STORE a STORE b".split(),
                      "GEORADIUS k 1 2 3 m STOREDIST a STORE b".split(),
                      "SORT k STORE a STORE b".split(), "SORT k STORE by STORE x".split()):
            self.expect_as_redis(client, reference, resp("COMMAND", "GETKEYS", *words))

    def test_command_docs_satisfies_redis_cli(self):
        docs = self.client().value("COMMAND", "DOCS", "get")
        self.assertIsInstance(docs, list)
        self.assertEqual(len(docs) % 2, 0)
        self.assertIsInstance(self.client().value("COMMAND", "DOCS"), list)

    def test_info_has_what_tools_read(self):
        client = self.client()
        for words in (["INFO"], ["INFO", "server"], ["INFO", "everything"]):
            text = client.value(*words).decode()
            self.assertIn("\r\n", text)
        fields = dict(line.split(":", 1) for line in client.value("INFO").decode().splitlines()
                      if ":" in line)
        for name in ("redis_version", "uptime_in_seconds", "connected_clients", "used_memory",
                     "total_connections_received", "total_commands_processed", "role"):
            self.assertIn(name, fields)
        self.assertEqual(fields.get("loading", "0"), "0")

    @needs_several_servers
    def test_info_of_the_servers_is_added_up(self):
        """Each section against what the servers say themselves; heads and line ends are redis's."""
        client, reference = self.client(), self.reference_client()
        for number in range(40):
            client.call("SET", f"key{number}", "v" * 1000, "EX", 1000)
            client.call("GET", f"key{number}")
        client.call("LPUSH", "key0", "x")

        def told(one, *words):
            return dict(line.split(":", 1) for line in one.call(*words).decode().split("\r\n")
                        if ":" in line)

        for section, names in (
                ("stats", ["keyspace_hits", "keyspace_misses", "expired_keys", "evicted_keys"]),
                ("persistence", ["rdb_changes_since_last_save"]),
                ("errorstats", ["errorstat_WRONGTYPE"])):
            got = told(client, "INFO", section)
            servers = [told(server, "INFO", section) for server in self.servers]
            for name in names:
                # Of errors a server has a line when it has had one.
                parts = [server[name] for server in servers if name in server]
                wanted = sum(int(part.rpartition("=")[2]) for part in parts)
                self.assertEqual(int(got[name].rpartition("=")[2]), wanted, name)
        memory = told(client, "INFO", "memory")
        self.assertEqual(memory["maxmemory_policy"], "noeviction")
        used = sum(int(told(server, "INFO", "memory")["used_memory"]) for server in self.servers)
        self.assertLess(abs(int(memory["used_memory"]) - used), 1 << 20)
        self.assertRegex(memory["used_memory_human"], r"^\d+\.\d\d[KM]$")
        set_line = told(client, "INFO", "commandstats")["cmdstat_set"]
        self.assertRegex(set_line, r"^calls=\d+,usec=\d+,usec_per_call=\d+\.\d\d,"
                                   r"rejected_calls=\d+,failed_calls=\d+$")
        self.assertGreaterEqual(int(set_line.split(",")[0][6:]), 40)
        self.assertGreater(float(told(client, "INFO", "cpu")["used_cpu_user"]), 0)

        def heads(one, *words):
            text = one.value(*words).decode()
            self.assertNotIn("\n", text.replace("\r\n", ""))
            parts = text.rstrip("\r\n").split("\r\n\r\n")
            self.assertTrue(all(part.startswith("# ") for part in parts), text)
            return [part.split("\r\n")[0] for part in parts]

        ours, absent = {"# Proxy", "# Servers"}, {"# Modules", "# Latencystats"}
        for words in (["INFO"], ["INFO", "all"], ["INFO", "default"], ["INFO", "EVERYTHING"],
                      ["INFO", "cpu", "Server"], ["INFO", "nosuch", "memory", "commandstats"],
                      ["INFO", "default", "commandstats"], ["INFO", "errorstats"]):
            reference.call("LPUSH", "list")  # an error, as the servers have had some
            wanted = [head for head in heads(reference, *words) if head not in absent]
            self.assertEqual([head for head in heads(client, *words) if head not in ours], wanted)
        self.assertEqual(client.call("INFO", "nosuch"), reference.call("INFO", "nosuch"))

    def test_redis_cli_shows_figures(self):
        done = subprocess.run(["timeout", "1", "stdbuf", "-oL", "redis-cli", "-p",
                               str(self.proxy.port()), "--stat", "-i", "0.1"],
                              capture_output=True, text=True, timeout=10, check=False)
        lines = [line for line in done.stdout.splitlines() if re.match(r"^\d", line)]
        self.assertGreater(len(lines), 2, done.stdout + done.stderr)
        self.assertRegex(lines[0], r"^\d+ +\d+\.\d\dM +\d+ +0 +\d+ \(\+\d+\) +\d+")

    def test_reset_forgets_name_and_version(self):
        client = self.client()
        client.call("HELLO", "3", "SETNAME", "mine")
        self.expect(client, resp("RESET"), b"+RESET\r\n")
        self.expect(client, resp("CLIENT", "GETNAME"), b"$-1\r\n")
        self.expect(client, resp("GET", "missing"), b"$-1\r\n")


class Versions(RedisCase):
    def hello(self, client, *words):
        reply = client.value("HELLO", *words)
        return reply if isinstance(reply, (dict, ErrorReply)) else dict(
            zip(reply[::2], reply[1::2]))

    def test_hello_tells_what_redis_tells(self):
        client, reference = self.client(), self.reference_client()
        for words in ([], ["2"], ["3"], [], ["2"]):
            mine, theirs = self.hello(client, *words), self.hello(reference, *words)
            self.assertEqual(list(mine), list(theirs))
            for field in (b"server", b"proto", b"mode", b"role", b"modules"):
                self.assertEqual(mine[field], theirs[field], field)
        self.assertEqual(mine[b"id"], client.value("CLIENT", "ID"))

    def test_the_shape_of_hello_is_that_of_the_version(self):
        client = self.client()
        self.assertTrue(client.call("HELLO", "3").startswith(b"%7\r\n"))
        self.assertTrue(client.call("HELLO", "2").startswith(b"*14\r\n"))

    def test_errors_of_hello(self):
        client, reference = self.client(), self.reference_client()
        for words in (["4"], ["1"], ["abc"], ["3", "NOSUCH"], ["3", "SETNAME", "two words"],
                      ["3", "AUTH", "x"], ["3", "AUTH", "nobody", "x"], ["3", "SETNAME"]):
            with self.subTest(words=words):
                self.expect_as_redis(client, reference, resp("HELLO", *words))
        self.expect(client, resp("GET", "missing"), b"$-1\r\n")

    def test_hello_sets_the_name(self):
        client = self.client()
        client.call("HELLO", "3", "SETNAME", "named")
        self.expect(client, resp("CLIENT", "GETNAME"), b"$5\r\nnamed\r\n")

    def test_local_answers_in_version_3(self):
        client, reference = self.client(), self.reference_client()
        client.call("HELLO", "3")
        reference.call("HELLO", "3")
        for words in (["PING"], ["PING", "x"], ["ECHO", "x"], ["CLIENT", "GETNAME"],
                      ["SELECT", "0"], ["COMMAND", "INFO", "nosuch"], ["NOSUCH"], ["GET"],
                      ["CLIENT", "SETNAME", "x"], ["CLIENT", "GETNAME"]):
            with self.subTest(words=words):
                self.expect_as_redis(client, reference, resp(*words))
        self.assertTrue(client.call("INFO", "server").startswith(b"="))
        self.assertTrue(client.call("CLIENT", "INFO").startswith(b"="))
        self.assertTrue(client.call("COMMAND", "DOCS", "get").startswith(b"%"))

    def test_typed_replies_of_servers_in_version_3(self):
        client, reference = self.client(), self.reference_client()
        client.call("HELLO", "3")
        reference.call("HELLO", "3")
        for words in (["GET", "none"], ["HSET", "h", "f", "v"], ["HGETALL", "h"],
                      ["ZADD", "z", "1.5", "m"], ["ZSCORE", "z", "m"], ["SADD", "s", "1"],
                      ["ZRANGE", "z", "0", "-1", "WITHSCORES"], ["SMEMBERS", "s"],
                      ["LPOP", "none", "2"], ["MGET", "a", "none"], ["INCRBYFLOAT", "f", "1.5"],
                      ["EVAL", "redis.setresp(3); return redis.call('HGETALL', KEYS[1])", "1", "h"]):
            with self.subTest(words=words):
                self.expect_as_redis(client, reference, resp(*words))

    def test_both_versions_at_once_never_mix(self):
        old, new = self.client(), self.client()
        new.call("HELLO", "3")
        for round_number in range(50):
            key = f"mixed{round_number}"
            old.send(resp("GET", key) + resp("HGETALL", key) + resp("MGET", key, "a", "b"))
            new.send(resp("GET", key) + resp("HGETALL", key) + resp("MGET", key, "a", "b"))
            self.same(old.read_exactly(28), b"$-1\r\n*0\r\n*3\r\n$-1\r\n$-1\r\n$-1\r\n")
            self.same(new.read_exactly(20), b"_\r\n%0\r\n*3\r\n_\r\n_\r\n_\r\n")

    def test_one_client_changes_its_version_in_a_pipeline(self):
        client = self.client()
        client.send(resp("GET", "none") + resp("HELLO", "3") + resp("GET", "none")
                    + resp("HELLO", "2") + resp("GET", "none"))
        replies = client.read_many(5)
        self.assertEqual([replies[0], replies[2], replies[4]], [b"$-1\r\n", b"_\r\n", b"$-1\r\n"])
        self.assertEqual(decode(replies[1])[b"proto"], 3)


class Password(RedisCase):
    pool_options = {"redis_auth": "s3cret word"}
    server_options = ("--requirepass", "s3cret word")
    reference_options = ("--requirepass", "s3cret word")

    def setUp(self):
        pass

    def test_nothing_is_served_before_auth(self):
        client, reference = self.client(), self.reference_client()
        for words in (["GET", "a"], ["SET", "a", "b"], ["MGET", "a", "b"], ["PING"], ["ECHO", "x"],
                      ["INFO"], ["NOSUCH"], ["HELLO"], ["HELLO", "3"], ["CLIENT", "ID"],
                      ["AUTH", "wrong"], ["GET", "a"], ["AUTH", "default", "wrong"],
                      ["AUTH", "nobody", "s3cret word"], ["COMMAND"], ["RESET"], ["GET", "a"]):
            with self.subTest(words=words):
                self.expect_as_redis(client, reference, resp(*words))

    def test_each_way_to_authenticate(self):
        for words in (["AUTH", "s3cret word"], ["AUTH", "default", "s3cret word"],
                      ["HELLO", "2", "AUTH", "default", "s3cret word"],
                      ["HELLO", "3", "AUTH", "default", "s3cret word", "SETNAME", "x"]):
            client = self.client()
            reply = client.value(*words)
            self.assertNotIsInstance(reply, ErrorReply)
            self.expect(client, resp("SET", "a", "b"), b"+OK\r\n")
            self.expect(client, resp("GET", "a"), b"$1\r\nb\r\n")

    def test_a_wrong_password_in_hello_leaves_the_version(self):
        client = self.client()
        self.expect(client, resp("HELLO", "3", "AUTH", "default", "wrong"),
                    b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
        self.expect(client, resp("AUTH", "s3cret word"), b"+OK\r\n")
        self.expect(client, resp("GET", "none"), b"$-1\r\n")

    def test_a_wrong_password_of_one_client_is_nothing_to_another(self):
        good, bad = self.client(), self.client()
        good.call("AUTH", "s3cret word")
        for _ in range(20):
            bad.send(resp("AUTH", "wrong"))
            self.expect(good, resp("SET", "a", "1"), b"+OK\r\n")
            self.assertIn(b"WRONGPASS", bad.read())

    def test_quit_works_without_password(self):
        self.expect_close(self.client(), resp("QUIT"), b"+OK\r\n")

    def test_reset_takes_the_password_back(self):
        client = self.client()
        client.call("AUTH", "s3cret word")
        self.expect(client, resp("RESET"), b"+RESET\r\n")
        self.expect(client, resp("GET", "a"), b"-NOAUTH Authentication required.\r\n")

    def test_auth_and_requests_in_one_segment(self):
        client = self.client()
        self.expect(client, resp("GET", "a") + resp("AUTH", "s3cret word") + resp("SET", "p", "1")
                    + resp("GET", "p"),
                    b"-NOAUTH Authentication required.\r\n+OK\r\n+OK\r\n$1\r\n1\r\n")


class NoPassword(RedisCase):
    def test_auth_without_a_password_set(self):
        client, reference = self.client(), self.reference_client()
        for words in (["AUTH", "x"], ["AUTH", "default", "x"], ["AUTH", "nobody", "x"],
                      ["AUTH", "a", "b", "c"]):
            with self.subTest(words=words):
                self.expect_as_redis(client, reference, resp(*words))


@needs_ringmain
class Database(Case):
    def test_redis_db_is_selected_on_every_connection(self):
        server = self.use(RedisServer())
        proxy = self.use(Ringmain({"alpha": {"servers": [server], "redis_db": 3}}))
        with proxy.client() as client:
            self.expect(client, resp("SET", "a", "b"), b"+OK\r\n")
            client.call("HELLO", "3")
            self.expect(client, resp("SET", "c", "d"), b"+OK\r\n")
        with server.client() as direct:
            self.assertEqual(direct.value("DBSIZE"), 0)
            self.assertEqual(direct.value("SELECT", "3"), "OK")
            self.assertEqual(direct.value("DBSIZE"), 2)


@needs_ringmain
class Refused(RedisCase):
    """What this version does not serve is refused with a reason, and nobody else notices."""

    def test_commands_that_change_a_shared_connection(self):
        client, bystander = self.client(), self.client()
        key = self.key(0)
        for words in (["EXEC"], ["DISCARD"], ["MONITOR"],
                      ["CLIENT", "PAUSE", "1000"],
                      ["CLIENT", "KILL", "TYPE", "normal"], ["CLIENT", "TRACKING", "on"],
                      ["CONFIG", "SET", "maxmemory", "1"], ["SHUTDOWN", "NOSAVE"],
                      ["DEBUG", "SLEEP", "1"], ["SWAPDB", "0", "1"],
                      ["REPLICAOF", "NO", "ONE"], ["SYNC"],
                      ["PSYNC", "?", "-1"], ["MIGRATE", "h", "1", key, "0", "1"], ["SAVE"],
                      ["MOVE", key, "1"]):
            with self.subTest(words=words):
                began = time.monotonic()
                reply = client.call(*words)
                self.assertTrue(reply.startswith(b"-ERR "), reply)
                self.expect(bystander, resp("SET", key, "1"), b"+OK\r\n")
                self.assertLess(time.monotonic() - began, 0.6)
                self.working(client)
        self.assertTrue(all(server.alive() for server in self.servers))

    def test_who_waits_for_replicas_holds_up_nobody(self):
        client, bystander = self.client(), self.client()
        began = time.monotonic()
        client.send(resp("WAIT", "1", "800"))
        self.expect(bystander, resp("SET", self.key(0), "1"), b"+OK\r\n")
        self.assertLess(time.monotonic() - began, 0.6)
        self.same(client.read_exactly(4), b":0\r\n")
        # redis counts whole milliseconds: the one it began in is over before it has passed.
        self.assertGreater(time.monotonic() - began, 0.799)
        self.working(client)

    def test_the_reason_is_told(self):
        client = self.client()
        self.expect_error(client, resp("MONITOR"), "ERR ringmain: ", "MONITOR")
        self.expect_error(client, resp("SAVE"), "ERR ringmain: ", "SAVE")


if __name__ == "__main__":
    main()
