"""The performance lab measures what it says: wrong answers stop its load, stalls show in its
latencies, and one tiny case runs from end to end.

RINGMAIN_TEST_BUILD is the build folder with perf/loadgen and perf/forwarder.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.dom.minidom

from fakes import fake_memcached, fake_redis
from harness import BINARY, Case, Port, Process, RedisServer, main
from wire import bulk

BUILD = pathlib.Path(os.environ.get("RINGMAIN_TEST_BUILD") or ".").resolve()
LOADGEN = BUILD / "perf" / "loadgen"
FORWARDER = BUILD / "perf" / "forwarder"
LAB = pathlib.Path(__file__).resolve().parents[2] / "perf" / "lab" / "lab.py"
sys.path.append(str(LAB.parent))
# Of the lab:
import cases
import report
import rig
import scale
SIZE = 64


def value_of(key, size=SIZE):
    """As perf/lab/script.cc has it: the key's number again and again."""
    number = key.split(b":")[1] + b"."
    return (number * (size // len(number) + 1))[:size]


class LoadCase(Case):
    def setUp(self):
        if not LOADGEN.exists():
            self.skipTest(f"{LOADGEN} is not built")

    def serve(self, fake):
        self.addCleanup(fake.stop)
        return fake

    def load(self, port, protocol="redis", verb="get", requests=400, **options):
        command = [LOADGEN, "--ports", port, "--protocol", protocol, "--verb", verb, "--size", SIZE,
                   "--keys", 100]
        if requests:
            command += ["--requests", requests]
        for name, value in {"clients": 4, "pipeline": 10, **options}.items():
            command += ["--" + name.replace("_", "-"), value]
        return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=30)

    def passes(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def refuses(self, done, text="a wrong answer"):
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "", "no figures of a load that went wrong")


class LoadTellsLies(LoadCase):
    """A server lies in answer number 123; without the lie the same load passes."""

    def redis_with(self, lie):
        lock, count = threading.Lock(), [0]

        def answer(arguments, _connection):
            with lock:
                count[0] += 1
                now = count[0] == 123
            name = arguments[0].upper()
            if name == b"GET":
                right = bulk(value_of(arguments[1]))
            elif name == b"MGET":
                right = (b"*%d\r\n" % (len(arguments) - 1)
                         + b"".join(bulk(value_of(key)) for key in arguments[1:]))
            else:
                right = b"+OK\r\n"
            return lie(right) if lie and now else right

        return self.serve(fake_redis(answer)).port

    def memcached_with(self, lie):
        lock, count = threading.Lock(), [0]

        def answer(words, data, _connection):
            with lock:
                count[0] += 1
                now = count[0] == 123
            if words[0] == b"set":
                return b"STORED\r\n"
            values = [b"VALUE %s 0 %d\r\n%s\r\n" % (key, SIZE, value_of(key)) for key in words[1:]]
            return (lie(values) if lie and now else b"".join(values)) + b"END\r\n"

        return self.serve(fake_memcached(answer)).port

    def test_the_truth_passes_and_is_counted(self):
        for verb in ("get", "set", "mixed", "mget", "mset"):
            figures = self.passes(self.load(self.redis_with(None), verb=verb, keys_per_request=3))
            self.assertGreaterEqual(figures["requests"], 400)
            self.assertLess(figures["requests"], 400 + 4 * 10)
            self.assertGreater(figures["p50_us"], 0)
            self.assertGreaterEqual(figures["max_us"], figures["p999_us"])
        for verb in ("get", "set", "mget"):
            self.passes(self.load(self.memcached_with(None), "memcached", verb, keys_per_request=3))

    def test_one_wrong_byte_in_a_value(self):
        port = self.redis_with(lambda right: right[:40] + b"#" + right[41:])
        self.refuses(self.load(port))

    def test_another_keys_value(self):
        port = self.redis_with(lambda right: bulk(value_of(b"key:0000009999")))
        self.refuses(self.load(port))

    def test_a_miss_and_an_error(self):
        done = self.load(self.redis_with(lambda right: b"$-1\r\n"))
        self.refuses(done)
        done = self.load(self.redis_with(lambda right: b"-ERR no such thing\r\n"), verb="set")
        self.refuses(done)
        self.assertIn("-ERR no such thing", done.stderr)

    def test_an_answer_that_nobody_asked_for(self):
        self.refuses(self.load(self.redis_with(lambda right: right + right), pipeline=1))

    def test_values_of_an_mget_change_places(self):
        def swap(right):
            head, values = right[:4], right[4:]
            size = len(values) // 3
            return head + values[size:2 * size] + values[:size] + values[2 * size:]

        self.refuses(self.load(self.redis_with(swap), verb="mget", keys_per_request=3))

    def test_a_memcached_get_may_answer_in_any_order_but_not_anything(self):
        turned = self.memcached_with(lambda values: b"".join(reversed(values)))
        self.passes(self.load(turned, "memcached", "mget", keys_per_request=3))
        for lie in (lambda values: values[0] + values[0] + values[2],
                    lambda values: b"".join(values).replace(b".", b",", 1)):
            self.refuses(self.load(self.memcached_with(lie), "memcached", "mget",
                                   keys_per_request=3))

    def test_a_server_that_closes(self):
        def close(words, data, connection):
            connection.close()

        port = self.serve(fake_memcached(close)).port
        self.refuses(self.load(port, "memcached"), "connection")

    def test_nobody_listens(self):
        port = Port()
        self.addCleanup(port.release)
        self.refuses(self.load(port.number), "cannot connect")


class LoadKeepsTime(LoadCase):
    def stalling_server(self, seconds):
        lock, count = threading.Lock(), [0]

        def answer(arguments, _connection):
            with lock:
                count[0] += 1
                if count[0] == 100:
                    time.sleep(seconds)
            return bulk(value_of(arguments[1]))

        return self.serve(fake_redis(answer)).port

    def test_at_a_fixed_rate_a_stall_counts_for_all_requests_that_it_kept_waiting(self):
        done = self.load(self.stalling_server(0.4), requests=None, rate=500, seconds=1, clients=2,
                         pipeline=64)
        figures = self.passes(done)
        self.assertEqual(figures["requests"], 500)
        # 200 of the 500 were due during the stall: one in five waited for half of it and longer.
        self.assertGreater(figures["p99_us"], 300_000)
        self.assertGreater(figures["max_us"], 380_000)

    def test_without_a_rate_a_stall_counts_once_for_each_client(self):
        figures = self.passes(self.load(self.stalling_server(0.4), requests=2000, clients=2,
                                        pipeline=1))
        self.assertGreater(figures["max_us"], 380_000)
        self.assertLess(figures["p99_us"], 200_000)


    def test_latencies_are_those_that_the_server_has(self):
        def answer(arguments, _connection):
            time.sleep(0.02)
            return bulk(value_of(arguments[1]))

        port = self.serve(fake_redis(answer)).port
        figures = self.passes(self.load(port, requests=30, clients=1, pipeline=1))
        self.assertEqual(figures["requests"], 30)
        self.assertGreater(figures["p50_us"], 20_000)
        self.assertLess(figures["p50_us"], 40_000)
        self.assertAlmostEqual(figures["rate"], 30 / figures["seconds"], delta=0.2)


class ForwarderForwards(LoadCase):
    def setUp(self):
        super().setUp()
        if not FORWARDER.exists():
            self.skipTest(f"{FORWARDER} is not built")
        self.server = RedisServer()
        self.addCleanup(self.server.stop)
        self.passes(self.load(self.server.port, verb="set", clients=1, requests=100))

    def start(self, *sizes):
        port = Port()
        process = Process("forwarder")
        self.addCleanup(port.release)
        self.addCleanup(process.remove)
        self.addCleanup(process.kill)
        process.spawn([FORWARDER, port.number, self.server.port, *sizes])
        try:
            process.wait_until_accepting(("127.0.0.1", port.number))
        except AssertionError as error:
            if "io_uring" in str(error):
                self.skipTest("io_uring is not to be had here")
            raise
        return process, port.number

    def test_clients_with_servers_of_their_own(self):
        process, port = self.start()
        for pipeline in (1, 50):
            self.passes(self.load(port, clients=40, pipeline=pipeline, requests=4000))
        process.require_alive()

    def test_clients_that_share_a_server(self):
        request = b"*2\r\n$3\r\nGET\r\n$14\r\nkey:0000000000\r\n"
        process, port = self.start(len(request), len(bulk(b"v" * SIZE)))
        for pipeline in (1, 50):
            self.passes(self.load(port, clients=40, pipeline=pipeline, requests=4000))
        process.require_alive()

    def test_a_request_in_pieces_and_a_client_that_leaves(self):
        request = b"*2\r\n$3\r\nGET\r\n$14\r\nkey:0000000007\r\n"
        right = bulk(value_of(b"key:0000000007"))
        _, port = self.start(len(request), len(right))
        with socket.create_connection(("127.0.0.1", port), 10) as patient:
            patient.sendall(request[:9])
            with socket.create_connection(("127.0.0.1", port), 10) as hasty:
                hasty.sendall(request * 50)
            patient.sendall(request[9:])
            patient.settimeout(10)
            received = b""
            while len(received) < len(right):
                received += patient.recv(4096)
            self.assertEqual(received, right)


class LabRuns(LoadCase):
    case = "redis get 64 B P1 c50 s3"

    def setUp(self):
        super().setUp()
        if not BINARY or not os.path.exists(BINARY) or not FORWARDER.exists():
            self.skipTest("RINGMAIN, perf/loadgen and perf/forwarder are needed")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ringmain-test-lab-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def lab(self, build, *options, place="--out", before=()):
        command = [*before, sys.executable, LAB, build, place, self.folder / "out", "--only", self.case,
                   "--rounds", 2, "--seconds", 0.1, *options]
        return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=90)

    def test_one_case_from_end_to_end(self):
        proxies = ["ringmain", "forwarder-own", "direct"]
        proxies += [name for name in ("nutcracker", cases.SMALL_MBUFS, "haproxy")
                    if shutil.which(name.split("-")[0])]
        done = self.lab(BUILD, "--proxies", ",".join(proxies))
        self.assertEqual(done.returncode, 0, done.stderr)
        out = self.folder / "out"
        raw = json.loads((out / "raw.json").read_text())
        self.assertEqual([case["name"] for case in raw["cases"]], [self.case])
        for name in proxies:
            runs = raw["cases"][0]["runs"][name]
            self.assertEqual(len(runs), 2, name)
            for run in runs:
                self.assertGreater(run["requests"], 0)
                self.assertGreater(run["servers_us"], 0)
                if name != "direct":
                    self.assertGreater(run["cpu_us"], 0.1)
                    self.assertLess(run["cpu_us"], 5000)
                    self.assertAlmostEqual(run["user_us"] + run["system_us"], run["cpu_us"], 3)
                    self.assertGreater(run["peak_kib"], 500)
        self.assertIn(self.case, done.stdout)
        for picture in out.glob("*.svg"):
            xml.dom.minidom.parse(str(picture))
        self.assertTrue(list(out.glob("cpu-*.svg")))
        self.reports_again(out)

    def reports_again(self, out):
        before = (out / "report.md").read_text()
        (out / "report.md").unlink()
        subprocess.run([sys.executable, LAB.with_name("report.py"), out / "raw.json"], check=True,
                       stdout=subprocess.DEVNULL, timeout=30)
        self.assertEqual((out / "report.md").read_text(), before)

    def test_a_ringmain_without_a_feature_and_the_same_again(self):
        doctor = subprocess.run([BINARY, "doctor"], capture_output=True, text=True, timeout=30)
        if not re.search(r"^io_uring +ok", doctor.stdout, re.MULTILINE):
            self.skipTest("io_uring is not to be had here")
        names = ["ringmain", "ringmain-again", "ringmain-without-registered_ring"]
        done = self.lab(BUILD, "--proxies", ",".join(names), "--rounds", 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        out = self.folder / "out"
        raw = json.loads((out / "raw.json").read_text())
        self.assertEqual([len(raw["cases"][0]["runs"][name]) for name in names], [1, 1, 1])
        self.assertTrue(raw["command"].startswith("perf/lab/lab.py "), raw["command"])
        self.assertIn("ringmain-without-registered_ring", raw["command"])
        self.assertNotIn(str(self.folder), raw["command"])
        text = (out / "report.md").read_text()
        self.assertIn(raw["command"], text)
        self.assertIn("what no difference looks like here (ringmain-again)", text)

    def test_a_large_value_beside_a_neighbour(self):
        names = ["direct", "ringmain", *(["nutcracker"] if shutil.which("nutcracker") else [])]
        command = [sys.executable, LAB.with_name("large.py"), BUILD, "--size", 8, "--rounds", 2,
                   "--proxies", ",".join(names), "--out", self.folder / "out"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=90)
        self.assertEqual(done.returncode, 0, done.stderr)
        raw = json.loads((self.folder / "out" / "large.json").read_text())
        for act in ("write", "read"):
            self.assertEqual({name: len(runs) for name, runs in raw["runs"][act].items()},
                             {name: 2 for name in names})
            for run in raw["runs"][act]["ringmain"]:
                self.assertGreater(run["requests"], 0)
                self.assertGreater(run["cpu_s"], 0)
                self.assertLess(run["added_mib"], 16)
                self.assertLessEqual(run["p50_ms"], run["longest_ms"])
            self.assertNotIn("cpu_s", raw["runs"][act]["direct"][0])
        self.assertIn("| ringmain's memory | 16 MiB | ", done.stdout)

    @unittest.skipUnless(shutil.which("redis-benchmark"), "needs redis-benchmark")
    def test_unpinned_before_redis_benchmark(self):
        names = ["ringmain", "ringmain-epoll", "direct"]
        command = [sys.executable, LAB.with_name("unpinned.py"), BUILD, "--rounds", 1, "--seconds", 0.1,
                   "--proxies", ",".join(names), "--out", self.folder / "out"]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=90)
        self.assertEqual(done.returncode, 0, done.stderr)
        raw = json.loads((self.folder / "out" / "unpinned.json").read_text())
        self.assertEqual(sorted(raw["runs"]), sorted(
            f"{command} P{pipeline}" for command in ("get", "set") for pipeline in (1, 16, 32)))
        for group in raw["runs"].values():
            self.assertEqual(list(group), names)
            for run in (runs[0] for runs in group.values()):
                self.assertGreater(run["rps"], 0)
                self.assertLessEqual(run["p50_ms"], run["p99_ms"])
            self.assertGreater(group["ringmain"][0]["cpu_us"], 0)
            self.assertNotIn("cpu_us", group["direct"][0])
            self.assertTrue(all(runs[0]["servers_us"] > 0 for runs in group.values()))
        self.assertIn("| get P32, ringmain-epoll | ", done.stdout)

    def test_a_feature_that_is_not_known_starts_nothing(self):
        done = self.lab(BUILD, "--proxies", "ringmain,ringmain-without-registered_ring+wings")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("unknown feature 'wings'", done.stderr)
        self.assertIn("registered_ring", done.stderr.split("known are")[1])
        self.assertFalse((self.folder / "out").exists())

    def test_too_few_descriptors_are_said(self):
        self.case = "redis get 64 B P16 c1000 s3"
        with_limit = ["prlimit", "--nofile=1200:1200"]
        done = self.lab(BUILD, "--proxies", "ringmain", before=with_limit)
        self.assertEqual(done.returncode, 0, done.stderr)
        why = "needs 1500 descriptors, the limit is 1200"
        self.assertIn(f"without {self.case} of ringmain: {why}", done.stderr)
        self.assertIn(f"| not measured: {why} |", done.stdout)

    def test_what_was_started_and_ended_holds_no_descriptor(self):
        """A full run starts more than a thousand processes."""
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            rig.Process("sleeper", "0", self.folder, ["sleep", "60"]).stop()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_a_proxy_that_does_not_start_fails_the_lab_and_not_the_others(self):
        broken = self.folder / "broken"
        for name, target in (("src/ringmain", "/bin/false"), ("perf/loadgen", LOADGEN),
                             ("perf/forwarder", FORWARDER)):
            (broken / name).parent.mkdir(parents=True, exist_ok=True)
            (broken / name).symlink_to(target)
        done = self.lab(broken, "--proxies", "ringmain,direct")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("FAILED", done.stderr)
        raw = json.loads((self.folder / "out" / "raw.json").read_text())
        self.assertIn("ringmain ended with status 1", raw["cases"][0]["failed"]["ringmain"])
        self.assertEqual(len(raw["cases"][0]["runs"]["direct"]), 2)
        self.is_measured_again()

    def is_measured_again(self):
        done = self.lab(BUILD, "--proxies", "ringmain,direct", place="--again")
        self.assertEqual(done.returncode, 0, done.stderr)
        raw = json.loads((self.folder / "out" / "raw.json").read_text())
        self.assertEqual(raw["cases"][0]["failed"], {})
        self.assertEqual({len(runs) for runs in raw["cases"][0]["runs"].values()}, {2})
        self.assertEqual([part["cases"] for part in raw["again"]], [[self.case]])
        self.assertIn("1 of the cases again", (self.folder / "out" / "report.md").read_text())
        done = self.lab(BUILD, "--proxies", "ringmain,direct", place="--again")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("nothing failed or is missing", done.stderr)
        self.assertEqual(json.loads((self.folder / "out" / "raw.json").read_text()), raw)


