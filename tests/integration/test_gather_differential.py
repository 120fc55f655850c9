"""Random commands over the keys of four servers, to ringmain and to one plain redis that holds them
all: the same replies, byte for byte, but for the order in a set; and the same data at the end."""
import os
import time

from harness import RedisCase, main, seeded_random
from wire import brief, decode, resp

SECONDS = float(os.environ.get("RINGMAIN_TEST_SECONDS") or 8)  # per version
BATCH = 60


class Commands:
    """Makes commands: (mark, words), where the mark "~" says that the order is nobody's promise."""

    def __init__(self, random):
        self.random = random

    def key(self, kind):
        # Now and then a key of another kind: errors are compared, too.
        if self.random.random() < 0.02:
            kind = self.random.choice(["set", "zset", "string", "hll", "list", "none"])
        return f"{kind}:{self.random.randrange(14)}"

    def keys(self, kind, least=1, most=6):
        return [self.key(kind) for _ in range(self.random.randint(least, most))]

    def zset_or_set(self):
        return self.key("zset" if self.random.random() < 0.8 else "set")

    def member(self):
        return self.random.choice([
            f"m{self.random.randrange(40)}", str(self.random.randrange(30)), "", "a\r\nb",
            b"\xff\x00", f"member-{self.random.randrange(10)}"])

    def score(self):
        chance = self.random.random()
        if chance < 0.4:
            return str(self.random.randrange(-5, 6))
        if chance < 0.8:
            return repr(self.random.uniform(-2, 2))
        return self.random.choice(["0.1", "0.2", "0.3", "1e100", "-1e-300", "inf", "-inf", "3.0",
                                   "1e17", "123456789012345678", "-0", "1e308", "5e-324"])

    def text(self):
        return "".join(self.random.choice("abcd") for _ in range(self.random.randrange(30)))

    def write(self):
        random = self.random
        return random.choice([
            lambda: ["SADD", self.key("set"), *[self.member() for _ in range(random.randint(1, 8))]],
            lambda: ["SREM", self.key("set"), self.member(), self.member()],
            lambda: ["ZADD", self.key("zset"), *[word for _ in range(random.randint(1, 6))
                                                 for word in (self.score(), self.member())]],
            lambda: ["ZREM", self.key("zset"), self.member()],
            lambda: ["SET", self.key("string"), self.text()],
            lambda: ["SET", self.key("string"), random.randrange(10 ** 6)],
            lambda: ["PFADD", self.key("hll"),
                     *[f"e{random.randrange(3000)}" for _ in range(random.randint(0, 200))]],
            lambda: ["RPUSH", self.key("list"), "x"],
            lambda: ["DEL", *self.keys(random.choice(["set", "zset", "string", "hll", "list"]))],
            lambda: ["MSET", *[word for key in self.keys("string") for word in (key, self.text())]],
        ])()

    def spoilt(self, words):
        """Sometimes with a word too many, too few or wrong."""
        if len(words) > 1 and self.random.random() < 0.04:
            place = self.random.randrange(1, len(words))
            change = self.random.randrange(3)
            if change == 0:
                words[place] = self.random.choice(["x", "", "-1", "0", "99", "WEIGHTS", "LIMIT"])
            elif change == 1:
                words.insert(place, self.random.choice(["1", "nonsense", "WITHSCORES"]))
            elif len(words) > 2:
                del words[place]
        return words

    def set_read(self):
        name = self.random.choice(["SUNION", "SINTER", "SDIFF"])
        return "~", [name, *self.keys("set")]

    def card_read(self):
        keys = self.keys("set", 2, 4) if self.random.random() < 0.5 else \
            [self.zset_or_set() for _ in range(self.random.randint(1, 4))]
        name = "SINTERCARD" if all(key.startswith("set") for key in keys) else "ZINTERCARD"
        words = [name, len(keys), *keys]
        if self.random.random() < 0.5:
            words += [self.random.choice(["LIMIT", "limit"]), self.random.randrange(-1, 6)]
        return "", words

    def zset_read(self):
        name = self.random.choice(["ZUNION", "ZINTER", "ZDIFF"])
        keys = [self.zset_or_set() for _ in range(self.random.randint(1, 5))]
        options = []
        if name != "ZDIFF" or self.random.random() < 0.05:
            if self.random.random() < 0.5:
                weights = [self.random.choice([self.score(), "1", "2", "-1", "0x10", "+3", ".5"])
                           for _ in keys]
                options.append(["WEIGHTS", *weights])
            if self.random.random() < 0.5:
                options.append(["AGGREGATE", self.random.choice(["SUM", "MIN", "MAX", "max", "?"])])
        if self.random.random() < 0.7:
            options.append(["WITHSCORES"])
        self.random.shuffle(options)
        return "", [name, len(keys), *keys, *[word for option in options for word in option]]

    def lcs(self):
        words = ["LCS", self.key("string"), self.key("string")]
        for option in (["LEN"], ["IDX"], ["WITHMATCHLEN"],
                       ["MINMATCHLEN", self.random.choice(["0", "2", "4", "-3", "x"])]):
            if self.random.random() < 0.35:
                words += option
        return "", words

    def whole(self):
        return self.random.choice([
            ("", ["DBSIZE"]), ("~", ["KEYS", self.random.choice(["*", "set:*", "*:1?", "none"])]),
            ("", ["MGET", *self.keys("string")]), ("", ["EXISTS", *self.keys("set")]),
            ("", ["PFCOUNT", *self.keys("hll", 1, 5)]), ("", ["PING"]),
            ("~", ["SMEMBERS", self.key("set")])])

    def next(self):
        if self.random.random() < 0.35:
            return "", self.write()
        mark, words = self.random.choices(
            [self.set_read, self.card_read, self.zset_read, self.lcs, self.whole],
            [3, 2, 4, 2, 2])[0]()
        return mark, self.spoilt(list(words))


def canonical(mark, raw):
    """What must be equal: the bytes, or the type and the elements in any order."""
    if mark and raw[:1] in b"*~":
        return raw[:1], sorted(decode(raw), key=repr)
    return raw


class Differential(RedisCase):
    server_count = 4

    def run_version(self, version):
        random = seeded_random("test_gather_differential")
        client, reference = self.client(), self.reference_client()
        for connection in (client, reference):
            connection.call("HELLO", version)
        commands = Commands(random)
        end, count = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            batch = [commands.next() for _ in range(BATCH)]
            sent = b"".join(resp(*words) for _, words in batch)
            # In one piece or one by one.
            client.send(sent)
            reference.send(sent)
            for (mark, words), got, wanted in zip(batch, client.read_many(BATCH),
                                                  reference.read_many(BATCH)):
                if got != wanted and canonical(mark, got) != canonical(mark, wanted):
                    self.fail(f"\n    sent {words}\nexpected {brief(wanted)}\n     got {brief(got)}")
            count += BATCH
            if random.random() < 0.02:
                client.call("FLUSHALL")
                reference.call("FLUSHALL")
        self.assertGreater(count, 1000)
        self.same_data(client, reference)

    def same_data(self, client, reference):
        keys = sorted(client.value("KEYS", "*"))
        self.assertEqual(keys, sorted(reference.value("KEYS", "*")))
        for key in keys:
            self.assertEqual(client.value("TYPE", key), reference.value("TYPE", key))
            self.assertEqual(self.server_of(key).call("EXISTS", key), 1)

    def test_in_version_2(self):
        self.run_version(2)

    def test_in_version_3(self):
        self.run_version(3)


if __name__ == "__main__":
    main()
