"""Runs a command that has no IPv6.

    without_ipv6.py --socket COMMAND ARGUMENT...     its sockets are refused, as by systemd's
                                                     RestrictAddressFamilies=AF_INET AF_UNIX
    without_ipv6.py --address COMMAND ARGUMENT...    in a network where no interface has an address
                                                     of it, as in many containers; needs root
"""
import errno
import os
import platform
import socket
import subprocess
import sys

from without_io_uring import (ALLOW, JUMP_IF_EQUAL, LOAD_NUMBER, RETURN, Instruction, install)

SOCKET = {"x86_64": 41, "aarch64": 198}.get(platform.machine())  # the call's number
FIRST_ARGUMENT = 16  # its place in what a filter sees
FAIL = 0x00050000

IN_ITS_OWN_NETWORK = """
ip link set lo up
for name in all lo; do echo 1 > /proc/sys/net/ipv6/conf/$name/disable_ipv6 || exit; done
exec "$@"
"""


def forbid_sockets():
    install(Instruction(LOAD_NUMBER, 0, 0, 0),
            Instruction(JUMP_IF_EQUAL, 0, 3, SOCKET),
            Instruction(LOAD_NUMBER, 0, 0, FIRST_ARGUMENT),
            Instruction(JUMP_IF_EQUAL, 0, 1, socket.AF_INET6),
            Instruction(RETURN, 0, 0, FAIL | errno.EAFNOSUPPORT),
            Instruction(RETURN, 0, 0, ALLOW))


def why_not(way):
    """None, or what it lacks here; for skipping."""
    done = subprocess.run([sys.executable, os.path.abspath(__file__), way, "true"],
                          capture_output=True, text=True, timeout=20)
    return None if done.returncode == 0 else f"IPv6 cannot be taken away here: {done.stderr[-300:]}"


if __name__ == "__main__":
    way, *words = sys.argv[1:]
    if way == "--socket":
        forbid_sockets()
    else:
        words = ["unshare", "--net", "sh", "-c", IN_ITS_OWN_NETWORK, "sh", *words]
    os.execvp(words[0], words)
