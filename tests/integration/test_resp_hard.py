"""Bad input on RESP: a clear error in redis's words, earlier replies delivered, nobody else hurt.

The numbers R01 ... name the cases of the project's bank of hard cases.
"""
import contextlib
import time

from harness import PLAIN, RedisCase, main, needs_ringmain, seeded_random, wait_for
from wire import brief, bulk, resp

PROTOCOL = "-ERR Protocol error: "
BAD_COUNT = PROTOCOL + "invalid multibulk length\r\n"
BAD_BULK = PROTOCOL + "invalid bulk length\r\n"


class Hostile(RedisCase):
    """Every test has a bystander on the same servers and checks the servers' connections."""

    def setUp(self):
        super().setUp()
        self.bystander = self.client()
        self.watched = [self.key(server, "watched") for server in range(self.server_count)]
        for key in self.watched:
            self.expect(self.bystander, resp("SET", key, "safe"), b"+OK\r\n")
        with self.proxy.client() as client:  # connections of version 3 are opened on demand
            client.call("HELLO", "3")
            for key in self.watched:
                client.call("GET", key)
        self.before = self.accepted_by_servers()

    def tearDown(self):
        self.check_bystander()
        if not PLAIN:
            now = self.accepted_by_servers()
            self.assertEqual(now, self.before, "ringmain had to connect to its servers again")
        super().tearDown()

    def accepted_by_servers(self):
        # The connection that asks and the one of flush() in setUp are counted: both by us.
        received = [server.connections_received() for server in self.servers]
        self.asked = getattr(self, "asked", 0) + 1
        return [count - self.asked for count in received]

    def check_bystander(self):
        for key in self.watched:
            self.expect(self.bystander, resp("GET", key), bulk("safe"))

    def refused(self, sent, error):
        """Replies of earlier requests, the error, the end; the bystander in between."""
        error = error.encode() if isinstance(error, str) else error
        for before, replies in ((b"", b""), (resp("SET", "hcx", "v") + resp("GET", "hcx"),
                                             b"+OK\r\n$1\r\nv\r\n")):
            client = self.client()
            self.expect_close(client, before + sent, replies + error)
            self.check_bystander()

    def refused_somehow(self, sent, finish=True):
        """One or more errors and nothing else, then an end or a usable connection."""
        client = self.client()
        with contextlib.suppress(ConnectionError):
            client.send(resp("SET", "hcx", "v") + sent)
            if finish:
                client.half_close()
        got = client.read_until_closed(timeout=10)
        self.assertTrue(got.startswith(b"+OK\r\n"), (brief(sent), brief(got)))
        for line in got[5:].split(b"\r\n")[:-1]:
            self.assertTrue(line.startswith(b"-"), (brief(sent), brief(got)))
        self.check_bystander()
        return got[5:]


