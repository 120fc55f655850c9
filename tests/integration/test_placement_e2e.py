"""Keys lie where `ringmain locate` says and where twemproxy would have put them."""
import shutil
import unittest

from harness import (Case, MemcachedServer, POOL_DEFAULTS, Port, Process, RedisServer, Ringmain,
                     main, needs_ringmain, place, seeded_random)
from wire import MemcachedClient, RespClient, decode, resp

HASHES = ["one_at_a_time", "md5", "crc16", "crc32", "crc32a", "fnv1_64", "fnv1a_64", "fnv1_32",
          "fnv1a_32", "hsieh", "murmur", "jenkins"]


class Nutcracker(Process):
    """twemproxy with the same pools, for comparison."""

    def __init__(self, pools):
        super().__init__("nutcracker")
        self.ports = {name: Port() for name in pools}
        self.stats = Port()
        lines = []
        for name, options in pools.items():
            lines += [f"{name}:", f"  listen: 127.0.0.1:{self.ports[name].number}",
                      f"  hash: {options['hash']}", f"  distribution: {options['distribution']}",
                      f"  redis: {str(options['protocol'] == 'redis').lower()}"]
            if options.get("hash_tag"):
                lines.append(f"  hash_tag: \"{options['hash_tag']}\"")
            lines += ["  servers:", *[f"   - {server}" for server in options["servers"]]]
        path = self.folder / "nutcracker.yml"
        path.write_text("\n".join(lines) + "\n")
        self.spawn(["nutcracker", "-c", path, "-v", "4", "-a", "127.0.0.1", "-s",
                    self.stats.number])
        for port in self.ports.values():
            self.wait_until_accepting(("127.0.0.1", port.number))

    def stop(self):
        self.halt()
        for port in [*self.ports.values(), self.stats]:
            port.release()
        self.remove()


def random_keys(source, count):
    keys = []
    for number in range(count):
        size = source.choice([1, 2, 3, 5, 8, 16, 30, 60, 120, 249])
        keys.append(bytes(source.choice(b"abcdefghijklmnopqrstuvwxyz0123456789:._-{}")
                          for _ in range(size)) + b"%d" % number)
    return [key[-250:] for key in keys]


