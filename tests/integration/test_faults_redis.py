"""Real redis-servers that stop, die, fill up or are busy while 50 clients go on.

Only requests that need the faulty server may fail, in time and with a text that says why; the
others notice nothing; and no answer ever belongs to another request.
"""
import os
import signal
import time

from checked import errors_by_text, make_value, touching
from fakes import fake_redis
from faults import SOMEBODY_ELSE, TIMEOUT, FaultCase, LeaveAndReturn, StopAndKill
from harness import Ringmain, main, needs_ringmain, wait_for
from wire import ErrorReply, bulk, decode, resp

BUSY_FOR_A_SECOND = """
local function now() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end
local began = now()
while now() - began < 1000000 do end
"""
DEBUGGING = ("--enable-debug-command", "yes")
SLOW_LOADING = ("--loading-process-events-interval-bytes", "1024", "--key-load-delay")
LOADING = "LOADING Redis is loading the dataset in memory"
BUSY = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."


class RedisFaults(FaultCase):
    def other_data(self):
        """Puts values of somebody else under the load's keys, straight into the restarted server."""
        keys = [key for key, server in self.load.server_of.items() if server == self.faulty]
        with self.bad.client() as client:
            client.send(b"".join(resp("SET", key, make_value(key, SOMEBODY_ELSE, number))
                                 for number, key in enumerate(keys)))
            client.read_many(len(keys))


@needs_ringmain
class WithoutEjection(StopAndKill, RedisFaults):
    server_options = (*DEBUGGING, "--busy-reply-threshold", "150")

    def test_paused_clients_and_a_sleeping_server(self):
        self.begin()
        self.warm_up()
        opened = self.bad.connections_received()
        asked = 1  # by this test itself
        pause = 1.5 * TIMEOUT  # less than two: what is sent over the spare is not late, too
        for words in (("CLIENT", "PAUSE", f"{pause * 1000:.0f}"), ("DEBUG", "SLEEP", str(pause))):
            since = self.fault_begins()
            sleeper = self.aside(lambda words=words: self.bad.call(*words))
            time.sleep(pause)
            until = time.monotonic()
            sleeper.join(5)
            asked += 1
            self.settles(within=0.6)
            self.others_unharmed(since, until)
            self.affected_end_in_time(since)
            errors = self.errors_name_the_server(since)
            self.assertGreater(sum(errors.values()), 0, words)
        # Late answers were told apart: no connection was closed over them. Each time a spare may have
        # taken the place of one whose head was late.
        connected = self.bad.connections_received() - opened - asked
        self.assertLessEqual(connected, 2)
        self.finish_load()

    def test_a_long_script(self):
        """Who shares the script's connection waits behind it; others are told BUSY by redis."""
        self.begin(server_connections=2)
        self.warm_up()
        key = self.faulty_keys(1)[0]
        since = self.fault_begins()
        with self.proxy.client() as client:
            # A machine that sleeps through most of the second gives it that much more time.
            replies = (client.value("EVAL", BUSY_FOR_A_SECOND, 1, key) for _ in range(3))
            reply = next(filter(None, replies), None)
            self.assertIsInstance(reply, ErrorReply)
            self.assertIn(f"did not answer within {int(TIMEOUT * 1000)} ms", reply)
            self.working(client)
        time.sleep(0.8)
        until = time.monotonic()
        self.settles(within=3.0)
        errors = self.errors_name_the_server(since, float("inf"), BUSY)
        self.assertGreater(errors[BUSY], 0, errors)
        self.assertGreater(sum(errors.values()) - errors[BUSY], 0, errors)
        self.others_unharmed(since, until)
        self.affected_end_in_time(since)
        self.finish_load()

    def test_a_server_that_is_loading(self):
        self.begin()
        self.warm_up(1.0)
        self.bad.call("DEBUG", "POPULATE", "2000")
        self.bad.call("SAVE")
        since = self.fault_begins()
        self.bad.kill()
        self.bad.options += [*SLOW_LOADING, "500"]
        self.bad.start()
        key = self.faulty_keys(1)[0]
        with self.proxy.client() as client:
            wait_for(lambda: client.value("GET", key) == LOADING, "LOADING reaches the client", 3)
            wait_for(lambda: client.value("GET", key) is None, "loaded", 10)
        loaded = time.monotonic()
        self.settles(within=1.0)
        errors = self.errors_name_the_server(since, float("inf"), LOADING)
        self.assertGreater(errors[LOADING], 10, errors)
        self.others_unharmed(since, loaded)
        self.finish_load()