class Headers(Hostile):
    def test_r01_r02_r04_argument_counts_beyond_the_range(self):
        for count in ("4294967297", "18446744073709551617", "2147483648", "3000000000",
                      "9223372036854775808", "4294967298"):
            with self.subTest(count=count):
                self.refused(f"*{count}\r\n$4\r\nPING\r\n".encode(), BAD_COUNT)

    def test_r03_nothing_of_a_wrapped_count_reaches_a_server(self):
        self.refused(b"*4294967298\r\n$3\r\nGET\r\n$3\r\nhcx\r\n", BAD_COUNT)

    def test_r05_r06_endless_digits(self):
        self.refused(b"*" + b"9" * 400 + b"\r\n", BAD_COUNT)
        self.refused(b"*1\r\n$" + b"9" * 400 + b"\r\n", BAD_BULK)

    @needs_ringmain
    def test_r06_digits_without_end_cost_no_memory(self):
        before = self.proxy.resident_bytes()
        client = self.client()
        with contextlib.suppress(ConnectionError):
            client.send(b"*1")
            for _ in range(256):
                client.send(b"1" * 65536)
        got = client.read_until_closed(timeout=10)
        self.assertTrue(got == b"" or got.startswith(PROTOCOL.encode()), brief(got))
        self.assertLess(self.proxy.resident_bytes() - before, 4 << 20)

    def test_r06_error_comes_within_64_kib(self):
        for start in (b"*1", b"*1\r\n$1"):
            client = self.client()
            client.send(start + b"1" * (66 * 1024))
            got = client.read_until_closed(timeout=10)
            self.assertTrue(got.startswith(PROTOCOL.encode()) and got.endswith(b"\r\n"), brief(got))

    @needs_ringmain
    def test_r07_a_huge_count_allocates_nothing(self):
        before = self.proxy.resident_bytes()
        clients = [self.client() for _ in range(50)]
        for client in clients:
            client.send(b"*1000000\r\n$3\r\nDEL\r\n")
        self.check_bystander()
        self.assertLess(self.proxy.resident_bytes() - before, 4 << 20)

    def test_r08_r10_r11_bulk_lengths_out_of_range(self):
        for length in ("4294967299", "18446744073709551619", "2000000000", "4294967295",
                       "536870913", "-1", "-10", "-0", "9223372036854775807"):
            with self.subTest(length=length):
                self.refused(f"*2\r\n$3\r\nGET\r\n${length}\r\nhcx\r\n".encode(), BAD_BULK)
                self.refused(f"*1\r\n${length}\r\nPING\r\n".encode(), BAD_BULK)

    def test_r12_empty_requests_are_skipped(self):
        for empty in (b"*-10\r\n", b"*0\r\n", b"*-1\r\n", b"\r\n", b"   \r\n", b"\n"):
            with self.subTest(empty=empty):
                self.expect(self.client(), empty * 3 + resp("PING"), b"+PONG\r\n")

    def test_r13_leading_zeros(self):
        for sent, error in ((b"*02\r\n$3\r\nGET\r\n$3\r\nhcx\r\n", BAD_COUNT),
                            (b"*2\r\n$03\r\nGET\r\n$3\r\nhcx\r\n", BAD_BULK),
                            (b"*2\r\n$3\r\nGET\r\n$03\r\nhcx\r\n", BAD_BULK),
                            (b"*3\r\n$3\r\nSET\r\n$3\r\nhcx\r\n$01\r\nv\r\n", BAD_BULK),
                            (b"*00\r\n", BAD_COUNT), (b"*-0\r\n", BAD_COUNT)):
            with self.subTest(sent=sent):
                self.refused(sent, error)

    def test_r14_signs_blanks_hexadecimals_and_fractions(self):
        for count in ("+1", " 1", "1 ", "0x1", "1.0", "1e0", "", "one"):
            with self.subTest(count=count):
                self.refused(f"*{count}\r\n$4\r\nPING\r\n".encode(), BAD_COUNT)
                self.refused(f"*1\r\n${count}\r\nPING\r\n".encode(), BAD_BULK)

    def test_r15_a_missing_dollar(self):
        for wrong in (b"fooz", b":3", b"+GET", b"-1"):
            with self.subTest(wrong=wrong):
                self.refused(b"*3\r\n$3\r\nSET\r\n$3\r\nhcx\r\n" + wrong + b"\r\n",
                             b"-ERR Protocol error: expected '$', got '%b'\r\n" % wrong[:1])

    def test_r14_r15_nul_bytes_in_headers(self):
        for sent in (b"*\x00\r\n", b"*1\x00\r\n$4\r\nPING\r\n", b"*1\r\n$4\x00\r\nPING\r\n",
                     b"*1\r\n\x00\r\nPING\r\n", b"\x00*1\r\n$4\r\nPONG\r\n"):
            with self.subTest(sent=sent):
                self.refused_somehow(sent)

    def test_r16_nested_requests(self):
        nested = b"-ERR Protocol error: expected '$', got '*'\r\n"
        self.refused(b"*1\r\n*1\r\n", nested)
        self.refused(b"*1\r\n" * 2000, nested)
        self.refused(b"*1000000\r\n" * 2000, nested)

    def test_r17_line_feed_or_carriage_return_alone(self):
        for sent in (b"*2\n$3\nGET\n$3\nhcx\n", b"*2\r$3\rGET\r$3\rhcx\r",
                     b"*2\r\n$3\nGET\n$3\nhcx\n"):
            with self.subTest(sent=sent):
                self.refused_somehow(sent)

    @needs_ringmain
    def test_r19_a_bulk_longer_than_declared(self):
        sent = b"*2\r\n$3\r\nGET\r\n$3\r\nhcxyz\r\n" + resp("SET", "smuggled", "1")
        self.refused_somehow(sent)
        self.expect(self.client(), resp("GET", "smuggled"), b"$-1\r\n")

    def test_r20_r21_replies_and_types_of_version_3_as_requests(self):
        for sent in (b"%1\r\n", b"|1\r\n", b">2\r\n", b"_\r\n", b"#t\r\n", b"$?\r\n",
                     b"$5\r\nhallo\r\n", b":1\r\n", b"-ERR x\r\n", b"~1\r\n", b",1.5\r\n"):
            with self.subTest(sent=sent):
                self.assertTrue(self.refused_somehow(sent).startswith(b"-ERR"))

    @needs_ringmain
    def test_d17_half_a_request_and_gone(self):
        for ending in ("close", "reset", "half_close"):
            client = self.client()
            client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nhcx\r\n$100000\r\nonly a little")
            self.check_bystander()
            getattr(client, ending)()
            self.check_bystander()
        self.expect(self.client(), resp("GET", "hcx"), b"$-1\r\n")


