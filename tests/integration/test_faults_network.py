"""A server behind a cable that is cut, slow or loses packets; the others are near."""
import time
import unittest

from checked import percentile, touching
from faults import SLACK, FaultCase
from harness import RedisServer, Ringmain, main, needs_ringmain
from network import FAR_ADDRESS, NEAR_ADDRESS, Network, why_not
from wire import ErrorReply, RespClient

MISSING = why_not()


class FarServer(RedisServer):
    """In a namespace of its own; the tests speak to it through a unix socket."""

    def __init__(self, namespace, address, port, folder):
        self.inside = Network.inside(namespace)
        self.path = f"{folder}/redis-{port}.sock"
        self.place = (address, port)
        super().__init__(["--unixsocket", self.path, "--protected-mode", "no"], f"redis-{port}")

    def start(self):
        self.address = f"{self.place[0]}:{self.place[1]}"
        self.endpoint = self.path
        super().start()

    def command(self):
        words = super().command()
        words[words.index("--port") + 1] = self.place[1]
        words[words.index("--bind") + 1] = self.place[0]
        return words


class NearProxy(Ringmain):
    def __init__(self, namespace, pools, **options):
        self.inside = Network.inside(namespace)
        super().__init__(pools, **options)


@needs_ringmain
@unittest.skipIf(MISSING, MISSING or "")
class NetworkFaults(FaultCase):
    def make_servers(self):
        self.network = self.use(Network())
        return [self.use(FarServer(place, address, port, self.network.folder))
                for place, address, port in ((self.network.near, "127.0.0.1", 7001),
                                             (self.network.far, FAR_ADDRESS, 7002),
                                             (self.network.near, NEAR_ADDRESS, 7003))]

    def make_proxy(self, proxy_options):
        self.options["listen"] = f"{self.network.folder}/ringmain.sock"
        self.before_start()
        return self.use(NearProxy(self.network.near, {"alpha": self.options}, proxy=proxy_options))

    def before_start(self):
        pass

    def goes_on_well(self, seconds):
        """No error in a span of time. Returns its beginning and its end."""
        since = time.monotonic()
        time.sleep(seconds)
        until = time.monotonic()
        self.assertEqual(self.errors_of(since, until), {})
        return since, until


class BlackHole(NetworkFaults):
    def before_start(self):
        self.network.cut()
        time.sleep(0.1)

    def test_a_server_that_cannot_be_reached_from_the_start(self):
        """Its SYN gets no answer: connect_timeout counts, and then everybody is told at once."""
        self.begin(connect_timeout="300ms", timeout="3s", load_options={"focused": 0.6})
        since = self.fault_begins()
        key = self.faulty_keys(1)[0]
        text = (f"ERR ringmain: server s1 ({self.bad.address}) did not accept the connection "
                f"within 300 ms (connect_timeout)")
        with RespClient(self.proxy.endpoint()) as client:
            for _ in range(4):
                began = time.monotonic()
                reply = client.value("GET", key)
                took = time.monotonic() - began
                self.assertIsInstance(reply, ErrorReply)
                self.assertEqual(reply, text)
                self.assertLess(took, 0.3 + SLACK + self.load.allowance(began))
            self.working(client)
        time.sleep(1.0)
        self.assertEqual(set(self.errors_of(since)), {text})
        clear = [answer for answer in self.load.between(since)
                 if self.faulty not in answer.servers]
        self.assertGreater(len(clear), 500)
        self.network.mend()
        mended = time.monotonic()
        self.settles(within=1.0)
        self.serves_again(within=1.5, since=mended)
        self.finish_load()


class Cable(NetworkFaults):
    def test_it_is_cut_for_a_while(self):
        self.begin(connect_timeout="500ms")
        self.warm_up()
        since = self.fault_begins()
        self.network.cut()
        time.sleep(2.3)
        self.network.mend()
        until = time.monotonic()
        # A connection that was tried during the fault, its timeout, and the pause before the next.
        self.settles(within=1.3)
        self.serves_again(within=1.0, since=time.monotonic())
        self.others_unharmed(since, until)
        self.affected_end_in_time(since)
        errors = self.errors_name_the_server(since)
        self.assertGreater(sum(errors.values()), 10)
        self.finish_load()

    def test_the_link_is_down_for_a_while(self):
        """Other than above the kernel knows that there is no way."""
        self.begin()
        self.warm_up(1.0)
        since = self.fault_begins()
        self.network.link("down")
        time.sleep(2.0)
        self.network.link("up")
        until = time.monotonic()
        self.settles(within=1.3)
        self.serves_again(within=1.0, since=time.monotonic())
        self.others_unharmed(since, until)
        self.affected_end_in_time(since)
        errors = self.errors_name_the_server(since)
        self.assertTrue(any("cannot be reached: Network is unreachable" in text for text in errors),
                        errors)
        self.finish_load()

    def test_it_is_slow(self):
        """50 ms from there and back: each pipeline pays them once, not once per request."""
        self.begin()
        self.warm_up(1.0)
        self.network.cable(delay=0.025)
        time.sleep(0.3)
        since, until = self.goes_on_well(2.0)
        far = [answer.latency for answer in touching(self.load.between(since, until),
                                                     {self.faulty})]
        self.assertGreater(min(far), 0.049)
        self.assertLess(percentile(far, 0.5), 0.075 + self.load.allowance(since, until))
        self.others_unharmed(since, until)
        self.network.mend()
        self.finish_load()

    def test_it_loses_one_packet_in_a_hundred_then_one_in_five(self):
        """TCP sends again; what is late beyond the timeout is an error and no wrong answer."""
        self.begin(timeout="5s")
        self.warm_up(1.0)
        self.network.cable(loss=0.01)
        since, until = self.goes_on_well(2.0)
        self.others_unharmed(since, until)
        since = self.fault_begins()
        self.network.cable(loss=0.2)
        time.sleep(1.5)
        self.others_unharmed(since, time.monotonic())
        self.network.mend()
        # What was lost several times TCP sends again after seconds; until then, or until the timeout,
        # all of a connection wait.
        self.serves_again(within=6.0, since=time.monotonic())
        self.settles(within=6.0)
        self.finish_load()


class CableWithEjection(NetworkFaults):
    pool_options = {"auto_eject_hosts": True, "server_failure_limit": 2,
                    "server_retry_timeout": "1s", "connect_timeout": "300ms"}

    def test_a_server_behind_a_cut_cable_leaves_and_returns(self):
        self.begin()
        self.warm_up(1.0)
        since = self.fault_begins()
        self.network.cut()
        time.sleep(2 * 0.4 + 0.3 + self.load.allowance(since))
        out = time.monotonic()
        time.sleep(1.5)
        self.network.mend()
        mended = time.monotonic()
        # A probe that was under way when the cable was mended has its own timeout to wait for.
        self.serves_again(within=1.0 + 0.3 + 0.2, since=mended)
        time.sleep(0.5)
        self.assertEqual(self.errors_of(out), {})
        self.others_unharmed(since, time.monotonic())
        self.affected_end_in_time(since)
        self.errors_name_the_server(since)
        self.finish_load()


if __name__ == "__main__":
    main()
