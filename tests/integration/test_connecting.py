"""The way to servers: which of a name's addresses count, and what is this machine's fault."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

from fakes import HANDSHAKE, FakeServer, fake_redis
from harness import (FOLDER, SANITIZED, Port, RedisServer, Ringmain, main, needs_ringmain,
                     wait_for)
from test_failures import Failing
from test_stress import Limited
from wire import bulk, resp
from without_ipv6 import why_not

ONE_PORT = """
ip link set lo up
echo 50000 50000 > /proc/sys/net/ipv4/ip_local_port_range
exec "$@"
"""


@needs_ringmain
@unittest.skipIf(os.geteuid() != 0, "needs root for a file /etc/hosts of its own")
class WithoutIpv6(Failing):
    """A server's address is of no use then: what counts are the others, if there are any."""

    def behind_dead(self, way, server, **options):
        """The given server, with nobody at its port, and one that lives; ringmain has no IPv6."""
        missing = why_not(way)
        if missing:
            self.skipTest(missing)
        nobody = Port()
        self.addCleanup(nobody.release)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        living = self.use(RedisServer(["--unixsocket", f"{folder}/redis.sock"]))
        wait_for(lambda: os.path.exists(f"{folder}/redis.sock"), "its socket is there")
        self.behind_hosts("127.0.0.1 localhost two\n::1 two six\n", f"{server}:{nobody.number}:1 s0",
                          f"{folder}/redis.sock:1 s1", listen=f"{folder}/ringmain.sock",
                          auto_eject_hosts=True, server_failure_limit=2,
                          server_retry_timeout="60s", **options,
                          inside=(sys.executable, FOLDER / "without_ipv6.py", way))
        return living

    def is_ejected_for(self, *reasons):
        """After two failures the other server has its keys."""
        with self.client() as client:
            self.expect_failure(client, self.key(0), *reasons, server="s0")
            wait_for(lambda: client.call("GET", self.key(0)) == b"$-1\r\n",
                     "another server has its keys", 5)
        self.assertRegex(self.proxy.log(), f"server s0 .* ({'|'.join(reasons)})")
        self.assertNotRegex(self.proxy.log(), "no port is left|no such protocol")

    def test_a_dead_server_is_ejected_for_what_the_address_of_the_other_kind_says(self):
        for way in ("--address", "--socket"):
            for preconnect in (False, True):
                with self.subTest(way=way, preconnect=preconnect):
                    self.behind_dead(way, "two", preconnect=preconnect)
                    self.is_ejected_for("refused the connection")
                    self.over()

    def test_an_address_of_that_kind_alone_is_the_servers_failure_and_said(self):
        for way in ("--address", "--socket"):
            for server in ("[::1]", "six"):
                with self.subTest(way=way, server=server):
                    self.behind_dead(way, server)
                    self.is_ejected_for("this machine has no address of its kind")
                    self.over()

    def test_where_all_ports_are_taken_no_server_is_blamed(self):
        """The kernel says the same of it as of a missing address."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        for server in ("127.0.0.1", "[::1]"):
            with self.subTest(server=server):
                self.clients = []
                pools = {"alpha": {"servers": [f"{server}:7001:1 s0"],
                                   "listen": f"{folder}/ringmain.sock", "preconnect": False,
                                   "auto_eject_hosts": True, "server_failure_limit": 1}}
                # The one port that there is to connect from is taken by a listener.
                self.proxy = self.use(Ringmain(pools, start=False, other={
                    "stats": {"listen": "127.0.0.1:50000"}}))
                self.proxy.inside = ("unshare", "--net", "sh", "-c", ONE_PORT, "sh")
                self.proxy.start()
                for _ in range(3):
                    self.expect_failure(self.client(), "a", "no port is left", server="s0")
                self.assertNotIn("is ejected", self.proxy.log())
                self.over()


@needs_ringmain
@unittest.skipIf(SANITIZED, "the sanitizer has descriptors of its own")
@unittest.skipUnless(shutil.which("prlimit"), "prlimit is missing")
class WithoutDescriptors(Failing):
    def limit(self, text):
        subprocess.run(["prlimit", "--pid", str(self.proxy.pid), f"--nofile={text}"], check=True,
                       timeout=20)

    def test_a_look_up_that_lacks_one_blames_no_server(self):
        """The first one, when the system's resolver says that the name is not known, and later."""
        server = self.use(RedisServer())
        self.behind(f"localhost:{server.port}:1 s0", preconnect=False, auto_eject_hosts=True,
                    server_failure_limit=1, server_retry_timeout="60s")
        client = self.client()
        self.working(client)
        for _ in range(2):
            self.limit("3:")
            for _ in range(3):
                self.expect_failure(client, "a", "no descriptor is left", server="s0")
                time.sleep(0.05)
            self.limit("1000:")
            wait_for(lambda: client.call("GET", "a") == b"$-1\r\n", "the server is found", 2)
            server.call("CLIENT", "KILL", "TYPE", "normal")
        self.assertNotRegex(self.proxy.log(), "is ejected|cannot be found")

    def test_connections_that_nobody_uses_make_room_for_clients(self):
        server = self.use(RedisServer())
        self.count, self.clients = 1, []
        self.proxy = self.use(Limited(100, {"alpha": {"servers": [server]}}))
        watching = [self.client() for _ in range(35)]
        for command in ("WATCH", "a"), ("UNWATCH",):
            for client in watching:
                self.assertEqual(client.call(*command), b"+OK\r\n")
        for _ in range(25):
            self.working(self.client())
        self.assertNotIn("no descriptor is left", self.proxy.log())

    def limited(self, descriptors, servers, **options):
        """Behind so many; the port that tells how it is."""
        port = Port()
        self.addCleanup(port.release)
        self.count, self.clients = len(servers), []
        self.proxy = self.use(Limited(descriptors, {"alpha": {"servers": servers, **options}},
                                      {"admin": {"listen": f"127.0.0.1:{port.number}"}}))
        return port.number

    def fill(self, count):
        for number in range(count):
            with contextlib.suppress(ConnectionError):
                self.client()
            if number % 50 == 0:
                self.working(self.clients[0])  # who is refused is gone

    def reserve_is_there(self, port):
        """For the ports, a new log file and a reload."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            self.assertEqual(answer.status, 200)
        os.kill(self.proxy.pid, signal.SIGHUP)
        wait_for(lambda: "configuration read from" in self.proxy.log(), "a reload")
        self.assertNotRegex(self.proxy.log(), "no descriptor is left|Too many open files")

    def test_clients_that_wait_leave_servers_and_ports_theirs(self):
        servers = [self.use(RedisServer()) for _ in range(2)]
        port = self.limited(400, servers, timeout="1s")
        first = self.client()
        self.assertEqual(first.call("GET", self.key(0)), b"$-1\r\n")
        self.fill(60)
        for _ in range(150):
            with contextlib.suppress(ConnectionError):
                self.client().send(resp("BLPOP", self.key(1), "0"))
        time.sleep(0.3)  # all of them have come
        client = self.clients[60]
        self.assertRegex(client.call("WATCH", self.key(1)),
                         b"-ERR ringmain: server s1 .* gets no more connections for single "
                         rb"clients .* the limit of the descriptors of this process \(ulimit -n")
        self.assertEqual(client.call("GET", self.key(1)), b"$-1\r\n")
        self.fill(200)
        self.reserve_is_there(port)
        servers[0].halt(signal.SIGKILL)
        servers[0].start()
        wait_for(lambda: first.call("GET", self.key(0)) == b"$-1\r\n", "it is connected again", 3)
        self.assertNotIn("no descriptor is left", self.proxy.log())

    def test_selected_databases_leave_servers_and_ports_theirs(self):
        server = self.use(RedisServer(["--bind", "0.0.0.0"]))
        servers = [f"127.0.0.{i}:{server.port}:1 s{i - 1}" for i in range(1, 21)]
        port = self.limited(700, servers, timeout="2s")
        self.assertIn("SELECT, will be refused before", self.proxy.log())
        keys = [self.key(number) for number in range(20)]
        refused = 0
        for place, client in enumerate([self.client() for _ in range(30)]):
            number = place // 2 + 1
            client.call("HELLO", str(place % 2 + 2))
            for command in ("SELECT", str(number)), *(("GET", key) for key in keys):
                answer = client.call(*command)
                refused += b"for single clients or selected databases" in answer
        self.assertGreater(refused, 0)
        self.fill(700)
        self.reserve_is_there(port)
        self.working(self.clients[0])

    def test_who_reads_how_things_are_leaves_servers_theirs(self):
        """Clients at their limit, and as many readers of both ports as they take."""
        servers = [self.use(RedisServer()) for _ in range(2)]
        ports = [Port(), Port()]
        for port in ports:
            self.addCleanup(port.release)
        self.count, self.clients = 2, []
        self.proxy = self.use(Limited(300, {"alpha": {"servers": servers, "timeout": "1s"}}, {
            "stats": {"listen": f"127.0.0.1:{ports[0].number}"},
            "admin": {"listen": f"127.0.0.1:{ports[1].number}"}}))
        for _ in range(300):
            self.client()
        first = self.clients[0]
        self.working(first)
        with contextlib.ExitStack() as readers:
            for port in ports:
                for _ in range(100):
                    readers.enter_context(socket.create_connection(("127.0.0.1", port.number), 5))
            descriptors = pathlib.Path(f"/proc/{self.proxy.pid}/fd")
            time.sleep(0.2)
            self.assertLess(len(list(descriptors.iterdir())), 300)
            for server in servers:
                server.call("CLIENT", "KILL", "TYPE", "normal")
            for number in (0, 1):
                wait_for(lambda key=self.key(number): first.call("GET", key) == b"$-1\r\n",
                         "the server is connected again", 2)
        self.assertNotRegex(self.proxy.log(), "server .* no descriptor is left|is ejected")


@needs_ringmain
class HungServers(Failing):
    def hung(self, folder, name):
        """The listener of a unix socket on which one waits to be accepted, and no more may."""
        listener = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(f"{folder}/{name}")
        listener.listen(0)
        self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)).connect(
            f"{folder}/{name}")
        return listener

    def test_one_that_accepts_late_does_not_wait_for_those_that_never_do(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        for name in "abc":
            self.hung(folder, name)
        listener = self.hung(folder, "late")
        self.clients = []
        self.proxy = self.use(Ringmain({
            "late": {"servers": [f"{folder}/late:1 s0"], "preconnect": False, "timeout": "2s",
                     "auto_eject_hosts": True, "server_failure_limit": 1},
            "hung": {"servers": [f"{folder}/{name}:1 {name}" for name in "abc"],
                     "connect_timeout": "20s"}}, proxy={"workers": 1}))
        client = self.client()
        client.send(resp("GET", "a"))
        time.sleep(0.15)
        listener.accept()[0].close()
        listener.settimeout(0.5)
        accepted = self.enterContext(listener.accept()[0])
        accepted.settimeout(5)
        self.assertTrue(accepted.recv(1000).endswith(resp("GET", "a")))
        accepted.sendall(b"$1\r\nb\r\n")
        self.same(client.read(timeout=5), b"$1\r\nb\r\n")


@needs_ringmain
@unittest.skipIf(os.geteuid() != 0, "needs root for a file /etc/hosts of its own")
class DeafAddresses(Failing):
    """One of a name's addresses takes connections and does not serve: the other one does."""

    def two(self, deaf, **options):
        """At both addresses the same script: the one that is connected first is the deaf one."""
        first = []

        def script(connection):
            place = connection.server.address
            first[:] = first or [place]
            if place == first[0] and deaf(connection):
                return
            while True:
                arguments = connection.read_request()
                name = arguments[0].upper()
                connection.send(HANDSHAKE.get(name) or bulk("served"))

        one = self.use(FakeServer(script, host="127.0.0.2"))
        other = FakeServer(script, port=one.port, host="127.0.0.3")
        self.addCleanup(other.stop)
        self.behind_hosts("127.0.0.1 localhost\n127.0.0.2 two\n127.0.0.3 two\n",
                          f"two:{one.port}:1 s0", timeout="200ms", connect_timeout="500ms",
                          server_retry_timeout="200ms", **options)

    def is_served(self):
        client = self.client()
        wait_for(lambda: all(client.call("GET", "a") == bulk("served") for _ in range(50)),
                 "the other address serves", 6)

    def mute(self, connection):
        connection.wait_until_closed()
        return True

    def closes(self, connection):
        return True

    def answers_pings_alone(self, connection):
        while connection.read_request() == [b"PING"]:
            connection.send(HANDSHAKE[b"PING"])
        return True

    def falls_silent(self, connection):
        """The first serves for a while."""
        if connection.number > 0:
            return self.mute(connection)
        for _ in range(3):
            connection.read_request()
            connection.send(bulk("served"))
        return self.mute(connection)

    def test_the_other_one_serves(self):
        for deaf in (self.mute, self.closes, self.answers_pings_alone, self.falls_silent):
            for ejects in (False, True):
                with self.subTest(deaf=deaf.__name__, ejects=ejects):
                    self.two(deaf, auto_eject_hosts=ejects)
                    self.is_served()
                    # Who comes with a connection of his own finds it at once.
                    with self.client() as other:
                        self.same(other.call("SELECT", 5), b"+OK\r\n")
                        self.same(other.call("GET", "a"), bulk("served"))
                    self.over()


