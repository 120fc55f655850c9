"""The command line from outside: check, locate, migrate, doctor, help, signals, refusals."""
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from harness import (BINARY, FOLDER, SANITIZED, Case, Port, RedisServer, Ringmain, main,
                     needs_ringmain, wait_for)
from wire import Closed, RespClient, resp

GOLDEN = FOLDER.parent / "golden" / "placement.tsv"
CONFIGURATIONS = FOLDER.parent.parent / "conf"

GOOD = """[pool.alpha]
listen = "127.0.0.1:22121"
servers = ["127.0.0.1:6379:1 one", "127.0.0.1:6380:1 two"]
"""


def ringmain(*words, **options):
    if not BINARY:
        raise unittest.SkipTest("RINGMAIN names no binary")
    return subprocess.run([os.path.abspath(BINARY), *[str(word) for word in words]],
                          capture_output=True, text=True, timeout=60, **options)


class CommandLine(Case):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ringmain-test-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def file(self, text, name="ringmain.toml"):
        path = self.folder / name
        path.write_text(text)
        return path


@needs_ringmain
class Check(CommandLine):
    def refused(self, text, *parts):
        done = ringmain("check", self.file(text))
        self.assertEqual(done.returncode, 1, (text, done.stdout, done.stderr))
        said = done.stdout + done.stderr
        for part in parts:
            self.assertIn(part, said, text)
        return said

    def test_a_good_file(self):
        path = self.file(GOOD)
        self.assertEqual(ringmain("check", path).returncode, 0)
        self.assertEqual(ringmain("-t", "-c", path).returncode, 0)

    def test_the_files_of_conf_are_accepted(self):
        for path in CONFIGURATIONS.glob("*.toml"):
            with self.subTest(path=path.name):
                done = ringmain("check", path)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_readme_shows_keys_of_two_servers(self):
        """Its first example, before the servers of tools/run."""
        readme = (CONFIGURATIONS.parent / "README.md").read_text()
        keys = re.search(r"mset (\S+) \S+ (\S+) \S+ +# two servers", readme).groups()
        done = ringmain("locate", "-c", CONFIGURATIONS / "quickstart.toml", "--pool", "redis", *keys)
        servers = {line.split("\t")[1] for line in done.stdout.splitlines()}
        self.assertEqual(len(servers), 2, done.stdout)

    def test_the_readme_and_help_agree_on_the_exit_status(self):
        told = [" ".join(re.search(r"Exit status: [^.]*\.", text).group().split())
                for text in (ringmain("help").stdout, (CONFIGURATIONS.parent / "README.md").read_text())]
        self.assertEqual(*told)

    def test_position_line_and_caret(self):
        path = self.file(GOOD.replace("listen", "tiemout = 5\nlisten"))
        done = ringmain("check", path)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 1)
        self.assertRegex(said, rf"(?m)^{re.escape(str(path))}:2:1: error: .*tiemout")
        self.assertIn("did you mean 'timeout'?", said)
        lines = said.splitlines()
        shown = next(number for number, line in enumerate(lines) if "tiemout = 5" in line)
        self.assertEqual(lines[shown + 1].index("^"), lines[shown].index("tiemout"))

    def test_every_error_is_told_not_the_first(self):
        said = self.refused(
            "[proxy]\nworkers = 0\nworkres = 1\n[pool.a]\nlisten = 5\nprotocol = \"redsi\"\n"
            "timeout = \"5 parsecs\"\nhash = \"fnv1a_46\"\nhash_tag = \"{\"\nbacklog = \"many\"\n"
            "servers = [\"127.0.0.1:0:1\", \"127.0.0.1:6379:0\", \"127.0.0.1:70000:1\"]\n"
            "[pool.b]\nlisten = \"127.0.0.1:1\"\n",
            "workers", "did you mean 'workers'?", "did you mean 'redis'?", "did you mean 'fnv1a_64'?",
            "hash_tag", "backlog", "timeout", "servers")
        self.assertGreaterEqual(len(re.findall(r":\d+:\d+: error: ", said)), 11, said)

    def test_values_that_twemproxy_swallowed(self):
        for old, new in (("timeout = 400", "timeout = 99999999999999999"),
                         ("6379:1 one", "4294973675:1 one"), ("6379:1 one", "6379:2000000001 one"),
                         ("6379:1 one", "6379:-1 one"), ("6379:1 one", "65536:1 one"),
                         ("6379:1 one", "http:1 one"), ("two", "one")):
            text = (GOOD + "timeout = 400\n").replace(old, new)
            with self.subTest(new=new):
                self.refused(text, "error: ")

    def test_missing_and_empty_things(self):
        for text in ("", "[pool.alpha]\n", GOOD.replace("servers", "#"), "[pool.alpha]\nservers = []\n"
                     "listen = \"127.0.0.1:1\"\n", "[proxy]\nworkers = 1\n", "\0\0\0", "[pool.alpha\n",
                     "listen = \n", GOOD + GOOD, GOOD + GOOD.replace("alpha", "beta")):
            with self.subTest(text=text):
                self.refused(text, "error: ")

    def test_files_that_cannot_be_read(self):
        for path in (self.folder / "missing.toml", self.folder, "/dev/null"):
            done = ringmain("check", path)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(path), done.stderr + done.stdout)

    def test_warnings_do_not_refuse(self):
        for extra in ('hash = "crc32"\n', 'distribution = "random"\n', "timeout = 0\n"):
            done = ringmain("check", self.file(GOOD + extra))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout + done.stderr, r":\d+:\d+: warning: ")

    def test_units_and_spellings(self):
        for extra in ('timeout = "2s"', "timeout = 0", 'timeout = "1m"', 'client_connections = 0',
                      'unknown_commands = "refuse"',
                      'hash_tag = "{}"', 'distribution = "maglev"\nhash = "xxh3"',
                      'redis_auth = "x"\nredis_db = 3'):
            done = ringmain("check", self.file(GOOD + extra + "\n"))
            self.assertEqual(done.returncode, 0, (extra, done.stderr))
        for listen in ("/run/a.sock 0660", "/run/a.sock", "[::1]:22121", "localhost:22121"):
            done = ringmain("check", self.file(GOOD.replace("127.0.0.1:22121", listen)))
            self.assertEqual(done.returncode, 0, (listen, done.stderr))
        servers = ('servers = ["/run/redis/a.sock:1 one", { address = "10.0.0.2:6379", weight = 2, '
                   'name = "two" }, "10.0.0.3:6379"]\n')
        done = ringmain("check", self.file('[pool.alpha]\nlisten = "127.0.0.1:1"\n' + servers))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_policy_for_unknown_commands_as_it_is_documented(self):
        for value in ("first-key", "refuse"):
            done = ringmain("check", self.file(GOOD + f'unknown_commands = "{value}"\n'))
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_password_is_not_shown(self):
        said = self.refused(GOOD + 'redis_auth = "s3cret-text"\nredis_db = "s3cret-text"\n', "redis_db")
        self.assertNotIn('redis_auth = "s3cret-text"', said)

    def test_a_password_is_not_shown_where_a_quote_is_missing(self):
        said = self.refused(GOOD + 'users = [{ name = "app, password = "s3cr3t-Pa55" }]\n', "***")
        self.assertNotIn("s3cr3t-Pa55", said)


