"""The statistics port and the admin port, as twemproxy's tools, Prometheus and probes read them."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import unittest

from harness import (Case, FOLDER, MemcachedServer, Port, RedisServer, Ringmain, main,
                     needs_ringmain, wait_for)
from wire import resp

PROMTOOL = os.environ.get("RINGMAIN_PROMTOOL") or shutil.which("promtool")
ALERTS = pathlib.Path(FOLDER).parent.parent / "conf" / "ringmain-alerts.yml"
needs_promtool = unittest.skipUnless(PROMTOOL, "promtool is not installed (Debian: prometheus)")

POOL_FIELDS = ["client_eof", "client_err", "client_connections", "server_ejects", "forward_error",
               "fragments"]
SERVER_FIELDS = ["server_eof", "server_err", "server_timedout", "server_connections",
                 "server_ejected_at", "requests", "request_bytes", "responses", "response_bytes",
                 "in_queue", "in_queue_bytes", "out_queue", "out_queue_bytes"]
PROCESS_FIELDS = ["service", "source", "version", "uptime", "timestamp", "total_connections",
                  "curr_connections"]


def read_to_end(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as reader:
        parts = []
        while part := reader.recv(65536):
            parts.append(part)
    return b"".join(parts)


@needs_ringmain
class Stats(Case):
    def start(self, pools=None, workers=1, stats=None, **options):
        self.stats, self.admin = Port(), Port()
        self.addCleanup(self.stats.release)
        self.addCleanup(self.admin.release)
        if pools is None:
            self.servers = [self.use(RedisServer()) for _ in range(2)]
            pools = {"alpha": {"servers": self.servers, **options}}
        other = {"stats": {"listen": f"127.0.0.1:{self.stats.number}", "interval": "100ms",
                           **(stats or {})},
                 "admin": {"listen": f"127.0.0.1:{self.admin.number}"}}
        self.proxy = self.use(Ringmain(pools, proxy={"workers": workers}, other=other))
        for port in (self.stats, self.admin):  # they are opened last
            self.proxy.wait_until_accepting(("127.0.0.1", port.number))
        return self.proxy

    def get(self, path, method="GET", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin.number, timeout=10)
        self.addCleanup(connection.close)
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response, body

    def json(self):
        line = read_to_end(self.stats.number)
        self.assertTrue(line.endswith(b"}\n") and line.count(b"\n") == 1, line)
        return json.loads(line)

    def metric(self, name):
        """labels -> value of one metric."""
        _, body = self.get("/metrics")
        found = re.findall(rf"^{name}(\{{.*\}})? ([0-9.]+)$", body, re.MULTILINE)
        return {labels: float(value) for labels, value in found}

    def test_the_json_is_twemproxys(self):
        servers = [self.use(RedisServer()), self.use(RedisServer())]
        cache = self.use(MemcachedServer())
        self.start({"alpha": {"servers": [f"{servers[0].address}:1 first", f"{servers[1].address}:1"]},
                    "beta": {"servers": [cache], "protocol": "memcached"}})
        everything = self.json()
        self.assertEqual(list(everything)[:7], PROCESS_FIELDS)
        self.assertEqual(list(everything)[7:], ["alpha", "beta"])
        alpha = everything["alpha"]
        self.assertEqual(list(alpha)[:6], POOL_FIELDS)
        nested = [name for name, value in alpha.items() if isinstance(value, dict)]
        self.assertEqual(set(nested), {"first", servers[1].address})
        for name in nested:
            self.assertEqual(list(alpha[name])[:13], SERVER_FIELDS)
        self.assertRegex(read_to_end(self.stats.number),
                         rb'^\{"service":"ringmain", "source":"[^"]*", "version":"[0-9.]+", '
                         rb'"uptime":\d+, "timestamp":\d+, "total_connections":\d+, '
                         rb'"curr_connections":\d+, "alpha": \{"client_eof":\d+, ')

    def test_figures_follow_the_traffic(self):
        for workers in (1, 2):
            with self.subTest(workers=workers):
                self.start(workers=workers)
                clients = [self.proxy.client() for _ in range(4)]
                for number, client in enumerate(clients):
                    client.call("SET", f"k{number}", "v")
                    client.call("GET", f"k{number}")
                    client.call("NO-SUCH-COMMAND")
                self.wait_for_figures("requests_write", 4)
                self.wait_for_figures("requests_read", 4)
                unknown = '{pool="alpha",command="unknown"}'  # the last of each client
                wait_for(lambda: self.metric("ringmain_commands_total").get(unknown) == 4,
                         "all are counted")
                everything = self.json()
                alpha = everything["alpha"]
                self.assertEqual(alpha["requests_read"], 4)
                self.assertEqual(alpha["client_connections"], 4)
                self.assertEqual(alpha["fragments"], 8)
                commands = self.metric("ringmain_commands_total")
                for name in ("get", "set", "unknown"):
                    self.assertEqual(commands[f'{{pool="alpha",command="{name}"}}'], 4)
                self.assertNotIn('{pool="alpha",command="del"}', commands)
                self.assertGreaterEqual(everything["curr_connections"], 4)
                servers = [value for value in alpha.values() if isinstance(value, dict)]
                self.assertEqual(sum(server["responses"] for server in servers), 8)
                self.assertEqual(sum(server["in_queue"] + server["out_queue"]
                                     for server in servers), 0)
                for client in clients:
                    client.close()
                wait_for(lambda: self.json()["alpha"]["client_connections"] == 0, "clients gone")
                self.assertEqual(self.json()["alpha"]["client_eof"],
                                 self.json()["alpha"]["clients_accepted"])

    def test_every_client_that_came_is_there_or_has_gone_for_one_reason(self):
        server = self.use(RedisServer())
        pools = {"alpha": {"servers": [server], "client_idle_timeout": "400ms"},
                 "beta": {"servers": [server]}}
        for workers in (1, 2):
            with self.subTest(workers=workers):
                self.start(pools, workers=workers)
                # Whoever tried whether it listens has come and gone.
                before = wait_for(
                    lambda: all((found := {pool: self.reasons(pool) for pool in pools})[pool]["eof"]
                                for pool in pools) and found, "the first ones")
                stays = self.proxy.client("beta")
                stays.call("PING")
                idle = self.proxy.client("alpha")
                self.assertEqual(idle.socket.recv(1), b"")
                for pool in pools:
                    with self.proxy.client(pool) as quits:
                        quits.call("QUIT")
                        self.assertEqual(quits.socket.recv(1), b"")
                    with self.proxy.client(pool) as wrong:
                        wrong.send(b"*x\r\n")
                        wrong.read()
                        self.assertEqual(wrong.socket.recv(1), b"")
                    self.proxy.client(pool).close()
                    resets = self.proxy.client(pool)
                    resets.call("PING")
                    resets.reset()
                for pool, idle_count, connected in (("alpha", 1, 0), ("beta", 0, 1)):
                    wanted = dict(before[pool])
                    for reason, count in (("eof", 2), ("error", 2), ("idle", idle_count)):
                        wanted[reason] += count
                    wait_for(lambda: self.reasons(pool) == wanted, f"{pool}: {wanted}")
                    accepted = self.metric("ringmain_client_connections_accepted_total")
                    self.assertEqual(accepted[f'{{pool="{pool}"}}'],
                                     sum(wanted.values()) + connected)
                    self.assertEqual(self.metric("ringmain_client_connections")[f'{{pool="{pool}"}}'],
                                     connected)
                self.assertEqual(self.json()["beta"]["clients_closed"], 0)
                stays.close()

    def reasons(self, pool):
        return {reason: self.metric("ringmain_client_disconnects_total").get(
                    f'{{pool="{pool}",reason="{reason}"}}')
                for reason in ("eof", "error", "idle", "closed")}

    def test_info_clients_is_of_the_clients_pool(self):
        server = self.use(RedisServer())
        self.start({"alpha": {"servers": [server], "client_connections": 100},
                    "beta": {"servers": [server], "client_connections": 50}}, workers=2)
        alpha = [self.proxy.client("alpha") for _ in range(5)]
        beta = [self.proxy.client("beta") for _ in range(2)]
        for client in alpha + beta:
            client.call("PING")
        beta[1].send(resp("BLPOP", "nothing", "0"))
        for client, connected, limit, blocked in ((alpha[0], 5, 100, 0), (beta[0], 2, 50, 1)):
            lines = [f"connected_clients:{connected}", f"maxclients:{limit}",
                     f"blocked_clients:{blocked}"]
            wait_for(lambda: client.value("INFO", "clients").decode().split("\r\n")[1:4] == lines,
                     str(lines))
        for client in alpha + beta:
            client.close()

    def wait_for_figures(self, name, value):
        wait_for(lambda: self.json()["alpha"][name] == value, f"{name} = {value}")

    def test_readers_who_do_not_read_block_nobody(self):
        self.start()
        idle = [socket.create_connection(("127.0.0.1", port), timeout=10)
                for port in (self.stats.number, self.admin.number) for _ in range(150)]
        self.assertIn("alpha", self.json())
        self.assertEqual(self.get("/healthz")[1], "ok\n")
        for one in idle:
            one.close()
        self.assertIn("alpha", self.json())

    def test_pages(self):
        self.start(redis_auth=None)
        response, body = self.get("/metrics")
        self.assertEqual(response.getheader("Content-Type"),
                         "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn("\nringmain_server_up{", body)
        response, body = self.get("/metrics", headers={
            "Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
        self.assertTrue(response.getheader("Content-Type").startswith("application/openmetrics-text"))
        self.assertTrue(body.endswith("# EOF\n"))
        self.assertEqual(len(json.loads(self.get("/stats.json")[1])["workers"]), 1)
        self.assertIn("<h2>pool alpha</h2>", self.get("/")[1])
        self.assertEqual(json.loads(self.get("/slowlog")[1])["latest"], [])
        self.assertEqual(self.get("/nowhere")[0].status, 404)
        self.assertEqual(self.get("/metrics", "POST")[0].status, 405)
        response, body = self.get("/metrics", "HEAD")
        self.assertEqual((response.status, body), (200, ""))

    def test_the_configuration_is_shown_without_secrets(self):
        server = self.use(RedisServer(options=["--requirepass", "hunter2"]))
        self.start({"alpha": {"servers": [server], "redis_auth": "hunter2"}})
        _, body = self.get("/config")
        self.assertNotIn("hunter2", body)
        path = self.proxy.folder / "shown.toml"
        path.write_text(body)
        done = subprocess.run([os.environ["RINGMAIN"], "check", path], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_workers_and_rings(self):
        self.start(workers=2)
        with self.proxy.client() as client:
            client.call("PING")
        wait_for(lambda: all(self.metric("ringmain_uring_cqes_total").values()), "completions")
        self.assertEqual(len(self.metric("ringmain_worker_busy_ratio")), 2)
        self.assertTrue(all(self.metric("ringmain_worker_cpu_seconds_total").values()))
        time = self.metric("ringmain_worker_time_seconds_total")
        self.assertEqual(len(time), 6)
        self.assertGreater(time['{worker="0",state="working"}'], 0)
        wait_for(lambda: self.metric("ringmain_worker_time_seconds_total")
                 ['{worker="1",state="waiting"}'] > time['{worker="1",state="waiting"}'],
                 "a worker that waits")
        self.assertGreater(self.metric("ringmain_process_open_fds")[""], 8)
        self.assertGreater(self.metric("ringmain_memory_bytes")['{kind="resident"}'], 1 << 20)

    def test_not_ready_while_draining(self):
        server = self.use(RedisServer())
        self.start({"alpha": {"servers": [server], "timeout": "10s"}})
        self.assertEqual(self.get("/readyz")[0].status, 200)
        server.call("CLIENT", "PAUSE", "2000")
        client = self.proxy.client()
        client.send(resp("SET", "a", "1"))
        oldest = "ringmain_oldest_request_seconds"
        wait_for(lambda: self.metric(oldest)['{pool="alpha"}'] > 0, "its age")
        with self.proxy.client() as other:
            wait_for(lambda: b"\r\nfragments:1\r\n" in other.value("INFO", "proxy"),
                     "a request under way")
        self.proxy.child.send_signal(signal.SIGTERM)
        wait_for(lambda: self.get("/readyz")[0].status == 503, "not ready")
        self.assertEqual(self.get("/healthz")[0].status, 200)
        self.same(client.read(timeout=10), b"+OK\r\n")
        client.close()
        wait_for(lambda: not self.proxy.alive(), "the end")
        self.assertEqual(self.proxy.child.wait(), 0)
        self.proxy.child = None

    def test_the_slow_log(self):
        server = self.use(RedisServer())
        self.start({"alpha": {"servers": [server], "timeout": "10s"}},
                   stats={"slow_log_threshold": "50ms"})
        with self.proxy.client() as client:
            client.call("SET", "quick", "1")
            server.call("CLIENT", "PAUSE", "200")
            client.call("SET", 'slow"key', "1")
        log = wait_for(lambda: (found := json.loads(self.get("/slowlog")[1]))["latest"] and found,
                       "a slow request")
        self.assertEqual(len(log["latest"]), 1)
        entry = log["latest"][0]
        self.assertEqual(entry["command"], "set")
        self.assertEqual(entry["key"], 'slow\\"key')
        self.assertEqual(entry["pool"], "alpha")
        self.assertIn(server.address, entry["server"])
        self.assertRegex(entry["client"], r"^127\.0\.0\.1:\d+$")
        self.assertTrue(50_000 <= entry["total_us"] < 5_000_000, entry)
        self.assertGreater(entry["server_us"], 40_000)
        self.assertEqual(sum(self.metric("ringmain_slow_requests_total").values()), 1)

    def test_what_a_reload_takes_out_stays_counted(self):
        dead = [Port(), Port()]  # held, and nobody listens
        for port in dead:
            self.addCleanup(port.release)
        lines = [f"127.0.0.1:{port.number}:1 dead{i}" for i, port in enumerate(dead)]
        self.start(pools={"alpha": {"servers": lines, "auto_eject_hosts": True,
                                    "server_failure_limit": 1, "server_retry_timeout": 30000},
                          "beta": {"servers": lines}})
        proxy = self.proxy
        for _ in range(20):
            with proxy.client("beta") as client:
                client.call("PING")
        with proxy.client("alpha") as client:
            for key in range(20):
                client.call("GET", f"k{key}")
        wait_for(lambda: self.json()["alpha"]["server_ejects"] == 2, "both are ejected")
        # Figures of one page are read one after the other, and a busy machine may pause in between.
        wait_for(lambda: self.json()["total_connections"] >= 2 + 20 + 1, "all are counted")
        before = self.json()["total_connections"]
        proxy.pools = {"alpha": {**proxy.pools["alpha"], "servers": lines[1:]}}
        proxy.config_path.write_text(proxy.config_text())
        proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: "beta" not in self.json(), "the reload")
        after = self.json()
        self.assertEqual(after["alpha"]["server_ejects"], 2)
        self.assertEqual(after["alpha"]["servers_total"], 1)
        self.assertGreaterEqual(after["total_connections"], before)
        self.assertEqual(self.metric("ringmain_pool_server_ejections_total"),
                         {'{pool="alpha"}': 2})

    def test_a_refused_reload_shows(self):
        self.start()
        name = "ringmain_config_last_reload_successful"
        self.assertEqual(self.metric(name), {"": 1})
        good = self.proxy.config_path.read_text()
        self.proxy.config_path.write_text(good + "\nnonsense = 1\n")
        self.proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: self.metric(name) == {"": 0}, "the refusal")
        self.proxy.config_path.write_text(good)
        self.proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: self.metric(name) == {"": 1}, "the success")

    def test_a_port_that_is_taken_is_told(self):
        self.start()
        port = Port()
        self.addCleanup(port.release)
        path = self.proxy.folder / "second.toml"
        path.write_text(f"[admin]\nlisten = '127.0.0.1:{self.admin.number}'\n[pool.a]\n"
                        f"listen = '127.0.0.1:{port.number}'\nservers = ['127.0.0.1:1']\n")
        done = subprocess.run([os.environ["RINGMAIN"], "run", "-c", path], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("[admin] listen: ", done.stderr)

    @needs_promtool
    def test_promtool_has_nothing_to_say(self):
        self.start()
        with self.proxy.client() as client:
            client.call("SET", "a", "1")
        _, body = self.get("/metrics")
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=body, capture_output=True,
                              text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    @needs_promtool
    def test_promtool_accepts_the_alerts(self):
        done = subprocess.run([PROMTOOL, "check", "rules", ALERTS], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_alerts_use_metrics_that_exist(self):
        self.start()
        _, body = self.get("/metrics")
        there = set(re.findall(r"^(ringmain_\w+)", body, re.MULTILINE))
        wanted = set(re.findall(r"\bringmain_\w+", ALERTS.read_text()))
        self.assertEqual(wanted - there - {"ringmain_alerts"}, set())


if __name__ == "__main__":
    main()
