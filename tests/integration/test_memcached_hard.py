"""Bad input on the memcached port: memcached's own words, nothing runs that was data.

The numbers M01 ... name the cases of the project's bank of hard cases.
"""
import contextlib
import time

from harness import MemcachedCase, PLAIN, main, needs_ringmain, wait_for
from wire import Closed, brief

BAD_LINE = b"CLIENT_ERROR bad command line format\r\n"
BAD_CHUNK = b"CLIENT_ERROR bad data chunk\r\n"
BAD_DELTA = b"CLIENT_ERROR invalid numeric delta argument\r\n"
BAD_TIME = b"CLIENT_ERROR invalid exptime argument\r\n"
TOO_LARGE = b"SERVER_ERROR object too large for cache\r\n"


class Hostile(MemcachedCase):
    def setUp(self):
        super().setUp()
        self.bystander = self.client()
        self.watched = [self.key(server, "watched") for server in range(self.server_count)]
        for key in self.watched:
            self.bystander.store(key, "safe")
        self.opened = self.opened_by_servers()

    def tearDown(self):
        self.check_bystander()
        if not PLAIN:
            self.assertEqual(self.opened_by_servers(), self.opened,
                             "ringmain had to connect to its servers again")
        super().tearDown()

    def opened_by_servers(self):
        opened = [int(server.statistic("total_connections")) for server in self.servers]
        self.asked = getattr(self, "asked", 0) + 1
        return [count - self.asked for count in opened]

    def check_bystander(self):
        for key in self.watched:
            self.assertEqual(self.bystander.get(key), b"safe")
        self.expect(self.bystander, b"get nothing-here\r\n", b"END\r\n")

    def answers(self, sent, *allowed):
        """One of the allowed replies, then the connection goes on."""
        client = self.client()
        client.send(b"set first 0 0 1\r\n1\r\n")
        if PLAIN:  # memcached itself drops the replies of a pipeline at some errors
            wait_for(lambda: self.bystander.get("first"), "the first request is done")
        client.send(sent + b"mn\r\n")
        got = b""
        while not got.endswith(b"MN\r\n"):
            got += client.read_line(timeout=10)
        if got not in [b"STORED\r\n" + wanted + b"MN\r\n" for wanted in allowed]:
            self.fail(f"\n    sent {brief(sent)}\nexpected one of "
                      f"{' | '.join(map(brief, allowed))}\n     got {brief(got[8:-4])}")
        self.check_bystander()
        client.close()

    def ends(self, sent, *starts):
        """Earlier replies, then one of the given errors or nothing, then the end."""
        client = self.client()
        with contextlib.suppress(ConnectionError):
            client.send(b"get first\r\n" + sent)
        got = client.read_until_closed(timeout=10)
        self.assertTrue(got.startswith(b"END\r\n") and got[5:].startswith(starts),
                        (brief(sent), brief(got)))
        self.check_bystander()


