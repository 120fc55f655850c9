"""Applications of others over three servers: queues, sessions, rate limits, locks.

`tools/install --for applications` installs them; what is not there is skipped.
"""
import threading
import time
import unittest

from harness import FOLDER, RedisCase, main
from test_real_clients import needs, run

try:
    import redis
except ImportError:  # the package python3-redis
    redis = None

APPLICATIONS = FOLDER / "node" / "applications"


def needs_npm(package):
    present = (APPLICATIONS / "node_modules" / package).is_dir()
    return unittest.skipUnless(present,
                               f"no {package}: tools/install --for applications")


class Node(RedisCase):
    def node(self, name, timeout=90):
        run(self, ["node", APPLICATIONS / name, self.proxy.port()], timeout)

    @needs("node")
    @needs_npm("bullmq")
    def test_bullmq(self):
        """Queues with a hash tag in their prefix; flows, delays, retries, repetitions."""
        self.node("bullmq.js")

    @needs("node")
    @needs_npm("bull")
    def test_bull(self):
        self.node("bull.js")

    @needs("node")
    @needs_npm("bee-queue")
    def test_bee_queue(self):
        self.node("bee.js")

    @needs("node")
    @needs_npm("socket.io")
    def test_socket_io(self):
        """Three servers of socket.io, which talk by messages or by streams."""
        self.node("socketio.js")

    @needs("node")
    @needs_npm("cache-manager")
    def test_caches_and_locks(self):
        self.node("caches.js")

    @needs("node")
    @needs_npm("redis")
    def test_pipelines_transactions_and_messages(self):
        self.node("clients.js")

    @needs("node")
    @needs_npm("connect-redis")
    def test_sessions_and_rate_limits(self):
        self.node("sessions.js")


@unittest.skipUnless(redis, "python3-redis is not installed")
class Locks(RedisCase):
    def test_redis_py_locks(self):
        """Each of several threads, with a connection of its own, adds one to a plain number."""
        names = [f"lock{number}" for number in range(6)]
        counts = dict.fromkeys(names, 0)
        wrong = []

        def work(number):
            client = redis.Redis(port=self.proxy.port())
            try:
                for turn in range(20):
                    name = names[(number + turn) % len(names)]
                    with client.lock(name, timeout=20, blocking_timeout=20, sleep=0.002) as lock:
                        before = counts[name]
                        time.sleep(0.0005)
                        counts[name] = before + 1
                        assert lock.owned() and lock.extend(10) and lock.reacquire()
            except Exception as error:
                wrong.append(error)
            finally:
                client.close()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(wrong, [])
        self.assertEqual(sum(counts.values()), 8 * 20)
        with redis.Redis(port=self.proxy.port()) as client:
            self.assertEqual(client.exists(*names), 0)

    def test_a_lock_that_another_has_taken_over(self):
        client = redis.Redis(port=self.proxy.port())
        lock = client.lock("lock", timeout=0.05)
        self.assertTrue(lock.acquire(blocking=False))
        self.assertFalse(client.lock("lock").acquire(blocking=False))
        time.sleep(0.1)
        self.assertTrue(client.lock("lock", timeout=20).acquire(blocking=False))
        with self.assertRaises(redis.exceptions.LockNotOwnedError):
            lock.release()
        client.close()

    def test_pipelines_with_watched_keys(self):
        """redis-py's `transaction`: what a counter that two threads raise comes to."""
        wrong = []

        def raise_it(pipe):
            value = int(pipe.get("n") or 0)
            pipe.multi()
            pipe.set("n", value + 1)

        def work():
            client = redis.Redis(port=self.proxy.port())
            try:
                for _ in range(50):
                    client.transaction(raise_it, "n")
            except Exception as error:
                wrong.append(error)
            finally:
                client.close()

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(wrong, [])
        with redis.Redis(port=self.proxy.port()) as client:
            self.assertEqual(client.get("n"), b"150")


if __name__ == "__main__":
    main()