@needs_ringmain
class Usage(CommandLine):
    def test_wrong_usage_is_2(self):
        path = self.file(GOOD)
        for words in ([], ["nosuch"], ["--nosuch"], ["check"], ["locate"], ["run"], ["-c"],
                      ["check", path, path], ["locate", "-c", path, "--pol", "alpha"],
                      ["migrate"], ["-c", path, "-v", "loud"]):
            with self.subTest(words=words):
                done = ringmain(*words)
                self.assertEqual(done.returncode, 2, (words, done.stdout, done.stderr))
                self.assertNotEqual(done.stderr, "")

    def test_misspelt_commands_get_a_hint(self):
        self.assertIn("check", ringmain("chekc").stderr)

    def test_help_and_version(self):
        version = ringmain("--version")
        self.assertEqual(version.returncode, 0)
        self.assertRegex(version.stdout, r"^ringmain \d+\.\d+")
        for words in (["--help"], ["-h"], ["help"], ["help", "locate"], ["help", "check"],
                      ["help", "run"], ["help", "doctor"], ["help", "migrate"]):
            done = ringmain(*words)
            self.assertEqual(done.returncode, 0, words)
            self.assertIn("ringmain", done.stdout)
        for name in ("check", "doctor", "locate", "migrate"):
            self.assertIn(name, ringmain("--help").stdout)

    def test_the_commands_are_those_of_conf(self):
        self.assertEqual(ringmain("commands").stdout,
                         (CONFIGURATIONS / "commands.txt").read_text())
        self.assertEqual(ringmain("commands", "x").returncode, 2)

    def test_every_option_is_in_the_help_and_in_conf(self):
        listed = ringmain("help", "options").stdout
        for name in ("listen", "servers", "hash_tag", "server_connections", "redis_auth", "workers",
                     "timeout", "unknown_commands", "preconnect"):
            self.assertIn(name, listed)