@needs_ringmain
class OnRedis(Case):
    KEYS = 150

    @classmethod
    def setUpClass(cls):
        cls.servers = [cls.keep(RedisServer()) for _ in range(4)]
        lines = [f"{server.address}:{weight} {name}" for server, weight, name in zip(
            cls.servers, (1, 2, 3, 1), ("node-10", "node-2", "b", "alpha"))]
        unnamed = [f"{server.address}:1" for server in cls.servers]
        cls.pools = {}
        for distribution in ("ketama", "modula"):
            for name in HASHES:
                cls.pools[f"{distribution}-{name}"] = {
                    "protocol": "redis", "hash": name, "distribution": distribution,
                    "hash_tag": "{}" if name in ("murmur", "crc16") else None,
                    "servers": lines if name not in ("md5", "hsieh") else unnamed}
        cls.proxy = cls.keep(Ringmain(cls.pools))
        cls.by_address = {server.address: server for server in cls.servers}

    def stored(self):
        """key -> address of the server that has it."""
        found = {}
        for server in self.servers:
            for key in server.call("KEYS", "*"):
                self.assertNotIn(key, found, "one key on two servers")
                found[key] = server.address
        return found

    def write(self, pool, keys):
        with self.proxy.client(pool) as client:
            client.send(b"".join(resp("SET", key, b"by " + key) for key in keys))
            self.assertEqual(set(client.read_many(len(keys))), {b"+OK\r\n"})

    def test_keys_are_where_locate_says(self):
        source = seeded_random("test_placement_e2e")
        for pool in self.pools:
            with self.subTest(pool=pool):
                for server in self.servers:
                    server.flush()
                keys = random_keys(source, self.KEYS)
                self.write(pool, keys)
                located = {key: address for key, (_, address, _)
                           in self.proxy.locate(keys, pool).items()}
                self.assertEqual(self.stored(), located)

    @unittest.skipUnless(shutil.which("nutcracker"), "nutcracker is not installed")
    def test_twemproxy_finds_every_key_and_ringmain_finds_its(self):
        source = seeded_random("test_placement_e2e twemproxy")
        other = self.use(Nutcracker(self.pools))
        for pool in self.pools:
            with self.subTest(pool=pool):
                for server in self.servers:
                    server.flush()
                keys = random_keys(source, self.KEYS)
                self.write(pool, keys)
                with RespClient(("127.0.0.1", other.ports[pool].number)) as client:
                    client.send(b"".join(resp("GET", key) for key in keys))
                    values = [decode(reply) for reply in client.read_many(len(keys))]
                    self.assertEqual(values, [b"by " + key for key in keys])
                    theirs = [b"their" + key for key in keys]
                    client.send(b"".join(resp("SET", key, "theirs") for key in theirs))
                    client.read_many(len(keys))
                with self.proxy.client(pool) as client:
                    self.assertEqual(client.value("MGET", *theirs), [b"theirs"] * len(keys))

    def test_the_tests_own_arithmetic_agrees(self):
        """What the other tests compute for themselves is what ringmain does."""
        pool = {"alpha": {**POOL_DEFAULTS, "servers": self.servers}}
        proxy = self.use(Ringmain(pool, start=False))
        for key, (name, _, _) in proxy.locate([b"k%d" % number for number in range(200)]
                                              + [b"{tag}x", b"a{}b", b"{", b"x{y}z"]).items():
            self.assertEqual(name, f"s{place(key, 4)}", key)

    def test_new_distributions_spread_and_are_where_locate_says(self):
        for distribution in ("rendezvous", "maglev"):
            pool = {"alpha": {"hash": "xxh3", "distribution": distribution, "servers": [
                f"{server.address}:{weight} s{weight}" for weight, server
                in enumerate(self.servers, start=1)]}}
            proxy = self.use(Ringmain(pool))
            for server in self.servers:
                server.flush()
            keys = [b"spread%d" % number for number in range(1000)]
            with proxy.client() as client:
                client.value("MSET", *[word for key in keys for word in (key, "v")])
            located = {key: address for key, (_, address, _) in proxy.locate(keys).items()}
            self.assertEqual(self.stored(), located)
            for weight, server in enumerate(self.servers, start=1):
                share = list(located.values()).count(server.address)
                self.assertAlmostEqual(share / 1000, weight / 10, delta=0.06)


@needs_ringmain
class OnMemcached(Case):
    @unittest.skipUnless(shutil.which("nutcracker"), "nutcracker is not installed")
    def test_keys_are_where_locate_and_twemproxy_say(self):
        source = seeded_random("test_placement_e2e memcached")
        servers = [self.use(MemcachedServer()) for _ in range(3)]
        lines = [f"{server.address}:1 m{number}" for number, server in enumerate(servers)]
        pools = {f"{distribution}-{name}": {"protocol": "memcached", "hash": name, "hash_tag": None,
                                            "distribution": distribution, "servers": lines}
                 for distribution in ("ketama", "modula") for name in ("fnv1a_64", "md5", "crc32")}
        proxy = self.use(Ringmain(pools))
        other = self.use(Nutcracker(pools))
        by_address = {server.address: self.client_of(server) for server in servers}
        for pool in pools:
            keys = [key[-200:].replace(b"{", b"x") for key in random_keys(source, 60)]
            with proxy.client(pool) as mine, \
                    MemcachedClient(("127.0.0.1", other.ports[pool].number)) as theirs:
                for key, (_, address, _) in proxy.locate(keys, pool).items():
                    self.assertEqual(mine.store(key, pool), b"STORED\r\n")
                    self.assertEqual(theirs.get(key), pool.encode(), (pool, key))
                    self.assertEqual(by_address[address].get(key), pool.encode(), (pool, key))


if __name__ == "__main__":
    main()
