"""A load whose every answer is checked: what the fault tests and the soak run while things break.

Clients send pipelines of 1 to 16 GET, SET, MGET, MSET and DEL (memcached: get, set, set noreply,
get of several keys, delete), wait for all answers, pause, and send the next one. Every value names
its key, its writer and the number of the write, and the rest of it follows from those: an answer
that belongs to another request, or bytes of one that are mixed up, cannot pass for right.

Two strengths of check:

  every key      a value is whole, names this key, and was written by somebody who has got that far
  trusted        keys whose server has had no fault (`distrust`): a key of one client's own reads as
                 the last write of that client says, or, where that one got an error, as either
                 before or after it

Everything runs in one thread with a selector; faults are made by the test's own thread meanwhile.
"""
import collections
import contextlib
import glob
import heapq
import random
import select
import socket
import struct
import threading
import time

from wire import resp

ANSWER_LIMIT = 15.0  # no answer at all by then is a fault
FILLERS = (0, 0, 20, 20, 60, 60, 200, 900, 3000, 20_000)  # the last is more than a block


def make_value(key, writer, number):
    """Bytes that only this write of this key has."""
    head = b"%b|%d|%d|" % (key, writer, number)
    filler = b"%d.%d/" % (writer, number)
    size = FILLERS[(number * 7 + writer) % len(FILLERS)]
    return head + (filler * (size // len(filler) + 1))[:size]


def read_value(key, value):
    """The (writer, number) of a value; ValueError when it is not one of this key, whole."""
    parts = value.split(b"|", 3)
    if len(parts) != 4 or parts[0] != key:
        raise ValueError(f"not a value of {key}: {value[:120]!r}")
    writer, number = int(parts[1]), int(parts[2])
    if value != make_value(key, writer, number):
        raise ValueError(f"mixed up bytes in a value of {key}: {value[:120]!r}")
    return writer, number


class Answer:
    """One request's end. Times are of time.monotonic()."""

    __slots__ = ("sent", "done", "servers", "ahead", "error", "kind")

    def __init__(self, sent, done, servers, ahead, error, kind):
        self.sent = sent
        self.done = done
        self.servers = servers  # where its keys live: a set of indices
        self.ahead = ahead      # where those live that it waits behind in its pipeline
        self.error = error      # text, or None
        self.kind = kind

    @property
    def latency(self):
        return self.done - self.sent


class Request:
    __slots__ = ("kind", "keys", "numbers", "servers", "ahead", "sent", "bytes", "silent")

    def __init__(self, kind, keys, numbers=()):
        self.kind = kind
        self.keys = keys
        self.numbers = numbers
        self.silent = kind == "set noreply"


class Resp:
    """Writes requests and takes replies apart."""

    kinds = ["get"] * 40 + ["set"] * 30 + ["mget"] * 12 + ["mset"] * 10 + ["del"] * 8

    @staticmethod
    def write(request, values):
        if request.kind == "set":
            return resp("SET", request.keys[0], values[0])
        if request.kind == "mset":
            return resp("MSET", *[word for pair in zip(request.keys, values) for word in pair])
        return resp(request.kind.upper(), *request.keys)

    @classmethod
    def read(cls, data, at, request):
        """(value, end), or None while the reply is not whole. An error is a `Failed`."""
        return cls.read_value(data, at)

    @classmethod
    def read_value(cls, data, at):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        kind, head, end = data[at], data[at + 1:end], end + 2
        if kind == 43:  # +
            return bytes(head), end
        if kind == 45:  # -
            return Failed(head.decode("latin-1")), end
        if kind == 58:  # :
            return int(head), end
        if kind == 36:  # $
            size = int(head)
            if size < 0:
                return None, end
            if len(data) < end + size + 2:
                return None
            if data[end + size:end + size + 2] != b"\r\n":
                raise ValueError(f"no line end behind {bytes(data[at:at + 100])!r}")
            return bytes(data[end:end + size]), end + size + 2
        if kind == 42:  # *
            items = []
            for _ in range(int(head)):
                taken = cls.read_value(data, end)
                if taken is None:
                    return None
                items.append(taken[0])
                end = taken[1]
            return items, end
        raise ValueError(f"not a reply: {bytes(data[at:at + 100])!r}")

    @staticmethod
    def values(request, reply):
        """What a read has found, by key; None where there is nothing."""
        if request.kind == "get":
            if not (reply is None or isinstance(reply, bytes)):
                raise ValueError(f"{reply!r} for GET")
            return [reply]
        if not isinstance(reply, list) or len(reply) != len(request.keys):
            raise ValueError(f"{reply!r} for MGET of {len(request.keys)} keys")
        if not all(item is None or isinstance(item, bytes) for item in reply):
            raise ValueError(f"{reply!r} for MGET")
        return reply

    @staticmethod
    def check_written(request, reply):
        if reply != b"OK":
            raise ValueError(f"{reply!r} for {request.kind}")

    @staticmethod
    def deleted(request, reply):
        if not isinstance(reply, int) or not 0 <= reply <= len(request.keys):
            raise ValueError(f"{reply!r} for DEL of {len(request.keys)} keys")
        return reply


class Memcached:
    kinds = ["get"] * 40 + ["set"] * 30 + ["mget"] * 17 + ["set noreply"] * 5 + ["del"] * 8

    @staticmethod
    def write(request, values):
        if request.kind in ("set", "set noreply"):
            return b"set %b 0 0 %d%b\r\n%b\r\n" % (
                request.keys[0], len(values[0]), b" noreply" if request.silent else b"", values[0])
        if request.kind == "del":
            return b"delete %b\r\n" % request.keys[0]
        return b"get %b\r\n" % b" ".join(request.keys)

    @staticmethod
    def read(data, at, request):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        line, end = bytes(data[at:end]), end + 2
        if line.startswith((b"SERVER_ERROR", b"CLIENT_ERROR", b"ERROR")):
            return Failed(line.decode("latin-1")), end
        if request.kind not in ("get", "mget"):
            return line, end
        found = {}
        while line != b"END":
            words = line.split(b" ")
            if len(words) != 4 or words[0] != b"VALUE":
                raise ValueError(f"{line[:100]!r} for get")
            size = int(words[3])
            if len(data) < end + size + 2:
                return None
            if words[1] in found:
                raise ValueError(f"{words[1]} twice")
            found[words[1]] = bytes(data[end:end + size])
            if data[end + size:end + size + 2] != b"\r\n":
                raise ValueError(f"no line end behind the value of {words[1]}")
            at = end + size + 2
            end = data.find(b"\r\n", at)
            if end < 0:
                return None
            line, end = bytes(data[at:end]), end + 2
        return found, end

    @staticmethod
    def values(request, reply):
        if not isinstance(reply, dict) or not set(reply) <= set(request.keys):
            raise ValueError(f"{str(reply)[:200]} for get {request.keys}")
        return [reply.get(key) for key in request.keys]

    @staticmethod
    def check_written(request, reply):
        if reply != b"STORED":
            raise ValueError(f"{reply!r} for set")

    @staticmethod
    def deleted(request, reply):
        if reply not in (b"DELETED", b"NOT_FOUND"):
            raise ValueError(f"{reply!r} for delete")
        return int(reply == b"DELETED")


class Failed(str):
    """An error reply's text."""


class Client:
    def __init__(self, number):
        self.number = number
        self.socket = None
        self.keys = []         # its own
        self.keys_by_server = {}
        self.only = None       # the one server whose keys it uses
        self.known = {}        # its own keys -> the writes that may be there; None: nothing is
        self.number_of_writes = 0
        self.waiting = collections.deque()
        self.received = bytearray()
        self.unsent = memoryview(b"")
        self.all_sent_at = 0.0  # the kernel had the last byte of what waits, surely
        self.next_at = 0.0
        self.registered = 0


class NoiseMeter:
    """What this machine adds to any time that is measured: how late it wakes a thread that wants to
    run, and how long the processes of `watched()` (ids) were ready to run and had no processor."""

    period = 0.005
    looks_every = 10  # periods

    def __init__(self, watched=lambda: ()):
        self.watched = watched
        self.late = []  # (when, seconds)
        self.held = []  # (when, seconds): of one thread, the worst, since the look before
        self.delays = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        count = 0
        while not self.stopping.is_set():
            before = time.monotonic()
            time.sleep(self.period)
            after = time.monotonic()
            self.late.append((after, max(0.0, after - before - self.period)))
            count += 1
            if count % self.looks_every == 0:
                self.look(after)

    def look(self, now):
        delays = {}
        for process in self.watched():
            for path in glob.glob(f"/proc/{process}/task/*/schedstat"):
                with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
                    delays[path] = int(file.read().split()[1]) / 1e9
        worst = max((delay - self.delays[path] for path, delay in delays.items()
                     if path in self.delays), default=0.0)
        self.delays = delays
        self.held.append((now, worst))

    def worst(self, since, until=float("inf")):
        late = max((late for when, late in list(self.late) if since <= when <= until), default=0.0)
        until += self.looks_every * self.period
        return late + max((held for when, held in list(self.held) if since <= when <= until),
                          default=0.0)

    def stop(self):
        self.stopping.set()
        self.thread.join()


class Load:
    """`clients` connections to ringmain at `endpoint` until `stop`.

    server_of(keys) gives the index of each key's server, as {key: index}. Of the clients, a share
    `focused` uses the keys of a single server only: they go on while others wait for a server that
    is stopped. `rate` is in requests per second, all clients together.
    """

    def __init__(self, endpoint, protocol, server_of, server_count=3, clients=50, rate=3000, seed=1,
                 keys_each=12, focused=0.5, answers_kept=None):
        self.endpoint = endpoint
        self.wire = {"redis": Resp, "memcached": Memcached}[protocol]
        self.kinds = self.wire.kinds
        self.random = random.Random(seed)
        self.servers = list(range(server_count))
        self.server_of = {}
        self.trusted = set(self.servers)
        self.answers = []
        self.answers_kept = answers_kept  # the last ones, at least half as many; None: all
        self.answered = 0
        self.errors = collections.Counter()  # by text
        self.wrong = []          # texts; must stay empty
        self.closed = []         # (when, client, since when each of its requests has been under way)
        self.refused = 0         # connects that failed
        self.worst_loop = []     # (when, seconds): how long the loop took between two looks
        self.reconnects = False  # whether clients that were closed come back
        self.tag = f"{self.random.randrange(1 << 32):08x}"
        self.pause = clients * 8.5 / rate
        self.clients = [Client(number) for number in range(clients)]
        self.make_keys(server_of, keys_each, focused)
        self.quiet = False       # nothing new is sent, and then the load ends
        self.held = False        # nothing new is sent for now
        self.leaving = 0         # clients that shall reset their connections
        self.ended = threading.Event()
        self.must_end = False
        self.thread = threading.Thread(target=self.run_checked, daemon=True)
        self.noise = None

    # --- keys

    def make_keys(self, server_of, keys_each, focused):
        count = len(self.servers)
        names = {client.number: [b"%b:%d:%d" % (self.tag.encode(), client.number, index)
                                 for index in range(keys_each * 3)] for client in self.clients}
        shared = [b"%b:shared:%d" % (self.tag.encode(), index) for index in range(60)]
        self.server_of = server_of([key for keys in names.values() for key in keys] + shared)
        self.shared = {server: [key for key in shared if self.server_of[key] == server]
                       for server in self.servers}
        self.all_shared = shared
        for client in self.clients:
            each = keys_each // count
            client.keys_by_server = {
                server: [key for key in names[client.number]
                         if self.server_of[key] == server][:each] for server in self.servers}
            if client.number < len(self.clients) * focused:
                client.only = self.servers[client.number % count]
            client.keys = [key for keys in client.keys_by_server.values() for key in keys]
            client.known = {key: {None} for key in client.keys}
            if not all(client.keys_by_server.values()):
                raise AssertionError(f"a server without keys: {client.keys_by_server}")

    def distrust(self, *servers):
        """From now on anything that was ever written may be read from these servers."""
        self.trusted -= set(servers)

    def pick(self, client, own):
        """A key: of the client's own, or of those that all write."""
        if client.only is not None:
            keys = (client.keys_by_server if own else self.shared)[client.only]
        else:
            keys = client.keys if own else self.all_shared
        return self.random.choice(keys) if keys else self.random.choice(client.keys)

    # --- the loop

    def start(self):
        self.noise = NoiseMeter()
        self.poller = select.epoll()
        self.by_socket = {}
        now = time.monotonic()
        self.timers = []
        for client in self.clients:
            self.connect(client)
            client.next_at = now + self.random.random() * self.pause
            heapq.heappush(self.timers, (client.next_at, client.number))
        self.thread.start()
        return self

    def connect(self, client):
        kind = socket.AF_UNIX if isinstance(self.endpoint, str) else socket.AF_INET
        connection = socket.socket(kind, socket.SOCK_STREAM)
        connection.settimeout(5)
        try:
            connection.connect(self.endpoint)
        except OSError:
            connection.close()
            self.refused += 1
            return False
        if kind == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        client.socket = connection
        client.received = bytearray()
        client.unsent = memoryview(b"")
        client.registered = select.EPOLLIN
        self.by_socket[connection.fileno()] = client
        self.poller.register(connection.fileno(), client.registered)
        return True

    def run_checked(self):
        try:
            self.run()
        except BaseException as fault:  # told by check()
            self.wrong.append(f"the load ended: {fault!r}")
            raise
        finally:
            for client in self.clients:
                if client.socket is not None:
                    client.socket.close()
            self.ended.set()

    def run(self):
        looked = time.monotonic()
        while not self.must_end:
            if self.quiet and not any(client.waiting for client in self.clients):
                return
            wait = 0.05
            if self.timers:
                wait = min(wait, max(0.0, self.timers[0][0] - time.monotonic()))
            events = self.poller.poll(wait)
            now = time.monotonic()
            for descriptor, event in events:
                client = self.by_socket.get(descriptor)
                if client is None:
                    continue
                if event & ~select.EPOLLOUT:
                    self.receive(client)
                if event & select.EPOLLOUT and client.socket is not None:
                    self.flush(client)
            busy = time.monotonic() - now
            if busy > 0.005:
                self.worst_loop.append((now, busy))
            self.send_due()
            self.let_leave()
            if now - looked > 1:
                looked = now
                self.look_for_silence(now)

    def let_leave(self):
        """Clients that have asked go away without waiting for their answers, and come back."""
        while self.leaving > 0:
            self.leaving -= 1
            waiting = [client for client in self.clients if client.waiting]
            if not waiting:
                return
            client = self.random.choice(waiting)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # What it has sent is not called back. On a busy machine another worker may be the first to
            # serve it again, and must not be ahead of that.
            self.end(client, time.monotonic(), 0.5)

    def look_for_silence(self, now):
        for client in self.clients:
            if client.waiting and now - client.waiting[0].sent > ANSWER_LIMIT:
                request = client.waiting[0]
                self.wrong.append(f"no answer within {ANSWER_LIMIT} s: {request.kind} "
                                  f"{request.keys} of client {client.number}")
                self.close(client, now)

    def send_due(self):
        now = time.monotonic()
        sent = 0
        while self.timers and self.timers[0][0] <= now and sent < 8:
            _, number = heapq.heappop(self.timers)
            client = self.clients[number]
            if self.quiet:
                continue
            if self.held:
                self.later(client, now)
                continue
            if client.socket is None:
                if not self.reconnects:
                    continue
                if not self.connect(client):
                    self.later(client, now, 0.2)
                    continue
            self.send_pipeline(client)
            sent += 1

    def later(self, client, now, pause=None):
        wait = pause if pause is not None else self.random.uniform(0.3, 1.7) * self.pause
        heapq.heappush(self.timers, (now + wait, client.number))

    def make_request(self, client):
        kind = self.random.choice(self.kinds)
        if kind in ("get", "mget"):
            count = 1 if kind == "get" else self.random.randint(2, 8)
            keys = []
            while len(keys) < count:
                key = self.pick(client, self.random.random() < 0.7)
                if key not in keys:
                    keys.append(key)
                elif count > 2:
                    count -= 1
                else:
                    break
            return Request(kind, keys)
        several = kind == "mset" or (kind == "del" and self.wire is Resp)
        count = self.random.randint(2, 5) if several else 1
        own = self.random.random() < 0.8
        keys = list(dict.fromkeys(self.pick(client, own) for _ in range(count)))
        if kind == "del":
            return Request(kind, keys)
        numbers = []
        for _ in keys:
            client.number_of_writes += 1
            numbers.append(client.number_of_writes)
        return Request(kind, keys, numbers)

    def send_pipeline(self, client):
        requests = [self.make_request(client) for _ in range(self.random.randint(1, 16))]
        if requests[-1].silent:
            requests.append(Request("get", [requests[-1].keys[0]]))
        ahead, pieces = frozenset(), []
        for request in requests:
            request.servers = frozenset(self.server_of[key] for key in request.keys)
            request.ahead = ahead
            ahead |= request.servers
            values = [make_value(key, client.number, number)
                      for key, number in zip(request.keys, request.numbers)]
            pieces.append(self.wire.write(request, values))
        now = time.monotonic()
        for request in requests:
            request.sent = now
        client.waiting.extend(requests)
        client.unsent = memoryview(b"".join(pieces))
        client.all_sent_at = float("inf")
        self.flush(client)

    def flush(self, client):
        try:
            while len(client.unsent):
                client.unsent = client.unsent[client.socket.send(client.unsent):]
            client.all_sent_at = min(client.all_sent_at, time.monotonic())
        except BlockingIOError:
            pass
        except OSError:
            client.unsent = memoryview(b"")  # the end of the stream will be read
        wanted = select.EPOLLIN | (select.EPOLLOUT if len(client.unsent) else 0)
        if wanted != client.registered:
            client.registered = wanted
            self.poller.modify(client.socket.fileno(), wanted)

    def receive(self, client):
        try:
            data = client.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        now = time.monotonic()
        if not data:
            self.close(client, now)
            return
        client.received += data
        at = 0
        while True:
            while client.waiting and client.waiting[0].silent:
                self.silent(client, client.waiting.popleft())
            if not client.waiting:
                if at < len(client.received):
                    self.wrong.append(f"client {client.number} was sent what it did not ask for: "
                                      f"{bytes(client.received[at:at + 200])!r}")
                    at = len(client.received)
                break
            request = client.waiting[0]
            try:
                taken = self.wire.read(client.received, at, request)
                if taken is None:
                    break
                client.waiting.popleft()
                reply, at = taken
                self.take(client, request, reply, now)
            except ValueError as fault:
                self.wrong.append(f"client {client.number}, {request.kind} {request.keys}: {fault}")
                self.close(client, now)
                return
        del client.received[:at]
        if not client.waiting:
            self.later(client, now)

    def close(self, client, now):
        """The other side has closed, or is wrong."""
        self.closed.append((now, client.number, [client.all_sent_at] * len(client.waiting)))
        self.end(client, now)

    def end(self, client, now, pause=0.05):
        self.poller.unregister(client.socket.fileno())
        del self.by_socket[client.socket.fileno()]
        client.socket.close()
        client.socket = None
        for request in client.waiting:
            self.uncertain(client, request)
        client.waiting.clear()
        self.later(client, now, pause)

    # --- what is right

    def take(self, client, request, reply, now):
        error = str(reply) if isinstance(reply, Failed) else None
        self.answers.append(Answer(request.sent, now, request.servers, request.ahead, error,
                                   request.kind))
        self.answered += 1
        if self.answers_kept and len(self.answers) > self.answers_kept:
            self.answers = self.answers[self.answers_kept // 2:]
        if error is not None:
            self.errors[error] += 1
            self.uncertain(client, request)
        elif request.kind in ("get", "mget"):
            for key, value in zip(request.keys, self.wire.values(request, reply)):
                self.check_read(client, key, value)
        elif request.kind == "del":
            self.check_deleted(client, request, self.wire.deleted(request, reply))
        else:
            self.wire.check_written(request, reply)
            for key, number in zip(request.keys, request.numbers):
                if key in client.known:
                    client.known[key] = {number}

    def silent(self, client, request):
        self.uncertain(client, request)

    def uncertain(self, client, request):
        """A write without a good answer may or may not have happened."""
        if request.kind == "del":
            for key in request.keys:
                if key in client.known:
                    client.known[key].add(None)
        for key, number in zip(request.keys, request.numbers):
            if key in client.known:
                client.known[key].add(number)

    def strict(self, client, key):
        return key in client.known and self.server_of[key] in self.trusted

    def check_read(self, client, key, value):
        number = None
        if value is not None:
            writer, number = read_value(key, value)
            if writer >= len(self.clients):
                return  # of somebody else: data that a test has put there
            if number > self.clients[writer].number_of_writes:
                raise ValueError(f"write {number} of {writer} is yet to come")
        if not self.strict(client, key):
            return
        if value is not None and writer != client.number:
            raise ValueError(f"the key is client {client.number}'s alone, the value {writer}'s")
        if number not in client.known[key]:
            raise ValueError(f"{key} has {number}, expected one of {client.known[key]}")
        client.known[key] = {number}

    def check_deleted(self, client, request, count):
        certain = all(self.strict(client, key) and len(client.known[key]) == 1
                      for key in request.keys)
        if certain:
            wanted = sum(client.known[key] != {None} for key in request.keys)
            if count != wanted:
                raise ValueError(f"{count} deleted, {wanted} were there")
        for key in request.keys:
            if key in client.known:
                client.known[key] = {None}

    # --- for the test's thread

    def hold(self, timeout=ANSWER_LIMIT):
        """Sends nothing new, until `go_on`. True when all answers are in."""
        self.held = True
        deadline = time.monotonic() + timeout
        while any(client.waiting for client in self.clients):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def go_on(self):
        self.held = False

    def stop(self, timeout=ANSWER_LIMIT):
        """No new requests; waits for the answers of all that are on their way."""
        self.quiet = True
        if self.thread.ident is not None and not self.ended.wait(timeout):
            self.wrong.append("answers are missing at the end: " + str(
                {client.number: len(client.waiting) for client in self.clients if client.waiting}))
            self.must_end = True
            self.ended.wait(5)
        self.noise.stop()

    def between(self, since, until=float("inf")):
        """Answers to requests that were sent in a span of time."""
        return [answer for answer in list(self.answers) if since <= answer.sent < until]

    def allowance(self, since, until=float("inf")):
        """What may be added to a time measured here: how late a thread was woken, and how long the
        loop was busy with others, at worst, in that span."""
        busy = max((seconds for when, seconds in list(self.worst_loop) if since <= when <= until),
                   default=0.0)
        return self.noise.worst(since, until) + busy


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def errors_by_text(answers):
    return collections.Counter(answer.error for answer in answers if answer.error is not None)


def touching(answers, servers):
    """Those that need one of the servers."""
    return [answer for answer in answers if answer.servers & servers]


def clear_of(answers, servers):
    """Those that need none of them and wait behind no request that does."""
    return [answer for answer in answers if not (answer.servers | answer.ahead) & servers]
