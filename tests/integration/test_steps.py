"""Writes over several servers in steps, while others write the same keys: nothing is lost. And WAIT
over servers that have replicas."""
import threading
import time

from harness import (Case, RedisCase, RedisServer, Ringmain, key_on, keys_on, main, needs_ringmain,
                     needs_several_servers, wait_for)
from wire import ErrorReply, resp


class InSteps(RedisCase):
    server_count = 3
    pool_options = {"cross_server_writes": "emulate"}

    def together(self, *functions):
        """Runs them all at once and tells what any of them raised."""
        failures = []

        def run(function):
            try:
                function()
            except BaseException as failure:  # pylint: disable=broad-except
                failures.append(failure)

        threads = [threading.Thread(target=run, args=(function,)) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertFalse(any(thread.is_alive() for thread in threads))
        if failures:
            raise failures[0]

    def none_is_left(self):
        for server in self.servers:
            self.assertEqual(server.call("KEYS", "*:ringmain:*"), [])


@needs_ringmain
@needs_several_servers
class Races(InSteps):
    def test_no_write_to_a_key_that_is_renamed_is_lost_or_doubled(self):
        source = key_on(0, 3)
        parts = keys_on(1, 3, 400, "part")
        count = 3000
        done = threading.Event()
        used = []

        def write():
            with self.client() as client:
                for _ in range(count):
                    self.assertGreater(client.value("INCR", source), 0)
            done.set()

        def rename():
            with self.client() as client:
                for part in parts:
                    if done.is_set():
                        return
                    answer = client.value("RENAME", source, part)
                    if isinstance(answer, ErrorReply):
                        # What is at the destination is still at the source, too; or nothing is.
                        client.value("DEL", part)
                    else:
                        used.append(part)

        self.together(write, rename)
        self.assertGreater(len(used), 5)
        client = self.client()
        sum_of_all = sum(int(client.value("GET", key) or 0) for key in [source, *used])
        self.assertEqual(sum_of_all, count)
        self.none_is_left()

    def test_of_several_who_move_a_member_one_is_told_so(self):
        source, sinks = key_on(0, 3), [key_on(1, 3), key_on(2, 3)]
        members = [f"m{number}" for number in range(300)]
        self.client().value("SADD", source, *members)
        moved = []

        def move(sink):
            with self.client() as client:
                for member in members:
                    if client.value("SMOVE", source, sink, member) == 1:
                        moved.append(member)

        self.together(*[lambda sink=sink: move(sink) for sink in [*sinks, *sinks]])
        self.assertEqual(sorted(moved), sorted(members))
        client = self.client()
        self.assertEqual(client.value("SCARD", source), 0)
        self.assertEqual(len(client.value("SUNION", *sinks)), len(members))

    def test_members_that_are_moved_to_and_fro_are_not_lost(self):
        one, other = key_on(0, 3), key_on(1, 3)
        members = [f"m{number}" for number in range(5)]
        self.client().value("SADD", one, *members)

        def move(source, sink):
            with self.client() as client:
                for _ in range(100):
                    for member in members:
                        client.value("SMOVE", source, sink, member)

        self.together(*[lambda way=way: move(*way) for way in 2 * [(one, other), (other, one)]])
        client = self.client()
        self.assertEqual(sorted(client.value("SUNION", one, other)), sorted(map(str.encode, members)))
        self.none_is_left()

    def test_what_is_added_to_a_destination_that_is_a_source_stays(self):
        destination, other = key_on(0, 3), key_on(1, 3)
        client = self.client()
        client.value("SADD", other, "x")
        count = 1500

        def add():
            with self.client() as writer:
                for number in range(count):
                    writer.value("SADD", destination, number)

        def unite():
            with self.client() as writer:
                for _ in range(300):
                    self.assertGreater(
                        writer.value("SUNIONSTORE", destination, destination, other), 0)

        self.together(add, unite)
        self.assertEqual(client.value("SCARD", destination), count + 1)
        self.none_is_left()

    def test_of_two_who_rename_one_key_no_value_is_lost(self):
        source, sinks = key_on(0, 3), [key_on(1, 3), key_on(2, 3)]
        for number in range(100):
            self.client().value("SET", source, number)
            answers = []

            def rename(sink):
                with self.client() as client:
                    answers.append(client.value("RENAME", source, sink))

            self.together(*[lambda sink=sink: rename(sink) for sink in sinks])
            self.assertIn(b"OK", [bytes(str(answer), "ascii") if not isinstance(answer, bytes)
                                  else answer for answer in answers])
            self.assertIn(str(number).encode(), self.client().value("MGET", *sinks))


class AsRedis(InSteps):
    """What the random commands of test_differential do not come across."""

    def test_values_of_every_size_and_time_to_live(self):
        client = self.client()
        source, sink = key_on(0, 3), key_on(1, 3)
        for size in (0, 1, 5000, 300_000, 3_000_000):
            value = bytes(number * 7 % 251 for number in range(size))
            client.value("SET", source, value, "PX", "100000")
            self.assertEqual(client.value("RENAME", source, sink), "OK")
            self.assertEqual(client.value("EXISTS", source), 0)
            self.assertEqual(client.value("GET", sink), value)
            self.assertGreater(client.value("PTTL", sink), 90_000)
            self.assertEqual(client.value("COPY", sink, source), 1)
            self.assertEqual(client.value("COPY", sink, source), 0)
            self.assertEqual(client.value("COPY", sink, source, "REPLACE"), 1)
            self.assertEqual(client.value("GET", source), value)
            self.assertGreater(client.value("PTTL", source), 90_000)

    def test_a_time_to_live_is_carried_as_the_moment_that_it_ends(self):
        client = self.client()
        source, sink = key_on(0, 3), key_on(1, 3)
        # Lua's numbers hold no later one exactly.
        latest = 2**53
        now = int(time.time() * 1000)
        for moment in (now + 60_000, 99_999_999_999_999, latest - 1, latest, 2**63 - 1):
            for command in ("RENAME", "RENAMENX", "COPY"):
                client.value("FLUSHALL")
                client.value("SET", source, "x", "PXAT", moment)
                self.assertIn(client.value(command, source, sink), ("OK", 1))
                self.assertEqual(client.value("PEXPIRETIME", sink), min(moment, latest))
        client.value("FLUSHALL")
        client.value("SET", source, "x")
        self.assertEqual(client.value("RENAME", source, sink), "OK")
        self.assertEqual(client.value("PEXPIRETIME", sink), -1)

    def test_what_expires_on_the_way_is_gone(self):
        client = self.client()
        source, sink = key_on(0, 3), key_on(1, 3)
        for command, answer in ((("COPY", "REPLACE"), ":0"), (("RENAME",), "-ERR no such key")):
            client.value("SET", sink, "old")
            client.value("SET", source, "x", "PX", "400")
            self.servers[1].call("CLIENT", "PAUSE", "800")
            self.assertEqual(client.call(command[0], source, sink, *command[1:]),
                             answer.encode() + b"\r\n")
            self.assertEqual(client.value("GET", sink), b"old")
            self.assertEqual(client.value("EXISTS", source), 0)
        self.none_is_left()

    def test_another_database(self):
        client = self.client()
        source, sink = key_on(0, 3), key_on(1, 3)
        client.value("SELECT", "3")
        client.value("SET", source, "x")
        self.assertEqual(client.value("COPY", source, sink, "DB", "5"), 1)
        self.assertEqual(client.value("RENAME", source, sink), "OK")
        self.assertEqual(client.value("DBSIZE"), 1)
        client.value("SELECT", "5")
        self.assertEqual(client.value("GET", sink), b"x")
        client.value("SELECT", "0")
        self.assertEqual(client.value("DBSIZE"), 0)

    def test_sort_stores_and_patterns_are_refused(self):
        client, reference = self.client(), self.reference_client()
        source, sink = key_on(0, 3), key_on(1, 3)
        for words in (["RPUSH", source, "3", "1", "2"], ["SORT", source, "STORE", sink],
                      ["LRANGE", sink, "0", "-1"],
                      ["SORT", source, "BY", "nosort", "GET", "#", "STORE", sink],
                      ["LRANGE", sink, "0", "-1"],
                      ["SORT", source, "LIMIT", "0", "x", "STORE", sink],
                      ["SORT", "none", "STORE", sink], ["EXISTS", sink]):
            self.expect_as_redis(client, reference, resp(*words))
        self.expect_error(client, resp("SORT", source, "BY", "w_*", "STORE", sink), "-CROSSSLOT")
        for word in ("SORT", "SORT_RO"):
            for options in (["BY", "w_*"], ["GET", "w_*"], ["BY", "nosort", "GET", "#", "GET", "w_*"]):
                self.expect_error(client, resp(word, source, *options), "-CROSSSLOT")
            self.expect_as_redis(client, reference, resp(word, source, "BY", "nosort", "GET", "#"))

    def test_a_pipeline_keeps_its_order(self):
        client, reference = self.client(), self.reference_client()
        a, b, c = (key_on(server, 3) for server in range(3))
        self.expect_both_ways(
            ["SADD", a, "1", "2"], ["SUNIONSTORE", b, a], ["SADD", b, "3"], ["SMOVE", b, c, "3"],
            ["SCARD", b], ["RENAME", b, c], ["SCARD", c], ["EXISTS", b], ["RENAMENX", a, c],
            ["RENAMENX", a, b], ["RENAME", "none" + a, b], ["SCARD", b], ["DBSIZE"])


@needs_ringmain
@needs_several_servers
class Refusals(InSteps):
    """By servers that do not let ringmain's user say EVAL, and by one that cannot take a value."""
    server_options = ("--user", "default", "on", "nopass", "~*", "&*", "+@all", "-eval")

    def test_an_error_of_eval_names_the_server_and_the_step(self):
        client, source, sink = self.client(), key_on(0, 3), key_on(1, 3)
        client.value("SET", source, "x")
        for words in (["COPY", source, sink], ["RENAME", source, sink],
                      ["RENAMENX", source, sink], ["SUNIONSTORE", sink, source]):
            said = str(client.value(*words))
            self.assertRegex(
                said, r"^ERR ringmain: server \S+ \(127.0.0.1:%s\) refuses EVAL of PEXPIRETIME and DUMP, "
                      r"which %s over several servers needs: -NOPERM .* 'eval' command; make it "
                      r"take that, or give the keys a common hash tag; '%s' has changed nothing$"
                      % (self.servers[0].port, words[0], words[0]))
        self.assertEqual(client.value("GET", source), b"x")

    def test_an_error_of_the_clients_own_is_redis_own(self):
        for server in self.servers:
            server.call("ACL", "SETUSER", "default", "+eval")
            self.addCleanup(server.call, "ACL", "SETUSER", "default", "-eval")
        client, reference = self.client(), self.reference_client()
        source, sink = key_on(0, 3), key_on(1, 3)
        for words in (["RENAME", source, sink], ["SET", source, "x"],
                      ["SUNIONSTORE", sink, source], ["COPY", source, sink, "DB", "99"],
                      ["COPY", source, sink], ["RENAMENX", source, sink],
                      ["RENAME", source, sink]):
            self.expect_as_redis(client, reference, resp(*words))
        # It has no room.
        self.servers[0].call("CONFIG", "SET", "maxmemory", "1")
        self.addCleanup(self.servers[0].call, "CONFIG", "SET", "maxmemory", "0")
        said = str(client.value("COPY", sink, source))
        self.assertRegex(
            said, r"^ERR ringmain: server \S+ \(127.0.0.1:%s\) refuses EVAL of RESTORE and COPY, "
                  r"which COPY over several servers needs: -OOM .*; 'COPY' has changed nothing$"
                  % self.servers[0].port)


@needs_ringmain
class Replicas(Case):
    def setUp(self):
        self.masters = [self.use(RedisServer()) for _ in range(2)]
        self.replicas = [self.use(RedisServer(["--replicaof", "127.0.0.1", master.port]))
                         for master in self.masters]
        for replica in self.replicas:
            wait_for(lambda one=replica: one.info("replication", "master_link_status") == "up",
                     "a replica has its data")
        self.proxy = self.use(Ringmain({"main": {"servers": self.masters}}))

    def test_wait_counts_what_every_server_has(self):
        client = self.proxy.client()
        for number in range(20):
            self.assertEqual(client.value("SET", f"k{number}", "x"), "OK")
        self.assertEqual(client.value("WAIT", "1", "5000"), 1)
        held = [replica.call("GET", f"k{number}") for replica in self.replicas
                for number in range(20)]
        self.assertEqual(held.count(b"x"), 20)
        # One of them is not there: its server's number is the answer.
        self.replicas[1].halt()
        self.assertEqual(client.value("SET", "k0", "y"), "OK")
        self.assertEqual(client.value("SET", "k1", "y"), "OK")
        wait_for(lambda: self.masters[1].info("replication", "connected_slaves") == "0",
                 "the master notices")
        self.assertEqual(client.value("WAIT", "1", "100"), 0)
        self.assertEqual(client.value("WAIT", "0", "0"), 0)

    def test_wait_in_a_replica_is_its_own_error(self):
        proxy = self.use(Ringmain({"main": {"servers": self.replicas}}))
        self.assertEqual(str(proxy.client().value("WAIT", "0", "1")),
                         "ERR WAIT cannot be used with replica instances. Please also note that "
                         "since Redis 4.0 if a replica is configured to be writable (which is not "
                         "the default) writes to replicas are just local and are not propagated.")


if __name__ == "__main__":
    main()
