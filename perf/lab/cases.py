"""The workloads of the lab, which proxy can do which, and the targets."""
import dataclasses
import resource

SIZES = [16, 64, 1024, 4 << 10, 16 << 10, 100 << 10, 1 << 20]
PIPELINES = [1, 16, 32, 100]
UNDER_WAY_MAX = 64 << 20  # bytes of values: with large ones there are fewer clients
KEYS_BYTES_MAX = 32 << 20

# What is compared, in the order of tables and plots.
AGAIN = "ringmain-again"  # once more the same: its ratio is what no difference looks like
KERNELS = {f"ringmain-{kernel}": kernel for kernel in ("6.1", "6.0", "5.19")}
MBUFS = "nutcracker-m"  # and the size of its buffers, which is 16 KiB where it is not told
SMALL_MBUFS = MBUFS + "512"
PROXIES = ["ringmain", AGAIN, "other", *KERNELS, "ringmain-epoll", "nutcracker", SMALL_MBUFS,
           "haproxy", "forwarder-shared", "forwarder-own", "direct"]
WITHOUT = "ringmain-without-"  # and features of the ring with + between
# What 6.0 lacks 5.19 lacks, too; and 6.1 has all that is used.
ON_REQUEST = ["ringmain-6.1", "ringmain-6.0"]
FULL_PROXIES = [name for name in PROXIES if name not in ON_REQUEST]
QUICK_PROXIES = ["ringmain", "ringmain-epoll", "nutcracker", SMALL_MBUFS, "haproxy",
                 "forwarder-shared"]
SYSCALLS = "the count of system calls"  # where it is missing
SHARED_SIZE_MAX = 4096  # it copies: for larger values it is no floor


def size_text(size):
    for unit, text in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {text}"
    return f"{size} B"


