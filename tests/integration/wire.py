"""Raw protocol sockets for the end-to-end tests: what was sent and what came back, byte for byte."""
import select
import socket
import struct
import time

TIMEOUT = 20.0


def resp(*arguments):
    """One request as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = to_bytes(argument)
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def pipeline(*requests):
    """Several of them, one behind the other."""
    return b"".join(resp(*words) for words in requests)


def bulk(data):
    data = to_bytes(data)
    return b"$%d\r\n%b\r\n" % (len(data), data)


def to_bytes(value):
    if isinstance(value, bytes):
        return value
    return str(value).encode()


def brief(data, limit=600):
    """Bytes for a failure message."""
    if data is None:
        return "nothing"
    text = repr(bytes(data))
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]} ... {text[-limit // 2:]} ({len(data)} bytes)"


class Closed(Exception):
    """The other side closed the connection."""


class ErrorReply(str):
    """A decoded error."""


class Status(str):
    """A decoded simple string."""


class Push(list):
    """A decoded RESP3 push message."""


def connect(address, timeout=TIMEOUT, receive_buffer=None, source=None):
    """address: (host, port) or the path of a unix socket."""
    if isinstance(address, str):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(timeout)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


class Connection:
    """A client's socket with a read buffer. Every read is bounded by `timeout`."""

    def __init__(self, address, timeout=TIMEOUT, receive_buffer=None):
        self.address = address
        self.timeout = timeout
        self.socket = connect(address, timeout, receive_buffer)
        self.buffer = bytearray()
        self.sent = bytearray()  # the tail of what was sent, for messages
        self.closed_by_peer = False

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with RST, as a process that is killed with unread data does."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data):
        self.sent += data[-2000:]
        del self.sent[:-2000]
        self.socket.sendall(data)

    def send_in_pieces(self, pieces, pause=0.0005):
        for piece in pieces:
            self.send(piece)
            time.sleep(pause)

    def fill(self, deadline):
        """Reads once. Raises Closed or TimeoutError with what was sent and what is there."""
        left = deadline - time.monotonic()
        poller = select.poll()  # unlike select(), for any number of descriptors
        poller.register(self.socket, select.POLLIN)
        if left <= 0 or not poller.poll(left * 1000):
            raise TimeoutError(f"no answer in {self.timeout} s; {self.story()}")
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError as error:
            self.closed_by_peer = True
            raise Closed(f"connection reset; {self.story()}") from error
        if not data:
            self.closed_by_peer = True
            raise Closed(f"connection closed; {self.story()}")
        self.buffer += data

    def story(self):
        return f"sent (tail) {brief(self.sent)}; unread so far {brief(self.buffer)}"

    def take(self, size):
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def read_exactly(self, size, timeout=None):
        deadline = time.monotonic() + (timeout or self.timeout)
        while len(self.buffer) < size:
            self.fill(deadline)
        return self.take(size)

    def read_line(self, timeout=None):
        deadline = time.monotonic() + (timeout or self.timeout)
        searched = 0
        while True:
            end = self.buffer.find(b"\n", searched)
            if end >= 0:
                return self.take(end + 1)
            searched = len(self.buffer)
            self.fill(deadline)

    def read_until_closed(self, timeout=None):
        """Everything up to the end of the stream; a reset counts as an end."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            try:
                self.fill(deadline)
            except Closed:
                return self.take(len(self.buffer))

    def read_available(self, seconds=0.05):
        """What arrives within a moment; for states in which waiting is a right answer too."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.fill(deadline)
        except (TimeoutError, Closed):
            return self.take(len(self.buffer))

    def exchange(self, data, size, timeout=60.0):
        """Writes `data` and reads `size` bytes at the same time: no side can block the other."""
        deadline = time.monotonic() + timeout
        view = memoryview(data)
        self.sent[:] = data[-2000:]
        self.socket.setblocking(False)
        try:
            while len(view) or len(self.buffer) < size:
                writers = [self.socket] if len(view) else []
                left = deadline - time.monotonic()
                readable, writable, _ = select.select([self.socket], writers, [], max(0.0, left))
                if left <= 0 or not (readable or writable):
                    raise TimeoutError(
                        f"{len(self.buffer)} of {size} bytes read, {len(view)} of {len(data)} bytes "
                        f"unsent after {timeout} s; {self.story()}")
                if writable:
                    view = view[self.socket.send(view[: 1 << 18]):]
                if readable:
                    chunk = self.socket.recv(1 << 18)
                    if not chunk:
                        raise Closed(f"closed after {len(self.buffer)} of {size}; {self.story()}")
                    self.buffer += chunk
        finally:
            self.socket.settimeout(self.timeout)
        return self.take(size)


