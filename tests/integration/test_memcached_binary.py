"""The memcached binary protocol over three servers, compared with a memcached that speaks it.

Where the test says `both`, a single memcached is sent the same bytes and the answers are compared
byte for byte, but for what masked() says.
"""
import contextlib
import pathlib
import struct
import subprocess
import unittest

from harness import (MemcachedCase, MemcachedPair, keys_on, main, needs_ringmain,
                     needs_several_servers, place, seeded_random)
from wire import Closed, brief

try:
    import pylibmc
except ImportError:
    pylibmc = None

APPLICATIONS = pathlib.Path(__file__).resolve().parent / "node" / "applications"

HEADER = struct.Struct(">BBHBBHIIQ")
OPAQUE = 0x01020304
NO_CREATION = 0xFFFFFFFF

(GET, SET, ADD, REPLACE, DELETE, INCREMENT, DECREMENT, QUIT, FLUSH, GETQ, NOOP, VERSION, GETK, GETKQ,
 APPEND, PREPEND, STAT, SETQ, ADDQ, REPLACEQ, DELETEQ, INCREMENTQ, DECREMENTQ, QUITQ, FLUSHQ, APPENDQ,
 PREPENDQ, VERBOSITY, TOUCH, GAT, GATQ) = range(0x1F)
SASL_LIST, SASL_AUTH, SASL_STEP, GATK, GATKQ = range(0x20, 0x25)


def packet(opcode, key=b"", value=b"", extras=b"", cas=0, opaque=OPAQUE, magic=0x80,
           key_size=None, extras_size=None, body_size=None):
    body = extras + key + value
    return HEADER.pack(magic, opcode, len(key) if key_size is None else key_size,
                       len(extras) if extras_size is None else extras_size, 0, 0,
                       len(body) if body_size is None else body_size, opaque, cas) + body


def update(opcode, key, value, flags=0, exptime=0, cas=0):
    return packet(opcode, key, value, struct.pack(">II", flags, exptime), cas)


def arithmetic(opcode, key, delta, initial=0, exptime=0, cas=0):
    return packet(opcode, key, b"", struct.pack(">QQI", delta, initial, exptime), cas)


def timed(opcode, key, exptime):
    return packet(opcode, key, b"", struct.pack(">I", exptime))


BARRIER = packet(NOOP, opaque=0xFFFFFFFF)
BARRIER_ANSWER = HEADER.pack(0x81, NOOP, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0)


def read_packet(client, timeout=10):
    head = client.read_exactly(HEADER.size, timeout)
    return head + client.read_exactly(HEADER.unpack(head)[6], timeout)


def masked(answer):
    """With the cas as 1 or 0: whether there is one. A number without the blanks behind it: memcached
    leaves them or not when it counts down, as it happens that others are reading the value."""
    value = parts(answer)[3]
    bare = value.rstrip(b" ") if value.strip().isdigit() else value
    body = answer[HEADER.size:len(answer) - len(value)] + bare
    return (answer[:8] + struct.pack(">I", len(body)) + answer[12:16] +
            struct.pack(">Q", answer[16:24] != bytes(8)) + body)


def cas_of(answer):
    return HEADER.unpack(answer[:HEADER.size])[8]


def parts(answer):
    """(status, extras, key, value)"""
    _, _, key_size, extras_size, _, status, _, _, _ = HEADER.unpack(answer[:HEADER.size])
    body = answer[HEADER.size:]
    return (status, body[:extras_size], body[extras_size:extras_size + key_size],
            body[extras_size + key_size:])


def until_barrier(client):
    answers = []
    while (answer := read_packet(client)) != BARRIER_ANSWER:
        answers.append(answer)
    return answers


