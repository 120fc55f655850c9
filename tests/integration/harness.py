"""Starts real servers and the real ringmain for the end-to-end tests.

The environment says what is tested:

  RINGMAIN                  path of the binary. "plain" puts a single redis-server or memcached in
                            its place and "nutcracker" the proxy of that name: to check the tests.
  RINGMAIN_IGNORE_FEATURES  read by ringmain: the ring features that it shall not use
  RINGMAIN_TEST_IO_BACKEND  the option io_backend, where a test does not set it
  RINGMAIN_TEST_SEED        the seed of random tests (printed by each)
  RINGMAIN_TEST_LARGE=1     also values of 512 MiB
  RINGMAIN_TEST_SANITIZER   the sanitizer of the binary, if any: memory is not measured then
  RINGMAIN_TEST_KEEP=1      keep the folders with configurations and logs

Every wait polls a condition and is bounded. Ports come from the kernel and stay bound by the test
until the process that uses them is gone, so that nobody else is given them in between.
"""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from wire import MemcachedClient, RespClient, brief, pipeline, resp

BINARY = os.environ.get("RINGMAIN", "")
PLAIN = BINARY == "plain"
NUTCRACKER = BINARY == "nutcracker"
REAL = not (PLAIN or NUTCRACKER)
IO_BACKEND = os.environ.get("RINGMAIN_TEST_IO_BACKEND", "")
SANITIZED = bool(os.environ.get("RINGMAIN_TEST_SANITIZER"))
FOLDER = pathlib.Path(__file__).resolve().parent
START_TIMEOUT = 20.0
STOP_TIMEOUT = 20.0

needs_ringmain = unittest.skipUnless(REAL, "says something about ringmain alone")
needs_several_servers = unittest.skipIf(PLAIN, "a plain server stands in")


def seeded_random(name):
    seed = int(os.environ.get("RINGMAIN_TEST_SEED") or time.time_ns() % 1_000_000_007)
    print(f"{name}: RINGMAIN_TEST_SEED={seed}", file=sys.stderr, flush=True)
    return random.Random(seed)