class Lines(Hostile):
    def test_r26_inline_requests_mean_what_redis_takes_them_for(self):
        client, reference = self.client(), self.reference_client()
        for line in (rb'GET "x\x4"', rb'PING "ax\xff"', rb'PING "\n\r\t\b\a\\\""', rb"PING 'a\'b'",
                     rb"PING 'a\nb'", b"  PING   spaced  ", b"SET in line", b"GET in", b"MGET in no",
                     b"\tPING\tx", b'SET "" empty', b'GET ""', b"set a ''", b"get a", b"nosuch a b",
                     b"GET", b"EXISTS a a in", b"PING \xff\xfe", b"ECHO *1", b"ECHO $4",
                     b"DEL a in"):
            with self.subTest(line=line):
                self.expect_as_redis(client, reference, line + b"\r\n")
                self.expect_as_redis(client, reference, line + b"\n")

    def test_r27_unbalanced_quotes(self):
        for line in (b'set """k""" v', b'GET "abc\\', b'GET "abc', b"GET 'abc", b'GET "a"b',
                     b"GET 'a'b"):
            with self.subTest(line=line):
                self.refused(line + b"\r\n", PROTOCOL + "unbalanced quotes in request\r\n")

    def test_r28_an_endless_line(self):
        client = self.client()
        client.send(b"A" * (66 * 1024))
        self.same(client.read_until_closed(timeout=10),
                  (PROTOCOL + "too big inline request\r\n").encode(), b"A" * 66 * 1024)

    @needs_ringmain
    def test_r28_sixteen_mebibytes_without_an_end(self):
        before = self.proxy.resident_bytes()
        client = self.client()
        with contextlib.suppress(ConnectionError):
            for _ in range(256):
                client.send(b"A" * 65536)
        got = client.read_until_closed(timeout=10)
        self.assertTrue(got == b"" or got.startswith(PROTOCOL.encode()), brief(got))
        self.assertLess(self.proxy.resident_bytes() - before, 4 << 20)

    def test_r22_r23_r24_odd_command_names(self):
        client, reference = self.client(), self.reference_client()
        for words in ([b""], [b"", b"a"], [b"PI\r\nNG"], [b"X\r\n+OK\r\n"], [b"\0"], [b"A" * 64],
                      [b"B" * 128, b"a"], [b"C" * 65536], [b"D" * (1 << 20)], [b"E" * 127, b"a"],
                      [b"F\r\nG", b"a\r\nb", b"c" * 200]):
            with self.subTest(words=brief(words[0])):
                sent = resp(*words)
                self.expect_as_redis(client, reference, sent + resp("PING"), 2)

    def test_r25_line_ends_in_arguments_that_errors_repeat(self):
        client, reference = self.client(), self.reference_client()
        for words in (["INCRBY", "k", "1\r\n+OK"], ["NOSUCH", "k", "\r\n:1\r\n"],
                      ["CLIENT", "NO\r\nSUCH"], ["OBJECT", "NO\r\n", "k"]):
            self.expect_as_redis(client, reference, resp(*words) + resp("PING"), 2)

    def test_r42_unknown_and_misused_commands_keep_the_connection(self):
        client, reference = self.client(), self.reference_client()
        for words in (["FOOBAR", "a", "b"], ["GET"], ["GET", "a", "b"], ["MSET", "a", "b", "c"],
                      ["PING", "x", "y", "z"], ["SET", "a"], ["DEL"], ["EVAL", "return 1"]):
            self.expect_as_redis(client, reference, resp(*words) + resp("GET", "none"), 2)

    def test_r43_ping_with_argument_and_quit(self):
        client = self.client()
        self.expect(client, resp("PING", "hello"), b"$5\r\nhello\r\n")
        self.expect_close(client, resp("PING") + resp("QUIT"), b"+PONG\r\n+OK\r\n")


