"""Errors that only a real kernel brings about, and the page that explains all of them."""
import pathlib
import subprocess

from harness import BINARY, Case, RedisServer, Ringmain, main, needs_ringmain, wait_for
from wire import resp

PAGE = pathlib.Path(__file__).resolve().parents[2] / "conf/errors.txt"


@needs_ringmain
class Errors(Case):
    def test_a_server_whose_name_has_no_address(self):
        # Too long for a label: nobody is asked.
        name = "x" * 70 + ".invalid"
        proxy = self.use(Ringmain({"main": {"servers": [f"{name}:6379:1 s0"]}}))
        self.expect_error(proxy.client(), resp("GET", "a"),
                          f"-ERR ringmain: server s0 ({name}:6379) cannot be found: ")

    def test_a_socket_that_does_not_exist(self):
        proxy = self.use(Ringmain({"main": {"servers": ["/nowhere/at/all.sock:1 s0"]}}))
        self.expect_error(proxy.client(), resp("GET", "a"),
                          "cannot be reached: its socket does not exist")

    def test_one_client_too_many(self):
        server = self.use(RedisServer())
        proxy = self.use(Ringmain({"main": {"servers": [server], "client_connections": 1}}))
        # The one that looked whether the proxy accepts may not have left yet.
        first = wait_for(lambda: self.let_in(proxy), "a client is let in")
        self.expect_close(proxy.client(), b"", b"-ERR max number of clients reached\r\n")
        self.working(first)

    def let_in(self, proxy):
        client = self.client_of(proxy)
        client.send(resp("PING"))
        return client if client.read(timeout=10) == b"+PONG\r\n" else None

    def test_the_page(self):
        done = subprocess.run([BINARY, "help", "errors"], capture_output=True, text=True,
                              check=True)
        self.assertEqual(done.stdout, PAGE.read_text())


if __name__ == "__main__":
    main()
