"""Deep pipelines, cut anywhere: every reply once, in order, to its own client."""
import time

from harness import RedisCase, main, seeded_random
from wire import bulk, decode, resp


class Pipelines(RedisCase):
    def test_ten_thousand_writes_and_reads_over_all_servers(self):
        client = self.client()
        sent = b"".join(resp("SET", f"k{number}", f"value{number}") for number in range(10_000))
        self.same(client.exchange(sent, 50_000), b"+OK\r\n" * 10_000, sent)
        sent = b"".join(resp("GET", f"k{number}") for number in range(10_000))
        wanted = b"".join(bulk(f"value{number}") for number in range(10_000))
        self.same(client.exchange(sent, len(wanted)), wanted, sent)

    def test_ten_thousand_increments_of_three_counters(self):
        client = self.client()
        counters = [self.key(server, "counter") for server in range(3)]
        sent = b"".join(resp("INCR", counters[number % 3]) for number in range(9_999))
        if len(set(counters)) < 3:
            wanted = b"".join(b":%d\r\n" % (number + 1) for number in range(9_999))
        else:
            wanted = b"".join(b":%d\r\n" % (number // 3 + 1) for number in range(9_999))
        self.same(client.exchange(sent, len(wanted)), wanted, sent)

    def test_ten_thousand_local_answers(self):
        client = self.client()
        sent = b"".join(resp("ECHO", number) for number in range(10_000))
        wanted = b"".join(bulk(number) for number in range(10_000))
        self.same(client.exchange(sent, len(wanted)), wanted, sent)
        sent = b"PING\r\n" * 10_000
        self.same(client.exchange(sent, 70_000), b"+PONG\r\n" * 10_000, sent)

    def test_forwarded_local_split_and_refused_requests_mixed(self):
        client = self.client()
        a, b, c = (self.key(server, "mix") for server in range(3))
        sent, wanted = [], []
        for number in range(1000):
            value = str(number)
            sent.append(resp("SET", a, value) + resp("PING") + resp("MSET", b, value, c, value)
                        + resp("NOSUCH") + resp("MGET", a, b, c) + resp("GET", c) + resp("ECHO", value)
                        + resp("EXISTS", a, b, "none") + b"*0\r\n" + resp("GET"))
            values = bulk(value) * 3 if len({a, b, c}) == 3 else bulk(value) * 3
            wanted.append(b"+OK\r\n+PONG\r\n+OK\r\n-ERR unknown command 'NOSUCH', with args beginning "
                          b"with: \r\n*3\r\n" + values + bulk(value) + bulk(value) + b":2\r\n"
                          b"-ERR wrong number of arguments for 'get' command\r\n")
        wanted = b"".join(wanted)
        self.same(client.exchange(b"".join(sent), len(wanted)), wanted)

    def test_one_byte_at_a_time(self):
        client = self.client()
        sent = resp("SET", "slow", "value") + resp("MGET", "slow", "none") + b"GET slow\r\n"
        wanted = b"+OK\r\n*2\r\n$5\r\nvalue\r\n$-1\r\n$5\r\nvalue\r\n"
        for _ in range(5):
            for byte in sent:
                client.send(bytes([byte]))
                time.sleep(0.0003)
            self.same(client.read_exactly(len(wanted)), wanted, sent)

    def test_random_requests_in_random_pieces(self):
        source = seeded_random("test_pipeline")
        client, reference = self.client(), self.reference_client()
        for _ in range(10):
            requests = [self.random_request(source) for _ in range(500)]
            stream = b"".join(requests)
            reference.send(stream)
            wanted = b"".join(reference.read_many(len(requests)))
            start = 0
            while start < len(stream):
                end = start + source.choice([1, 2, 5, 17, 100, 1000, 4096, 16384, 65536])
                client.send(stream[start:end])
                start = end
            self.same(client.read_exactly(len(wanted)), wanted, stream)

    def random_request(self, source):
        def key():
            return f"r{source.randrange(30)}"

        def value():
            return bytes([source.randrange(256)]) * source.choice([0, 1, 2, 10, 100, 5000, 16384])

        keys = [key() for _ in range(source.randrange(1, 12))]
        return source.choice([
            lambda: resp("SET", key(), value()), lambda: resp("GET", key()),
            lambda: resp("APPEND", key(), "+"), lambda: resp("STRLEN", key()),
            lambda: resp("MGET", *keys), lambda: resp("DEL", *keys), lambda: resp("EXISTS", *keys),
            lambda: resp("MSET", *[word for name in keys for word in (name, value())]),
            lambda: resp("PING"), lambda: resp("ECHO", value()), lambda: b"GET " + key().encode()
            + b"\r\n", lambda: resp("LPUSH", key(), "x"), lambda: resp("GETRANGE", key(), 0, 10)])()

    def test_a_client_reads_what_it_wrote(self):
        client = self.client()
        for number in range(300):
            client.send(resp("SET", f"rw{number % 7}", number) + resp("GET", f"rw{number % 7}"))
            self.same(client.read_exactly(5 + len(bulk(number))), b"+OK\r\n" + bulk(number))

    def test_pipelines_of_many_clients_at_once(self):
        clients = [self.client() for _ in range(50)]
        wanted = []
        for number, client in enumerate(clients):
            client.send(b"".join(resp("SET", f"c{number}:{index}", f"{number}/{index}")
                                 + resp("GET", f"c{number}:{index}") for index in range(200)))
            wanted.append(b"".join(b"+OK\r\n" + bulk(f"{number}/{index}") for index in range(200)))
        for client, expected in zip(clients, wanted):
            self.same(client.read_exactly(len(expected)), expected)

    def test_replies_of_a_slow_server_wait_in_their_place(self):
        client = self.client()
        slow, fast = self.key(0, "slow"), self.key(1, "fast")
        busy = "local n = 0 for i = 1, 3000000 do n = n + i end return KEYS[1]"
        began = time.monotonic()
        client.send(resp("EVAL", busy, "1", slow) + resp("SET", fast, "1") + resp("PING"))
        first = decode(client.read())
        self.assertEqual(first, slow.encode())
        self.same(client.read_exactly(12), b"+OK\r\n+PONG\r\n")
        self.assertLess(time.monotonic() - began, 10)


if __name__ == "__main__":
    main()
