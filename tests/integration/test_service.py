"""ringmain as a service: what it tells the manager that started it, and the unit in conf/."""
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from unittest import mock

from harness import (BINARY, SANITIZED, Case, Port, RedisServer, Ringmain, main, needs_ringmain,
                     wait_for)
from wire import bulk, resp

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
UNIT = ROOT / "conf" / "ringmain.service"


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, address, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(20)
        self.name = name

    def next(self):
        """The next message but for those of the watchdog, as a dictionary."""
        while True:
            lines = self.socket.recv(65536).decode().split("\n")
            if lines != ["WATCHDOG=1"]:
                return dict(line.split("=", 1) for line in lines)

    def stop(self):
        self.socket.close()


@needs_ringmain
class Told(Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ringmain-test-service-")
        self.addCleanup(self.folder.cleanup)
        self.server = self.use(RedisServer())

    def manager(self, abstract=False):
        if abstract:
            name = f"ringmain-test-{os.getpid()}-{id(self)}"
            return self.use(Manager("\0" + name, "@" + name))
        path = os.path.join(self.folder.name, "notify")
        return self.use(Manager(path, path))

    def start(self, pools=("alpha",), **variables):
        with mock.patch.dict(os.environ, variables):
            options = {"servers": [self.server]}
            return self.use(Ringmain({name: dict(options) for name in pools}))

    def test_start_reload_refusal_and_stop(self):
        for abstract in (False, True):
            with self.subTest(abstract=abstract):
                manager = self.manager(abstract)
                proxy = self.start(("alpha", "beta"), NOTIFY_SOCKET=manager.name)
                self.assertEqual(manager.next(), {"READY": "1", "MAINPID": str(proxy.pid),
                                                  "STATUS": "2 pools served"})

                proxy.pools["alpha"]["timeout"] = "300ms"
                proxy.config_path.write_text(proxy.config_text())
                proxy.child.send_signal(signal.SIGHUP)
                reloading = manager.next()
                self.assertEqual(reloading["RELOADING"], "1")
                self.assertGreater(int(reloading["MONOTONIC_USEC"]), 0)
                self.assertEqual(manager.next()["STATUS"], "2 pools served")

                proxy.config_path.write_text("nonsense")
                proxy.child.send_signal(signal.SIGHUP)
                self.assertIn("RELOADING", manager.next())
                refused = manager.next()
                self.assertEqual(refused["READY"], "1")
                self.assertEqual(refused["STATUS"], "2 pools served as before: HUP was refused, "
                                                    "the log says why")

                proxy.child.send_signal(signal.SIGTERM)
                self.assertEqual(manager.next(), {"STOPPING": "1",
                                                  "STATUS": "requests in flight are answered"})
                self.assertEqual(proxy.child.wait(20), 0)
                proxy.child = None

    def test_a_stop_while_the_configuration_is_read_is_a_stop(self):
        proxy = Ringmain({"alpha": {"servers": [self.server]}}, start=False)
        self.addCleanup(proxy.release)
        path = os.path.join(self.folder.name, "slow")
        os.mkfifo(path)
        with subprocess.Popen([os.path.abspath(BINARY), "-c", path], stderr=subprocess.DEVNULL) as child:
            self.addCleanup(child.kill)

            def holds_signals():
                status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
                blocked = int(re.search("SigBlk:\\s*(\\w+)", status)[1], 16)
                return blocked >> (signal.SIGTERM - 1) & 1

            wait_for(holds_signals, "signals are held")
            child.send_signal(signal.SIGTERM)
            with open(path, "w", encoding="utf-8") as slow:
                slow.write(proxy.config_text())
            self.assertEqual(child.wait(20), 0)

    def test_a_sign_of_life_twice_in_the_time_of_the_watchdog(self):
        manager = self.manager()
        self.start(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="400000")
        self.assertIn("READY", manager.next())
        manager.socket.settimeout(5)
        began = time.monotonic()
        for _ in range(10):
            self.assertEqual(manager.socket.recv(100), b"WATCHDOG=1")
        self.assertLess(time.monotonic() - began, 10 * 0.4)

    def test_a_name_to_listen_on_that_nobody_answers_holds_up_nothing(self):
        mute = self.enterContext(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        mute.settimeout(10)
        mute.bind((f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.9", 53))
        resolv = pathlib.Path(self.folder.name) / "resolv.conf"
        resolv.write_text(f"nameserver {mute.getsockname()[0]}\noptions timeout:30\n")
        manager = self.manager()
        proxy = self.use(Ringmain({"alpha": {"servers": [self.server]}}, start=False))
        proxy.inside = ("unshare", "--mount", "sh", "-c",
                        'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolv)
        with mock.patch.dict(os.environ, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="1000000"):
            proxy.start()
        good = proxy.config_path.read_text()
        slow = (f"{good}\n[pool.slow]\nlisten = 'slow.test.:{Port().number}'\n"
                f"servers = ['{self.server.address}']\n")

        def hang_up(text):
            proxy.config_path.write_text(text)
            proxy.child.send_signal(signal.SIGHUP)

        told = []

        def listen():
            with contextlib.suppress(OSError):
                while True:
                    told.append(manager.socket.recv(65536))

        threading.Thread(target=listen, daemon=True).start()
        begin = time.monotonic()
        hang_up(slow)
        time.sleep(3)
        self.assertGreaterEqual(told.count(b"WATCHDOG=1"), 4)
        with proxy.client() as client:
            self.same(client.call("SET", "a", "b"), b"+OK\r\n")
        self.assertNotIn("configuration not changed", proxy.log())
        hang_up(good + "\n# the next\n")  # is remembered
        wait_for(lambda: "configuration not changed: pool 'slow': cannot resolve 'slow.test.': no "
                         "name server has answered within 10 s" in proxy.log(), "the refusal", 20)
        self.assertLess(time.monotonic() - begin, 14)
        wait_for(lambda: "configuration read from" in proxy.log(), "the next reload")

        hang_up(slow.replace("slow.test.", "slower.test."))
        while b"slower" not in mute.recv(512):
            pass
        log = self.enterContext(open(proxy.log_path, encoding="utf-8"))
        begin = time.monotonic()
        self.finish(proxy)
        self.assertLess(time.monotonic() - begin, 5)
        self.assertIn("; ringmain is stopping: no configuration is read", log.read())

    def test_a_worker_that_has_ended_is_not_stuck(self):
        manager = self.manager()
        with mock.patch.dict(os.environ, NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="400000"):
            proxy = self.use(Ringmain({"alpha": {"servers": [self.server], "timeout": "20s"}},
                                      proxy={"workers": 2}))
        with contextlib.closing(proxy.client()) as client:
            client.call("SET", "k", "v")
            os.kill(self.server.pid, signal.SIGSTOP)
            self.addCleanup(os.kill, self.server.pid, signal.SIGCONT)
            client.send(resp("GET", "k"))
            self.assertIn("READY", manager.next())
            time.sleep(0.1)
            proxy.child.send_signal(signal.SIGTERM)
            self.assertIn("STOPPING", manager.next())
            began = time.monotonic()
            while time.monotonic() - began < 3:
                self.assertEqual(manager.socket.recv(100), b"WATCHDOG=1")
            os.kill(self.server.pid, signal.SIGCONT)
            self.same(client.read(timeout=10), bulk("v"))
        self.assertEqual(proxy.child.wait(20), 0)
        proxy.child = None
        self.assertNotIn("busy with one batch", proxy.log())

    def test_no_sign_of_life_where_another_process_is_watched(self):
        manager = self.manager()
        self.start(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="200000", WATCHDOG_PID="1")
        self.assertIn("READY", manager.next())
        manager.socket.settimeout(1)
        self.assertRaises(TimeoutError, manager.socket.recv, 100)

    def test_a_manager_that_is_not_there_or_does_not_read_is_told_and_nobody_waits(self):
        proxy = self.start(NOTIFY_SOCKET=os.path.join(self.folder.name, "nobody"))
        wait_for(lambda: "the service manager at NOTIFY_SOCKET cannot be told how ringmain is "
                         "doing: No such file or directory" in proxy.log(), "the warning")
        with contextlib.closing(proxy.client()) as client:
            self.working(client)

        proxy = self.start(NOTIFY_SOCKET="vsock:2:1")
        wait_for(lambda: "NOTIFY_SOCKET is 'vsock:2:1', which is neither a path nor @ and a name"
                 in proxy.log(), "the warning")
        with contextlib.closing(proxy.client()) as client:
            self.working(client)

        manager = self.manager()
        filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(filler.close)
        filler.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while True:
                filler.sendto(b"x", manager.name)
        proxy = self.start(NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="100000")
        wait_for(lambda: "how ringmain is doing: Resource temporarily unavailable" in proxy.log(),
                 "the warning")
        with contextlib.closing(proxy.client()) as client:
            self.working(client)

    def test_the_journal_gets_priorities_and_no_times(self):
        real_open = open

        def opened(path, *arguments, **options):
            file = real_open(path, *arguments, **options)
            found = os.fstat(file.fileno())
            os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
            return file

        with mock.patch.dict(os.environ), mock.patch("builtins.open", opened):
            proxy = self.use(Ringmain({"alpha": {"servers": [self.server]}}))
        wait_for(lambda: "<5>notice: pool alpha" in proxy.log(), "the line of the pool")
        for line in proxy.log().splitlines():
            self.assertRegex(line, r"^<[3-7]>(error|warning|notice|info|debug): ")

        with mock.patch.dict(os.environ, JOURNAL_STREAM="1:1"):
            proxy = self.use(Ringmain({"alpha": {"servers": [self.server]}}))
        wait_for(lambda: "pool alpha" in proxy.log(), "the line of the pool")
        self.assertRegex(proxy.log(), r"(?m)^\d{4}-\d\d-\d\dT[\d:.]+Z notice: pool alpha")


@needs_ringmain
@unittest.skipUnless(shutil.which("prlimit") and not SANITIZED, "needs prlimit and a plain build")
class Stack(Case):
    def test_a_low_limit_is_raised(self):
        proxy = Ringmain({"alpha": {"servers": [self.use(RedisServer())]}}, start=False)
        proxy.inside = ("prlimit", "--stack=65536:")
        self.use(proxy).start()
        with proxy.client() as client:
            self.working(client)
            self.assertTrue(client.value("INFO"))
        self.assertEqual(proxy.halt(), 0)
        proxy.child = None

    def test_one_that_may_not_be_raised_is_an_error(self):
        done = subprocess.run(["prlimit", "--stack=65536:65536", os.path.abspath(BINARY), "help"],
                              capture_output=True, text=True, timeout=20, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("(ulimit -s, LimitSTACK= in a systemd unit)", done.stderr)


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
class Unit(unittest.TestCase):
    def analyze(self, *words):
        return subprocess.run(["systemd-analyze", *map(str, words)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)

    def test_systemd_finds_no_mistake_in_it(self):
        with tempfile.TemporaryDirectory(prefix="ringmain-test-service-") as folder:
            copy = pathlib.Path(folder) / UNIT.name
            copy.write_text(UNIT.read_text().replace("/usr/local/bin/ringmain", "/bin/true"))
            verified = self.analyze("verify", copy)
        self.assertEqual((verified.returncode, verified.stdout), (0, ""))

    def test_little_is_left_to_it(self):
        text = self.analyze("security", "--offline=true", UNIT).stdout
        level = re.search(r"Overall exposure level .*: ([\d.]+)", text)
        self.assertIsNotNone(level, text)
        self.assertLessEqual(float(level[1]), 1.5)


if __name__ == "__main__":
    main()
