"""Random commands of every type through ringmain over four servers, and to one redis that holds all
keys: the same replies byte for byte, and the same data at the end.

    RINGMAIN_TEST_COMMANDS=400000 RINGMAIN=build/src/ringmain /usr/bin/python3 \\
        tests/integration/test_differential.py
"""
import os

from harness import RedisCase, main, seeded_random
from random_commands import RandomCommands
from wire import ErrorReply, brief, decode, resp

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


def same_but_order(one, other):
    """Values whose elements are the same: in which order a redis has those of a set or a hash depends
    on a secret of its own, and keys change their kind (RENAME). So does what it dumps: the same
    bytes in another order, before a version and a checksum."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and (
            all(map(same_but_order, one, other)) or sorted(map(repr, one)) == sorted(map(repr, other)))
    if type(one) is bytes and type(other) is bytes and len(one) == len(other) > 10:
        return sorted(one[:-8]) == sorted(other[:-8])
    return type(one) is type(other) and one == other


def is_chance(words, one, other):
    """Whether both values may be the answer of one redis or the other."""
    name = str(words[0]).upper()
    if name in ("SRANDMEMBER", "ZRANDMEMBER", "HRANDFIELD"):
        return type(one) is type(other) and (type(one) is not list or len(one) == len(other))
    if name in ("EXPIRE", "PEXPIRE"):  # of two deadlines at the same time one may be later
        return words[-1] in ("GT", "LT") and {one, other} == {0, 1}
    if name in ("SORT", "SORT_RO") and "nosort" in words and "LIMIT" in words:
        return type(one) is type(other) is list and len(one) == len(other)
    return name in ("DUMP", "SORT", "SORT_RO") and same_but_order(one, other)


def is_chance_of_all(queued, one, other):
    """The same of the answers to a transaction."""
    return (type(one) is type(other) is list and len(one) == len(other) == len(queued) and
            all(mine == theirs or is_chance(words, mine, theirs)
                for words, mine, theirs in zip(queued, one, other)))


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
                mine, theirs = decode(one), decode(other)
                is_exec = str(words[0]).upper() == "EXEC"
                if not (is_chance_of_all(queued, mine, theirs) if is_exec
                        else is_chance(words, mine, theirs)):
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
