"""Clients of today at their default options, and the tools that come with redis."""
import os
import pty
import re
import select
import shutil
import subprocess
import time
import unittest

from harness import FOLDER, MemcachedCase, PLAIN, RedisCase, main, needs_ringmain, wait_for

try:
    import redis
    import pymemcache.client.base as pymemcache
except ImportError:  # the packages python3-redis and python3-pymemcache
    redis = pymemcache = None

NODE_MODULES = FOLDER / "node" / "node_modules"


def run(case, command, timeout=60, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=timeout, **options)
    if done.returncode != 0:
        case.fail(f"{command}: status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout + done.stderr


def needs(tool):
    return unittest.skipUnless(shutil.which(tool), f"{tool} is not installed")


def needs_node(package):
    present = shutil.which("node") and (NODE_MODULES / package).is_dir()
    return unittest.skipUnless(present, f"tests/integration/node has no {package}: npm install")


class RedisClients(RedisCase):
    @unittest.skipUnless(redis, "python3-redis is not installed")
    def test_redis_py(self):
        client = redis.Redis(port=self.proxy.port())
        self.assertTrue(client.set("py", "value"))
        self.assertEqual(client.get("py"), b"value")
        self.assertTrue(client.mset({"py1": "1", "py2": "2", "py3": "3"}))
        self.assertEqual(client.mget("py1", "none", "py2", "py3"), [b"1", None, b"2", b"3"])
        self.assertEqual(client.delete("py1", "py2", "py3", "none"), 3)
        client.hset("py:h", mapping={"a": 1, "b": 2})
        self.assertEqual(client.hgetall("py:h"), {b"a": b"1", b"b": b"2"})
        client.zadd("py:z", {"a": 1, "b": 2.5})
        self.assertEqual(client.zrange("py:z", 0, -1, withscores=True), [(b"a", 1.0), (b"b", 2.5)])
        self.assertEqual(client.eval("return ARGV[1]", 1, "py", "x"), b"x")
        pipeline = client.pipeline(transaction=False)
        for number in range(500):
            pipeline.set(f"py:p{number}", number).get(f"py:p{number}")
        self.assertEqual(pipeline.execute()[-1], b"499")
        with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
            client.execute_command("nosuch", "a")
        self.assertTrue(client.ping())
        self.assertIn("redis_version", client.info())
        self.assertEqual(client.client_setname("py"), True)
        self.assertEqual(client.client_getname(), "py")
        self.assertEqual(len(client.time()), 2)
        client.close()

    @needs("ruby")
    def test_redis_rb(self):
        run(self, ["ruby", FOLDER / "redis_rb.rb", self.proxy.port()])

    @unittest.skipIf(PLAIN, "it sees that transactions are refused")
    @needs_node("ioredis")
    def test_ioredis(self):
        run(self, ["node", FOLDER / "node" / "ioredis.js", self.proxy.port()])

    @needs_node("redis")
    def test_node_redis(self):
        run(self, ["node", FOLDER / "node" / "node_redis.js", self.proxy.port()])

    def cli(self, *words, **options):
        return run(self, ["redis-cli", "-p", self.proxy.port(), *words], **options)

    def test_redis_cli(self):
        self.assertEqual(self.cli("set", "cli", "value").strip(), "OK")
        self.assertEqual(self.cli("get", "cli").strip(), "value")
        self.assertEqual(self.cli("-3", "hset", "cli:h", "f", "v").strip(), "1")
        self.assertEqual(self.cli("-3", "--no-raw", "hgetall", "cli:h").strip(), '1# "f" => "v"')
        lines = self.cli(input="set a 1\nget a\nmget a none\nping\nnosuch\n")
        self.assertEqual(lines.split()[:4], ["OK", "1", "1", "PONG"])
        self.assertIn("unknown command", lines)

    def test_redis_cli_interactive_with_its_hints(self):
        """At a terminal it asks COMMAND DOCS first."""
        ours, its = pty.openpty()
        child = subprocess.Popen(["redis-cli", "-p", str(self.proxy.port())], stdin=its, stdout=its,
                                 stderr=its, env={**os.environ, "TERM": "dumb"}, close_fds=True)
        os.close(its)
        out = b""
        try:
            for line, wanted in ((b"set inter active\r", b"OK"), (b"get inter\r", b'"active"'),
                                 (b"nosuch\r", b"unknown command")):
                os.write(ours, line)
                deadline = time.monotonic() + 10
                while wanted not in out and select.select([ours], [], [], max(
                        0.0, deadline - time.monotonic()))[0]:
                    out += os.read(ours, 4096)
                self.assertIn(wanted, out)
        finally:
            child.kill()
            child.wait()
            os.close(ours)

    def test_redis_cli_stat(self):
        child = subprocess.Popen(["redis-cli", "-p", str(self.proxy.port()), "--stat", "-i", "0.05"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            lines = [child.stdout.readline() for _ in range(5)]
        finally:
            child.kill()
            child.communicate()
        self.assertTrue(any(re.match(r"^\d+ +\d", line) for line in lines), lines)

    def test_redis_cli_pipe(self):
        data = "".join(f"SET pipe{number} {number}\r\n" for number in range(2000))
        out = self.cli("--pipe", input=data)
        self.assertIn("errors: 0, replies: 2000", out)

    def test_redis_benchmark(self):
        out = run(self, ["redis-benchmark", "-p", self.proxy.port(), "-t", "set,get,mset", "-P", "32",
                         "-c", "50", "-n", "100000", "-r", "100000", "-q"], timeout=120)
        for name in ("SET", "GET", "MSET (10 keys)"):
            self.assertRegex(out, re.escape(name) + r": [\d.]+ requests per second")
        self.assertNotIn("Error", out)

    def test_redis_benchmark_of_every_kind(self):
        out = run(self, ["redis-benchmark", "-p", self.proxy.port(), "-c", "20", "-n", "2000", "-P",
                         "4", "-q"], timeout=120)
        self.assertIn("PING_INLINE", out)
        self.assertNotIn("Error", out)


class MemcachedClients(MemcachedCase):
    @unittest.skipUnless(pymemcache, "python3-pymemcache is not installed")
    def test_pymemcache(self):
        client = pymemcache.Client(("127.0.0.1", self.proxy.port()))
        self.assertTrue(client.set("py", "value"))  # noreply by default
        self.assertEqual(client.get("py"), b"value")
        self.assertIsNone(client.get("none"))
        self.assertEqual(client.set_many({f"py{number}": number for number in range(50)}), [])
        many = client.get_many([f"py{number}" for number in range(60)])
        self.assertEqual(many, {f"py{number}": b"%d" % number for number in range(50)})
        client.set("n", "5", noreply=False)
        self.assertEqual(client.incr("n", 2), 7)
        self.assertEqual(client.decr("n", 1), 6)
        value, unique = client.gets("py")
        self.assertEqual(client.cas("py", "other", unique, noreply=False), True)
        self.assertEqual(client.cas("py", "other", unique, noreply=False), False)
        self.assertTrue(client.touch("py", 100, noreply=False))
        self.assertTrue(client.delete("py", noreply=False))
        self.assertFalse(client.delete("py", noreply=False))
        self.assertTrue(client.append("n", "0", noreply=False))
        client.version()
        self.assertTrue(client.stats())
        self.assertTrue(client.flush_all(noreply=False))
        self.assertIsNone(client.get("n"))
        client.quit()

    @needs_node("memcached")
    def test_npm_memcached(self):
        run(self, ["node", FOLDER / "node" / "memcached.js", self.proxy.port()])


@needs_ringmain
class NothingIsLeft(RedisCase):
    def test_all_clients_are_gone_after_their_close(self):
        for _ in range(3):
            run(self, ["redis-benchmark", "-p", self.proxy.port(), "-t", "get", "-c", "20", "-n",
                       "1000", "-q"])
        client = self.client()

        def alone():
            text = client.value("INFO", "clients").decode()
            return "connected_clients:1\r\n" in text

        wait_for(alone, "no client but this one is connected", 5)


if __name__ == "__main__":
    main()
