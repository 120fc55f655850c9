"""Pops over several servers in a storm: clients that pop in every way and leave at random, servers
that are killed, started again and stopped for a moment.

Servers write what they do before they answer (appendfsync always), so a killed one has lost nothing
and gives nothing twice. Then no element comes twice, and one is missing only where a client asked the
server that had it and got an error of that server or was gone: that answer was on its way.

    RINGMAIN_TEST_SECONDS=120 RINGMAIN=build/src/ringmain /usr/bin/python3 \\
        tests/integration/test_pops_storm.py
"""
import collections
import os
import random
import re
import signal
import threading
import time

from harness import Case, RedisServer, Ringmain, key_on, main, needs_ringmain, seeded_random, wait_for
from wire import ErrorReply, decode, resp

SECONDS = float(os.environ.get("RINGMAIN_TEST_SECONDS") or 15)
SERVERS = 3
COUNT = 3  # elements of one pop at most
POPS = {
    "list": (["LMPOP", "#", "LEFT"], ["LMPOP", "#", "RIGHT", "COUNT", COUNT], ["BLPOP", "0.3"],
             ["BRPOP", "0.7"], ["BLMPOP", "0.4", "#", "LEFT", "COUNT", COUNT]),
    "zset": (["ZMPOP", "#", "MIN"], ["ZMPOP", "#", "MAX", "COUNT", COUNT], ["BZPOPMIN", "0.3"],
             ["BZPOPMAX", "0.7"], ["BZMPOP", "0.4", "#", "MIN", "COUNT", COUNT]),
}


def words_of(pop, keys):
    if "#" not in pop:
        return [pop[0], *keys, *pop[1:]]
    at = pop.index("#")
    return [*pop[:at], len(keys), *keys, *pop[at + 1:]]


def elements_of(words, answer):
    if "MPOP" not in words[0]:
        return [answer[1]]
    return answer[1] if words[0].endswith("LMPOP") else [member for member, _ in answer[1]]


