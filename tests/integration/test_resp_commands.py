"""Every command of redis 7.0, valid and with wrong arity: ringmain in front of three servers must
answer byte for byte what one plain server answers."""
import command_cases
from harness import FOLDER, PLAIN, RedisCase, main, needs_ringmain
from wire import brief, decode, resp


def table():
    """name -> (arity, flags, is container); subcommands as "object|encoding"."""
    rows = {}
    for line in (FOLDER / "data" / "redis-7.0-commands.tsv").read_text().splitlines():
        if not line.startswith("#"):
            name, arity, flags, container, _ = line.split("\t")
            rows[name] = (int(arity), set(flags.split(",")), container != "-")
    return rows


def ordered(value):
    if isinstance(value, list):
        return sorted((ordered(item) for item in value), key=repr)
    return value


class Comparison(RedisCase):
    def compare(self, mark, arguments, client, reference):
        sent = resp(*arguments)
        wanted = reference.call(*arguments)
        got = client.call(*arguments, timeout=10)
        if mark == "~":
            self.assertEqual(ordered(decode(got)), ordered(decode(wanted)), arguments)
        elif mark == "?":
            self.assertEqual(got[:1], wanted[:1], (arguments, got, wanted))
        else:
            self.same(got, wanted, sent)

    def run_groups(self, version):
        client, reference = self.client(), self.reference_client()
        for connection in (client, reference):
            connection.call("HELLO", version)
        for group in command_cases.GROUPS:
            for mark, arguments in command_cases.steps(group):
                with self.subTest(group=group, arguments=arguments, version=version):
                    self.compare(mark, arguments, client, reference)
        self.working(client)

    def test_valid_uses_in_version_2(self):
        self.run_groups(2)

    def test_valid_uses_in_version_3(self):
        self.run_groups(3)

    def test_valid_uses_written_in_one_pipeline(self):
        """The same, but nobody waits for a reply: order and framing must hold by themselves."""
        client, reference = self.client(), self.reference_client()
        sequence = [step for group in command_cases.GROUPS for step in command_cases.steps(group)]
        for connection in (client, reference):
            connection.send(b"".join(resp(*arguments) for _, arguments in sequence))
        for (mark, arguments), got, wanted in zip(sequence, client.read_many(len(sequence)),
                                                  reference.read_many(len(sequence))):
            if mark:
                self.assertEqual(got[:1], wanted[:1], (arguments, brief(got), brief(wanted)))
            else:
                with self.subTest(arguments=arguments):
                    self.same(got, wanted, resp(*arguments))

    def test_restore_of_what_dump_gave(self):
        client = self.client()
        for number, words in enumerate((["SET", "v"], ["RPUSH", "1", "2"], ["HSET", "f", "v"])):
            source, target = f"{{d{number}}}a", f"{{d{number}}}b"
            client.call(words[0], source, *words[1:])
            image = client.value("DUMP", source)
            self.expect(client, resp("RESTORE", target, "0", image), b"+OK\r\n")
            self.assertEqual(client.value("DUMP", target), image)
            self.expect_error(client, resp("RESTORE", target, "0", image), "BUSYKEY")

    def test_the_keys_of_each_group_lie_on_the_server_of_their_tag(self):
        client = self.client()
        for group in command_cases.GROUPS:
            key = f"{{{group}}}placed"
            client.call("SET", key, group)
            self.assertEqual(self.server_of(key).call("GET", key), group.encode()) if not PLAIN \
                else None

    def test_every_command_of_the_table_is_compared_or_has_a_reason(self):
        reasons = set().union(*command_cases.NOT_COMPARED.values())
        names = {name for name in table() if "|" not in name}
        self.assertEqual(sorted(names - command_cases.covered() - reasons), [])
        self.assertEqual(sorted((command_cases.covered() | reasons) - names), [])
        self.assertEqual(sorted(command_cases.covered() & reasons), [])


class Arity(RedisCase):
    # A request of exactly this name and too few or too many words is not an error of arity.
    SERVED = command_cases.covered() | command_cases.NOT_COMPARED[
        "answered by ringmain (test_resp_basic)"] - {"quit"} | command_cases.NOT_COMPARED[
            "asked of every server (test_gather)"]

    def wrong(self, name, arity):
        words = name.split("|")
        if abs(arity) > len(words):
            yield words + ["x"] * (abs(arity) - 1 - len(words))
        if arity > 0:
            yield words + ["x"] * (arity + 1 - len(words))

    def check(self, client, reference, names):
        for name in names:
            arity, _, container = table()[name]
            for words in self.wrong(name, arity):
                if container and len(words) > 1:
                    continue
                with self.subTest(words=words):
                    wanted = reference.call(*words)
                    self.assertIn(b"wrong number of arguments", wanted)
                    self.same(client.call(*words, timeout=10), wanted, resp(*words))

    def test_of_commands_that_are_served(self):
        client, reference = self.client(), self.reference_client()
        for version in (2, 3):
            client.call("HELLO", version)
            reference.call("HELLO", version)
            self.check(client, reference, [name for name in table() if name in self.SERVED])
        self.working(client)

    def test_of_subcommands_that_are_served(self):
        client, reference = self.client(), self.reference_client()
        names = [name for name in table() if name.partition("|")[0] in ("object", "xgroup", "xinfo")
                 and "|" in name]
        names += ["script|exists", "script|load", "function|delete", "function|restore",
                  "slowlog|len", "slowlog|reset", "latency|latest", "memory|purge"]
        names += ["memory|usage", "client|setname", "client|getname", "client|id", "client|info",
                  "command|count", "command|getkeys"]
        self.check(client, reference, names)
        self.working(client)

    @needs_ringmain
    def test_of_commands_that_are_refused_is_an_error_too(self):
        client = self.client()
        for name, (arity, _, _) in table().items():
            messages = name in command_cases.NOT_COMPARED["messages (test_pubsub)"]
            if messages or name in ("quit", "multi", "unwatch", "watch"):  # take any such words
                continue
            if name not in self.SERVED and "|" not in name:
                for words in [*self.wrong(name, arity), [name] + ["x"] * max(0, abs(arity) - 1)]:
                    with self.subTest(words=words):
                        reply = client.call(*words, timeout=10)
                        if name == "lolwut":  # may as well be served
                            continue
                        self.assertTrue(reply.startswith(b"-"), (words, brief(reply)))
        self.working(client)
        self.assertTrue(all(server.alive() for server in self.servers))

    def test_letter_case_does_not_matter(self):
        client, reference = self.client(), self.reference_client()
        for words in (["sEt", "a", "b"], ["gEt", "a"], ["mGeT", "a", "b"], ["DeL", "a"],
                      ["oBjEcT", "eNcOdInG", "a"], ["Get"], ["cLiEnT", "gEtNaMe"]):
            self.expect_as_redis(client, reference, resp(*words))