class Lines(Hostile):
    def test_m01_line_feeds_end_lines(self):
        version = self.bystander.call(b"version")
        self.answers(b"get a\nversion\r\n", b"END\r\n" + version, BAD_LINE, BAD_LINE + version)
        self.answers(b"delete a\nversion\r\n", b"NOT_FOUND\r\n" + version, BAD_LINE,
                     BAD_LINE + version)
        self.answers(b"get a b\nversion\r\n", b"END\r\n" + version, BAD_LINE, BAD_LINE + version)
        self.answers(b"set a 0 0 1\nx\r\nget a\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")

    def test_m01_the_line_behind_a_line_feed_is_the_clients_own(self):
        """flush_all behind a key is one more request of this client, answered as one."""
        client = self.client()
        client.send(b"get a\nmn\r\nmn\r\n")
        self.same(client.read_exactly(13), b"END\r\nMN\r\nMN\r\n")

    def test_m07_keys_of_251_bytes(self):
        long = b"k" * 251
        self.answers(b"get " + long + b"\r\n", BAD_LINE)
        self.answers(b"get a " + long + b" b\r\n", BAD_LINE, b"CLIENT_ERROR bad command line format\r\n")
        self.answers(b"delete " + long + b"\r\n", BAD_LINE)
        self.answers(b"incr " + long + b" 1\r\n", BAD_LINE)
        self.answers(b"touch " + long + b" 1\r\n", BAD_LINE)
        self.answers(b"set " + long + b" 0 0 2\r\nhi\r\n", BAD_LINE, BAD_LINE + b"ERROR\r\n")
        self.answers(b"set " + b"k" * 250 + b" 0 0 2\r\nhi\r\n", b"STORED\r\n")
        self.answers(b"get " + b"k" * 250 + b"\r\n", b"VALUE " + b"k" * 250 + b" 0 2\r\nhi\r\nEND\r\n")

    @needs_ringmain
    def test_m08_control_characters_in_keys(self):
        for byte in (0, 1, 9, 11, 13, 31, 127):
            key = b"a%bb" % bytes([byte])
            with self.subTest(key=key):
                client = self.client()
                client.send(b"get %b\r\nmn\r\n" % key)
                got = client.read_line()
                self.assertTrue(got.startswith((b"CLIENT_ERROR", b"END")), got)
                self.same(client.read_line(), b"MN\r\n")
                client.send(b"set %b 0 0 1\r\nx\r\nmn\r\n" % key)
                while (line := client.read_line()) != b"MN\r\n":
                    self.assertTrue(line.startswith((b"CLIENT_ERROR", b"ERROR", b"STORED")), line)
                client.close()
                self.check_bystander()

    def test_m08_all_but_ends_of_lines_are_parts_of_keys(self):
        for byte in (1, 9, 11, 12, 27, 31, 127, 128, 255):
            key = b"p%bq" % bytes([byte])
            with self.subTest(key=key):
                self.answers(b"set %b 0 0 1\r\nx\r\n" % key, b"STORED\r\n")
                self.answers(b"get first %b first\r\n" % key,
                             b"VALUE first 0 1\r\n1\r\nVALUE %b 0 1\r\nx\r\n"
                             b"VALUE first 0 1\r\n1\r\nEND\r\n" % key)
                self.answers(b"mg %b k v\r\n" % key, b"VA 1 k%b\r\nx\r\n" % key)
                self.answers(b"delete %b\r\n" % key, b"DELETED\r\n")

    @needs_ringmain
    def test_m08_in_a_get_of_400_keys(self):
        keys = [b"key%d" % number for number in range(400)]
        for place in (0, 200, 399):
            bad = keys[:place] + [b"a\x00b"] + keys[place:]
            client = self.client()
            client.send(b"get " + b" ".join(bad) + b"\r\nmn\r\n")
            self.assertTrue(client.read_line().startswith((b"CLIENT_ERROR", b"END")))
            self.same(client.read_line(), b"MN\r\n")

    def test_m13_m14_nothing_and_nonsense(self):
        for sent in (b"get\r\n", b"get    \r\n", b"\r\n", b"foo bar\r\n", b"   \r\n", b"gets\r\n",
                     b"GET a\r\n", b"delete\r\n", b"incr\r\n", b"touch\r\n",
                     b"foo\r\n", b"getx a\r\n", b"\xff\xfe\r\n", b"mx a\r\n",
                     b"incr a\r\n"):
            with self.subTest(sent=sent):
                self.answers(sent, b"ERROR\r\n")

    @needs_ringmain
    def test_no_value_runs_of_a_key_that_is_empty_or_has_a_blank_or_a_line_feed(self):
        value = b"\r\nset victim 0 0 5\r\nowned\r\n"
        for key in (b"", b"1 2", b"a 1", b"a 0", b"a b", b"a 1 2", b"a\nb", b"a\r\nb"):
            for form in (b"set %s 0 0 %d", b"add %s 0 0 %d noreply", b"cas %s 0 0 %d 7",
                         b"cas %s 0 0 %d 0 noreply", b"ms %s %d", b"ms %s %d T0 c"):
                with self.subTest(key=key, form=form):
                    self.bystander.store("victim", "safe")
                    client = self.client()
                    client.send(form % (key, len(value)) + b"\r\n" + value + b"\r\n")
                    self.assertIn(b"the data of this line", client.read_until_closed(timeout=10))
                    self.assertEqual(self.bystander.get("victim"), b"safe")

    def test_m22_blanks(self):
        self.answers(b" get first\r\n", b"VALUE first 0 1\r\n1\r\nEND\r\n")
        self.answers(b"get  first \r\n", b"VALUE first 0 1\r\n1\r\nEND\r\n")
        self.answers(b"set k  0  0  1 \r\n9\r\n", b"STORED\r\n")
        self.answers(b"get" + b" " * 500 + b"first\r\n", b"VALUE first 0 1\r\n1\r\nEND\r\n")

    def test_m23_a_line_without_end(self):
        client = self.client()
        with contextlib.suppress(ConnectionError):
            for _ in range(256):
                client.send(b"a" * 65536)
        got = client.read_until_closed(timeout=10)
        self.assertTrue(got in (b"", b"ERROR\r\n") or got.startswith(b"CLIENT_ERROR"), brief(got))

    @needs_ringmain
    def test_m23_costs_no_memory(self):
        def flood(start):
            client = self.client()
            with contextlib.suppress(ConnectionError):
                client.send(start)
                for _ in range(128):
                    client.send(b"a" * 65536)
            client.read_until_closed(timeout=10)
        flood(b"get ")  # which may double the receive buffers that a worker begins with
        before = self.proxy.resident_bytes()
        for start in (b"a", b"get ", b"set "):
            flood(start)
        self.assertLess(self.proxy.resident_bytes() - before, 4 << 20)

    def test_m24_http(self):
        for head in (b"GET / HTTP/1.0\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"):
            client = self.client()
            with contextlib.suppress(ConnectionError):
                client.send(head + b"set smuggled 0 0 1\r\n1\r\nquit\r\n")
            got = client.read_until_closed(timeout=10)
            self.assertNotIn(b"STORED", got)
        self.assertIsNone(self.bystander.get("smuggled"))

    @needs_ringmain
    def test_m25_the_binary_protocol_ends(self):
        client = self.client()
        with contextlib.suppress(ConnectionError):
            client.send(b"\x80\x0b" + bytes(22))
            client.half_close()
        got = client.read_until_closed(timeout=10)
        self.assertTrue(got == b"" or got.startswith((b"ERROR", b"CLIENT_ERROR", b"\x81",
                                                      b"SERVER_ERROR")), brief(got))

    def test_m27_other_commands_keep_the_connection(self):
        for sent in (b"slabs\r\n", b"lru\r\n", b"lru_crawler\r\n", b"cache_memlimit\r\n",
                     b"shutdown\r\n", b"slabs reassign 1 2\r\n"):
            client = self.client()
            client.send(sent + b"mn\r\n")
            line = client.read_line()
            self.assertTrue(line.startswith((b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR", b"BUSY",
                                             b"BADCLASS", b"UNSAFE", b"NOSPARE")), (sent, line))
            self.same(client.read_line(), b"MN\r\n")
            client.close()