@needs_ringmain
class Storm(Case):
    def setUp(self):
        options = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        self.servers = [self.use(RedisServer(options)) for _ in range(SERVERS)]
        self.proxy = self.use(Ringmain({"alpha": {
            "servers": self.servers, "timeout": "300ms", "hash_tag": None}}))
        self.keys = {kind: [key_on(number % SERVERS, SERVERS, f"{kind}{number}")
                            for number in range(2 * SERVERS)] for kind in POPS}
        self.home = {key: number % SERVERS for keys in self.keys.values()
                     for number, key in enumerate(keys)}
        self.chance = seeded_random("test_pops_storm")
        self.base = self.chance.random()
        self.lock = threading.Lock()
        self.pushed = {}       # element -> its server; the server said so
        self.doubtful = set()  # pushed, and the answer was an error
        self.got = collections.Counter()
        self.may_lose = collections.Counter()  # by server: elements that were on their way
        self.texts = collections.Counter()
        self.problems = []
        self.ends = threading.Event()
        self.numbers = iter(range(10 ** 9))

    # --- clients

    def guarded(self, work, seed):
        def run():
            try:
                work(seed)
            except Exception as error:  # pylint: disable=broad-except
                self.problems.append(repr(error))
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def produce(self, seed):
        chance = random.Random(f"{self.base} producer {seed}")
        with self.proxy.client() as client:
            while not self.ends.is_set():
                kind = chance.choice(list(POPS))
                key = chance.choice(self.keys[kind])
                with self.lock:
                    element = f"{kind}-{next(self.numbers)}"
                words = ["RPUSH", key, element] if kind == "list" else ["ZADD", key, 1, element]
                answer = client.value(*words, timeout=10)
                with self.lock:
                    if isinstance(answer, ErrorReply):
                        self.doubtful.add(element)
                    else:
                        self.pushed[element] = self.home[key]
                time.sleep(chance.random() * 0.004)

    def consume(self, seed):
        chance = random.Random(f"{self.base} consumer {seed}")
        with self.proxy.client() as client:
            while not self.ends.is_set():
                words = self.pop(chance)
                answer = client.value(*words, timeout=20)
                self.note(words, answer)

    def leave_and_come(self, seed):
        """It pops once and is gone in the middle, politely or not; what is on its way has nobody."""
        chance = random.Random(f"{self.base} leaver {seed}")
        while not self.ends.is_set():
            words = self.pop(chance)
            client = self.proxy.client()
            client.send(resp(*words))
            time.sleep(chance.random() * 0.25)
            raw = client.read_available(0.001)
            if raw:
                self.note(words, decode(raw))
            else:
                with self.lock:
                    self.may_lose[None] += COUNT
            client.reset() if chance.random() < 0.5 else client.close()
            time.sleep(0.02)

    def pop(self, chance):
        kind = chance.choice(list(POPS))
        keys = chance.sample(self.keys[kind], chance.randint(2, len(self.keys[kind])))
        return words_of(chance.choice(POPS[kind]), keys)

    def note(self, words, answer):
        with self.lock:
            if isinstance(answer, ErrorReply):
                named = re.search(r"server s(\d) \(.*?\) (.*)", answer)
                if named is None:
                    if not answer.startswith("LOADING"):
                        self.problems.append(f"{words}: {answer}")
                    return
                self.texts[re.sub(r"\d+ ms", "N ms", named.group(2))] += 1
                # One that takes no connection, or nothing any more, has popped nothing.
                if not re.search("^refused|^has answered nothing", named.group(2)):
                    self.may_lose[int(named.group(1))] += COUNT
            elif answer is not None:
                self.got.update(element.decode() for element in elements_of(words, answer))

    # --- servers

    def harm(self, until):
        """All but the first, one at a time."""
        while time.monotonic() < until:
            server = self.servers[self.chance.randrange(1, SERVERS)]
            if self.chance.random() < 0.6:
                server.kill()
                time.sleep(self.chance.random() * 0.5)
                server.start()
            else:
                os.kill(server.pid, signal.SIGSTOP)
                time.sleep(self.chance.random())
                os.kill(server.pid, signal.SIGCONT)
            time.sleep(self.chance.random() * 0.8)

    # --- what must hold

    def run_storm(self, consumers, leavers, harm):
        threads = [self.guarded(self.produce, seed) for seed in range(3)]
        threads += [self.guarded(self.consume, seed) for seed in range(consumers)]
        threads += [self.guarded(self.leave_and_come, seed) for seed in range(leavers)]
        try:
            harm(time.monotonic() + SECONDS)
        finally:
            self.ends.set()
            for thread in threads:
                thread.join(30)
        self.assertFalse(any(thread.is_alive() for thread in threads), "a client hangs")
        self.assertEqual(self.problems, [])
        wait_for(lambda: all(server.info("clients", "blocked_clients") == "0"
                             for server in self.servers), "nobody waits any more")
        left = set()
        for key, home in self.home.items():
            read = ["LRANGE", key, 0, -1] if key.startswith("list") else ["ZRANGE", key, 0, -1]
            left.update(element.decode() for element in self.servers[home].call(*read))
        doubled = [element for element, count in self.got.items() if count > 1]
        self.assertEqual(doubled, [])
        self.assertEqual([element for element in left if element in self.got], [])
        self.assertEqual([element for element in self.got
                          if element not in self.pushed and element not in self.doubtful], [])
        missing = collections.Counter(server for element, server in self.pushed.items()
                                      if element not in self.got and element not in left)
        print(f"{len(self.pushed)} pushed, {len(self.got)} popped, {len(left)} left; missing "
              f"{dict(missing)} of at most {dict(self.may_lose)}; {dict(self.texts)}")
        # How many there are is how fast this machine is at the moment; most of them come through.
        self.assertGreater(len(self.pushed), 10 * SECONDS)
        self.assertGreater(len(self.got), len(self.pushed) // 2)
        return missing

    def test_servers_die_and_stand_still(self):
        missing = self.run_storm(12, 0, self.harm)
        self.assertEqual(missing[0], 0, "a server that nobody harmed")
        for server in range(SERVERS):
            self.assertLessEqual(missing[server], self.may_lose[server])
        self.assertGreater(sum(self.texts.values()), 0)

    def test_clients_leave(self):
        missing = self.run_storm(6, 8, lambda until: time.sleep(until - time.monotonic()))
        self.assertEqual(self.texts, {})
        self.assertLess(sum(missing.values()), self.may_lose[None] / 4)


if __name__ == "__main__":
    main()