class RespClient(Connection):
    """Reads whole RESP2 and RESP3 replies, raw or decoded."""

    def frame_end(self, position, deadline):
        """The end of the frame that begins at `position` of the buffer. Iterative."""
        pending = 1
        while pending:
            while (end := self.buffer.find(b"\r\n", position)) < 0:
                self.fill(deadline)
            kind = self.buffer[position:position + 1]
            head = bytes(self.buffer[position + 1:end])
            position = end + 2
            pending -= 1
            if kind in b"+-:_,#(":
                continue
            if kind not in b"$!=*~>%|":
                raise AssertionError(f"not a reply at {brief(self.buffer[end - len(head) - 1:])}; "
                                     f"sent (tail) {brief(self.sent)}")
            count = int(head)
            if kind in b"$!=":
                if count >= 0:
                    position += count + 2
                    while len(self.buffer) < position:
                        self.fill(deadline)
            elif count > 0:
                pending += 2 * count if kind in b"%|" else count
            if kind == b"|":
                pending += 1  # an attribute precedes the frame proper
        return position

    def read(self, timeout=None):
        """One reply as it came."""
        return self.take(self.frame_end(0, time.monotonic() + (timeout or self.timeout)))

    def read_many(self, count, timeout=None):
        deadline = time.monotonic() + (timeout or self.timeout)
        ends, position = [], 0
        for _ in range(count):
            position = self.frame_end(position, deadline)
            ends.append(position)
        data = self.take(position)
        return [data[start:end] for start, end in zip([0] + ends, ends)]

    def call(self, *arguments, timeout=None):
        self.send(resp(*arguments))
        return self.read(timeout)

    def value(self, *arguments, timeout=None):
        return decode(self.call(*arguments, timeout=timeout))


def decode(raw):
    """A whole reply as Python values: bytes, int, None, list, dict, Status, ErrorReply ..."""
    value, end = decode_at(raw, 0)
    assert end == len(raw), f"{len(raw) - end} bytes behind the reply {brief(raw)}"
    return value


def decode_at(raw, position):
    end = raw.index(b"\r\n", position)
    kind, head, position = raw[position:position + 1], raw[position + 1:end], end + 2
    if kind == b"+":
        return Status(head.decode("latin-1")), position
    if kind == b"-":
        return ErrorReply(head.decode("latin-1")), position
    if kind in b":(":
        return int(head), position
    if kind == b",":
        return float(head), position
    if kind == b"#":
        return head == b"t", position
    if kind == b"_":
        return None, position
    count = int(head)
    if kind in b"$=!":
        if count < 0:
            return None, position
        data = bytes(raw[position:position + count])
        assert raw[position + count:position + count + 2] == b"\r\n", f"no line end in {brief(raw)}"
        if kind == b"!":
            data = ErrorReply(data.decode("latin-1"))
        return data, position + count + 2
    if count < 0:
        return None, position
    items = []
    for _ in range(count * 2 if kind in b"%|" else count):
        item, position = decode_at(raw, position)
        items.append(item)
    if kind == b"|":
        return decode_at(raw, position)
    if kind == b"%":
        return dict(zip(items[::2], items[1::2])), position
    return (Push(items) if kind == b">" else items), position


class MemcachedClient(Connection):
    """Reads whole memcached text replies."""

    def read(self, timeout=None):
        """One reply: a line, VALUE blocks to END, STAT lines to END, or VA with its data."""
        reply = line = self.read_line(timeout)
        if line.startswith(b"VA "):
            return reply + self.read_exactly(int(line.split()[1]) + 2, timeout)
        while line.startswith((b"VALUE ", b"STAT ", b"PREFIX ")):
            if line.startswith(b"VALUE "):
                reply += self.read_exactly(int(line.split()[3]) + 2, timeout)
            line = self.read_line(timeout)
            reply += line
        return reply

    def call(self, request, timeout=None):
        self.send(request if request.endswith(b"\r\n") else request + b"\r\n")
        return self.read(timeout)

    def store(self, key, value, verb=b"set", flags=0, exptime=0):
        key, value = to_bytes(key), to_bytes(value)
        return self.call(b"%b %b %d %d %d\r\n%b\r\n"
                         % (verb, key, flags, exptime, len(value), value))

    def get(self, key):
        """The value, or None on a miss."""
        reply = self.call(b"get " + to_bytes(key))
        if reply == b"END\r\n":
            return None
        head, _, rest = reply.partition(b"\r\n")
        assert head.startswith(b"VALUE ") and rest.endswith(b"\r\nEND\r\n"), brief(reply)
        return rest[:-7]
