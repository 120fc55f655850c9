#!/usr/bin/env python3
"""Writes the command table: the .def files and command_docs.inc in src/resp/.

From tools/redis-7.0-commands.json and tools/redis-7.0-docs.json (what COMMAND INFO and COMMAND DOCS
of redis 7.0.15 say) and tools/command_policy.py (what ringmain does with each command).

    tools/make_commands.py            writes them
    tools/make_commands.py --check    fails when a committed file is not what would be written
    tools/make_commands.py --table    prints the table for people, in Markdown
"""
import json
import pathlib
import random
import re
import sys

import command_policy as policy

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "src/resp"
HEAD = """// {} Written by tools/make_commands.py: do not edit.
// A new decision belongs in tools/command_policy.py.
"""
SLOT_BITS = 12  # of the hash table in src/resp/commands.cc
WORD = (1 << 64) - 1
INDENT = "    "
COLUMNS = 100


# The reasons by the names they have in the policy, which are their names in the table, too.
REASONS = {text: f"reason_{name.lower()}" for name, text in vars(policy).items()
           if isinstance(text, str) and text in policy.REFUSED}


class Policy:
    """The hand-written decisions, by name, and a complaint about every name that is unknown."""

    def __init__(self, names):
        self.reasons = {name: reason for reason, text in policy.REFUSED.items()
                        for name in text.split()}
        self.any_server = policy.ANY_SERVER.split()
        self.forwarded = policy.FORWARDED.split()
        self.containers = policy.CONTAINERS.split()
        self.blocking = policy.BLOCKING.split()
        named = {*self.reasons, *self.any_server, *self.forwarded, *self.containers,
                 *self.blocking, *policy.TRANSACTION, *policy.SPLIT, *policy.GATHERED,
                 *policy.COMBINED, *policy.LOCAL, *policy.IDS, *policy.OPTIONS_FROM,
                 *policy.SUBSCRIBING, *policy.PLACED_BY, *policy.CROSSING,
                 *policy.ONE_MORE.split()}
        if named - names:
            sys.exit(f"command_policy.py names unknown commands: {sorted(named - names)}")

    def fields(self, row):
        name, container = row["name"], row["name"].split("|")[0]
        if name in policy.LOCAL:
            return {"handling": "Local", "id": policy.LOCAL[name]}
        if name in policy.TRANSACTION:
            return {"handling": "Transaction", "id": policy.TRANSACTION[name]}
        if name in policy.SUBSCRIBING:
            return {"handling": "Subscribe", "id": policy.SUBSCRIBING[name]}
        if name in self.blocking:
            return {"handling": "Blocking"}
        if name in policy.SPLIT:
            return {"handling": "Split", "response": policy.SPLIT[name]}
        if name in policy.GATHERED:
            return {"handling": "Gather", "gathering": policy.GATHERED[name]}
        if name in policy.COMBINED:
            return {"handling": "Combine", "gathering": policy.COMBINED[name]}
        if name in policy.PLACED_BY:
            return {"handling": "Publish"}
        if name in self.any_server or name.endswith("|help"):
            return {"handling": "AnyServer"}
        if name in self.forwarded or name in self.containers:
            return {}
        reason = self.reasons.get(name) or self.reasons.get(container)
        if reason:
            return {"handling": "Refused", "reason": reason}
        if not row["key_specs"]:
            sys.exit(f"command_policy.py must say what to do with '{name}': it has no keys")
        return {}


def read_commands():
    commands = json.loads((ROOT / "tools/redis-7.0-commands.json").read_text())
    by_name = {command["name"]: command for command in commands}
    for row in policy.HIDDEN:
        empty = {"tips": [], "key_specs": [], "hidden": True}
        container = by_name.get(row["name"].split("|")[0])
        (container["subcommands"] if container else commands).append(empty | row)
    for command in commands:
        command.setdefault("subcommands", []).sort(key=lambda row: row["name"])
    return sorted(commands, key=lambda row: row["name"])


def rows_of(commands):
    for command in commands:
        yield command
        yield from command["subcommands"]


# --- commands_*.def --------------------------------------------------------------------------------


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def identifier(name):
    return re.sub(r"[|.-]", "_", name)


def bits(namespace, names):
    # "delete" is a word of C++.
    words = [name.lstrip("@").lower().replace("delete", "remove") for name in names]
    return " | ".join(f"{namespace}::{word}" for word in words)


def initialiser(fields):
    """{.a = 1, .b = 2} without the fields that have their default, in lines of a table."""
    lines, line = [], INDENT + "{"
    parts = [f".{name} = {value}" for name, value in fields if value]
    for number, part in enumerate(parts, start=1):
        part += "}," if number == len(parts) else ","
        if len(line + part) > COLUMNS and not line.endswith("{"):
            lines, line = [*lines, line.rstrip()], INDENT + " "
        while len(line + part) > COLUMNS:
            head, mark, part = cut(part, COLUMNS - len(line))
            lines, line = [*lines, (line + head).rstrip()], INDENT + "     " + mark
        line += part + " "
    return "\n".join([*lines, line.rstrip()])