def wait_for(condition, what, timeout=START_TIMEOUT, pause=0.01):
    """Polls until condition() is true and returns that value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout} s: {what}")
        time.sleep(pause)


class Port:
    """A port of the loopback interface that nobody else is given while it is held.

    The socket is bound and never listens; with both reuse options a server may bind beside it.
    """

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.number = self.socket.getsockname()[1]

    def release(self):
        self.socket.close()


class Process:
    """A child with a folder and a log of its own. It dies with this process at the latest."""

    inside = ()  # a command that runs it in another place, by exec

    def __init__(self, name):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"ringmain-test-{name}-"))
        self.log_path = self.folder / "log"
        self.child = None

    def spawn(self, command, environment=None):
        command = [*self.inside, *command]
        guard = shutil.which("setpriv")
        if guard:
            command = [guard, "--pdeathsig", "KILL", *command]
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, env=environment, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def log(self, limit=6000):
        with contextlib.suppress(FileNotFoundError):
            return self.log_path.read_bytes()[-limit:].decode("utf-8", "replace")
        return ""

    def require_alive(self):
        if not self.alive():
            raise AssertionError(
                f"{self.name} ended with status {self.child.poll()}; its log:\n{self.log()}")
        return True

    def wait_until_accepting(self, address):
        def accepts():
            self.require_alive()
            family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.settimeout(1)
                return probe.connect_ex(address) == 0

        try:
            wait_for(accepts, f"{self.name} accepts on {address}")
        except TimeoutError as error:
            raise AssertionError(f"{error}; its log:\n{self.log()}") from None

    def halt(self, signal_number=signal.SIGTERM):
        """Stops the child and returns its exit status."""
        if self.child is None:
            return None
        if self.child.poll() is None:
            self.child.send_signal(signal_number)
            try:
                self.child.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(STOP_TIMEOUT)
                raise AssertionError(
                    f"{self.name} did not stop within {STOP_TIMEOUT} s; its log:\n{self.log()}"
                ) from None
        return self.child.returncode

    def kill(self):
        self.halt(signal.SIGKILL)

    def remove(self):
        if not os.environ.get("RINGMAIN_TEST_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def resident_bytes(self):
        return self.memory("VmRSS:")

    def peak_bytes(self):
        """The most that was resident since the process began, or since forget_peak()."""
        return self.memory("VmHWM:")

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def memory(self, name):
        if SANITIZED:
            return 0
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024


class Server(Process):
    """What RedisServer and MemcachedServer share: one port, kept over a restart."""

    def __init__(self, name, options=()):
        super().__init__(name)
        self.options = list(options)
        self.held = Port()
        self.port = self.held.number
        self.address = f"127.0.0.1:{self.port}"
        self.endpoint = ("127.0.0.1", self.port)
        self.start()

    def start(self):
        self.spawn(self.command())
        self.wait_until_accepting(self.endpoint)

    def stop(self):
        self.halt(signal.SIGKILL)  # nothing to save, and nobody learns politely that it is gone
        self.held.release()
        self.remove()


class RedisServer(Server):
    def __init__(self, options=(), name="redis"):
        super().__init__(name, options)

    def command(self):
        # Defaults of redis but for what touches the disk, and for how often it looks whose time to
        # wait is up: every 10 ms instead of 100. The path of a socket may follow.
        return ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", self.folder, "--loglevel", "warning",
                "--databases", "16", "--hz", "100", *self.options]

    def client(self, **options):
        return RespClient(self.endpoint, **options)

    def call(self, *arguments):
        with self.client() as client:
            return client.value(*arguments)

    def flush(self):
        self.call("FLUSHALL")

    def info(self, section, field):
        text = self.call("INFO", section).decode()
        return next(line.split(":", 1)[1] for line in text.splitlines()
                    if line.startswith(field + ":"))

    def connections_received(self):
        """Of others: the one that asks is not counted."""
        return int(self.info("stats", "total_connections_received")) - 1


class MemcachedServer(Server):
    def __init__(self, options=(), name="memcached"):
        super().__init__(name, options)

    def command(self):
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        return ["memcached", "-l", "127.0.0.1", "-p", self.port, "-U", "0", "-t", "1", "-m", "256",
                "-c", "4096", *user, *self.options]

    def client(self, **options):
        return MemcachedClient(self.endpoint, **options)

    def call(self, request):
        with self.client() as client:
            return client.call(request)

    def flush(self):
        self.call(b"flush_all")

    def statistic(self, name):
        reply = self.call(b"stats").decode()
        return next(line.split()[2] for line in reply.splitlines() if line.split()[1:2] == [name])


# What the tests use unless they say otherwise. fnv1a_32 with modula is simple enough to be
# computed here (`place`), so that a test knows the server of a key without asking ringmain.
POOL_DEFAULTS = {
    "protocol": "redis",
    "hash": "fnv1a_32",
    "distribution": "modula",
    "hash_tag": "{}",
    "timeout": "20s",
}


def fnv1a_32(data):
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def place(key, server_count):
    """The index of the server under POOL_DEFAULTS, all weights 1. Keys of ASCII only."""
    data = key if isinstance(key, bytes) else str(key).encode()
    start = data.find(b"{")
    end = data.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        data = data[start + 1:end]
    return fnv1a_32(data) % server_count


def keys_on(server, server_count, count=1, prefix="k"):
    """`count` keys that live on server number `server`."""
    found, number = [], 0
    while len(found) < count:
        key = f"{prefix}{number}"
        if place(key, server_count) == server:
            found.append(key)
        number += 1
    return found


def key_on(server, server_count, prefix="k"):
    return keys_on(server, server_count, 1, prefix)[0]


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Ringmain(Process):
    """pools: name -> options. `servers` is a list of servers, fakes or lines of configuration."""

    def __init__(self, pools, proxy=None, other=None, start=True):
        super().__init__("ringmain")
        self.held = []
        self.proxy = {**({"io_backend": IO_BACKEND} if IO_BACKEND else {}), **(proxy or {})}
        self.other = other or {}  # further tables
        self.pools = {name: self.complete(options) for name, options in pools.items()}
        self.config_path = self.folder / "ringmain.toml"
        self.config_path.write_text(self.config_text())
        if start:
            try:
                self.start()
            except BaseException:
                self.kill()
                self.release()
                raise

    def complete(self, options):
        options = {**POOL_DEFAULTS, **options}
        options["servers"] = [self.server_line(server, index)
                              for index, server in enumerate(options["servers"])]
        if "listen" not in options:
            port = Port()
            self.held.append(port)
            options["listen"] = f"127.0.0.1:{port.number}"
        return {key: value for key, value in options.items() if value is not None}

    @staticmethod
    def server_line(server, index):
        return server if isinstance(server, (str, dict)) else f"{server.address}:1 s{index}"

    def config_text(self):
        tables = {"proxy": self.proxy, **self.other}
        tables.update({f"pool.{name}": options for name, options in self.pools.items()})
        lines = []
        for name, options in tables.items():
            lines.append(f"[{name}]")
            lines += [f"{key} = {toml_value(value)}" for key, value in options.items()]
            lines.append("")
        return "\n".join(lines)

    def start(self):
        if PLAIN:
            self.spawn(self.plain_command())
        elif NUTCRACKER:
            self.spawn(self.nutcracker_command())
        else:
            if not BINARY:
                raise unittest.SkipTest("RINGMAIN names no binary")
            self.spawn([os.path.abspath(BINARY), "-c", self.config_path])
        for name in self.pools:
            self.wait_until_accepting(self.endpoint(name))

    def plain_command(self):
        options = next(iter(self.pools.values()))
        host, port = options["listen"].rsplit(":", 1)
        if options["protocol"] == "memcached":
            user = ["-u", "nobody"] if os.geteuid() == 0 else []
            return ["memcached", "-l", host, "-p", port, "-U", "0", "-t", "1", "-c", "4096", *user]
        password = options.get("redis_auth")
        return ["redis-server", "--port", port, "--bind", host, "--save", "", "--appendonly", "no",
                "--dir", self.folder, *(["--requirepass", password] if password else [])]

    def nutcracker_command(self):
        known = ["listen", "hash", "distribution", "hash_tag", "preconnect", "server_connections",
                 "redis_auth", "redis_db", "auto_eject_hosts"]
        lines = []
        for name, options in self.pools.items():
            lines.append(f"{name}:")
            for key in known:
                if key in options:
                    quote = '"' if key == "hash_tag" else ""
                    text = str(options[key]).replace("True", "true").replace("False", "false")
                    lines.append(f"  {key}: {quote}{text}{quote}")
            lines.append(f"  redis: {toml_value(options['protocol'] == 'redis')}")
            lines += ["  servers:", *[f"   - {line}" for line in options["servers"]]]
        path = self.folder / "nutcracker.yml"
        path.write_text("\n".join(lines) + "\n")
        stats = Port()
        self.held.append(stats)
        return ["nutcracker", "-c", path, "-v", "4", "-s", stats.number, "-a", "127.0.0.1"]

    def stop(self):
        # What a test leaves behind must still be a working proxy that stops when asked.
        status = None
        try:
            if self.child is not None:
                self.require_alive()
                status = self.halt()
        finally:
            log = self.log()
            self.release()
            self.held = []
        if REAL and status not in (0, None):
            raise AssertionError(f"ringmain stopped with status {status}; its log:\n{log}")

    def release(self):
        for port in self.held:
            port.release()
        self.remove()

    def endpoint(self, pool=None):
        listen = self.pools[pool or next(iter(self.pools))]["listen"]
        if listen.startswith("/"):
            return listen.split(" ")[0]
        host, port = listen.rsplit(":", 1)
        return host, int(port)

    def port(self, pool=None):
        return self.endpoint(pool)[1]

    def client(self, pool=None, **options):
        name = pool or next(iter(self.pools))
        kind = RespClient if self.pools[name]["protocol"] == "redis" else MemcachedClient
        return kind(self.endpoint(name), **options)

    def locate(self, keys, pool=None):
        """key -> (server name, address, hash) as `ringmain locate` says."""
        command = [os.path.abspath(BINARY), "locate", "-c", self.config_path, "--hex"]
        if pool:
            command += ["--pool", pool]
        lines = "".join(f"{to_hex(key)}\n" for key in keys)
        done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"locate: status {done.returncode}\n{done.stderr}")
        answers = [line.split("\t") for line in done.stdout.splitlines()]
        if [answer[0] for answer in answers] != [to_hex(key) for key in keys]:
            raise AssertionError(f"locate: other keys than asked for: {done.stdout[:500]}")
        return {key: (name, address, int(value))
                for key, (_, name, address, value) in zip(keys, answers)}


def to_hex(key):
    return key.hex() or "-"


class Case(unittest.TestCase):
    """Fixtures that are checked and stopped; a failure shows the proxies' logs."""

    maxDiff = 4000

    @classmethod
    def keep(cls, fixture):
        """A fixture for all tests of the class."""
        # Its own: those of a class that it is derived from have ended.
        cls.fixtures = [*cls.__dict__.get("fixtures", []), fixture]
        cls.addClassCleanup(fixture.stop)
        return fixture

    def use(self, fixture):
        """A fixture for this test."""
        self.own_fixtures.append(fixture)
        self.addCleanup(fixture.stop)
        return fixture

    def client_of(self, server, *pool, **options):
        """Closed at the end of the test."""
        return self.enterContext(server.client(*pool, **options))

    def client(self, *pool, **options):
        return self.client_of(self.proxy, *pool, **options)

    def finish(self, fixture):
        """Stops a fixture of this test before its end."""
        fixture.stop()
        fixture.child = None

    def run(self, result=None):
        self.own_fixtures = []
        before = len(result.failures) + len(result.errors) if result else 0
        outcome = super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            for fixture in [*getattr(self, "fixtures", []), *self.own_fixtures]:
                if isinstance(fixture, Ringmain) and fixture.log(2000):
                    print(f"--- log of {fixture.name} ({self.id()})\n{fixture.log(2000)}---",
                          file=sys.stderr)
        return outcome

    def tearDown(self):
        for fixture in [*getattr(self, "fixtures", []), *self.own_fixtures]:
            if isinstance(fixture, Ringmain) and fixture.child is not None:
                if not getattr(fixture, "may_end", False):
                    fixture.require_alive()
            if hasattr(fixture, "check"):
                fixture.check()

    def same(self, got, wanted, sent=None):
        """Byte for byte, with what was sent."""
        if got != wanted:
            self.fail(f"\n    sent {brief(sent)}\nexpected {brief(wanted)}\n     got {brief(got)}")

    def expect(self, client, sent, wanted):
        """Sends bytes and compares as many bytes of the answer; nothing may follow."""
        client.send(sent)
        try:
            got = client.read_exactly(len(wanted), timeout=10)
        except Exception as error:
            got = bytes(client.buffer)
            self.fail(f"{error}\n    sent {brief(sent)}\nexpected {brief(wanted)}\n"
                      f"     got {brief(got)}")
        if got != wanted:
            got += client.read_available()  # so that a later step does not find the rest
        self.same(got, wanted, sent)
        if client.buffer:
            self.fail(f"{brief(client.take(len(client.buffer)))} after the answer to {brief(sent)}")

    def expect_error(self, client, sent, *parts):
        """Sends bytes; one error reply must come that contains all parts. Returns it."""
        client.send(sent)
        got = client.read(timeout=10)
        if not got.startswith(b"-") or not all(part.encode() in got for part in parts):
            self.fail(f"\n    sent {brief(sent)}\nexpected an error with {parts}\n"
                      f"     got {brief(got)}")
        return got

    def expect_close(self, client, sent, wanted=b""):
        """Sends bytes; exactly `wanted` must come and then the end of the stream."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(sent)
        got = client.read_until_closed(timeout=10)
        self.same(got, wanted, sent)
        client.close()

    def working(self, client):
        """The connection answers exactly this and nothing else."""
        if isinstance(client, RespClient):
            self.expect(client, resp("PING"), b"+PONG\r\n")
        else:
            self.expect(client, b"mn\r\n", b"MN\r\n")


class RedisCase(Case):
    """Three redis-servers behind one pool, and one beside it for comparison.

    They and the proxy live as long as the class.
    """

    server_count = 3
    pool_options = {}
    proxy_options = {}
    server_options = ()
    reference_options = ()

    @classmethod
    def setUpClass(cls):
        cls.servers = [cls.keep(RedisServer(cls.server_options)) for _ in range(cls.server_count)]
        cls.proxy = cls.keep(Ringmain({"alpha": {**cls.pool_options, "servers": cls.servers}},
                                      proxy=cls.proxy_options))
        cls.reference = cls.keep(RedisServer(cls.reference_options, "reference"))
        if PLAIN:
            cls.server_count = 1

    def setUp(self):
        for server in [*self.servers, self.reference]:
            server.flush()
        if PLAIN:
            with self.proxy.client() as client:
                client.call("FLUSHALL")

    def key(self, server, prefix="k"):
        """A key of the given server."""
        return key_on(server % self.server_count, self.server_count, prefix)

    def server_of(self, key):
        return self.servers[place(key, self.server_count)]

    def expect_both_ways(self, *requests):
        """As redis answers them, all in one piece and then one after the other."""
        client, reference = self.client(), self.reference_client()
        self.expect_as_redis(client, reference, pipeline(*requests), len(requests))
        client, reference = self.client(), self.reference_client()
        for words in requests:
            self.expect_as_redis(client, reference, resp(*words))

    def expect_as_redis(self, client, reference, sent, replies=1):
        """Both connections get the same bytes; the replies must be the same bytes."""
        reference.send(sent)
        wanted = b"".join(reference.read_many(replies, timeout=10))
        client.send(sent)
        self.same(b"".join(client.read_many(replies, timeout=10)), wanted, sent)
        if client.buffer:
            self.fail(f"{brief(client.take(len(client.buffer)))} after the answer to {brief(sent)}")

    def reference_client(self, **options):
        return self.client_of(self.reference, **options)


class MemcachedCase(Case):
    """Three memcacheds behind one pool."""

    server_count = 3
    pool_options = {}

    @classmethod
    def setUpClass(cls):
        cls.servers = [cls.keep(MemcachedServer()) for _ in range(cls.server_count)]
        options = {"protocol": "memcached", "hash_tag": None, **cls.pool_options}
        cls.proxy = cls.keep(Ringmain({"alpha": {**options, "servers": cls.servers}}))
        if PLAIN:
            cls.server_count = 1

    def setUp(self):
        for server in self.servers:
            server.flush()
        if PLAIN:
            with self.proxy.client() as client:
                client.call(b"flush_all")

    def key(self, server, prefix="k"):
        return key_on(server % self.server_count, self.server_count, prefix)


class MemcachedPair(MemcachedCase):
    """With one memcached beside, which is asked the same."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reference = cls.keep(MemcachedServer(name="reference"))

    def setUp(self):
        super().setUp()
        self.reference.flush()


def main():
    unittest.main(verbosity=1)
