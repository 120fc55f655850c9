#!/usr/bin/python3
"""Runs Redis 7.0's own test suite, in Tcl, through ringmain before three redis-servers.

usage: tools/redis_suite.py [--unit NAME]... [--only TEST]... [--slow] [--direct] [--seconds N]
                            [--binary PATH]

  --unit NAME     this unit alone (type/string, multi, ...); may be repeated
  --only TEST     this test alone, or those that match /REGEX; may be repeated
  --slow          tests that are tagged slow as well
  --direct        on one redis-server, without ringmain: what the suite says of Redis itself
  --seconds N     most time for one unit (240)
  --binary PATH   ringmain (build/src/ringmain)

The suite comes from Debian's source package of redis, by apt and the sources that the system has,
into build/suites; `tools/install --for suites` installs what it needs (tcl). It runs as it does
against somebody else's cluster (--host --port --cluster-mode --singledb --ignore-encoding
--ignore-digest): all keys of one test get a common hash tag. tests/suites/redis-7.0.tcl says what
is changed in it. Tests that look at the stream between a server and its replica (needs:repl) are
left out. Each unit has fresh servers and a fresh ringmain.

Printed: a table, tests passed and failed by unit, and the names of those that failed.
tests/suites/redis-7.0-expected.txt lists the failures that are known, each under its reason, and
with a "!" tests that are not begun, since their failure would be the next ones'. The exit status is 0 when no other test failed.
"""
import argparse
import fnmatch
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHIM = ROOT / "tests" / "suites" / "redis-7.0.tcl"
EXPECTED = ROOT / "tests" / "suites" / "redis-7.0-expected.txt"
FOLDER = ROOT / "build" / "suites"
VERSION = "7.0.15"
UNITS = """
    type/string type/incr type/list type/list-2 type/list-3 type/set type/zset type/hash
    type/stream type/stream-cgroups keyspace expire sort scan bitops bitfield geo hyperloglog dump
    multi scripting functions quit other lazyfree introspection introspection-2 tracking pause
    slowlog protocol pubsub
""".split()
POOL = {
    "timeout": "30s",
    "config_commands": True,
    "request_size_max": "2GiB",
    "key_size_max": "512MiB",
    "client_output_limit": "4GiB",
    "gather_size_max": "2GiB",
    "gather_elements_max": 10_000_000,
}


# --- the suite -----------------------------------------------------------------------------------

def source_lists(folder):
    """The system's package sources, as sources of source packages."""
    parts = folder / "sources.list.d"
    parts.mkdir(parents=True)
    (folder / "sources.list").touch()
    system = pathlib.Path("/etc/apt")
    for path in sorted([system / "sources.list", *(system / "sources.list.d").glob("*")]):
        if path.suffix == ".sources":
            text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", path.read_text())
        elif path.suffix == ".list" and path.exists():
            text = re.sub(r"(?m)^deb(?=\s)", "deb-src", path.read_text())
        else:
            continue
        (parts / path.name).write_text(text)
    return ["-o", f"Dir::Etc::SourceList={folder / 'sources.list'}",
            "-o", f"Dir::Etc::SourceParts={parts}",
            "-o", f"Dir::State::Lists={folder / 'lists'}"]