class Streams(Hostile):
    def test_r30_a_value_that_looks_like_requests(self):
        value = resp("SET", "decoy", "1") + b"FLUSHALL\r\n" + resp("FLUSHALL") + b"+OK\r\n$-1\r\n"
        sent = resp("SET", "lookalike", value)
        cuts = [place for place in range(len(sent)) if sent[place:place + 1] in b"\r\n"]
        for cut in cuts:
            client = self.client()
            client.send_in_pieces([sent[:cut], sent[cut:]], 0.002)
            self.same(client.read(), b"+OK\r\n", sent)
            self.expect(client, resp("GET", "lookalike"), bulk(value))
            client.close()
        self.expect(self.client(), resp("GET", "decoy"), b"$-1\r\n")

    def test_r31_nothing_behind_a_protocol_error_runs(self):
        for bad in (b"*1\r\n$zz\r\n", b"*zz\r\n", b"*1\r\n:1\r\n", b'GET "x\r\n'):
            client = self.client()
            with contextlib.suppress(ConnectionError):
                client.send(bad + resp("SET", "smuggled", "1") + b"SET smuggled 1\r\n")
            got = client.read_until_closed(timeout=10)
            self.assertEqual(got.count(b"\r\n"), 1, brief(got))
            self.assertTrue(got.startswith(PROTOCOL.encode()), brief(got))
            self.expect(self.client(), resp("GET", "smuggled"), b"$-1\r\n")

    def test_r32_replies_from_before_a_protocol_error_arrive(self):
        keys = [f"good{number}" for number in range(20)]
        sent = b"".join(resp("SET", key, key) for key in keys) + b"*1\r\n$zz\r\n"
        self.expect_close(self.client(), sent, b"+OK\r\n" * 20 + BAD_BULK.encode())
        sent = b"".join(resp("GET", key) for key in keys) + b"*zz\r\n"
        self.expect_close(self.client(), sent, b"".join(bulk(key) for key in keys)
                          + BAD_COUNT.encode())

    @needs_ringmain
    def test_r32_replies_from_before_a_refusal_arrive(self):
        client = self.client()
        self.expect(client, resp("SET", "a", "1") + resp("GET", "a") + resp("MONITOR")[:-2],
                    b"+OK\r\n$1\r\n1\r\n")
        client.send(b"\r\n" + resp("GET", "a"))
        self.assertTrue(client.read().startswith(b"-ERR ringmain: "))
        self.same(client.read(), b"$1\r\n1\r\n")

    STREAM = (resp("SET", "cut", "v\r\n$1\r\n") + resp("GET", "cut") + b"PING inline\r\n"
              + resp("MSET", "ca", "1", "cb", "2", "cc", "3") + resp("MGET", "ca", "cb", "cc", "no")
              + resp("NOSUCH", "a") + resp("DEL", "ca", "cb", "cc", "cut") + b"*0\r\n"
              + resp("ECHO", "end"))
    ANSWER = (b"+OK\r\n$7\r\nv\r\n$1\r\n\r\n$6\r\ninline\r\n+OK\r\n"
              b"*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n"
              b"-ERR unknown command 'NOSUCH', with args beginning with: 'a' \r\n:4\r\n"
              b"$3\r\nend\r\n")

    def test_r33_cut_at_every_byte(self):
        for cut in range(1, len(self.STREAM)):
            with self.proxy.client() as client:
                client.send(self.STREAM[:cut])
                time.sleep(0.001)
                self.expect(client, self.STREAM[cut:], self.ANSWER)

    def test_r33_byte_by_byte(self):
        client = self.client()
        client.send_in_pieces([bytes([byte]) for byte in self.STREAM], 0.0005)
        self.same(client.read_exactly(len(self.ANSWER)), self.ANSWER, self.STREAM)

    def test_r33_random_pieces(self):
        source = seeded_random("test_resp_hard")
        client = self.client()
        for _ in range(20):
            sent, start, pieces = self.STREAM * 5, 0, []
            while start < len(sent):
                end = start + source.choice([1, 2, 3, 7, 20, 100, 400])
                pieces.append(sent[start:end])
                start = end
            client.send_in_pieces(pieces, 0.0002)
            self.same(client.read_exactly(len(self.ANSWER) * 5), self.ANSWER * 5, sent)

    def test_r40_ten_thousand_increments_in_one_write(self):
        client = self.client()
        sent = resp("INCR", "counter") * 10_000
        wanted = b"".join(b":%d\r\n" % number for number in range(1, 10_001))
        self.same(client.exchange(sent, len(wanted)), wanted, sent)

    def test_r41_duplicates(self):
        client = self.client()
        letters = list("abcdefgh")
        client.call("MSET", *[word for letter in letters * 2 for word in (letter, "1")])
        self.expect(client, resp("DEL", *letters, *letters), b":8\r\n")
        self.expect(client, resp("MSET", "a", "1", "b", "2", "a", "3"), b"+OK\r\n")
        self.expect(client, resp("GET", "a"), b"$1\r\n3\r\n")