class AboutClientsAndUsers(RedisCase):
    """What is said without a server, as redis says it of itself."""

    FIELDS = ("flags", "db", "sub", "psub", "ssub", "multi", "qbuf", "user", "redir", "resp", "cmd")

    def both(self, version):
        pair = self.client(), self.reference_client()
        for one in pair:
            one.call("HELLO", version)
        return pair

    def test_users_categories_and_tracking(self):
        for version in (2, 3):
            client, reference = self.both(version)
            for words in (["ACL", "WHOAMI"], ["ACL", "CAT"], ["ACL", "CAT", "nonsense"],
                          ["ACL", "CAT", "read", "write"], ["ACL", "WHOAMI", "x"],
                          ["CLIENT", "GETREDIR"], ["CLIENT", "TRACKINGINFO"]):
                with self.subTest(words=words, version=version):
                    self.expect_as_redis(client, reference, resp(*words))
            for category in decode(client.call("ACL", "CAT")):
                self.assertEqual(ordered(client.value("ACL", "CAT", category)),
                                 ordered(reference.value("ACL", "CAT", category)), category)

    def test_lists_of_clients(self):
        for version in (2, 3):
            client, reference = self.both(version)
            for words in (["CLIENT", "LIST", "TYPE", "x"], ["CLIENT", "LIST", "ID"],
                          ["CLIENT", "LIST", "ID", "x"], ["CLIENT", "LIST", "x"],
                          ["CLIENT", "LIST", "TYPE"], ["CLIENT", "LIST", "TYPE", "replica"]):
                with self.subTest(words=words, version=version):
                    self.expect_as_redis(client, reference, resp(*words))
            listeners = [self.client(), self.reference_client()]
            for listener in listeners:
                listener.call("SUBSCRIBE", "news")
            for words in (["CLIENT", "INFO"], ["CLIENT", "LIST"], ["CLIENT", "LIST", "TYPE",
                                                                   "pubsub"]):
                with self.subTest(words=words, version=version):
                    got, wanted = [self.told(one, words) for one in (client, reference)]
                    self.assertEqual(got, wanted)
            for listener in listeners:
                listener.close()

    def told(self, client, words):
        """The lines of subscribers and of the client itself, without what differs by nature."""
        own = str(client.value("CLIENT", "ID"))
        text = client.value(*words)
        text = (text.decode() if isinstance(text, bytes) else str(text)).removeprefix("txt:")
        lines = []
        for line in text.splitlines():
            fields = dict(field.split("=", 1) for field in line.split())
            if fields["id"] == own:
                lines.append([fields[name] for name in self.FIELDS])
            elif fields["sub"] == "1":
                lines.append([fields[name] for name in self.FIELDS
                              if name not in ("cmd", "qbuf")])
        return sorted(lines)


class UnknownCommands(RedisCase):
    def test_pass_to_the_server_of_their_first_argument(self):
        client, reference = self.client(), self.reference_client()
        for words in (["HPEXPIRE", "h", "100", "FIELDS", "1", "f"], ["JSON.SET", "doc", "$", "1"],
                      ["NOSUCH", "a", "b\r\nc"], ["nosuch", b"\x00\xff"]):
            self.expect_as_redis(client, reference, resp(*words))
        self.working(client)


@needs_ringmain
class UnknownCommandsRefused(RedisCase):
    pool_options = {"unknown_commands": "refuse"}

    def test_are_refused_here(self):
        client = self.client()
        before = [int(server.info("stats", "total_commands_processed")) for server in self.servers]
        for words in (["JSON.SET", "doc", "$", "1"], ["NOSUCH", "a"]):
            self.expect_error(client, resp(*words), "ERR", words[0])
        after = [int(server.info("stats", "total_commands_processed")) for server in self.servers]
        self.assertEqual([now - then for now, then in zip(after, before)], [1, 1, 1])
        self.working(client)


if __name__ == "__main__":
    main()