def fetch_suite():
    """The folder with the suite's sources; fetched when it is not there."""
    sources = FOLDER / f"redis-{VERSION}"
    if (sources / "tests").is_dir():
        return sources
    fetch = FOLDER / "fetch"
    shutil.rmtree(fetch, ignore_errors=True)
    (fetch / "lists" / "partial").mkdir(parents=True)
    options = source_lists(fetch)
    print("tools/redis_suite.py: fetching the source package of redis", flush=True)
    subprocess.run(["apt-get", *options, "update", "-q"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["apt-get", *options, "source", "-qq", "--download-only", "redis"], check=True,
                   cwd=fetch, stdout=subprocess.DEVNULL)
    found = list(fetch.glob(f"redis_{VERSION}.orig.tar.*"))
    if not found:
        sys.exit(f"tools/redis_suite.py: the package sources have no redis {VERSION}")
    subprocess.run(["tar", "-xf", found[0], "-C", FOLDER], check=True)
    shutil.rmtree(fetch)
    return sources


def prepare_suite():
    """The suite with the shim in it, and without what it would do to servers of its own."""
    sources = fetch_suite()
    helper = sources / "tests" / "test_helper.tcl"
    original = helper.with_suffix(".tcl.orig")
    if not original.exists():
        shutil.copy(helper, original)
    line = "source tests/support/util.tcl\n"
    text = original.read_text()
    if text.count(line) != 1:
        sys.exit(f"tools/redis_suite.py: {original} is not what was expected")
    helper.write_text(text.replace(line, line + f"source {{{SHIM}}}\n"))
    return sources


# --- a unit --------------------------------------------------------------------------------------

class Outcome:
    def __init__(self, unit):
        self.unit = unit
        self.passed = []
        self.failed = []  # (name, what it said)
        self.ignored = 0
        self.problem = ""
        self.seconds = 0.0

    def read(self, text):
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        end = text.find("\n                   The End")
        marks = list(re.finditer(r"(?m)^\[(ok|err|ignore|skip|exception)\]: ", text))
        for mark, following in zip(marks, [*marks[1:], None]):
            stop = following.start() if following else (end if end > 0 else len(text))
            body = text[mark.end():stop].strip()
            if mark.group(1) == "ok":
                self.passed.append(re.sub(r" \(\d+ ms\)$", "", body.split("\n", 1)[0]))
            elif mark.group(1) == "err":
                name, _, detail = body.partition("\n")
                name, where, _ = name.rpartition(" in tests/")
                self.failed.append((name if where else body.split("\n", 1)[0], detail))
            elif mark.group(1) == "exception":
                self.problem = "ended by an exception: " + body[-1500:]
            else:
                self.ignored += 1
        if end < 0 and not self.problem:
            self.problem = "did not end"


class Runner:
    def __init__(self, arguments, harness):
        self.arguments = arguments
        self.harness = harness
        self.sources = prepare_suite()
        self.known, self.left_out = read_expected()

    def run(self, unit):
        servers, proxy = [], None
        try:
            count = 1 if self.arguments.direct else 3
            servers = [self.harness.RedisServer(["--enable-debug-command", "yes"])
                       for _ in range(count)]
            port = servers[0].port
            if not self.arguments.direct:
                proxy = self.harness.Ringmain({"suite": {"servers": servers, **POOL}})
                port = proxy.port()
            outcome = self.run_against(unit, port, servers)
            if proxy is not None and not proxy.alive():
                outcome.problem = "ringmain ended: " + proxy.log()
            return outcome
        finally:
            if proxy is not None:
                proxy.kill()
                proxy.release()
            for server in servers:
                server.stop()

    def run_against(self, unit, port, servers):
        command = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(port),
                   "--cluster-mode", "--singledb", "--ignore-encoding", "--ignore-digest",
                   "--tags", "-needs:repl" + ("" if self.arguments.slow else " -slow"),
                   "--durable", "--single", f"unit/{unit}",
                   "--baseport", str(random.randrange(20000, 30000))]
        for name in self.left_out.get(unit, []):
            command += ["--skiptest", name]
        for only in self.arguments.only:
            command += ["--only", only]
        ports = " ".join(str(server.port) for server in servers)
        environment = {**os.environ, "TERM": "dumb", "RINGMAIN_SUITE_SERVERS": ports}
        log_path = FOLDER / (unit.replace("/", "-") + ".log")
        outcome = Outcome(unit)
        began = time.monotonic()
        with open(log_path, "wb") as log:
            child = subprocess.Popen(command, cwd=self.sources, env=environment, stdout=log,
                                     stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                child.wait(self.arguments.seconds)
            except subprocess.TimeoutExpired:
                outcome.problem = f"was ended after {self.arguments.seconds} s"
            finally:  # its own clients are processes of its group
                try:
                    os.killpg(child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                child.wait()
        outcome.seconds = time.monotonic() - began
        outcome.read(log_path.read_text(errors="replace"))
        return outcome


# --- what is known -------------------------------------------------------------------------------

def read_expected():
    """unit -> patterns of names, of the file's lines "unit: name"; the same of "!unit: name"."""
    known, left_out = {}, {}
    for line in EXPECTED.read_text().splitlines():
        if line and not line.startswith("#"):
            unit, _, name = line.partition(": ")
            names = left_out if unit.startswith("!") else known
            names.setdefault(unit.removeprefix("!"), []).append(name)
    return known, left_out


def is_known(known, unit, name):
    return any(name == pattern or (pattern.endswith("*") and fnmatch.fnmatchcase(
        name, re.sub(r"[][?]", "?", pattern))) for pattern in known.get(unit, []))


def report(outcomes, known):
    print(f"\n{'unit':<20}{'passed':>8}{'failed':>8}{'known':>8}{'ignored':>9}{'seconds':>9}")
    totals = [0, 0, 0, 0]
    wrong = False
    for outcome in outcomes:
        expected = sum(is_known(known, outcome.unit, name) for name, _ in outcome.failed)
        row = [len(outcome.passed), len(outcome.failed), expected, outcome.ignored]
        totals = [total + one for total, one in zip(totals, row)]
        print(f"{outcome.unit:<20}{row[0]:>8}{row[1]:>8}{row[2]:>8}{row[3]:>9}"
              f"{outcome.seconds:>9.1f}  {outcome.problem[:300]}")
        wrong = wrong or row[1] > expected or bool(outcome.problem)
    print(f"{'all':<20}{totals[0]:>8}{totals[1]:>8}{totals[2]:>8}{totals[3]:>9}\n")
    for outcome in outcomes:
        for name, detail in outcome.failed:
            if not is_known(known, outcome.unit, name):
                print(f"failed: {outcome.unit}: {name}\n        {detail[:600]}")
        for name in outcome.passed:
            if is_known(known, outcome.unit, name):
                print(f"passed, though listed as known to fail: {outcome.unit}: {name}")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--unit", action="append", default=[])
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--binary", default=str(ROOT / "build" / "src" / "ringmain"))
    arguments = parser.parse_args()

    os.environ["RINGMAIN"] = arguments.binary
    sys.path.insert(0, str(ROOT / "tests" / "integration"))
    import harness

    if not shutil.which("tclsh"):
        sys.exit("tools/redis_suite.py: tclsh is missing: tools/install --for suites")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    FOLDER.mkdir(parents=True, exist_ok=True)
    runner = Runner(arguments, harness)
    outcomes = []
    for unit in arguments.unit or UNITS:
        outcomes.append(runner.run(unit))
        print(f"{unit}: {len(outcomes[-1].passed)} passed, {len(outcomes[-1].failed)} failed"
              f" {outcomes[-1].problem.splitlines()[0] if outcomes[-1].problem else ''}",
              flush=True)
    sys.exit(report(outcomes, runner.known))


if __name__ == "__main__":
    main()
