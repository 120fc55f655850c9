"""Servers and proxies of the lab: started on free ports, pinned, watched, and ended by pid."""
import contextlib
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import cases

START_TIMEOUT = 20.0
STOP_TIMEOUT = 20.0


class LabError(Exception):
    """Something died, stalled, or answered wrongly; the text says what."""


def raise_descriptor_limit():
    """As many as this user may have, for us and for all that is started from here."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def cpu_list(text):
    """Of "0,2-4" the numbers 0, 2, 3 and 4."""
    ends = [part.split("-") for part in text.strip().split(",") if part]
    return {cpu for end in ends for cpu in range(int(end[0]), int(end[-1]) + 1)}


def core_of(cpu):
    """The CPUs that share a core with this one, itself included."""
    try:
        path = f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        return cpu_list(pathlib.Path(path).read_text()) | {cpu}
    except (OSError, ValueError):
        return {cpu}


def cpus_beside(proxy_cpu, core=None):
    """For servers and load: not on the proxy's core, which its other threads would slow down. Where
    there is no other core those threads, and where there is one CPU that."""
    ours = os.sched_getaffinity(0)
    core = core_of(proxy_cpu) if core is None else core
    found = sorted(ours - core) or sorted(ours - {proxy_cpu}) or [proxy_cpu]
    return ",".join(map(str, found))


class Port:
    """A free port of the loopback interface, kept from others by a socket that never listens."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.number = self.socket.getsockname()[1]

    def release(self):
        self.socket.close()


class Process:
    """A child on the given CPUs with a log of its own. It dies with this process at the latest."""

    def __init__(self, name, cpus, folder, command, environment=None):
        self.name = name
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with tempfile.NamedTemporaryFile(prefix=f"{name}-", suffix=".log", dir=folder,
                                         delete=False) as log:
            self.log_path = pathlib.Path(log.name)
            self.child = subprocess.Popen(
                [str(word) for word in ["taskset", "-c", cpus, *guard, *command]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                env={**os.environ, **(environment or {})}, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def require_alive(self):
        if self.child.poll() is not None:
            tail = self.log_path.read_bytes()[-2000:].decode("utf-8", "replace")
            raise LabError(f"{self.name} ended with status {self.child.returncode}: {tail}")

    def wait_until_accepting(self, port):
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            self.require_alive()
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} does not accept on port {port}")
            time.sleep(0.01)

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(STOP_TIMEOUT)
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(STOP_TIMEOUT)


class Servers:
    """`count` redis-servers or memcacheds. load() puts the same keys on every one of them."""

    def __init__(self, protocol, count, cpus, folder, loadgen):
        self.protocol, self.count, self.loadgen = protocol, count, loadgen
        self.held = [Port() for _ in range(count)]
        self.ports = [port.number for port in self.held]
        self.loaded = None
        self.processes = []
        try:
            for port in self.ports:
                self.processes.append(Process(f"{protocol}-server", cpus, folder,
                                              self.command(port, folder)))
            for process, port in zip(self.processes, self.ports):
                process.wait_until_accepting(port)
        except BaseException:
            self.stop()
            raise

    def command(self, port, folder):
        if self.protocol == "redis":
            return ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                    "--appendonly", "no", "--dir", folder, "--loglevel", "warning",
                    "--maxclients", "15000"]
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        return ["memcached", "-l", "127.0.0.1", "-p", port, "-U", "0", "-t", "1", "-m", "512",
                "-I", "4m", "-c", "15000", *user]

    def load(self, size, keys):
        if self.loaded == (size, keys):
            return
        for port in self.ports:
            command = [self.loadgen, "--ports", port, "--protocol", self.protocol, "--verb", "set",
                       "--clients", 1, "--pipeline", min(16, keys), "--size", size, "--keys", keys,
                       "--requests", keys]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                                  timeout=120)
            if done.returncode != 0:
                raise LabError(f"cannot load a {self.protocol} server: {done.stderr.strip()}")
        self.loaded = (size, keys)

    def require_alive(self):
        for process in self.processes:
            process.require_alive()

    def stop(self):
        for process in self.processes:
            process.child.send_signal(signal.SIGKILL)  # nothing to save
        for process in self.processes:
            process.child.wait(STOP_TIMEOUT)
        for port in self.held:
            port.release()


