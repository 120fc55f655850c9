"""Servers that do what a test says: answer given bytes, stall, close in mid-reply, speak unasked."""
import contextlib
import select
import socket
import struct
import threading

from wire import bulk


class FakeConnection:
    """One accepted connection, seen by the script of a fake server."""

    def __init__(self, server, connection, number):
        self.server = server
        self.socket = connection
        self.number = number  # 0 for the first connection of this server
        self.buffer = bytearray()
        self.received = bytearray()

    def fill(self):
        while True:
            if self.server.stopping.is_set() or self.socket.fileno() < 0:
                raise ConnectionAbortedError  # the test is over, or the script closed it
            if select.select([self.socket], [], [], 0.05)[0]:
                break
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionResetError
        self.buffer += data
        self.received += data

    def read_exactly(self, size):
        while len(self.buffer) < size:
            self.fill()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def read_line(self):
        while b"\n" not in self.buffer:
            self.fill()
        return self.read_exactly(self.buffer.index(b"\n") + 1)

    def read_resp(self):
        """The arguments of the next request. What ringmain asks a server that was down, before it
        gets requests, is answered here."""
        while True:
            arguments = self.read_request()
            if arguments != [b"PING"] or not self.server.answers_ping:
                return arguments
            self.send(b"+PONG\r\n")

    def read_request(self):
        """Anything but canonical arrays is a fault to report."""
        head = self.read_line()
        if not (head.startswith(b"*") and head.endswith(b"\r\n")):
            raise ValueError(f"a server was sent {bytes(self.received[-300:])!r}")
        arguments = []
        for _ in range(int(head[1:])):
            size = self.read_line()
            if not size.startswith(b"$") or b"%d" % int(size[1:]) != size[1:-2]:
                raise ValueError(f"a server was sent {bytes(self.received[-300:])!r}")
            arguments.append(self.read_exactly(int(size[1:]) + 2)[:-2])
        return arguments

    def read_memcached(self):
        """The words of the next command line and its data block (None where there is none)."""
        words = self.read_line().split()
        data = None
        if words and words[0] in (b"set", b"add", b"replace", b"append", b"prepend", b"cas"):
            data = self.read_exactly(int(words[4]) + 2)[:-2]
        elif words and words[0] == b"ms":
            data = self.read_exactly(int(words[2]) + 2)[:-2]
        return words, data

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def wait_until_closed(self):
        """Swallows what arrives until the other side closes."""
        with contextlib.suppress(ConnectionError, OSError):
            while True:
                self.fill()


class FakeServer:
    """Accepts on a port of its own and runs script(connection) in a thread for each connection.

    A script that returns closes the connection. A script that raises anything but an end of the
    stream makes `check()`, and with it the test, fail.
    """

    def __init__(self, script, port=0, host="127.0.0.1"):
        self.script = script
        self.answers_ping = True  # or the script does
        self.stopping = threading.Event()
        self.faults = []
        self.connections = []
        self.changed = threading.Condition()
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.address = f"{host}:{self.port}"
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while not self.stopping.is_set():
            if not select.select([self.listener], [], [], 0.05)[0]:
                continue
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                connection = FakeConnection(self, accepted, len(self.connections))
                self.connections.append(connection)
                self.changed.notify_all()
            thread = threading.Thread(target=self.run, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def run(self, connection):
        try:
            self.script(connection)
        except (ConnectionError, OSError):
            pass
        except Exception as fault:  # handed to the test's thread by check()
            self.faults.append(fault)
        finally:
            connection.close()

    def wait_for_connections(self, count, timeout=10):
        with self.changed:
            return self.changed.wait_for(lambda: len(self.connections) >= count, timeout)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(10)
        self.listener.close()

    def check(self):
        if self.faults:
            raise AssertionError(f"fake server {self.address}: {self.faults[0]!r}")


HANDSHAKE = {
    b"AUTH": b"+OK\r\n",
    b"SELECT": b"+OK\r\n",
    b"CLIENT": b"+OK\r\n",
    b"PING": b"+PONG\r\n",
    b"HELLO": b"%3\r\n" + bulk("server") + bulk("redis") + bulk("version") + bulk("7.0.15")
              + bulk("proto") + b":3\r\n",
}


def fake_redis(answer, handshake=None, **place):
    """answer(arguments, connection) gives the reply's bytes, or None for no reply."""
    known = {**HANDSHAKE, **(handshake or {})}

    def script(connection):
        while True:
            arguments = connection.read_resp()
            name = arguments[0].upper()
            reply = known.get(name) or answer(arguments, connection)
            if reply:
                connection.send(reply)

    return FakeServer(script, **place)


def fake_memcached(answer, **place):
    """answer(words, data, connection) gives the reply's bytes, or None for no reply."""

    def script(connection):
        while True:
            words, data = connection.read_memcached()
            reply = answer(words, data, connection)
            if reply:
                connection.send(reply)

    return FakeServer(script, **place)
