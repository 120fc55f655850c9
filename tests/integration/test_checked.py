"""The checked load finds what it is for: liars in ringmain's place are caught, others are not."""
import random
import threading
import time

from checked import Load, make_value
from fakes import FakeServer
from harness import Case, main
from wire import bulk


class Liar:
    """A redis that now and then answers what lie(arguments, right answer, self) says."""

    def __init__(self, lie=None):
        self.data = {}
        self.lock = threading.Lock()
        self.lie = lie
        self.told = 0
        self.chance = random.Random(5)

    def answer(self, arguments):
        name = arguments[0].upper()
        with self.lock:
            if name == b"GET":
                return self.one(arguments[1])
            if name == b"MGET":
                return b"*%d\r\n" % (len(arguments) - 1) + b"".join(map(self.one, arguments[1:]))
            if name == b"DEL":
                return b":%d\r\n" % sum(self.data.pop(key, None) is not None
                                        for key in dict.fromkeys(arguments[1:]))
            self.data.update(zip(arguments[1::2], arguments[2::2]))
            return b"+OK\r\n"

    def one(self, key):
        return bulk(self.data[key]) if key in self.data else b"$-1\r\n"

    def script(self, connection):
        while True:
            arguments = connection.read_resp()
            right = self.answer(arguments)
            if self.lie is not None and self.chance.random() < 0.01:
                self.told += 1
                right = self.lie(arguments, right, self)
            connection.send(right)


class Checked(Case):
    def load(self, lie=None, distrusted=False, seconds=3.0):
        self.liar = Liar(lie)
        server = self.use(FakeServer(self.liar.script))
        load = Load(("127.0.0.1", server.port), "redis",
                    lambda keys: {key: hash(key) % 3 for key in keys}, clients=10, rate=1500)
        load.start()
        self.addCleanup(load.stop)
        if distrusted:
            load.distrust(0, 1, 2)
        until = time.monotonic() + seconds
        while time.monotonic() < until and not (lie and load.wrong):
            time.sleep(0.05)
        load.stop(timeout=2)
        return load

    def is_found(self, lie, distrusted=True):
        load = self.load(lie, distrusted)
        self.assertGreater(self.liar.told, 0)
        self.assertTrue(load.wrong, "a lie was believed")

    def test_an_honest_server_is_believed(self):
        load = self.load()
        self.assertEqual((load.wrong, load.closed), ([], []))
        self.assertGreater(load.answered, 500)

    def test_values_of_other_keys(self):
        def other_key(arguments, right, liar):
            if arguments[0] != b"GET" or not liar.data:
                return right
            return bulk(liar.data[liar.chance.choice(list(liar.data))])
        self.is_found(other_key)

    def test_answers_that_have_moved_by_one(self):
        self.is_found(lambda arguments, right, liar: right + right)

    def test_values_that_are_mixed_up(self):
        def mixed(arguments, right, liar):
            if right[:1] != b"$" or len(right) < 90:
                return right
            return right[:-5] + b"?" + right[-4:]
        self.is_found(mixed)

    def test_values_that_nobody_has_written(self):
        def from_the_future(arguments, right, liar):
            if arguments[0] != b"GET":
                return right
            return bulk(make_value(arguments[1], 1, 1_000_000))
        self.is_found(from_the_future)

    def test_writes_that_are_forgotten(self):
        def forgets(arguments, right, liar):
            liar.data.pop(arguments[1], None)
            return right
        self.is_found(forgets, distrusted=False)

    def test_values_of_before(self):
        old = {}

        def goes_back(arguments, right, liar):
            liar.data.update({key: value for key, value in old.items() if key in liar.data})
            old.update(liar.data)
            return right
        self.is_found(goes_back, distrusted=False)


if __name__ == "__main__":
    main()