def cut(text, width):
    """Cuts an initialiser that is too long: a text between words, bits before a '|'."""
    if '"' in text:
        place = text.rindex(" ", 0, width - 1) + 1
        return text[:place] + '"', '"', text[place:]
    place = text.rindex(" | ", 0, width) + 1
    return text[:place], "", text[place:]


def key_spec(spec):
    begin, find = spec["begin_search"], spec["find_keys"]
    fields = [("begin", {"keyword": "KeySpec::Begin::Keyword",
                         "unknown": "KeySpec::Begin::Unknown"}.get(begin["type"])),
              ("index", begin.get("index") or begin.get("startfrom")),
              ("keyword", quoted(begin["keyword"]) if "keyword" in begin else None),
              ("find", {"keynum": "KeySpec::Find::KeyNumber",
                        "unknown": "KeySpec::Find::Unknown"}.get(find["type"])),
              ("last_key", find.get("lastkey"))]
    if find.get("keystep", 1) != 1:
        fields.append(("key_step", find["keystep"]))
    fields += [("limit", find.get("limit")), ("number_index", find.get("keynumidx")),
               ("first_key", find.get("firstkey")),
               ("flags", bits("key", spec["flags"])),
               ("notes", quoted(spec["notes"]) if "notes" in spec else None)]
    return initialiser(fields)


def only_key(row):
    """The position of the key when there is exactly one, always in the same place."""
    if len(row["key_specs"]) != 1:
        return 0
    spec = row["key_specs"][0]
    at_index = spec["begin_search"]["type"] == "index" and spec["find_keys"].get("lastkey") == 0
    return spec["begin_search"]["index"] if at_index and "not_key" not in spec["flags"] else 0


class SharedArrays:
    """Arrays that several rows have in common, named after the first row that has them."""

    def __init__(self, type_name, prefix):
        self.type_name, self.prefix, self.names, self.lines = type_name, prefix, {}, []

    def name_of(self, row, items):
        if not items:
            return None
        if tuple(items) not in self.names:
            self.names[tuple(items)] = f"{self.prefix}_{identifier(row['name'])}"
            self.lines.append(f"constexpr {self.type_name} {self.names[tuple(items)]}[] = {{")
            self.lines += [*items, "};"]
        return self.names[tuple(items)]


def row_text(row, decisions, keys, tips):
    fields = decisions.fields(row)
    handling, response = fields.get("handling"), fields.get("response")
    command_id = fields.get("id") or policy.IDS.get(row["name"])
    gathering = fields.get("gathering")
    crossing = policy.CROSSING.get(row["name"])
    split = handling == "Split"
    return initialiser([
        ("name", quoted(row["name"])),
        ("arity", row["arity"]),
        ("handling", handling and f"Handling::{handling}"),
        ("id", command_id and f"CommandId::{command_id}"),
        ("response", response and f"ResponsePolicy::{response}"),
        ("gathering", gathering and f"Gathering::{gathering}"),
        ("crossing", crossing),
        ("only_key", policy.PLACED_BY.get(row["name"]) or (0 if split else only_key(row))),
        ("options_from", policy.OPTIONS_FROM.get(row["name"])),
        ("takes_one_more", "true" if row["name"] in policy.ONE_MORE.split() else None),
        ("hidden", "true" if row.get("hidden") else None),
        ("flags", bits("flag", row["flags"])),
        ("acl", bits("acl", row["acl"])),
        ("key_specs", keys.name_of(row, [key_spec(spec) for spec in row["key_specs"]])),
        ("subcommands", row.get("subcommands") and f"subcommands_{identifier(row['name'])}"),
        ("reason", REASONS.get(fields.get("reason"))),
        ("tips", tips.name_of(row, [f"{INDENT}{quoted(tip)}," for tip in row["tips"]])),
    ])


def lines_of(text):
    """Cut behind blanks, so that each fits into a line of the table."""
    room, lines = COLUMNS - len(INDENT) - len('"";'), []
    while len(text) > room:
        place = text.rindex(" ", 0, room) + 1
        lines, text = [*lines, text[:place]], text[place:]
    return [*lines, text]


def fold(name):
    """As fold() in src/resp/commands.cc."""
    text = name.encode()
    first = int.from_bytes(text[:8], "little")
    last = int.from_bytes(text[-8:], "little") if len(text) >= 8 else 0
    return (first + 3 * last + len(text)) & WORD


