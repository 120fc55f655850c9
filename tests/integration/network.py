"""A network between two namespaces whose one cable loses, delays or drops packets as a test says.

The cable is two TUN devices, one in each namespace, and a process that carries packets from one to
the other: it needs root and /dev/net/tun, and nothing of the kernel's traffic control, which many
kernels lack. `why_not()` says what is missing, for skipping.
"""
import contextlib
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time

NEAR_ADDRESS, FAR_ADDRESS = "10.77.1.1", "10.77.1.2"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def why_not():
    """None where namespaces and TUN devices can be had, otherwise what stands in the way."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    if not shutil.which("ip"):
        return "needs ip (Debian package iproute2)"
    try:
        os.close(open_tun(f"rmprobe{os.getpid() % 10000}"))
        name = f"ringmain-probe-{os.getpid()}"
        ip("netns", "add", name)
        ip("netns", "del", name)
    except OSError as error:
        return f"no namespaces or TUN devices here: {error}"
    return None


def open_tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        request = struct.pack("16sH22s", name.encode(), IFF_TUN | IFF_NO_PI, b"")
        fcntl.ioctl(device, TUNSETIFF, request)
    except OSError:
        os.close(device)
        raise
    return device


class Network:
    """Namespaces `near` (for ringmain) and `far` (for a server), and the cable between them."""

    def __init__(self):
        tag = f"{os.getpid() % 100000}-{random.randrange(1000)}"
        self.near, self.far = f"ringmain-{tag}-near", f"ringmain-{tag}-far"
        self.folder = tempfile.mkdtemp(prefix="ringmain-test-network-")
        self.made = []
        self.carrier = None
        self.devices = []
        try:
            self.make(tag)
        except BaseException:
            self.stop()
            raise

    def make(self, tag):
        for side, name, address in (("n", self.near, NEAR_ADDRESS), ("f", self.far, FAR_ADDRESS)):
            ip("netns", "add", name)
            self.made.append(name)
            device = f"rm{side}{tag}"[:15]
            self.devices.append(open_tun(device))
            ip("link", "set", device, "netns", name)
            ip("-n", name, "link", "set", device, "name", "cable")
            ip("-n", name, "addr", "add", f"{address}/30", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "link", "set", "lo", "up")
        self.carrier = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), *map(str, self.devices)],
            stdin=subprocess.PIPE, pass_fds=self.devices, start_new_session=True)

    def cable(self, delay=0.0, loss=0.0):
        """From now on: seconds in each direction, and the share of packets that get lost."""
        self.carrier.stdin.write(f"{delay} {loss}\n".encode())
        self.carrier.stdin.flush()

    def cut(self):
        """Packets vanish, and nobody is told."""
        self.cable(loss=1.0)

    def mend(self):
        self.cable()

    def link(self, state):
        """Takes ringmain's end `down` or `up`: it has no route then, and knows."""
        ip("-n", self.near, "link", "set", "cable", state)

    @staticmethod
    def inside(name):
        return ["ip", "netns", "exec", name]

    def stop(self):
        if self.carrier is not None:
            self.carrier.stdin.close()  # it ends with its input
            self.carrier.wait(10)
        for device in self.devices:
            os.close(device)
        for name in self.made:
            with contextlib.suppress(OSError):
                ip("netns", "del", name)
        shutil.rmtree(self.folder, ignore_errors=True)


def carry(devices):
    """The process between: packets from one device to the other, late or never."""
    chance = random.Random(1)
    delay, loss = 0.0, 0.0
    queue, number = [], 0  # (due, number, device, packet)
    commands = b""
    while True:
        wait = max(0.0, queue[0][0] - time.monotonic()) if queue else None
        ready = select.select([0, *devices], [], [], wait)[0]
        if 0 in ready:
            data = os.read(0, 4096)
            if not data:
                return
            commands += data
            *lines, commands = commands.split(b"\n")
            if lines:
                delay, loss = map(float, lines[-1].split())
        for device in devices:
            if device not in ready:
                continue
            other = devices[1 - devices.index(device)]
            for _ in range(64):
                try:
                    packet = os.read(device, 65536)
                except OSError:
                    break
                if loss > 0 and chance.random() < loss:
                    continue
                number += 1
                heapq.heappush(queue, (time.monotonic() + delay, number, other, packet))
        while queue and queue[0][0] <= time.monotonic():
            with contextlib.suppress(OSError):  # a device that is down takes nothing
                os.write(queue[0][2], queue[0][3])
            heapq.heappop(queue)


if __name__ == "__main__":
    carry([int(word) for word in sys.argv[1:]])