class BinaryCase(MemcachedPair):
    def ask(self, client, sent):
        client.send(sent + BARRIER)
        return until_barrier(client)

    def ask_one(self, client, sent):
        answers = self.ask(client, sent)
        self.assertEqual(len(answers), 1, answers)
        return answers[0]

    def both(self, dialogue):
        """A step is bytes, or a function of the latest cas on that side that returns bytes."""
        client = self.client()
        with self.reference.client() as reference:
            cas = {client: 0, reference: 0}
            for number, step in enumerate(dialogue):
                answers = {}
                for side in (reference, client):
                    sent = step(cas[side]) if callable(step) else step
                    answers[side] = self.ask(side, sent)
                    for answer in answers[side]:
                        cas[side] = cas_of(answer) or cas[side]
                with self.subTest(step=number, sent=brief(sent)):
                    self.same(b"".join(map(masked, answers[client])),
                              b"".join(map(masked, answers[reference])), sent)


class Commands(BinaryCase):
    def test_reads(self):
        reads = [packet(opcode, b"a") for opcode in (GET, GETQ, GETK, GETKQ)]
        reads += [timed(opcode, b"a", 100) for opcode in (TOUCH, GAT, GATQ, GATK, GATKQ)]
        self.both(reads + [update(SET, b"a", b"one\r\ntwo", 0xDEADBEEF, 1000)] + reads +
                  [update(SET, b"a", b"", 1)] + reads)

    def test_writes(self):
        for quiet in (False, True):
            opcode = dict(zip((SET, ADD, REPLACE, APPEND, PREPEND, DELETE),
                              (SETQ, ADDQ, REPLACEQ, APPENDQ, PREPENDQ, DELETEQ) if quiet else
                              (SET, ADD, REPLACE, APPEND, PREPEND, DELETE)))
            get = packet(GETK, b"w")
            self.both([packet(FLUSH), update(opcode[REPLACE], b"w", b"1"),
                       packet(opcode[APPEND], b"w", b"1"), packet(opcode[PREPEND], b"w", b"1"),
                       packet(opcode[DELETE], b"w"), update(opcode[ADD], b"w", b"2", 5), get,
                       update(opcode[ADD], b"w", b"3"), get, update(opcode[REPLACE], b"w", b"4", 6),
                       get, packet(opcode[APPEND], b"w", b"z"), packet(opcode[PREPEND], b"w", b"a"),
                       get, update(opcode[SET], b"w", b"5"), get, packet(opcode[DELETE], b"w"), get])

    def test_cas(self):
        get = packet(GET, b"c")
        self.both([update(SET, b"c", b"1", cas=99), update(ADD, b"c", b"1", cas=99),
                   update(REPLACE, b"c", b"1", cas=99), packet(APPEND, b"c", b"1", cas=99),
                   packet(DELETE, b"c", cas=99), update(SET, b"c", b"1"), get,
                   lambda cas: update(SET, b"c", b"2", cas=cas + 1000), get,
                   lambda cas: update(SET, b"c", b"3", cas=cas), get,
                   lambda cas: update(ADD, b"c", b"4", cas=cas + 1000),
                   lambda cas: update(ADD, b"c", b"4", cas=cas), get,
                   lambda cas: update(REPLACE, b"c", b"5", cas=cas + 1000),
                   lambda cas: update(REPLACE, b"c", b"5", cas=cas), get,
                   lambda cas: packet(APPEND, b"c", b"x", cas=cas + 1000),
                   lambda cas: packet(APPEND, b"c", b"x", cas=cas), get,
                   lambda cas: packet(PREPENDQ, b"c", b"y", cas=cas + 1000),
                   lambda cas: packet(PREPENDQ, b"c", b"y", cas=cas), get,
                   lambda cas: packet(DELETE, b"c", cas=cas + 1000),
                   lambda cas: packet(DELETE, b"c", cas=cas), get,
                   arithmetic(INCREMENT, b"n", 1, 10),
                   lambda cas: arithmetic(INCREMENT, b"n", 1, 10, cas=cas + 1000),
                   lambda cas: arithmetic(INCREMENT, b"n", 1, 10, cas=cas)])

    def test_counters(self):
        for increment, decrement in ((INCREMENT, DECREMENT), (INCREMENTQ, DECREMENTQ)):
            get = packet(GET, b"n")
            self.both([packet(FLUSH), arithmetic(increment, b"n", 1, 10, NO_CREATION),
                       arithmetic(increment, b"n", 1, 10, 0), get, arithmetic(increment, b"n", 5),
                       get, arithmetic(decrement, b"n", 6, 0, NO_CREATION), get,
                       arithmetic(decrement, b"n", 100), get,
                       update(SET, b"n", b"18446744073709551615"), arithmetic(increment, b"n", 3),
                       arithmetic(increment, b"n", 2 ** 64 - 1), get, update(SET, b"n", b"abc"),
                       arithmetic(increment, b"n", 1), arithmetic(decrement, b"n", 1), get,
                       update(SET, b"n", b"1" * 21), arithmetic(increment, b"n", 1),
                       arithmetic(decrement, b"d", 1, 2 ** 64 - 1, 1000), packet(GET, b"d")])

    def test_times_that_text_cannot_say(self):
        self.both([update(SET, b"t", b"v", 0, 0xFFFFFFFF), packet(GET, b"t"),
                   update(SET, b"t", b"v", 0, 0x80000000), packet(GET, b"t"),
                   timed(TOUCH, b"t", 0xFFFFFFFF), packet(GET, b"t"),
                   timed(GAT, b"t", 0x80000000), packet(GET, b"t"),
                   arithmetic(INCREMENT, b"u", 1, 5, 0xFFFFFFFE), packet(GET, b"u")])

    def test_what_has_no_key(self):
        self.both([update(SET, b"a", b"1"), packet(FLUSH), packet(GET, b"a"),
                   update(SET, b"a", b"1"), packet(FLUSHQ), packet(GET, b"a"),
                   packet(FLUSH, extras=struct.pack(">I", 0)), packet(NOOP), packet(VERSION),
                   packet(STAT, b"reset"), packet(STAT, b"nonsense\r\n"), packet(SASL_LIST),
                   packet(SASL_AUTH, b"PLAIN", b"\0u\0p"), packet(SASL_STEP, b"PLAIN", b"x"),
                   packet(0x1F), packet(0x25), packet(0x7F), packet(0xFF), packet(VERBOSITY),
                   packet(0x7F, b"", b"a value alone")])

    def test_keys_with_any_byte(self):
        keys = [bytes([byte]) for byte in range(256)] + [b"a b", b"\r\n", b"k" * 250, b" " * 186]
        self.both([b"".join(update(SETQ, key, key[:9]) for key in keys)] +
                  [packet(GETK, key) for key in keys] +
                  [b"".join(timed(GATKQ, key, 50) for key in keys),
                   b"".join(packet(DELETEQ, key) for key in keys[::2]),
                   b"".join(packet(GETKQ, key) for key in keys)])

    @needs_ringmain
    def test_a_long_key_that_text_cannot_hold_is_refused(self):
        answer = self.ask_one(self.client(), packet(GET, b" " * 187))
        self.assertEqual(parts(answer), (0x04, b"", b"", b"ringmain: a key with blanks or control "
                                         b"characters has at most 186 bytes"))

    def test_quit(self):
        for opcode in (QUIT, QUITQ):
            sent = packet(GET, b"a") + packet(opcode) + packet(NOOP)
            with self.reference.client() as reference:
                reference.send(sent)
                wanted = reference.read_until_closed(timeout=10)
            self.expect_close(self.client(), sent, wanted)

    def test_stats(self):
        client = self.client()
        self.ask(client, update(SET, b"a", b"1"))
        answers = self.ask(client, packet(STAT))
        self.same(answers.pop(), HEADER.pack(0x81, STAT, 0, 0, 0, 0, 0, OPAQUE, 0))
        stats = {parts(answer)[2]: parts(answer)[3] for answer in answers}
        self.assertGreaterEqual(int(stats[b"curr_items"]), 1)
        self.assertEqual(stats[b"version"], self.servers[0].call(b"version").split()[1])

    def test_detail(self):
        client = self.client()
        end = HEADER.pack(0x81, STAT, 0, 0, 0, 0, 0, OPAQUE, 0)
        for kind in (b"detail off", b"detail on", b"detail onx"):
            self.assertEqual(self.ask(client, packet(STAT, kind)), [end], kind)
        # Sets are meta commands to the server, which it does not count by prefix.
        self.ask(client, packet(GET, b"pre:a"))
        dump = self.ask(client, packet(STAT, b"detail dump"))
        self.assertEqual(dump.pop(), end)
        status, _, name, text = parts(dump.pop())
        self.assertEqual((status, name, dump), (0, b"detailed", []))
        self.assertIn(b"PREFIX pre get 1 hit 0 set 0 del 0\r\n", text)
        self.assertTrue(text.endswith(b"\r\nEND\r\n"), text)
        for kind in (b"detail", b"detail x", b"detail  on", b"items x"):
            status, _, _, text = parts(self.ask_one(client, packet(STAT, kind)))
            self.assertEqual((status, text), (1, b"Not found"), kind)
        self.assertEqual(self.ask(client, packet(STAT, b"detail off")), [end])

    @needs_ringmain
    def test_stats_of_kinds(self):
        client = self.client()
        self.assertTrue(any(parts(answer)[2] == b"ringmain_clients"
                            for answer in self.ask(client, packet(STAT, b"ringmain"))))
        status, _, _, text = parts(self.ask_one(client, packet(STAT, b"cachedump")))
        self.assertEqual((status, text), (0x83, b"ringmain: 'stats cachedump' is per server: ask "
                                          b"the server"))
        status, _, _, text = parts(self.ask_one(client, packet(STAT, b"sizes_enable")))
        self.assertEqual((status, text), (0x83, b"ringmain: 'stats sizes_enable' is not "
                                          b"supported: ask each server itself"))
        status, _, _, text = parts(self.ask_one(client, packet(STAT, b"nonsense")))
        self.assertEqual((status, text), (1, b"Not found"))


