#!/usr/bin/env python3
"""Records what redis-server 7.0.15 answers to COMMAND, for the generator and for the tests.

usage: record_commands.py PORT     of a redis-server 7.0.15 that is used for nothing else

Writes tools/redis-7.0-docs.json, tests/golden/command_info.tsv and tests/golden/getkeys.tsv. The
server tells subcommands in random order: here they are sorted.
"""
import json
import pathlib
import random
import socket
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden"
COMMANDS = json.loads((ROOT / "tools/redis-7.0-commands.json").read_text())


class Map(list):
    """Pairs in the order of the wire."""


class Set(list):
    pass


class Server:
    def __init__(self, port, version):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")
        self.version = version
        self.ask("HELLO", str(version))

    def ask(self, *arguments):
        parts = [argument.encode("latin1") for argument in arguments]
        request = b"*%d\r\n" % len(parts)
        self.socket.sendall(request + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.read()

    def read(self):
        """Strings are (type, text), so that they can be written again as they came."""
        line = self.file.readline()[:-2].decode("latin1")
        kind, rest = line[0], line[1:]
        if kind == "$" and rest != "-1":
            return kind, self.file.read(int(rest) + 2)[:-2].decode("latin1")
        if kind == "*":
            return [self.read() for _ in range(int(rest))]
        if kind == "~":
            return Set(self.read() for _ in range(int(rest)))
        if kind == "%":
            return Map((self.read(), self.read()) for _ in range(int(rest)))
        return kind, rest


def encode(value):
    if isinstance(value, Map):
        return f"%{len(value)}\r\n" + "".join(encode(part) for pair in value for part in pair)
    if isinstance(value, list):
        kind = "~" if isinstance(value, Set) else "*"
        return f"{kind}{len(value)}\r\n" + "".join(encode(part) for part in value)
    kind, text = value
    return f"${len(text)}\r\n{text}\r\n" if kind == "$" else f"{kind}{text}\r\n"


# --- COMMAND INFO and COMMAND DOCS ----------------------------------------------------------------


def sort_info(response):
    for row in response:
        if isinstance(row, list) and len(row) == 10:
            row[9].sort(key=lambda subcommand: subcommand[0])


def sort_docs(response):
    """RESP2 has a flat array where RESP3 has pairs."""
    def sort_flat(flat):
        flat[:] = [part for pair in sorted(zip(flat[::2], flat[1::2])) for part in pair]

    fields = response[0][1] if isinstance(response, Map) else response[1]
    for index, part in enumerate(fields):
        if isinstance(fields, Map) and part[0] == ("$", "subcommands"):
            part[1].sort(key=lambda pair: pair[0])
        elif part == ("$", "subcommands"):
            sort_flat(fields[index + 1])


def digest(text):
    """FNV-1a of 64 bits."""
    value = 0xCBF29CE484222325
    for byte in text.encode("latin1"):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def record_info(servers):
    lines = ["# FNV-1a of what redis-server 7.0.15 answers: COMMAND INFO in RESP2 and RESP3,",
             "# COMMAND DOCS in RESP2 and RESP3. Subcommands are sorted. Written by",
             "# tools/record_commands.py."]
    for command in COMMANDS:
        for row in [command, *command.get("subcommands", [])]:
            cells = [row["name"]]
            for what, sort in (("INFO", sort_info), ("DOCS", sort_docs)):
                for server in servers:
                    response = server.ask("COMMAND", what, row["name"])
                    sort(response)
                    cells.append(digest(encode(response)))
            lines.append("\t".join(cells))
    (GOLDEN / "command_info.tsv").write_text("\n".join(lines) + "\n")


def plain(value):
    if isinstance(value, Map):
        return {plain(name): plain(part) for name, part in value}
    if isinstance(value, list):
        return [plain(part) for part in value]
    kind, text = value
    return int(text) if kind == ":" else text


def record_docs(server):
    docs = plain(server.ask("COMMAND", "DOCS"))
    for command in docs.values():
        if "subcommands" in command:
            command["subcommands"] = dict(sorted(command["subcommands"].items()))
    rows = [f"{json.dumps(name)}: " + json.dumps(docs[name], ensure_ascii=False,
                                                 separators=(",", ":")) for name in sorted(docs)]
    (ROOT / "tools/redis-7.0-docs.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


# --- COMMAND GETKEYS ------------------------------------------------------------------------------

# What the grammar below does not come to. Left out on purpose, since redis's answer is not what it
# does with the request (ours is): counts that are not canonical or wrap ("01", "2x", 4294967297),
# several STOREs, STORE or STREAMS as the argument of another option; nor is it what a later version
# does, which takes one word more (ZRANK key member WITHSCORE).
BY_HAND = """
EVAL s 0|EVAL s 0 a|EVAL s 1 a|EVAL s 2 a|EVAL s 2 a b c|EVAL s -1 a|EVAL s x a|EVAL s 3 a b c
EVALSHA s 0|EVALSHA s 2 a b|EVAL_RO s 1 a|EVALSHA_RO s 0 x|FCALL f 0|FCALL f 1 a|FCALL_RO f 2 a b c
XREAD STREAMS a 0|XREAD streams a b 0 0|XREAD COUNT 2 BLOCK 0 STREAMS a b c 0 0 0|XREAD COUNT 2 3
XREAD STREAMS a b 0|XREADGROUP GROUP g c STREAMS a >
XREADGROUP GROUP g c COUNT 1 NOACK streams a b > >|XREADGROUP GROUP g c COUNT 1 2|SORT a|SORT a BY w
SORT a BY w GET x GET y|SORT a STORE b|SORT a store b|SORT a LIMIT 0 1 GET x DESC ALPHA STORE b
SORT a STORE|SORT_RO a BY w GET x|GEORADIUS a 1 2 3 m|GEORADIUS a 1 2 3 m STORE b
GEORADIUS a 1 2 3 m COUNT 1 ASC STOREDIST b|GEORADIUS a 1 2 3 m WITHDIST|GEORADIUS a 1 2 3 m STORE
GEORADIUSBYMEMBER a m 1 km STORE b|GEORADIUSBYMEMBER a m 1 km storedist b|GEORADIUSBYMEMBER a m 1 km
GEORADIUS_RO a 1 2 3 m|GEORADIUSBYMEMBER_RO a m 1 km|GEOSEARCHSTORE a b FROMMEMBER m
MIGRATE h 1 k 0 10|MIGRATE h 1 k 0 10 COPY REPLACE AUTH p|MIGRATE h 1 % 0 10 KEYS a
MIGRATE h 1 % 0 10 COPY KEYS a b c|ZUNIONSTORE d 2 a b|ZUNIONSTORE d 2 a b WEIGHTS 1 2
ZUNIONSTORE d 0 a|ZUNIONSTORE d 3 a b|ZUNIONSTORE d x a|ZUNION 1 a|ZUNION 2 a b|ZUNION 0 a
ZUNION -1 a|ZUNION 3 a b|ZINTERCARD 2 a b LIMIT 1|ZDIFF 1 a WITHSCORES|SINTERCARD 2 a b LIMIT 5
SINTERCARD 9 a|LMPOP 2 a b LEFT|LMPOP 1 a LEFT COUNT 2|ZMPOP 2 a b MIN|BLMPOP 0 2 a b LEFT
BZMPOP 1 1 a MAX|BLPOP a b c 0|BLPOP a 0|BRPOP a 1|BZPOPMIN a b 0|MSET a 1 b 2 c 3|MSET a 1 b
MSETNX a 1 b 2|MGET a|MGET a b c d e f g h i j k l m n o p|DEL a b c|BITOP AND d a b c|PFCOUNT a b c
PFMERGE d a b|PFMERGE d|RENAME a b|COPY a b DB 1|SET a 1|SET a 1 GET|SET a 1 EX 10 get|SET a 1 NX
BITFIELD a|BITFIELD a GET u8 0|BITFIELD a GET u8 0 GET u8 1|BITFIELD a SET u8 0 1
BITFIELD a GET u8 0 INCRBY u8 0 1|BITFIELD a OVERFLOW SAT GET u8 0|BITFIELD_RO a GET u8 0
OBJECT ENCODING a|OBJECT HELP|OBJECT FREQ a b|OBJECT NOSUCH a|MEMORY USAGE a SAMPLES 5
MEMORY DOCTOR x|XINFO STREAM a FULL|XINFO HELP x|XGROUP CREATE a g $ MKSTREAM|XGROUP SETID a g 0
XGROUP DESTROY a g|XGROUP CREATE a|NOSUCH a|PING a|GET a b|GET a|get a|GeT a|CLIENT KILL x
CLIENT SETNAME x|SPUBLISH a b|SSUBSCRIBE a b|SUBSCRIBE a b|PUBLISH a b|WATCH a b|LCS a b LEN
SUNIONSTORE d a b|SDIFF a b|SMOVE a b m|LMOVE a b LEFT RIGHT|RPOPLPUSH a b|PFDEBUG GETREG a
RESTORE a 0 x|RESTORE-ASKING a 0 x|ZRANGESTORE d a 0 1|ZADD a NX 1 m|XADD a * f v|XACK a g 1
XCLAIM a g c 0 1|XAUTOCLAIM a g c 0 0|SINTERSTORE d a|KEYS * x
"""


class Grammar:
    """Random requests from the arguments that COMMAND DOCS describes."""

    def __init__(self, docs):
        self.docs = docs
        self.chance = random.Random(7)

    def request(self, name):
        container, _, subcommand = name.partition("|")
        docs = self.docs[container]
        if subcommand:
            docs = docs["subcommands"][name]
        self.count, self.next_word = 0, 0
        words = [container.upper()] + ([subcommand.upper()] if subcommand else [])
        words += self.words(docs.get("arguments", []))
        return [word or "%" for word in words]

    def words(self, arguments):
        return [word for argument in arguments for word in self.argument(argument)]

    def argument(self, argument):
        flags = argument.get("flags", [])
        if "optional" in flags and self.chance.random() < 0.5:
            return []
        repeats = self.chance.randint(1, 3) if "multiple" in flags else 1
        if argument["type"] == "key" and self.count:
            repeats, self.count = self.count, 0
        words = []
        for repeat in range(repeats):
            # The server needs no STREAMS twice.
            if "token" in argument and (repeat == 0 or "multiple_token" in flags):
                words.append(argument["token"])
            words += self.value(argument)
        return words

    def value(self, argument):
        kind = argument["type"]
        if kind == "block":
            return self.words(argument["arguments"])
        if kind == "oneof":
            return self.argument(self.chance.choice(argument["arguments"]) | {"flags": []})
        if kind == "pure-token":
            return []
        self.next_word += 1
        if argument["name"] == "numkeys":
            self.count = self.chance.randint(1, 3)
            return [str(self.count)]
        numbers = {"integer": str(self.next_word), "double": f"{self.next_word}.5",
                   "unix-time": "1700000000"}
        return [numbers.get(kind, f"{argument['name'].replace(' ', '-')}:{self.next_word}")]


def keys_of(server, what, words):
    response = server.ask("COMMAND", what, *words)
    if isinstance(response, tuple):
        return "-" + response[1]
    if what == "GETKEYS":
        return " ".join(key or "%" for _, key in response)
    return " ".join(",".join(flag for _, flag in flags) for _, flags in response)


def record_keys(server):
    docs = json.loads((ROOT / "tools/redis-7.0-docs.json").read_text())
    grammar = Grammar(docs)
    requests = [line.split() for line in BY_HAND.replace("\n", "|").split("|") if line]
    for command in COMMANDS:
        for row in [command, *command.get("subcommands", [])]:
            wanted = 6 if row["key_specs"] else 1
            requests += [grammar.request(row["name"]) for _ in range(wanted)]
    lines = ["# A request, its keys as COMMAND GETKEYS of redis-server 7.0.15 tells them, and",
             "# their flags. '%' is the empty argument. Written by tools/record_commands.py."]
    seen = set()
    for words in requests:
        text = " ".join(words)
        if text in seen or len(words) < 2 or {"STORE", "STOREDIST"} <= set(words):
            continue
        seen.add(text)
        words = ["" if word == "%" else word for word in words]
        keys, flags = keys_of(server, "GETKEYS", words), keys_of(server, "GETKEYSANDFLAGS", words)
        lines.append(f"{text}\t{keys}\t{flags}")
    (GOLDEN / "getkeys.tsv").write_text("\n".join(lines) + "\n")


def main():
    servers = [Server(int(sys.argv[1]), version) for version in (2, 3)]
    record_docs(servers[1])
    record_info(servers)
    record_keys(servers[1])


if __name__ == "__main__":
    main()
