"""Real memcacheds that stop, die and come back while 50 clients go on."""
import time

from checked import make_value
from faults import SOMEBODY_ELSE, TIMEOUT, FaultCase, LeaveAndReturn, StopAndKill
from harness import main, needs_ringmain


class MemcachedFaults(FaultCase):
    protocol = "memcached"

    def other_data(self):
        keys = [key for key, server in self.load.server_of.items() if server == self.faulty]
        with self.bad.client() as client:
            for number, key in enumerate(keys):
                self.assertEqual(client.store(key, make_value(key, SOMEBODY_ELSE, number)),
                                 b"STORED\r\n")


@needs_ringmain
class WithoutEjection(StopAndKill, MemcachedFaults):
    pass


@needs_ringmain
class WithEjection(LeaveAndReturn, MemcachedFaults):
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


if __name__ == "__main__":
    main()