class Pipelines(BinaryCase):
    def test_random_requests(self):
        source = seeded_random("test_memcached_binary")
        keys = [b"key%d" % number for number in range(12)] + [b"odd key", b"\0\1\2", b"k" * 250]
        numbers = [b"number%d" % number for number in range(5)] + [b"odd number"]

        def request():
            if source.random() < 0.2:
                return count(source.choice(numbers))
            key = source.choice(keys)
            value = b"%d" % source.randrange(1000) if source.random() < 0.5 else source.randbytes(
                source.choice((0, 1, 100, 5000)))
            kind = source.randrange(4)
            if kind == 0:
                return packet(source.choice((GET, GETQ, GETK, GETKQ, DELETE, DELETEQ)), key)
            if kind == 1:
                return update(source.choice((SET, ADD, REPLACE, SETQ, ADDQ, REPLACEQ)), key, value,
                              source.getrandbits(32), source.choice((0, 1000)),
                              source.choice((0, 0, 0, 10 ** 15)))
            if kind == 2:
                return packet(source.choice((APPEND, PREPEND, APPENDQ, PREPENDQ)), key, value)
            return timed(source.choice((TOUCH, GAT, GATQ, GATK, GATKQ)), key, 1000)

        def count(key):
            if source.random() < 0.3:
                return packet(source.choice((GETK, GETKQ, DELETE, DELETEQ)), key)
            return arithmetic(source.choice((INCREMENT, DECREMENT, INCREMENTQ, DECREMENTQ)), key,
                              source.randrange(100), source.randrange(100),
                              source.choice((0, 1000, NO_CREATION)))

        self.both([b"".join(request() for _ in range(source.choice((1, 5, 40))))
                   for _ in range(150)])

    def test_many_quiet_gets_keep_their_order(self):
        client = self.client()
        keys = [b"key%d" % number for number in range(2000)]
        self.assertEqual(self.ask(client, b"".join(update(SETQ, key, key) for key in keys[::3])), [])
        got = [parts(answer)[2] for answer in
               self.ask(client, b"".join(packet(GETKQ, key) for key in keys))]
        self.assertEqual(got, keys[::3])

    def test_byte_by_byte(self):
        client = self.client()
        sent = update(SET, b"cut", b"v" * 30) + packet(GETK, b"cut") + BARRIER
        client.send_in_pieces([sent[at:at + 1] for at in range(len(sent))])
        answers = until_barrier(client)
        self.assertEqual([parts(answer)[3] for answer in answers], [b"", b"v" * 30])

    def test_large_values(self):
        client = self.client()
        for size in (16_000, 100_000, 1_000_000):
            value = seeded_random("large").randbytes(size)
            self.assertEqual(self.ask(client, update(SETQ, b"large", value)), [])
            self.assertEqual(parts(self.ask_one(client, packet(GET, b"large")))[3], value)
        self.both([update(SET, b"large", b"v" * 1_100_000), packet(GET, b"large"),
                   update(SETQ, b"large", b"v" * 1_100_000)])

    def test_many_clients_with_values_of_their_own(self):
        clients = [self.client() for _ in range(64)]
        for turn in range(20):
            for number, client in enumerate(clients):
                keys = [b"t%d-%d" % (number, index) for index in range(4)]
                client.send(b"".join(update(SETQ, key, b"%d:%d" % (number, turn)) for key in keys) +
                            b"".join(packet(GETK, key) for key in keys) + BARRIER)
            for number, client in enumerate(clients):
                got = [parts(answer)[2:] for answer in until_barrier(client)]
                self.assertEqual(got, [(b"t%d-%d" % (number, index), b"%d:%d" % (number, turn))
                                       for index in range(4)])


