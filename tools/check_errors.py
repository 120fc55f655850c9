#!/usr/bin/env python3
"""Every error text in the sources is in the table of errors (src/config/errors.def).

usage: check_errors.py [ROOT]

The other half is in tests/unit/core/seen_errors.cc: every row of the table is produced by a test. What
it leaves to other suites is looked for there.
"""
import pathlib
import re
import sys

LAYERS = ("core", "resp", "memcached")
TABLE = "src/config/errors.def"
TABLES = (TABLE, "src/config/error_words.def")
SEEN = "tests/unit/core/seen_errors.cc"
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')

# Whoever is called with a text that a client gets, and what is given such a text.
CALLS = re.compile(r"\b(?:refuse|refuse_forward|refuse_at_limit|error_line|error|answer_error|fail|stop_steps|"
                   r"abort_exec|discarded|lose|write_error|refuse_crossing)\(")
GIVEN = re.compile(r"(?:\bwhy_?|\bwhy\b|\.why|\breason|\berror) (?:\+?=) (?=[^;]*\")")
WHOLE = re.compile(r"^-?(?:ERR|NO[A-Z]+|WRONG[A-Z]+|EXECABORT|CROSSSLOT|INVALIDOBJ|CLIENT_ERROR|"
                   r"SERVER_ERROR|ERROR) \w")

# Why a connection ends that nobody waits for: in the log at most.
UNHEARD = ("was left by its client", "is not needed any more", "was replaced", "was probed",
           "is shut down", "is in an unknown state", "was ejected meanwhile",
           "answered a probe with '", "serves another database now")
# What a server says, to be compared with.
FOREIGN = ("WRONGTYPE Operation against a key holding the wrong kind of value",
           "SERVER_ERROR out of memory writing get response", "CLIENT_ERROR unauthenticated")
# Behind "sent a malformed response: ".
DETAILS = ("response_parser.cc",)


def without_comments(text):
    return re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda match: match.group(1) or "", text)


def joined(text):
    """Adjacent strings as one."""
    return re.sub(r'"\s*"', "", text)


def arguments(text, begin):
    """From behind a parenthesis to its partner."""
    depth, at, in_string = 1, begin, False
    while depth and at < len(text):
        if text[at] == '"' and text[at - 1] != "\\":
            in_string = not in_string
        elif not in_string:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[begin:at]


def plain(literal):
    """As it is in the table: without what every line has."""
    text = re.sub(r"\\r|\\n", "", literal).replace('\\"', '"')
    text = re.sub(r"^-?(?:ERR|SERVER_ERROR) ringmain: ", "", text)
    return text.lstrip("-").strip()


def texts(source):
    """What of a file a client may get: pieces of text of two words at least."""
    found = []
    for match in CALLS.finditer(source):
        found += STRING.findall(arguments(source, match.end()))
    for match in GIVEN.finditer(source):
        found += STRING.findall(source[match.end():source.index(";", match.end())])
    found += [text for text in STRING.findall(source) if WHOLE.match(text)]
    return {text for text in map(plain, found) if re.search(r"\w \w", text)}


def is_in(text, table):
    """As a piece of a row, or as one with its gaps filled."""
    if any(text in row for row in table):
        return True
    return any(re.fullmatch(re.escape(row.lstrip("-")).replace(re.escape("{}"), ".*"), text)
               for row in table if "{}" in row and len(row) > 12)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    rows = "\n".join((root / name).read_text() for name in TABLES if (root / name).exists())
    table = [text.replace('\\"', '"') for text in STRING.findall(joined(without_comments(rows)))]
    problems = []
    for layer in LAYERS:
        for path in sorted((root / "src" / layer).rglob("*")):
            if path.suffix not in (".cc", ".h") or path.name in DETAILS:
                continue
            for text in sorted(texts(joined(without_comments(path.read_text())))):
                if text not in (*UNHEARD, *FOREIGN) and not is_in(text, table):
                    problems.append(f"{path.relative_to(root)}: not in {TABLE}: {text}")
    seen = (root / SEEN).read_text()
    listed = seen[seen.index("elsewhere[] = {"):]
    others = [path.read_text(errors="replace") for path in (root / "tests").rglob("*")
              if path.suffix in (".cc", ".py") and path != root / SEEN]
    for text in STRING.findall(listed[:listed.index("};")]):
        longest = max(text.split("{}"), key=len).strip().lstrip("-")
        longest = re.sub("^(ERR|WRONGTYPE|INVALIDOBJ) ", "", longest)
        if not any(longest in other for other in others):
            problems.append(f"{SEEN}: no other test has: {text}")
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
