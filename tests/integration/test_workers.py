"""Several workers, several connections per server, and unix sockets on both sides."""
import errno
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest

from harness import (BINARY, SANITIZED, Case, MemcachedServer, RedisServer, Ringmain, key_on, main,
                     needs_ringmain, wait_for)
from wire import RespClient, bulk, resp


@needs_ringmain
class Workers(Case):
    def setUp(self):
        self.servers = [self.use(RedisServer()) for _ in range(2)]

    def start(self, workers, **options):
        self.proxy = self.use(Ringmain({"alpha": {"servers": self.servers, **options}},
                                       proxy={"workers": workers}))
        return self.proxy

    def test_every_client_reads_what_it_wrote(self):
        for workers, connections in ((1, 3), (2, 1), (2, 2)):
            with self.subTest(workers=workers, connections=connections):
                proxy = self.start(workers, server_connections=connections)
                clients = [proxy.client() for _ in range(40)]
                for index in range(25):
                    wanted = []
                    for number, client in enumerate(clients):
                        value = f"{number}:{index}"
                        client.send(resp("SET", f"w{number}", value) + resp("GET", f"w{number}")
                                    + resp("MSET", f"x{number}", value, f"y{number}", value)
                                    + resp("MGET", f"x{number}", f"y{number}")
                                    + resp("INCR", f"n{number}.{workers}.{connections}"))
                        wanted.append(b"+OK\r\n" + bulk(value) + b"+OK\r\n*2\r\n" + bulk(value) * 2
                                      + b":%d\r\n" % (index + 1))
                    for client, expected in zip(clients, wanted):
                        self.same(client.read_exactly(len(expected)), expected)
                for client in clients:
                    client.close()

    def test_each_runs_on_its_cpu(self):
        usable = sorted(os.sched_getaffinity(0))
        first, last = usable[0], usable[-1]
        cases = ((f"{last},{first}", [last, first, last]), (str(last), [last] * 3),
                 ("auto", [usable[worker % len(usable)] for worker in range(3)]))
        for affinity, wanted in cases if first != last else cases[2:]:
            proxy = self.use(Ringmain({"alpha": {"servers": self.servers}},
                                      proxy={"workers": 3, "cpu_affinity": affinity}))
            cpus = {}
            for task in pathlib.Path(f"/proc/{proxy.pid}/task").iterdir():
                cpus[(task / "comm").read_text().strip()] = os.sched_getaffinity(int(task.name))
            for worker, cpu in enumerate(wanted):
                self.assertEqual(cpus[f"ringmain-w{worker}"], {cpu}, affinity)
            self.assertEqual(cpus["ringmain"], set(usable), "the control thread goes anywhere")

    def test_it_serves_while_it_connects_to_hundreds_of_servers(self):
        hosts = ("127.0.0.1", "localhost")
        names = [f"{hosts[number % 4 // 2]}:{self.servers[number % 2].port}:1 s{number}"
                 for number in range(400)]
        self.servers, servers = names, self.servers
        for workers in (1, 2):
            before = [self.connections(server) for server in servers]
            with self.subTest(workers=workers), self.start(workers).client() as client:
                client.send(b"".join(resp("SET", f"m{key}", key) for key in range(1000)))
                wanted = b"+OK\r\n" * 1000
                self.same(client.read_exactly(len(wanted)), wanted)
                for server, others in zip(servers, before):
                    wait_for(lambda server=server, others=others:
                             self.connections(server) == others + 200 * workers,
                             "each of 400 servers is connected once by each worker")

    def connections(self, server):
        return int(server.info("clients", "connected_clients"))

    def workers_of(self, clients, workers):
        """How many of the clients each worker has; their ids tell."""
        counts = [0] * workers
        for client in clients:
            counts[int(client.value("CLIENT", "ID")) % workers] += 1
        return counts

    def test_a_few_clients_are_shared_out_evenly(self):
        folder = tempfile.mkdtemp(prefix="ringmain-test.")
        self.addCleanup(shutil.rmtree, folder)
        for listen in ({}, {"listen": f"{folder}/socket"}):
            with self.subTest(**listen):
                proxy = self.start(4, **listen)
                clients = []
                for count in range(1, 13):
                    clients.append(proxy.client())
                    found = self.workers_of(clients, 4)
                    self.assertLessEqual(max(found) - min(found), 1, found)
                # Who comes after others have left takes their places.
                gone = [client for client in clients if int(client.value("CLIENT", "ID")) % 4 == 2]
                for client in gone:
                    clients.remove(client)
                    client.close()
                wait_for(lambda: self.connected(clients[0]) == len(clients), "three have left")
                clients += [proxy.client() for _ in gone]
                self.same(self.workers_of(clients, 4), [3, 3, 3, 3])
                for client in clients:
                    self.working(client)
                    client.close()

    def connected(self, client):
        text = client.value("INFO", "clients").decode()
        return int(re.search(r"connected_clients:(\d+)", text)[1])

    def test_who_is_handed_over_during_a_reload_is_served(self):
        proxy = self.start(4)
        text = proxy.config_path.read_text()
        ended, failures, served = threading.Event(), [], []

        def come_and_go():
            try:
                while not ended.is_set():
                    clients = [proxy.client() for _ in range(6)]
                    for client in clients:
                        self.same(client.call("PING"), b"+PONG\r\n")
                        client.close()
                    served.append(len(clients))
            except Exception as error:  # told by the test's own thread
                failures.append(repr(error))

        threads = [threading.Thread(target=come_and_go) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(8):
            other = (f"\n[pool.other]\nlisten = \"{proxy.folder}/other\"\n"
                     f"servers = [\"{self.servers[0].address}:1 s\"]\n")
            proxy.config_path.write_text(text + other * (number % 2))
            proxy.child.send_signal(signal.SIGHUP)
            time.sleep(0.15)
        ended.set()
        for thread in threads:
            thread.join(30)
        self.same(failures, [])
        self.assertGreater(sum(served), 50)
        self.assertIn("pool other: removed", proxy.log())

    def test_both_workers_serve(self):
        proxy = self.start(2)
        clients = [proxy.client() for _ in range(64)]
        for client in clients:
            self.working(client)
        threads = os.listdir(f"/proc/{proxy.pid}/task")
        self.assertGreaterEqual(len(threads), 3)
        numbers = {client.value("CLIENT", "ID") for client in clients}
        self.assertEqual(len(numbers), 64, "two clients have the same id")
        for client in clients:
            client.close()

    def test_an_ejected_server_returns_though_the_worker_that_probes_it_sleeps(self):
        proxy = self.start(4, auto_eject_hosts=True, server_failure_limit=1,
                           server_retry_timeout=300, preconnect=False)
        client = proxy.client()
        # A server's number is that of the worker that probes it, a client's id that of its own.
        server = 1 if int(client.value("CLIENT", "ID")) % 4 == 0 else 0
        key = key_on(server, 2)
        self.same(client.call("SET", key, "there"), b"+OK\r\n")
        time.sleep(2)  # until the others have nothing to do at all
        self.servers[server].kill()
        wait_for(lambda: client.call("SET", key, "elsewhere") == b"+OK\r\n", "the ejection")
        self.servers[server].start()
        self.servers[server].call("SET", key, "there")
        wait_for(lambda: client.value("GET", key) == b"there", "the return", timeout=5)
        client.close()

    def test_connections_per_worker_and_server(self):
        self.start(2, server_connections=2, preconnect=True)
        clients = [self.proxy.client() for _ in range(64)]
        for client in clients:
            client.call("MGET", *[f"k{number}" for number in range(10)])
        for server in self.servers:
            connected = int(server.info("clients", "connected_clients")) - 1
            self.assertLessEqual(connected, 4)
            self.assertGreaterEqual(connected, 2)
        for client in clients:
            client.close()

    def test_a_storm_over_two_workers(self):
        proxy = self.start(2, server_connections=2)
        for number in range(400):
            client = proxy.client()
            client.send(resp("SET", f"s{number}", number) + resp("GET", f"s{number}"))
            if number % 3 == 0:
                client.reset()
                continue
            wanted = b"+OK\r\n" + bulk(number)
            self.same(client.read_exactly(len(wanted)), wanted)
            client.close()

    def test_a_stop_while_many_workers_start(self):
        """Those that have not started do not start for it."""
        for delay in (0.0, 0.02, 0.05, 0.5):
            with self.subTest(delay=delay):
                proxy = self.use(Ringmain({"alpha": {"servers": self.servers}},
                                          proxy={"workers": 256}, start=False))
                proxy.spawn([os.path.abspath(BINARY), "-c", proxy.config_path])
                wait_for(lambda: len(os.listdir(f"/proc/{proxy.pid}/task")) > 1, "workers start")
                time.sleep(delay)
                began = time.monotonic()
                self.finish(proxy)
                self.assertLess(time.monotonic() - began, 6 if SANITIZED else 2)

    @unittest.skipIf(SANITIZED, "sanitizers leave no such address space")
    def test_memory_that_may_be_used_is_not_used_at_start(self):
        proxy = self.use(Ringmain({"alpha": {"servers": self.servers}},
                                  proxy={"workers": 2, "buffer_memory": "1TiB"}))
        with proxy.client() as client:
            self.working(client)
        self.assertLess(proxy.resident_bytes(), 64 << 20)

    def test_workers_auto(self):
        proxy = self.start("auto")
        with proxy.client() as client:
            self.expect(client, resp("SET", "a", "b") + resp("GET", "a"), b"+OK\r\n$1\r\nb\r\n")

    def test_memcached_over_two_workers(self):
        servers = [self.use(MemcachedServer()) for _ in range(2)]
        proxy = self.use(Ringmain({"alpha": {"protocol": "memcached", "hash_tag": None,
                                             "servers": servers, "server_connections": 2}},
                                  proxy={"workers": 2}))
        clients = [proxy.client() for _ in range(30)]
        for index in range(20):
            for number, client in enumerate(clients):
                client.send(b"set w%d 0 0 2 noreply\r\n%02d\r\nget w%d v%d\r\n"
                            % (number, index, number, number))
            for number, client in enumerate(clients):
                self.same(client.read(), b"VALUE w%d 0 2\r\n%02d\r\nEND\r\n" % (number, index))
        for client in clients:
            client.close()


@needs_ringmain
@unittest.skipIf(SANITIZED, "sanitizers make threads of their own")
@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv") and shutil.which("prlimit"),
                     "needs a user without processes")