class Hostile(BinaryCase):
    def fate(self, side, sent):
        """What comes back until the connection is closed, or all that comes before a barrier."""
        with contextlib.suppress(ConnectionError):
            side.send(packet(VERSION) + sent)
        try:
            got = b""
            while True:
                answer = read_packet(side, timeout=10)
                if answer == BARRIER_ANSWER:
                    return got + b"open"
                got += answer
        except Closed:
            return got + b"closed"

    def both_end(self, sent):
        with self.reference.client() as reference, self.client() as client:
            self.same(self.fate(client, sent + BARRIER), self.fate(reference, sent + BARRIER), sent)
        self.assertEqual(self.ask(self.bystander, packet(GETK, b"safe")), self.watched)

    def test_shapes_that_opcodes_do_not_have(self):
        self.bystander = self.client()
        self.ask(self.bystander, update(SET, b"safe", b"1"))
        self.watched = self.ask(self.bystander, packet(GETK, b"safe"))
        for opcode in range(0x25):
            if opcode in (STAT, VERBOSITY, GAT, GATQ, GATK, GATKQ, TOUCH, 0x1F, FLUSH):
                continue  # memcached is lenient, or takes the next request for a part of this one
            for extras in (b"", b"1234", b"12345678"):
                for key in (b"", b"a"):
                    for value in (b"", b"v"):
                        sent = packet(opcode, key, value, extras)
                        right = self.is_right(opcode, key, value, extras)
                        if not right:
                            self.both_end(sent)

    @staticmethod
    def is_right(opcode, key, value, extras):
        if opcode in (GET, GETQ, GETK, GETKQ, DELETE, DELETEQ):
            return key and not value and not extras
        if opcode in (SET, ADD, REPLACE, SETQ, ADDQ, REPLACEQ):
            return key and len(extras) == 8
        if opcode in (APPEND, PREPEND, APPENDQ, PREPENDQ, SASL_AUTH, SASL_STEP):
            return key and not extras
        if opcode == FLUSHQ:
            return not key and not value and len(extras) in (0, 4)
        return not key and not value and not extras

    def test_sizes_that_do_not_fit(self):
        self.bystander = self.client()
        self.ask(self.bystander, update(SET, b"safe", b"1"))
        self.watched = self.ask(self.bystander, packet(GETK, b"safe"))
        for sent in (packet(GET, b"abc", key_size=4), packet(GET, b"abc", extras_size=1),
                     packet(SET, extras_size=8, body_size=7), packet(GET, b"a", body_size=0xFFFFFFFF),
                     packet(GET, b"k" * 251), update(SET, b"k" * 251, b"v"),
                     packet(STAT, b"k" * 251), packet(NOOP, body_size=0xFFFFFFF)):
            self.both_end(sent)

    @needs_ringmain
    def test_another_magic(self):
        """Where memcached may drop what was asked before."""
        version = self.ask_one(self.client(), packet(VERSION))
        for sent in (packet(NOOP, magic=0x81), packet(NOOP, magic=0), b"get a\r\n" + b"x" * 40):
            self.expect_close(self.client(), packet(VERSION) + sent + BARRIER, version)

    @needs_ringmain
    def test_an_unknown_opcode_with_a_body_is_skipped(self):
        """Where memcached skips too much."""
        answers = self.ask(self.client(), packet(0x7F, b"kk", b"vv", b"1234") + packet(VERSION))
        self.assertEqual([parts(answer)[0] for answer in answers], [0x81, 0])

    @needs_ringmain
    def test_the_magic_behind_a_text_command_is_none(self):
        client = self.client()
        client.send(b"mn\r\n" + packet(NOOP) + b"\r\nmn\r\n")  # a byte of the packet ends a line
        self.same(client.read_exactly(len(b"MN\r\nERROR\r\nERROR\r\nMN\r\n")),
                  b"MN\r\nERROR\r\nERROR\r\nMN\r\n")

    def test_a_cut_request_leaves_no_trace(self):
        whole = update(SET, b"cut", b"v" * 100)
        for size in (1, 23, 24, 30, 35, 100, len(whole) - 1):
            client = self.client()
            client.send(whole[:size])
            client.half_close()
            self.same(client.read_until_closed(timeout=10), b"")
        self.assertEqual(parts(self.ask_one(self.client(), packet(GET, b"cut")))[0], 1)


