"""HUP: another configuration while clients are served."""
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import Case, Port, RedisServer, Ringmain, main, needs_ringmain, wait_for
from wire import RespClient, bulk, resp


@needs_ringmain
class Reload(Case):
    def setUp(self):
        self.servers = [self.use(RedisServer()) for _ in range(3)]

    def start(self, workers=1, **options):
        options.setdefault("servers", self.servers[:2])
        self.proxy = self.use(Ringmain({"alpha": options}, proxy={"workers": workers}))
        return self.proxy

    def reload(self, said="configuration read from", pools=None, **options):
        """Writes the file anew, sends HUP and waits for the line in the log that says so."""
        if pools is not None:
            self.proxy.pools = pools
        self.proxy.pools = {name: {**pool, **options} for name, pool in self.proxy.pools.items()}
        self.proxy.config_path.write_text(self.proxy.config_text())
        self.hang_up(said)

    def hang_up(self, said):
        before = self.proxy.log_path.read_text().count(said)
        self.proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: self.proxy.log_path.read_text().count(said) > before, f"'{said}' in the log")

    def lines(self, *numbers):
        return [f"{self.servers[number].address}:1 s{number}" for number in numbers]

    def test_the_log_says_so_when_all_workers_have_it(self):
        proxy = self.start(32, servers=self.lines(0))
        clients = [proxy.client() for _ in range(32)]
        for turn in range(6):
            now, before = (1, 0) if turn % 2 == 0 else (0, 1)
            self.reload(servers=self.lines(now))
            for client in clients:
                client.send(resp("SET", f"turn{turn}", "x"))
            for client in clients:
                self.same(client.read(), b"+OK\r\n")
            self.assertIsNone(self.servers[before].call("GET", f"turn{turn}"))

    def test_no_pool_goes_over_however_many_warnings(self):
        pools = {f"p{i}": {"servers": self.lines(0)} for i in range(110)}
        proxy = self.proxy = self.use(Ringmain(pools))
        with proxy.client("p109") as client:
            self.same(client.call("SET", "a", "1"), b"+OK\r\n")
            self.reload(timeout=0)
            self.assertIn("and 10 more warnings, which are not shown", proxy.log_path.read_text())
            self.assertNotIn("removed", proxy.log_path.read_text())
            self.same(client.call("GET", "a"), bulk("1"))
            proxy.config_path.write_text(proxy.config_text() + "timeot = 3\n")
            self.hang_up("1 error, 109 warnings, 9 of them not shown, see above")
        for name in pools:
            with proxy.client(name) as client:
                self.same(client.call("GET", "a"), bulk("1"))

    def test_what_a_wrong_password_did_ends_with_it(self):
        server = self.use(RedisServer(["--requirepass", "right"]))
        for workers in (1, 2):
            with self.subTest(workers=workers):
                def having(password):
                    return [{"address": server.address, "name": "s0", "password": password}]

                proxy = self.start(workers, servers=having("wrong"))
                clients = [proxy.client() for _ in range(4)]
                for _ in range(5):
                    for _ in range(20):
                        for client in clients:
                            self.assertIn(b"refused the password", client.call("GET", "a"))
                        time.sleep(0.02)
                    self.reload(servers=having("right"))
                    for client in clients:
                        self.same(client.call("GET", "a"), b"$-1\r\n")
                    self.reload(servers=having("wrong"))

    def test_who_chose_a_database_stays_there(self):
        for workers in (1, 2):
            with self.subTest(workers=workers):
                proxy = self.start(workers, servers=self.lines(0))
                clients = [proxy.client() for _ in range(4)]
                for client in clients:
                    self.same(client.call("SELECT", "0"), b"+OK\r\n")
                    self.same(client.call("SET", "a", "0"), b"+OK\r\n")
                follower = proxy.client()
                for number in (5, 0, 6):
                    self.reload(redis_db=number)
                    self.same(follower.call("SET", "a", number), b"+OK\r\n")
                    for client in clients:
                        self.same(client.call("GET", "a"), bulk("0"))

    def test_a_server_is_added_and_removed_under_load(self):
        for workers in (1, 2):
            with self.subTest(workers=workers):
                proxy = self.start(workers)
                stop = threading.Event()
                wrong = []

                def load(number):
                    with proxy.client() as client:
                        turn = 0
                        while not stop.is_set():
                            turn += 1
                            key, value = f"{workers}:{number}:{turn}", f"{number}:{turn}"
                            sent = b"".join([resp("SET", key, value), resp("PING", value),
                                             resp("MSET", key + "a", value, key + "b", value)])
                            client.send(sent)
                            wanted = b"+OK\r\n" + bulk(value) + b"+OK\r\n"
                            got = client.read_exactly(len(wanted))
                            if got != wanted:
                                wrong.append(got)

                threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
                for thread in threads:
                    thread.start()
                try:
                    for numbers in ((0, 1, 2), (0, 2), (2,), (0, 1, 2), (0, 1)) * 2:
                        self.reload(servers=self.lines(*numbers))
                finally:
                    stop.set()
                    for thread in threads:
                        thread.join()
                self.assertEqual(wrong, [])
                with proxy.client() as client:
                    self.working(client)
                self.finish(proxy)

    def test_keys_go_where_locate_says_and_removed_servers_are_left(self):
        proxy = self.start(preconnect=True)
        wait_for(lambda: int(self.servers[0].info("clients", "connected_clients")) == 2,
                 "the server's connection")
        self.reload(servers=self.lines(1, 2))
        wait_for(lambda: int(self.servers[0].info("clients", "connected_clients")) == 1,
                 "the removed server without a connection")
        places = proxy.locate([b"k%d" % number for number in range(50)])
        with proxy.client() as client:
            for key in places:
                self.assertEqual(client.call("SET", key, key), b"+OK\r\n")
        for key, (name, _, _) in places.items():
            with RespClient(self.servers[int(name[1:])].endpoint) as direct:
                self.assertEqual(direct.call("GET", key), bulk(key))

    def test_a_bad_file_changes_nothing_and_says_where(self):
        proxy = self.start()
        with proxy.client() as client:
            for text, said in (("[pool.alpha\n", "ringmain.toml:1:"),
                               (proxy.config_text() + "timeot = 3\n", "did you mean 'timeout'"),
                               (proxy.config_text().replace("127.0.0.1", "127.0.0.999"), "error")):
                proxy.config_path.write_text(text)
                self.hang_up("configuration not changed")
                self.assertIn(said, proxy.log())
                self.working(client)
            os.unlink(proxy.config_path)
            self.hang_up("configuration not changed")
            self.working(client)
            # Nobody writes to that pipe: whoever opened it would take no signal any more.
            os.mkfifo(proxy.config_path)
            self.hang_up("it is no file but a pipe or a device")
            self.working(client)

    def test_a_reload_that_comes_too_late_is_told(self):
        from fakes import FakeServer
        mute = self.use(FakeServer(lambda connection: connection.wait_until_closed()))
        proxy = self.proxy = self.use(Ringmain({"alpha": {"servers": [mute], "timeout": 0}}))
        with proxy.client() as client:
            client.send(resp("GET", "a"))
            wait_for(lambda: mute.connections and b"GET" in mute.connections[0].received,
                     "GET is sent")
            proxy.child.send_signal(signal.SIGTERM)
            wait_for(lambda: "stopping" in proxy.log(), "it drains")
            self.hang_up("HUP: log reopened; ringmain is stopping: no configuration is read")
            proxy.child.send_signal(signal.SIGTERM)
            proxy.child.wait(10)
        proxy.child = None

    def test_a_port_that_is_taken_changes_nothing(self):
        proxy = self.start()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            pools = dict(proxy.pools)
            pools["beta"] = {**pools["alpha"], "listen": f"127.0.0.1:{taken.getsockname()[1]}"}
            pools["alpha"] = {**pools["alpha"], "servers": self.lines(2)}
            self.reload("configuration not changed", pools=pools)
            self.assertIn("in use", proxy.log())
        with proxy.client("alpha") as client:
            self.working(client)
        self.assertEqual(int(self.servers[2].info("clients", "connected_clients")), 1)

    def test_ports_open_and_close(self):
        for workers in (1, 2):
            with self.subTest(workers=workers):
                proxy = self.start(workers)
                old = proxy.endpoint()
                held = [Port(), Port()]
                client = proxy.client()
                alpha = dict(proxy.pools["alpha"])
                path = str(proxy.folder / "beta.sock")
                pools = {"alpha": {**alpha, "listen": f"127.0.0.1:{held[0].number}"},
                         "beta": {**alpha, "listen": path},
                         "gamma": {**alpha, "listen": f"127.0.0.1:{held[1].number}"}}
                self.reload(pools=pools)
                self.working(client)  # it stays with its pool
                for name in pools:
                    with proxy.client(name) as other:
                        self.working(other)
                wait_for(lambda: refused(old), "the old port closed")
                with proxy.client("gamma") as leaving:
                    self.working(leaving)
                    self.reload(pools={"alpha": pools["alpha"]})
                    self.assertEqual(leaving.read_until_closed(), b"")
                wait_for(lambda: not os.path.exists(path), "the socket's file removed")
                wait_for(lambda: refused(("127.0.0.1", held[1].number)), "gamma's port closed")
                self.working(client)
                client.close()
                self.finish(proxy)
                for port in held:
                    port.release()

    def test_a_port_moves_to_every_interface_and_back(self):
        for workers in (1, 2):
            with self.subTest(workers=workers):
                proxy = self.start(workers)
                number = proxy.port()
                with proxy.client() as client:
                    for host in ("0.0.0.0", "127.0.0.1"):
                        self.reload(listen=f"{host}:{number}")
                        self.assertIn(f"HUP: pool alpha: listens on {host}:{number}\n", proxy.log())
                        wait_for(lambda: refused(("127.0.0.2", number)) == (host != "0.0.0.0"),
                                 "the change of address")
                        with proxy.client() as other:
                            self.working(other)
                        self.working(client)
                self.finish(proxy)

    def test_a_unix_socket_that_stays_changes_its_mode(self):
        proxy = self.start()
        path = str(proxy.folder / "alpha.sock")
        for mode in ("0660", "0600"):
            self.reload(listen=f"{path} {mode}")
            self.assertEqual(oct(os.stat(path).st_mode & 0o777), oct(int(mode, 8)))
        with proxy.client() as client:
            self.working(client)

    def test_a_log_that_cannot_be_opened_anew_is_not_called_reopened(self):
        self.proxy = self.use(Ringmain({"alpha": {"servers": self.servers[:1]}}, start=False))
        path = self.proxy.folder / "own.log"
        self.proxy.proxy = {"log_file": str(path)}
        self.proxy.config_path.write_text(self.proxy.config_text())
        self.proxy.start()
        old = path.rename(self.proxy.folder / "old.log")
        path.mkdir()
        for number, said in ((signal.SIGUSR1, None), (signal.SIGHUP, "HUP: log not reopened")):
            before = old.read_text().count("the old one is still written to")
            self.proxy.child.send_signal(number)
            wait_for(lambda: old.read_text().count("the old one is still written to") > before,
                     "the failure in the log")
            if said:
                wait_for(lambda: said in old.read_text(), said)
        self.assertNotIn("log reopened", old.read_text())
        path.rmdir()
        self.proxy.child.send_signal(signal.SIGUSR1)
        wait_for(lambda: path.exists() and "USR1: log reopened" in path.read_text(), "the new log")

    def test_a_log_that_could_not_be_opened_is_tried_at_the_next_reload(self):
        proxy = self.start()
        path = proxy.folder / "later" / "own.log"
        proxy.proxy = {"log_file": str(path)}
        self.reload()
        self.assertIn("the old one is still written to", proxy.log())
        self.assertIn("[proxy] changed: log_file", proxy.log())
        self.assertNotIn("the log goes on", proxy.log())
        self.assertIn("HUP: log not reopened, configuration read from", proxy.log())
        path.parent.mkdir()
        proxy.child.send_signal(signal.SIGHUP)
        wait_for(lambda: path.exists() and "configuration read from" in path.read_text(), "the new log")
        self.assertIn(f"HUP: the log goes on in '{path}'", proxy.log())

    def test_a_unix_socket_that_somebody_removed_is_there_again(self):
        path = f"{self.start().folder}/door.sock"
        self.reload(listen=path)
        os.unlink(path)
        self.reload()
        with RespClient(path) as client:
            self.assertEqual(client.call("PING"), b"+PONG\r\n")

    def test_a_log_that_would_be_the_configuration_is_refused(self):
        proxy = self.start()
        link = proxy.folder / "own.log"
        link.symlink_to(proxy.config_path)
        proxy.proxy = {"log_file": str(link)}
        self.reload(f"configuration not changed: log_file '{link}' is the configuration file")
        self.assertNotIn("notice:", proxy.config_path.read_text())
        with proxy.client() as client:
            self.working(client)

    def test_a_file_in_the_place_of_a_unix_socket_is_warned_of(self):
        proxy = self.start()
        path = proxy.folder / "door.sock"
        self.reload(listen=str(path))
        path.unlink()
        path.write_text("x")
        before = len(proxy.log())
        self.reload(listen=f"{path} 0660")
        said = proxy.log()[before:]
        self.assertIn(f"warning: HUP: pool alpha: no client comes in at {path}: ", said)
        self.assertNotIn("listens on", said)
        self.assertEqual(path.read_text(), "x")
        path.unlink()
        self.reload()
        with RespClient(str(path)) as client:
            self.assertEqual(client.call("PING"), b"+PONG\r\n")

    def test_what_is_fixed_is_named_and_stays(self):
        proxy = self.start()
        proxy.proxy = {"workers": 2, "log_level": "debug"}
        self.reload()
        self.assertIn("[proxy] workers is fixed at start: its change needs a restart", proxy.log())
        self.assertEqual(sum(name.startswith("ringmain") for name in threads_of(proxy.pid)), 2)
        with proxy.client() as client:
            self.working(client)

    @unittest.skipUnless(shutil.which("prlimit"), "needs prlimit")
    def test_too_few_descriptors_are_told_again_when_others_are_wanted(self):
        proxy = self.start()

        def told():
            return proxy.log().count("nofile: ")

        limit = ("prlimit", "--pid", str(proxy.pid), "--nofile=2000:2000")
        subprocess.run(limit, check=True, timeout=20)
        before = told()
        self.reload()
        self.assertEqual(told(), before + 1)
        self.reload(timeout=1234)
        self.assertEqual(told(), before + 1)
        self.reload(leases_max=1100)
        self.assertEqual(told(), before + 2)
        self.reload(leases_max=1)
        fewer = told()
        self.reload()
        self.assertEqual(told(), fewer)

    def test_a_hundred_reloads_leave_nothing_behind(self):
        proxy = self.start()
        with proxy.client() as client:
            self.working(client)
            self.reload(servers=self.lines(0, 1, 2))
            wait_for(lambda: int(self.servers[2].info("clients", "connected_clients")) == 2,
                     "a connection to the server that came")
            files = len(os.listdir(f"/proc/{proxy.pid}/fd"))
            for turn in range(100):
                self.reload(servers=self.lines(*((0, 1) if turn % 2 else (0, 1, 2))),
                            timeout=1000 + turn)
                self.working(client)
            self.reload(servers=self.lines(0, 1, 2))
            self.working(client)
            wait_for(lambda: len(os.listdir(f"/proc/{proxy.pid}/fd")) <= files + 1,
                     "as many files as before")


def refused(address):
    try:
        socket.create_connection(address, timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def threads_of(pid):
    names = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as file:
            names.append(file.read())
    return names


if __name__ == "__main__":
    main()