class NoThreads(Case):
    """Where its user may have so many threads, as in a container with a limit."""

    def prepare(self, threads, uid, servers, **options):
        class Limited(Ringmain):
            inside = ("prlimit", f"--nproc={threads}:9", "setpriv", "--reuid", str(uid),
                      "--clear-groups")

        proxy = self.use(Limited({"alpha": {"servers": servers, **options}}, start=False))
        proxy.folder.chmod(0o755)
        return proxy

    def test_a_start_without_a_thread_is_refused(self):
        proxy = self.prepare(1, 54321, ["127.0.0.1:1:1 s0"])
        with self.assertRaises(AssertionError):  # it never listens
            proxy.start()
        self.assertEqual(proxy.child.wait(timeout=20), 1)
        self.assertRegex(proxy.log(), "cannot start worker 0: no thread can be made .*ulimit -u")
        proxy.child = None

    def test_names_are_looked_up_one_after_the_other(self):
        """Control, worker and one thread for look-ups, where eight would be made."""
        servers = [f"localhost:{self.use(RedisServer()).port}:1 s{i}" for i in range(8)]
        proxy = self.prepare(3, 54322, servers, preconnect=False, timeout="10s")
        proxy.start()
        with proxy.client() as client:
            keys = [key_on(index, 8) for index in range(8)]
            self.same(client.call("MSET", *[word for key in keys for word in (key, key)]), b"+OK\r\n")
            self.same(client.value("MGET", *keys), [key.encode() for key in keys])

    def test_no_look_up_is_no_failure_of_the_server(self):
        server = self.use(RedisServer())
        proxy = self.prepare(2, 54323, [f"localhost:{server.port}:1 s0"], preconnect=False,
                             auto_eject_hosts=True, server_failure_limit=1)
        proxy.start()
        with proxy.client() as client:
            for _ in range(3):
                self.assertIn(b"cannot be reached: no thread can be made", client.call("GET", "k"))
            self.assertNotIn("ejected", proxy.log())
            self.assertIn("cannot be reached: no thread can be made", proxy.log())
            subprocess.run(["setpriv", "--reuid", "54323", "--clear-groups", "prlimit",
                            "--nproc=3:9", f"--pid={proxy.pid}"], check=True)
            wait_for(lambda: client.call("SET", "k", "v") == b"+OK\r\n", "the server is reached")