@needs_ringmain
class WithEjection(LeaveAndReturn, RedisFaults):
    server_options = DEBUGGING
    retry = 1.0
    pool_options = {"auto_eject_hosts": True, "server_failure_limit": 2,
                    "server_retry_timeout": "1s"}
    out_after = 2 * TIMEOUT + 0.3  # two failures one after the other, at most

    def both_workers(self):
        self.begin(proxy_options={"workers": 2})
        self.warm_up()

    def others_serve(self, keys):
        """The faulty server's keys are where they would be without it."""
        place = self.server_of_without(keys)
        with self.proxy.client() as client:
            for number, key in enumerate(keys):
                self.expect(client, resp("SET", key, number), b"+OK\r\n")
        for number, key in enumerate(keys):
            self.assertEqual(self.servers[place[key]].call("GET", key), str(number).encode())
        return place

    def goes_and_comes(self, breaks, mends, seconds):
        self.both_workers()
        keys = self.faulty_keys()
        since = self.fault_begins()
        breaks()
        time.sleep(self.out_after + self.load.allowance(since))
        out = time.monotonic()
        self.others_serve(keys)
        time.sleep(max(0.0, since + seconds - time.monotonic()))
        mended = time.monotonic()
        mends()
        took = self.serves_again(within=self.retry + 0.2, since=mended)
        time.sleep(0.6)
        until = time.monotonic()

        self.others_unharmed(since, until)
        self.affected_end_in_time(since)
        errors = self.errors_name_the_server(since)
        self.assertGreater(sum(errors.values()), 0)
        # Once it is out nobody is sent there, and once it is back all is well.
        self.assertEqual(self.errors_of(out), {}, f"back after {took:.2f} s")
        self.assertEqual(self.load.closed, [])
        with self.proxy.client() as client:
            for key in keys:
                self.expect(client, resp("SET", key, "home"), b"+OK\r\n")
        for key in keys:
            self.assertEqual(self.bad.call("GET", key), b"home")
        self.finish_load()

    def test_a_loading_server_is_not_used_before_it_is_loaded(self):
        self.both_workers()
        self.bad.call("DEBUG", "POPULATE", "2000")
        self.bad.call("SAVE")
        since = self.fault_begins()
        self.bad.kill()
        time.sleep(0.3 + self.load.allowance(since))
        out = time.monotonic()
        self.bad.options += [*SLOW_LOADING, "700"]
        self.bad.start()

        def loaded():
            return isinstance(self.bad.call("DBSIZE"), int)

        wait_for(loaded, "the data is loaded", 15)
        self.serves_again(within=self.retry + 0.2, since=time.monotonic())
        time.sleep(0.5)
        self.errors_name_the_server(since)
        self.assertEqual(self.errors_of(out), {})
        self.finish_load()

    def test_a_full_server_stays(self):
        self.both_workers()
        opened = self.bad.connections_received()
        since = self.fault_begins()
        used = int(self.bad.info("memory", "used_memory"))
        self.bad.call("CONFIG", "SET", "maxmemory", used + (4 << 20))
        text = self.fill(self.bad)
        # What the load deletes shall not make room again.
        self.bad.call("CONFIG", "SET", "maxmemory", used)
        time.sleep(1.2)
        until = time.monotonic()
        errors = self.errors_of(since, until)
        self.assertEqual(set(errors), {text})
        self.assertGreater(errors[text], 20)
        # It goes on answering reads, over the connections it had.
        reads = [answer for answer in touching(self.load.between(since, until), {self.faulty})
                 if answer.kind in ("get", "mget", "del")]
        self.assertGreater(len(reads), 100)
        self.assertFalse(errors_by_text(reads))
        self.bad.call("CONFIG", "SET", "maxmemory", "0")
        self.settles(within=0.5)
        asked = 6  # connections of this test
        self.assertEqual(self.bad.connections_received() - opened, asked)
        self.others_unharmed(since, until)
        self.finish_load()

    def fill(self, server):
        """Writes until redis refuses; that text."""
        with server.client() as client:
            for number in range(200):
                reply = client.value("SET", f"filler:{number}", b"x" * (128 << 10))
                if isinstance(reply, ErrorReply):
                    return str(reply)
        raise AssertionError("redis took more than its maxmemory")

    def test_answers_of_loading_busy_and_oom_eject_nobody(self):
        texts = [b"-LOADING Redis is loading the dataset in memory\r\n", b"-BUSY busy\r\n",
                 b"-OOM out\r\n", b"-MASTERDOWN Link with MASTER is down\r\n"]
        state = {"reply": None}

        def answer(arguments, _):
            return state["reply"] or bulk(arguments[1])

        fakes = [self.use(fake_redis(answer)) for _ in range(2)]
        proxy = self.use(Ringmain({"alpha": {"servers": fakes, "timeout": "400ms",
                                             **self.pool_options}}))
        keys = [f"key{number}" for number in range(12)]
        with proxy.client() as client:
            for text in texts:
                state["reply"] = text
                for key in keys:
                    self.expect(client, resp("GET", key), text)
            state["reply"] = None
            for key in keys:
                self.assertEqual(client.value("GET", key), key.encode())
        # preconnected ones; none was given up
        self.assertEqual([len(fake.connections) for fake in fakes], [1, 1])

    def test_every_server_gone_is_said_at_once(self):
        self.rate = 300
        self.begin(load_options={"clients": 6})
        for server in self.servers:
            server.kill()
        self.load.distrust(0, 1, 2)
        time.sleep(1.0)
        since = time.monotonic()
        time.sleep(0.3)
        answers = self.load.between(since)
        self.assertTrue(answers)
        self.assertTrue(all(answer.error for answer in answers), errors_by_text(answers))
        slowest = max(answer.latency for answer in answers)
        self.assertLess(slowest, 0.1 + self.load.allowance(since))
        for server in self.servers:
            server.start()
        mended = time.monotonic()
        self.settles(within=self.retry + 0.5)
        self.serves_again(within=self.retry + 1.5, since=mended)
        self.finish_load()


@needs_ringmain
class StoppedProxy(FaultCase):
    """ringmain itself stands still for longer than its timeout: no server's fault."""

    pool_options = {"auto_eject_hosts": True, "server_failure_limit": 1,
                    "server_retry_timeout": "5s"}

    def test_nobody_times_out_and_nobody_is_ejected(self):
        self.begin(proxy_options={"workers": 2})
        self.warm_up(1.0)
        opened = [server.connections_received() for server in self.servers]
        for seconds in (0.9, 0.6):
            since = time.monotonic() - 0.1
            os.kill(self.proxy.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(self.proxy.pid, signal.SIGCONT)
            time.sleep(0.6)
            self.assertEqual(self.errors_of(since), {})
        for index, server in enumerate(self.servers):
            self.assertEqual(server.connections_received() - opened[index], 1, f"s{index}")
        self.finish_load()


if __name__ == "__main__":
    main()