class Sizes(Hostile):
    pool_options = {"stream_threshold": 0}  # connections for large values: test_large_values

    def test_r35_long_keys_work_or_are_refused(self):
        client = self.client()
        for size in (1, 100, 487, 488, 489, 1024, 4095, 4096, 16335, 16336, 16384, 65535, 65536,
                     200_000):
            key = b"k" * size
            reply = client.call("SET", key, size, timeout=10)
            if size <= 1024:
                self.same(reply, b"+OK\r\n", resp("SET", brief(key), size))
            if reply == b"+OK\r\n":
                self.expect(client, resp("GET", key), bulk(size))
            else:
                self.assertTrue(reply.startswith(b"-ERR"), brief(reply))
                self.working(client)

    def test_r36_a_hundred_thousand_arguments(self):
        client = self.client()
        sent = resp("RPUSH", "long", *["v"] * 100_000)
        self.expect(client, sent, b":100000\r\n")
        self.assertEqual(client.value("LRANGE", "long", "0", "-1"), [b"v"] * 100_000)
        self.assertEqual(client.value("MGET", *[f"m{number}" for number in range(20_000)]),
                         [None] * 20_000)

    def test_r37_nulls_and_nests(self):
        client, reference = self.client(), self.reference_client()
        nest = "local t = {1} for i = 1, 30 do t = {t, 'x'} end return t"
        for words in (["LPOP", "k", "2"], ["GEOPOS", "k", "m"], ["EVAL", nest, "1", "k"],
                      ["EVAL", "return {1, redis.error_reply('OH no'), {}}", "1", "k"],
                      ["EVAL", "return {}", "1", "k"], ["EVAL", "return ''", "1", "k"],
                      ["XREAD", "STREAMS", "k", "0"]):
            self.expect_as_redis(client, reference, resp(*words) + resp("GET", "none"), 2)

    def test_r39_counts_of_keys(self):
        client, reference = self.client(), self.reference_client()
        for count in ("-1", "abc", "4294967297", "2", "0", "1", "", "01", "+1", " 1",
                      "18446744073709551617", "9223372036854775807"):
            for name in ("EVAL", "EVAL_RO"):
                with self.subTest(count=count):
                    self.expect_as_redis(client, reference, resp(name, "return #KEYS", count, "k")
                                         + resp("PING"), 2)


class Unauthenticated(RedisCase):
    """X16: before AUTH a client may not make the proxy work."""

    pool_options = {"redis_auth": "secret"}
    server_options = ("--requirepass", "secret")
    reference_options = ("--requirepass", "secret")

    def setUp(self):
        pass

    def test_counts_and_lengths_are_limited(self):
        for sent, error in ((b"*11\r\n$3\r\nDEL\r\n", "unauthenticated multibulk length"),
                            (b"*1000000\r\n", "unauthenticated multibulk length"),
                            (b"*2\r\n$3\r\nGET\r\n$16385\r\n", "unauthenticated bulk length")):
            with self.subTest(sent=sent):
                self.expect_close(self.client(), sent, (PROTOCOL + error + "\r\n").encode())

    def test_what_is_within_the_limits_gets_noauth(self):
        client = self.client()
        self.expect(client, resp("DEL", *"abcdefghi") + resp("GET", "x" * 16384),
                    b"-NOAUTH Authentication required.\r\n" * 2)
        self.expect(client, resp("AUTH", "secret"), b"+OK\r\n")
        self.expect(client, resp("DEL", *"abcdefghijkl") + resp("GET", "x" * 20000),
                    b":0\r\n$-1\r\n")

    @needs_ringmain
    def test_a_flood_that_nobody_reads_is_bounded(self):
        before = self.proxy.resident_bytes()
        client = self.client()
        client.socket.settimeout(1)
        sent = resp("GET", "a") * 1000
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(1000):
                client.socket.sendall(sent)
        self.assertLess(self.proxy.resident_bytes() - before, 24 << 20)
        with self.proxy.client() as other:
            self.expect(other, resp("AUTH", "secret"), b"+OK\r\n")