@needs_ringmain
class UnixSockets(Case):
    def test_clients_and_servers_by_path(self):
        server = self.use(RedisServer(["--unixsocket", "redis.sock"]))
        path = server.folder / "redis.sock"
        wait_for(path.exists, "redis made its socket")
        folder = server.folder
        proxy = self.use(Ringmain({"alpha": {"listen": f"{folder}/ringmain.sock 0600",
                                             "redis_db": 2,
                                             "servers": [f"{path}:1 s0"]}}))
        mode = os.stat(f"{folder}/ringmain.sock").st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        with RespClient(f"{folder}/ringmain.sock") as client:
            self.expect(client, resp("SET", "a", "b") + resp("GET", "a"), b"+OK\r\n$1\r\nb\r\n")
        with server.client() as direct:
            direct.call("SELECT", "2")
            self.assertEqual(direct.value("GET", "a"), b"b")
        proxy.halt()
        self.assertFalse(os.path.exists(f"{folder}/ringmain.sock"))
        proxy.child = None

    def test_an_end_that_comes_with_the_last_bytes_is_seen_at_once(self):
        server = self.use(RedisServer())
        path = f"{server.folder}/ringmain.sock"
        self.use(Ringmain({"alpha": {"listen": path, "servers": [server]}}))
        with RespClient(path) as client, contextlib.ExitStack() as stack:
            client.call("PING")
            for number in range(200):
                one = RespClient(path)
                one.send(resp("SET", "half", "of a request")[:-3])
                if number % 2:
                    one.close()
                else:
                    stack.enter_context(one).half_close()

            def are_gone():
                return b"\r\nconnected_clients:1\r\n" in client.value("INFO", "clients")
            # Whom nobody has noticed is looked at after a second.
            wait_for(are_gone, "all have been noticed", 0.5)

            pipeline = resp("SET", "k", "v" * 9000) + resp("GET", "k")
            for _ in range(4):
                one = stack.enter_context(RespClient(path))
                one.send(pipeline * 3)
                one.half_close()
                begin = time.monotonic()
                self.same(one.read_until_closed(timeout=5), (b"+OK\r\n" + bulk("v" * 9000)) * 3)
                self.assertLess(time.monotonic() - begin, 0.8)

    def test_an_urgent_byte_holds_up_no_stop_and_no_reload(self):
        server = self.use(RedisServer())
        path = f"{server.folder}/ringmain.sock"
        proxy = self.use(Ringmain({"alpha": {"servers": [server]},
                                   "beta": {"listen": path, "servers": [server]},
                                   "gamma": {"listen": path + "2", "servers": [server]}},
                                  proxy={"shutdown_timeout": "15s"}))
        with RespClient(path) as of_removed, RespClient(path + "2") as last:
            for client in (of_removed, last):
                self.working(client)
                client.socket.send(b"!", socket.MSG_OOB)
            del proxy.pools["beta"]
            proxy.config_path.write_text(proxy.config_text())
            proxy.child.send_signal(signal.SIGHUP)
            self.assertEqual(of_removed.read_until_closed(timeout=5), b"")
            begin = time.monotonic()
            self.assertEqual(proxy.halt(), 0)
            self.assertLess(time.monotonic() - begin, 5)
            proxy.child = None

    def test_urgent_bytes_that_count_when_they_are_gone_hold_up_no_stop(self):
        """Linux 6.18 counts them as unread for as long as the socket lives."""
        server = self.use(RedisServer())
        path = f"{server.folder}/ringmain.sock"
        proxy = self.use(Ringmain({"alpha": {"listen": path, "servers": [server]}},
                                  proxy={"shutdown_timeout": "60s"}))
        clients = [self.enterContext(RespClient(path)) for _ in range(40)]
        for client in clients:
            self.working(client)
            client.socket.send(b"!", socket.MSG_OOB)
            self.working(client)
        proxy.child.send_signal(signal.SIGSTOP)
        for client in clients:
            client.send(b"PING\r\n" * 15_000)
        proxy.child.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        proxy.child.send_signal(signal.SIGCONT)
        begin = time.monotonic()
        for client in clients:
            self.assertEqual(client.read_until_closed(timeout=50), b"+PONG\r\n" * 15_000)
        self.assertEqual(proxy.halt(), 0)
        self.assertLess(time.monotonic() - begin, 45)
        proxy.child = None

    def test_a_socket_that_a_dead_process_left_is_taken_over(self):
        server = self.use(RedisServer())
        path = f"{server.folder}/ringmain.sock"
        options = {"alpha": {"listen": path, "servers": [server]}}
        first = Ringmain(options)
        first.kill()
        # The kernel takes a ring down after its process: the listener may live a moment longer.
        wait_for(lambda: self.is_dead(path), "nobody listens any more")
        first.release()
        self.use(Ringmain(options))
        with RespClient(path) as client:
            self.working(client)

    def is_dead(self, path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(path) == errno.ECONNREFUSED

    def test_a_server_that_has_no_time_to_accept_has_not_failed(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            path = f"{folder}/server.sock"
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(path)
            listener.listen(0)  # of one connection, and that is there
            other = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            other.connect(path)
            proxy = self.use(Ringmain({"alpha": {"servers": [f"{path}:1 s0"], "preconnect": False,
                                                 "auto_eject_hosts": True,
                                                 "server_failure_limit": 1}}))
            client = stack.enter_context(proxy.client())
            client.send(resp("GET", "a"))
            time.sleep(0.3)
            listener.accept()[0].close()
            accepted = stack.enter_context(listener.accept()[0])
            self.assertTrue(accepted.recv(1000).endswith(resp("GET", "a")))
            accepted.sendall(b"$1\r\nb\r\n")
            self.assertEqual(client.read(), b"$1\r\nb\r\n")
            self.assertNotIn("ejected", proxy.log())

    def test_a_server_that_never_accepts_is_given_up_in_time(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            path = f"{folder}/server.sock"
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(path)
            listener.listen(0)
            other = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            other.connect(path)
            proxy = self.use(Ringmain({"alpha": {"servers": [f"{path}:1 s0"], "timeout": "200ms",
                                                 "preconnect": False}}))
            client = stack.enter_context(proxy.client())
            begin = time.monotonic()
            self.assertIn(b"200 ms", client.call("GET", "a"))
            self.assertLess(time.monotonic() - begin, 5)

    def test_two_pools_with_different_protocols(self):
        redis, memcached = self.use(RedisServer()), self.use(MemcachedServer())
        proxy = self.use(Ringmain({
            "one": {"servers": [redis]},
            "two": {"servers": [memcached], "protocol": "memcached", "hash_tag": None}}))
        with proxy.client("one") as one, proxy.client("two") as two:
            self.expect(one, resp("SET", "a", "b"), b"+OK\r\n")
            self.assertEqual(two.store("a", "c"), b"STORED\r\n")
            self.expect(one, resp("GET", "a"), b"$1\r\nb\r\n")
            self.assertEqual(two.get("a"), b"c")


@needs_ringmain
class Stop(Case):
    def test_what_had_arrived_behind_an_urgent_byte_is_answered(self):
        proxy = self.use(Ringmain({"alpha": {"servers": [self.use(RedisServer())]}}))
        clients = [self.enterContext(proxy.client()) for _ in range(20)]
        for client in clients:
            self.working(client)
        proxy.child.send_signal(signal.SIGSTOP)
        for client in clients:
            client.send(b"PING\r\n" * 3)
            client.socket.send(b"!", socket.MSG_OOB)
            client.send(b"PING\r\n" * 5000)
        proxy.child.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        proxy.child.send_signal(signal.SIGCONT)
        for client in clients:
            self.assertEqual(client.read_until_closed(timeout=10), b"+PONG\r\n" * 5003)
        self.assertEqual(proxy.halt(), 0)
        proxy.child = None


if __name__ == "__main__":
    main()