@needs_ringmain
class Locate(CommandLine):
    def test_every_golden_placement(self):
        pools, places = {}, {}
        for line in GOLDEN.read_text().splitlines():
            words = line.split("\t")
            if words[0] == "POOL":
                pools[words[1]] = words[2:]
            elif words[0] == "PLACE":
                places.setdefault(words[1], []).append((words[2], words[4], words[5]))
        self.assertGreater(sum(map(len, places.values())), 1000)
        for name, rows in places.items():
            with self.subTest(pool=name):
                self.compare(pools[name], rows)

    def compare(self, pool, rows):
        hash_name, distribution, tag, servers = pool
        if distribution == "random":
            return
        lines = ['[pool.golden]', 'listen = "127.0.0.1:1"', f'hash = "{hash_name}"',
                 f'distribution = "{distribution}"']
        if tag != "-":
            lines.append(f'hash_tag = "{tag}"')
        lines.append("servers = [" + ", ".join(f'"{server}"' for server in servers.split("|")) + "]")
        path = self.file("\n".join(lines) + "\n")
        done = ringmain("locate", "-c", path, "--hex", input="".join(f"{row[0]}\n" for row in rows))
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), len(rows))
        for (key, server, address), answer in zip(rows, answers):
            self.assertEqual(answer[:3], [key, server, address.rpartition(":")[0]], key)
            self.assertLess(int(answer[3]), 1 << 32)

    def test_arguments_and_standard_input_agree(self):
        path = self.file(GOOD)
        by_words = ringmain("locate", "-c", path, "a", "b c", "user:{1}").stdout
        by_input = ringmain("locate", "-c", path, input="a\nb c\nuser:{1}\n").stdout
        by_hex = ringmain("locate", "-c", path, "--hex", "61", "622063", b"user:{1}".hex()).stdout
        self.assertEqual(by_words, by_input)
        self.assertRegex(by_words.splitlines()[0], r"^a\t(one|two)\t127\.0\.0\.1:63(79|80)\t\d+$")
        self.assertEqual([line.split("\t")[1:] for line in by_words.splitlines()],
                         [line.split("\t")[1:] for line in by_hex.splitlines()])

    def test_pools_are_chosen_by_name(self):
        path = self.file(GOOD + GOOD.replace("alpha", "beta").replace("22121", "22122"))
        self.assertEqual(ringmain("locate", "-c", path, "--pool", "beta", "a").returncode, 0)
        for words in (["a"], ["--pool", "gamma", "a"]):
            done = ringmain("locate", "-c", path, *words)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("beta", done.stderr)

    def test_lines_end_as_on_any_system(self):
        path = self.file(GOOD)
        self.assertEqual(ringmain("locate", "-c", path, input="k1\r\nk2\r\nk3").stdout,
                         ringmain("locate", "-c", path, "k1", "k2", "k3").stdout)

    def test_an_input_that_cannot_be_read_is_refused(self):
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            done = ringmain("locate", "-c", self.file(GOOD), stdin=folder)
        finally:
            os.close(folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard input cannot be read", done.stderr)

    def test_a_line_has_a_limit(self):
        """That of the pool's keys; in hexadecimal a byte is two."""
        path = self.file(GOOD + "key_size_max = 1000\n")
        for words, byte, largest in (([], "k", 1000), (["--hex"], "6b", 1000)):
            done = ringmain("locate", "-c", path, *words, input=f"{byte * largest}\r\n" * 3)
            self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 3), done.stderr)
            for line in (byte * largest + "k", byte * 2_000_000):
                done = ringmain("locate", "-c", path, *words, input=f"6b\n{line}\n6b\n")
                self.assertEqual(done.returncode, 1)
                self.assertEqual(len(done.stdout.splitlines()), 1)
                self.assertEqual(
                    done.stderr, "ringmain locate: line 2 of standard input is longer than the "
                                 "pool's largest key, 1000 bytes (key_size_max); write one key "
                                 "per line\n")

    def test_input_without_end_is_refused(self):
        with open("/dev/zero", "rb") as zeros:
            done = ringmain("locate", "-c", self.file(GOOD), stdin=zeros)
        self.assertEqual(done.returncode, 1)
        self.assertIn("line 1 of standard input is longer than", done.stderr)

    def test_bad_hexadecimals_are_refused(self):
        for key in ("6", "zz", "0x61"):
            self.assertNotEqual(ringmain("locate", "-c", self.file(GOOD), "--hex", key).returncode, 0)


