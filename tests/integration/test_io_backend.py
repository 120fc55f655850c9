"""The option io_backend: what serves the sockets, where io_uring works and where it is forbidden."""
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

from harness import (BINARY, FOLDER, Case, MemcachedServer, Port, RedisServer, Ringmain, main,
                     needs_ringmain, wait_for)
from wire import resp

FORBIDDEN = (sys.executable, str(FOLDER / "without_io_uring.py"))  # EPERM
DEADLY = (*FORBIDDEN, "--kill")  # io_uring_setup ends the process
FALLBACK = "epoll is used in place of io_uring"
CALLS = {"x86_64": {"signalfd": 289, "eventfd": 290, "getrandom": 318},
         "aarch64": {"signalfd": 74, "eventfd": 19, "getrandom": 278}}
ACCEPT = {"x86_64": 288, "aarch64": 242}
LOCKED_MEMORY = ("(ENOMEM)", "RLIMIT_MEMLOCK", "LimitMEMLOCK=", "--ulimit memlock=-1")


def with_locked_memory(kib):
    """Root has no such limit while it has the capability."""
    limited = ("prlimit", f"--memlock={kib * 1024}:{kib * 1024}")
    if os.geteuid() != 0:
        return limited
    return (*limited, "setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock")


def run(*words, inside=()):
    return subprocess.run([*inside, os.path.abspath(BINARY), *[str(word) for word in words]],
                          capture_output=True, text=True, timeout=60)