def ringmain_config(port, protocol, servers, options):
    lines = ["[proxy]", "workers = 1", *options, "[pool.lab]", f'listen = "127.0.0.1:{port}"',
             f'protocol = "{protocol}"', "timeout = 0", "client_connections = 0",
             "servers = ["]
    lines += [f'  "127.0.0.1:{server}:1 s{i}",' for i, server in enumerate(servers)]
    return "\n".join([*lines, "]", ""])


def nutcracker_config(port, protocol, servers):
    lines = ["lab:", f"  listen: 127.0.0.1:{port}", "  hash: fnv1a_64", "  distribution: ketama",
             "  preconnect: true", "  backlog: 4096",
             f"  redis: {'true' if protocol == 'redis' else 'false'}", "  servers:"]
    return "\n".join([*lines, *(f"    - 127.0.0.1:{server}:1 s{i}"
                                for i, server in enumerate(servers)), ""])


def haproxy_config(port, servers):
    connections = (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100) // 2
    lines = ["global", "  nbthread 1", f"  maxconn {connections}", "defaults", "  mode tcp",
             f"  maxconn {connections}", "  timeout connect 5s", "  timeout client 60s",
             "  timeout server 60s", "listen lab", f"  bind 127.0.0.1:{port} backlog 4096",
             "  balance roundrobin"]
    lines += [f"  server s{i} 127.0.0.1:{server}" for i, server in enumerate(servers)]
    return "\n".join([*lines, ""])


class Proxy:
    """One proxy before the given servers. Direct has no process: clients take servers in turn."""

    def __init__(self, name, process, ports, held):
        self.name, self.process, self.ports, self.held = name, process, ports, held

    def stop(self):
        if self.process:
            self.process.stop()
        for port in self.held:
            port.release()


class Rig:
    """Knows how to start each proxy; `builds` maps a ringmain's name to its build folder."""

    def __init__(self, builds, proxy_cpu, load_cpus):
        self.builds = {name: pathlib.Path(build).resolve() for name, build in builds.items()}
        self.proxy_cpu, self.load_cpus = proxy_cpu, load_cpus
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ringmain-lab."))
        self.folder.chmod(0o755)  # memcached gives up root
        self.loadgen = self.builds["ringmain"] / "perf" / "loadgen"
        self.servers = None

    def servers_for(self, case):
        wanted = (case.protocol, case.servers)
        if self.servers and (self.servers.protocol, self.servers.count) != wanted:
            self.servers.stop()
            self.servers = None
        if not self.servers:
            self.servers = Servers(*wanted, self.load_cpus, self.folder, self.loadgen)
        self.servers.load(case.size, case.keys)
        return self.servers

    def binary(self, name):
        return self.builds.get(name, self.builds["ringmain"]) / "src" / "ringmain"

    def start(self, name, case):
        servers = self.servers_for(case)
        if name == "direct":
            return Proxy(name, None, servers.ports, [])
        port, statistics = Port(), Port()
        command, environment = self.command(name, case, port.number, statistics.number)
        process = Process(name, self.proxy_cpu, self.folder, command, environment)
        proxy = Proxy(name, process, [port.number], [port, statistics])
        try:
            process.wait_until_accepting(port.number)
        except BaseException:
            proxy.stop()
            raise
        return proxy

    def command(self, name, case, port, statistics):
        servers = self.servers.ports
        path = self.folder / f"{name}.conf"
        if name.startswith("nutcracker"):
            size = cases.mbuf_size(name)
            path.write_text(nutcracker_config(port, case.protocol, servers))
            # -v 4: at its default verbosity it formats a log line per request.
            return ["nutcracker", "-c", path, "-v", "4", "-s", statistics, "-a", "127.0.0.1",
                    *(["-m", size] if size else [])], {}
        if name == "haproxy":
            path.write_text(haproxy_config(port, servers))
            return ["haproxy", "-db", "-f", path], {}
        if name.startswith("forwarder"):
            forwarder = self.builds["ringmain"] / "perf" / "forwarder"
            sizes = case.wire_sizes() if name == "forwarder-shared" else ()
            return [forwarder, port, ",".join(map(str, servers)), *sizes], {}
        options, ignored = [], cases.ignored_features(name)
        if name == "ringmain-epoll":
            options = ['io_backend = "epoll"']
        elif ignored:  # not the epoll that would take the place of a ring that does not work so
            options = ['io_backend = "io_uring"']
        path.write_text(ringmain_config(port, case.protocol, servers, options))
        return ([self.binary(name), "-c", path],
                {"RINGMAIN_IGNORE_FEATURES": ignored} if ignored else {})

    def stop(self):
        if self.servers:
            self.servers.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