class ReportJudges(unittest.TestCase):
    def test_what_is_cut_off_or_not_there_gives_no_traceback(self):
        cut = subprocess.run(f"{sys.executable} {LAB} . --full --list | head -n 1", shell=True,
                             capture_output=True, text=True, check=True, timeout=30)
        self.assertEqual((cut.stdout.count("\n"), cut.stderr), (1, ""))
        missing = subprocess.run([sys.executable, LAB.with_name("report.py"), "no.json"],
                                 capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual((missing.returncode, missing.stderr),
                         (1, "report: no.json is not there\n"))

    def test_rounds_on_both_sides_of_the_limit_decide_nothing(self):
        self.assertEqual(report.verdict([], 0.9), "not measured")
        self.assertEqual(report.verdict([0.7, 0.8, 0.9], 0.9), "met")
        self.assertEqual(report.verdict([0.7, 0.8, 0.95], 0.9), "met (undecided)")
        self.assertEqual(report.verdict([0.7, 0.95, 1.0], 0.9), "NOT MET (undecided)")
        self.assertEqual(report.verdict([0.9, 0.95, 1.0], 0.9), "NOT MET (undecided)")
        self.assertEqual(report.verdict([0.91, 0.95], 0.9), "NOT MET")
        self.assertEqual(report.verdict([0.8], 0.9), "met")

    def test_no_difference_is_told_over_all_cases(self):
        def case(*ratios):
            return {"runs": {"ringmain": [{"cpu_us": ratio} for ratio in ratios],
                             cases.AGAIN: [{"cpu_us": 1.0} for _ in ratios]}}

        text = report.no_difference({"cases": [case(0.5, 0.9, 2.0), case(1.0), case(1.1, 1.3)]})
        self.assertEqual(len(text), 1)
        self.assertIn("1.00 in the middle of 3 cases, 0.90 to 1.20 in all", text[0])
        self.assertEqual(report.no_difference({"cases": [{"runs": {"ringmain": []}}]}), [])

    def test_features_that_a_ringmain_goes_without(self):
        for name, ignored in (("ringmain", ""), ("ringmain-again", ""), ("ringmain-6.0", "6.0"),
                              ("ringmain-without-a+b", "a,b"), ("nutcracker", "")):
            self.assertEqual(cases.ignored_features(name), ignored)

    def test_the_load_is_not_on_the_proxys_core(self):
        self.assertEqual(rig.cpu_list("0,2-4\n"), {0, 2, 3, 4})
        self.assertIn(0, rig.core_of(0))
        ours = os.sched_getaffinity(0)
        first, last = min(ours), max(ours)
        if len(ours) > 1:  # two threads of a core, and what is left of them
            self.assertEqual(rig.cpu_list(rig.cpus_beside(first, {first, last})),
                             ours - {first, last} or ours - {first})
        self.assertEqual(rig.cpu_list(rig.cpus_beside(first, ours)), ours - {first} or ours)

    def test_buffers_of_a_nutcracker(self):
        for name, size in (("nutcracker", ""), ("nutcracker-m512", "512"), ("nutcracker-m1024", "1024"),
                           ("nutcracker-m", ""), ("nutcracker-many", ""), ("ringmain", "")):
            self.assertEqual(cases.mbuf_size(name), size)

    def test_beside_a_target_stands_what_small_buffers_make_of_it(self):
        runs = {name: [{"cpu_us": cpu}] for name, cpu in (("ringmain", 1.0), ("nutcracker", 10.0),
                                                          (cases.SMALL_MBUFS, 4.0))}
        case = {"name": "redis get 64 B P100 c50 s3", "runs": runs, "skipped": {}, "failed": {},
                "syscalls": {}}
        self.assertIn("| nutcracker | 0.12 | 0.10 |  | met | 0.25 |", report.target_table({"cases": [case]}))
        del runs[cases.SMALL_MBUFS]
        self.assertIn("| nutcracker | 0.12 | 0.10 |  | met |\n", report.target_table({"cases": [case]}))

    def test_scale_judges_ratios_of_the_same_round(self):
        def group(kind, **figures):
            return {"runs": {f"ringmain, {count[1:]} {kind}": [{"cpu_us": cpu} for cpu in cpus]
                             for count, cpus in figures.items()}, "syscalls": {}}

        raw = {"load": {"one at a time": {
                   "servers": group("servers", _1=[1, 2], _4=[2, 4], _1000=[2, 4.2]),
                   "workers": group("workers", _1=[1, 1], _2=[1, 1.1])},
               "pipeline 1": {"clients": group("clients", _50=[1], _10000=[1.2])}},
               "idle": {"never used, bytes each": 512, "after a burst, bytes each": 513},
               "start": {"servers": 1000, "ms": [90, 95, 101]}}
        rows = [[cell.strip() for cell in line.strip("|").split("|")]
                for line in scale.judged_table(raw).splitlines()[2:]]
        self.assertEqual([(row[0], row[-1]) for row in rows], [
            ("one at a time: CPU of 1000 servers to 1", "NOT MET"),
            ("one at a time: CPU of 1000 servers to 4", "met"),
            ("one at a time: CPU of 2 workers to 1", "met (undecided)"),
            ("pipeline 1: CPU of 10000 clients to 50", "NOT MET"),
            ("idle client, never used", "met"), ("idle client, after a burst", "NOT MET"),
            ("first answer with 1000 servers", "met (undecided)")])


if __name__ == "__main__":
    main()