def find_multiplier(names):
    """A multiplier that gives each name a slot of its own."""
    chance = random.Random(1)
    folded = [fold(name) for name in names]
    for _ in range(1_000_000):
        multiplier = chance.getrandbits(64) | 1
        seen = set()
        for value in folded:
            slot = (value * multiplier & WORD) >> (64 - SLOT_BITS)
            if slot in seen:
                break
            seen.add(slot)
        else:
            return multiplier
    sys.exit("no multiplier found: raise SLOT_BITS")


def table_texts(commands):
    """The .def files by name."""
    decisions = Policy({row["name"] for row in rows_of(commands)})
    keys, tips = SharedArrays("KeySpec", "keys"), SharedArrays("std::string_view", "tips")
    containers, rows = [], []
    for command in commands:
        if command["subcommands"]:
            containers.append(f"constexpr Command subcommands_{identifier(command['name'])}[] = {{")
            containers += [row_text(row, decisions, keys, tips) for row in command["subcommands"]]
            containers.append("};")
        rows.append(row_text(command, decisions, keys, tips))
    half = sum(command["name"] < "m" for command in commands)
    multiplier = find_multiplier([command["name"] for command in commands])
    reasons = [f"constexpr std::string_view {name} =\n" + "\n".join(
        INDENT + quoted(line) for line in lines_of(text)) + ";" for text, name in REASONS.items()]
    slots = ["// Gives each name a slot of its own.",
             f"constexpr uint64_t slot_multiplier = 0x{multiplier:016x};",
             f"constexpr int slot_bits = {SLOT_BITS};"]
    files = {
        "command_parts.def": ["What rows share, named after the first of them.", *reasons, "",
                              *keys.lines, "", *tips.lines, "", *slots],
        "subcommands.def": ["The subcommands of redis 7.0.", *containers],
        "commands_a_to_l.def": ["The commands of redis 7.0, and those beside them.", *rows[:half]],
        "commands_m_to_z.def": ["The commands of redis 7.0, and those beside them.", *rows[half:]],
    }
    return {name: "\n".join([HEAD.format(lines[0]), *lines[1:], ""])
            for name, lines in files.items()}


# --- command_docs.inc -----------------------------------------------------------------------------

SETS = {"doc_flags", "flags", "history"}
SIMPLE = {"doc_flags", "flags"}  # sets of simple strings


def docs_lines(value, key=""):
    """RESP3 without lengths: see src/resp/command_info.cc."""
    if isinstance(value, dict):
        pairs = {name: part for name, part in value.items() if name != "subcommands"}
        yield f"%{len(value)}"
        for name, part in pairs.items():
            yield f"${name}"
            yield from docs_lines(part, name)
    elif isinstance(value, list):
        yield f"{'~' if key in SETS else '*'}{len(value)}"
        for part in value:
            yield from ([f"+{part}"] if key in SIMPLE else docs_lines(part))
    elif isinstance(value, int):
        yield f":{value}"
    else:
        yield f"${value}"


def docs_text(docs):
    flat = dict(docs)
    for command in docs.values():
        flat |= command.get("subcommands", {})
    lines = [HEAD.format("COMMAND DOCS of redis 7.0, by name.")]
    for name, value in sorted(flat.items()):
        body = "\n".join(docs_lines(value))
        lines.append(f'{{"{name}", R"~({body}\n)~"}},')
    return "\n".join(lines) + "\n"


# --- for people -----------------------------------------------------------------------------------


def print_markdown(commands, docs):
    decisions = Policy({row["name"] for row in rows_of(commands)})
    groups = {}
    for row in rows_of(commands):
        container, _, _ = row["name"].partition("|")
        if row.get("subcommands") or container not in docs:
            continue
        handling = decisions.fields(row).get("handling", "Forward")
        group = groups.setdefault(docs[container]["group"], {})
        group.setdefault(handling, []).append(row["name"].replace("|", " ").upper())
    heads = ["group", "forwarded", "split", "answered here, or by any server", "refused"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for group, cells in sorted(groups.items()):
        columns = [cells.get("Forward"), cells.get("Split"),
                   cells.get("Local", []) + cells.get("AnyServer", []), cells.get("Refused")]
        print(f"| {group} | " + " | ".join(", ".join(names or "–") for names in columns) + " |")


def main():
    commands = read_commands()
    docs = json.loads((ROOT / "tools/redis-7.0-docs.json").read_text())
    if "--table" in sys.argv:
        print_markdown(commands, docs)
        return 0
    stale = []
    texts = table_texts(commands) | {"command_docs.inc": docs_text(docs)}
    for path, text in ((FOLDER / name, text) for name, text in texts.items()):
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.relative_to(ROOT).as_posix())
    for name in stale:
        print(f"{name} is out of date: run tools/make_commands.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