@needs_ringmain
class Neighbours(Hostile):
    """What one client does to its own connection is nothing to another (D02, D08 to D16)."""

    def test_d08_select(self):
        first, second = self.client(), self.client()
        first.call("SELECT", "9")
        first.call("SET", "selected", "1")
        self.expect(second, resp("GET", "selected"), b"$-1\r\n")
        self.expect(first, resp("GET", "selected"), b"$1\r\n1\r\n")
        self.before = self.accepted_by_servers()  # those of the database

    def test_d09_multi_is_never_left_open(self):
        for _ in range(20):
            with self.proxy.client() as client:
                client.send(resp("MULTI") + resp("SET", self.watched[0], "safe"))
                client.read()
            self.check_bystander()

    def test_d10_watch_is_not_answered_ok_without_meaning_it(self):
        client = self.client()
        self.expect(client, resp("WATCH", "a"), b"+OK\r\n")
        self.expect(self.bystander, resp("SET", "a", "1"), b"+OK\r\n")
        self.expect(client, resp("MULTI") + resp("SET", "a", "2") + resp("EXEC"),
                    b"+OK\r\n+QUEUED\r\n*-1\r\n")
        self.before = self.accepted_by_servers()  # that of the client

    def test_d12_client_reply_off_silences_nobody(self):
        client = self.client()
        for mode in ("OFF", "SKIP"):
            client.send(resp("CLIENT", "REPLY", mode))
            self.check_bystander()
            client.read_available(0.1)
        client.close()

    def test_d13_version_and_password_are_the_clients_own(self):
        other = self.client()
        other.call("HELLO", "3")
        other.call("AUTH", "wrong")
        self.expect(self.bystander, resp("GET", "none"), b"$-1\r\n")
        other.call("RESET")
        self.expect(self.bystander, resp("GET", "none"), b"$-1\r\n")

    def test_d15_blocking_commands_hold_nobody_up(self):
        client = self.client()
        for words in (["BLPOP", self.watched[0] + "l", "2"], ["WAIT", "1", "800"],
                      ["XREAD", "BLOCK", "2000", "STREAMS", self.watched[0] + "x", "$"],
                      ["BZPOPMIN", self.watched[0] + "z", "2"]):
            client.send(resp(*words))
            began = time.monotonic()
            self.check_bystander()
            self.assertLess(time.monotonic() - began, 0.4, words)
            client.read(timeout=10)
        self.before = self.accepted_by_servers()  # that of the client

    def test_d02_clients_that_vanish_leave_no_reply_behind(self):
        for number in range(60):
            client = self.client()
            client.send(b"".join(resp("GET", f"tag:{number}:{index}") for index in range(64))
                        + resp("ECHO", "x" * 1000))
            client.reset()
            if number % 10 == 0:
                self.check_bystander()

    def test_r01_r32_again_and_again_beside_a_working_client(self):
        """What closed a shared connection of others 97 times of 100."""
        pills = (b"*02\r\n$3\r\nGET\r\n$1\r\nx\r\n", b"*2\r\n$3\r\nGET\r\n$01\r\nx\r\n",
                 b"*4294967298\r\n$3\r\nGET\r\n$1\r\nx\r\n",
                 b"*2\r\n$3\r\nGET\r\n$4294967297\r\nx\r\n")
        pipeline = b"".join(resp("GET", key) for key in self.watched) * 10
        wanted = bulk("safe") * 10 * len(self.watched)
        for number in range(100):
            with self.proxy.client() as client:
                client.send(pills[number % 4])
                self.expect(self.bystander, pipeline, wanted)


