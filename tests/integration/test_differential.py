"""Random commands of every type through ringmain over four servers, and to one redis that holds all
keys: the same replies byte for byte, and the same data at the end.

    RINGMAIN_TEST_COMMANDS=400000 RINGMAIN=build/src/ringmain /usr/bin/python3 \\
        tests/integration/test_differential.py
"""
import os

from harness import RedisCase, main, seeded_random
from random_commands import RandomCommands
from wire import ErrorReply, brief, decode, decode_at, resp

COMMANDS = int(os.environ.get("RINGMAIN_TEST_COMMANDS") or 5_000)  # per test
BATCH = 40


def canonical(mark, raw):
    """What must be equal: the bytes, but for the order in a set, and for times."""
    if raw[:1] == b"-" or not mark:
        return raw
    value = decode(raw)
    if mark == "@":
        return value if isinstance(value, ErrorReply) or value < 0 else 1
    if mark == "&":
        return value[0], sorted(map(repr, value[1]))
    if mark == "%":
        pairs = value.items() if isinstance(value, dict) else zip(value[::2], value[1::2])
        return raw[:1], sorted(map(repr, pairs))
    return raw[:1], sorted(map(repr, value))


# The first byte of what DUMP gives: the type, as redis 7.0 writes it.
TABLES, STREAMS = b"\x02\x04", b"\x0f\x13"


def same_but_times(one, other):
    """A stream's dump has when its consumers were seen last: eight bytes, milliseconds."""
    at = 0
    while at < len(one):
        if one[at] == other[at]:
            at += 1
            continue
        pairs = [(end, int.from_bytes(one[end - 8:end], "little"),
                  int.from_bytes(other[end - 8:end], "little"))
                 for end in range(max(8, at + 1), at + 9)]
        ends = [end for end, mine, theirs in pairs
                if min(mine, theirs) > 1_600_000_000_000 and abs(mine - theirs) < 10_000]
        if not ends:
            return False
        at = ends[-1]
    return True


def same_dump(one, other):
    """In which order a redis has the elements of a hash table depends on a secret of its own."""
    if not one or not other or len(one) != len(other) or one[:1] != other[:1]:
        return False
    one, other = one[:-8], other[:-8]  # the checksum
    if one[0] in STREAMS:
        return same_but_times(one, other)
    return one[0] in TABLES and sorted(one) == sorted(other)


def is_chance(words, one, other):
    """Whether both may be answers to that. Keys change their kind in a long run (RENAME, COPY), so
    that lists are sets and there are members to draw where there are none in a short one."""
    name = str(words[0]).upper()
    if name in ("EXPIRE", "PEXPIRE"):  # of two deadlines at the same time one may be later
        return words[-1] in ("GT", "LT") and {one, other} == {b":0\r\n", b":1\r\n"}
    if one[:1] != other[:1] or one[:1] not in b"$*~%":
        return False
    mine, theirs = decode(one), decode(other)
    is_list = isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs)
    if name in ("SRANDMEMBER", "ZRANDMEMBER", "HRANDFIELD"):
        return is_list or (isinstance(mine, bytes) and isinstance(theirs, bytes))
    if name in ("SORT", "SORT_RO") and "nosort" in words:
        return is_list and ("LIMIT" in words or
                            sorted(map(repr, mine)) == sorted(map(repr, theirs)))
    return name == "DUMP" and same_dump(mine, theirs)


def elements(raw):
    """The parts of an array, as they came."""
    at = raw.index(b"\r\n") + 2
    parts = []
    while at < len(raw):
        _, end = decode_at(raw, at)
        parts.append(raw[at:end])
        at = end
    return parts


def is_chance_of_all(queued, one, other):
    """The same of the answers to a transaction."""
    if one[:1] != b"*" or other[:1] != b"*":
        return False
    mine, theirs = elements(one), elements(other)
    return len(mine) == len(theirs) == len(queued) and all(
        mine == theirs or is_chance(words, mine, theirs)
        for words, mine, theirs in zip(queued, mine, theirs))