class TooLarge(BinaryCase):
    """Values that ringmain refuses as memcached does."""
    pool_options = {"request_size_max": "1MiB"}

    def test_no_older_value_is_left(self):
        value = b"y" * (2 << 20)
        for opcode in (0x01, 0x11, 0x02, 0x03):  # set, quiet set, add, replace
            self.both([update(SET, b"k", b"old"), update(opcode, b"k", value), packet(GET, b"k")])


class Meeting(BinaryCase):
    @needs_several_servers
    def test_keys_lie_where_text_puts_them(self):
        client = self.client()
        for number in range(30):
            key = b"meeting%d" % number
            self.ask(client, update(SET, key, b"%d" % number, 7))
            with self.servers[place(key.decode(), 3)].client() as direct:
                self.assertEqual(direct.call(b"get " + key),
                                 b"VALUE %b 7 %d\r\n%d\r\nEND\r\n" % (key, len(str(number)), number))

    def test_text_meta_and_binary_meet(self):
        client, text = self.client(), self.client()
        self.ask(client, update(SET, b"m", b"binary", 3))
        self.expect(text, b"get m\r\n", b"VALUE m 3 6\r\nbinary\r\nEND\r\n")
        self.expect(text, b"mg bQ== b v\r\n", b"VA 6\r\nbinary\r\n")
        self.expect(text, b"set m 4 0 4\r\ntext\r\n", b"STORED\r\n")
        self.assertEqual(parts(self.ask_one(client, packet(GETK, b"m"))),
                         (0, struct.pack(">I", 4), b"m", b"text"))
        self.expect(text, b"ms b2RkIGtleQ== 4 b F5\r\nmeta\r\n", b"HD\r\n")
        self.assertEqual(parts(self.ask_one(client, packet(GETK, b"odd key"))),
                         (0, struct.pack(">I", 5), b"odd key", b"meta"))

    @needs_ringmain
    def test_a_win_stays_with_those_who_ask_for_it(self):
        client, text = self.client(), self.client()
        self.ask(client, update(SET, b"stale", b"1"))
        self.expect(text, b"md stale I T30\r\n", b"HD\r\n")
        self.assertEqual(parts(self.ask_one(client, packet(GET, b"stale")))[3], b"1")
        self.assertEqual(parts(self.ask_one(client, timed(TOUCH, b"stale", 100)))[0], 0)
        self.expect(text, b"mg stale v\r\n", b"VA 1 X W\r\n1\r\n")

    @needs_ringmain
    def test_a_touch_of_a_large_item_has_no_value(self):
        client, text = self.client(), self.client()
        value = b"x" * 1_000_000
        self.ask(client, update(SET, b"large", value, 3))
        touches = timed(TOUCH, b"large", 0) + timed(TOUCH, b"large", 100)
        for answer in self.ask(client, touches + timed(TOUCH, b"none", 1))[:2]:
            self.assertEqual(parts(answer), (0, struct.pack(">I", 3), b"", b""))
        self.expect(text, b"mg large t s\r\n", b"HD t100 s1000000\r\n")