class NameServer:
    """Says that every name is 127.0.0.1, but for those that begin with "silent", and none when it is
    to be silent. On a loopback address of its own."""

    def __init__(self):
        self.is_silent = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.77", 53))
        self.thread = threading.Thread(target=self.answer, daemon=True)
        self.thread.start()

    def answer(self):
        while (received := self.socket.recvfrom(2000))[0]:
            query, client = received
            end = query.index(0, 12) + 1  # of the name
            kind = struct.unpack(">H", query[end:end + 2])[0]
            if self.is_silent or query[13:].startswith(b"silent"):
                continue
            found = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" if kind == 1 else b""
            self.socket.sendto(query[:2] + b"\x81\x80\0\1" + struct.pack(">H", bool(found))
                               + bytes(4) + query[12:end + 4] + found, client)

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.77", 53))
        self.thread.join(10)
        self.socket.close()


@needs_ringmain
@unittest.skipIf(os.geteuid() != 0, "needs root for port 53 and a file /etc/resolv.conf of its own")
class SlowNames(Failing):
    """Who looks up names is slow, or silent: a server that was found before is where it was."""

    def behind_names(self, silent, **options):
        try:
            self.names = NameServer()
        except OSError as error:
            self.skipTest(f"no name server of our own: {error}")
        self.addCleanup(self.names.stop)
        self.server = self.use(fake_redis(lambda *_: bulk("served")))
        file = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "resolv.conf"
        file.write_text("nameserver 127.0.0.77\noptions timeout:5 attempts:2\n")
        port = self.server.port
        self.clients = []
        self.proxy = self.use(Ringmain({
            "alpha": {"servers": [f"one.example:{port}:1 s0"], "timeout": "1s", **options},
            "silent": {"servers": [f"silent{i}.example:{port}:1 b{i}" for i in range(silent)] or
                       ["127.0.0.1:1:1 b0"]}}, start=False))
        self.proxy.inside = ("unshare", "--mount", "sh", "-c",
                             'mount --bind "$0" /etc/resolv.conf && exec "$@"', file)
        self.proxy.start()
        self.alpha = self.client()
        wait_for(lambda: self.alpha.call("GET", "a") == bulk("served"), "its name is found", 15)

    def reconnects(self):
        """Its connection is lost; how long it takes to be served again."""
        began, before = time.monotonic(), len(self.server.connections)
        self.server.connections[-1].socket.shutdown(socket.SHUT_RDWR)

        def is_served():
            answer = self.alpha.call("GET", "a")
            self.assertNotIn(b"cannot be found", answer)
            return answer == bulk("served") and len(self.server.connections) > before
        wait_for(is_served, "it is served", 15)
        return time.monotonic() - began

    def test_a_name_server_that_falls_silent_keeps_nobody_from_who_was_there(self):
        self.behind_names(silent=0, connect_timeout="5s")
        self.names.is_silent = True
        for _ in range(3):
            self.assertLess(self.reconnects(), 5)

    def test_many_names_that_nobody_knows_hold_up_none_that_is_known(self):
        self.behind_names(silent=150, connect_timeout="10s")
        time.sleep(1)  # all of them are asked for
        for _ in range(3):
            self.assertLess(self.reconnects(), 3)