@dataclasses.dataclass(frozen=True)
class Case:
    protocol: str
    verb: str
    size: int = 64
    pipeline: int = 1
    clients: int = 50
    keys_per_request: int = 1
    servers: int = 3
    fixed_rate: bool = False  # half of what nutcracker does at most

    @property
    def name(self):
        keys = f" {self.keys_per_request} keys" if self.verb in ("mget", "mset") else ""
        text = (f"{self.protocol} {self.verb}{keys} {size_text(self.size)} P{self.pipeline} "
                f"c{self.clients} s{self.servers}")
        return text + (" fixed rate" if self.fixed_rate else "")

    @property
    def family(self):
        """Cases that are drawn side by side."""
        if self.fixed_rate:
            return f"{self.protocol} fixed rate"
        if self.verb in ("mget", "mset"):
            return f"{self.protocol} {self.verb}"
        if self.clients >= 1000 or self.clients == 1 and self.size == 64:
            return f"{self.protocol} clients P{self.pipeline}"
        large = " large" if self.size > 4096 else ""
        return f"{self.protocol} P{self.pipeline}{large}"

    @property
    def keys(self):
        fits = max(min(KEYS_BYTES_MAX // self.size, 10000), 16)
        return max(fits, self.keys_per_request)

    def wire_sizes(self):
        """Bytes of a request and of its answer; keys have 14."""
        digits = len(str(self.size))
        if self.protocol == "redis":
            get = len("*2\r\n$3\r\nGET\r\n$14\r\n") + 14 + 2
            bulk = 1 + digits + 2 + self.size + 2
            return (get, bulk) if self.verb == "get" else (get + bulk, len("+OK\r\n"))
        if self.verb == "get":
            return 4 + 14 + 2, len("VALUE  0 \r\n\r\nEND\r\n") + 14 + digits + self.size
        return len("set  0 0 \r\n\r\n") + 14 + digits + self.size, len("STORED\r\n")

    def load_arguments(self):
        return ["--protocol", self.protocol, "--verb", self.verb, "--clients", self.clients,
                "--pipeline", self.pipeline, "--size", self.size, "--keys", self.keys,
                "--keys-per-request", self.keys_per_request]


def sized(protocol, verb, size, pipeline):
    clients = max(min(50, UNDER_WAY_MAX // (size * pipeline)), 1)
    return Case(protocol, verb, size, pipeline, clients)


def full():
    for protocol in ("redis", "memcached"):
        for pipeline in PIPELINES:
            for size in SIZES:
                for verb in ("get", "set"):
                    yield sized(protocol, verb, size, pipeline)
        for clients, pipeline in ((1, 1), (1, 16), (1000, 1), (1000, 16), (10000, 1)):
            yield Case(protocol, "get", 64, pipeline, clients)
        for pipeline in (1, 16):
            yield Case(protocol, "mixed", 64, pipeline)
        for verb, size in (("get", 64), ("set", 64), ("get", 16 << 10)):
            yield Case(protocol, verb, size, fixed_rate=True)
        for servers in (1, 4, 16, 100):
            for keys in (10, 100):
                for verb in ("mget", "mset") if protocol == "redis" else ("mget",):
                    yield Case(protocol, verb, keys_per_request=keys, servers=servers)


# What the README shows: a table each with its title, figure, unit, digits and cases.
SUMMARY = [
    ("CPU us per request", "cpu_us", 1, 2,
     ["redis get 64 B P1 c50 s3", "redis get 64 B P16 c50 s3", "redis get 64 B P100 c50 s3",
      "redis set 64 B P16 c50 s3", "redis get 64 B P16 c1000 s3", "redis get 16 KiB P16 c50 s3",
      "redis mget 100 keys 64 B P1 c50 s4", "memcached get 64 B P1 c50 s3",
      "memcached get 64 B P16 c50 s3", "memcached set 64 B P100 c50 s3",
      "memcached get 64 B P1 c10000 s3"]),
    ("thousand requests per second", "rate", 1e3, 0,
     ["redis get 64 B P1 c50 s3", "redis get 64 B P32 c50 s3", "redis set 64 B P32 c50 s3",
      "memcached get 64 B P1 c50 s3", "memcached get 64 B P32 c50 s3"]),
    ("p99 us at half of nutcracker's most", "p99_us", 1, 0,
     ["redis get 64 B P1 c50 s3 fixed rate", "redis set 64 B P1 c50 s3 fixed rate",
      "memcached get 64 B P1 c50 s3 fixed rate"]),
    ("peak MiB", "peak_kib", 1024, 1,
     ["redis get 64 B P1 c50 s3", "redis get 64 B P16 c1000 s3",
      "memcached get 64 B P1 c10000 s3"]),
]


def quick():
    """The cases of the targets and of the README."""
    names = {target.case.name for target in targets()}
    names.update(name for *_, wanted in SUMMARY for name in wanted)
    return (case for case in full() if case.name in names)


def ignored_features(proxy):
    """What this ringmain is told to take as missing (RINGMAIN_IGNORE_FEATURES)."""
    if proxy.startswith(WITHOUT):
        return proxy.removeprefix(WITHOUT).replace("+", ",")
    return KERNELS.get(proxy, "")


def mbuf_size(proxy):
    """What nutcracker is told with -m; an empty text: nothing."""
    size = proxy.removeprefix(MBUFS) if proxy.startswith(MBUFS) else ""
    return size if size.isdigit() else ""


def why_not(proxy, case):
    """Why a proxy has no part in a case; an empty text: it has."""
    if case.verb in ("mget", "mset") and not proxy.startswith(("ringmain", "other", "nutcracker")):
        return "does not split requests"
    if proxy == "forwarder-shared" and case.verb not in ("get", "set"):
        return "needs requests of one size"
    if proxy == "forwarder-shared" and case.size > SHARED_SIZE_MAX:
        return "copies: no floor for large values"
    return want_of_descriptors(proxy, case)


def want_of_descriptors(proxy, case):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    sides = 2 if proxy in ("haproxy", "forwarder-own") else 1
    needed = sides * case.clients + 500
    return f"needs {needed} descriptors, the limit is {limit}" if needed > limit else ""


@dataclasses.dataclass(frozen=True)
class Target:
    work: str
    case: Case
    figure: str  # of the raw data
    at_most: float
    against: str = ""  # a proxy: the median of ratios counts; none: the median of the figure
    unit: str = ""


def targets():
    def get_set(protocol, pipeline):
        return [Case(protocol, verb, 64, pipeline) for verb in ("get", "set")]

    for protocol, limits in (("redis", {1: 0.65, 32: 0.20, 100: 0.12}),
                             ("memcached", {1: 0.65, 32: 0.30})):
        for pipeline, limit in limits.items():
            for case in get_set(protocol, pipeline):
                yield Target("CPU", case, "cpu_us", limit, "nutcracker")
                yield Target("CPU", case, "cpu_us", 1.25, "forwarder-shared")
                if protocol == "redis" and pipeline == 1:
                    yield Target("CPU", case, "cpu_us", 0.50, "haproxy")
                if pipeline < 100:
                    yield Target("CPU", case, "cpu_us", 0.90, "ringmain-epoll")
    for protocol in ("redis", "memcached"):
        yield Target("CPU", Case(protocol, "get", 64, 100), "cpu_us", 0.90, "ringmain-epoll")
    many = Case("redis", "get", 64, 16, 1000)
    yield Target("CPU", many, "cpu_us", 0.12, "nutcracker")
    yield Target("peak memory", many, "peak_kib", 0.10, "nutcracker")
    yield Target("CPU", many, "cpu_us", 1.25, "forwarder-shared")
    yield Target("CPU", many, "cpu_us", 0.90, "ringmain-epoll")
    yield Target("CPU", Case("redis", "mget", keys_per_request=100, servers=4), "cpu_us", 0.25,
                 "nutcracker")
    for size in (16 << 10, 100 << 10):
        yield Target("CPU", Case("redis", "get", size), "cpu_us", 0.60, "nutcracker")
    for case in get_set("redis", 32):
        yield Target("user-space CPU", case, "user_us", 0.25, unit="us")
        yield Target("CPU", case, "cpu_us", 0.5, unit="us")
        # 1.5 times the 790 k/s of the fastest peer, on one core.
        yield Target("CPU for 1.185 M requests per second on one core", case, "cpu_us", 0.844,
                     unit="us")
    for case in get_set("redis", 1):
        yield Target("CPU", case, "cpu_us", 6.5, unit="us")
    for protocol in ("redis", "memcached"):
        for case in get_set(protocol, 1):
            yield Target("system calls per request", case, "syscalls", 0.2)
    for case in full():
        if case.fixed_rate:
            yield Target("p99 at half of nutcracker's most", case, "p99_us", 1.0, "nutcracker")


def out_of_reach(chosen, proxies):
    """What is missing for a target since this user may have too few descriptors, and why."""
    return {f"{target.case.name} of {name}": why
            for target in targets() if target.case in chosen
            for name in ("ringmain", target.against)
            if name in proxies and (why := want_of_descriptors(name, target.case))}