class Clients(BinaryCase):
    def memccapable(self, server):
        done = subprocess.run(["memccapable", "-h", "127.0.0.1", "-p", str(server.port), "-b", "-t",
                               "5"], capture_output=True, text=True, timeout=120)
        lines = (done.stdout + done.stderr).splitlines()
        return sorted(line.rsplit("[", 1)[0].strip() for line in lines if line.endswith("[pass]"))

    def test_memccapable_passes_what_it_passes_on_memcached(self):
        class Front:
            port = self.proxy.port()

        passed = self.memccapable(Front)
        wanted = self.memccapable(self.reference)
        self.assertEqual(len(wanted), 27)
        self.assertEqual([name for name in wanted if name not in passed], [])

    @unittest.skipUnless(pylibmc, "python3-pylibmc is not installed")
    def test_pylibmc(self):
        client = pylibmc.Client([f"127.0.0.1:{self.proxy.port()}"], binary=True,
                                behaviors={"cas": True, "tcp_nodelay": True})
        self.assertTrue(client.set("py", {"a": 1}, time=100))
        self.assertEqual(client.get("py"), {"a": 1})
        self.assertIsNone(client.get("none"))
        self.assertFalse(client.add("py", 1))
        self.assertTrue(client.replace("py", "x"))
        self.assertTrue(client.append("py", "y") and client.prepend("py", "w"))
        self.assertEqual(client.get("py"), "wxy")
        self.assertEqual(client.set_multi({f"py{number}": number for number in range(100)}), [])
        self.assertEqual(client.get_multi([f"py{number}" for number in range(110)]),
                         {f"py{number}": number for number in range(100)})
        self.assertTrue(client.set("n", 5))
        self.assertEqual((client.incr("n", 2), client.decr("n")), (7, 6))
        value, cas = client.gets("py")
        self.assertTrue(client.cas("py", value + "!", cas))
        self.assertFalse(client.cas("py", value, cas))
        self.assertTrue(client.touch("py", 100))
        self.assertTrue(client.delete("py"))
        self.assertFalse(client.delete("py"))
        self.assertTrue(client.get_stats())
        self.assertTrue(client.flush_all())
        self.assertIsNone(client.get("n"))

    @unittest.skipUnless((APPLICATIONS / "node_modules" / "memjs").is_dir(),
                         "memjs is not installed: tools/install --for applications")
    def test_memjs(self):
        done = subprocess.run(["node", APPLICATIONS / "memjs.js", str(self.proxy.port())],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


@needs_ringmain
class ServerDown(MemcachedCase):
    def test_errors_name_the_server_and_the_connection_lives(self):
        keys = [keys_on(server, 3)[0].encode() for server in range(3)]
        client = self.client()
        client.send(b"".join(update(SET, key, b"1") for key in keys) + BARRIER)
        self.assertEqual([parts(answer)[0] for answer in until_barrier(client)], [0, 0, 0])
        self.servers[1].kill()
        try:
            client.send(b"".join(packet(GETKQ, key) for key in keys) + packet(FLUSH) + BARRIER)
            answers = [parts(answer) for answer in until_barrier(client)]
        finally:
            self.servers[1].start()
        self.assertEqual([answer[0] for answer in answers], [0, 0x86, 0, 0x86])
        port = str(self.servers[1].port).encode()
        self.assertIn(b":" + port, answers[1][3])
        self.assertTrue(answers[1][3].startswith(b"ringmain: server "), answers[1])


if __name__ == "__main__":
    main()