@needs_ringmain
class Migrate(CommandLine):
    YAML = """alpha:
  listen: 127.0.0.1:22121
  hash: fnv1a_64
  distribution: ketama
  auto_eject_hosts: true
  redis: true
  server_retry_timeout: 2000
  server_failure_limit: 1
  servers:
   - 127.0.0.1:6379:1
beta:
  listen: /tmp/beta.sock 0660
  hash: murmur
  hash_tag: "{}"
  distribution: modula
  timeout: 400
  redis: true
  redis_auth: "pass word"
  servers:
   - 127.0.0.1:6380:1 server1
   - 127.0.0.1:6381:2 server2
gamma:
  listen: 127.0.0.1:22124
  servers:
   - 127.0.0.1:11211:1
   - 127.0.0.1:11212:100 m2
"""

    def test_the_result_is_accepted_and_places_alike(self):
        done = ringmain("migrate", self.file(self.YAML, "nutcracker.yml"))
        self.assertEqual(done.returncode, 0, done.stderr)
        path = self.file(done.stdout)
        checked = ringmain("check", path)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        for part in ("[pool.alpha]", "[pool.beta]", "[pool.gamma]", '"memcached"', "hash_tag",
                     "127.0.0.1:6381:2 server2"):
            self.assertIn(part, done.stdout)
        located = ringmain("locate", "-c", path, "--pool", "beta", "a", "b", "c{x}", "d{x}").stdout
        names = [line.split("\t")[1] for line in located.splitlines()]
        self.assertEqual(names[2], names[3])

    def test_standard_input(self):
        by_file = ringmain("migrate", self.file(self.YAML, "nutcracker.yml"))
        by_input = ringmain("migrate", "-", input=self.YAML)
        self.assertEqual(by_input.returncode, 0, by_input.stderr)
        def settings(text):
            return [line for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual(settings(by_input.stdout), settings(by_file.stdout))
        checked = ringmain("check", "-", input=by_input.stdout)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("standard input", checked.stderr)
        done = ringmain("check", "-", input=by_input.stdout.replace("hash_tag", "hash_tga"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"standard input:[0-9]+:[0-9]+: error: .*hash_tga")
        done = ringmain("migrate", "-", input="alpha: [")
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard input:1:", done.stderr)

    def test_what_cannot_be_migrated_is_told(self):
        for text in ("", "alpha:\n  nonsense: 1\n", "- a\n- b\n", "alpha: [", "\t"):
            done = ringmain("migrate", self.file(text, "nutcracker.yml"))
            self.assertEqual(done.returncode, 1, (text, done.stdout))
            self.assertNotEqual(done.stderr, "")
        self.assertEqual(ringmain("migrate", self.folder / "missing.yml").returncode, 1)


@needs_ringmain
class Doctor(CommandLine):
    def test_says_what_this_kernel_has(self):
        done = ringmain("doctor")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for word in ("io_uring", "kernel", "somaxconn"):
            self.assertIn(word, done.stdout)
        self.assertRegex(done.stdout, "nofile|open files")
        self.assertEqual(ringmain("doctor", "-c", self.file(GOOD)).returncode, 0)

    def test_a_container_that_forbids_io_uring_gets_the_cause_and_the_remedy(self):
        required = self.file('[proxy]\nio_backend = "io_uring"\n' + GOOD)
        for words, status in ((["doctor"], 0), (["doctor", "-c", required], 1),
                              (["-c", required], 1)):
            done = subprocess.run(
                [sys.executable, FOLDER / "without_io_uring.py", os.path.abspath(BINARY),
                 *map(str, words)], capture_output=True, text=True, timeout=60)
            said = (done.stdout + done.stderr).lower()
            self.assertEqual(done.returncode, status, said)
            self.assertIn("io_uring", said)
            self.assertIn("seccomp", said)
            self.assertIn("fix: allow io_uring_setup", said)


class Running(CommandLine):
    def start(self, **options):
        server = self.use(RedisServer())
        proxy = self.use(Ringmain({"alpha": {"servers": [server], **options}}))
        return server, proxy

    @needs_ringmain
    def test_term_and_int_stop_with_0_and_leave_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            path = f"{self.folder}/ringmain.sock"
            _, proxy = self.start(listen=path)
            with RespClient(path) as client:
                self.working(client)
                self.assertEqual(proxy.halt(number), 0, proxy.log())
            self.assertFalse(os.path.exists(path))
            proxy.child = None

    @needs_ringmain
    def test_requests_in_flight_are_answered_before_the_stop(self):
        server, proxy = self.start()
        client = proxy.client()
        server.call("SET", "x", "v" * 100)
        client.send(resp("EVAL", "local n = 0 for i = 1, 5000000 do n = n + i end return 'done'",
                         "1", "x") + resp("GET", "x") * 500)
        time.sleep(0.05)
        began = time.monotonic()
        self.assertEqual(proxy.halt(), 0, proxy.log())
        self.assertLess(time.monotonic() - began, 10)
        got = client.read_until_closed()
        self.assertEqual(got.count(b"v" * 100), 500)
        proxy.child = None

    @needs_ringmain
    def test_a_second_signal_stops_at_once(self):
        from fakes import FakeServer
        mute = self.use(FakeServer(lambda connection: connection.wait_until_closed()))
        proxy = self.use(Ringmain({"alpha": {"servers": [mute], "timeout": 0}},
                                  proxy={"shutdown_timeout": "60s"}))
        client = proxy.client()
        client.send(resp("GET", "a"))
        wait_for(lambda: mute.connections and b"GET" in mute.connections[0].received, "GET is sent")
        proxy.child.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            proxy.child.send_signal(signal.SIGTERM)
        proxy.child.wait(10)
        self.assertLess(time.monotonic() - began, 2)
        proxy.child = None

    @needs_ringmain
    def test_other_signals_do_no_harm(self):
        _, proxy = self.start()
        with proxy.client() as client:
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU,
                           signal.SIGPIPE, signal.SIGHUP):
                proxy.child.send_signal(number)
                self.working(client)
        # The answer may come before the signal is taken.
        for taken in ("USR2: ", "TTIN: log_level is info now", "TTOU: log_level is notice now"):
            wait_for(lambda text=taken: text in proxy.log(), taken)

    @needs_ringmain
    def test_a_port_in_use_is_refused_with_its_name(self):
        _, proxy = self.start()
        done = ringmain("-c", proxy.config_path)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(str(proxy.port()), done.stderr)
        self.assertIn("in use", done.stderr.lower())
        with proxy.client() as client:
            self.working(client)

    @needs_ringmain
    def test_a_port_in_use_by_somebody_else(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen(1)
            port = taken.getsockname()[1]
            done = ringmain("-c", self.file(GOOD.replace("22121", str(port))))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(str(port), done.stderr)

    @needs_ringmain
    def test_a_bad_configuration_is_refused_at_start(self):
        done = ringmain("-c", self.file(GOOD.replace("listen", "lisen")))
        self.assertEqual(done.returncode, 1)
        self.assertIn("did you mean 'listen'?", done.stderr)

    @needs_ringmain
    def test_log_and_pid_files_and_the_background(self):
        log, pid_file = self.folder / "log", self.folder / "pid"
        server = self.use(RedisServer())
        proxy = self.use(Ringmain({"alpha": {"servers": [server]}}, start=False))
        said = self.folder / "said"
        with open(said, "wb") as output:
            done = subprocess.run(
                [os.path.abspath(BINARY), "-c", proxy.config_path, "-o", log, "-p", pid_file, "-d"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=20)
        self.assertEqual(done.returncode, 0, said.read_text())
        wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), "the pid file is there")
        pid = int(pid_file.read_text())
        try:
            with proxy.client() as client:
                self.expect(client, resp("SET", "a", "b"), b"+OK\r\n")
            self.assertTrue(log.exists())
            log.rename(self.folder / "log.1")
            os.kill(pid, signal.SIGUSR1)
            wait_for(log.exists, "the log is opened anew")
            held = {os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)}
            self.assertNotIn(str(said), held, "whoever started it waits for its output to end")
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "it stopped")
        self.assertFalse(pid_file.exists())

    @needs_ringmain
    def test_who_starts_it_may_have_closed_the_standard_descriptors(self):
        """What is opened later gets none of their numbers."""
        pid_file = self.folder / "pid"
        server = self.use(RedisServer())
        for closed in ("2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"):
            for background in ("", "-d"):
                with self.subTest(closed=closed, background=background):
                    proxy = self.use(Ringmain({"alpha": {"servers": [server]}}, start=False))
                    proxy.spawn(["sh", "-c", f"exec {os.path.abspath(BINARY)} {background} "
                                             f"-c {proxy.config_path} -p {pid_file} {closed}"])
                    if background:
                        self.assertEqual(proxy.child.wait(20), 0)
                    wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(),
                             "the pid file is there")
                    self.check_and_stop(proxy, int(pid_file.read_text()))

    def check_and_stop(self, proxy, pid):
        held = {}
        try:
            with proxy.client() as client:
                self.expect(client, resp("SET", "a", "b"), b"+OK\r\n")
            held = {os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)}
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: proxy.child.poll() is not None
                     and not pathlib.Path(f"/proc/{pid}").exists(), "it stopped", timeout=5)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise
        finally:
            proxy.child.wait(20)
            proxy.child = None
        self.assertLessEqual(held, {"/dev/null", str(proxy.log_path)})

    @needs_ringmain
    def test_output_to_a_closed_descriptor_is_no_success(self):
        binary = os.path.abspath(BINARY)
        done = subprocess.run(["sh", "-c", f"exec {binary} help options 1>&-"],
                              capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output cannot be written to", done.stderr)

    @needs_ringmain
    def test_in_the_background_without_a_log_file_is_told(self):
        pid_file = self.folder / "pid"
        proxy = self.use(Ringmain({"alpha": {"servers": [self.use(RedisServer())]}}, start=False))
        for words, told in (([], True), (["-o", self.folder / "log"], False)):
            said = self.folder / "said"
            with open(said, "wb") as output:
                done = subprocess.run(
                    [os.path.abspath(BINARY), "-c", proxy.config_path, "-p", pid_file, "-d", *words],
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=20)
            self.assertEqual(done.returncode, 0, said.read_text())
            pid = int(pid_file.read_text())
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "it stopped")
            self.assertEqual("what is logged from the start on is lost" in said.read_text(), told)

    @needs_ringmain
    def test_a_log_that_may_not_grow_ends_nobody(self):
        log = self.folder / "log"
        server = self.use(RedisServer())
        proxy = self.use(Ringmain({"alpha": {"servers": [server]}},
                                  proxy={"log_file": str(log)}, start=False))
        proxy.inside = ("prlimit", "--fsize=500")
        proxy.start()
        with proxy.client() as client:
            def is_full():
                proxy.child.send_signal(signal.SIGUSR2)
                return log.stat().st_size == 500

            wait_for(is_full, "the log is as large as it may be")
            self.working(client)
        self.assertEqual(proxy.halt(), 0)
        proxy.child = None

    @needs_ringmain
    def test_a_successor_keeps_the_unix_socket_and_the_pid_file(self):
        from fakes import FakeServer
        mute = self.use(FakeServer(lambda connection: connection.wait_until_closed()))
        path, pid_file = f"{self.folder}/ringmain.sock", self.folder / "pid"
        proxy = self.use(Ringmain({"alpha": {"servers": [mute], "timeout": 0, "listen": path}},
                                  proxy={"shutdown_timeout": "3s", "pid_file": str(pid_file)}))
        with RespClient(path) as client:
            client.send(resp("GET", "a"))
            wait_for(lambda: mute.connections and b"GET" in mute.connections[0].received,
                     "GET is sent")
            first = proxy.child
            first.send_signal(signal.SIGTERM)
            wait_for(lambda: "stopping" in proxy.log(), "it drains")
            proxy.start()
            self.assertEqual(first.wait(20), 0, proxy.log())
        self.assertEqual(int(pid_file.read_text()), proxy.pid)
        with RespClient(path) as client:
            self.assertEqual(client.call("PING"), b"+PONG\r\n")
        self.assertEqual(proxy.halt(), 0)
        self.assertFalse(os.path.exists(path))
        self.assertFalse(pid_file.exists())
        proxy.child = None

    @needs_ringmain
    def test_the_pid_file_is_there_with_the_pid_or_not_at_all(self):
        pid_file = self.folder / "pid"
        proxy = self.use(Ringmain({"alpha": {"servers": [self.use(RedisServer())]}}, start=False,
                                  proxy={"pid_file": str(pid_file), "workers": 64}))
        proxy.spawn([os.path.abspath(BINARY), "-c", proxy.config_path])
        until = time.monotonic() + 20
        while not pid_file.exists() and time.monotonic() < until:
            pass
        self.assertEqual(pid_file.read_text(), f"{proxy.pid}\n")

    @needs_ringmain
    def test_who_cannot_start_disturbs_nobody(self):
        server, pid_file = self.use(RedisServer()), self.folder / "pid"
        port = Port()
        self.addCleanup(port.release)
        shared = {"proxy": {"pid_file": str(pid_file)},
                  "other": {"admin": {"listen": f"127.0.0.1:{port.number}"}}}
        proxy = self.use(Ringmain({"alpha": {"servers": [server]}}, **shared))
        other = self.use(Ringmain({"alpha": {"servers": [server]}}, start=False, **shared))
        done = ringmain("-c", other.config_path)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("[admin] listen: ", done.stderr)
        self.assertEqual(int(pid_file.read_text()), proxy.pid)

    @needs_ringmain
    def test_who_cannot_start_takes_no_clients(self):
        """Whatever it fails for but the port."""
        server, pid_file = self.use(RedisServer()), self.folder / "pid"
        full = ("unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=4k none {self.folder}; "
                f"head -c 4096 /dev/zero > {self.folder}/large; exec \"$0\" \"$@\"")
        fat = ("prlimit", f"--as={256 << 20}")
        cases = [("pid file", (), {"pid_file": str(self.folder)})]
        if os.geteuid() == 0 and shutil.which("unshare"):
            cases.append(("No space left", full, {"pid_file": str(pid_file)}))
        if not SANITIZED and shutil.which("prlimit"):
            cases.append(("cannot map", fat, {"workers": 2, "buffer_memory": "128MiB"}))
        for reason, inside, options in cases:
            with self.subTest(reason=reason):
                proxy = self.use(Ringmain({"alpha": {"servers": [server]}}, proxy=options,
                                          start=False))
                for _ in range(5):
                    with subprocess.Popen([*inside, os.path.abspath(BINARY), "-c",
                                           proxy.config_path], stdin=subprocess.DEVNULL,
                                          stderr=subprocess.PIPE, text=True) as child:
                        while child.poll() is None:
                            with socket.socket() as client:
                                self.assertNotEqual(client.connect_ex(proxy.endpoint()), 0)
                        said = child.stderr.read()
                    self.assertEqual(child.returncode, 1)
                    self.assertIn(reason, said)

    @needs_ringmain
    def test_the_pid_file_is_the_first_ones_who_has_the_port(self):
        pid_file = self.folder / "pid"
        proxy = self.use(Ringmain({"alpha": {"servers": [self.use(RedisServer())]}},
                                  proxy={"pid_file": str(pid_file)}))
        done = ringmain("-c", proxy.config_path)
        self.assertEqual(done.returncode, 1)
        self.assertIn(" is in use: ", done.stderr)
        self.assertEqual(int(pid_file.read_text()), proxy.pid)
        other = self.folder / "other"
        self.assertEqual(ringmain("-c", proxy.config_path, "-p", other).returncode, 1)
        self.assertFalse(other.exists())

    @needs_ringmain
    def test_a_cpu_that_may_not_be_used_is_named(self):
        server = self.use(RedisServer())
        proxy = self.use(Ringmain({"alpha": {"servers": [server]}},
                                  proxy={"cpu_affinity": "1023"}, start=False))
        for words in (("-c", proxy.config_path), ("doctor", "-c", proxy.config_path)):
            done = ringmain(*words)
            self.assertEqual(done.returncode, 1)
            self.assertIn("CPU 1023 is not one that this process may use", done.stdout + done.stderr)

    @needs_ringmain
    def test_info_tells_of_servers_and_debug_of_clients(self):
        for level in ("notice", "info", "debug"):
            server = self.use(RedisServer())
            proxy = self.use(Ringmain({"alpha": {"servers": [server]}}, proxy={"log_level": level}))
            with proxy.client() as client:
                self.working(client)
            self.assertEqual(proxy.halt(), 0)
            said = proxy.log()
            self.assertEqual(" info: pool alpha: server " in said, level != "notice", said)
            for words in (" has connected", " has left"):
                self.assertEqual(words in said, level == "debug", said)
            proxy.child = None

    def serves_while_it_logs(self, proxy):
        """More than whoever should read its standard error takes by itself; it ends as ever."""
        with proxy.client(timeout=5) as client:
            for _ in range(300):  # a line has 50 bytes at least
                proxy.child.send_signal(signal.SIGUSR2)
                proxy.child.send_signal(signal.SIGTTIN)
                self.expect(client, resp("PING"), b"+PONG\r\n")
                time.sleep(0.001)
        self.assertEqual(proxy.halt(), 0)
        proxy.child = None

    @needs_ringmain
    def test_nobody_waits_for_who_reads_standard_error(self):
        server = self.use(RedisServer())
        proxy = self.use(Ringmain({"alpha": {"servers": [server]}}, start=False))
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        try:
            proxy.child = subprocess.Popen([os.path.abspath(BINARY), "-c", proxy.config_path],
                                           stdin=subprocess.DEVNULL, stderr=writing)
            os.close(writing)
            proxy.wait_until_accepting(proxy.endpoint())
            self.serves_while_it_logs(proxy)
        finally:
            os.close(reading)

    @needs_ringmain
    def test_nobody_waits_for_a_terminal_that_is_not_read(self):
        """Whether it may be opened anew or is another user's."""
        server = self.use(RedisServer())
        for others in (False, True) if os.geteuid() == 0 else (False,):
            with self.subTest(others=others), contextlib.ExitStack() as stack:
                proxy = self.use(Ringmain({"alpha": {"servers": [server]}}, start=False))
                proxy.folder.chmod(0o755)
                reading, terminal = pty.openpty()
                stack.callback(os.close, reading)
                proxy.child = subprocess.Popen(
                    [os.path.abspath(BINARY), "-c", proxy.config_path], stdin=subprocess.DEVNULL,
                    stderr=terminal, user=65534 if others else None, start_new_session=True)
                os.close(terminal)
                proxy.wait_until_accepting(proxy.endpoint())
                self.serves_while_it_logs(proxy)

    @needs_ringmain
    def test_in_the_background_nothing_of_the_terminal_is_held(self):
        proxy = self.use(Ringmain({"alpha": {"servers": [self.use(RedisServer())]}}, start=False))
        reading, terminal = pty.openpty()
        name = os.ttyname(terminal)
        pid_file = self.folder / "pid"
        try:
            subprocess.run([os.path.abspath(BINARY), "-c", proxy.config_path, "-p", pid_file, "-d"],
                           stdin=terminal, stdout=terminal, stderr=terminal, timeout=20, check=True)
            pid = int(pid_file.read_text())
            try:
                folder = pathlib.Path(f"/proc/{pid}/fd")
                self.assertNotIn(name, [os.readlink(held) for held in folder.iterdir()])
            finally:
                os.kill(pid, signal.SIGTERM)
                wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "it stopped")
        finally:
            os.close(terminal)
            os.close(reading)

    @needs_ringmain
    @unittest.skipIf(SANITIZED, "sanitizers need terabytes of address space")
    @unittest.skipUnless(shutil.which("prlimit"), "needs prlimit")
    def test_who_has_no_memory_says_so(self):
        """However far it comes with how much, until it serves."""
        log, pid_file = self.folder / "log", self.folder / "pid"
        proxy = self.use(Ringmain({"alpha": {"servers": ["127.0.0.1:1:1 a"]}},
                                  proxy={"buffer_memory": "16MiB"}, start=False))
        for mebibytes in range(40, 1000, 10):
            done = subprocess.run(
                ["prlimit", f"--as={mebibytes << 20}", os.path.abspath(BINARY), "-d",
                 "-c", proxy.config_path, "-o", log, "-p", pid_file],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
            if done.returncode == 0:
                break
            self.assertEqual((done.returncode, done.stderr[:10]), (1, "ringmain: "), mebibytes)
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "it stopped")
        self.assertIn("ringmain: out of memory: the kernel refuses more to this process; raise ",
                      log.read_text())

    @needs_ringmain
    def test_no_client_is_accepted_after_the_stop_began(self):
        _, proxy = self.start()
        endpoint = proxy.endpoint()
        proxy.halt()
        with self.assertRaises((ConnectionError, Closed, OSError)):
            RespClient(endpoint).call("PING")
        proxy.child = None

    @needs_ringmain
    def test_unknown_features_to_ignore_are_refused_or_told(self):
        done = ringmain("doctor", env={**os.environ, "RINGMAIN_IGNORE_FEATURES": "no_such_feature"})
        self.assertIn("no_such_feature", done.stdout + done.stderr)


if __name__ == "__main__":
    main()
