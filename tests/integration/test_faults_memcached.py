"""Real memcacheds that stop, die and come back while 50 clients go on."""
import os
import signal
import time

from checked import make_value
from faults import TIMEOUT, FaultCase
from harness import main, needs_ringmain

SOMEBODY_ELSE = 1000  # a writer that is no client of the load


class MemcachedFaults(FaultCase):
    protocol = "memcached"

    def other_data(self):
        keys = [key for key, server in self.load.server_of.items() if server == self.faulty]
        with self.bad.client() as client:
            for number, key in enumerate(keys):
                self.assertEqual(client.store(key, make_value(key, SOMEBODY_ELSE, number)),
                                 b"STORED\r\n")


@needs_ringmain
class WithoutEjection(MemcachedFaults):
    def test_a_stopped_server(self):
        self.begin()
        self.warm_up()
        for seconds in (2.0, 0.9):  # long enough for its connection to be given up, and not
            since = self.fault_begins()
            os.kill(self.bad.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(self.bad.pid, signal.SIGCONT)
            until = time.monotonic()
            self.settles(within=1.0)
            self.others_unharmed(since, until)
            self.affected_end_in_time(since)
            errors = self.errors_name_the_server(since)
            self.assertGreater(sum(errors.values()), 10)
        self.serves_again(within=0.5, since=time.monotonic())
        self.finish_load()

    def test_a_killed_server_that_comes_back_with_other_data(self):
        self.begin()
        self.warm_up()
        since = self.fault_begins()
        self.bad.kill()
        time.sleep(0.7)
        self.bad.start()
        self.other_data()
        back = time.monotonic()
        self.settles(within=1.0)
        self.serves_again(within=1.0, since=back)
        self.others_unharmed(since, back)
        failed = [answer for answer in self.affected_end_in_time(since, back)
                  if answer.error is not None]
        slow = max(answer.latency for answer in failed)
        self.assertLess(slow, 0.1 + self.load.allowance(since, back))
        self.errors_name_the_server(since)
        self.assertEqual(self.load.closed, [])
        self.finish_load()


@needs_ringmain
class WithEjection(MemcachedFaults):
    retry = 1.0
    pool_options = {"auto_eject_hosts": True, "server_failure_limit": 2,
                    "server_retry_timeout": "1s"}

    def goes_and_comes(self, breaks, mends, seconds):
        self.begin(proxy_options={"workers": 2})
        self.warm_up()
        keys = self.faulty_keys()
        place = self.server_of_without(keys)
        since = self.fault_begins()
        breaks()
        time.sleep(2 * TIMEOUT + 0.3 + self.load.allowance(since))
        out = time.monotonic()
        with self.proxy.client() as client:
            for key in keys:
                self.assertEqual(client.store(key, key), b"STORED\r\n")
        for key in keys:
            with self.servers[place[key]].client() as direct:
                self.assertEqual(direct.get(key), key)
        time.sleep(max(0.0, since + seconds - time.monotonic()))
        mended = time.monotonic()
        mends()
        self.serves_again(within=self.retry + 0.2, since=mended)
        time.sleep(0.7)
        until = time.monotonic()

        self.others_unharmed(since, until)
        self.affected_end_in_time(since)
        errors = self.errors_name_the_server(since)
        self.assertGreater(sum(errors.values()), 0)
        self.assertEqual(self.errors_of(out), {})
        self.assertEqual(self.load.closed, [])
        self.finish_load()

    def test_a_stopped_server_leaves_and_returns(self):
        self.goes_and_comes(lambda: os.kill(self.bad.pid, signal.SIGSTOP),
                            lambda: os.kill(self.bad.pid, signal.SIGCONT), seconds=2.2)

    def test_a_killed_server_leaves_and_returns_with_other_data(self):
        def mends():
            self.bad.start()
            self.other_data()

        self.goes_and_comes(lambda: self.bad.kill(), mends, seconds=1.5)


if __name__ == "__main__":
    main()