class Differential(RedisCase):
    server_count = 4
    database = 0

    def start(self, version):
        client, reference = self.client(), self.reference_client()
        for connection in (client, reference):
            connection.call("HELLO", version)
            connection.call("SELECT", self.database)
        return client, reference

    def compare(self, client, reference, commands):
        """All in one piece."""
        sent = b"".join(resp(*words) for _, words in commands)
        client.send(sent)
        reference.send(sent)
        wanted = reference.read_many(len(commands))
        got = client.read_many(len(commands))
        queued = []
        for (mark, words), one, other in zip(commands, got, wanted):
            # A set that was put together here has its members in another order inside.
            is_dump = words[0] == "DUMP" and isinstance(self, Emulated)
            if is_dump and one[:1] == other[:1]:
                continue
            if one != other and canonical(mark, one) != canonical(mark, other):
                is_exec = str(words[0]).upper() == "EXEC"
                if not (is_chance_of_all(queued, one, other) if is_exec
                        else is_chance(words, one, other)):
                    self.fail(f"\n    sent {words}\nexpected {brief(other)}\n     got {brief(one)}")
            queued = [] if words[0] == "MULTI" else [*queued, words]

    def run_stream(self, version, next_batch):
        client, reference = self.start(version)
        count = 0
        while count < COMMANDS:
            batch = next_batch()
            self.compare(client, reference, batch)
            count += len(batch)
        self.same_data(client, reference)

    def scan_all(self, connection, words, at):
        """All elements, each once; of a hash or a sorted set with what belongs to it. Or an error."""
        found, pages = set(), 0
        while True:
            raw = connection.call(*words)
            if raw[:1] == b"-":
                return raw
            cursor, elements = decode(raw)
            if words[0] in ("HSCAN", "ZSCAN"):
                elements = list(zip(elements[::2], elements[1::2]))
            found.update(elements)
            pages += 1
            self.assertLess(pages, 10_000, f"{words} comes to no end")
            if int(cursor) == 0:
                return found
            words = [*words[:at], cursor, *words[at + 1:]]

    def compare_scan(self, client, reference, words, at):
        wanted = self.scan_all(reference, words, at)
        got = self.scan_all(client, words, at)
        if got != wanted:
            self.fail(f"\n  scanned {words}\nexpected {wanted}\n     got {got}")

    def check_random_key(self, client, reference):
        key = client.value("RANDOMKEY")
        if key is None:
            self.assertEqual(reference.value("DBSIZE"), 0)
        else:
            self.assertEqual(reference.value("EXISTS", key), 1, key)
        return key

    def scans(self, version):
        """Scans and random keys, between commands that change what there is."""
        client, reference = self.start(version)
        self.check_random_key(client, reference)
        chance = seeded_random("test_differential")
        commands = RandomCommands(chance)
        keys, count = set(), 0
        while count < COMMANDS:
            self.compare(client, reference, [commands.next() for _ in range(BATCH)])
            for _ in range(4):
                self.compare_scan(client, reference, *commands.scan())
            keys.add(self.check_random_key(client, reference))
            count += 2 * BATCH
        self.assertEqual(self.scan_all(client, ["SCAN", 0], 1),
                         self.scan_all(reference, ["SCAN", 0], 1))
        # Of every server: there are many keys on each.
        for _ in range(100):
            keys.add(self.check_random_key(client, reference))
        self.assertGreater(len(keys), 20)
        if self.database == 0:
            self.assertEqual({id(self.server_of(key)) for key in keys if key is not None},
                             {id(server) for server in self.servers})

    def same_data(self, client, reference):
        keys = sorted(reference.value("KEYS", "*"))
        self.assertEqual(sorted(client.value("KEYS", "*")), keys)
        reads = {"string": ("", "GET"), "list": ("", "LRANGE", 0, -1), "set": ("~", "SMEMBERS"),
                 "zset": ("", "ZRANGE", 0, -1, "WITHSCORES"), "hash": ("%", "HGETALL"),
                 "stream": ("", "XRANGE", "-", "+")}
        for key in keys:
            mark, name, *rest = reads[str(reference.value("TYPE", key))]
            self.compare(client, reference, [(mark, [name, key, *rest])])
            if self.database == 0:
                self.assertEqual(self.server_of(key).call("EXISTS", key), 1)

    def single(self, version):
        commands = RandomCommands(seeded_random("test_differential"))
        self.run_stream(version, lambda: [commands.next() for _ in range(BATCH)])

    def transactions(self, version):
        commands = RandomCommands(seeded_random("test_differential"))
        self.run_stream(version, lambda: [("", words) for _ in range(6)
                                          for words in commands.transaction()])

    def test_single_commands_in_version_2(self):
        self.single(2)

    def test_single_commands_in_version_3(self):
        self.single(3)

    def test_scans_in_version_2(self):
        self.scans(2)

    def test_scans_in_version_3(self):
        self.scans(3)

    def test_transactions_in_version_2(self):
        self.transactions(2)

    def test_transactions_in_version_3(self):
        self.transactions(3)


class Emulated(Differential):
    """The same with keys on several servers, where they are written in steps."""
    pool_options = {"cross_server_writes": "emulate"}
    test_transactions_in_version_2 = test_transactions_in_version_3 = None
    test_scans_in_version_2 = test_scans_in_version_3 = None

    def single(self, version):
        commands = RandomCommands(seeded_random("test_differential"), emulated=True)
        self.run_stream(version, lambda: [commands.next() for _ in range(BATCH)])
        self.assertEqual(self.client().value("KEYS", "*:ringmain:*"), [])


class InADatabase(Differential):
    """The same in another database than the pool's, where there are other keys already."""
    database = 5
    test_single_commands_in_version_2 = test_transactions_in_version_3 = None
    test_scans_in_version_2 = None

    def start(self, version):
        for connection in (self.client(), self.reference_client()):
            for number in range(20):
                connection.call("SET", f"string:{number}", "of another database")
        return super().start(version)


if __name__ == "__main__":
    main()