@needs_ringmain
class Backend(Case):
    def setUp(self):
        if not BINARY:
            raise unittest.SkipTest("RINGMAIN names no binary")
        self.server = self.use(RedisServer())

    def start(self, wanted=None, inside=(), pools=None, statistics=None, **proxy):
        """wanted=None: the option is left out."""
        self.admin = Port()
        self.addCleanup(self.admin.release)
        options = {**({"io_backend": wanted} if wanted else {}), **proxy}
        other = {"admin": {"listen": f"127.0.0.1:{self.admin.number}"},
                 "stats": {"interval": "100ms"}}
        if statistics:
            other["stats"]["listen"] = f"127.0.0.1:{statistics}"
        started = Ringmain(pools or {"alpha": {"servers": [self.server]}}, proxy=options,
                           other=other, start=False)
        started.inside = inside
        self.use(started)
        started.start()
        # The pools' ports are open earlier than the others.
        wait_for(lambda: "notice: pool" in started.log(), "all ports open")
        return started

    def page(self, path):
        address = f"http://127.0.0.1:{self.admin.number}{path}"
        with urllib.request.urlopen(address, timeout=10) as response:
            return response.read().decode()

    def serves(self, proxy, backend):
        """It answers, and every place that tells of the backend names this one."""
        with proxy.client() as client:
            self.expect(client, resp("SET", "a", "1") + resp("GET", "a"), b"+OK\r\n$1\r\n1\r\n")
            large = b"v" * 3_000_000
            self.expect(client, resp("SET", "b", large) + resp("GET", "b"),
                        b"+OK\r\n$3000000\r\n" + large + b"\r\n")
            info = client.value("INFO", "server").decode()
        self.assertIn(f"multiplexing_api:{backend}\r\n", info)
        self.assertIn(f'ringmain_io_backend_info{{backend="{backend}"}} 1\n', self.page("/metrics"))
        self.assertEqual(json.loads(self.page("/stats.json"))["process"]["io_backend"], backend)
        self.assertIn(f", {backend}, ", self.page("/"))
        word = ", epoll" if backend == "epoll" else ", io_uring: "
        self.assertRegex(proxy.log(), rf"notice: ringmain [^,]+, \d+ workers?{word}")

    def test_auto_and_io_uring_use_io_uring_where_it_works(self):
        for wanted in ("auto", "io_uring"):
            proxy = self.start(wanted)
            self.serves(proxy, "io_uring")
            self.assertNotIn(FALLBACK, proxy.log())

    def test_auto_falls_back_where_one_of_the_three_calls_is_forbidden(self):
        for call in ("enter", "register"):
            with self.subTest(call=call):
                proxy = self.start("auto", (*FORBIDDEN, "--" + call))
                self.serves(proxy, "epoll")
                self.assertEqual(proxy.log().count(FALLBACK), 1)
                self.assertIn(f"io_uring_{call}: Operation not permitted (EPERM)", proxy.log())
                self.assertIn("in the seccomp profile", proxy.log())

    def test_auto_falls_back_where_io_uring_is_forbidden_and_says_so_once(self):
        proxy = self.start("auto", FORBIDDEN, workers=2)
        self.serves(proxy, "epoll")
        lines = [line for line in proxy.log().splitlines() if FALLBACK in line]
        self.assertEqual(len(lines), 1, proxy.log())
        for part in ("warning: ", "EPERM", "Cause: a seccomp filter", "Fix: allow io_uring_setup",
                     'io_backend = "epoll"'):
            self.assertIn(part, lines[0])

    def test_memcached_is_served_too_and_stats_name_the_backend(self):
        memcached = self.use(MemcachedServer())
        proxy = self.start("auto", FORBIDDEN,
                           {"beta": {"protocol": "memcached", "hash_tag": None,
                                     "servers": [memcached]}})
        with proxy.client() as client:
            self.expect(client, b"set a 0 0 1\r\n1\r\nget a\r\n",
                        b"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n")
            self.assertIn(b"STAT ringmain_io_backend epoll\r\n", client.call(b"stats ringmain\r\n"))

    def test_io_uring_refuses_to_start_where_it_is_forbidden(self):
        path = self.config("io_uring")
        done = run("-c", path, inside=FORBIDDEN)
        self.assertEqual(done.returncode, 1, done.stderr)
        for part in ("io_uring_setup", "EPERM", "seccomp", "Fix: ", 'io_backend = "auto"'):
            self.assertIn(part, done.stderr)

    def needs_counted_rings(self):
        if not (shutil.which("prlimit") and shutil.which("setpriv")):
            raise unittest.SkipTest("needs prlimit and setpriv")
        if "io_uring is used" in run("doctor", inside=with_locked_memory(64)).stdout:
            raise unittest.SkipTest("this kernel does not count rings towards RLIMIT_MEMLOCK")

    def test_auto_falls_back_where_not_all_rings_have_room_in_locked_memory(self):
        self.needs_counted_rings()
        for kib, workers in ((0, 1), (32, 1), (64, 1), (128, 1), (8192, 64)):
            with self.subTest(kib=kib):
                proxy = self.start("auto", with_locked_memory(kib), workers=workers,
                                   buffer_memory="64MiB")
                self.serves(proxy, "epoll")
                lines = [line for line in proxy.log().splitlines() if FALLBACK in line]
                self.assertEqual(len(lines), 1, proxy.log())
                for part in LOCKED_MEMORY:
                    self.assertIn(part, lines[0])
                self.assertIn(f"{kib * 1024} bytes", lines[0])

    def test_io_uring_refuses_to_start_without_locked_memory(self):
        self.needs_counted_rings()
        for kib in (32, 64, 128):
            done = run("-c", self.config("io_uring"), inside=with_locked_memory(kib))
            self.assertEqual(done.returncode, 1, done.stderr)
            for part in (*LOCKED_MEMORY, 'io_backend = "auto"'):
                self.assertIn(part, done.stderr)

    def test_doctor_tries_as_much_locked_memory_as_the_configuration_needs(self):
        self.needs_counted_rings()
        for wanted, status, level in (("auto", 0, "warn"), ("io_uring", 1, "FAIL")):
            said = self.last_line_of_doctor(wanted, with_locked_memory(64), status)
            self.assertRegex(said, f"^{level} ")
            for part in LOCKED_MEMORY:
                self.assertIn(part, said)

    def test_a_restart_waits_for_the_locked_memory_of_the_last_run(self):
        self.needs_counted_rings()
        for _ in range(4):
            proxy = self.start("auto", with_locked_memory(1024), workers=3)
            self.assertNotIn(FALLBACK, proxy.log())
            self.assertEqual(proxy.halt(), 0, proxy.log())
            proxy.child = None

    def test_a_low_soft_limit_of_descriptors_is_raised_before_io_uring_is_tried(self):
        few = ("prlimit", "--nofile=8:")
        proxy = self.start("auto", few)
        self.serves(proxy, "io_uring")
        self.assertNotIn(FALLBACK, proxy.log())
        self.assertRegex(self.last_line_of_doctor("auto", few), "^ok +io_uring is used")

    def test_doctor_tells_of_a_wrong_name_also_where_io_uring_is_forbidden(self):
        for wanted in ("auto", "io_uring"):
            done = run("doctor", "-c", self.config(wanted),
                       inside=(*FORBIDDEN, "env", "RINGMAIN_IGNORE_FEATURES=nonsense"))
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertRegex(done.stdout, "(?m)^io_backend +FAIL +RINGMAIN_IGNORE_FEATURES: .*nonsense")

    def test_epoll_never_makes_a_ring(self):
        proxy = self.start("epoll", DEADLY, workers=2)
        self.serves(proxy, "epoll")
        self.assertNotIn("warning: ", proxy.log())
        # The control thread's part: time, signals, a reload, the end.
        proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: "no pool changed" in proxy.log(), "the reload")
        self.assertEqual(proxy.halt(), 0, proxy.log())
        proxy.child = None

    @unittest.skipUnless(platform.machine() in CALLS, "the numbers of the calls are not known here")
    def test_another_call_that_is_refused_is_named(self):
        for call, number in CALLS[platform.machine()].items():
            with self.subTest(call=call):
                proxy = self.use(Ringmain({"alpha": {"servers": [self.server]}}, start=False))
                done = run("-c", proxy.config_path, inside=(*FORBIDDEN, "--call", str(number)))
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(f"ringmain: the kernel refuses {call}: Operation not permitted "
                              "(EPERM); allow it (", done.stderr)

    @unittest.skipUnless(platform.machine() in ACCEPT, "the number of the call is not known here")
    def test_that_accepting_is_refused_is_told(self):
        number = str(ACCEPT[platform.machine()])
        proxy = self.start("epoll", (*FORBIDDEN, "--call", number))
        with socket.create_connection(("127.0.0.1", proxy.port()), 10):
            wait_for(lambda: "clients wait to be accepted: the kernel refuses accept4: Operation not "
                     "permitted (EPERM); allow it (" in proxy.log(), "it is told")

    def test_the_deadly_filter_is_deadly(self):
        done = run("-c", self.config("auto"), inside=DEADLY)
        self.assertEqual(done.returncode, -signal.SIGSYS)

    def test_the_statistics_port_is_served_on_epoll(self):
        port = Port()
        self.addCleanup(port.release)
        self.start("epoll", DEADLY, statistics=port.number)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port.number), 10) as reader:
                said = b"".join(iter(lambda: reader.recv(65536), b""))
            self.assertEqual(json.loads(said)["service"], "ringmain")

    def test_timeouts_come_in_time_on_epoll(self):
        listener = socket.create_server(("127.0.0.1", 0))  # accepts and says nothing
        self.addCleanup(listener.close)
        silent = f"127.0.0.1:{listener.getsockname()[1]}:1 silent"
        proxy = self.start("epoll", DEADLY, {"alpha": {"servers": [silent], "timeout": 200}})
        with proxy.client() as client:
            got = self.expect_error(client, resp("GET", "a"), "silent")
        self.assertRegex(got.decode(), r"200 ms|timeout")

    def enters(self):
        """System calls of the worker's ring or epoll so far."""
        found = re.search(r'^ringmain_uring_enters_total\{worker="0"\} (\d+)$',
                          self.page("/metrics"), re.MULTILINE)
        return int(found[1])

    @staticmethod
    def cpu_seconds(proxy):
        """Of all threads so far."""
        paths = pathlib.Path(f"/proc/{proxy.child.pid}/task").glob("*/schedstat")
        return sum(int(path.read_text().split()[0]) for path in paths) / 1e9

    def test_a_worker_looks_for_work_as_long_as_busy_poll_says_and_then_sleeps(self):
        for wanted in ("io_uring", "epoll"):
            with self.subTest(wanted):
                proxy = self.start(wanted, busy_poll_us=100_000)
                with proxy.client() as client:
                    self.expect(client, resp("PING"), b"+PONG\r\n")
                    before = self.enters()
                    self.expect(client, resp("SET", "a", "1"), b"+OK\r\n")
                    wait_for(lambda: self.enters() > before + 1000, "looks without work")
                time.sleep(0.5)
                before = self.cpu_seconds(proxy)
                time.sleep(0.5)
                self.assertLess(self.cpu_seconds(proxy) - before, 0.03)
                self.reload_without_busy_poll(proxy)

    def reload_without_busy_poll(self, proxy):
        """It is an option that a reload changes."""
        proxy.proxy["busy_poll_us"] = 0
        proxy.config_path.write_text(proxy.config_text())
        proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: "no pool changed" in proxy.log(), "the reload")
        with proxy.client() as client:
            self.expect(client, resp("GET", "a"), b"$1\r\n1\r\n")
            before = self.cpu_seconds(proxy)
            self.expect(client, resp("GET", "a"), b"$1\r\n1\r\n")
            time.sleep(0.5)
            self.assertLess(self.cpu_seconds(proxy) - before, 0.03)

    def config(self, wanted):
        path = self.server.folder / f"{wanted}.toml"
        path.write_text(f'[proxy]\nio_backend = "{wanted}"\n[pool.alpha]\nlisten = "127.0.0.1:1"\n'
                        'servers = ["127.0.0.1:2:1 one"]\n')
        return path

    def last_line_of_doctor(self, wanted, inside=(), status=0):
        words = ["doctor", "-c", self.config(wanted)] if wanted else ["doctor"]
        done = run(*words, inside=inside)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        last = re.search(r"^io_backend +(.*)$", done.stdout, re.MULTILINE)
        self.assertTrue(last, done.stdout)
        return last[1]

    def test_doctor_says_which_would_be_used_and_why(self):
        for wanted in (None, "auto", "io_uring"):
            self.assertRegex(self.last_line_of_doctor(wanted), "^ok +io_uring is used; a self-test")
        self.assertRegex(self.last_line_of_doctor("epoll", DEADLY),
                         '^ok +epoll is used, as io_backend = "epoll" says')
        for wanted in (None, "auto"):
            said = self.last_line_of_doctor(wanted, FORBIDDEN)
            self.assertRegex(said, f"^warn +{FALLBACK}")
        said = self.last_line_of_doctor("io_uring", FORBIDDEN, status=1)
        self.assertRegex(said, '^FAIL +io_backend = "io_uring" refuses to start')


if __name__ == "__main__":
    main()