@needs_ringmain
class WhatTheLogSays(Failing):
    def test_clients_that_are_refused_are_counted_up_to_the_end(self):
        server = self.use(RedisServer())
        self.proxy = self.use(Ringmain({"alpha": {"servers": [server], "client_connections": 1}},
                                       proxy={"workers": 1}))
        clients = [self.proxy.client() for _ in range(6)]
        wait_for(lambda: "is refused" in self.proxy.log(), "the first is told")
        time.sleep(0.2)
        self.assertNotIn(" more clients ", self.proxy.log())
        self.assertEqual(self.proxy.halt(), 0)
        for client in clients:
            client.close()
        self.assertRegex(self.proxy.log(),
                         r"pool alpha: [45] more clients were refused, the last one: 1 clients are "
                         "connected to the pool, the limit of its client_connections")
        self.proxy.child = None

    def test_the_loss_of_a_connection_is_told_once(self):
        server = self.use(RedisServer())
        self.proxy = self.use(Ringmain({"alpha": {"servers": [f"{server.address}:1 s0"]}},
                                       proxy={"workers": 1, "log_level": "info"}))
        connected = " is connected to"
        lost = r"server s0 \S+ (?:closed|reset) the connection"
        with self.proxy.client() as client:
            client.call("GET", "a")
            with server.client() as killer:
                killer.call("CLIENT", "KILL", "TYPE", "normal")
            wait_for(lambda: self.proxy.log().count(connected) == 2, "it is connected again")
            self.assertEqual(len(re.findall(lost, self.proxy.log())), 1, "idle")

            client.call("GET", "a")
            os.kill(server.pid, signal.SIGSTOP)
            client.send(resp("GET", "a"))
            with self.proxy.client() as other:
                self.working(other)  # the request has left
            server.halt(signal.SIGKILL)
            self.assertEqual(client.read_line()[:1], b"-")
            wait_for(lambda: "refused the connection" in self.proxy.log(), "more attempts")
            self.assertEqual(len(re.findall(lost, self.proxy.log())), 2, "in use")

    def test_a_connection_that_ringmain_gives_up_is_told_with_the_reason(self):
        server = self.use(fake_redis(lambda *_: b"?\r\n"))
        self.proxy = self.use(Ringmain({"alpha": {"servers": [f"{server.address}:1 s0"]}},
                                       proxy={"workers": 1, "log_level": "info"}))
        told = f" info: pool alpha: server s0 ({server.address}) sent a malformed response: "
        with self.proxy.client() as client:
            wait_for(lambda: client.call("GET", "a") and self.proxy.log().count(told) > 2,
                     "each loss is told")


if __name__ == "__main__":
    main()