class CrossProtocol(Hostile):
    """X01, X02: other protocols that speak to the port by accident or malice."""

    def test_x01_http_never_runs_its_body(self):
        for head in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"Host: x\r\n",
                     b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", b"POST /\r\n", b"post x\r\n"):
            for body in (resp("SET", "smuggled", "1"), b"SET smuggled 1\r\n"):
                client = self.client()
                with contextlib.suppress(ConnectionError):
                    client.send(head + body)
                got = client.read_until_closed(timeout=10)
                self.assertNotIn(b"+OK", got)
                self.expect(self.client(), resp("GET", "smuggled"), b"$-1\r\n")

    def test_x02_others_get_an_error_or_a_close(self):
        hello = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))
        for sent in (hello, b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
                     b"\x80\x0b" + bytes(22), b"SSH-2.0-x\r\n", b"\xff" * 300 + b"\r\n"):
            client = self.client()
            with contextlib.suppress(ConnectionError):
                client.send(sent)
                client.half_close()
            got = client.read_until_closed(timeout=10)
            for line in got.split(b"\r\n")[:-1]:
                self.assertTrue(line.startswith((b"-", b"+OK")), (brief(sent), brief(got)))

    def test_x03_half_closed_clients_get_every_reply(self):
        for _ in range(20):
            client = self.client()
            sent = b"".join(resp("SET", f"h{number}", "v") + resp("GET", f"h{number}")
                            for number in range(200))
            client.send(sent)
            client.half_close()
            self.same(client.read_until_closed(timeout=10), b"+OK\r\n$1\r\nv\r\n" * 200, sent)
            client.close()

    def test_x04_an_unfinished_request_at_the_end_is_not_run(self):
        sent = resp("SET", "unfinished", "1")
        for cut in range(1, len(sent)):
            client = self.client()
            client.send(sent[:cut])
            client.half_close()
            self.same(client.read_until_closed(timeout=10), b"", sent[:cut])
            client.close()
        self.expect(self.client(), resp("GET", "unfinished"), b"$-1\r\n")

    def test_x07_slow_clients_are_served_all(self):
        clients = [self.client() for _ in range(200)]
        for byte in b"PING\r\n":
            for client in clients:
                client.send(bytes([byte]))
            time.sleep(0.02)
        for client in clients:
            self.same(client.read(), b"+PONG\r\n")
            client.close()

    def test_x10_urgent_data(self):
        client = self.client()
        client.socket.send(b"\x01", 1)  # MSG_OOB
        client.send(resp("PING"))
        self.assertIn(b"\r\n", client.read_line())
        client.close()


class SlowReaders(Hostile):
    pool_options = {"timeout": "60s", "stream_threshold": 0}

    @needs_ringmain
    def test_x05_a_slow_reader_holds_up_itself_alone(self):
        value = b"s" * (1 << 20)
        self.bystander.call("SET", "slow", value)
        before = self.proxy.resident_bytes()
        client = self.client(receive_buffer=65536)
        client.send(resp("GET", "slow") * 64)
        self.check_bystander()  # behind 64 MiB that come on the same server connection
        worst = 0
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            began = time.monotonic()
            self.check_bystander()
            worst = max(worst, time.monotonic() - began)
        self.assertLess(worst, 1.0)
        # What was asked for before the first reply is held once, and nothing more.
        self.assertLess(self.proxy.resident_bytes() - before, 72 << 20)
        for _ in range(64):
            self.assertEqual(client.read_exactly(len(value) + 12), bulk(value))

    @needs_ringmain
    def test_x06_memory_of_slow_readers_that_vanish_is_given_back(self):
        self.bystander.call("SET", "slow", b"s" * (1 << 20))
        before = self.proxy.resident_bytes()
        for _ in range(12):
            client = self.client(receive_buffer=65536)
            client.send(resp("GET", "slow") * 64)
            client.read_exactly(100_000)
            client.reset()
        wait_for(lambda: self.proxy.resident_bytes() - before < 8 << 20,
                 "memory of clients that left is given back", 10)

    @needs_ringmain
    def test_x11_a_pipeline_that_nobody_reads_ends_in_back_pressure(self):
        value = b"p" * 1024
        self.bystander.call("SET", "piped", value)
        before = self.proxy.resident_bytes()
        client = self.client(receive_buffer=65536)
        sent = resp("GET", "piped") * 10_000
        client.socket.settimeout(0.5)
        offset = 0
        with contextlib.suppress(TimeoutError):
            while offset < len(sent):
                offset += client.socket.send(sent[offset:offset + 65536])
        self.check_bystander()
        self.assertLess(self.proxy.resident_bytes() - before, 24 << 20)
        reply = bulk(value)
        self.same(client.exchange(sent[offset:], len(reply) * 10_000), reply * 10_000, sent)


if __name__ == "__main__":
    main()