class Numbers(Hostile):
    def rejected(self, line, data=b"version"):
        """The error once; the data block is swallowed or is a request of this client's own."""
        version = self.bystander.call(b"version")
        self.answers(line + b"\r\n" + data + b"\r\n", *(error + rest for error in (
            BAD_LINE, TOO_LARGE, BAD_CHUNK) for rest in (b"", b"ERROR\r\n", version)))

    def test_m02_m10_lengths_beyond_the_range(self):
        for length in (b"18446744073709551623", b"9" * 400, b"-1", b"-7", b"abc", b"4x",
                       b"99999999999999999999"):
            with self.subTest(length=length):
                if PLAIN:
                    self.rejected(b"set k 0 0 " + length)
                else:
                    self.refused_length(length)

    @needs_ringmain
    def test_m03_a_length_that_wraps_32_bits(self):
        self.refused_length(b"4294967303")

    @needs_ringmain
    def test_m10_lengths_that_no_server_takes(self):
        for length in (b"2147483647", b"2147483648", b"4294967295"):
            self.refused_length(length)

    def refused_length(self, length):
        """Refused at the header or while the block passes by: never stored, never run."""
        client = self.client()
        client.send(b"set k 0 0 " + length + b"\r\nversion\r\n")
        with contextlib.suppress(ConnectionError):
            client.half_close()
        got = client.read_until_closed(timeout=10)
        self.assertTrue(got == b"" or got.startswith((b"CLIENT_ERROR", b"SERVER_ERROR")), got)
        self.assertIsNone(self.bystander.get("k"))
        self.check_bystander()

    @needs_ringmain
    def test_a_length_that_memcached_reads_in_its_own_way(self):
        """What the server behind would store is not run as commands here."""
        stored = 0
        server = self.servers[0].client()
        self.opened[0] += 1
        for before in (b"", b"\t", b"\r\v\f", b"-", b"+", b"\0"):
            for behind in (b"", b"\t", b"\r", b"\v", b"\f", b"\0", b"\tx", b"\0x", b"x"):
                for head in (b"set k 0 0 %s\r\n", b"ms k %s\r\n", b"add k 0 0 %s noreply\r\n"):
                    with self.subTest(head=head, before=before, behind=behind):
                        stored += self.runs_no_data(server, head, before, behind)
        self.assertGreater(stored, 20)

    @staticmethod
    def read_to_barrier(client):
        """Or to the end of the connection."""
        with contextlib.suppress(Closed):
            while client.read_line() != b"MN\r\n":
                pass

    def runs_no_data(self, server, head, before, behind):
        """Of a server and of ringmain; true when the server takes the block for data."""
        data = b"set victim 0 0 5\r\nowned"
        sent = head % (before + b"%d" % len(data) + behind) + data + b"\r\nmn\r\n"
        ran = []
        for client, witness in (server, server), (self.client(), self.bystander):
            witness.store("victim", "safe")
            client.send(b"delete k noreply\r\n" + sent)
            self.read_to_barrier(client)
            ran.append(witness.get("victim") != b"safe")
        client.close()
        self.assertFalse(ran[1], (head, before, behind))
        return not ran[0]

    def test_m04_numbers_beyond_the_range(self):
        for line in (b"set k 99999999999999999999999 0 7",
                     *([b"set k 4294967296 0 7"] if not PLAIN else []), b"set k 0 99999999999999999999 7", b"set k x 0 7", b"set k 0 x 7",
                     b"set k -1 0 7", b"cas k 0 0 7 18446744073709551616", b"cas k 0 0 7 x",
                     b"add k 0 99999999999999999999999 7", b"append k 0x1 0 7"):
            with self.subTest(line=line):
                self.rejected(line)

    @needs_ringmain
    def test_m04_the_data_never_runs_on_a_server_for_somebody_else(self):
        for line in (b"set k 99999999999 0 10", b"set k 0 99999999999999999999 10 noreply",
                     b"cas k 0 0 10 99999999999999999999", b"ms k 10 Fx", b"set k 0 0 10x"):
            client = self.client()
            client.send(line + b"\r\nmg a v q  \r\nmn\r\n")
            self.read_to_barrier(client)
            self.check_bystander()

    def test_m15_a_negative_time_stores_what_is_gone_at_once(self):
        self.answers(b"set k 0 -1 1\r\n1\r\nget k\r\n", b"STORED\r\nEND\r\n")

    def test_m16_delete_with_a_time(self):
        self.answers(b"delete first 0\r\n", b"DELETED\r\n")
        self.answers(b"delete first 1\r\n",
                     b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n")

    def test_m17_deltas(self):
        self.answers(b"incr first 18446744073709551615\r\n", b"0\r\n")
        self.answers(b"decr first 100\r\n", b"0\r\n")
        for delta in (b"-1", b"abc", b"18446744073709551616", b"1x", b"0x10"):
            self.answers(b"incr first " + delta + b"\r\n", BAD_DELTA)
        self.answers(b"set t 0 0 1\r\nx\r\nincr t 1\r\n", b"STORED\r\nCLIENT_ERROR cannot increment "
                     b"or decrement non-numeric value\r\n")

    def test_times_that_are_none(self):
        for sent in (b"touch first x\r\n", b"gat x first\r\n", b"touch first 99999999999999999999\r\n"):
            self.answers(sent, BAD_TIME)

    def test_flush_all_with_a_bad_delay(self):
        self.answers(b"flush_all x\r\n", BAD_TIME)
        for key in self.watched:
            self.assertEqual(self.bystander.get(key), b"safe")


class Data(Hostile):
    def test_m11_bad_data_chunks(self):
        self.answers(b"set k 0 0 3\r\nabcdef\r\n", BAD_CHUNK + b"ERROR\r\n", BAD_CHUNK)
        self.answers(b"set k 0 0 3\r\nabc\n\n\r\n", BAD_CHUNK, BAD_CHUNK + b"ERROR\r\n",
                     BAD_CHUNK + b"ERROR\r\n" * 2)
        self.answers(b"ms k 3\r\nabcdef\r\n", BAD_CHUNK + b"ERROR\r\n", BAD_CHUNK)
        self.answers(b"get k\r\n", b"END\r\n")

    def test_too_large_for_a_server(self):
        value = b"x" * (2 << 20)
        self.answers(b"set k 0 0 %d\r\n%b\r\n" % (len(value), value), TOO_LARGE)
        self.answers(b"set k 0 0 %d noreply\r\n%b\r\n" % (len(value), value), b"")
        self.answers(b"get k\r\n", b"END\r\n")

    @needs_ringmain
    def test_m06_an_error_to_a_quiet_request_shifts_nothing(self):
        value = b"x" * (1 << 20)
        client = self.client()
        self.expect(client, b"set k 0 0 %d\r\n%b\r\n" % (len(value), value), TOO_LARGE)
        self.opened = self.opened_by_servers()  # large values have one of their own, which is kept
        for _ in range(20):
            client.send(b"set k 0 0 %d noreply\r\n%b\r\n" % (len(value), value)
                        + b"incr %b 1 noreply\r\n" % self.watched[0].encode()
                        + b"get first\r\n")
            self.same(client.read(), b"END\r\n")
            self.check_bystander()

    def test_m18_data_that_looks_like_a_reply(self):
        client = self.client()
        values = [b"\r\nEND\r\n", b"VALUE k 0 3\r\nabc", b"END", b"\r\n", b"MN\r\n", b"HD\r\n"]
        for number, value in enumerate(values):
            client.store(f"like{number}", value)
        self.expect(client, b"get " + b" ".join(b"like%d" % n for n in range(6)) + b"\r\n",
                    b"".join(b"VALUE like%d 0 %d\r\n%b\r\n" % (number, len(value), value)
                             for number, value in enumerate(values)) + b"END\r\n")

    def test_m28_m29_half_a_set_and_gone(self):
        for ending in ("reset", "close"):
            client = self.client()
            client.send(b"set half 0 0 1000\r\n0123")
            self.check_bystander()
            getattr(client, ending)()
            self.check_bystander()
        self.assertIsNone(self.bystander.get("half"))

    def test_m29_every_cut_and_the_end(self):
        sent = b"set half 0 0 4\r\n1234\r\n"
        for cut in range(1, len(sent)):
            client = self.client()
            client.send(sent[:cut])
            client.half_close()
            got = client.read_until_closed(timeout=10)
            self.same(got, b"", sent[:cut])
            client.close()
        self.assertIsNone(self.bystander.get("half"))

    STREAM = (b"set a 1 0 5\r\n\r\nEND\r\nget a b\r\nset b 0 0 1 noreply\r\n2\r\nget b a\r\n"
              b"incr b 40\r\nms m 2 T0\r\nhi\r\nmg m v k\r\nmg no v q\r\nbogus\r\ndelete a\r\n"
              b"delete b\r\nmd m\r\nmn\r\n")
    ANSWER = (b"STORED\r\nVALUE a 1 5\r\n\r\nEND\r\nEND\r\nVALUE b 0 1\r\n2\r\nVALUE a 1 5\r\n\r\nEND"
              b"\r\nEND\r\n42\r\nHD\r\nVA 2 km\r\nhi\r\nERROR\r\nDELETED\r\nDELETED\r\nHD\r\nMN\r\n")

    def test_cut_at_every_byte_and_byte_by_byte(self):
        for cut in range(1, len(self.STREAM)):
            with self.proxy.client() as client:
                client.send(self.STREAM[:cut])
                time.sleep(0.001)
                self.expect(client, self.STREAM[cut:], self.ANSWER)
        client = self.client()
        client.send_in_pieces([bytes([byte]) for byte in self.STREAM])
        self.same(client.read_exactly(len(self.ANSWER)), self.ANSWER, self.STREAM)

    def test_half_closed_clients_get_every_reply(self):
        client = self.client()
        client.send(b"set a 0 0 1\r\n1\r\nget a\r\n" * 200)
        client.half_close()
        self.same(client.read_until_closed(), b"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n" * 200)

    @needs_ringmain
    def test_clients_that_vanish_leave_no_reply_behind(self):
        for number in range(60):
            client = self.client()
            client.send(b"".join(b"get tag-%d-%d\r\n" % (number, index) for index in range(64)))
            client.reset()
            if number % 10 == 0:
                self.check_bystander()


if __name__ == "__main__":
    main()
